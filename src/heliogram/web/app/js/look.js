// @ts-check
/** Light or dark, and how large: what the owner chose, else what the system says. */

import { effect } from "../vendor/preact.js";
import { own } from "./store.js";

/** Keep the document as `own` says. Gives what ends it. */
export const look = () =>
  effect(() => {
    const root = document.documentElement;
    const { theme = "system", scale = 100 } = own.value;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    root.style.setProperty("--scale", String(Math.min(Math.max(Number(scale) || 100, 80), 160) / 100));
  });
