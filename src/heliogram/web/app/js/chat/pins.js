// @ts-check
/** The panel of what is pinned. */

import { html } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { opened, tell } from "../store.js";
import { moment, t } from "../words.js";
import { go } from "./jump.js";
import { inShort } from "./names.js";
import { usePins } from "./pinbar.js";

/** What is pinned in the conversation that is shown. */
export function Pins() {
  const pins = usePins(opened.value ?? "");
  if (!pins) return html`<p class="panel-empty" aria-busy="true"></p>`;
  if (!pins.length) return html`<p class="panel-empty">${t("nothing pinned")}</p>`;
  return html`<ul class="chat-hits">
    ${pins.map(
      (one) => html`<li key=${one.number}>
        <button type="button" onClick=${() => void go({ number: one.number })}>
          <b><bdi>${one.mine ? t("you said") : (one.sender?.name ?? "")}</bdi></b> <time>${moment(one.time)}</time>
          <span dir="auto">${inShort(one, t)}</span>
        </button>
        <${IconButton} name="close" size=${16} label=${t("unpin")} onClick=${() => tell("pin", { message: one.id, pinned: false })} />
      </li>`,
    )}
  </ul>`;
}
