// @ts-check
/** Another passphrase for the profile. */

import { html, useState } from "../../vendor/preact.js";
import { toast } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { useTry, Wrong } from "../people/pieces.js";

/** Fewer characters are guessed too fast. */
const LEAST = 8;

export function Passphrase() {
  const [old, setOld] = useState("");
  const [one, setOne] = useState("");
  const [again, setAgain] = useState("");
  const [done, setDone] = useState(false);
  const { busy, wrong, setWrong, run } = useTry();
  const change = () => {
    setDone(false);
    if ([...one].length < LEAST) return setWrong(t("passphrase short", { n: LEAST }));
    if (one !== again) return setWrong(t("passphrases differ"));
    return void run(async () => {
      await call("change passphrase", { old, new: one });
      for (const set of [setOld, setOne, setAgain]) set("");
      setDone(true);
      toast(t("passphrase changed"));
    });
  };
  /** @type {[string, string, (text: string) => void, string][]} */
  const fields = [
    ["old passphrase", old, setOld, "current-password"],
    ["new passphrase", one, setOne, "new-password"],
    ["new passphrase again", again, setAgain, "new-password"],
  ];
  return html`<form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), change())}>
    <p class="quiet">${t("change passphrase text")}</p>
    ${fields.map(
      ([words, value, set, kind]) => html`<label key=${words}>${t(words)}
        <input type="password" required autocomplete=${kind} maxlength="1024" value=${value} onInput=${(/** @type {any} */ e) => set(e.target.value)} />
      </label>`,
    )}
    <${Wrong} text=${wrong} />
    ${done && html`<p class="p-good" role="status">${t("passphrase changed")}</p>`}
    <div class="p-buttons"><button class="primary" disabled=${busy || !old || !one || !again}>${t(busy ? "changing passphrase" : "change passphrase")}</button></div>
  </form>`;
}
