"""What we call ourselves: others hear of it with the next thing that we say, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from tests.node.engine.kit import Person, World

Three = tuple[Person, Person, Person, str, str]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def three(world: World) -> Three:
    alice, bob, carol = world.people("alice", "bob", "carol")
    return alice, bob, carol, world.befriend(alice, bob), world.group("Tea", alice, bob, carol)


def test_a_new_name(world: World, three: Three) -> None:
    alice, bob, carol, direct, group = three
    world.run(30.0)
    posted = len(world.posted)
    me: api.Person = alice.call(api.SetMe("  Alice\u202e the\nGreat "))
    assert (me.name, me.me) == ("Alice the Great", True)
    assert alice.call(api.SetMe("Alice II")).name == "Alice II"
    # Nobody is told: relays would see which conversations are of one person.
    world.run(3600.0)
    assert len(world.posted) == posted
    # Each conversation hears of it once, with what is said there, also after a restart.
    alice.crash()
    for chat, other in ((direct, bob), (group, carol)):
        before = other.hands.person(alice.id).name
        assert before != "Alice II"
        sent = alice.call(api.SendMessage(chat, "hello"))
        assert sent.sender.name == "Alice II"
        world.run(until=lambda: other.hands.person(alice.id).name == "Alice II")  # noqa: B023
        world.run(until=lambda: other.texts(chat) == ["hello"])  # noqa: B023
    posted = len(world.posted)
    alice.call(api.SendMessage(direct, "again"))
    world.run(until=lambda: bob.texts(direct) == ["hello", "again"])
    world.run(0.5)
    assert len(world.posted) == posted + 1


def test_what_is_only_reported_says_no_name(world: World, three: Three) -> None:
    alice, bob, _, direct, _ = three
    alice.call(api.SetMe("Alice II"))
    bob.call(api.SendMessage(direct, "hello"))
    world.run(until=lambda: alice.texts(direct) == ["hello"])
    alice.call(api.MarkRead(direct))
    world.run(600.0)
    assert bob.hands.person(alice.id).name != "Alice II"
    alice.call(api.React(alice.messages(direct)[0].id, "👍"))
    world.run(until=lambda: bob.hands.person(alice.id).name == "Alice II")
