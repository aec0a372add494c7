// @ts-check
/**
 * Where we are in a history: which rows are drawn, and that what is looked at stays where it is.
 *
 * `top` is the place in the whole history, in pixels; the box scrolls over at most `TALLEST` of them, and `shift`
 * is what lies between. What is above and turns out higher or lower moves `shift`, not the box: so nothing jumps,
 * and a scroll that goes on goes on. At rest the bar is put where it belongs.
 */

import { signal } from "../../vendor/preact.js";

/** Browsers draw nothing higher than some millions of pixels. */
const TALLEST = 8_000_000;
/** Rows that are drawn at most, and the steps by which they change. */
const MOST = 190;
const STEP = 4;
/** Pixels under the newest message. */
const FOOT = 12;

export class Scroller {
  /** @param {import("./history.js").History} history */
  constructor(history) {
    this.history = history;
    /** Changes when other rows are to be drawn. */
    this.tick = signal(0);
    /** Whether the end is in view, and how many positions are below. */
    this.atEnd = signal(true);
    /** The time of what is at the top. */
    this.day = signal(0);
    this.scrolling = signal(false);
    this.top = 0;
    this.shift = 0;
    this.high = 0;
    /** Whether the newest stays in view. */
    this.stick = true;
    /** What stays where it is: `offset` pixels below the top. @type {{ number: number, position: number, offset: number }} */
    this.anchor = { number: 0, position: 0, offset: 0 };
    this.first = 0;
    this.last = 0;
    /** The first row that is drawn now. */
    this.drawn = 0;
    this.y = 0;
    /** @type {any} */
    this.resting = 0;
    /** @type {HTMLElement | null} */
    this.box = null;
    /** @type {HTMLElement | null} */
    this.space = null;
    /** @type {HTMLElement | null} */
    this.rows = null;
    /** Called when what is seen may be another. */
    this.moved = () => {};
    this.sizes = new ResizeObserver((entries) => this.measured(entries));
  }

  /** @param {HTMLElement} box @param {HTMLElement} space @param {HTMLElement} rows */
  attach(box, space, rows) {
    this.box = box;
    this.space = space;
    this.rows = rows;
    this.high = box.clientHeight;
    this.sizes.observe(box);
  }

  end() {
    this.sizes.disconnect();
    clearTimeout(this.resting);
    this.box = this.space = this.rows = null;
  }

  get lowest() {
    return Math.max(0, this.history.total + FOOT - this.high);
  }

  // --- What is drawn ----------------------------------------------------------------------------

  /** Find `top` by what must stay, and the rows around it. */
  layout() {
    // Somebody has scrolled, and the page has not said so yet: it counts.
    if (this.box && Math.abs(this.box.scrollTop - this.y) >= 0.5) this.scrolled();
    const { history, lowest } = this;
    if (this.stick) this.top = lowest;
    else {
      const { number, offset } = this.anchor;
      const found = number ? history.position(number) : -1;
      if (found >= 0) this.anchor.position = found;
      else if (!number) this.anchor.number = history.at(this.anchor.position)?.number ?? 0;
      this.top = Math.min(lowest, Math.max(0, history.above(this.anchor.position) - offset));
    }
    this.range();
  }

  range() {
    const { history, top, high } = this;
    const seen = [history.under(top), history.under(top + high) + 1];
    let first = history.under(top - 2 * high);
    let last = history.under(top + 3 * high) + 1;
    const spare = Math.max(0, MOST - (seen[1] - seen[0])) >> 1;
    first = Math.max(first, seen[0] - spare);
    last = Math.min(last, seen[1] + spare);
    first -= first % STEP;
    last = Math.min(history.count, last + STEP - (last % STEP));
    const other = first !== this.first || last !== this.last;
    [this.first, this.last] = [first, last];
    history.want(Math.max(0, seen[0] - 40), seen[1] + 40);
    this.atEnd.value = top >= this.lowest - 60;
    return other;
  }

  /** Bring the page in line with `top`. After rows were drawn. */
  apply() {
    const { box, space, rows, history } = this;
    if (!box || !space || !rows) return;
    const tall = Math.max(this.high, Math.min(TALLEST, history.total + FOOT));
    const height = `${tall}px`;
    if (space.style.height !== height) space.style.height = height;
    if (this.stick || !this.scrolling.value || Math.abs(this.top - this.shift - this.y) > 1) this.normal();
    this.put();
  }

  /** Where the rows are: they begin with `drawn`. */
  put() {
    const spare = Math.max(0, this.high - FOOT - this.history.total);
    const pixels = this.history.above(this.drawn) - this.shift + spare;
    // Not a transform: what has not moved on the page is not painted again.
    if (this.rows) this.rows.style.top = `${pixels}px`;
  }

  /** Put the bar where `top` is. */
  normal() {
    const { box, lowest } = this;
    if (!box) return;
    const reach = Math.min(TALLEST, this.history.total + FOOT) - this.high;
    const wish = lowest <= reach + 1 ? this.top : lowest ? (this.top / lowest) * reach : 0;
    if (Math.abs(box.scrollTop - wish) >= 1) box.scrollTop = wish;
    this.y = box.scrollTop;
    this.shift = this.top - this.y;
  }

  // --- What happens -----------------------------------------------------------------------------

  /** The box was scrolled. */
  scrolled() {
    const { box, history } = this;
    if (!box || !history.ready) return;
    const y = box.scrollTop;
    const moved = y - this.y;
    if (Math.abs(moved) < 0.5) return;
    this.y = y;
    const { lowest } = this;
    const reach = Math.max(1, Math.min(TALLEST, history.total + FOOT) - this.high);
    if (Math.abs(moved) > 3 * this.high) {
      // Somebody drags the bar: it says where, in shares of the whole.
      this.top = lowest <= reach + 1 ? y : (y / reach) * lowest;
      this.shift = this.top - y;
      this.put();
    } else this.top = y + this.shift;
    const over = this.top < 0 || this.top > lowest;
    this.top = Math.min(lowest, Math.max(0, this.top));
    this.stick = this.top >= lowest - 2;
    this.hold();
    if (over || ((y < 1 || y > reach - 1) && Math.abs(this.shift) > 1)) {
      this.normal();
      this.put();
    }
    if (this.range()) this.tick.value += 1;
    this.scrolling.value = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rest(), 160);
    this.moved();
  }

  rest() {
    // Somebody has scrolled on, and the page has not said so yet: the bar is not put back.
    if (this.box && Math.abs(this.box.scrollTop - this.y) >= 0.5) return this.scrolled();
    this.scrolling.value = false;
    this.normal();
    this.put();
    this.moved();
  }

  /** What is at the top now must stay there. */
  hold() {
    const position = this.history.under(this.top);
    const message = this.history.at(position);
    this.anchor = { number: message?.number ?? 0, position, offset: this.history.above(position) - this.top };
    if (message) this.day.value = message.time;
  }

  /** @param {ResizeObserverEntry[]} entries */
  measured(entries) {
    let other = false;
    for (const { target, borderBoxSize } of entries) {
      if (target === this.box) {
        other ||= this.high !== this.box.clientHeight;
        this.high = this.box.clientHeight;
      } else other = this.history.measured(Number(/** @type {HTMLElement} */ (target).dataset.number), borderBoxSize[0].blockSize) || other;
    }
    if (!other) return;
    const [first, last] = [this.first, this.last];
    this.layout();
    if (first !== this.first || last !== this.last) this.tick.value += 1;
    this.apply();
    this.moved();
  }

  /** Whatever was scrolled until now is over. */
  settle() {
    if (!this.box) return;
    this.y = this.box.scrollTop;
    this.shift = this.top - this.y;
    this.scrolling.value = false;
  }

  /** Go to a position: that row is `offset` pixels below the top. @param {number} position @param {number} [offset] */
  to(position, offset = this.high * 0.3) {
    this.settle();
    this.stick = false;
    this.anchor = { number: this.history.at(position)?.number ?? 0, position, offset };
    this.layout();
    this.stick = this.top >= this.lowest - 2 && position >= this.history.count - 1;
    this.tick.value += 1;
  }

  toEnd() {
    this.settle();
    this.stick = true;
    this.layout();
    this.tick.value += 1;
  }

  /** @param {number} pixels */
  by(pixels) {
    this.box?.scrollBy({ top: pixels });
  }

  /** Positions of what is in view: the first, and the last that is seen to its end. */
  get seen() {
    const { history, top, high } = this;
    return [history.under(top), history.under(Math.max(top, top + high - FOOT - 4))];
  }
}
