"""What a log keeps of its own, beside the conversation's records and the decisions.

All of it is written inside of the caller's transaction. Names begin with a byte that tells what it is:

    s + epoch       a seat, and the relays' names for the log there
    u + epoch       how far each relay of that epoch is read
    v               the last place that each relay has signed for
    e               the election of the open slot
    o               relays that have the log, while it is being opened
    w               the wish that is staged, and wishes that were decided and are not stable
    x               epochs whose decisions are being shown to all
    d + epoch       who is to be invited once the decision of this epoch is stable
    i + hash        an entry of the conversation's own: a departure, a cry, a rescue
    b + id          a Welcome that must be uploaded before its change is proposed
    p               the key package that we are to be put back with
    y + device      a member who is wounded
    l               we want to leave
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from heliogram import mls
from heliogram.codec import DecodeError, Reader, decode_all, opaque, optional, u8, u64, vector
from heliogram.node.chain import Decision
from heliogram.node.errors import DamagedState, NodeError
from heliogram.node.events import InvitationDue, MemberWounded, Person
from heliogram.node.invitation import Invitation
from heliogram.node.posting import Vouchers
from heliogram.node.records import Outgoing
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE
from heliogram.wire.objects import Seat

T = TypeVar("T")


class Keeping(Protocol):
    """A log's own place in the store, inside of the caller's transaction."""

    def records(self) -> dict[bytes, bytes]:
        """The conversation's records."""

    def write(self, records: Mapping[bytes, bytes | None]) -> None:
        """Write records of the conversation; None deletes one."""

    def states(self, prefix: bytes) -> dict[bytes, bytes]:
        """All that `put` wrote under names that begin with `prefix`."""

    def get(self, name: bytes) -> bytes | None:
        """What `put` wrote."""

    def put(self, name: bytes, value: bytes | None) -> None:
        """Keep something under a name; None deletes it."""

    def decision(self, epoch: int) -> Decision | None:
        """The decision that ended an epoch, if it was kept."""

    def keep(self, decision: Decision) -> None:
        """Keep a decision."""


@dataclass(frozen=True, slots=True)
class Place:
    """A seat, and the relays' names for the log in their order."""

    seat: Seat
    instances: tuple[bytes, ...] = field(repr=False)


@dataclass(slots=True)
class Wanted:
    """Wishes that are past the queue.

    `staged` is the number of the wish that our staged value fulfils, -1 for one of our own accord. `decided`
    are wishes whose decision is not stable yet, with its epoch.
    """

    staged: int | None = None
    decided: dict[int, int] = field(default_factory=dict)


class Notes:
    """What a log keeps, in its own types. Raises `DamagedState` for what it did not write."""

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping

    # --- Places and reading -----------------------------------------------------------------------

    def places(self) -> list[Place]:
        """Those that are kept, by their epochs."""
        kept = sorted(self.keeping.states(b"s").items())
        return [_read(_place, value) for _, value in kept]

    def put_place(self, place: Place) -> None:
        """Keep the place of an epoch."""
        value = place.seat.encode() + vector(place.instances)
        self.keeping.put(b"s" + u64(place.seat.epoch), value)

    def drop_place(self, epoch: int) -> None:
        """Forget the place of an epoch."""
        self.keeping.put(b"s" + u64(epoch), None)

    def cursors(self) -> dict[int, dict[int, int]]:
        """By epoch: how far each relay is read."""
        kept = self.keeping.states(b"u")
        return {_epoch(name): _read(_cursors, value) for name, value in kept.items()}

    def put_cursors(self, epoch: int, cursors: Mapping[int, int] | None) -> None:
        """Keep how far each relay of an epoch is read; None forgets it."""
        value = None
        if cursors is not None:
            value = vector(u8(index) + u64(at) for index, at in sorted(cursors.items()))
        self.keeping.put(b"u" + u64(epoch), value)

    def vouchers(self) -> Vouchers:
        """The last place that each relay has signed for."""
        kept = self.keeping.get(b"v")
        return Vouchers() if kept is None else _read(Vouchers.decode, kept)

    def put_vouchers(self, vouchers: Vouchers) -> None:
        """Keep them."""
        self.keeping.put(b"v", vouchers.encode())

    # --- Changing ---------------------------------------------------------------------------------

    def election(self) -> bytes | None:
        """That of the open slot, as `Election.encode` gave it."""
        return self.keeping.get(b"e")

    def put_election(self, state: bytes | None) -> None:
        """Keep the election of the open slot; None when it is over."""
        self.keeping.put(b"e", state)

    def opening(self) -> set[bytes] | None:
        """Relays that have the log, while it is being opened; None once all have."""
        kept = self.keeping.get(b"o")
        return None if kept is None else set(_read(_hashes, kept))

    def put_opening(self, relays: Iterable[bytes] | None) -> None:
        """Keep which relays have the log; None once all have."""
        self.keeping.put(b"o", None if relays is None else vector(sorted(relays)))

    def wanted(self) -> Wanted:
        """Wishes that are past the queue."""
        kept = self.keeping.get(b"w")
        return Wanted() if kept is None else _read(_wanted, kept)

    def put_wanted(self, wanted: Wanted) -> None:
        """Keep them."""
        staged = None if wanted.staged is None else u64(wanted.staged + 1)
        decided = vector(u64(number) + u64(epoch) for number, epoch in wanted.decided.items())
        empty = staged is None and not wanted.decided
        self.keeping.put(b"w", None if empty else optional(staged) + decided)

    def spreading(self) -> list[int]:
        """Epochs whose decisions are being shown to all."""
        kept = self.keeping.get(b"x")
        return [] if kept is None else list(_read(_epochs, kept))

    def put_spreading(self, epochs: Iterable[int]) -> None:
        """Keep them."""
        self.keeping.put(b"x", vector(map(u64, epochs)))

    def dues(self) -> list[InvitationDue]:
        """Invitations of ours that wait for their decision to be stable."""
        return [_read(_due, value) for _, value in sorted(self.keeping.states(b"d").items())]

    def put_due(self, due: InvitationDue) -> None:
        """Keep an invitation until it is due."""
        value = u64(due.epoch) + vector(due.accounts) + due.draft.encode()
        self.keeping.put(b"d" + u64(due.epoch), value)

    def drop_due(self, epoch: int) -> None:
        """It was handed out."""
        self.keeping.put(b"d" + u64(epoch), None)

    def entries(self) -> Iterator[tuple[bytes, Outgoing]]:
        """Entries of the conversation's own that are not stored yet, with their names."""
        for name, value in sorted(self.keeping.states(b"i").items()):
            yield name[1:], _read(_outgoing, value)

    def put_entry(self, name: bytes, entry: Outgoing | None) -> None:
        """Keep an entry until it is stored; None forgets it."""
        value = None if entry is None else u64(entry.epoch) + u8(entry.grace) + entry.data
        self.keeping.put(b"i" + name, value)

    def blobs(self) -> dict[bytes, bytes]:
        """Welcomes to be uploaded, by their ids."""
        return {name[1:]: value for name, value in self.keeping.states(b"b").items()}

    def put_blob(self, id: bytes, blob: bytes | None) -> None:
        """Keep a Welcome until its change was decided."""
        self.keeping.put(b"b" + id, blob)

    # --- The wounded, the leaving -----------------------------------------------------------------

    def package(self) -> mls.OwnKeyPackage | None:
        """The key package that we are to be put back with."""
        kept = self.keeping.get(b"p")
        if kept is None:
            return None
        try:
            return mls.OwnKeyPackage.from_bytes(kept)
        except (DecodeError, ValueError):
            raise DamagedState from None

    def put_package(self, package: mls.OwnKeyPackage | None) -> None:
        """Keep it until we are back."""
        self.keeping.put(b"p", None if package is None else bytes(package.to_bytes()))

    def cries(self) -> list[MemberWounded]:
        """Members who are wounded."""
        return [_read(_cry, value) for value in self.keeping.states(b"y").values()]

    def put_cry(self, cry: MemberWounded) -> None:
        """Keep who is wounded, until they are put back."""
        who = opaque(cry.who.account) + opaque(cry.who.device) + u64(cry.who.leaf)
        value = who + u64(cry.epoch) + opaque(cry.package.message) + opaque(cry.secret)
        self.keeping.put(b"y" + cry.who.device, value)

    def drop_cry(self, device: bytes) -> None:
        """They are back, or gone."""
        self.keeping.put(b"y" + device, None)

    @property
    def leaving(self) -> bool:
        """Whether we want to leave and could not say so yet."""
        return self.keeping.get(b"l") is not None

    def put_leaving(self, leaving: bool) -> None:
        """Keep that we want to leave."""
        self.keeping.put(b"l", b"\x01" if leaving else None)

    def wasted(self) -> int:
        """How many items of this epoch were taken back after they were encrypted."""
        return int.from_bytes(self.keeping.get(b"n") or b"", "big")

    def put_wasted(self, many: int) -> None:
        """Keep how many there are."""
        self.keeping.put(b"n", u64(many) if many else None)

    def forget(self) -> None:
        """Delete all of it but what is still to be posted: we are out, or somewhere else."""
        for prefix in b"suveowxdibpyln":
            for name in self.keeping.states(bytes([prefix])):
                self.keeping.put(name, None)


# --- Reading --------------------------------------------------------------------------------------


def _read(decode: Callable[[Reader], T], data: bytes) -> T:
    try:
        return decode_all(decode, data)
    except (DecodeError, RemoteError, NodeError, mls.InvalidMessage, ValueError):
        raise DamagedState from None


def _rest(reader: Reader) -> bytes:
    return reader.fixed(reader.end - reader.pos)


def _epoch(name: bytes) -> int:
    return int.from_bytes(name[1:9], "big")


def _hashes(reader: Reader) -> tuple[bytes, ...]:
    return reader.vector(lambda inner: inner.fixed(HASH_SIZE))


def _epochs(reader: Reader) -> tuple[int, ...]:
    return reader.vector(Reader.u64)


def _place(reader: Reader) -> Place:
    return Place(Seat.decode(reader), _hashes(reader))


def _cursors(reader: Reader) -> dict[int, int]:
    return dict(reader.vector(lambda inner: (inner.u8(), inner.u64())))


def _wanted(reader: Reader) -> Wanted:
    staged = reader.u64() - 1 if reader.optional() else None
    return Wanted(staged, dict(reader.vector(lambda inner: (inner.u64(), inner.u64()))))


def _outgoing(reader: Reader) -> Outgoing:
    epoch, grace = reader.u64(), bool(reader.u8())
    return Outgoing(epoch, _rest(reader), grace)


def _due(reader: Reader) -> InvitationDue:
    epoch, accounts = reader.u64(), _hashes(reader)
    return InvitationDue(epoch, accounts, Invitation.from_bytes(_rest(reader)), own=True)


def _cry(reader: Reader) -> MemberWounded:
    who = Person(reader.opaque(), reader.opaque(), reader.u64())
    epoch, package = reader.u64(), mls.KeyPackage.from_message(reader.opaque())
    return MemberWounded(who, epoch, package, reader.opaque())
