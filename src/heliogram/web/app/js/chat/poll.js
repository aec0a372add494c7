// @ts-check
/** A poll: what is asked, what was chosen, by whom. */

import { html, useState } from "../../vendor/preact.js";
import { Icon } from "../parts/icon.js";
import { Avatar } from "../parts/avatar.js";
import { Sheet } from "../parts/dialog.js";
import { ask, chat, openDialog } from "../store.js";
import { t } from "../words.js";
import { canSay } from "./actions.js";
import { WithWarning } from "./person.js";

/** @param {{ message: any }} props */
export function Poll({ message }) {
  const { question, options, most = 1, chosen = [] } = message.poll;
  const [marks, setMarks] = useState(/** @type {number[]} */ ([]));
  const voters = new Set(options.flatMap((/** @type {any} */ one) => (one.votes ?? []).map((/** @type {any} */ who) => who.account))).size;
  const may = canSay(chat.value) && !!message.id;
  const vote = (/** @type {number[]} */ places) => void ask("vote", { message: message.id, options: places }).then(() => setMarks([]), () => {});
  const press = (/** @type {number} */ place) => {
    if (most === 1) vote([place]);
    else if (marks.includes(place)) setMarks(marks.filter((one) => one !== place));
    else if (marks.length < most) setMarks([...marks, place].sort((a, b) => a - b));
  };
  const open = may && !chosen.length;
  return html`<section class="poll" aria-label=${question}>
    <h2 dir="auto">${question}</h2>
    <p class="quiet">${t(most > 1 ? "poll several" : "poll one", { n: most })}</p>
    <ul>
      ${options.map((/** @type {any} */ one, /** @type {number} */ place) => {
        const n = one.votes?.length ?? 0;
        const share = voters ? Math.round((100 * n) / voters) : 0;
        const on = chosen.includes(place) || marks.includes(place);
        return html`<li key=${place}>
          <button type="button" class="option" aria-pressed=${on} disabled=${!open} onClick=${() => press(place)}>
            <span class="option-mark">${on && html`<${Icon} name="check" size=${14} />`}</span>
            <span class="option-text" dir="auto">${one.text}</span>
            ${!open && html`<span class="option-share">${share} %</span>`}
            <span class="bar"><span style=${{ inlineSize: open ? "0" : `${share}%` }}></span></span>
          </button>
        </li>`;
      })}
    </ul>
    <footer>
      <button type="button" class="plain" disabled=${!voters} onClick=${() => openDialog(Voters, { message })}>${t("votes", { n: voters })}</button>
      ${open && most > 1 && html`<button type="button" class="plain" disabled=${!marks.length} onClick=${() => vote(marks)}>${t("vote")}</button>`}
      ${may && chosen.length > 0 && html`<button type="button" class="plain" onClick=${() => vote([])}>${t("take back")}</button>`}
    </footer>
  </section>`;
}

/** Who chose what. @param {any} props */
function Voters({ message, close, titleId }) {
  return html`<${Sheet} title=${message.poll.question} titleId=${titleId} close=${close}>
    ${message.poll.options.map(
      (/** @type {any} */ one) => html`<section class="who">
        <h3 dir="auto">${one.text} · ${one.votes?.length ?? 0}</h3>
        <ul>
          ${(one.votes ?? []).map((/** @type {any} */ who) => html`<li><${Avatar} id=${who.account} name=${who.name} size=${28} /> ${who.me ? t("you said") : html`<${WithWarning} who=${who} />`}</li>`)}
        </ul>
      </section>`,
    )}
  </${Sheet}>`;
}
