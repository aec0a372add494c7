"""What relays do that no correct relay does, and the signed proof of it where there is one.

A relay contradicts itself by two signatures of its own. Who has both can show them to anybody: `TwoVotes`
and `HiddenLock` prove themselves. A relay whose disk fell back does the same without meaning it, so what is
proven is that it cannot be relied on, not that it lies. What is only seen on one connection, like a forged
certificate, is named and has no proof.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self, TypeAlias

from heliogram.codec import DecodeError, Reader, optional, u8, u32
from heliogram.wire.limits import HASH_SIZE, SIGNATURE_SIZE
from heliogram.wire.objects import Certificate, Seat, promise_content, vote_content
from heliogram.wire.receipts import Evidence
from heliogram.wire.signing import Label, Object, verify

#: Rounds of one slot whose votes are compared. Older ones are forgotten.
MAX_ROUNDS = 256

_VOTES = {Label.VOTE1: 1, Label.VOTE2: 2}


class Fault(Enum):
    """What a relay did."""

    TWO_VOTES = "it signed two values in one round"
    HIDDEN_LOCK = "it promised without the lock that it had"
    FORGERY = (
        "it showed a signature or certificate that does not count, or an answer to another question"
    )
    WRONG_VALUE = "it showed a value that is not the one that was certified"
    WRONG_ENTRY = "it gave other bytes than those that it had named"
    LOST_ENTRY = "it signed for an entry and does not have it"
    FORKED = "it signed two values of which both were decided"


@dataclass(frozen=True, slots=True)
class TwoVotes(Object):
    """Two votes of one relay in one round of one slot, for different values.

    struct {
        Seat seat;
        uint8 relay;
        uint8 vote;                     // 1 or 2
        uint32 round;
        opaque h[32]; opaque signature[64];
        opaque other_h[32]; opaque other_signature[64];
    } TwoVotes;
    """

    seat: Seat
    relay: int
    label: Label
    round: int
    h: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    other_h: bytes = field(repr=False)
    other_signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of these `TwoVotes`."""
        votes = self.h + self.signature + self.other_h + self.other_signature
        return (
            self.seat.encode() + u8(self.relay) + u8(_VOTES[self.label]) + u32(self.round) + votes
        )

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `TwoVotes`. Raises `codec.DecodeError` or `RemoteError`."""
        seat, relay, vote, round = Seat.decode(reader), reader.u8(), reader.u8(), reader.u32()
        label = next((label for label, number in _VOTES.items() if number == vote), None)
        if label is None:
            raise DecodeError("two votes", "neither first nor second votes")
        h, signature = reader.fixed(HASH_SIZE), reader.fixed(SIGNATURE_SIZE)
        other = reader.fixed(HASH_SIZE), reader.fixed(SIGNATURE_SIZE)
        return cls(seat, relay, label, round, h, signature, *other)

    def proves(self) -> bool:
        """Whether the relay at this place of the seat contradicted itself."""
        relays = self.seat.configuration.relays
        if self.relay >= len(relays) or self.h == self.other_h:
            return False
        votes = ((self.h, self.signature), (self.other_h, self.other_signature))
        return all(
            verify(
                relays[self.relay].key,
                self.label,
                vote_content(self.seat.id, self.round, h),
                signature,
            )
            for h, signature in votes
        )


@dataclass(frozen=True, slots=True)
class HiddenLock(Object):
    """A second vote, which makes a lock, and a promise for a later round that shows an earlier one or none.

    struct {
        Seat seat;
        uint8 relay;
        uint32 locked; opaque h[32]; opaque vote[64];           // the second vote
        uint32 promised;
        optional<struct { uint32 round; opaque h[32]; }> shown;
        opaque promise[64];
    } HiddenLock;

    After a promise no relay votes in an earlier round, so the vote came first.
    """

    seat: Seat
    relay: int
    locked: int
    h: bytes = field(repr=False)
    vote: bytes = field(repr=False)
    promised: int
    shown: tuple[int, bytes] | None = field(repr=False)
    promise: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `HiddenLock`."""
        shown = None if self.shown is None else u32(self.shown[0]) + self.shown[1]
        vote = u32(self.locked) + self.h + self.vote
        return (
            self.seat.encode() + u8(self.relay) + vote
            + u32(self.promised) + optional(shown) + self.promise
        )  # fmt: skip

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `HiddenLock`. Raises `codec.DecodeError` or `RemoteError`."""
        seat, relay, locked = Seat.decode(reader), reader.u8(), reader.u32()
        h, vote = reader.fixed(HASH_SIZE), reader.fixed(SIGNATURE_SIZE)
        promised = reader.u32()
        shown = (reader.u32(), reader.fixed(HASH_SIZE)) if reader.optional() else None
        return cls(seat, relay, locked, h, vote, promised, shown, reader.fixed(SIGNATURE_SIZE))

    def proves(self) -> bool:
        """Whether the relay at this place of the seat contradicted itself."""
        relays = self.seat.configuration.relays
        if self.relay >= len(relays) or self.promised <= self.locked:
            return False
        if self.shown is not None and self.shown[0] >= self.locked:
            return False
        key, seat = relays[self.relay].key, self.seat.id
        vote = vote_content(seat, self.locked, self.h)
        promise = promise_content(seat, self.promised, self.shown)
        return verify(key, Label.VOTE2, vote, self.vote) and verify(
            key, Label.PROMISE, promise, self.promise
        )


Proof: TypeAlias = TwoVotes | HiddenLock | Evidence


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What one relay did. Without `proof` only who was there knows it."""

    relay: bytes = field(repr=False)
    fault: Fault
    proof: Proof | None = None


class Ballots:
    """What relays have signed in one slot, as far as it is known here: contradictions are noticed.

    Only what counts is handed in: nobody is accused by a signature that is not theirs.
    """

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._votes: dict[tuple[Label, int], dict[int, tuple[bytes, bytes]]] = {}
        self._promises: dict[int, dict[int, tuple[tuple[int, bytes] | None, bytes]]] = {}
        #: What was found, each once.
        self.found: list[Misbehaviour] = []

    def vote(self, relay: int, label: Label, round: int, h: bytes, signature: bytes) -> None:
        """Take down a good vote."""
        votes = self._votes.setdefault((label, round), {})
        known = votes.setdefault(relay, (h, signature))
        if known[0] != h:
            proof = TwoVotes(self._seat, relay, label, round, *known, h, signature)
            self._accuse(relay, Fault.TWO_VOTES, proof)
        _forget(self._votes)
        if label is Label.VOTE2:
            for promised, promises in self._promises.items():
                if relay in promises:
                    self._compare(relay, round, (h, signature), promised, promises[relay])

    def promise(
        self, relay: int, round: int, shown: tuple[int, bytes] | None, signature: bytes
    ) -> None:
        """Take down a good promise; `shown` is round and hash of the lock that it shows."""
        self._promises.setdefault(round, {})[relay] = (shown, signature)
        _forget(self._promises)
        for (label, locked), votes in self._votes.items():
            if label is Label.VOTE2 and relay in votes:
                self._compare(relay, locked, votes[relay], round, (shown, signature))

    def certificate(self, certificate: Certificate, label: Label) -> None:
        """Take down the votes of a certificate that counts."""
        for one in certificate.signatures:
            self.vote(one.relay, label, certificate.round, certificate.h, one.signature)

    def name(self, relay: int, fault: Fault) -> None:
        """Take down what only we have seen."""
        self._accuse(relay, fault, None)

    def _compare(
        self,
        relay: int,
        locked: int,
        vote: tuple[bytes, bytes],
        promised: int,
        promise: tuple[tuple[int, bytes] | None, bytes],
    ) -> None:
        shown = promise[0]
        if locked < promised and (shown is None or shown[0] < locked):
            proof = HiddenLock(self._seat, relay, locked, *vote, promised, *promise)
            self._accuse(relay, Fault.HIDDEN_LOCK, proof)

    def _accuse(self, relay: int, fault: Fault, proof: Proof | None) -> None:
        key = self._seat.configuration.relays[relay].key
        if not any((one.relay, one.fault) == (key, fault) for one in self.found):
            self.found.append(Misbehaviour(key, fault, proof))


def _forget(rounds: dict[Any, Any]) -> None:
    while len(rounds) > MAX_ROUNDS:
        del rounds[next(iter(rounds))]
