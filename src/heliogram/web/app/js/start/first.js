// @ts-check
/** The first start: a new account, or one that is brought back by its words. */

import { html, useState } from "../../vendor/preact.js";
import { about } from "../store.js";
import { post, Refused } from "../wire.js";
import { sentence, t } from "../words.js";

export function First() {
  const [name, setName] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await post("create", { name, passphrase, relays: about.value.relays ?? [] });
    } catch (error) {
      setWrong(sentence(error instanceof Refused ? error.code : "internal"));
    }
    setBusy(false);
  };
  return html`<main class="start">
    <form class="start-card" onSubmit=${submit}>
      <h1>${t("welcome")}</h1>
      <label>${t("your name")}<input required maxlength="64" value=${name} onInput=${(/** @type {any} */ e) => setName(e.target.value)} /></label>
      <label>${t("passphrase")}<input type="password" required minlength="8" value=${passphrase} onInput=${(/** @type {any} */ e) => setPassphrase(e.target.value)} /></label>
      <p class="wrong" role="alert">${wrong}</p>
      <button class="primary" disabled=${busy}>${t("create account")}</button>
    </form>
  </main>`;
}
