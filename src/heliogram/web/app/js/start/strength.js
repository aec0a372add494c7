// @ts-check
/** How hard a passphrase is to guess, in words. A rough lower bound, and the reason for it. Pure. */

/** What is tried first, everywhere. Longer ones are found by their parts. */
const COMMON = [
  "password", "passwort", "пароль", "qwerty", "йцукен", "azerty", "asdf", "letmein", "welcome", "admin",
  "iloveyou", "monkey", "dragon", "football", "master", "login", "heliogram", "secret", "abc", "123", "000", "111",
];

/** Neighbours on a keyboard or in an alphabet. */
const ROWS = ["abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"];

/** @param {string} a @param {string} b */
const neighbours = (a, b) =>
  a === b || ROWS.some((row) => row.includes(a) && row.includes(b) && Math.abs(row.indexOf(a) - row.indexOf(b)) === 1);

/**
 * @param {string} text @param {string[]} [known] what somebody may know of the owner: the name, for one
 * @returns {{ level: 0 | 1 | 2 | 3, why: string }} level: nothing, weak, fair, strong; `why`: a key of words
 */
export function strength(text, known = []) {
  if (!text) return { level: 0, why: "" };
  const plain = text.toLocaleLowerCase();
  const words = plain.split(/[\s\-_.,]+/u).filter((one) => one.length > 2);
  if ([...text].length < 8) return { level: 1, why: "phrase short" };
  const bare = [...COMMON, ...known.flatMap((one) => one.toLocaleLowerCase().split(/\s+/u)).filter((one) => one.length > 2)].reduce(
    (left, one) => left.replaceAll(one, " "),
    plain,
  );
  if ([...bare.replaceAll(/[\s\d]/g, "")].length < 4) return { level: 1, why: "phrase common" };
  const letters = [...bare.replaceAll(/\s+/gu, " ")];
  // What follows from the letter before adds almost nothing.
  const free = letters.filter((one, index) => index === 0 || !neighbours(one, letters[index - 1])).length;
  if (free < letters.length / 2) return { level: 1, why: "phrase runs" };
  if (new Set(letters).size < 5) return { level: 1, why: "phrase repeats" };
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\d/, /[^\p{L}\d\s]/u].filter((one) => one.test(text)).length;
  // Words of a language: some 11 bits each. Anything else: 2 to 5 bits a letter, by how mixed it is.
  const several = new Set(words).size;
  const bits = several >= 3 ? Math.max(several * 11, free * 2) : free * (1.6 + 0.8 * kinds);
  if (bits >= 55) return { level: 3, why: several >= 4 ? "phrase good words" : "phrase good" };
  if (bits >= 36) return { level: 2, why: several >= 3 ? "phrase another word" : "phrase longer" };
  return { level: 1, why: kinds > 2 ? "phrase longer" : "phrase words" };
}
