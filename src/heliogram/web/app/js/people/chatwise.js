// @ts-check
/** What one sets for a conversation: silence, reports, how long messages stay; and what proves its state. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { searching } from "../chat/head.js";
import { panel } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { change, spanWords } from "./changes.js";
import { Card, Choice, Copy, Fact, Toggle, useTry, Wrong } from "./pieces.js";

/** Seconds after reading; 0: never. */
const SPANS = [0, 300, 3600, 86400, 604800, 4 * 604800];

/** The search is in the conversation: on a narrow screen the panel covers it. */
function search() {
  panel.value = null;
  searching.value = true;
}

/** @param {{ chat: any, may: boolean }} props `may`: change what is for all */
export function Chatwise({ chat, may }) {
  const { busy, wrong, run } = useTry();
  const set = (/** @type {any} */ fields) => void run(() => call("set chat", { chat: chat.id, ...fields }));
  const expiry = chat.expiry ?? 0;
  const expire = (/** @type {string} */ text) => {
    const wanted = Number(text);
    void run(() =>
      change("set profile", { chat: chat.id, expiry: wanted }, {
        doing: t("changing timer"),
        done: t("timer changed"),
        over: (info) => (info.chat.expiry ?? 0) === wanted,
      }),
    );
  };
  return html`<${Card}>
    <div class="p-tiles">
      <button type="button" class="p-tile" onClick=${() => (panel.value = { kind: "media", back: { kind: "info" } })}><${Icon} name="image" /><span>${t("media")}</span></button>
      <button type="button" class="p-tile" onClick=${() => (panel.value = { kind: "pins", back: { kind: "info" } })}><${Icon} name="pin" /><span>${t("pinned")}</span></button>
      <button type="button" class="p-tile" onClick=${search}><${Icon} name="search" /><span>${t("search")}</span></button>
    </div>
    ${chat.kind !== "self" && html`<${Toggle} label=${t("mute")} note=${t("mute text")} checked=${Boolean(chat.muted)} disabled=${busy} onChange=${(/** @type {boolean} */ on) => set({ muted: on })} />
      <${Toggle} label=${t("reports here")} note=${t("reports here text")} checked=${chat.reports ?? true} disabled=${busy} onChange=${(/** @type {boolean} */ on) => set({ reports: on })} />`}
    <${Choice} label=${t("timer")} note=${t(may ? "timer text" : "timer admins")} value=${expiry} disabled=${busy || !may} options=${[...new Set([...SPANS, expiry])].map((one) => [one, one ? spanWords(one) : t("messages stay")])} onChange=${expire} />
    <${Wrong} text=${wrong} />
  </${Card}>`;
}

/** @param {{ info: any }} props */
export function Secrets({ info }) {
  return html`<details class="p-card">
    <summary>${t("encryption")}</summary>
    <p class="quiet p-small">${t("authenticator text")}</p>
    <dl class="p-facts">
      <${Fact} name=${t("authenticator")}><code class="p-long" dir="ltr" data-authenticator>${info.authenticator}</code></${Fact}>
      <${Fact} name=${t("epoch")}>${info.epoch}</${Fact}>
      <${Fact} name=${t("suite")}><span class="p-wrap">${info.suite}</span></${Fact}>
      <${Fact} name=${t("id")}><code class="p-long">${info.chat.id}</code></${Fact}>
    </dl>
    <${Copy} text=${info.authenticator} label=${t("copy authenticator")} />
  </details>`;
}
