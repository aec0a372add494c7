// @ts-check
/** The side of the app: search, folders, conversations. */

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Icon, IconButton } from "../parts/icon.js";
import { openMenu } from "../parts/menu.js";
import { chats, openChat, requests, status } from "../store.js";
import { lock } from "../start/lock.js";
import { t } from "../words.js";
import { openAddContact, openHelp, openMyLink, openNewGroup, openRequests, openSettings } from "./doors.js";
import { Tabs } from "./folders.js";
import { archived, query, searching, shelf, shelves, shown } from "./order.js";
import { Rows } from "./rows.js";
import { endSearch, Found } from "./search.js";
import { Trouble } from "./trouble.js";

const ROWS = "list-rows";

export function List() {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const looks = searching.value;
  const inArchive = shelf.value === "archive";
  useEffect(() => {
    // A folder that is gone shows nothing for ever.
    if (shelf.value !== "archive" && !shelves.value.includes(shelf.value)) shelf.value = "all";
  }, [shelves.value, shelf.value]);
  return html`<nav class="list" aria-label=${t("chats")} tabindex="-1">
    <header class="list-head">
      ${looks || inArchive
        ? html`<${IconButton} name="back" label=${t("back")} onClick=${() => (looks ? endSearch() : (shelf.value = "all"))} />`
        : html`<${IconButton} name="menu" label=${t("menu")} aria-haspopup="menu" onClick=${mainMenu} />`}
      ${inArchive && !looks
        ? html`<h2 class="list-title">${t("archive title")}</h2>`
        : html`<${Field} field=${field} />`}
      <${IconButton} name="add" label=${t("new chat")} aria-haspopup="menu" onClick=${newMenu} />
    </header>
    <${Trouble} />
    ${looks
      ? html`<${Found} field=${field} />`
      : html`${!inArchive && html`<${Tabs} controls=${ROWS} />`}<${Entries} /><${Rows} id=${ROWS} chats=${shown.value} empty=${t(emptiness())} />`}
  </nav>`;
}

const emptiness = () =>
  shelf.value === "unread" ? "nothing unread" : shelf.value === "all" ? "no chats" : "nothing here";

/** @param {{ field: { current: HTMLInputElement | null } }} props */
function Field({ field }) {
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    if (event.key === "Escape") {
      if (!searching.value) return;
      event.preventDefault();
      event.stopPropagation();
      endSearch();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      const from = /** @type {HTMLElement} */ (event.currentTarget).closest(".list");
      const rows = from?.querySelector(".hits li button:not(:disabled), .rows:not(.hits) button[tabindex='0']");
      /** @type {HTMLElement | null | undefined} */ (rows)?.focus();
    } else if (event.key === "Enter" && !event.isComposing) {
      const from = /** @type {HTMLElement} */ (event.currentTarget).closest(".list");
      /** @type {HTMLElement | null | undefined} */ (from?.querySelector(".hits li button:not(:disabled)"))?.click();
    }
  };
  return html`<div class="search-field" role="search">
    <${Icon} name="search" size=${18} />
    <input
      ref=${field}
      type="search"
      enterkeyhint="search"
      autocomplete="off"
      spellcheck="false"
      dir="auto"
      aria-label=${t("search")}
      placeholder=${t("search")}
      data-search
      maxlength="1000"
      value=${query.value}
      onFocus=${() => (searching.value = true)}
      onInput=${(/** @type {any} */ event) => ((query.value = event.target.value), (searching.value = true))}
      onKeyDown=${pressed}
    />
  </div>`;
}

/** What leads elsewhere, above the conversations: requests and the archive. */
function Entries() {
  if (shelf.value !== "all") return html``;
  const asking = requests.value.length;
  const put = archived.value;
  const unread = put.filter((one) => one.unread > 0).length;
  return html`${asking > 0 && html`<button type="button" class="list-entry" onClick=${() => openRequests()}>
      <${Icon} name="person" size=${20} /><span>${t("requests")}</span><span class="badge">${asking}</span>
    </button>`}
    ${put.length > 0 && html`<button type="button" class="list-entry" onClick=${() => (shelf.value = "archive")}>
      <${Icon} name="archive" size=${20} /><span>${t("archive title")}</span>${unread > 0 && html`<span class="badge mute">${unread}</span>`}
    </button>`}`;
}

/** @param {MouseEvent} event */
const newMenu = (event) =>
  openMenu(event, [
    { label: t("add contact"), icon: "link", run: () => openAddContact() },
    { label: t("new group"), icon: "people", run: () => openNewGroup() },
    { label: t("my link"), icon: "qr", run: () => openMyLink() },
  ]);

/** @param {MouseEvent} event */
function mainMenu(event) {
  const notes = [...chats.value.values()].find((one) => one.kind === "self");
  openMenu(event, [
    { label: status.value?.me.name ?? t("settings"), icon: "person", run: () => openSettings() },
    notes && { label: t("saved messages"), icon: "bookmark", run: () => openChat(notes.id) },
    { label: t("requests"), icon: "people", run: () => openRequests() },
    { label: t("archive title"), icon: "archive", run: () => (shelf.value = "archive") },
    { label: t("keyboard help"), icon: "keyboard", run: () => openHelp() },
    { label: t("settings"), icon: "settings", run: () => openSettings() },
    { label: t("lock"), icon: "lock", run: () => void lock() },
  ]);
}
