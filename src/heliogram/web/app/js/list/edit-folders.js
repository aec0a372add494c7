// @ts-check
/** The dialog that makes, names, orders and fills folders. */

import { html, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { IconButton } from "../parts/icon.js";
import { ask, chats, folders } from "../store.js";
import { chatName, t } from "../words.js";
import { sorted } from "./order.js";

/** @param {{ close: () => void, titleId: string, first?: string }} props `first`: a conversation for a new folder */
export function EditFolders({ close, titleId, first }) {
  const [all, setAll] = useState(() => folders.value.map((one) => ({ ...one })));
  const [open, setOpen] = useState(-1);
  const [busy, setBusy] = useState(false);
  const names = all.map((one) => one.name.trim());
  const wrong = names.some((one) => !one) ? t("folder unnamed") : new Set(names).size < names.length ? t("folder twice") : "";
  /** @param {number} at @param {any} changes */
  const put = (at, changes) => setAll(all.map((one, index) => (index === at ? { ...one, ...changes } : one)));
  /** @param {number} at @param {number} to */
  const move = (at, to) => {
    const next = [...all];
    next.splice(to, 0, ...next.splice(at, 1));
    setAll(next);
    setOpen(-1);
  };
  const add = () => {
    setAll([...all, { name: "", chats: first ? [first] : [] }]);
    setOpen(all.length);
  };
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    if (wrong) return;
    setBusy(true);
    try {
      // What they are then is told to all windows, in its order.
      await ask("set folders", { folders: all.map((one) => ({ ...one, name: one.name.trim() })) });
      close();
    } catch {
      setBusy(false);
    }
  };
  return html`<form onSubmit=${save} class="sheet-form"><${Sheet}
    title=${t("folders")}
    titleId=${titleId}
    close=${close}
    feet=${html`<button type="button" onClick=${close}>${t("cancel")}</button><button class="primary" disabled=${busy || Boolean(wrong)}>${t("save")}</button>`}
  >
    <p class="quiet">${t("folders text")}</p>
    <ul class="folders">
      ${all.map(
        (one, at) => html`<li key=${at} class="folder">
          <div class="folder-head">
            <input aria-label=${t("folder name")} placeholder=${t("folder name")} maxlength="64" dir="auto" value=${one.name} autofocus=${open === at && !one.name} onInput=${(/** @type {any} */ event) => put(at, { name: event.target.value })} />
            <${IconButton} name="up" label=${t("move up")} disabled=${at === 0} onClick=${() => move(at, at - 1)} />
            <${IconButton} name="down" label=${t("move down")} disabled=${at === all.length - 1} onClick=${() => move(at, at + 1)} />
            <${IconButton} name="trash" label=${t("delete folder")} onClick=${() => (setAll(all.filter((_, index) => index !== at)), setOpen(-1))} />
          </div>
          <button type="button" class="plain" aria-expanded=${open === at} onClick=${() => setOpen(open === at ? -1 : at)}>${t("folder chats", { n: one.chats.length })}</button>
          ${open === at && html`<div class="folder-chats" role="group" aria-label=${one.name}>
            ${sorted([...chats.value.values()]).map(
              (chat) => html`<label key=${chat.id} class="across"><input type="checkbox" checked=${one.chats.includes(chat.id)} onChange=${(/** @type {any} */ event) => put(at, { chats: event.target.checked ? [...one.chats, chat.id] : one.chats.filter((/** @type {string} */ id) => id !== chat.id) })} /><bdi>${chatName(chat)}</bdi></label>`,
            )}
          </div>`}
        </li>`,
      )}
    </ul>
    <p class="wrong" role="alert">${wrong}</p>
    <div><button type="button" onClick=${add} disabled=${all.length >= 64}>${t("new folder")}</button></div>
  </${Sheet}></form>`;
}
