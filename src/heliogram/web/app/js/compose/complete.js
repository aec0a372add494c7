// @ts-check
/** What "@" and ":" could go on with, over the field: arrows move, Enter or Tab takes, Escape closes. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { on } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { rows, search, tinted } from "./emoji-data.js";

/** @typedef {{ sign: "@" | ":", from: number, to: number, query: string }} Begun */
/** @typedef {{ key: string, text: string, label: string, hint?: string, who?: any }} Choice */

const MOST = 8;

/**
 * What is begun at the caret, if anything.
 * @param {string} text @param {number} caret @returns {Begun | null}
 */
export function begun(text, caret) {
  const found = /(?:^|[\s(])(?:@([^\s@]{0,64})|:([\p{L}_]{2,32}))$/u.exec(text.slice(Math.max(0, caret - 100), caret));
  if (!found) return null;
  const query = found[1] ?? found[2];
  return { sign: found[1] === undefined ? ":" : "@", from: caret - query.length - 1, to: caret, query };
}

/** Members of conversations, as they were a moment ago. @type {Map<string, { at: number, all: Promise<any[]> }>} */
const members = new Map();

// Lines of history are what tells of people who come and go.
on("message added", ({ message }) => message.kind === "line" && members.delete(message.chat));

/** @param {string} chat @returns {Promise<any[]>} */
function known(chat) {
  const found = members.get(chat);
  if (found && Date.now() - found.at < 30_000) return found.all;
  const all = call("chat", { chat }).then((info) => info.members.map((/** @type {any} */ one) => one.who));
  all.catch(() => members.delete(chat));
  members.set(chat, { at: Date.now(), all });
  return all;
}

/** @param {string} chat @param {Begun} what @returns {Promise<Choice[]>} */
async function choices(chat, { sign, query }) {
  if (sign === ":")
    return search(await rows(), query, MOST).map((one) => ({ key: one, text: tinted(one), label: tinted(one) }));
  const wanted = query.toLocaleLowerCase();
  const all = (await known(chat)).filter((who) => !who.me);
  const fit = all.filter((who) => who.name.toLocaleLowerCase().split(/\s+/u).some((/** @type {string} */ word) => word.startsWith(wanted)));
  const called = new Set();
  const twice = new Set(all.filter((who) => called.size === called.add(who.name).size).map((who) => who.name));
  return fit.slice(0, MOST).map((who) => ({
    key: who.account,
    text: who.name,
    label: who.name,
    hint: twice.has(who.name) ? who.mark : "",
    who,
  }));
}

/**
 * The choices for what is begun, and which of them is pointed at.
 * @param {any} chat @param {Begun | null} what
 */
export function useChoices(chat, what) {
  const [all, setAll] = useState(/** @type {Choice[]} */ ([]));
  const [at, setAt] = useState(0);
  const sign = what && (what.sign === ":" || chat.kind === "group") ? what.sign : "";
  const key = sign + (what?.query ?? "");
  useEffect(() => {
    let here = true;
    setAt(0);
    if (!sign || !what) setAll([]);
    else choices(chat.id, what).then((found) => here && setAll(found), () => here && setAll([]));
    return () => void (here = false);
  }, [chat.id, key]);
  return { all: sign ? all : [], at: Math.min(at, Math.max(all.length - 1, 0)), setAt };
}

/** @param {{ id: string, all: Choice[], at: number, onTake: (one: Choice) => void }} props */
export function Choices({ id, all, at, onTake }) {
  if (!all.length) return html``;
  return html`<ul id=${id} class="suggestions" role="listbox" aria-label=${t("choices")}>
    ${all.map(
      (one, index) => html`<li
        key=${one.key}
        id=${`${id}-${index}`}
        role="option"
        class=${one.who ? "suggestion" : "suggestion small"}
        aria-selected=${index === at}
        ref=${(/** @type {HTMLElement | null} */ node) => index === at && node?.scrollIntoView({ block: "nearest" })}
        onMouseDown=${(/** @type {Event} */ event) => (event.preventDefault(), onTake(one))}
      >
        ${one.who && html`<${Avatar} id=${one.who.account} name=${one.who.name} size=${28} />`}
        <bdi>${one.label}</bdi>
        ${one.hint && html`<span class="quiet">${one.hint}</span>`}
      </li>`,
    )}
  </ul>`;
}
