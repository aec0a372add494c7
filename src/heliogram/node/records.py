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

from heliogram import mls
from heliogram.codec import DecodeError, Reader, decode_all, opaque, optional, u8, u32, u64, vector
from heliogram.mls import Secret
from heliogram.node.chain import Link
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.errors import DamagedState, NotNow
from heliogram.node.events import Event
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE, MAX_RELAYS
from heliogram.wire.objects import Seat, Value

VERSION = 1

STATE, KEYS, STAGED, WAITING, READ, GROUP = (one.encode() for one in "ckswdg")

#: Bytes of the hashes by which entries and what they say are known again.
DIGEST = 16

_KEY = 8 << 10
_NOTHING = Secret(b"")


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
    #: While wounded or dead: what the invitation is sealed under that puts us back, or leads on.
    rescue: Secret = field(default=_NOTHING, repr=False)
    #: The seat and the decision before this one.
    before: tuple[Seat, Link] | None = None
    #: The leaf of who signed what we could not follow, and whether what was wrong was surely theirs.
    culprit: int | None = None
    sure: bool = False

    def encode(self) -> bytes:
        """The record."""
        flags = self.must_renew | self.leaving << 1 | self.sure << 2
        culprit = None if self.culprit is None else u32(self.culprit)
        before = None if self.before is None else self.before[0].encode() + self.before[1].encode()
        return b"".join(
            (
                u8(VERSION),
                u8(self.phase.value),
                u8(flags),
                opaque(self.signature_key),
                opaque(self.rescue),
                self.seat.encode(),
                vector(self.instances),
                optional(before),
                optional(culprit),
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
        key, rescue = Secret(reader.opaque(_KEY)), Secret(reader.opaque(_KEY))
        seat = Seat.decode(reader)
        instances = reader.vector(lambda inner: inner.fixed(HASH_SIZE), MAX_RELAYS * HASH_SIZE)
        before = (Seat.decode(reader), Link.decode(reader)) if reader.optional() else None
        culprit = reader.u32() if reader.optional() else None
        return cls(
            seat,
            instances,
            key,
            phase,
            bool(flags & 1),
            bool(flags & 2),
            rescue,
            before,
            culprit,
            bool(flags & 4),
        )


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


class Held:
    """All that a device holds of one conversation, and which of it its store lacks."""

    def __init__(self, standing: Standing, config: mls.Config, group: mls.Group | None) -> None:
        self.standing = standing
        self.config = config
        self.group = group
        #: The open epoch's keys, and what is kept of closed ones.
        self.keys: dict[int, EpochKeys] = {}
        self.staged: StagedValue | None = None
        #: Departures that wait for a commit, by reference.
        self.waiting: dict[bytes, bytes] = {}
        #: Of each epoch that is still read: the entries, and what they said; and when that was last said.
        self._read: dict[int, dict[bytes, bytes]] = {}
        self._said_in: dict[bytes, int] = {}
        #: Names of what is in the store, and what is to be written.
        self._names: set[bytes] = set()
        self._dirty: dict[bytes, bytes | None] = {}
        self._state = b""
        #: Whether records wait for the end of a page.
        self.collecting = False

    @classmethod
    def load(cls, records: Mapping[bytes, bytes], config: mls.Config) -> Self:
        """What `effects` gave to be written. Raises `DamagedState`."""
        parts: dict[bytes, dict[bytes, bytes]] = {}
        for name, value in records.items():
            parts.setdefault(name[:1], {})[name[1:]] = value
        try:
            standing = Standing.from_bytes(records[STATE])
            group = None
            if standing.phase is not Phase.OUT:
                group = mls.Group.from_records(parts[GROUP], config=config)
            held = cls(standing, config, group)
            for value in parts.get(KEYS, {}).values():
                keys = EpochKeys.from_bytes(value)
                held.keys[keys.epoch] = keys
            held.waiting = parts.get(WAITING, {})
            for name, value in parts.get(READ, {}).items():
                held._remember(int.from_bytes(name[:8], "big"), name[8:], value)
            if STAGED in records:
                held.staged = StagedValue.from_bytes(records[STAGED])
            if group is not None and not group.epoch == standing.seat.epoch in held.keys:
                raise DamagedState
        except (KeyError, DecodeError, mls.UsageError):
            raise DamagedState from None
        held._names, held._state = set(records), records[STATE]
        return held

    # --- What changes -----------------------------------------------------------------------------

    def open(self, keys: EpochKeys) -> None:
        """Go on with the keys of a new epoch; keep of the last ones what late messages need."""
        for epoch, old in list(self.keys.items()):
            if epoch < keys.epoch - self.config.past_epochs:
                del self.keys[epoch]
                self._dirty[KEYS + u64(epoch)] = None
                self._forget_read(epoch)
            else:
                self._put_keys(old.closed())
        self._put_keys(keys)
        for reference in self.waiting:
            self._dirty[WAITING + reference] = None
        self.waiting = {}

    def stage(self, staged: StagedValue) -> None:
        """Keep a value of ours until its slot is decided."""
        self.staged = staged
        self._dirty[STAGED] = staged.encode()

    def forget_staged(self) -> None:
        """Its slot is decided, one way or the other."""
        if self.staged is not None:
            self.staged = None
            self._dirty[STAGED] = None

    def wait(self, reference: bytes, departure: bytes) -> None:
        """Keep a departure for whoever commits next."""
        self.waiting[reference] = departure
        self._dirty[WAITING + reference] = departure

    def read(self, epoch: int, name: bytes, said: bytes) -> None:
        """Keep that the entry with the hash `name` was read, and said what has the hash `said`."""
        self._remember(epoch, name, said)
        self._dirty[READ + u64(epoch) + name] = said

    def has_read(self, epoch: int, name: bytes) -> bool:
        """Whether this entry was read."""
        return name in self._read.get(epoch, {})

    def has_heard(self, said: bytes) -> bool:
        """Whether this was said, in whichever entry."""
        return said in self._said_in

    def without_proposals(self) -> mls.Group:
        """The group without departures that wait. Raises `NotNow` when we are out."""
        if self.group is None:
            raise NotNow
        if self.group.pending_proposals:
            copy = mls.Group.from_bytes(self.group.to_bytes(), config=self.config)
            records = {name: value for name, value in copy.changes().items() if value is not None}
            dropped = {name for name in records if name[:1] == b"P"}
            kept = {name: value for name, value in records.items() if name not in dropped}
            self._dirty.update(dict.fromkeys(GROUP + name for name in dropped))
            self.group = mls.Group.from_records(kept, config=self.config)
        return self.group

    def replace(self, other: Held) -> None:
        """Take the place of what is held of the same conversation: its records go."""
        self._dirty = {**dict.fromkeys(other._names), **self._dirty}
        self._state = b""

    def wipe(self) -> None:
        """Delete everything but where we stood: we are out."""
        self.standing.phase, self.standing.signature_key = Phase.OUT, _NOTHING
        self.standing.rescue = _NOTHING
        self.standing.leaving = self.standing.must_renew = False
        self.group = self.staged = None
        for kept in (self.keys, self.waiting, self._read, self._said_in):
            kept.clear()
        self._dirty = dict.fromkeys(self._names - {STATE})

    def effects(
        self, entries: tuple[Outgoing, ...] = (), events: tuple[Event, ...] = ()
    ) -> Effects:
        """What is to be written now, with what is to be sent and shown."""
        if self.collecting:
            return Effects({}, entries, events)
        records = self._dirty
        if self.group is not None:
            changed = self.group.changes()
            records.update((GROUP + name, value) for name, value in changed.items())
        state = self.standing.encode()
        if state != self._state:
            self._state = records[STATE] = state
        self._dirty = {}
        for name, value in records.items():
            if value is None:
                self._names.discard(name)
            else:
                self._names.add(name)
        return Effects(records, entries, events)

    # --- Inside -----------------------------------------------------------------------------------

    def _put_keys(self, keys: EpochKeys) -> None:
        if self.keys.get(keys.epoch) != keys:
            self.keys[keys.epoch] = keys
            self._dirty[KEYS + u64(keys.epoch)] = keys.to_bytes()

    def _remember(self, epoch: int, name: bytes, said: bytes) -> None:
        self._read.setdefault(epoch, {})[name] = said
        self._said_in[said] = max(epoch, self._said_in.get(said, 0))

    def _forget_read(self, epoch: int) -> None:
        for name, said in self._read.pop(epoch, {}).items():
            self._dirty[READ + u64(epoch) + name] = None
            if self._said_in.get(said) == epoch:
                del self._said_in[said]
