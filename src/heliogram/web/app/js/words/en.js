// @ts-check
/** English: the law for keys. A value is a text, or its forms by number. */

import errors from "./en/errors.js";
import chat from "./en/chat.js";
import compose from "./en/compose.js";
import groups from "./en/groups.js";
import lines from "./en/lines.js";
import list from "./en/list.js";
import people from "./en/people.js";
import settings from "./en/settings.js";
import start from "./en/start.js";

export default {
  ...start,
  ...list,
  ...lines,
  ...chat,
  ...compose,
  ...people,
  ...groups,
  ...settings,
  ...errors,

  starting: "Starting",
  close: "Close",
  cancel: "Cancel",
  dismiss: "Dismiss",
  back: "Back",
  today: "Today",
  yesterday: "Yesterday",
  bytes: "bytes",
  kB: "kB",
  MB: "MB",
  GB: "GB",
  TB: "TB",

  // The start
  welcome: "Welcome to Heliogram",
  "your name": "Your name",
  passphrase: "Passphrase",
  "create account": "Create account",
  "closed title": "This page is closed",
  "closed text": "Its link was used already, or Heliogram has stopped. Start it again, and a new page opens:",
  "unlock title": "Locked",
  unlock: "Unlock",
  unlocking: "Unlocking…",

  // Conversations
  chats: "Chats",
  "choose a chat": "Choose a chat",
  message: "Message",
  send: "Send",
};
