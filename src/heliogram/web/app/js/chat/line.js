// @ts-check
/** Lines of history in words: what happened in a conversation besides messages. */

import { html } from "../../vendor/preact.js";
import { spanWords } from "../people/changes.js";
import { known, t } from "../words.js";

/** Between isolates, so that nothing in a name disturbs what stands around it. @param {string} name */
const apart = (name) => `\u2068${name}\u2069`;
/** @param {any} who */
const named = (who) => (who ? apart(who.name) : t("line somebody"));

/**
 * What a line says. Where it was done by oneself or to oneself, it has its own form in the catalogue, if it differs.
 * @param {any} message
 */
export function lineWords({ line, sender: by }) {
  const { code, who, missing = [], risen = [], objections = [] } = line;
  const itself = by && by.account === who?.account;
  const forms = [by?.me && (itself ? " yourself" : " you"), who?.me && " of you", itself && " self", ""];
  const key = forms.filter((one) => typeof one === "string").map((one) => `line ${code}${one}`).find(known) ?? "line unknown";
  const said = [
    t(key, {
      code,
      by: named(by),
      who: named(who),
      role: line.role ? t(`line role ${line.role}`) : "",
      name: apart(line.name ?? ""),
      before: apart(line.before ?? ""),
      span: spanWords(line.seconds ?? 0),
      n: line.relays ?? 0,
      quorum: line.quorum ?? 0,
    }),
  ];
  if (missing.length) said.push(t("line missing", { names: missing.map(named).join(", ") }));
  if (risen.length) said.push(t("line risen", { names: risen.map(named).join(", ") }));
  for (const one of objections) said.push(t("line objection", { objection: known(`objection ${one}`) ? t(`objection ${one}`) : one }));
  return said.join(" ");
}

/** The same, with each name in an element of its own. @param {{ message: any }} props */
export const LineWords = ({ message }) =>
  html`${lineWords(message).split(/\u2068([^\u2068\u2069]*)\u2069/u).map((part, at) => (at % 2 ? html`<bdi>${part}</bdi>` : part))}`;
