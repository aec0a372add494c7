// @ts-check
/** The messages of a conversation: the rows around what is looked at, out of all there are. */

import { effect, html, signal, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/preact.js";
import { IconButton } from "../parts/icon.js";
import { chats, on, target, tell } from "../store.js";
import { chatName, dayName, t } from "../words.js";
import { messageMenu, toggle } from "./actions.js";
import { selected, shownHistory, shownScroller } from "./context.js";
import { History as Loaded } from "./history.js";
import { jump } from "./jump.js";
import { mark } from "./marked.js";
import { pressed } from "./moving.js";
import { Row } from "./row.js";
import { Scroller } from "./scroller.js";

/** @param {{ chat: any }} props */
export function History({ chat }) {
  const { id } = chat;
  const [history, scroller, firstUnread] = useMemo(() => {
    const made = new Loaded(id);
    return [made, new Scroller(made), signal(0)];
  }, [id]);
  useEffect(() => live(history, scroller, firstUnread, chat), [history]);
  return html`<div class="history-frame">
    <${Rows} history=${history} scroller=${scroller} firstUnread=${firstUnread} chat=${chat} />
    <${Day} scroller=${scroller} />
    <${Down} history=${history} scroller=${scroller} chat=${chat} />
  </div>`;
}

/**
 * Load it, hear what happens to it, go where `target` says, and tell what was seen, until the end.
 * @param {Loaded} history @param {Scroller} scroller @param {import("../../vendor/preact.js").Signal<number>} firstUnread @param {any} chat
 */
function live(history, scroller, firstUnread, chat) {
  shownHistory.value = history;
  shownScroller.value = scroller;
  const open = async () => {
    const goal = target.peek();
    target.value = null;
    if (goal !== null) {
      const place = await history.openAt({ number: goal });
      scroller.to(place.position);
      mark(goal);
    } else if (chat.unread > 0) {
      const place = await history.openAt({ unread: true });
      firstUnread.value = place.number ?? 0;
      if (place.number) scroller.to(place.position, 70);
      else scroller.toEnd();
    } else await history.openEnd();
  };
  void open().catch(() => history.openEnd().catch(() => {}));
  let read = 0;
  /** @type {any} */
  let waiting = 0;
  const seen = () => {
    waiting = 0;
    if (!history.ready || history.over || document.visibilityState !== "visible" || !document.hasFocus()) return;
    if (!chats.peek().get(history.chat)?.unread) return;
    const message = history.at(scroller.stick ? history.count - 1 : scroller.seen[1]);
    if (!message || message.number === read) return;
    read = message.number;
    tell("read", { chat: history.chat, number: read });
  };
  const look = () => {
    if (!waiting) waiting = setTimeout(seen, 120);
  };
  scroller.moved = look;
  addEventListener("focus", look);
  document.addEventListener("visibilitychange", look);
  const mine = (/** @type {any} */ notice) => {
    if ((notice.message?.chat ?? notice.chat) !== history.chat) return;
    const own = notice.event === "message added" && notice.message.mine && notice.message.state === "queued";
    history.heard(notice);
    if (own) scroller.toEnd();
    look();
  };
  const ends = [
    on("message added", mine),
    on("message changed", mine),
    on("message gone", mine),
    on("chat changed", look),
    on("reconnected", () => void history.again()),
    effect(() => {
      void history.version.value;
      if (target.value === null || !history.ready) return;
      const goal = target.value;
      target.value = null;
      void jump(history, scroller, { number: goal });
    }),
    effect(() => {
      void history.version.value;
      look();
    }),
  ];
  return () => {
    ends.forEach((end) => end());
    removeEventListener("focus", look);
    document.removeEventListener("visibilitychange", look);
    clearTimeout(waiting);
    scroller.end();
    history.end();
    if (shownHistory.value === history) shownHistory.value = shownScroller.value = null;
  };
}

/** @param {any} props */
function Rows({ history, scroller, firstUnread, chat }) {
  const box = useRef(/** @type {any} */ (null));
  const space = useRef(/** @type {any} */ (null));
  const rows = useRef(/** @type {any} */ (null));
  void history.version.value;
  void scroller.tick.value;
  const [over, setOver] = useState(0);
  useLayoutEffect(() => scroller.attach(box.current, space.current, rows.current), [scroller]);
  if (history.ready) scroller.layout();
  useLayoutEffect(() => {
    scroller.drawn = scroller.first;
    if (history.ready) scroller.apply();
  });
  return html`<div
    ref=${box}
    class="history"
    role="log"
    aria-label=${t("messages of", { name: chatName(chat) })}
    aria-busy=${!history.ready}
    tabindex="0"
    onScroll=${() => scroller.scrolled()}
    onPointerOver=${(/** @type {Event} */ event) => setOver(scroller.scrolling.value ? over : numberAt(event))}
    onPointerLeave=${() => setOver(0)}
    onFocusIn=${(/** @type {Event} */ event) => setOver(numberAt(event))}
    onContextMenu=${(/** @type {MouseEvent} */ event) => menuAt(event, history)}
    onClickCapture=${choose}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => pressed(event, history, scroller)}
  >
    <div ref=${space} class="history-space">
      <div ref=${rows} class="history-rows">${history.ready && drawn(history, scroller, firstUnread.value, chat, over)}</div>
    </div>
  </div>`;
}

/** @param {Loaded} history @param {Scroller} scroller @param {number} firstUnread @param {any} chat @param {number} over */
function drawn(history, scroller, firstUnread, chat, over) {
  const { first, last } = scroller;
  const from = Math.max(0, first - 1);
  const all = history.slice(from, Math.min(history.count, last + 1));
  const named = chat.kind === "group";
  let position = from;
  return all.map((one, index) => {
    const at = position;
    if ("gap" in one) {
      position += one.gap;
      const pixels = history.above(Math.min(last, position)) - history.above(Math.max(first, at));
      return html`<div key=${one.key} class="history-gap" style=${{ height: `${Math.max(0, pixels)}px` }} aria-hidden="true"></div>`;
    }
    position += 1;
    // Neighbours are here for what stands next to them.
    if (at < first || at >= last) return null;
    const { message } = one;
    const [before, after] = [all[index - 1], all[index + 1]];
    const earlier = before && "message" in before ? before.message : null;
    const later = after && "message" in after ? after.message : null;
    const day = at === 0 || (earlier && !sameDay(earlier.time, message.time));
    const line = firstUnread === message.number;
    return html`<${Row}
      key=${message.number}
      message=${message}
      day=${!!day}
      unread=${line}
      start=${day || line || !together(earlier, message)}
      end=${!later || !together(message, later) || later.number === firstUnread || !sameDay(message.time, later.time)}
      named=${named}
      over=${over === message.number}
      scroller=${scroller}
    />`;
  });
}

/** The number of the message that something happens at; 0 for none. @param {Event} event */
function numberAt(event) {
  const row = /** @type {Element} */ (event.target).closest(".item");
  return Number(/** @type {HTMLElement | null} */ (row)?.dataset.number ?? 0);
}

/** @param {MouseEvent} event @param {Loaded} history */
function menuAt(event, history) {
  const message = history.get(numberAt(event));
  if (message?.id && /** @type {Element} */ (event.target).closest(".message")) messageMenu(event, message);
}

/** While some are selected, a click selects. @param {MouseEvent} event */
function choose(event) {
  if (!selected.value.size) return;
  event.preventDefault();
  event.stopPropagation();
  const number = /** @type {Element} */ (event.target).closest(".said") ? numberAt(event) : 0;
  if (number) toggle(number);
}

/** Whether two stand together: of one person, within some minutes. @param {any} a @param {any} b */
const together = (a, b) =>
  !!a && a.kind !== "line" && b.kind !== "line" && a.sender?.account === b.sender?.account && b.time - a.time < 600;

/** @param {number} a @param {number} b Unix */
function sameDay(a, b) {
  if (Math.abs(a - b) > 90_000) return false;
  const [one, two] = [new Date(a * 1000), new Date(b * 1000)];
  return one.getDate() === two.getDate() && one.getMonth() === two.getMonth();
}

/** The day of what is at the top, while it moves. @param {{ scroller: Scroller }} props */
function Day({ scroller }) {
  const { day, scrolling, atEnd } = scroller;
  if (!day.value) return html``;
  const shown = scrolling.value && !(atEnd.value && scroller.stick);
  return html`<div class="day-over" data-shown=${shown} aria-hidden="true"><span>${dayName(day.value)}</span></div>`;
}

/** The way to the end, and how many are new there. @param {{ history: Loaded, scroller: Scroller, chat: any }} props */
function Down({ scroller, chat }) {
  if (scroller.atEnd.value) return html``;
  const label = chat.unread ? t("down unread", { n: chat.unread }) : t("down");
  return html`<div class="down">
    ${chat.unread > 0 && html`<span class="badge" aria-hidden="true">${chat.unread}</span>`}
    <${IconButton} name="down" label=${label} onClick=${() => scroller.toEnd()} />
  </div>`;
}
