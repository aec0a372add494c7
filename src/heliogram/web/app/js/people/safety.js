// @ts-check
/** The safety code of two people: shown, compared, remembered. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Confirm, Sheet } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { Qr } from "../parts/qr.js";
import { contacts, openDialog, toast } from "../store.js";
import { call, Refused } from "../wire.js";
import { t } from "../words.js";
import { Copy, useTry, Warnings, Who, Wrong } from "./pieces.js";

/** Groups of five, as one reads them aloud. @param {{ digits: string }} props */
export const Digits = ({ digits }) => html`<ol class="p-digits" dir="ltr" data-digits=${digits} aria-label=${t("safety code")}>
  ${digits.split(" ").map((group, index) => html`<li key=${index}>${group}</li>`)}
</ol>`;

/** @param {{ words: string }} props */
const Words = ({ words }) => html`<ol class="p-code-words" dir="ltr" lang="en">
  ${words.split(" ").map((word, index) => html`<li key=${index}>${word}</li>`)}
</ol>`;

const WAYS = ["digits", "words", "qr"];

/** Compare codes with a contact. @param {{ account: string, close: () => void, titleId: string }} props */
export function Compare({ account, close, titleId }) {
  const contact = contacts.value.find((one) => one.who.account === account);
  const [code, setCode] = useState(/** @type {any} */ (null));
  const [way, setWay] = useState("digits");
  const [theirs, setTheirs] = useState("");
  const [differs, setDiffers] = useState(false);
  const { busy, wrong, run } = useTry();
  useEffect(() => void run(async () => setCode(await call("safety code", { contact: account }))), [account]);
  const who = contact?.who ?? code?.who;
  const verify = (/** @type {any} */ how) =>
    run(async () => {
      setDiffers(false);
      try {
        await call("verify", { contact: account, ...how });
      } catch (error) {
        // This one is no mistake to be tried again: it may be somebody in between.
        if (!(error instanceof Refused) || error.code !== "codes differ") throw error;
        setDiffers(true);
        return;
      }
      setTheirs("");
      toast(t(how.verified === false ? "no longer verified" : "is verified", { name: who.name }));
    });
  if (!who) return html`<${Sheet} title=${t("safety code")} titleId=${titleId} close=${close}><${Wrong} text=${wrong} /></${Sheet}>`;
  return html`<${Sheet} title=${t("safety code")} titleId=${titleId} close=${close}>
    <${Who} who=${who} size=${48} />
    <${Warnings} who=${who} />
    <p>${t("compare text")}</p>
    ${code && html`<div class="p-tabs" role="tablist" aria-label=${t("ways to compare")} onKeyDown=${turn(way, setWay)}>
        ${WAYS.map((one) => html`<button key=${one} type="button" role="tab" id=${`way-${one}`} aria-selected=${one === way} aria-controls="way" tabindex=${one === way ? 0 : -1} onClick=${() => setWay(one)}>${t(`code as ${one}`)}</button>`)}
      </div>
      <div id="way" role="tabpanel" aria-labelledby=${`way-${way}`} class="p-code-card">
        ${way === "digits" && html`<${Digits} digits=${code.digits} />`}
        ${way === "words" && html`<${Words} words=${code.words} />`}
        ${way === "qr" && html`<${Qr} text=${code.scan} label=${t("qr of code")} />`}
        <${Copy} text=${way === "digits" ? code.digits : way === "words" ? code.words : code.scan} label=${t(`copy ${way}`)} />
      </div>`}
    ${differs && html`<div class="p-caution bad" role="alert">
      <${Icon} name="warning" />
      <div><strong>${t("codes differ title")}</strong><p>${t("codes differ text", { name: who.name })}</p></div>
    </div>`}
    <${Wrong} text=${wrong} />
    ${who.verified
      ? html`<p class="p-good" role="status"><${Icon} name="verified" /> ${t("is verified", { name: who.name })}</p>
          <div class="p-buttons"><button type="button" class="danger" disabled=${busy} onClick=${() => openDialog(Confirm, {
            title: t("unverify"),
            text: t("unverify text", { name: who.name }),
            yes: t("unverify"),
            danger: true,
            run: () => void verify({ verified: false }),
          })}>${t("unverify")}</button></div>`
      : html`<form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void verify({ code: theirs.trim() }))}>
            <label>${t("their code")}
              <textarea rows="2" dir="ltr" spellcheck=${false} autocomplete="off" placeholder=${t("their code hint")} value=${theirs} onInput=${(/** @type {any} */ e) => (setTheirs(e.target.value), setDiffers(false))}></textarea>
            </label>
            <div class="p-buttons">
              <button type="button" disabled=${busy || !contact} onClick=${() => openDialog(Confirm, {
                title: t("same code"),
                text: t("same code text", { name: who.name }),
                yes: t("they are the same"),
                run: () => void verify({}),
              })}>${t("i compared")}</button>
              <button class="primary" disabled=${busy || !contact || !theirs.trim()}>${t("check code")}</button>
            </div>
          </form>`}
  </${Sheet}>`;
}

/** Arrows between tabs. @param {string} way @param {(way: string) => void} set */
const turn = (way, set) => (/** @type {KeyboardEvent} */ event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = WAYS[(WAYS.indexOf(way) + step + WAYS.length) % WAYS.length];
  set(next);
  document.getElementById(`way-${next}`)?.focus();
};
