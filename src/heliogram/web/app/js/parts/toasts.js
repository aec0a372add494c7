// @ts-check
/** Short words at the edge, read aloud as they come. */

import { html, useLayoutEffect, useRef } from "../../vendor/preact.js";
import { dismiss, toasts } from "../store.js";
import { t } from "../words.js";
import { IconButton } from "./icon.js";

export function Toasts() {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const all = toasts.value;
  // What comes while a dialog is open lies over it, to be read; what is pressed there is behind until it closes.
  useLayoutEffect(() => {
    const node = place.current;
    if (!node?.showPopover) return;
    if (node.matches(":popover-open")) node.hidePopover();
    if (all.length) node.showPopover();
  }, [all]);
  return html`<div ref=${place} class="toasts" popover="manual" role="status" aria-live="polite">
    ${all.map(
      ({ id, text, kind, action }) => html`<div key=${id} class=${`toast ${kind}`}>
        <span>${text}</span>
        ${action && html`<button type="button" class="plain" onClick=${() => (dismiss(id), action.run())}>${action.label}</button>`}
        <${IconButton} name="close" size=${16} label=${t("dismiss")} onClick=${() => dismiss(id)} />
      </div>`,
    )}
  </div>`;
}
