"""The union of what the relays have of one epoch: each entry once, fetched once.

One relay is read whole, the others as digests. What they name and the first one does not give is fetched from
one that has it, and from another if it does not come or is not what its name says. If the first relay falls
silent the next one takes its place. Entries are told apart by their hash: the order of a relay's log and the
number of copies mean nothing.

A cursor for each relay is all that there is to save. Where a relay does not have what it has signed for, or
gives other bytes than it has named, that is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from heliogram.node.misbehaviour import Fault, Misbehaviour
from heliogram.node.pace import Pace
from heliogram.node.posting import PASSING
from heliogram.wire import frames
from heliogram.wire.limits import MAX_PAGE_ITEMS
from heliogram.wire.objects import Seat
from heliogram.wire.receipts import Evidence, entry_hash

#: Seconds that the relay which is read whole has, to push what another one has named.
GRACE = 1.0

#: Seconds after which an entry that no relay gave is asked for again.
PERSISTENCE = 30.0

#: Unanswered readings after which another relay is read whole.
MAX_SILENCE = 2

#: Entries that are fetched at once from a relay of which only digests are read.
RUN = 64

#: Names of one relay that are waited for. While there are more, it is not read on.
MAX_MISSING = 4096

#: Entries of one relay in one epoch. It is not read beyond.
MAX_ENTRIES = 1 << 20

Request: TypeAlias = frames.Read | frames.Subscribe


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry that was not here before."""

    name: bytes = field(repr=False)
    data: bytes = field(repr=False)
    #: The relay that gave it, by its place at the seat.
    relay: int
    #: When it arrived there (Unix time / 60), for display.
    minute: int


@dataclass(slots=True)
class _Entry:
    """What is known of an entry by its name."""

    since: float
    here: bool = False
    #: Until when an answer to a fetch is waited for.
    asked: float = 0.0
    #: At which index which relay has it.
    places: dict[int, int] = field(default_factory=dict)
    #: Relays that did not give it, and when to ask them again.
    tried: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Source:
    """How far one relay is read."""

    #: The first index that was read, the next one to be, and where the log ends as far as is known.
    start: int
    cursor: int
    end: int | None = None
    #: Index of the first push, while subscribed.
    live: int | None = None
    pace: Pace = field(default_factory=Pace)
    fetch: Pace = field(default_factory=Pace)
    #: Names by index, for what is not here yet.
    missing: dict[int, bytes] = field(default_factory=dict)
    trouble: int | None = None
    seen: int = 0


class Union:
    """The entries of one epoch on all relays of its seat."""

    def __init__(
        self,
        seat: Seat,
        instances: Sequence[bytes],
        *,
        channel: int = 0,
        cursors: Mapping[int, int] | None = None,
        known: Iterable[bytes] = (),
        primary: int = 0,
        live: bool = True,
    ) -> None:
        """`known` are the names of entries that are here already, `primary` is the relay to be read whole.

        With `live` it subscribes, so that new entries are pushed; otherwise call `poll`.
        """
        start = dict(cursors or {})
        self.seat = seat
        self.primary = primary
        #: What relays did that none may do.
        self.misbehaviour: list[Misbehaviour] = []
        self._instances = tuple(instances)
        self._channel = channel
        self._live = live
        first = [start.get(index, 0) for index in range(len(instances))]
        self._sources = [_Source(one, one) for one in first]
        self._entries = {name: _Entry(0.0, here=True) for name in known}
        self._signed: list[tuple[int, Evidence]] = []

    # --- What the caller sees ---------------------------------------------------------------------

    @property
    def cursors(self) -> dict[int, int]:
        """From where each relay is to be read after a restart: nothing before is missing here."""
        return {
            index: min((source.cursor, *source.missing))
            for index, source in enumerate(self._sources)
        }

    @property
    def missing(self) -> frozenset[bytes]:
        """Names of entries that some relay has named and none has given yet."""
        return frozenset(name for source in self._sources for name in source.missing.values())

    @property
    def troubles(self) -> dict[int, int]:
        """Relays that are not read, with the code of their failure: deal with it, then `cleared`."""
        found = enumerate(self._sources)
        return {index: one.trouble for index, one in found if one.trouble is not None}

    @property
    def heard(self) -> int:
        """How many relays are read to their end: with q of them, all that was stored before is named."""
        return sum(self._read_up(source) for source in self._sources)

    def copies(self, name: bytes) -> int:
        """How many relays are known to have this entry."""
        entry = self._entries.get(name)
        return 0 if entry is None else len(entry.places)

    def holders(self, name: bytes) -> dict[int, int]:
        """At which index which relay is known to have this entry."""
        entry = self._entries.get(name)
        return {} if entry is None else dict(entry.places)

    def names(self) -> list[bytes]:
        """The entries that are here."""
        return [name for name, entry in self._entries.items() if entry.here]

    def read_up(self, relay: int) -> bool:
        """Whether this relay is read to its end."""
        return self._read_up(self._sources[relay])

    def lacking(self, relay: int) -> list[bytes]:
        """What is here and others have, and this relay, read to its end, has not: to be refilled there."""
        if not self._read_up(self._sources[relay]):
            return []
        return [
            name
            for name, entry in self._entries.items()
            if entry.here and entry.places and relay not in entry.places
        ]

    # --- What the caller does ---------------------------------------------------------------------

    def poll(self) -> None:
        """Read on at all relays."""
        for source in self._sources:
            source.end = None
            source.pace.anew()

    def signed(self, relay: int, evidence: Evidence) -> None:
        """This relay has signed for an entry of this epoch: reading it must come by."""
        if evidence.epoch == self.seat.epoch:
            self._signed.append((relay, evidence))

    def expired(self, relay: int, first: int) -> None:
        """What is below the index `first` has expired at this relay: its absence is no fault."""
        self._signed = [
            (index, one)
            for index, one in self._signed
            if index != relay or one.receipt.index >= first
        ]

    def cleared(self, relay: int) -> None:
        """The trouble at this relay is over: it is read on."""
        source = self._sources[relay]
        source.trouble = source.live = source.end = None
        source.pace.anew()
        source.fetch.anew()

    def rewound(self, relay: int) -> None:
        """This relay fell back or was refilled: read it again from the beginning."""
        self._sources[relay] = _Source(0, 0)
        for entry in self._entries.values():
            entry.places.pop(relay, None)

    def lost(self, relay: int, now: float) -> None:
        """The connection to a relay ended, and with it the subscription."""
        source = self._sources[relay]
        source.live = source.end = None
        source.pace.failed(now)
        source.fetch.failed(now)
        self._silent(relay)

    def deadline(self, now: float) -> float | None:
        """When `requests` will have something new at the latest."""
        times: list[float] = []
        for index, source in enumerate(self._sources):
            if source.trouble is not None:
                continue
            if self._reads(source):
                times.append(source.pace.again)
            if source.missing:
                wanted = self._wanted(index, now)
                if wanted:
                    times.append(source.fetch.again)
                else:
                    times.append(min(self._ready(index, name) for name in source.missing.values()))
        return min(times, default=None)

    def requests(self, now: float) -> list[tuple[int, Request]]:
        """What is to be sent now: relay, frame."""
        found: list[tuple[int, Request]] = []
        asked: set[bytes] = set()
        for index, source in enumerate(self._sources):
            if source.trouble is not None:
                continue
            if self._reads(source) and source.pace.due(now):
                if source.pace.tries >= MAX_SILENCE:
                    self._silent(index)
                digest = index != self.primary
                source.pace.asked(now)
                if self._live and source.live is None:
                    found.append((index, frames.Subscribe(0, self._channel, source.cursor, digest)))
                else:
                    page = frames.Read(0, self._channel, source.cursor, MAX_PAGE_ITEMS, digest)
                    found.append((index, page))
            if source.missing and source.fetch.due(now):
                run = [at for at in self._wanted(index, now) if source.missing[at] not in asked]
                if run:
                    source.fetch.asked(now)
                    for name in (source.missing[at] for at in run):
                        asked.add(name)
                        self._entries[name].asked = source.fetch.again
                    found.append((index, frames.Read(0, self._channel, run[0], len(run))))
        return found

    def receive(
        self, relay: int, request: Request, answer: frames.Answer, now: float
    ) -> list[NewEntry]:
        """Take a relay's answer; gives what is new, each entry once."""
        source = self._sources[relay]
        match request, answer:
            case _, frames.Failure(code=code):
                if code in PASSING:
                    source.pace.failed(now)
                    source.fetch.failed(now)
                else:
                    source.trouble = code
                    self._silent(relay)
            case frames.Subscribe(), frames.Subscribed(live=live):
                source.live = live
                source.end = max(live, source.cursor)
                source.pace.anew()
            case frames.Read(digest=True), frames.Digests():
                if self._turned(relay, request, answer):
                    for one in answer.digests:
                        self._named(relay, one.index, one.hash, now)
                    self._compare(relay)
            case frames.Read(digest=False), frames.Entries():
                if request.count <= RUN:
                    return self._fetched(relay, request, answer.entries, now)
                if self._turned(relay, request, answer):
                    new = self._given(relay, answer.entries, now)
                    self._compare(relay)
                    return new
            case _:
                self._name(relay, Fault.FORGERY)
        return []

    def pushed(
        self, relay: int, push: frames.Pushed | frames.PushedDigests | frames.CatchUp, now: float
    ) -> list[NewEntry]:
        """Take what a relay pushes; gives what is new."""
        source = self._sources[relay]
        if push.instance != self._instances[relay]:
            return []
        if isinstance(push, frames.CatchUp):
            # Pushes have stopped: read what was left out, and subscribe again.
            source.live = source.end = None
            source.cursor = min(source.cursor, push.start)
            source.pace.anew()
            return []
        here = self.seat.epoch
        new: list[NewEntry] = []
        if isinstance(push, frames.Pushed):
            entries = tuple(one for one in push.entries if one.epoch == here)
            new = self._given(relay, entries, now)
        else:
            for one in push.digests:
                if one.epoch == here:
                    self._named(relay, one.index, one.hash, now)
        items: Sequence[frames.Entry | frames.Digest] = (
            push.entries if isinstance(push, frames.Pushed) else push.digests
        )
        if items and source.live is not None and source.cursor >= source.live:
            # Nothing is left to read before it, and pushes come in order.
            source.cursor = max(source.cursor, items[-1].index + 1)
            source.end = source.cursor
        return new

    # --- Reading ----------------------------------------------------------------------------------

    def _read_up(self, source: _Source) -> bool:
        return source.end is not None and source.cursor >= source.end

    def _reads(self, source: _Source) -> bool:
        if len(source.missing) >= MAX_MISSING or source.seen >= MAX_ENTRIES:
            return False
        return not self._read_up(source)

    def _turned(
        self, relay: int, request: frames.Read, page: frames.Entries | frames.Digests
    ) -> bool:
        """Whether a page is one of this reading; then the cursor goes behind it."""
        source = self._sources[relay]
        items: Sequence[frames.Entry | frames.Digest] = (
            page.entries if isinstance(page, frames.Entries) else page.digests
        )
        indices = [one.index for one in items]
        ordered = all(a < b for a, b in pairwise(indices))
        inside = not indices or (request.start <= indices[0] and indices[-1] < page.next)
        # A page ends with an entry or with the log: nobody leads us on by empty ones.
        onward = page.next >= page.end or (bool(indices) and page.next > request.start)
        if not (ordered and inside and onward and all(i.epoch == self.seat.epoch for i in items)):
            self._name(relay, Fault.FORGERY)
            return False
        if request.start != source.cursor:
            # Asked twice: the other answer has been here.
            return False
        # The end may lie before the cursor: the relay fell back, and what comes next begins there.
        source.cursor = min(page.next, page.end)
        source.end = page.end
        source.seen += len(items)
        source.pace.anew()
        return True

    def _given(self, relay: int, entries: Sequence[frames.Entry], now: float) -> list[NewEntry]:
        new: list[NewEntry] = []
        for one in entries:
            name = entry_hash(one.data)
            entry = self._entries.setdefault(name, _Entry(now))
            entry.places.setdefault(relay, one.index)
            if not entry.here:
                self._arrived(name, entry)
                new.append(NewEntry(name, one.data, relay, one.minute))
        return new

    def _named(self, relay: int, index: int, name: bytes, now: float) -> None:
        entry = self._entries.setdefault(name, _Entry(now))
        entry.places.setdefault(relay, index)
        if not entry.here:
            self._sources[relay].missing[index] = name

    def _arrived(self, name: bytes, entry: _Entry) -> None:
        entry.here = True
        entry.tried.clear()
        for relay, index in entry.places.items():
            if self._sources[relay].missing.get(index) == name:
                del self._sources[relay].missing[index]

    def _silent(self, relay: int) -> None:
        """This relay does not answer: if it was the one to be read whole, the next one is."""
        if relay != self.primary:
            return
        others = range(relay + 1, relay + len(self._sources))
        for other in (one % len(self._sources) for one in others):
            source = self._sources[other]
            if source.trouble is None and source.pace.tries < MAX_SILENCE:
                self.primary = other
                # Its subscription is for digests.
                source.live = None
                source.end = None
                return

    # --- Fetching ---------------------------------------------------------------------------------

    def _ready(self, relay: int, name: bytes) -> float:
        """From when on an entry may be asked for at this relay."""
        entry = self._entries[name]
        primary = self._sources[self.primary]
        patience = 0.0 if primary.trouble is not None else GRACE
        if primary.trouble is None and not self._read_up(primary):
            # It is still being read whole, and may have it. A silent one is replaced.
            patience = GRACE * (1 + MAX_SILENCE * 2)
        return max(entry.since + patience, entry.tried.get(relay, 0.0), entry.asked)

    def _wanted(self, relay: int, now: float) -> list[int]:
        """The indices of what to fetch here now: a run of neighbours."""
        source = self._sources[relay]
        run: list[int] = []
        for index, name in sorted(source.missing.items()):
            ready = self._ready(relay, name) <= now
            if ready and (not run or (index == run[-1] + 1 and len(run) < RUN)):
                run.append(index)
            elif run:
                break
        return run

    def _fetched(
        self, relay: int, request: frames.Read, entries: Sequence[frames.Entry], now: float
    ) -> list[NewEntry]:
        """What came of a fetch. Only what is what its name says is taken."""
        source = self._sources[relay]
        given = {one.index: one for one in entries}
        new: list[NewEntry] = []
        source.fetch.anew()
        for index in range(request.start, request.start + request.count):
            name = source.missing.get(index)
            if name is None:
                continue
            entry, one = self._entries[name], given.get(index)
            if one is not None and entry_hash(one.data) == name:
                self._arrived(name, entry)
                new.append(NewEntry(name, one.data, relay, one.minute))
                continue
            if one is not None:
                self._name(relay, Fault.WRONG_ENTRY)
            # Perhaps it has expired meanwhile. Others may have it.
            entry.tried[relay], entry.asked = now + PERSISTENCE, 0.0
        return new

    # --- Judging ----------------------------------------------------------------------------------

    def _compare(self, relay: int) -> None:
        """Whether a relay has what it has signed for, as far as it has been read."""
        source = self._sources[relay]
        rest: list[tuple[int, Evidence]] = []
        for index, one in self._signed:
            place = one.receipt.index
            if index != relay or not source.start <= place < source.cursor:
                rest.append((index, one))
                continue
            entry = self._entries.get(one.entry)
            if entry is None or entry.places.get(relay) != place:
                self._name(relay, Fault.LOST_ENTRY, one)
        self._signed = rest

    def _name(self, relay: int, fault: Fault, proof: Evidence | None = None) -> None:
        one = Misbehaviour(self.seat.configuration.relays[relay].key, fault, proof)
        if one not in self.misbehaviour:
            self.misbehaviour.append(one)
