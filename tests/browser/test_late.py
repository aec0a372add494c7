"""What a person does before the node has answered, and what is heard meanwhile: nothing of it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.async_api import Route, expect

from heliogram.node import api
from tests.browser.kit import PATIENCE_MS, Friend, People, Person
from tests.cli.town import until


class Held:
    """Calls of the app that wait until they are let go."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._go = asyncio.Event()
        self._asked = asyncio.Event()
        self._refused = False

    async def take(self, route: Route) -> None:
        self._asked.set()
        await self._go.wait()
        await (route.abort() if self._refused else route.continue_())

    def waits(self) -> None:
        """Wait until there is one."""
        self._person.do(self._asked.wait())

    def goes(self) -> None:
        """Let them go, and those that come later."""
        self._person.town._loop.call_soon_threadsafe(self._go.set)

    def fails(self) -> None:
        """As if the node was not there."""
        self._refused = True
        self.goes()


@contextmanager
def held(person: Person, tag: str) -> Iterator[Held]:
    """Hold what the app asks by this tag. Answers are held by `Person.late`."""
    made = Held(person)
    person.do(person.page.route(f"**/api/call/{tag}", made.take))
    try:
        yield made
    finally:
        made.goes()
        person.do(person.page.unroute_all(behavior="wait"))


def holds(person: Person, text: str) -> None:
    person.do(expect(person.composer).to_have_value(text, timeout=PATIENCE_MS))


def draft_is(person: Person, text: str) -> None:
    async def kept() -> bool | None:
        chats: list[api.Chat] = await person.node.call(api.GetChats())
        return any(one.name == "Ben" and one.draft == text for one in chats) or None

    person.do(until(kept))


def test_what_was_just_said_is_changed_at_once(anna: Person, ben: Friend) -> None:
    anna.says("Ben", "first")
    with held(anna, "send") as sending:
        anna.fills(anna.composer, "teh second")
        anna.presses("Enter")
        sending.waits()
        anna.presses("ArrowUp")
        sending.goes()
        holds(anna, "teh second")
    with held(anna, "edit") as editing:
        anna.fills(anna.composer, "the second")
        anna.presses("Enter")
        anna.types("third")
        editing.waits()
        editing.goes()
        ben.has("Anna", "the second")
    holds(anna, "third")
    anna.presses("Enter")
    ben.has("Anna", "third")


def test_a_draft_never_overtakes_what_is_sent(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    with held(anna, "draft") as keeping:
        anna.types("good morning")
        keeping.waits()
        anna.presses("Enter")
        anna.types("and")
        keeping.goes()
        ben.has("Anna", "good morning")
        draft_is(anna, "and")
    anna.types(" good night")
    anna.presses("Enter")
    ben.has("Anna", "and good night")
    draft_is(anna, "")
    holds(anna, "")


def test_what_could_not_be_said_is_written_again(people: People, anna: Person, ben: Friend) -> None:
    dora = people.friend("Dora")
    people.acquaint(anna, dora)
    anna.goes_to("Ben")
    with held(anna, "send") as sending:
        anna.types("one")
        anna.presses("Enter")
        anna.types("two")
        sending.waits()
        anna.goes_to("Dora")
        anna.types("three")
        sending.fails()
        draft_is(anna, "one\ntwo")
    holds(anna, "three")
    anna.goes_to("Ben")
    holds(anna, "one\ntwo")
    with held(anna, "edit") as editing:
        anna.presses("Enter")
        anna.reads("two")
        anna.presses("ArrowUp")
        holds(anna, "one\ntwo")
        anna.fills(anna.composer, "one and two")
        anna.presses("Enter")
        holds(anna, "")
        editing.fails()
        holds(anna, "one and two")
    anna.presses("Enter")
    ben.has("Anna", "one and two")
    holds(anna, "")


def test_drafts_of_other_faces_are_shown_unless_one_writes(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    anna.ask(api.SetDraft("Ben", "from the telephone"))
    holds(anna, "from the telephone")
    anna.types(", and from here")
    anna.ask(api.SetDraft("Ben", "something else"))
    holds(anna, "from the telephone, and from here")
    anna.presses("Enter")
    ben.has("Anna", "from the telephone, and from here")
    holds(anna, "")


def test_what_comes_while_a_conversation_is_being_opened(anna: Person, ben: Friend) -> None:
    ben.tells("Anna", "first")
    anna.sees(anna.row("Ben").get_by_text("first"))
    with anna.late("history") as answered:
        anna.clicks(anna.row("Ben"))
        answered()
        ben.tells("Anna", "second")
        anna.sees(anna.row("Ben").get_by_text("second"))
    anna.reads("first")
    anna.reads("second")


def test_what_becomes_of_a_message_while_its_place_is_asked_for(anna: Person, ben: Friend) -> None:
    chat = anna.ask(api.GetContacts())[0].chat
    anna.says("Ben", "before")
    # Of two that are said within one second, only the node knows which is the later one.
    with anna.late("place"):
        anna.ask(api.SendMessage(chat, "one"))
        anna.tells(chat, "two")
        anna.sees(anna.row("Ben").filter(has_text="two").locator(".tick.delivered"))
    anna.reads("one")
    anna.reads("two")
    anna.misses(anna.history.locator(".ticks:not([data-state=delivered])"))


def test_what_comes_elsewhere_while_a_chat_is_muted(
    people: People, anna: Person, ben: Friend
) -> None:
    cleo = people.friend("Cleo")
    people.acquaint(anna, cleo)
    anna.sees(anna.row("Cleo"))
    with anna.late("set chat") as answered:
        anna.do(anna.row("Ben").click(button="right"))
        anna.chooses("Mute")
        answered()
        cleo.tells("Anna", "from me")
        anna.sees(anna.row("Cleo").get_by_text("from me"))
    ben.tells("Anna", "from me, too")
    anna.sees(anna.row("Ben").get_by_text("from me, too"))
    anna.sees(anna.row("Cleo").get_by_text("from me"))
    anna.sees(anna.row("Ben").get_by_role("img", name="Muted"))


def test_a_relay_that_was_removed_while_all_were_looked_at(anna: Person) -> None:
    answered, over = asyncio.Event(), asyncio.Event()

    async def slow(route: Route) -> None:
        if '"check":true' not in (route.request.post_data or "").replace(" ", ""):
            return await route.continue_()
        response = await route.fetch()
        answered.set()
        await over.wait()
        await route.fulfill(response=response)

    async def end() -> None:
        over.set()
        await anna.page.unroute_all(behavior="wait")

    gone = anna.ask(api.GetRelays())[0].relay
    anna.presses("Control+,")
    anna.clicks(anna.page.locator("[data-section=relays]"))
    row = anna.page.locator(f'[data-relay="{gone.name}"]')
    anna.do(anna.page.route("**/api/call/relays", slow))
    anna.clicks("Check all")
    anna.do(answered.wait())
    anna.clicks(row.get_by_role("button", name="Remove"))
    anna.clicks(
        anna.page.locator("dialog[open]").nth(1).get_by_role("button", name="Remove", exact=True)
    )
    anna.misses(row)
    anna.do(end())
    anna.sees(anna.button("Check all"))
    anna.do(expect(anna.button("Check all")).to_be_enabled(timeout=PATIENCE_MS))
    anna.sees("3 relays, 2 decide: none may lie, 1 may be away.")
    anna.misses(row)


def test_an_edit_of_what_is_shown_whole(anna: Person, ben: Friend) -> None:
    long = "word " * 4000
    said = ben.tells("Anna", long + "end")
    anna.goes_to("Ben")
    anna.clicks("Show all")
    anna.reads("word end")
    # Of so long a text only the beginning is told, and that is the same.
    ben.ask(api.EditMessage(said.id, long + "another one"))
    anna.reads("word another one")
    ben.ask(api.EditMessage(said.id, "short"))
    anna.reads("short")
    anna.misses(anna.history.get_by_text("word"))
