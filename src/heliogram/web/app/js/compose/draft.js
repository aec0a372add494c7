// @ts-check
/** What is being written in a conversation, kept by the node a moment after it was. */

import { tell } from "../store.js";

/** Milliseconds without a key until it is kept. */
const PAUSE = 400;

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
    tell("draft", { chat: this.chat, text: this.kept });
  }

  /** It was sent: the node forgets it by itself. */
  sent() {
    clearTimeout(this.timer);
    this.wanted = this.kept = "";
  }
}
