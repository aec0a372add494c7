// @ts-check
/** The sheet of keys. */

import { html } from "../../vendor/preact.js";
import { KEYS } from "../key-table.js";
import { Sheet } from "../parts/dialog.js";
import { t } from "../words.js";

const APPLE = /Mac|iP(hone|ad)/.test(navigator.platform);

/** What is written on a key. @type {Record<string, string>} */
const NAMES = { ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc", Control: APPLE ? "⌘" : "Ctrl", Alt: APPLE ? "⌥" : "Alt", Shift: APPLE ? "⇧" : "Shift" };

/** Each key, and what it does. */
export const KeyTable = () => html`<dl class="key-sheet">
  ${KEYS.map(
    ({ keys, words }) => html`<div key=${keys}>
      <dt>${t(words)}</dt>
      <dd>${(keys === "?" ? ["?"] : keys.split("+")).map((one) => html`<kbd>${NAMES[one] ?? one}</kbd>`)}</dd>
    </div>`,
  )}
</dl>`;

/** @param {{ close: () => void, titleId: string }} props */
export const Help = ({ close, titleId }) => html`<${Sheet} title=${t("keyboard help")} titleId=${titleId} close=${close}>
  <${KeyTable} />
</${Sheet}>`;
