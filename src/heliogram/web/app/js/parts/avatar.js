// @ts-check
/** A round mark for a person or a conversation: its picture, or initials on a colour that its id gives. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { attachment } from "../wire.js";
import { Icon } from "./icon.js";

/** @param {string} id hexadecimal */
const hue = (id) => parseInt(id.slice(0, 6) || "0", 16) % 360;

const splitter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The first letters of the first two words. @param {string} name */
export function initials(name) {
  const words = name.trim().split(/\s+/u).filter(Boolean).slice(0, 2);
  return words.map((word) => [...splitter.segment(word)][0]?.segment ?? "").join("").toLocaleUpperCase();
}

/**
 * @param {{ id: string, name: string, kind?: string, picture?: boolean, size?: number, version?: string }} props
 * `picture`: whether the conversation `id` has one; `version` changes when it does.
 */
export function Avatar({ id, name, kind, picture = false, size = 48, version = "" }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    let here = true;
    setUrl("");
    if (picture) attachment({ picture: id }, version).then((found) => here && setUrl(found.url), () => {});
    return () => void (here = false);
  }, [id, picture, version]);
  return html`<span class="avatar" aria-hidden="true" style=${{ "--hue": hue(id), "--size": `${size}px` }}>
    ${url
      ? html`<img src=${url} alt="" width=${size} height=${size} onError=${() => setUrl("")} />`
      : kind === "self"
        ? html`<${Icon} name="bookmark" size=${size / 2} />`
        : html`<span data-initials=${initials(name)}></span>`}
  </span>`;
}
