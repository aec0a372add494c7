"""Whatever others send: nothing of it runs, nothing is fetched, and what comes after it can be read."""

from __future__ import annotations

import time
from pathlib import Path

from heliogram.node import api
from tests.browser.hostile import HEAVY, payloads
from tests.browser.kit import Friend, Person
from tests.browser.long import chat_of, put

#: Draw every message once, from the end to the beginning; what stands in them.
THROUGH = """
async () => {
  const box = document.querySelector('.history');
  const seen = new Set();
  const tags = new Set();
  const marks = new Set();
  for (;;) {
    for (const text of box.querySelectorAll('.text')) {
      seen.add(text.closest('.item').dataset.number);
      for (const one of text.querySelectorAll('*')) {
        tags.add(one.localName);
        for (const { name } of one.attributes) marks.add(name);
      }
    }
    if (box.scrollTop <= 0) break;
    box.scrollTop -= box.clientHeight;
    await new Promise((done) => setTimeout(done, 30));
  }
  return { seen: seen.size, tags: [...tags], marks: [...marks], harmed: 'harmed' in window };
}
"""

#: Of each row: how high it is, how far it and its text reach beyond their places.
SIZES = """
() => {
  const box = document.querySelector('.history').getBoundingClientRect();
  return [...document.querySelectorAll('.history .item')].map((one) => {
    const row = one.getBoundingClientRect();
    const text = one.querySelector('.text')?.getBoundingClientRect();
    return [row.height, row.width - box.width, text ? text.right - row.right : 0];
  });
}
"""

#: What a text may become.
TAGS = {
    "p", "em", "strong", "del", "code", "pre", "div", "blockquote", "ul", "ol", "li", "hr", "a", "bdi",
    "span", "button", "svg", "path",
}  # fmt: skip
MARKS = {
    "dir", "class", "data-level", "start", "role", "tabindex", "title", "type", "data-me", "aria-label",
    "aria-hidden", "width", "height", "viewBox", "d",
}  # fmt: skip


def test_50_54_markup_is_text_and_links_ask_first(
    anna: Person, ben: Friend, tmp_path: Path
) -> None:
    texts = payloads()
    assert len(texts) >= 200
    put(anna, chat_of(anna, "Ben"), texts, until=int(time.time()) - 60)
    anna.goes_to("Ben")
    anna.sees(anna.history.locator(".text"))
    here = anna.page.url
    # Some come as messages do, with files whose names are no better.
    for name in ("<img src=x onerror=window.harmed=1>.txt", "\u202egpj.exe"):
        path = tmp_path / name.replace("/", "_")
        path.write_text("harmless")
        ben.tells(
            "Anna", "<script>window.harmed=1</script>[go](javascript:window.harmed=1)", str(path)
        )
    anna.sees(anna.history.locator(".card").nth(1))
    found = anna.do(anna.page.evaluate(THROUGH))
    assert not found["harmed"]
    assert set(found["tags"]) <= TAGS
    # No address is in the page: browsers look up what is there before anybody follows it.
    assert set(found["marks"]) <= MARKS
    assert found["seen"] >= len(texts)
    assert anna.page.url == here
    # That no request went elsewhere, and no breach of the policy, is seen to when the test ends.


def test_54_a_link_says_where_it_leads(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    ben.tells("Anna", "[https://bank.example](https://user@xn--80ak6aa92e.com/bank?x=1)")
    anna.sees(anna.history.get_by_text("(xn--80ak6aa92e.com)"))
    anna.clicks(anna.history.get_by_role("link", name="https://bank.example"))
    anna.sees("https://user@xn--80ak6aa92e.com/bank?x=1")
    anna.sees("It leads to xn--80ak6aa92e.com.")
    anna.clicks("Cancel")
    assert len(anna.page.context.pages) == 1


def test_50_names_are_text(anna: Person, ben: Friend) -> None:
    name = "<img src=x onerror=window.harmed=1>"
    chat: api.Chat = anna.ask(api.CreateGroup(name, members=("Ben",), description=name))
    anna.clicks(anna.row(name).first)
    anna.sees(anna.page.get_by_role("heading", name=name))
    anna.clicks(anna.page.get_by_title(f"About {chat.name}", exact=True))
    anna.sees(anna.page.get_by_role("complementary"))
    assert not anna.do(anna.page.evaluate("'harmed' in window"))


def test_57_what_comes_after_heavy_texts_can_be_read(anna: Person, ben: Friend) -> None:
    texts = [text for one in HEAVY for text in (one, "a plain word")]
    put(anna, chat_of(anna, "Ben"), texts, until=int(time.time()) - 60)
    ben.tells("Anna", "after all of it")
    anna.goes_to("Ben")
    anna.reads("after all of it")
    found = anna.do(anna.page.evaluate(THROUGH))
    assert found["seen"] >= len(texts)
    # No row is larger than a screen or two, none is wider than its place, none lies over another.
    anna.do(anna.history.focus())
    anna.presses("End")
    anna.reads("after all of it")
    sizes = anna.do(anna.page.evaluate(SIZES))
    assert all(high < 4000 and wide <= 0 and over <= 0 for high, wide, over in sizes)
