// @ts-check
/** In which groups somebody is, too: found by asking each group once, while somebody looks. */

import { useEffect, useState } from "../../vendor/preact.js";
import { chats } from "../store.js";
import { call } from "../wire.js";

/** Groups that are asked at most: an owner of very many does not wait for all. */
const MOST = 200;

/** Ids of groups that this account is in. @param {string} account @returns {string[]} */
export function useTogether(account) {
  const [found, setFound] = useState(/** @type {string[]} */ ([]));
  useEffect(() => {
    let here = true;
    const groups = [...chats.value.values()].filter((one) => one.kind === "group" && one.phase !== "out").slice(0, MOST);
    const look = async () => {
      for (const one of groups) {
        const info = await call("chat", { chat: one.id }).catch(() => null);
        if (!here) return;
        if (info?.members.some((/** @type {any} */ member) => member.who.account === account)) setFound((all) => [...all, one.id]);
      }
    };
    setFound([]);
    void look();
    return () => void (here = false);
  }, [account]);
  return found;
}
