// @ts-check
/** What covers the app: a native `<dialog>`, so that focus stays in and Escape closes. */

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { closeDialog, dialogs } from "../store.js";
import { t } from "../words.js";
import { IconButton } from "./icon.js";

export function Dialogs() {
  return dialogs.value.map(
    ({ view, props, id }) => html`<${Shell} key=${id} id=${id} view=${view} props=${props} />`,
  );
}

/** @param {any} props */
function Shell({ view: View, props, id }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const from = document.activeElement;
    ref.current?.showModal();
    return () => /** @type {HTMLElement | null} */ (from)?.focus?.();
  }, []);
  const close = () => (dialogs.value = dialogs.value.filter((one) => one.id !== id));
  return html`<dialog
    ref=${ref}
    class="dialog"
    aria-labelledby=${`dialog-${id}`}
    onCancel=${(/** @type {Event} */ event) => {
      event.preventDefault();
      close();
    }}
    onClick=${(/** @type {MouseEvent} */ event) => event.target === ref.current && close()}
  >
    <${View} ...${props} close=${close} titleId=${`dialog-${id}`} />
  </dialog>`;
}

/**
 * Head, body and feet of a dialog; `reads`: long, and with nothing in it that takes the focus. A view of `openDialog` gives it `close` and `titleId`, as it got them.
 * @param {any} props
 */
export function Sheet({ title, titleId, close, children, feet, reads = false }) {
  return html`<div class="sheet">
    <header class="sheet-head">
      <h2 id=${titleId}>${title}</h2>
      <${IconButton} name="close" label=${t("close")} onClick=${close} />
    </header>
    <div class="sheet-body" ...${reads ? { tabindex: 0, role: "group", "aria-labelledby": titleId } : {}}>${children}</div>
    ${feet && html`<footer class="sheet-feet">${feet}</footer>`}
  </div>`;
}

/**
 * Ask before something is done: `openDialog(Confirm, { title, text, yes, run, danger })`.
 * @param {any} props
 */
export function Confirm({ title, text, yes, run, danger, close, titleId }) {
  return html`<${Sheet}
    title=${title}
    titleId=${titleId}
    close=${close}
    feet=${html`<button type="button" onClick=${close}>${t("cancel")}</button>
      <button type="button" class=${danger ? "danger" : "primary"} autofocus onClick=${() => (close(), run())}>${yes}</button>`}
  >
    <p>${text}</p>
  </${Sheet}>`;
}

export { closeDialog };
