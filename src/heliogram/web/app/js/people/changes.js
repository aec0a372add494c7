// @ts-check
/**
 * All about a conversation, kept fresh; and changes of it, followed until they are there for all, or have failed.
 *
 * A command of this kind is only the beginning: relays decide. What became of it, notices tell.
 */

import { signal, useEffect, useState } from "../../vendor/preact.js";
import { newest } from "../newest.js";
import { on, toast } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";

/**
 * Words for while and after, and when it is there. `about` are the accounts that it is still about.
 * @typedef {string | ((about: string[]) => string)} Words
 * @typedef {{ doing: Words, done: Words, over: (info: any, about: string[]) => boolean }} How
 *
 * A change that is under way.
 * @typedef {How & { id: number, chat: string, command: string, about: string[] }} Change
 */

/** @type {import("../../vendor/preact.js").Signal<Change[]>} */
export const changes = signal([]);

let last = 0;

/** @param {(one: Change) => boolean} which */
const drop = (which) => (changes.value = changes.value.filter((one) => !which(one)));

/** @param {Words} words @param {Change} one */
const inWords = (words, one) => (typeof words === "string" ? words : words(one.about));

/**
 * Begin a change, and follow it. What the node refuses at once is thrown.
 * @param {string} command its tag @param {Record<string, any>} fields with `chat`; people in them by their accounts
 * @param {How} how
 */
export async function change(command, fields, how) {
  const id = ++last;
  const chat = String(fields.chat);
  const about = fields.members ?? (fields.member ? [fields.member] : []);
  changes.value = [...changes.value, { id, chat, command, about, ...how }];
  try {
    await call(command, fields);
  } catch (error) {
    drop((one) => one.id === id);
    throw error;
  }
  void look(chat);
}

/** Ask how a conversation is, and tell what is done. @param {string} chat */
async function look(chat) {
  // What is begun later is not judged by this answer.
  const asked = new Set(changes.value.filter((one) => one.chat === chat).map((one) => one.id));
  if (!asked.size) return;
  const info = await call("chat", { chat }).catch(() => null);
  if (!info) return;
  for (const one of changes.value.filter((change) => asked.has(change.id) && change.over(info, change.about))) {
    drop((other) => other.id === one.id);
    toast(inWords(one.done, one));
  }
}

on("chat changed", ({ chat }) => void look(chat.id));
on("message added", ({ message }) => message.kind === "line" && void look(message.chat));
// The toast with the reason is the store's. What fails for some of those that a change is about goes on for the others.
on("command failed", ({ chat, command, who }) => {
  const failed = new Set((who ?? []).map((/** @type {any} */ one) => one.account));
  changes.value = changes.value.flatMap((one) => {
    if (one.chat !== chat || one.command !== command || ![...failed].every((account) => one.about.includes(account))) return [one];
    const about = one.about.filter((account) => !failed.has(account));
    return failed.size && about.length ? [{ ...one, about }] : [];
  });
  void look(chat);
});
on("state", ({ state }) => state !== "open" && (changes.value = []));
on("reconnected", () => [...new Set(changes.value.map((one) => one.chat))].forEach((chat) => void look(chat)));

/**
 * All about a conversation, asked again whenever something of it changes; null until it is there.
 * @param {string} id @returns {{ info: any, gone: boolean }}
 */
export function useInfo(id) {
  const [info, setInfo] = useState(/** @type {any} */ (null));
  const [gone, setGone] = useState(false);
  useEffect(() => {
    let here = true;
    const load = newest(async () => {
      const found = here && (await call("chat", { chat: id }).catch(() => null));
      if (!here) return;
      if (found) setInfo(found);
      setGone(!found);
    });
    setInfo(null);
    setGone(false);
    void load();
    const ends = [
      on("chat changed", ({ chat }) => chat.id === id && void load()),
      on("message added", ({ message }) => message.chat === id && message.kind === "line" && void load()),
      on("contact changed", () => void load()),
      on("relay changed", () => void load()),
      on("reconnected", () => void load()),
    ];
    return () => {
      here = false;
      ends.forEach((end) => end());
    };
  }, [id]);
  return { info: info?.chat.id === id ? info : null, gone };
}

/** Words for what waits to be decided, by the command that it came from. @type {Record<string, (who: any[]) => string[]>} */
const WAITING = {
  "set profile": () => [t("changing group")],
  "add members": (who) => [t("adding people", { n: who.length })],
  "remove members": (who) => who.map(({ name }) => t("removing", { name })),
  "set role": (who) => who.map(({ name }) => t("changing role", { name })),
  "change relays": () => [t("changing relays")],
};

/** What is under way in a conversation, as words: begun in this page, or long before. @param {any} info */
export function underWay(info) {
  const here = changes.value.filter((one) => one.chat === info.chat.id);
  // What names somebody has the same words here and there.
  const known = new Set(here.map((one) => one.command).filter((one) => one !== "remove members" && one !== "set role"));
  const before = info.waiting.filter((/** @type {any} */ one) => !known.has(one.command));
  return new Set([
    ...here.map((one) => inWords(one.doing, one)),
    ...before.flatMap((/** @type {any} */ one) => WAITING[one.command]?.(one.who ?? []) ?? []),
  ]);
}

/** How long messages stay, as words. @param {number} seconds */
export function spanWords(seconds) {
  if (!seconds) return t("never");
  for (const [size, unit] of /** @type {[number, string][]} */ ([[604800, "n weeks"], [86400, "n days"], [3600, "n hours"], [60, "n minutes"]]))
    if (seconds % size === 0) return t(unit, { n: seconds / size });
  return t("n seconds", { n: seconds });
}
