"""What can be done with what was said, between two people who both look at it."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator

from tests.browser.kit import People, Person


@pytest.fixture
def two(people: People) -> tuple[Person, Person]:
    anna, ben = people.at_home("Anna"), people.at_home("Ben")
    people.acquaint(anna, ben)
    anna.sees(anna.row("Ben"))
    ben.sees(ben.row("Anna"))
    return anna, ben


def bubble(person: Person, text: str) -> Locator:
    return person.history.locator(".message").filter(has_text=text)


def acts(person: Person, text: str, what: str) -> None:
    """Do something with a message by its menu."""
    person.do(bubble(person, text).click(button="right", position={"x": 12, "y": 12}))
    person.chooses(what)


def test_both_see_what_is_done_with_a_message(two: tuple[Person, Person]) -> None:
    anna, ben = two
    anna.says("Ben", "shall we walk?")
    ben.goes_to("Anna")
    ben.reads("walk")
    # A reaction, and it is taken back by pressing it.
    acts(ben, "walk", "React")
    ben.clicks(ben.page.get_by_role("button", name="👍", exact=True).first)
    chip = anna.page.get_by_role("button", name="👍 1: Ben")
    anna.sees(chip)
    anna.clicks(chip)
    ben.sees(ben.page.get_by_role("button", name="👍 2:"))
    ben.clicks(ben.page.get_by_role("button", name="👍 2:"))
    anna.sees(
        anna.page.get_by_role("button", name="👍 1: you").or_(
            anna.page.get_by_role("button", name="👍 1: You")
        )
    )
    # An answer quotes, and what is quoted is a step away.
    acts(ben, "walk", "Reply")
    ben.types("yes, by the mill")
    ben.presses("Enter")
    anna.reads("yes, by the mill")
    anna.sees(anna.history.locator(".quote").filter(has_text="shall we walk?"))
    # Other words, by the arrow key.
    anna.clicks(anna.composer)
    anna.presses("ArrowUp")
    anna.fills(anna.composer, "shall we *swim*?")
    anna.presses("Enter")
    ben.reads("swim")
    ben.reads("edited")
    # Taken back from all.
    acts(anna, "swim", "Delete for everybody")
    anna.clicks(anna.page.get_by_role("dialog").get_by_role("button", name="Delete for everybody"))
    ben.reads("This message was deleted")
    ben.misses(ben.history.locator(".text").filter(has_text="swim"))


def test_arrows_go_from_message_to_message(two: tuple[Person, Person]) -> None:
    anna, _ = two
    for text in ("one", "two", "three"):
        anna.says("Ben", text)
    anna.do(anna.history.focus())
    for text in ("three", "two"):
        anna.presses("ArrowUp")
        anna.sees(anna.history.locator(".message:focus").filter(has_text=text))
    anna.presses("Enter")
    anna.chooses("Select")
    anna.sees("1 selected")
    anna.presses("Escape")
    anna.misses("1 selected")


def test_a_message_goes_on_to_another_chat(two: tuple[Person, Person]) -> None:
    anna, ben = two
    ben.says("Anna", "the mill opens at ten")
    anna.goes_to("Ben")
    anna.reads("the mill opens")
    acts(anna, "the mill opens", "Forward")
    anna.clicks(anna.page.get_by_role("dialog").get_by_role("option", name="Notes"))
    anna.sees(anna.page.get_by_role("heading", name="Notes"))
    anna.reads("the mill opens at ten")
