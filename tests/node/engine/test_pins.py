"""What is pinned for all: by whom, in which epoch, and which word is the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.content import making
from heliogram.node import api
from heliogram.node.errors import NotAllowed
from tests.node.engine.desk_kit import Reader, Room, Told
from tests.node.engine.kit import Person, World
from tests.sim.relays import name


def pins(who: Person, chat: str) -> list[str]:
    return [one.id for one in who.call(api.GetPins(chat))]


def test_both_pin_in_a_direct_conversation(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    first = alice.call(api.SendMessage(chat, "first")).id
    second = alice.call(api.SendMessage(chat, "second")).id
    world.run(until=lambda: len(bob.messages(chat)) == 2)
    bob.call(api.PinMessage(first))
    bob.call(api.PinMessage(first))
    world.run(until=lambda: pins(alice, chat) == [first])
    alice.call(api.PinMessage(second))
    for one in (alice, bob):
        world.run(until=lambda one=one: pins(one, chat) == [second, first])  # type: ignore[misc]
        assert one.message(first).pinned
        assert one.events(chat)[-2:] == ["pinned", "pinned"]
        line = one.history(chat)[-1]
        assert line.reply_to == second
    bob.call(api.PinMessage(second, False))
    world.run(until=lambda: pins(alice, chat) == [first])
    assert alice.events(chat)[-1] == "unpinned" and not alice.message(second).pinned
    assert alice.chat(chat).unread == 0
    alice.call(api.DeleteMessage(first))
    world.run(until=lambda: pins(bob, chat) == [])
    with pytest.raises(NotAllowed):
        bob.call(api.PinMessage(first))
    assert [one.kind for one in bob.messages(chat)] == ["deleted", "text"]


def test_in_a_group_admins_and_owners_pin(tmp_path: Path) -> None:
    world = World(tmp_path)
    alice, bob, carol = world.people("alice", "bob", "carol")
    chat = world.group("Walks", alice, bob, carol)
    sent = bob.call(api.SendMessage(chat, "Sunday, ten")).id
    for one in (alice, carol):
        world.run(until=lambda one=one: len(one.messages(chat)) == 1)  # type: ignore[misc]
    with pytest.raises(NotAllowed):
        bob.call(api.PinMessage(sent))
    # A program that does not ask whether it may is not believed.
    row = bob.talks.desk.logs.get(bob.number(chat))
    assert row is not None
    target = bytes.fromhex(sent)
    forged = making.post(making.pin(True), in_reply_to=target, entropy=bob.entropy)
    bob.do(lambda: bob.talks._speaking.do(row, forged))
    said = bob.call(api.SendMessage(chat, "after it")).id
    world.run(until=lambda: said in [one.id for one in alice.messages(chat)])
    assert pins(alice, chat) == [] == pins(carol, chat)
    # Who came in later knows who was admin then.
    alice.call(api.PinMessage(said))
    world.run(until=lambda: pins(carol, chat) == [said] == pins(bob, chat))
    alice.call(api.PinMessage(said, False))
    world.run(until=lambda: pins(carol, chat) == [] == pins(bob, chat))
    alice.call(api.SetRole(chat, bob.id.hex(), "admin"))
    for one in (bob, carol):
        world.run(until=lambda one=one: "role changed" in one.events(chat))  # type: ignore[misc]
    bob.call(api.PinMessage(sent))
    for one in (alice, bob, carol):
        world.run(until=lambda one=one: pins(one, chat) == [sent])  # type: ignore[misc]
    # It stays pinned when he is no admin any more.
    alice.call(api.SetRole(chat, bob.id.hex(), "member"))
    world.run(until=lambda: carol.events(chat).count("role changed") == 2)
    assert pins(carol, chat) == [sent]


ALICE, BOB = name("alice"), name("bob")


@pytest.fixture
def read(tmp_path: Path) -> tuple[Reader, Room, Told]:
    reader, room = Reader(tmp_path), Room()
    reader.enter(room)
    desk = reader.person.talks.desk
    number = reader.person.number(room.id.hex())
    # Alice was admin at first; Bob is since epoch 2.
    reader.person.do(lambda: desk.pins.set_admins(number, 1, {ALICE}))
    reader.person.do(lambda: desk.pins.set_admins(number, 2, {BOB}))
    return reader, room, room.post("alice", "look")


def pin(room: Room, who: str, target: bytes, pinned: bool = True, **how: int) -> Told:
    return room.post(who, making.pin(pinned), in_reply_to=target, **how)


def test_a_pin_is_judged_by_its_epoch_and_waits_for_its_message(
    read: tuple[Reader, Room, Told],
) -> None:
    reader, room, post = read
    chat = room.id.hex()
    # The kit lets all come in epoch 1: there Bob was none.
    reader.take(room, pin(room, "bob", post.id), pin(room, "alice", post.id))
    assert reader.rows("early") == 1
    reader.take(room, post)
    assert pins(reader.person, chat) == [post.id.hex()]
    reader.take(room, pin(room, "bob", post.id, False))
    assert pins(reader.person, chat) == [post.id.hex()]
    assert reader.person.events(chat) == ["pinned"]
    assert len(reader.person.messages(chat)) == 1


def test_the_newest_word_counts(read: tuple[Reader, Room, Told]) -> None:
    reader, room, post = read
    chat = room.id.hex()
    early, late = pin(room, "alice", post.id, True), pin(room, "alice", post.id, False)
    reader.take(room, post, late, early)
    assert pins(reader.person, chat) == [] == reader.person.events(chat)
    reader.take(room, pin(room, "alice", post.id))
    reader.take(room, pin(room, "alice", post.id))
    assert reader.person.events(chat) == ["pinned"]
    reader.person.call(api.DeleteMessage(post.id.hex(), only_here=True))
    assert pins(reader.person, chat) == [] and reader.rows("pins") == 0


def test_admins_of_old_epochs_are_forgotten(read: tuple[Reader, Room, Told]) -> None:
    reader, room, _ = read
    table = reader.person.talks.desk.pins
    number = reader.person.number(room.id.hex())
    reader.person.do(lambda: table.set_admins(number, 30, {ALICE, BOB}))
    reader.person.do(lambda: table.set_admins(number, 31, {ALICE, BOB}))
    assert reader.rows("admins") == 2
    assert table.admins(number, 14) == {BOB} and table.admins(number) == {ALICE, BOB}
    assert table.admins(number, 40) == {ALICE, BOB}
