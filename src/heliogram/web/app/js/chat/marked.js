// @ts-check
/** The message that was jumped to, for a moment. */

import { signal } from "../../vendor/preact.js";

export const marked = signal(0);
/** @type {any} */
let marking = 0;

/** @param {number} number */
export function mark(number) {
  marked.value = number;
  clearTimeout(marking);
  marking = setTimeout(() => (marked.value = 0), 2200);
}
