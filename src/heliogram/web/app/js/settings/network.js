// @ts-check
/** How relays are reached: a proxy, and whom to trust. */

import { html, useEffect, useMemo, useState } from "../../vendor/preact.js";
import { inTurn } from "../newest.js";
import { Confirm } from "../parts/dialog.js";
import { openDialog, refreshStatus, toast } from "../store.js";
import { call, upload } from "../wire.js";
import { t } from "../words.js";
import { Card, useTry, Wrong } from "../people/pieces.js";

/** More than any list of certificates has. */
const MOST = 4 << 20;

export function Network() {
  const [network, setNetwork] = useState(/** @type {any} */ (null));
  const [proxy, setProxy] = useState("");
  const way = useTry();
  const trust = useTry();
  const [reach, setReach] = useState("");
  // Each answer is about both: what was set last is not taken back by what was set before it.
  const take = useMemo(() => inTurn((/** @type {any} */ now) => (setNetwork(now), setProxy(now.proxy))), []);
  // What was set is in force: whether it is of use, relays tell.
  const look = async (/** @type {string} */ none) => {
    setReach(t("relays are asked"));
    const relays = await call("relays", { check: true });
    const n = relays.filter((/** @type {any} */ one) => one.state === "up" || one.state === "behind").length;
    setReach(!relays.length ? "" : n ? t("relays answer", { n, all: relays.length }) : t(none));
    await refreshStatus().catch(() => {});
  };
  useEffect(() => void way.run(() => take(call("network"))), []);
  const set = (/** @type {string} */ wanted) =>
    way.run(async () => {
      setReach("");
      await take(call("network", { proxy: wanted }));
      await look(wanted ? "offline proxy" : "offline").catch(() => setReach(""));
    });
  const clear = () =>
    openDialog(Confirm, {
      title: t("no proxy"),
      text: t("no proxy text"),
      yes: t("connect directly"),
      danger: true,
      run: () => void set(""),
    });
  const give = (/** @type {File | undefined} */ file) =>
    file &&
    trust.run(async () => {
      if (file.size > MOST) return trust.setWrong(t("too large certificates"));
      const { path } = await upload(file, file.name);
      await take(call("network", { authority: path }));
      toast(t("authority set"));
      // Relays that were not trusted may be now.
      await call("relays", { check: true }).then(refreshStatus, () => {});
    });
  const forget = () =>
    openDialog(Confirm, {
      title: t("forget authority"),
      text: t("forget authority text"),
      yes: t("forget"),
      danger: true,
      run: () => void trust.run(() => take(call("network", { authority: "" }))),
    });
  return html`<${Card} title=${t("proxy")}>
      <form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void (proxy.trim() ? set(proxy.trim()) : clear()))}>
        <p class="quiet p-small">${t("proxy text")}</p>
        <label>${t("proxy address")}
          <input dir="ltr" spellcheck=${false} autocomplete="off" maxlength="256" placeholder="socks5://127.0.0.1:9050" value=${proxy} onInput=${(/** @type {any} */ e) => setProxy(e.target.value)} />
        </label>
        <p role="status" class="p-small">${network && t(network.proxy ? "proxy on" : "proxy off")} ${reach}</p>
        <${Wrong} text=${way.wrong} />
        <div class="p-buttons">
          ${network?.proxy && html`<button type="button" class="danger" disabled=${way.busy} onClick=${clear}>${t("connect directly")}</button>`}
          <button class="primary" disabled=${way.busy || !network || proxy.trim() === network.proxy}>${t("save")}</button>
        </div>
      </form>
    </${Card}>
    <${Card} title=${t("authority")}>
      <p class="quiet p-small">${t("authority text")}</p>
      <p role="status" class="p-small">${network && t(!network.authority ? "authority off" : network.readable === false ? "authority unreadable" : "authority on")}</p>
      <${Wrong} text=${trust.wrong} />
      <div class="p-buttons left">
        <label class="file-button">${t("choose file")}<input type="file" class="visually-hidden" accept=".pem,.crt,.cer" disabled=${trust.busy} onChange=${(/** @type {any} */ e) => (void give(e.target.files[0]), (e.target.value = ""))} /></label>
        ${network?.authority && html`<button type="button" class="danger" disabled=${trust.busy} onClick=${forget}>${t("forget authority")}</button>`}
      </div>
    </${Card}>`;
}
