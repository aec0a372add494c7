// @ts-check
/** No way in: the link was used, or the node has gone. */

import { html } from "../../vendor/preact.js";
import { t } from "../words.js";

export function Closed() {
  return html`<main class="start">
    <div class="start-card">
      <h1>${t("closed title")}</h1>
      <p>${t("closed text")}</p>
      <pre><code>heliogram web</code></pre>
    </div>
  </main>`;
}
