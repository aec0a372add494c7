// @ts-check
/** The words that bring the account back: shown again to whoever has the passphrase. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { useTry, Wrong } from "../people/pieces.js";

/** Seconds after which they are hidden again. */
const SHOWN = 120;

export function Recovery() {
  const [passphrase, setPassphrase] = useState("");
  const [words, setWords] = useState("");
  const { busy, wrong, run } = useTry();
  useEffect(() => {
    if (!words) return undefined;
    const timer = setTimeout(() => setWords(""), SHOWN * 1000);
    return () => clearTimeout(timer);
  }, [words]);
  const show = () =>
    run(async () => {
      setWords(await call("words", { passphrase }));
      setPassphrase("");
    });
  return html`<p>${t("recovery text")}</p>
    <div class="p-caution"><${Icon} name="warning" /><p>${t("recovery warning")}</p></div>
    ${words
      ? html`<ol class="recovery-words" dir="ltr" lang="en">${words.split(/\s+/).map((word, index) => html`<li key=${index}><span>${word}</span></li>`)}</ol>
          <p class="quiet p-small">${t("recovery hidden soon", { n: SHOWN / 60 })}</p>
          <div class="p-buttons left"><button type="button" onClick=${() => setWords("")}>${t("hide words")}</button></div>`
      : html`<form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void show())}>
          <label>${t("passphrase")}
            <input type="password" required autocomplete="current-password" maxlength="1024" value=${passphrase} onInput=${(/** @type {any} */ e) => setPassphrase(e.target.value)} />
          </label>
          <${Wrong} text=${wrong} />
          <div class="p-buttons"><button class="primary" disabled=${busy || !passphrase}>${t(busy ? "checking passphrase" : "show words")}</button></div>
        </form>`}`;
}
