"""A conversation in a store: named records, and what a call wants done with them.

Each record has a short name whose first byte tells what it is:

    c               where we stand: phase, seat, the last decision, our signature key
    k + epoch       an epoch's keys: the open one, and closed ones as long as their messages are read
    s               our staged value, with the keys of the epoch that it would start
    w + reference   a departure that waits for a commit
    d + epoch + …   an entry that was read, by its hash: the hash of what it said
    g + name        the MLS group: `mls.Group.changes`

Write all `records` and `entries` of an `Effects` in one transaction, then send and show. Whoever could not
write goes on from what the store holds: `Conversation.load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from heliogram.codec import DecodeError, Reader, decode_all, opaque, optional, u8, vector
from heliogram.mls import Secret
from heliogram.node.chain import Link
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.errors import DamagedState
from heliogram.node.events import Event
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE, MAX_RELAYS
from heliogram.wire.objects import Seat, Value

VERSION = 1

STATE, KEYS, STAGED, WAITING, READ, GROUP = (one.encode() for one in "ckswdg")

#: Bytes of the hashes by which entries and what they say are known again.
DIGEST = 16

_KEY = 8 << 10


class Phase(Enum):
    """What may be done in a conversation."""

    OPEN = 0
    #: We could not follow a decision. We can tell the others, read what came before, and be put back.
    WOUNDED = 1
    #: Nobody can go on. What was said can be read.
    DEAD = 2
    #: We are no member any more; our keys are gone.
    OUT = 3


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An entry to be posted in `epoch`; in its grace lane if `grace`, for the epoch is closed."""

    epoch: int
    data: bytes = field(repr=False)
    grace: bool = False


@dataclass(frozen=True, slots=True)
class Effects:
    """What came of a call: write first, then post and show."""

    #: Names and values; None for a record to delete.
    records: Mapping[bytes, bytes | None] = field(default_factory=dict, repr=False)
    entries: tuple[Outgoing, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class Standing:
    """Where a device stands in a conversation: all that is neither group nor keys."""

    seat: Seat
    #: The relays' names for this log, in the order of the seat.
    instances: tuple[bytes, ...] = field(repr=False)
    signature_key: Secret = field(repr=False)
    phase: Phase = Phase.OPEN
    #: We came in by a key package of last resort: fresh keys before the first message.
    must_renew: bool = False
    leaving: bool = False
    #: The seat and the decision before this one.
    before: tuple[Seat, Link] | None = None

    def encode(self) -> bytes:
        """The record."""
        flags = self.must_renew | self.leaving << 1
        before = None if self.before is None else self.before[0].encode() + self.before[1].encode()
        return b"".join(
            (
                u8(VERSION),
                u8(self.phase.value),
                u8(flags),
                opaque(self.signature_key),
                self.seat.encode(),
                vector(self.instances),
                optional(before),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `encode` wrote. Raises `DamagedState`."""
        try:
            return decode_all(cls._decode, data)
        except (DecodeError, RemoteError, ValueError):
            raise DamagedState from None

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        if reader.u8() != VERSION:
            raise DecodeError("conversation", "saved by another version")
        phase, flags = Phase(reader.u8()), reader.u8()
        key, seat = Secret(reader.opaque(_KEY)), Seat.decode(reader)
        instances = reader.vector(lambda inner: inner.fixed(HASH_SIZE), MAX_RELAYS * HASH_SIZE)
        before = (Seat.decode(reader), Link.decode(reader)) if reader.optional() else None
        return cls(seat, instances, key, phase, bool(flags & 1), bool(flags & 2), before)


@dataclass(frozen=True, slots=True)
class StagedValue:
    """A value of ours that may win its slot, with the keys of the epoch that it would start."""

    value: Value = field(repr=False)
    keys: EpochKeys

    def encode(self) -> bytes:
        """The record."""
        return self.value.encode() + self.keys.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `encode` wrote. Raises `DamagedState`."""
        try:
            return decode_all(
                lambda reader: cls(Value.decode(reader), EpochKeys.decode(reader)), data
            )
        except (DecodeError, RemoteError):
            raise DamagedState from None
