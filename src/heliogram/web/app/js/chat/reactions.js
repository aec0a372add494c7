// @ts-check
/** Reactions of a message, each emoji once. */

import { html } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Sheet } from "../parts/dialog.js";
import { openDialog, tell } from "../store.js";
import { t } from "../words.js";
import { WithWarning } from "./person.js";

/** @param {any} message @returns {[string, any[]][]} */
function counted(message) {
  /** @type {Map<string, any[]>} */
  const all = new Map();
  for (const { emoji, who } of message.reactions ?? []) all.set(emoji, [...(all.get(emoji) ?? []), who]);
  return [...all];
}

/** React, or take it back if we did so already. @param {any} message @param {string} emoji */
export function react(message, emoji) {
  const ours = (message.reactions ?? []).some((/** @type {any} */ one) => one.who.me && one.emoji === emoji);
  tell("react", { message: message.id, emoji: ours ? "" : emoji });
}

/** @param {{ message: any }} props */
export function Reactions({ message }) {
  const all = counted(message);
  return html`<ul class="reactions" aria-label=${t("reactions")}>
    ${all.slice(0, 20).map(
      ([emoji, who]) => html`<li key=${emoji}>
        <button
          type="button"
          class="chip"
          aria-pressed=${who.some((one) => one.me)}
          aria-label=${`${emoji} ${who.length}: ${who.slice(0, 8).map((one) => (one.me ? t("you said") : one.name)).join(", ")}`}
          title=${who.slice(0, 12).map((one) => (one.me ? t("you said") : one.name)).join(", ")}
          onClick=${() => react(message, emoji)}
          onContextMenu=${(/** @type {Event} */ event) => {
            event.preventDefault();
            event.stopPropagation();
            openDialog(Who, { message });
          }}
        >
          <span class="chip-emoji">${emoji}</span> <span>${who.length}</span>
        </button>
      </li>`,
    )}
  </ul>`;
}

/** Who reacted how. @param {any} props */
export function Who({ message, close, titleId }) {
  return html`<${Sheet} title=${t("reactions")} titleId=${titleId} close=${close}>
    ${counted(message).map(
      ([emoji, people]) => html`<section class="who">
        <h3><span class="chip-emoji">${emoji}</span> ${people.length}</h3>
        <ul>
          ${people.map((one) => html`<li><${Avatar} id=${one.account} name=${one.name} size=${28} /> ${one.me ? t("you said") : html`<${WithWarning} who=${one} />`}</li>`)}
        </ul>
      </section>`,
    )}
  </${Sheet}>`;
}
