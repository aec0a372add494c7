// @ts-check
/** The text of a message, as elements: Markdown is parsed to a tree, and only what is known here is drawn. */

import { html, useEffect, useMemo, useState } from "../../vendor/preact.js";
import { inTurn } from "../newest.js";
import { IconButton } from "../parts/icon.js";
import { AddContact } from "../people/add-contact.js";
import { openDialog, panel, toast } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { copy } from "./copy.js";
import { Leave } from "./leave.js";
import { honest, judge, straight } from "./links.js";
import { tree } from "./markdown.js";

/** Characters and lines that are shown before somebody wants all. */
const FIRST = 3_000;
const LINES = 60;
/** Characters of one element of text: longer ones are many. */
const PIECE = 4_000;

/** @param {string} text */
function beginning(text) {
  let end = Math.min(text.length, FIRST);
  for (let line = 0, at = -1; line < LINES; line++) {
    at = text.indexOf("\n", at + 1);
    if (at < 0 || at >= end) return text.slice(0, end);
    if (line === LINES - 1) end = at;
  }
  return text.slice(0, end);
}

/** @param {{ message: any }} props */
export function Text({ message }) {
  const [all, setAll] = useState(/** @type {{ of: any, text: string } | null} */ (null));
  const take = useMemo(() => inTurn(setAll), []);
  // What stood there before an edit is not shown in its place.
  const whole = all && (message.cut ? (all.of.text === message.text ? all.text : null) : message.text);
  const text = whole ?? message.text ?? "";
  const first = whole === null ? beginning(text) : text;
  const short = whole === null && (message.cut || first.length < text.length);
  const more = () => {
    if (!message.cut) return setAll({ of: message, text });
    const question = call("message", { message: message.id });
    void take(question.then((found) => ({ of: message, text: found.text }))).catch(() => {});
  };
  // An edit may be of the part that is not told.
  useEffect(() => {
    if (all && message.cut && all.of !== message) more();
  }, [message]);
  return html`<div class="text" dir="auto">
    ${message.markdown ? tree(first).map((node) => draw(node, message)) : html`<p dir="auto">${pieces(first)}</p>`}
    ${short && html`<button type="button" class="plain more" onClick=${more}>${t("show all")}</button>`}
  </div>`;
}

/** @param {string} text */
function pieces(text) {
  if (text.length <= PIECE) return text;
  const all = [];
  for (let at = 0; at < text.length; at += PIECE) all.push(text.slice(at, at + PIECE));
  return all;
}

/** @param {import("./markdown.js").Node} node @param {any} message @returns {any} */
function draw(node, message) {
  const inside = () => node.children?.map((one) => draw(one, message));
  switch (node.type) {
    case "text":
      return pieces(node.text ?? "");
    case "paragraph":
      return html`<p dir="auto">${inside()}</p>`;
    case "emphasis":
      return html`<em>${inside()}</em>`;
    case "strong":
      return html`<strong>${inside()}</strong>`;
    case "delete":
      return html`<del>${inside()}</del>`;
    case "inlineCode":
      return html`<code dir="ltr">${straight(node.text ?? "")}</code>`;
    case "code":
      return html`<${Code} text=${straight(node.text ?? "")} />`;
    case "heading":
      return html`<p class="heading" data-level=${node.level} dir="auto">${inside()}</p>`;
    case "blockquote":
      return html`<blockquote dir=${way(node)}>${inside()}</blockquote>`;
    case "list":
      return html`<ul dir=${way(node)}>${inside()}</ul>`;
    case "ordered":
      return html`<ol dir=${way(node)} start=${node.start}>${inside()}</ol>`;
    case "listItem":
      return html`<li dir=${way(node)}>${inside()}</li>`;
    case "rule":
      return html`<hr />`;
    case "link":
      return html`<${Link} url=${node.url} message=${message} text=${said(node)}>${inside()}</${Link}>`;
    default:
      return null;
  }
}

/** The letters of a node. @param {import("./markdown.js").Node} node @returns {string} */
const said = (node) => node.text ?? (node.children ?? []).map(said).join("");

/** Scripts that are written from the right. */
const FROM_RIGHT = /^\P{L}*(?:\p{Script=Hebrew}|\p{Script=Arabic}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}|\p{Script=Adlam})/u;

/** Where marks of a block stand: `dir="auto"` does not look into what has a `dir` itself. @param {import("./markdown.js").Node} node */
const way = (node) => (FROM_RIGHT.test(said(node)) ? "rtl" : "ltr");

/** @param {any} props */
function Link({ url, text, message, children }) {
  const place = judge(url);
  // Not followed: what it says and what it would be, both as text.
  if (!place) return html`${children}${straight(text) !== url && html` (<bdi>${straight(url).slice(0, 200)}</bdi>)`}`;
  if (place.account) {
    const who = message.mentions?.find((/** @type {any} */ one) => one.account === place.account);
    const name = who?.name ?? straight(text).replace(/^@/, "");
    return html`<button type="button" class="mention" data-me=${!!who?.me} onClick=${() => (panel.value = { kind: "person", account: place.account })}>
      @<bdi>${name}</bdi>
    </button>`;
  }
  const follow = (/** @type {Event} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    if (place.own) openDialog(AddContact, { link: url });
    else openDialog(Leave, { url: place.url });
  };
  const shown = straight(text);
  // No address in the element: browsers look hosts up before anybody asks for them.
  return html`<a
      role="link"
      tabindex="0"
      class="link"
      title=${place.url}
      onClick=${follow}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && follow(event)}
      ><bdi>${shown || place.host}</bdi></a
    >${!place.own && !honest(shown, place) && html` <span class="link-host" dir="ltr">(${place.host.slice(0, 100)})</span>`}`;
}

/** @param {{ text: string }} props */
function Code({ text }) {
  return html`<div class="code" dir="ltr">
    <pre tabindex="0"><code>${pieces(text)}</code></pre>
    <${IconButton} name="copy" size=${16} label=${t("copy")} onClick=${() => void copy(text).then(() => toast(t("copied")))} />
  </div>`;
}
