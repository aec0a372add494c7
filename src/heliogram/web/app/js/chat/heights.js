// @ts-check
/** How high the rows of a run are: measured ones, guesses for the others, and their sum. */

/** Pixels that a row has of which nothing is known. It never changes: then nothing moves by itself. */
export const USUAL = 62;

/** What a message will take, roughly. @param {any} message */
function guess(message) {
  if (message.kind === "line" || message.kind === "unreadable") return 40;
  const lines = Math.min(40, Math.ceil((message.text?.length ?? 0) / 56) + (message.text?.split("\n", 40).length ?? 1) - 1);
  const files = (message.files ?? []).reduce(
    (/** @type {number} */ all, /** @type {any} */ one) => all + (one.inline ? 240 : 64),
    0,
  );
  const rest = (message.reply_to ? 46 : 0) + (message.reactions?.length ? 36 : 0);
  return 34 + 21 * lines + files + rest + (message.poll ? 60 + 44 * message.poll.options.length : 0);
}

export class Heights {
  /** @param {number} size */
  constructor(size) {
    this.size = size;
    /** Nothing until one of them is known. @type {number[] | null} */
    this.all = null;
    this.total = size * USUAL;
  }

  /** The messages are here: guess better, where nothing was measured. @param {any[]} messages */
  fill(messages) {
    if (this.all?.length === messages.length) return;
    this.all = messages.map(guess);
    this.total = this.all.reduce((all, one) => all + one, 0);
  }

  /** @param {number} within */
  get(within) {
    return this.all ? (this.all[within] ?? USUAL) : USUAL;
  }

  /** @param {number} within @param {number} pixels */
  set(within, pixels) {
    if (!this.all) this.all = Array(this.size).fill(USUAL);
    const other = pixels - this.all[within];
    if (Math.abs(other) < 0.1) return false;
    this.all[within] = pixels;
    this.total += other;
    return true;
  }

  /** @param {number} within */
  above(within) {
    if (!this.all) return within * USUAL;
    let pixels = 0;
    for (let index = 0; index < within; index++) pixels += this.all[index];
    return pixels;
  }

  /** @param {number} pixel */
  under(pixel) {
    if (!this.all) return Math.min(this.size - 1, Math.floor(pixel / USUAL));
    for (let index = 0; index < this.size; index++) {
      pixel -= this.all[index];
      if (pixel < 0) return index;
    }
    return Math.max(0, this.size - 1);
  }

  /** @param {number} within @param {any} message */
  insert(within, message) {
    const pixels = guess(message);
    if (!this.all) this.all = Array(this.size).fill(USUAL);
    this.all.splice(within, 0, pixels);
    this.size += 1;
    this.total += pixels;
  }

  /** @param {number} within */
  remove(within) {
    this.total -= this.get(within);
    this.all?.splice(within, 1);
    this.size -= 1;
  }
}
