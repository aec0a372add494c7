// @ts-check
/** Where one writes: field, buttons, and what lies over them. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { editing, replyTo } from "../chat/context.js";
import { IconButton } from "../parts/icon.js";
import { openMenu } from "../parts/menu.js";
import { ask, contacts, openDialog, own, preferences, tell } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { Bars } from "./bars.js";
import { begun, Choices, useChoices } from "./complete.js";
import { Draft, draftOf } from "./draft.js";
import { DropZone } from "./drop.js";
import { EmojiPicker } from "./emoji.js";
import { used } from "./emoji-data.js";
import { sends } from "./enter.js";
import { grow, insert, mark, size } from "./field.js";
import { SendFiles } from "./files.js";
import { ScheduledList, useScheduled, When } from "./later.js";
import { known, said, written } from "./mentions.js";
import { Outgoing } from "./outgoing.js";
import { NewPoll } from "./poll.js";
import { possible, recording } from "./recorder.js";
import { Disappearing, lasting } from "./timer.js";
import { useTypingAnywhere } from "./anywhere.js";
import { Microphone, Recorder } from "./voice.js";

/** Bytes of a text that fit into one message, with what else it says. */
const MOST = 56_000;
/** Milliseconds between two words of us that we type. */
const TYPING = 4000;

/** @param {{ chat: any }} props */
export function Composer({ chat }) {
  return closed(chat) ?? html`<${Writing} key=${chat.id} chat=${chat} />`;
}

/** Why nobody can write here, as what stands in the place of the field; nothing if one can. @param {any} chat */
function closed(chat) {
  const over = { out: "you are out", dead: "conversation is dead" }[/** @type {string} */ (chat.phase)];
  if (over) return html`<div class="composer-closed" role="status"><p>${t(over)}</p></div>`;
  const blocked = chat.peer && contacts.value.some((one) => one.blocked && one.who.account === chat.peer.account);
  if (!blocked) return null;
  return html`<div class="composer-closed" role="status">
    <p>${t("contact is blocked")}</p>
    <button type="button" class="plain" onClick=${() => tell("block", { contact: chat.peer.account, blocked: false })}>${t("unblock to write")}</button>
  </div>`;
}

/** @param {{ chat: any }} props */
function Writing({ chat }) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  const asFiles = useRef(false);
  const people = useRef(/** @type {import("./mentions.js").People} */ (new Map()));
  const draft = useRef(/** @type {Draft | null} */ (null));
  draft.current ??= new Draft(chat.id, draftOf(chat));
  const kept = draft.current;
  const [text, setText] = useState(() => written(draftOf(chat), people.current));
  const [caret, setCaret] = useState(-1);
  const [emoji, setEmoji] = useState(false);
  /** What was being written before a message was changed. */
  const aside = useRef("");
  const typed = useRef(0);
  const scheduled = useScheduled(chat.id);
  const what = caret < 0 ? null : begun(text, caret);
  const { all: choices, at, setAt } = useChoices(chat, what);
  const edited = editing.value;
  const now = clean(text);
  const long = size(now, MOST) > MOST;
  const near = !long && size(now, MOST) > MOST * 0.9;
  const records = recording.value?.chat === chat.id;

  const focus = () => field.current?.focus();
  /** @param {string} value */
  const write = (value) => {
    setText(value);
    if (!editing.peek()) kept.keep(said(value, people.current));
  };
  /** Nothing is written any more, since it was said, or will be: then the node keeps the draft unless it is told. @param {number} [when] */
  const empty = (when) => {
    replyTo.value = null;
    people.current = new Map();
    if (when) kept.keep("");
    else kept.sent();
    setText("");
    setCaret(-1);
  };
  const outgoing = () => said(now, people.current);

  // --- Saying it ------------------------------------------------------------------------------

  const send = async () => {
    if (!now || long) return;
    if (editing.peek()) return change();
    const [message, before, mentioned] = [outgoing(), text, people.current];
    const reply = replyTo.peek();
    empty();
    focus();
    await ask("send", { chat: chat.id, text: message, reply_to: reply?.id }).catch(() => {
      // What could not be said is not lost, unless something else was begun.
      if (field.current?.value !== "") return;
      people.current = mentioned;
      replyTo.value = reply;
      write(before);
    });
  };
  const change = async () => {
    const message = editing.peek();
    const changed = outgoing();
    if (changed !== message.text && !(await ask("edit", { message: message.id, text: changed }).then(() => true, () => false))) return;
    if (editing.peek() === message) editing.value = null;
    focus();
  };
  /** @param {number} when */
  const later = async (when) => {
    const message = outgoing();
    const reply = replyTo.peek();
    await ask("schedule", { chat: chat.id, text: message, reply_to: reply?.id, at: when }).then(() => empty(when), () => {});
    focus();
  };
  /** @param {File[]} files @param {boolean} [plain] */
  const sendFiles = (files, plain = false) => {
    if (!files.length) return;
    if (editing.peek()) editing.value = null;
    openDialog(SendFiles, {
      chat,
      files,
      text: clean(field.current?.value ?? ""),
      say: (/** @type {string} */ caption) => said(clean(caption), people.current),
      sent: empty,
      reply_to: replyTo.peek()?.id,
      asFiles: plain,
    });
  };

  // --- As it goes -----------------------------------------------------------------------------

  useEffect(() => grow(field.current));
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) focus();
    const hide = () => kept.flush();
    addEventListener("pagehide", hide);
    document.addEventListener("visibilitychange", hide);
    return () => {
      removeEventListener("pagehide", hide);
      document.removeEventListener("visibilitychange", hide);
      kept.flush();
    };
  }, []);
  // Changed by another face, while nobody writes here.
  useEffect(() => {
    const other = chat.draft ?? "";
    if (other === kept.kept || document.activeElement === field.current || kept.wanted !== kept.kept || editing.peek()) return;
    kept.kept = kept.wanted = other;
    people.current = new Map();
    setText(written(other, people.current));
  }, [chat.draft]);
  useEffect(() => {
    if (!edited) return;
    let here = true;
    aside.current = field.current?.value ?? "";
    const fill = (/** @type {any} */ message) => here && (setText(written(message.text ?? "", people.current)), requestAnimationFrame(focus));
    if (edited.cut) call("message", { message: edited.id }).then(fill, () => here && (editing.value = null));
    else fill(edited);
    return () => {
      here = false;
      setText(aside.current);
    };
  }, [edited]);
  useEffect(() => {
    if (replyTo.value) focus();
  }, [replyTo.value]);
  useTypingAnywhere(field, sendFiles);

  /** @param {any} event */
  const input = (event) => {
    write(event.target.value);
    setCaret(event.target.selectionStart);
    if (!preferences.value.typing || !event.target.value.trim() || Date.now() - typed.current < TYPING) return;
    typed.current = Date.now();
    call("typing", { chat: chat.id }).catch(() => {});
  };
  /** @param {import("./complete.js").Choice} choice */
  const take = (choice) => {
    if (!what || !field.current) return;
    if (what.sign === ":") used(choice.text);
    const put = what.sign === "@" ? `@${known(choice.text, choice.key, people.current, choice.hint)} ` : choice.text;
    insert(field.current, put, what.from, what.to);
    setCaret(-1);
  };
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    if (event.isComposing) return;
    if (choices.length) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) setAt((at + step + choices.length) % choices.length);
      else if (event.key === "Escape") setCaret(-1);
      else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && !event.ctrlKey) take(choices[at]);
      else return;
      event.preventDefault();
      return event.stopPropagation();
    }
    if (mark(event)) return;
    if (sends(event, own.value.enter)) {
      event.preventDefault();
      void send();
    }
  };

  // --- What is offered ------------------------------------------------------------------------

  /** @param {boolean} plain */
  const choose = (plain) => {
    asFiles.current = plain;
    picker.current?.click();
  };
  /** @param {MouseEvent} event */
  const attach = (event) =>
    openMenu(event, [
      { label: t("pictures and files"), icon: "image", run: () => choose(false) },
      { label: t("files as they are"), icon: "file", run: () => choose(true) },
      { label: t("new poll"), icon: "poll", run: () => openDialog(NewPoll, { chat }) },
      { label: t("disappearing messages"), icon: "timer", run: () => openDialog(Disappearing, { chat }) },
      scheduled.length > 0 && { label: t("scheduled messages"), icon: "clock", run: () => openDialog(ScheduledList, { chat }) },
    ]);
  /** @param {MouseEvent | KeyboardEvent} event */
  const more = (event) => {
    if (!now || long || edited) return event.preventDefault();
    openMenu(event, [
      { label: t("send"), icon: "send", run: () => void send() },
      { label: t("send later"), icon: "clock", run: () => openDialog(When, { run: later }) },
    ]);
  };

  const id = `choices-${chat.id.slice(0, 8)}`;
  return html`<${DropZone} onFiles=${sendFiles} />
  <div class="compose">
    <${Outgoing} chat=${chat.id} />
    <${Bars} />
    <${Choices} id=${id} all=${choices} at=${at} onTake=${take} />
    ${emoji && html`<${EmojiPicker} onClose=${() => (setEmoji(false), focus())}
      onPick=${(/** @type {string} */ one) => field.current && insert(field.current, one)} />`}
    <${Recorder} chat=${chat} reply=${replyTo.value?.id} sent=${() => ((replyTo.value = null), requestAnimationFrame(focus))} />
    <form class="composer" hidden=${records} onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void send())}>
      <${IconButton} name="attach" label=${t("attach")} aria-haspopup="menu" onClick=${attach} />
      <textarea
        ref=${field}
        rows="1"
        dir="auto"
        enterkeyhint=${own.value.enter === "send" ? "send" : undefined}
        aria-label=${t("message")}
        aria-autocomplete="list"
        aria-controls=${choices.length ? id : undefined}
        aria-activedescendant=${choices.length ? `${id}-${at}` : undefined}
        aria-invalid=${long}
        placeholder=${t(chat.phase === "opening" ? "message when open" : "message")}
        value=${text}
        onInput=${input}
        onKeyDown=${pressed}
        onBlur=${() => setCaret(-1)}
        onClick=${(/** @type {any} */ e) => setCaret(e.target.selectionStart)}
      ></textarea>
      ${(long || near) && html`<span class=${long ? "composer-room wrong" : "composer-room quiet"} role="status">${t("bytes left", { n: MOST - size(now, MOST) })}</span>`}
      ${scheduled.length > 0 && html`<${IconButton} name="clock" class="lit" label=${t("scheduled count", { n: scheduled.length })} onClick=${() => openDialog(ScheduledList, { chat })} />`}
      ${(chat.expiry ?? 0) > 0 && html`<${IconButton} name="timer" class="lit" label=${t("messages go after", { time: lasting(chat.expiry) })} onClick=${() => openDialog(Disappearing, { chat })} />`}
      <${IconButton} name="smile" label=${t("emoji")} aria-haspopup="dialog" aria-expanded=${emoji} onClick=${() => setEmoji(!emoji)} />
      ${now || edited || !possible()
        ? html`<${IconButton} type="submit" name=${edited ? "check" : "send"} class="send" label=${t(edited ? "save message" : "send")}
            disabled=${!now || long} onContextMenu=${more} aria-haspopup="menu" />`
        : html`<${Microphone} chat=${chat} reply=${replyTo.value?.id} sent=${() => (replyTo.value = null)} />`}
      <input ref=${picker} type="file" multiple hidden tabindex="-1" aria-hidden="true"
        onChange=${(/** @type {any} */ e) => (sendFiles([...e.target.files], asFiles.current), (e.target.value = ""))} />
    </form>
  </div>`;
}

/** Without empty lines around. @param {string} text */
const clean = (text) => text.replace(/^\s*\n|\s+$/gu, "");
