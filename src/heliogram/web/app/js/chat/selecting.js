// @ts-check
/** What can be done with several messages: it takes the composer's place. */

import { html } from "../../vendor/preact.js";
import { Icon, IconButton } from "../parts/icon.js";
import { t } from "../words.js";
import { chosen, copyTexts, forward, remove } from "./actions.js";
import { selected } from "./context.js";

export function Selecting() {
  const n = selected.value.size;
  return html`<div class="selecting" role="toolbar" aria-label=${t("selected", { n })}>
    <${IconButton} name="close" label=${t("cancel")} onClick=${() => (selected.value = new Set())} />
    <b role="status">${t("selected", { n })}</b>
    <button type="button" onClick=${() => forward(chosen())}><${Icon} name="forward" size=${18} /> ${t("forward")}</button>
    <button type="button" onClick=${() => void copyTexts(chosen()).then(() => (selected.value = new Set()))}><${Icon} name="copy" size=${18} /> ${t("copy")}</button>
    <button type="button" class="danger" onClick=${() => remove(chosen())}><${Icon} name="trash" size=${18} /> ${t("delete")}</button>
  </div>`;
}
