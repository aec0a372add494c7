// @ts-check
/** Choosing an emoji to react by: the usual ones at once, all of them below. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { t } from "../words.js";
import { react } from "./reactions.js";

const USUAL = ["👍", "❤️", "😂", "😮", "😢", "🙏", "🔥", "🎉"];

/** @param {any} props */
export function Pick({ message, close, titleId }) {
  const [All, setAll] = useState(/** @type {any} */ (null));
  useEffect(() => {
    import("../compose/emoji.js").then((found) => setAll(() => found.EmojiPicker), () => {});
  }, []);
  const choose = (/** @type {string} */ emoji) => {
    close();
    react(message, emoji);
  };
  return html`<${Sheet} title=${t("react")} titleId=${titleId} close=${close}>
    <div class="usual" role="group">
      ${USUAL.map((one, index) => html`<button type="button" class="plain chip-emoji" autofocus=${index === 0} aria-label=${one} onClick=${() => choose(one)}>${one}</button>`)}
    </div>
    ${All && html`<${All} onPick=${choose} onClose=${() => {}} />`}
  </${Sheet}>`;
}
