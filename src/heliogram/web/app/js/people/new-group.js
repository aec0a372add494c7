// @ts-check
/** A new group: its name, who is in it, which relays hold it. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { openChat } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { ChoosePeople } from "./choose.js";
import { useTry, Wrong } from "./pieces.js";
import { ChooseRelays, promise } from "./promise.js";

/** @param {{ close: () => void, titleId: string, members?: string[] }} props */
export function NewGroup({ close, titleId, members = [] }) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [chosen, setChosen] = useState(() => new Set(members));
  const [own, setOwn] = useState(/** @type {any[]} */ ([]));
  const [relays, setRelays] = useState(/** @type {string[] | null} */ (null));
  const { busy, wrong, run } = useTry();
  useEffect(() => void call("relays").then(setOwn, () => {}), []);
  const usual = usualRelays(own);
  const count = (relays ?? usual).length;
  const submit = () =>
    run(async () => {
      const chat = await call("create group", {
        name: name.trim(),
        description: description.trim(),
        members: [...chosen],
        relays: relays ?? [],
      });
      close();
      openChat(chat.id);
    });
  return html`<${Sheet} title=${t("new group")} titleId=${titleId} close=${close}>
    <form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void submit())}>
      <label>${t("group name")}
        <input required autofocus dir="auto" maxlength="128" value=${name} onInput=${(/** @type {any} */ e) => setName(e.target.value)} />
      </label>
      <label>${t("description")}
        <input dir="auto" maxlength="1024" placeholder=${t("optional")} value=${description} onInput=${(/** @type {any} */ e) => setDescription(e.target.value)} />
      </label>
      <${ChoosePeople} label=${t("members")} chosen=${chosen} onChange=${setChosen} />
      <details class="p-card">
        <summary>${t("relays of group")} <span class="quiet">· ${t("n relays", { n: count })}</span></summary>
        <${ChooseRelays} own=${own} chosen=${relays ?? usual} onChange=${setRelays} />
      </details>
      ${own.length > 0 && html`<p class="quiet p-small" role="status">${promise(count)}</p>`}
      <${Wrong} text=${wrong} />
      <div class="p-buttons">
        <button type="button" onClick=${close}>${t("cancel")}</button>
        <button class="primary" disabled=${busy || !name.trim() || (relays !== null && relays.length === 0)}>${t(busy ? "making group" : "make group")}</button>
      </div>
    </form>
  </${Sheet}>`;
}

/** The relays that the node takes when none are named: up to four, one of each operator. @param {any[]} own */
export function usualRelays(own) {
  const operators = new Map();
  for (const one of own) if (!operators.has(one.relay.operator)) operators.set(one.relay.operator, one);
  const spread = operators.size > 1 ? [...operators.values()] : own;
  return spread.slice(0, 4).map((/** @type {any} */ one) => one.relay.key);
}
