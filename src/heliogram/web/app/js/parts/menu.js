// @ts-check
/** A menu at a point or a button: `openMenu(event, items)`; arrows move, Enter chooses, Escape closes. */

import { html, signal, useEffect, useLayoutEffect, useRef } from "../../vendor/preact.js";
import { Icon } from "./icon.js";

/** @typedef {{ label: string, icon?: string, run: () => void, danger?: boolean, checked?: boolean }} Item */

/** @type {import("../../vendor/preact.js").Signal<{ x: number, y: number, items: Item[], from: Element | null } | null>} */
const shown = signal(null);

/**
 * @param {MouseEvent | KeyboardEvent} event what asked for it: its place is the menu's
 * @param {(Item | false | null | undefined)[]} items
 */
export function openMenu(event, items) {
  event.preventDefault();
  const from = /** @type {Element} */ (event.currentTarget ?? event.target);
  const box = from.getBoundingClientRect();
  const pointed = event instanceof MouseEvent && event.type === "contextmenu" && event.clientX > 0;
  const [x, y] = pointed ? [event.clientX, event.clientY] : [box.left, box.bottom];
  shown.value = { x, y, items: /** @type {Item[]} */ (items.filter(Boolean)), from };
}

export function Menu() {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const menu = shown.value;
  const close = () => {
    const from = /** @type {HTMLElement | null} */ (menu?.from ?? null);
    shown.value = null;
    from?.focus?.();
  };
  useLayoutEffect(() => {
    const node = ref.current;
    if (!menu || !node) return;
    const { width, height } = node.getBoundingClientRect();
    node.style.left = `${Math.max(8, Math.min(menu.x, innerWidth - width - 8))}px`;
    node.style.top = `${menu.y + height > innerHeight - 8 ? Math.max(8, menu.y - height) : menu.y}px`;
    node.querySelector("button")?.focus();
  }, [menu]);
  useEffect(() => {
    if (!menu) return;
    /** @param {Event} event */
    const outside = (event) => !ref.current?.contains(/** @type {Node} */ (event.target)) && (shown.value = null);
    addEventListener("pointerdown", outside);
    addEventListener("blur", close);
    addEventListener("resize", close);
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("blur", close);
      removeEventListener("resize", close);
    };
  }, [menu]);
  if (!menu) return html``;
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const all = [.../** @type {HTMLElement} */ (ref.current).querySelectorAll("button")];
    const here = all.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (to !== undefined) all.at(to % all.length)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div ref=${ref} class="menu" role="menu" onKeyDown=${pressed}>
    ${menu.items.map(
      (item) => html`<button
        type="button"
        role=${item.checked === undefined ? "menuitem" : "menuitemcheckbox"}
        aria-checked=${item.checked}
        class=${item.danger ? "danger" : ""}
        onClick=${() => (close(), item.run())}
      >
        ${item.icon && html`<${Icon} name=${item.icon} size=${18} />`}<span>${item.label}</span>
        ${item.checked && html`<${Icon} name="check" size=${16} />`}
      </button>`,
    )}
  </div>`;
}
