// @ts-check
/**
 * Warnings about a conversation that stay until somebody has seen to them. They outlive a restart: the app keeps
 * them among its own settings.
 */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { Confirm } from "../parts/dialog.js";
import { GoOn } from "../people/successor.js";
import { ask, chats, on, openChat, openDialog, own, panel, setOwn } from "../store.js";
import { sentence, t } from "../words.js";

/** Conversations, and warnings in one, that are kept at most. */
const MANY = 60;
const EACH = 6;

on("warned", ({ code, chat, who }) => {
  const place = chat ?? [...chats.value.values()].find((one) => one.peer && one.peer.account === who?.account)?.id;
  if (!place) return;
  const alarms = own.value.alarms ?? {};
  const here = alarms[place] ?? [];
  if (here.includes(code)) return;
  const kept = Object.fromEntries(Object.entries(alarms).slice(-MANY));
  setOwn({ alarms: { ...kept, [place]: [...here, code].slice(-EACH) } });
});

/** @param {string} chat @param {string} code */
function acknowledge(chat, code) {
  const { [chat]: here = [], ...others } = own.value.alarms ?? {};
  const left = here.filter((/** @type {string} */ one) => one !== code);
  setOwn({ alarms: left.length ? { ...others, [chat]: left } : others });
}

/** @param {{ chat: any }} props */
export function Alarms({ chat }) {
  const codes = own.value.alarms?.[chat.id] ?? [];
  return html`<div class="alarms" role="alert">
    ${codes.map(
      (/** @type {string} */ code) => html`<div key=${code} class="alarm">
        <${Icon} name="warning" />
        <p>${sentence(code)}</p>
        <button type="button" onClick=${() => (panel.value = { kind: "info" })}>${t("check")}</button>
        <button
          type="button"
          onClick=${() => openDialog(Confirm, { title: t("acknowledge title"), text: sentence(code), yes: t("acknowledge"), danger: true, run: () => acknowledge(chat.id, code) })}
        >${t("acknowledge")}</button>
      </div>`,
    )}
    ${chat.peer?.warnings?.length > 0 &&
    html`<div class="alarm"><${Icon} name="warning" /><p>${chat.peer.warnings.map(sentence).join(" ")}</p></div>`}
    <${Phase} chat=${chat} />
  </div>`;
}

/** What has ended, and where it goes on. @param {{ chat: any }} props */
function Phase({ chat }) {
  if (chat.phase === "open" || chat.phase === "opening") return html``;
  const next = chat.successor && chats.value.get(chat.successor);
  const begin = () => void ask("chat", { chat: chat.id }).then((info) => openDialog(GoOn, { chat, info }), () => {});
  return html`<div class=${next || chat.phase === "out" ? "alarm mild" : "alarm"}>
    <${Icon} name=${next ? "forward" : chat.phase === "out" ? "leave" : "warning"} />
    <p>${t(next ? "goes on elsewhere" : `chat ${chat.phase}`)}</p>
    ${next && html`<button type="button" onClick=${() => openChat(next.id)}>${t("go on there")}</button>`}
    ${chat.phase === "dead" && !next && html`<button type="button" class="primary" onClick=${begin}>${t("begin successor")}</button>`}
  </div>`;
}
