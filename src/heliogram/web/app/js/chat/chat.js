// @ts-check
/** The conversation that is open: head, history, composer. */

import { html } from "../../vendor/preact.js";
import { Composer } from "../compose/composer.js";
import { chat, openChat } from "../store.js";
import { IconButton } from "../parts/icon.js";
import { t } from "../words.js";
import { History } from "./view.js";

export function Chat() {
  const shown = chat.value;
  if (!shown) return html`<main class="chat empty"><p>${t("choose a chat")}</p></main>`;
  return html`<main class="chat" aria-label=${shown.name}>
    <header class="chat-head">
      <${IconButton} class="narrow-only" name="back" label=${t("back")} onClick=${() => openChat(null)} />
      <h1><bdi>${shown.name}</bdi></h1>
    </header>
    <${History} key=${shown.id} chat=${shown} />
    <${Composer} key=${`composer ${shown.id}`} chat=${shown} />
  </main>`;
}
