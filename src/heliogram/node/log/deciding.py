"""Changes: what we wish is staged, elected, followed, shown to all; what others decide is followed.

One election at a time, for the open slot. It begins when there is a value of ours, when a relay shows a
decision, or when votes were seen that nobody brings to an end. What was decided is written and followed in
the same turn, then shown to all relays until each has answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from heliogram.node.asking import Ask, LogScope
from heliogram.node.chain import Decision
from heliogram.node.changes import RenewKeys, Restore, Wish
from heliogram.node.errors import NodeError, NotNow, RelaysAway
from heliogram.node.events import (
    EpochStarted,
    Event,
    InvitationDue,
    MemberRestored,
    MemberWounded,
)
from heliogram.node.log.ground import Ground, Track
from heliogram.node.log.happenings import (
    BlobToStore,
    DecisionStable,
    Happened,
    WishDone,
    WishRefused,
)
from heliogram.node.log.keeping import Place
from heliogram.node.log.opening import Opening
from heliogram.node.log.refilling import Copying
from heliogram.node.records import Effects, Outgoing, Phase
from heliogram.node.slots import Election, Step
from heliogram.wire import frames
from heliogram.wire.objects import Header, blob_id

#: Decisions that are shown to all at once; relays that miss older ones are brought level.
MAX_SPREADING = 4

#: Decisions that somebody else served and that wait to be followed.
MAX_SERVED = 4096

#: Wishes that wait.
MAX_WISHES = 256

#: Seconds after which votes that nobody brings to an end are somebody's left half way.
UNFINISHED = 5.0

#: Seconds between members, by rank, who would do the same thing: commit departures, put somebody back.
BETWEEN = 1.0

#: At most so long.
LONGEST = 30.0

#: Seconds that the last relays have to open the log which a change brings in.
OPENING = 10.0

#: Seconds after which a change is given up whose new relays do not open the log.
GIVEN_UP = 180.0

#: The number of what we change of our own accord.
OWN = -1


@dataclass(slots=True)
class Queued:
    """A wish that waits for its turn."""

    number: int
    wish: Wish


@dataclass(slots=True)
class Timers:
    """When something is due that others may do before us."""

    departures: float | None = None
    rescue: float | None = None
    renewal: float | None = None
    unfinished: float | None = None


class Deciding:
    """The open slot, the slots before it that not all relays know decided, and what is wished."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.queue: list[Queued] = []
        self.track: Track | None = None
        self.spreading: list[Track] = []
        self.timers = Timers()
        self.cries: dict[bytes, MemberWounded] = {}
        self._wanted = ground.notes.wanted()
        #: The wish that our staged value fulfils, to be wished again if it loses.
        self._staged: Queued | None = None
        self._stable: set[int] = set()
        self._dues: list[InvitationDue] = []
        #: Before a value is proposed: its Welcome on relays, its new relays opened.
        self._blobs: dict[bytes, tuple[bytes, set[bytes]]] = {}
        self.opening: Opening | None = None
        self.copying: Copying | None = None
        #: Decisions that somebody else served, for epochs that we have not left.
        self._served: dict[int, Decision] = {}
        #: What `settle` found out, for `Log`.
        self.rescues: list[tuple[Outgoing, int]] = []
        self.entries: list[tuple[Outgoing, int | None]] = []
        self.stable: list[int] = []

    def load(self) -> None:
        """Go on from what is kept."""
        ground, notes = self._ground, self._ground.notes
        self.cries = {cry.who.device: cry for cry in notes.cries()}
        self._dues = notes.dues()
        self._blobs = {id: (blob, set()) for id, blob in notes.blobs().items()}
        for id in self._blobs:
            self._tell_blob(id)
        for epoch in notes.spreading():
            place, decision = ground.places.get(epoch), notes.keeping.decision(epoch)
            if place is not None and decision is not None:
                election = self._made(place, rank=0)
                election.finish(decision, ground.now)
                self.spreading.append(ground.begin(election, place))
        saved = notes.election()
        if saved is not None and ground.conversation.phase is Phase.OPEN:
            self._elect().restore(saved)
        elif ground.conversation.staged is not None:
            self._prepare()

    # --- What comes in ----------------------------------------------------------------------------

    def wish(self, number: int, wish: Wish) -> None:
        """Something is to change. Twice the same number is once."""
        if number == self._wanted.staged:
            self._staged = Queued(number, wish)
            return
        if number in {one.number for one in self.queue} | self._wanted.decided.keys():
            return
        if len(self.queue) >= MAX_WISHES:
            self._ground.tell(WishRefused(number, NotNow("too many wishes wait")))
            return
        self.queue.append(Queued(number, wish))

    def learn(self, relay: bytes, place: Place, certificate: bytes) -> None:
        """A relay has shown that the open slot is decided."""
        ground = self._ground
        index = place.seat.index_of(relay)
        if place.seat.epoch != ground.epoch or index is None:
            return
        if ground.conversation.phase is Phase.OPEN:
            self._elect().advanced(
                index, frames.Advanced(place.instances[index], certificate), ground.now
            )
            if self.track is not None:
                ground.wake(self.track)

    def serve(self, decisions: Iterable[Decision]) -> None:
        """Somebody has shown decisions, one epoch after the other. None of them has been checked."""
        for decision in decisions:
            at = decision.epoch
            if at == self._ground.epoch or at - 1 in self._served:
                if len(self._served) < MAX_SERVED:
                    self._served.setdefault(at, decision)

    def votes(self) -> None:
        """Somebody has begun an election of the open slot."""
        if self.timers.unfinished is None and self.track is None:
            rank = min(self._ground.conversation.rank, 16)
            self.timers.unfinished = self._ground.now + UNFINISHED + rank * BETWEEN

    def heard(self, event: Event) -> None:
        """Something was said that asks for a change."""
        ground = self._ground
        if isinstance(event, MemberWounded):
            # They may be faster: what they cannot follow may be what we do not know yet.
            self.cries[event.who.device] = event
            ground.notes.put_cry(event)

    def renew_later(self) -> None:
        """A relay abstains until the next epoch: if the group stays quiet, we begin one."""
        self.timers.renewal = self._ground.now + LONGEST + self._turn()

    def blob_stored(self, id: bytes, relay: bytes) -> None:
        """A Welcome lies on a relay."""
        if id in self._blobs:
            self._blobs[id][1].add(relay)

    def blobs(self) -> list[BlobToStore]:
        """Welcomes that must be uploaded."""
        seat = self._ground.conversation.seat
        relays = tuple(one.key for one in seat.configuration.relays)
        return [BlobToStore(id, blob, relays) for id, (blob, _) in self._blobs.items()]

    # --- What follows -----------------------------------------------------------------------------

    def settle(self, *, opened: bool, may_go_on: bool) -> bool:
        """Follow what was decided, stage what is due. True if another epoch is open."""
        self._spread()
        if self._ground.conversation.phase is Phase.DEAD:
            self.refuse_all()
        moved = self._follow() if may_go_on else False
        if opened and not moved and self._ground.conversation.phase is Phase.OPEN:
            self._times()
            self._stage()
            self._propose()
        return moved

    @property
    def election(self) -> Election | None:
        """That of the open slot."""
        core = None if self.track is None else self.track.core
        return core if isinstance(core, Election) else None

    @property
    def decided(self) -> bool:
        """Whether a decision of the open slot is here and waits to be followed."""
        return self.election is not None and self.election.decision is not None

    def unstable(self) -> set[int]:
        """Epochs whose decision is not known to be held by q relays."""
        return {one.place.seat.epoch for one in self.spreading} - self._stable

    def deadline(self) -> float | None:
        """When something is due at the latest."""
        timers, now = self.timers, self._ground.now
        times = [timers.departures, timers.rescue, timers.renewal, timers.unfinished]
        # What is due already waits for something that will happen.
        coming = [one for one in times if one is not None and one > now]
        opening = None if self.opening is None else self.opening.deadline()
        if self.opening is not None:
            ends = (self.opening.since + OPENING, self.opening.since + GIVEN_UP)
            coming += [at for at in ends if at > now]
        if opening is not None:
            coming.append(opening)
        if self.copying is not None and not self.copying.done:
            coming.append(self.copying.deadline())
        return min(coming, default=None)

    def asks(self) -> list[Ask]:
        """What is to be asked before our value is proposed."""
        found = [] if self.opening is None else self.opening.asks()
        return found if self.copying is None else found + self.copying.asks()

    def stop(self) -> None:
        """Nothing is decided here any more."""
        self._ground.end(self.track)
        self.track = None
        self.timers, self.opening, self.copying = Timers(), None, None
        if self._wanted.staged is not None:
            if self._staged is not None and self._staged.number != OWN:
                self.queue.insert(0, self._staged)
            self._wanted.staged = self._staged = None
            self._ground.notes.put_wanted(self._wanted)
        self._ground.notes.put_election(None)
        for id in list(self._blobs):
            self._ground.notes.put_blob(id, None)
        self._blobs.clear()

    def clear(self) -> None:
        """We are out, or somewhere else: nothing of what was under way goes on."""
        self._ground.end(self.track)
        self.track = None
        for one in self.spreading:
            self._ground.end(one)
        self.spreading.clear()
        self.timers, self.opening, self.copying = Timers(), None, None
        self._blobs.clear()
        self._served.clear()
        self._dues.clear()
        self.cries.clear()

    def out(self) -> None:
        """We are out: what was decided is done, and nothing else comes to be."""
        self.stop()
        self.refuse_all()
        for number in self._wanted.decided:
            self._ground.tell(WishDone(number))
        self._wanted.decided.clear()

    def refuse_all(self) -> None:
        """Nothing that waits here will ever come to be."""
        for queued in self.queue:
            self._ground.tell(WishRefused(queued.number, NotNow("nobody can go on here")))
        self.queue.clear()

    # --- Elections --------------------------------------------------------------------------------

    def _made(self, place: Place, *, rank: int) -> Election:
        return Election(place.seat, place.instances, rank=rank, entropy=self._ground.entropy)

    def _elect(self) -> Election:
        """The election of the open slot, begun if there is none."""
        found = self.election
        if found is None:
            place = self._ground.place
            found = self._made(place, rank=self._ground.conversation.rank)
            self.track = self._ground.begin(found, place)
            self.timers.unfinished = None
        return found

    def _take_served(self) -> None:
        """Go on by what somebody else has served, if its certificate counts."""
        ground = self._ground
        served = self._served.pop(ground.epoch, None)
        if served is None:
            return
        try:
            self._elect().finish(served, ground.now)
        except NotNow:
            self._served.clear()  # it is none, and what follows from it is none either

    def _follow(self) -> bool:
        ground = self._ground
        if not self.decided and ground.conversation.phase is Phase.OPEN:
            self._take_served()
        election = self.election
        if election is None or self.track is None:
            return False
        if election.step is Step.REST:
            ground.end(self.track)
            self.track = None
            return False
        if election.decision is None or ground.conversation.phase is not Phase.OPEN:
            return False
        decision, track = election.decision, self.track
        effects = ground.conversation.apply(decision, now=ground.time, entropy=ground.entropy)
        ground.notes.keeping.keep(decision)
        ground.notes.put_election(None)
        self.track, self.timers = None, Timers(renewal=None)
        self._followed(decision, effects)
        if ground.conversation.keys(decision.epoch) is None:
            # We are out. The others see to it.
            ground.end(track)
        else:
            self.spreading.append(track)
            while len(self.spreading) > MAX_SPREADING:
                old = self.spreading.pop(0)
                self._now_stable(old.place.seat.epoch)
                ground.end(old)
            self._keep_spreading()
        return True

    def _followed(self, decision: Decision, effects: Effects) -> None:
        """What a decision means for us."""
        ground, wanted, epoch = self._ground, self._wanted, decision.epoch
        own = any(isinstance(one, EpochStarted) and one.own for one in effects.events)
        held = [one for one in effects.events if isinstance(one, InvitationDue) and one.own]
        told = tuple(one for one in effects.events if one not in held)
        ground.write(Effects(effects.records, (), told))
        restored = {one.who.device for one in told if isinstance(one, MemberRestored)}
        for due in held:
            cry = next((one for one in self.cries.values() if one.who.device in restored), None)
            if cry is None:
                self._dues.append(due)
                ground.notes.put_due(due)
            else:
                self._rescue(due, cry)
        for device in restored:
            self.cries.pop(device, None)
            ground.notes.drop_cry(device)
        for id in list(self._blobs):
            ground.notes.put_blob(id, None)
        self._blobs.clear()
        self.opening = self.copying = None
        if own and wanted.staged is not None and wanted.staged != OWN:
            wanted.decided[wanted.staged] = epoch
        elif self._staged is not None and self._staged.number != OWN:
            self.queue.insert(0, self._staged)
        wanted.staged = self._staged = None
        ground.notes.put_wanted(wanted)
        self.entries += [(entry, None) for entry in effects.entries]

    def _rescue(self, due: InvitationDue, cry: MemberWounded) -> None:
        """The invitation for who was put back goes into the grace lane of its epoch."""
        try:
            rescue = self._ground.conversation.rescue(due.draft, cry, entropy=self._ground.entropy)
        except NodeError:
            return  # its keys are gone: it will cry again
        self.rescues += [(entry, due.epoch) for entry in rescue.entries]

    def _spread(self) -> None:
        ground = self._ground
        done: list[Track] = []
        for track in self.spreading:
            election = track.core
            if isinstance(election, Election):
                if election.stable:
                    for other in self.spreading[: self.spreading.index(track) + 1]:
                        self._now_stable(other.place.seat.epoch)
                if election.complete:
                    done.append(track)
        for track in done:
            self._now_stable(track.place.seat.epoch)
            self.spreading.remove(track)
            ground.end(track)
        if done:
            self._keep_spreading()

    def _keep_spreading(self) -> None:
        epochs = [one.place.seat.epoch for one in self.spreading]
        self._ground.notes.put_spreading(epochs)
        self._stable &= set(epochs)

    def _now_stable(self, epoch: int) -> None:
        ground, wanted = self._ground, self._wanted
        if epoch in self._stable:
            return
        self._stable.add(epoch)
        self.stable.append(epoch)
        ground.tell(DecisionStable(epoch))
        for due in [one for one in self._dues if one.epoch <= epoch]:
            self._dues.remove(due)
            ground.notes.drop_due(due.epoch)
            ground.tell(Happened(due))
        for number in [one for one, at in wanted.decided.items() if at <= epoch]:
            del wanted.decided[number]
            ground.notes.put_wanted(wanted)
            ground.tell(WishDone(number))

    # --- Wishes -----------------------------------------------------------------------------------

    def _turn(self) -> float:
        """How long to let others go first."""
        ground = self._ground
        return min(ground.conversation.rank * BETWEEN, LONGEST) + ground.chance() * BETWEEN

    def _times(self) -> None:
        """Begin and end timers of what any member may do."""
        ground, timers, now = self._ground, self.timers, self._ground.now
        talk = ground.conversation
        others = talk.departures - {talk.own_leaf}
        if not others:
            timers.departures = None
        elif timers.departures is None:
            timers.departures = now + self._turn()
        self._forget_cries()
        if not self._hurt():
            timers.rescue = None
        elif timers.rescue is None:
            timers.rescue = now + self._turn()
        if timers.unfinished is not None and now >= timers.unfinished:
            timers.unfinished = None
            self._elect()

    def _forget_cries(self) -> None:
        """Who is not in any more, or whose epoch's keys are gone, is not put back."""
        if not self.cries:
            return
        talk = self._ground.conversation
        here = {one.device for one in talk.people()}
        for device, cry in list(self.cries.items()):
            if device not in here or talk.keys(cry.epoch) is None:
                del self.cries[device]
                self._ground.notes.drop_cry(device)

    def _hurt(self) -> list[MemberWounded]:
        """Who can be put back: what they could not follow is behind us."""
        return [one for one in self.cries.values() if one.epoch < self._ground.epoch]

    def _next(self) -> Queued | None:
        """What to change now."""
        ground, timers, now = self._ground, self.timers, self._ground.now
        talk = ground.conversation
        if talk.must_renew:
            return Queued(OWN, RenewKeys())
        if talk.own_leaf in talk.departures:
            # We leave: nothing but taking others along is left to us.
            due = timers.departures is not None and now >= timers.departures
            return Queued(OWN, RenewKeys()) if due else None
        if self.queue:
            return self.queue[0]
        hurt = self._hurt()
        if hurt and timers.rescue is not None and now >= timers.rescue:
            return Queued(OWN, Restore(hurt[0].package))
        if timers.departures is not None and now >= timers.departures:
            return Queued(OWN, RenewKeys())
        if timers.renewal is not None and now >= timers.renewal:
            return Queued(OWN, RenewKeys())
        return None

    def _stage(self) -> None:
        ground = self._ground
        while ground.conversation.staged is None and not self.decided:
            queued = self._next()
            if queued is None:
                return
            try:
                staged = ground.conversation.stage(
                    queued.wish, now=ground.time, entropy=ground.entropy
                )
            except NotNow:
                return
            except NodeError as error:
                self._refuse(queued, error)
                if queued.number == OWN and queued not in self.queue:
                    return
                continue
            if queued in self.queue:
                self.queue.remove(queued)
            self._wanted.staged, self._staged = queued.number, queued
            ground.notes.put_wanted(self._wanted)
            ground.write(staged.effects)
            for blob in staged.blobs:
                id = blob_id(blob)
                self._blobs[id] = (blob, set())
                ground.notes.put_blob(id, blob)
                self._tell_blob(id)
            self._prepare()

    def _refuse(self, queued: Queued, error: NodeError) -> None:
        if queued in self.queue:
            self.queue.remove(queued)
        if queued.number != OWN:
            self._ground.tell(WishRefused(queued.number, error))
        elif isinstance(queued.wish, Restore):
            # Its package is worth nothing. It may cry again, with another one.
            for device, cry in list(self.cries.items()):
                if cry.package is queued.wish.package:
                    del self.cries[device]
                    self._ground.notes.drop_cry(device)
        else:
            # Another member may be able to do it.
            self.timers = Timers(departures=self._ground.now + LONGEST)

    def _tell_blob(self, id: bytes) -> None:
        for one in self.blobs():
            if one.id == id:
                self._ground.tell(one)

    def _prepare(self) -> None:
        """Before our value is proposed: its new relays must have the log."""
        staged, seat = self._ground.conversation.staged, self._ground.conversation.seat
        if staged is None:
            return
        after = Header.from_bytes(staged.header).seat(seat.epoch + 1)
        stay = {one.key for one in seat.configuration.relays}
        new = [one.key for one in after.configuration.relays if one.key not in stay]
        self.opening = Opening(self._ground, after, stay) if new else None

    def _propose(self) -> None:
        ground, staged = self._ground, self._ground.conversation.staged
        if staged is None or self.decided:
            return
        seat = ground.conversation.seat
        if any(len(there) < seat.configuration.q for _, there in self._blobs.values()):
            return
        if self.opening is not None and not self._given(self.opening):
            self._give_up(self.opening)
            return
        election = self._elect()
        if election.own is not None or election.decision is not None:
            return
        election.propose(staged)
        ground.notes.put_election(election.encode())
        # It leaves after this turn was written.
        election.saved()
        if self.track is not None:
            ground.wake(self.track)

    def _given(self, opening: Opening) -> bool:
        """Whether enough of the relays to come have the log, and what of it is kept."""
        after = opening.seat.configuration
        here = sum(one.key in opening.there for one in after.relays)
        if here < after.n and self._ground.now < opening.since + OPENING:
            return False
        if here < after.q:
            return False
        if self.copying is None:
            self.copying = self._copy(opening)
        return self.copying is None or self.copying.done

    def _give_up(self, opening: Opening) -> None:
        """Withdraw our value if its relays do not come and nothing of it was proposed."""
        ground = self._ground
        here = sum(one.key in opening.there for one in opening.seat.configuration.relays)
        if here >= opening.seat.configuration.q:
            return
        before = ground.place.seat.configuration
        if sum(ground.up(one.key) for one in before.relays) < before.q:
            # Perhaps it is we who are away: that time does not count.
            opening.since, opening.alone = ground.now, True
        elif opening.alone:
            opening.anew()
        if ground.now < opening.since + GIVEN_UP:
            return
        # What is proposed was written before it left.
        if ground.notes.election() is not None or (self.election and self.election.own):
            return
        ground.write(ground.conversation.withdraw())
        staged, self._staged, self._wanted.staged = self._staged, None, None
        ground.notes.put_wanted(self._wanted)
        for id in list(self._blobs):
            ground.notes.put_blob(id, None)
        self._blobs.clear()
        self.opening = self.copying = None
        if staged is not None:
            self._refuse(staged, RelaysAway())
        self._stage()
        self._propose()

    def _copy(self, opening: Opening) -> Copying | None:
        """One relay that stays gives the new ones what it has."""
        ground, after = self._ground, opening.seat
        keys, here = ground.conversation.staged_keys, ground.place.seat.configuration
        stay = [at for at, one in enumerate(here.relays) if after.index_of(one.key) is not None]
        well = [at for at in stay if here.relays[at].key not in ground.troubled]
        well = [at for at in well if not ground.away(here.relays[at].key)]
        if keys is None or not well:
            return None
        targets = []
        for one in after.configuration.relays:
            if here.index_of(one.key) is None and one.key in opening.there:
                key = keys.relay_key(after.configuration.log, one.key)
                targets.append((one, LogScope(after.id, after.epoch, key)))
        places = [at for epoch, at in sorted(ground.places.items()) if epoch <= ground.epoch]
        return Copying(ground, well[0], places, targets)
