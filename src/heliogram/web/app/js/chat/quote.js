// @ts-check
/** What a message answers, in short. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { shownHistory } from "./context.js";
import { go } from "./jump.js";
import { colour, inShort } from "./names.js";

/** Answers that were asked for. @type {Map<string, any>} */
const found = new Map();

/** @param {{ id: string }} props */
export function Quote({ id }) {
  const known = shownHistory.value?.ids.get(id) ?? found.get(id);
  const [asked, setAsked] = useState(/** @type {any} */ (known));
  useEffect(() => {
    if (known) return;
    let here = true;
    call("message", { message: id }).then(
      (message) => {
        found.set(id, message);
        if (found.size > 500) found.delete(found.keys().next().value ?? "");
        if (here) setAsked(message);
      },
      () => here && setAsked(null),
    );
    return () => void (here = false);
  }, [id]);
  const message = known ?? asked;
  return html`<button
    type="button"
    class="quote"
    style=${{ "--hue": colour(message?.sender?.account ?? "0") }}
    onClick=${() => void go({ message: id })}
  >
    <b><bdi>${message ? (message.mine ? t("you said") : (message.sender?.name ?? "")) : ""}</bdi></b>
    <span dir="auto">${message ? inShort(message, t) : asked === null ? t("not here any more") : "…"}</span>
  </button>`;
}
