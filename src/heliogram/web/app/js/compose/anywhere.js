// @ts-check
/** Keys and pastes that nothing else takes go to the field. */

import { useLayoutEffect, useRef } from "../../vendor/preact.js";
import { dialogs } from "../store.js";
import { pasted } from "./drop.js";

/** @param {EventTarget | null} target whether keys do something of their own there */
const busy = (target) =>
  target instanceof Element && target.closest("input, textarea, select, [contenteditable], [role=menu], [role=listbox], dialog") !== null;

/**
 * @param {{ current: HTMLTextAreaElement | null }} field
 * @param {(files: File[]) => void} take gets files that were pasted
 */
export function useTypingAnywhere(field, take) {
  const taken = useRef(take);
  taken.current = take;
  useLayoutEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.defaultPrevented || event.key.length !== 1 || event.key === " ") return;
      if (event.ctrlKey || event.metaKey || event.altKey || dialogs.value.length || busy(event.target)) return;
      field.current?.focus();
    };
    /** @param {ClipboardEvent} event */
    const paste = (event) => {
      if (dialogs.value.length || (event.target !== field.current && busy(event.target))) return;
      const files = pasted(event);
      if (files.length) {
        event.preventDefault();
        taken.current(files);
      } else if (event.target !== field.current) field.current?.focus();
    };
    document.addEventListener("keydown", pressed);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("keydown", pressed);
      document.removeEventListener("paste", paste);
    };
  }, []);
}
