"""Messages that go by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.changes import RenewKeys
from heliogram.node.membership import PAST_EPOCHS
from heliogram.wire import frames
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


def test_33_what_is_gone_from_here_does_not_come_again(
    world: World, two: tuple[Person, Person, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs close on who said it, and it is said again long after: some had it, and have it no more."""
    alice, bob, chat = two
    carry = world.send

    def hardly(person: Person, ask: Ask) -> None:
        alone = isinstance(ask.request, frames.Post) and ask.relay.key != world.order[0].key
        if person is not alice or not alone:
            carry(person, ask)

    with monkeypatch.context() as patch:
        patch.setattr(world, "send", hardly)
        burnt = alice.call(api.SendMessage(chat, "burn this", expires=60))
        unwanted = alice.call(api.SendMessage(chat, "not here"))
        alice.call(api.SendMessage(chat, "stays"))
        world.run(until=lambda: len(bob.texts(chat)) == 3)
        alice.down()
    bob.call(api.MarkRead(chat))
    bob.call(api.DeleteMessage(unwanted.id, only_here=True))
    # Longer than what was read is known by itself.
    number, talk = bob.number(chat), bob.talks.log(bob.number(chat)).conversation
    for epoch in range(talk.epoch + 1, talk.epoch + PAST_EPOCHS + 3):
        bob.do(lambda: bob.talks.wish(number, RenewKeys(), "renew"))
        world.run(until=lambda epoch=epoch: talk.epoch == epoch)  # type: ignore[misc]
    world.run(61)
    assert bob.texts(chat) == ["stays"]
    bob.crash()
    alice.boot()
    edited = alice.call(api.EditMessage(unwanted.id, "not here!"))
    alice.call(api.SendMessage(chat, "later"))
    world.run(until=lambda: bob.texts(chat) == ["stays", "later"])
    world.run(60)
    assert not alice.store.query("SELECT * FROM outbox") and edited.id == unwanted.id
    assert bob.texts(chat) == ["stays", "later"] and bob.chat(chat).unread == 1
    # Nothing else is left of them: what changes them waits for nothing.
    left = {bytes.fromhex(one.id) for one in (burnt, unwanted)}
    assert {row[0] for row in bob.store.query("SELECT id FROM gone")} == left
    assert not bob.store.query("SELECT * FROM early")
