// @ts-check
/** Files that are dropped or pasted. A browser that gets a file nobody takes would go to it, and leave the app. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { dialogs, toast } from "../store.js";
import { t } from "../words.js";

/** @param {DragEvent} event */
const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

for (const kind of ["dragover", "drop"])
  addEventListener(kind, (event) => {
    const dragged = /** @type {DragEvent} */ (event);
    if (!hasFiles(dragged) || event.defaultPrevented) return;
    event.preventDefault();
    if (dragged.dataTransfer) dragged.dataTransfer.dropEffect = "none";
  });

/** The files among what is dropped or pasted; folders are told of. @param {DataTransfer} data @returns {File[]} */
function files(data) {
  let folders = 0;
  const all = [...data.items]
    .filter((one) => one.kind === "file")
    .map((one) => (one.webkitGetAsEntry?.()?.isDirectory ? (folders++, null) : one.getAsFile()));
  if (folders) toast(t("no folders"));
  return /** @type {File[]} */ (all.filter(Boolean));
}

/** Files of a paste that is no text. @param {ClipboardEvent} event */
export function pasted(event) {
  const data = event.clipboardData;
  // Tables and text from elsewhere come with a picture of themselves.
  if (!data || data.types.includes("text/plain")) return [];
  return files(data);
}

/**
 * Lies over the conversation while files are dragged there.
 * @param {{ onFiles: (files: File[]) => void }} props
 */
export function DropZone({ onFiles }) {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const take = useRef(onFiles);
  take.current = onFiles;
  const [over, setOver] = useState(false);
  useEffect(() => {
    const place = /** @type {HTMLElement | null} */ (ref.current?.closest(".chat"));
    if (!place) return;
    let depth = 0;
    /** @type {Record<string, (event: DragEvent) => void>} */
    const heard = {
      dragenter: (event) => {
        if (!hasFiles(event) || dialogs.value.length) return;
        depth += 1;
        setOver(true);
        event.preventDefault();
      },
      dragleave: (event) => {
        if (hasFiles(event) && --depth <= 0) setOver(((depth = 0), false));
      },
      dragover: (event) => {
        if (!hasFiles(event) || dialogs.value.length) return;
        event.preventDefault();
        if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
      },
      drop: (event) => {
        setOver(((depth = 0), false));
        if (!hasFiles(event) || dialogs.value.length || !event.dataTransfer) return;
        event.preventDefault();
        const all = files(event.dataTransfer);
        if (all.length) take.current(all);
      },
    };
    for (const kind in heard) place.addEventListener(kind, /** @type {any} */ (heard[kind]));
    return () => {
      for (const kind in heard) place.removeEventListener(kind, /** @type {any} */ (heard[kind]));
    };
  }, []);
  return html`<div ref=${ref} class="drop" hidden=${!over}><p>${t("drop files")}</p></div>`;
}
