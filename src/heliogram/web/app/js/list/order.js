// @ts-check
/** Which conversations a list shows, and in which order. Pure, so that views only draw. */

import { computed, signal } from "../../vendor/preact.js";
import { chats, folders } from "../store.js";

/** What the list shows: "all", "unread", "archive", or `folder ${name}`. */
export const shelf = signal("all");
/** What is searched; empty: nothing is. */
export const query = signal("");
/** Whether the search is shown, be there a query or not. */
export const searching = signal(false);

/** When something happened there last. @param {any} chat */
const time = (chat) => chat.last?.time ?? 0;

/** Pinned ones first, then by what came last. @param {any[]} all */
export const sorted = (all) =>
  [...all].sort(
    (a, b) =>
      Number(b.pinned ?? false) - Number(a.pinned ?? false) ||
      time(b) - time(a) ||
      a.name.localeCompare(b.name) ||
      (a.id < b.id ? -1 : 1),
  );

/** @param {string} shelf @param {any} chat */
function lies(shelf, chat) {
  if (shelf === "archive") return Boolean(chat.archived);
  if (shelf.startsWith("folder ")) return (chat.folders ?? []).includes(shelf.slice(7));
  return !chat.archived && (shelf !== "unread" || chat.unread > 0);
}

export const shown = computed(() => sorted([...chats.value.values()].filter((one) => lies(shelf.value, one))));
export const archived = computed(() => [...chats.value.values()].filter((one) => one.archived));

/** How many conversations of a shelf have something unread. @param {string} shelf */
export const news = (shelf) =>
  [...chats.value.values()].filter((one) => one.unread > 0 && !one.muted && lies(shelf, one)).length;

/** The names of the shelves, in their order. */
export const shelves = computed(() => ["all", "unread", ...folders.value.map((one) => `folder ${one.name}`)]);

/**
 * The conversation after or before one, as the list stands.
 * @param {string | null} id @param {1 | -1} step
 */
export function neighbour(id, step) {
  const all = shown.value;
  const here = all.findIndex((one) => one.id === id);
  if (here < 0) return all[step > 0 ? 0 : all.length - 1];
  return all[here + step];
}

/** How a name is compared: without case and accents. @param {string} text */
export const plain = (text) => text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLocaleLowerCase();

/**
 * Whether a name answers a query: each of its words begins a word of the name.
 * @param {string} name @param {string} query
 */
export function answers(name, query) {
  const words = plain(name).split(/[\s\p{P}]+/u);
  const wanted = plain(query).split(/\s+/u).filter(Boolean);
  return wanted.length > 0 && wanted.every((one) => words.some((word) => word.startsWith(one)));
}
