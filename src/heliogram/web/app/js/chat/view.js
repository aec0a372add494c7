// @ts-check
/** The messages of a conversation. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { on } from "../store.js";
import { call } from "../wire.js";
import { hour } from "../words.js";
import { Text } from "./text.js";

/** @param {{ chat: any }} props */
export function History({ chat }) {
  const [messages, setMessages] = useState(/** @type {any[]} */ ([]));
  useEffect(() => {
    const load = () => call("history", { chat: chat.id }).then(setMessages, () => {});
    void load();
    const ends = ["message added", "message changed", "message gone"].map((event) =>
      on(event, (notice) => (notice.message?.chat ?? notice.chat) === chat.id && void load()),
    );
    return () => ends.forEach((end) => end());
  }, [chat.id]);
  return html`<div class="history" role="log" tabindex="0">
    ${messages.map(
      (one) => html`<article key=${one.number} class=${one.mine ? "message mine" : "message"}>
        <${Text} message=${one} /> <time>${hour(one.time)}</time>
      </article>`,
    )}
  </div>`;
}
