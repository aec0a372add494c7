// @ts-check
/** The relays of a new account: what is suggested, what is left out of it, what was pasted. */

import { html, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { t } from "../words.js";

/** The host and port of an address, as people know it. @param {string} address */
export function hostOf(address) {
  try {
    return new URL(address.trim()).host || address;
  } catch {
    return address;
  }
}

/** What a pasted text holds: addresses, one a line or between spaces. @param {string} text */
export const addresses = (text) => text.split(/[\s,;]+/u).filter((one) => /^wss?:\/\/[^#]+#[0-9a-f]{64}/iu.test(one));

/** @param {{ chosen: string[], choose: (all: string[]) => void, suggested: string[] }} props */
export function Relays({ chosen, choose, suggested }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState("");
  const all = [...new Set([...suggested, ...chosen])];
  const add = () => {
    const found = addresses(text);
    setWrong(found.length ? "" : t("no address"));
    if (!found.length) return;
    choose([...new Set([...chosen, ...found])].slice(0, 16));
    setText("");
  };
  return html`<fieldset class="start-relays">
    <legend class="visually-hidden">${t("relays")}</legend>
    <p class="quiet">${t("relays what")}</p>
    <ul>
      ${all.map(
        (one) => html`<li key=${one}>
          <label class="across"><input type="checkbox" checked=${chosen.includes(one)} onChange=${(/** @type {any} */ event) => choose(event.target.checked ? [...chosen, one] : chosen.filter((other) => other !== one))} /><bdi>${hostOf(one)}</bdi></label>
        </li>`,
      )}
    </ul>
    <div class="start-add">
      <input aria-label=${t("another relay address")} placeholder="wss://host/path#key" dir="ltr" spellcheck="false" autocapitalize="none" value=${text}
        onInput=${(/** @type {any} */ event) => (setText(event.target.value), setWrong(""))}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && (event.preventDefault(), add())} />
      <${IconButton} name="add" label=${t("add this relay")} onClick=${add} disabled=${!text.trim()} />
    </div>
    <p class="wrong" role="alert">${wrong}</p>
    <p class=${chosen.length < 4 ? "note" : "quiet"} role="status">${chosen.length === 0 ? t("relays none") : chosen.length < 4 ? t("relays few", { n: chosen.length }) : t("relays enough", { n: chosen.length })}</p>
  </fieldset>`;
}
