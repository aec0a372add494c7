// @ts-check
/** Who the owner is to others. */

import { html } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { openDialog, refreshStatus, status, toast } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { MyLink } from "../people/my-link.js";
import { Copy, Editable, Fact } from "../people/pieces.js";

export function Me() {
  const me = status.value?.me;
  if (!me) return html``;
  const rename = async (/** @type {string} */ name) => {
    await call("me", { name });
    await refreshStatus();
    toast(t("name changed"));
  };
  return html`<div class="settings-me">
      <${Avatar} id=${me.account} name=${me.name} size=${72} />
      <div class="p-grow">
        <${Editable} label=${t("change name")} text=${me.name} save=${rename}>
          <strong class="p-grow p-big" dir="auto">${me.name}</strong>
        </${Editable}>
        <p class="quiet p-small">${t("my name text")}</p>
      </div>
    </div>
    <dl class="p-facts">
      <${Fact} name=${t("mark")}>${me.mark}<span class="quiet p-small p-block">${t("mark text")}</span></${Fact}>
      <${Fact} name=${t("account")}><code class="p-long">${me.account}</code></${Fact}>
      <${Fact} name=${t("device")}><code>${status.value.device}</code></${Fact}>
    </dl>
    <div class="p-buttons left">
      <button type="button" class="primary" onClick=${() => openDialog(MyLink)}>${t("my link")}</button>
      <${Copy} text=${me.account} label=${t("copy account")} />
    </div>`;
}
