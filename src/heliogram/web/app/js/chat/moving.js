// @ts-check
/** The keyboard in a history: arrows go from message to message, Enter opens what can be done. */

import { selected } from "./context.js";
import { answer, messageMenu, toggle } from "./actions.js";

/** @param {KeyboardEvent} event @param {import("./history.js").History} history @param {import("./scroller.js").Scroller} scroller */
export function pressed(event, history, scroller) {
  const target = /** @type {HTMLElement} */ (event.target);
  const own = target.matches("[data-message]");
  const box = target.matches(".history");
  if ((!own && !box) || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === "Escape" && !box) back(event, scroller);
    return;
  }
  const number = own ? Number(target.dataset.message) : 0;
  const message = history.get(number);
  switch (event.key) {
    case "ArrowUp":
    case "ArrowDown": {
      const step = event.key === "ArrowUp" ? -1 : 1;
      const from = own ? history.position(number) : step < 0 ? scroller.seen[1] + 1 : scroller.seen[0] - 1;
      focus(from + step, history, scroller, step);
      break;
    }
    case "Home":
      scroller.to(0, 0);
      focus(0, history, scroller, -1);
      break;
    case "End":
      scroller.toEnd();
      focus(history.count - 1, history, scroller, 1);
      break;
    case "PageUp":
    case "PageDown":
      scroller.by((event.key === "PageUp" ? -0.85 : 0.85) * scroller.high);
      break;
    case "Enter":
      if (!message) return;
      if (selected.value.size) toggle(number);
      else messageMenu(/** @type {any} */ ({ type: event.type, currentTarget: target, preventDefault: () => event.preventDefault() }), message);
      break;
    case " ":
      if (!message?.id) return;
      toggle(number);
      break;
    case "r":
      if (!message?.id) return;
      answer(message);
      break;
    case "Escape":
      if (!own && !selected.value.size) return;
      back(event, scroller);
      return;
    default:
      return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** Out of a message, or of selecting. @param {KeyboardEvent} event @param {import("./scroller.js").Scroller} scroller */
function back(event, scroller) {
  event.preventDefault();
  event.stopPropagation();
  if (selected.value.size) selected.value = new Set();
  else scroller.box?.focus({ preventScroll: true });
}

/** @param {number} position @param {import("./history.js").History} history @param {import("./scroller.js").Scroller} scroller @param {number} step */
function focus(position, history, scroller, step) {
  if (position < 0 || position >= history.count) {
    if (step > 0) /** @type {HTMLElement | null} */ (document.querySelector(".composer textarea"))?.focus();
    return;
  }
  const number = history.at(position)?.number;
  if (number === undefined) return scroller.by(step * 0.5 * scroller.high);
  const find = () => /** @type {HTMLElement | null} */ (scroller.rows?.querySelector(`[data-message="${number}"]`));
  const show = () => {
    const node = find();
    if (!node || !scroller.box) return;
    node.focus({ preventScroll: true });
    const [row, frame] = [node.getBoundingClientRect(), scroller.box.getBoundingClientRect()];
    if (row.top < frame.top + 8) scroller.by(row.top - frame.top - 8);
    else if (row.bottom > frame.bottom - 8) scroller.by(Math.min(row.bottom - frame.bottom + 8, row.top - frame.top - 8));
  };
  if (find()) show();
  else requestAnimationFrame(() => requestAnimationFrame(show));
}
