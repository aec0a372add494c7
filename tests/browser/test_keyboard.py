"""A whole story without the mouse, and what a screen reader would read."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.kit import PATIENCE_MS, PHRASE, Friend, Person


def focused(person: Person, selector: str) -> None:
    """Wait until the focus is there."""
    place = person.page.locator(selector).first
    person.do(expect(place).to_be_focused(timeout=PATIENCE_MS))


def test_a_story_by_keys_alone(anna: Person, ben: Friend) -> None:
    # To the conversation by search.
    anna.presses("Control+K")
    focused(anna, "[data-search]")
    anna.types("Ben")
    anna.sees(anna.page.locator(".hits .row", has_text="Ben"))
    anna.presses("ArrowDown")
    anna.presses("Enter")
    anna.sees(anna.composer)
    # To where one writes, part by part.
    anna.presses("F6")
    while not anna.do(anna.composer.evaluate("(one) => one === document.activeElement")):
        anna.presses("Tab")
    anna.types("by keys alone")
    anna.presses("Enter")
    anna.reads("by keys alone")
    ben.has("Anna", "by keys alone")

    # Back to the list, and along it.
    anna.presses("Shift+F6")
    focused(anna, ".list .row")
    anna.presses("End")
    anna.presses("Home")
    focused(anna, '.list .row:has-text("Ben")')
    anna.presses("Shift+F10")
    anna.sees(anna.page.get_by_role("menu"))
    anna.presses("ArrowDown")
    anna.presses("Enter")
    anna.sees(anna.row("Ben").get_by_role("img", name="Muted"))
    anna.presses("Control+Shift+M")
    anna.misses(anna.row("Ben").get_by_role("img", name="Muted"))
    anna.presses("Alt+ArrowDown")
    anna.sees(anna.page.locator('.row[aria-current="true"]', has_text="Notes"))
    anna.presses("Alt+ArrowUp")
    anna.sees(anna.page.locator('.row[aria-current="true"]', has_text="Ben"))

    # Out, the sheet of keys, and the lock.
    anna.presses("Escape")
    anna.sees("Choose a chat")
    focused(anna, '.list .row:has-text("Ben")')
    anna.presses("?")
    anna.sees("Search everywhere")
    anna.presses("Escape")
    anna.misses("Search everywhere")
    anna.presses("Control+L")
    anna.sees("Locked")
    focused(anna, "input[type=password]")
    anna.types(PHRASE)
    anna.presses("Enter")
    anna.sees(anna.row("Ben"))


def test_what_comes_is_said_and_counted(anna: Person, ben: Friend) -> None:
    anna.goes_to("Notes")
    ben.tells("Anna", "hear me")
    anna.sees(anna.page.get_by_role("status").filter(has_text="New message from Ben").first)
    anna.do(expect(anna.page).to_have_title("(1) Heliogram", timeout=PATIENCE_MS))
    anna.goes_to("Ben")
    anna.do(expect(anna.page).to_have_title("Heliogram", timeout=PATIENCE_MS))
