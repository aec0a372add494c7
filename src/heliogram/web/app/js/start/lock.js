// @ts-check
/** Locking: by hand, and by itself when nobody has touched the app for as long as its owner said. */

import { html, useEffect } from "../../vendor/preact.js";
import { flushed } from "../compose/draft.js";
import { preferences, toast } from "../store.js";
import { post, Refused } from "../wire.js";
import { sentence } from "../words.js";

/** Lock the profile: its keys are forgotten, and every window of the app shows the passphrase's field. */
export async function lock() {
  try {
    await flushed();
    await post("lock");
  } catch (error) {
    toast(sentence(error instanceof Refused ? error.code : "internal"), { kind: "error" });
  }
}

/** What is a sign of the owner. Messages that come are none. */
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

/** Milliseconds between looks at the clock, and between words to other windows. */
const LOOK = 1000;
const SELDOM = 5000;

/** Locks after `preferences.lock_after` seconds without a sign, in any window of the app. */
export function AutoLock() {
  const after = preferences.value.lock_after ?? 0;
  useEffect(() => {
    if (!after) return;
    let last = Date.now();
    let told = 0;
    let over = false;
    const others = new BroadcastChannel("heliogram-awake");
    const sign = () => {
      last = Date.now();
      if (last - told < SELDOM) return;
      told = last;
      others.postMessage("awake");
    };
    others.onmessage = () => (last = Date.now());
    // By the clock, not by a timer: a machine that slept locks as it wakes.
    const look = () => {
      if (over || Date.now() - last < after * 1000) return;
      over = true;
      void lock();
    };
    for (const one of SIGNS) addEventListener(one, sign, { capture: true, passive: true });
    document.addEventListener("visibilitychange", look);
    const timer = setInterval(look, LOOK);
    return () => {
      for (const one of SIGNS) removeEventListener(one, sign, { capture: true });
      document.removeEventListener("visibilitychange", look);
      clearInterval(timer);
      others.close();
    };
  }, [after]);
  return html``;
}
