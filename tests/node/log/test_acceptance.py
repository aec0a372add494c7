"""What must hold whatever relays and members do; the numbers are those of the list of attacks."""

from __future__ import annotations

import os
from functools import partial
from operator import contains
from typing import Any

import pytest

from heliogram.node.changes import AddPeople, ChangeRelays, RemovePeople, Rename, RenewKeys
from heliogram.node.components import Metadata, Role
from heliogram.node.errors import NotAllowed
from heliogram.node.events import (
    CouldNotRead,
    InvitationDue,
    Joined,
    MemberRestored,
    MessageReceived,
    Wounded,
)
from heliogram.node.log import happenings as told
from heliogram.node.records import Phase
from heliogram.node.value import CommitData
from heliogram.relay import slots
from heliogram.wire import frames
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    RelaySignature,
    Seat,
    Value,
    vote_content,
)
from heliogram.wire.signing import Label
from tests.mls import forge
from tests.node.conversation.forging import broken, garbage, unruly
from tests.node.log.world import Device, World
from tests.sim.relays import LIES, name

#: How long a device is away in `test_17`, in epochs; `HELIOGRAM_EPOCHS=500` for all of them.
EPOCHS = int(os.environ.get("HELIOGRAM_EPOCHS", "60"))


def texts(prefix: str, count: int) -> list[bytes]:
    return [f"{prefix} {number}".encode() for number in range(count)]


def chatter(world: World, group: list[Device], count: int = 20) -> set[bytes]:
    """All say something, again and again; all of it."""
    for number in range(count):
        for one in group:
            one.say(b"%s %d" % (one.called.encode(), number))
        world.run(0.2)
    return {b"%s %d" % (one.called.encode(), at) for one in group for at in range(count)}


def everything(world: World, group: list[Device], said: set[bytes]) -> bool:
    """Whether all were shown all that others said, each once, and it is stored."""
    for one in group:
        others = {text for text in said if not text.startswith(one.called.encode())}
        if set(one.disk.shown) != others or len(one.disk.shown) != len(others):
            return False
        if any(not row.stored for row in one.disk.outbox.values()):
            return False
    return True


# --- Relays that do what none may do --------------------------------------------------------------


@pytest.mark.parametrize("lie", ["drops_posts", "fails"])
def test_01_a_relay_signs_for_every_post_and_drops_each_fifth(lie: str) -> None:
    world = World()
    group = world.group("Alice", "Bob", "Carol")
    world.order[0].lie = LIES[lie]
    said = chatter(world, group)
    assert world.run(120, lambda: everything(world, group, said))
    for one in group:
        early = receipts_when_stored(one)
        assert len(early) == 20 and min(early) >= world.configuration.q


def receipts_when_stored(one: Device) -> list[int]:
    """How many relays had signed for each of its messages when it counted as stored."""
    signed: dict[int, set[bytes]] = {}
    counts = []
    for happening in one.happened:
        if isinstance(happening, told.SignedFor) and happening.stored:
            signed.setdefault(happening.number, set()).add(happening.relay)
        elif isinstance(happening, told.StoredByQuorum):
            counts.append(len(signed.get(happening.number, ())))
    return counts


def test_02_a_relay_delays_by_hours_and_all_end_with_the_same() -> None:
    world = World()
    group = world.group("Alice", "Bob", "Carol")
    world.lag[world.order[1].label] = (0.0, 3600.0)
    said = chatter(world, group, 6)
    group[0].wish(Rename(Metadata("Later")))
    said |= chatter(world, group, 6)
    assert world.run(8 * 3600, lambda: everything(world, group, said) and world.together())
    assert len({one.conversation.charter.metadata.name for one in group}) == 1
    assert group[1].conversation.charter.metadata.name == "Later"


@pytest.mark.parametrize("lie", ["old_answers", "flips", "wrong_values", "says_yes", "high_rounds"])
def test_03_04_old_answers_and_flipped_bytes_change_nothing(lie: str) -> None:
    world = World()
    group = world.group("Alice", "Bob", "Carol")
    world.order[2].lie = LIES[lie]
    said = chatter(world, group, 8)
    group[1].wish(RenewKeys())
    assert world.run(120, world.quiet)
    assert world.run(120, lambda: everything(world, group, said))
    assert group[0].conversation.epoch == 2


def test_05_a_forged_decision_is_refused_by_every_client() -> None:
    world = World()
    group = world.group("Alice", "Bob", "Carol")
    world.order[0].lie = LIES["forges"]
    for one in group:
        one.wish(RenewKeys())
    assert world.run(120, world.quiet)
    assert group[0].conversation.epoch == 4
    faults = [one for one in group[0].happened if isinstance(one, told.RelayTrouble) and one.fault]
    assert {one.relay for one in faults} == {world.order[0].key}


def test_20_certificates_of_other_seats_move_nobody() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    old = alice.disk.decisions[0].certificate
    seat, instance = bob.conversation.seat, bob.conversation.instances[0]
    foreign = Configuration(name("another log"), 3, world.configuration.relays)
    for relay in world.order[:4]:
        for shown in (old, signed_elsewhere(world, seat, foreign)):
            with bob.turn():
                bob.log.pushed(relay.key, frames.Advanced(instance, shown.encode()), world.now)
    world.run(30)
    assert bob.conversation.epoch == 1
    alice.say(b"still here")
    assert world.run(10, lambda: bob.disk.shown == [b"still here"])


def signed_elsewhere(world: World, seat: Seat, foreign: Configuration) -> Certificate:
    """A certificate by the very relays, at a seat of another log."""
    elsewhere = Seat(foreign, seat.epoch, seat.keys)
    content = vote_content(elsewhere.id, 0, name("value"))
    votes = tuple(
        RelaySignature(at, relay.identity.sign(Label.VOTE2, content))
        for at, relay in enumerate(world.order[:4])
    )
    return Certificate(seat.epoch, 0, name("value"), votes)


# --- Relays that fail -----------------------------------------------------------------------------


def test_09_one_of_four_relays_is_gone_for_good() -> None:
    world = World()
    group = world.group("Alice", "Bob", "Carol")
    world.down(world.order[3])
    said = chatter(world, group, 5)
    group[0].wish(RemovePeople(frozenset({group[2].id})))
    assert world.run(60, lambda: group[2].conversation.phase is Phase.OUT and world.together())
    said |= chatter(world, group[:2], 5)
    assert world.run(60, lambda: {b"Alice 4"} <= set(group[1].disk.shown) and world.settled())


def test_a_relay_that_was_down_is_brought_level_and_refilled() -> None:
    world = World()
    group = world.group("Alice", "Bob")
    lost = world.order[1]
    world.down(lost)
    group[0].wish(RenewKeys())
    assert world.run(30, world.quiet)
    said = chatter(world, group, 5)
    world.run(200)
    lost.restart()
    instance = group[0].conversation.instances[1]
    assert world.run(200, lambda: lost.store.logs.find(instance).log.epoch == 2)
    record = lost.store.logs.find(instance)
    assert world.run(200, lambda: len(lost.store.logs.entries[record.id]) == 10)
    assert everything(world, group, said)


@pytest.mark.parametrize("epochs", [0, 2])
def test_11_a_relay_from_an_old_backup_is_fenced_lifted_and_refilled(epochs: int) -> None:
    world = World()
    group = world.group("Alice", "Bob")
    fallen = world.order[2]
    fallen.snapshot()
    said = chatter(world, group, 5)
    for _ in range(epochs):
        group[0].wish(RenewKeys())
        assert world.run(30, world.quiet)
    said |= chatter(world, group, 5)
    assert world.run(30, lambda: everything(world, group, said))
    fallen.roll_back(0)
    for one in group:
        world.part(one, fallen)
    group[0].say(b"Alice knows")
    said.add(b"Alice knows")
    instance = group[0].conversation.instances[2]

    def whole() -> bool:
        record = fallen.store.logs.find(instance)
        rows = fallen.store.logs.entries[record.id]
        return record.log.fence is None and record.log.epoch >= epochs + 1 and len(rows) >= 6

    assert world.run(300, whole)
    assert world.run(60, lambda: everything(world, group, said))
    assert world.together()
    states = [one.state for one in group[0].happened if isinstance(one, told.RelayTrouble)]
    assert "fenced" in states


def test_11_who_was_away_meanwhile_does_not_silence_a_relay_that_was_mended() -> None:
    """Their receipts are of before the fall, which others have dealt with. Another relay may be missing."""
    world = World()
    alice, bob = group = world.group("Alice", "Bob")
    fallen = world.order[1]
    fallen.snapshot()
    said = chatter(world, group, 5)
    assert world.run(30, lambda: everything(world, group, said))
    bob.crash()
    fallen.roll_back(0)
    world.part(alice, fallen)
    instance = alice.conversation.instances[1]

    def stands() -> slots.Log:
        found: slots.Log = fallen.store.logs.find(instance).log
        return found

    alice.say(b"Alice 5")
    assert world.run(300, lambda: stands().fell_back and stands().fence is None)
    alice.wish(RenewKeys())
    assert world.run(60, lambda: stands().epoch >= stands().votes_from > 0)
    world.down(world.order[3])
    bob.boot()
    assert world.run(60, world.together)
    said |= chatter(world, group, 5) | {b"Alice 5"}
    bob.wish(RenewKeys())
    assert world.run(60, lambda: world.quiet() and everything(world, group, said))
    assert bob.conversation.epoch == 3
    troubles = [one for one in bob.happened if isinstance(one, told.RelayTrouble)]
    assert {one.relay for one in troubles if one.state in ("fenced", "misbehaving")} == set()


def test_22_one_relay_errs_stalls_and_drips_and_sending_stays_fast() -> None:
    world = World(delay=(0.02, 0.15))
    alice, bob = world.group("Alice", "Bob")
    world.order[0].lie = LIES["fails"]
    world.lag[world.order[0].label] = (0.0, 20.0)
    times = []
    for text in texts("Alice", 40):
        begun = world.now
        alice.say(text)
        assert world.run(30, partial(contains, alice.disk.stored, text))
        times.append(world.now - begun)
    assert sorted(times)[int(len(times) * 0.95)] <= 3.0
    assert world.run(30, lambda: len(bob.disk.shown) == 40)


# --- Changes at once ------------------------------------------------------------------------------


def test_06_two_commit_at_the_same_instant() -> None:
    times = []
    for seed in range(12):
        world = World(seed, delay=(0.01, 0.1))
        group = world.group("Alice", "Bob", "Carol")
        begun = world.now
        group[0].wish(Rename(Metadata("Coffee")))
        group[1].wish(RenewKeys())
        assert world.run(60, world.quiet)
        times.append(world.now - begun)
        assert group[2].conversation.epoch == 3
    assert max(times) <= 10.0


def test_07_ten_commit_at_once_while_packets_are_lost() -> None:
    world = World(7, delay=(0.01, 0.1))
    group = world.group(*(f"member {number}" for number in range(10)))
    world.faults.loss, world.faults.slow = 0.1, 0.1
    begun = world.now
    for one in group:
        one.wish(RenewKeys())
    assert world.run(120, world.quiet)
    assert group[0].conversation.epoch == 11
    assert world.now - begun <= 60


@pytest.mark.parametrize("first", range(0, 60, 6))
def test_08_the_committer_dies_at_each_step(first: int) -> None:
    for step in range(first, first + 6):
        world = World(step)
        alice, bob = world.group("Alice", "Bob")
        alice.wish(Rename(Metadata("Coffee")))
        world.doom = ("Alice", step + 1)
        world.run(3)
        bob.wish(RenewKeys())
        assert world.run(90, world.quiet), step
        assert bob.conversation.charter.metadata.name == "Coffee"
        assert bob.conversation.epoch == 3
        assert not any(isinstance(one, Wounded) for one in alice.events)


# --- Who is out, who was away ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_16_23_what_is_said_after_removed_was_shown_is_not_for_the_removed(seed: int) -> None:
    world = World(seed, delay=(0.005, 0.2))
    alice, bob, mallory = world.group("Alice", "Bob", "Mallory")
    # He never hears of it: his program talks to one relay alone, which is the last to know.
    world.lag[world.order[3].label] = (0.0, 3.0)
    number = alice.wish(RemovePeople(frozenset({mallory.id})))
    bob.say(b"Bob before")
    assert world.run(60, lambda: number not in alice.disk.wishes)
    alice.say(b"Alice after")
    bob.say(b"Bob after")
    assert world.run(
        60, lambda: b"Bob after" in alice.disk.shown and b"Alice after" in bob.disk.shown
    )
    world.run(60)
    assert not any(b"after" in text for text in mallory.disk.shown)
    assert mallory.conversation.phase is Phase.OUT
    assert mallory.log.asks(world.now) == [] and mallory.log.deadline(world.now) is None


def test_17_a_device_that_was_away_for_many_epochs_catches_up_in_order() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    bob.crash()
    said = []
    for number in range(EPOCHS):
        alice.wish(RenewKeys())
        if number % 5 == 0:
            said.append(b"Alice %d" % number)
            alice.say(said[-1])
        assert world.run(60, lambda: world_is_quiet(alice))
    bob.boot()
    assert world.run(600, lambda: world.together() and len(bob.disk.shown) == len(said))
    assert bob.disk.shown == said
    assert not any(isinstance(one, CouldNotRead) for one in bob.events)


def world_is_quiet(one: Device) -> bool:
    return not one.disk.wishes and not one.disk.outbox


def test_18_the_relays_changed_four_times_meanwhile_and_one_is_left() -> None:
    world = World(spare=6)
    alice, bob = world.group("Alice", "Bob")
    bob.crash()
    said = []
    for at, relays in enumerate(([0, 1, 2, 4], [0, 1, 5, 4], [0, 6, 5, 4], [0, 6, 5, 7])):
        chosen = tuple(world.described[number] for number in relays)
        alice.wish(ChangeRelays(Configuration(world.configuration.log, 3, chosen)))
        assert world.run(120, lambda: world_is_quiet(alice))
        said.append(b"Alice %d" % at)
        alice.say(said[-1])
        assert world.run(60, lambda: world_is_quiet(alice))
    for gone in (1, 2, 3):
        world.down(world.order[gone])
    bob.boot()
    assert world.run(600, lambda: world.together() and len(bob.disk.shown) == len(said))
    bob.say(b"Bob is back")
    assert world.run(60, lambda: alice.disk.shown == [b"Bob is back"])


def test_relays_that_come_in_are_given_what_was_said_before() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    said = chatter(world, [alice], 5)
    chosen = tuple(world.described[number] for number in (0, 1, 2, 4))
    alice.wish(ChangeRelays(Configuration(world.configuration.log, 3, chosen)))
    assert world.run(60, world.quiet)
    new = world.order[4]
    [record] = new.store.logs.records.values()
    assert len(new.store.logs.entries[record.id]) == 5
    world.run(60)
    assert everything(world, [alice, bob], said)


# --- Members who are bad or hurt ------------------------------------------------------------------


def put_to_vote(one: Device, value: Value) -> None:
    """A member's program proposes what no honest one does."""
    with one.turn():
        election = one.log._deciding._elect()
        election.propose(value)
        election.saved()


def test_15_24_a_commit_for_another_slot_is_the_end_for_all_alike() -> None:
    world = World()
    alice, bob, mallory = world.group("Alice", "Bob", "Mallory")
    alice.say(b"Alice before")
    assert world.run(10, lambda: b"Alice before" in bob.disk.shown)
    mallory.member.live = mallory.conversation
    seat = mallory.conversation.seat
    data = CommitData(name("another log"), seat.id, seat.epoch, None)
    put_to_vote(mallory, unruly(mallory.member, data=data))
    assert world.run(60, lambda: alice.conversation.phase is Phase.DEAD)
    assert world.run(60, lambda: bob.conversation.phase is Phase.DEAD)
    for one in (alice, bob):
        one.crash()
        one.boot()
        assert one.conversation.phase is Phase.DEAD
    # Last words still come through, in the grace lane.
    alice.say(b"Alice's last words", grace=True)
    assert world.run(60, lambda: b"Alice's last words" in bob.disk.shown)


def test_15_garbage_is_the_end_and_nothing_that_was_said_is_lost() -> None:
    world = World()
    alice, bob, mallory = world.group("Alice", "Bob", "Mallory")
    mallory.member.live = mallory.conversation
    put_to_vote(mallory, garbage(mallory.member))
    alice.say(b"Alice says")
    assert world.run(60, lambda: bob.conversation.phase is Phase.DEAD)
    assert world.run(60, lambda: alice.conversation.phase is Phase.DEAD)
    stored = alice.disk.outbox and next(iter(alice.disk.outbox.values())).stored
    assert stored or b"Alice says" in bob.disk.shown or alice.disk.outbox


def wound(world: World, mallory: Device) -> None:
    """Mallory's program has something decided that one subtree cannot follow."""

    def hook(path: Any) -> Any:
        return forge.changed(path, nodes=(forge.corrupt_ciphertext(path.nodes[0]), *path.nodes[1:]))

    mallory.member.live = mallory.conversation
    put_to_vote(mallory, broken(mallory.member, update_path=hook))


@pytest.mark.parametrize("crash", [False, True])
def test_25_who_is_wounded_is_put_back(crash: bool) -> None:
    world = World()
    alice, bob, carol, mallory = world.group("Alice", "Bob", "Carol", "Mallory")
    wound(world, mallory)
    group = (alice, bob, carol)
    begun = world.now

    def hurt() -> bool:
        return any(isinstance(event, Wounded) for one in group for event in one.events)

    assert world.run(60, hurt)
    if crash:
        for one in group:
            one.crash()
            one.boot()
    assert world.run(120, lambda: all(one.conversation.phase is Phase.OPEN for one in group))
    assert world.now - begun <= 60
    assert world.run(
        60, lambda: len({bytes(x.conversation.epoch_authenticator) for x in group}) == 1
    )
    assert any(isinstance(event, MemberRestored) for one in group for event in one.events)
    for one in group:
        one.say(one.called.encode() + b" is well")
    for one in group:
        others = {other.called.encode() + b" is well" for other in group if other is not one}
        assert world.run(60, partial(others.issubset, one.disk.shown))


def test_27_a_welcome_of_a_losing_commit_is_not_handed_out() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob", role=Role.ADMIN)
    dave = world.device("Dave")
    world.newcomers[dave.id] = dave
    for one in (alice, bob):
        one.wish(AddPeople((dave.package(),), frozenset({dave.id})))
    assert world.run(60, lambda: dave.live is not None)
    assert world.run(60, world.quiet)
    joined = [event for event in dave.events if isinstance(event, Joined)]
    assert len(joined) == 1
    handed = [
        event
        for one in (alice, bob)
        for event in one.events
        if isinstance(event, InvitationDue) and event.own
    ]
    assert len(handed) >= 1
    stable = [
        at
        for one in (alice, bob)
        for at, what in enumerate(one.happened)
        if isinstance(what, told.Happened) and isinstance(what.event, InvitationDue) and what.event.own
        and not any(
            isinstance(before, told.DecisionStable) and before.epoch == what.event.epoch
            for before in one.happened[:at]
        )
    ]  # fmt: skip
    assert stable == []


def test_40_a_late_message_is_read_with_the_sender_of_its_own_epoch() -> None:
    world = World()
    alice, bob, carol = world.group("Alice", "Bob", "Carol")
    bob.crash()
    carol.say(b"Carol was here")
    assert world.run(30, lambda: b"Carol was here" in alice.disk.shown)
    alice.wish(RemovePeople(frozenset({carol.id})))
    alice.wish(RenewKeys())
    assert world.run(60, lambda: not alice.disk.wishes)
    bob.boot()
    assert world.run(60, lambda: bob.disk.shown == [b"Carol was here"] and world.together())
    [said] = [event for event in bob.events if isinstance(event, MessageReceived)]
    assert said.sender.account == carol.id


# --- Wishes ---------------------------------------------------------------------------------------


def test_what_nobody_may_is_refused_at_once() -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    number = bob.wish(RemovePeople(frozenset({alice.id})))
    [refused] = [one for one in bob.happened if isinstance(one, told.WishRefused)]
    assert refused.number == number and isinstance(refused.error, NotAllowed)
    assert world.run(5) is False and world.together()


def test_two_leave_at_once_and_the_last_one_leaves_alone() -> None:
    world = World()
    alice, bob, carol = world.group("Alice", "Bob", "Carol")
    bob.leave()
    carol.leave()
    assert world.run(120, lambda: all(one.conversation.phase is Phase.OUT for one in (bob, carol)))
    alice.leave()
    assert alice.conversation.phase is Phase.OUT
