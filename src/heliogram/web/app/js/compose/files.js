// @ts-check
/** Before files are sent: what goes, with which words, as pictures or as files. */

import { html, useEffect, useMemo, useRef, useState } from "../../vendor/preact.js";
import { Sheet } from "../parts/dialog.js";
import { Icon, IconButton } from "../parts/icon.js";
import { openDialog, own, toast } from "../store.js";
import { bytes, t } from "../words.js";
import { grow, mark, size } from "./field.js";
import { sends } from "./enter.js";
import { When } from "./later.js";
import { dispatch, MOST_BYTES, MOST_FILES } from "./outgoing.js";

/** What the node makes pictures of: others are files like any. */
const PICTURES = ["image/jpeg", "image/png", "image/webp", "image/avif", "image/gif"];

/** Bytes of words that have room beside the small pictures of a message. */
const MOST_WORDS = 16_000;

/**
 * `openDialog(SendFiles, { chat, files, text, say, sent, reply_to, asFiles })`. `text` is what was written so far,
 * `say` makes of a text what is sent, `sent` is told when it goes.
 * @param {any} props
 */
export function SendFiles({ chat, files, text = "", say, sent, reply_to, asFiles = false, close, titleId }) {
  const [all, setAll] = useState(/** @type {File[]} */ ([]));
  const [caption, setCaption] = useState(text);
  const [plain, setPlain] = useState(asFiles);
  const more = useRef(/** @type {HTMLInputElement | null} */ (null));
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  /** @param {File[]} found */
  const add = (found) => {
    const fit = found.filter((one) => one.size <= MOST_BYTES);
    if (fit.length < found.length) toast(t("file too large"), { kind: "error" });
    if (all.length + fit.length > MOST_FILES) toast(t("files at once", { n: MOST_FILES }), { kind: "error" });
    const now = [...all, ...fit].slice(0, MOST_FILES);
    setAll(now);
    if (!now.length) close();
  };
  useEffect(() => add(files), []);
  useEffect(() => grow(field.current));
  const pictures = all.some((one) => PICTURES.includes(one.type));
  const total = all.reduce((sum, one) => sum + one.size, 0);
  const long = size(caption, MOST_WORDS) > MOST_WORDS;

  /** @param {number} [at] */
  const send = (at) => {
    if (!all.length || long) return;
    const pieces = all.map((file) => ({ file, name: file.name || t("unnamed file") }));
    dispatch({ chat: chat.id, pieces, text: say(caption), reply_to, as_files: plain, at });
    close();
    sent(at);
  };
  const title = t(pictures && !plain && all.length === 1 ? "send a picture" : "send files", { n: all.length });
  return html`<${Sheet}
    title=${title}
    titleId=${titleId}
    close=${close}
    feet=${html`<button type="button" class="plain feet-start" onClick=${() => more.current?.click()}>${t("add files")}</button>
      <button type="button" onClick=${() => openDialog(When, { chat, run: send })}>${t("send later")}</button>
      <button type="button" class="primary" disabled=${long} onClick=${() => send()}>${t("send")}</button>`}
  >
    <ul class="send-files">
      ${all.map(
        (file, index) => html`<${Entry} key=${`${file.name} ${file.size} ${file.lastModified} ${index}`} file=${file} picture=${!plain}
          onRemove=${() => (all.length > 1 ? setAll(all.filter((one) => one !== file)) : close())} />`,
      )}
    </ul>
    <p class="quiet">${t("files in all", { n: all.length })} · ${bytes(total)}</p>
    ${pictures &&
    html`<label class="across"><input type="checkbox" checked=${plain} onChange=${(/** @type {any} */ e) => setPlain(e.target.checked)} />
      <span>${t("as files")}<small class="quiet">${t(plain ? "as files kept" : "as pictures cleaned")}</small></span></label>`}
    <textarea ref=${field} rows="1" dir="auto" class="caption" autofocus=${matchMedia("(pointer: fine)").matches} aria-label=${t("caption")} placeholder=${t("caption")} value=${caption}
      onInput=${(/** @type {any} */ e) => setCaption(e.target.value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ e) => mark(e) || (sends(e, own.value.enter) && (e.preventDefault(), send()))}></textarea>
    ${long && html`<p class="wrong" role="alert">${t("text too long")}</p>`}
    <input ref=${more} type="file" multiple hidden onChange=${(/** @type {any} */ e) => (add([...e.target.files]), (e.target.value = ""))} />
  </${Sheet}>`;
}

/** @param {{ file: File, picture: boolean, onRemove: () => void }} props */
function Entry({ file, picture, onRemove }) {
  const url = useMemo(() => (PICTURES.includes(file.type) ? URL.createObjectURL(file) : ""), [file]);
  useEffect(() => () => void (url && URL.revokeObjectURL(url)), [url]);
  const shown = url && picture;
  return html`<li class=${shown ? "send-picture" : "send-file"}>
    ${url ? html`<img src=${url} alt="" />` : html`<${Icon} name="file" size=${28} />`}
    <span class="send-name"><bdi>${file.name}</bdi></span>
    <span class="quiet">${bytes(file.size)}</span>
    <${IconButton} name="close" size=${18} label=${t("leave out file", { name: file.name })} onClick=${onRemove} />
  </li>`;
}
