// @ts-check
/** What can be done at once with the message that is pointed at. */

import { html } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { t } from "../words.js";
import { answer, canSay, messageMenu, pickEmoji } from "./actions.js";
import { chat } from "../store.js";

/** @param {{ message: any }} props */
export function Quick({ message }) {
  if (message.kind === "deleted" || !message.id) return html``;
  return html`<div class="quick" role="toolbar" aria-label=${t("actions")}>
    ${canSay(chat.value) && message.state !== "failed" &&
    html`<${IconButton} tabindex="-1" name="smile" size=${18} label=${t("react")} onClick=${(/** @type {MouseEvent} */ event) => pickEmoji(event, message)} />
      <${IconButton} tabindex="-1" name="reply" size=${18} label=${t("reply")} onClick=${() => answer(message)} />`}
    <${IconButton} tabindex="-1" name="more" size=${18} label=${t("more")} onClick=${(/** @type {MouseEvent} */ event) => messageMenu(event, message)} />
  </div>`;
}
