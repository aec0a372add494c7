// @ts-check
/** Conversations below each other. Of very many, only those in sight are drawn. Arrows move. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact.js";
import { opened } from "../store.js";
import { t } from "../words.js";
import { chatMenu } from "./actions.js";
import { Row } from "./row.js";

/** From how many on not all are drawn, and how many are beyond each edge. */
const MANY = 200;
const BEYOND = 8;

/** @param {{ chats: any[], empty: string, id?: string }} props */
export function Rows({ chats, empty, id }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [seen, setSeen] = useState({ top: 0, height: 800 });
  const [tall, setTall] = useState(62);
  const [stop, setStop] = useState(/** @type {string | null} */ (null));
  const wanted = useRef(/** @type {string | null} */ (null));
  const many = chats.length > MANY;

  // Where the focus was to go, once that row is drawn.
  useLayoutEffect(() => {
    const row = /** @type {HTMLElement | null} */ (box.current?.querySelector("li"));
    if (row && row.offsetHeight && row.offsetHeight !== tall) setTall(row.offsetHeight);
    if (!wanted.current) return;
    const found = /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector(`[data-chat="${wanted.current}"]`));
    if (found) {
      wanted.current = null;
      found.focus();
    }
  });

  // What was opened from elsewhere comes into sight.
  useEffect(() => {
    const at = chats.findIndex((one) => one.id === opened.value);
    if (at >= 0) show(at);
  }, [opened.value]);

  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const look = () => setSeen({ top: node.scrollTop, height: node.clientHeight });
    const watch = new ResizeObserver(look);
    watch.observe(node);
    return () => watch.disconnect();
  }, []);

  /** @param {number} at */
  function show(at) {
    const node = box.current;
    if (!node) return;
    if (at * tall < node.scrollTop) node.scrollTop = at * tall;
    else if ((at + 1) * tall > node.scrollTop + node.clientHeight) node.scrollTop = (at + 1) * tall - node.clientHeight + 8;
  }

  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const focused = /** @type {HTMLElement} */ (event.target).dataset.chat;
    const here = chats.findIndex((one) => one.id === focused);
    if (here < 0) return;
    if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
      chatMenu(/** @type {any} */ ({ preventDefault: () => event.preventDefault(), currentTarget: event.target, target: event.target }), chats[here]);
      return;
    }
    const page = Math.max(1, Math.floor(seen.height / tall) - 1);
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: chats.length - 1, PageDown: here + page, PageUp: here - page };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const at = Math.max(0, Math.min(to, chats.length - 1));
    show(at);
    wanted.current = chats[at].id;
    setStop(chats[at].id);
    if (box.current) setSeen({ top: box.current.scrollTop, height: box.current.clientHeight });
  };

  if (!chats.length) return html`<div class="rows" ref=${box} id=${id}><p class="rows-empty">${empty}</p></div>`;
  const from = many ? Math.max(0, Math.floor(seen.top / tall) - BEYOND) : 0;
  const to = many ? Math.min(chats.length, Math.ceil((seen.top + seen.height) / tall) + BEYOND) : chats.length;
  const at = [stop, opened.value].map((one) => chats.findIndex((chat) => chat.id === one)).find((one) => one >= from && one < to);
  const first = at ?? from;
  return html`<div
    class="rows"
    ref=${box}
    id=${id}
    onScroll=${(/** @type {any} */ event) => many && setSeen({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
    onKeyDown=${pressed}
    onFocusIn=${(/** @type {any} */ event) => event.target.dataset.chat && setStop(event.target.dataset.chat)}
  >
    <ul aria-label=${t("chats")} style=${many ? { paddingTop: `${from * tall}px`, paddingBottom: `${(chats.length - to) * tall}px` } : {}}>
      ${chats.slice(from, to).map(
        (one, index) => html`<${Row} key=${one.id} chat=${one} stop=${from + index === first} place=${from + index} of=${chats.length} />`,
      )}
    </ul>
  </div>`;
}

