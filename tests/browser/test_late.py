"""What a person does before the node has answered, and what is heard meanwhile: nothing of it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from playwright.async_api import Route, expect

from heliogram.node import api
from tests.browser.kit import PATIENCE_MS, Friend, People, Person
from tests.cli.town import until


class Held:
    """Calls of the app that wait until they are let go."""

    def __init__(self, person: Person, *, answers: bool) -> None:
        self._person = person
        self._answers = answers
        self._go = asyncio.Event()
        self._asked = asyncio.Event()
        self._refused = False

    async def take(self, route: Route) -> None:
        answer = b""
        if self._answers:
            command = msgspec.json.decode(
                route.request.post_data_buffer or b"", type=api.GetHistory
            )
            answer = msgspec.json.encode(await self._person.node.call(command))
        self._asked.set()
        await self._go.wait()
        if answer:
            await route.fulfill(body=answer, content_type="application/json")
        elif self._refused:
            await route.abort()
        else:
            await route.continue_()

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
def held(person: Person, tag: str, *, answers: bool = False) -> Iterator[Held]:
    """Hold what the app calls by this tag, or with `answers` what the node says to it ("history" only)."""
    made = Held(person, answers=answers)
    pattern = f"**/api/call/{tag}"
    person.do(person.page.route(pattern, made.take))
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


def test_what_comes_while_a_chat_opens_is_shown(anna: Person, ben: Friend) -> None:
    with held(anna, "history", answers=True) as opening:
        anna.goes_to("Ben")
        opening.waits()
        ben.tells("Anna", "are you there?")
        anna.sees(anna.row("Ben").get_by_text("are you there?"))
        opening.goes()
        anna.reads("are you there?")


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
