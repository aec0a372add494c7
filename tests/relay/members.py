"""A member of one conversation, without MLS: what a node does with one log on its relays.

Keys are hashes of names, so that members who know the conversation's name know them, as members of an
MLS group would. Everything that a relay signs is verified here; what does not hold fails the test.

    alice = Member("picnic", configured("picnic", relay_keys))
    await alice.connect(places)
    await alice.open()
    receipts = await alice.post(b"hello")
    value = await alice.change(b"a commit")      # decided: perhaps somebody else's
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TypeAlias, TypeVar

import aiohttp

from heliogram.wire import ErrorCode, Label, SigningKey, frames, verify, work
from heliogram.wire.limits import MAX_CHANNELS
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    Header,
    Justification,
    Open,
    RelayDescription,
    RelaySignature,
    Seat,
    SignedPromise,
    Status,
    Value,
    promise_content,
    vote_content,
)
from heliogram.wire.receipts import Evidence, Receipt, entry_hash
from tests.relay.client import Client, Failed, Lost, seeded

T = TypeVar("T")

#: Why a relay gave nothing.
Trouble: TypeAlias = Failed | Lost | OSError | aiohttp.ClientError
TROUBLE = (Failed, Lost, OSError, aiohttp.ClientError)


class NoQuorum(Exception):
    """Too few relays answered: nothing is known of the outcome, read the slot again."""


class Closed(Exception):
    """The epoch is decided: process the value, then post again."""


def name(text: str) -> bytes:
    """32 bytes for a name."""
    return sha256(text.encode()).digest()


def member_key(log: str, epoch: int, relay: bytes) -> SigningKey:
    """What members of the conversation derive for an epoch and a relay."""
    return SigningKey(name(f"{log} {epoch} {relay.hex()}"))


def configured(log: str, relays: Sequence[bytes], quorum: int | None = None) -> Configuration:
    """A configuration of these relays. By default the quorum that tolerates most lies: 3 of 4, 1 of 1."""
    described = tuple(RelayDescription(key, name("operator"), ()) for key in relays)
    return Configuration(name(log), quorum or len(relays) * 2 // 3 + 1, described)


def seat_of(log: str, configuration: Configuration, epoch: int) -> Seat:
    """The seat with the members' keys of this epoch."""
    keys = tuple(member_key(log, epoch, relay.key).public for relay in configuration.relays)
    return Seat(configuration, epoch, keys)


def value_for(log: str, configuration: Configuration, epoch: int, body: bytes) -> Value:
    """A value that ends `epoch` and goes on with this configuration."""
    following = seat_of(log, configuration, epoch + 1)
    return Value(Header(configuration, following.keys).encode(), body)


@dataclass(frozen=True)
class Decision:
    """What ended an epoch."""

    seat: Seat
    certificate: Certificate
    value: Value


@dataclass(frozen=True)
class Promised:
    """A relay's promise, and the value that its lock names."""

    signed: SignedPromise
    value: Value | None


class Member:
    """One device's view of one log. `seat` is where it stands."""

    def __init__(
        self, log: str, configuration: Configuration, *, epoch: int = 1, seed: int | str = 0
    ) -> None:
        self.log = log
        self.seat = seat_of(log, configuration, epoch)
        #: The log's name at each relay: the seat that it was opened with there.
        self.instances = {relay.key: self.seat.id for relay in configuration.relays}
        self.clients: dict[bytes, Client] = {}
        #: Every decision that it knows, by epoch.
        self.decisions: dict[int, Decision] = {}
        #: The last receipt of each relay: to show that it fell back.
        self.evidence: dict[bytes, Evidence] = {}
        self._entropy = seeded(f"{log} {seed}")
        self._random = Random(f"{log} {seed}")

    @property
    def epoch(self) -> int:
        """The open epoch, as far as this member knows."""
        return self.seat.epoch

    @property
    def relays(self) -> list[bytes]:
        """The keys of the relays of the seat, in order."""
        return [relay.key for relay in self.seat.configuration.relays]

    @property
    def quorum(self) -> int:
        """How many decide."""
        return self.seat.configuration.q

    def channel(self, epoch: int | None = None) -> int:
        """The channel of an epoch on every connection."""
        return (self.epoch if epoch is None else epoch) % MAX_CHANNELS

    # --- Connections --------------------------------------------------------------------------

    async def connect(self, places: Mapping[bytes, str]) -> None:
        """Connect to each relay of the seat that has a place and no connection. Who is down stays out."""
        for key in self.relays:
            client = self.clients.get(key)
            if key not in places or (client is not None and not client.ended.is_set()):
                continue
            if client is not None:
                await client.close()
                del self.clients[key]
            try:
                self.clients[key] = await Client.connect(places[key], key, entropy=self._entropy)
            except TROUBLE:
                continue

    async def close(self) -> None:
        """Close all connections."""
        clients, self.clients = self.clients, {}
        for client in clients.values():
            await client.close()

    async def everywhere(
        self, do: Callable[[Client], Awaitable[T]], relays: Iterable[bytes] | None = None
    ) -> tuple[dict[bytes, T], dict[bytes, Trouble]]:
        """Do something at all relays of the seat at once: what came of it, and what went wrong."""
        keys = [key for key in (relays or self.relays) if key in self.clients]
        tasks = (do(self.clients[key]) for key in keys)
        done: dict[bytes, T] = {}
        trouble: dict[bytes, Trouble] = {}
        for key, one in zip(
            keys, await asyncio.gather(*tasks, return_exceptions=True), strict=True
        ):
            if isinstance(one, TROUBLE):
                trouble[key] = one
            elif isinstance(one, BaseException):
                raise one
            else:
                done[key] = one
        return done, trouble

    # --- The log ------------------------------------------------------------------------------

    async def open_at(self, client: Client, seat: Seat | None = None) -> None:
        """Open the log at one relay, with the seat that is open or with one to come. Raises `Failed`."""
        seat = self.seat if seat is None else seat
        greeting = client.greeting
        difficulty, now = greeting.limits.difficulty_open, greeting.time
        proof = work.solve(client.relay, seat.id, difficulty, now=now)
        await client.ask(frames.Open(0, Open(seat, proof).encode()), frames.Done)
        self.instances[client.relay] = seat.id

    async def open(self) -> None:
        """Open the log at all relays and authorise."""
        done, _ = await self.everywhere(self.open_at)
        self._need(done)
        await self.authorise()

    async def authorise(self, *, evidence: bool = False) -> dict[bytes, frames.Authorised]:
        """Open the epoch's channel everywhere; who is behind is brought level first."""

        async def at(client: Client) -> frames.Authorised:
            shown = self.evidence.get(client.relay) if evidence else None
            key = member_key(self.log, self.epoch, client.relay)
            text = b"" if shown is None else shown.encode()
            what = (self.channel(), self.instances[client.relay], self.epoch, key, text)
            try:
                return await client.authorise(*what)
            except Failed as failed:
                if failed.code is not ErrorCode.NOT_AUTHORISED or not self.decisions:
                    raise
            await self._teach(client)
            return await client.authorise(*what)

        done, _ = await self.everywhere(at)
        return done

    async def post(self, data: bytes, *, lane: int = frames.Lane.POSTS) -> dict[bytes, Receipt]:
        """Post everywhere; the receipts, each verified. Raises `Closed` with any `Decided`, `NoQuorum`."""

        async def at(client: Client) -> Receipt | frames.Decided:
            return await self.post_at(client, data, lane=lane)

        done, _ = await self.everywhere(at)
        if any(isinstance(one, frames.Decided) for one in done.values()):
            raise Closed
        receipts = {key: one for key, one in done.items() if isinstance(one, Receipt)}
        self._need(receipts)
        return receipts

    async def post_at(
        self, client: Client, data: bytes, *, lane: int = frames.Lane.POSTS
    ) -> Receipt | frames.Decided:
        """Post at one relay. Raises `Failed`, `Lost`."""
        epoch, seat = self.epoch, self.seat
        answer = await client.request(frames.Post(0, self.channel(), data, lane))
        if isinstance(answer, frames.Decided):
            assert Certificate.from_bytes(answer.certificate).counts(seat, Label.VOTE2)
            return answer
        assert isinstance(answer, frames.Stored)
        receipt = Receipt.from_bytes(answer.receipt)
        hashed = entry_hash(data)
        assert receipt.proves(client.relay, self.instances[client.relay], epoch, hashed)
        last = self.evidence.get(client.relay)
        if last is None or last.receipt.index < receipt.index:
            self.evidence[client.relay] = Evidence(epoch, hashed, receipt)
        return receipt

    async def read(
        self, client: Client, start: int = 0, *, epoch: int | None = None
    ) -> list[frames.Entry]:
        """All entries of an epoch at one relay, from an index on. The channel must be open."""
        found: list[frames.Entry] = []
        while True:
            frame = frames.Read(0, self.channel(epoch), start, 1000)
            page = await client.ask(frame, frames.Entries)
            found += page.entries
            if page.next >= page.end:
                return found
            start = page.next

    async def peek(self, *, value: bool = False) -> dict[bytes, frames.Peeked]:
        """Where the log stands, everywhere."""

        async def at(client: Client) -> frames.Peeked:
            return await client.ask(frames.Peek(0, self.channel(), value), frames.Peeked)

        done, _ = await self.everywhere(at)
        return done

    async def subscribe(self, client: Client, start: int = 0, *, digest: bool = False) -> int:
        """Have new entries pushed; the index of the first one that will be."""
        frame = frames.Subscribe(0, self.channel(), start, digest)
        return (await client.ask(frame, frames.Subscribed)).live

    # --- The slot -----------------------------------------------------------------------------

    def value(self, body: bytes, configuration: Configuration | None = None) -> Value:
        """A value for the open slot."""
        chosen = self.seat.configuration if configuration is None else configuration
        return value_for(self.log, chosen, self.epoch, body)

    async def change(self, value: bytes | Value, *, rounds: int = 20) -> Decision:
        """End the epoch: with this value, or with that of whoever was faster; then go to the next one.

        Raises `NoQuorum` when too few relays answer, or after so many rounds without a decision.
        """
        mine = value if isinstance(value, Value) else self.value(value)
        round, why = 0, Justification(())
        for attempt in range(rounds):
            if attempt:
                promises = await self._promises(round)
                if isinstance(promises, Decision):
                    await self.spread(promises)
                    return promises
                if isinstance(promises, int):
                    round = promises + 1
                    await self._wait(attempt)
                    continue
                why = Justification(tuple(one.signed for one in promises.values()))
                mine = _bound(promises.values()) or mine
            outcome = await self._round(round, mine, why)
            if isinstance(outcome, Decision):
                await self.spread(outcome)
                return outcome
            round = outcome + 1
            await self._wait(attempt)
        raise NoQuorum

    async def _wait(self, attempt: int) -> None:
        """A little, and by chance: who competes must not meet again."""
        await asyncio.sleep(self._random.uniform(0, 0.002 * 2 ** min(attempt, 6)))

    async def spread(self, decision: Decision) -> None:
        """Show a decision to all of its relays, of which q must take it; then go to the next epoch."""
        certificate, value = decision.certificate, decision.value
        assert certificate.counts(decision.seat, Label.VOTE2) and value.hash == certificate.h
        self.decisions[decision.seat.epoch] = decision

        async def at(client: Client) -> None:
            await self._teach(client)

        done, _ = await self.everywhere(at)
        self._need(done)
        self.advance(decision)
        await self.authorise()

    def advance(self, decision: Decision) -> None:
        """Go to the epoch after a decision, without telling anybody."""
        self.decisions[decision.seat.epoch] = decision
        header = Header.from_bytes(decision.value.header)
        self.seat = header.seat(decision.seat.epoch + 1)

    async def catch_up(self) -> None:
        """Go through all decisions that the relays have, to the open epoch."""
        while True:
            for peeked in (await self.peek(value=True)).values():
                if peeked.certificate and peeked.value:
                    decision = self._decision(peeked.certificate, peeked.value)
                    self.advance(decision)
                    await self.authorise()
                    break
            else:
                return

    async def lock(
        self, client: Client, round: int, value: Value, why: Justification | None = None
    ) -> frames.Answer:
        """LOCK at one relay; a vote is verified."""
        text = b"" if why is None or not why.promises else why.encode()
        answer = await client.request(frames.Lock(0, self.channel(), round, value.encode(), text))
        if isinstance(answer, frames.Vote1):
            content = vote_content(self.seat.id, round, value.hash)
            assert verify(client.relay, Label.VOTE1, content, answer.signature)
        return answer

    async def commit(self, client: Client, certificate: Certificate, value: Value) -> frames.Answer:
        """COMMIT at one relay, with the value if it is needed; a vote is verified."""
        encoded, channel = certificate.encode(), self.channel()
        answer = await client.request(frames.Commit(0, channel, encoded))
        if isinstance(answer, frames.NeedValue):
            answer = await client.request(frames.Commit(0, channel, encoded, value.encode()))
        if isinstance(answer, frames.Vote2):
            content = vote_content(self.seat.id, certificate.round, certificate.h)
            assert verify(client.relay, Label.VOTE2, content, answer.signature)
        return answer

    async def new_round(self, client: Client, round: int) -> Promised | frames.Answer:
        """NEWROUND at one relay; a promise is verified."""
        answer = await client.request(frames.NewRound(0, self.channel(), round))
        if not isinstance(answer, frames.Promise):
            return answer
        lock = Certificate.from_bytes(answer.lock) if answer.lock else None
        index = self.seat.index_of(client.relay)
        assert index is not None
        signed = SignedPromise(index, lock, answer.signature)
        assert signed.counts(self.seat, round)
        value = Value.from_bytes(answer.value) if answer.value else None
        assert (lock is None) == (value is None)
        if lock is not None and value is not None:
            assert value.hash == lock.h
        shown = None if lock is None else (lock.round, lock.h)
        content = promise_content(self.seat.id, round, shown)
        assert verify(client.relay, Label.PROMISE, content, answer.signature)
        return Promised(signed, value)

    def certificate(self, round: int, h: bytes, votes: Mapping[bytes, bytes]) -> Certificate:
        """The certificate of these votes: signatures by relay."""
        signed = sorted((self.relays.index(key), vote) for key, vote in votes.items())
        signatures = tuple(RelaySignature(index, vote) for index, vote in signed)
        return Certificate(self.epoch, round, h, signatures)

    async def _round(self, round: int, value: Value, why: Justification) -> Decision | int:
        """LOCK and COMMIT in one round: the decision, or the highest round that was seen."""
        seat = self.seat
        firsts, trouble = await self.everywhere(lambda one: self.lock(one, round, value, why))
        outcome = self._outcome(firsts, frames.Vote1, round, trouble)
        if not isinstance(outcome, dict):
            return outcome
        lock = self.certificate(round, value.hash, outcome)
        assert lock.counts(seat, Label.VOTE1)
        seconds, trouble = await self.everywhere(lambda one: self.commit(one, lock, value))
        outcome = self._outcome(seconds, frames.Vote2, round, trouble)
        if not isinstance(outcome, dict):
            return outcome
        certificate = self.certificate(round, value.hash, outcome)
        assert certificate.counts(seat, Label.VOTE2)
        return Decision(seat, certificate, value)

    async def _promises(self, round: int) -> dict[bytes, Promised] | Decision | int:
        """A quorum's promises, in the order of relays; or the decision, or the highest round seen."""
        answers, trouble = await self.everywhere(lambda one: self.new_round(one, round))
        promises = {key: one for key, one in answers.items() if isinstance(one, Promised)}
        others = {key: one for key, one in answers.items() if not isinstance(one, Promised)}
        outcome = self._outcome(others, None, round, trouble, have=len(promises))
        return promises if isinstance(outcome, dict) else outcome

    def _outcome(
        self,
        answers: Mapping[bytes, frames.Answer],
        kind: type[frames.Vote1] | type[frames.Vote2] | None,
        round: int,
        trouble: Mapping[bytes, Trouble],
        have: int = 0,
    ) -> dict[bytes, bytes] | Decision | int:
        """A quorum's signatures; or the decision that somebody has; or the highest round seen."""
        highest, votes = round, {}
        for key, answer in answers.items():
            if isinstance(answer, frames.Decided):
                return self._decision(answer.certificate, answer.value)
            if kind is not None and isinstance(answer, kind):
                votes[key] = answer.signature
            elif isinstance(answer, frames.Nack):
                highest = max(highest, answer.round)
            else:
                assert isinstance(answer, frames.Refuse), type(answer).__name__
        if len(answers) + have < self.quorum:
            raise NoQuorum(*map(str, trouble.values()))
        return votes if len(votes) + have >= self.quorum else highest

    def _decision(self, certificate: bytes, value: bytes) -> Decision:
        """A decision of the open slot, verified."""
        decided, chosen = Certificate.from_bytes(certificate), Value.from_bytes(value)
        assert decided.counts(self.seat, Label.VOTE2) and chosen.hash == decided.h
        return Decision(self.seat, decided, chosen)

    async def _teach(self, client: Client) -> None:
        """DECIDE with all that one relay lacks: back to what it can judge, and on again from there."""
        epoch = last = max(self.decisions, default=-1)
        while epoch <= last and epoch in self.decisions:
            try:
                await self.decide(client, self.decisions[epoch])
                epoch += 1
            except Failed as failed:
                # Strangers are not told where the log stands: a later decision just does not count.
                if failed.code is ErrorCode.BEHIND and failed.detail < epoch:
                    epoch = failed.detail
                elif failed.code is ErrorCode.BAD_CERTIFICATE and epoch - 1 in self.decisions:
                    epoch -= 1
                else:
                    raise

    async def decide(self, client: Client, decision: Decision) -> None:
        """DECIDE at one relay, with the value if it is needed. Raises `Failed`."""
        encoded, instance = decision.certificate.encode(), self.instances[client.relay]
        answer = await client.request(frames.Decide(0, instance, encoded))
        if isinstance(answer, frames.NeedValue):
            value = decision.value.encode()
            answer = await client.request(frames.Decide(0, instance, encoded, value))
        # Another decision would be proof that relays lied.
        assert isinstance(answer, frames.Done), type(answer).__name__

    # --- The fence ----------------------------------------------------------------------------

    async def status(self, client: Client, nonce: bytes) -> Status:
        """A relay's signed statement, verified. Raises `Failed`."""
        signed = await client.ask(frames.Status(0, self.channel(), nonce), frames.StatusSigned)
        status = Status.from_bytes(signed.status)
        assert status.proves(client.relay)
        assert (status.seat, status.nonce, status.epoch) == (self.seat.id, nonce, self.epoch)
        return status

    async def unfence(self, client: Client) -> None:
        """Lift one relay's fence by what the others state. It must be level: authorise first.

        A receipt of the time before has done its work: shown again, it would fence the relay again.
        """
        fence = (await client.ask(frames.Peek(0, self.channel()), frames.Peeked)).fence
        others = [key for key in self.relays if key != client.relay]
        statuses, _ = await self.everywhere(lambda one: self.status(one, fence), others)
        stated = tuple(one.encode() for one in statuses.values())
        await client.ask(frames.Unfence(0, self.channel(), stated), frames.Done)
        self.evidence.pop(client.relay, None)

    def _need(self, done: Mapping[bytes, object]) -> None:
        if len(done) < self.quorum:
            raise NoQuorum


def _bound(promises: Iterable[Promised]) -> Value | None:
    """The value that the highest lock of these promises binds, or None."""
    highest, value = -1, None
    for one in promises:
        if one.signed.lock is not None and one.signed.lock.round > highest:
            highest, value = one.signed.lock.round, one.value
    return value
