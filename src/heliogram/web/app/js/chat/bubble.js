// @ts-check
/** What somebody said: name, origin, quote, files, text, reactions, and what became of it. */

import { html } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { hour, moment, t } from "../words.js";
import { Files } from "./files.js";
import { kindOf } from "./keep.js";
import { Location } from "./location.js";
import { marked } from "./marked.js";
import { colour, onlyEmoji } from "./names.js";
import { Poll } from "./poll.js";
import { Quick } from "./quick.js";
import { Quote } from "./quote.js";
import { Reactions } from "./reactions.js";
import { Text } from "./text.js";
import { Ticks } from "./ticks.js";
import { WithWarning } from "./person.js";

/** @param {any} props */
export function Bubble({ message, start, end, named, over, quick = false }) {
  const { number, mine, sender, files = [], forwarded, reply_to: answered, reactions = [] } = message;
  const large = message.kind === "text" && !answered && !forwarded ? onlyEmoji(message.text) : 0;
  const bare = !!large || (files.length === 1 && files[0].inline && kindOf(files[0]) === "picture" && !message.text && !answered && !forwarded);
  return html`<article
    class="message ${mine ? "mine" : ""} ${large ? "large" : ""} ${bare ? "bare" : ""}"
    data-message=${number}
    data-marked=${marked.value === number}
    data-tail=${end}
    data-kind=${message.kind}
    tabindex="-1"
    aria-label=${`${mine ? t("you said") : (sender?.name ?? "")}, ${moment(message.time)}`}
  >
    ${named && !mine && start && sender && html`<h2 class="message-name" style=${{ "--hue": colour(sender.account) }}><${WithWarning} who=${sender} /></h2>`}
    ${forwarded && html`<p class="message-origin"><${Icon} name="forward" size=${14} /> ${t("forwarded from")} <bdi>${forwarded.who?.name || forwarded.name}</bdi></p>`}
    ${answered && html`<${Quote} id=${answered} />`}
    ${files.length > 0 && html`<${Files} message=${message} />`}
    <${Body} message=${message} large=${large} />
    ${reactions.length > 0 && html`<${Reactions} message=${message} />`}
    <${Meta} message=${message} over=${over} />
    ${quick && html`<${Quick} message=${message} />`}
  </article>`;
}

/** @param {any} props */
function Body({ message, large }) {
  switch (message.kind) {
    case "poll":
      return message.poll ? html`<${Poll} message=${message} />` : html`<${Text} message=${message} />`;
    case "location":
      return html`<${Location} message=${message} />`;
    case "deleted":
      return html`<p class="message-note">${t(message.mine ? "deleted by you" : "deleted")}</p>`;
    case "unknown":
      return html`<p class="message-note">${t("unknown kind")} <bdi>${message.text}</bdi></p>`;
    default:
      if (large) return html`<p class="emoji" data-many=${large}>${message.text.trim()}</p>`;
      return message.text ? html`<${Text} message=${message} />` : html``;
  }
}

/** Time, and what became of it. @param {{ message: any, over: boolean }} props */
function Meta({ message, over }) {
  const { time, edited, pinned, expires, mine, kind } = message;
  return html`<footer class="meta">
    ${pinned && html`<${Icon} name="pin" size=${12} label=${t("pinned")} />`}
    ${expires && html`<span title=${t("goes at", { when: moment(expires) })}><${Icon} name="timer" size=${12} label=${t("goes at", { when: moment(expires) })} /></span>`}
    ${edited && html`<span>${t("edited")}</span>`}
    <time title=${over ? moment(time) : undefined}>${hour(time)}</time>
    ${mine && kind !== "deleted" && html`<${Ticks} message=${message} />`}
  </footer>`;
}
