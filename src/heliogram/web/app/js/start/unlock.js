// @ts-check
/** The passphrase of a profile that is locked. */

import { html, useState } from "../../vendor/preact.js";
import { about } from "../store.js";
import { post, Refused } from "../wire.js";
import { sentence, t } from "../words.js";
import { Card, Secret } from "./parts.js";

export function Unlock() {
  const [passphrase, setPassphrase] = useState("");
  const [shown, setShown] = useState(false);
  const [wrong, setWrong] = useState("");
  const [tries, setTries] = useState(0);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    if (!passphrase || busy) return;
    setBusy(true);
    setWrong("");
    try {
      await post("unlock", { passphrase });
    } catch (error) {
      const code = error instanceof Refused ? error.code : "internal";
      setWrong(sentence(code, error instanceof Refused ? error.about : {}));
      if (code === "wrong passphrase") {
        setTries(tries + 1);
        setPassphrase("");
      }
      setBusy(false);
      queueMicrotask(() => /** @type {HTMLElement | null} */ (document.querySelector(".start-card input"))?.focus());
      return;
    }
    setBusy(false);
  };
  return html`<${Card} title=${t("unlock title")} onSubmit=${() => void submit()}>
    ${about.value.profile && html`<p class="quiet">${t("unlock whose", { name: about.value.name || about.value.profile })}</p>`}
    <${Secret} label=${t("passphrase")} value=${passphrase} onInput=${setPassphrase} shown=${shown} setShown=${setShown} described="unlock-wrong" first />
    <p id="unlock-wrong" class="wrong" role="alert">${wrong}</p>
    ${tries > 1 && html`<p class="note">${t("unlock slower")}</p>`}
    <div class="start-feet"><button class="primary" disabled=${busy}>${busy ? t(tries ? "unlocking slowly" : "unlocking") : t("unlock")}</button></div>
    <details class="quiet"><summary>${t("forgotten")}</summary><p>${t("forgotten text")}</p></details>
  </${Card}>`;
}
