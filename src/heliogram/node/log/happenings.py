"""What a log tells: what was said and changed, and how far our own words and wishes are.

Happenings come in the order in which they happened. Those about an item of the outbox or a wish bear its
number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from heliogram.node.errors import NodeError
from heliogram.node.events import Event
from heliogram.node.misbehaviour import Misbehaviour
from heliogram.node.value import WelcomeBlob


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the conversation. `minute`: when what was said came to a relay (Unix time / 60)."""

    event: Event
    minute: int | None = None


# --- Our own words --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Encrypted:
    """An item was encrypted in `epoch`: write it down in this turn, for it leaves after it."""

    number: int
    epoch: int
    entry: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedFor:
    """A relay has answered to an item: it has stored it, or it has shown that the epoch is over.

    `size` is that of the frame; `minute` is by our clock.
    """

    number: int
    relay: bytes = field(repr=False)
    minute: int
    size: int
    epoch: int
    stored: bool


@dataclass(frozen=True, slots=True)
class StoredByQuorum:
    """q relays have signed for an item: it is *stored*. It need not be said again after a restart."""

    number: int


@dataclass(frozen=True, slots=True)
class StoredByAll:
    """All relays have signed for an item."""

    number: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to do for a stored item: a relay that lacks it gets it when it is refilled."""

    number: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An item cannot be said; `code` tells why. It is forgotten here."""

    number: int
    code: str


# --- Our own wishes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """A quorum of relays has the log: what was said and wished goes on from here."""


@dataclass(frozen=True, slots=True)
class WishDone:
    """A change of ours was decided, and q relays hold the decision."""

    number: int


@dataclass(frozen=True, slots=True)
class WishRefused:
    """A change of ours cannot be: all members would refuse it, or it fits no value."""

    number: int
    error: NodeError


@dataclass(frozen=True, slots=True)
class DecisionStable:
    """q relays hold the decision of `epoch`."""

    epoch: int


@dataclass(frozen=True, slots=True)
class BlobToStore:
    """A Welcome that must lie on q of `relays` before its change is proposed: then `Log.blob_stored`."""

    id: bytes = field(repr=False)
    blob: bytes = field(repr=False)
    relays: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BlobToFetch:
    """The Welcome that puts us back lies in a blob: fetch it, then `Log.blob_fetched`."""

    welcome: WelcomeBlob


# --- Relays ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RelayTrouble:
    """How a relay does has changed: `state` is as in `api.RelayHealth`.

    "misbehaving" comes with what it did that none may do, and the signed proof if there is one.
    """

    relay: bytes = field(repr=False)
    state: str
    fault: Misbehaviour | None = None


Happening: TypeAlias = (
    Happened
    | Encrypted
    | SignedFor
    | StoredByQuorum
    | StoredByAll
    | Finished
    | Refused
    | Opened
    | WishDone
    | WishRefused
    | DecisionStable
    | BlobToStore
    | BlobToFetch
    | RelayTrouble
)
