// @ts-check
/**
 * What is loaded of a conversation: runs of messages that together are all of it, most of them only counted.
 *
 * Each run knows how many messages it has and, while it is near to what is shown, the messages. Notices change
 * runs as they come; what does not add up is asked again. `version` changes when anything does.
 */

import { signal } from "../../vendor/preact.js";
import { Since } from "../since.js";
import { call } from "../wire.js";
import { warm } from "./markdown.js";
import { run, Runs } from "./runs.js";

/** Messages in a run that is loaded. */
export const RUN = 100;
/** Runs that are kept. */
const KEPT = 24;
/** Answers that are waited for at once. */
const ASKED = 2;

/** @typedef {import("./runs.js").Run} Run */

export class History extends Runs {
  /** @param {string} chat */
  constructor(chat) {
    super();
    this.chat = chat;
    this.version = signal(0);
    this.over = false;
    this.ready = false;
    this.asked = 0;
    /** Grows when positions shift. */
    this.shifts = 0;
    this.clock = 0;
    /** Notices wait for each other. @type {Promise<unknown>} */
    this.turn = Promise.resolve();
    this.since = new Since();
    /** Numbers of messages that are no more. @type {Set<number>} */
    this.gone = new Set();
  }

  changed() {
    if (!this.over) this.version.value += 1;
  }

  end() {
    this.over = true;
    this.runs = [];
    this.places.clear();
    this.ids.clear();
  }

  // --- Opening ----------------------------------------------------------------------------------

  /** Load the end; what there is at first. */
  async openEnd() {
    const question = Promise.all([call("place", { chat: this.chat }), call("history", { chat: this.chat, limit: 50 })]);
    const take = (/** @type {any[]} */ [place, last]) => {
      const count = Math.max(place.count, last.length);
      this.divide(count, count - last.length, last);
    };
    await this.since.learn(question, take, (notice) => this.apply(notice));
  }

  /**
   * Load around a place. Gives its position, as in the node's `Place`.
   * @param {Record<string, unknown>} where
   */
  async openAt(where) {
    const ask = async () => {
      const place = await call("place", { chat: this.chat, ...where });
      const from = Math.max(0, Math.min(place.position - 30, place.count - 60));
      return { place, from, some: await call("history", { chat: this.chat, position: from, limit: 60 }) };
    };
    const take = (/** @type {any} */ { place, from, some }) => this.divide(Math.max(place.count, from + some.length), from, some);
    return (await this.since.learn(ask(), take, (notice) => this.apply(notice))).place;
  }

  /** @param {number} count @param {number} from @param {any[]} messages those from there on */
  divide(count, from, messages) {
    if (this.over) return;
    // What is drawn already is not measured once more.
    /** @type {Map<number, number>} */
    const known = new Map(this.runs.flatMap((one) => (one.messages ?? []).map((message, index) => [message.number, one.heights.get(index)])));
    this.places.clear();
    this.ids.clear();
    this.runs = [];
    this.count = count;
    this.shifts += 1;
    for (let at = 0; at < from; ) {
      const size = from % RUN && at === 0 ? from % RUN : RUN;
      this.runs.push(run(size));
      at += size;
    }
    if (messages.length) {
      const here = run(messages.length);
      this.runs.push(here);
      this.fill(here, messages);
      messages.forEach((one, index) => {
        const height = known.get(one.number);
        if (height !== undefined) here.heights.set(index, height);
      });
    }
    for (let at = from + messages.length; at < count; at += RUN) this.runs.push(run(Math.min(RUN, count - at)));
    this.ready = true;
    this.changed();
  }

  /** @param {Run} here @param {any[]} messages */
  fill(here, messages) {
    here.messages = messages;
    here.used = ++this.clock;
    here.heights.fill(messages);
    warm(messages.filter((one) => one.markdown && one.text.length < 2000).map((one) => one.text));
    for (const one of messages) this.note(one, here);
  }

  // --- Loading ----------------------------------------------------------------------------------

  /** Load what lies between two positions, and let go of what is far from it. @param {number} from @param {number} to */
  want(from, to) {
    if (!this.ready) return;
    const middle = (from + to) / 2;
    /** @type {[number, Run, number][]} */
    const missing = [];
    let before = 0;
    for (const one of this.runs) {
      if (before + one.size > from && before < to) {
        one.used = ++this.clock;
        if (!one.messages && !one.asked) missing.push([Math.abs(before + one.size / 2 - middle), one, before]);
      }
      before += one.size;
    }
    missing.sort((a, b) => a[0] - b[0]);
    for (const [, one, start] of missing.slice(0, ASKED - this.asked)) void this.load(one, start);
    this.shed();
  }

  /** @param {Run} one @param {number} start */
  async load(one, start) {
    one.asked = true;
    this.asked += 1;
    const { shifts } = this;
    try {
      const take = (/** @type {any[]} */ messages) => {
        if (this.over || !this.runs.includes(one) || shifts !== this.shifts || messages.length !== one.size) return;
        if (messages.some((m) => this.places.has(m.number))) void this.again();
        else this.fill(one, messages);
      };
      const question = call("history", { chat: this.chat, position: start, limit: one.size });
      await this.since.learn(question, take, (notice) => this.renew(notice));
    } catch {
      // The node is away: what is shown next asks again.
      await new Promise((wait) => setTimeout(wait, 500));
    } finally {
      one.asked = false;
      this.asked -= 1;
      this.changed();
    }
  }

  shed() {
    const loaded = this.runs.filter((one) => one.messages);
    if (loaded.length <= KEPT) return;
    loaded.sort((a, b) => a.used - b.used);
    for (const one of loaded.slice(0, loaded.length - KEPT)) this.drop(one);
  }

  /** All counts again, with what is around the middle of what was used last: after notices were missed. */
  async again() {
    const newest = this.runs.filter((one) => one.messages).sort((a, b) => b.used - a.used)[0];
    const middle = newest?.messages?.[newest.messages.length >> 1];
    const atEnd = newest === this.runs.at(-1);
    try {
      if (atEnd || !middle) await this.openEnd();
      else await this.openAt({ number: middle.number });
    } catch {
      // It is gone, or the node is: the end is always there when the node is.
      await this.openEnd().catch(() => {});
    }
  }

  // --- Notices ----------------------------------------------------------------------------------

  /** @param {any} notice */
  heard(notice) {
    if (notice.event === "message gone") this.gone.add(notice.number);
    this.since.hear(notice);
    this.apply(notice);
  }

  /** One that was said here, as the answer has it, which may come before or after its notices. @param {any} message */
  said(message) {
    if (message.chat === this.chat && !this.places.has(message.number) && !this.gone.has(message.number))
      this.heard({ event: "message added", message });
  }

  /** @param {any} notice @returns {void} */
  apply(notice) {
    if (this.over || !this.ready) return;
    if (notice.event === "message changed") this.replace(notice.message);
    else if (notice.event === "message gone") this.remove(notice.number);
    else if (notice.event === "message added") {
      const { message } = notice;
      const last = this.last;
      if (this.places.has(message.number)) this.replace(message);
      else if (!this.count || (last && message.time > last.time)) this.insert(this.count, message);
      else {
        this.turn = this.turn.then(() => this.place(message));
        void this.since.learn(this.turn, () => {}, (notice) => this.renew(notice));
      }
    }
  }

  /** Who came and who went is counted already: only what became of those that are here. @param {any} notice */
  renew(notice) {
    if (notice.event === "message changed") this.replace(notice.message);
  }

  /** One that may come between others: the node knows where. @param {any} message */
  async place(message) {
    try {
      const place = await call("place", { chat: this.chat, number: message.number });
      if (this.over || this.places.has(message.number)) return;
      if (place.count === this.count + 1) this.insert(place.position, message);
      else await this.again();
    } catch {
      // It is gone already.
    }
  }

  /** @param {number} position @param {any} message */
  insert(position, message) {
    let [here, within, index] = this.find(position);
    if (!here) {
      index = this.runs.length - 1;
      here = this.runs[index];
      // A run that has grown long lets a new one begin.
      if (!here?.messages || here.size >= 2 * RUN) {
        here = run(0);
        here.messages = [];
        index = this.runs.push(here) - 1;
      }
      within = here.size;
    } else this.shifts += 1;
    here.size += 1;
    this.count += 1;
    here.heights.insert(within, message);
    if (here.messages) {
      here.messages = here.messages.toSpliced(within, 0, message);
      this.note(message, here);
      here.used = ++this.clock;
    }
    this.changed();
  }

  /** @param {any} message */
  replace(message) {
    const here = this.places.get(message.number);
    const within = here?.messages?.findIndex((one) => one.number === message.number) ?? -1;
    if (!here?.messages || within < 0) return;
    here.messages = here.messages.with(within, message);
    this.note(message, here);
    this.changed();
  }

  /** @param {number} number */
  remove(number) {
    const here = this.places.get(number);
    if (!here?.messages) {
      // Somewhere that is not loaded: only the node knows where.
      this.turn = this.turn.then(() => this.recount());
      return;
    }
    const within = here.messages.findIndex((one) => one.number === number);
    const gone = here.messages[within];
    here.messages = here.messages.toSpliced(within, 1);
    here.size -= 1;
    here.heights.remove(within);
    this.places.delete(number);
    if (gone.id) this.ids.delete(gone.id);
    this.count -= 1;
    this.shifts += 1;
    if (!here.size) this.runs = this.runs.filter((one) => one !== here);
    this.changed();
  }

  /** Where something is that may not be loaded, with counts that are true. @param {Record<string, unknown>} where */
  async locate(where) {
    const place = await call("place", { chat: this.chat, ...where });
    if (place.count === this.count || this.over) return place;
    return this.openAt(where);
  }

  async recount() {
    const place = await call("place", { chat: this.chat }).catch(() => null);
    if (place && !this.over && place.count !== this.count) await this.again();
  }
}
