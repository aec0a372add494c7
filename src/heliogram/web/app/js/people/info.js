// @ts-check
/** All about a conversation: with one person, of a group, or with oneself. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { openChat } from "../store.js";
import { t } from "../words.js";
import { underWay, useInfo } from "./changes.js";
import { Chatwise, Secrets } from "./chatwise.js";
import { GroupHead, GroupFeet } from "./group.js";
import { Members } from "./members.js";
import { Ended } from "./successor.js";
import { Person } from "./person.js";
import { ChatRelays } from "./relays.js";

/** @param {{ chat: any }} props */
export function Info({ chat }) {
  const { info, gone } = useInfo(chat.id);
  if (gone && !info) return html`<p class="quiet" role="alert">${t("error no such chat")}</p>`;
  if (!info) return html`<p class="quiet" aria-busy="true" role="status">${t("loading")}</p>`;
  const me = info.members.find((/** @type {any} */ one) => one.who.me);
  const over = chat.phase === "dead" || chat.phase === "out";
  const admin = !over && (me?.role === "admin" || me?.role === "owner");
  return html`
    <div class="under-way" role="status">
      ${underWay(chat.id).map((words) => html`<p key=${words}><${Icon} name="clock" size=${18} /> ${words}</p>`)}
    </div>
    <${Ended} chat=${chat} info=${info} />
    ${chat.kind === "group" && html`<${GroupHead} chat=${chat} info=${info} may=${admin} />`}
    ${chat.kind === "direct" && html`<${Person} chat=${chat} account=${chat.peer.account} inside />`}
    ${chat.kind === "self" && html`<p class="quiet">${t("self text")}</p>`}
    <${Chatwise} chat=${chat} may=${!over && (chat.kind !== "group" || admin)} />
    ${chat.kind === "group" && html`<${Members} chat=${chat} info=${info} me=${me} may=${admin} />`}
    <${ChatRelays} chat=${chat} info=${info} may=${admin} />
    <${Secrets} info=${info} />
    ${chat.predecessor && html`<button type="button" class="plain with-icon" onClick=${() => openChat(chat.predecessor)}><${Icon} name="back" size=${18} />${t("open predecessor")}</button>`}
    ${chat.kind !== "self" && !over && html`<${GroupFeet} chat=${chat} info=${info} me=${me} />`}
  `;
}
