// @ts-check
/** Where one writes. */

import { html, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { ask } from "../store.js";
import { t } from "../words.js";

/** @param {{ chat: any }} props */
export function Composer({ chat }) {
  const [text, setText] = useState(chat.draft ?? "");
  const send = async () => {
    if (!text.trim()) return;
    setText("");
    await ask("send", { chat: chat.id, text }).catch(() => setText(text));
  };
  return html`<form class="composer" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void send())}>
    <textarea
      rows="1"
      dir="auto"
      aria-label=${t("message")}
      placeholder=${t("message")}
      value=${text}
      onInput=${(/** @type {any} */ e) => setText(e.target.value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ e) => e.key === "Enter" && !e.shiftKey && !e.isComposing && (e.preventDefault(), void send())}
    ></textarea>
    <${IconButton} type="submit" name="send" label=${t("send")} />
  </form>`;
}
