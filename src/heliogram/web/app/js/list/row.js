// @ts-check
/** One conversation in the list. */

import { html } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icon.js";
import { openChat, opened } from "../store.js";
import { brief, chatName, moment, t } from "../words.js";
import { chatMenu } from "./actions.js";
import { Last, Tick } from "./last.js";

/**
 * @param {{ chat: any, stop: boolean, place: number, of: number }} props
 * `stop`: whether Tab stops at it; `place` and `of`: where it is, for those who do not see the others.
 */
export function Row({ chat, stop, place, of }) {
  const current = opened.value === chat.id;
  return html`<li aria-setsize=${of} aria-posinset=${place + 1}>
    <button
      type="button"
      class="row"
      data-chat=${chat.id}
      tabindex=${stop ? 0 : -1}
      aria-current=${current}
      onClick=${() => openChat(chat.id)}
      onContextMenu=${(/** @type {MouseEvent} */ event) => chatMenu(event, chat)}
    >
      <${Avatar} id=${chat.picture ? chat.id : (chat.peer?.account ?? chat.id)} name=${chat.name} kind=${chat.kind} picture=${chat.picture} />
      <span class="row-name">
        ${chat.kind === "group" && html`<${Icon} name="people" size=${16} label=${t("group")} />`}
        <bdi>${chatName(chat)}</bdi>
        ${chat.peer?.verified && html`<span class="good"><${Icon} name="verified" size=${16} label=${t("verified")} /></span>`}
        ${chat.muted && html`<span class="faint"><${Icon} name="mute" size=${15} label=${t("muted")} /></span>`}
      </span>
      <span class="row-time">
        <${Tick} message=${chat.last} />
        ${chat.last && html`<time datetime=${new Date(chat.last.time * 1000).toISOString()} title=${moment(chat.last.time)}>${brief(chat.last.time)}</time>`}
      </span>
      <${Last} chat=${chat} />
      <span class="row-marks">
        ${!chat.successor && (chat.phase === "dead" || chat.phase === "wounded") ? html`<span class="wrong"><${Icon} name="warning" size=${17} label=${t("broken chat")} /></span>` : ""}
        ${chat.pinned && !(chat.unread > 0) && html`<span class="faint"><${Icon} name="pin" size=${16} label=${t("pinned")} /></span>`}
        ${chat.unread > 0 && html`<span class=${chat.muted ? "badge mute" : "badge"}>${chat.unread > 999 ? "999+" : chat.unread}<span class="visually-hidden"> ${t("unread word", { n: chat.unread })}</span></span>`}
      </span>
    </button>
  </li>`;
}
