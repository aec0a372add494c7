"""What a forward says, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.content import making
from heliogram.content.forms import Location, Poll
from heliogram.content.forwarded import Forwarded, origin
from heliogram.content.mimi import Message
from heliogram.node import api
from heliogram.node.errors import ChatEnded, NotAllowed, NotFound
from heliogram.node.identity.accounts import account_uri
from heliogram.node.store.people import PeopleTables
from heliogram.node.transfer.prepared import Prepared
from tests.node.engine.desk_kit import Reader, Room
from tests.node.engine.kit import Person, World
from tests.sim.relays import name


def content(who: Person, id: str) -> bytes:
    row = who.store.one("SELECT content FROM messages WHERE id = ?", (bytes.fromhex(id),))
    assert row is not None
    return bytes(row[0])


@pytest.fixture
def three(tmp_path: Path) -> tuple[World, tuple[Person, Person, Person], str, str]:
    """Alice knows Bob, Bob knows Carol."""
    world = World(tmp_path)
    alice, bob, carol = world.people("alice", "bob", "carol")
    first, second = world.befriend(alice, bob), world.befriend(bob, carol)
    # What Alice calls herself, and what Bob calls her.
    tables = PeopleTables(bob.store)
    bob.do(lambda: tables.save_name(alice.id, "Alice A."))
    return world, (alice, bob, carol), first, second


Three = tuple[World, tuple[Person, Person, Person], str, str]


def test_of_others_a_forward_says_the_name_and_no_more(three: Three) -> None:
    world, (alice, bob, carol), first, second = three
    mention = making.mention("Dora", account_uri(name("dora")))
    before = alice.call(api.SendMessage(first, "first"))
    sent = alice.call(api.SendMessage(first, f"ask {mention}, **please**", before.id))
    world.run(until=lambda: len(bob.messages(first)) == 2)
    bob.call(api.React(sent.id, "👍"))
    [again] = bob.call(api.ForwardMessages((sent.id,), second))
    assert again.text == "ask @Dora, **please**" and again.id != sent.id
    assert again.forwarded == api.Origin("Alice A.")
    world.run(until=lambda: len(carol.messages(second)) == 1)
    [came] = carol.messages(second)
    assert came.forwarded == api.Origin("Alice A.")
    assert (came.reply_to, came.reactions, came.mentions) == (None, (), ())
    said = content(carol, again.id)
    for secret in (alice.id, name("dora"), bytes.fromhex(sent.id), bytes.fromhex(before.id)):
        assert secret not in said and secret.hex().encode() not in said
    # The name stays that of who said it first, however often it is said again.
    notes = carol.call(api.ForwardMessages((came.id,), "notes"))
    assert [one.forwarded for one in notes] == [api.Origin("Alice A.")]
    with pytest.raises(NotAllowed):
        bob.call(api.EditMessage(again.id, "something else"))


def test_of_our_own_it_says_who_and_when(three: Three) -> None:
    world, (_, bob, carol), first, second = three
    sent = bob.call(api.SendMessage(first, "mine"))
    [again] = bob.call(api.ForwardMessages((sent.id,), second))
    world.run(until=lambda: len(carol.messages(second)) == 1)
    [came] = carol.messages(second)
    assert came.forwarded is not None and came.forwarded.who is not None
    assert came.forwarded.who.account == bob.id.hex()
    assert came.forwarded.time == sent.time
    # Said on by Carol it is a name alone. She does not know how Bob calls himself.
    [third] = carol.call(api.ForwardMessages((again.id,), "notes"))
    assert third.forwarded == api.Origin("?")
    assert origin(Message.from_bytes(content(carol, third.id))) == Forwarded("?")


def test_several_keep_their_order_and_expire_as_the_conversation_wants(three: Three) -> None:
    world, (alice, bob, _), first, second = three
    sent = [alice.call(api.SendMessage(first, text)).id for text in ("a", "b", "c")]
    world.run(until=lambda: len(bob.messages(first)) == 3)
    again = bob.call(api.ForwardMessages((sent[2], sent[0], sent[2]), second))
    assert [one.text for one in again] == ["a", "c"]
    assert all(one.state == "queued" for one in again)


def test_what_cannot_be_forwarded(three: Three) -> None:
    world, (_, bob, _), first, second = three
    sent = bob.call(api.SendMessage(first, "x"))
    gone = bob.call(api.SendMessage(first, "y"))
    bob.call(api.DeleteMessage(gone.id))
    with pytest.raises(NotAllowed):
        bob.call(api.ForwardMessages((sent.id, gone.id), second))
    with pytest.raises(NotFound):
        bob.call(api.ForwardMessages(("00" * 32,), second))
    bob.call(api.LeaveChat(second))
    world.run(until=lambda: bob.chat(second).phase == "out")
    with pytest.raises(ChatEnded):
        bob.call(api.ForwardMessages((sent.id,), second))
    assert bob.messages(second) == []


def test_polls_and_places_are_said_again(tmp_path: Path) -> None:
    reader, room, other = Reader(tmp_path), Room(), Room("other")
    reader.enter(room)
    chat = reader.enter(other)
    asked, place = Poll("Tea?", ("yes", "no")), Location(1, 2, 3, "here")
    told = [room.post("alice", making.poll(asked)), room.post("alice", making.location(place))]
    reader.take(room, *told)
    desk = reader.person.talks.desk
    made = []

    def again() -> None:
        row = desk.logs.get(reader.person.number(chat))
        assert row is not None
        for one in told:
            message = desk.messages.by_id(reader.person.number(room.id.hex()), one.id)
            assert message is not None
            made.append(forwarding._part(message, one.message, Prepared()))

    forwarding = next(
        one.__self__  # type: ignore[attr-defined]
        for command, one in reader.person.talks.handlers.items()
        if command is api.ForwardMessages
    )
    reader.person.do(again)
    assert made == [making.poll(asked), making.location(place)]


def test_an_origin_that_is_none_is_not_shown(tmp_path: Path) -> None:
    reader, room = Reader(tmp_path), Room()
    chat = reader.enter(room)
    turned = Forwarded("Al\u202eice\n").extensions()
    broken = making.post(making.plain("x"), extensions=turned, entropy=room._entropy)
    reader.take(room, room.say("alice", broken))
    [message] = reader.person.messages(chat)
    assert message.forwarded is not None and "\u202e" not in message.forwarded.name
