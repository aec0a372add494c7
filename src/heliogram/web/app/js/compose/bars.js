// @ts-check
/** Over the field: what is answered, or changed. Escape lets go of it. */

import { html, useLayoutEffect } from "../../vendor/preact.js";
import { editing, replyTo } from "../chat/context.js";
import { Icon, IconButton } from "../parts/icon.js";
import { dialogs, openChat } from "../store.js";
import { t } from "../words.js";
import { plain } from "./mentions.js";

/** A message in a few words. @param {any} message */
export function gist(message) {
  if (message.text) return plain(message.text);
  const [file] = message.files ?? [];
  if (!file) return t("message");
  return file.duration === undefined || file.duration === null ? file.name : t("voice message");
}

export function Bars() {
  const message = editing.value ?? replyTo.value;
  useLayoutEffect(() => {
    if (!message) return;
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || dialogs.value.length) return;
      event.preventDefault();
      if (editing.value) editing.value = null;
      else replyTo.value = null;
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [message]);
  if (!message) return html``;
  const changed = message === editing.value;
  return html`<div class="composer-bar">
    <${Icon} name=${changed ? "edit" : "reply"} />
    <button type="button" class="bar-what" onClick=${() => openChat(message.chat, message.number)}>
      <b>${changed ? t("editing message") : t("reply to", { name: message.mine ? t("yourself") : (message.sender?.name ?? "") })}</b>
      <bdi>${gist(message)}</bdi>
    </button>
    <${IconButton} name="close" label=${changed ? t("stop editing") : t("no reply")} onClick=${() => (changed ? (editing.value = null) : (replyTo.value = null))} />
  </div>`;
}
