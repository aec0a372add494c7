// @ts-check
/** What is wrong with the way out, in plain words; nothing while all is well. */

import { computed, html, useEffect, useState } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { connected, on, refreshStatus, status } from "../store.js";
import { t } from "../words.js";
import { openSettings } from "./doors.js";

/** States in which a relay is of no use now; of the others it is not known, or it is up. */
const AWAY = new Set(["unreachable", "untrusted", "gone", "wrong key", "misbehaving", "fenced"]);

/** What there is to say: { words, kind: "bad" | "quiet", settings }. */
export const trouble = computed(() => {
  if (!connected.value) return { words: t("no node now"), kind: "bad", settings: false };
  const now = status.value;
  if (!now) return null;
  const { relays } = now;
  if (!relays.length) return { words: t("no relay yet"), kind: "bad", settings: true };
  const bad = relays.find((/** @type {any} */ one) => one.state === "misbehaving" || one.state === "wrong key");
  if (bad) return { words: t("relay bad", { name: bad.relay.name }), kind: "bad", settings: true };
  const away = relays.filter((/** @type {any} */ one) => AWAY.has(one.state));
  if (away.length === relays.length) return { words: t(now.proxy ? "offline proxy" : "offline"), kind: "bad", settings: true };
  if (away.length) return { words: t("relays away", { n: away.length, all: relays.length }), kind: "quiet", settings: true };
  return null;
});

/** Milliseconds that a trouble must last to be told: most are over by then. */
const LASTS = 1500;

export function Trouble() {
  const [shown, setShown] = useState(/** @type {any} */ (null));
  useEffect(() => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let soon;
    const again = () => {
      clearTimeout(soon);
      soon = setTimeout(() => void refreshStatus().catch(() => {}), 300);
    };
    const ends = [on("relay changed", again), on("reconnected", again)];
    return () => {
      clearTimeout(soon);
      ends.forEach((end) => end());
    };
  }, []);
  const now = trouble.value;
  useEffect(() => {
    if (!now) return setShown(null);
    if (shown) return setShown(now);
    const later = setTimeout(() => setShown(trouble.value), LASTS);
    return () => clearTimeout(later);
  }, [now?.words]);
  return html`<div class="trouble-place" role="status">
    ${shown && html`<p class=${`trouble ${shown.kind}`}>
      <${Icon} name=${shown.kind === "bad" ? "warning" : "relay"} size=${18} />
      <span>${shown.words}</span>
      ${shown.settings && html`<button type="button" class="plain" onClick=${() => openSettings({ section: "relays" })}>${t("look")}</button>`}
    </p>`}
  </div>`;
}
