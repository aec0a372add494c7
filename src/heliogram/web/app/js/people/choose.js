// @ts-check
/** Choosing people among contacts: a search, and a list with checkboxes. */

import { html, useState } from "../../vendor/preact.js";
import { contacts } from "../store.js";
import { t } from "../words.js";
import { arrows, Who } from "./pieces.js";

/** As people type names: without case and accents. @param {string} text */
export const folded = (text) => text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLocaleLowerCase();

/** Contacts that can be added to something now. */
export const reachable = () => contacts.value.filter((one) => !one.blocked && one.state !== "failed");

/**
 * @param {{ chosen: Set<string>, onChange: (chosen: Set<string>) => void, without?: Set<string>, label: string }} props
 * `chosen` and `without` are accounts.
 */
export function ChoosePeople({ chosen, onChange, without = new Set(), label }) {
  const [query, setQuery] = useState("");
  const words = folded(query).split(/\s+/).filter(Boolean);
  const all = reachable().filter((one) => !without.has(one.who.account));
  const found = all.filter((one) => words.every((word) => folded(`${one.who.name} ${one.who.mark}`).includes(word)));
  const turn = (/** @type {string} */ account) => {
    const next = new Set(chosen);
    if (!next.delete(account)) next.add(account);
    onChange(next);
  };
  return html`<fieldset class="p-choose" onKeyDown=${arrows}>
    <legend>${label}${chosen.size > 0 && html` <span class="badge">${chosen.size}</span>`}</legend>
    ${all.length > 5 || query ? html`<input
      type="search"
      data-stop
      aria-label=${t("search people")}
      placeholder=${t("search people")}
      value=${query}
      onInput=${(/** @type {any} */ e) => setQuery(e.target.value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ e) => {
        if (e.key !== "Enter") return;
        e.preventDefault();
        if (found.length === 1) turn(found[0].who.account);
      }}
    />` : null}
    <ul class="p-lines scroll">
      ${found.map(
        (one) => html`<li key=${one.who.account}>
          <label class="across p-line">
            <input type="checkbox" data-stop checked=${chosen.has(one.who.account)} onChange=${() => turn(one.who.account)} />
            <${Who} who=${one.who} size=${36} />
          </label>
        </li>`,
      )}
    </ul>
    ${found.length === 0 && html`<p class="quiet" role="status">${t(all.length ? "nobody found" : "no contacts yet")}</p>`}
  </fieldset>`;
}
