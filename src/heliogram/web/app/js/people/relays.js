// @ts-check
/** The relays of a conversation: who holds it, what that promises, how each does; and changing them. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Confirm, Sheet } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { openDialog } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { change } from "./changes.js";
import { Health, kindOf } from "./health.js";
import { arrows, Card, Choice, Toggle, useTry, Wrong } from "./pieces.js";
import { mayLie, promise, usualQuorum } from "./promise.js";
import { GoOn } from "./successor.js";

/** How a conversation stands, from how its relays do. @param {any} info */
export function standing(info) {
  const well = info.relays.filter((/** @type {any} */ one) => one.state === "up" || one.state === "behind").length;
  const known = info.relays.some((/** @type {any} */ one) => one.state !== "unknown");
  const faulty = info.relays.filter((/** @type {any} */ one) => one.state === "misbehaving" || one.faults?.length).length;
  if (faulty > info.lying) return "bad";
  if (!known) return "unknown";
  if (well < info.quorum) return "stopped";
  return faulty || info.relays.some((/** @type {any} */ one) => kindOf(one) === "bad") ? "hurt" : "well";
}

/** @param {{ chat: any, info: any, may: boolean }} props */
export function ChatRelays({ chat, info, may }) {
  const n = info.relays.length;
  if (!n) return null;
  const how = standing(info);
  return html`<${Card} title=${t("relays")}>
    <p class="p-small">${t("relays hold", { n })} ${promise(n, info.quorum, info.lying, info.silent)}</p>
    <p class=${how === "well" ? "p-good p-small p-with-note" : how === "unknown" ? "quiet p-small p-with-note" : "p-caution p-small"} role="status" data-standing=${how}>
      <${Icon} name=${how === "well" ? "check" : how === "unknown" ? "clock" : "warning"} size=${18} /> ${t(`relays ${how}`)}
    </p>
    <ul class="p-lines">
      ${info.relays.map(
        (/** @type {any} */ one) => html`<li key=${one.relay.key} class="p-line">
          <details class="p-grow p-bare"><summary><${Health} health=${one} /></summary><${Health} health=${one} detail /></details>
        </li>`,
      )}
    </ul>
    ${how === "stopped" && chat.phase === "open" && html`<p class="quiet p-small">${t("relays lost")}</p>`}
    <div class="p-buttons left">
      ${may && html`<button type="button" onClick=${() => openDialog(ChangeRelays, { chat, info })}>${t("change relays")}</button>`}
      ${(how === "stopped" || how === "bad") && chat.phase === "open" && html`<button type="button" onClick=${() => openDialog(GoOn, { chat, info })}>${t("go on anew")}</button>`}
    </div>
  </${Card}>`;
}

/** @param {{ chat: any, info: any, close: () => void, titleId: string }} props */
function ChangeRelays({ chat, info, close, titleId }) {
  const [own, setOwn] = useState(/** @type {any[]} */ ([]));
  const [staying, setStaying] = useState(() => new Set(info.relays.map((/** @type {any} */ one) => one.relay.key)));
  const [added, setAdded] = useState(/** @type {string[]} */ ([]));
  const [address, setAddress] = useState("");
  const [quorum, setQuorum] = useState(0);
  const [emergency, setEmergency] = useState(false);
  const { busy, wrong, run } = useTry();
  useEffect(() => void call("relays").then(setOwn, () => {}), []);
  const before = new Set(info.relays.map((/** @type {any} */ one) => one.relay.key));
  const known = [...info.relays, ...own.filter((one) => !before.has(one.relay.key))];
  const n = staying.size + added.length;
  // As the node does: the same number keeps its quorum.
  const usual = n === info.relays.length ? info.quorum : usualQuorum(n);
  const q = quorum || usual;
  const quorums = Array.from({ length: n }, (_, index) => index + 1).filter((one) => 2 * one > n);
  const remove = [...before].filter((key) => !staying.has(key));
  const add = [...[...staying].filter((key) => !before.has(key)), ...added];
  const nothing = !remove.length && !add.length && q === info.quorum;
  // More than may be away at once: then nobody may be left who shows the way to those who come late.
  const many = remove.length > info.relays.length - info.quorum;
  const turn = (/** @type {string} */ key) => {
    const next = new Set(staying);
    if (!next.delete(key)) next.add(key);
    setStaying(next);
    setQuorum(0);
  };
  const begin = () =>
    run(async () => {
      await change("change relays", { chat: chat.id, add, remove, ...(quorum ? { quorum } : {}), emergency: many && emergency }, {
        doing: t("changing relays"),
        done: t("relays changed"),
        over: (now) =>
          now.relays.length === n && now.quorum === q && remove.every((key) => !now.relays.some((/** @type {any} */ one) => one.relay.key === key)),
      });
      close();
    });
  const asked = () =>
    openDialog(Confirm, {
      title: t("change relays"),
      text: `${promise(n, q)} ${t(many ? "emergency ask" : remove.length ? "relays leave ask" : "relays come ask")}`,
      yes: t("change relays"),
      danger: remove.length > 0,
      run: () => void begin(),
    });
  const take = () => {
    setAdded([...new Set([...added, address.trim()])]);
    setAddress("");
    setQuorum(0);
  };
  const feet = html`<button type="button" onClick=${close}>${t("cancel")}</button>
    <button type="button" class="primary" disabled=${busy || n === 0 || nothing || (many && !emergency)} onClick=${asked}>${t("change relays")}</button>`;
  return html`<${Sheet} title=${t("change relays")} titleId=${titleId} close=${close} feet=${feet}>
    <p class="quiet">${t("change relays text")}</p>
    ${standing(info) === "stopped" && html`<p class="p-caution" role="note">${t("relays stopped change")}</p>`}
    <ul class="p-lines" onKeyDown=${arrows}>
      ${known.map(
        (one) => html`<li key=${one.relay.key}>
          <label class="across p-line"><input type="checkbox" data-stop checked=${staying.has(one.relay.key)} onChange=${() => turn(one.relay.key)} /><${Health} health=${one} /></label>
        </li>`,
      )}
      ${added.map(
        (one) => html`<li key=${one}>
          <label class="across p-line"><input type="checkbox" data-stop checked onChange=${() => (setAdded(added.filter((other) => other !== one)), setQuorum(0))} /><code class="p-long" dir="ltr">${one}</code></label>
        </li>`,
      )}
    </ul>
    <form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), address.trim() && take())}>
      <label>${t("another relay")}
        <input dir="ltr" spellcheck=${false} autocomplete="off" placeholder="wss://relay.example/ws#KEY" maxlength="8192" value=${address} onInput=${(/** @type {any} */ e) => setAddress(e.target.value)} />
      </label>
      <div class="p-buttons left"><button disabled=${!address.trim()}>${t("add")}</button></div>
    </form>
    ${n > 0 && html`<${Choice} label=${t("how many decide")} value=${q} options=${quorums.map((one) => [one, t("q of n", { q: one, n })])} onChange=${(/** @type {string} */ one) => setQuorum(Number(one))} />`}
    <p role="status">${promise(n, q, mayLie(n, q))}</p>
    ${many && html`<${Toggle} label=${t("emergency")} note=${t("emergency text", { n: info.relays.length - info.quorum })} checked=${emergency} onChange=${setEmergency} />`}
    <${Wrong} text=${wrong} />
  </${Sheet}>`;
}
