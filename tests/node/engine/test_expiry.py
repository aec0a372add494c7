"""Messages that go by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from tests.node.engine.kit import Person, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def two(world: World) -> tuple[Person, Person, str]:
    alice, bob = world.people("alice", "bob")
    return alice, bob, world.befriend(alice, bob)


def test_after_reading(world: World, two: tuple[Person, Person, str]) -> None:
    alice, bob, chat = two
    sent = alice.call(api.SendMessage(chat, "burn this", expires=60))
    assert sent.expires == int(alice.time) + 60
    world.run(until=lambda: bob.texts(chat) == ["burn this"])
    bob.call(api.React(sent.id, "👍"))
    world.run(200)
    assert alice.messages(chat) == []  # who wrote it has read it
    assert bob.texts(chat) == ["burn this"]
    bob.call(api.MarkRead(chat))
    assert bob.message(sent.id).expires == int(bob.time) + 60
    bob.crash()
    world.run(59)
    assert bob.texts(chat) == ["burn this"]
    world.run(2)
    assert bob.messages(chat) == [] and bob.call(api.Search("burn")) == []
    assert bob.chat(chat).unread == 0
    assert [one.chat for one in bob.heard(api.MessageGone)] == [chat]
    for table in ("messages", "reactions", "owed"):
        rows = bob.store.query(f"SELECT * FROM {table}")
        assert not [row for row in rows if bytes.fromhex(sent.id) in row]


def test_by_the_conversation(world: World, two: tuple[Person, Person, str]) -> None:
    alice, bob, chat = two
    alice.call(api.SetProfile(chat, expiry=3600))
    world.run(until=lambda: bob.chat(chat).expiry == 3600)
    assert bob.lines(chat)[-1].endswith("let messages go 1 hour after they are read.")
    sent = bob.call(api.SendMessage(chat, "soon gone"))
    assert sent.expires == int(bob.time) + 3600
    kept = bob.call(api.SendMessage(chat, "stays", expires=0))
    assert kept.expires is None
    world.run(until=lambda: len(alice.messages(chat)) == 2)
    alice.call(api.MarkRead(chat))
    world.run(3700)
    assert alice.texts(chat) == bob.texts(chat) == ["stays"]
