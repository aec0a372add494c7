// @ts-check
/** Going to a message, wherever it is. */

import { toast } from "../store.js";
import { t } from "../words.js";
import { shownHistory, shownScroller } from "./context.js";
import { mark } from "./marked.js";

/**
 * Go to a message or a time, wherever it is.
 * @param {import("./history.js").History} history @param {import("./scroller.js").Scroller} scroller @param {{ number?: number, message?: string, time?: number }} where
 */
export async function jump(history, scroller, where) {
  const known = where.number ?? (where.message && history.ids.get(where.message)?.number);
  let position = known ? history.position(known) : -1;
  let number = known || 0;
  if (position < 0) {
    try {
      const place = await history.locate(where);
      position = place.position;
      number = place.number ?? 0;
    } catch {
      return false;
    }
  }
  scroller.to(Math.min(position, history.count - 1), where.time === undefined ? undefined : 8);
  if (number && where.time === undefined) mark(number);
  return true;
}

/** Go to one in the conversation that is shown; says so if it is not here any more. @param {{ number?: number, message?: string, time?: number }} where */
export async function go(where) {
  const [history, scroller] = [shownHistory.value, shownScroller.value];
  if (history && scroller && !(await jump(history, scroller, where))) toast(t("not here any more"));
}
