// @ts-check
/** How a relay does, in plain words. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { known, t } from "../words.js";

/** What each state means for somebody who looks. */
const KINDS = {
  up: "good",
  behind: "fair",
  fenced: "fair",
  unknown: "fair",
  unreachable: "bad",
  untrusted: "bad",
  gone: "bad",
  "wrong key": "bad",
  misbehaving: "bad",
};

/** Good, fair or bad. @param {any} health */
export const kindOf = (health) =>
  health.faults?.length ? "bad" : (/** @type {Record<string, string>} */ (KINDS)[health.state] ?? "fair");

/** @param {{ health: any, children?: any, detail?: boolean }} props `detail`: with all addresses, key and operator */
export function Health({ health, children, detail = false }) {
  const { relay, state, round_trip_ms: trip, faults = [] } = health;
  const itself = relay.key === relay.operator;
  return html`<div class="p-health" data-state=${state}>
    <span class=${`p-lamp ${kindOf(health)}`} aria-hidden="true"></span>
    <div class="p-grow">
      <bdi class="p-strong">${relay.name}</bdi>
      <span class="p-small p-block">${known(`relay ${state}`) ? t(`relay ${state}`) : state}${typeof trip === "number" &&
        html`<span class="quiet"> · ${t("round trip", { n: Math.round(trip) })}</span>`}</span>
      ${faults.map((/** @type {string} */ one) => html`<p key=${one} class="wrong p-small"><${Icon} name="warning" size=${16} /> ${faultWords(one)}</p>`)}
      ${detail && html`<dl class="p-facts p-small">
        ${relay.endpoints.map((/** @type {string} */ one) => html`<div class="p-fact" key=${one}><dt>${t("address")}</dt><dd><code class="p-long" dir="ltr">${one}</code></dd></div>`)}
        <div class="p-fact"><dt>${t("key")}</dt><dd><code class="p-long">${relay.key}</code></dd></div>
        <div class="p-fact"><dt>${t("operator")}</dt><dd>${itself ? t("operator unknown") : html`<code class="p-long">${relay.operator}</code>`}</dd></div>
      </dl>`}
    </div>
    ${children}
  </div>`;
}

/** What it did. @param {string} fault */
export const faultWords = (fault) => t(known(`fault ${fault}`) ? `fault ${fault}` : "fault other", { fault });
