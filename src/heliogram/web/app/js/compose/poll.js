// @ts-check
/** A poll is made: `openDialog(NewPoll, { chat })`. */

import { html, useLayoutEffect, useRef, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { IconButton } from "../parts/icon.js";
import { ask } from "../store.js";
import { t } from "../words.js";
import { size } from "./field.js";

/** Bytes of a question and of an option, and how many options there are. */
const QUESTION = 1024;
const OPTION = 256;
const MOST = 32;

/** @param {any} props */
export function NewPoll({ chat, close, titleId }) {
  const [question, setQuestion] = useState("");
  const [options, setOptions] = useState(["", ""]);
  const [several, setSeveral] = useState(false);
  const [busy, setBusy] = useState(false);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const goTo = useRef(-1);
  useLayoutEffect(() => {
    if (goTo.current < 0) return;
    list.current?.querySelectorAll("input")[goTo.current]?.focus();
    goTo.current = -1;
  });
  const filled = options.map((one) => one.trim()).filter(Boolean);
  const long = size(question, 0) > QUESTION || options.some((one) => size(one, 0) > OPTION);
  const twice = new Set(filled).size < filled.length;
  const ready = question.trim() !== "" && filled.length >= 2 && !long && !twice && !busy;

  const send = async () => {
    if (!ready) return;
    setBusy(true);
    const most = several ? filled.length : 1;
    await ask("poll", { chat: chat.id, question: question.trim(), options: filled, most }).then(close, () => setBusy(false));
  };
  /** @param {number} index @param {string} text */
  const write = (index, text) => setOptions(options.map((one, at) => (at === index ? text : one)));
  /** @param {number} index */
  const remove = (index) => {
    goTo.current = Math.max(0, index - 1);
    setOptions(options.filter((_, at) => at !== index));
  };
  const add = (/** @type {number} */ after) => {
    if (options.length >= MOST) return;
    goTo.current = after + 1;
    setOptions([...options.slice(0, after + 1), "", ...options.slice(after + 1)]);
  };
  /** @param {KeyboardEvent} event @param {number} index */
  const pressed = (event, index) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send();
    else if (event.key === "Enter" && options[index + 1] !== "") add(index);
    else if (event.key === "Enter") goTo.current = index + 1;
    else if (event.key === "Backspace" && !options[index] && options.length > 2) remove(index);
    else return;
    event.preventDefault();
    if (goTo.current >= 0 && event.key === "Enter") list.current?.querySelectorAll("input")[goTo.current]?.focus();
  };
  return html`<${Sheet}
    title=${t("new poll")}
    titleId=${titleId}
    close=${close}
    feet=${html`<button type="button" onClick=${close}>${t("cancel")}</button>
      <button type="button" class="primary" disabled=${!ready} onClick=${send}>${t("send poll")}</button>`}
  >
    <label>${t("poll question")}
      <textarea rows="2" dir="auto" autofocus value=${question} onInput=${(/** @type {any} */ e) => setQuestion(e.target.value)}></textarea>
    </label>
    <div class="poll-options" ref=${list} role="group" aria-label=${t("poll options")}>
      ${options.map(
        (one, index) => html`<div class="poll-option">
          <input type="text" dir="auto" aria-label=${t("poll option", { n: index + 1 })} placeholder=${t("poll option", { n: index + 1 })}
            value=${one} onInput=${(/** @type {any} */ e) => write(index, e.target.value)} onKeyDown=${(/** @type {KeyboardEvent} */ e) => pressed(e, index)} />
          ${options.length > 2 && html`<${IconButton} name="close" size=${18} label=${t("remove poll option", { n: index + 1 })} onClick=${() => remove(index)} />`}
        </div>`,
      )}
      ${options.length < MOST && html`<button type="button" class="plain" onClick=${() => add(options.length - 1)}>${t("add poll option")}</button>`}
    </div>
    <label class="across"><input type="checkbox" checked=${several} onChange=${(/** @type {any} */ e) => setSeveral(e.target.checked)} /> ${t("several answers")}</label>
    ${(long || twice) && html`<p class="wrong" role="alert">${t(long ? "poll too long" : "poll option twice")}</p>`}
    <p class="quiet">${t("poll is open")}</p>
  </${Sheet}>`;
}
