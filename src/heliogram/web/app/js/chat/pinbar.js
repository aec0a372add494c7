// @ts-check
/** What is pinned, over the history: one at a time, the next with each press. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Icon, IconButton } from "../parts/icon.js";
import { newest } from "../newest.js";
import { on, panel } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { go } from "./jump.js";
import { inShort } from "./names.js";

/** What is pinned in a conversation, kept as it changes. @param {string} chat @returns {any[] | null} */
export function usePins(chat) {
  const [pins, setPins] = useState(/** @type {any[] | null} */ (null));
  // Which messages they are; null while that is asked: then any may be one.
  const known = useRef(/** @type {Set<number> | null} */ (null));
  useEffect(() => {
    let here = true;
    /** @type {any} */
    let waiting = 0;
    const load = newest(async () => {
      waiting = 0;
      known.current = null;
      const found = await call("pins", { chat }).catch(() => []);
      if (!here) return;
      known.current = new Set(found.map((/** @type {any} */ one) => one.number));
      setPins(found);
    });
    const heard = (/** @type {any} */ notice) => {
      const { message } = notice;
      if ((message?.chat ?? notice.chat) !== chat || waiting) return;
      if (message?.pinned || message?.line || (known.current?.has(message?.number ?? notice.number) ?? true)) waiting = setTimeout(load, 100);
    };
    void load();
    const ends = [
      ...["message added", "message changed", "message gone"].map((event) => on(event, heard)),
      on("reconnected", () => void load()),
    ];
    return () => {
      here = false;
      clearTimeout(waiting);
      ends.forEach((end) => end());
    };
  }, [chat]);
  return pins;
}

/** @param {{ chat: any }} props */
export function PinBar({ chat }) {
  const pins = usePins(chat.id);
  const [at, setAt] = useState(0);
  if (!pins?.length) return html``;
  const shown = pins[at % pins.length];
  return html`<div class="pinbar">
    <button
      type="button"
      onClick=${() => {
        void go({ number: shown.number });
        setAt((at + 1) % pins.length);
      }}
    >
      <${Icon} name="pin" size=${18} />
      <span class="pinbar-words"><b>${pins.length > 1 ? t("pinned n", { n: pins.length - (at % pins.length), of: pins.length }) : t("pinned")}</b> <span dir="auto">${inShort(shown, t)}</span></span>
    </button>
    <${IconButton} name="menu" size=${18} label=${t("pinned messages")} onClick=${() => (panel.value = panel.value?.kind === "pins" ? null : { kind: "pins" })} />
  </div>`;
}
