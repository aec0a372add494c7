"""One conversation's log on all its relays, as one device deals with it.

    conversation, effects = Conversation.found(…)
    log = Log.found(conversation, effects, keeping, …)      # or joined, or load after a restart
    log.say(number, kind, content); log.wish(number, wish)
    for happening in log.settle(now=…, time=…): …           # in the same transaction
    send(log.asks(now))                                     # after it was written

It owns the conversation and all cores under way: `Sending` brings our words to all relays, `Reading` makes
the union of what they have, `Deciding` changes and follows, `Menders` put relays right, `Founding` opens the
log at first. What came in is given to cores at once; what follows from it, `settle` does, and writes it.

Nothing is believed and nothing fails by time: see the cores. What a relay can make us hold is bounded by them
and by what is kept here: a place for each of a few epochs, one mending for each relay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Self

from heliogram import mls
from heliogram.node.asking import Ask, LogScope, Scope
from heliogram.node.chain import Decision
from heliogram.node.changes import Wish
from heliogram.node.conversation import Conversation
from heliogram.node.errors import InvalidInvitation, NotNow, NotOpened
from heliogram.node.events import MemberWounded, RescueArrived
from heliogram.node.identity.authentication import DeviceAuthentication
from heliogram.node.invitation import Invitation
from heliogram.node.log.deciding import Deciding
from heliogram.node.log.ground import Ground, Single, Step, Track
from heliogram.node.log.happenings import BlobToFetch, BlobToStore, Happening
from heliogram.node.log.keeping import Keeping, Notes
from heliogram.node.log.mending import Menders
from heliogram.node.log.opening import Founding
from heliogram.node.log.reading import Reading
from heliogram.node.log.refilling import Refilling
from heliogram.node.log.sending import Item, Sending
from heliogram.node.posting import Tip
from heliogram.node.records import Effects, Outgoing, Phase
from heliogram.node.value import WelcomeBlob
from heliogram.wire import frames
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import Certificate
from heliogram.wire.receipts import life

#: Seconds between looks at the slot when nothing happens: somebody may have left it half way.
LOOK = 120.0

_DEVICES = DeviceAuthentication()


def _nobody() -> Collection[bytes]:
    return ()


class Log:
    """One device's dealings with one conversation's log. Made by `found`, `joined` and `load`."""

    def __init__(
        self,
        conversation: Conversation,
        keeping: Keeping,
        *,
        entropy: Callable[[int], bytes],
        package: Callable[[], mls.OwnKeyPackage] | None = None,
        revoked: Callable[[], Collection[bytes]] = _nobody,
        authentication: mls.AuthenticationService = _DEVICES,
        now: float,
        time: int,
    ) -> None:
        """Use `found`, `joined` or `load`.

        `package` makes a fresh key package of this device, `revoked` gives ids of revoked devices. `now` is
        monotonic seconds, `time` Unix seconds.
        """
        self._ground = Ground(
            self, conversation, Notes(keeping), entropy, package, revoked, now=now, time=time
        )
        self._authentication = authentication
        self._founding = Founding(self._ground)
        self._sending = Sending(self._ground)
        self._reading = Reading(self._ground)
        self._deciding = Deciding(self._ground)
        self._menders = Menders(self._ground)
        self._refilling = Refilling(self._ground, self._reading)
        #: Asks the open slot where it stands.
        self._watch: Track | None = None
        self._looked = float("-inf")
        #: Whether q relays have said that the epoch where we are is open.
        self._caught_up = False
        self._leaving = False
        self._rescue: Invitation | None = None
        #: Whether something came or was wanted since `settle`. If not, turns pass by until the deadline.
        self.stirred = True

    @classmethod
    def found(
        cls, conversation: Conversation, effects: Effects, keeping: Keeping, **how: Any
    ) -> Self:
        """After `Conversation.found`: the log is opened on all relays, `Opened` once a quorum has it."""
        log = cls(conversation, keeping, **how)
        log._ground.enter()
        log._ground.write(effects)
        log._ground.flush()
        log._founding.begin()
        return log

    @classmethod
    def joined(
        cls, conversation: Conversation, effects: Effects, keeping: Keeping, **how: Any
    ) -> Self:
        """After `Conversation.join`."""
        log = cls(conversation, keeping, **how)
        log._ground.enter()
        log._ground.write(effects)
        log._ground.flush()
        return log

    @classmethod
    def load(
        cls,
        keeping: Keeping,
        *,
        authentication: mls.AuthenticationService = _DEVICES,
        **how: Any,
    ) -> Self:
        """After a restart. Then say and wish again what is in the store. Raises `DamagedState`."""
        conversation = Conversation.load(keeping.records(), authentication=authentication)
        log = cls(conversation, keeping, authentication=authentication, **how)
        ground = log._ground
        if conversation.phase is Phase.OUT:
            return log
        ground.places = {one.seat.epoch: one for one in ground.notes.places()}
        if conversation.epoch not in ground.places:
            ground.enter()
        ground.vouchers = ground.notes.vouchers()
        log._leaving = ground.notes.leaving
        log._founding.load()
        log._sending.load()
        log._deciding.load()
        log._reading.load(log._deciding.unstable())
        return log

    def __repr__(self) -> str:
        return f"<Log in epoch {self.conversation.epoch}, {self.conversation.phase.name}>"

    # --- What is known ----------------------------------------------------------------------------

    @property
    def conversation(self) -> Conversation:
        """The conversation: to be read, not to be called."""
        return self._ground.conversation

    @property
    def ready(self) -> bool:
        """Whether a quorum of relays has the log: `Opened` has been told."""
        return self._founding.open

    @property
    def stranded(self) -> frozenset[bytes]:
        """Relays that have not opened the new log, if they are so many that there is no quorum without them.

        Nobody else has heard of a log that was never open: it may be begun elsewhere, unless somebody gives
        it up. It opens yet if they come back.
        """
        opening = self._founding.opening
        if self._leaving or self._founding.open or opening is None or not opening.stranded:
            return frozenset()
        return frozenset(opening.failing)

    def seen(self) -> Iterator[tuple[bytes, int, float]]:
        """Relays that were asked for this log: how often in a row without an answer, and when last."""
        for key, health in self._ground.health.items():
            yield key, health.lost, health.at

    def states(self) -> dict[bytes, str]:
        """How the relays of the open epoch do, by their keys: as in `api.RelayHealth`."""
        ground = self._ground
        relays = ground.conversation.seat.configuration.relays
        return {
            one.key: ground.health[one.key].state if one.key in ground.health else "unknown"
            for one in relays
        }

    def blob_scope(self, relay: bytes) -> LogScope:
        """The channel for BLOB_OPEN at a relay of the open epoch. Raises `NotNow` if there is none."""
        ground = self._ground
        if ground.conversation.phase is Phase.OUT:
            raise NotNow
        index = ground.place.seat.index_of(relay)
        scope = None if index is None else ground.scope(ground.place, index)
        if scope is None:
            raise NotNow
        return scope

    @property
    def out_of_reach(self) -> bool:
        """Whether so many relays of the open epoch do not serve it that no quorum is left."""
        ground = self._ground
        if ground.conversation.phase is Phase.OUT or not self._founding.open:
            return False
        after = ground.conversation.seat.configuration
        # Where the log is dead, relays have gone on or stand still: all that counts is whether they answer.
        bad = ("gone", "behind", "refused") if ground.conversation.phase is Phase.OPEN else ()
        lost = sum(ground.away(key) or state in bad for key, state in self.states().items())
        return lost > after.n - after.q

    @property
    def in_reach(self) -> bool:
        """Whether a quorum of the relays of the open epoch has answered what it was last asked."""
        ground = self._ground
        if ground.conversation.phase is Phase.OUT:
            return False
        here = ground.conversation.seat.configuration
        return sum(ground.up(one.key) for one in here.relays) >= here.q

    @property
    def package(self) -> mls.OwnKeyPackage | None:
        """The key package that we asked to be put back with, or to be taken into a successor with."""
        return self._ground.notes.package()

    def blobs(self) -> list[BlobToStore]:
        """Welcomes that must be uploaded before their change is proposed."""
        return self._deciding.blobs()

    # --- What is wanted ---------------------------------------------------------------------------

    def say(
        self,
        number: int,
        kind: str,
        content: bytes,
        *,
        epoch: int | None = None,
        entry: bytes | None = None,
        grace: bool = False,
    ) -> None:
        """Say an item of the outbox; with `epoch` and `entry` if it was encrypted before a restart.

        With `grace`: for the grace lane of a conversation that is dead. Once it was `StoredByQuorum` it need
        not be said again.
        """
        sealed = None if epoch is None or entry is None else Outgoing(epoch, entry, grace)
        self._sending.say(Item(number, kind, content, grace, entry=sealed))

    def wish(self, number: int, wish: Wish) -> None:
        """Change something. It is planned anew when somebody else was faster; `number` is not negative.

        After a restart it is wished again, until it was `WishDone` or `WishRefused`.
        """
        self._deciding.wish(number, wish)

    def leave(self) -> None:
        """Leave the conversation: announced as soon as that is possible.

        Where the log was never open there is nobody to tell: it is given up at once.
        """
        self._leaving = True
        self._ground.notes.put_leaving(True)

    def stop(self, why: str) -> None:
        """End it, for us: `Conversation.stop`. What is in the log is read on."""
        ground = self._ground
        if ground.conversation.phase is Phase.OPEN:
            self._sending.heard()
            ground.write(ground.conversation.stop(why))
            self._deciding.stop()
            self._sending.stop()
            self._drop_watch()

    def abandon(self) -> None:
        """Delete all keys without a word: another successor counts."""
        if self._ground.conversation.phase is not Phase.OUT:
            self._ground.write(self._ground.conversation.abandon())
            self._out()

    def unsay(self, number: int) -> None:
        """An item of the outbox is said elsewhere."""
        self._sending.drop(number)

    def reports(self) -> list[MemberWounded]:
        """Who has said that they could not follow, and is not put back."""
        return list(self._deciding.cries.values())

    @property
    def own_package(self) -> mls.OwnKeyPackage | None:
        """What we said with that we cannot follow, if we did."""
        return self._ground.notes.package()

    def offer(self, to: Conversation, draft: Invitation, reports: list[MemberWounded]) -> None:
        """Leave the invitation to `to`, our successor, for these: `Conversation.offer`, which may raise."""
        ground = self._ground
        effects = ground.conversation.offer(to, draft, reports, entropy=ground.entropy)
        for entry in effects.entries:
            self._sending.post(entry)

    def look(self) -> None:
        """Something may be new: read slot and log now."""
        self._looked = float("-inf")
        self._reading.poll()

    def serve(self, decisions: Iterable[Decision]) -> None:
        """Decisions from elsewhere, one epoch after the other. They are followed if they count."""
        if self._ground.conversation.phase is Phase.OPEN:
            self._deciding.serve(decisions)

    def blob_stored(self, id: bytes, relay: bytes) -> None:
        """A Welcome of `blobs` lies on a relay now."""
        self._deciding.blob_stored(id, relay)

    def blob_fetched(self, blob: bytes) -> None:
        """The Welcome that puts us back: what `BlobToFetch` asked for. Another one changes nothing."""
        rescue = self._rescue
        if rescue is None or not isinstance(rescue.welcome, WelcomeBlob):
            return
        try:
            self._rejoin(rescue, rescue.welcome.unseal(blob))
        except NotOpened:
            return

    def stir(self, now: float, time: int) -> None:
        """Something may be wanted of it in this turn: then it is settled."""
        self._ground.now, self._ground.time = now, time
        self.stirred = True

    # --- Turns ------------------------------------------------------------------------------------

    def settle(self, *, now: float, time: int) -> list[Happening]:
        """Do all that follows from what came in, and write it; what happened since, in order."""
        ground = self._ground
        ground.now, ground.time = now, time
        self.stirred = False
        if ground.conversation.phase is not Phase.OUT:
            self._settle()
        ground.flush()
        happened, ground.happenings = ground.happenings, []
        return happened

    def _settle(self) -> None:
        ground, reading, deciding = self._ground, self._reading, self._deciding
        opened = self._founding.open
        if self._leaving and not opened:
            self._leaving = False
            self.abandon()
            return
        self._sending.heard()
        self._heard()
        while deciding.settle(opened=opened, may_go_on=reading.may_go_on()):
            if not self._moved():
                return
            self._heard()
        for epoch in deciding.stable:
            reading.closed(epoch, stable=True)
        deciding.stable.clear()
        for entry, after in deciding.rescues:
            self._sending.post(entry, after=after)
        deciding.rescues.clear()
        for entry, _ in deciding.entries:
            self._sending.post(entry)
        deciding.entries.clear()
        sure = reading.is_sure()
        if self._leaving and sure:
            self._announce()
            if ground.conversation.phase is Phase.OUT:
                self._out()
                return
        self._sending.settle(
            opened=opened, unstable=deciding.unstable(), sure=sure, current=self._caught_up
        )
        self._sending.last_words()
        self._look()
        self._mend()
        reading.settle(caught_up=opened and self._may_listen())

    def _may_listen(self) -> bool:
        return self._caught_up or self._ground.conversation.phase is not Phase.OPEN

    def _moved(self) -> bool:
        """A decision was followed: wherever that led. False when it led out."""
        ground = self._ground
        match ground.conversation.phase:
            case Phase.OUT:
                self._out()
                return False
            case Phase.OPEN:
                over = ground.epoch - 1
                ground.enter()
                self._reading.begin(over, live=False)
                self._reading.closed(over, stable=False)
                self._sending.entered()
                self._menders.entered()
                self._refilling.clear()
                self._drop_watch()
                self._caught_up = False
                self._looked = float("-inf")
            case _:
                self._sending.stop()
                self._drop_watch()
        return True

    def _heard(self) -> None:
        """Act upon what was said and what happened."""
        for event in self._reading.said:
            self._deciding.heard(event)
            if isinstance(event, RescueArrived):
                self._rescued(event.invitation)
        self._reading.said.clear()
        if self._ground.conversation.phase in (Phase.WOUNDED, Phase.DEAD):
            self._cry()

    def _announce(self) -> None:
        ground = self._ground
        try:
            effects = ground.conversation.leave(entropy=ground.entropy)
        except NotNow:
            return  # somebody else leaves: after that
        self._leaving = False
        ground.notes.put_leaving(False)
        ground.write(effects)
        for entry in effects.entries:
            self._sending.post(entry)

    # --- The wounded, the dead --------------------------------------------------------------------

    def _cry(self) -> None:
        """We cannot follow, or nobody can: tell the others, once, with a fresh key package."""
        ground = self._ground
        if ground.package is None or ground.notes.package() is not None:
            return
        package = ground.package()
        ground.notes.put_package(package)
        effects = ground.conversation.report(package.key_package, entropy=ground.entropy)
        ground.write(effects)
        for entry in effects.entries:
            self._sending.post(entry)

    def _rescued(self, invitation: Invitation) -> None:
        if isinstance(invitation.welcome, WelcomeBlob):
            self._rescue = invitation
            self._ground.tell(BlobToFetch(invitation.welcome))
        else:
            self._rejoin(invitation, None)

    def _rejoin(self, invitation: Invitation, welcome: bytes | None) -> None:
        """Take the place that somebody has given us back."""
        ground = self._ground
        package = ground.notes.package()
        if package is None or ground.conversation.phase is not Phase.WOUNDED:
            return
        try:
            conversation, effects = Conversation.join(
                invitation,
                [package],
                welcome=welcome,
                replaces=ground.conversation,
                authentication=self._authentication,
                now=ground.time,
            )
        except InvalidInvitation:
            return
        self._rescue = None
        self._clear()
        ground.notes.forget()
        ground.places.clear()
        ground.conversation = conversation
        ground.enter()
        ground.write(effects)

    def _out(self) -> None:
        self._deciding.out()
        self._clear()
        self._ground.notes.forget()

    def _clear(self) -> None:
        self._drop_watch()
        self._sending.clear()
        self._reading.clear()
        self._deciding.clear()
        self._menders.clear()
        self._refilling.clear()
        self._caught_up = False
        self._looked = float("-inf")

    # --- Looking ----------------------------------------------------------------------------------

    def _look(self) -> None:
        """Now and then, and after each step: is the epoch where we are still open?"""
        ground = self._ground
        if self._watch is not None:
            core = self._watch.core
            if isinstance(core, Tip) and core.open:
                self._caught_up = True
                self._drop_watch()
        elif self._looks() and ground.now >= self._looked + LOOK:
            self._looked = ground.now
            place = ground.place
            self._watch = ground.begin(Tip(place.seat, place.instances), place)

    def _looks_on(self) -> bool:
        return self._ground.conversation.phase is Phase.OPEN and self._founding.open

    def _looks(self) -> bool:
        return self._looks_on() and self._watch is None

    def _drop_watch(self) -> None:
        self._ground.end(self._watch)
        self._watch = None

    def _mend(self) -> None:
        ground = self._ground
        busy: set[bytes] = set()
        opening = self._founding.opening
        if opening is not None:
            busy = {one.key for one in opening.seat.configuration.relays} - opening.there
        self._menders.settle(busy)
        for relay in self._menders.lifted:
            for epoch, one in list(self._reading.epochs.items()):
                if one.place.seat.index_of(relay) is not None:
                    self._reading.anew(epoch)
        if self._menders.lifted and ground.conversation.phase is Phase.OPEN:
            self._deciding.renew_later()
        if self._menders.lifted or self._menders.mended or self._sending.left:
            self._refilling.soon()
        self._menders.lifted.clear()
        self._menders.mended.clear()
        self._sending.left = False
        self._refilling.settle()

    # --- A source of asks -------------------------------------------------------------------------

    def asks(self, now: float) -> list[Ask]:
        """What is to be sent now, once the turn is written."""
        ground = self._ground
        ground.now = now
        if ground.conversation.phase is Phase.OUT:
            return []
        found: list[Ask] = []
        if self._founding.opening is not None:
            found += self._founding.opening.asks()
        found += self._deciding.asks()
        if self._founding.open:
            found += ground.asks()
            found += self._menders.asks()
            found += self._refilling.asks()
        return found

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """A relay's answer."""
        ground = self._ground
        ground.now = now
        self.stirred = True
        if ground.conversation.phase is Phase.OUT:
            return
        if isinstance(ask.token, Single):
            ask.token.then(request, answer)
        elif isinstance(ask.token, Step):
            step = ask.token
            ground.answered(step, request, answer)
            self._shown(step, answer)

    def lost(self, ask: Ask, now: float) -> None:
        """There is no answer."""
        self._ground.now = now
        self.stirred = True
        if self._ground.conversation.phase is Phase.OUT:
            return
        if isinstance(ask.token, Single):
            ask.token.lost()
        elif isinstance(ask.token, Step):
            self._ground.lost(ask.token)

    def deadline(self, now: float) -> float | None:
        """When there is something to do at the latest."""
        if self._ground.conversation.phase is Phase.OUT:
            return None
        opening = self._founding.opening
        times = [
            self._ground.deadline(),
            self._sending.deadline(),
            self._reading.deadline(),
            self._deciding.deadline(),
            self._menders.deadline(),
            self._refilling.deadline(),
            None if opening is None else opening.deadline(),
            self._looked + LOOK if self._looks() else None,
        ]
        due = min((one for one in times if one is not None), default=None)
        return None if due is None or due == float("inf") else max(due, now)

    def opened(self, relay: bytes, scope: Scope, answer: frames.Authorised, now: float) -> None:
        """A channel is open. Its answer may say that the relay fell back."""
        ground = self._ground
        ground.now = now
        self.stirred = True
        ground.heard(relay)
        if answer.fence and isinstance(scope, LogScope) and scope.epoch == ground.epoch:
            ground.fenced(relay, ground.place, answer.fence)
        known = ground.evidence(relay)
        if known is not None and life(known.receipt.index) < life(answer.next_index):
            # It fell back, and whoever met it first has shown it that.
            self._menders.fell_back(relay, fenced=bool(answer.fence))

    def pushed(self, relay: bytes, push: frames.Push, now: float) -> None:
        """A relay says something by itself."""
        ground = self._ground
        ground.now = now
        self.stirred = True
        if ground.conversation.phase is Phase.OUT:
            return
        if isinstance(push, frames.Advanced):
            self._advanced(relay, push)
        else:
            self._reading.pushed(relay, push)

    def parted(self, relay: bytes, now: float) -> None:
        """The connection to a relay is over."""
        self._ground.now = now
        self.stirred = True
        self._reading.parted(relay)

    # --- What relays show -------------------------------------------------------------------------

    def _shown(self, step: Step, answer: frames.Answer) -> None:
        """What an answer says of the open slot, whoever asked."""
        ground, place = self._ground, step.track.place
        if place.seat.epoch != ground.epoch or step.track is self._deciding.track:
            return
        relay = place.seat.configuration.relays[step.index].key
        if isinstance(answer, frames.Decided) or (
            isinstance(answer, frames.Peeked) and answer.certificate
        ):
            self._deciding.learn(relay, place, answer.certificate)
        elif isinstance(answer, frames.Peeked) and answer.round > 0 and self._looks_on():
            self._deciding.votes()

    def _advanced(self, relay: bytes, push: frames.Advanced) -> None:
        ground = self._ground
        try:
            epoch = Certificate.from_bytes(push.certificate).epoch
        except RemoteError:
            return
        place = ground.places.get(epoch)
        if place is None:
            return
        index = place.seat.index_of(relay)
        if index is not None and place.instances[index] == push.instance:
            self._reading.ended(relay, epoch)
            self._deciding.learn(relay, place, push.certificate)
