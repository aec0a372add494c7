// @ts-check
/** A voice note, or another sound. */

import { html } from "../../vendor/preact.js";
import { Icon, IconButton } from "../parts/icon.js";
import { bytes, minutes, t } from "../words.js";
import { isHere, moving, save } from "./keep.js";
import { faster, play, seek, soundKey, sounding, speed } from "./player.js";
import { Progress } from "./progress.js";

/** @param {any} props */
export function Voice({ message, file }) {
  const now = sounding.value?.key === soundKey(message, file) ? sounding.value : null;
  const duration = now?.duration || file.duration || 0;
  const share = duration && now ? Math.min(1, now.time / duration) : 0;
  const coming = moving(message, file);
  const dead = file.state === "gone" || file.state === "refused";
  const bars = Math.round(Math.min(44, Math.max(14, 12 + 2.5 * Math.sqrt(duration) * 2)));
  return html`<div class="voice">
    <button type="button" class="card-icon" disabled=${dead} aria-label=${t(now?.playing ? "pause" : "play")} onClick=${() => void play(message, file)}>
      ${coming !== null && !isHere(file) ? html`<${Progress} share=${coming} />` : html`<${Icon} name=${now?.playing ? "pause" : "play"} />`}
    </button>
    <div class="voice-words">
      ${file.duration == null && html`<b dir="auto">${file.name}</b>`}
      <div class="voice-bars" style=${{ "--n": bars }}>
        ${Array.from({ length: bars }, (_, at) => html`<i data-on=${at / bars < share} style=${{ "--high": height(message.number, at) }}></i>`)}
        <input
          type="range"
          min="0"
          max="1000"
          value=${Math.round(share * 1000)}
          disabled=${!now}
          aria-label=${t("place in sound")}
          aria-valuetext=${minutes(now?.time ?? 0)}
          onInput=${(/** @type {any} */ event) => seek(event.target.value / 1000)}
        />
      </div>
      <span class="quiet">${dead ? t(`file ${file.state}`) : now ? `${minutes(now.time)} / ${minutes(duration)}` : duration ? minutes(duration) : bytes(file.size)}</span>
    </div>
    ${now && html`<button type="button" class="plain speed" aria-label=${t("speed", { n: String(speed.value) })} onClick=${faster}>${speed.value}×</button>`}
    ${file.duration == null && html`<${IconButton} name="download" size=${18} label=${t("save")} onClick=${() => void save(message, file)} />`}
  </div>`;
}

/** A calm pattern, the same for a message each time: the sound itself is not read for it. @param {number} seed @param {number} at */
const height = (seed, at) => 0.45 + 0.35 * Math.abs(Math.sin(at * 0.9 + (seed % 17)) * Math.cos(at * 0.37 + (seed % 5)));
