"""Relays that do not take part, put right: brought level, opened, their fence lifted, refilled.

One relay at a time has one `Mending`. When it is over, all cores ask the relay again; if that is in vain the
next attempt waits longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from heliogram.node.asking import Address, Ask
from heliogram.node.log.ground import Ground, Single, Track
from heliogram.node.log.keeping import Place
from heliogram.node.log.opening import work_for
from heliogram.node.repair import Level, Levelling, Lift, Unfencing
from heliogram.wire import frames
from heliogram.wire.objects import RelayDescription

#: Seconds until a relay is mended again, at first and at most.
PATIENCE, LONGEST = 3.0, 60.0

#: Troubles that something can be done about. Others are left alone for a while.
MENDABLE = frozenset({"behind", "fenced"})

#: Relays that are mended at once.
MAX_MENDINGS = 32


class Stage(Enum):
    """What a mending is doing."""

    REST = 0
    LEVEL = 1
    OPEN = 2
    LOOK = 3
    LIFT = 4


@dataclass(eq=False, slots=True)
class Mending:
    """One relay's."""

    relay: RelayDescription
    why: str = ""
    stage: Stage = Stage.REST
    levelling: Levelling | None = None
    unfencing: Track | None = None
    asked: bool = False
    opened: bool = False
    again: float = 0.0
    tries: int = 0


class Menders:
    """The mendings of all relays."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._mendings: dict[bytes, Mending] = {}
        #: Relays that had fallen back and are without a fence now; those that may lack entries.
        self.lifted: list[bytes] = []
        self.mended: list[bytes] = []

    def clear(self) -> None:
        """We are out, or somewhere else."""
        for one in self._mendings.values():
            self._ground.end(one.unfencing)
        self._mendings.clear()
        self._ground.troubled.clear()

    def entered(self) -> None:
        """Another epoch is open: whoever is behind now has not been asked before."""
        for one in self._mendings.values():
            one.tries, one.again = 0, min(one.again, self._ground.now)

    # --- What follows -----------------------------------------------------------------------------

    def settle(self, busy: set[bytes]) -> None:
        """Begin, go on, end. `busy` are relays where the log is being opened by others."""
        ground = self._ground
        for relay in ground.well:
            if relay in self._mendings:
                self._mendings[relay].tries = 0
        ground.well.clear()
        for relay, why in list(ground.troubled.items()):
            if relay in busy:
                continue
            one = self._mendings.get(relay)
            if one is None and len(self._mendings) < MAX_MENDINGS:
                place = ground.place_with(relay)
                index = None if place is None else place.seat.index_of(relay)
                if place is None or index is None:
                    ground.troubled.pop(relay)
                    continue
                one = Mending(place.seat.configuration.relays[index])
                self._mendings[relay] = one
            if one is not None and one.stage is Stage.REST and ground.now >= one.again:
                self._begin(one, why)
        for one in list(self._mendings.values()):
            self._go_on(one)

    def asks(self) -> list[Ask]:
        """What is to be asked now."""
        found: list[Ask] = []
        for one in self._mendings.values():
            if one.stage is Stage.LEVEL and one.levelling is not None:
                frame = one.levelling.request(self._ground.now)
                if frame is not None:
                    found.append(self._ask(one, frame, None, self._levelled))
            elif one.stage is Stage.OPEN and not one.asked:
                one.asked = True
                place = self._first(one)
                if place is not None:
                    found.append(self._ask(one, work_for(place.seat), None, self._opened))
            elif one.stage is Stage.LOOK and not one.asked:
                one.asked = True
                index = self._ground.place.seat.index_of(one.relay.key)
                scope = None if index is None else self._ground.scope(self._ground.place, index)
                if scope is None:
                    self._end(one)
                else:
                    found.append(self._ask(one, frames.Peek(0, 0), scope, self._looked))
        return found

    def deadline(self) -> float | None:
        """When something is due at the latest."""
        times = []
        for relay, one in self._mendings.items():
            if one.stage is Stage.REST:
                if relay in self._ground.troubled:
                    times.append(one.again)
            elif one.stage is Stage.LEVEL and one.levelling is not None:
                due = one.levelling.deadline()
                if due is not None:
                    times.append(due)
        return min(times, default=None)

    def fell_back(self, relay: bytes, *, fenced: bool) -> None:
        """A relay fell back: what it signed for before proves nothing more. Without a fence it takes part."""
        self._ground.unvouch(relay)
        if not fenced:
            self.lifted.append(relay)

    # --- Stages -----------------------------------------------------------------------------------

    def _begin(self, one: Mending, why: str) -> None:
        one.why, one.opened = why, False
        patience = PATIENCE * (1.0 if why in MENDABLE else 20.0)
        one.again = self._ground.now + min(LONGEST, patience * 2.0 ** min(one.tries, 8))
        one.tries += 1
        if why in MENDABLE:
            self._level(one)
        elif one.tries > 1:
            # Nothing helps but time, and some has gone by.
            self._end(one)

    def _level(self, one: Mending) -> None:
        ground = self._ground
        place = ground.place_with(one.relay.key)
        index = None if place is None else place.seat.index_of(one.relay.key)
        if place is None or index is None:
            self._end(one)
            return
        first = self._first(one)
        last = min(place.seat.epoch, ground.epoch - 1)
        lowest = 0 if first is None else first.seat.epoch
        one.levelling = Levelling(
            place.instances[index], lowest, last, ground.notes.keeping.decision
        )
        one.stage = Stage.LEVEL

    def _first(self, one: Mending) -> Place | None:
        """Where the log was opened at this relay, if we know that seat."""
        place = self._ground.place_with(one.relay.key)
        index = None if place is None else place.seat.index_of(one.relay.key)
        if place is None or index is None:
            return None
        instance = place.instances[index]
        found = (at for at in self._ground.places.values() if at.seat.id == instance)
        return next(found, None)

    def _go_on(self, one: Mending) -> None:
        ground = self._ground
        if one.stage is Stage.LEVEL and one.levelling is not None:
            state = one.levelling.state
            if state is Level.WORKING:
                return
            first = self._first(one)
            untold = first is not None and first.seat.epoch == ground.epoch
            missing = state is Level.ABSENT or (state is Level.LEVEL and untold)
            if missing and first is not None and not one.opened and one.why != "fenced":
                one.stage, one.asked = Stage.OPEN, False
            elif one.why == "fenced" and state is Level.LEVEL:
                self._lift(one)
            else:
                self._end(one)
        elif one.stage is Stage.LIFT and one.unfencing is not None:
            core: Any = one.unfencing.core
            if one.unfencing.place.seat.epoch != ground.epoch or core.state is Lift.STALE:
                ground.fences.pop(one.relay.key, None)
                self._end(one)
            elif core.state is Lift.LIFTED:
                ground.fences.pop(one.relay.key, None)
                self.fell_back(one.relay.key, fenced=False)
                self._end(one)

    def _lift(self, one: Mending) -> None:
        ground = self._ground
        index = ground.place.seat.index_of(one.relay.key)
        nonce = ground.fences.get(one.relay.key)
        if index is None:
            self._end(one)
        elif nonce is None:
            one.stage, one.asked = Stage.LOOK, False
        else:
            core = Unfencing(ground.place.seat, index, nonce)
            one.unfencing = ground.begin(core, ground.place)
            one.stage = Stage.LIFT

    def _end(self, one: Mending) -> None:
        """Whatever could be done was done: all ask it again."""
        self._ground.end(one.unfencing)
        one.stage, one.levelling, one.unfencing = Stage.REST, None, None
        self._ground.cleared(one.relay.key)
        self.mended.append(one.relay.key)

    # --- Answers ----------------------------------------------------------------------------------

    def _ask(self, one: Mending, request: Any, scope: Any, then: Any) -> Ask:
        def answered(request: frames.Request, answer: frames.Answer) -> None:
            self._ground.heard(one.relay.key)
            then(one, request, answer)

        def lost() -> None:
            self._ground.missed(one.relay.key)
            if one.levelling is not None:
                one.levelling.lost(self._ground.now)
            elif one.stage in (Stage.OPEN, Stage.LOOK):
                self._end(one)

        token = Single(answered, lost)
        return Ask(self._ground.source, Address.of(one.relay), request, scope, token)

    def _levelled(self, one: Mending, request: Any, answer: frames.Answer) -> None:
        if one.levelling is not None:
            one.levelling.receive(request, answer, self._ground.now)

    def _opened(self, one: Mending, request: Any, answer: frames.Answer) -> None:
        if one.stage is not Stage.OPEN:
            return
        first = self._first(one)
        if isinstance(answer, frames.Done) and first is not None:
            one.opened = True
            if first.seat.epoch < self._ground.epoch:
                self._level(one)
                return
        self._end(one)

    def _looked(self, one: Mending, request: Any, answer: frames.Answer) -> None:
        if one.stage is not Stage.LOOK:
            return
        if isinstance(answer, frames.Peeked) and answer.fence:
            self._ground.fences[one.relay.key] = answer.fence
            self._lift(one)
            return
        if isinstance(answer, frames.Peeked) and one.why == "fenced":
            # Somebody else was faster.
            self.fell_back(one.relay.key, fenced=False)
        self._end(one)
