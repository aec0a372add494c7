"""Load on a log's slots: rounds with competing values, played with three relays that are run here.

The three others are `relay.slots` with keys that we hold, so whatever order of messages is drawn, the
history is one that honest relays could have had. What the real relay signs is kept for ever: it must never
contradict it, and must know it after every crash.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from heliogram.relay import slots
from heliogram.wire import Label, SigningKey, frames, verify
from heliogram.wire.objects import (
    Certificate,
    Justification,
    RelaySignature,
    Seat,
    SignedPromise,
    Value,
    promise_content,
    vote_content,
)
from tests.relay.load import said
from tests.relay.members import Decision, value_for

if TYPE_CHECKING:
    from tests.relay.load_logs import LogLoad

QUORUM = 3
_EMPTY = Justification(())


@dataclass
class Play:
    """One slot: what the others remember, and what everybody has signed."""

    seat: Seat
    others: dict[int, slots.Slot]
    round: int = 0
    values: dict[bytes, Value] = field(default_factory=dict)
    #: By round and value: signatures by relay.
    firsts: dict[tuple[int, bytes], dict[int, bytes]] = field(default_factory=dict)
    seconds: dict[tuple[int, bytes], dict[int, bytes]] = field(default_factory=dict)
    promises: dict[int, dict[int, SignedPromise]] = field(default_factory=dict)
    #: What the real relay was asked: first votes by round, second votes by round, the highest round.
    asked1: dict[int, set[bytes]] = field(default_factory=dict)
    asked2: dict[int, set[bytes]] = field(default_factory=dict)
    asked: int = 0
    #: What it signed: requests that it must answer in the same way, and the highest round that it promised.
    locks: list[tuple[frames.Lock, bytes]] = field(default_factory=list)
    commits: list[tuple[frames.Commit, bytes]] = field(default_factory=list)
    promised: int = 0
    #: The highest second vote that it signed.
    locked: tuple[int, bytes] | None = None


class Slots:
    """The slots of one log, played until the relay dies, and on after that."""

    def __init__(self, log: LogLoad) -> None:
        self.log = log
        self.votes = 0
        #: A decision that was shown to the relay, which has not answered yet.
        self.deciding: Decision | None = None
        self._play: Play | None = None
        #: Everything that the relay has ever signed: by seat, kind and round.
        self._signed: dict[tuple[bytes, Label, int], bytes] = {}
        self._old: list[Play] = []

    @property
    def play(self) -> Play:
        """The open slot."""
        seat = self.log.seat
        if self._play is None or self._play.seat.id != seat.id:
            others = [seat.index_of(key.public) for key in self.log.others]
            self._play = Play(seat, {index: slots.Slot() for index in others if index is not None})
        return self._play

    @property
    def real(self) -> int:
        """The place of the relay under test."""
        index = self.log.seat.index_of(self.log.client.relay)
        assert index is not None
        return index

    async def run(self, rng: Random) -> None:
        """Play rounds until the relay dies."""
        await self.resolve()
        while True:
            await self._round(rng)

    # --- One round ---

    async def _round(self, rng: Random) -> None:
        play = self.play
        if play.round:
            await self._new_round(play, rng)
        await self._lock(play, rng)
        locks = [key for key, votes in play.firsts.items() if len(votes) >= QUORUM]
        locks = [key for key in locks if key[0] == play.round]
        if locks and rng.random() < 0.85:
            await self._commit(play, *locks[0], rng)
        if rng.random() < 0.15:
            await self.check(rng)
        decided = [key for key, votes in play.seconds.items() if len(votes) >= QUORUM]
        if decided and rng.random() < 0.7:
            await self._decide(play, *decided[0], rng)
        else:
            play.round += rng.choice((1, 1, 2, 7))

    def _value(self, play: Play, rng: Random) -> Value:
        if not play.values or (len(play.values) < 4 and rng.random() < 0.4):
            body = rng.randbytes(rng.choice((10, 800, 5000, 60000)))
            value = value_for(self.log.log, self.log.configuration, play.seat.epoch, body)
            play.values[value.hash] = value
        return rng.choice(list(play.values.values()))

    async def _new_round(self, play: Play, rng: Random) -> None:
        promises = play.promises.setdefault(play.round, {})
        if rng.random() < 0.8:
            await self.new_round(play, play.round)
        for index, slot in play.others.items():
            if rng.random() < 0.85:
                after, answer = slots.new_round(slot, slots.Context(play.seat, index), play.round)
                play.others[index] = after
                if isinstance(answer, slots.Promised):
                    signature = self._key(index).sign(answer.label, answer.content)
                    promises[index] = SignedPromise(index, answer.lock, signature)

    async def new_round(self, play: Play, round: int) -> None:
        """NEWROUND at the relay: a promise shows the lock that it has signed, or a later one."""
        play.asked = max(play.asked, round)
        frame = frames.NewRound(0, self._channel(play), round)
        promised, locked = play.promised, play.locked
        answer = await self._ask(frame)
        if isinstance(answer, frames.Nack):
            self._nacked(play, answer, least=max(promised, round))
            return
        assert isinstance(answer, frames.Promise), said(answer)
        assert round > promised, "a promise below one that was given"
        lock = Certificate.from_bytes(answer.lock) if answer.lock else None
        shown = None if lock is None else (lock.round, lock.h)
        content = promise_content(play.seat.id, round, shown)
        assert verify(self.log.client.relay, Label.PROMISE, content, answer.signature)
        if locked is not None:
            assert shown is not None and shown[0] >= locked[0], "a lock was forgotten"
            assert shown[0] > locked[0] or shown == locked
        if lock is not None:
            assert lock.h in play.asked2.get(lock.round, ()) and lock.counts(play.seat, Label.VOTE1)
            assert answer.value == play.values[lock.h].encode()
        self._sign(play, Label.PROMISE, round, content)
        play.promised = max(play.promised, round)
        signed = SignedPromise(self.real, lock, answer.signature)
        play.promises.setdefault(round, {})[self.real] = signed

    async def _lock(self, play: Play, rng: Random) -> None:
        why = _EMPTY
        bound: set[bytes] = set()
        if play.round:
            promises = play.promises.get(play.round, {})
            if len(promises) < QUORUM:
                return
            count = rng.randint(QUORUM, len(promises))
            chosen = sorted(rng.sample(sorted(promises), count))
            why = Justification(tuple(promises[index] for index in chosen))
            locks = [one.lock for one in why.promises if one.lock is not None]
            highest = max((one.round for one in locks), default=-1)
            bound = {one.h for one in locks if one.round == highest}
        first = play.values[next(iter(bound))] if bound else self._value(play, rng)
        second = first if bound or rng.random() < 0.5 else self._value(play, rng)
        for index in rng.sample([self.real, *play.others], 4):
            value = first if rng.random() < 0.7 else second
            if index != self.real:
                context = slots.Context(play.seat, index)
                lock = slots.lock(play.others[index], context, play.round, value, why)
                play.others[index] = lock[0]
                self._first(play, index, play.round, value, lock[1])
            elif rng.random() < 0.2 and not bound:
                # Both at once: one of them at most.
                both = (self.lock(play, play.round, value, why) for value in (first, second))
                for outcome in await asyncio.gather(*both, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
            elif rng.random() < 0.85:
                await self.lock(play, play.round, value, why)

    def _first(
        self, play: Play, index: int, round: int, value: Value, answer: slots.Answer
    ) -> None:
        if isinstance(answer, slots.Voted1):
            signature = self._key(index).sign(answer.label, answer.content)
            play.firsts.setdefault((round, value.hash), {})[index] = signature

    async def lock(self, play: Play, round: int, value: Value, why: Justification) -> None:
        """LOCK at the relay."""
        h = value.hash
        play.asked1.setdefault(round, set()).add(h)
        play.asked = max(play.asked, round)
        text = why.encode() if why.promises else b""
        frame = frames.Lock(0, self._channel(play), round, value.encode(), text)
        promised = play.promised
        answer = await self._ask(frame)
        if isinstance(answer, frames.Vote1):
            assert round >= promised, "a vote below a promise"
            content = vote_content(play.seat.id, round, h)
            assert verify(self.log.client.relay, Label.VOTE1, content, answer.signature)
            self._sign(play, Label.VOTE1, round, h)
            play.promised = max(play.promised, round)
            play.firsts.setdefault((round, h), {})[self.real] = answer.signature
            play.locks.append((frame, answer.signature))
        elif isinstance(answer, frames.Refuse):
            assert answer.reason == frames.Refusal.VOTED_OTHERWISE, answer.reason
            assert play.asked1[round] - {h}, "a vote that nobody asked for"
        else:
            self._nacked(play, answer, least=round + 1)

    async def _commit(self, play: Play, round: int, h: bytes, rng: Random) -> None:
        votes = play.firsts[round, h]
        chosen = sorted(rng.sample(sorted(votes), rng.randint(QUORUM, len(votes))))
        signatures = tuple(RelaySignature(index, votes[index]) for index in chosen)
        certificate = Certificate(play.seat.epoch, round, h, signatures)
        assert certificate.counts(play.seat, Label.VOTE1)
        for index in rng.sample([self.real, *play.others], 4):
            if index == self.real:
                if rng.random() < 0.85:
                    await self.commit(play, certificate, given=rng.random() < 0.3)
            elif rng.random() < 0.85:
                context = slots.Context(play.seat, index)
                after = slots.commit(play.others[index], context, certificate, play.values[h])
                play.others[index], answer = after
                if isinstance(answer, slots.Voted2):
                    signature = self._key(index).sign(answer.label, answer.content)
                    play.seconds.setdefault((round, h), {})[index] = signature

    async def commit(self, play: Play, certificate: Certificate, *, given: bool) -> None:
        """COMMIT at the relay, with the value at once or when it is needed."""
        round, h = certificate.round, certificate.h
        play.asked2.setdefault(round, set()).add(h)
        play.asked = max(play.asked, round)
        value, promised = play.values[h].encode(), play.promised
        channel = self._channel(play)
        frame = frames.Commit(0, channel, certificate.encode(), value if given else b"")
        answer = await self._ask(frame)
        if isinstance(answer, frames.NeedValue) and not given:
            frame = frames.Commit(0, channel, certificate.encode(), value)
            answer = await self._ask(frame)
        if not isinstance(answer, frames.Vote2):
            self._nacked(play, answer, least=round + 1)
            return
        assert round >= promised, "a vote below a promise"
        content = vote_content(play.seat.id, round, h)
        assert verify(self.log.client.relay, Label.VOTE2, content, answer.signature)
        self._sign(play, Label.VOTE2, round, h)
        play.promised = max(play.promised, round)
        play.locked = max(play.locked or (-1, b""), (round, h))
        play.seconds.setdefault((round, h), {})[self.real] = answer.signature
        play.commits.append((frame, answer.signature))

    async def _decide(self, play: Play, round: int, h: bytes, rng: Random) -> None:
        votes = play.seconds[round, h]
        chosen = sorted(rng.sample(sorted(votes), rng.randint(QUORUM, len(votes))))
        signatures = tuple(RelaySignature(index, votes[index]) for index in chosen)
        certificate = Certificate(play.seat.epoch, round, h, signatures)
        self.deciding = Decision(play.seat, certificate, play.values[h])
        await self.resolve()

    async def resolve(self) -> None:
        """Show the relay the decision that it may have taken or not, and go on."""
        if self.deciding is None:
            return
        decision = self.deciding
        certificate, value = decision.certificate.encode(), decision.value.encode()
        frame = frames.Decide(0, self.log.instance, certificate)
        answer = await self._ask(frame)
        if isinstance(answer, frames.NeedValue):
            answer = await self._ask(frames.Decide(0, self.log.instance, certificate, value))
        assert isinstance(answer, frames.Done), said(answer)
        if self.log.epoch == decision.seat.epoch:
            old = self.play
            await self.log.advance(decision)
            self._old = [*self._old[-3:], old]
        self.deciding = None

    # --- What it has signed ---

    async def check(self, rng: Random) -> None:
        """Ask for everything again that the relay has signed in the open slot, and for its opposite."""
        for play in self._old[-2:]:
            await self._check_decided(play, rng)
        play = self.play
        for lock, signature in play.locks[-6:]:
            await self._check_lock(play, lock, signature)
        for commit, signature in play.commits[-4:]:
            answer = await self._ask(commit)
            if isinstance(answer, frames.Vote2):
                assert answer.signature == signature, "another second vote"
            else:
                certificate = Certificate.from_bytes(commit.certificate)
                self._nacked(play, answer, least=certificate.round + 1)
        if play.promised:
            value = self._value(play, rng)
            frame = frames.Lock(0, self._channel(play), play.promised - 1, value.encode(), b"")
            answer = await self._ask(frame)
            assert isinstance(answer, frames.Nack) and answer.round >= play.promised, said(answer)
        if rng.random() < 0.4:
            await self.new_round(play, play.asked + rng.randint(1, 3))
            play.round = max(play.round, play.asked + 1)

    async def _check_lock(self, play: Play, lock: frames.Lock, signature: bytes) -> None:
        answer = await self._ask(lock)
        if isinstance(answer, frames.Vote1):
            assert answer.signature == signature, "another first vote"
        else:
            self._nacked(play, answer, least=lock.round + 1)
        body = b"something else"
        other = value_for(self.log.log, self.log.configuration, play.seat.epoch, body)
        channel = self._channel(play)
        frame = frames.Lock(0, channel, lock.round, other.encode(), lock.justification)
        answer = await self._ask(frame)
        assert isinstance(answer, frames.Refuse | frames.Nack), "two votes in one round"
        if isinstance(answer, frames.Nack):
            self._nacked(play, answer, least=lock.round + 1)

    async def _check_decided(self, play: Play, rng: Random) -> None:
        """A decided slot tells its decision, whatever is asked of it."""
        decision = self.log.decisions[play.seat.epoch]
        await self.log.authorise(play.seat.epoch)
        value = rng.choice(list(play.values.values()))
        frame = frames.Lock(0, self._channel(play), 0, value.encode(), b"")
        answer = await self._ask(frame)
        assert isinstance(answer, frames.Decided), said(answer)
        certificate = Certificate.from_bytes(answer.certificate)
        assert certificate.h == decision.value.hash
        assert certificate.counts(play.seat, Label.VOTE2)
        assert answer.value == decision.value.encode()

    def _sign(self, play: Play, label: Label, round: int, what: bytes) -> None:
        """The relay has signed this, and nothing else of its kind in this round, ever."""
        self.votes += 1
        known = self._signed.setdefault((play.seat.id, label, round), what)
        assert known == what, f"the relay has contradicted itself: {label.name}"

    def _nacked(self, play: Play, answer: frames.Answer, *, least: int) -> None:
        """A NACK names a round that was asked for, and none below what was promised."""
        assert isinstance(answer, frames.Nack), said(answer)
        assert least <= answer.round <= play.asked, "a round that nobody has asked for"
        play.round = max(play.round, answer.round)

    async def _ask(self, frame: frames.Request) -> frames.Answer:
        return await self.log.relay.ask(self.log.client, frame)

    def _channel(self, play: Play) -> int:
        return self.log.channel(play.seat.epoch)

    def _key(self, index: int) -> SigningKey:
        seat = self.log.seat
        return next(key for key in self.log.others if seat.index_of(key.public) == index)
