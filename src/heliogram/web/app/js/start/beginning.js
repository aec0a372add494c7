// @ts-check
/** After an account was made: its words, whether they were written down, and the link to give away. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Confirm } from "../parts/dialog.js";
import { Qr } from "../parts/qr.js";
import { openDialog, toast } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { fresh } from "./fresh.js";
import { Card } from "./parts.js";

/** How many words are asked for. */
const ASKED = 3;

export function Beginning() {
  const [step, setStep] = useState("words");
  const words = fresh.value?.words;
  const skip = () =>
    openDialog(Confirm, {
      title: t("skip title"),
      text: t("skip text"),
      yes: t("skip anyway"),
      danger: true,
      run: () => setStep("link"),
    });
  if (!words)
    return html`<${Card} title=${t("making account")}><p class="quiet" role="status">${t("making account text")}</p></${Card}>`;
  if (step === "words") return html`<${Words} key="words" words=${words} next=${() => setStep("check")} skip=${skip} />`;
  if (step === "check") return html`<${Check} key="check" words=${words} next=${() => setStep("link")} back=${() => setStep("words")} skip=${skip} />`;
  return html`<${YourLink} key="link" next=${() => (fresh.value = null)} />`;
}

/** @param {{ words: string[], next: () => void, skip: () => void }} props */
function Words({ words, next, skip }) {
  return html`<${Card} title=${t("words title")} wide onSubmit=${next}>
    <p>${t("words text")}</p>
    <ol class="words" translate="no" lang="en" dir="ltr">
      ${words.map((one, index) => html`<li key=${index}><span class="words-number" aria-hidden="true">${index + 1}</span><span>${one}</span></li>`)}
    </ol>
    <p class="note">${t("words warning")}</p>
    <div class="start-feet">
      <button type="button" class="plain" onClick=${skip}>${t("skip")}</button>
      <button class="primary">${t("words written")}</button>
    </div>
  </${Card}>`;
}

/** Three places, spread over the words. */
const places = () => {
  const drawn = crypto.getRandomValues(new Uint32Array(ASKED));
  return [...drawn].map((one, index) => index * 8 + (one % 8));
};

/** The beginning of a word is enough: four letters tell all of them apart. @param {string} typed @param {string} word */
const fits = (typed, word) => {
  const plain = typed.trim().toLowerCase();
  return plain === word || (plain.length >= 4 && word.startsWith(plain));
};

/** @param {{ words: string[], next: () => void, back: () => void, skip: () => void }} props */
function Check({ words, next, back, skip }) {
  const [asked] = useState(places);
  const [typed, setTyped] = useState(asked.map(() => ""));
  const [wrong, setWrong] = useState("");
  const submit = () => {
    const miss = asked.find((place, index) => !fits(typed[index], words[place]));
    if (miss === undefined) next();
    else setWrong(t("check wrong", { n: miss + 1 }));
  };
  return html`<${Card} title=${t("check title")} onSubmit=${submit} back=${back}>
    <p>${t("check text")}</p>
    ${asked.map(
      (place, index) => html`<label key=${place}>${t("word number", { n: place + 1 })}
        <input required autocomplete="off" autocapitalize="none" spellcheck="false" dir="ltr" data-first=${index === 0 || undefined} data-place=${place} value=${typed[index]}
          onInput=${(/** @type {any} */ event) => (setTyped(typed.map((one, other) => (other === index ? event.target.value : one))), setWrong(""))} />
      </label>`,
    )}
    <p class="wrong" role="alert">${wrong}</p>
    <div class="start-feet">
      <button type="button" class="plain" onClick=${skip}>${t("skip")}</button>
      <button class="primary">${t("check words")}</button>
    </div>
  </${Card}>`;
}

/** @param {{ next: () => void }} props */
function YourLink({ next }) {
  const [link, setLink] = useState(/** @type {any} */ (null));
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    call("new link").then(setLink, () => setFailed(true));
  }, []);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link.uri);
      toast(t("copied"));
    } catch {
      toast(t("not copied"), { kind: "error" });
    }
  };
  return html`<${Card} title=${t("your link title")} wide onSubmit=${next}>
    <p>${t("your link text")}</p>
    ${failed && html`<p class="note" role="status">${t("no link yet")}</p>`}
    ${link && html`<div class="start-link">
      <${Qr} text=${link.scan} label=${t("your link code")} />
      <div class="start-uri">
        <code dir="ltr" tabindex="0">${link.uri}</code>
        <button type="button" onClick=${() => void copy()}>${t("copy your link")}</button>
      </div>
    </div>`}
    <div class="start-feet"><button class="primary" data-first>${t("to chats")}</button></div>
  </${Card}>`;
}
