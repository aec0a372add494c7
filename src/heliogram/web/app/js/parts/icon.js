// @ts-check
/** Icons: paths of our own on a grid of 24, drawn as lines. */

import { html } from "../../vendor/preact.js";

/** @type {Record<string, string>} */
const PATHS = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14M16 16l4.5 4.5",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M12 5h.01M12 5a.6.6 0 1 0 .01 0M12 12a.6.6 0 1 0 .01 0M12 19a.6.6 0 1 0 .01 0",
  send: "M4 12l16-8-5 16-3.5-6.5zM11.5 13.5L20 4",
  attach: "M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.5 3.5 0 0 1 5 5l-8.5 8.5a2 2 0 0 1-3-3L14 7",
  smile: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18M8.5 14.5c1.8 2.4 5.2 2.4 7 0M9 9.5v.01M15 9.5v.01",
  mic: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M6 11a6 6 0 0 0 12 0M12 17v4",
  check: "M5 13l4.5 4.5L19 7",
  checks: "M2.5 13l4.5 4.5L16.5 7M11.5 16.5l1 1L22 7",
  clock: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18M12 7v5.5l3.5 2",
  warning: "M12 4L2.5 20h19zM12 10v4.5M12 17.3v.01",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  shield: "M12 3l7.5 3v5.5c0 4.5-3 7.800-7.5 9.5-4.5-1.700-7.5-5-7.5-9.5V6z",
  verified: "M12 3l7.5 3v5.5c0 4.5-3 7.800-7.5 9.5-4.5-1.700-7.5-5-7.5-9.5V6zM8.5 12l2.5 2.5 4.5-5",
  pin: "M9 3h6l-1 6 4 4v2H6v-2l4-4zM12 15v6",
  mute: "M5 10v4h3l5 4V6l-5 4zM16.5 9.5l5 5M21.5 9.5l-5 5",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5h4",
  archive: "M4 5h16v4H4zM5.5 9v10h13V9M10 13h4",
  folder: "M3.5 6h6l2 2.5h9V19h-17z",
  settings: "M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h9M17 17h3M15 15v4",
  person: "M12 4a4 4 0 1 0 0 8a4 4 0 0 0 0-8M4.5 20c.8-4 4-6 7.5-6s6.700 2 7.5 6",
  people: "M9 5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7M2.5 19.5c.6-3.5 3.3-5 6.5-5s5.900 1.5 6.5 5M16 5.5a3.3 3.3 0 0 1 0 6.3M18 14.800c2 .7 3.200 2.200 3.5 4.700",
  add: "M12 5v14M5 12h14",
  edit: "M4 20l1-4.5L16 4.5 19.5 8 8.5 19z",
  reply: "M10 6l-6 6 6 6M4 12h9c4 0 6.5 2 7 6",
  forward: "M14 6l6 6-6 6M20 12h-9c-4 0-6.5 2-7 6",
  trash: "M5 7h14M9 7V4.5h6V7M7 7l1 13h8l1-13",
  copy: "M9 9h10v11H9zM5 15V4h10",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  relay: "M12 10.5a1.5 1.5 0 1 0 0 3a1.5 1.5 0 0 0 0-3M8.5 8.5a5 5 0 0 0 0 7M15.5 8.5a5 5 0 0 1 0 7M6 6a8.5 8.5 0 0 0 0 12M18 6a8.5 8.5 0 0 1 0 12",
  file: "M6 3h8l4.5 4.5V21H6zM14 3v4.5h4.5",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15 9v.01",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  stop: "M7 7h10v10H7z",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  down: "M6 9l6 6 6-6",
  up: "M6 15l6-6 6 6",
  poll: "M5 20V10M12 20V4M19 20v-7",
  at: "M16 8v5.5a2.5 2.5 0 0 0 5 0V12a9 9 0 1 0-4 7.5M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8",
  qr: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 18h2v2h-2zM18 14h2M14 18v2",
  timer: "M12 6a7.5 7.5 0 1 0 0 15a7.5 7.5 0 0 0 0-15M12 9.5V14M9.5 3h5",
  calendar: "M4 6h16v14H4zM4 10.5h16M8 3.5V8M16 3.5V8",
  eye: "M2.5 12C5 7.5 8.3 5.5 12 5.5s7 2 9.5 6.5c-2.5 4.5-5.800 6.5-9.5 6.5S5 16.5 2.5 12M12 9a3 3 0 1 0 0 6a3 3 0 0 0 0-6",
  device: "M7 3h10v18H7zM11 18h2",
  keyboard: "M3 6h18v12H3zM6.5 10v.01M10 10v.01M14 10v.01M17.5 10v.01M7.5 14h9",
  globe: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18M3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18",
  disk: "M4 6c0-3.5 16-3.5 16 0v12c0 3.5-16 3.5-16 0zM4 6c0 3.5 16 3.5 16 0M4 12c0 3.5 16 3.5 16 0",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  bookmark: "M6 4h12v17l-6-5-6 5z",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5",
};

/**
 * @param {{ name: string, label?: string, size?: number }} props `label` for one that stands alone.
 */
export function Icon({ name, label, size = 22 }) {
  const hidden = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" ...${hidden}>
    <path d=${PATHS[name]} />
  </svg>`;
}

/**
 * A button that is an icon. `label` is what it does: read aloud, and shown when pointed at.
 * @param {{ name: string, label: string, onClick?: (event: MouseEvent) => void, [more: string]: any }} props
 */
export function IconButton({ name, label, size, class: also = "", ...rest }) {
  return html`<button type="button" class=${`icon-button ${also}`} aria-label=${label} title=${label} ...${rest}>
    <${Icon} name=${name} size=${size} />
  </button>`;
}
