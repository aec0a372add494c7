"""Relays are lost: others take their place, or a conversation goes on without them."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Locator

from heliogram.node import api
from tests.browser.kit import Friend, Person
from tests.browser.test_people import confirms, shows_info
from tests.node.engine.test_recovery_nodes import address, relays
from tests.relay.process import RelayProcess


def gathers(anna: Person, ben: Friend, where: list[RelayProcess]) -> None:
    """A group on these relays and the first of the town, three in all, and what it is about beside it."""
    places = (*map(address, where), *anna.town.addresses)[:3]
    anna.ask(api.CreateGroup("Garden", ("Ben",), relays=places))
    ben.do(ben._person.accepts())
    anna.tells("Garden", "the beans are up")
    ben.has("Garden", "the beans are up")
    anna.goes_to("Garden")
    shows_info(anna)


def stands(anna: Person, how: str) -> Locator:
    return anna.page.locator(f".panel [data-standing={how}]")


def test_others_take_the_place_of_relays(anna: Person, ben: Friend, tmp_path: Path) -> None:
    """First that of one that is down; then two of three go at once, which is an emergency."""
    with relays(tmp_path, 1) as made:
        gathers(anna, ben, made)
        made[0].kill()
        anna.sees(stands(anna, "hurt"))
        anna.clicks("Change relays")
        dialog = anna.page.get_by_role("dialog")
        boxes = dialog.get_by_role("checkbox")
        anna.clicks(dialog.get_by_role("checkbox", name=made[0].where))
        anna.clicks(boxes.nth(3))
        anna.misses(dialog.get_by_role("switch", name="All at once"))
        anna.clicks(dialog.get_by_role("button", name="Change relays"))
        confirms(anna, "Change relays", over=1)
        anna.sees(stands(anna, "well"))
        anna.clicks("Change relays")
        for at in (0, 1, 3):
            anna.clicks(boxes.nth(at))
        change = dialog.get_by_role("button", name="Change relays")
        assert anna.do(change.is_disabled())
        anna.do(dialog.get_by_role("switch", name="All at once").check())
        anna.shot("emergency")
        anna.clicks(change)
        anna.sees("More relays go than may at once")
        confirms(anna, "Change relays", over=1)
        anna.sees("The relays are changed.")
        anna.sees(stands(anna, "well"))


def test_a_conversation_goes_on_without_its_relays(
    anna: Person, ben: Friend, tmp_path: Path
) -> None:
    with relays(tmp_path, 2) as made:
        gathers(anna, ben, made)
        for one in made:
            one.kill()
        anna.sees(stands(anna, "stopped"))
        anna.says("Garden", "is anybody there?")
        # No change is decided any more, and that is said before somebody waits for one.
        anna.clicks("Change relays")
        anna.sees("Too few relays answer to decide a change.")
        anna.presses("Escape")
        anna.clicks("Go on in a new conversation")
        dialog = anna.page.get_by_role("dialog")
        anna.sees(dialog.get_by_role("checkbox", name="Ben"))
        anna.clicks(dialog.get_by_role("button", name="Go on in a new conversation"))
        anna.misses(dialog)
        # What had waited is said there.
        anna.reads("is anybody there?")
        ben.has("Garden", "is anybody there?")
        shows_info(anna)
        anna.clicks("What was before")
        anna.reads("the beans are up")
        anna.sees("This conversation goes on in a new one.")
        anna.clicks("Go on there")
        anna.fills(anna.composer, "here we are")
        anna.presses("Enter")
        anna.reads("here we are")
        ben.has("Garden", "here we are")
