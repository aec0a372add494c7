// @ts-check
/** The text of a message, as elements: Markdown is parsed to a tree, and only what is known here is drawn. */

import { html } from "../../vendor/preact.js";

/** @param {{ message: any }} props */
export function Text({ message }) {
  return html`<span class="text" dir="auto">${message.text ?? ""}</span>`;
}
