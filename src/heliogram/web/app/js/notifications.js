// @ts-check
/** Tells of new messages while the app is not looked at. */

import { html } from "../vendor/preact.js";

export function Notifications() {
  return html``;
}
