"""The way in: a first start, the words, locking and unlocking."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Locator

from heliogram.node import api
from tests.browser.kit import PATIENCE, PHRASE, People, Person
from tests.cli.town import until


def words_of(person: Person) -> list[str]:
    """The words as they stand on the page."""
    person.sees("Write these words down")
    cells: Locator = person.page.locator(".words li > span:last-child")
    return person.do(cells.all_inner_texts())


def test_a_newcomer_gets_an_account_its_words_and_a_link(people: People) -> None:
    anna = people.newcomer("Anna").opens()
    anna.clicks("Create an account")
    anna.clicks("Next")
    anna.fills("Your name", "Anna")
    anna.clicks("Next")
    # A passphrase is weighed in words.
    anna.fills("Passphrase", "anna1234")
    anna.sees("This is among the first things that are tried.")
    anna.fills("Passphrase", PHRASE)
    anna.sees("Strong.")
    anna.fills("Passphrase again", "another one")
    anna.clicks("Next")
    anna.sees("The two are not the same.")
    anna.fills("Passphrase again", PHRASE)
    anna.clicks("Next")
    anna.sees("4 relays: one may fail or lie")
    anna.fills("Address of another relay", "not an address")
    anna.clicks("Add the relay")
    anna.sees("That is no address of a relay.")
    anna.clicks("Create account")

    words = words_of(anna)
    assert len(words) == 24
    anna.shot("words")
    anna.clicks("I wrote them down")
    fields = anna.page.locator("[data-place]")
    places = [anna.do(fields.nth(n).get_attribute("data-place")) for n in range(3)]
    for n in range(3):
        anna.fills(fields.nth(n), "zebra")
    anna.clicks("Check")
    anna.sees("is another one. Look at your paper.")
    for n, place in enumerate(places):
        # Four letters of each are enough, as everywhere.
        anna.fills(fields.nth(n), words[int(place or 0)][:4].upper())
    anna.clicks("Check")

    anna.sees("heliogram:contact/")
    anna.shot("your-link")
    anna.clicks("To the chats")
    anna.sees(anna.row("Notes"))
    status: api.Status = anna.ask(api.GetStatus())
    assert status.me.name == "Anna"
    assert len(status.relays) == 4


def test_words_bring_an_account_back(people: People) -> None:
    anna = people.newcomer("Anna").opens()
    anna.creates(skip=True)
    account: api.Status = anna.ask(api.GetStatus())

    again = people.newcomer("Anna again").opens()
    again.clicks("I have my 24 words")
    again.fills("Words", "abandon " * 3)
    again.clicks("Next")
    again.sees("These are 3 words; there must be 24.")
    again.fills("Words", "zebraa " * 24)
    again.clicks("Next")
    again.fills("Your name", "Anna")
    again.clicks("Next")
    again.fills("Passphrase", PHRASE)
    again.fills("Passphrase again", PHRASE)
    again.clicks("Next")
    again.clicks("Bring it back")
    # What is wrong with the words is said where they are.
    again.sees("Word 1 is not in the list.")
    again.fills("Words", " ".join(anna.words))
    for _ in range(3):
        again.clicks("Next")
    again.clicks("Bring it back")
    again.sees(again.row("Notes"))
    back: api.Status = again.ask(api.GetStatus())
    assert back.me.account == account.me.account


def test_locking_hides_all_and_only_the_passphrase_opens(anna: Person) -> None:
    anna.clicks("Menu")
    anna.chooses("Lock")
    anna.sees("Locked")
    anna.misses(anna.row("Notes"))
    for _ in range(2):
        anna.fills("Passphrase", "not the passphrase")
        anna.clicks("Unlock")
        anna.sees("This is not the passphrase.")
    anna.sees("Each wrong try makes the next one wait longer.")
    anna.fills("Passphrase", PHRASE)
    anna.clicks("Unlock")
    anna.sees(anna.row("Notes"))


def test_what_was_heard_wins_over_older_answers(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app asks, something changes, it hears of that, and only then the answer comes."""
    answered, told, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    call = anna._server._calls.call

    async def slow(node: api.Node, command: api.Command) -> object:
        found = await call(node, command)
        if isinstance(command, api.GetPreferences):
            answered.set()
            await go.wait()
        return found

    def hear(said: bytes | str) -> None:
        if "preferences changed" in str(said):
            told.set()

    async def scene() -> None:
        anna.page.on("websocket", lambda socket: socket.on("framereceived", hear))
        await anna.page.reload(wait_until="commit")
        async with asyncio.timeout(PATIENCE):
            await answered.wait()
            await anna.node.call(api.SetPreferences(app='{"theme": "dark"}'))
            await told.wait()
        go.set()

    monkeypatch.setattr(anna._server._calls, "call", slow)
    anna.do(scene())
    anna.sees(anna.row("Notes"))
    assert anna.do(anna.page.locator("html").get_attribute("data-theme")) == "dark"


def test_the_app_locks_when_nobody_touches_it(anna: Person) -> None:
    anna.ask(api.SetPreferences(lock_after=1))
    anna.sees("Locked")
    anna.misses(anna.row("Notes"))


def test_it_locks_when_no_page_is_open(anna: Person) -> None:
    anna.ask(api.SetPreferences(lock_after=1))
    anna.do(anna.page.close())

    async def locked() -> bool | None:
        return anna._host.state == "locked" or None

    anna.do(until(locked))
    anna.opens()
    anna.sees("Locked")


def test_a_page_whose_node_is_gone_hides_what_it_showed(anna: Person) -> None:
    anna.ask(api.SetPreferences(lock_after=3600))
    anna.do(anna.page.clock.install())
    anna.do(anna.page.reload())
    anna.sees(anna.row("Notes"))
    anna.do(anna._server.close())
    anna.do(anna.page.clock.fast_forward(3601 * 1000))
    anna.sees("Locked")
    anna.misses(anna.row("Notes"))
    # It looks for its node in vain, and the browser says so.
    anna.troubles.clear()


def test_a_link_is_good_once(anna: Person) -> None:
    link = anna.link
    anna.opens(link)
    anna.sees(anna.row("Notes"))
    anna.opens(link)
    anna.sees("This page is closed")
