// @ts-check
/** All about a conversation: with one person, of a group, or with oneself. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { contacts, openChat } from "../store.js";
import { sentence, t } from "../words.js";
import { underWay, useInfo } from "./changes.js";
import { Chatwise, Secrets } from "./chatwise.js";
import { GroupHead, GroupFeet } from "./group.js";
import { Members } from "./members.js";
import { Ended } from "./successor.js";
import { Person, PersonFeet } from "./person.js";
import { ChatRelays } from "./relays.js";

/** @param {{ chat: any }} props */
export function Info({ chat }) {
  const { info, gone } = useInfo(chat.id);
  if (gone && !info) return html`<p class="quiet" role="alert">${sentence("no such chat")}</p>`;
  if (!info) return html`<p class="quiet" aria-busy="true" role="status">${t("loading")}</p>`;
  const me = info.members.find((/** @type {any} */ one) => one.who.me);
  const other =
    chat.peer?.account ??
    contacts.value.find((one) => one.chat === chat.id)?.who.account ??
    info.members.find((/** @type {any} */ one) => !one.who.me)?.who.account;
  const over = chat.phase === "dead" || chat.phase === "out";
  const admin = !over && (me?.role === "admin" || me?.role === "owner");
  return html`
    <div class="p-under-way" role="status">
      ${[...underWay(info)].map((words) => html`<p key=${words}><${Icon} name="clock" size=${18} /> ${words}</p>`)}
    </div>
    <${Ended} chat=${chat} info=${info} />
    ${chat.kind === "group" && html`<${GroupHead} chat=${chat} info=${info} may=${admin} />`}
    ${chat.kind === "direct" && other && html`<${Person} chat=${chat} account=${other} inside />`}
    ${chat.kind === "self" && html`<p class="quiet">${t("self text")}</p>`}
    <${Chatwise} chat=${chat} may=${!over && (chat.kind !== "group" || admin)} />
    ${chat.kind === "group" && html`<${Members} chat=${chat} info=${info} me=${me} may=${admin} />`}
    <${ChatRelays} chat=${chat} info=${info} may=${admin} />
    <${Secrets} info=${info} />
    ${chat.predecessor && html`<button type="button" class="plain p-with-icon" onClick=${() => openChat(chat.predecessor)}><${Icon} name="back" size=${18} />${t("open predecessor")}</button>`}
    ${chat.kind === "direct" && other && html`<${PersonFeet} chat=${chat} account=${other} />`}
    ${chat.kind !== "self" && !over && html`<${GroupFeet} chat=${chat} info=${info} me=${me} />`}
  `;
}
