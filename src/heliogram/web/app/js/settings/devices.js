// @ts-check
/** The devices of the account. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { call } from "../wire.js";
import { moment, t } from "../words.js";
import { useTry, Wrong } from "../people/pieces.js";

export function Devices() {
  const [devices, setDevices] = useState(/** @type {any[]} */ ([]));
  const { wrong, run } = useTry();
  useEffect(() => void run(async () => setDevices(await call("devices"))), []);
  return html`<p class="quiet">${t("devices text")}</p>
    <${Wrong} text=${wrong} />
    <ul class="p-lines">
      ${devices.map(
        (one) => html`<li key=${one.id} class="p-line">
          <${Icon} name="device" />
          <span class="p-grow">
            <code>${one.id}</code>${one.this && html` <span class="p-tag">${t("this device")}</span>`}${one.revoked && html` <span class="p-tag bad">${t("revoked")}</span>`}
            ${one.added > 0 && html`<span class="quiet p-small p-block">${t("added at", { time: moment(one.added) })}</span>`}
          </span>
        </li>`,
      )}
    </ul>`;
}
