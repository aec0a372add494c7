"""What a conversation puts into a slot: a header that relays read, and a body that only members can.

    struct {
        opaque log[32];
        opaque seat[32];                // the id of the seat whose slot this is
        uint64 epoch;
        optional<opaque[32]> previous;  // h of the decision before; none in the first epoch
    } CommitData;

    struct {
        uint8 form;                     // 0: none, 1: here, 2: in a blob
        select (form) {
            case 1: opaque welcome<V>;
            case 2: opaque blob[32]; uint32 size; opaque key[32];
        }
    } WelcomeForm;

    struct {
        uint8 version = 1;
        opaque commit<V>;               // an MLSMessage, as are departures and the Welcome
        opaque departures<V>;           // of opaque departure<V>: the SelfRemoves that it refers to
        WelcomeForm welcome;
    } Body;

A `Body` is sealed under the value key of the epoch that it ends, with the header as associated data, and
padded to one of a few sizes. `CommitData` is the commit's authenticated data: it ties the commit to this slot
and to all that was decided before. It names h and not a certificate: of one decision there are several
certificates, by who signed it and in which round, and members may hold different ones.

The header's keys are those of the next epoch, which the commit makes. So the commit cannot sign the header: a
member could put another header before somebody's commit. Nobody is blamed for a header.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from heliogram.codec import DecodeError, Reader, decode_all, opaque, optional, u8, u32, u64, vector
from heliogram.content.padding import padme
from heliogram.mls import Secret
from heliogram.node.errors import NotOpened
from heliogram.node.sealing import SALT, TAG, seal, unseal
from heliogram.wire.limits import HASH_SIZE, KEY_SIZE, MAX_BLOB, MAX_BODY
from heliogram.wire.objects import Seat, blob_id

VERSION = 1

#: Bytes that a sealed body can have.
BODY_SIZES = tuple(4096 << step for step in range(7))

#: Bytes of a Welcome that travels in the body and in the invitation; a longer one goes as a blob.
MAX_WELCOME = 24 << 10

#: The same where the invitation must fit into the grace lane.
MAX_GRACE_WELCOME = 6 << 10

#: Members who leave in one commit.
MAX_DEPARTURES = 256

#: Bytes of a Welcome in a blob, so that nobody is made to fetch more.
MAX_WELCOME_BLOB = 64 << 20

_BODY = b"value body"
_WELCOME = b"welcome blob"


@dataclass(frozen=True, slots=True)
class CommitData:
    """Which slot a commit is for: its authenticated data."""

    log: bytes = field(repr=False)
    seat: bytes = field(repr=False)
    epoch: int
    previous: bytes | None = field(repr=False)

    @classmethod
    def of(cls, seat: Seat, previous: bytes | None) -> Self:
        """For the slot of `seat`; `previous` is h of the decision before it."""
        return cls(seat.configuration.log, seat.id, seat.epoch, previous)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return self.log + self.seat + u64(self.epoch) + optional(self.previous)

    @classmethod
    def from_bytes(cls, data: bytes) -> CommitData:
        """The structure that is the whole of `data`. Raises `codec.DecodeError`."""

        def decode(reader: Reader) -> CommitData:
            log, seat, epoch = reader.fixed(HASH_SIZE), reader.fixed(HASH_SIZE), reader.u64()
            return cls(log, seat, epoch, reader.fixed(HASH_SIZE) if reader.optional() else None)

        return decode_all(decode, data)


# --- Welcomes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WelcomeBlob:
    """Where a long Welcome lies, and the key that opens it."""

    id: bytes = field(repr=False)
    size: int
    key: bytes = field(repr=False)

    @classmethod
    def seal(cls, welcome: bytes, *, entropy: Callable[[int], bytes]) -> tuple[Self, bytes]:
        """The reference and the blob's bytes. Raises `TooLong`."""
        key, size = entropy(KEY_SIZE), padme(len(welcome) + 4 + SALT + TAG)
        blob = seal(key, _WELCOME, welcome, sizes=(size, MAX_WELCOME_BLOB), entropy=entropy)
        return cls(blob_id(blob), len(blob), key), blob

    def unseal(self, blob: bytes) -> bytes:
        """The Welcome. Raises `NotOpened` unless this is the blob."""
        if len(blob) != self.size or blob_id(blob) != self.id:
            raise NotOpened
        return unseal(self.key, _WELCOME, blob, most=self.size)


WelcomeForm = bytes | WelcomeBlob | None


def encode_welcome(welcome: WelcomeForm) -> bytes:
    """The bytes of a `WelcomeForm`."""
    if welcome is None:
        return u8(0)
    if isinstance(welcome, bytes):
        return u8(1) + opaque(welcome)
    return u8(2) + welcome.id + u32(welcome.size) + welcome.key


def decode_welcome(reader: Reader) -> WelcomeForm:
    """The next `WelcomeForm`. Raises `codec.DecodeError`."""
    match reader.u8():
        case 0:
            return None
        case 1:
            return reader.opaque(MAX_WELCOME)
        case 2:
            blob, size, key = reader.fixed(HASH_SIZE), reader.u32(), reader.fixed(KEY_SIZE)
            if size > min(MAX_WELCOME_BLOB, MAX_BLOB):
                raise DecodeError("value", "a welcome is larger than we fetch")
            return WelcomeBlob(blob, size, key)
        case _:
            raise DecodeError("value", "a welcome of an unknown form")


# --- Bodies ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Body:
    """What members find in a value."""

    commit: bytes = field(repr=False)
    departures: tuple[bytes, ...] = field(default=(), repr=False)
    welcome: WelcomeForm = field(default=None, repr=False)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        departures = vector(map(opaque, self.departures))
        return u8(VERSION) + opaque(self.commit) + departures + encode_welcome(self.welcome)

    @classmethod
    def from_bytes(cls, data: bytes) -> Body:
        """The structure that is the whole of `data`. Raises `codec.DecodeError`."""

        def decode(reader: Reader) -> Body:
            if reader.u8() != VERSION:
                raise DecodeError("value", "a body of another version")
            commit = reader.opaque(MAX_BODY)
            departure = partial(Reader.opaque, ceiling=MAX_BODY)
            departures = reader.vector(departure, MAX_BODY, MAX_DEPARTURES)
            return cls(commit, departures, decode_welcome(reader))

        return decode_all(decode, data)

    def seal(self, key: Secret, header: bytes, *, entropy: Callable[[int], bytes]) -> bytes:
        """The body of a value with this header; `key` is the value key. Raises `TooLong`."""
        return seal(key, _BODY, self.encode(), aad=header, sizes=BODY_SIZES, entropy=entropy)

    @classmethod
    def unseal(cls, key: Secret, header: bytes, body: bytes) -> Body:
        """What a value's body holds. Raises `NotOpened`: then it is garbage to every member alike."""
        content = unseal(key, _BODY, body, aad=header, most=MAX_BODY)
        try:
            return cls.from_bytes(content)
        except DecodeError:
            raise NotOpened from None
