// @ts-check
/** What sounds: one thing at a time, which goes on while its message is scrolled away. */

import { signal } from "../../vendor/preact.js";
import { attachment, on, opened } from "../store.js";
import { shownHistory } from "./context.js";
import { isHere, keep, kindOf } from "./keep.js";

export const SPEEDS = [1, 1.5, 2];
/** @type {import("../../vendor/preact.js").Signal<{ key: string, message: any, file: any, playing: boolean, time: number, duration: number } | null>} */
export const sounding = signal(null);
export const speed = signal(1);

/** @type {HTMLAudioElement | null} */
let audio = null;
/** What begins once it is here. */
let waiting = "";

/** @param {any} message @param {any} file */
export const soundKey = (message, file) => `${message.id}/${file.index}`;

/** Play, or stop for a while. @param {any} message @param {any} file */
export async function play(message, file) {
  const key = soundKey(message, file);
  if (sounding.value?.key === key && audio) {
    if (audio.paused) void audio.play();
    else audio.pause();
    return;
  }
  if (!isHere(file)) {
    waiting = key;
    keep(message, file);
    return;
  }
  waiting = "";
  stop();
  const { url } = await attachment({ message: message.id, index: file.index, thumbnail: false, download: false });
  const made = new Audio(url);
  audio = made;
  made.playbackRate = speed.value;
  const say = () => {
    if (audio !== made) return;
    const duration = Number.isFinite(made.duration) ? made.duration : (file.duration ?? 0);
    sounding.value = { key, message, file, playing: !made.paused, time: made.currentTime, duration };
  };
  for (const event of ["play", "pause", "timeupdate", "loadedmetadata", "seeked"]) made.addEventListener(event, say);
  made.addEventListener("ended", () => void next(message, file));
  say();
  await made.play().catch(() => stop());
}

export function stop() {
  audio?.pause();
  audio?.removeAttribute("src");
  audio = null;
  sounding.value = null;
}

/** @param {number} share from 0 to 1 */
export function seek(share) {
  if (audio && sounding.value) audio.currentTime = share * sounding.value.duration;
}

export function faster() {
  speed.value = SPEEDS[(SPEEDS.indexOf(speed.value) + 1) % SPEEDS.length];
  if (audio) audio.playbackRate = speed.value;
}

/** The next voice message goes on by itself. @param {any} message @param {any} file */
async function next(message, file) {
  stop();
  if (file.duration == null) return;
  const history = shownHistory.value;
  if (!history || history.chat !== message.chat) return;
  const position = history.position(message.number);
  for (let at = position + 1; position >= 0 && at < Math.min(history.count, position + 50); at++) {
    const one = history.at(at);
    const voice = one?.files?.find((/** @type {any} */ each) => kindOf(each) === "voice");
    if (voice) return play(one, voice);
  }
}

on("message changed", ({ message }) => {
  const file = message.files?.find((/** @type {any} */ one) => soundKey(message, one) === waiting);
  if (file && isHere(file)) void play(message, file);
});

// Another conversation: silence.
opened.subscribe((id) => {
  waiting = "";
  if (sounding.value && sounding.value.message.chat !== id) stop();
});
