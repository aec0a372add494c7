"""What is said, on whichever relay it lies: the union of each epoch, read from where we were.

The open epoch is subscribed to, and the one before it, since who cannot follow calls for help there. Older
epochs are read to their end once their decision is stable, and then dropped. Who comes late walks from epoch
to epoch, and does not go further ahead than keys reach back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from heliogram.node.epoch_keys import TAG_SIZE
from heliogram.node.events import CouldNotRead, Event, ForkSuspected
from heliogram.node.log.ground import Ground, Track
from heliogram.node.log.happenings import Happened
from heliogram.node.log.keeping import Place
from heliogram.node.membership import PAST_EPOCHS
from heliogram.node.records import Phase
from heliogram.node.sync import NewEntry, Union
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode

#: Seconds that the last of q relays have to be read, before fewer will do.
PATIENCE = 5.0

#: Seconds between looks at what pushes have left to fetch, and between writings of cursors.
PUSHES, WRITES = 0.25, 2.0

#: Seconds for which an entry is waited for that relays name and nobody gives.
MISSING = 10.0

#: Entries of one epoch that say nothing, and of which no relay that speaks the truth is known to have them.
MAX_DOUBTFUL = 1024


@dataclass(eq=False, slots=True)
class Epoch:
    """One epoch's reading."""

    place: Place
    union: Union
    track: Track
    since: float
    live: bool
    #: Since when entries are missed that were named.
    missing: float | None = None
    saved: dict[int, int] = field(default_factory=dict)
    dirty: bool = True
    written: float = float("-inf")
    #: Relays that have said that it is closed.
    closed: set[int] = field(default_factory=set)
    #: Its decision is stable, and relays were read on since then.
    last: bool = False
    #: By the names of entries that cannot be read: what is to be told once more than liars have them.
    doubtful: dict[bytes, Happened] = field(default_factory=dict)


class Reading:
    """The unions of all epochs that are read."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.epochs: dict[int, Epoch] = {}
        self._cursors: dict[int, dict[int, int]] = {}
        #: What was said and must be acted upon.
        self.said: list[Event] = []
        self._sure = True

    def load(self, unstable: set[int]) -> None:
        """Go on from where each relay was read to; `unstable` as in `Deciding`."""
        self._sure = False
        self._cursors = self._ground.notes.cursors()
        for epoch in sorted(self._cursors):
            if epoch < self._ground.epoch:
                self.begin(epoch, live=False)
                self.closed(epoch, stable=epoch not in unstable)

    # --- Which epochs -----------------------------------------------------------------------------

    def begin(self, epoch: int, *, live: bool) -> None:
        """Read an epoch, if it is not read already."""
        place = self._ground.places.get(epoch)
        known = self.epochs.get(epoch)
        if place is None or self._ground.conversation.keys(epoch) is None:
            return
        if known is not None:
            if live and not known.live:
                self._end(known, keep=True)
            else:
                return
        cursors = self._cursors.get(epoch, {})
        best = next(
            (
                at
                for at, one in enumerate(place.seat.configuration.relays)
                if not self._away(one.key)
            ),
            0,
        )
        union = Union(place.seat, place.instances, cursors=cursors, primary=best, live=live)
        for index, relay in enumerate(place.seat.configuration.relays):
            evidence = self._ground.evidence(relay.key)
            if evidence is not None and evidence.epoch == epoch:
                union.signed(index, evidence)
        track = self._ground.begin(union, place)
        made = Epoch(place, union, track, self._ground.now, live, saved=dict(cursors))
        track.then = lambda index, request, answer, given: self._answered(made, given)
        self.epochs[epoch] = made

    def closed(self, epoch: int, *, stable: bool) -> None:
        """An epoch is over. Once its decision is stable nothing more can come, but by the grace lane."""
        one = self.epochs.get(epoch)
        if one is not None and (stable or not one.last):
            one.last = one.last or stable
            one.since = self._ground.now
            one.union.poll()
            self._ground.wake(one.track)

    def anew(self, epoch: int) -> None:
        """Read an epoch again from the beginning: a relay of it fell back."""
        one = self.epochs.get(epoch)
        if one is not None:
            live = one.live
            self._end(one)
            self.begin(epoch, live=live)

    def poll(self) -> None:
        """Look at all relays now."""
        for one in self.epochs.values():
            one.union.poll()
            self._ground.wake(one.track)

    def may_go_on(self) -> bool:
        """Whether the next decision may be followed: keys still reach back to what is not read."""
        unread = [
            at
            for at in self.epochs
            if at < self._ground.epoch and not self._done(at) and not self._lost(at)
        ]
        return not unread or min(unread) > self._ground.epoch - PAST_EPOCHS

    def clear(self) -> None:
        """We are out, or somewhere else."""
        for one in list(self.epochs.values()):
            self._end(one)

    def _end(self, one: Epoch, *, keep: bool = False) -> None:
        self._ground.end(one.track)
        epoch = one.place.seat.epoch
        self.epochs.pop(epoch, None)
        if keep:
            self._cursors[epoch] = dict(one.union.cursors)
        else:
            self._cursors.pop(epoch, None)
            self._ground.notes.put_cursors(epoch, None)

    # --- What comes in ----------------------------------------------------------------------------

    def pushed(self, relay: bytes, push: frames.Push) -> None:
        """A relay pushes entries."""
        for one in list(self.epochs.values()):
            index = one.place.seat.index_of(relay)
            if index is None or one.place.instances[index] != getattr(push, "instance", None):
                continue
            if isinstance(push, frames.Pushed | frames.PushedDigests | frames.CatchUp):
                new = one.union.pushed(index, push, self._ground.now)
                one.dirty = True
                # What is pushed asks for nothing at once: what others name may still come.
                soon = 0.0 if isinstance(push, frames.CatchUp) else self._ground.now + PUSHES
                self._ground.wake(one.track, soon)
                self._take(one, new)
                self._confirm(one)

    def ended(self, relay: bytes, epoch: int) -> None:
        """A relay says that an epoch is closed: what comes by its grace lane is subscribed to anew."""
        one = self.epochs.get(epoch)
        index = None if one is None else one.place.seat.index_of(relay)
        if one is not None and index is not None and index not in one.closed:
            one.closed.add(index)
            one.union.cleared(index)
            self._ground.wake(one.track)

    def parted(self, relay: bytes) -> None:
        """The connection is over, and with it subscriptions."""
        evidence = self._ground.evidence(relay)
        for epoch, one in self.epochs.items():
            index = one.place.seat.index_of(relay)
            if index is None:
                continue
            one.union.lost(index, self._ground.now)
            self._ground.wake(one.track)
            if evidence is not None and evidence.epoch == epoch:
                one.union.signed(index, evidence)

    def _answered(self, one: Epoch, given: Any) -> None:
        one.dirty = True
        if isinstance(given, list):
            self._take(one, given)
        self._confirm(one)

    def _take(self, one: Epoch, new: list[NewEntry]) -> None:
        """Read what is new, in the order in which it came."""
        ground = self._ground
        if not new or ground.conversation.phase is Phase.OUT or one.track.over:
            return
        entries = [
            (entry, at)
            for entry in new
            # Our own words come back from each relay: most of what comes is known.
            if (at := self._epoch_of(one, entry)) is not None
            and not ground.conversation.has_read(entry.data, at)
        ]
        if not entries:
            return
        said, effects = ground.conversation.receive_all(
            [(entry.data, at) for entry, at in entries], revoked=ground.revoked(), now=ground.time
        )
        ground.write(effects)
        for (entry, _), events in zip(entries, said, strict=True):
            for event in events:
                if isinstance(event, CouldNotRead | ForkSuspected):
                    if len(one.doubtful) < MAX_DOUBTFUL:
                        one.doubtful[entry.name] = Happened(event, entry.minute)
                else:
                    self.said.append(event)
                    ground.tell(Happened(event, entry.minute))

    def _confirm(self, one: Epoch) -> None:
        """Tell of entries that cannot be read, where it was not a relay alone that made them up."""
        if one.doubtful:
            liars = one.place.seat.configuration.b
            for name in [name for name in one.doubtful if one.union.copies(name) > liars]:
                happened = one.doubtful.pop(name)
                self.said.append(happened.event)
                self._ground.tell(happened)

    def _epoch_of(self, one: Epoch, entry: NewEntry) -> int | None:
        """Which epoch an entry is of. A relay that came in later was given what was there before."""
        epoch, tag = one.place.seat.epoch, entry.data[:TAG_SIZE]
        keys = self._ground.conversation.keys(epoch)
        if keys is None or tag in (keys.tag, keys.reply):
            return epoch
        if one.place.instances[entry.relay] != one.place.seat.id or epoch == 0:
            return epoch
        for other in range(epoch - 1, epoch - PAST_EPOCHS - 1, -1):
            old = self._ground.conversation.keys(other)
            if old is not None and tag in (old.tag, old.reply):
                return other
        # Of a time before us: those who were here then can read it.
        return None

    # --- What follows -----------------------------------------------------------------------------

    def settle(self, *, caught_up: bool) -> None:
        """Drop what is read to its end, and write how far the rest is."""
        ground = self._ground
        for epoch in list(self.epochs):
            one = self.epochs[epoch]
            if ground.conversation.keys(epoch) is None:
                self._end(one)
            elif epoch < ground.epoch - (1 if caught_up else 0) and one.last and self._done(epoch):
                self._end(one, keep=epoch >= ground.epoch - 1)
        if caught_up:
            for epoch in (ground.epoch, ground.epoch - 1):
                self.begin(epoch, live=True)
        for epoch, one in self.epochs.items():
            # An older cursor does no harm: what is read twice is known.
            if one.dirty and ground.now >= one.written + WRITES:
                one.dirty, one.written = False, ground.now
                cursors = one.union.cursors
                if cursors != one.saved:
                    one.saved = dict(cursors)
                    ground.notes.put_cursors(epoch, cursors)

    def deadline(self) -> float | None:
        """When patience with an epoch ends."""
        times: list[float] = []
        for epoch, one in self.epochs.items():
            if epoch < self._ground.epoch or not self._sure:
                times.append(one.since + PATIENCE)
                if one.missing is not None:
                    times.append(one.missing + MISSING)
        return min((at for at in times if at > self._ground.now), default=None)

    def is_sure(self) -> bool:
        """Whether all is known here that this device has said.

        After a start the open epoch is read first: the store may be an older one than it was.
        """
        epoch = self._ground.epoch
        if not self._sure and epoch in self.epochs and self._done(epoch):
            self._sure = True
        return self._sure

    def done(self, epoch: int) -> bool:
        """Whether an epoch is read as far as it can be."""
        return epoch not in self.epochs or self._done(epoch)

    def _done(self, epoch: int) -> bool:
        one, now = self.epochs[epoch], self._ground.now
        if one.union.missing:
            one.missing = now if one.missing is None else one.missing
            if now < one.missing + MISSING:
                return False
        else:
            one.missing = None
        seat, heard = one.place.seat, one.union.heard
        if heard >= seat.configuration.q:
            return True
        troubles = one.union.troubles
        gone = sum(code == ErrorCode.GONE for code in troubles.values())
        lost = sum(
            index in troubles or self._away(relay.key)
            for index, relay in enumerate(seat.configuration.relays)
        )
        if gone == seat.configuration.n:
            return True
        return heard > 0 and heard >= seat.configuration.n - lost and now >= one.since + PATIENCE

    def _lost(self, epoch: int) -> bool:
        """Whether nobody is left whom an epoch that is over could be read from."""
        one = self.epochs[epoch]
        relays = one.place.seat.configuration.relays
        return self._ground.now >= one.since + PATIENCE and all(
            map(self._away, (r.key for r in relays))
        )

    def _away(self, relay: bytes) -> bool:
        return self._ground.away(relay)
