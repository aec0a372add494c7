// @ts-check
/** Dialogs of other rooms, loaded when they are first wanted. */

import { openDialog, toast } from "../store.js";
import { sentence } from "../words.js";

/**
 * @param {() => Promise<any>} load @param {string} name
 * @returns {(props?: Record<string, unknown>) => void}
 */
const door = (load, name) => (props) =>
  void load().then(
    (room) => openDialog(room[name], props),
    () => toast(sentence("no node"), { kind: "error" }),
  );

export const openAddContact = door(() => import("../people/add-contact.js"), "AddContact");
export const openNewGroup = door(() => import("../people/new-group.js"), "NewGroup");
export const openMyLink = door(() => import("../people/my-link.js"), "MyLink");
export const openRequests = door(() => import("../people/requests.js"), "Requests");
export const openSettings = door(() => import("../settings/settings.js"), "Settings");
export const openHelp = door(() => import("./help.js"), "Help");
export const openFolders = door(() => import("./edit-folders.js"), "EditFolders");
