"""An election: one member's drive of one slot to its decision.

Pure: frames to send come out of `requests`, answers go into `receive`, time is monotonic seconds, randomness
is an argument. It knows nothing of MLS: a value is bytes behind a header.

    election = Election(seat, instances, entropy=entropy)
    election.propose(value)             # or nothing: finish what others have begun
    save(election.encode())             # before anything is sent: after a crash it is still ours
    election.saved()
    while election.decision is None:
        send(election.requests(now)); ...   # until election.deadline() at the latest
        election.receive(relay, request, answer, now)

It reads the slot, asks for first votes, shows them for second votes, and shows the decision to all relays
until each has answered. When votes are split or relays are silent it waits a little, by rank and by chance,
and begins a later round with a quorum's promises: the highest lock that they show binds the value.

**Nothing is believed.** Every vote, promise and certificate is verified against the seat; what does not count
is as good as no answer, and its relay is named. One relay that shows a certificate that counts is enough.

**Nothing fails by time.** An answer that did not come leaves the outcome unknown: what was asked is asked
again, or the slot is read again. Whoever restarts with the saved state reads the slot anew.

**What relays claim is no more than a claim.** Their promised rounds are not signed. The next round is above
what q of them claim, so a few liars cannot drive it out of reach of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Self, TypeAlias

from heliogram.codec import DecodeError, Reader, optional, u8
from heliogram.node.chain import Decision, Fork, fork
from heliogram.node.errors import NotNow
from heliogram.node.misbehaviour import Ballots, Fault, Misbehaviour
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.limits import HASH_SIZE, MAX_ROUND_STEP
from heliogram.wire.objects import (
    Certificate,
    Header,
    Justification,
    RelaySignature,
    Seat,
    SignedPromise,
    Value,
    vote_content,
)
from heliogram.wire.signing import Label, Object, verify

#: Seconds: between ranks, and of chance at first. Some round trips, so that one member gets through.
DELTA = 0.5

#: Seconds after which votes of a round are not waited for any more; they double up to a limit.
PATIENCE = 3.0

#: Seconds after which an unanswered request is sent again; they double as well.
RESEND = 2.0

#: How often they double.
DOUBLINGS = 4

#: Requests to one relay in one step, so that nobody keeps us busy by answers that ask for more.
MAX_TRIES = 16

#: The last round: its number has 32 bits.
MAX_ROUND = 0xFFFFFFFF

#: The version of the saved structure.
STATE_VERSION = 1

Request: TypeAlias = frames.Peek | frames.Lock | frames.Commit | frames.NewRound | frames.Decide


class Step(Enum):
    """What an election is doing."""

    READ = "asking where the slot stands"
    WAIT = "letting others go first"
    PROMISE = "collecting promises for a later round"
    LOCK = "collecting first votes"
    COMMIT = "collecting second votes"
    FETCH = "fetching a value that was decided"
    DECIDE = "showing the decision to all"
    REST = "nothing to finish, and nothing of ours"


class Obstacle(Enum):
    """Why a relay does not take part, and so what the caller must do before `cleared`."""

    BEHIND = "bring it up to date by DECIDE, open the log if it has none, authorise again"
    FENCED = "it fell back: lift its fence"
    GONE = "it has forgotten this slot: nothing helps"


@dataclass(slots=True)
class _Relay:
    """What is known of one relay, and how far it is in this step."""

    #: The round that it says it has promised.
    promised: int | None = None
    obstacle: Obstacle | None = None
    #: The epoch that is open there, if it says so.
    epoch: int | None = None
    abstains: bool = False
    #: Whether it says that it has the decision.
    holds: bool = False
    #: Whether it is done with the present step, and whether as we hoped.
    answered: bool = False
    agreed: bool = False
    with_value: bool = False
    again: float = 0.0
    tries: int = 0

    def can_vote(self) -> bool:
        return self.obstacle is None and not self.abstains


@dataclass(frozen=True, slots=True)
class Saved(Object):
    """What survives a crash.

    struct {
        uint8 version = 1;
        opaque seat[32];
        optional<Value> own;
        optional<Decision> decision;
    } Saved;
    """

    seat: bytes = field(repr=False)
    own: Value | None
    decision: Decision | None

    def encode(self) -> bytes:
        """The bytes of this structure."""
        own = None if self.own is None else self.own.encode()
        decision = None if self.decision is None else self.decision.encode()
        return u8(STATE_VERSION) + self.seat + optional(own) + optional(decision)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next one. Raises `codec.DecodeError` or `RemoteError`."""
        if reader.u8() != STATE_VERSION:
            raise DecodeError("election", "saved by another version")
        seat = reader.fixed(HASH_SIZE)
        own = Value.decode(reader) if reader.optional() else None
        return cls(seat, own, Decision.decode(reader) if reader.optional() else None)


class Election:
    """One member's drive of the slot of `seat`."""

    def __init__(
        self,
        seat: Seat,
        instances: Sequence[bytes],
        *,
        channel: int = 0,
        rank: int = 0,
        entropy: Callable[[int], bytes],
    ) -> None:
        """`instances` are the log's names on the relays of the seat, in their order.

        `rank` is this member's place among all in this epoch: who is lower waits less. The caller fills in
        the ids of frames and sends each on the relay's connection, where `channel` leads to this epoch.
        """
        if len(instances) != seat.configuration.n:
            raise NotNow("not one instance per relay")
        self.seat = seat
        self.step = Step.READ
        self.round = 0
        #: What was decided, by us or others.
        self.decision: Decision | None = None
        #: Two certificates for this slot.
        self.fork: Fork | None = None
        self._instances = tuple(instances)
        self._channel = channel
        self._rank = rank
        self._entropy = entropy
        self._relays = [_Relay() for _ in instances]
        self._ballots = Ballots(seat)
        self._own: Value | None = None
        self._unsaved = False
        #: What is proposed in the present round, its hash and its bytes.
        self._value: Value | None = None
        self._h = b""
        self._encoded = b""
        self._lock: Certificate | None = None
        #: A certificate that counts and whose value is not here yet.
        self._certificate: Certificate | None = None
        self._why = Justification(())
        self._proposed: dict[int, bytes] = {}
        self._votes: dict[tuple[Label, int], dict[int, bytes]] = {}
        self._promises: dict[int, tuple[SignedPromise, Value | None]] = {}
        self._until: float | None = None
        self._attempt = 0
        self._began = False

    # --- What the caller sees ---------------------------------------------------------------------

    @property
    def own(self) -> Value | None:
        """The value that was proposed here."""
        return self._own

    @property
    def won(self) -> bool:
        """Whether our own value was decided, whoever finished it."""
        mine, decision = self._own, self.decision
        return mine is not None and decision is not None and mine.hash == decision.certificate.h

    @property
    def stable(self) -> bool:
        """Whether q relays hold the decision: then it is shown as done."""
        return sum(relay.holds for relay in self._relays) >= self.seat.configuration.q

    @property
    def complete(self) -> bool:
        """Whether all relays hold the decision, or never will: then the election is over."""
        return self.decision is not None and all(
            relay.holds or relay.obstacle is Obstacle.GONE for relay in self._relays
        )

    @property
    def obstacles(self) -> dict[int, tuple[Obstacle, int | None]]:
        """Relays that do not take part, why, and the epoch that is open there if it is known."""
        return {
            index: (relay.obstacle, relay.epoch)
            for index, relay in enumerate(self._relays)
            if relay.obstacle is not None
        }

    @property
    def misbehaviour(self) -> Sequence[Misbehaviour]:
        """Relays that did what no correct relay does, each fault once."""
        return self._ballots.found

    # --- What the caller does ---------------------------------------------------------------------

    def propose(self, value: Value) -> None:
        """End the epoch with `value`. To be saved before anything is sent.

        Another value may win; then `decision` is that one. Raises `NotNow` for a second value, for one that
        the log could not go on from, and after the decision.
        """
        if self._own is not None or self.decision is not None:
            raise NotNow("this slot has its proposal")
        if not _fits(value, self.seat):
            raise NotNow("the log could not go on from this value")
        self._own = value
        self._unsaved = True
        if self.step is Step.REST:
            self.step = Step.WAIT
            self._until = 0.0

    def encode(self) -> bytes:
        """What is to be saved: the own value, the decision."""
        return Saved(self.seat.id, self._own, self.decision).encode()

    def saved(self) -> None:
        """What `encode` gave last is on disk."""
        self._unsaved = False

    def restore(self, data: bytes) -> None:
        """Go on from what `encode` gave, before anything else. Raises `NotNow`, `RemoteError`."""
        kept = Saved.from_bytes(data)
        if kept.seat != self.seat.id or self._began or self._own is not None:
            raise NotNow("saved for another slot")
        self._own = kept.own
        if kept.decision is not None:
            self._certify(kept.decision.certificate, kept.decision.value, now=0.0)

    def finish(self, decision: Decision, now: float) -> None:
        """Take a decision from elsewhere; what is left is to show it. Raises `NotNow` if it is none."""
        if not self._certify(decision.certificate, decision.value, now):
            raise NotNow("not a decision of this slot")

    def advanced(self, relay: int, push: frames.Advanced, now: float) -> None:
        """A relay has pushed that a slot is decided. If it is another one nothing happens."""
        try:
            epoch = Certificate.from_bytes(push.certificate).epoch
        except RemoteError:
            epoch = self.seat.epoch
        if (push.instance, epoch) == (self._instances[relay], self.seat.epoch):
            self._shown(relay, push.certificate, b"", now)
            self._judge(now)

    def cleared(self, relay: int) -> None:
        """The obstacle at this relay has been dealt with: it is asked again."""
        one = self._relays[relay]
        one.obstacle = one.epoch = None
        self._attempt = 0
        if not one.agreed:
            one.answered, one.again, one.tries = False, 0.0, 0

    def deadline(self) -> float | None:
        """When `requests` will have something new at the latest; None if only an answer can change things."""
        if self._unsaved or self.step is Step.REST:
            return None
        times = [] if self._until is None else [self._until]
        if self.step is not Step.WAIT:
            times += [relay.again for index, relay in enumerate(self._relays) if self._asks(index)]
        return min(times, default=None)

    def requests(self, now: float) -> list[tuple[int, Request]]:
        """What is to be sent now: relay, frame. Nothing while a proposal is not saved."""
        if self._unsaved:
            return []
        if not self._began:
            self._began = True
            if self.step is Step.READ:
                self._until = now + PATIENCE
        if self._until is not None and now >= self._until:
            self._timeout(now)
        found: list[tuple[int, Request]] = []
        for index, relay in enumerate(self._relays):
            if self._asks(index) and now >= relay.again:
                relay.again = now + RESEND * 2 ** min(relay.tries, DOUBLINGS)
                relay.tries += 1
                found.append((index, self._request(index)))
        return found

    def lost(self, relay: int, now: float) -> None:
        """The connection to a relay ended: what was asked there has an unknown outcome and is asked again."""
        one = self._relays[relay]
        one.again = now + DELTA * 2 ** min(one.tries, DOUBLINGS)

    def receive(self, relay: int, request: Request, answer: frames.Answer, now: float) -> None:
        """Take the answer of a relay to what `requests` gave for it, now or earlier.

        A `Peek` of the same channel may be answered that somebody else has asked.
        """
        match request, answer:
            case _, frames.Failure():
                self._refused(relay, request, answer, now)
            case _, frames.Decided():
                self._shown(relay, answer.certificate, answer.value, now)
                self._done(relay, request, agreed=False)
            case frames.Peek(), frames.Peeked():
                self._peeked(relay, request, answer, now)
            case frames.Lock(), frames.Vote1():
                self._voted(relay, Label.VOTE1, request, request.round, answer.signature, now)
            case frames.Commit(), frames.Vote2():
                round = Certificate.from_bytes(request.certificate).round
                self._voted(relay, Label.VOTE2, request, round, answer.signature, now)
            case frames.NewRound(), frames.Promise():
                self._promised(relay, request, answer, now)
            case ((frames.Lock() | frames.Commit()), frames.Nack()):
                self._relays[relay].promised = answer.round
                self._done(relay, request, agreed=False)
            case frames.NewRound(), frames.Nack():
                self._nacked(relay, request, answer.round)
            case ((frames.Lock() | frames.Commit() | frames.NewRound()), frames.Refuse()):
                if answer.reason == frames.Refusal.ABSTAINING:
                    self._relays[relay].abstains = True
                self._done(relay, request, agreed=False)
            case ((frames.Commit() | frames.Decide()), frames.NeedValue()):
                self._needs_value(relay, request)
            case frames.Decide(), frames.Done():
                self._relays[relay].holds = True
                self._done(relay, request, agreed=True)
            case _:
                self._forged(relay, request)
        self._judge(now)

    # --- Requests ---------------------------------------------------------------------------------

    def _asks(self, index: int) -> bool:
        """Whether there is something to ask this relay in this step."""
        relay = self._relays[index]
        if self.step is Step.DECIDE:
            # A fenced relay takes decisions.
            return not relay.holds and relay.obstacle in (None, Obstacle.FENCED)
        if relay.answered or relay.obstacle is not None:
            return False
        if self.step in (Step.READ, Step.FETCH):
            return True
        voting = self.step in (Step.PROMISE, Step.LOCK, Step.COMMIT)
        return voting and not relay.abstains and relay.tries < MAX_TRIES

    def _request(self, index: int) -> Request:
        relay, channel = self._relays[index], self._channel
        match self.step:
            case Step.PROMISE:
                # Nobody goes further than so far at once: who is far below is led up step by step.
                reach = (relay.promised or 0) + MAX_ROUND_STEP
                return frames.NewRound(0, channel, min(self.round, reach))
            case Step.LOCK:
                why = self._why.encode() if self._why.promises else b""
                return frames.Lock(0, channel, self.round, self._encoded, why)
            case Step.COMMIT if self._lock is not None:
                value = self._encoded if relay.with_value else b""
                return frames.Commit(0, channel, self._lock.encode(), value)
            case Step.DECIDE if self.decision is not None:
                value = self.decision.value.encode() if relay.with_value else b""
                certificate = self.decision.certificate.encode()
                return frames.Decide(0, self._instances[index], certificate, value)
        return frames.Peek(0, channel, self.step is Step.FETCH)

    # --- Answers ----------------------------------------------------------------------------------

    def _current(self, request: Request) -> bool:
        """Whether a request belongs to the present step."""
        match request:
            case frames.Peek():
                return (self.step, request.value) in ((Step.READ, False), (Step.FETCH, True))
            case frames.NewRound():
                return self.step is Step.PROMISE and request.round == self.round
            case frames.Lock():
                return self.step is Step.LOCK and request.round == self.round
            case frames.Commit():
                lock = self._lock
                return (
                    self.step is Step.COMMIT
                    and lock is not None
                    and request.certificate == lock.encode()
                )
        return self.step is Step.DECIDE

    def _done(self, relay: int, request: Request, *, agreed: bool) -> None:
        """This relay has said its last word to a request."""
        one = self._relays[relay]
        if self._current(request) and not one.answered:
            one.answered, one.agreed = True, agreed

    def _forged(self, relay: int, request: Request) -> None:
        self._ballots.name(relay, Fault.FORGERY)
        self._done(relay, request, agreed=False)

    def _peeked(self, relay: int, request: frames.Peek, answer: frames.Peeked, now: float) -> None:
        one = self._relays[relay]
        if answer.certificate:
            self._shown(relay, answer.certificate, answer.value, now)
        if answer.fence:
            one.obstacle = Obstacle.FENCED
        one.promised = answer.round
        self._done(relay, request, agreed=True)

    def _voted(
        self, relay: int, label: Label, request: Request, round: int, signature: bytes, now: float
    ) -> None:
        h = self._proposed.get(round)
        if h is None:
            return
        key = self.seat.configuration.relays[relay].key
        if not verify(key, label, vote_content(self.seat.id, round, h), signature):
            self._forged(relay, request)
            return
        self._ballots.vote(relay, label, round, h, signature)
        votes = self._votes.setdefault((label, round), {})
        votes[relay] = signature
        self._relays[relay].promised = round
        self._done(relay, request, agreed=True)
        if label is Label.VOTE2 and len(votes) >= self.seat.configuration.q:
            # Perhaps of a round that we had given up.
            self._certify(self._certified(round, h, votes), None, now)

    def _promised(
        self, relay: int, request: frames.NewRound, answer: frames.Promise, now: float
    ) -> None:
        one, round = self._relays[relay], request.round
        try:
            lock = Certificate.from_bytes(answer.lock) if answer.lock else None
        except RemoteError:
            self._forged(relay, request)
            return
        signed = SignedPromise(relay, lock, answer.signature)
        if not signed.counts(self.seat, round):
            self._forged(relay, request)
            return
        shown = None if lock is None else (lock.round, lock.h)
        self._ballots.promise(relay, round, shown, answer.signature)
        value = None
        if lock is not None:
            self._ballots.certificate(lock, Label.VOTE1)
            value = _value(answer.value, lock.h)
            if value is None:
                # It binds, and cannot be proposed. The promises of others will do.
                self._ballots.name(relay, Fault.WRONG_VALUE)
                self._done(relay, request, agreed=False)
                return
        one.promised = round
        if self.step is Step.PROMISE and round < self.round:
            one.again = 0.0
        elif self._current(request):
            self._promises[relay] = (signed, value)
            self._done(relay, request, agreed=True)
        if self._certificate is not None and value is not None:
            self._certify(self._certificate, value, now)

    def _nacked(self, relay: int, request: frames.NewRound, promised: int) -> None:
        one = self._relays[relay]
        moved = one.promised != promised
        one.promised = promised
        if self.step is not Step.PROMISE:
            return
        if promised < self.round and moved:
            one.again = 0.0
        elif self._current(request) or promised >= self.round:
            one.answered, one.agreed = True, False

    def _needs_value(self, relay: int, request: Request) -> None:
        one = self._relays[relay]
        if isinstance(request, frames.Commit | frames.Decide) and request.value:
            # It has just been given.
            self._forged(relay, request)
        elif self._current(request) and not one.with_value:
            one.with_value, one.again = True, 0.0

    def _refused(self, relay: int, request: Request, answer: frames.Failure, now: float) -> None:
        one = self._relays[relay]
        match answer.code:
            case ErrorCode.FENCED:
                one.obstacle = Obstacle.FENCED
            case ErrorCode.NOT_AUTHORISED | ErrorCode.BEHIND:
                one.obstacle = Obstacle.BEHIND
                one.epoch = answer.detail if answer.code == ErrorCode.BEHIND else None
            case ErrorCode.BAD_CERTIFICATE if isinstance(request, frames.Decide):
                # Strangers are not told where the log stands, nor whether there is one.
                one.obstacle = Obstacle.BEHIND
            case ErrorCode.GONE:
                one.obstacle = Obstacle.GONE
            case _:
                # Not now. Nothing has changed there.
                one.again = max(one.again, now + DELTA * 2 ** min(one.tries, DOUBLINGS))

    # --- Steps ------------------------------------------------------------------------------------

    def _enter(self, step: Step, now: float) -> None:
        self.step = step
        patience = PATIENCE * 2 ** min(self._attempt, DOUBLINGS - 1)
        self._until = None if step in (Step.DECIDE, Step.REST) else now + patience
        for relay in self._relays:
            relay.answered = relay.agreed = relay.with_value = False
            relay.again, relay.tries = now, 0

    def _judge(self, now: float) -> None:
        """Go on if the present step has what it needs, or cannot get it any more."""
        if self.step in (Step.WAIT, Step.DECIDE, Step.REST):
            return
        quorum = self.seat.configuration.q
        agreed = sum(relay.agreed for relay in self._relays)
        open = sum(self._asks(index) for index in range(len(self._relays)))
        if self.step is Step.FETCH:
            if open == 0:
                self._wait(now)
        elif agreed >= quorum:
            self._go_on(now)
        elif agreed + open < quorum:
            self._wait(now)

    def _go_on(self, now: float) -> None:
        match self.step:
            case Step.READ:
                untouched = sum(relay.promised == 0 for relay in self._relays)
                if self._own is not None and untouched >= self.seat.configuration.q:
                    self._propose(0, self._own, Justification(()), now)
                else:
                    self._wait(now)
            case Step.PROMISE:
                self._justified(now)
            case Step.LOCK:
                votes = self._votes[Label.VOTE1, self.round]
                self._lock = self._certified(self.round, self._h, votes)
                self._enter(Step.COMMIT, now)

    def _timeout(self, now: float) -> None:
        if self.step is Step.WAIT:
            self._new_round(now)
        elif self.step is not Step.DECIDE:
            self._wait(now)

    def _wait(self, now: float) -> None:
        """Let others go first, the longer the more often it went wrong."""
        chance = int.from_bytes(self._entropy(4), "big") / 2**32
        span = DELTA * 2 ** min(self._attempt, DOUBLINGS)
        self._enter(Step.WAIT, now)
        self._until = now + self._rank * DELTA + chance * span
        self._attempt += 1

    def _new_round(self, now: float) -> None:
        quorum = self.seat.configuration.q
        heard = sorted(
            relay.promised
            for relay in self._relays
            if relay.promised is not None and relay.can_vote()
        )
        if len(heard) < quorum:
            # Too few can vote. Nothing is asked of them in vain: a promise would stop somebody else.
            self._enter(Step.READ, now)
            return
        # Not above the highest claim: a liar would drive it out of reach of the others.
        claimed = heard[quorum - 1]
        if claimed < self.round <= claimed + MAX_ROUND_STEP:
            # They have not heard of our last round, or we have not heard that they have.
            claimed = self.round
        if claimed >= MAX_ROUND:
            self._enter(Step.READ, now)
            return
        self.round = claimed + 1
        self._promises.clear()
        self._enter(Step.PROMISE, now)

    def _justified(self, now: float) -> None:
        """A quorum has promised: propose what the highest lock binds, else what is ours."""
        promises = sorted(self._promises.items())
        locked = [one for _, one in promises if one[0].lock is not None]
        highest = max((one[0].lock.round for one in locked if one[0].lock), default=-1)
        bound = {
            one[0].lock.h: one[1] for one in locked if one[0].lock and one[0].lock.round == highest
        }
        if len(bound) > 1:
            # It takes more liars than there may be. No value is free, other promises may differ.
            self._wait(now)
            return
        value = next(iter(bound.values()), None) or self._own
        if value is None:
            self._enter(Step.REST, now)
            return
        why = Justification(tuple(one[0] for _, one in promises))
        self._propose(self.round, value, why, now)

    def _propose(self, round: int, value: Value, why: Justification, now: float) -> None:
        h = value.hash
        if self._proposed.setdefault(round, h) != h:
            # Promises of an old round have come late, and bind otherwise: never two values in one round.
            self._wait(now)
            return
        self.round, self._value, self._h = round, value, h
        self._encoded, self._why = value.encode(), why
        self._enter(Step.LOCK, now)

    def _certified(self, round: int, h: bytes, votes: dict[int, bytes]) -> Certificate:
        signatures = tuple(RelaySignature(index, votes[index]) for index in sorted(votes))
        return Certificate(self.seat.epoch, round, h, signatures)

    # --- Decisions --------------------------------------------------------------------------------

    def _shown(self, relay: int, certificate: bytes, value: bytes, now: float) -> None:
        """A relay shows a decision; the value may be missing."""
        try:
            shown = Certificate.from_bytes(certificate)
        except RemoteError:
            self._ballots.name(relay, Fault.FORGERY)
            return
        found = _value(value, shown.h) if value else None
        if value and found is None:
            self._ballots.name(relay, Fault.WRONG_VALUE)
        if not self._certify(shown, found, now):
            self._ballots.name(relay, Fault.FORGERY)
        elif self.decision is not None and self.decision.certificate.h == shown.h:
            self._relays[relay].holds = True

    def _certify(self, certificate: Certificate, value: Value | None, now: float) -> bool:
        """Take a decision if `certificate` counts; `value` may be missing. Whether it counts."""
        known = self.decision.certificate if self.decision else self._certificate
        if known is not None and known.encode() == certificate.encode():
            counts = True
        else:
            counts = certificate.counts(self.seat, Label.VOTE2)
        if not counts:
            return False
        self._ballots.certificate(certificate, Label.VOTE2)
        if known is not None and known.h != certificate.h:
            self._forked(known, certificate)
            return True
        if self.decision is not None:
            return True
        found = self._known_value(certificate.h) if value is None else value
        if found is not None and found.hash == certificate.h:
            self.decision = Decision(certificate, found)
            self._attempt = 0
            self._enter(Step.DECIDE, now)
        elif self._certificate is None:
            self._certificate = certificate
            self._enter(Step.FETCH, now)
        return True

    def _known_value(self, h: bytes) -> Value | None:
        values = [self._own, self._value, *(value for _, value in self._promises.values())]
        return next((one for one in values if one is not None and one.hash == h), None)

    def _forked(self, first: Certificate, second: Certificate) -> None:
        if self.fork is None:
            self.fork = fork(self.seat, first, second)
            for key in self.fork.liars if self.fork is not None else ():
                index = self.seat.index_of(key)
                if index is not None:
                    self._ballots.name(index, Fault.FORKED)


def _value(data: bytes, h: bytes) -> Value | None:
    """The value in `data` if it is the one with this hash."""
    try:
        value = Value.from_bytes(data)
    except RemoteError:
        return None
    return value if value.hash == h else None


def _fits(value: Value, seat: Seat) -> bool:
    try:
        header = Header.from_bytes(value.header)
    except RemoteError:
        return False
    return header.next_configuration.log == seat.configuration.log
