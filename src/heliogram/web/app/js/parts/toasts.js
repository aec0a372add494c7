// @ts-check
/** Short words at the edge, read aloud as they come. */

import { html } from "../../vendor/preact.js";
import { dismiss, toasts } from "../store.js";
import { t } from "../words.js";
import { IconButton } from "./icon.js";

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      ({ id, text, kind, action }) => html`<div key=${id} class=${`toast ${kind}`}>
        <span>${text}</span>
        ${action && html`<button type="button" class="plain" onClick=${() => (dismiss(id), action.run())}>${action.label}</button>`}
        <${IconButton} name="close" size=${16} label=${t("dismiss")} onClick=${() => dismiss(id)} />
      </div>`,
    )}
  </div>`;
}
