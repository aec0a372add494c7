// @ts-check
/** All emoji, with the words to find them by; which were used last, and which skin they have. */

import { signal } from "../../vendor/preact.js";
import { own } from "../wire.js";
import { language } from "../words.js";

/** @typedef {[emoji: string, group: number, words: string]} Row */

/** Groups in their order: the key of the name, and what stands for it. */
export const GROUPS = [
  { id: 0, name: "emoji faces", sign: "😀" },
  { id: 1, name: "emoji people", sign: "👋" },
  { id: 3, name: "emoji nature", sign: "🐵" },
  { id: 4, name: "emoji food", sign: "🍇" },
  { id: 5, name: "emoji places", sign: "🚗" },
  { id: 6, name: "emoji activities", sign: "⚽" },
  { id: 7, name: "emoji things", sign: "💡" },
  { id: 8, name: "emoji signs", sign: "❤️" },
  { id: 9, name: "emoji flags", sign: "🏁" },
];

/** @type {Map<string, Promise<Row[]>>} */
const loaded = new Map();

/** All of them, in the language of who reads. @returns {Promise<Row[]>} */
export function rows() {
  const code = language.value;
  let found = loaded.get(code);
  if (!found) {
    found = own(`vendor/emoji-${code}.json`);
    loaded.set(code, found);
    found.catch(() => loaded.delete(code));
  }
  return found;
}

/**
 * Those that have words which begin with each word of `query`; the best first.
 * @param {Row[]} all @param {string} query @param {number} most
 */
export function search(all, query, most) {
  const wanted = query.toLocaleLowerCase().replaceAll("ё", "е").split(/[\s_]+/u).filter(Boolean);
  if (!wanted.length) return [];
  /** @type {[number, string][]} */
  const found = [];
  for (const [emoji, , text] of all) {
    const words = text.toLocaleLowerCase().replaceAll("ё", "е").split(" ");
    let rank = 0;
    for (const one of wanted) {
      const exact = words.indexOf(one);
      const at = exact >= 0 ? exact : words.findIndex((word) => word.startsWith(one));
      rank = at < 0 ? Infinity : rank + at + (exact >= 0 ? 0 : 8);
    }
    if (rank < Infinity) found.push([rank, emoji]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, most).map(([, emoji]) => emoji);
}

// --- What was used ----------------------------------------------------------------------------

const RECENT = "heliogram-emoji";
const TONE = "heliogram-tone";

/** @returns {string[]} */
function kept() {
  try {
    const all = JSON.parse(localStorage.getItem(RECENT) ?? "[]");
    return Array.isArray(all) ? all.filter((one) => typeof one === "string" && one.length < 40).slice(0, 32) : [];
  } catch {
    return [];
  }
}

/** The ones that were used last. @type {import("../../vendor/preact.js").Signal<string[]>} */
export const recent = signal(kept());

/** @param {string} emoji */
export function used(emoji) {
  recent.value = [emoji, ...recent.value.filter((one) => one !== emoji)].slice(0, 32);
  localStorage.setItem(RECENT, JSON.stringify(recent.value));
}

/** The skin of hands and people: 0 for none, 1 (light) to 5 (dark). @type {import("../../vendor/preact.js").Signal<number>} */
export const tone = signal(Math.min(Math.max(Number(localStorage.getItem(TONE)) || 0, 0), 5));

/** @param {number} one */
export function setTone(one) {
  tone.value = one;
  localStorage.setItem(TONE, String(one));
}

const SKIN = /(\p{Emoji_Modifier_Base})\uFE0F?(?!\p{Emoji_Modifier})/gu;

/** An emoji with the skin that was chosen. @param {string} emoji @param {number} [shade] */
export function tinted(emoji, shade = tone.value) {
  const people = emoji.match(SKIN)?.length ?? 0;
  if (!shade || !people || people > 2) return emoji;
  return emoji.replaceAll(SKIN, `$1${String.fromCodePoint(0x1f3fa + shade)}`);
}
