// @ts-check
/** Before anybody leaves the app for an address that somebody sent: all of it is shown. */

import { html } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { toast } from "../store.js";
import { t } from "../words.js";
import { copy } from "./copy.js";

/** @param {any} props */
export function Leave({ url, close, titleId }) {
  const place = new URL(url);
  const foreign = /(^|\.)xn--/.test(place.hostname);
  const after = place.host ? place.pathname + place.search + place.hash : "";
  const before = place.host ? place.href.slice(0, place.href.length - after.length - place.host.length) : "";
  // Not a link: browsers look up the hosts of those before anybody follows them.
  const leave = () => {
    close();
    window.open(place.href, "_blank", "noopener,noreferrer");
  };
  return html`<${Sheet}
    title=${t("open link")}
    titleId=${titleId}
    close=${close}
    feet=${html`<button type="button" onClick=${() => void copy(place.href).then(() => toast(t("copied")))}>${t("copy address")}</button>
      <button type="button" onClick=${close}>${t("cancel")}</button>
      <button type="button" class="primary" autofocus onClick=${leave}>${t("open")}</button>`}
  >
    <p>${t("open link text")}</p>
    <p class="address" dir="ltr">${place.host ? html`${before}<b>${place.host}</b>${after}` : place.href}</p>
    ${foreign && html`<p class="wrong">${t("foreign letters")}</p>`}
    ${(place.username || place.password) && html`<p class="wrong">${t("name in address", { host: place.host })}</p>`}
    ${place.protocol === "http:" && html`<p class="quiet">${t("not encrypted")}</p>`}
  </${Sheet}>`;
}
