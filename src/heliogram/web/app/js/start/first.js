// @ts-check
/** The first start: a new account, or one that is brought back by its words. */

import { html, useState } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { about } from "../store.js";
import { post, Refused } from "../wire.js";
import { sentence, t } from "../words.js";
import { fresh } from "./fresh.js";
import { Card, NewPassphrase } from "./parts.js";
import { Relays } from "./relays.js";

/** How many words bring an account back. */
const WORDS = 24;

export function First() {
  const [way, setWay] = useState(/** @type {"" | "create" | "restore"} */ (""));
  if (way) return html`<${Make} key=${way} restore=${way === "restore"} back=${() => setWay("")} />`;
  return html`<${Card} title=${t("welcome")}>
    <p>${t("welcome text")}</p>
    <ul class="start-points">
      <li><${Icon} name="shield" />${t("welcome nobody")}</li>
      <li><${Icon} name="person" />${t("welcome no number")}</li>
      <li><${Icon} name="relay" />${t("welcome relays")}</li>
    </ul>
    <div class="start-ways">
      <button type="button" class="primary" data-first onClick=${() => setWay("create")}>${t("begin new")}</button>
      <button type="button" onClick=${() => setWay("restore")}>${t("begin words")}</button>
    </div>
  </${Card}>`;
}

/** One thing after the other. */
const STEPS = { create: ["name", "passphrase", "relays"], restore: ["words", "name", "passphrase", "relays"] };

/** @param {{ restore: boolean, back: () => void }} props */
function Make({ restore, back }) {
  const suggested = about.value.relays ?? [];
  const steps = restore ? STEPS.restore : STEPS.create;
  const [at, setAt] = useState(0);
  const [name, setName] = useState("");
  const [words, setWords] = useState("");
  const [[passphrase, again], setPassphrase] = useState(["", ""]);
  const [relays, setRelays] = useState(/** @type {string[]} */ (suggested));
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const step = steps[at];
  const count = words.split(/\s+/u).filter(Boolean).length;

  /** What is still missing on this page, in words. */
  const missing = () => {
    if (step === "name" && !name.trim()) return t("name missing");
    if (step === "words" && count !== WORDS) return t("words count", { n: count });
    if (step === "passphrase" && passphrase.length < 8) return t("phrase short");
    if (step === "passphrase" && passphrase !== again) return t("phrases differ");
    return "";
  };
  const next = async () => {
    const lack = missing();
    setWrong(lack);
    if (lack || busy) return;
    if (at < steps.length - 1) return setAt(at + 1);
    setBusy(true);
    // The profile is open before the answer comes: the words stay in front of it.
    fresh.value = restore ? null : { words: null };
    try {
      const body = { name: name.trim(), passphrase, relays };
      if (restore) await post("restore", { ...body, words: words.trim() });
      else fresh.value = { words: (await post("create", body)).words.split(" ") };
    } catch (error) {
      fresh.value = null;
      const code = error instanceof Refused ? error.code : "internal";
      setWrong(sentence(code, error instanceof Refused ? error.about : {}));
      if (code.startsWith("words ")) setAt(0);
      setBusy(false);
    }
  };
  return html`<${Card} key=${step} title=${t(`step ${step}`)} onSubmit=${() => void next()} back=${() => (setWrong(""), at ? setAt(at - 1) : back())}>
    <p class="quiet">${t("step of", { at: at + 1, all: steps.length })}</p>
    ${step === "name" && html`<label>${t("your name")}
        <input required maxlength="64" autocomplete="off" dir="auto" data-first aria-describedby="name-text" value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
      </label>
      <p class="quiet" id="name-text">${t("your name text")}</p>`}
    ${step === "words" && html`<label>${t("your words")}
        <textarea rows="5" required spellcheck="false" autocapitalize="none" autocomplete="off" dir="ltr" data-first aria-describedby="words-text" value=${words} onInput=${(/** @type {any} */ event) => setWords(event.target.value)}></textarea>
      </label>
      <p class="quiet" id="words-text" role="status">${t("words so far", { n: count })} ${t("your words text")}</p>`}
    ${step === "passphrase" && html`<${NewPassphrase} value=${passphrase} again=${again} known=${[name]} change=${(/** @type {string} */ one, /** @type {string} */ two) => (setPassphrase([one, two]), setWrong(""))} />`}
    ${step === "relays" && html`<${Relays} chosen=${relays} choose=${setRelays} suggested=${suggested} />`}
    <p class="wrong" role="alert">${wrong}</p>
    <div class="start-feet">
      <button class="primary" disabled=${busy}>${busy ? t("making account") : at < steps.length - 1 ? t("next") : t(restore ? "restore account" : "create account")}</button>
    </div>
  </${Card}>`;
}
