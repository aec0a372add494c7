// @ts-check
/** What the conversation that is shown and its composer have in common. All of it belongs to `opened`, and goes with it. */

import { effect, signal } from "../../vendor/preact.js";
import { opened } from "../store.js";

/** The message that is answered. @type {import("../../vendor/preact.js").Signal<any>} */
export const replyTo = signal(null);
/** The message of ours that is changed. @type {import("../../vendor/preact.js").Signal<any>} */
export const editing = signal(null);
/** Numbers of messages that are selected; not empty: the history is in selection mode. @type {import("../../vendor/preact.js").Signal<Set<number>>} */
export const selected = signal(new Set());

// Another conversation: nothing of the last one stays.
effect(() => {
  void opened.value;
  replyTo.value = editing.value = null;
  selected.value = new Set();
});

/** What is loaded of the conversation that is shown. @type {import("../../vendor/preact.js").Signal<import("./history.js").History | null>} */
export const shownHistory = signal(null);
/** Where it stands. @type {import("../../vendor/preact.js").Signal<import("./scroller.js").Scroller | null>} */
export const shownScroller = signal(null);
