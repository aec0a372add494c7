// @ts-check
/** The sections of the settings, in their order. */

import { KeyTable } from "../list/help.js";
import { About } from "./about.js";
import { Devices } from "./devices.js";
import { Look } from "./look.js";
import { Me } from "./me.js";
import { Network } from "./network.js";
import { NotificationSettings } from "./notifications.js";
import { Passphrase } from "./passphrase.js";
import { Privacy } from "./privacy.js";
import { Recovery } from "./recovery.js";
import { Relays } from "./relays.js";
import { StorageSettings } from "./storage.js";

/** `reads`: nothing in it takes the focus. @type {{ key: string, icon: string, view: any, reads?: boolean }[]} */
export const SECTIONS = [
  { key: "me", icon: "person", view: Me },
  { key: "look", icon: "moon", view: Look },
  { key: "notifications", icon: "bell", view: NotificationSettings },
  { key: "privacy", icon: "eye", view: Privacy },
  { key: "relays", icon: "relay", view: Relays },
  { key: "network", icon: "globe", view: Network },
  { key: "devices", icon: "device", view: Devices },
  { key: "storage", icon: "disk", view: StorageSettings },
  { key: "recovery", icon: "shield", view: Recovery },
  { key: "passphrase", icon: "lock", view: Passphrase },
  { key: "keyboard", icon: "keyboard", view: KeyTable, reads: true },
  { key: "about", icon: "bookmark", view: About },
];
