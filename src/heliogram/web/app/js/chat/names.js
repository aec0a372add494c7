// @ts-check
/** Small things about names and texts. */

import { tree } from "./markdown.js";

/** The colour of an account, as a hue. @param {string} account hexadecimal */
export const colour = (account) => parseInt(account.slice(0, 6) || "0", 16) % 360;

const EMOJI = /^(?:\p{RGI_Emoji}\s*){1,5}$/v;
const ONE = /\p{RGI_Emoji}/gv;

/** How many emoji a text is, if it is nothing else and not many. @param {string} text */
export const onlyEmoji = (text) => (text && text.length <= 80 && EMOJI.test(text.trim()) ? (text.match(ONE)?.length ?? 0) : 0);

/** The letters of a tree. @param {import("./markdown.js").Node[]} nodes @returns {string} */
const words = (nodes) => nodes.map((one) => one.text ?? words(one.children ?? []) + (one.type === "paragraph" ? " " : "")).join("");

/** What somebody would see of a message in one line. @param {any} message @param {(key: string) => string} t */
export function inShort(message, t) {
  if (!message) return "";
  if (message.kind === "deleted") return t("deleted");
  if (message.kind === "poll") return message.poll?.question ?? message.text;
  if (message.kind === "location") return t("location");
  if (message.text) return (message.markdown ? words(tree(message.text.slice(0, 300))) : message.text).slice(0, 200).replace(/\s+/gu, " ");
  const [file] = message.files ?? [];
  if (!file) return t("message");
  if (file.duration != null) return t("voice message");
  return file.inline ? t("picture") : file.name;
}
