"""Relays die under two who talk, and the program under its page: it is said plainly, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.kit import PATIENCE_MS, People, Person, Window, find_browser
from tests.cli.town import Town


@pytest.fixture
def ruin(tmp_path: Path) -> Iterator[Town]:
    """Four relays that nobody else needs."""
    made = Town(tmp_path / "ruin")
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def crowd(ruin: Town, tmp_path: Path) -> Iterator[People]:
    """People who use these relays, in a browser of their own."""
    program = find_browser()
    if program is None:
        pytest.skip("no browser: install Chromium, or name it by HELIOGRAM_BROWSER")
    window = Window(ruin, program).start()
    people = People(window, tmp_path)
    try:
        yield people
    finally:
        try:
            people.leave()
        finally:
            window.stop()


def writes(person: Person, text: str) -> None:
    """In the conversation that is open."""
    person.fills(person.composer, text)
    person.do(person.composer.press("Enter"))
    person.reads(text)


def stands(person: Person, text: str, *states: str) -> None:
    """Wait until a message of theirs is shown to stand so."""
    message = person.history.get_by_role("article").filter(has_text=text)
    places = [message.get_by_label(one, exact=True) for one in states]
    place = places[0]
    for one in places[1:]:
        place = place.or_(one)
    person.do(expect(place.first).to_be_visible(timeout=PATIENCE_MS))


def test_relays_die_under_two_who_talk(crowd: People, ruin: Town) -> None:
    anna, ben = crowd.at_home("Anna"), crowd.at_home("Ben")
    crowd.acquaint(anna, ben)
    for one, other in ((anna, "Ben"), (ben, "Anna")):
        one.goes_to(other)
    writes(anna, "before")
    ben.reads("before")

    # One is killed, and its disk is gone.
    lost, *others = ruin.relays
    lost.kill()
    shutil.rmtree(lost.directory)
    writes(anna, "one is lost")
    ben.reads("one is lost")
    writes(ben, "so it is")
    anna.reads("so it is")
    stands(anna, "one is lost", "Delivered", "Read")
    for person in (anna, ben):
        person.sees("1 relay of 4 does not answer. The others carry everything.")

    # Then all are away: what is said waits, and says so.
    for relay in others:
        relay.kill()
    writes(anna, "into the dark")
    writes(ben, "here too")
    for person in (anna, ben):
        person.sees("No relay can be reached. What you write waits here, and goes out by itself.")
    stands(anna, "into the dark", "Waits to be sent")
    stands(ben, "here too", "Waits to be sent")

    # They come back, and it goes.
    for relay in others:
        relay.start()
    ben.reads("into the dark")
    anna.reads("here too")
    stands(anna, "into the dark", "Delivered", "Read")
    for person in (anna, ben):
        person.misses("No relay can be reached. What you write waits here, and goes out by itself.")
        assert person.do(person.history.get_by_text("into the dark").count()) == 1
        assert person.do(person.history.get_by_text("here too").count()) == 1


def test_the_program_ends_under_its_page(people: People) -> None:
    anna = people.at_home("Anna")
    anna.goes_to("Notes")
    writes(anna, "a thought")
    anna.do(anna._server.close())
    anna.do(anna._host.close())
    anna.sees("Heliogram on this machine does not answer. Trying again…")
    # What cannot go stays in the field.
    anna.fills(anna.composer, "another thought")
    anna.do(anna.composer.press("Enter"))
    anna.sees("Heliogram does not answer. Is it still running?")
    anna.do(expect(anna.composer).to_have_value("another thought", timeout=PATIENCE_MS))
    # That it tries again, the browser calls an error.
    anna.troubles[:] = [one for one in anna.troubles if "WebSocket connection to" not in one]
