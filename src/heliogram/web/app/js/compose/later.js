// @ts-check
/** Messages that wait for their time: when, and the list of them. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Confirm, Sheet } from "../parts/dialog.js";
import { Icon, IconButton } from "../parts/icon.js";
import { on, openDialog, tell } from "../store.js";
import { call } from "../wire.js";
import { moment, t } from "../words.js";
import { plain } from "./mentions.js";

/** A time as its field has it. @param {Date} time */
function local(time) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** Some day at some hour. @param {number} days from today @param {number} hour */
function day(days, hour) {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
}

/** @returns {[string, Date][]} */
const usual = () => {
  const soon = new Date(Date.now() + 3_600_000);
  const monday = (8 - new Date().getDay()) % 7 || 7;
  /** @type {[string, Date][]} */
  const all = [
    ["in an hour", soon],
    ["this evening", day(0, 20)],
    ["tomorrow morning", day(1, 9)],
    ["next monday", day(monday, 9)],
  ];
  return all.filter(([key, time]) => time.getTime() > Date.now() + (key === "this evening" ? 3_600_000 : 0));
};

/** Ask for a time: `openDialog(When, { run(at), at })`, `at` in Unix seconds. @param {any} props */
export function When({ run, at, close, titleId }) {
  const [value, setValue] = useState(local(at ? new Date(at * 1000) : new Date(Date.now() + 3_600_000)));
  const time = new Date(value).getTime();
  const late = !(time > Date.now());
  /** @param {number} chosen milliseconds */
  const choose = (chosen) => {
    close();
    run(Math.round(chosen / 1000));
  };
  return html`<${Sheet}
    title=${t("send later title")}
    titleId=${titleId}
    close=${close}
    feet=${html`<button type="button" onClick=${close}>${t("cancel")}</button>
      <button type="button" class="primary" disabled=${late} onClick=${() => choose(time)}>${t("schedule")}</button>`}
  >
    <div class="chips">
      ${usual().map(([key, one]) => html`<button type="button" onClick=${() => choose(one.getTime())}>${t(key)}</button>`)}
    </div>
    <label>${t("date and time")}
      <input type="datetime-local" value=${value} min=${local(new Date())} onInput=${(/** @type {any} */ e) => setValue(e.target.value)} />
    </label>
    ${late && html`<p class="wrong" role="alert">${t("time is over")}</p>`}
    <p class="quiet">${t("scheduled here")}</p>
  </${Sheet}>`;
}

/** What waits in a conversation. @param {string} chat @returns {any[]} */
export function useScheduled(chat) {
  const [all, setAll] = useState(/** @type {any[]} */ ([]));
  useEffect(() => {
    let asked = 0;
    const load = () => {
      const mine = ++asked;
      return call("scheduled", { chat }).then((found) => mine === asked && setAll(found), () => {});
    };
    void load();
    const ends = [
      on("scheduled changed", (notice) => notice.chat === chat && void load()),
      on("reconnected", () => void load()),
    ];
    return () => {
      asked = -1;
      ends.forEach((end) => end());
    };
  }, [chat]);
  return all;
}

/** `openDialog(ScheduledList, { chat })`. @param {any} props */
export function ScheduledList({ chat, close, titleId }) {
  const all = useScheduled(chat.id);
  return html`<${Sheet} title=${t("scheduled messages")} titleId=${titleId} close=${close}>
    ${all.length
      ? html`<ul class="scheduled">${all.map((one) => html`<${Waiting} key=${one.number} one=${one} />`)}</ul>`
      : html`<p class="quiet">${t("nothing scheduled")}</p>`}
    <p class="quiet">${t("scheduled here")}</p>
  </${Sheet}>`;
}

/** @param {{ one: any }} props */
function Waiting({ one }) {
  const files = one.files ?? [];
  const move = (/** @type {number} */ at) => tell("reschedule", { number: one.number, at });
  const remove = () =>
    openDialog(Confirm, {
      title: t("delete scheduled"),
      text: t("delete scheduled text"),
      yes: t("delete scheduled"),
      danger: true,
      run: () => tell("unschedule", { number: one.number }),
    });
  return html`<li>
    <div>
      <time><${Icon} name="clock" size=${16} /> ${moment(one.at)}</time>
      ${one.text && html`<p dir="auto">${plain(one.text)}</p>`}
      ${files.map((/** @type {string} */ name) => html`<p class="quiet"><bdi>${name}</bdi></p>`)}
    </div>
    <span class="scheduled-does">
      <${IconButton} name="send" label=${t("send now")} onClick=${() => tell("unschedule", { number: one.number, now: true })} />
      <${IconButton} name="clock" label=${t("another time")} onClick=${() => openDialog(When, { at: one.at, run: move })} />
      <${IconButton} name="trash" label=${t("delete scheduled")} onClick=${remove} />
    </span>
  </li>`;
}
