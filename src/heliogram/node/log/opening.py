"""A log opened on relays: all of them when it is founded, a new one when relays change."""

from __future__ import annotations

from collections.abc import Callable

from heliogram.node.asking import Ask, Work
from heliogram.node.log.ground import Ground, Single
from heliogram.node.log.happenings import Opened
from heliogram.node.pace import Pace
from heliogram.wire import frames
from heliogram.wire.objects import Open, RelayDescription, Seat
from heliogram.wire.work import Proof


def work_for(seat: Seat) -> Work:
    """The request that opens a log at `seat`. The work is done outside."""

    def finish(proof: bytes) -> frames.Request:
        return frames.Open(0, Open(seat, Proof.from_bytes(proof)).encode())

    return Work(seat.id, True, finish)


class Opening:
    """A log on its way to relays, each asked until it has it."""

    def __init__(self, ground: Ground, seat: Seat, there: set[bytes]) -> None:
        """`there` are keys of relays that have it already."""
        self.seat = seat
        self.there = there
        #: Those that were asked and have not opened it: no answer, or another one.
        self.failing: set[bytes] = set()
        #: When it began, and whether those who should decide on it could not be reached since then.
        self.since = ground.now
        self.alone = False
        self._ground = ground
        self._paces = {one.key: Pace() for one in seat.configuration.relays if one.key not in there}
        #: Set by `Log`: told of each relay that has it.
        self.then: Callable[[], None] = lambda: None

    @property
    def enough(self) -> bool:
        """Whether a quorum has it."""
        return len(self.there) >= self.seat.configuration.q

    @property
    def complete(self) -> bool:
        """Whether all have."""
        return len(self.there) == self.seat.configuration.n

    @property
    def stranded(self) -> bool:
        """Whether so many have not opened it that there is no quorum, unless they do yet."""
        after = self.seat.configuration
        return not self.enough and len(self.failing) > after.n - after.q

    def deadline(self) -> float | None:
        """When `asks` has something new at the latest."""
        return min((pace.again for pace in self._paces.values()), default=None)

    def anew(self) -> None:
        """We can be reached again: the others may be, too."""
        self.since, self.alone = self._ground.now, False
        for pace in self._paces.values():
            pace.anew()

    def asks(self) -> list[Ask]:
        """Whom to ask now."""
        found = []
        for relay in self.seat.configuration.relays:
            pace = self._paces.get(relay.key)
            if pace is not None and pace.due(self._ground.now):
                # Work takes its time: an answer is waited for until it is lost.
                pace.again, pace.tries = float("inf"), pace.tries + 1
                found.append(
                    self._ground.single(relay, work_for(self.seat), None, self._token(relay))
                )
        return found

    def _token(self, relay: RelayDescription) -> Single:
        def then(request: frames.Request, answer: frames.Answer) -> None:
            self._ground.heard(relay.key)
            if isinstance(answer, frames.Done):
                self.there.add(relay.key)
                self.failing.discard(relay.key)
                self._paces.pop(relay.key, None)
                self.then()
            else:
                failed()

        def lost() -> None:
            self._ground.missed(relay.key)
            failed()

        def failed() -> None:
            if relay.key in self._paces:
                self.failing.add(relay.key)
                self._paces[relay.key].failed(self._ground.now)

        return Single(then, lost)


class Founding:
    """A new log: opened on all its relays, and told as open once a quorum has it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.opening: Opening | None = None
        #: Whether a quorum has the log: before that nothing else is asked.
        self.open = True

    def begin(self) -> None:
        """The conversation was founded."""
        self._ground.notes.put_opening(())
        self.load()

    def load(self) -> None:
        """Go on, if it was begun."""
        there = self._ground.notes.opening()
        first = self._ground.places.get(0)
        if there is None or first is None:
            return
        self.opening = Opening(self._ground, first.seat, there)
        self.opening.then = self._noted
        self.open = self.opening.enough

    def _noted(self) -> None:
        opening = self.opening
        if opening is None:
            return
        self._ground.notes.put_opening(None if opening.complete else opening.there)
        if opening.enough and not self.open:
            self.open = True
            self._ground.tell(Opened())
        if opening.complete:
            self.opening = None
