// @ts-check
/** The start: in by the link, then what the node says. */

import { html, render } from "../vendor/preact.js";
import { App } from "./app.js";
import { about, begin, stage } from "./store.js";
import { enter, Refused } from "./wire.js";

const place = /** @type {HTMLElement} */ (document.getElementById("app"));
render(html`<${App} />`, place);
try {
  if (await enter()) await begin();
  else stage.value = "closed";
} catch (error) {
  // A used link, or a node that is gone: the page says how to come in again.
  about.value = { ...about.value, trouble: error instanceof Refused ? error.code : "internal" };
  stage.value = "closed";
}
