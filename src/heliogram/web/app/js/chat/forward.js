// @ts-check
/** To whom messages go on. */

import { html, useState } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Sheet } from "../parts/dialog.js";
import { ask, chats, openChat } from "../store.js";
import { t } from "../words.js";
import { selected } from "./context.js";

/** @param {any} props */
export function Forward({ messages, close, titleId }) {
  const [words, setWords] = useState("");
  const wanted = words.trim().toLocaleLowerCase();
  const all = [...chats.value.values()]
    .filter((one) => one.phase !== "dead" && one.phase !== "out" && one.name.toLocaleLowerCase().includes(wanted))
    .sort((a, b) => Number(b.kind === "self") - Number(a.kind === "self") || (b.last?.time ?? 0) - (a.last?.time ?? 0));
  const send = async (/** @type {any} */ to) => {
    close();
    await ask("forward", { messages: messages.map((/** @type {any} */ one) => one.id), chat: to.id }).then(() => {
      selected.value = new Set();
      openChat(to.id);
    }, () => {});
  };
  return html`<${Sheet} title=${t("forward messages", { n: messages.length })} titleId=${titleId} close=${close}>
    <input type="search" autofocus aria-label=${t("search chats")} placeholder=${t("search chats")} value=${words} onInput=${(/** @type {any} */ e) => setWords(e.target.value)} />
    <ul class="choices">
      ${all.slice(0, 200).map(
        (one) => html`<li key=${one.id}>
          <button type="button" onClick=${() => void send(one)}>
            <${Avatar} id=${one.id} name=${one.name} kind=${one.kind} picture=${one.picture} size=${36} /> <bdi>${one.name}</bdi>
          </button>
        </li>`,
      )}
    </ul>
  </${Sheet}>`;
}
