// @ts-check
/** Where an emoji is chosen: groups, words, arrows. `EmojiPicker` gets `onPick(emoji)` and `onClose()`. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact.js";
import { dialogs } from "../store.js";
import { language, t } from "../words.js";
import { GROUPS, recent, rows, search, setTone, tinted, tone, used } from "./emoji-data.js";

/** @param {{ onPick: (emoji: string) => void, onClose: () => void }} props */
export function EmojiPicker({ onPick, onClose }) {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const [all, setAll] = useState(/** @type {import("./emoji-data.js").Row[] | null} */ (null));
  const [query, setQuery] = useState("");
  // Those used last stand still while one chooses.
  const [last] = useState(recent.value);
  useEffect(() => {
    let here = true;
    rows().then((found) => here && setAll(found), () => here && setAll([]));
    return () => void (here = false);
  }, [language.value]);
  useLayoutEffect(() => {
    // A keyboard on the screen would hide what there is to choose.
    if (matchMedia("(pointer: fine)").matches) ref.current?.querySelector("input")?.focus();
    /** @param {PointerEvent} event */
    const outside = (event) => {
      const at = /** @type {Element} */ (event.target);
      if (!ref.current?.contains(at) && !at.closest?.("[aria-haspopup=dialog]")) onClose();
    };
    /** @param {KeyboardEvent} event */
    const escape = (event) => {
      // In a dialog, Escape is for that.
      if (event.key !== "Escape" || event.defaultPrevented || dialogs.value.length) return;
      event.preventDefault();
      onClose();
    };
    addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape);
    return () => {
      removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", escape);
    };
  }, []);

  /** @param {string} emoji */
  const pick = (emoji) => {
    used(emoji);
    onPick(emoji);
  };
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    if (event.key === "Enter" && event.target instanceof HTMLInputElement) first()?.click();
    else if (!event.key.startsWith("Arrow") || !move(/** @type {HTMLElement} */ (ref.current), event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const first = () => ref.current?.querySelector(/** @type {"button"} */ (".emoji-grid button"));
  const found = query && all ? search(all, query, 120) : null;

  return html`<div ref=${ref} class="emoji-picker" role="dialog" aria-label=${t("emoji")} onKeyDown=${pressed}>
    <div class="emoji-head">
      <input type="search" aria-label=${t("find emoji")} placeholder=${t("find emoji")} value=${query}
        onInput=${(/** @type {any} */ e) => setQuery(e.target.value)} />
      <${Tones} />
    </div>
    <div class="emoji-groups" role="toolbar" aria-label=${t("emoji groups")}>
      ${GROUPS.map(
        ({ id, name, sign }) => html`<button type="button" aria-label=${t(name)} title=${t(name)}
          onClick=${() => (setQuery(""), requestAnimationFrame(() => ref.current?.querySelector(`[data-group="${id}"]`)?.scrollIntoView({ block: "start" })))}
          >${sign}</button>`,
      )}
    </div>
    <div class="emoji-all" aria-busy=${!all}>
      ${found
        ? html`<${Group} name=${t("emoji found")} all=${found} onPick=${pick} />
            ${!found.length && html`<p class="quiet" role="status">${t("no emoji found")}</p>`}`
        : html`${last.length > 0 && html`<${Group} name=${t("emoji recent")} all=${last} onPick=${pick} />`}
            ${(all ? GROUPS : []).map(
              ({ id, name }) => html`<${Group} key=${id} id=${id} name=${t(name)} onPick=${pick}
                all=${(all ?? []).filter((one) => one[1] === id).map((one) => one[0])} />`,
            )}`}
    </div>
  </div>`;
}

/** @param {any} props */
function Group({ id, name, all, onPick }) {
  return html`<section data-group=${id} aria-label=${name}>
    <h3>${name}</h3>
    <div class="emoji-grid">
      ${all.map((/** @type {string} */ one) => {
        const shown = tinted(one);
        return html`<button type="button" key=${one} onClick=${() => onPick(shown)}>${shown}</button>`;
      })}
    </div>
  </section>`;
}

function Tones() {
  const [open, setOpen] = useState(false);
  const hand = (/** @type {number} */ one) => tinted("✋", one);
  if (!open)
    return html`<button type="button" class="emoji-tone" aria-expanded="false" aria-label=${t("skin tone")} title=${t("skin tone")}
      onClick=${() => setOpen(true)}>${hand(tone.value)}</button>`;
  return html`<span class="emoji-tones" role="group" aria-label=${t("skin tone")}>
    ${[0, 1, 2, 3, 4, 5].map(
      (one) => html`<button type="button" class="emoji-tone" aria-pressed=${one === tone.value} aria-label=${hand(one)}
        onClick=${() => (setTone(one), setOpen(false))}>${hand(one)}</button>`,
    )}
  </span>`;
}

/**
 * Go to the next one in a direction. Gives whether there is a way.
 * @param {HTMLElement} place @param {string} key
 */
function move(place, key) {
  const all = [.../** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll(".emoji-grid button"))];
  const here = /** @type {HTMLElement} */ (document.activeElement);
  const at = all.indexOf(here);
  if (at < 0) {
    if (key !== "ArrowDown") return false;
    all[0]?.focus();
    return true;
  }
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const on = (key === "ArrowRight") === (getComputedStyle(place).direction === "ltr");
    all[at + (on ? 1 : -1)]?.focus();
    return true;
  }
  const down = key === "ArrowDown";
  const box = (/** @type {HTMLElement} */ one) => one.getBoundingClientRect();
  const from = box(here);
  /** @type {HTMLElement | undefined} */
  let best;
  let top = from.top;
  for (const one of down ? all.slice(at + 1) : all.slice(0, at).reverse()) {
    const { top: row, left } = box(one);
    if (Math.abs(row - from.top) < 2) continue;
    if (best && Math.abs(row - top) >= 2) break;
    top = row;
    if (!best || Math.abs(left - from.left) < Math.abs(box(best).left - from.left)) best = one;
  }
  if (best) best.focus();
  else if (!down) place.querySelector("input")?.focus();
  return true;
}
