// @ts-check
/** A row of the history: the day, the line of what is new, and a message or a sentence. */

import { html, useLayoutEffect, useRef } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icon.js";
import { panel } from "../store.js";
import { dayName, t } from "../words.js";
import { Bubble } from "./bubble.js";
import { selected } from "./context.js";
import { LineWords } from "./line.js";
import { marked } from "./marked.js";

/**
 * @param {{ message: any, day: boolean, unread: boolean, start: boolean, end: boolean, named: boolean, over: boolean, scroller: any }} props
 * `start` and `end` of what one person says in one go; `named`: senders are shown; `over`: it is
 * pointed at, or has the focus: what it offers is made only then.
 */
export function Row({ message, day, unread, start, end, named, over, scroller }) {
  const ref = useRef(/** @type {any} */ (null));
  useLayoutEffect(() => {
    const node = ref.current;
    scroller.sizes.observe(node);
    return () => scroller.sizes.unobserve(node);
  }, [scroller]);
  return html`<div ref=${ref} class="item" data-number=${message.number} data-start=${start} data-end=${end}>
    ${day && html`<div class="day"><span>${dayName(message.time)}</span></div>`}
    ${unread && html`<div class="unread-line"><span>${t("new messages")}</span></div>`}
    ${message.kind === "line" || message.kind === "unreadable"
      ? html`<${Line} message=${message} />`
      : html`<${Said} message=${message} start=${start} end=${end} named=${named} over=${over} />`}
  </div>`;
}

/** What happened here, in the middle. @param {{ message: any }} props */
function Line({ message }) {
  const bad = ["fork suspected", "keys used elsewhere", "conversation dead", "wounded"].includes(message.line.code);
  return html`<p class=${bad ? "line bad" : "line"} data-message=${message.number} tabindex="-1" data-marked=${marked.value === message.number}>
    ${(bad || message.kind === "unreadable") && html`<${Icon} name="warning" size=${14} />`}
    <span><${LineWords} message=${message} /></span>
  </p>`;
}

/** @param {any} props */
function Said({ message, start, end, named, over }) {
  const { number, mine, sender } = message;
  const choosing = selected.value.size > 0;
  const chosen = selected.value.has(number);
  return html`<div class="said" data-mine=${!!mine} data-chosen=${chosen} data-over=${over}>
    ${choosing && html`<span class="choice" role="checkbox" aria-checked=${chosen} aria-label=${t("select")}>${chosen && html`<${Icon} name="check" size=${14} />`}</span>`}
    ${named && !mine && (end && sender ? html`<${Face} who=${sender} />` : html`<span class="said-face"></span>`)}
    <${Bubble} message=${message} start=${start} end=${end} named=${named} over=${over} quick=${over && !choosing} />
  </div>`;
}

/** @param {{ who: any }} props */
const Face = ({ who }) => html`<button type="button" class="said-face" tabindex="-1" aria-label=${who.name} onClick=${() => (panel.value = { kind: "person", account: who.account })}>
  <${Avatar} id=${who.account} name=${who.name} size=${34} />
</button>`;
