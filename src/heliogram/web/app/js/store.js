// @ts-check
/**
 * What the app knows, as signals, and how notices change it. Views read signals and call `ask`.
 *
 * Histories are not here: `chat/history.js` keeps one for each open conversation.
 */

import { batch, computed, signal } from "../vendor/preact.js";
import { Since } from "./since.js";
import { toast } from "./toast.js";
import { attachment, call, forgetAttachments, get, listen, Refused } from "./wire.js";
import { sentence } from "./words.js";

/** "starting", "closed" (no link), "new", "locked", "open". */
export const stage = signal("starting");
/** What `GET /api/state` said. @type {import("../vendor/preact.js").Signal<any>} */
export const about = signal({});
/** Whether the node can be heard. */
export const connected = signal(false);
/** As in the node's `Status`. @type {import("../vendor/preact.js").Signal<any>} */
export const status = signal(null);
/** All conversations by id, archived ones too. @type {import("../vendor/preact.js").Signal<Map<string, any>>} */
export const chats = signal(new Map());
/** @type {import("../vendor/preact.js").Signal<any[]>} */
export const contacts = signal([]);
/** @type {import("../vendor/preact.js").Signal<any[]>} */
export const requests = signal([]);
/** @type {import("../vendor/preact.js").Signal<any[]>} */
export const folders = signal([]);
/** @type {import("../vendor/preact.js").Signal<any>} */
export const preferences = signal({ typing: false, reports: true, lock_after: 0, app: "" });
/** Files on their way, by `${message}/${index}`. @type {import("../vendor/preact.js").Signal<Map<string, any>>} */
export const transfers = signal(new Map());
/** Who types: chat id → [{ who, until }]. @type {import("../vendor/preact.js").Signal<Map<string, any[]>>} */
export const typing = signal(new Map());

/** The id of the conversation that is shown. @type {import("../vendor/preact.js").Signal<string | null>} */
export const opened = signal(null);
/** The message number to go to in it, once. @type {import("../vendor/preact.js").Signal<number | null>} */
export const target = signal(null);
/** What the panel at the end side shows: { kind: "info" | "media" | "search" | "pins", … }, or nothing. @type {import("../vendor/preact.js").Signal<any>} */
export const panel = signal(null);
/** What covers the app, the last on top: { view, props }. @type {import("../vendor/preact.js").Signal<any[]>} */
export const dialogs = signal([]);

export const chat = computed(() => (opened.value ? chats.value.get(opened.value) : undefined));
export const unread = computed(() =>
  [...chats.value.values()].reduce((sum, one) => sum + (one.muted || one.archived ? 0 : (one.unread ?? 0)), 0),
);
/** @param {string | undefined} app @returns {any} */
const parsed = (app) => {
  try {
    return JSON.parse(app || "{}");
  } catch {
    return {};
  }
};
/** The app's own settings, kept by the node. */
export const own = computed(() => parsed(preferences.value.app));

// --- Asking -----------------------------------------------------------------------------------

/**
 * Ask the node; what it refuses is said in a toast, and thrown.
 * @param {string} tag @param {Record<string, unknown>} [fields] @param {RequestInit} [how] @returns {Promise<any>}
 */
export async function ask(tag, fields = {}, how = {}) {
  try {
    return await call(tag, fields, how);
  } catch (error) {
    if (error instanceof Refused) toast(sentence(error.code), { kind: "error" });
    throw error;
  }
}

/** As `ask`, for what nobody waits for. @param {string} tag @param {Record<string, unknown>} [fields] */
export const tell = (tag, fields) => void ask(tag, fields).catch(() => {});

let last = 0;

/** Cover the app with a view. It gets `props` and `close`. @param {any} view @param {Record<string, unknown>} [props] */
export const openDialog = (view, props = {}) => (dialogs.value = [...dialogs.value, { view, props, id: ++last }]);
export const closeDialog = () => (dialogs.value = dialogs.value.slice(0, -1));

// --- Where we are -----------------------------------------------------------------------------

/** Show a conversation, at a message if one is given. @param {string | null} id @param {number | null} [number] */
export function openChat(id, number = null) {
  batch(() => {
    if (opened.value !== id) panel.value = null;
    target.value = number;
    opened.value = id;
  });
  // Nothing of it stands in the address: "back" closes the conversation on a narrow screen.
  if (id && !history.state?.chat) history.pushState({ chat: true }, "");
}

addEventListener("popstate", () => {
  if (dialogs.value.length) closeDialog();
  else if (panel.value) panel.value = null;
  else opened.value = null;
});

/** @type {Promise<unknown>} */
let setting = Promise.resolve();

/**
 * Change some of the app's own settings, one after the other. They are changed as the node has them: ours may not
 * be here yet, and another window may have changed others.
 * @param {Record<string, unknown>} changes
 */
export function setOwn(changes) {
  preferences.value = { ...preferences.value, app: JSON.stringify({ ...own.value, ...changes }) };
  const change = async () => {
    const { app } = await ask("preferences");
    await ask("set preferences", { app: JSON.stringify({ ...parsed(app), ...changes }) });
  };
  setting = setting.then(change).catch(() => {});
}

/** A sentence, and whom it is about. @param {{ name: string }[] | null | undefined} who @param {string} said */
const naming = (who, said) => (who?.length ? `${who.map((one) => one.name).join(", ")}: ${said}` : said);

// --- Notices ----------------------------------------------------------------------------------

/** @type {Map<string, Set<(notice: any) => void>>} */
const listeners = new Map();

/**
 * Hear notices of a kind ("message added"), or "*". Gives what ends it.
 * @param {string} event @param {(notice: any) => void} listener
 */
export function on(event, listener) {
  const all = listeners.get(event) ?? new Set();
  listeners.set(event, all.add(listener));
  return () => void all.delete(listener);
}

/** @template K, V @param {Map<K, V>} map @param {K} key @param {V} value */
const put = (map, key, value) => new Map(map).set(key, value);

const since = new Since();
/** How many times all was asked for, and how the node is. */
let loads = 0;
let asked = 0;

/** @param {any} notice */
function heard(notice) {
  since.hear(notice);
  batch(() => {
    know(notice);
    switch (notice.event) {
      case "state": {
        // After the first one, another "open" says that something was missed.
        const missed = stage.value === "open" && status.value;
        turn(notice.state);
        if (stage.value !== "open") break;
        void load();
        if (missed) for (const one of listeners.get("reconnected") ?? []) one({ event: "reconnected" });
        break;
      }
      case "locked":
        turn("locked");
        break;
      case "typing": {
        const until = Date.now() + 1000 * (notice.seconds ?? 6);
        const others = (typing.value.get(notice.chat) ?? []).filter((one) => one.who.account !== notice.who.account);
        typing.value = put(typing.value, notice.chat, [...others, { who: notice.who, until }]);
        setTimeout(quiet, 1000 * (notice.seconds ?? 6) + 50);
        break;
      }
      case "message added":
        quiet(notice.message.chat, notice.message.sender?.account);
        break;
      case "command failed":
        toast(naming(notice.who, sentence(notice.code)), { kind: "error", seconds: 8 });
        break;
      case "warned":
        toast(naming(notice.who && [notice.who], sentence(notice.code)), { kind: "error", seconds: 15 });
        break;
    }
    for (const event of [notice.event, "*"]) for (const one of listeners.get(event) ?? []) one(notice);
  });
}

/** What a notice says of that which `load` gets. @param {any} notice */
function know(notice) {
  // Nothing is known behind a lock. What is known already may be heard once more.
  if (stage.value !== "open") return;
  switch (notice.event) {
    case "chat changed":
      chats.value = put(chats.value, notice.chat.id, notice.chat);
      break;
    case "contact changed":
      contacts.value = [
        ...contacts.value.filter((one) => one.who.account !== notice.contact.who.account),
        notice.contact,
      ].sort((a, b) => a.who.name.localeCompare(b.who.name));
      // A conversation of two is called as the other one is.
      for (const one of chats.value.values())
        if (one.kind === "direct" && (one.id === notice.contact.chat || one.peer?.account === notice.contact.who.account))
          chats.value = put(chats.value, one.id, { ...one, name: notice.contact.who.name, peer: notice.contact.who });
      break;
    case "request added":
      requests.value = [...requests.value.filter((one) => one.id !== notice.request.id), notice.request];
      break;
    case "request gone":
      requests.value = requests.value.filter((one) => one.id !== notice.id);
      break;
    case "transfer changed":
      transfers.value = put(transfers.value, `${notice.transfer.message}/${notice.transfer.index}`, notice.transfer);
      break;
    case "folders changed":
      folders.value = notice.folders;
      break;
    case "preferences changed":
      preferences.value = notice.preferences;
      break;
    case "message changed": {
      // Where our last message stands is said in lists, too.
      const its = chats.value.get(notice.message.chat);
      if (its?.last?.number === notice.message.number) chats.value = put(chats.value, its.id, { ...its, last: notice.message });
      break;
    }
  }
}

/** Forget who has stopped typing. @param {string} [chat] @param {string} [account] */
function quiet(chat, account) {
  if (!typing.value.size) return;
  const left = new Map();
  for (const [id, all] of typing.value) {
    const still = all.filter((one) => one.until > Date.now() && !(id === chat && one.who.account === account));
    if (still.length) left.set(id, still);
  }
  typing.value = left;
}

/** Be locked, or open: what lists show comes after it. @param {string} state */
export function turn(state) {
  if (state === stage.value) return;
  stage.value = state;
  if (state === "open") return;
  loads += 1;
  forgetAttachments();
  batch(() => {
    opened.value = panel.value = status.value = null;
    chats.value = new Map();
    contacts.value = requests.value = dialogs.value = [];
  });
}

/** Get all that lists show. Only the last of these questions counts, and none behind a lock. */
async function load() {
  const mine = ++loads;
  const state = ++asked;
  const question = Promise.all([
    call("status"),
    call("chats"),
    call("chats", { archived: true }),
    call("contacts"),
    call("requests"),
    call("folders"),
    call("preferences"),
  ]);
  const take = (/** @type {any[]} */ [now, all, archived, people, asking, kept, wishes]) => {
    if (mine !== loads) return;
    // It may have been asked again meanwhile.
    if (state === asked || !status.value) status.value = now;
    chats.value = new Map([...archived, ...all].map((one) => [one.id, one]));
    contacts.value = people;
    requests.value = asking;
    folders.value = kept;
    preferences.value = wishes;
    transfers.value = new Map((now.transfers ?? []).map((/** @type {any} */ one) => [`${one.message}/${one.index}`, one]));
  };
  try {
    await since.learn(question, (found) => batch(() => take(found)), know);
  } catch {
    // A node that is gone says how it is when it is back; one that could not answer is asked again.
    setTimeout(() => mine === loads && connected.value && void load(), 1000);
  }
}

/** How the node is, asked again. */
export async function refreshStatus() {
  const mine = ++asked;
  const state = await call("status");
  if (mine === asked && stage.value === "open") status.value = state;
}

/** Begin to hear, and to know. Call once, after `enter`. */
export async function begin() {
  const state = await get("state");
  about.value = state;
  turn(state.state);
  // The first that is heard is the state: from there on nothing is missed, so all is asked for only then.
  listen(heard, (up) => (connected.value = up));
}

export { attachment };
export { dismiss, toast, toasts } from "./toast.js";
