// @ts-check
/** All that can be set, in sections: beside each other where there is room, else one of them. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { Icon, IconButton } from "../parts/icon.js";
import { t } from "../words.js";
import { arrows } from "../people/pieces.js";
import { SECTIONS } from "./sections.js";

/** @param {{ close: () => void, titleId: string, section?: string }} props `section`: which to begin with */
export function Settings({ close, titleId, section = "" }) {
  const [chosen, setChosen] = useState(section);
  const at = SECTIONS.find((one) => one.key === (chosen || "me"));
  const View = at?.view;
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    // On a narrow screen one of the two is shown: what was pressed has gone, and the focus goes along.
    if (/** @type {HTMLElement | null} */ (document.activeElement)?.offsetParent) return;
    /** @type {HTMLElement | null | undefined} */ (place.current?.querySelector(chosen ? ".settings-back" : "[aria-current]"))?.focus();
  }, [chosen]);
  return html`<${Sheet} title=${t("settings")} titleId=${titleId} close=${close}>
    <div class="settings" ref=${place} data-shows=${chosen ? "section" : "sections"}>
      <nav aria-label=${t("settings")}>
        <ul class="p-lines" onKeyDown=${arrows}>
          ${SECTIONS.map(
            ({ key, icon }) => html`<li key=${key}>
              <button type="button" class="p-line p-line-main" data-stop data-section=${key} autofocus=${at?.key === key} aria-current=${at?.key === key ? "page" : undefined} onClick=${() => setChosen(key)}>
                <${Icon} name=${icon} size=${20} /><span class="p-grow">${t(`settings ${key}`)}</span>
              </button>
            </li>`,
          )}
        </ul>
      </nav>
      <div class="settings-section" key=${at?.key} data-section-shown=${at?.key} role="group" aria-label=${t(`settings ${at?.key}`)} tabindex=${at?.reads ? 0 : undefined}>
        <header>
          <${IconButton} class="settings-back" name="back" label=${t("back")} onClick=${() => setChosen("")} />
          <h3>${t(`settings ${at?.key}`)}</h3>
        </header>
        ${View && html`<${View} close=${close} />`}
      </div>
    </div>
  </${Sheet}>`;
}
