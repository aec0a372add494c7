// @ts-check
/** What the pages before an open profile are made of. */

import { html, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { LANGUAGES, language, setLanguage, t } from "../words.js";
import { strength } from "./strength.js";

/**
 * One page: a card in the middle.
 * @param {any} props `onSubmit` makes it a form; `wide` for what has columns
 */
export function Card({ title, children, onSubmit, wide = false, back }) {
  const inside = html`<header class="start-head">
      ${back && html`<${IconButton} name="back" label=${t("back")} onClick=${back} />`}
      <h1 tabindex="-1" ref=${(/** @type {HTMLElement | null} */ node) => node && !node.dataset.met && ((node.dataset.met = "1"), focusOn(node))}>${title}</h1>
    </header>
    ${children}`;
  return html`<main class="start">
    <div class="start-place">
      ${onSubmit
        ? html`<form class=${`start-card ${wide ? "wide" : ""}`} onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), onSubmit())}>${inside}</form>`
        : html`<div class=${`start-card ${wide ? "wide" : ""}`}>${inside}</div>`}
      <${Languages} />
    </div>
  </main>`;
}

/** Let the page be read from its beginning, unless a field of it wants the focus. @param {HTMLElement} title */
function focusOn(title) {
  queueMicrotask(() => {
    const card = title.closest(".start-card");
    const field = /** @type {HTMLElement | null | undefined} */ (card?.querySelector("[data-first]"));
    (field ?? title).focus({ preventScroll: true });
  });
}

function Languages() {
  return html`<p class="start-languages">
    ${Object.entries(LANGUAGES).map(
      ([code, name]) => html`<button type="button" class="plain" lang=${code} aria-pressed=${language.value === code} onClick=${() => setLanguage(code)}>${name}</button>`,
    )}
  </p>`;
}

/**
 * A field for a passphrase, with an eye. `fresh`: for a new one. `id` is for who describes it.
 * @param {any} props
 */
export function Secret({ label, value, onInput, shown, setShown, fresh = false, described, first = false }) {
  const [caps, setCaps] = useState(false);
  return html`<div class="secret">
    <label>${label}
      <span class="secret-field">
        <input
          type=${shown ? "text" : "password"}
          autocomplete=${fresh ? "new-password" : "current-password"}
          autocapitalize="none"
          spellcheck="false"
          dir="auto"
          required
          maxlength="256"
          data-first=${first || undefined}
          aria-label=${label}
          aria-describedby=${described}
          value=${value}
          onInput=${(/** @type {any} */ event) => onInput(event.target.value)}
          onKeyUp=${(/** @type {KeyboardEvent} */ event) => setCaps(event.getModifierState("CapsLock"))}
        />
      </span>
    </label>
    ${setShown && html`<${IconButton} name="eye" label=${t("show passphrase")} aria-pressed=${shown} onClick=${() => setShown(!shown)} />`}
    ${caps && html`<p class="note">${t("caps lock")}</p>`}
  </div>`;
}

/** @param {{ text: string, known: string[], id: string }} props */
export function Strength({ text, known, id }) {
  const { level, why } = strength(text, known);
  return html`<div class="strength" id=${id} role="status">
    <span class="strength-bar" aria-hidden="true" data-level=${level}><i></i><i></i><i></i></span>
    <p class="quiet">${level ? html`<strong>${t(["", "phrase weak", "phrase fair", "phrase strong"][level])}</strong> ${t(why)}` : t("phrase what")}</p>
  </div>`;
}

/**
 * A new passphrase, said twice unless it is shown.
 * @param {{ value: string, again: string, change: (value: string, again: string) => void, known: string[] }} props
 */
export function NewPassphrase({ value, again, change, known }) {
  const [shown, setShown] = useState(false);
  return html`<${Secret} label=${t("passphrase")} value=${value} fresh shown=${shown} setShown=${(/** @type {boolean} */ now) => (setShown(now), change(value, now ? value : ""))} onInput=${(/** @type {string} */ text) => change(text, shown ? text : again)} described="strength" first />
    <${Strength} id="strength" text=${value} known=${known} />
    ${!shown && html`<${Secret} label=${t("passphrase again")} value=${again} fresh shown=${false} onInput=${(/** @type {string} */ text) => change(value, text)} described="again-wrong" />
      <p id="again-wrong" class="wrong" role="status">${again && again.length >= value.length && again !== value ? t("phrases differ") : ""}</p>`}`;
}
