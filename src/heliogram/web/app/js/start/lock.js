// @ts-check
/**
 * Locking: by hand, and by itself when nobody has touched the app for as long as its owner said.
 *
 * The node keeps the time, for all windows and when there is none. A window tells it of its owner, and has a clock
 * of its own for the hour in which the node is gone, or this window was asleep.
 */

import { html, useEffect } from "../../vendor/preact.js";
import { flushed } from "../compose/draft.js";
import { connected, preferences, stage, toast, turn } from "../store.js";
import { get, post, Refused } from "../wire.js";
import { sentence } from "../words.js";

/** Lock the profile: its keys are forgotten, and every window of the app shows the passphrase's field. */
export async function lock() {
  try {
    await flushed();
    await post("lock");
    // The node tells all windows; one that cannot hear it knows it from here.
    if (!connected.value) turn("locked");
  } catch (error) {
    toast(sentence(error instanceof Refused ? error.code : "internal"), { kind: "error" });
  }
}

/** What is a sign of the owner. Messages that come are none. */
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

/** When a window that was asleep may be awake again. */
const WAKING = ["visibilitychange", "resume"];

/** Milliseconds between looks at the clock, and words to the node, at most. */
const PACE = 5000;

/** Locks after `preferences.lock_after` seconds without a sign. */
export function AutoLock() {
  const after = stage.value === "open" ? (preferences.value.lock_after ?? 0) : 0;
  useEffect(() => (after ? watch(after * 1000) : undefined), [after]);
  return html``;
}

/** @param {number} after milliseconds */
function watch(after) {
  let last = [Date.now(), performance.now()];
  // Whoever has just opened it is there.
  let untold = true;
  let asking = false;
  let over = false;
  const touch = () => (last = [Date.now(), performance.now()]);
  // One clock may stand still while the machine sleeps, the other may be set.
  const due = () => Math.max(Date.now() - last[0], performance.now() - last[1]) >= after;
  const tell = () => {
    if (!untold) return;
    untold = false;
    post("awake").catch(() => (untold = true));
  };
  /** The node knows whether another window was touched, and locks before it answers. */
  const ask = async () => {
    if (asking) return;
    asking = true;
    const state = await get("state").then((answer) => answer.state, () => (connected.value ? "" : "locked"));
    asking = false;
    if (over || !state) return;
    if (state === "open") touch();
    else turn(state);
  };
  const look = () => (due() ? void ask() : tell());
  const sign = (/** @type {any} */ event) => {
    // A page that moves below a mouse at rest is no hand.
    if (!event.isTrusted || (event.type === "pointermove" && !event.movementX && !event.movementY)) return;
    // Nor does a touch take back that the time was over, as when a machine wakes by it.
    if (due()) return look();
    touch();
    untold = true;
  };
  const heard = { capture: true, passive: true };
  for (const one of SIGNS) addEventListener(one, sign, heard);
  for (const one of WAKING) document.addEventListener(one, look);
  const timer = setInterval(look, Math.min(PACE, after / 4));
  look();
  return () => {
    over = true;
    for (const one of SIGNS) removeEventListener(one, sign, heard);
    for (const one of WAKING) document.removeEventListener(one, look);
    clearInterval(timer);
  };
}
