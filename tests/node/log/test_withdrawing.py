"""Wishes that come to nothing: new relays that do not come, a log that has ended."""

from __future__ import annotations

import pytest

from heliogram.node.changes import ChangeRelays, RemovePeople, RenewKeys
from heliogram.node.components import Role
from heliogram.node.errors import NotNow, RelaysAway
from heliogram.node.log import happenings as told
from heliogram.node.log.deciding import GIVEN_UP
from heliogram.node.records import Phase
from heliogram.wire.objects import Configuration
from tests.node.log.world import Device, World


def refusals(one: Device) -> dict[int, Exception]:
    return {what.number: what.error for what in one.happened if isinstance(what, told.WishRefused)}


def others(world: World, *places: int) -> ChangeRelays:
    """Let these hold it."""
    chosen = tuple(world.described[at] for at in places)
    return ChangeRelays(Configuration(world.configuration.log, 3, chosen), emergency=True)


@pytest.mark.parametrize("crashes", [False, True])
def test_a_change_to_relays_that_do_not_come_is_given_up(crashes: bool) -> None:
    world = World()
    alice, bob = world.group("Alice", "Bob")
    for at in (4, 5):
        world.down(world.order[at])
    number = alice.wish(others(world, 0, 1, 4, 5))
    later = alice.wish(RenewKeys())
    world.run(GIVEN_UP / 2)
    assert alice.conversation.staged is not None and not refusals(alice)
    if crashes:
        alice.crash()
        alice.boot()
        world.run(GIVEN_UP / 2)
        assert alice.conversation.staged is not None
    assert world.run(GIVEN_UP, lambda: number in refusals(alice))
    assert isinstance(refusals(alice)[number], RelaysAway)
    # What waited behind it is done, in the same epoch.
    assert world.run(60, lambda: later not in alice.disk.wishes and world.together())
    assert bob.conversation.seat.configuration == world.configuration
    # The relays are there: the same again.
    for at in (4, 5):
        world.order[at].restart()
    again = alice.wish(others(world, 0, 1, 4, 5))
    assert world.run(60, lambda: again not in alice.disk.wishes and world.together())
    assert again not in refusals(alice)


def test_who_is_away_gives_nothing_up() -> None:
    world = World()
    alice, _ = world.group("Alice", "Bob")
    for relay in world.order[1:6]:
        world.down(relay)
    number = alice.wish(others(world, 0, 1, 4, 5))
    world.run(3 * GIVEN_UP)
    assert number in alice.disk.wishes and not refusals(alice)
    for relay in world.order[1:6]:
        relay.restart()
    assert world.run(600, lambda: number not in alice.disk.wishes and world.together())
    assert not refusals(alice)


def test_what_was_proposed_is_never_withdrawn() -> None:
    world = World()
    alice, _ = world.group("Alice", "Bob")
    for relay in world.order[2:4]:
        world.down(relay)
    number = alice.wish(others(world, 0, 1, 4, 5))
    world.run(GIVEN_UP / 4)
    for relay in world.order[4:6]:
        world.down(relay)
    alice.crash()
    alice.boot()
    for relay in world.order[2:4]:
        relay.restart()
    world.run(3 * GIVEN_UP)
    assert number not in refusals(alice)


def test_what_waits_in_a_log_that_is_stopped_is_told() -> None:
    world = World()
    alice, _ = world.group("Alice", "Bob")
    for relay in world.order[:2]:
        world.down(relay)
    numbers = [alice.wish(RenewKeys()) for _ in range(3)]
    world.run(30)
    assert alice.conversation.staged is not None
    with alice.turn():
        alice.log.stop("too many relays are lost")
    assert set(refusals(alice)) == set(numbers)
    assert all(isinstance(one, NotNow) for one in refusals(alice).values())
    alice.crash()
    alice.boot()
    assert alice.conversation.phase is Phase.DEAD
    late = alice.wish(RenewKeys())
    assert late in refusals(alice)


def test_what_waits_of_who_is_removed_is_told() -> None:
    world = World()
    alice, bob, carol = world.group("Alice", "Bob", "Carol", role=Role.ADMIN)
    bob.crash()
    alice.wish(RemovePeople(frozenset({bob.id})))
    assert world.run(60, lambda: not alice.disk.wishes)
    bob.boot()
    number = bob.wish(RenewKeys())
    assert world.run(60, lambda: bob.conversation.phase is Phase.OUT)
    assert number in refusals(bob)
    assert carol.conversation.phase is Phase.OPEN
