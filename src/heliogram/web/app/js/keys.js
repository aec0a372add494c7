// @ts-check
/** The keyboard: what is done when keys of the table are pressed anywhere. */

import { html, useEffect } from "../vendor/preact.js";
import { shownScroller } from "./chat/context.js";
import { KEYS } from "./key-table.js";
import { toggleMute } from "./list/actions.js";
import { openHelp, openSettings } from "./list/doors.js";
import { neighbour, searching, shelf } from "./list/order.js";
import { endSearch } from "./list/search.js";
import { chat, dialogs, openChat, opened, panel } from "./store.js";
import { lock } from "./start/lock.js";

/** What they do, by their words. What is not here, the room of that key does itself. @type {Record<string, () => void | boolean>} */
const RUNS = {
  "key search": () => search(),
  "key search chat": () => (opened.value ? void (panel.value = { kind: "search" }) : search()),
  "key next": () => step(1),
  "key previous": () => step(-1),
  "key latest": () => latest(),
  "key region": () => region(1),
  "key region back": () => region(-1),
  "key new": () => press(".list-head [aria-haspopup]:last-child"),
  "key mute": () => (chat.value ? toggleMute(chat.value) : undefined),
  "key settings": () => openSettings(),
  "key lock": () => void lock(),
  "key escape": () => out(),
  "key help": () => help(),
};

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
      const found = KEYS.find((one) => one.words in RUNS && fits(one.keys, event));
      if (!found || (found.keys === "?" && writes(event.target))) return;
      if (RUNS[found.words]() !== false) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  return html``;
}
