// @ts-check
/** What so many relays promise, in words; and choosing some. */

import { html } from "../../vendor/preact.js";
import { t } from "../words.js";
import { arrows } from "./pieces.js";
import { Health } from "./health.js";

/** How many of `n` relays decide, as the node sets it. @param {number} n */
export const usualQuorum = (n) => (n >= 4 ? n - Math.floor((n - 1) / 3) : Math.floor(n / 2) + 1);

/** How many relays may lie at once, and nothing false is decided. @param {number} n @param {number} q */
export const mayLie = (n, q) => Math.max(0, 2 * q - n - 1);

/** The sentence for `n` relays of which `q` decide. @param {number} n @param {number} [q] @param {number} [lying] @param {number} [silent] */
export function promise(n, q = usualQuorum(n), lying = mayLie(n, q), silent = n - q) {
  if (n === 0) return t("promise none");
  if (n === 1) return t("promise one");
  const lie = lying ? t("may lie", { n: lying }) : t("none may lie");
  const gone = silent ? t("may be away", { n: silent }) : t("none may be away");
  return t("promise", { n, q, lie, gone });
}

/**
 * @param {{ own: any[], chosen: string[], onChange: (keys: string[]) => void }} props `own` as `relays` gives them; keys.
 */
export function ChooseRelays({ own, chosen, onChange }) {
  if (!own.length) return html`<p class="quiet">${t("no relays yet")}</p>`;
  const turn = (/** @type {string} */ key) =>
    onChange(own.map((one) => one.relay.key).filter((one) => (one === key) !== chosen.includes(one)));
  const operators = own.filter((one) => chosen.includes(one.relay.key)).map((one) => one.relay.operator);
  return html`<div class="p-form" onKeyDown=${arrows}>
    <p class="quiet p-small">${t("relays of group text")}</p>
    <ul class="p-lines">
      ${own.map(
        (one) => html`<li key=${one.relay.key}>
          <label class="across p-line">
            <input type="checkbox" data-stop checked=${chosen.includes(one.relay.key)} onChange=${() => turn(one.relay.key)} />
            <${Health} health=${one} />
          </label>
        </li>`,
      )}
    </ul>
    ${new Set(operators).size < operators.length && html`<p class="p-caution p-small">${t("same operator")}</p>`}
  </div>`;
}
