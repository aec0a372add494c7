// @ts-check
/** All about the conversation that is shown, as in the node's `ChatInfo`, kept as it changes. */

import { effect, signal } from "../../vendor/preact.js";
import { newest } from "../newest.js";
import { on, opened } from "../store.js";
import { call } from "../wire.js";

/** @type {import("../../vendor/preact.js").Signal<any>} */
export const info = signal(null);

/** @type {any} */
let waiting = 0;

const load = newest(async () => {
  waiting = 0;
  const id = opened.value;
  const found = id && (await call("chat", { chat: id }).catch(() => null));
  if (found && opened.value === id) info.value = found;
});

const soon = () => {
  if (!waiting) waiting = setTimeout(load, 300);
};

effect(() => {
  void opened.value;
  info.value = null;
  // The history comes first.
  if (opened.value) setTimeout(load, 30);
});
on("chat changed", (notice) => notice.chat.id === opened.value && soon());
on("relay changed", () => opened.value && soon());
on("reconnected", () => opened.value && soon());
