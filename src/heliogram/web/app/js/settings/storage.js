// @ts-check
/** What lies on the disk, and copies of it. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Confirm } from "../parts/dialog.js";
import { openDialog, toast } from "../store.js";
import { call } from "../wire.js";
import { bytes, t } from "../words.js";
import { Card, Copy, Fact, useTry, Wrong } from "../people/pieces.js";

const PARTS = ["messages", "database", "kept", "saved"];

export function StorageSettings() {
  const [sizes, setSizes] = useState(/** @type {any} */ (null));
  const { busy, wrong, run } = useTry();
  useEffect(() => void run(async () => setSizes(await call("storage"))), []);
  const clear = () =>
    openDialog(Confirm, {
      title: t("clear kept"),
      text: t("clear kept text"),
      yes: t("clear"),
      danger: true,
      run: () =>
        void run(async () => {
          const left = await call("clear kept");
          toast(t("cleared", { size: bytes(Math.max((sizes?.kept ?? 0) - left.kept, 0)) }));
          setSizes(left);
        }),
    });
  return html`<${Card} title=${t("on this disk")}>
      ${sizes && html`<dl class="p-facts">
        ${PARTS.map((one) => html`<${Fact} key=${one} name=${t(`storage ${one}`)}>${one === "messages" ? t("n messages", { n: sizes[one] }) : bytes(sizes[one])}</${Fact}>`)}
      </dl>`}
      <${Wrong} text=${wrong} />
      <div class="p-buttons left"><button type="button" class="danger" disabled=${busy || !sizes?.kept} onClick=${clear}>${t("clear kept")}</button></div>
    </${Card}>
    <${Write} what="backup" field="file" />
    <${Write} what="export" field="directory" ask />`;
}

/** Something that is written beside the downloads; where, the node says. @param {{ what: string, field: string, ask?: boolean }} props */
function Write({ what, field, ask = false }) {
  const [path, setPath] = useState("");
  const { busy, wrong, run } = useTry();
  const begin = () =>
    void run(async () => {
      setPath("");
      setPath((await call(what, { [field]: "" })).path);
    });
  const asked = () =>
    openDialog(Confirm, { title: t(what), text: t(`${what} ask`), yes: t(`make ${what}`), danger: true, run: begin });
  return html`<${Card} title=${t(what)}>
    <p class="quiet p-small">${t(`${what} text`)}</p>
    <${Wrong} text=${wrong} />
    <div role="status">
      ${path && html`<p>${t("it lies at")}</p><code class="p-long" dir="ltr" data-written=${what}>${path}</code>`}
    </div>
    <div class="p-buttons left">
      <button type="button" disabled=${busy} onClick=${ask ? asked : begin}>${t(busy ? `making ${what}` : `make ${what}`)}</button>
      ${path && html`<${Copy} text=${path} label=${t("copy path")} />`}
    </div>
  </${Card}>`;
}
