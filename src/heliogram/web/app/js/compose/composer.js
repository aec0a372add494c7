// @ts-check
/** Where one writes: field, buttons, and what lies over them. */

import { html, signal, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/preact.js";
import { editing, replyTo, shownHistory } from "../chat/context.js";
import { IconButton } from "../parts/icon.js";
import { openMenu } from "../parts/menu.js";
import { ask, contacts, openDialog, opened, own, preferences, tell } from "../store.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { Bars } from "./bars.js";
import { begun, Choices, useChoices } from "./complete.js";
import { draftOf } from "./draft.js";
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
  const kept = useMemo(() => draftOf(chat), []);
  /** What is written, and whom it names: the draft, or over it the text of a message that is changed. */
  const draft = useMemo(() => sheet(kept.wanted), []);
  const edited = editing.value;
  const change = useMemo(() => edited && sheet(edited.tried ?? edited.text ?? ""), [edited]);
  const paper = change ?? draft;
  const text = paper.text.value;
  const [caret, setCaret] = useState(-1);
  const [emoji, setEmoji] = useState(false);
  const typed = useRef(0);
  const scheduled = useScheduled(chat.id);
  const what = caret < 0 ? null : begun(text, caret);
  const { all: choices, at, setAt } = useChoices(chat, what);
  const now = clean(text);
  const long = size(now, MOST) > MOST;
  const near = !long && size(now, MOST) > MOST * 0.9;
  const records = recording.value?.chat === chat.id;

  const focus = () => field.current?.focus();
  /** @param {string} value */
  const write = (value) => {
    paper.text.value = value;
    if (!change) kept.keep(said(value, draft.people));
  };
  /** @param {string} value as it is sent */
  const show = (value) => {
    draft.people.clear();
    draft.text.value = written(value, draft.people);
  };
  /** Nothing is written any more, since it was said, or will be. */
  const empty = () => {
    replyTo.value = null;
    kept.sent();
    show("");
    setCaret(-1);
  };
  const outgoing = () => said(now, paper.people);

  // --- Saying it ------------------------------------------------------------------------------

  /** @param {string} tag @param {Record<string, unknown>} [more] @param {(answer: any) => void} [then] */
  const say = (tag, more = {}, then = () => {}) => {
    const message = outgoing();
    const reply = replyTo.peek();
    empty();
    focus();
    kept.send(message, () => ask(tag, { chat: chat.id, text: message, reply_to: reply?.id, ...more }).then(then)).catch(() => {
      if (opened.peek() === chat.id && !editing.peek()) replyTo.value ??= reply;
    });
  };
  const send = () => {
    if (!now || long) return;
    if (edited) return correct();
    // It is there when the node has it: keys that come next are about it.
    say("send", {}, (message) => shownHistory.peek()?.said(message));
  };
  const correct = () => {
    const tried = outgoing();
    editing.value = null;
    focus();
    if (tried === edited.text) return;
    kept.next(() => ask("edit", { message: edited.id, text: tried })).catch(() => {
      if (opened.peek() === chat.id && !editing.peek()) editing.value = { ...edited, tried };
      else kept.giveBack(tried);
    });
  };
  /** @param {number} at */
  const later = (at) => say("schedule", { at });
  /** @param {File[]} files @param {boolean} [plain] */
  const sendFiles = (files, plain = false) => {
    if (!files.length) return;
    if (editing.peek()) editing.value = null;
    openDialog(SendFiles, {
      chat,
      files,
      text: clean(draft.text.peek()),
      say: (/** @type {string} */ caption) => said(clean(caption), draft.people),
      sent: empty,
      reply_to: replyTo.peek()?.id,
      asFiles: plain,
    });
  };

  // --- As it goes -----------------------------------------------------------------------------

  useEffect(() => grow(field.current));
  // With the field itself: the next key is typed into it.
  useLayoutEffect(() => {
    if (matchMedia("(pointer: fine)").matches) focus();
    kept.shown = { field: field.current, show };
    return () => {
      kept.shown = null;
      kept.flush();
    };
  }, []);
  useLayoutEffect(() => {
    if (edited) focus();
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
    const put = what.sign === "@" ? `@${known(choice.text, choice.key, paper.people, choice.hint)} ` : choice.text;
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
      send();
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
      { label: t("send"), icon: "send", run: send },
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
    <form class="composer" hidden=${records} onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), send())}>
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

/** A text to write on. @param {string} text as it is sent */
function sheet(text) {
  /** @type {import("./mentions.js").People} */
  const people = new Map();
  return { people, text: signal(written(text, people)) };
}

/** Without empty lines around. @param {string} text */
const clean = (text) => text.replace(/^\s*\n|\s+$/gu, "");
