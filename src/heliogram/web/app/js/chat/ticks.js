// @ts-check
/** What became of a message of ours: a clock, how many relays have it, one tick, two, two in colour. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { openDialog } from "../store.js";
import { t } from "../words.js";
import { About } from "./about.js";

/** How it stands, in words. @param {any} message */
export function standing({ state, stored_by: by = [], relays = 0, reports = [] }) {
  const n = new Set(reports.filter((/** @type {any} */ one) => state !== "read" || one.status === "read").map((/** @type {any} */ one) => one.who.account)).size;
  if (state === "queued") return by.length ? t("stored by some", { n: by.length, of: relays }) : t("state queued");
  if (state === "stored") return t("stored by some", { n: by.length, of: relays });
  if (state === "delivered" || state === "read") return n > 1 ? t(`state ${state} by`, { n }) : t(`state ${state}`);
  return t(`state ${state}`);
}

/** @param {{ message: any }} props */
export function Ticks({ message }) {
  const { state, stored_by: by = [], relays = 0 } = message;
  const label = standing(message);
  if (state === "failed")
    return html`<button type="button" class="ticks failed" onClick=${() => openDialog(About, { message })}>
      <${Icon} name="warning" size=${14} /> ${t("not sent")}
    </button>`;
  const partly = (state === "queued" || state === "stored") && by.length > 0 && by.length < relays;
  return html`<button type="button" class="ticks" data-state=${state} aria-label=${label} title=${label} onClick=${() => openDialog(About, { message })}>
    ${partly
      ? html`<${Ring} n=${by.length} of=${relays} />`
      : html`<${Icon} name=${state === "queued" ? "clock" : state === "stored" ? "check" : "checks"} size=${16} />`}
  </button>`;
}

/** As many parts of a ring as there are relays. @param {{ n: number, of: number }} props */
function Ring({ n, of }) {
  const around = 2 * Math.PI * 6;
  return html`<svg class="ring" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
    <circle cx="8" cy="8" r="6" opacity="0.3" />
    <circle cx="8" cy="8" r="6" stroke-dasharray=${`${(around * n) / of} ${around}`} transform="rotate(-90 8 8)" />
  </svg>`;
}
