// @ts-check
/** What a new account has before its owner goes on: its words. They are nowhere else in the app. */

import { signal } from "../../vendor/preact.js";

/**
 * Null unless an account is being made here: then "making", or the words, until the owner goes on.
 * @type {import("../../vendor/preact.js").Signal<null | { words: string[] | null }>}
 */
export const fresh = signal(null);
