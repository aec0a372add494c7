"""What one turn of the writer works on, and what comes of each request in it.

A core function takes a `Batch`, a request and what its channel leads to, writes through the batch's store,
and gives back an `Outcome`. What is still to be signed is signed after the commit (`sealing`). It raises a
`RelayError` before it has written anything, never after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from heliogram.relay.budgets import Budgets
from heliogram.relay.slots import Promised, Voted1, Voted2
from heliogram.relay.store import Store
from heliogram.relay.terms import Terms
from heliogram.wire import frames


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry is in its log, now or already. Its receipt is signed after the commit."""

    id: int
    instance: bytes = field(repr=False)
    epoch: int
    index: int
    name: bytes = field(repr=False)
    #: After this entry.
    chain: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """A vote or a promise, to be signed after the commit."""

    id: int
    answer: Voted1 | Voted2 | Promised


Outcome: TypeAlias = frames.Answer | Appended | Statement


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry that was appended: what subscribers are told."""

    instance: bytes = field(repr=False)
    epoch: int
    index: int
    minute: int
    name: bytes = field(repr=False)
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Advance:
    """A slot that was decided: what subscribers are told."""

    instance: bytes = field(repr=False)
    epoch: int
    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item in an inbox: what its owner is told."""

    inbox: bytes = field(repr=False)
    index: int


News: TypeAlias = NewEntry | Advance | NewItem


@dataclass(slots=True)
class Batch:
    """One turn of the writer."""

    store: Store
    terms: Terms
    budgets: Budgets
    #: This relay's public key.
    relay: bytes = field(repr=False)
    #: Unix time in seconds.
    now: int
    entropy: Callable[[int], bytes] = field(repr=False)
    #: What happened, in order, for those who listen.
    news: list[News] = field(default_factory=list)
    #: Whether the write-ahead log is to be emptied after the commit: it still has what was deleted.
    scrub: bool = False

    @property
    def minute(self) -> int:
        """Unix time / 60: the finest time that is ever stored."""
        return self.now // 60
