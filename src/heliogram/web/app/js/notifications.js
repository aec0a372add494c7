// @ts-check
/**
 * Tells of new messages while the app, or their conversation, is not looked at.
 *
 * The app's own settings: `notify` (false), `contents` ("nothing", "name" or "all"), `sound` (false). What a
 * notification shows, the system may show on a locked screen, and keep: so nothing unless the owner wants it.
 */

import { html, useEffect, useState } from "../vendor/preact.js";
import { gist } from "./list/last.js";
import { openRequests } from "./list/doors.js";
import { chats, on, openChat, opened, own, toast } from "./store.js";
import { t } from "./words.js";

/** How long a spoken line stays, and how many words a notification has at most. */
const SPOKEN = 4000;
const LONGEST = 160;

/** @type {Map<string, Notification>} */
const shown = new Map();

/** Ask the system; to be called in a click. Gives whether notifications are allowed now. */
export async function allowNotifications() {
  if (!("Notification" in globalThis)) return false;
  return (await Notification.requestPermission()) === "granted";
}

/** Whether its conversation is before somebody's eyes. @param {string} chat */
const seen = (chat) => opened.value === chat && !document.hidden && document.hasFocus();

/** @param {any} message */
function notify(message) {
  const { notify: wanted = false, contents = "nothing" } = own.value;
  if (!wanted || !("Notification" in globalThis) || Notification.permission !== "granted") return;
  const chat = chats.value.get(message.chat);
  const name = message.sender?.name ?? chat?.name ?? "Heliogram";
  const title = contents === "nothing" ? "Heliogram" : chat?.kind === "group" ? `${name} · ${chat.name}` : name;
  const body = contents === "all" ? gist(message).trim().slice(0, LONGEST) : t("new message");
  try {
    const made = new Notification(title, { body, tag: message.chat, silent: true, icon: "app/icon.svg" });
    made.onclick = () => {
      focus();
      openChat(message.chat, message.number);
      made.close();
    };
    shown.set(message.chat, made);
  } catch {
    // Some systems show none from a page.
  }
}

/** @type {AudioContext | null} */
let audio = null;

/** A short, soft tone of two notes. */
export function beep() {
  try {
    audio ??= new AudioContext();
    void audio.resume();
    const now = audio.currentTime;
    for (const [pitch, at] of [[660, 0], [880, 0.09]]) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, now + at);
      volume.gain.linearRampToValueAtTime(0.08, now + at + 0.01);
      volume.gain.exponentialRampToValueAtTime(0.0005, now + at + 0.18);
      tone.connect(volume).connect(audio.destination);
      tone.start(now + at);
      tone.stop(now + at + 0.2);
    }
  } catch {
    // No sound here.
  }
}

/** Close what was shown of a conversation, or of all. @param {string} [chat] */
function take(chat) {
  for (const [id, one] of shown)
    if (chat === undefined || id === chat) {
      one.close();
      shown.delete(id);
    }
}

export function Notifications() {
  const [said, setSaid] = useState("");
  useEffect(() => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let silence;
    const say = (/** @type {string} */ words) => {
      clearTimeout(silence);
      setSaid(words);
      silence = setTimeout(() => setSaid(""), SPOKEN);
    };
    const ends = [
      on("message added", ({ message }) => {
        const chat = chats.value.get(message.chat);
        if (message.mine || message.kind === "line" || chat?.muted || seen(message.chat)) return;
        notify(message);
        if (own.value.sound) beep();
        // The open conversation is a log, which is read aloud by itself.
        if (opened.value !== message.chat) say(t("new message from", { name: message.sender?.name ?? chat?.name ?? "" }));
      }),
      on("chat changed", ({ chat }) => !chat.unread && take(chat.id)),
      on("request added", ({ request }) =>
        toast(t("new request", { name: request.who.name }), { seconds: 10, action: { label: t("look"), run: () => openRequests() } }),
      ),
    ];
    return () => {
      clearTimeout(silence);
      take();
      ends.forEach((end) => end());
    };
  }, []);
  return html`<p class="visually-hidden" role="status" aria-live="polite">${said}</p>`;
}
