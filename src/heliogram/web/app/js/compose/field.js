// @ts-check
/** Changes to a text field as if they were typed: undo takes them back. */

/**
 * Put `text` in place of a range, the selection if none is given; the caret stands behind it.
 * @param {HTMLTextAreaElement} field @param {string} text @param {number} [from] @param {number} [to]
 */
export function insert(field, text, from = field.selectionStart, to = field.selectionEnd) {
  field.focus();
  field.setSelectionRange(from, to);
  // It is called old, and nothing else leaves the way back.
  const done = text ? document.execCommand("insertText", false, text) : from === to || document.execCommand("delete");
  if (done) return;
  field.setRangeText(text, from, to, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Put marks around the selection, or take them away if they stand there; without one, write between them.
 * @param {HTMLTextAreaElement} field @param {string} before @param {string} [after]
 */
export function wrap(field, before, after = before) {
  const { selectionStart: from, selectionEnd: to, value } = field;
  const inner = value.slice(from, to);
  const outside = value.slice(from - before.length, from) === before && value.slice(to, to + after.length) === after;
  // "*" inside of "**" is another mark.
  const doubled = before.length === 1 && value[from - 2] === before && value[from - 3] !== before;
  if (outside && from >= before.length && !doubled) {
    insert(field, inner, from - before.length, to + after.length);
    field.setSelectionRange(from - before.length, to - before.length);
    return;
  }
  insert(field, before + inner + after, from, to);
  field.setSelectionRange(from + before.length, to + before.length);
}

/** Begin each line of the selection with a mark. @param {HTMLTextAreaElement} field @param {string} mark */
export function begin(field, mark) {
  const { value, selectionEnd: to } = field;
  const from = value.lastIndexOf("\n", field.selectionStart - 1) + 1;
  insert(field, value.slice(from, to).replaceAll(/^/gm, mark), from, to);
}

/** Marks by key, with Ctrl or the command key. @type {Record<string, (field: HTMLTextAreaElement) => void>} */
const MARKS = {
  KeyB: (field) => wrap(field, "**"),
  KeyI: (field) => wrap(field, "*"),
  KeyE: (field) => wrap(field, "`"),
  KeyK: (field) => wrap(field, "[", "](https://)"),
  "Shift+KeyX": (field) => wrap(field, "~~"),
  "Shift+KeyM": (field) => wrap(field, "`"),
  "Shift+KeyC": (field) => wrap(field, "```\n", "\n```"),
  "Shift+Period": (field) => begin(field, "> "),
};

/** Keys that do something else in the app unless there is something to mark. */
const SHARED = new Set(["KeyK", "Shift+KeyM"]);

/** Whether a key was one for a mark, which is then made. @param {KeyboardEvent} event */
export function mark(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return false;
  const field = /** @type {HTMLTextAreaElement} */ (event.currentTarget);
  const key = (event.shiftKey ? "Shift+" : "") + event.code;
  const make = MARKS[key];
  if (!make || (SHARED.has(key) && field.selectionStart === field.selectionEnd)) return false;
  event.preventDefault();
  make(field);
  return true;
}

const GROWS = CSS.supports("field-sizing", "content");

/** Let a field be as high as its text, where styles alone cannot. @param {HTMLTextAreaElement | null} field */
export function grow(field) {
  if (GROWS || !field) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

const encoder = new TextEncoder();

/** Bytes of a text, counted only where it could matter. @param {string} text @param {number} most */
export const size = (text, most) => (text.length * 3 < most ? text.length : encoder.encode(text).length);
