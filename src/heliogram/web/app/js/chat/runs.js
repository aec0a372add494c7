// @ts-check
/** Runs of messages that together are all of a conversation: which are where, and how high. */

import { Heights } from "./heights.js";

/** @typedef {{ size: number, messages: any[] | null, heights: Heights, used: number, asked: boolean }} Run */

export class Runs {
  constructor() {
    /** @type {Run[]} */
    this.runs = [];
    this.count = 0;
    /** Where each loaded message is. @type {Map<number, Run>} */
    this.places = new Map();
    /** @type {Map<string, any>} */
    this.ids = new Map();
  }

  /** The message at a position, if it is loaded. @param {number} position */
  at(position) {
    const [here, within] = this.find(position);
    return here?.messages?.[within];
  }

  /** The run with a position, the place in it, the index of the run. @param {number} position @returns {[Run | undefined, number, number]} */
  find(position) {
    let before = 0;
    for (let index = 0; index < this.runs.length; index++) {
      const size = this.runs[index].size;
      if (position < before + size) return [this.runs[index], position - before, index];
      before += size;
    }
    return [undefined, 0, -1];
  }

  /** Where a loaded message is, from 0; -1 for any other. @param {number} number */
  position(number) {
    const here = this.places.get(number);
    if (!here?.messages) return -1;
    let before = 0;
    for (const one of this.runs) {
      if (one === here) return before + here.messages.findIndex((/** @type {any} */ m) => m.number === number);
      before += one.size;
    }
    return -1;
  }

  /** A loaded message. @param {number} number */
  get(number) {
    return this.places.get(number)?.messages?.find((one) => one.number === number);
  }

  /**
   * What lies from one position to before another: messages, and gaps where none is loaded.
   * @param {number} from @param {number} to
   * @returns {({ message: any } | { gap: number, key: string })[]} `gap`: how many
   */
  slice(from, to) {
    /** @type {({ message: any } | { gap: number, key: string })[]} */
    const found = [];
    let before = 0;
    for (const one of this.runs) {
      const start = Math.max(0, from - before);
      const end = Math.min(one.size, to - before);
      if (start < end) {
        if (one.messages) for (const message of one.messages.slice(start, end)) found.push({ message });
        else found.push({ gap: end - start, key: `gap ${before}` });
      }
      before += one.size;
      if (before >= to) break;
    }
    return found;
  }

  /** The newest message, if it is loaded. */
  get last() {
    return this.runs.at(-1)?.messages?.at(-1);
  }

  /** @param {any} one @param {Run} here */
  note(one, here) {
    this.places.set(one.number, here);
    if (one.id) this.ids.set(one.id, one);
  }

  /** @param {Run} here */
  drop(here) {
    for (const one of here.messages ?? []) {
      this.places.delete(one.number);
      if (one.id) this.ids.delete(one.id);
    }
    here.messages = null;
  }

  // --- Heights ----------------------------------------------------------------------------------

  /** Pixels of everything. */
  get total() {
    let all = 0;
    for (const one of this.runs) all += one.heights.total;
    return all;
  }

  /** Pixels above a position. @param {number} position */
  above(position) {
    let pixels = 0;
    for (const one of this.runs) {
      if (position < one.size) return pixels + one.heights.above(position);
      pixels += one.heights.total;
      position -= one.size;
    }
    return pixels;
  }

  /** The position at a pixel. @param {number} pixel */
  under(pixel) {
    let before = 0;
    for (const one of this.runs) {
      const all = one.heights.total;
      if (pixel < all) return before + one.heights.under(pixel);
      pixel -= all;
      before += one.size;
    }
    return Math.max(0, this.count - 1);
  }

  /** A row was measured. Gives whether that changed anything. @param {number} number @param {number} pixels */
  measured(number, pixels) {
    const here = this.places.get(number);
    const within = here?.messages?.findIndex((one) => one.number === number) ?? -1;
    return within >= 0 && !!here?.heights.set(within, pixels);
  }
}

/** @param {number} size @returns {Run} */
export const run = (size) => ({ size, messages: null, heights: new Heights(size), used: 0, asked: false });
