// @ts-check
/** Putting text where it can be pasted from. */

/** @param {string} text */
export const copy = (text) => navigator.clipboard.writeText(text);
