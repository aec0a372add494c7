// @ts-check
/** The panel of what was sent: pictures, files, voice messages, links. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { on, opened } from "../store.js";
import { call } from "../wire.js";
import { moment, t } from "../words.js";
import { Card } from "./files.js";
import { go } from "./jump.js";
import { kindOf, useUrl } from "./keep.js";
import { openViewer } from "./viewer.js";
import { Voice } from "./voice.js";

const KINDS = /** @type {const} */ (["pictures", "files", "voice", "links"]);

/** What was sent in the conversation that is shown. */
export function Media() {
  const chat = opened.value ?? "";
  const [what, setWhat] = useState(/** @type {typeof KINDS[number]} */ ("pictures"));
  return html`<div class="media">
    <div class="media-tabs" role="tablist">
      ${KINDS.map((kind) => html`<button type="button" role="tab" aria-selected=${kind === what} onClick=${() => setWhat(kind)}>${t(`media ${kind}`)}</button>`)}
    </div>
    <${Found} key=${`${chat} ${what}`} chat=${chat} what=${what} />
  </div>`;
}

/** @param {{ chat: string, what: typeof KINDS[number] }} props */
function Found({ chat, what }) {
  const [all, setAll] = useState(/** @type {any[] | null} */ (null));
  const [more, setMore] = useState(true);
  const end = useRef(/** @type {any} */ (null));
  const load = async () => {
    const before = all?.at(-1)?.number;
    const some = await call("media", { chat, what, limit: 60, ...(before === undefined ? {} : { before }) }).catch(() => []);
    // What was told meanwhile of those that were here stays; two answers of one place are one.
    setAll((old) => {
      const here = new Set(old?.map((one) => one.number));
      return [...(old ?? []), ...some.filter((/** @type {any} */ one) => !here.has(one.number))];
    });
    setMore(some.length === 60);
  };
  useEffect(() => void load(), []);
  useEffect(
    () =>
      on("message changed", ({ message }) => {
        if (message.chat === chat) setAll((old) => old && old.map((one) => (one.number === message.number ? message : one)));
      }),
    [],
  );
  useEffect(() => {
    if (!all || !more) return;
    const watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && void load());
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [all, more]);
  if (!all) return html`<p class="panel-empty" aria-busy="true"></p>`;
  if (!all.length) return html`<p class="panel-empty">${t("nothing here")}</p>`;
  return html`${what === "pictures"
      ? html`<div class="tiles">${all.flatMap((message) => message.files.filter((/** @type {any} */ one) => ["picture", "video"].includes(kindOf(one))).map((/** @type {any} */ file) => html`<${Tile} key=${`${message.number}/${file.index}`} message=${message} file=${file} among=${all} />`))}</div>`
      : html`<ul class="chat-hits">${all.map((message) => html`<li key=${message.number}><${Entry} message=${message} what=${what} /></li>`)}</ul>`}
    <div ref=${end}></div>`;
}

/** @param {any} props */
function Tile({ message, file, among }) {
  const url = useUrl(message, file, true);
  return html`<button type="button" class="tile" aria-label=${`${file.name}, ${moment(message.time)}`} onClick=${() => (kindOf(file) === "picture" ? openViewer(message, file, among.toReversed()) : void go({ number: message.number }))}>
    ${url ? html`<img src=${url} alt="" loading="lazy" decoding="async" />` : html`<bdi>${file.name}</bdi>`}
  </button>`;
}

const ADDRESS = /\b(?:https?:\/\/|www\.)[^\s<>()[\]]{1,500}/giu;

/** @param {any} props */
function Entry({ message, what }) {
  return html`<div class="media-entry">
    ${what === "links"
      ? html`<button type="button" onClick=${() => void go({ number: message.number })}>
          ${(message.text.match(ADDRESS) ?? [message.text.slice(0, 120)]).slice(0, 5).map((/** @type {string} */ one) => html`<span class="entry-link" dir="ltr">${one}</span>`)}
        </button>`
      : message.files.map((/** @type {any} */ file) => (what === "voice" ? html`<${Voice} message=${message} file=${file} />` : html`<${Card} message=${message} file=${file} kind=${kindOf(file)} />`))}
    <p class="entry-about"><bdi>${message.mine ? t("you said") : (message.sender?.name ?? "")}</bdi> · ${moment(message.time)}
      <${IconButton} name="eye" size=${16} label=${t("show in chat")} onClick=${() => void go({ number: message.number })} /></p>
  </div>`;
}
