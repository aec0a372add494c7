// @ts-check
/** What a search finds: conversations and people by name at once, messages as soon as the node says. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icon.js";
import { chats, contacts, openChat } from "../store.js";
import { call } from "../wire.js";
import { brief, chatName, sentence, t } from "../words.js";
import { Excerpt } from "./excerpt.js";
import { answers, query, searching, sorted } from "./order.js";

/** How many messages come at once, and milliseconds of rest before the node is asked. */
const PAGE = 40;
const REST = 140;

/** What is typed to narrow a search, and what it says. */
const FILTERS = [
  ["from:", "filter from", "person"],
  ["in:", "filter in", "people"],
  ["has:file", "filter file", "file"],
  ["after:", "filter after", "calendar"],
  ["before:", "filter before", "calendar"],
];

/** Leave the search; what was found stays for the next time. */
export function endSearch() {
  searching.value = false;
  query.value = "";
}

/** @param {string} filter @param {HTMLInputElement | null} field */
function add(filter, field) {
  const more = filter.endsWith(":") ? filter : `${filter} `;
  query.value = query.value.trim() ? `${query.value.trimEnd()} ${more}` : more;
  field?.focus();
}

/** A name as a filter takes it. @param {string} name */
const quoted = (name) => (/[\s"]/u.test(name) ? `"${name.replaceAll('"', "")}"` : name);

/** Whole names for the filter that is being typed. @param {string} text */
function completions(text) {
  const found = /(?:^|\s)(from|in):"?([^":]*)$/iu.exec(text);
  if (!found) return [];
  const [, filter, begun] = found;
  const names =
    filter.toLowerCase() === "from"
      ? contacts.value.map((one) => one.who.name)
      : sorted([...chats.value.values()]).map((one) => one.name);
  return [...new Set(names)]
    .filter((one) => !begun.trim() || answers(one, begun))
    .slice(0, 6)
    .map((name) => ({ name, text: `${text.slice(0, found.index)} ${filter}:${quoted(name)} `.trimStart() }));
}

/** @param {{ field: { current: HTMLInputElement | null } }} props */
export function Found({ field }) {
  const asked = query.value;
  const [found, setFound] = useState(/** @type {any[]} */ ([]));
  const [state, setState] = useState("done");
  const [ended, setEnded] = useState(true);
  const turn = useRef(0);

  /** @param {number} [before] */
  const load = async (before) => {
    const mine = ++turn.current;
    setState("busy");
    try {
      const more = await call("search", { query: asked, limit: PAGE, ...(before === undefined ? {} : { before }) });
      if (mine !== turn.current) return;
      setFound((old) => (before === undefined ? more : [...old, ...more]));
      setEnded(more.length < PAGE);
      setState("done");
    } catch (error) {
      if (mine === turn.current) setState(/** @type {any} */ (error).code ?? "internal");
    }
  };
  useEffect(() => {
    turn.current += 1;
    if (!asked.trim()) {
      setFound([]);
      setState("done");
      setEnded(true);
      return;
    }
    setState("busy");
    const soon = setTimeout(() => void load(), REST);
    return () => clearTimeout(soon);
  }, [asked]);

  const named = asked.trim() ? sorted([...chats.value.values()].filter((one) => answers(one.name, asked))) : [];
  // Who has a conversation is found by it.
  const met = new Set(named.map((one) => one.peer?.account));
  const known = asked.trim() ? contacts.value.filter((one) => answers(one.who.name, asked) && !met.has(one.who.account)) : [];
  const offers = completions(asked);
  const nothing = asked.trim() && state === "done" && !found.length && !named.length && !known.length && !offers.length;

  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const all = [.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("button")];
    const here = all.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0) field.current?.focus();
    else all[Math.min(to, all.length - 1)]?.focus();
  };

  return html`<div class="rows hits" onKeyDown=${pressed}>
    <div class="filters" role="group" aria-label=${t("filters")}>
      ${FILTERS.map(([filter, words, icon]) => html`<button type="button" class="filter" onClick=${() => add(filter, field.current)}><${Icon} name=${icon} size=${15} />${t(words)}</button>`)}
    </div>
    ${offers.length > 0 && html`<ul aria-label=${t("filters")}>
      ${offers.map((one) => html`<li key=${one.name}><button type="button" class="row short" onClick=${() => ((query.value = one.text), field.current?.focus())}><span class="row-name"><bdi>${one.name}</bdi></span></button></li>`)}
    </ul>`}
    ${(named.length > 0 || known.length > 0) && html`<h2 class="hits-head">${t("chats and contacts")}</h2>
      <ul>
        ${named.slice(0, 30).map((one) => html`<${Named} key=${one.id} id=${one.peer?.account ?? one.id} name=${chatName(one)} kind=${one.kind} chat=${one.id} />`)}
        ${known.slice(0, 30).map((one) => html`<${Named} key=${one.who.account} id=${one.who.account} name=${one.who.name} kind="direct" chat=${one.chat} />`)}
      </ul>`}
    <h2 class="hits-head"><span role="status">${asked.trim() ? (state === "busy" ? t("searching") : nothing ? t("found nothing") : found.length ? t("found messages", { n: found.length }) : "") : t("search hint")}</span></h2>
    ${state !== "busy" && state !== "done" && html`<p class="wrong" role="alert">${sentence(state)}</p>`}
    <ul aria-busy=${state === "busy"}>
      ${found.map((one) => html`<${Hit} key=${one.message.number} found=${one} />`)}
    </ul>
    ${!ended && state !== "busy" && html`<button type="button" class="plain more" onClick=${() => void load(found.at(-1)?.message.number)}>${t("show more")}</button>`}
  </div>`;
}

/** @param {{ id: string, name: string, kind: string, chat?: string | null }} props */
function Named({ id, name, kind, chat }) {
  return html`<li><button type="button" class="row short" disabled=${!chat} onClick=${() => chat && (endSearch(), openChat(chat))}>
    <${Avatar} id=${id} name=${name} kind=${kind} size=${38} />
    <span class="row-name"><bdi>${name}</bdi></span>
  </button></li>`;
}

/** @param {{ found: any }} props */
function Hit({ found }) {
  const { message, excerpt } = found;
  const chat = chats.value.get(message.chat);
  const name = chat ? chatName(chat) : found.chat_name;
  return html`<li><button type="button" class="row" onClick=${() => openChat(message.chat, message.number)}>
    <${Avatar} id=${message.sender?.account ?? message.chat} name=${message.sender?.name ?? name} size=${44} />
    <span class="row-name"><bdi>${name}</bdi></span>
    <span class="row-time"><time>${brief(message.time)}</time></span>
    <span class="row-last">${message.sender && html`<bdi class="row-sender">${message.mine ? t("you said") : message.sender.name}:</bdi> `}<${Excerpt} text=${excerpt} markdown=${message.markdown} /></span>
  </button></li>`;
}
