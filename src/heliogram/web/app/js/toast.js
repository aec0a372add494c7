// @ts-check
/** Short words that go by themselves. */

import { signal } from "../vendor/preact.js";

/** What is said now: { id, text, kind, action }. @type {import("../vendor/preact.js").Signal<any[]>} */
export const toasts = signal([]);

let last = 0;

/** @param {string} text @param {{ kind?: "info" | "error", action?: { label: string, run: () => void }, seconds?: number }} [how] */
export function toast(text, { kind = "info", action, seconds = 5 } = {}) {
  const id = ++last;
  toasts.value = [...toasts.value.filter((one) => one.text !== text), { id, text, kind, action }].slice(-4);
  setTimeout(() => dismiss(id), seconds * 1000);
}

/** @param {number} id */
export const dismiss = (id) => (toasts.value = toasts.value.filter((one) => one.id !== id));
