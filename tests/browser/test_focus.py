"""Where the focus is can be seen, and it comes back from what covered the app."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.kit import PATIENCE_MS, Friend, Person

#: Gives what has the focus without showing it. A field shows it by its cursor.
HIDDEN = """() => {
  const one = document.activeElement;
  if (one === document.body || one.matches("input, textarea, select")) return "";
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  return outlineStyle === "none" || outlineWidth === "0px" ? one.outerHTML.slice(0, 120) : "";
}"""


def test_whatever_tab_stops_at_shows_the_focus(anna: Person, ben: Friend) -> None:
    anna.says("Ben", "hello, Ben")
    anna.clicks(anna.page.locator(".chat-who"))
    anna.sees(anna.page.locator(".panel .p-card"))
    anna.clicks("Menu")
    anna.presses("Escape")
    for key in ("Tab", "Shift+Tab"):
        for _ in range(30):
            anna.presses(key)
            assert not anna.do(anna.page.evaluate(HIDDEN))


def test_the_focus_comes_back_from_dialogs_and_menus(anna: Person) -> None:
    for item in ("Add contact", "New group", "My link"):
        anna.do(anna.button("New chat").focus())
        anna.presses("Enter")
        anna.chooses(item)
        anna.sees(anna.page.get_by_role("dialog"))
        anna.presses("Escape")
        anna.misses(anna.page.get_by_role("dialog"))
        anna.do(expect(anna.button("New chat")).to_be_focused(timeout=PATIENCE_MS))
