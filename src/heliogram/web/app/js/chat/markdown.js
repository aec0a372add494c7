// @ts-check
/**
 * Markdown to a tree that can be drawn: only nodes that are known here, not deeper and not more than is bearable.
 *
 * What would take the parser long is not given to it: such a text is shown as it stands.
 */

import { parse } from "../../vendor/markdown.js";

/** @typedef {{ type: string, text?: string, url?: string, level?: number, start?: number, children?: Node[] }} Node */

/** Characters that are parsed; more are shown as they stand. */
const LONGEST = 70_000;
/** Marks in a text, in front of a line, and levels of nodes. */
const MARKS = 2_000;
const FRONT = 8;
const DEEPEST = 24;
/** Nodes that are drawn. */
const MOST = 4_000;
/** The longest run without a space, of which there may be few. */
const RUN = 400;

/** Whether the parser is done with a text soon. @param {string} text */
export function bearable(text) {
  if (text.length > LONGEST) return false;
  let marks = 0;
  let run = 0;
  let long = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    // * _ ~ ` [ ] ! < & \ ( )
    if (code === 42 || code === 95 || code === 126 || code === 96 || code === 91 || code === 93 || code === 33 || code === 60 || code === 38 || code === 92 || code === 40 || code === 41) {
      if (++marks > MARKS) return false;
    }
    if (code <= 32) run = 0;
    else if (++run === RUN && ++long > 3) return false;
    else if (run > 4_000) return false;
  }
  if (marks > 300 && marks * text.length > 4_000_000) return false;
  let levels = 0;
  for (const line of text.split("\n")) {
    const front = /^(?:[ \t]*(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))){1,64}/.exec(line)?.[0] ?? "";
    if ((front.match(/>|[-+*]|[.)]/g)?.length ?? 0) > FRONT) return false;
    const indent = /^[ \t]{0,400}/.exec(line)?.[0].length ?? 0;
    if (front && indent > 40) return false;
    if (front) levels += 1;
    if (levels > 1_000) return false;
  }
  return true;
}

/** Trees of texts that were drawn lately. @type {Map<string, Node[]>} */
const kept = new Map();
let keptSize = 0;

/** @param {string} text @returns {Node[]} */
export function tree(text) {
  const known = kept.get(text);
  if (known) return known;
  const made = build(text);
  kept.set(text, made);
  keptSize += text.length;
  for (const old of kept.keys()) {
    if (kept.size <= 1000 && keptSize < 400_000) break;
    kept.delete(old);
    keptSize -= old.length;
  }
  return made;
}

/** Make trees of texts that will be drawn soon, while nothing else is to be done. @param {string[]} texts */
export function warm(texts) {
  let at = 0;
  const some = (/** @type {IdleDeadline} */ deadline) => {
    while (at < texts.length && deadline.timeRemaining() > 5) tree(texts[at++]);
    if (at < texts.length) requestIdleCallback(some);
  };
  requestIdleCallback(some);
}

/** Nothing that could mean anything in Markdown: most messages. */
const PLAIN = /^[^*_~`[\]<>&\\#|!\n@:/]*$/;

/** @param {string} text @returns {Node[]} */
function build(text) {
  if (PLAIN.test(text) && !/^\s*(?:[-+=]|\d+[.)])|^ {4}|www\./i.test(text)) return [{ type: "paragraph", children: [{ type: "text", text }] }];
  if (!bearable(text)) return [{ type: "paragraph", children: [{ type: "text", text }] }];
  let parsed;
  try {
    parsed = parse(text);
  } catch {
    return [{ type: "paragraph", children: [{ type: "text", text }] }];
  }
  const room = { left: MOST };
  /** @type {Map<string, string>} */
  const definitions = new Map();
  for (const node of parsed.children) {
    if (node.type === "definition") definitions.set(node.identifier, node.url);
  }
  return parsed.children.flatMap((/** @type {any} */ node) => convert(node, 0, room, definitions, text));
}

/** What a node of these types becomes; others are shown as the text that they were. @type {Record<string, string>} */
const SAME = {
  paragraph: "paragraph",
  emphasis: "emphasis",
  strong: "strong",
  delete: "delete",
  blockquote: "blockquote",
  listItem: "listItem",
};

/**
 * @param {any} node @param {number} depth @param {{ left: number }} room @param {Map<string, string>} definitions @param {string} text
 * @returns {Node[]}
 */
function convert(node, depth, room, definitions, text) {
  if (--room.left < 0) return [];
  const whole = () => text.slice(node.position?.start.offset ?? 0, node.position?.end.offset ?? 0);
  if (depth > DEEPEST) return [{ type: "text", text: whole() }];
  const children = () =>
    (node.children ?? []).flatMap((/** @type {any} */ one) => convert(one, depth + 1, room, definitions, text));
  switch (node.type) {
    case "text":
      return [{ type: "text", text: node.value }];
    case "break":
      return [{ type: "text", text: "\n" }];
    case "inlineCode":
      return [{ type: "inlineCode", text: node.value }];
    case "code":
      return [{ type: "code", text: node.value }];
    case "heading":
      return [{ type: "heading", level: node.depth, children: children() }];
    case "thematicBreak":
      return [{ type: "rule" }];
    case "list":
      return [{ type: node.ordered ? "ordered" : "list", start: node.start ?? 1, children: children() }];
    case "link":
      return [{ type: "link", url: node.url, children: children() }];
    case "linkReference": {
      const url = definitions.get(node.identifier);
      return url === undefined ? [{ type: "text", text: whole() }] : [{ type: "link", url, children: children() }];
    }
    case "definition":
      return [];
    default:
      if (node.type in SAME) return [{ type: SAME[node.type], children: children() }];
      // Pictures, HTML, and whatever a later parser may know: as they were written.
      return [{ type: "text", text: whole() }];
  }
}
