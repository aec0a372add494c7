// @ts-check
/** A place, as it came: no map is fetched from anywhere. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { openDialog } from "../store.js";
import { t } from "../words.js";
import { Leave } from "./leave.js";

const GEO = /geo:(-?\d{1,2}(?:\.\d{1,6})?),(-?\d{1,3}(?:\.\d{1,6})?)(?:;u=(\d{1,9}))?\s*$/;

/** @param {{ message: any }} props */
export function Location({ message }) {
  const found = GEO.exec(message.text);
  if (!found) return html`<p class="text" dir="auto">${message.text}</p>`;
  const [all, latitude, longitude, accuracy] = found;
  const label = message.text.slice(0, found.index).trim();
  const url = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  return html`<button type="button" class="card" title=${all} onClick=${() => openDialog(Leave, { url })}>
    <span class="card-icon"><${Icon} name="globe" /></span>
    <span class="card-words">
      <b dir="auto">${label || t("location")}</b>
      <span>${latitude}°, ${longitude}°${accuracy ? ` (±${accuracy} m)` : ""}</span>
    </span>
  </button>`;
}
