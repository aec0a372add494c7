"""What the parts of a log stand on: the conversation, the store, the relays' places, cores under way.

A `Track` is a core under way at the relays of one place. Its requests become asks; what comes back goes to
the core, and what the core then says of relays (troubles, faults) is noted here for all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from heliogram import mls
from heliogram.node.asking import Address, Ask, LogScope, LogSource, Work
from heliogram.node.conversation import Conversation
from heliogram.node.events import Event
from heliogram.node.log.happenings import Happened, Happening, RelayTrouble
from heliogram.node.log.keeping import Notes, Place
from heliogram.node.membership import PAST_EPOCHS
from heliogram.node.misbehaviour import Fault, Misbehaviour
from heliogram.node.posting import Vouchers
from heliogram.node.records import Effects
from heliogram.node.slots import Election, Obstacle
from heliogram.node.sync import Union
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import RelayDescription
from heliogram.wire.receipts import Evidence
from heliogram.wire.signing import SigningKey

#: Requests in a row without an answer after which a relay counts as unreachable.
AWAY = 3

#: Seconds between two looks at one core at least, if nothing happens to it.
LEAST = 0.01

#: Faults that are told of one log; more tell nothing new.
MAX_FAULTS = 256


class Core(Protocol):
    """What elections, tips, postings, unions and unfencings have in common."""

    misbehaviour: Any

    def requests(self, now: float) -> Sequence[tuple[int, Any]]: ...
    def receive(self, relay: int, request: Any, answer: frames.Answer, now: float) -> Any: ...
    def lost(self, relay: int, now: float) -> None: ...
    def cleared(self, relay: int) -> None: ...


#: Takes what came of an answer: the relay's place, the request, the answer, what the core gave for it.
Then: TypeAlias = Callable[[int, Any, frames.Answer, Any], None]


@dataclass(eq=False, slots=True)
class Track:
    """A core under way at the relays of a place. `then` is called after it took an answer."""

    core: Core
    place: Place
    then: Then | None = None
    #: When it has something new to ask.
    due: float = 0.0
    named: int = 0
    over: bool = False

    def deadline(self, now: float) -> float | None:
        """When it has something new to ask at the latest, if nothing happens until then."""
        core: Any = self.core
        return core.deadline(now) if isinstance(core, Union) else core.deadline()

    def troubles(self) -> dict[int, str]:
        """Relays that do not take part, and how: "fenced", "gone", "behind", "refused"."""
        core: Any = self.core
        if isinstance(core, Election):
            return {at: _OBSTACLES[why] for at, (why, _) in core.obstacles.items()}
        return {at: _CODES.get(code, "refused") for at, code in core.troubles.items()}


_OBSTACLES = {
    Obstacle.BEHIND: "behind",
    Obstacle.FENCED: "fenced",
    Obstacle.GONE: "gone",
}

_CODES: Mapping[int, str] = {
    ErrorCode.NOT_AUTHORISED: "behind",
    ErrorCode.BEHIND: "behind",
    ErrorCode.BAD_CERTIFICATE: "behind",
    ErrorCode.FENCED: "fenced",
    ErrorCode.BAD_STATUS: "behind",
    ErrorCode.GONE: "gone",
}


@dataclass(slots=True)
class Health:
    """How one relay does, as far as this log sees it."""

    lost: int = 0
    state: str = "unknown"
    #: When it last answered, or did not (monotonic seconds).
    at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Single:
    """The token of a request that belongs to no core: who takes the answer, and who its loss."""

    then: Callable[[frames.Request, frames.Answer], None]
    lost: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Step:
    """The token of a request of a core."""

    track: Track
    index: int


@dataclass
class Ground:
    """What the parts of a log have in common."""

    source: LogSource
    conversation: Conversation
    notes: Notes
    entropy: Callable[[int], bytes]
    #: A fresh key package, to be put back with when we are wounded.
    package: Callable[[], mls.OwnKeyPackage] | None
    #: Ids of devices that their accounts have revoked.
    revoked: Callable[[], Collection[bytes]]
    now: float = 0.0
    time: int = 0
    happenings: list[Happening] = field(default_factory=list)
    #: Records of the conversation that are not written yet.
    records: dict[bytes, bytes | None] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)
    vouchers: Vouchers = field(default_factory=Vouchers)
    health: dict[bytes, Health] = field(default_factory=dict)
    #: Cores under way, in their order.
    tracks: dict[Track, None] = field(default_factory=dict)
    #: Relays in trouble, and in which: for whoever mends them.
    troubled: dict[bytes, str] = field(default_factory=dict)
    #: Relays that have done what the open epoch asked of them, since the last turn.
    well: set[bytes] = field(default_factory=set)
    #: Nonces of fences that were seen at relays of the open seat.
    fences: dict[bytes, bytes] = field(default_factory=dict)
    #: Cores to which something happened, and when the others are due.
    _awake: dict[Track, None] = field(default_factory=dict)
    _timers: list[tuple[float, int, Track]] = field(default_factory=list)
    _timed: int = 0
    #: What relays have signed for since the vouchers were written.
    _vouched: dict[bytes, Evidence | None] = field(default_factory=dict)
    _keys: dict[tuple[int, bytes], SigningKey] = field(default_factory=dict)
    _told: set[tuple[bytes, Fault]] = field(default_factory=set)

    # --- Writing and telling ----------------------------------------------------------------------

    def write(self, effects: Effects, minute: int | None = None) -> tuple[Event, ...]:
        """Take what a call of the conversation gave: its records are written with this turn."""
        self.records.update(effects.records)
        for event in effects.events:
            self.tell(Happened(event, minute))
        return effects.events

    def tell(self, happening: Happening) -> None:
        """Tell what happened."""
        self.happenings.append(happening)

    def flush(self) -> None:
        """Write what is to be written."""
        if self.records:
            self.notes.keeping.write(self.records)
            self.records = {}
        if self._vouched:
            kept = dict(self.vouchers.last)
            for relay, evidence in self._vouched.items():
                if evidence is None:
                    kept.pop(relay, None)
                else:
                    kept[relay] = evidence
            self._vouched = {}
            self.vouchers = Vouchers(tuple(sorted(kept.items(), key=lambda one: one[0])))
            self.notes.put_vouchers(self.vouchers)

    def vouch(self, relay: bytes, evidence: Evidence) -> None:
        """Keep the last place that a relay has signed for."""
        known = self.evidence(relay)
        if known is None or known.receipt.index < evidence.receipt.index:
            self._vouched[relay] = evidence

    def unvouch(self, relay: bytes) -> None:
        """A relay fell back: what it signed for before names places that it does not have."""
        self._vouched[relay] = None

    def evidence(self, relay: bytes) -> Evidence | None:
        """The last place that a relay has signed for."""
        if relay in self._vouched:
            return self._vouched[relay]
        return self.vouchers.of(relay)

    def chance(self) -> float:
        """A number from 0 to 1."""
        return int.from_bytes(self.entropy(4), "big") / 2**32

    # --- Places -----------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The open epoch, as far as we follow."""
        return self.conversation.epoch

    @property
    def place(self) -> Place:
        """The place of the open epoch."""
        return self.places[self.conversation.epoch]

    def enter(self) -> None:
        """The conversation has come to its present place; what is too old to matter is forgotten."""
        place = Place(self.conversation.seat, self.conversation.instances)
        self.places[place.seat.epoch] = place
        self.notes.put_place(place)
        for epoch, old in list(self.places.items()):
            # The first seat of an instance is needed to open it where it is not.
            if epoch < self.epoch - PAST_EPOCHS - 1 and old.seat.id not in place.instances:
                del self.places[epoch]
                self.notes.drop_place(epoch)
        self._keys = {at: key for at, key in self._keys.items() if at[0] in self.places}
        self.fences.clear()

    def place_with(self, relay: bytes) -> Place | None:
        """The latest place that this relay has a seat in."""
        found = (one for one in self.places.values() if one.seat.index_of(relay) is not None)
        return max(found, key=lambda one: one.seat.epoch, default=None)

    def scope(self, place: Place, index: int) -> LogScope | None:
        """The channel to an epoch at one relay; None once its keys are gone."""
        seat, relay = place.seat, place.seat.configuration.relays[index].key
        at = seat.epoch, relay
        key = self._keys.get(at)
        if key is None:
            keys = self.conversation.keys(seat.epoch)
            if keys is None:
                return None
            key = self._keys[at] = keys.relay_key(seat.configuration.log, relay)
        evidence = self.evidence(relay)
        shown = b"" if evidence is None else evidence.encode()
        return LogScope(place.instances[index], seat.epoch, key, shown)

    def away(self, relay: bytes) -> bool:
        """Whether a relay has not answered for a while."""
        health = self.health.get(relay)
        return health is not None and health.lost >= AWAY

    def up(self, relay: bytes) -> bool:
        """Whether a relay has answered what it was last asked."""
        health = self.health.get(relay)
        return health is not None and health.lost == 0

    # --- Asking -----------------------------------------------------------------------------------

    def begin(self, core: Any, place: Place, then: Then | None = None) -> Track:
        """Set a core to work."""
        track = Track(core, place, then)
        self.tracks[track] = None
        self.wake(track)
        return track

    def end(self, track: Track | None) -> None:
        """A core is done with: what still comes back for it changes nothing."""
        if track is not None and not track.over:
            track.over = True
            del self.tracks[track]
            self._awake.pop(track, None)

    def wake(self, track: Track, due: float = 0.0) -> None:
        """Something happened to a core: it is asked what it wants, at `due` at the latest."""
        if track.over:
            return
        if due <= self.now:
            self._awake[track] = None
        elif due < track.due:
            self._time(track, due)

    def _time(self, track: Track, due: float) -> None:
        track.due = due
        if due < float("inf"):
            self._timed += 1
            heapq.heappush(self._timers, (due, self._timed, track))

    def asks(self) -> list[Ask]:
        """What cores have to ask now."""
        timers = self._timers
        while timers and timers[0][0] <= self.now:
            due, _, track = heapq.heappop(timers)
            if not track.over and track.due == due:
                self._awake[track] = None
        found: list[Ask] = []
        awake, self._awake = self._awake, {}
        for track in awake:
            for index, request in track.core.requests(self.now):
                # A decision proves itself: it needs no channel, and its place may be an old one.
                free = isinstance(request, frames.Decide)
                scope = None if free else self.scope(track.place, index)
                if free or scope is not None:
                    relay = track.place.seat.configuration.relays[index]
                    found.append(
                        Ask(self.source, Address.of(relay), request, scope, Step(track, index))
                    )
            again = track.deadline(self.now)
            self._time(track, float("inf") if again is None else max(again, self.now + LEAST))
        return found

    def single(
        self,
        relay: RelayDescription,
        request: frames.Request | Work,
        scope: LogScope | None,
        token: Single,
    ) -> Ask:
        """A request that belongs to no core."""
        return Ask(self.source, Address.of(relay), request, scope, token)

    def deadline(self) -> float | None:
        """When `asks` has something new at the latest."""
        if self._awake:
            return self.now
        timers = self._timers
        while timers and (timers[0][2].over or timers[0][2].due != timers[0][0]):
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def answered(self, step: Step, request: frames.Request, answer: frames.Answer) -> None:
        """Give an answer to its core."""
        track, index = step.track, step.index
        relay = track.place.seat.configuration.relays[index].key
        self.heard(relay)
        given = track.core.receive(index, request, answer, self.now)
        self.wake(track)
        if isinstance(answer, frames.Peeked) and answer.fence:
            self.fenced(relay, track.place, answer.fence)
        self._named(track)
        if track.then is not None:
            track.then(index, request, answer, given)
        if not isinstance(answer, frames.Failure) and track.place.seat.epoch == self.epoch:
            self.well.add(relay)
        if isinstance(answer, frames.Failure | frames.Peeked | frames.StatusSigned):
            why = track.troubles().get(index)
            if why is not None and not track.over:
                self.trouble(relay, why)

    def lost(self, step: Step) -> None:
        """There is no answer."""
        track, index = step.track, step.index
        track.core.lost(index, self.now)
        self.wake(track)
        self.missed(track.place.seat.configuration.relays[index].key)

    # --- Relays -----------------------------------------------------------------------------------

    def heard(self, relay: bytes) -> None:
        """A relay has answered."""
        health = self.health.setdefault(relay, Health())
        health.lost, health.at = 0, self.now
        if health.state in ("unknown", "unreachable"):
            self.show(relay, "up")

    def missed(self, relay: bytes) -> None:
        """A relay has not answered."""
        health = self.health.setdefault(relay, Health())
        health.lost, health.at = health.lost + 1, self.now
        if health.lost == AWAY:
            self.show(relay, "unreachable")

    def trouble(self, relay: bytes, why: str) -> None:
        """A relay does not take part: to be mended."""
        if self.troubled.get(relay) != "fenced":
            self.troubled[relay] = why
        self.show(relay, why)

    def show(self, relay: bytes, state: str) -> None:
        """Tell how a relay does, if that has changed."""
        health = self.health.setdefault(relay, Health())
        if health.state != state:
            health.state = state
            if state != "refused":
                self.tell(RelayTrouble(relay, state))

    def fenced(self, relay: bytes, place: Place, nonce: bytes) -> None:
        """A relay says that it fell back."""
        if place.seat.epoch == self.epoch:
            self.fences[relay] = nonce
        self.trouble(relay, "fenced")

    def accuse(self, found: Misbehaviour) -> None:
        """Tell what a relay did, once."""
        at = found.relay, found.fault
        if at not in self._told and len(self._told) < MAX_FAULTS:
            self._told.add(at)
            self.tell(RelayTrouble(found.relay, "misbehaving", found))

    def cleared(self, relay: bytes) -> None:
        """What was wrong at a relay has been dealt with: all cores ask it again."""
        self.troubled.pop(relay, None)
        self.show(relay, "up")
        for track in self.tracks:
            index = track.place.seat.index_of(relay)
            if index is not None and index in track.troubles():
                track.core.cleared(index)
                self.wake(track)

    def _named(self, track: Track) -> None:
        found = track.core.misbehaviour
        for one in found[track.named :]:
            self.accuse(one)
        track.named = len(found)
