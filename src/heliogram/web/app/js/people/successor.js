// @ts-check
/** A conversation that has ended: why, and how it goes on. */

import { html, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { openChat, openDialog } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { arrows, useTry, Who, Wrong } from "./pieces.js";

/** What is wrong with a conversation, and what to do. @param {{ chat: any, info: any }} props */
export function Ended({ chat, info }) {
  if (chat.successor)
    return html`<div class="p-caution"><${Icon} name="forward" /><div>
      <p>${t("goes on elsewhere")}</p>
      <button type="button" class="primary" onClick=${() => openChat(chat.successor)}>${t("open successor")}</button>
    </div></div>`;
  if (!["dead", "wounded", "out", "opening"].includes(chat.phase)) return null;
  const loud = chat.phase === "dead" || chat.phase === "wounded";
  return html`<div class=${loud ? "p-caution bad" : "p-caution"} role=${loud ? "alert" : "note"} data-phase=${chat.phase}>
    <${Icon} name=${chat.phase === "opening" ? "clock" : chat.phase === "out" ? "leave" : "warning"} />
    <div>
      <strong>${t(`phase ${chat.phase}`)}</strong><p>${t(`phase ${chat.phase} text`)}</p>
      ${loud && html`<button type="button" onClick=${() => openDialog(GoOn, { chat, info })}>${t("go on anew")}</button>`}
    </div>
  </div>`;
}

/** Goes on in a new conversation with those who are chosen. @param {{ chat: any, info: any, close: () => void, titleId: string }} props */
export function GoOn({ chat, info, close, titleId }) {
  const [without, setWithout] = useState(/** @type {Set<string>} */ (new Set()));
  const { busy, wrong, run } = useTry();
  const others = info.members.filter((/** @type {any} */ one) => !one.who.me);
  const turn = (/** @type {string} */ account) => {
    const next = new Set(without);
    if (!next.delete(account)) next.add(account);
    setWithout(next);
  };
  const begin = () =>
    run(async () => {
      const made = await call("successor", { chat: chat.id, leave_out: [...without] });
      close();
      openChat(made.id);
    });
  const feet = html`<button type="button" onClick=${close}>${t("cancel")}</button>
    <button type="button" class="primary" disabled=${busy} onClick=${() => void begin()}>${t("go on anew")}</button>`;
  return html`<${Sheet} title=${t("go on anew")} titleId=${titleId} close=${close} feet=${feet}>
    <p>${t("go on text")}</p>
    <ul class="p-lines" onKeyDown=${arrows}>
      ${others.map(
        (/** @type {any} */ one) => html`<li key=${one.who.account}>
          <label class="across p-line"><input type="checkbox" data-stop checked=${!without.has(one.who.account)} onChange=${() => turn(one.who.account)} /><${Who} who=${one.who} /></label>
        </li>`,
      )}
    </ul>
    <${Wrong} text=${wrong} />
  </${Sheet}>`;
}
