"""Every rule of the validation table with a message that keeps it and one that breaks only it.

A module here holds one chapter of `docs/validation.md`. Its cases are functions that take a
`World` and carry the number of their row:

    @right(49)
    def a_member_is_removed(world: World) -> Attempt:
        alice, bob, carol = world.group()
        return receives(bob, forge.proposal(alice, Remove(2)))

    @broken(49)
    def nobody_is_at_that_leaf(world: World) -> Attempt:
        alice, bob, carol = world.group()
        return receives(bob, forge.proposal(alice, Remove(3)))

An `Attempt` is made by the runner, in `test_rules.py`: a right one must succeed, a broken one must
be refused under the row's own number and leave every group that it watches as it was. A case may
yield several attempts. One that returns None has asserted what it claims itself: that is how rows
are tested that are properties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from heliogram import mls
from heliogram.mls.key_packages import OwnKeyPackage
from tests.mls.forge import CLASSIC, DEFAULT, NOW, AllowAll, World

__all__ = [
    "BOTH",
    "CASES",
    "ROWS",
    "Attempt",
    "Case",
    "broken",
    "does",
    "joins",
    "joins_externally",
    "receives",
    "right",
]

#: The rows of the table.
ROWS = range(1, 106)

#: For cases that run in the post-quantum suite too.
BOTH = (CLASSIC, DEFAULT)


@dataclass(frozen=True)
class Attempt:
    """Something that a member does or receives, not done yet, and the groups it must not harm."""

    do: Callable[[], object]
    watched: tuple[mls.Group, ...] = ()
    #: What a refusal looks like: theirs, or ours when we would be the ones to break the rule.
    refusal: type[mls.MLSError] = mls.InvalidMessage
    #: Where one rule stands in several rows, the row that the engine names.
    row: int | None = None


Run = Callable[[World], Attempt | Iterator[Attempt] | None]


@dataclass(frozen=True)
class Case:
    """One message for one row, in one cipher suite or more."""

    row: int
    kind: str
    run: Run = field(repr=False)
    suites: Sequence[int]

    @property
    def name(self) -> str:
        """What pytest calls it."""
        return f"{self.row:03}-{self.kind}-{self.run.__name__}"


CASES: list[Case] = []


def right(row: int, *, suites: Sequence[int] = (CLASSIC,)) -> Callable[[Run], Run]:
    """Registers a case that keeps the rule of this row."""
    return _register(row, "right", suites)


def broken(row: int, *, suites: Sequence[int] = (CLASSIC,)) -> Callable[[Run], Run]:
    """Registers a case that breaks the rule of this row and no other."""
    return _register(row, "broken", suites)


def _register(row: int, kind: str, suites: Sequence[int]) -> Callable[[Run], Run]:
    assert row in ROWS

    def register(run: Run) -> Run:
        CASES.append(Case(row, kind, run, suites))
        return run

    return register


# -- attempts --------------------------------------------------------------------------------------


def receives(group: mls.Group, message: bytes, *, row: int | None = None) -> Attempt:
    """A member processes a message."""
    return Attempt(lambda: group.process(message, now=NOW), (group,), row=row)


def joins(
    welcome: bytes | None,
    own: OwnKeyPackage,
    *,
    config: mls.Config | None = None,
    previous: mls.Group | None = None,
    row: int | None = None,
    **more: Any,
) -> Attempt:
    """Somebody joins by a Welcome."""
    assert welcome is not None
    message = welcome
    config = config or mls.Config(authentication=mls.AcceptAnyCredential())

    def do() -> mls.Group:
        return mls.Group.join(message, [own], config=config, previous=previous, now=NOW, **more)

    return Attempt(do, () if previous is None else (previous,), row=row)


def joins_externally(
    group_info: bytes,
    world: World,
    name: str = "dave",
    *,
    config: mls.Config | None = None,
    row: int | None = None,
    **more: Any,
) -> Attempt:
    """Somebody makes an external commit out of a group info."""
    client = world.client(name)

    def do() -> mls.StagedCommit:
        return mls.Group.join_external(
            group_info,
            client.credential,
            client.signature_key,
            config=config or world.config(policy=AllowAll()),
            now=NOW,
            entropy=world.entropy,
            **more,
        )

    return Attempt(do, row=row)


def does(do: Callable[[], object], *watched: mls.Group, row: int | None = None) -> Attempt:
    """We do something ourselves; a refusal is a `UsageError` that names the row."""
    return Attempt(do, watched, mls.UsageError, row)
