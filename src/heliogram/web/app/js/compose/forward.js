// @ts-check
/** One conversation is chosen: `openDialog(ChooseChat, { title, run(chatId) })`. */

import { html, useMemo, useRef, useState } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Sheet } from "../parts/dialog.js";
import { chats } from "../store.js";
import { chatName, t } from "../words.js";

/** Text to be compared: without marks, in small letters. @param {string} text */
const folded = (text) => text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLocaleLowerCase();

/** @param {any} chat what has gone on elsewhere, or is over, takes nothing */
const open = (chat) => chat.phase !== "out" && chat.phase !== "dead";

/** @param {any} props */
export function ChooseChat({ title, run, close, titleId }) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const all = useMemo(
    () =>
      [...chats.value.values()]
        .filter(open)
        .sort(
          (a, b) =>
            Number(b.kind === "self") - Number(a.kind === "self") ||
            Number(a.archived ?? false) - Number(b.archived ?? false) ||
            Number(b.pinned ?? false) - Number(a.pinned ?? false) ||
            (b.last?.time ?? 0) - (a.last?.time ?? 0),
        ),
    [chats.value],
  );
  const words = folded(query).split(/\s+/u).filter(Boolean);
  const found = all.filter((one) => {
    const name = folded(one.kind === "self" ? `${one.name} ${t("saved messages")}` : one.name);
    return words.every((word) => name.includes(word));
  });
  const chosen = Math.min(at, found.length - 1);
  /** @param {any} chat */
  const take = (chat) => {
    close();
    run(chat.id);
  };
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    if (event.isComposing) return;
    const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1 }[event.key];
    if (to !== undefined && found.length) setAt((to + found.length) % found.length);
    else if (event.key === "Enter" && found[chosen]) take(found[chosen]);
    else return;
    event.preventDefault();
  };
  return html`<${Sheet} title=${title} titleId=${titleId} close=${close}>
    <input type="search" autofocus role="combobox" aria-expanded="true" aria-controls="choose-chat" aria-label=${t("find a chat")}
      aria-activedescendant=${found[chosen] ? `choose-${found[chosen].id}` : undefined}
      placeholder=${t("find a chat")} value=${query} onInput=${(/** @type {any} */ e) => (setQuery(e.target.value), setAt(0))} onKeyDown=${pressed} />
    <ul id="choose-chat" class="choose-chat" role="listbox" aria-label=${title} ref=${list}>
      ${found.map(
        (one, index) => html`<li key=${one.id} id=${`choose-${one.id}`} role="option" aria-selected=${index === chosen} onClick=${() => take(one)}
          ref=${(/** @type {HTMLElement | null} */ node) => index === chosen && node?.scrollIntoView({ block: "nearest" })}>
          <${Avatar} id=${one.id} name=${one.name} kind=${one.kind} picture=${one.picture} size=${40} />
          <bdi>${chatName(one)}</bdi>
        </li>`,
      )}
    </ul>
    ${!found.length && html`<p class="quiet" role="status">${t("no chat found")}</p>`}
  </${Sheet}>`;
}
