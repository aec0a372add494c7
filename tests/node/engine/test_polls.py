"""Polls: asked, answered, answered otherwise; and votes that count for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.content import making
from heliogram.content.forms import VOTE, Poll, Vote
from heliogram.content.forwarded import Forwarded
from heliogram.content.mimi import SinglePart
from heliogram.node import api
from heliogram.node.archive.reading import Chats
from heliogram.node.archive.rows import Writer, written
from heliogram.node.errors import NotAllowed
from heliogram.node.store.database import Store
from heliogram.node.store.messages import Messages
from tests.node.engine.desk_kit import Reader, Room, Told
from tests.node.engine.kit import World
from tests.node.store.kit import KEY
from tests.sim.relays import name

ASKED = Poll("Tea?", ("yes", "no", "later"), 2)


def votes(message: api.Message) -> list[list[str]]:
    """Who chose each option."""
    assert message.poll is not None
    return [[one.account for one in option.votes] for option in message.poll.options]


def test_a_poll_from_end_to_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    alices, bobs = alice.id.hex(), bob.id.hex()
    sent = alice.call(api.SendPoll(chat, "Tea?", ("yes", "no", "later"), 2))
    assert (sent.kind, sent.text) == ("poll", "Tea?\n1. yes\n2. no\n3. later")
    world.run(until=lambda: len(bob.messages(chat)) == 1)
    here = bob.messages(chat)[0]
    assert here.poll is not None and (here.poll.question, here.poll.most) == ("Tea?", 2)
    voted = bob.call(api.Vote(sent.id, (2, 0)))
    assert voted.poll.chosen == (0, 2)
    world.run(until=lambda: votes(alice.message(sent.id)) == [[bobs], [], [bobs]])
    alice.call(api.Vote(sent.id, (1,)))
    bob.call(api.Vote(sent.id, (1,)))
    for one in (alice, bob):
        world.run(until=lambda one=one: set(votes(one.message(sent.id))[1]) == {alices, bobs})  # type: ignore[misc]
    bob.call(api.Vote(sent.id))
    world.run(until=lambda: votes(alice.message(sent.id)) == [[], [alices], []])
    assert len(alice.history(chat)) == len([*alice.lines(chat), sent])
    assert [one.message.id for one in bob.call(api.Search("later"))] == [sent.id]
    for wrong in ((3,), (0, 1, 2), (-1,)):
        with pytest.raises(NotAllowed):
            bob.call(api.Vote(sent.id, wrong))
    text = alice.call(api.SendMessage(chat, "no poll"))
    with pytest.raises(NotAllowed):
        alice.call(api.Vote(text.id, (0,)))
    for question, options in (("", ("a", "b")), ("x", ("a", "a")), ("x", ("a", "ä" * 200))):
        with pytest.raises(NotAllowed):
            alice.call(api.SendPoll(chat, question, options))


@pytest.fixture
def read(tmp_path: Path) -> tuple[Reader, Room, Told]:
    reader, room = Reader(tmp_path), Room()
    reader.enter(room)
    return reader, room, room.post("alice", making.poll(ASKED))


def vote(room: Room, who: str, target: bytes, *options: int, sent: int | None = None) -> Told:
    part = making.with_fallback(SinglePart(VOTE, Vote(options).encode()), "so")
    return room.post(who, part, in_reply_to=target, sent=sent)


def chosen(reader: Reader, room: Room) -> list[list[str]]:
    [message] = reader.person.messages(room.id.hex())
    assert message.poll is not None
    return [[one.account for one in option.votes] for option in message.poll.options]


BOB = name("bob").hex()


def test_votes_wait_for_their_poll_and_the_last_one_counts(read: tuple[Reader, Room, Told]) -> None:
    reader, room, poll = read
    first, second = vote(room, "bob", poll.id, 0), vote(room, "bob", poll.id, 1, 2)
    reader.take(room, second, first)
    assert reader.person.messages(room.id.hex()) == []
    reader.take(room, poll, second)
    assert chosen(reader, room) == [[], [BOB], [BOB]]
    assert reader.person.chat(room.id.hex()).unread == 1
    reader.take(room, vote(room, "bob", poll.id))
    assert chosen(reader, room) == [[], [], []]
    assert reader.rows("votes") == 1


def test_what_nobody_can_choose_says_nothing(read: tuple[Reader, Room, Told]) -> None:
    reader, room, poll = read
    text = room.post("alice", "no poll")
    reader.take(room, poll, vote(room, "bob", poll.id, 1))
    reader.take(room, vote(room, "bob", poll.id, 5), vote(room, "bob", poll.id, 0, 1, 2))
    assert chosen(reader, room) == [[], [BOB], []]
    reader.take(room, text, vote(room, "bob", text.id, 0))
    assert reader.rows("votes") == 1
    assert len(reader.person.messages(room.id.hex())) == 2


def test_a_vote_counts_for_the_version_that_was_seen(read: tuple[Reader, Room, Told]) -> None:
    reader, room, poll = read
    reader.take(room, poll, vote(room, "bob", poll.id, 0))
    other = making.poll(Poll("Poison?", ("yes", "no")))
    edit = room.say("alice", making.edit(poll.message, poll.id, other, entropy=room._entropy))
    again = vote(room, "bob", edit.id, 1)
    reader.take(room, again)  # it waits for the version that it names
    reader.take(room, edit)
    assert chosen(reader, room) == [[], [BOB]]
    reader.take(room, vote(room, "bob", poll.id, 0))
    assert chosen(reader, room) == [[], []]


def test_votes_go_with_their_poll(read: tuple[Reader, Room, Told]) -> None:
    reader, room, poll = read
    reader.take(room, poll, vote(room, "bob", poll.id, 0))
    reader.take(room, room.take_back("alice", poll))
    assert reader.rows("votes") == 0
    [gone] = reader.person.messages(room.id.hex())
    assert (gone.kind, gone.poll) == ("deleted", None)


def test_an_export_and_a_backup_have_them(read: tuple[Reader, Room, Told], tmp_path: Path) -> None:
    reader, room, poll = read
    again = making.post(
        making.plain("x"), extensions=Forwarded("Carol").extensions(), entropy=room._entropy
    )
    reader.take(room, poll, vote(room, "bob", poll.id, 0), room.say("alice", again))
    with reader.person.store.reader() as source:
        [first, second] = Chats(source).messages(reader.person.number(room.id.hex()))
        stream = b"".join(written(source, created=0))
    assert first["poll"] == {
        "question": "Tea?",
        "most": 2,
        "options": [
            {"text": "yes", "votes": [BOB]},
            {"text": "no", "votes": []},
            {"text": "later", "votes": []},
        ],
    }
    assert (second["forwarded"], second["pinned"]) == ({"name": "Carol", "time": None}, False)
    store = Store.create(tmp_path / "again.db", KEY)
    with store.transaction():
        writer = Writer(store)
        writer.take(stream)
        writer.finish()
    assert store.query("SELECT * FROM votes") == reader.person.store.query("SELECT * FROM votes")
    number = reader.person.number(room.id.hex())
    assert Messages(store).count(number) == 2  # counted as they come in
    store.close()
