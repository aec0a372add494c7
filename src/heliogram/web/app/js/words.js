// @ts-check
/**
 * What the app says, in the language of who reads it. Catalogues are plain objects: `words/en.js` is the law for keys.
 *
 * `t("members", { n: 3 })` takes the form that the language has for 3 ("one", "few", "many", "other").
 */

import { computed, signal } from "../vendor/preact.js";
import en from "./words/en.js";
import ru from "./words/ru.js";

/** @type {Record<string, Record<string, any>>} */
const CATALOGUES = { en, ru };
/** What can be chosen, each in its own words. */
export const LANGUAGES = { en: "English", ru: "Русский" };

const KEPT = "heliogram-language";

/** @type {import("../vendor/preact.js").Signal<string>} */
export const language = signal(
  localStorage.getItem(KEPT) ??
    navigator.languages.map((one) => one.slice(0, 2)).find((one) => one in CATALOGUES) ??
    "en",
);

/** @param {string} code */
export function setLanguage(code) {
  if (!(code in CATALOGUES)) return;
  localStorage.setItem(KEPT, code);
  language.value = code;
}

const plural = computed(() => new Intl.PluralRules(language.value));

/**
 * The words of a key, with `{name}`s filled in. An unknown key is shown as it is: tests look for that.
 * @param {string} key @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const found = CATALOGUES[language.value][key] ?? en[/** @type {keyof typeof en} */ (key)] ?? key;
  const form = typeof found === "string" ? found : (found[plural.value.select(Number(values.n))] ?? found.other);
  return form.replaceAll(/\{(\w+)\}/g, (/** @type {string} */ all, /** @type {string} */ name) =>
    name in values ? (typeof values[name] === "number" ? number.value.format(values[name]) : values[name]) : all,
  );
}

/** Whether there are words for a key. @param {string} key */
export const known = (key) => key in en;

/** What a conversation is called; that with oneself has no name. @param {{ kind: string, name: string }} chat */
export const chatName = (chat) => (chat.kind === "self" ? t("saved messages") : chat.name);

/** As the reader's country writes times, where that is one of the language's. */
const locale = computed(() => navigator.languages.find((one) => one.slice(0, 2) === language.value) ?? language.value);

const number = computed(() => new Intl.NumberFormat(language.value));

/** Codes that end with what is missing or meant twice. */
const FAMILIES = ["no such ", "ambiguous "];

/**
 * The sentence for the code of an error or a warning, with what came with it.
 * @param {string} code @param {Record<string, any>} [about] as in `Refused`
 */
export function sentence(code, about = {}) {
  const family = FAMILIES.find((one) => code.startsWith(one) && !(`error ${code}` in en));
  const key = family ? `error ${family.trim()}` : `error ${code}` in en ? `error ${code}` : "error unknown";
  const fields = about.fields ?? {};
  const close = Array.isArray(fields.close) && fields.close.length ? t("maybe", { words: fields.close.join(", ") }) : "";
  return t(key, { position: "", count: "", n: fields.count ?? 0, ...fields, code, close }).trim();
}

/** @param {Intl.DateTimeFormatOptions} how */
const format = (how) => computed(() => new Intl.DateTimeFormat(locale.value, how));
const clock = format({ hour: "numeric", minute: "2-digit" });
const weekday = format({ weekday: "short" });
const date = format({ day: "numeric", month: "short" });
const full = format({ day: "numeric", month: "long", year: "numeric" });
const all = format({ dateStyle: "medium", timeStyle: "short" });

/** "14:05". @param {number} seconds Unix */
export const hour = (seconds) => clock.value.format(seconds * 1000);
/** With date and time. @param {number} seconds Unix */
export const moment = (seconds) => all.value.format(seconds * 1000);

/** @param {Date} one */
const day = (one) => new Date(one.getFullYear(), one.getMonth(), one.getDate()).getTime();
const DAY = 86_400_000;

/** For lists: the hour today, the weekday within a week, else the date. @param {number} seconds Unix */
export function brief(seconds) {
  const then = new Date(seconds * 1000);
  const days = Math.round((day(new Date()) - day(then)) / DAY);
  if (days <= 0) return hour(seconds);
  return days < 7 ? weekday.value.format(then) : date.value.format(then);
}

/** For the line between days: "Today", "Yesterday", or the date. @param {number} seconds Unix */
export function dayName(seconds) {
  const then = new Date(seconds * 1000);
  const days = Math.round((day(new Date()) - day(then)) / DAY);
  if (days === 0) return t("today");
  if (days === 1) return t("yesterday");
  return (then.getFullYear() === new Date().getFullYear() ? date : full).value.format(then);
}

/** "1.5 MB". @param {number} bytes */
export function bytes(bytes) {
  let unit = 0;
  let size = bytes;
  while (size >= 1000 && unit < 4) {
    size /= 1000;
    unit += 1;
  }
  const digits = new Intl.NumberFormat(language.value, { maximumFractionDigits: size < 10 && unit ? 1 : 0 });
  return `${digits.format(size)} ${t(["bytes", "kB", "MB", "GB", "TB"][unit])}`;
}

/** "1:05". @param {number} seconds */
export const minutes = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
