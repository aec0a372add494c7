// @ts-check
/** A month to choose a day of, to go there. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { Sheet } from "../parts/dialog.js";
import { language, t } from "../words.js";
import { shownHistory, shownScroller } from "./context.js";
import { go } from "./jump.js";

/** @param {any} props */
export function Calendar({ close, titleId }) {
  const now = new Date();
  const top = shownHistory.value?.at(shownScroller.value?.seen[0] ?? 0);
  const [day, setDay] = useState(() => (top ? new Date(top.time * 1000) : now));
  const grid = useRef(/** @type {any} */ (null));
  useEffect(() => grid.current?.querySelector('[tabindex="0"]')?.focus(), [day]);
  const month = new Date(day.getFullYear(), day.getMonth(), 1);
  const days = new Date(day.getFullYear(), day.getMonth() + 1, 0).getDate();
  const first = firstDay();
  const before = (month.getDay() - first + 7) % 7;
  // By the day that is chosen by then: two keys may come before anything is drawn.
  const move = (/** @type {(day: Date) => Date} */ to) => setDay((/** @type {Date} */ from) => (to(from) > now ? now : to(from)));
  const months = (/** @type {number} */ by) =>
    move((from) => {
      const last = new Date(from.getFullYear(), from.getMonth() + by + 1, 0).getDate();
      return new Date(from.getFullYear(), from.getMonth() + by, Math.min(from.getDate(), last));
    });
  const choose = (/** @type {number} */ n) => {
    close();
    void go({ time: new Date(day.getFullYear(), day.getMonth(), n).getTime() / 1000 });
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
    if (step !== undefined) move((from) => new Date(from.getFullYear(), from.getMonth(), from.getDate() + step));
    else if (event.key === "PageUp") months(-1);
    else if (event.key === "PageDown") months(1);
    else return;
    event.preventDefault();
  };
  const name = new Intl.DateTimeFormat(language.value, { month: "long", year: "numeric" }).format(month);
  const weekdays = new Intl.DateTimeFormat(language.value, { weekday: "short" });
  return html`<${Sheet} title=${t("go to date")} titleId=${titleId} close=${close}>
    <div class="calendar">
      <header>
        <${IconButton} name="back" label=${t("month before")} onClick=${() => months(-1)} />
        <b aria-live="polite">${name}</b>
        <${IconButton} class="turned" name="back" label=${t("month after")} disabled=${month.getFullYear() === now.getFullYear() && month.getMonth() === now.getMonth()} onClick=${() => months(1)} />
      </header>
      <div ref=${grid} class="calendar-days" role="group" aria-label=${name} onKeyDown=${pressed}>
        ${Array.from({ length: 7 }, (_, at) => html`<span class="quiet" aria-hidden="true">${weekdays.format(new Date(2024, 0, 7 + first + at))}</span>`)}
        ${Array.from({ length: before }, () => html`<span></span>`)}
        ${Array.from({ length: days }, (_, at) => {
          const one = new Date(day.getFullYear(), day.getMonth(), at + 1);
          const today = one.toDateString() === now.toDateString();
          return html`<button type="button" tabindex=${at + 1 === day.getDate() ? 0 : -1} autofocus=${at + 1 === day.getDate()} aria-current=${today ? "date" : undefined} disabled=${one > now} onClick=${() => choose(at + 1)}>${at + 1}</button>`;
        })}
      </div>
      <button type="button" class="plain" onClick=${() => (close(), void go({ time: 0 }))}>${t("to the beginning")}</button>
    </div>
  </${Sheet}>`;
}

/** The first day of a week here, 0 for Sunday. */
function firstDay() {
  const locale = /** @type {any} */ (new Intl.Locale(language.value === "en" ? navigator.language : language.value));
  return ((locale.getWeekInfo?.() ?? locale.weekInfo)?.firstDay ?? 1) % 7;
}
