"""What is signed or hashed between nodes and relays, in TLS presentation language.

Each structure has one encoding, so what was received may be encoded again and is the same bytes. Each
signature and hash has its own label (`signing.Label`). A relay understands all of this except a value's
body, which is ciphertext. What it signs for stored entries is in `receipts`.

The certified slot in one paragraph: for every epoch of a log, relays vote once per round on the hash of
a `Value`. Each vote names the `Seat`: who decides this epoch, and under which keys. A quorum of first
votes is a lock certificate, a quorum of second votes under one lock is the decision certificate: both are
a `Certificate`, told apart by their label. A relay that moves to a later round signs a promise, which shows
its lock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Self

from heliogram.codec import Reader, opaque, optional, u8, u16, u32, u64, vector
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.limits import (
    HASH_SIZE,
    KEY_SIZE,
    MAX_BLOB,
    MAX_BLOB_DAYS,
    MAX_BODY,
    MAX_CERTIFICATE,
    MAX_CHANNELS,
    MAX_CONFIGURATION,
    MAX_DIFFICULTY,
    MAX_ENDPOINT,
    MAX_ENDPOINTS,
    MAX_ENTRY,
    MAX_FIRST_EPOCH,
    MAX_FRAME,
    MAX_HEADER,
    MAX_JUSTIFICATION,
    MAX_PENDING,
    MAX_RELAYS,
    MAX_VERSIONS,
    MIN_ENTRY,
    MIN_FRAME,
    NONCE_SIZE,
    SIGNATURE_SIZE,
)
from heliogram.wire.signing import Label, Object, SigningKey, labelled_hash, verify
from heliogram.wire.work import Proof

#: The version of the configuration structure.
CONFIGURATION_VERSION = 1


def _malformed(what: str) -> RemoteError:
    return RemoteError(ErrorCode.MALFORMED, what)


def _key(reader: Reader) -> bytes:
    return reader.fixed(KEY_SIZE)


def _hash(reader: Reader) -> bytes:
    return reader.fixed(HASH_SIZE)


# --- Configurations -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RelayDescription(Object):
    """One relay of a configuration.

    struct {
        opaque key[32];                 // Ed25519, the relay's identity
        opaque operator_key[32];        // Ed25519, whoever runs it
        opaque endpoints<V>;            // of opaque endpoint<V>
    } RelayDescription;
    """

    key: bytes = field(repr=False)
    operator_key: bytes = field(repr=False)
    endpoints: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `RelayDescription`."""
        return self.key + self.operator_key + vector(map(opaque, self.endpoints))

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `RelayDescription`. Raises `RemoteError` for too many endpoints."""
        key, operator_key = _key(reader), _key(reader)
        item = partial(Reader.opaque, ceiling=MAX_ENDPOINT)
        endpoints = reader.vector(item, MAX_ENDPOINTS * (MAX_ENDPOINT + 2))
        if len(endpoints) > MAX_ENDPOINTS:
            raise _malformed("a relay with too many endpoints")
        return cls(key, operator_key, endpoints)


@dataclass(frozen=True, slots=True)
class Configuration(Object):
    """Which relays hold a log, and how many of them decide.

    struct {
        uint16 version = 1;
        opaque log[32];
        uint8 quorum;
        RelayDescription relays<V>;
    } Configuration;
    """

    log: bytes = field(repr=False)
    quorum: int
    relays: tuple[RelayDescription, ...]

    def encode(self) -> bytes:
        """The bytes of this `Configuration`."""
        relays = vector(relay.encode() for relay in self.relays)
        return u16(CONFIGURATION_VERSION) + self.log + u8(self.quorum) + relays

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Configuration`. Raises `RemoteError` if it could not decide anything safely."""
        if reader.u16() != CONFIGURATION_VERSION:
            raise _malformed("a configuration of another version")
        log, quorum = _hash(reader), reader.u8()
        relays = reader.vector(RelayDescription.decode, MAX_CONFIGURATION)
        if not 1 <= len(relays) <= MAX_RELAYS:
            raise _malformed("a configuration without relays, or with too many")
        # Two quorums share a relay: otherwise two values could be decided without anybody lying.
        if not len(relays) < 2 * quorum <= 2 * len(relays):
            raise _malformed("a quorum that is no majority of the relays")
        if len({relay.key for relay in relays}) != len(relays):
            raise _malformed("a relay that is there twice")
        return cls(log, quorum, relays)

    @property
    def n(self) -> int:
        """How many relays there are."""
        return len(self.relays)

    @property
    def q(self) -> int:
        """How many of them decide."""
        return self.quorum

    @property
    def b(self) -> int:
        """How many of them may lie without harm: 2q - n - 1."""
        return 2 * self.quorum - len(self.relays) - 1

    def index_of(self, key: bytes) -> int | None:
        """The position of the relay with this key."""
        for index, relay in enumerate(self.relays):
            if relay.key == key:
                return index
        return None


# Without slots: the bytes and the id are worked out once per object and kept beside the fields.
@dataclass(frozen=True)
class Seat(Object):
    """Who decides one epoch of a log, and under which keys its members speak there.

    struct {
        Configuration configuration;
        uint64 epoch;
        opaque keys<V>;                 // of opaque key[32], one per relay, in its order
    } Seat;

    All that relays sign about a slot names its seat. Whoever opens the same log with keys of their own
    gets another seat, so what is decided there counts for nobody else.
    """

    configuration: Configuration
    epoch: int
    keys: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Seat`."""
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        return self.configuration.encode() + u64(self.epoch) + vector(self.keys)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Seat`. Raises `RemoteError` unless there is one key per relay."""
        configuration, epoch = Configuration.decode(reader), reader.u64()
        return cls(configuration, epoch, _keys(reader, configuration))

    @cached_property
    def id(self) -> bytes:
        """The hash that names this seat in everything signed."""
        return labelled_hash(Label.SEAT, self.encode())

    def index_of(self, relay: bytes) -> int | None:
        """The position of the relay with the key `relay`; None without a place here."""
        return self.configuration.index_of(relay)

    def key_of(self, relay: bytes) -> bytes | None:
        """The members' key for the relay with the key `relay`; None without a place here."""
        index = self.index_of(relay)
        return None if index is None else self.keys[index]


@dataclass(frozen=True, slots=True)
class Open(Object):
    """What creates a log on a relay. The same for all relays of the seat but for the proof.

    struct {
        Seat seat;                      // the first of this instance
        Proof proof;                    // of work; its target is the instance id
    } Open;

    A new log begins with epoch 0 or 1, as its founder likes. A relay that a decided header brings in opens
    with the seat after the decision.
    """

    seat: Seat
    proof: Proof

    def encode(self) -> bytes:
        """The bytes of this `Open`."""
        return self.seat.encode() + self.proof.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Open`. Raises `RemoteError` if the first epoch leaves no room for later ones."""
        seat = Seat.decode(reader)
        if seat.epoch > MAX_FIRST_EPOCH:
            raise _malformed("a log that begins too late")
        return cls(seat, Proof.decode(reader))

    @property
    def instance(self) -> bytes:
        """The id under which every frame names this log: that of its first seat.

        Whoever opens the same log id with other keys or relays gets another instance, so nobody can squat
        on an id.
        """
        return self.seat.id


def _keys(reader: Reader, configuration: Configuration) -> tuple[bytes, ...]:
    keys = reader.vector(_key, MAX_RELAYS * KEY_SIZE)
    if len(keys) != configuration.n:
        raise _malformed("not one key per relay")
    return keys


# --- Values and votes -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Header(Object):
    """The part of a value that relays read: who decides next, and under which keys.

    struct {
        opaque next_configuration<V>;   // a whole Configuration
        opaque next_keys<V>;            // of opaque key[32], one per relay of it, in its order
    } Header;
    """

    next_configuration: Configuration
    next_keys: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Header`."""
        return opaque(self.next_configuration.encode()) + vector(self.next_keys)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Header`. Raises `RemoteError` if configuration and keys do not fit."""
        inner = reader.rest(MAX_CONFIGURATION)
        configuration = Configuration.decode(inner)
        inner.finish()
        return cls(configuration, _keys(reader, configuration))

    def seat(self, epoch: int) -> Seat:
        """The seat of `epoch`, if this header was decided in the epoch before."""
        return Seat(self.next_configuration, epoch, self.next_keys)


@dataclass(frozen=True, slots=True)
class Value(Object):
    """What a slot decides.

    struct {
        opaque header<V>;               // a whole Header
        opaque body<V>;                 // ciphertext: an MLS commit and the wrapped Welcome
    } Value;
    """

    header: bytes = field(repr=False)
    body: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Value`."""
        return opaque(self.header) + opaque(self.body)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Value`. Whether its header can be read, `Header.from_bytes` says."""
        return cls(reader.opaque(MAX_HEADER), reader.opaque(MAX_BODY))

    @property
    def hash(self) -> bytes:
        """h: what relays vote on."""
        return value_hash(self.header, hashlib.sha256(self.body).digest())


def value_hash(header: bytes, body_hash: bytes) -> bytes:
    """h, from the header and SHA-256 of the body: so a chain can be shown by headers alone."""
    return labelled_hash(Label.VALUE, header + body_hash)


def vote_content(seat: bytes, round: int, h: bytes) -> bytes:
    """What a vote signs, under `Label.VOTE1` or `Label.VOTE2`. `seat` is the seat's id.

    struct { opaque seat[32]; uint32 round; opaque h[32]; } Vote;

    Log, configuration, epoch and keys are inside of the seat's id.
    """
    return seat + u32(round) + h


@dataclass(frozen=True, slots=True)
class RelaySignature(Object):
    """A signature by a relay of a configuration.

    struct { uint8 relay; opaque signature[64]; } RelaySignature;
    """

    relay: int
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `RelaySignature`."""
        return u8(self.relay) + self.signature

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `RelaySignature`."""
        return cls(reader.u8(), reader.fixed(SIGNATURE_SIZE))


@dataclass(frozen=True, slots=True)
class Certificate(Object):
    """Proof that a quorum of relays voted alike in one round of one slot.

    struct {
        uint64 epoch;
        uint32 round;
        opaque h[32];
        RelaySignature signatures<V>;   // in ascending order of relays
    } Certificate;

    Over first votes it is a lock certificate, over second votes a decision certificate. It does not say
    which it is: the reader asks for one with `counts`. The epoch is for the reader; the votes sign a seat.
    """

    epoch: int
    round: int
    h: bytes = field(repr=False)
    signatures: tuple[RelaySignature, ...]

    def encode(self) -> bytes:
        """The bytes of this `Certificate`."""
        signatures = vector(one.encode() for one in self.signatures)
        return u64(self.epoch) + u32(self.round) + self.h + signatures

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Certificate`. Raises `RemoteError` unless relays ascend, so each is there once."""
        epoch, round, h = reader.u64(), reader.u32(), _hash(reader)
        signatures = reader.vector(RelaySignature.decode, MAX_CERTIFICATE)
        order = [one.relay for one in signatures]
        if len(order) > MAX_RELAYS or any(a >= b for a, b in pairwise(order)):
            raise _malformed("a certificate whose relays do not ascend")
        return cls(epoch, round, h, signatures)

    def counts(self, seat: Seat, label: Label) -> bool:
        """Whether q distinct relays of `seat` signed this vote (`VOTE1` or `VOTE2`) there.

        Every signature must be good: one bad one spoils it, so that a certificate means the same to all.
        """
        relays, quorum = seat.configuration.relays, seat.configuration.q
        if self.epoch != seat.epoch:
            return False
        if len({one.relay for one in self.signatures}) < max(len(self.signatures), quorum):
            return False
        if any(one.relay >= len(relays) for one in self.signatures):
            return False
        content = vote_content(seat.id, self.round, self.h)
        return all(
            verify(relays[one.relay].key, label, content, one.signature) for one in self.signatures
        )

    def has(self, relay: int) -> bool:
        """Whether there is a signature of the relay at this position. Whether it is good, is not asked."""
        return any(one.relay == relay for one in self.signatures)

    @property
    def hash(self) -> bytes:
        """The name of this certificate, for whoever refers to it."""
        return labelled_hash(Label.CERTIFICATE, self.encode())


def promise_content(seat: bytes, round: int, lock: tuple[int, bytes] | None) -> bytes:
    """What a promise signs, under `Label.PROMISE`. `seat` is the seat's id, `lock` is (round, h).

    struct {
        opaque seat[32]; uint32 round;
        optional<struct { uint32 round; opaque h[32]; }> lock;
    } Promise;
    """
    shown = None if lock is None else u32(lock[0]) + lock[1]
    return seat + u32(round) + optional(shown)


@dataclass(frozen=True, slots=True)
class SignedPromise(Object):
    """A relay's promise as shown to the others. A lock cannot be shown without its certificate.

    struct {
        uint8 relay;
        optional<Certificate> lock;
        opaque signature[64];
    } SignedPromise;
    """

    relay: int
    lock: Certificate | None
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `SignedPromise`."""
        lock = None if self.lock is None else self.lock.encode()
        return u8(self.relay) + optional(lock) + self.signature

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `SignedPromise`."""
        relay = reader.u8()
        lock = Certificate.decode(reader) if reader.optional() else None
        return cls(relay, lock, reader.fixed(SIGNATURE_SIZE))

    def counts(self, seat: Seat, round: int) -> bool:
        """Whether this relay of `seat` promised this round there, and its lock is a real one.

        A promise whose lock does not count does not count at all: leaving a lock out must not set its
        value free.
        """
        relays = seat.configuration.relays
        if self.relay >= len(relays):
            return False
        shown = None
        if self.lock is not None:
            if self.lock.round >= round or not self.lock.counts(seat, Label.VOTE1):
                return False
            shown = (self.lock.round, self.lock.h)
        content = promise_content(seat.id, round, shown)
        return verify(relays[self.relay].key, Label.PROMISE, content, self.signature)


@dataclass(frozen=True, slots=True)
class Justification(Object):
    """Why a LOCK in a later round is allowed: a quorum's promises for that round.

    struct { SignedPromise promises<V>; } Justification;    // in ascending order of relays
    """

    promises: tuple[SignedPromise, ...]

    def encode(self) -> bytes:
        """The bytes of this `Justification`."""
        return vector(promise.encode() for promise in self.promises)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Justification`. Raises `RemoteError` unless relays ascend."""
        promises = reader.vector(SignedPromise.decode, MAX_JUSTIFICATION)
        order = [promise.relay for promise in promises]
        if len(order) > MAX_RELAYS or any(a >= b for a, b in pairwise(order)):
            raise _malformed("a justification whose relays do not ascend")
        return cls(promises)


# --- Who speaks -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Greeting(Object):
    """A relay's introduction on one connection, signed under `Label.HELLO`.

    struct {
        uint16 version;                 // chosen
        uint16 versions<V>;             // as the client offered them
        opaque relay[32];
        opaque client_nonce[32];
        opaque relay_nonce[32];         // authorisations on this connection sign it
        uint64 time;                    // the relay's clock, for display and for windows of work
        uint8 difficulty_open;          // bits of work to open a log, an inbox, a cell
        uint8 difficulty_inbox;         // bits of work to post to an inbox or take from its pool
        uint32 max_frame;
        uint32 max_entry;
        uint16 max_pending;
        uint16 max_channels;
        uint64 max_blob;
        uint16 entry_days;              // how long entries are kept
        uint16 certificate_days;        // how long decided slots are kept
        uint16 blob_days;               // how long blobs may be kept
    } Greeting;
    """

    version: int
    versions: tuple[int, ...]
    relay: bytes = field(repr=False)
    client_nonce: bytes = field(repr=False)
    relay_nonce: bytes = field(repr=False)
    time: int
    limits: Limits

    def encode(self) -> bytes:
        """The bytes of this `Greeting`."""
        versions = vector(map(u16, self.versions))
        nonces = self.client_nonce + self.relay_nonce
        head = u16(self.version) + versions + self.relay + nonces + u64(self.time)
        return head + self.limits.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Greeting`."""
        return cls(
            reader.u16(),
            reader.vector(Reader.u16, 2 * MAX_VERSIONS),
            _key(reader),
            reader.fixed(NONCE_SIZE),
            reader.fixed(NONCE_SIZE),
            reader.u64(),
            Limits.decode(reader),
        )


@dataclass(frozen=True, slots=True)
class Limits(Object):
    """What one relay allows: the tail of a `Greeting`. Never above the constants of `limits`."""

    difficulty_open: int
    difficulty_inbox: int
    max_frame: int
    max_entry: int
    max_pending: int
    max_channels: int
    max_blob: int
    entry_days: int
    certificate_days: int
    blob_days: int

    def encode(self) -> bytes:
        """The bytes of these `Limits`."""
        return (
            u8(self.difficulty_open)
            + u8(self.difficulty_inbox)
            + u32(self.max_frame)
            + u32(self.max_entry)
            + u16(self.max_pending)
            + u16(self.max_channels)
            + u64(self.max_blob)
            + u16(self.entry_days)
            + u16(self.certificate_days)
            + u16(self.blob_days)
        )

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Limits`."""
        u8, u16, u32, u64 = reader.u8, reader.u16, reader.u32, reader.u64
        return cls(u8(), u8(), u32(), u32(), u16(), u16(), u64(), u16(), u16(), u16())

    def within_protocol(self) -> bool:
        """Whether no limit is above the protocol's, and none so low that nothing works."""
        return (
            max(self.difficulty_open, self.difficulty_inbox) <= MAX_DIFFICULTY
            and MIN_FRAME <= self.max_frame <= MAX_FRAME
            and MIN_ENTRY <= self.max_entry <= MAX_ENTRY
            and 1 <= self.max_pending <= MAX_PENDING
            and 1 <= self.max_channels <= MAX_CHANNELS
            and self.max_blob <= MAX_BLOB
            and self.blob_days <= MAX_BLOB_DAYS
        )


def authorise_content(relay: bytes, instance: bytes, epoch: int, nonce: bytes) -> bytes:
    """What a member signs with the epoch's key for this relay, under `Label.AUTHORISE`.

    struct { opaque relay[32]; opaque instance[32]; uint64 epoch; opaque nonce[32]; } Authorisation;
    """
    return relay + instance + u64(epoch) + nonce


def inbox_authorise_content(relay: bytes, inbox: bytes, nonce: bytes) -> bytes:
    """What the owner signs with the inbox's key, under `Label.INBOX_AUTHORISE`.

    struct { opaque relay[32]; opaque inbox[32]; opaque nonce[32]; } InboxAuthorisation;
    """
    return relay + inbox + nonce


@dataclass(frozen=True, slots=True)
class Status(Object):
    """Where a log stands on one relay, signed under `Label.STATUS` over all but the signature.

    struct {
        opaque relay[32];
        opaque seat[32];                // of the open slot
        opaque nonce[32];               // of the fence, or chosen by whoever asked
        uint64 next_index;
        opaque chain[32];
        uint64 epoch;                   // of the open slot
        opaque signature[64];
    } Status;
    """

    relay: bytes = field(repr=False)
    seat: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    next_index: int
    chain: bytes = field(repr=False)
    epoch: int
    signature: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Status`."""
        return self.content() + self.signature

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Status`."""
        relay, seat, nonce = _key(reader), _hash(reader), _hash(reader)
        next_index, chain, epoch = reader.u64(), _hash(reader), reader.u64()
        return cls(relay, seat, nonce, next_index, chain, epoch, reader.fixed(SIGNATURE_SIZE))

    def content(self) -> bytes:
        """What is signed."""
        place = u64(self.next_index) + self.chain + u64(self.epoch)
        return self.relay + self.seat + self.nonce + place

    def proves(self, relay: bytes) -> bool:
        """Whether `relay` signed this."""
        content = self.content()
        return self.relay == relay and verify(relay, Label.STATUS, content, self.signature)


# --- Inboxes, blobs, cells ------------------------------------------------------------------------


def inbox_id(owner: bytes) -> bytes:
    """The id of the inbox of the owner key `owner`: nobody else can open it."""
    return labelled_hash(Label.INBOX, owner)


def inbox_post_content(relay: bytes, inbox: bytes, link: bytes, item: bytes) -> bytes:
    """What a stranger signs with the link's key, under `Label.INBOX_POST`. `item` is what is posted.

    struct { opaque relay[32]; opaque inbox[32]; opaque link[32]; opaque item_hash[32]; } InboxPost;
    """
    return relay + inbox + link + hashlib.sha256(item).digest()


def package_take_content(relay: bytes, inbox: bytes, link: bytes, nonce: bytes) -> bytes:
    """What a stranger signs with the link's key, under `Label.PACKAGE_TAKE`.

    struct { opaque relay[32]; opaque inbox[32]; opaque link[32]; opaque nonce[32]; } PackageTake;

    `nonce` is the stranger's own: each taking is new work.
    """
    return relay + inbox + link + nonce


def work_target(content: bytes) -> bytes:
    """The target of work for a signed statement: SHA-256 of its content."""
    return hashlib.sha256(content).digest()


def cell_id(owner: bytes) -> bytes:
    """The id of the cell of the owner key `owner`: nobody else can write it."""
    return labelled_hash(Label.CELL_ID, owner)


def cell_content(cell: bytes, version: int, value: bytes) -> bytes:
    """What the owner signs with the cell's key, under `Label.CELL`. Readers check it too.

    struct { opaque cell[32]; uint64 version; opaque value_hash[32]; } Cell;

    It names no relay: the same cell may lie on several.
    """
    return cell + u64(version) + hashlib.sha256(value).digest()


def blob_id(blob: bytes) -> bytes:
    """The id of a blob: plain SHA-256 of its bytes."""
    return hashlib.sha256(blob).digest()


def blob_delete_hash(secret: bytes) -> bytes:
    """What a relay keeps of the secret that deletes a blob."""
    return labelled_hash(Label.BLOB_DELETE, secret)


def sign_status(status: Status, key: SigningKey) -> Status:
    """`status` with its signature by `key`."""
    return replace(status, signature=key.sign(Label.STATUS, status.content()))
