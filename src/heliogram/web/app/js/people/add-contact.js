// @ts-check
/** Getting in touch with somebody by their link. */

import { html, useState } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { Sheet } from "../parts/dialog.js";
import { contacts, openChat, openDialog } from "../store.js";
import { call } from "../wire.js";
import { sentence, t } from "../words.js";
import { Compare } from "./safety.js";
import { useTry, Warnings, Who, Wrong } from "./pieces.js";

/** Errors that tell what is wrong with the link itself. */
const OF_LINK = /^(link |no relays|not allowed)/;

/** What was pasted, without what mail programs and messengers put around a link. @param {string} text */
export const linkIn = (text) => text.match(/heliogram:contact\/[^\s<>"'«»“”]+/i)?.[0] ?? text.replaceAll(/\s+/g, "");

/** @param {{ close: () => void, titleId: string, link?: string }} props `link`: one that is there already */
export function AddContact({ close, titleId, link: given = "" }) {
  const [link, setLink] = useState(given);
  const [name, setName] = useState("");
  const [account, setAccount] = useState("");
  const { busy, wrong, run } = useTry();
  const added = contacts.value.find((one) => one.who.account === account);
  if (added) return html`<${Added} contact=${added} close=${close} titleId=${titleId} again=${() => setAccount("")} />`;
  const submit = () =>
    run(async () => {
      const contact = await call("add contact", { link: linkIn(link), name: name.trim() });
      contacts.value = [...contacts.value.filter((one) => one.who.account !== contact.who.account), contact];
      setAccount(contact.who.account);
    });
  return html`<${Sheet} title=${t("add contact")} titleId=${titleId} close=${close}>
    <form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void submit())}>
      <p>${t("add contact text")}</p>
      <label>${t("their link")}
        <textarea
          rows="3"
          required
          autofocus
          dir="ltr"
          spellcheck=${false}
          autocomplete="off"
          placeholder="heliogram:contact/…"
          maxlength="8192"
          value=${link}
          aria-describedby="add-contact-wrong"
          onInput=${(/** @type {any} */ e) => setLink(e.target.value)}
          onKeyDown=${(/** @type {KeyboardEvent} */ e) => e.key === "Enter" && !e.isComposing && (e.preventDefault(), void (link.trim() && submit()))}
        ></textarea>
      </label>
      <label>${t("name for them")}
        <input dir="auto" maxlength="128" placeholder=${t("as the link says")} value=${name} onInput=${(/** @type {any} */ e) => setName(e.target.value)} />
      </label>
      <${Wrong} text=${wrong} id="add-contact-wrong" />
      ${wrong && html`<p class="quiet">${t("link advice")}</p>`}
      <div class="p-buttons">
        <button type="button" onClick=${close}>${t("cancel")}</button>
        <button class="primary" disabled=${busy || !link.trim()}>${t(busy ? "adding" : "add")}</button>
      </div>
    </form>
  </${Sheet}>`;
}

const STEPS = ["adding", "waiting", "known"];

/** How far it is: sent, waiting for them, there. @param {any} props */
function Added({ contact, close, titleId, again }) {
  // What is as usual is left out of answers.
  const { state = "known", trouble = "" } = contact;
  const at = STEPS.indexOf(state);
  const feet = html`${state === "failed" && OF_LINK.test(trouble) &&
    html`<button type="button" onClick=${again}>${t("another link")}</button>`}
    ${state === "known" && html`<button type="button" onClick=${() => openDialog(Compare, { account: contact.who.account })}>${t("compare codes")}</button>`}
    ${contact.chat && state !== "failed"
      ? html`<button type="button" class="primary" autofocus onClick=${() => (close(), openChat(contact.chat))}>${t("open chat")}</button>`
      : html`<button type="button" class="primary" onClick=${close}>${t("done")}</button>`}`;
  return html`<${Sheet} title=${t("add contact")} titleId=${titleId} close=${close} feet=${feet}>
    <${Who} who=${contact.who} size=${56} />
    <${Warnings} who=${contact.who} />
    <div role="status" data-state=${state}>
      ${state === "failed"
        ? html`<p class="wrong"><${Icon} name="warning" size=${18} /> ${sentence(trouble || "not reached")}</p><p>${t("link advice")}</p>`
        : html`<ol class="p-steps">
            ${STEPS.map(
              (step, index) => html`<li key=${step} class=${index < at ? "past" : index === at ? "now" : "later"} aria-current=${index === at ? "step" : undefined}>
                <${Icon} name=${index < at || state === "known" ? "check" : index === at ? "clock" : "timer"} size=${18} />
                <span><strong>${t(`contact ${step}`)}</strong>${index === at && html`<span class="quiet p-small p-block">${t(`contact ${step} text`)}</span>`}</span>
              </li>`,
            )}
          </ol>`}
    </div>
  </${Sheet}>`;
}
