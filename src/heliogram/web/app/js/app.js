// @ts-check
/** The whole: which screen, and what lies over it. */

import { html, useEffect } from "../vendor/preact.js";
import { Chat } from "./chat/chat.js";
import { Keys } from "./keys.js";
import { List } from "./list/list.js";
import { Notifications } from "./notifications.js";
import { Dialogs } from "./parts/dialog.js";
import { Menu } from "./parts/menu.js";
import { Toasts } from "./parts/toasts.js";
import { Panel } from "./people/panel.js";
import { Beginning } from "./start/beginning.js";
import { Closed } from "./start/closed.js";
import { First } from "./start/first.js";
import { fresh } from "./start/fresh.js";
import { AutoLock } from "./start/lock.js";
import { Unlock } from "./start/unlock.js";
import { opened, panel, stage, unread } from "./store.js";
import { look } from "./look.js";
import { language, t } from "./words.js";

/** Languages that are written from the right. None is ours yet; names and texts of people may be. */
const RIGHT_TO_LEFT = ["ar", "fa", "he", "ur"];

export function App() {
  useEffect(() => {
    document.documentElement.lang = language.value;
    document.documentElement.dir = RIGHT_TO_LEFT.includes(language.value) ? "rtl" : "ltr";
  }, [language.value]);
  useEffect(() => {
    document.title = unread.value && stage.value === "open" ? `(${unread.value}) Heliogram` : "Heliogram";
  }, [unread.value, stage.value]);
  useEffect(look, []);
  return html`<${Screen} /><${Dialogs} /><${Menu} /><${Toasts} /><${AutoLock} />`;
}

function Screen() {
  // A new account is open before its owner has its words: they come first, unless it is locked meanwhile.
  if (fresh.value && stage.value !== "locked") return fresh.value.words ? html`<${Beginning} />` : html`<${First} />`;
  switch (stage.value) {
    case "open":
      return html`<${Main} />`;
    case "new":
      return html`<${First} />`;
    case "locked":
      return html`<${Unlock} />`;
    case "closed":
      return html`<${Closed} />`;
    default:
      return html`<main class="start" aria-busy="true"><p class="visually-hidden" role="status">${t("starting")}</p></main>`;
  }
}

/** List, conversation, panel: beside each other where there is room, else one of them. */
function Main() {
  const shows = panel.value ? "panel" : opened.value ? "chat" : "list";
  return html`<div class="frame" data-shows=${shows}>
    <${List} />
    <${Chat} />
    ${panel.value && html`<${Panel} />`}
    <${Keys} />
    <${Notifications} />
  </div>`;
}
