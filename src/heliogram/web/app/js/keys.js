// @ts-check
/** The keyboard: one table of what each key does, for the app and for its help sheet. */

import { html, useEffect } from "../vendor/preact.js";
import { shownScroller } from "./chat/context.js";
import { toggleMute } from "./list/actions.js";
import { openHelp, openSettings } from "./list/doors.js";
import { neighbour, searching, shelf } from "./list/order.js";
import { endSearch } from "./list/search.js";
import { chat, dialogs, openChat, opened, panel } from "./store.js";
import { lock } from "./start/lock.js";

/**
 * `keys` as they are written, `words` a key of the catalogue. Without `run`: what the room of that key does itself.
 * What a browser keeps for itself is not here, and what it uses only where it helps more here.
 * @type {{ keys: string, words: string, run?: (event: KeyboardEvent) => void | boolean }[]}
 */
export const KEYS = [
  { keys: "Control+K", words: "key search", run: () => search() },
  { keys: "Control+F", words: "key search chat", run: () => (opened.value ? void (panel.value = { kind: "search" }) : search()) },
  { keys: "Alt+ArrowDown", words: "key next", run: () => step(1) },
  { keys: "Alt+ArrowUp", words: "key previous", run: () => step(-1) },
  { keys: "Alt+End", words: "key latest", run: () => latest() },
  { keys: "F6", words: "key region", run: () => region(1) },
  { keys: "Shift+F6", words: "key region back", run: () => region(-1) },
  { keys: "Alt+N", words: "key new", run: () => press(".list-head [aria-haspopup]:last-child") },
  { keys: "Control+Shift+M", words: "key mute", run: () => (chat.value ? toggleMute(chat.value) : undefined) },
  { keys: "Control+,", words: "key settings", run: () => openSettings() },
  { keys: "Control+L", words: "key lock", run: () => void lock() },
  { keys: "Escape", words: "key escape", run: () => out() },
  { keys: "?", words: "key help", run: () => help() },
  { keys: "Control+/", words: "key help", run: () => help() },
  { keys: "Shift+F10", words: "key menu" },
  { keys: "Enter", words: "key send" },
  { keys: "Shift+Enter", words: "key line" },
];

/** Whether somebody writes there. @param {EventTarget | null} target */
const writes = (target) =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");

/**
 * Whether these keys were pressed. Letters are found on keyboards of other alphabets, too.
 * @param {string} keys @param {KeyboardEvent} event
 */
export function fits(keys, event) {
  const parts = keys === "?" ? ["?"] : keys.split("+");
  const key = /** @type {string} */ (parts.pop());
  const wants = (/** @type {string} */ one) => parts.includes(one);
  if (wants("Control") !== (event.ctrlKey || event.metaKey) || wants("Alt") !== event.altKey) return false;
  if (key.length > 1) return event.key === key && wants("Shift") === event.shiftKey;
  if (!/[A-Z]/.test(key)) return event.key === key || (key === "/" && parts.length > 0 && event.code === "Slash");
  if (wants("Shift") !== event.shiftKey) return false;
  // Where Alt makes letters of its own, and where letters are not Latin, the key's place counts.
  const latin = /^[a-z]$/i.test(event.key);
  return latin ? event.key.toUpperCase() === key : event.code === `Key${key}`;
}

function search() {
  if (shelf.value === "archive") shelf.value = "all";
  if (matchMedia("(max-width: 720px)").matches) openChat(null);
  searching.value = true;
  requestAnimationFrame(() => {
    const field = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-search]"));
    field?.focus();
    field?.select();
  });
}

/** @param {1 | -1} way */
function step(way) {
  const next = neighbour(opened.value, way);
  if (next) openChat(next.id);
}

/** Go to the end of the history that is shown. */
const latest = () => shownScroller.value?.toEnd();

/** @param {string} selector */
const press = (selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector))?.click();

/** The parts of the app in their order, and what of each takes the focus. */
const REGIONS = [
  [".list", '.row[tabindex="0"], [data-search], button'],
  [".chat", ".composer textarea, .history, button"],
  [".panel", "button, input, [tabindex]"],
];

/** @param {1 | -1} way @returns {boolean | void} false beyond the last: then the browser goes on */
function region(way) {
  const there = REGIONS.map(([part]) => /** @type {HTMLElement | null} */ (document.querySelector(part)));
  const here = there.findIndex((one) => one?.contains(document.activeElement));
  for (let at = here + way; at >= 0 && at < REGIONS.length; at += way) {
    const part = there[at];
    if (!part || !part.offsetParent) continue;
    const all = /** @type {HTMLElement[]} */ (REGIONS[at][1].split(", ").map((one) => part.querySelector(one)));
    (all.find((one) => one?.offsetParent) ?? part).focus();
    return;
  }
  return false;
}

function help() {
  if (!dialogs.value.length) openHelp();
}

/** One thing less, the last first. */
function out() {
  if (panel.value) panel.value = null;
  else if (searching.value) endSearch();
  else if (opened.value) leave();
}

/** Close the conversation; the focus goes to its row. */
function leave() {
  const id = opened.value;
  openChat(null);
  requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector(`[data-chat="${id}"]`))?.focus());
}

export function Keys() {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.defaultPrevented || event.isComposing) return;
      // What covers the app has keys of its own; it closes by itself.
      if (document.querySelector("dialog[open]")) return;
      const found = KEYS.find((one) => one.run && fits(one.keys, event));
      if (!found?.run || (found.keys === "?" && writes(event.target))) return;
      if (found.run(event) !== false) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  return html``;
}
