"""Entries brought to relays that lack them: one that was down or fell back, one that is new.

A `Refilling` looks through the unions for what a relay lacks, fetches it from one that has it, and brings it
there: few at a time, by rank, so that one member does it. A `Copying` gives new relays what one that stays
has of the last epochs, before the change that brings them in is proposed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from heliogram.node.asking import Ask, LogScope
from heliogram.node.log.ground import Ground, Single
from heliogram.node.log.keeping import Place
from heliogram.node.log.reading import Reading
from heliogram.node.posting import PASSING
from heliogram.node.records import Phase
from heliogram.wire import frames
from heliogram.wire.objects import RelayDescription
from heliogram.wire.receipts import entry_hash

#: Seconds from the first sign that a relay lacks something; between members, by rank; at most.
AFTER, BETWEEN, LONGEST = 5.0, 4.0, 60.0

#: Seconds until relays are looked at again that could not be read.
LATER = 30.0

#: Entries on their way at once, and in one go. What is left comes in the next.
AT_ONCE, MAX_GO = 4, 256

#: Entries and bytes that a new relay is given, and seconds that this may take.
MAX_COPIED, MAX_COPIED_BYTES, COPY_PATIENCE = 4096, 32 << 20, 60.0

#: Entries of one page that is copied.
PAGE = 100


@dataclass(frozen=True, slots=True)
class Gap:
    """An entry that a relay lacks, and where it lies."""

    epoch: int
    name: bytes = field(repr=False)
    target: RelayDescription
    holder: int
    index: int


class Refilling:
    """What relays of the open epoch lack of the epochs that are read."""

    def __init__(self, ground: Ground, reading: Reading) -> None:
        self._ground = ground
        self._reading = reading
        self._gaps: deque[Gap] = deque()
        self._under_way = 0
        #: Bumped when the ground has moved: what comes back for an older turn changes nothing.
        self._turn = 0
        self._again: list[tuple[Gap, bytes]] = []
        #: When to look for gaps.
        self.due: float | None = None
        #: Relays that take nothing now.
        self._full: set[bytes] = set()

    def soon(self) -> None:
        """A relay may lack something."""
        if self.due is None and self._ground.conversation.phase is Phase.OPEN:
            rank = min(self._ground.conversation.rank * BETWEEN, LONGEST)
            self.due = self._ground.now + AFTER + rank + self._ground.chance() * BETWEEN

    def clear(self) -> None:
        """Another epoch, or none: look anew."""
        again = self.due is not None or bool(self._gaps or self._under_way)
        self._gaps.clear()
        self._again.clear()
        self._under_way, self.due = 0, None
        self._turn += 1
        if again:
            self.soon()

    def settle(self) -> None:
        """Look for gaps when it is time."""
        if self.due is None or self._ground.now < self.due:
            return
        self.due = None
        if self._ground.conversation.phase is not Phase.OPEN:
            return
        self._full.clear()
        whole = [self._look(epoch) for epoch in sorted(self._reading.epochs, reverse=True)]
        if len(self._gaps) >= MAX_GO:
            self.soon()
        elif not all(whole):
            self.due = self._ground.now + LATER

    def deadline(self) -> float | None:
        """When there is something to do at the latest."""
        return self.due

    def asks(self) -> list[Ask]:
        """What is to be asked now."""
        found: list[Ask] = []
        while self._again:
            gap, data = self._again.pop()
            ask = self._bring(gap, data)
            if ask is not None:
                found.append(ask)
        while self._gaps and self._under_way < AT_ONCE:
            ask = self._fetch(self._gaps.popleft())
            if ask is not None:
                self._under_way += 1
                found.append(ask)
        return found

    # --- Inside -----------------------------------------------------------------------------------

    def _look(self, epoch: int) -> bool:
        """Find what relays of the open epoch lack of this one. False if not all are read to their ends."""
        ground, reading = self._ground, self._reading.epochs[epoch]
        here, place, union = ground.place, reading.place, reading.union
        if union.missing:
            return False
        whole = True
        for at, target in enumerate(here.seat.configuration.relays):
            index = place.seat.index_of(target.key)
            if index is not None and place.instances[index] == here.instances[at]:
                lacking = union.lacking(index)
                whole = whole and union.read_up(index)
            else:
                lacking = self._unknown(reading.union.names(), at)
            for name in lacking:
                holders = union.holders(name)
                if not holders or len(self._gaps) >= MAX_GO:
                    break
                holder = min(holders, key=lambda one: self._sick(place, one))
                self._gaps.append(Gap(epoch, name, target, holder, holders[holder]))
        return whole

    def _unknown(self, names: Sequence[bytes], at: int) -> list[bytes]:
        """What a relay that came later lacks of an epoch before it: it was read as one of its first."""
        now = self._reading.epochs.get(self._ground.epoch)
        if now is None or not now.union.read_up(at):
            return []
        return [name for name in names if at not in now.union.holders(name)]

    def _sick(self, place: Place, index: int) -> bool:
        relay = place.seat.configuration.relays[index].key
        return relay in self._ground.troubled or self._ground.away(relay)

    def _fetch(self, gap: Gap) -> Ask | None:
        place = self._ground.places.get(gap.epoch)
        scope = None if place is None else self._ground.scope(place, gap.holder)
        if place is None or scope is None or gap.target.key in self._full:
            return None
        turn = self._turn

        def then(request: frames.Request, answer: frames.Answer) -> None:
            if turn != self._turn:
                return
            entries = answer.entries if isinstance(answer, frames.Entries) else ()
            data = next((one.data for one in entries if entry_hash(one.data) == gap.name), None)
            if data is None:
                self._under_way -= 1
            else:
                self._again.append((gap, data))

        relay = place.seat.configuration.relays[gap.holder]
        return self._ground.single(
            relay, frames.Read(0, 0, gap.index, 1), scope, Single(then, lambda: self._lost(turn))
        )

    def _bring(self, gap: Gap, data: bytes) -> Ask | None:
        place = self._ground.place
        index = place.seat.index_of(gap.target.key)
        scope = None if index is None else self._ground.scope(place, index)
        turn = self._turn
        if scope is None:
            self._under_way -= 1
            return None

        def then(request: frames.Request, answer: frames.Answer) -> None:
            if turn != self._turn:
                return
            self._under_way -= 1
            if isinstance(answer, frames.Failure) and answer.code in PASSING:
                self._full.add(gap.target.key)
                self.soon()

        frame = frames.Refill(0, 0, gap.epoch, data)
        return self._ground.single(gap.target, frame, scope, Single(then, lambda: self._lost(turn)))

    def _lost(self, turn: int) -> None:
        if turn == self._turn:
            self._under_way -= 1
            self.soon()


class Copying:
    """What one relay has of the last epochs, given to new ones under the keys that are to come."""

    def __init__(
        self,
        ground: Ground,
        source: int,
        places: Sequence[Place],
        targets: Sequence[tuple[RelayDescription, LogScope]],
    ) -> None:
        """`source` is a relay of the open place, `places` those of the epochs to copy, oldest first."""
        self._ground = ground
        self._relay = ground.place.seat.configuration.relays[source]
        self._places = deque(places)
        self._targets = tuple(targets)
        self._start = 0
        self._reads = False
        self._waiting: deque[tuple[int, bytes, int]] = deque()
        self._under_way = 0
        self._copied = self._bytes = 0
        self._until = ground.now + COPY_PATIENCE

    @property
    def done(self) -> bool:
        """Whether all was copied, or there is no more patience."""
        if self._ground.now >= self._until:
            return True
        return not (self._places or self._waiting or self._under_way or self._reads)

    def deadline(self) -> float:
        """When patience ends."""
        return self._until

    def asks(self) -> list[Ask]:
        """What is to be asked now."""
        found: list[Ask] = []
        if self._ground.now >= self._until:
            return found
        while not self._reads and not self._waiting and self._places:
            ask = self._read()
            if ask is not None:
                found.append(ask)
        while self._waiting and self._under_way < AT_ONCE:
            epoch, data, at = self._waiting.popleft()
            relay, scope = self._targets[at]
            frame = frames.Refill(0, 0, epoch, data)
            self._under_way += 1
            token = Single(lambda request, answer: self._brought(), self._brought)
            found.append(self._ground.single(relay, frame, scope, token))
        return found

    def _read(self) -> Ask | None:
        place = self._places[0]
        index = place.seat.index_of(self._relay.key)
        scope = None if index is None else self._ground.scope(place, index)
        full = self._copied >= MAX_COPIED or self._bytes >= MAX_COPIED_BYTES
        if scope is None or full:
            self._next()
            return None
        self._reads = True

        def then(request: frames.Request, answer: frames.Answer) -> None:
            self._reads = False
            if not isinstance(answer, frames.Entries):
                self._next()
                return
            for one in answer.entries:
                self._copied += 1
                self._bytes += len(one.data)
                for at in range(len(self._targets)):
                    self._waiting.append((place.seat.epoch, one.data, at))
            if answer.next >= answer.end or answer.next <= self._start:
                self._next()
            else:
                self._start = answer.next

        def lost() -> None:
            self._reads = False
            self._next()

        frame = frames.Read(0, 0, self._start, PAGE)
        return self._ground.single(self._relay, frame, scope, Single(then, lost))

    def _next(self) -> None:
        if self._places:
            self._places.popleft()
        self._start = 0

    def _brought(self) -> None:
        self._under_way -= 1
