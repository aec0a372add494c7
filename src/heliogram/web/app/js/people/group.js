// @ts-check
/** A group's own: picture, name, description; and leaving. */

import { html, useRef } from "../../vendor/preact.js";
import { Avatar } from "../parts/avatar.js";
import { Confirm } from "../parts/dialog.js";
import { openMenu } from "../parts/menu.js";
import { openDialog } from "../store.js";
import { upload } from "../wire.js";
import { t } from "../words.js";
import { change } from "./changes.js";
import { Editable, useTry, Wrong } from "./pieces.js";

/** @param {{ chat: any, info: any, may: boolean }} props */
export function GroupHead({ chat, info, may }) {
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const { busy, wrong, run } = useTry();
  const rename = (/** @type {string} */ name) =>
    change("set profile", { chat: chat.id, name }, {
      doing: t("renaming"),
      done: t("renamed"),
      over: (now) => now.chat.name === name,
    });
  const describe = (/** @type {string} */ description) =>
    change("set profile", { chat: chat.id, description }, {
      doing: t("changing description"),
      done: t("description changed"),
      over: (now) => now.description === description,
    });
  const picture = (/** @type {File | undefined} */ chosen) =>
    chosen &&
    run(async () => {
      const { path } = await upload(chosen, chosen.name);
      const before = chat.picture ?? false;
      const epoch = info.epoch;
      await change("set profile", { chat: chat.id, picture: path }, {
        doing: t("changing picture"),
        done: t("picture changed"),
        over: (now) => now.chat.picture && (!before || now.epoch > epoch),
      });
    });
  const clear = () =>
    openDialog(Confirm, {
      title: t("no picture"),
      text: t("no picture text"),
      yes: t("remove"),
      danger: true,
      run: () =>
        void run(() =>
          change("set profile", { chat: chat.id, picture: "" }, {
            doing: t("changing picture"),
            done: t("picture gone"),
            over: (now) => !now.chat.picture,
          }),
        ),
    });
  const avatar = html`<${Avatar} id=${chat.id} name=${chat.name} picture=${chat.picture} version=${info.epoch} size=${88} />`;
  return html`<div class="p-person-head">
    ${may
      ? html`<button
            type="button"
            class="p-bare-button"
            disabled=${busy}
            aria-label=${t("change picture")}
            title=${t("change picture")}
            onClick=${(/** @type {MouseEvent} */ e) =>
              chat.picture
                ? openMenu(e, [
                    { label: t("choose picture"), icon: "image", run: () => file.current?.click() },
                    { label: t("no picture"), icon: "trash", danger: true, run: clear },
                  ])
                : file.current?.click()}
          >${avatar}</button>
          <input ref=${file} type="file" class="visually-hidden" tabindex="-1" aria-hidden="true" data-picture accept="image/png,image/jpeg,image/webp" onChange=${(/** @type {any} */ e) => (void picture(e.target.files[0]), (e.target.value = ""))} />`
      : avatar}
    <${Editable} label=${t("rename group")} text=${chat.name} may=${may} save=${rename}>
      <strong class="p-big"><bdi>${chat.name}</bdi></strong>
    </${Editable}>
    <p class="quiet">${t("n members", { n: info.members.length })}</p>
    <${Editable} label=${t("change description")} text=${info.description} empty=${may ? t("no description") : ""} long most=${1024} may=${may} save=${describe} />
    <${Wrong} text=${wrong} />
  </div>`;
}

/** Leaving. @param {{ chat: any, info: any, me: any }} props */
export function GroupFeet({ chat, info, me }) {
  const { busy, wrong, run } = useTry();
  if (!me) return null;
  const owners = info.members.filter((/** @type {any} */ one) => one.role === "owner");
  const last = me.role === "owner" && owners.length === 1 && info.members.length > 1;
  const text = [
    t(chat.kind === "group" ? "leave text" : "leave direct text", { name: chat.name }),
    info.members.length === 1 ? t("leave alone") : "",
  ];
  const leave = () =>
    run(() =>
      change("leave", { chat: chat.id }, {
        doing: t("leaving"),
        done: t("left", { name: chat.name }),
        over: (now) => now.chat.phase === "out",
      }),
    );
  return html`<${Wrong} text=${wrong} />
    ${last && html`<p class="quiet" id="leave-why">${t("leave owner")}</p>`}
    <div class="p-buttons left">
      <button type="button" class="danger" disabled=${busy || last} aria-describedby=${last ? "leave-why" : undefined} onClick=${() => openDialog(Confirm, {
        title: t(chat.kind === "group" ? "leave group" : "leave chat"),
        text: text.filter(Boolean).join(" "),
        yes: t("leave"),
        danger: true,
        run: () => void leave(),
      })}>${t(chat.kind === "group" ? "leave group" : "leave chat")}</button>
    </div>`;
}
