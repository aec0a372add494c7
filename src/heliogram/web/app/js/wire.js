// @ts-check
/**
 * The way to the node: calls, notices, uploads, attachments. Nothing else in the app touches the network.
 *
 * The secret lives in `sessionStorage`: it is this tab's and this start's, and a reload keeps it.
 */

const BASE = new URL("./", document.baseURI);
const KEY = "heliogram-secret";

/** What the node refused, or that it was not there. `code` is for `words.js`. */
export class Refused extends Error {
  /** @param {string} code @param {Record<string, unknown>} [about] */
  constructor(code, about = {}) {
    super(code);
    this.code = code;
    this.about = about;
  }
}

let secret = sessionStorage.getItem(KEY) ?? "";

/** @param {string} path @param {RequestInit} how */
async function request(path, how) {
  let answer;
  try {
    answer = await fetch(new URL(`api/${path}`, BASE), {
      ...how,
      headers: { ...how.headers, "Heliogram-Secret": secret },
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
  } catch {
    throw new Refused("no node");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(body.error?.code ?? "internal", body.error ?? {});
  return body;
}

/** @param {string} path @param {unknown} [body] @param {RequestInit} [how] @returns {Promise<any>} */
export const post = (path, body = {}, how = {}) =>
  request(path, {
    ...how,
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

/** @param {string} path @returns {Promise<any>} */
export const get = (path) => request(path, { method: "GET" });

/**
 * Ask the node: `tag` as in `docs/local-api.md`, for one "history".
 * @param {string} tag @param {Record<string, unknown>} [fields] @param {RequestInit} [how] @returns {Promise<any>}
 */
export const call = (tag, fields = {}, how = {}) => post(`call/${tag.replaceAll(" ", "-")}`, fields, how);

/** One of the app's own files of data, such as "vendor/emoji-en.json". @param {string} path @returns {Promise<any>} */
export async function own(path) {
  const answer = await fetch(new URL(`app/${path}`, BASE), { credentials: "omit", referrerPolicy: "no-referrer" }).catch(() => null);
  if (!answer?.ok) throw new Refused("no node");
  return answer.json();
}

/** Exchange the token of the start link for this tab's secret; false if there is neither. */
export async function enter() {
  const token = location.hash.slice(1);
  if (token) {
    history.replaceState(null, "", location.pathname);
    try {
      ({ secret } = await post("session", { token }));
      sessionStorage.setItem(KEY, secret);
    } catch (error) {
      // A link that was used already, in a tab that is still in: go on with what it has.
      if (!secret) throw error;
    }
  }
  return secret !== "";
}

/**
 * Hear what happens, until `stop` is called. `heard` gets each notice, `turned` whether the line is up.
 * @param {(notice: any) => void} heard @param {(up: boolean) => void} turned
 */
export function listen(heard, turned) {
  let over = false;
  let wait = 250;
  /** @type {WebSocket | null} */
  let socket = null;
  const open = () => {
    const place = new URL("api/events", BASE);
    place.protocol = "ws:";
    socket = new WebSocket(place, ["heliogram", `secret.${secret}`]);
    socket.onopen = () => {
      wait = 250;
      turned(true);
    };
    socket.onmessage = (event) => heard(JSON.parse(event.data));
    socket.onclose = () => {
      if (over) return;
      turned(false);
      setTimeout(open, wait);
      wait = Math.min(wait * 2, 8000);
    };
  };
  open();
  return () => {
    over = true;
    socket?.close();
  };
}

/**
 * Bring a file to the node; `path` of the answer is what commands call it.
 * @param {Blob} file @param {string} name @param {(share: number) => void} [moved] @param {AbortSignal} [signal]
 * @returns {Promise<{ path: string, size: number }>}
 */
export function upload(file, name, moved = () => {}, signal) {
  return new Promise((resolve, reject) => {
    const going = new XMLHttpRequest();
    going.open("POST", new URL(`api/uploads?name=${encodeURIComponent(name)}`, BASE));
    going.setRequestHeader("Heliogram-Secret", secret);
    going.responseType = "json";
    going.upload.onprogress = (event) => event.total && moved(event.loaded / event.total);
    going.onload = () => {
      if (going.status < 300) resolve({ path: `upload:${going.response.upload}`, size: going.response.size });
      else reject(new Refused(going.response?.error?.code ?? "internal"));
    };
    going.onerror = () => reject(new Refused("no node"));
    going.onabort = () => reject(new Refused("stopped"));
    signal?.addEventListener("abort", () => going.abort());
    going.send(file);
  });
}

/** Forget an upload that nothing will use. @param {string} path as `upload` gave it */
export const forgetUpload = (path) =>
  void request(`uploads/${path.replace("upload:", "")}`, { method: "DELETE" }).catch(() => {});

/** @type {Map<string, Promise<{ url: string, content_type: string, size: number }>>} */
const urls = new Map();

/**
 * Where an attachment can be seen, on its own origin: `{message, index, thumbnail?, download?}` or `{picture: chat}`.
 * Asked for once; a refusal is not kept.
 * @param {Record<string, unknown>} what @param {string} [version] what changes when the bytes do
 */
export function attachment(what, version = "") {
  const key = JSON.stringify([what, version]);
  let found = urls.get(key);
  if (!found) {
    found = post("attachments", what);
    urls.set(key, found);
    found.catch(() => urls.delete(key));
    if (urls.size > 2000) urls.delete(urls.keys().next().value ?? "");
  }
  return found;
}

/** Forget where attachments were: their addresses end when the node is locked. */
export const forgetAttachments = () => urls.clear();

/** One of the app's own texts, such as "vendor/LICENCES.txt". @param {string} path */
export async function text(path) {
  const answer = await fetch(new URL(`app/${path}`, BASE), { credentials: "omit", referrerPolicy: "no-referrer" }).catch(() => null);
  if (!answer?.ok) throw new Refused("no node");
  return answer.text();
}
