// @ts-check
/** The files of a message, each in its way. */

import { html, useEffect } from "../../vendor/preact.js";
import { Icon, IconButton } from "../parts/icon.js";
import { bytes, t } from "../words.js";
import { isHere, itself, keep, kindOf, moving, save, useUrl } from "./keep.js";
import { Progress } from "./progress.js";
import { openViewer } from "./viewer.js";
import { Voice } from "./voice.js";

/** @param {{ message: any }} props */
export function Files({ message }) {
  const pictures = message.files.filter((/** @type {any} */ one) => kindOf(one) === "picture");
  const others = message.files.filter((/** @type {any} */ one) => kindOf(one) !== "picture");
  return html`${pictures.length > 0 && html`<div class="pictures" data-n=${Math.min(pictures.length, 4)}>${pictures.map((/** @type {any} */ one) => html`<${Picture} key=${one.index} message=${message} file=${one} alone=${pictures.length === 1} />`)}</div>`}
  ${others.map((/** @type {any} */ one) => html`<${Other} key=${one.index} message=${message} file=${one} />`)}`;
}

/** @param {any} props */
function Other({ message, file }) {
  const kind = kindOf(file);
  if (kind === "voice" || kind === "sound") return html`<${Voice} message=${message} file=${file} />`;
  if (kind === "video" && isHere(file)) return html`<${Video} message=${message} file=${file} />`;
  return html`<${Card} message=${message} file=${file} kind=${kind} />`;
}

/** Sizes of pictures that were drawn: the next time they have their room at once. @type {Map<string, [number, number]>} */
const sizes = new Map();

/** @param {any} props */
function Picture({ message, file, alone }) {
  const small = useUrl(message, file, true);
  const full = useUrl(message, file, false);
  const auto = itself(message, file);
  useEffect(() => {
    if (auto) keep(message, file);
  }, [auto, message.id]);
  const key = `${message.id}/${file.index}`;
  const share = moving(message, file);
  const url = full || small;
  const [width, height] = sizes.get(key) ?? [4, 3];
  const press = () => (isHere(file) || small ? openViewer(message, file) : keep(message, file));
  return html`<button type="button" class="picture" style=${alone ? { aspectRatio: `${width} / ${height}`, "--wide": Math.min(2, Math.max(0.6, width / height)) } : {}} aria-label=${t("picture named", { name: file.name })} onClick=${press}>
    ${url &&
    html`<img
      src=${url}
      alt=${file.name}
      decoding="async"
      draggable=${false}
      onLoad=${(/** @type {any} */ event) => {
        const { naturalWidth: w, naturalHeight: h } = event.currentTarget;
        if (!w || !h || sizes.has(key)) return;
        sizes.set(key, [w, h]);
        if (sizes.size > 5000) sizes.delete(sizes.keys().next().value ?? "");
        const place = event.currentTarget.parentElement;
        if (alone && place) {
          place.style.aspectRatio = `${w} / ${h}`;
          place.style.setProperty("--wide", String(Math.min(2, Math.max(0.6, w / h))));
        }
      }}
    />`}
    ${!full && (share !== null || !auto) && html`<span class="picture-over">${share === null ? html`<${Icon} name="download" size=${20} /> ${file.state === "gone" || file.state === "refused" ? t(`file ${file.state}`) : bytes(file.size)}` : html`<${Progress} share=${share} />`}</span>`}
  </button>`;
}

/** @param {any} props */
function Video({ message, file }) {
  const url = useUrl(message, file, false);
  return html`<figure class="video">
    ${url ? html`<video src=${url} controls preload="metadata" playsinline aria-label=${file.name}></video>` : html`<span class="video-wait"></span>`}
    <figcaption><bdi>${file.name}</bdi> · ${bytes(file.size)} <${IconButton} name="download" size=${16} label=${t("save")} onClick=${() => void save(message, file)} /></figcaption>
  </figure>`;
}

/** A file that is not opened here: what it is in truth, and where it goes. @param {any} props */
export function Card({ message, file, kind = "card" }) {
  const share = moving(message, file);
  const type = file.content_type.split(";")[0];
  const dead = file.state === "gone" || file.state === "refused";
  const plays = kind === "video" && !isHere(file);
  return html`<div class="card" data-doubt=${file.doubt}>
    <button type="button" class="card-icon" disabled=${dead || share !== null} aria-label=${`${t(plays ? "play" : "save")}: ${file.name}`} onClick=${() => (plays ? keep(message, file) : void save(message, file))}>
      ${share === null ? html`<${Icon} name=${plays ? "play" : file.doubt ? "warning" : file.state === "here" ? "check" : "download"} />` : html`<${Progress} share=${share} />`}
    </button>
    <div class="card-words">
      <b dir="auto">${file.name}</b>
      <span>${bytes(file.size)} · <bdi>${type}</bdi></span>
      ${file.doubt && html`<span class="wrong">${t(`doubt ${file.doubt}`)}</span>`}
      ${dead && html`<span class="wrong">${t(`file ${file.state}`)}</span>`}
      ${file.state === "here" && file.path && html`<span class="card-path" title=${file.path}>${t("saved at")} <bdi>${file.path}</bdi></span>`}
    </div>
  </div>`;
}
