// @ts-check
/** What others get to see, and when the app closes by itself. */

import { html } from "../../vendor/preact.js";
import { lock } from "../start/lock.js";
import { contacts, preferences, toast } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { Card, Choice, Toggle, useTry, Who, Wrong } from "../people/pieces.js";

/** Seconds without a sign of the owner; 0: never. */
const SPANS = [0, 60, 300, 900, 3600, 4 * 3600];

export function Privacy() {
  const { busy, wrong, run } = useTry();
  // What came of it is told to all windows, in its order.
  const set = (/** @type {any} */ changes) => run(() => call("set preferences", changes));
  const { reports = true, typing = false, lock_after: after = 0 } = preferences.value;
  return html`<div class="p-form">
    <${Toggle} label=${t("read reports")} note=${t("read reports text")} checked=${reports} disabled=${busy} onChange=${(/** @type {boolean} */ on) => void set({ reports: on })} />
    <${Toggle} label=${t("typing")} note=${t("typing text")} checked=${typing} disabled=${busy} onChange=${(/** @type {boolean} */ on) => void set({ typing: on })} />
    <${Choice} label=${t("lock after")} value=${after} note=${t("lock after text")} disabled=${busy} options=${[...new Set([...SPANS, after])].map((one) => [one, span(one)])} onChange=${(/** @type {string} */ one) => void set({ lock_after: Number(one) })} />
    <${Wrong} text=${wrong} />
    <div class="p-buttons left"><button type="button" onClick=${() => void lock()}>${t("lock now")}</button></div>
  </div>
  <${Blocked} />`;
}

/** Who is blocked, and letting them write again. */
function Blocked() {
  const { busy, wrong, run } = useTry();
  const blocked = contacts.value.filter((one) => one.blocked);
  const free = (/** @type {any} */ who) =>
    run(async () => {
      await call("block", { contact: who.account, blocked: false });
      toast(t("is not blocked", { name: who.name }));
    });
  return html`<${Card} title=${t("blocked people")}>
    ${!blocked.length && html`<p class="quiet p-small">${t("nobody blocked")}</p>`}
    <ul class="p-lines">
      ${blocked.map(
        ({ who }) => html`<li key=${who.account} class="p-line">
          <${Who} who=${who} /><button type="button" disabled=${busy} onClick=${() => void free(who)} aria-label=${t("unblock one", { name: who.name })}>${t("unblock")}</button>
        </li>`,
      )}
    </ul>
    <${Wrong} text=${wrong} />
  </${Card}>`;
}

/** @param {number} seconds */
const span = (seconds) =>
  seconds === 0 ? t("never") : seconds % 3600 ? t("n minutes", { n: Math.round(seconds / 60) }) : t("n hours", { n: seconds / 3600 });
