// @ts-check
/** A QR code: dark on white in both looks, with the quiet zone that scanners need. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { post } from "../wire.js";
import { t } from "../words.js";

/** Light modules around, as the standard wants. */
const QUIET = 4;

/** The dark modules as one path: a run of them is one stroke of the pen. @param {string[]} rows of "0" and "1" */
export function pathOf(rows) {
  let path = "";
  rows.forEach((row, y) => {
    for (const run of row.matchAll(/1+/g)) path += `M${run.index + QUIET} ${y + QUIET}h${run[0].length}v1h-${run[0].length}z`;
  });
  return path;
}

/**
 * The QR code of a text. `label` says what it holds, for those who do not see it.
 * @param {{ text: string, label: string }} props
 */
export function Qr({ text, label }) {
  const [code, setCode] = useState(/** @type {{ size: number, rows: string[] } | null} */ (null));
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let here = true;
    setCode(null);
    setFailed(false);
    post("qr", { text }).then((found) => here && setCode(found), () => here && setFailed(true));
    return () => void (here = false);
  }, [text]);
  if (failed) return html`<p class="quiet">${t("no qr")}</p>`;
  if (!code) return html`<div class="qr" aria-busy="true"></div>`;
  const side = code.size + 2 * QUIET;
  return html`<svg class="qr" role="img" aria-label=${label} viewBox=${`0 0 ${side} ${side}`} shape-rendering="crispEdges">
    <rect width=${side} height=${side} fill="#fff" />
    <path d=${pathOf(code.rows)} fill="#000" />
  </svg>`;
}
