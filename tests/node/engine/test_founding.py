"""What was begun on relays that are just gone: it opens if they come back, is begun anew, or is given up."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.engine import founding
from heliogram.node.engine.engine import Called
from heliogram.node.records import Phase
from tests.node.engine.kit import Person, World

#: More than it takes to begin anew once.
SOON = 3 * founding.PATIENCE


def lost(tmp_path: Path, *names: str, seed: int = 0, n: int = 8) -> tuple[World, list[Person], str]:
    """These people in a group of which two of four relays went this very moment."""
    world = World(tmp_path, seed, n=n)
    people = world.people(*names)
    chat = world.group("Tea", people[0], *people[1:])
    people[0].call(api.SendMessage(chat, "before"))
    world.run(until=lambda: all(one.texts(chat) == ["before"] for one in people))
    for relay in world.order[:2]:
        world.stop(relay)
    return world, people, chat


def newest(person: Person, chat: str) -> api.Chat:
    """Where it goes on in the end."""
    found = shown(person, chat)
    while found.successor is not None:
        found = shown(person, found.successor)
    return found


def shown(person: Person, chat: str) -> api.Chat:
    """A chat, also one that no list shows."""
    return cast("api.ChatInfo", person.call(api.GetChat(chat))).chat


def begun(person: Person) -> list[str]:
    """Ids of conversations that are not out."""
    chats: list[api.Chat] = person.call(api.GetChats())
    return [one.id for one in chats if one.phase != "out"]


@pytest.mark.parametrize("seed", range(3))
def test_10_who_goes_on_before_the_loss_was_noticed_goes_on_elsewhere(
    tmp_path: Path, seed: int
) -> None:
    world, (alice, bob, carol), chat = lost(tmp_path, "alice", "bob", "carol", seed=seed)
    first = alice.call(api.StartSuccessor(chat, leave_out=(carol.id.hex(),)))
    waiting = alice.call(api.SendMessage(first.id, "first word"))
    # It does not open: nobody else has heard of it.
    world.run(10)
    assert alice.chat(first.id).phase == "opening"
    assert len(bob.call(api.GetChats())) == len(carol.call(api.GetChats())) == 2
    world.run(SOON, until=lambda: newest(alice, chat).phase == "open")
    there = newest(alice, chat).id
    assert there != first.id and alice.chat(there).predecessor == chat
    world.run(until=lambda: world.is_in(there, alice, bob))
    world.run(until=lambda: bob.texts(there) == ["first word"])
    world.run(SOON)
    # There is one, without Carol; of the other nobody has heard.
    assert [one.id for one in bob.call(api.GetChats()) if one.predecessor] == [there]
    assert alice.chat(there).members == 2 and not alice.failed
    assert carol.chat(chat).successor is None and len(carol.call(api.GetChats())) == 2
    given_up = shown(alice, first.id)
    assert given_up.phase == "out" and given_up.archived and given_up.successor == there
    assert alice.events(first.id)[-1:] == ["goes on"]
    assert waiting.id not in {one.id for one in alice.messages(there)}
    assert alice.call(api.GetChat("Tea")).chat.id == there


def test_10_going_on_once_more_begins_anew_at_once(tmp_path: Path) -> None:
    world, (alice, bob), chat = lost(tmp_path, "alice", "bob")
    first = alice.call(api.StartSuccessor(chat))
    assert alice.call(api.StartSuccessor(chat)).id == first.id  # it may open yet
    world.run(8)
    second = alice.call(api.StartSuccessor("Tea"))
    assert second.id != first.id
    world.run(5, until=lambda: alice.chat(second.id).phase == "open")
    world.run(until=lambda: world.is_in(second.id, alice, bob))
    assert alice.call(api.StartSuccessor(chat)).id == second.id


def test_10_it_opens_if_its_relays_come_back(tmp_path: Path) -> None:
    """Nobody knows other relays: it waits for those."""
    world, (alice, bob), chat = lost(tmp_path, "alice", "bob", n=4)
    for relay in world.order[2:3]:
        world.stop(relay)
    first = alice.call(api.StartSuccessor(chat))
    for relay in world.order[3:]:
        world.stop(relay)
    world.run(600)
    assert alice.chat(first.id).phase == "opening"
    for relay in world.order:
        relay.restart()
    world.run(120, until=lambda: world.is_in(first.id, alice, bob))


@pytest.mark.parametrize("seed", range(6))
def test_10_never_two_whenever_its_program_ends(tmp_path: Path, seed: int) -> None:
    """Programs end at any border of a turn: whoever comes along does so into the one that counts."""
    world, (alice, bob, carol), chat = lost(tmp_path, "alice", "bob", "carol", seed=seed)
    alice.call(api.StartSuccessor(chat))
    world.mortality = 0.05
    invited: set[str] = set()
    invite = world.invite

    def noted(by: Person, conversation: int, due: object) -> None:
        row = by.talks.desk.logs.get(conversation)
        assert row is not None and row.phase == "open"
        invited.add(row.id.hex())
        invite(by, conversation, due)  # type: ignore[arg-type]

    world.invite = noted  # type: ignore[method-assign]
    world.run(4 * SOON)
    world.mortality = 0.0
    for one in (alice, bob, carol):
        one.rise()
    world.run(300, until=lambda: world.is_in(newest(alice, chat).id, alice, bob, carol))
    assert invited == {newest(alice, chat).id}
    for one in (bob, carol):
        assert [it.id for it in one.call(api.GetChats()) if it.predecessor] == [*invited]


def test_a_group_is_begun_anew_and_is_one_group(tmp_path: Path) -> None:
    world, (alice, bob), _ = lost(tmp_path, "alice", "bob")
    before = begun(alice)
    made = alice.call(api.CreateGroup("Cake", members=(bob.id.hex(),), description="of plums"))
    alice.call(api.SendMessage(made.id, "who bakes?"))
    alice.call(api.SetProfile(made.id, name="Pie"))
    world.run(SOON, until=lambda: newest(alice, made.id).phase == "open")
    there = newest(alice, made.id)
    assert there.id != made.id
    world.run(until=lambda: world.is_in(there.id, alice, bob))
    world.run(until=lambda: bob.chat(there.id).name == "Pie")
    assert alice.texts(there.id) == ["who bakes?"]
    assert alice.call(api.GetChat(there.id)).description == "of plums"
    world.run(SOON)
    assert set(begun(alice)) == {*before, there.id}
    assert not alice.heard(api.CommandFailed)


def test_what_is_said_in_a_group_of_one_goes_out_where_it_is_begun_anew(tmp_path: Path) -> None:
    world, (alice, _), _ = lost(tmp_path, "alice", "bob")
    made = alice.call(api.CreateGroup("Notes for later"))
    alice.call(api.SendMessage(made.id, "alone"))
    world.run(SOON, until=lambda: newest(alice, made.id).phase == "open")
    (said,) = alice.messages(newest(alice, made.id).id)
    world.run(until=lambda: alice.message(said.id).state in ("stored", "delivered"))


def test_a_first_contact_is_begun_anew(tmp_path: Path) -> None:
    world, (alice, bob), _ = lost(tmp_path, "alice", "bob")
    package = bob.package()

    def begin() -> str:
        number = alice.talks.found("direct", peer=bob.id)
        alice.talks.add(number, [package], frozenset((bob.id,)), Role.OWNER)
        return alice.talks.chat(number).id

    chat = cast("str", alice.do(begin))
    alice.call(api.SendMessage(chat, "hello"))
    world.run(SOON, until=lambda: newest(alice, chat).phase == "open")
    there = newest(alice, chat).id
    world.run(until=lambda: world.is_in(there, alice, bob))
    world.run(until=lambda: bob.texts(there) == ["hello"])
    assert alice.talks.desk.logs.direct_with(bob.id) == alice.number(there)


def test_relays_that_somebody_has_named_are_waited_for(tmp_path: Path) -> None:
    world, (alice, _), _ = lost(tmp_path, "alice", "bob")
    named = tuple(one.key.hex() for one in world.described[:4])
    made = alice.call(api.CreateGroup("Cake", relays=named))
    world.run(600)
    assert alice.chat(made.id).phase == "opening"
    # Until somebody names others.
    old = tuple(one.key.hex() for one in world.described[:2])
    new = tuple(one.key.hex() for one in world.described[6:])
    alice.call(api.ChangeRelays(made.id, add=new, remove=old))
    world.run(10, until=lambda: newest(alice, made.id).phase == "open")
    info = alice.call(api.GetChat(newest(alice, made.id).id))
    assert {one.relay.key for one in info.relays} == {
        one.key.hex() for one in (*world.described[2:4], *world.described[6:])
    }


@pytest.mark.parametrize("crashes", [False, True])
def test_it_can_be_given_up(tmp_path: Path, crashes: bool) -> None:
    world, (alice, bob), chat = lost(tmp_path, "alice", "bob", n=4)
    made = alice.call(api.CreateGroup("Cake", members=(bob.id.hex(),)))
    first = alice.call(api.StartSuccessor(chat))
    world.run(2)
    if crashes:
        alice.crash()
    for one in (made, first):
        alice.call(api.LeaveChat(one.id))
    world.run(1)
    assert alice.chat(made.id).phase == alice.chat(first.id).phase == "out"
    for relay in world.order:
        relay.restart()
    # It can be gone on with once more, and there is only that one.
    assert alice.chat(chat).successor is None
    second = alice.call(api.StartSuccessor(chat))
    assert second.id != first.id
    world.run(120, until=lambda: world.is_in(second.id, alice, bob))
    assert alice.talks.log(alice.number(made.id)).conversation.phase is Phase.OUT
    assert [one.id for one in bob.call(api.GetChats()) if one.predecessor] == [second.id]


def test_who_is_away_begins_nothing_anew(tmp_path: Path) -> None:
    world, (alice, bob), chat = lost(tmp_path, "alice", "bob")
    for relay in world.order:
        world.stop(relay) if relay.up else None
    first = alice.call(api.StartSuccessor(chat))
    world.run(1200)
    # Some it may have tried; it ends once all have been, and when they are back there is one.
    tried = len(alice.call(api.GetChats()))
    world.run(1200)
    assert len(alice.call(api.GetChats())) - tried <= 2
    for relay in world.order:
        relay.restart()
    world.run(4000, until=lambda: newest(alice, first.id).phase == "open")
    world.run(600, until=lambda: world.is_in(newest(alice, chat).id, alice, bob))
    assert [one.id for one in bob.call(api.GetChats()) if one.predecessor] == [
        newest(alice, chat).id
    ]


def test_that_of_somebody_else_counts_where_ours_never_opened(tmp_path: Path) -> None:
    world = World(tmp_path, n=4)
    alice, bob = people = world.people("alice", "bob")
    chat = world.befriend(*people)
    for relay in world.order[:2]:
        world.stop(relay)
    first = alice.call(api.StartSuccessor(chat))
    world.run(5)
    for one in people:
        assert one.chat(chat).phase in ("open", "dead")
    second = bob.call(api.StartSuccessor(chat))
    world.run(SOON, until=lambda: newest(alice, chat).id == newest(bob, chat).id != first.id)
    world.run(until=lambda: world.is_in(newest(bob, chat).id, alice, bob))
    assert second.id


@pytest.mark.parametrize("seed", range(3))
def test_10_both_go_on_before_the_loss_was_noticed(tmp_path: Path, seed: int) -> None:
    """Each founds on lost relays, each begins anew: all end in one."""
    world = World(tmp_path, seed, n=7)
    alice, bob = people = world.people("alice", "bob")
    chat = world.befriend(*people)
    for relay in world.order[:2]:
        world.stop(relay)
    for one in people:
        one.call(api.StartSuccessor(chat))
        one.call(api.SendMessage(newest(one, chat).id, f"of {one.called}"))
    # They may agree upon one, and then hear of the other, which counts.
    world.run(2 * SOON)
    there = newest(alice, chat).id
    assert there == newest(bob, chat).id
    world.run(until=lambda: world.is_in(there, alice, bob))
    for one in people:
        world.run(until=lambda one=one: {*one.texts(there)} == {"of alice", "of bob"})  # type: ignore[misc]
        assert begun(one).count(there) == 1
        rows = [row for row in one.talks.desk.logs.every() if row.predecessor is not None]
        assert [row.id.hex() for row in rows if row.phase != "out"] == [there]


def test_what_is_said_at_its_time_goes_along_however_often_it_is_begun_anew(tmp_path: Path) -> None:
    world, (alice, _), _ = lost(tmp_path, "alice", "bob")
    keys = [one.key.hex() for one in world.described]
    made = alice.call(api.CreateGroup("Cake", relays=tuple(keys[:4])))
    alice.call(api.Schedule(made.id, int(alice.time + 300), "it is done"))
    world.run(10)
    world.stop(world.order[4])
    alice.call(api.ChangeRelays(made.id, add=(keys[4],), remove=(keys[0],)))
    world.run(10)
    second = newest(alice, made.id).id
    assert second != made.id and alice.chat(second).phase == "opening"
    alice.call(api.ChangeRelays(second, add=tuple(keys[5:7]), remove=(keys[1], keys[4])))
    world.run(10, until=lambda: newest(alice, made.id).phase == "open")
    there = newest(alice, made.id).id
    assert there not in (made.id, second)
    world.run(400, until=lambda: alice.texts(there) == ["it is done"])
    assert not alice.heard(api.CommandFailed)


def test_10_after_it_was_given_up_another_one_may_be_begun_whenever_its_program_ends(
    tmp_path: Path,
) -> None:
    world, (alice, bob), chat = lost(tmp_path, "alice", "bob", n=4)
    first = alice.call(api.StartSuccessor(chat))
    world.run(2)
    alice.call(api.LeaveChat(first.id))
    alice.crash()
    for relay in world.order:
        relay.restart()
    alice.rise()
    world.run(5)
    assert shown(alice, chat).successor is None
    second = alice.call(api.StartSuccessor(chat))
    assert second.id != first.id
    world.run(120, until=lambda: world.is_in(second.id, alice, bob))


def test_what_is_given_up_is_not_begun_anew_in_the_same_turn(tmp_path: Path) -> None:
    world, (alice, _), _ = lost(tmp_path, "alice", "bob")
    keys = [one.key.hex() for one in world.described]
    made = alice.call(api.CreateGroup("Cake", relays=tuple(keys[:4])))
    world.run(10)
    before = len(alice.call(api.GetChats()))
    change = api.ChangeRelays(made.id, add=tuple(keys[5:7]), remove=tuple(keys[:2]))
    turned = alice.turn(Called(change), Called(api.LeaveChat(made.id)))
    assert not [one for _, one in turned.results if isinstance(one, Exception)]
    world.run(20)
    assert len(alice.call(api.GetChats())) <= before
    assert shown(alice, made.id).phase == "out" and shown(alice, made.id).successor is None
