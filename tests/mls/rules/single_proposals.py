"""Rows 47 to 53: what a single proposal must be. RFC 9420, section 12.1."""

from __future__ import annotations

from heliogram.mls import Remove
from tests.mls import forge
from tests.mls.forge import World
from tests.mls.rules import BOTH, Attempt, broken, receives, right


@right(49)
def a_member_is_removed(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.proposal(alice, Remove(2)))


@broken(49, suites=BOTH)
def nobody_is_at_that_leaf(world: World) -> Attempt:
    alice, bob, _ = world.group()
    return receives(bob, forge.proposal(alice, Remove(3)))
