// @ts-check
/** All about a message: who has it, when it was seen, what relays and the network saw of it. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { Sheet } from "../parts/dialog.js";
import { call, Refused } from "../wire.js";
import { bytes, known, moment, sentence, t } from "../words.js";
import { again } from "./again.js";
import { shownHistory } from "./context.js";
import { WithWarning } from "./person.js";

/** @param {any} props */
export function About({ message: given, close, titleId }) {
  void shownHistory.value?.version.value;
  const message = shownHistory.value?.get(given.number) ?? given;
  const [seen, setSeen] = useState(/** @type {any} */ (null));
  const [why, setWhy] = useState("");
  const explain = () =>
    call("explain", { message: message.id }).then(setSeen, (error) => setWhy(sentence(error instanceof Refused ? error.code : "internal")));
  const { stored_by: by = [], relays = 0, reports = [], mine } = message;
  useEffect(() => {
    if (mine && message.state === "failed") void explain();
  }, []);
  const said = (/** @type {string} */ status) => reports.filter((/** @type {any} */ one) => one.status === status);
  return html`<${Sheet} title=${t("about message")} titleId=${titleId} close=${close} reads=${true}>
    <dl class="facts">
      <dt>${t("sent")}</dt><dd>${moment(message.time)}</dd>
      ${!mine && html`<dt>${t("arrived")}</dt><dd>${moment(message.received)}</dd>`}
      ${!mine && message.sender && html`<dt>${t("from")}</dt><dd><${WithWarning} who=${message.sender} /> <span class="quiet">${message.sender.mark}</span></dd>`}
      ${message.expires && html`<dt>${t("goes")}</dt><dd>${moment(message.expires)}</dd>`}
      ${message.forwarded && html`<dt>${t("forwarded from")}</dt><dd><bdi>${message.forwarded.name}</bdi> <span class="quiet">${t("cannot be checked")}</span></dd>`}
    </dl>
    ${message.state === "failed" &&
    html`<div class="alarm"><p>${t("failed text")}</p>
      <button type="button" class="primary" onClick=${() => (close(), again(message))}>${t("send again")}</button></div>`}
    ${mine &&
    relays > 0 &&
    html`<section>
      <h3>${t("stored by some", { n: by.length, of: relays })}</h3>
      <p class="quiet">${t("stored text")}</p>
      <ul class="lines">${by.map((/** @type {string} */ one) => html`<li><${Icon} name="check" size=${16} /> <bdi>${one}</bdi></li>`)}</ul>
    </section>`}
    ${["read", "delivered"].map(
      (status) =>
        said(status).length > 0 &&
        html`<section>
          <h3>${t(`state ${status}`)}</h3>
          <ul class="lines">
            ${said(status).map((/** @type {any} */ one) => html`<li><${Icon} name="checks" size=${16} /> <${WithWarning} who=${one.who} /> <time class="quiet">${moment(one.time)}</time></li>`)}
          </ul>
        </section>`,
    )}
    ${mine && !seen && html`<button type="button" onClick=${() => void explain()}>${t("explain")}</button>`}
    ${why && html`<p class="wrong" role="alert">${why}</p>`}
    ${seen && html`<${Explained} seen=${seen} />`}
  </${Sheet}>`;
}

/** What who watches the network saw. @param {any} seen as in `Passed` */
function passed({ to, size, times, tls }) {
  if (!to) return t("passed proxy", { size: bytes(size) });
  return html`${t("passed relay", { size: bytes(size) })} <bdi>${to}</bdi>${tls && `, ${t("in TLS")}`}${times > 1 && `, ${t("n times", { n: times })}`}`;
}

/** @param {{ seen: any }} props */
function Explained({ seen }) {
  return html`<section>
    <h3>${t("explain")}</h3>
    <p>${t("explain sizes", { text: bytes(seen.text_size), entry: bytes(seen.entry_size), bucket: bytes(seen.bucket) })}</p>
    <p>${t("explain never")}</p>
    <ul class="lines">
      ${seen.traces.map(
        (/** @type {any} */ one) => html`<li>
          <${Icon} name="relay" size=${16} />
          <span><bdi>${one.relay.name}</bdi>: ${t("trace", { what: known(`trace ${one.what}`) ? t(`trace ${one.what}`) : one.what, size: bytes(one.size), when: moment(one.minute * 60), epoch: one.epoch })}${one.stored ? ` ${t("it signed")}` : ""}</span>
        </li>`,
      )}
    </ul>
    <h4>${t("network saw")}</h4>
    <ul class="lines">${seen.network.map((/** @type {any} */ one) => html`<li><${Icon} name="globe" size=${16} /> <span>${passed(one)}</span></li>`)}</ul>
    ${seen.proxy && html`<p class="quiet" dir="ltr">${seen.proxy}</p>`}
  </section>`;
}
