// @ts-check
/** Which key sends. */

/**
 * Whether a key sends, where somebody wants Enter to "send" or to begin a "newline". On a screen that is touched,
 * it begins one.
 * @param {KeyboardEvent} event @param {"send" | "newline" | undefined} wish
 */
export function sends(event, wish) {
  // The Enter that ends a composition is no Enter; some browsers say that by the code only.
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229 || event.altKey) return false;
  if (event.ctrlKey || event.metaKey) return true;
  if (event.shiftKey) return false;
  return wish ? wish === "send" : !matchMedia("(pointer: coarse)").matches;
}
