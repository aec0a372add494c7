// @ts-check
/** What can be done with messages. */

import { ChooseChat } from "../compose/forward.js";
import { openMenu } from "../parts/menu.js";
import { Confirm } from "../parts/dialog.js";
import { ask, chat, chats, openChat, openDialog, opened, tell, toast } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { About } from "./about.js";
import { again } from "./again.js";
import { editing, replyTo, selected, shownHistory } from "./context.js";
import { copy } from "./copy.js";
import { Pick } from "./pick.js";
import { Who } from "./reactions.js";

/** Whether something can be said in a conversation. @param {any} one */
export const canSay = (one) => !!one && one.phase !== "dead" && one.phase !== "out";

/** The composer takes the keyboard. */
const write = () => setTimeout(() => /** @type {HTMLElement | null} */ (document.querySelector(".composer textarea"))?.focus());

/** @param {any} message */
export function answer(message) {
  editing.value = null;
  replyTo.value = message;
  write();
}

/** Change a message of ours: its whole text. @param {any} message */
export async function edit(message) {
  const whole = message.cut ? await ask("message", { message: message.id }) : message;
  if (opened.value !== message.chat) return;
  replyTo.value = null;
  editing.value = whole;
  write();
}

/** @param {any} message */
export const canEdit = (message) => !!message?.mine && !!message.id && (message.kind === "text" || (message.kind === "file" && !!message.text));

/** @param {number} number */
export function toggle(number) {
  const all = new Set(selected.value);
  if (!all.delete(number) && all.size < 100) all.add(number);
  selected.value = all;
}

/** Those that are selected and loaded, in their order. */
export const chosen = () =>
  [...selected.value].map((number) => shownHistory.value?.get(number)).filter(Boolean).sort((a, b) => a.time - b.time || a.number - b.number);

/** The texts of messages, together. @param {any[]} all */
export async function copyTexts(all) {
  const whole = await Promise.all(all.map((one) => (one.cut ? call("message", { message: one.id }).catch(() => one) : one)));
  const text = whole.length === 1 ? whole[0].text : whole.map((one) => `${one.mine ? t("you said") : (one.sender?.name ?? "")}:\n${one.text}`).join("\n\n");
  await copy(text);
  toast(t("copied"));
}

/** Take messages away, here or from all. @param {any[]} all */
export function remove(all) {
  const named = all.filter((one) => one.id);
  const forAll = named.length > 0 && named.every((one) => one.mine && one.kind !== "deleted" && one.state !== "failed") && canSay(chats.value.get(named[0].chat));
  const run = (/** @type {boolean} */ here) => {
    selected.value = new Set();
    for (const one of named) tell("delete", { message: one.id, only_here: here });
  };
  openDialog(Confirm, {
    title: t("delete messages", { n: named.length }),
    text: t(forAll ? "delete all text" : "delete here text", { n: named.length }),
    yes: t(forAll ? "delete for all" : "delete here"),
    danger: true,
    run: () => run(!forAll),
  });
}

/** Only from this machine. @param {any} message */
function removeHere(message) {
  openDialog(Confirm, {
    title: t("delete messages", { n: 1 }),
    text: t("delete here text", { n: 1 }),
    yes: t("delete here"),
    danger: true,
    run: () => tell("delete", { message: message.id, only_here: true }),
  });
}

/** @param {any[]} all */
export function forward(all) {
  const messages = all.filter((one) => one.id && one.kind !== "deleted").map((one) => one.id);
  const run = async (/** @type {string} */ chat) => {
    // What was refused was said already, and stays selected.
    await ask("forward", { messages, chat }).then(() => {
      selected.value = new Set();
      openChat(chat);
    }, () => {});
  };
  openDialog(ChooseChat, { title: t("forward messages", { n: messages.length }), run });
}

/** @param {MouseEvent | KeyboardEvent} _ @param {any} message */
export const pickEmoji = (_, message) => openDialog(Pick, { message });

/** @param {MouseEvent | KeyboardEvent} event @param {any} message */
export function messageMenu(event, message) {
  // Text that is selected in it, or a link: the browser's own menu knows more.
  if (event.type === "contextmenu" && getSelection()?.toString()) return;
  const here = chat.value;
  const failed = message.state === "failed";
  // What nobody has, nobody can answer.
  const says = canSay(here) && !!message.id && !failed;
  const known = message.kind !== "deleted" && message.kind !== "unknown";
  openMenu(event, [
    failed && (canSay(here) || here?.successor) && { label: t("send again"), icon: "send", run: () => again(message) },
    says && known && { label: t("reply"), icon: "reply", run: () => answer(message) },
    says && known && { label: t("react"), icon: "smile", run: () => pickEmoji(event, message) },
    says && canEdit(message) && { label: t("edit"), icon: "edit", run: () => void edit(message) },
    !!message.text && known && { label: t("copy text"), icon: "copy", run: () => void copyTexts([message]) },
    says && known && { label: t(message.pinned ? "unpin" : "pin"), icon: "pin", run: () => tell("pin", { message: message.id, pinned: !message.pinned }) },
    !!message.id && known && { label: t("forward"), icon: "forward", run: () => forward([message]) },
    !!message.id && { label: t("select"), icon: "check", run: () => toggle(message.number) },
    message.reactions?.length > 0 && { label: t("who reacted"), icon: "people", run: () => openDialog(Who, { message }) },
    !!message.id && { label: t("about message"), icon: "eye", run: () => openDialog(About, { message }) },
    says && message.mine && message.kind !== "deleted" && { label: t("delete for all"), icon: "trash", danger: true, run: () => remove([message]) },
    !!message.id && { label: t("delete here"), icon: "trash", danger: true, run: () => removeHere(message) },
  ]);
}
