"""Floods, nonsense, and texts that want to break the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.content import making
from heliogram.content.mimi import Expiry, Extension, Message, NullPart, SinglePart
from heliogram.node import api
from heliogram.node.engine.happened import MAX_UNREADABLE
from heliogram.node.engine.reading import MAX_MARKS, MAX_TEXT
from heliogram.node.store.marks import MOST_EARLY, MOST_EARLY_OF_ALL, MOST_REACTIONS, MOST_VERSIONS
from tests.node.engine.desk_kit import START, Reader, Room, Told
from tests.sim.relays import name


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def missing(at: int) -> bytes:
    """The id of a message that does not exist."""
    return b"\x01" + name(f"missing {at}")[1:]


def test_48_a_flood_about_messages_that_do_not_exist(reader: Reader) -> None:
    room = Room()
    reader.enter(room)
    reader.person.notices.clear()
    never = room.post("alice", "never sent")
    flood: list[Told] = []
    for at in range(400):
        ghost = Told(never.sender, b"", missing(at), never.message)
        flood += [
            room.react("alice", ghost.id, "👍"),
            room.edit("alice", ghost, "x"),
            room.take_back("alice", ghost),
        ]
    reader.take_at_once(room, *flood)
    reader.take(room, *flood[:30])
    assert reader.heard(api.MessageAdded) == reader.heard(api.MessageChanged) == []
    assert reader.heard(api.ChatChanged) == []
    assert reader.rows("early") == MOST_EARLY
    assert reader.rows("owed") == reader.rows("messages") == reader.rows("reactions") == 0
    for at in range(40):
        reader.take_at_once(
            room, *(room.react(f"person {at}", missing(one), "👍") for one in range(MOST_EARLY))
        )
    assert reader.rows("early") == MOST_EARLY_OF_ALL


def test_reactions_and_edits_of_one_message_are_bounded(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    first = room.post("alice", "first")
    reader.take(room, first)
    flood = [room.react("bob", first.id, f"{at}") for at in range(200)]
    reader.take_at_once(room, *flood, *(room.take_back("bob", one) for one in flood), *flood)
    assert reader.rows("reactions") == MOST_REACTIONS
    assert reader.person.messages(chat)[0].reactions == ()
    reader.take_at_once(room, *(room.edit("alice", first, f"{at}") for at in range(500)))
    assert reader.rows("versions") == MOST_VERSIONS
    assert reader.person.texts(chat) == ["499"]
    assert reader.rows("owed") == 1  # the message itself


def test_only_who_said_it_may_change_it(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    first = room.post("alice", "mine")
    early = room.edit("bob", first, "bob's")
    reader.take(room, early, first, room.edit("bob", first, "bob's"), room.take_back("bob", first))
    assert reader.person.texts(chat) == ["mine"]
    reaction = room.react("alice", first.id, "👍")
    reader.take(room, reaction, room.take_back("bob", reaction))
    assert len(reader.person.messages(chat)[0].reactions) == 1
    edit = room.edit("alice", first, "mine!")
    # An edit names the first version, not another edit.
    reader.take(room, edit, room.say("alice", Message(bytes(16), making.plain("x"), edit.id)))
    assert reader.person.texts(chat) == ["mine!"]
    again = room.react("bob", edit.id, "🍵")
    reader.take(room, again)
    assert len(reader.person.messages(chat)[0].reactions) == 2


def test_33_what_comes_again_is_shown_once(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    first = room.post("alice", "once")
    reaction = room.react("bob", first.id, "👍")
    back = room.take_back("bob", reaction)
    reader.take(room, first, first, reaction, reaction, back, reaction, first)
    assert reader.person.texts(chat) == ["once"]
    assert reader.person.messages(chat)[0].reactions == ()
    deleted = room.take_back("alice", first)
    reader.take(room, deleted, first, room.edit("alice", first, "again"))
    assert [one.kind for one in reader.person.messages(chat)] == ["deleted"]


def test_unknown_content_is_shown_as_such(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    body = SinglePart("application/x-strange\u202e;v=1", b"12345")
    reader.take(room, room.post("alice", body), room.post("bob", NullPart()))
    [strange, nothing] = reader.person.messages(chat)
    assert (strange.kind, strange.text) == ("unknown", "application/x-strange;v=1, 5")
    assert (nothing.kind, nothing.text) == ("unknown", "")


def test_what_is_no_message_becomes_a_line(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    broken = Told(name("alice"), b"\x87nonsense", b"", Message(bytes(16), NullPart()))
    lie = room.say(
        "alice",
        Message(bytes(16), making.plain("x"), extensions=(Extension(1, b"\x63bob"),)),
    )
    late = room.post("alice", "x", expires=Expiry(False, START // 1000 + 10**8))
    reader.take(room, broken, lie, late)
    assert reader.person.events(chat) == ["no message"] * 3
    assert reader.person.lines(chat)[0].endswith("sent something that is no message.")
    assert reader.person.chat(chat).unread == 0
    reader.take_at_once(room, *[broken] * 100)
    assert len(reader.person.lines(chat)) == MAX_UNREADABLE


def test_what_is_over_when_it_comes_is_not_shown(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    now = int(reader.person.time)
    gone = room.post("alice", "gone", expires=Expiry(False, now - 10))
    soon = room.post("alice", "soon", expires=Expiry(False, now + 10))
    reader.take(room, gone, soon)
    assert reader.person.texts(chat) == ["soon"]
    reader.world.run(11)
    assert reader.person.messages(chat) == []


def test_57_texts_that_want_to_break_the_page(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    texts = {
        "marks": "e" + "\u0301" * 10_000,
        "line": "x" * 50_000,
        "lines": "\n" * 20_000 + "end",
        "turned": "\u202e\u202d\u202a" * 3_000 + "abc\u0000\u0007",
        "blank": "\u200b" * 5_000,
    }
    sent = {label: room.post("alice", text) for label, text in texts.items()}
    reader.take(room, *sent.values(), room.post("bob", "still readable"))
    *shown, last = reader.person.messages(chat)
    assert last.text == "still readable"
    for one in shown:
        assert len(one.text) <= MAX_TEXT + 1 and one.text.count("\n") <= 200
        assert not set(one.text) & set("\u202a\u202b\u202c\u202d\u202e\x00\x07")
    marks, line, lines, turned, _ = shown
    assert len(marks.text) == 1 + MAX_MARKS <= 10 and turned.text == "abc"
    assert MAX_TEXT <= 10_000
    assert line.cut and lines.cut and not turned.cut
    whole = reader.person.message(sent["line"].id.hex())
    assert whole.text == texts["line"] and not whole.cut
    [(kept,)] = reader.person.store.query(
        "SELECT text FROM messages WHERE id=?", (sent["marks"].id,)
    )
    assert kept == texts["marks"]


def test_emoji_of_a_reaction_are_short(reader: Reader) -> None:
    room = Room()
    chat = reader.enter(room)
    first = room.post("alice", "x")
    long = SinglePart("text/plain;charset=utf-8", b"z" * 40_000, 2)
    odd = SinglePart("text/plain;charset=utf-8", "\u202e\x1f".encode(), 2)
    reader.take(
        room,
        first,
        room.say("bob", Message(bytes(16), long, in_reply_to=first.id)),
        room.say("bob", Message(b"\x01" * 16, odd, in_reply_to=first.id)),
        room.react("carol", first.id, "a", "b"),
    )
    [message] = reader.person.messages(chat)
    assert [one.emoji for one in message.reactions] == ["z" * 16, "a", "b"]


def test_nothing_of_the_blocked_in_direct_conversations(reader: Reader) -> None:
    direct, group = Room("direct"), Room("group")
    reader.enter(direct, "direct", name("alice"))
    reader.enter(group)
    reader.person.call(api.BlockContact(name("alice").hex()))
    reader.person.notices.clear()
    reader.take(direct, direct.post("alice", "psst"))
    assert reader.person.messages(direct.id.hex()) == [] and reader.person.notices == []
    reader.take(group, group.post("alice", "hello"))
    assert len(reader.person.messages(group.id.hex())) == 1
