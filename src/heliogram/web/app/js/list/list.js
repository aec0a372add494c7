// @ts-check
/** The side of the app: search, folders, conversations. */

import { html } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { chats, openChat, opened } from "../store.js";
import { brief, t } from "../words.js";

export function List() {
  const all = [...chats.value.values()].filter((one) => !one.archived);
  all.sort((a, b) => Number(b.pinned ?? false) - Number(a.pinned ?? false) || (b.last?.time ?? 0) - (a.last?.time ?? 0));
  return html`<nav class="list" aria-label=${t("chats")}>
    <ul class="rows">
      ${all.map((one) => html`<${Row} key=${one.id} chat=${one} />`)}
    </ul>
  </nav>`;
}

/** @param {{ chat: any }} props */
function Row({ chat }) {
  return html`<li>
    <button type="button" class="row" aria-current=${opened.value === chat.id} onClick=${() => openChat(chat.id)}>
      <${Avatar} id=${chat.id} name=${chat.name} kind=${chat.kind} picture=${chat.picture} />
      <span class="row-name"><bdi>${chat.name}</bdi></span>
      <time class="row-time">${chat.last ? brief(chat.last.time) : ""}</time>
      <span class="row-last"><bdi>${chat.last?.text ?? ""}</bdi></span>
      ${chat.unread > 0 && html`<span class="badge">${chat.unread}</span>`}
    </button>
  </li>`;
}
