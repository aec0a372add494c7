// @ts-check
/** Invitations that wait: who, where to, and what to do about it. */

import { html } from "../../vendor/preact.js";
import { Confirm, Sheet } from "../parts/dialog.js";
import { openChat, openDialog, requests } from "../store.js";
import { call } from "../wire.js";
import { moment, t } from "../words.js";
import { Digits } from "./safety.js";
import { Card, useTry, Warnings, Who, Wrong } from "./pieces.js";

/** @param {{ close: () => void, titleId: string }} props */
export function Requests({ close, titleId }) {
  const all = [...requests.value].sort((a, b) => b.time - a.time);
  return html`<${Sheet} title=${t("requests")} titleId=${titleId} close=${close}>
    <p>${t(all.length ? "requests text" : "no requests")}</p>
    ${all.map((one) => html`<${One} key=${one.id} request=${one} close=${close} />`)}
  </${Sheet}>`;
}

/** @param {{ request: any, close: () => void }} props */
function One({ request, close }) {
  const { busy, wrong, run } = useTry();
  const { who } = request;
  const accept = () =>
    run(async () => {
      const chat = await call("accept", { request: request.id });
      close();
      openChat(chat.id);
    });
  const decline = (/** @type {boolean} */ block) =>
    openDialog(Confirm, {
      title: t(block ? "decline and block" : "decline"),
      text: t(block ? "decline and block text" : "decline text", { name: who.name }),
      yes: t(block ? "decline and block" : "decline"),
      danger: true,
      run: () => void run(() => call("decline", { request: request.id, block })),
    });
  return html`<${Card} class="request">
    <${Who} who=${who} size=${48} />
    <p>
      ${request.kind === "group"
        ? html`${t("asks into group")} <strong><bdi>${request.name || t("no name")}</bdi></strong> · ${t("n members", { n: request.members ?? 2 })}`
        : t("asks for chat")}
      <span class="quiet p-small p-block">${moment(request.time)}</span>
    </p>
    <${Warnings} who=${who} />
    <details>
      <summary>${t("safety code")}</summary>
      <p class="quiet p-small">${t("safety code before")}</p>
      <${Digits} digits=${request.safety} />
    </details>
    <${Wrong} text=${wrong} />
    <div class="p-buttons">
      <button type="button" class="danger plain" disabled=${busy} onClick=${() => decline(true)}>${t("decline and block")}</button>
      <button type="button" disabled=${busy} onClick=${() => decline(false)}>${t("decline")}</button>
      <button type="button" class="primary" disabled=${busy} onClick=${() => void accept()}>${t("accept")}</button>
    </div>
  </${Card}>`;
}
