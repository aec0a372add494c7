// @ts-check
/** How the relays of a conversation do, in plain words. */

import { t } from "../words.js";

/** @param {any[]} relays */
export const relaysUp = (relays) => relays.filter((one) => one.state === "up" || one.state === "behind" || one.state === "unknown").length;

/** In one line. @param {any[]} relays */
export function relayWords(relays) {
  const up = relaysUp(relays);
  if (up === relays.length) return t("relays all up", { n: relays.length });
  return t("relays down", { n: relays.length - up, of: relays.length });
}

/** What follows from how they are. @param {any} info as in `ChatInfo` */
export function relayMeaning({ relays, quorum }) {
  const up = relaysUp(relays);
  if (up === relays.length) return t("relays meaning up", { n: relays.length, quorum });
  if (up >= quorum) return t("relays meaning some", { up, n: relays.length, quorum });
  return t("relays meaning few", { up, n: relays.length, quorum });
}
