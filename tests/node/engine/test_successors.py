"""A conversation ends, and its people go on in another one: commands, lines, words that wait, two at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.errors import ChatEnded, NotAllowed
from heliogram.node.value import WelcomeBlob
from heliogram.wire.objects import RelayDescription
from tests.node.conversation.forging import garbage
from tests.node.engine.kit import Person, World


class Blobs:
    """Files of one person, of which there are none but large Welcomes: those lie in one place for all."""

    def __init__(self, person: Person, kept: dict[bytes, bytes]) -> None:
        self._person, self._kept = person, kept

    def __getattr__(self, name: str) -> Any:
        return lambda *_: ()

    def carry(self, conversation: int, blob: bytes, data: bytes, relays: Sequence[bytes]) -> None:
        self._kept[blob] = data
        self._later(lambda talks: [talks.blob_stored(conversation, blob, one) for one in relays])

    def fetch_welcome(
        self, conversation: int, welcome: WelcomeBlob, relays: Sequence[RelayDescription]
    ) -> None:
        self._later(lambda talks: talks.blob_fetched(conversation, self._kept[welcome.id]))

    def _later(self, what: Any) -> None:
        person, life = self._person, self._person.life

        def do() -> None:
            if person.life == life:
                person.do(lambda: what(person.talks))

        person.world.at(person.world.now + 0.02, do)


class Town(World):
    """A world in which large Welcomes find their way."""

    blobs: dict[bytes, bytes]

    def people(self, *names: str, **how: Any) -> list[Person]:
        self.blobs = {}
        made = super().people(*names, **how)
        for one in made:
            give_blobs(one)
        return made


def give_blobs(person: Person) -> None:
    world = cast("Town", person.world)
    person.talks.desk.files = Blobs(person, world.blobs)


def crash(person: Person) -> None:
    person.crash()
    give_blobs(person)


def end(mallory: Person, chat: str) -> None:
    """Mallory's own program puts garbage into the open slot."""

    def do() -> None:
        log = mallory.talks.log(mallory.number(chat))
        view = cast("Any", SimpleNamespace(conversation=log.conversation, entropy=mallory.entropy))
        election = log._deciding._elect()
        election.propose(garbage(view))
        log._ground.notes.put_election(election.encode())
        election.saved()
        assert log._deciding.track is not None
        log._deciding.track.due = 0.0

    mallory.do(do)


def successor(person: Person, chat: str) -> str:
    found = person.chat(chat).successor
    return found or ""


def ended(tmp_path: Path, *names: str, seed: int = 0) -> tuple[Town, list[Person], str]:
    """These people, in a group that Mallory has ended; the first founded it."""
    world = Town(tmp_path, seed)
    people = world.people(*names, "mallory")
    chat = world.group("Tea", people[0], *people[1:])
    end(people[-1], chat)
    world.run(until=lambda: all(one.chat(chat).phase == "dead" for one in people))
    return world, people[:-1], chat


@pytest.mark.parametrize("seed", range(3))
def test_15_all_go_on_and_no_word_is_lost(tmp_path: Path, seed: int) -> None:
    world = Town(tmp_path, seed)
    alice, bob, carol, mallory = world.people("alice", "bob", "carol", "mallory")
    chat = world.group("Tea", alice, bob, carol, mallory)
    sent = bob.call(api.SendMessage(chat, "before"))
    world.run(until=lambda: alice.texts(chat) == ["before"])
    end(mallory, chat)
    waiting = carol.call(api.SendMessage(chat, "on its way"))
    world.run(until=lambda: all(one.chat(chat).phase == "dead" for one in (alice, bob, carol)))
    started = alice.call(api.StartSuccessor(chat, leave_out=(mallory.id.hex(),)))
    assert started.predecessor == chat and started.name == "Tea"
    world.run(until=lambda: world.is_in(started.id, alice, bob, carol))
    for one in (alice, bob, carol):
        assert successor(one, chat) == started.id
        assert one.chat(started.id).predecessor == chat
        assert "went on" in one.events(started.id) and "goes on" in one.events(chat)
        assert one.texts(chat)[:1] == ["before"]
    said = "on its way"
    world.run(until=lambda: said in alice.texts(chat) + alice.texts(started.id))
    alice.call(api.SendMessage(started.id, "here again"))
    world.run(until=lambda: "here again" in carol.texts(started.id))
    assert sent.id != waiting.id
    world.run(30)
    assert mallory.chat(chat).successor is None
    assert alice.chat(started.id).members == 3
    # Its name means the newer one.
    assert alice.call(api.GetChat("Tea")).chat.id == started.id


def test_who_comes_back_later_is_added_later(tmp_path: Path) -> None:
    world = Town(tmp_path)
    alice, bob, carol, mallory = world.people("alice", "bob", "carol", "mallory")
    chat = world.group("Tea", alice, bob, carol, mallory)
    carol.down()
    end(mallory, chat)
    world.run(until=lambda: alice.chat(chat).phase == bob.chat(chat).phase == "dead")
    started = alice.call(api.StartSuccessor(chat))
    world.run(until=lambda: world.is_in(started.id, alice, bob))
    crash(alice)
    world.run(60)
    carol.boot()
    give_blobs(carol)
    world.run(until=lambda: world.is_in(started.id, alice, bob, carol))
    bob.call(api.SendMessage(started.id, "welcome back"))
    world.run(until=lambda: "welcome back" in carol.texts(started.id))


def test_who_comes_later_is_shown_who_has_risen(tmp_path: Path) -> None:
    world = Town(tmp_path)
    alice, bob, carol, mallory = world.people("alice", "bob", "carol", "mallory")
    chat = world.group("Tea", alice, bob, carol, mallory)
    carol.down()
    end(mallory, chat)
    world.run(until=lambda: alice.chat(chat).phase == bob.chat(chat).phase == "dead")
    started = alice.call(api.StartSuccessor(chat))
    world.run(until=lambda: world.is_in(started.id, alice, bob))
    alice.call(api.SetRole(started.id, bob.id.hex(), "admin"))
    world.run(until=lambda: "role changed" in bob.events(started.id))
    carol.boot()
    give_blobs(carol)
    world.run(until=lambda: world.is_in(started.id, alice, bob, carol))

    def went(one: Person) -> api.Line:
        lines = [it.line for it in one.history(started.id) if it.line is not None]
        return next(it for it in lines if it.code == "went on")

    assert [one.account for one in went(carol).risen] == [bob.id.hex()]
    assert "May do more here than before: " in "".join(carol.lines(started.id))
    assert went(bob).risen == () and went(alice).risen == ()


def all_end_in_one(world: World, people: Sequence[Person], chat: str, begun: set[str]) -> str:
    """Which of those begun all go on in; nobody is left in another one."""

    def settled() -> bool:
        found = {successor(one, chat) for one in people}
        return len(found) == 1 and found <= begun

    world.run(200, until=settled)
    winner = successor(people[0], chat)
    world.run(until=lambda: world.is_in(winner, *people))
    losers = begun - {winner}

    def abandoned(one: Person) -> bool:
        rows = [row for row in one.talks.desk.logs.every() if row.id.hex() in losers]
        return all(row.phase == "out" for row in rows)

    world.run(until=lambda: all(map(abandoned, people)))
    return winner


@pytest.mark.parametrize("seed", range(3))
def test_two_begin_at_once_and_all_end_in_one(tmp_path: Path, seed: int) -> None:
    world = Town(tmp_path, seed)
    alice, bob, carol, mallory = world.people("alice", "bob", "carol", "mallory")
    chat = world.group("Tea", alice)
    world.add(chat, alice, bob, carol, role=Role.ADMIN)
    world.add(chat, alice, mallory)
    end(mallory, chat)
    people = (alice, bob, carol)
    world.run(until=lambda: all(one.chat(chat).phase == "dead" for one in people))
    begun = {one.call(api.StartSuccessor(chat)).id for one in (bob, carol)}
    assert len(begun) == 2
    winner = all_end_in_one(world, people, chat, begun)
    for one in people:
        assert one.call(api.GetChat("Tea")).chat.id == winner
    alice.call(api.SendMessage("Tea", "all here"))
    world.run(until=lambda: all("all here" in one.texts(winner) for one in people))


@pytest.mark.parametrize("seed", range(3))
def test_both_begin_where_two_of_four_relays_are_gone(tmp_path: Path, seed: int) -> None:
    """Each brings the other along by inbox, and hears in the old log that the other has gone on."""
    world = Town(tmp_path, seed, n=7)
    people = world.people("alice", "bob")
    chat = world.befriend(*people)
    for relay in world.order[:2]:
        world.stop(relay)
    world.run(90)
    begun = {one.call(api.StartSuccessor(chat)).id for one in people}
    assert len(begun) == 2
    winner = all_end_in_one(world, people, chat, begun)
    people[0].call(api.SendMessage(winner, "both here"))
    world.run(until=lambda: people[1].texts(winner) == ["both here"])


@pytest.mark.parametrize("seed", range(3))
def test_two_of_three_begin_where_two_of_four_relays_are_gone(tmp_path: Path, seed: int) -> None:
    world = Town(tmp_path, seed, n=7)
    alice, bob, carol = people = world.people("alice", "bob", "carol")
    chat = world.group("Tea", alice)
    world.add(chat, alice, bob, role=Role.ADMIN)
    world.add(chat, alice, carol)
    for relay in world.order[:2]:
        world.stop(relay)
    world.run(90)
    begun = {one.call(api.StartSuccessor(chat)).id for one in (alice, bob)}
    assert len(begun) == 2
    winner = all_end_in_one(world, people, chat, begun)
    carol.call(api.SendMessage(winner, "all here"))
    world.run(until=lambda: all(one.texts(winner) == ["all here"] for one in people))


def test_only_admins_begin_one(tmp_path: Path) -> None:
    _, (alice, bob, _), chat = ended(tmp_path, "alice", "bob", "carol")
    with pytest.raises(NotAllowed):
        bob.call(api.StartSuccessor(chat))
    assert bob.chat(chat).successor is None and len(bob.call(api.GetChats())) == 2
    first = alice.call(api.StartSuccessor(chat))
    assert alice.call(api.StartSuccessor(chat)).id == first.id  # once is enough
    alice.call(api.LeaveChat(first.id))
    with pytest.raises(ChatEnded):
        alice.call(api.StartSuccessor(first.id))


def test_10_two_of_four_relays_are_gone_and_all_go_on_elsewhere(tmp_path: Path) -> None:
    world = Town(tmp_path, n=7)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    alice.call(api.SendMessage(chat, "before"))
    world.run(until=lambda: bob.texts(chat) == ["before"])
    for relay in world.order[:2]:
        world.stop(relay)
    lost = alice.call(api.SendMessage(chat, "queued"))
    world.run(90)
    assert alice.message(lost.id).state == "queued"
    assert bob.texts(chat) == ["before"]
    started = alice.call(api.StartSuccessor(chat))
    world.run(120, until=lambda: world.is_in(started.id, alice, bob))
    world.run(until=lambda: bob.texts(started.id) == ["queued"])
    assert bob.texts(chat) == ["before"]
    # It is another message there: its id is made with the conversation that it is in.
    (moved,) = alice.messages(started.id)
    assert moved.number == lost.number and moved.id != lost.id
    world.run(until=lambda: alice.message(moved.id).state in ("stored", "delivered"))
