// @ts-check
/** How a conversation is protected, and what its relays can do to it. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { Sheet } from "../parts/dialog.js";
import { faultWords } from "../people/health.js";
import { promise } from "../people/promise.js";
import { t } from "../words.js";
import { info } from "./info.js";
import { relayMeaning } from "./relays.js";

/** @param {any} props */
export function Protection({ close, titleId }) {
  const known = info.value;
  return html`<${Sheet} title=${t("protection")} titleId=${titleId} close=${close} reads=${true}>
    ${known &&
    html`<p class="suite"><${Icon} name="lock" size=${18} /> <span>${t(/MLKEM/i.test(known.suite) ? "sealed post-quantum" : "sealed classic")} <code>${known.suite}</code></span></p>
      <p>${relayMeaning(known)}</p>
      <p class="quiet">${promise(known.relays.length, known.quorum, known.lying, known.silent)}</p>
      <ul class="lines">
        ${known.relays.map(
          (/** @type {any} */ one) => html`<li>
            <span class="light" data-state=${one.state}></span>
            <span><bdi>${one.relay.name}</bdi> · ${t(`relay ${one.state}`)}${one.round_trip_ms ? ` · ${Math.round(one.round_trip_ms)} ms` : ""}
              ${(one.faults ?? []).map((/** @type {string} */ fault) => html`<br /><b class="wrong">${faultWords(fault)}</b>`)}</span>
          </li>`,
        )}
      </ul>
      <dl class="facts">
        <dt>${t("authenticator")}</dt><dd><code>${known.authenticator}</code><p class="quiet">${t("authenticator text")}</p></dd>
        <dt>${t("epoch")}</dt><dd>${known.epoch}</dd>
      </dl>`}
  </${Sheet}>`;
}
