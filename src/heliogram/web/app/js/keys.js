// @ts-check
/** The keyboard: one table of what each key does, for the app and for its help sheet. */

import { html, useEffect } from "../vendor/preact.js";
import { closeDialog, dialogs, opened, panel } from "./store.js";

/** @type {{ keys: string, words: string, run: () => void }[]} */
export const KEYS = [];

export function Keys() {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      if (dialogs.value.length) closeDialog();
      else if (panel.value) panel.value = null;
      else opened.value = null;
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  return html``;
}
