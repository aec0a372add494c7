// @ts-check
/**
 * Records a voice note, one at a time. What was recorded stays with its conversation until it is sent or thrown away;
 * it never leaves the page before.
 */

import { effect, signal } from "../../vendor/preact.js";
import { stage, toast } from "../store.js";
import { t } from "../words.js";

/** Seconds of the longest. */
export const LONGEST = 3600;
/** Levels a second. */
const PACE = 10;

/** What browsers record, the best first, and the ending that says so. */
const KINDS = [
  ["audio/ogg;codecs=opus", "ogg"],
  ["audio/webm;codecs=opus", "weba"],
  ["audio/mp4", "m4a"],
];

/**
 * @typedef {{ chat: string, state: "asking" | "recording" | "ready", seconds: number, levels: number[], file?: Blob, name?: string }} Recording
 */

/** @type {import("../../vendor/preact.js").Signal<Recording | null>} */
export const recording = signal(null);

/** What runs. @type {{ stop: (keep: boolean) => void } | null} */
let running = null;

const kind = () => KINDS.find(([type]) => globalThis.MediaRecorder?.isTypeSupported(type));

/** Whether this browser can. */
export const possible = () => Boolean(navigator.mediaDevices && kind());

/** Begin, in a conversation. What another one had is gone. @param {string} chat */
export async function start(chat) {
  discard();
  const found = kind();
  if (!found || !navigator.mediaDevices) return void toast(t("no recorder"), { kind: "error" });
  /** @type {Recording} */
  const mine = { chat, state: "asking", seconds: 0, levels: [] };
  recording.value = mine;
  /** @type {MediaStream} */
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
  } catch (error) {
    if (recording.value === mine) recording.value = null;
    const missing = error instanceof DOMException && error.name === "NotFoundError";
    return void toast(t(missing ? "no microphone" : "microphone forbidden"), { kind: "error", seconds: 8 });
  }
  // Somebody changed their mind while the browser asked.
  if (recording.value !== mine) return stream.getTracks().forEach((one) => one.stop());
  run(mine, stream, found);
}

/** @param {Recording} mine @param {MediaStream} stream @param {string[]} found */
function run(mine, stream, [type, ending]) {
  const recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: 32_000 });
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Uint8Array(analyser.fftSize);
  /** @type {Blob[]} */
  const pieces = [];
  const levels = /** @type {number[]} */ ([]);
  let began = performance.now();
  let kept = false;
  const seconds = () => Math.min((performance.now() - began) / 1000, LONGEST);
  const timer = setInterval(() => {
    analyser.getByteTimeDomainData(samples);
    const peak = samples.reduce((most, one) => Math.max(most, Math.abs(one - 128)), 0) / 128;
    levels.push(peak);
    recording.value = { ...mine, state: "recording", seconds: seconds(), levels: levels.slice(-400) };
    if (seconds() >= LONGEST) stop();
  }, 1000 / PACE);
  const over = () => {
    clearInterval(timer);
    if (running === me) running = null;
    stream.getTracks().forEach((one) => one.stop());
    void context.close();
  };
  let length = 0;
  recorder.ondataavailable = (event) => event.data.size && pieces.push(event.data);
  recorder.onstart = () => (began = performance.now());
  recorder.onstop = () => {
    over();
    const file = new Blob(pieces, { type });
    const name = `voice.${ending}`;
    if (kept)
      recording.value = file.size ? { ...mine, state: "ready", seconds: Math.max(length, 0.1), levels, file, name } : null;
    ended.splice(0).forEach((tell) => tell());
  };
  // The microphone is gone: what there is, is kept.
  stream.getTracks()[0].onended = () => recorder.state !== "inactive" && stop();
  const me = {
    stop: (/** @type {boolean} */ keep) => {
      kept = keep;
      length = seconds();
      if (recorder.state !== "inactive") recorder.stop();
    },
  };
  running = me;
  recording.value = { ...mine, state: "recording", seconds: 0, levels };
  recorder.start(1000);
}

/** @type {(() => void)[]} */
const ended = [];

/** End it, to be heard or sent. Done when it is there. @returns {Promise<void>} */
export function stop() {
  if (recording.value?.state === "asking") discard();
  if (!running) return Promise.resolve();
  const done = new Promise((/** @type {(value: void) => void} */ tell) => void ended.push(tell));
  running.stop(true);
  return done;
}

/** Throw it away. */
export function discard() {
  running?.stop(false);
  running = null;
  recording.value = null;
}

effect(() => {
  if (stage.value !== "open" && recording.peek()) discard();
});

/** `count` levels of all, each the highest of its part. @param {number[]} levels @param {number} count */
export function shape(levels, count) {
  if (!levels.length) return Array(count).fill(0);
  const most = Math.max(...levels, 0.05);
  return Array.from({ length: count }, (_, at) => {
    const from = Math.floor((at * levels.length) / count);
    const to = Math.max(from + 1, Math.floor(((at + 1) * levels.length) / count));
    return Math.max(...levels.slice(from, to)) / most;
  });
}
