// @ts-check
/** What others get to see, and when the app closes by itself. */

import { html } from "../../vendor/preact.js";
import { preferences } from "../store.js";
import { call, post } from "../wire.js";
import { t } from "../words.js";
import { Choice, Toggle, useTry, Wrong } from "../people/pieces.js";

/** Seconds without a sign of the owner; 0: never. */
const SPANS = [0, 60, 300, 900, 3600, 4 * 3600];

export function Privacy() {
  const { busy, wrong, run } = useTry();
  const set = (/** @type {any} */ changes) =>
    run(async () => {
      preferences.value = await call("set preferences", changes);
    });
  const { reports = true, typing = false, lock_after: after = 0 } = preferences.value;
  return html`<div class="form">
    <${Toggle} label=${t("read reports")} note=${t("read reports text")} checked=${reports} disabled=${busy} onChange=${(/** @type {boolean} */ on) => void set({ reports: on })} />
    <${Toggle} label=${t("typing")} note=${t("typing text")} checked=${typing} disabled=${busy} onChange=${(/** @type {boolean} */ on) => void set({ typing: on })} />
    <${Choice} label=${t("lock after")} value=${after} note=${t("lock after text")} disabled=${busy} options=${[...new Set([...SPANS, after])].map((one) => [one, span(one)])} onChange=${(/** @type {string} */ one) => void set({ lock_after: Number(one) })} />
    <${Wrong} text=${wrong} />
    <div class="buttons start"><button type="button" disabled=${busy} onClick=${() => void run(() => post("lock"))}>${t("lock now")}</button></div>
  </div>`;
}

/** @param {number} seconds */
const span = (seconds) =>
  seconds === 0 ? t("never") : seconds % 3600 ? t("n minutes", { n: Math.round(seconds / 60) }) : t("n hours", { n: seconds / 3600 });
