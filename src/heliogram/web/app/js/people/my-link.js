// @ts-check
/** Links that lead to the owner: make, show, copy, take back. */

import { html, useEffect, useMemo, useState } from "../../vendor/preact.js";
import { inTurn } from "../newest.js";
import { Confirm, Sheet } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { Qr } from "../parts/qr.js";
import { openDialog, status } from "../store.js";
import { call } from "../wire.js";
import { moment, t } from "../words.js";
import { arrows, Card, Copy, Field, Toggle, useTry, Wrong } from "./pieces.js";

/** @param {{ close: () => void, titleId: string }} props */
export function MyLink({ close, titleId }) {
  const [links, setLinks] = useState(/** @type {any[] | null} */ (null));
  const [shown, setShown] = useState("");
  const { busy, wrong, run } = useTry();
  const take = useMemo(
    () =>
      inTurn((/** @type {{ found: any[], show: string }} */ { found, show }) => {
        // Those that were made for one person by the way are theirs: nothing to give around.
        found.sort((a, b) => b.created - a.created);
        setLinks(found);
        setShown(show || found.find((one) => !one.person && !one.one_time)?.id || "");
      }),
    [],
  );
  const load = (/** @type {string} */ show = "") =>
    run(() => take(call("links").then((/** @type {any[]} */ found) => ({ found, show }))));
  useEffect(() => void load(), []);
  const link = links?.find((one) => one.id === shown);
  const revoke = (/** @type {any} */ one) =>
    openDialog(Confirm, {
      title: t("revoke link"),
      text: t(one.person ? "revoke link person text" : "revoke link text"),
      yes: t("revoke"),
      danger: true,
      run: () => void run(async () => await call("revoke link", { link: one.id })).then(() => load(one.id === shown ? "" : shown)),
    });
  return html`<${Sheet} title=${t("my link")} titleId=${titleId} close=${close}>
    <p>${t("my link text")}</p>
    <${Wrong} text=${wrong} />
    ${link && html`<${Shown} link=${link} revoke=${() => revoke(link)} />`}
    ${links && html`<${Make} busy=${busy} open=${!link} make=${async (/** @type {any} */ how) => {
      const made = await run(() => call("new link", how));
      if (made) await load(made.id);
    }} />`}
    ${links && links.length > 0 && html`<${Card} title=${t("all links")}>
      <ul class="p-lines" onKeyDown=${arrows}>
        ${links.map((one) => html`<li key=${one.id} class="p-line">
          <button type="button" class="p-line-main" data-stop aria-pressed=${one.id === shown} onClick=${() => setShown(one.id)}>
            <${Icon} name=${one.person ? "person" : one.one_time ? "timer" : "link"} size=${18} />
            <span class="p-grow">
              <bdi>${one.person?.name ?? (one.name || status.value?.me.name)}</bdi>
              <span class="quiet p-small p-block">${t(one.person ? "link for person" : one.one_time ? "link one-time" : "link open")} · ${moment(one.created)}</span>
            </span>
          </button>
          <button type="button" class="plain danger" onClick=${() => revoke(one)} aria-label=${t("revoke one", { name: one.person?.name ?? (one.name || status.value?.me.name) })}>${t("revoke")}</button>
        </li>`)}
      </ul>
    </${Card}>`}
  </${Sheet}>`;
}

/** @param {{ link: any, revoke: () => void }} props */
function Shown({ link, revoke }) {
  return html`<div class="p-qr-card">
    <${Qr} text=${link.scan} label=${t("qr of link")} />
    <p><strong><bdi>${link.name || status.value?.me.name}</bdi></strong> · ${t(link.one_time ? "link one-time" : "link open")}</p>
    <code class="p-long" dir="ltr" tabindex="0" data-link>${link.uri}</code>
    <div class="p-buttons">
      <button type="button" class="plain danger" onClick=${revoke}>${t("revoke")}</button>
      <${Copy} text=${link.uri} label=${t("copy link")} class="primary" />
    </div>
  </div>`;
}

/** @param {{ busy: boolean, open: boolean, make: (how: any) => Promise<void> }} props */
function Make({ busy, open, make }) {
  const [oneTime, setOneTime] = useState(false);
  const [name, setName] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    await make({ one_time: oneTime, name: name.trim() });
    setName("");
  };
  return html`<details class="p-card" open=${open}>
    <summary>${t("new link")}</summary>
    <form class="p-form" onSubmit=${submit}>
      <${Field} label=${t("name in link")} note=${t("name in link text")} dir="auto" maxlength="128" placeholder=${status.value?.me.name} value=${name} onInput=${setName} />
      <${Toggle} label=${t("one-time")} note=${t("one-time text")} checked=${oneTime} onChange=${setOneTime} />
      <div class="p-buttons"><button class="primary" disabled=${busy}>${t("make link")}</button></div>
    </form>
  </details>`;
}
