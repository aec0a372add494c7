"""That somebody types: told rarely, heard at once, kept by nobody, and off unless both want it."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.content.typing import TYPING
from heliogram.content.typing import Typing as Sign
from heliogram.node import api
from heliogram.node.store.logs import MemberRow
from tests.node.engine.kit import Person, World


@pytest.fixture
def two(tmp_path: Path) -> tuple[World, Person, Person, str]:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    for one in (alice, bob):
        one.call(api.SetPreferences(typing=True))
    world.run(30)
    return world, alice, bob, chat


Two = tuple[World, Person, Person, str]


def outbox(who: Person) -> int:
    [(count,)] = who.store.query("SELECT count(*) FROM outbox")
    return int(count)


def test_it_is_heard_and_not_kept(two: Two) -> None:
    world, alice, bob, chat = two
    before = len(bob.history(chat))
    posted = len(world.posted)
    for _ in range(30):
        alice.call(api.SetTyping(chat))
        world.run(0.4)
    # Twelve seconds: at their beginning, after five, after ten.
    assert len(world.posted) - posted == 3
    heard = bob.heard(api.Typing)
    assert [(one.chat, one.who.account, one.seconds) for one in heard] == [
        (chat, alice.id.hex(), 6)
    ] * 3
    assert len(bob.history(chat)) == before and bob.chat(chat).unread == 0
    world.run(10)
    assert outbox(alice) == outbox(bob) == 0
    assert alice.heard(api.Typing) == []
    assert {len(one) for one in world.posted[posted:]} == {_smallest(world, alice, chat)}


def _smallest(world: World, alice: Person, chat: str) -> int:
    """The size of the entry of a short text."""
    posted = len(world.posted)
    alice.call(api.SendMessage(chat, "Hello"))
    world.run(2)
    return len(world.posted[posted])


def test_it_is_off_unless_somebody_wants_it(two: Two) -> None:
    world, alice, bob, chat = two
    posted = len(world.posted)
    alice.call(api.SetPreferences(typing=False))
    alice.call(api.SetTyping(chat))
    alice.call(api.SetTyping("self"))
    world.run(5)
    assert len(world.posted) == posted
    # Who does not tell does not hear.
    bob.call(api.SetTyping(chat))
    world.run(5)
    assert len(world.posted) == posted + 1 and alice.heard(api.Typing) == []
    assert set(alice.events(chat) + bob.events(chat)) <= {"invited"}


def test_what_cannot_leave_at_once_is_not_said_later(two: Two) -> None:
    world, alice, bob, chat = two
    for relay in world.order:
        world.stop(relay)
    alice.call(api.SetTyping(chat))
    assert outbox(alice) == 1
    world.run(20)
    assert outbox(alice) == 0
    alice.call(api.SetTyping(chat))
    alice.crash()
    assert outbox(alice) <= 1
    for relay in world.order:
        relay.up = True
    alice.call(api.SendMessage(chat, "back"))
    world.run(120, until=lambda: bob.texts(chat) == ["back"])
    world.run(10)
    assert bob.heard(api.Typing) == [] and outbox(alice) == 0


def test_late_signs_and_broken_ones_are_nothing(two: Two) -> None:
    world, alice, bob, chat = two
    row = alice.talks.desk.logs.get(alice.number(chat))
    assert row is not None
    now = int(alice.time * 1000)
    for content in (
        Sign(now - 60_000).encode(),
        Sign(now + 60_000).encode(),
        b"",
        b"\x82\x02\x00",
        Sign(now).encode() + b"\x00",
    ):
        alice.do(lambda content=content: alice.talks._put(row, TYPING, content))  # type: ignore[misc]
        world.run(3)
    assert bob.heard(api.Typing) == []
    assert set(alice.events(chat) + bob.events(chat)) <= {"invited"}


def test_a_group_that_is_large_does_not_tell(tmp_path: Path) -> None:
    world = World(tmp_path)
    (alice,) = world.people("alice")
    chat = world.group("Walks", alice)
    alice.call(api.SetPreferences(typing=True))
    world.run(5)
    number = alice.number(chat)
    others = [MemberRow(bytes([at]) * 32, 0, 1) for at in range(20)]
    alice.do(
        lambda: alice.talks.desk.logs.set_members(number, [MemberRow(alice.id, 2, 1), *others])
    )
    posted = len(world.posted)
    alice.call(api.SetTyping(chat))
    world.run(5)
    assert len(world.posted) == posted
