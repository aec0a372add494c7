// @ts-check
/** After how long messages of a conversation go: `openDialog(Disappearing, { chat })`. */

import { html, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { ask } from "../store.js";
import { language, t } from "../words.js";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds that are offered; 0 for never. */
const USUAL = [0, 5 * MINUTE, HOUR, 8 * HOUR, DAY, 7 * DAY, 28 * DAY, 90 * DAY];

/** "8 hours". @param {number} seconds */
export function lasting(seconds) {
  /** @type {[number, string]} */
  const [unit, name] = seconds % DAY === 0 ? [DAY, "day"] : seconds % HOUR === 0 ? [HOUR, "hour"] : seconds % MINUTE === 0 ? [MINUTE, "minute"] : [1, "second"];
  return new Intl.NumberFormat(language.value, { style: "unit", unit: name, unitDisplay: "long" }).format(seconds / unit);
}

/** @param {any} props */
export function Disappearing({ chat, close, titleId }) {
  const now = chat.expiry ?? 0;
  const [chosen, setChosen] = useState(now);
  const all = USUAL.includes(now) ? USUAL : [...USUAL, now].sort((a, b) => a - b);
  const save = () => ask("set profile", { chat: chat.id, expiry: chosen }).then(close, () => {});
  return html`<${Sheet}
    title=${t("disappearing messages")}
    titleId=${titleId}
    close=${close}
    feet=${html`<button type="button" onClick=${close}>${t("cancel")}</button>
      <button type="button" class="primary" disabled=${chosen === now} onClick=${save}>${t("set timer")}</button>`}
  >
    <p class="quiet">${t("disappearing text")}</p>
    <div role="radiogroup" aria-labelledby=${titleId}>
      ${all.map(
        (one) => html`<label class="across choice-row">
          <input type="radio" name="expiry" checked=${one === chosen} onChange=${() => setChosen(one)} />
          ${one ? lasting(one) : t("never disappear")}
        </label>`,
      )}
    </div>
  </${Sheet}>`;
}
