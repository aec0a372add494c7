// @ts-check
/** How far something has come: a ring that closes. */

import { html } from "../../vendor/preact.js";

/** @param {{ share: number }} props `share` of the whole, from 0 to 1 */
export function Progress({ share }) {
  const around = 2 * Math.PI * 9;
  const n = Math.round(share * 100);
  return html`<svg class="progress" width="24" height="24" viewBox="0 0 24 24" role="img" aria-label=${`${n} %`}>
    <circle cx="12" cy="12" r="9" opacity="0.3" />
    <circle cx="12" cy="12" r="9" stroke-dasharray=${`${around * Math.min(1, Math.max(0.03, share))} ${around}`} transform="rotate(-90 12 12)" />
  </svg>`;
}
