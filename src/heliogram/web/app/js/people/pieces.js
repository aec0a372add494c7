// @ts-check
/** Small things that dialogs and panels of people and settings are made of. */

import { html, useId, useState } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Icon, IconButton } from "../parts/icon.js";
import { toast } from "../store.js";
import { Refused } from "../wire.js";
import { sentence, t } from "../words.js";

/** What an error says to a person, with its reason where there is one. @param {unknown} error */
export function trouble(error) {
  if (!(error instanceof Refused)) return sentence("internal");
  const why = `why ${/** @type {any} */ (error.about).fields?.why}`;
  const words = t(why);
  return error.code === "not allowed" && words !== why ? words : sentence(error.code, error.about);
}

/**
 * Try something, and show here what is refused: toasts lie under an open dialog.
 * `run` gives what the work gave, or undefined if it was refused.
 */
export function useTry() {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  /** @param {() => Promise<any>} work */
  const run = async (work) => {
    setBusy(true);
    setWrong("");
    try {
      return await work();
    } catch (error) {
      setWrong(trouble(error));
      return undefined;
    } finally {
      setBusy(false);
    }
  };
  return { busy, wrong, setWrong, run };
}

/** @param {{ text: string, id?: string }} props */
export const Wrong = ({ text, id }) => html`<p id=${id} class="wrong" role="alert">${text}</p>`;

/** A part with a heading. @param {{ title?: string, children?: any, class?: string }} props */
export function Card({ title, children, class: also = "" }) {
  const id = useId();
  return html`<section class=${`p-card ${also}`} aria-labelledby=${title ? id : undefined}>
    ${title && html`<h3 id=${id}>${title}</h3>`}${children}
  </section>`;
}

/** A name, so that nothing in it disturbs what stands around, and whether it is verified. @param {{ who: any }} props */
export function Name({ who }) {
  return html`<span class="p-name"><bdi>${who.name}</bdi>${who.me
      ? html` <span class="quiet">${t("this is you")}</span>`
      : who.verified && html` <${Icon} name="verified" size=${16} label=${t("verified")} />`}</span>`;
}

/** A person as a line: picture, name, mark, and what else is to say. @param {{ who: any, note?: any, size?: number, children?: any }} props */
export function Who({ who, note, size = 40, children }) {
  return html`<span class="p-who">
    <${Avatar} id=${who.account} name=${who.name} size=${size} />
    <span class="p-who-words">
      <${Name} who=${who} />
      <span class="quiet p-small"><bdi>${note ?? who.mark}</bdi></span>
    </span>
    ${children}
  </span>`;
}

/** What to beware of with a person, loud and explained. @param {{ who: any }} props */
export function Warnings({ who }) {
  return (who.warnings ?? []).map(
    (/** @type {string} */ one) => html`<div class="p-caution" role="note" key=${one}>
      <${Icon} name="warning" />
      <div><strong>${t(`warning ${one}`)}</strong><p>${t(`warning ${one} text`)}</p></div>
    </div>`,
  );
}

/** Copies a text. @param {{ text: string, label: string, class?: string }} props */
export function Copy({ text, label, class: also = "" }) {
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    toast(t("copied"));
    setTimeout(() => setDone(false), 2000);
  };
  const [done, setDone] = useState(false);
  return html`<button type="button" class=${`p-with-icon ${also}`} onClick=${() => void copy().catch(() => {})}>
    <${Icon} name=${done ? "check" : "copy"} size=${18} /><span aria-live="polite">${done ? t("copied") : label}</span>
  </button>`;
}

/** A line that says something and its value. @param {{ name: string, children?: any }} props */
export const Fact = ({ name, children }) => html`<div class="p-fact"><dt>${name}</dt><dd>${children}</dd></div>`;

/** A switch with its words. @param {{ label: string, note?: string, checked: boolean, onChange: (on: boolean) => void, disabled?: boolean }} props */
export function Toggle({ label, note, checked, onChange, disabled }) {
  const id = useId();
  return html`<label class="across p-toggle">
    <span class="p-grow"><span id=${`${id}-label`}>${label}</span>${note && html`<span class="quiet p-small p-block" id=${`${id}-note`}>${note}</span>`}</span>
    <input
      type="checkbox"
      role="switch"
      checked=${checked}
      disabled=${disabled}
      aria-labelledby=${`${id}-label`}
      aria-describedby=${note ? `${id}-note` : undefined}
      onChange=${(/** @type {any} */ e) => onChange(e.target.checked)}
    />
  </label>`;
}

/** One of some. @param {{ label: string, value: any, options: [any, string][], onChange: (value: string) => void, disabled?: boolean, note?: string }} props */
export function Choice({ label, value, options, onChange, disabled, note }) {
  const id = useId();
  return html`<div class="p-choice">
    <label for=${id}>${label}</label>
    <select id=${id} disabled=${disabled} aria-describedby=${note ? `${id}-note` : undefined} onChange=${(/** @type {any} */ e) => onChange(e.target.value)}>
      ${options.map(([key, words]) => html`<option key=${key} value=${key} selected=${String(key) === String(value)}>${words}</option>`)}
    </select>
    ${note && html`<p id=${`${id}-note`} class="quiet p-small">${note}</p>`}
  </div>`;
}

/** A field with its words, and a note below. @param {{ label: string, note?: string, value: string, onInput: (text: string) => void, [more: string]: any }} props */
export function Field({ label, note, value, onInput, ...rest }) {
  const id = useId();
  return html`<div class="p-choice">
    <label for=${id}>${label}</label>
    <input id=${id} value=${value} aria-describedby=${note ? `${id}-note` : undefined} onInput=${(/** @type {any} */ e) => onInput(e.target.value)} ...${rest} />
    ${note && html`<p id=${`${id}-note`} class="quiet p-small">${note}</p>`}
  </div>`;
}

/**
 * A text that can be changed in its place: shown, then a field with "save".
 * @param {{ label: string, text: string, empty?: string, long?: boolean, most?: number, may?: boolean, save: (text: string) => Promise<any>, children?: any }} props
 */
export function Editable({ label, text, empty = "", long = false, most = 128, may = true, save, children }) {
  const [draft, setDraft] = useState(/** @type {string | null} */ (null));
  const { busy, wrong, run } = useTry();
  if (draft === null) {
    return html`<div class="p-editable">
      ${children ?? html`<span class=${text ? "p-grow" : "p-grow quiet"} dir="auto">${text || empty}</span>`}
      ${may && html`<${IconButton} name="edit" size=${18} label=${label} onClick=${() => setDraft(text)} />`}
    </div>`;
  }
  const keep = () =>
    run(async () => {
      await save(draft.trim());
      setDraft(null);
    });
  const field = {
    "aria-label": label,
    dir: "auto",
    maxlength: most,
    value: draft,
    autofocus: true,
    ref: (/** @type {any} */ node) => node && document.activeElement !== node && !busy && !wrong && node.focus(),
    onInput: (/** @type {any} */ e) => setDraft(e.target.value),
    onKeyDown: (/** @type {KeyboardEvent} */ e) => {
      if (e.key !== "Escape") return;
      e.preventDefault();
      e.stopPropagation();
      setDraft(null);
    },
  };
  return html`<form class="p-editing" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void keep())}>
    ${long ? html`<textarea rows="3" ...${field}></textarea>` : html`<input ...${field} />`}
    <${Wrong} text=${wrong} />
    <div class="p-buttons">
      <button type="button" onClick=${() => setDraft(null)}>${t("cancel")}</button>
      <button class="primary" disabled=${busy}>${t("save")}</button>
    </div>
  </form>`;
}

/** Goes through lists by arrows: put on the element around. @param {KeyboardEvent} event */
export function arrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const place = /** @type {HTMLElement} */ (event.currentTarget);
  const all = /** @type {HTMLElement[]} */ ([...place.querySelectorAll("[data-stop]")]);
  const here = all.findIndex((one) => one === document.activeElement || one.contains(document.activeElement));
  const next = all[Math.min(Math.max(here + step, 0), all.length - 1)];
  if (!next) return;
  next.focus();
  event.preventDefault();
}
