// @ts-check
/** The panel at the end side: what `store.panel` says. */

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Media } from "../chat/media.js";
import { Pins } from "../chat/pins.js";
import { IconButton } from "../parts/icon.js";
import { chat, chats, panel } from "../store.js";
import { t } from "../words.js";
import { Info } from "./info.js";
import { Person } from "./person.js";

/** What it can show, by kind. @type {Record<string, { title: string, view: any }>} */
const VIEWS = {
  info: { title: "about chat", view: Info },
  media: { title: "media", view: Media },
  pins: { title: "pinned messages", view: Pins },
  person: { title: "about person", view: Person },
};

export function Panel() {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const { kind, ...props } = panel.value ?? {};
  const shown = chats.value.get(props.chat ?? "") ?? chat.value;
  const at = VIEWS[kind];
  useEffect(() => ref.current?.focus(), [kind, props.account]);
  if (!at || !shown) return html``;
  const title = t(at.title);
  return html`<aside class="panel" aria-label=${title} tabindex="-1" ref=${ref} data-kind=${kind}>
    <header class="panel-head">
      ${props.back
        ? html`<${IconButton} name="back" label=${t("back")} onClick=${() => (panel.value = props.back)} />`
        : html`<${IconButton} name="back" class="narrow-only" label=${t("back")} onClick=${() => (panel.value = null)} />`}
      <h2>${title}</h2>
      <${IconButton} name="close" label=${t("close")} onClick=${() => (panel.value = null)} />
    </header>
    <div class="panel-body"><${at.view} key=${`${kind} ${shown.id} ${props.account ?? ""}`} chat=${shown} ...${props} /></div>
  </aside>`;
}
