// @ts-check
/** The second line of a conversation: who types, the draft, or what was said last. */

import { html } from "../../vendor/preact.js";
import { LineWords, lineWords } from "../chat/line.js";
import { inShort } from "../chat/names.js";
import { Icon } from "../parts/icon.js";
import { opened, typing } from "../store.js";
import { bytes, t } from "../words.js";

/** What one message is, in a line. @param {any} message */
export function gist(message) {
  if (message.line) return lineWords(message);
  const text = (message.text ?? "").replaceAll(/\s+/gu, " ").trim();
  switch (message.kind) {
    case "deleted":
      return t("gist deleted");
    case "unknown":
      return t("gist unreadable");
    case "poll":
      return t("gist poll", { text: message.poll?.question ?? text });
    case "location":
      return t("gist location");
  }
  // Marks of Markdown are for where it is drawn.
  if (text) return message.markdown ? inShort(message, t) : text;
  const files = message.files ?? [];
  if (files.length > 1) return t("gist files", { n: files.length });
  const [file] = files;
  if (!file) return "";
  if (file.duration !== undefined && file.duration !== null) return t("gist voice");
  if (file.content_type.startsWith("image/")) return t("gist picture");
  if (file.content_type.startsWith("video/")) return t("gist video");
  return `${file.name} (${bytes(file.size)})`;
}

/** Icon and words for where a message of ours stands. @type {Record<string, [string, string]>} */
const STATES = {
  queued: ["clock", "state queued"],
  stored: ["check", "state stored"],
  delivered: ["checks", "state delivered"],
  read: ["checks", "state read"],
  failed: ["warning", "state failed"],
};

/** Where the last message stands, if it is ours. @param {{ message: any }} props */
export function Tick({ message }) {
  const found = message?.mine && message.kind !== "line" && STATES[message.state ?? "received"];
  if (!found) return html``;
  return html`<span class=${`tick ${message.state}`}><${Icon} name=${found[0]} size=${16} label=${t(found[1])} /></span>`;
}

/** @param {{ chat: any }} props */
export function Last({ chat }) {
  const now = (typing.value.get(chat.id) ?? []).filter((one) => one.until > Date.now());
  if (now.length) {
    const names = chat.kind === "direct" ? t("types") : now.length > 1 ? t("several type", { n: now.length }) : t("one types", { name: now[0].who.name });
    return html`<span class="row-last types">${names}</span>`;
  }
  if (chat.draft && opened.value !== chat.id)
    return html`<span class="row-last"><span class="wrong">${t("draft")}</span> <bdi>${chat.draft.slice(0, 200)}</bdi></span>`;
  const { last } = chat;
  if (!last) return html`<span class="row-last">${chat.phase === "opening" ? t("opening") : ""}</span>`;
  const sender = chat.kind === "group" && !last.line && (last.mine ? t("you said") : last.sender?.name);
  return html`<span class="row-last">${sender && html`<bdi class="row-sender">${sender}:</bdi>`} ${last.line ? html`<${LineWords} message=${last} />` : html`<bdi>${gist(last).slice(0, 200)}</bdi>`}</span>`;
}
