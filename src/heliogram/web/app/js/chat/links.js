// @ts-check
/** Where a link leads, and whether it says so. */

/** What may be followed at all. */
const KNOWN = new Set(["http:", "https:", "mailto:", "heliogram:"]);
const ACCOUNT = /^heliogram:account\/([0-9a-f]{64})$/;

/**
 * @typedef {{ url: string, host: string, account: string, own: boolean }} Place
 * `host` in ASCII, so that no letter looks like another; `account` of a mention; `own`: a link of Heliogram's.
 */

/** Where an address leads; nothing if it may not be followed. @param {string} address @returns {Place | null} */
export function judge(address) {
  if (address.length > 8192) return null;
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (!KNOWN.has(url.protocol)) return null;
  const account = ACCOUNT.exec(address)?.[1] ?? "";
  const host = url.protocol === "mailto:" ? url.pathname.slice(0, 100) : url.host;
  if (url.protocol.startsWith("http") && !host) return null;
  return { url: url.href, host, account, own: url.protocol === "heliogram:" };
}

/** Controls that turn text around: a link's text has none. */
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** @param {string} text */
export const straight = (text) => text.replace(TURNING, "");

/** Whether the text of a link says the host that it leads to. @param {string} text @param {Place} place */
export function honest(text, place) {
  const said = text.trim().toLowerCase();
  if (place.url.startsWith("mailto:")) return said === place.host.toLowerCase() || said === `mailto:${place.host}`.toLowerCase();
  const { host } = place;
  const bare = said.replace(/^https?:\/\//, "");
  if (!bare.startsWith(host)) return false;
  // The host and then its path: "example.org.evil.example" begins so, too.
  const after = bare[host.length];
  return after === undefined || after === "/" || after === "?" || after === "#" || (after === "…" && bare.length === host.length + 1);
}
