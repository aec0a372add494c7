"""One relay brought level with the others: the decisions that it missed, then a fence lifted.

A relay that was down takes each missed decision in its order, from anybody. `Levelling` finds where it stands
and goes on from there. What entries it lacks, `sync.Union` knows.

A relay that fell back is fenced besides. `Unfencing` asks the others for what they state under the fence's
nonce: n - q + 1 of them, each with the very slot open that is open here. Bring them level first.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from heliogram.node.chain import Decision
from heliogram.node.misbehaviour import Fault, Misbehaviour
from heliogram.node.pace import Pace
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.objects import Seat, Status


class Level(Enum):
    """How a levelling stands."""

    WORKING = "decisions are on their way"
    LEVEL = "the relay has all decisions that we have"
    ABSENT = (
        "the relay does not know this instance, or stands before all that we have: open it there"
    )
    STUCK = "the relay takes neither this decision nor the one before"


class Levelling:
    """DECIDE at one relay with all that it lacks.

    Where it stands a stranger is not told, so a later decision is just refused: then earlier ones are tried,
    in growing steps, until one is taken, and from there on each.
    """

    def __init__(
        self,
        instance: bytes,
        first: int,
        last: int,
        decisions: Callable[[int], Decision | None],
    ) -> None:
        """`instance` is the log's name on this relay, and `first` the epoch that it was opened with.

        `decisions` gives that of an epoch from there up to `last`, if it is known.
        """
        self.state = Level.WORKING
        self._instance = instance
        self._first = first
        self._last = last
        self._decisions = decisions
        self._epoch = last
        self._step = 1
        self._taken = -1
        self._with_value = False
        self._pace = Pace()
        if last < first or decisions(last) is None:
            self.state = Level.LEVEL

    def deadline(self) -> float | None:
        """When `request` will have something new at the latest."""
        return self._pace.again if self.state is Level.WORKING else None

    def request(self, now: float) -> frames.Decide | None:
        """What is to be sent now."""
        decision = self._decisions(self._epoch)
        if self.state is not Level.WORKING or decision is None or not self._pace.due(now):
            return None
        self._pace.asked(now)
        value = decision.value.encode() if self._with_value else b""
        return frames.Decide(0, self._instance, decision.certificate.encode(), value)

    def lost(self, now: float) -> None:
        """The connection ended: the outcome is unknown, and it is asked again."""
        self._pace.failed(now)

    def receive(self, request: frames.Decide, answer: frames.Answer, now: float) -> None:
        """Take the answer to the last request; those to earlier ones change nothing."""
        decision = self._decisions(self._epoch)
        if (
            self.state is not Level.WORKING
            or decision is None
            or request.certificate != decision.certificate.encode()
        ):
            return
        match answer:
            case frames.Done() | frames.Decided():
                # Decided otherwise: a fork, which an election at this seat would show. It is past this slot.
                self._up()
            case frames.NeedValue() if not request.value:
                self._with_value = True
                self._pace.anew()
            case frames.Failure(code=ErrorCode.BEHIND) if answer.detail < self._epoch:
                self._to(answer.detail)
            case frames.Failure(code=ErrorCode.BAD_CERTIFICATE | ErrorCode.BEHIND):
                self._down()
            case frames.Failure(code=ErrorCode.GONE):
                self._up()
            case frames.Failure():
                self._pace.failed(now)
            case _:
                self.state = Level.STUCK

    def _up(self) -> None:
        self._taken = max(self._taken, self._epoch)
        if self._epoch == self._last:
            self.state = Level.LEVEL
        else:
            self._to(self._epoch + 1)

    def _down(self) -> None:
        if self._taken >= 0:
            self.state = Level.STUCK
            return
        lower = self._epoch
        for _ in range(self._step):
            if lower <= self._first or self._decisions(lower - 1) is None:
                break
            lower -= 1
        self._step *= 2
        if lower == self._epoch:
            self.state = Level.ABSENT
        else:
            self._to(lower)

    def _to(self, epoch: int) -> None:
        if self._decisions(epoch) is None:
            self.state = Level.ABSENT
            return
        self._epoch, self._with_value = epoch, False
        self._pace.anew()


class Lift(Enum):
    """How an unfencing stands."""

    WORKING = "others are being asked"
    LIFTED = "there is no fence any more"
    STALE = "the fence has another nonce or another slot by now: look at it again"


class Unfencing:
    """The fence of one relay of `seat`, which is the open seat there, lifted by what others state."""

    def __init__(self, seat: Seat, relay: int, nonce: bytes, *, channel: int = 0) -> None:
        self.state = Lift.WORKING
        #: Relays whose statement cannot be had, with the code of their failure; then `cleared`.
        self.troubles: dict[int, int] = {}
        #: Relays that stated something else or nothing that counts.
        self.misbehaviour: list[Misbehaviour] = []
        self._seat = seat
        self._relay = relay
        self._nonce = nonce
        self._channel = channel
        self._stated: dict[int, bytes] = {}
        self._paces = [Pace() for _ in seat.configuration.relays]

    @property
    def needed(self) -> int:
        """How many statements it takes: n - q + 1. With a single relay nobody can vouch."""
        configuration = self._seat.configuration
        return configuration.n - configuration.q + 1

    def cleared(self, relay: int) -> None:
        """The trouble at this relay is over: it is asked again."""
        self.troubles.pop(relay, None)
        self._paces[relay].anew()

    def deadline(self) -> float | None:
        """When `requests` will have something new at the latest."""
        return min((self._paces[index].again for index in self._asked()), default=None)

    def requests(self, now: float) -> list[tuple[int, frames.Status | frames.Unfence]]:
        """What is to be sent now: relay, frame."""
        found: list[tuple[int, frames.Status | frames.Unfence]] = []
        for index in self._asked():
            if not self._paces[index].due(now):
                continue
            self._paces[index].asked(now)
            if index == self._relay:
                stated = tuple(self._stated[one] for one in sorted(self._stated))
                found.append((index, frames.Unfence(0, self._channel, stated)))
            else:
                found.append((index, frames.Status(0, self._channel, self._nonce)))
        return found

    def lost(self, relay: int, now: float) -> None:
        """The connection to a relay ended: it is asked again."""
        self._paces[relay].failed(now)

    def receive(
        self,
        relay: int,
        request: frames.Status | frames.Unfence,
        answer: frames.Answer,
        now: float,
    ) -> None:
        """Take a relay's answer."""
        match request, answer:
            case frames.Status(), frames.StatusSigned():
                self._take(relay, answer.status)
            case frames.Unfence(), frames.Done() | frames.Failure(code=ErrorCode.NOT_FENCED):
                self.state = Lift.LIFTED
            case frames.Unfence(), frames.Failure(code=ErrorCode.BAD_STATUS):
                self.state = Lift.STALE
            case _, frames.Failure(code=code) if code in _STANDING:
                self.troubles[relay] = code
            case _:
                self._paces[relay].failed(now)

    def _asked(self) -> list[int]:
        """Whom there is something to ask."""
        if self.state is not Lift.WORKING:
            return []
        if len(self._stated) >= self.needed:
            return [] if self._relay in self.troubles else [self._relay]
        indices = range(self._seat.configuration.n)
        done = {self._relay, *self._stated, *self.troubles}
        return [index for index in indices if index not in done]

    def _take(self, relay: int, data: bytes) -> None:
        key = self._seat.configuration.relays[relay].key
        try:
            status = Status.from_bytes(data)
        except RemoteError:
            status = None
        if status is None or not status.proves(key) or status.nonce != self._nonce:
            self.misbehaviour.append(Misbehaviour(key, Fault.FORGERY))
            self.troubles[relay] = ErrorCode.BAD_STATUS
        elif status.seat != self._seat.id:
            # Another slot is open there. One statement that does not fit would spoil all.
            self.troubles[relay] = ErrorCode.BEHIND
        else:
            self._stated[relay] = data


_STANDING = frozenset(
    {ErrorCode.FENCED, ErrorCode.NOT_AUTHORISED, ErrorCode.BEHIND, ErrorCode.GONE}
)
