// @ts-check
/** The passphrase. */

import { html, useState } from "../../vendor/preact.js";
import { about } from "../store.js";
import { post, Refused } from "../wire.js";
import { sentence, t } from "../words.js";

export function Unlock() {
  const [passphrase, setPassphrase] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setWrong("");
    try {
      await post("unlock", { passphrase });
    } catch (error) {
      setWrong(sentence(error instanceof Refused ? error.code : "internal"));
    }
    setBusy(false);
  };
  return html`<main class="start">
    <form class="start-card" onSubmit=${submit}>
      <h1>${t("unlock title")}</h1>
      <p>${about.value.name ?? ""}</p>
      <label>${t("passphrase")}
        <input type="password" autocomplete="current-password" autofocus required value=${passphrase} onInput=${(/** @type {any} */ e) => setPassphrase(e.target.value)} aria-describedby="unlock-wrong" />
      </label>
      <p id="unlock-wrong" class="wrong" role="alert">${wrong}</p>
      <button class="primary" disabled=${busy}>${t(busy ? "unlocking" : "unlock")}</button>
    </form>
  </main>`;
}
