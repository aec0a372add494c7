"""Changes that come before their message: they wait for it, and not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.content.mimi import Expiry
from heliogram.node import api
from heliogram.node.engine.messages import EARLY_KEPT, LOOK
from tests.node.engine.desk_kit import Reader, Room, Told
from tests.sim.relays import NOW


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def changes(room: Room, post: Told) -> list[Told]:
    return [room.edit("alice", post, "second"), room.react("bob", post.id, "👍")]


def test_what_waits_is_applied_when_its_message_comes_in_time(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    post = room.post("alice", "first")
    reader.take(room, *changes(room, post))
    reader.world.run(EARLY_KEPT - LOOK)
    reader.person.crash()
    reader.take(room, post)
    (shown,) = reader.person.messages(chat)
    assert (shown.text, [one.emoji for one in shown.reactions]) == ("second", ["👍"])
    assert reader.rows("early") == 0


def test_what_waits_for_too_long_is_gone(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    post, later = room.post("alice", "first"), room.post("alice", "another")
    reader.take(room, *changes(room, post))
    reader.world.run(EARLY_KEPT / 2)
    reader.take(room, room.react("bob", later.id, "🎉"))
    reader.world.run(EARLY_KEPT / 2 + 2 * LOOK)
    reader.person.turn()
    assert reader.rows("early") == 1, "each waits for as long"
    reader.take(room, post, later)
    first, second = reader.person.messages(chat)
    assert (first.text, first.edited, first.reactions) == ("first", 0, ())
    assert [one.emoji for one in second.reactions] == ["🎉"]
    assert reader.rows("early") == 0


def test_it_goes_also_from_a_node_that_was_not_running(reader: Reader) -> None:
    room = Room()
    reader.enter(room)
    reader.take(room, *changes(room, room.post("alice", "first")))
    reader.person.down()
    reader.world.run(EARLY_KEPT + LOOK)
    reader.person.rise()
    assert reader.rows("early") == 0


def test_a_clock_that_is_put_back_keeps_nothing_for_longer(reader: Reader) -> None:
    room = Room()
    reader.enter(room)
    reader.person.offset = 10.0 * EARLY_KEPT
    reader.person.turn()
    reader.person.offset = 0.0
    reader.take(room, *changes(room, room.post("alice", "first")))
    reader.world.run(EARLY_KEPT + 2 * LOOK)
    reader.person.turn()
    assert reader.rows("early") == 0


def test_nothing_waits_for_a_message_whose_time_is_over(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    post = room.post("alice", "soon gone", expires=Expiry(False, NOW + 2000))
    reader.take(room, *changes(room, post))
    assert reader.rows("early") == 2
    reader.world.run(3000)
    reader.take(room, post)
    assert reader.rows("early") == 0
    assert not reader.person.messages(chat) and not reader.heard(api.MessageAdded)
