// @ts-check
/** One picture, large: arrows go to the next, + and - change its size, Escape closes. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { openDialog } from "../store.js";
import { bytes, moment, t } from "../words.js";
import { shownHistory } from "./context.js";
import { isHere, keep, kindOf, moving, save, useUrl } from "./keep.js";
import { Progress } from "./progress.js";

/** @param {any} message @param {any} file @param {any[]} [among] messages with pictures around it */
export const openViewer = (message, file, among) => openDialog(Viewer, { start: { message: message.number, index: file.index }, among: among ?? null, first: message });

/** All pictures that are loaded, in order. @param {any[] | null} among */
function gallery(among) {
  const messages = among ?? shownHistory.value?.runs.flatMap((one) => one.messages ?? []) ?? [];
  return messages.flatMap((message) =>
    (message.files ?? []).filter((/** @type {any} */ file) => kindOf(file) === "picture").map((/** @type {any} */ file) => ({ message, file })),
  );
}

/** @param {any} props */
function Viewer({ start, among, first, close, titleId }) {
  void shownHistory.value?.version.value;
  const [at, setAt] = useState(start);
  const [zoom, setZoom] = useState(1);
  const frame = useRef(/** @type {any} */ (null));
  const all = gallery(among);
  const here = all.findIndex((one) => one.message.number === at.message && one.file.index === at.index);
  const { message, file } = all[here] ?? { message: first, file: first.files.find((/** @type {any} */ one) => one.index === start.index) };
  const small = useUrl(message, file, true);
  const full = useUrl(message, file, false);
  useEffect(() => {
    if (!isHere(file)) keep(message, file);
  }, [message.number, file.index]);
  const to = (/** @type {number} */ step) => {
    const next = all[here + step];
    if (!next || here < 0) return;
    setZoom(1);
    setAt({ message: next.message.number, index: next.file.index });
  };
  const larger = (/** @type {number} */ by) => setZoom(Math.min(8, Math.max(1, zoom * by)));
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    /** @type {Record<string, () => void>} */
    const keys = { ArrowLeft: () => to(-1), ArrowRight: () => to(1), "+": () => larger(1.5), "=": () => larger(1.5), "-": () => larger(1 / 1.5), 0: () => setZoom(1) };
    if (!(event.key in keys) || (zoom > 1 && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    keys[event.key]();
  };
  const share = moving(message, file);
  const url = full || small;
  return html`<div class="viewer" ref=${frame} tabindex="0" autofocus onKeyDown=${pressed}>
    <header>
      <h2 id=${titleId}><bdi>${message.mine ? t("you said") : (message.sender?.name ?? "")}</bdi> <span>${moment(message.time)} · ${bytes(file.size)}</span></h2>
      <${IconButton} name="add" label=${t("larger")} onClick=${() => larger(1.5)} />
      <${IconButton} name="download" label=${t("save")} onClick=${() => void save(message, file)} />
      <${IconButton} name="close" label=${t("close")} onClick=${close} />
    </header>
    <div
      class="viewer-place"
      data-zoomed=${zoom > 1}
      onWheel=${(/** @type {WheelEvent} */ event) => event.ctrlKey && (event.preventDefault(), larger(event.deltaY < 0 ? 1.2 : 1 / 1.2))}
      onClick=${(/** @type {any} */ event) => event.target === event.currentTarget && close()}
    >
      ${url && html`<img src=${url} alt=${file.name} style=${zoom > 1 ? { width: `${zoom * 100}%`, maxWidth: "none", maxHeight: "none" } : {}} onDblClick=${() => setZoom(zoom > 1 ? 1 : 2)} />`}
      ${!full && share !== null && html`<span class="picture-over"><${Progress} share=${share} /></span>`}
    </div>
    ${here > 0 && html`<${IconButton} class="viewer-back" name="back" label=${t("picture before")} onClick=${() => to(-1)} />`}
    ${here >= 0 && here < all.length - 1 && html`<${IconButton} class="viewer-on" name="back" label=${t("picture after")} onClick=${() => to(1)} />`}
  </div>`;
}
