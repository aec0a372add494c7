// @ts-check
/** Files of messages: whether they can be shown, and how their bytes come here. */

import { useEffect, useState } from "../../vendor/preact.js";
import { ask, attachment, contacts, toast, transfers } from "../store.js";
import { t } from "../words.js";

/** What a browser may draw or play; anything else is a card. */
const SHOWN = {
  picture: new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"]),
  video: new Set(["video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-matroska"]),
  sound: new Set(["audio/mpeg", "audio/ogg", "audio/webm", "audio/wav", "audio/x-wav", "audio/mp4", "audio/aac", "audio/flac", "audio/opus", "audio/x-m4a"]),
};
/** Pictures up to this come by themselves. */
const ITSELF = 2_000_000;

/** "picture", "video", "voice", "sound" or "card". @param {any} file */
export function kindOf(file) {
  if (file.doubt) return "card";
  const type = file.content_type.split(";")[0].trim().toLowerCase();
  if (SHOWN.picture.has(type)) return file.inline ? "picture" : "card";
  if (SHOWN.video.has(type)) return "video";
  if (SHOWN.sound.has(type)) return file.duration != null ? "voice" : "sound";
  return "card";
}

/** @param {any} file */
export const isHere = (file) => file.state === "kept" || file.state === "here" || file.state === "sending";

/** Whether a picture is fetched unasked: from ourselves and from people who were let in. What is "remote", and who is "known", does not say so. @param {any} message @param {any} file */
export const itself = (message, file) =>
  (file.state ?? "remote") === "remote" &&
  file.size <= ITSELF &&
  (message.mine || contacts.value.some((one) => one.who.account === message.sender?.account && (one.state ?? "known") === "known" && !one.blocked));

/** Files that were asked for, so that each is once. @type {Set<string>} */
const asked = new Set();

/** Fetch a file to be shown here; it stays sealed. @param {any} message @param {any} file */
export function keep(message, file) {
  const key = `${message.id}/${file.index}`;
  if (asked.has(key)) return;
  asked.add(key);
  ask("keep file", { message: message.id, index: file.index }).catch(() => {}).finally(() => setTimeout(() => asked.delete(key), 3000));
}

/** Save a file where downloads go, and say where. @param {any} message @param {any} file */
export async function save(message, file) {
  await ask("get file", { message: message.id, index: file.index }).catch(() => {});
  toast(t("saving", { name: file.name }));
}

/** How much of a file is through, from 0 to 1; null if it does not move. @param {any} message @param {any} file */
export function moving(message, file) {
  const one = transfers.value.get(`${message.id}/${file.index}`);
  if (one && (one.state === "waiting" || one.state === "running")) return one.size ? one.done / one.size : 0;
  return file.state === "downloading" || file.state === "sending" ? (file.size ? (file.done ?? 0) / file.size : 0) : null;
}

/**
 * Where a file can be seen, once it is here; "" until then.
 * @param {any} message @param {any} file @param {boolean} thumbnail @param {boolean} [wanted]
 */
export function useUrl(message, file, thumbnail, wanted = true) {
  const [url, setUrl] = useState("");
  const ready = wanted && !!message.id && (thumbnail ? !!file.thumbnail : isHere(file));
  useEffect(() => {
    if (!ready) return;
    let here = true;
    attachment({ message: message.id, index: file.index, thumbnail, download: false }).then((found) => here && setUrl(found.url), () => {});
    return () => void (here = false);
  }, [message.id, file.index, ready]);
  return url;
}
