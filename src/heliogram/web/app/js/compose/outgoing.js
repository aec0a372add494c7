// @ts-check
/**
 * Files on their way to the node, and the messages that they belong to. They go on while another conversation is shown.
 *
 * What moves between the node and its relays afterwards is shown at the message.
 */

import { effect, html, signal } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { stage } from "../store.js";
import { call, forgetUpload, Refused, upload } from "../wire.js";
import { bytes, sentence, t } from "../words.js";

/**
 * @typedef {{ file: Blob, name: string }} Piece
 * @typedef {{ chat: string, pieces: Piece[], text?: string, reply_to?: string, as_files?: boolean, voice?: number, at?: number }} Parcel
 * @typedef {{ id: number, parcel: Parcel, size: number, share: number, code: string, paths: string[], stop: AbortController }} Going
 */

/** Pieces of one message, and bytes of one piece. */
export const MOST_FILES = 32;
export const MOST_BYTES = 4 * 1024 ** 3;

/** @type {import("../../vendor/preact.js").Signal<Going[]>} */
export const outgoing = signal([]);

let last = 0;

/** @param {Going} one @param {Partial<Going>} changes */
function change(one, changes) {
  Object.assign(one, changes);
  outgoing.value = outgoing.value.map((each) => (each.id === one.id ? { ...one } : each));
}

/** Send it as soon as the node has all of it. @param {Parcel} parcel */
export function dispatch(parcel) {
  const size = parcel.pieces.reduce((sum, one) => sum + one.file.size, 0);
  /** @type {Going} */
  const one = { id: ++last, parcel, size, share: 0, code: "", paths: [], stop: new AbortController() };
  outgoing.value = [...outgoing.value, one];
  void go(one);
}

/** @param {Going} one */
async function go(one) {
  const { parcel, paths, stop } = one;
  let done = parcel.pieces.slice(0, paths.length).reduce((sum, piece) => sum + piece.file.size, 0);
  try {
    for (const { file, name } of parcel.pieces.slice(paths.length)) {
      const moved = (/** @type {number} */ share) =>
        change(one, { share: one.size ? (done + share * file.size) / one.size : 1 });
      paths.push((await upload(file, name, moved, stop.signal)).path);
      done += file.size;
    }
    if (stop.signal.aborted) throw new Refused("stopped");
    change(one, { share: 1 });
    const { chat, text, reply_to, as_files, voice, at } = parcel;
    const fields = { chat, text, reply_to, files: paths, as_files };
    await (at ? call("schedule", { ...fields, at }) : call("send", { ...fields, voice }));
    outgoing.value = outgoing.value.filter((each) => each.id !== one.id);
  } catch (error) {
    const code = error instanceof Refused ? error.code : "internal";
    if (code === "stopped" || !outgoing.value.some((each) => each.id === one.id)) return;
    // The node has forgotten them: it was closed, or started anew.
    if (code === "no such upload") paths.length = 0;
    change(one, { code });
  }
}

/** Once more, with what is still missing. @param {Going} one @param {boolean} [asFiles] */
export function again(one, asFiles = one.parcel.as_files) {
  const fresh = { ...one, parcel: { ...one.parcel, as_files: asFiles }, code: "", stop: new AbortController() };
  outgoing.value = outgoing.value.map((each) => (each.id === one.id ? fresh : each));
  void go(fresh);
}

/** @param {Going} one */
export function cancel(one) {
  outgoing.value = outgoing.value.filter((each) => each.id !== one.id);
  one.stop.abort();
  one.paths.forEach(forgetUpload);
}

// Nothing goes on behind a lock.
effect(() => {
  if (stage.value === "open" || !outgoing.peek().length) return;
  outgoing.peek().forEach((one) => one.stop.abort());
  outgoing.value = [];
});

addEventListener("beforeunload", (event) => {
  if (outgoing.value.some((one) => !one.code)) event.preventDefault();
});

/** Those of a conversation. @param {{ chat: string }} props */
export function Outgoing({ chat }) {
  const all = outgoing.value.filter((one) => one.parcel.chat === chat);
  if (!all.length) return html``;
  return html`<ul class="outgoing" aria-label=${t("on their way")}>
    ${all.map((one) => html`<${Row} key=${one.id} one=${one} />`)}
  </ul>`;
}

/** @param {{ one: Going }} props */
function Row({ one }) {
  const { parcel, code, share, size } = one;
  const name = parcel.voice === undefined ? parcel.pieces[0].name : t("voice message");
  const more = parcel.pieces.length - 1;
  return html`<li class=${code ? "outgoing-one wrong" : "outgoing-one"}>
    <span class="outgoing-name"><bdi>${name}</bdi>${more > 0 && ` ${t("and more files", { n: more })}`}</span>
    ${code
      ? html`<span role="alert">${sentence(code)}</span>`
      : html`<progress max="1" value=${share} aria-label=${name}></progress>
          <span class="quiet">${bytes(size * share)} / ${bytes(size)}</span>`}
    ${code.includes("picture") && html`<button type="button" class="plain" onClick=${() => again(one, true)}>${t("send as file")}</button>`}
    ${code && html`<button type="button" class="plain" onClick=${() => again(one)}>${t("try again")}</button>`}
    <${IconButton} name="close" size=${18} label=${t("do not send")} onClick=${() => cancel(one)} />
  </li>`;
}
