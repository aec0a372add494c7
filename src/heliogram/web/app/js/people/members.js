// @ts-check
/** Who is in a group, what each may do, and changing that. */

import { html, useState } from "../../vendor/preact.js";
import { Confirm, Sheet } from "../parts/dialog.js";
import { Icon, IconButton } from "../parts/icon.js";
import { openMenu } from "../parts/menu.js";
import { contacts, openChat, openDialog, panel } from "../store.js";
import { t } from "../words.js";
import { change } from "./changes.js";
import { ChoosePeople, folded } from "./choose.js";
import { arrows, Card, Choice, useTry, Who, Wrong } from "./pieces.js";

/** Members beyond which one searches. */
const MANY = 12;
const RANK = { owner: 0, admin: 1, member: 2 };

/** @typedef {{ who: any, role: "owner" | "admin" | "member", devices: number }} Member */

/** @param {{ chat: any, info: any, me: Member | undefined, may: boolean }} props `may`: add people */
export function Members({ chat, info, me, may }) {
  const [query, setQuery] = useState("");
  const { wrong, run } = useTry();
  const words = folded(query).split(/\s+/).filter(Boolean);
  const all = /** @type {Member[]} */ ([...info.members]).sort(
    (a, b) => RANK[a.role] - RANK[b.role] || a.who.name.localeCompare(b.who.name),
  );
  const found = all.filter((one) => words.every((word) => folded(`${one.who.name} ${one.who.mark}`).includes(word)));
  const owners = all.filter((one) => one.role === "owner").length;
  const remove = (/** @type {Member} */ { who }) =>
    openDialog(Confirm, {
      title: t("remove person", { name: who.name }),
      text: t("remove person text", { name: who.name }),
      yes: t("remove"),
      danger: true,
      run: () =>
        void run(() =>
          change("remove members", { chat: chat.id, members: [who.account] }, {
            doing: t("removing", { name: who.name }),
            done: t("was removed", { name: who.name }),
            over: (now) => !now.members.some((/** @type {Member} */ one) => one.who.account === who.account),
          }),
        ),
    });
  const appoint = (/** @type {Member} */ { who }, /** @type {Member["role"]} */ role) =>
    openDialog(Confirm, {
      title: t("change role"),
      text: t(`make ${role} text`, { name: who.name }),
      yes: t(`make ${role}`),
      danger: role === "owner",
      run: () =>
        void run(() =>
          change("set role", { chat: chat.id, member: who.account, role }, {
            doing: t("changing role", { name: who.name }),
            done: t("role changed", { name: who.name }),
            over: (now) => now.members.some((/** @type {Member} */ one) => one.who.account === who.account && one.role === role),
          }),
        ),
    });
  const menu = (/** @type {MouseEvent} */ event, /** @type {Member} */ one) => {
    const contact = contacts.value.find((other) => other.who.account === one.who.account);
    const over = chat.phase === "dead" || chat.phase === "out";
    const owner = me?.role === "owner" && !over;
    const removable = !one.who.me && !over && (owner || (me?.role === "admin" && one.role === "member"));
    const roles = owner && !(one.role === "owner" && owners === 1);
    openMenu(event, [
      !one.who.me && { label: t("about person"), icon: "person", run: () => (panel.value = { kind: "person", account: one.who.account, back: { kind: "info" } }) },
      contact?.chat && { label: t("open chat"), icon: "reply", run: () => openChat(contact.chat) },
      ...(roles
        ? /** @type {Member["role"][]} */ (["member", "admin", "owner"])
            .filter((role) => role !== one.role)
            .map((role) => ({ label: t(`make ${role}`), icon: "shield", run: () => appoint(one, role) }))
        : []),
      removable && { label: t("remove from group"), icon: "trash", danger: true, run: () => remove(one) },
    ]);
  };
  return html`<${Card} title=${t("members")}>
    ${may && html`<button type="button" class="p-line p-line-main accent" onClick=${() => openDialog(AddMembers, { chat, there: info.members.map((/** @type {Member} */ one) => one.who.account), owner: me?.role === "owner" })}>
      <span class="p-round"><${Icon} name="add" /></span>${t("add members")}
    </button>`}
    ${all.length > MANY && html`<input type="search" aria-label=${t("search members")} placeholder=${t("search members")} value=${query} onInput=${(/** @type {any} */ e) => setQuery(e.target.value)} />`}
    <ul class="p-lines" onKeyDown=${arrows}>
      ${found.map(
        (one) => html`<li key=${one.who.account} class="p-line" data-member=${one.who.account} onContextMenu=${(/** @type {MouseEvent} */ e) => !(one.who.me && !may) && menu(e, one)}>
          <button type="button" class="p-line-main" data-stop disabled=${one.who.me} onClick=${() => (panel.value = { kind: "person", account: one.who.account, back: { kind: "info" } })}>
            <${Who} who=${one.who} />
          </button>
          ${(one.who.warnings ?? []).length > 0 && html`<span class="wrong"><${Icon} name="warning" size=${18} label=${t(`warning ${one.who.warnings[0]}`)} /></span>`}
          ${one.role !== "member" && html`<span class="p-tag">${t(`role ${one.role}`)}</span>`}
          ${one.devices > 1 && html`<span class="quiet p-small">${t("n devices", { n: one.devices })}</span>`}
          ${!one.who.me && html`<${IconButton} name="more" size=${18} label=${t("more about", { name: one.who.name })} onClick=${(/** @type {MouseEvent} */ e) => menu(e, one)} />`}
        </li>`,
      )}
    </ul>
    ${found.length === 0 && html`<p class="quiet" role="status">${t("nobody found")}</p>`}
    <${Wrong} text=${wrong} />
  </${Card}>`;
}

/** @param {{ chat: any, there: string[], owner: boolean, close: () => void, titleId: string }} props */
function AddMembers({ chat, there, owner, close, titleId }) {
  const [chosen, setChosen] = useState(/** @type {Set<string>} */ (new Set()));
  const [role, setRole] = useState("member");
  const { busy, wrong, run } = useTry();
  const add = () =>
    run(async () => {
      const members = [...chosen];
      await change("add members", { chat: chat.id, members, role }, {
        doing: (about) => t("adding people", { n: about.length }),
        done: (about) => t("were added", { n: about.length }),
        over: (info, about) => about.every((account) => info.members.some((/** @type {Member} */ one) => one.who.account === account)),
      });
      close();
    });
  const feet = html`<button type="button" onClick=${close}>${t("cancel")}</button>
    <button type="button" class="primary" disabled=${busy || !chosen.size} onClick=${() => void add()}>${t("add")}</button>`;
  return html`<${Sheet} title=${t("add members")} titleId=${titleId} close=${close} feet=${feet}>
    <p class="quiet">${t("add members text")}</p>
    <${ChoosePeople} label=${t("contacts")} chosen=${chosen} onChange=${setChosen} without=${new Set(there)} />
    <${Choice} label=${t("role")} value=${role} options=${["member", "admin", ...(owner ? ["owner"] : [])].map((one) => [one, t(`role ${one}`)])} note=${t(`role ${role} text`)} onChange=${setRole} />
    <${Wrong} text=${wrong} />
  </${Sheet}>`;
}
