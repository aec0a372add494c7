// @ts-check
/** Searching in the conversation that is shown. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { openDialog } from "../store.js";
import { call } from "../wire.js";
import { brief, t } from "../words.js";
import { Calendar } from "./calendar.js";
import { searching } from "./head.js";
import { go } from "./jump.js";

/** @param {{ chat: any }} props */
export function SearchBar({ chat }) {
  const [words, setWords] = useState("");
  const [found, setFound] = useState(/** @type {any[] | null} */ (null));
  const [at, setAt] = useState(-1);
  const [listed, setListed] = useState(true);
  const last = useRef(0);
  const field = useRef(/** @type {any} */ (null));
  useLayoutEffect(() => field.current?.focus(), []);
  useEffect(() => {
    const turn = ++last.current;
    if (!words.trim()) return setFound(null);
    const waiting = setTimeout(() => {
      call("search", { query: words.slice(0, 1000), chat: chat.id, limit: 100 }).then(
        (all) => {
          if (turn !== last.current) return;
          setFound(all);
          setAt(-1);
          setListed(true);
        },
        () => turn === last.current && setFound([]),
      );
    }, 150);
    return () => clearTimeout(waiting);
  }, [words, chat.id]);
  const to = (/** @type {number} */ index) => {
    if (!found?.length) return;
    const next = Math.min(found.length - 1, Math.max(0, index));
    setAt(next);
    setListed(false);
    void go({ number: found[next].message.number });
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") searching.value = false;
    else if (event.key === "Enter") to(at + (event.shiftKey ? -1 : 1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="searchbar" role="search" onKeyDown=${pressed}>
    <${IconButton} name="calendar" label=${t("go to date")} onClick=${() => openDialog(Calendar)} />
    <input ref=${field} type="search" dir="auto" maxlength="1000" aria-label=${t("search in chat")} placeholder=${t("search in chat")} value=${words} onInput=${(/** @type {any} */ e) => setWords(e.target.value)} />
    <span class="quiet" role="status">${found && (found.length ? (at < 0 ? t("found n", { n: found.length }) : `${at + 1} / ${found.length}`) : t("nothing found"))}</span>
    <${IconButton} name="up" label=${t("found before")} disabled=${!found?.length || at >= found.length - 1} onClick=${() => to(at + 1)} />
    <${IconButton} name="down" label=${t("found after")} disabled=${!found?.length || at <= 0} onClick=${() => to(at - 1)} />
    <${IconButton} name="close" label=${t("close")} onClick=${() => (searching.value = false)} />
    ${listed &&
    found &&
    found.length > 0 &&
    html`<ul class="chat-hits search-found">
      ${found.map(
        ({ message, excerpt }, index) => html`<li key=${message.number}>
          <button type="button" onClick=${() => to(index)}>
            <b><bdi>${message.mine ? t("you said") : (message.sender?.name ?? "")}</bdi></b> <time>${brief(message.time)}</time>
            <span dir="auto">${matched(excerpt)}</span>
          </button>
        </li>`,
      )}
    </ul>`}
  </div>`;
}

/** What matched is between U+0002 and U+0003. @param {string} excerpt */
export const matched = (excerpt) =>
  excerpt.split("\u0002").map((piece, index) => {
    if (!index) return piece;
    const [inside, ...rest] = piece.split("\u0003");
    return html`<mark>${inside}</mark>${rest.join("")}`;
  });
