// @ts-check
/** What each key does. */

import { html } from "../../vendor/preact.js";
import { KEYS } from "../keys.js";
import { t } from "../words.js";

export function Keyboard() {
  const all = KEYS.length ? KEYS : [{ keys: "Escape", words: t("key escape") }];
  return html`<dl class="keys">
    ${all.map(
      ({ keys, words }) => html`<div key=${keys} class="fact">
        <dt>${keys.split("+").map((one, index) => html`${index > 0 && " + "}<kbd>${one}</kbd>`)}</dt>
        <dd>${t(words)}</dd>
      </div>`,
    )}
  </dl>`;
}
