// @ts-check
/** What can be done with a conversation from outside of it: its menu, and the same by keys. */

import { Confirm } from "../parts/dialog.js";
import { openMenu } from "../parts/menu.js";
import { ask, folders, openChat, openDialog, opened, tell, toast } from "../store.js";
import { chatName, t } from "../words.js";
import { openFolders } from "./doors.js";

/**
 * Change what is ours of a conversation; what is shown follows by a notice.
 * @param {any} chat @param {{ pinned?: boolean, muted?: boolean, archived?: boolean }} changes
 */
const change = (chat, changes) => tell("set chat", { chat: chat.id, ...changes });

/** @param {any} chat */
export function toggleMute(chat) {
  change(chat, { muted: !chat.muted });
  toast(t(chat.muted ? "unmuted now" : "muted now", { name: chatName(chat) }));
}

/** @param {any} chat */
export function archive(chat) {
  change(chat, { archived: !chat.archived });
  if (!chat.archived)
    toast(t("archived now", { name: chatName(chat) }), {
      action: { label: t("undo"), run: () => change(chat, { archived: false }) },
    });
}

/** Put a conversation into a folder, or out of it. @param {any} chat @param {string} name */
export function putInto(chat, name) {
  const next = folders.value.map((one) => {
    if (one.name !== name) return one;
    const left = one.chats.filter((/** @type {string} */ id) => id !== chat.id);
    return { ...one, chats: left.length === one.chats.length ? [...left, chat.id] : left };
  });
  // What they are then is told to all windows, in its order.
  tell("set folders", { folders: next });
}

/** Ask, then leave. @param {any} chat */
export const leave = (chat) =>
  openDialog(Confirm, {
    title: t("leave title", { name: chatName(chat) }),
    text: t(chat.kind === "group" ? "leave text" : "leave text direct"),
    yes: t("leave"),
    danger: true,
    run: () =>
      void ask("leave", { chat: chat.id }).then(() => opened.value === chat.id && openChat(null), () => {}),
  });

/** @param {MouseEvent | KeyboardEvent} event @param {any} chat */
function folderMenu(event, chat) {
  openMenu(event, [
    ...folders.value.map((one) => ({
      label: one.name,
      icon: "folder",
      checked: one.chats.includes(chat.id),
      run: () => putInto(chat, one.name),
    })),
    { label: t("edit folders"), icon: "edit", run: () => openFolders({ first: chat.id }) },
  ]);
}

/** The menu of a conversation. @param {MouseEvent | KeyboardEvent} event @param {any} chat */
export function chatMenu(event, chat) {
  const from = event.currentTarget;
  // The second menu opens where the first one was.
  const again = /** @type {any} */ ({ preventDefault() {}, currentTarget: from, target: from });
  openMenu(event, [
    chat.unread > 0 && { label: t("mark read"), icon: "checks", run: () => tell("read", { chat: chat.id }) },
    { label: t(chat.pinned ? "unpin chat" : "pin chat"), icon: "pin", run: () => change(chat, { pinned: !chat.pinned }) },
    { label: t(chat.muted ? "unmute" : "mute chat"), icon: chat.muted ? "bell" : "mute", run: () => toggleMute(chat) },
    { label: t(chat.archived ? "unarchive" : "archive"), icon: "archive", run: () => archive(chat) },
    { label: t("to folder"), icon: "folder", run: () => folderMenu(again, chat) },
    chat.kind !== "self" && chat.phase !== "out" && { label: t("leave"), icon: "leave", danger: true, run: () => leave(chat) },
  ]);
}
