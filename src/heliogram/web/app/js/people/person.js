// @ts-check
/** One person: who they are, how sure that is, and what can be done. */

import { html } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Confirm } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { chats, contacts, openChat, openDialog, panel, toast } from "../store.js";
import { call } from "../wire.js";
import { sentence, t } from "../words.js";
import { useInfo } from "./changes.js";
import { NewGroup } from "./new-group.js";
import { Card, Editable, Name, useTry, Warnings, Wrong } from "./pieces.js";
import { Compare } from "./safety.js";
import { useTogether } from "./together.js";

/**
 * @param {{ chat: any, account: string, inside?: boolean }} props `chat` tells who they are if they are no contact;
 * `inside`: in what is about their direct conversation
 */
export function Person({ chat, account, inside = false }) {
  const contact = contacts.value.find((one) => one.who.account === account);
  const { info } = useInfo(chat.id);
  const who =
    contact?.who ??
    info?.members.find((/** @type {any} */ one) => one.who.account === account)?.who ??
    (chat.peer?.account === account ? chat.peer : null);
  if (!who) return html`<p class="quiet" role="status">${t("loading")}</p>`;
  const rename = (/** @type {string} */ name) => call("rename contact", { contact: account, name });
  return html`<div class="p-person-head">
      <${Avatar} id=${account} name=${who.name} size=${88} />
      <${Editable} label=${t("rename here")} text=${who.name} may=${Boolean(contact)} save=${rename}>
        <strong class="p-big"><${Name} who=${who} /></strong>
      </${Editable}>
      <p class="quiet" title=${t("mark text")}>${who.mark}</p>
      ${contact?.state && contact.state !== "known" && html`<p role="status" class=${contact.state === "failed" ? "wrong" : "quiet"}>${contact.state === "failed" ? sentence(contact.trouble || "not reached") : t(`contact ${contact.state}`)}</p>`}
    </div>
    ${contact?.blocked && html`<div class="p-caution"><${Icon} name="lock" /><p>${t("blocked text")}</p></div>`}
    <${Warnings} who=${who} />
    ${!who.me && html`<${Card}>
      <p class=${who.verified ? "p-good p-with-note" : "quiet p-with-note"} data-verified=${Boolean(who.verified)}>
        <${Icon} name=${who.verified ? "verified" : "shield"} /> ${t(who.verified ? "verified text" : "not verified text")}
      </p>
      <div class="p-buttons left">
        <button type="button" class="p-with-icon" onClick=${() => openDialog(Compare, { account })}><${Icon} name="qr" size=${18} />${t(who.verified ? "safety code" : "compare codes")}</button>
        ${!inside && contact?.chat && html`<button type="button" class="p-with-icon" onClick=${() => openChat(contact.chat)}><${Icon} name="reply" size=${18} />${t("open chat")}</button>`}
        ${contact && !contact.blocked && html`<button type="button" class="p-with-icon" onClick=${() => openDialog(NewGroup, { members: [account] })}><${Icon} name="people" size=${18} />${t("group with them")}</button>`}
      </div>
      ${!contact && html`<p class="quiet p-small">${t("no contact text")}</p>`}
    </${Card}>`}
    ${!inside && html`<${PersonFeet} account=${account} chat=${chat} />`}`;
}

/** What is less often wanted: common groups, blocking. @param {{ chat: any, account: string }} props */
export function PersonFeet({ chat, account }) {
  const contact = contacts.value.find((one) => one.who.account === account);
  const { busy, wrong, run } = useTry();
  const block = (/** @type {boolean} */ blocked) =>
    run(async () => {
      await call("block", { contact: account, blocked });
      toast(t(blocked ? "is blocked" : "is not blocked", { name: contact.who.name }));
    });
  return html`<${Together} account=${account} but=${chat.id} />
    <${Wrong} text=${wrong} />
    ${contact && html`<div class="p-buttons left">
      ${contact.blocked
        ? html`<button type="button" disabled=${busy} onClick=${() => void block(false)}>${t("unblock")}</button>`
        : html`<button type="button" class="danger" disabled=${busy} onClick=${() => openDialog(Confirm, {
            title: t("block person", { name: contact.who.name }),
            text: t("block text"),
            yes: t("block"),
            danger: true,
            run: () => void block(true),
          })}>${t("block")}</button>`}
    </div>`}`;
}

/** Groups that both are in. @param {{ account: string, but: string }} props */
function Together({ account, but }) {
  const found = useTogether(account)
    .map((id) => chats.value.get(id))
    .filter((one) => one && one.id !== but);
  if (!found.length) return null;
  return html`<${Card} title=${t("groups together")}>
    <ul class="p-lines">
      ${found.map(
        (one) => html`<li key=${one.id}>
          <button type="button" class="p-line p-line-main" onClick=${() => ((panel.value = null), openChat(one.id))}>
            <${Avatar} id=${one.id} name=${one.name} picture=${one.picture} size=${32} /><bdi class="p-grow">${one.name}</bdi>
            <span class="quiet p-small">${t("n members", { n: one.members ?? 1 })}</span>
          </button>
        </li>`,
      )}
    </ul>
  </${Card}>`;
}
