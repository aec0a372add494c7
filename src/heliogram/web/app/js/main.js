// @ts-check
/** The start: in by the link, then what the node says. */

import { html, options, render } from "../vendor/preact.js";
import { App } from "./app.js";
import { about, begin, stage } from "./store.js";
import { enter, Refused } from "./wire.js";

// Effects run as soon as what they belong to is drawn, not some frames later: on a slow machine a key would be
// pressed, or a notice come, in between.
options.requestAnimationFrame = queueMicrotask;

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
