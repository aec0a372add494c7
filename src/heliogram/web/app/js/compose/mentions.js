// @ts-check
/**
 * Mentions: "@Name" while one writes, a Markdown link to the account in what is sent and kept.
 *
 * `people` has the account of each name that was mentioned in a text.
 */

/** @typedef {Map<string, string>} People */

const LINK = /\[@((?:\\.|[^\\\]\n]){1,512})\]\(heliogram:account\/([0-9a-f]{64})\)/gu;
const CODE = /(```[\s\S]*?(?:```|$)|`[^`\n]+`)/u;
const SPECIAL = /[\\[\]`*_~&!|]/g;

/** @param {string} name */
const escaped = (name) =>
  name.trim().replaceAll(/\s+/gu, " ").replaceAll(SPECIAL, "\\$&").replaceAll("<", "&lt;");

/** @param {string} name */
const bare = (name) => name.replaceAll("&lt;", "<").replaceAll(/\\(.)/gu, "$1");

/**
 * A text as it is sent, as one to be written on.
 * @param {string} text @param {People} people gets who is mentioned
 */
export function written(text, people) {
  return text
    .split(CODE)
    .map((piece, index) =>
      index % 2
        ? piece
        : piece
            .replaceAll(LINK, (_, name, account) => `@${known(bare(name), account, people)}`)
            .replaceAll(/&lt;(?=[A-Za-z/!?])/g, "<"),
    )
    .join("");
}

/**
 * What a person is called in a text, where nobody else is called so.
 * @param {string} name @param {string} account @param {People} people @param {string} [mark]
 */
export function known(name, account, people, mark = "") {
  let called = name;
  for (let n = 2; people.has(called) && people.get(called) !== account; n += 1)
    called = mark && n === 2 ? `${name} (${mark})` : `${name} (${n})`;
  people.set(called, account);
  return called;
}

/** A written text as it is sent. @param {string} text @param {People} people */
export function said(text, people) {
  const names = [...people.keys()].filter((name) => text.includes(`@${name}`));
  if (!names.length) return text;
  names.sort((a, b) => b.length - a.length);
  const any = names.map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|");
  const found = new RegExp(`(?<![\\p{L}\\p{N}_@])@(${any})(?![\\p{L}\\p{N}_])`, "gu");
  return text
    .split(CODE)
    .map((piece, index) =>
      index % 2
        ? piece
        : piece.replaceAll(found, (_, name) => `[@${escaped(name)}](heliogram:account/${people.get(name)})`),
    )
    .join("");
}

/** A text of a message on one line, with names for links to people. @param {string} text */
export const plain = (text) =>
  written(text.slice(0, 2000), new Map()).replaceAll(/\*\*|~~|`+/g, "").replaceAll(/\s+/gu, " ").trim();
