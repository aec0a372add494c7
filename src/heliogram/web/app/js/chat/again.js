// @ts-check
/** Saying again what could not be said. */

import { ask, openChat, opened } from "../store.js";

/** With its files; where the conversation goes on elsewhere, there. @param {any} message */
export const again = (message) =>
  void ask("send again", { message: message.id }).then(
    (made) => made.chat !== message.chat && opened.value === message.chat && openChat(made.chat),
    () => {},
  );
