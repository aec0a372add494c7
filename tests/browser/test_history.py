"""Histories that are longer than anything could show at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from heliogram.node import api
from tests.browser.kit import Friend, Person
from tests.browser.long import STEP, chat_of, fill
from tests.cli.town import until

#: Scroll for a while, a piece with each frame; how it went.
SCROLL = """
async ([step, frames]) => {
  const box = document.querySelector('.history');
  const times = [];
  let last = performance.now();
  let rows = 0;
  for (let frame = 0; frame < frames; frame++) {
    box.scrollTop += step;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
    rows = Math.max(rows, document.querySelectorAll('.history .item').length);
  }
  times.sort((a, b) => a - b);
  return { middle: times[times.length >> 1], rows };
}
"""

#: Where a text stands, from the top of the history.
PLACE = """
(text) => {
  const box = document.querySelector('.history');
  const row = [...box.querySelectorAll('.item')].find((one) => one.textContent.includes(text));
  return row ? row.getBoundingClientRect().top - box.getBoundingClientRect().top : null;
}
"""

#: The number that the first text in view begins with.
FIRST = """
() => {
  const box = document.querySelector('.history');
  const top = box.getBoundingClientRect().top;
  const rows = [...box.querySelectorAll('.item')];
  const row = rows.find((one) => one.getBoundingClientRect().bottom > top + 4);
  return row ? parseInt(row.querySelector('.text')?.textContent ?? '-1') : null;
}
"""


def does(person: Person, script: str, *arguments: Any) -> Any:
    return person.do(person.page.evaluate(script, *arguments))


def comes_to(person: Person, wanted: Callable[[int], bool]) -> int:
    """Wait until the number of the first text in view is as wanted."""

    async def look() -> int | None:
        first = await person.page.evaluate(FIRST)
        return first if first is not None and wanted(first) else None

    return person.do(until(look))


def test_a_long_history_is_scrolled_with_few_rows(anna: Person, ben: Friend) -> None:
    many = 5000
    fill(anna, chat_of(anna, "Ben"), many, until=int(time.time()) - 60)
    anna.goes_to("Ben")
    anna.reads(f"{many - 1} ")
    went = does(anna, SCROLL, [-400, 90])
    # Far more than any machine needs: a history that draws all of itself takes longer.
    assert went["middle"] < 1000
    assert went["rows"] <= 200
    # The bar is that of the whole: its middle is the middle.
    does(
        anna,
        "() => { const b = document.querySelector('.history'); b.scrollTop = b.scrollHeight / 2 }",
    )
    comes_to(anna, lambda first: 2000 < first < 3000)
    # To its beginning and its end, by the keyboard.
    anna.do(anna.history.focus())
    anna.presses("Home")
    anna.sees(anna.history.get_by_text("invited you").or_(anna.history.get_by_text("0 ")).first)
    anna.presses("End")
    anna.reads(f"{many - 1} ")


def test_nothing_jumps_while_something_comes(anna: Person, ben: Friend) -> None:
    many = 600
    fill(anna, chat_of(anna, "Ben"), many, until=int(time.time()) - 60)
    anna.goes_to("Ben")
    anna.reads(f"{many - 1} ")
    does(anna, SCROLL, [-300, 20])
    first = f"{comes_to(anna, lambda first: first > 0)} "
    # A scroll is over when nothing has moved for a while.
    anna.do(anna.page.wait_for_selector(".day-over[data-shown=false]", state="attached"))
    before = does(anna, PLACE, first)
    ben.tells("Anna", "what is new")
    anna.sees(anna.button("To the newest, 1 unread"))
    after = does(anna, PLACE, first)
    assert abs(after - before) < 2
    anna.clicks(anna.button("To the newest, 1 unread"))
    anna.reads("what is new")
    anna.misses(anna.page.locator(".down"))


def test_one_goes_to_a_date(anna: Person, ben: Friend) -> None:
    many = 3000
    # The last day with messages is yesterday until its evening: no midnight is in view.
    evening = datetime.now().replace(hour=20, minute=0, second=0) - timedelta(days=1)
    last = int(evening.timestamp())
    fill(anna, chat_of(anna, "Ben"), many, until=last)
    anna.goes_to("Ben")
    anna.reads(f"{many - 1} ")
    anna.clicks(anna.page.get_by_role("main").get_by_role("button", name="More", exact=True))
    anna.chooses("Go to a date")
    anna.sees(anna.page.locator(".calendar button:focus"))
    # Five days before the day that is in view, by the keyboard.
    for _ in range(5):
        anna.presses("ArrowLeft")
    wanted = (evening - timedelta(days=5)).replace(hour=0)
    first = many - 1 - int((last - wanted.timestamp()) // STEP)
    anna.presses("Enter")
    comes_to(anna, lambda now: abs(now - first) < 30)


def test_what_is_new_begins_with_a_line(anna: Person, ben: Friend) -> None:
    fill(anna, chat_of(anna, "Ben"), 300, until=int(time.time()) - 600)
    anna.goes_to("Notes")
    for text in ("first of the new", "second of the new"):
        ben.tells("Anna", text)
        anna.has("Ben", text)
    anna.goes_to("Ben")
    anna.reads("New messages")
    anna.reads("second of the new")

    # Seen is read: they hear of it, and nothing is unread any more.
    async def read() -> bool | None:
        found: list[api.Chat] = await anna.node.call(api.GetChats())
        return not any(one.unread for one in found) or None

    anna.do(until(read))
