// @ts-check
/** A name, with what is to be known of it. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { sentence, t } from "../words.js";

/** @param {{ who: any }} props */
export function WithWarning({ who }) {
  return html`<bdi>${who.name}</bdi>
    ${who.verified && html`<${Icon} name="verified" size=${14} label=${t("verified")} />`}
    ${who.warnings?.length > 0 &&
    html`<span class="wrong" title=${who.warnings.map(sentence).join(" ")}><${Icon} name="warning" size=${14} label=${who.warnings.map(sentence).join(" ")} /></span>`}`;
}
