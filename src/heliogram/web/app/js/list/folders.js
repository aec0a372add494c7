// @ts-check
/** Folders: tabs above the list. */

import { html } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { t } from "../words.js";
import { openFolders } from "./doors.js";
import { news, shelf, shelves } from "./order.js";

/** @param {string} one */
const label = (one) => (one === "all" ? t("all chats") : one === "unread" ? t("unread") : one.slice(7));

/** @param {{ controls: string }} props the id of the list that they change */
export function Tabs({ controls }) {
  const all = shelves.value;
  const now = all.includes(shelf.value) ? shelf.value : "all";
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const ahead = document.documentElement.dir === "rtl" ? -1 : 1;
    const here = all.indexOf(now);
    /** @type {Record<string, number>} */
    const moves = { ArrowRight: here + ahead, ArrowLeft: here - ahead, Home: 0, End: all.length - 1 };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    shelf.value = all[(to + all.length) % all.length];
    const tabs = /** @type {HTMLElement} */ (event.currentTarget).querySelectorAll('[role="tab"]');
    /** @type {HTMLElement} */ (tabs[(to + all.length) % all.length]).focus();
  };
  return html`<div class="shelves">
    <div class="shelves-list" role="tablist" aria-label=${t("folders")} onKeyDown=${pressed}>
      ${all.map((one) => {
        const n = one === "unread" ? 0 : news(one);
        return html`<button
          type="button"
          role="tab"
          key=${one}
          class="shelf"
          aria-selected=${one === now}
          aria-controls=${controls}
          tabindex=${one === now ? 0 : -1}
          onClick=${() => (shelf.value = one)}
        >
          <bdi>${label(one)}</bdi>${n > 0 && html`<span class="badge mute">${n}</span>`}
        </button>`;
      })}
    </div>
    <${IconButton} name="edit" size=${17} label=${t("edit folders")} onClick=${() => openFolders()} />
  </div>`;
}
