"""Who was away so long that all relays of their time are gone catches up by what a contact serves."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from heliogram.content.mimi import Disposition, SinglePart
from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.decisions import (
    DECISIONS,
    WANTED,
    DecisionsWanted,
    pack_decisions,
    unpack_decisions,
)
from heliogram.node.engine import catching
from tests.node.engine.kit import Person, World


def befriend(one: Person, other: Person, relays: slice) -> str:
    """A direct conversation on these relays."""
    world, package = one.world, other.package()

    def begin() -> str:
        number = one.talks.found("direct", peer=other.id, relays=world.described[relays])
        one.talks.add(number, [package], frozenset((other.id,)), Role.OWNER)
        return one.talks.chat(number).id

    chat = cast("str", one.do(begin))
    world.run(until=lambda: world.is_in(chat, one, other))
    return chat


def replace_all(world: World, chat: str, by: Person) -> None:
    """One relay after the other of the first four, by the next four."""
    for at in range(4):
        new = world.described[4 + at].encode().hex()
        old = world.described[at].key.hex()
        by.call(api.ChangeRelays(chat, add=(new,), remove=(old,)))
        world.run(until=lambda old=old: old not in relays_of(by, chat))  # type: ignore[misc]


def relays_of(one: Person, chat: str) -> list[str]:
    configuration = one.talks.configuration(one.number(chat))
    assert configuration is not None
    return [relay.key.hex() for relay in configuration.relays]


def left_behind(tmp_path: Path, seed: int = 0) -> tuple[World, list[Person], str, str]:
    """Bob was away while every relay of his group was replaced; those of before are gone."""
    world = World(tmp_path, seed, n=8)
    alice, bob, carol = world.people("alice", "bob", "carol")
    direct = befriend(alice, bob, slice(4, 8))
    chat = world.group("Tea", carol)
    world.add(chat, carol, alice, role=Role.ADMIN)
    world.add(chat, carol, bob)
    carol.call(api.SendMessage(chat, "before"))
    world.run(until=lambda: bob.texts(chat) == ["before"])
    bob.down()
    replace_all(world, chat, alice)
    for at in range(4):
        alice.call(api.SetProfile(chat, name=f"Tea {at}"))
        world.run(until=lambda: not alice.talks.desk.logs.wishes(alice.number(chat)))
    carol.call(api.SendMessage(chat, "on new relays"))
    world.run(until=lambda: "on new relays" in alice.texts(chat))
    for relay in world.order[:4]:
        world.stop(relay)
    return world, [alice, bob, carol], chat, direct


@pytest.mark.parametrize("seed", range(2))
def test_19_a_laggard_catches_up_by_a_contact(tmp_path: Path, seed: int) -> None:
    world, (alice, bob, carol), chat, direct = left_behind(tmp_path, seed)
    bob.boot()
    waiting = bob.call(api.SendMessage(chat, "where are you all?"))
    world.run(600, until=lambda: world.is_in(chat, alice, bob, carol))
    world.run(60, until=lambda: "on new relays" in bob.texts(chat))
    world.run(60, until=lambda: "where are you all?" in carol.texts(chat))
    assert bob.message(waiting.id).state != "failed"
    # Nobody has seen anything of it.
    for one in (alice, bob):
        assert one.texts(direct) == []
        assert all(line.kind == "line" for line in one.history(direct))
        assert one.chat(direct).unread == 0
        said = [note.message for note in one.heard(api.MessageAdded)]
        assert not any(one.chat == direct and one.kind != "line" for one in said)


def test_only_members_are_asked_and_served(tmp_path: Path) -> None:
    world, (alice, bob, carol), chat, _ = left_behind(tmp_path)
    (mallory,) = world.people("mallory")
    foreign = befriend(mallory, alice, slice(4, 8))
    log = alice.talks.log(alice.number(chat)).conversation.seat.configuration.log
    asked = SinglePart(WANTED, DecisionsWanted(log, 0).encode(), Disposition.SESSION)
    before = len(world.posted)
    mallory.do(lambda: mallory.talks.say_aside(mallory.number(foreign), asked))
    world.run(60)
    assert not alice.talks._catching._given and len(world.posted) == before
    befriend(mallory, bob_up(bob), slice(4, 8))
    sent = [row.number for row in bob.talks.desk.logs.every() if row.peer == mallory.id]
    world.run(300, until=lambda: world.is_in(chat, alice, bob, carol))
    assert all(not bob.talks.desk.logs.outbox(one) for one in sent)
    assert mallory.texts(foreign) == []


def bob_up(bob: Person) -> Person:
    bob.boot()
    return bob


def test_what_is_served_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, (alice, bob, _), chat, direct = left_behind(tmp_path)
    monkeypatch.setattr(catching, "PIECES_A_DAY", 3)
    log = alice.talks.log(alice.number(chat)).conversation.seat.configuration.log
    bob.boot()
    asked = SinglePart(WANTED, DecisionsWanted(log, 1).encode(), Disposition.SESSION)
    said: list[SinglePart] = []
    monkeypatch.setattr(alice.talks, "say_aside", lambda _, part: said.append(part))
    row = alice.talks.desk.logs.get(alice.number(direct))
    assert row is not None
    for _ in range(100):
        alice.do(lambda: alice.talks._catching.heard(row, bob.id, asked))
    assert len(said) == 3 and {one.content_type for one in said} == {DECISIONS}
    assert unpack_decisions(said[0].content).decisions[0].epoch == 1
    # A day later there is more, whatever else may happen on such a day.
    world.now += catching._DAY + 1
    alice.do(lambda: alice.talks._catching.heard(row, bob.id, asked))
    assert len(said) == 4


def test_what_is_served_falsely_changes_nothing(tmp_path: Path) -> None:
    world, (alice, bob, carol), chat, direct = left_behind(tmp_path)
    keeping = alice.talks._logs.keeping(alice.number(chat))
    bob.boot()
    number = bob.number(chat)
    inside = bob.talks.log(number).conversation
    log, epoch = inside.seat.configuration.log, inside.epoch
    made = [keeping.decision(epoch + at) for at in range(3)]
    first, second, third = (one for one in made if one is not None)
    row = bob.talks.desk.logs.get(bob.number(direct))
    assert row is not None

    def serve(*pieces: bytes) -> None:
        for piece in pieces:
            part = SinglePart(DECISIONS, piece, Disposition.SESSION)
            bob.do(partial(bob.talks._catching.heard, row, alice.id, part))
        world.run(1)

    forged = replace(first, value=second.value)
    serve(*pack_decisions(log, [forged, second, third]))
    serve(*pack_decisions(log, [second, third]))
    serve(b"nothing", b"")
    assert bob.talks.log(number).conversation.epoch == epoch
    assert bob.chat(chat).phase == "open"
    serve(*pack_decisions(log, [first]))
    # From there on a relay of today's knows the way.
    assert bob.talks.log(number).conversation.epoch > epoch
    world.run(600, until=lambda: world.is_in(chat, alice, bob, carol))


def asked(world: World, one: Person, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """Notes when somebody asks, and in which conversation."""
    said: list[tuple[float, str]] = []
    say = one.talks.say_aside

    def note(number: int, part: SinglePart) -> None:
        if part.content_type == WANTED:
            said.append((world.now, one.talks.chat(number).id))
        say(number, part)

    monkeypatch.setattr(one.talks, "say_aside", note)
    return said


def test_19_all_relays_change_at_once_and_the_old_ones_die(tmp_path: Path) -> None:
    """Who was away is back in half a minute."""
    world = World(tmp_path, n=8)
    alice, bob, carol = world.people("alice", "bob", "carol")
    befriend(alice, bob, slice(4, 8))
    chat = world.group("Tea", carol)
    world.add(chat, carol, alice, role=Role.ADMIN)
    world.add(chat, carol, bob)
    bob.down()
    new = tuple(one.encode().hex() for one in world.described[4:])
    old = tuple(one.key.hex() for one in world.described[:4])
    alice.call(api.ChangeRelays(chat, add=new, remove=old, emergency=True))
    world.run(until=lambda: not set(old) & set(relays_of(carol, chat)))
    for relay in world.order[:4]:
        world.stop(relay)
    carol.call(api.SendMessage(chat, "on new relays"))
    bob.boot()
    world.run(30, until=lambda: world.is_in(chat, alice, bob, carol))
    world.run(10, until=lambda: "on new relays" in bob.texts(chat))


def test_nobody_is_asked_while_it_is_we_who_are_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, n=8)
    alice, bob = world.people("alice", "bob")
    direct = befriend(alice, bob, slice(4, 8))
    chat = world.group("Tea", alice, bob)
    said = asked(world, bob, monkeypatch)
    for relay in world.order:
        world.stop(relay)
    world.run(600)
    assert bob.talks.log(bob.number(chat)).out_of_reach and not said
    for relay in world.order:
        relay.restart()
    world.run(200)
    assert world.is_in(chat, alice, bob) and not said
    # It is others who are away: they are asked about it.
    for relay in world.order[:4]:
        world.stop(relay)
    world.run(60)
    assert [chat for _, chat in said] == [direct]


def test_others_are_asked_soon_and_nobody_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, n=8)
    bob, *others = world.people("bob", "a", "b", "c", "d", "e")
    direct = [befriend(one, bob, slice(4, 8)) for one in others]
    world.group("Tea", bob, *others)
    for one in others:
        one.down()
    said = asked(world, bob, monkeypatch)
    for relay in world.order[:4]:
        world.stop(relay)
    world.run(catching.BETWEEN)
    assert len(said) == len(direct) and {chat for _, chat in said} == set(direct)
    assert said[-1][0] - said[0][0] == pytest.approx(catching.OTHERS, abs=1)
    world.run(2 * catching.BETWEEN)
    assert len(said) == 2 * len(direct)


@pytest.mark.parametrize("outsider", [False, True])
def test_19_who_knows_no_member_asks_in_a_group_of_members_alone(
    tmp_path: Path, outsider: bool
) -> None:
    world = World(tmp_path, n=8)
    alice, bob, carol, dave = world.people("alice", "bob", "carol", "dave")
    other = tuple(one.key.hex() for one in world.described[4:])
    beside = carol.call(api.CreateGroup("Cake", relays=other)).id
    world.run(until=lambda: carol.chat(beside).phase == "open")
    world.add(beside, carol, alice, bob, *((dave,) if outsider else ()))
    chat = world.group("Tea", carol)
    world.add(chat, carol, alice, role=Role.ADMIN)
    world.add(chat, carol, bob)
    bob.down()
    new = tuple(one.encode().hex() for one in world.described[4:])
    old = tuple(one.key.hex() for one in world.described[:4])
    alice.call(api.ChangeRelays(chat, add=new, remove=old, emergency=True))
    world.run(until=lambda: not set(old) & set(relays_of(carol, chat)))
    for relay in world.order[:4]:
        world.stop(relay)
    bob.boot()
    if outsider:
        world.run(120)
        assert not world.is_in(chat, alice, bob, carol)
        # Asked all the same, nobody tells what is not for all who hear it.
        log = bob.talks.log(bob.number(chat)).conversation.seat.configuration.log
        asked = SinglePart(WANTED, DecisionsWanted(log, 0).encode(), Disposition.SESSION)
        bob.do(lambda: bob.talks.say_aside(bob.number(beside), asked))
        world.run(30)
        assert not alice.talks._catching._given and not carol.talks._catching._given
    else:
        world.run(40, until=lambda: world.is_in(chat, alice, bob, carol))
        assert all(one.texts(beside) == [] for one in (alice, bob, carol))
