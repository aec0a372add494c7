// @ts-check
/**
 * What is being written in each conversation. It is here from the first key on, whatever is shown, and goes to the
 * node a moment after it was typed.
 *
 * What is told to the node of one conversation goes one after another: two requests of a browser may overtake each
 * other, and an older draft would stay.
 */

import { effect } from "../../vendor/preact.js";
import { ask, on, stage } from "../store.js";

/** Milliseconds without a key until it is kept. */
const PAUSE = 400;

/** @type {Map<string, Draft>} */
const drafts = new Map();

/** What is being written in a conversation. @param {any} chat */
export function draftOf(chat) {
  const found = drafts.get(chat.id) ?? new Draft(chat.id, chat.draft ?? "");
  drafts.set(chat.id, found);
  found.heard(chat.draft ?? "");
  return found;
}

/** All that was told of a conversation has been answered. @param {string} chat @returns {Promise<unknown>} */
export const answered = (chat) => drafts.get(chat)?.turn ?? Promise.resolve();

/** The node has all that is being written. */
export async function flushed() {
  for (const one of drafts.values()) one.flush();
  await Promise.all([...drafts.values()].map((one) => one.turn));
}

export class Draft {
  /** @param {string} chat @param {string} text as the node has it */
  constructor(chat, text) {
    this.chat = chat;
    /** What is written here. */
    this.wanted = text;
    /** What the node will have when it has answered; nobody knows after it refused. @type {string | null} */
    this.kept = text;
    /** What the node said last, and what it was told since then: notices of that are only echoes. */
    this.last = text;
    /** @type {string[]} */
    this.told = [];
    /** @type {Promise<unknown>} */
    this.turn = Promise.resolve();
    this.timer = 0;
    /** Where it is shown. @type {{ field: HTMLElement | null, show: (text: string) => void } | null} */
    this.shown = null;
  }

  /** Keep what was typed. @param {string} text */
  keep(text) {
    this.wanted = text;
    clearTimeout(this.timer);
    this.timer = text === this.kept ? 0 : window.setTimeout(() => this.flush(), PAUSE);
  }

  /** Keep it now. */
  flush() {
    clearTimeout(this.timer);
    const text = this.wanted;
    if (text === this.kept || this.over) return;
    this.becomes(text);
    // The page may be going.
    const keepalive = text.length < 15_000;
    this.next(() => ask("draft", { chat: this.chat, text }, { keepalive })).catch(() => this.forget(text));
  }

  /** Another face may have changed it: that is shown unless somebody writes here. @param {string} text as the node has it */
  heard(text) {
    if (text === this.last) return;
    this.last = text;
    const echo = this.told.indexOf(text);
    if (echo >= 0) return void this.told.splice(0, echo + 1);
    // Older than what the node was told.
    if (this.told.length) return;
    const field = this.shown?.field;
    const writes = this.wanted !== this.kept || (this.wanted !== "" && document.hasFocus() && !!field && document.activeElement === field);
    this.kept = text;
    if (!writes) this.show(text);
  }

  /** It goes with files, or was said: the node forgets it by itself. */
  sent() {
    clearTimeout(this.timer);
    this.wanted = "";
    if (this.kept !== "") this.becomes("");
  }

  /**
   * Say it. What cannot be said is written again, before what was written since then.
   * @template T @param {string} text @param {() => Promise<T>} work @returns {Promise<T>}
   */
  send(text, work) {
    this.sent();
    const done = this.next(work);
    done.catch(() => {
      this.forget("");
      this.giveBack(text);
    });
    return done;
  }

  /** @param {string} text */
  giveBack(text) {
    if (this.over) return;
    this.show([text, this.wanted].filter(Boolean).join("\n"));
    this.keep(this.wanted);
  }

  /** When all before was answered. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  next(work) {
    const done = this.turn.then(work);
    this.turn = done.catch(() => {});
    return done;
  }

  // --- Inside -----------------------------------------------------------------------------------

  /** Whether the profile was locked since. */
  get over() {
    return drafts.get(this.chat) !== this;
  }

  /** @param {string} text */
  show(text) {
    this.wanted = text;
    this.shown?.show(text);
  }

  /** @param {string} text */
  becomes(text) {
    this.kept = text;
    this.told.push(text);
  }

  /** The node was told, and refused. @param {string} text */
  forget(text) {
    this.told = this.told.filter((one) => one !== text);
    if (this.kept === text) this.kept = null;
  }
}

on("chat changed", ({ chat }) => drafts.get(chat.id)?.heard(chat.draft ?? ""));
on("reconnected", () =>
  drafts.forEach((one) => {
    one.told = [];
    one.flush();
  }),
);

// Nothing of it stays behind a lock.
effect(() => {
  if (stage.value === "open") return;
  drafts.forEach((one) => clearTimeout(one.timer));
  drafts.clear();
});

const hide = () => drafts.forEach((one) => one.flush());
addEventListener("pagehide", hide);
document.addEventListener("visibilitychange", hide);
