// @ts-check
/** No way in: the link was used, or the node has gone. */

import { html } from "../../vendor/preact.js";
import { about } from "../store.js";
import { sentence, t } from "../words.js";
import { Card } from "./parts.js";

export function Closed() {
  const { trouble } = about.value;
  return html`<${Card} title=${t("closed title")}>
    ${trouble && trouble !== "no session" && html`<p class="note">${sentence(trouble)}</p>`}
    <p>${t("closed text")}</p>
    <pre><code>heliogram web</code></pre>
  </${Card}>`;
}
