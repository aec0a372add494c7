"""One entry on its way to all relays, and what is asked before it may leave.

A `Tip` asks the relays whether the epoch is still open: q must say so, and one that shows the decision is
enough to say no. It is made when sending begins, so its answers are younger than what the sender was shown
before: who has seen that somebody is removed never sends to them again. Then the entry is encrypted in this
epoch, saved, and a `Posting` brings it to all relays until each has answered. q receipts mean *stored*.

The last receipt of each relay is kept (`Vouchers`): shown back when a connection is authorised, it tells a
relay that its disk fell back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from heliogram.codec import Reader, vector
from heliogram.node.misbehaviour import Fault, Misbehaviour
from heliogram.node.pace import Pace
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.limits import KEY_SIZE, MAX_EVIDENCE
from heliogram.wire.objects import Certificate, Seat
from heliogram.wire.receipts import Evidence, Receipt, entry_hash
from heliogram.wire.signing import Label, Object

#: Failures after which the same relay may well say yes.
PASSING = frozenset(
    {
        ErrorCode.OVER_BUDGET,
        ErrorCode.RATE_LIMITED,
        ErrorCode.UNAVAILABLE,
        ErrorCode.DISK_FULL,
        ErrorCode.INTERNAL,
        ErrorCode.TOO_MANY_PENDING,
        ErrorCode.GOING_AWAY,
    }
)


@dataclass(slots=True)
class _Asked:
    """How far one relay is."""

    pace: Pace = field(default_factory=Pace)
    done: bool = False
    #: Why it does not take part, until the caller has dealt with it.
    trouble: int | None = None

    def waits(self) -> bool:
        return not self.done and self.trouble is None


class _Round:
    """One question to all relays of a seat, each asked until it has answered."""

    def __init__(self, seat: Seat, instances: Sequence[bytes], *, channel: int = 0) -> None:
        self.seat = seat
        #: The proof that the epoch is closed, shown by some relay.
        self.closed: Certificate | None = None
        #: What relays did that none may do.
        self.misbehaviour: list[Misbehaviour] = []
        self._instances = tuple(instances)
        self._channel = channel
        self._relays = [_Asked() for _ in instances]

    @property
    def troubles(self) -> dict[int, int]:
        """Relays that do not take part, with the code of their failure: deal with it, then `cleared`."""
        found = enumerate(self._relays)
        return {index: one.trouble for index, one in found if one.trouble is not None}

    def cleared(self, relay: int) -> None:
        """The trouble at this relay is over: it is asked again."""
        self._relays[relay].trouble = None
        self._relays[relay].pace.anew()

    def deadline(self) -> float | None:
        """When `requests` will have something new at the latest."""
        if self.closed is not None:
            return None
        return min((one.pace.again for one in self._relays if one.waits()), default=None)

    def lost(self, relay: int, now: float) -> None:
        """The connection to a relay ended: whether it did what was asked is unknown."""
        self._relays[relay].pace.failed(now)

    def _due(self, now: float) -> list[int]:
        if self.closed is not None:
            return []
        due = [index for index, one in enumerate(self._relays) if one.waits() and one.pace.due(now)]
        for index in due:
            self._relays[index].pace.asked(now)
        return due

    def _failed(self, relay: int, failure: frames.Failure, now: float) -> None:
        one = self._relays[relay]
        if failure.code in PASSING:
            one.pace.failed(now)
        else:
            one.trouble = failure.code

    def _shown(self, relay: int, certificate: bytes) -> bool:
        """Whether a relay has shown that the epoch is closed."""
        try:
            shown = Certificate.from_bytes(certificate)
        except RemoteError:
            shown = None
        if shown is None or not shown.counts(self.seat, Label.VOTE2):
            self._name(relay, Fault.FORGERY)
            return False
        if self.closed is None:
            self.closed = shown
        return True

    def _name(self, relay: int, fault: Fault) -> None:
        one = Misbehaviour(self.seat.configuration.relays[relay].key, fault)
        if one not in self.misbehaviour:
            self.misbehaviour.append(one)


class Tip(_Round):
    """Whether an epoch is open. Answers count only if they were asked for by this very object."""

    @property
    def open(self) -> bool:
        """Whether q relays say so, and none has shown the decision."""
        answers = sum(one.done for one in self._relays)
        return self.closed is None and answers >= self.seat.configuration.q

    def requests(self, now: float) -> list[tuple[int, frames.Peek]]:
        """What is to be sent now: relay, frame."""
        return [(index, frames.Peek(0, self._channel)) for index in self._due(now)]

    def receive(self, relay: int, request: frames.Peek, answer: frames.Answer, now: float) -> None:
        """Take a relay's answer."""
        one = self._relays[relay]
        match answer:
            case frames.Failure():
                self._failed(relay, answer, now)
            case frames.Peeked() if answer.fence:
                # It fell back, so it may have forgotten the decision.
                one.trouble = ErrorCode.FENCED
            case frames.Peeked() if answer.certificate:
                if not self._shown(relay, answer.certificate):
                    one.pace.failed(now)
            case frames.Peeked() if answer.epoch > self.seat.epoch:
                # Closed, it says, and shows no proof. That is neither.
                one.pace.failed(now)
            case frames.Peeked():
                one.done = True
            case _:
                self._name(relay, Fault.FORGERY)
                one.pace.failed(now)


class Posting(_Round):
    """One entry for all relays of a seat."""

    def __init__(
        self,
        seat: Seat,
        instances: Sequence[bytes],
        entry: bytes,
        *,
        channel: int = 0,
        lane: frames.Lane = frames.Lane.POSTS,
    ) -> None:
        """`entry` is padded ciphertext of the seat's epoch; what encrypted it is saved already."""
        super().__init__(seat, instances, channel=channel)
        self.entry = entry
        self.name = entry_hash(entry)
        #: Good receipts, by relay.
        self.receipts: dict[int, Receipt] = {}
        self._lane = lane

    @property
    def stored(self) -> bool:
        """Whether q relays have signed for it. `closed` says nothing against it."""
        return len(self.receipts) >= self.seat.configuration.q

    @property
    def complete(self) -> bool:
        """Whether all have."""
        return len(self.receipts) == self.seat.configuration.n

    def evidence(self, relay: int) -> Evidence | None:
        """What this relay signed for, to be shown back to it."""
        receipt = self.receipts.get(relay)
        return None if receipt is None else Evidence(self.seat.epoch, self.name, receipt)

    def requests(self, now: float) -> list[tuple[int, frames.Post]]:
        """What is to be sent now: relay, frame."""
        return [
            (index, frames.Post(0, self._channel, self.entry, self._lane))
            for index in self._due(now)
        ]

    def receive(self, relay: int, request: frames.Post, answer: frames.Answer, now: float) -> None:
        """Take a relay's answer."""
        one = self._relays[relay]
        match answer:
            case frames.Failure():
                self._failed(relay, answer, now)
            case frames.Decided():
                if not self._shown(relay, answer.certificate):
                    one.pace.failed(now)
            case frames.Stored():
                receipt = self._receipt(relay, answer.receipt)
                if receipt is None:
                    self._name(relay, Fault.FORGERY)
                    one.pace.failed(now)
                else:
                    self.receipts[relay], one.done = receipt, True
            case _:
                self._name(relay, Fault.FORGERY)
                one.pace.failed(now)

    def _receipt(self, relay: int, data: bytes) -> Receipt | None:
        try:
            receipt = Receipt.from_bytes(data)
        except RemoteError:
            return None
        key, instance = self.seat.configuration.relays[relay].key, self._instances[relay]
        return receipt if receipt.proves(key, instance, self.seat.epoch, self.name) else None


@dataclass(frozen=True, slots=True)
class Vouchers(Object):
    """The last place that each relay of one log has signed for.

    struct {
        struct { opaque relay[32]; Evidence evidence; } vouchers<V>;    // by ascending relay
    } Vouchers;
    """

    last: tuple[tuple[bytes, Evidence], ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """The bytes of these `Vouchers`."""
        return vector(relay + evidence.encode() for relay, evidence in self.last)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Vouchers`. Raises `codec.DecodeError` or `RemoteError`."""

        def one(reader: Reader) -> tuple[bytes, Evidence]:
            return reader.fixed(KEY_SIZE), Evidence.decode(reader)

        return cls(reader.vector(one, 256 * (KEY_SIZE + MAX_EVIDENCE)))

    def of(self, relay: bytes) -> Evidence | None:
        """What to show to the relay with this key."""
        return dict(self.last).get(relay)

    def noted(self, relay: bytes, evidence: Evidence) -> Vouchers:
        """These, with `evidence` if it is of a later place than what is known of this relay."""
        known = self.of(relay)
        if known is not None and known.receipt.index >= evidence.receipt.index:
            return self
        return Vouchers(tuple(sorted({**dict(self.last), relay: evidence}.items(), key=_by_relay)))


def _by_relay(one: tuple[bytes, Evidence]) -> bytes:
    return one[0]
