"""The chain of decisions: from one seat to the next, each step proven by the relays of the step before.

A `Link` is header, body hash and certificate. That is enough to verify a step, so a chain can be shown by
headers alone, and anybody may serve it: a relay, another member, a file. What does not count at the seat that
is open here is refused, whoever signed it: certificates of older or foreign seats prove nothing.

Two certificates for one seat are a fork. Nothing merges forks: who has a proof of one stops there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from heliogram.codec import Reader, opaque
from heliogram.node.errors import NotInChain
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE, MAX_HEADER
from heliogram.wire.objects import Certificate, Configuration, Header, Seat, Value, value_hash
from heliogram.wire.signing import Label, Object

# --- Decisions ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link(Object):
    """A decision without the body of its value.

    struct {
        opaque header<V>;
        opaque body_hash[32];           // SHA-256
        Certificate certificate;        // over second votes
    } Link;
    """

    header: bytes = field(repr=False)
    body_hash: bytes = field(repr=False)
    certificate: Certificate

    def encode(self) -> bytes:
        """The bytes of this `Link`."""
        return opaque(self.header) + self.body_hash + self.certificate.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Link`. Raises `codec.DecodeError` or `RemoteError`."""
        header, body_hash = reader.opaque(MAX_HEADER), reader.fixed(HASH_SIZE)
        return cls(header, body_hash, Certificate.decode(reader))

    @property
    def epoch(self) -> int:
        """The epoch that this decision ended."""
        return self.certificate.epoch

    @property
    def h(self) -> bytes:
        """The hash of the whole value."""
        return value_hash(self.header, self.body_hash)

    def following(self, seat: Seat) -> Seat:
        """The seat after this decision of `seat`. Raises `NotInChain` unless it is one."""
        if self.h != self.certificate.h or not self.certificate.counts(seat, Label.VOTE2):
            raise NotInChain
        try:
            header = Header.from_bytes(self.header)
        except RemoteError:
            raise NotInChain from None
        if header.next_configuration.log != seat.configuration.log:
            raise NotInChain
        return header.seat(seat.epoch + 1)


@dataclass(frozen=True, slots=True)
class Decision(Object):
    """What ended an epoch, whole: the certificate and the value.

    struct { Certificate certificate; Value value; } Decision;
    """

    certificate: Certificate
    value: Value

    def encode(self) -> bytes:
        """The bytes of this `Decision`."""
        return self.certificate.encode() + self.value.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Decision`. Raises `codec.DecodeError` or `RemoteError`."""
        return cls(Certificate.decode(reader), Value.decode(reader))

    @property
    def epoch(self) -> int:
        """The epoch that it ended."""
        return self.certificate.epoch

    @property
    def link(self) -> Link:
        """The same without the body."""
        body = hashlib.sha256(self.value.body).digest()
        return Link(self.value.header, body, self.certificate)


# --- The chain ------------------------------------------------------------------------------------


class Chain:
    """Verified history from one seat on. `seat` is the open one."""

    def __init__(self, first: Seat, links: Iterable[Link] = ()) -> None:
        """`first` is trusted, each of `links` is verified. Raises `NotInChain`."""
        self.seats = [first]
        self.links: list[Link] = []
        for link in links:
            self.extend(link)

    @property
    def seat(self) -> Seat:
        """The seat whose slot is open, as far as this chain knows."""
        return self.seats[-1]

    @property
    def epoch(self) -> int:
        """The open epoch."""
        return self.seat.epoch

    def seat_of(self, epoch: int) -> Seat | None:
        """The seat of an epoch that this chain reaches."""
        at = epoch - self.seats[0].epoch
        return self.seats[at] if 0 <= at < len(self.seats) else None

    def link_of(self, epoch: int) -> Link | None:
        """The decision that ended an epoch, if this chain has it."""
        at = epoch - self.seats[0].epoch
        return self.links[at] if 0 <= at < len(self.links) else None

    def extend(self, link: Link) -> Seat:
        """Take the next decision; gives the seat that is open then.

        One that is here already is taken again without looking at its signatures. Raises `NotInChain`.
        """
        known = self.link_of(link.epoch)
        if known is not None and known.h == link.h == link.certificate.h:
            return self.seats[link.epoch + 1 - self.seats[0].epoch]
        if known is not None or link.epoch != self.epoch:
            raise NotInChain
        following = link.following(self.seat)
        self.links.append(link)
        self.seats.append(following)
        return following

    def catch_up(self, links: Iterable[Link]) -> int:
        """Take as many of `links`, in order, as follow; gives how many were new. Never raises for a bad one.

        Any source will do. What was good before the first bad one stays.
        """
        before = len(self.links)
        for link in links:
            try:
                self.extend(link)
            except NotInChain:
                break
        return len(self.links) - before

    def fork(self, certificate: Certificate) -> Fork | None:
        """The proof of a fork, if `certificate` counts where this chain has another decision."""
        seat, link = self.seat_of(certificate.epoch), self.link_of(certificate.epoch)
        if seat is None or link is None:
            return None
        return fork(seat, link.certificate, certificate)


# --- Forks ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fork(Object):
    """Two decision certificates for two values of one slot: more relays lied or fell back than may.

    struct { Seat seat; Certificate first; Certificate second; } Fork;
    """

    seat: Seat
    first: Certificate
    second: Certificate

    def encode(self) -> bytes:
        """The bytes of this `Fork`."""
        return self.seat.encode() + self.first.encode() + self.second.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Fork`. Raises `codec.DecodeError` or `RemoteError`."""
        return cls(Seat.decode(reader), Certificate.decode(reader), Certificate.decode(reader))

    def proves(self) -> bool:
        """Whether it is one."""
        both = (self.first, self.second)
        return self.first.h != self.second.h and all(
            one.counts(self.seat, Label.VOTE2) for one in both
        )

    @property
    def signers(self) -> tuple[bytes, ...]:
        """The keys of the relays that signed both certificates."""
        places = {one.relay for one in self.first.signatures}
        relays = self.seat.configuration.relays
        return tuple(relays[one.relay].key for one in self.second.signatures if one.relay in places)

    @property
    def liars(self) -> tuple[bytes, ...]:
        """The keys of those that surely did: all signers of both if it was in one round, else nobody.

        In different rounds a correct relay may be in both: it signed the later one because others had shown
        it a lock certificate that should not exist. Who those others are, their promises tell.
        """
        return self.signers if self.first.round == self.second.round else ()


def fork(seat: Seat, first: Certificate, second: Certificate) -> Fork | None:
    """The proof, if both count at `seat` and decide different values."""
    found = Fork(seat, first, second)
    return found if found.proves() else None


# --- Changes of relays ----------------------------------------------------------------------------


class Objection(Enum):
    """Why a change of relays is not to be taken without asking a person."""

    FOREIGN_LOG = "it is about another log"
    TOO_MANY_REPLACED = (
        "so many relays go at once that nobody may be left to guide those who come late"
    )
    SAME_OPERATOR = "two relays are of one operator"


def objections(
    before: Configuration, after: Configuration, *, emergency: bool = False
) -> Sequence[Objection]:
    """What speaks against going from one configuration to the next; nothing if it is the same.

    At most n - q relays may go in one epoch, so that a correct one stays. An `emergency`, when more are lost
    already, sets aside this rule and no other.
    """
    found: list[Objection] = []
    if before.log != after.log:
        found.append(Objection.FOREIGN_LOG)
    keys = {relay.key for relay in after.relays}
    gone = sum(1 for relay in before.relays if relay.key not in keys)
    if gone > before.n - before.q and not emergency:
        found.append(Objection.TOO_MANY_REPLACED)
    # Old sins are not held against a change that has nothing to do with them.
    if before.relays != after.relays:
        operators = {relay.operator_key for relay in after.relays}
        if len(operators) < len(after.relays):
            found.append(Objection.SAME_OPERATOR)
    return found
