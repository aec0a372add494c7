// @ts-check
/** A voice note: recorded while the button is held, or until it is pressed again; heard before it goes. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { dialogs } from "../store.js";
import { minutes, t } from "../words.js";
import { dispatch } from "./outgoing.js";
import { discard, recording, shape, start, stop } from "./recorder.js";

/** Seconds of a note after which a press was a hold: what is shorter says nothing. */
const HOLD = 0.7;
/** How far one slides to throw it away, or to let go. */
const FAR = 80;

/** Send what was recorded. @param {string} [reply_to] */
async function send(reply_to) {
  await stop();
  const note = recording.value;
  if (note?.state !== "ready" || !note.file || !note.name) return;
  recording.value = null;
  const pieces = [{ file: note.file, name: note.name }];
  dispatch({ chat: note.chat, pieces, voice: Math.round(note.seconds * 10) / 10, reply_to });
}

/**
 * The button that records: held, it sends when it is let go; pressed, it goes on until it is told.
 * @param {{ chat: any, reply?: string, sent: () => void }} props
 */
export function Microphone({ chat, reply, sent }) {
  const props = useRef({ reply, sent });
  props.current = { reply, sent };
  /** @param {PointerEvent} event */
  const pressed = (event) => {
    if (event.button !== 0 || recording.value) return;
    const { clientX: x, clientY: y } = event;
    void start(chat.id);
    /** @param {PointerEvent} end */
    const released = (end) => {
      removeEventListener("pointerup", released);
      removeEventListener("pointercancel", released);
      const note = recording.value;
      if (end.type === "pointercancel" || note?.state !== "recording" || note.seconds < HOLD) return;
      const away = (x - end.clientX) * (getComputedStyle(document.documentElement).direction === "rtl" ? -1 : 1);
      if (away > FAR) discard();
      else if (y - end.clientY < FAR) void send(props.current.reply).then(props.current.sent);
    };
    addEventListener("pointerup", released);
    addEventListener("pointercancel", released);
  };
  return html`<${IconButton} name="mic" class="microphone" label=${t("record voice")} onPointerDown=${pressed}
    onClick=${(/** @type {MouseEvent} */ event) => event.detail === 0 && !recording.value && start(chat.id)}
    onContextMenu=${(/** @type {Event} */ event) => event.preventDefault()} />`;
}

/**
 * In the place of the field while one records or listens.
 * @param {{ chat: any, reply?: string, sent: () => void }} props
 */
export function Recorder({ chat, reply, sent }) {
  const note = recording.value;
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  const here = note?.chat === chat.id;
  const state = note && here ? note.state : "";
  useLayoutEffect(() => {
    if (!state) return;
    if (!bar.current?.contains(document.activeElement)) bar.current?.focus({ preventScroll: true });
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.defaultPrevented || dialogs.value.length || event.key !== "Escape") return;
      event.preventDefault();
      discard();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [state]);
  // Who goes to another conversation finds what was said so far when they come back.
  useEffect(() => () => void (recording.peek()?.chat === chat.id && stop()), [chat.id]);
  if (!here || !note) return html``;
  const go = () => void send(reply).then(sent);
  return html`<div ref=${bar} class="recorder" role="group" aria-label=${t("voice message")} tabindex="-1"
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && event.target === bar.current && (event.preventDefault(), go())}>
    <${IconButton} name="trash" label=${t("discard voice")} onClick=${discard} />
    ${note.state === "ready"
      ? html`<${Preview} note=${note} />`
      : html`<span class="recorder-now" role="timer" aria-label=${t("recording voice")}><i aria-hidden="true"></i>${minutes(note.seconds)}</span>
          <${Wave} levels=${live(note.levels)} done=${1} />
          <span class="recorder-hint quiet">${t("slide to discard")}</span>
          <${IconButton} name="stop" label=${t("stop recording")} onClick=${() => void stop()} />`}
    <${IconButton} name="send" class="send" label=${t("send voice")} disabled=${note.state === "asking"} onClick=${go} />
  </div>`;
}

const BARS = 56;

/** The last levels, at the end of the picture. @param {number[]} levels */
const live = (levels) => [...Array(Math.max(0, BARS - levels.length)).fill(0), ...levels.slice(-BARS)].map((one) => Math.min(1, one * 1.6));

/** @param {{ levels: number[], done: number }} props levels from 0 to 1; `done` is how much of it was heard */
export function Wave({ levels, done }) {
  const line = (/** @type {number[]} */ some, /** @type {number} */ from) =>
    some.map((level, at) => `M${(from + at) * 4 + 2} ${12 - Math.max(1, level * 11)}v${2 * Math.max(1, level * 11)}`).join("");
  const split = Math.round(levels.length * done);
  return html`<svg class="wave" viewBox=${`0 0 ${levels.length * 4} 24`} preserveAspectRatio="none" aria-hidden="true">
    <path class="wave-done" d=${line(levels.slice(0, split), 0) || "M0 0"} />
    <path d=${line(levels.slice(split), split) || "M0 0"} />
  </svg>`;
}

/** @param {{ note: import("./recorder.js").Recording }} props */
function Preview({ note }) {
  const audio = useRef(/** @type {HTMLAudioElement | null} */ (null));
  const [url, setUrl] = useState("");
  const [at, setAt] = useState(0);
  const [plays, setPlays] = useState(false);
  useEffect(() => {
    const made = URL.createObjectURL(/** @type {Blob} */ (note.file));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [note.file]);
  const turn = () => (plays ? audio.current?.pause() : void audio.current?.play().catch(() => {}));
  return html`<${IconButton} name=${plays ? "pause" : "play"} label=${t(plays ? "pause voice" : "hear voice")} onClick=${turn} />
    <${Wave} levels=${shape(note.levels, BARS)} done=${Math.min(1, at / note.seconds)} />
    <span class="recorder-length">${minutes(plays || at ? at : note.seconds)}</span>
    ${url &&
    html`<audio ref=${audio} src=${url} onPlay=${() => setPlays(true)} onPause=${() => setPlays(false)}
      onEnded=${() => (setPlays(false), setAt(0))} onTimeUpdate=${(/** @type {any} */ e) => setAt(e.target.ended ? 0 : e.target.currentTime)}></audio>`}`;
}
