// @ts-check
/** What tells of new messages while the app is not looked at, and what it shows then. */

import { html, useState } from "../../vendor/preact.js";
import { own, setOwn } from "../store.js";
import { t } from "../words.js";
import { Choice, Toggle } from "../people/pieces.js";

export function NotificationSettings() {
  const there = "Notification" in globalThis;
  const [allowed, setAllowed] = useState(there ? Notification.permission : "denied");
  const { notify = false, contents = "nothing", sound = false } = own.value;
  const turn = async (/** @type {boolean} */ on) => {
    let now = allowed;
    if (on && allowed === "default") {
      now = await Notification.requestPermission();
      setAllowed(now);
    }
    setOwn({ notify: on && now === "granted" });
  };
  return html`<div class="p-form">
    <${Toggle} label=${t("notify")} note=${t("notify text")} checked=${notify && allowed === "granted"} disabled=${allowed === "denied"} onChange=${(/** @type {boolean} */ on) => void turn(on)} />
    ${allowed === "denied" && html`<p class="p-caution">${t(there ? "notify denied" : "notify missing")}</p>`}
    <${Choice} label=${t("notify contents")} value=${contents} disabled=${!notify} note=${t("notify contents text")} options=${["all", "name", "nothing"].map((one) => [one, t(`contents ${one}`)])} onChange=${(/** @type {string} */ one) => setOwn({ contents: one })} />
    <${Toggle} label=${t("sound")} checked=${sound} onChange=${(/** @type {boolean} */ on) => setOwn({ sound: on })} />
  </div>`;
}
