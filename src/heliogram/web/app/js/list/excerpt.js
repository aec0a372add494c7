// @ts-check
/** A part of a text in which what matched stands between U+0002 and U+0003. */

import { html } from "../../vendor/preact.js";

/** What Markdown writes for a letter of its own. @param {string} text */
const letters = (text) => text.replaceAll(/[\u0002\u0003]/g, "").replaceAll("&lt;", "<").replaceAll("&amp;", "&");

/**
 * The pieces of it: every second one, from the second on, matched.
 * @param {string} text @returns {{ text: string, hit: boolean }[]}
 */
export function pieces(text) {
  /** @type {{ text: string, hit: boolean }[]} */
  const found = [];
  for (const part of text.split("\u0002")) {
    const end = found.length || text.startsWith("\u0002") ? part.indexOf("\u0003") : -1;
    if (end < 0) found.push({ text: part, hit: false });
    else found.push({ text: part.slice(0, end), hit: true }, { text: part.slice(end + 1), hit: false });
  }
  return found.map((one) => ({ ...one, text: letters(one.text) })).filter((one) => one.text);
}

/** Letters before the first match that are shown: more would push it out of its line. */
const BEFORE = 16;

/** From a few words before the first match on. @param {string} text */
export function near(text) {
  const match = text.indexOf("\u0002");
  if (match <= BEFORE) return text;
  const from = text.indexOf(" ", match - BEFORE);
  return from < 0 || from >= match ? text : `…${text.slice(from + 1)}`;
}

/** @param {{ text: string, markdown?: boolean }} props `markdown`: its marks are for where it is drawn. */
export function Excerpt({ text, markdown = false }) {
  const plain = markdown ? text.replaceAll(/\*\*|__|~~|`/g, "") : text;
  return html`<bdi>${pieces(near(plain)).map((one) => (one.hit ? html`<mark>${one.text}</mark>` : one.text))}</bdi>`;
}
