// @ts-check
/** The relays for what the owner begins. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Confirm } from "../parts/dialog.js";
import { IconButton } from "../parts/icon.js";
import { on, openDialog, refreshStatus, toast } from "../store.js";
import { Since } from "../since.js";
import { call } from "../wire.js";
import { t } from "../words.js";
import { Health } from "../people/health.js";
import { usualRelays } from "../people/new-group.js";
import { Card, Field, useTry, Wrong } from "../people/pieces.js";
import { promise } from "../people/promise.js";

export function Relays() {
  const [relays, setRelays] = useState(/** @type {any[] | null} */ (null));
  const [address, setAddress] = useState("");
  const listing = useTry();
  const adding = useTry();
  const since = useRef(new Since()).current;
  /** How often the list was changed here. */
  const changes = useRef(0);
  const heard = (/** @type {any} */ { relay }) =>
    setRelays((all) => all?.map((one) => (one.relay.key === relay.relay.key ? relay : one)) ?? all);
  // To look at relays takes its time. A list from before a change here is not shown any more.
  const ask = async (check = false) => {
    const before = changes.current;
    await since.learn(call("relays", { check }), (all) => before === changes.current && setRelays(all), heard);
    if (before !== changes.current && check) await ask();
  };
  const load = (check = false) => listing.run(async () => {
    await ask(check);
    if (check) await refreshStatus().catch(() => {});
  });
  useEffect(() => {
    const end = on("relay changed", (notice) => (since.hear(notice), heard(notice)));
    void load();
    return end;
  }, []);
  const add = () =>
    adding.run(async () => {
      const relay = await call("add relay", { address: address.trim() });
      changes.current += 1;
      setAddress("");
      toast(t("relay added", { name: relay.name }));
      await load(true);
    });
  const remove = (/** @type {any} */ relay) =>
    openDialog(Confirm, {
      title: t("remove relay"),
      text: t("remove relay text", { name: relay.name }),
      yes: t("remove"),
      danger: true,
      run: () =>
        void listing.run(async () => {
          await call("remove relay", { relay: relay.key });
          changes.current += 1;
          toast(t("relay removed", { name: relay.name }));
          await ask();
          await refreshStatus().catch(() => {});
        }),
    });
  return html`<p class="quiet">${t("own relays text")}</p>
    <${Wrong} text=${listing.wrong} />
    ${relays && html`<ul class="p-lines">
      ${relays.map(
        (one) => html`<li key=${one.relay.key} class="p-line top" data-relay=${one.relay.name}>
          <details class="p-grow p-bare"><summary><${Health} health=${one} /></summary><${Health} health=${one} detail /></details>
          <${IconButton} name="trash" size=${18} label=${t("remove one", { name: one.relay.name })} onClick=${() => remove(one.relay)} />
        </li>`,
      )}
    </ul>
    <p class="p-small" role="status">${t("begun with")} ${promise(usualRelays(relays).length)}</p>
    ${relays.length > 0 && html`<div class="p-buttons left"><button type="button" disabled=${listing.busy} onClick=${() => void load(true)}>${t(listing.busy ? "checking" : "check relays")}</button></div>`}`}
    <${Card} title=${t("add relay")}>
      <form class="p-form" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), void add())}>
        <${Field} label=${t("relay address")} note=${t("relay address text")} dir="ltr" spellcheck=${false} autocomplete="off" maxlength="8192" placeholder="wss://relay.example/ws#KEY" value=${address} onInput=${setAddress} />
        <${Wrong} text=${adding.wrong} />
        <div class="p-buttons"><button class="primary" disabled=${adding.busy || !address.trim()}>${t("add")}</button></div>
      </form>
    </${Card}>`;
}
