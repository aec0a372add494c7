// @ts-check
/** What is being written in a conversation, kept by the node a moment after it was. */

import { tell } from "../store.js";

/** Milliseconds without a key until it is kept. */
const PAUSE = 400;

/** Drafts that went to the node a moment ago: it may not have told of them yet. @type {Map<string, string>} */
const going = new Map();
const MOMENT = 3000;

/** What is being written in a conversation. @param {any} chat @returns {string} */
export const draftOf = (chat) => going.get(chat.id) ?? chat.draft ?? "";

/** @param {string} chat @param {string} text */
function went(chat, text) {
  going.set(chat, text);
  setTimeout(() => going.get(chat) === text && going.delete(chat), MOMENT);
}

export class Draft {
  /** @param {string} chat @param {string} text as the node has it */
  constructor(chat, text) {
    this.chat = chat;
    /** What the node has. */
    this.kept = text;
    this.wanted = text;
    this.timer = 0;
  }

  /** @param {string} text */
  keep(text) {
    this.wanted = text;
    clearTimeout(this.timer);
    this.timer = text === this.kept ? 0 : window.setTimeout(() => this.flush(), PAUSE);
  }

  /** Keep it now. */
  flush() {
    clearTimeout(this.timer);
    if (this.wanted === this.kept) return;
    this.kept = this.wanted;
    went(this.chat, this.kept);
    tell("draft", { chat: this.chat, text: this.kept });
  }

  /** It was sent: the node forgets it by itself. */
  sent() {
    clearTimeout(this.timer);
    this.wanted = this.kept = "";
    went(this.chat, "");
  }
}
