// @ts-check
/** What this is, and what it is made of. */

import { html, useState } from "../../vendor/preact.js";
import { about, status } from "../store.js";
import { text } from "../wire.js";
import { t } from "../words.js";
import { Fact, useTry, Wrong } from "../people/pieces.js";

export function About() {
  const [licences, setLicences] = useState("");
  const { wrong, run } = useTry();
  const load = (/** @type {any} */ event) =>
    event.target.open && !licences && void run(async () => setLicences(await text("vendor/LICENCES.txt")));
  const state = status.value;
  return html`<p>${t("about text")}</p>
    <dl class="p-facts">
      <${Fact} name=${t("version")}>${state?.version ?? about.value.version}</${Fact}>
      <${Fact} name=${t("profile")}><bdi>${state?.profile ?? about.value.profile}</bdi></${Fact}>
      <${Fact} name=${t("suite")}><span class="p-wrap">${state?.suite ?? ""}</span></${Fact}>
    </dl>
    <details class="p-card" onToggle=${load}>
      <summary>${t("licences")}</summary>
      <${Wrong} text=${wrong} />
      ${licences && html`<pre class="licences" tabindex="0" lang="en" dir="ltr">${licences}</pre>`}
    </details>`;
}
