"""What waits while its conversation goes on in another one is said there, and all know it by one id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heliogram.content import making
from heliogram.content.mimi import message_id
from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.engine.making import room_uri
from heliogram.node.files import SealedFile
from heliogram.node.identity.accounts import account_uri
from heliogram.node.transfer.prepared import Prepared, PreparedFile
from tests.node.engine.kit import Person, World

#: Whose words wait: those of the founder move at once, others' when they are in.
WHOSE = pytest.mark.parametrize("founds", (True, False), ids=("the founder's", "another's"))


def lost(tmp_path: Path) -> tuple[World, Person, Person, str]:
    """Two people whose relays are half gone: nothing is stored any more, and nothing has ended."""
    world = World(tmp_path, n=7)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    alice.call(api.SendMessage(chat, "before"))
    world.run(until=lambda: bob.texts(chat) == ["before"])
    world.run(30)
    for relay in world.order[:2]:
        world.stop(relay)
    return world, alice, bob, chat


def go_on(world: World, chat: str, founder: Person, other: Person) -> str:
    """They go on elsewhere: that conversation."""
    assert founder.chat(chat).phase == "open"
    new = founder.call(api.StartSuccessor(chat)).id
    world.run(120, until=lambda: world.is_in(new, founder, other))
    return str(new)


def only(person: Person, chat: str, text: str) -> api.Message:
    """The one message with a text."""
    (found,) = [one for one in person.messages(chat) if one.text == text]
    return found


def shown(person: Person, chat: str) -> list[tuple[Any, ...]]:
    """What was said, as all see it."""
    return [
        (
            *(one.id, one.text, one.reply_to, one.edited, one.pinned),
            [(each.emoji, each.who.account) for each in one.reactions],
            one.poll and chosen(one.poll),
        )
        for one in person.messages(chat)
    ]


def chosen(poll: api.PollInfo) -> list[list[str]]:
    return [[who.account for who in one.votes] for one in poll.options]


@WHOSE
def test_all_know_what_has_moved_by_one_id(tmp_path: Path, founds: bool) -> None:
    world, alice, bob, chat = lost(tmp_path)
    said = alice.call(api.SendMessage(chat, "queued"))
    world.run(30)
    assert alice.message(said.id).state == "queued"
    new = go_on(world, chat, *((alice, bob) if founds else (bob, alice)))
    world.run(until=lambda: "queued" in bob.texts(new))
    here, there = only(alice, new, "queued"), only(bob, new, "queued")
    assert here.id == there.id != said.id and here.number == said.number
    # It is the id that the law says, of the bytes that were sent.
    row = alice.talks.desk.messages.get(here.number)
    assert row is not None and row.content is not None
    uri, room = account_uri(alice.id), room_uri(bytes.fromhex(new))
    assert message_id(row.content, sender=uri, room=room).hex() == here.id
    # What each does to it reaches the other.
    world.run(until=lambda: alice.message(here.id).state == "delivered")
    bob.call(api.React(there.id, "🎉"))
    bob.call(api.SendMessage(new, "yes", reply_to=there.id))
    bob.call(api.MarkRead(new))
    world.run(until=lambda: alice.message(here.id).state == "read")
    world.run(until=lambda: "yes" in alice.texts(new))
    assert [one.emoji for one in alice.message(here.id).reactions] == ["🎉"]
    assert only(alice, new, "yes").reply_to == here.id
    alice.call(api.EditMessage(here.id, "mended"))
    world.run(until=lambda: "mended" in bob.texts(new))
    alice.call(api.DeleteMessage(here.id))
    world.run(until=lambda: bob.message(there.id).kind == "deleted")


@WHOSE
def test_what_waits_behind_it_moves_with_it(tmp_path: Path, founds: bool) -> None:
    world, alice, bob, chat = lost(tmp_path)
    first = alice.call(api.SendMessage(chat, "frist"))
    alice.call(api.SendMessage(chat, "answer", reply_to=first.id))
    alice.call(api.EditMessage(first.id, "**first**"))
    alice.call(api.SendMessage(chat, "later answer", reply_to=first.id))
    alice.call(api.React(first.id, "👍"))
    alice.call(api.React(first.id, ""))
    alice.call(api.React(first.id, "❤"))
    alice.call(api.PinMessage(first.id))
    poll = alice.call(api.SendPoll(chat, "When?", ("now", "later")))
    alice.call(api.Vote(poll.id, (1,)))
    secret = alice.call(api.SendMessage(chat, "never said"))
    alice.call(api.DeleteMessage(secret.id))
    old = only(alice, chat, "before")
    alice.call(api.SendMessage(chat, "about what stays", reply_to=old.id))
    alice.call(api.React(old.id, "👀"))
    due = alice.call(api.Schedule(chat, int(world.time) + 1000, "at its time", reply_to=first.id))
    world.run(30)
    new = go_on(world, chat, *((alice, bob) if founds else (bob, alice)))
    world.run(until=lambda: len(bob.texts(new)) == 5)
    world.run(60)
    assert shown(alice, new) == shown(bob, new)
    moved = only(bob, new, "**first**")
    assert moved.markdown and not moved.edited and moved.pinned
    assert [one.emoji for one in moved.reactions] == ["❤"]
    assert only(bob, new, "answer").reply_to == only(bob, new, "later answer").reply_to == moved.id
    assert only(bob, new, "about what stays").reply_to is None
    asked = next(one for one in bob.messages(new) if one.poll is not None)
    assert asked.poll is not None and chosen(asked.poll) == [[], [alice.id.hex()]]
    # What was taken back before it left stays where it was, and is told to nobody.
    assert alice.message(secret.id).kind == "deleted" and alice.message(secret.id).chat == chat
    assert not any("never said" in one.texts(at) for one in (alice, bob) for at in (chat, new))
    # What is to be said later answers it, too.
    (waits,) = alice.call(api.GetScheduled(chat))
    assert waits.number == due.number and waits.reply_to == moved.id
    world.run(2000, until=lambda: "at its time" in bob.texts(new))
    assert only(bob, new, "at its time").reply_to == moved.id
    # Nothing of ours knows the old ids any more.
    row = alice.talks.desk.logs.get(alice.number(chat))
    assert (
        row is not None
        and alice.talks.desk.messages.by_id(row.number, bytes.fromhex(first.id)) is None
    )
    assert not alice.talks.desk.logs.outbox(row.number)


def test_faces_hear_that_it_is_gone_here_and_new_there(tmp_path: Path) -> None:
    world, alice, bob, chat = lost(tmp_path)
    said = alice.call(api.SendMessage(chat, "queued"))
    world.run(30)
    assert alice.chat(chat).last == alice.message(said.id)
    alice.notices.clear()
    new = alice.call(api.StartSuccessor(chat)).id
    (gone,) = alice.heard(api.MessageGone)
    assert (gone.chat, gone.number) == (chat, said.number)
    (moved,) = [one.message for one in alice.heard(api.MessageAdded) if one.message.mine]
    assert (moved.chat, moved.number, moved.state) == (new, said.number, "queued")
    assert moved.id != said.id and alice.heard(api.MessageChanged) == []
    last = [one.chat.last for one in alice.heard(api.ChatChanged) if one.chat.id == chat][-1]
    assert last is not None and last.chat == chat
    # Half a turn is none: after the program ended the same is there.
    alice.crash()
    assert [one.id for one in alice.messages(new)] == [moved.id]
    world.run(120, until=lambda: world.is_in(new, alice, bob))
    world.run(until=lambda: "queued" in bob.texts(new))
    assert only(bob, new, "queued").id == moved.id


def test_what_moves_twice_has_one_id_in_the_end(tmp_path: Path) -> None:
    """As where another successor counts."""
    world, alice, bob, chat = lost(tmp_path)
    said = alice.call(api.SendMessage(chat, "asked"))
    alice.call(api.SendMessage(chat, "goes on", reply_to=said.id))
    alice.call(api.React(said.id, "👍"))
    rival = alice.call(api.StartSuccessor(chat)).id
    between = only(alice, rival, "asked")
    package = bob.package()

    def better() -> int:
        talks = alice.talks
        number = talks.found("direct", peer=bob.id, relays=world.described[3:])
        talks.add(number, [package], frozenset((bob.id,)), Role.OWNER)
        talks._successors._moving.move(alice.number(rival), number)
        return number

    number = alice.do(better)
    new = alice.do(lambda: alice.talks.chat(number)).id
    assert alice.texts(rival) == [] and alice.chat(rival).last is not None
    world.run(120, until=lambda: world.is_in(new, alice, bob))
    world.run(until=lambda: bob.texts(new) == ["asked", "goes on"])
    world.run(30)
    assert shown(alice, new) == shown(bob, new)
    there = only(bob, new, "asked")
    assert len({said.id, between.id, there.id}) == 3
    assert [one.emoji for one in there.reactions] == ["👍"]
    assert only(bob, new, "goes on").reply_to == there.id


@WHOSE
def test_what_has_files_waits_until_they_are_there(tmp_path: Path, founds: bool) -> None:
    """Though the old relays had them all."""
    world, alice, bob, chat = lost(tmp_path)
    sealed = SealedFile(bytes(32), 10, bytes(32), bytes(32))
    part = making.file(
        url="heliogram:blob/" + "00" * 32,
        content_type="image/png",
        size=10,
        key=sealed.key,
        plaintext_hash=sealed.plaintext_hash,
        ciphertext_hash=sealed.ciphertext_hash,
    )
    prepared = Prepared((PreparedFile(sealed, part, tmp_path / "sealed", None),))
    said = alice.call(api.SendMessage(chat, "look", files=("a.png",)), prepared)
    alice.do(lambda: alice.talks.release(said.number))
    world.run(30)
    new = go_on(world, chat, *((alice, bob) if founds else (bob, alice)))
    alice.call(api.SendMessage(new, "later"))
    world.run(until=lambda: "later" in bob.texts(new))
    world.run(60)
    assert bob.texts(new) == ["later"] and only(alice, new, "look").state == "queued"
    alice.crash()
    alice.do(lambda: alice.talks.release(said.number))
    world.run(until=lambda: "look" in bob.texts(new))
    world.run(until=lambda: only(alice, new, "look").state == "delivered")
