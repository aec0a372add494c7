// @ts-check
/** How the app looks, and how it is written in. */

import { html } from "../../vendor/preact.js";
import { own, setOwn } from "../store.js";
import { language, LANGUAGES, setLanguage, t } from "../words.js";
import { Choice } from "../people/pieces.js";

const SCALES = [80, 90, 100, 110, 125, 140, 160];

export function Look() {
  const { theme = "system", scale = 100, enter = matchMedia("(pointer: coarse)").matches ? "line" : "send" } = own.value;
  return html`<div class="p-form">
    <fieldset class="radios">
      <legend>${t("theme")}</legend>
      ${["system", "light", "dark"].map(
        (one) => html`<label key=${one} class="across">
          <input type="radio" name="theme" value=${one} checked=${theme === one} onChange=${() => setOwn({ theme: one })} />${t(`theme ${one}`)}
        </label>`,
      )}
    </fieldset>
    <${Choice} label=${t("text size")} value=${scale} options=${SCALES.map((one) => [one, `${one} %`])} onChange=${(/** @type {string} */ one) => setOwn({ scale: Number(one) })} />
    <${Choice} label=${t("language")} value=${language.value} options=${Object.entries(LANGUAGES)} onChange=${setLanguage} />
    <fieldset class="radios">
      <legend>${t("enter key")}</legend>
      ${["send", "line"].map(
        (one) => html`<label key=${one} class="across">
          <input type="radio" name="enter" value=${one} checked=${enter === one} onChange=${() => setOwn({ enter: one })} />
          <span>${t(`enter ${one}`)}<span class="quiet p-small p-block">${t(`enter ${one} text`)}</span></span>
        </label>`,
      )}
    </fieldset>
  </div>`;
}
