// @ts-check
/** The conversation that is open: head, history, composer. */

import { html, useEffect } from "../../vendor/preact.js";
import { Composer } from "../compose/composer.js";
import { answered } from "../compose/draft.js";
import { chat } from "../store.js";
import { t } from "../words.js";
import { canEdit, edit } from "./actions.js";
import { Alarms } from "./alarms.js";
import { editing, replyTo, selected, shownHistory } from "./context.js";
import { Head, searching } from "./head.js";
import { PinBar } from "./pinbar.js";
import { SearchBar } from "./search.js";
import { Selecting } from "./selecting.js";
import { History } from "./view.js";

export function Chat() {
  const shown = chat.value;
  if (!shown) return html`<main class="chat empty"><div>
      <img src="app/icon.svg" alt="" width="72" height="72" /><h1 class="visually-hidden">Heliogram</h1><p>${t("choose a chat")}</p>
    </div></main>`;
  return html`<${Shown} key=${shown.id} chat=${shown} />`;
}

/** @param {{ chat: any }} props */
function Shown({ chat: shown }) {
  useEffect(() => () => void (searching.value = false), []);
  return html`<main class="chat" aria-label=${shown.name} onKeyDown=${pressed}>
    <${Head} chat=${shown} />
    ${searching.value && html`<${SearchBar} chat=${shown} />`}
    <${Alarms} chat=${shown} />
    <${PinBar} chat=${shown} />
    <${History} chat=${shown} />
    ${selected.value.size > 0 ? html`<${Selecting} />` : html`<${Composer} chat=${shown} />`}
  </main>`;
}

/** Keys that are of no part alone. @param {KeyboardEvent} event */
function pressed(event) {
  if (event.defaultPrevented) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const writes = target.matches(".composer textarea, .composer [contenteditable]");
  if (event.key === "ArrowUp" && writes && empty(target) && !editing.value && !modified(event)) {
    event.preventDefault();
    void editLast(target);
  } else if (event.key === "f" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    searching.value = true;
  } else if (event.key === "Escape") {
    if (selected.value.size) selected.value = new Set();
    else if (replyTo.value || editing.value) replyTo.value = editing.value = null;
    else return;
    event.preventDefault();
  }
}

/** @param {KeyboardEvent} event */
const modified = (event) => event.shiftKey || event.altKey || event.ctrlKey || event.metaKey;

/** Change what was said last, also if it is still on its way, unless something else is begun meanwhile. @param {HTMLElement} field */
async function editLast(field) {
  const history = shownHistory.value;
  await answered(history?.chat ?? "");
  await history?.turn;
  const last = lastOfMine();
  if (last && history === shownHistory.value && empty(field) && !editing.value) void edit(last);
}

/** @param {HTMLElement} field */
const empty = (field) => !("value" in field ? /** @type {HTMLTextAreaElement} */ (field).value : field.textContent);

/** The last message of ours that can be changed, among those at the end. */
function lastOfMine() {
  const history = shownHistory.value;
  if (!history) return null;
  for (let at = history.count - 1; at >= Math.max(0, history.count - 100); at--) {
    const one = history.at(at);
    if (one && canEdit(one)) return one;
  }
  return null;
}
