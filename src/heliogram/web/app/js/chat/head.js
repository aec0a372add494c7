// @ts-check
/** The head of a conversation: who it is, how it is protected, where it lies. */

import { html, signal } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Icon, IconButton } from "../parts/icon.js";
import { openMenu } from "../parts/menu.js";
import { openChat, openDialog, panel, typing } from "../store.js";
import { chatName, t } from "../words.js";
import { Calendar } from "./calendar.js";
import { info } from "./info.js";
import { relayWords, relaysUp } from "./relays.js";
import { Protection } from "./protection.js";
import { WithWarning } from "./person.js";

/** Whether the search of this conversation is open. */
export const searching = signal(false);

/** Show a panel, or close it if it is shown. @param {string} kind */
const show = (kind) => (panel.value = panel.value?.kind === kind ? null : { kind });

/** @param {{ chat: any }} props */
export function Head({ chat }) {
  const menu = (/** @type {MouseEvent} */ event) =>
    openMenu(event, [
      { label: t("chat info"), icon: "person", run: () => show("info") },
      { label: t("media"), icon: "image", run: () => show("media") },
      { label: t("pinned messages"), icon: "pin", run: () => show("pins") },
      { label: t("go to date"), icon: "calendar", run: () => openDialog(Calendar) },
      { label: t("protection"), icon: "lock", run: () => openDialog(Protection, { chat: chat.id }) },
    ]);
  return html`<header class="chat-head">
    <${IconButton} class="narrow-only" name="back" label=${t("back")} onClick=${() => openChat(null)} />
    <h1 class="visually-hidden">${chatName(chat)}</h1>
    <button type="button" class="chat-who" title=${t("info of", { name: chatName(chat) })} onClick=${() => show("info")}>
      <${Avatar} id=${chat.peer?.account ?? chat.id} name=${chat.name} kind=${chat.kind} picture=${chat.picture} size=${40} />
      <span class="chat-words">
        <b class="chat-name">${chat.peer ? html`<${WithWarning} who=${{ ...chat.peer, name: chat.name }} />` : html`<bdi>${chatName(chat)}</bdi>`}</b>
        <${Under} chat=${chat} />
      </span>
    </button>
    <${Sealed} chat=${chat} />
    <${IconButton} name="search" label=${t("search in chat")} aria-pressed=${searching.value} onClick=${() => (searching.value = !searching.value)} />
    <${IconButton} name="more" label=${t("more")} onClick=${menu} />
  </header>`;
}

/** Who types, else how many there are, and how the relays do. @param {{ chat: any }} props */
function Under({ chat }) {
  const now = (typing.value.get(chat.id) ?? []).filter((one) => one.until > Date.now());
  if (now.length)
    return html`<span class="chat-under typing">${chat.kind === "direct" ? t("types") : t("types named", { n: now.length, name: now[0].who.name })}</span>`;
  const relays = info.value?.chat.id === chat.id ? info.value.relays : null;
  return html`<span class="chat-under">
    ${chat.kind === "group" && html`${t("members count", { n: chat.members ?? 1 })} · `}${chat.phase === "opening" ? t("chat opening") : relays ? relayWords(relays) : " "}
  </span>`;
}

/** That it is sealed, and by what: the whole of it when pressed. @param {{ chat: any }} props */
function Sealed({ chat }) {
  const known = info.value?.chat.id === chat.id ? info.value : null;
  const bad = known && relaysUp(known.relays) < known.relays.length;
  const words = known ? t("sealed by", { suite: known.suite }) : t("sealed");
  return html`<button type="button" class="icon-button sealed" data-bad=${!!bad} aria-label=${words} title=${words} onClick=${() => openDialog(Protection, { chat: chat.id })}>
    <${Icon} name="lock" size=${20} />
  </button>`;
}
