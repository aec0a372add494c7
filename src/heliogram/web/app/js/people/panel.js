// @ts-check
/** The panel at the end side: what `store.panel` says. */

import { html } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { panel } from "../store.js";
import { t } from "../words.js";

export function Panel() {
  return html`<aside class="panel">
    <header class="panel-head"><${IconButton} name="close" label=${t("close")} onClick=${() => (panel.value = null)} /></header>
  </aside>`;
}
