"""What runs in the page: it does something, and tells when what should be seen was painted."""

from __future__ import annotations

#: `seen(what)`: milliseconds at the first painted frame in which `what()` is true.
HELP = """() => {
window.seen = (what) => new Promise((done, fail) => {
  const end = performance.now() + 60000;
  const look = () => {
    if (what()) requestAnimationFrame(() => setTimeout(() => done(performance.now())));
    else if (performance.now() > end) fail(new Error("not seen"));
    else requestAnimationFrame(look);
  };
  look();
});
window.numbers = () => [...document.querySelectorAll(".history .item")].map((one) => one.dataset.number);
window.inView = (one) => {
  const [box, here] = [document.querySelector(".history"), one].map((each) => each.getBoundingClientRect());
  return here.bottom > box.top && here.top < box.bottom;
};
}"""

#: The button of the form that has the passphrase is pressed; conversations are seen.
UNLOCK = """async () => {
  const began = performance.now();
  document.querySelector(".start-card button.primary").click();
  return (await seen(() => document.querySelector(".list .row"))) - began;
}"""

#: A row of the list is clicked; messages that were not there before are seen.
OPEN = """async (id) => {
  const before = new Set(numbers());
  const find = () => document.querySelector(`.list [data-chat="${id}"]`);
  if (!find()) document.querySelector(".list .rows").scrollTop = 0;
  await seen(find);
  const row = find();
  row.scrollIntoView();
  const began = performance.now();
  row.click();
  const there = () => {
    const now = numbers();
    return now.length && now.every((one) => !before.has(one));
  };
  return (await seen(there)) - began;
}"""

#: So many pixels up in each frame, for so many seconds; gives how long each frame took.
SCROLL = """async ([seconds, pixels]) => {
  const box = document.querySelector(".history");
  const times = [];
  await new Promise((done) => {
    let last = 0;
    let end = 0;
    const frame = (now) => {
      if (last) times.push(now - last);
      else end = now + seconds * 1000;
      last = now;
      box.scrollBy(0, -pixels);
      if (now < end) requestAnimationFrame(frame);
      else done();
    };
    requestAnimationFrame(frame);
  });
  return times;
}"""

#: The bar is put somewhere, as a share of all; messages fill the view there, and no gap is in it.
JUMP = """async (share) => {
  const box = document.querySelector(".history");
  const began = performance.now();
  box.scrollTop = share * (box.scrollHeight - box.clientHeight);
  const there = () => {
    if ([...box.querySelectorAll(".history-gap")].some(inView)) return false;
    const view = box.getBoundingClientRect();
    let filled = 0;
    for (const one of box.querySelectorAll(".item")) {
      const { top, bottom } = one.getBoundingClientRect();
      filled += Math.max(0, Math.min(bottom, view.bottom) - Math.max(top, view.top));
    }
    return filled > view.height / 2;
  };
  return (await seen(there)) - began;
}"""

#: The whole of a word is in the field; messages that have it are seen.
SEARCH = """async (word) => {
  const field = document.querySelector("[data-search]");
  field.focus();
  await seen(() => document.querySelector(".hits ul[aria-busy]"));
  const began = performance.now();
  field.value = word;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  const there = () => {
    const found = document.querySelector(".hits ul[aria-busy='false']");
    return found?.querySelector("li")?.textContent.includes(word);
  };
  const took = (await seen(there)) - began;
  field.value = "";
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  await seen(() => !document.querySelector(".hits ul[aria-busy] li"));
  return took;
}"""

#: From now on `window.heard` has, by text, the Unix time at which it was painted.
HEAR = """(tag) => {
  window.heard = {};
  const known = new Set();
  new MutationObserver(() => {
    for (const one of document.querySelectorAll(".history .item")) {
      const text = one.textContent.match(new RegExp(`${tag} \\\\d+:`))?.[0];
      if (!text || known.has(text)) continue;
      known.add(text);
      const painted = () => (heard[text] = (performance.timeOrigin + performance.now()) / 1000);
      requestAnimationFrame(() => setTimeout(painted));
    }
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""

#: Bytes go up as the app brings them; gives the milliseconds.
UPLOAD = """async (bytes) => {
  const wire = await import(new URL("app/js/wire.js", document.baseURI));
  const blob = new Blob([new Uint8Array(bytes)]);
  const began = performance.now();
  const { path } = await wire.upload(blob, "speed.bin");
  const took = performance.now() - began;
  wire.forgetUpload(path);
  return took;
}"""
