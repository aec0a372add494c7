"""Relays that lie, one at a time, and members who do: what the protocol of relays alone can show of it.

The liar stands in front of a real relay and has its key: it may say and sign whatever it likes. Members are
`members.Member`, which verifies whatever it is told and fails where something does not hold.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from aiohttp import web
from msgspec import structs

from heliogram.relay.operating import identity
from heliogram.wire import (
    NEED_DATA,
    ErrorCode,
    Label,
    RelayConnection,
    Requested,
    SigningKey,
    frames,
    verify,
)
from heliogram.wire.objects import (
    Certificate,
    Justification,
    RelaySignature,
    SignedPromise,
    vote_content,
)
from heliogram.wire.receipts import (
    Evidence,
    Receipt,
    entry_hash,
    merkle_tree,
    next_chain,
    receipt_leaf,
    receipts_content,
)
from tests.relay.client import Client, Lost, seeded
from tests.relay.fleet import authorise_old, locked, running
from tests.relay.members import Decision, Member, Promised, configured, member_key, name, value_for
from tests.relay.process import RelayProcess

#: A request, the honest answer to it or how to get it, and what is answered.
Lie = Callable[[frames.Request, Callable[[], Awaitable[frames.Answer]]], Awaitable[frames.Answer]]


async def honest(
    request: frames.Request, ask: Callable[[], Awaitable[frames.Answer]]
) -> frames.Answer:
    """No lie."""
    return await ask()


class Liar:
    """Stands in front of a real relay under its key, and answers what `lie` makes of its answers."""

    def __init__(self, process: RelayProcess, log: str) -> None:
        self.key: SigningKey = identity.load(process.data)
        self.where = ""
        self.lie: Lie = honest
        self._process = process
        self._log = log

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async with await Client.connect(self._process.where, self._process.key) as real:
            greeting = real.greeting
            core = RelayConnection(
                self.key, greeting.limits, now=greeting.time, entropy=seeded("liar")
            )
            async for message in socket:
                core.receive_data(message.data)
                while (event := core.next_event()) is not NEED_DATA:
                    if isinstance(event, Requested):
                        answer = await self._answer(core, real, event.frame)
                        encoded = None if answer is None else core.send(answer)
                        if encoded is not None:
                            await socket.send_bytes(encoded)
                for one in core.data_to_send():
                    await socket.send_bytes(one)
        return socket

    async def _answer(
        self, core: RelayConnection, real: Client, asked: frames.Request
    ) -> frames.Answer | None:
        request: frames.Request = structs.replace(asked, id=0)
        if isinstance(asked, frames.Authorise):
            # Its nonce is another one: the liar signs in, in the place of the member.
            key = member_key(self._log, asked.epoch, self.key.public)
            if not core.authorise(key.public):
                return None
            what = (asked.channel, asked.instance, asked.epoch, key, asked.evidence)
            request = real.core.authorise(*what)

        async def ask() -> frames.Answer:
            return await real.request(request, failures=True)

        return structs.replace(await self.lie(asked, ask), id=asked.id)


@asynccontextmanager
async def lying(process: RelayProcess, log: str) -> AsyncIterator[Liar]:
    liar = Liar(process, log)
    application = web.Application()
    application.router.add_get("/ws", liar.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        liar.where = "{}:{}".format(*runner.addresses[0])
        yield liar
    finally:
        await runner.cleanup()


@asynccontextmanager
async def among_four(directory: Path) -> AsyncIterator[tuple[Liar, Member, Member]]:
    """Four relays of which the second one lies; alice, and bob who knows what she knew."""
    async with running(directory) as relays:
        async with lying(relays.processes[1], "picnic") as liar:
            members: list[Member] = []
            for who in ("alice", "bob"):
                member = Member("picnic", configured("picnic", [*relays.places]), seed=who)
                await member.connect(relays.places | {liar.key.public: liar.where})
                await member.open()
                members.append(member)
            try:
                yield liar, members[0], members[1]
            finally:
                for member in members:
                    await member.close()


async def union(member: Member) -> set[bytes]:
    """What more relays say than may lie: what any one of them adds or changes is not among it."""
    read, _ = await member.everywhere(lambda one: member.read(one))
    counted = Counter(data for entries in read.values() for data in {one.data for one in entries})
    return {data for data, count in counted.items() if count > member.seat.configuration.b}


# --- Relays lie -----------------------------------------------------------------------------------


async def test_1_it_acknowledges_and_drops(tmp_path: Path) -> None:
    """Every fifth post gets a receipt and is not stored. All have it nevertheless; the receipt is proof."""
    async with among_four(tmp_path) as (liar, alice, bob):
        index, chain, count = 0, alice.seat.id, 0

        async def drop(
            request: frames.Request, ask: Callable[[], Awaitable[frames.Answer]]
        ) -> frames.Answer:
            nonlocal index, chain, count
            if isinstance(request, frames.Post):
                count += 1
                if count % 5 == 0:
                    return _forged(liar.key, alice, request.data, index, chain)
            answer = await ask()
            if isinstance(answer, frames.Stored):
                receipt = Receipt.from_bytes(answer.receipt)
                index, chain = receipt.index + 1, receipt.chain
            return answer

        liar.lie = drop
        posted = {b"entry %d" % number for number in range(20)}
        proofs: list[Evidence] = []
        for data in sorted(posted):
            receipts = await alice.post(data)
            proofs.append(Evidence(1, entry_hash(data), receipts[liar.key.public]))
        assert await union(alice) == await union(bob) == posted
        client = bob.clients[liar.key.public]
        there = {one.index: one.data for one in await bob.read(client)}
        assert len(there) == 16
        lies = [one for one in proofs if entry_hash(there.get(one.receipt.index, b"")) != one.entry]
        assert len(lies) == 4
        # Anybody can check who signed for that place.
        assert all(one.proves(liar.key.public, alice.seat.id) for one in lies)
        # Two entries at one place, both signed.
        places = Counter(one.receipt.index for one in proofs)
        assert max(places.values()) == 2


def _forged(
    key: SigningKey, member: Member, data: bytes, index: int, before: bytes
) -> frames.Stored:
    """A receipt that the liar signs for what it does not store."""
    hashed = entry_hash(data)
    chain = next_chain(before, hashed)
    leaf = receipt_leaf(member.seat.id, member.epoch, index, hashed, chain)
    root, paths = merkle_tree([leaf])
    signature = key.sign(Label.RECEIPTS, receipts_content(key.public, root, 1))
    return frames.Stored(0, Receipt(index, chain, 0, 1, paths[0], signature).encode())


async def test_2_it_reorders_and_holds_back(tmp_path: Path) -> None:
    """Entries in any order, the newest held back: all end with the same set, and nothing is decided by it."""
    rng = Random(2)
    async with among_four(tmp_path) as (liar, alice, bob):
        held = True

        async def shuffle(
            request: frames.Request, ask: Callable[[], Awaitable[frames.Answer]]
        ) -> frames.Answer:
            answer = await ask()
            if isinstance(answer, frames.Entries):
                entries = list(answer.entries)
                rng.shuffle(entries)
                kept = entries[: len(entries) // 2] if held else entries
                return structs.replace(answer, entries=tuple(kept))
            return answer

        liar.lie = shuffle
        posted = {b"entry %d" % number for number in range(20)}
        for data in sorted(posted):
            await alice.post(data)
        assert await union(alice) == await union(bob) == posted
        held = False
        client = bob.clients[liar.key.public]
        assert {one.data for one in await bob.read(client)} == posted
        # A decision asks for votes, and no order of entries changes those.
        decided = await alice.change(b"a commit")
        await bob.catch_up()
        assert bob.seat == alice.seat and decided.value.body == b"a commit"


async def test_3_it_replays_old_answers(tmp_path: Path) -> None:
    """Whole answers of earlier, to requests of the same kind. What is signed names what it is for."""
    async with among_four(tmp_path) as (liar, alice, bob):
        first: dict[type[frames.Request], frames.Answer] = {}

        async def replay(
            request: frames.Request, ask: Callable[[], Awaitable[frames.Answer]]
        ) -> frames.Answer:
            answer = await ask()
            return first.setdefault(type(request), answer)

        liar.lie = replay
        client = alice.clients[liar.key.public]
        await alice.post_at(client, b"first")
        with pytest.raises(AssertionError):
            await alice.post_at(client, b"second")
        await alice.status(client, name("a nonce"))
        with pytest.raises(AssertionError):
            await alice.status(client, name("another nonce"))
        value = alice.value(b"value")
        assert isinstance(await alice.lock(client, 0, value), frames.Vote1)
        with pytest.raises(AssertionError):
            await alice.lock(client, 0, alice.value(b"another value"))
        await alice.new_round(client, 1)
        with pytest.raises(AssertionError):
            await alice.new_round(client, 2)
        # Old entries once more are the same entries.
        liar.lie = honest
        for number in range(4):
            await alice.post(b"entry %d" % number)
        before = await union(bob)
        liar.lie = replay
        assert await union(bob) == await union(bob) == before


async def test_4_it_changes_single_bytes(tmp_path: Path) -> None:
    """Of whatever entry it hands out. None of those is taken for a message; the others have the real ones."""
    async with among_four(tmp_path) as (liar, alice, bob):
        rng = Random(4)
        posted = {b"entry %d " % number + rng.randbytes(40) for number in range(60)}

        async def flip(
            request: frames.Request, ask: Callable[[], Awaitable[frames.Answer]]
        ) -> frames.Answer:
            answer = await ask()
            if not isinstance(answer, frames.Entries):
                return answer
            entries = []
            for one in answer.entries:
                data = bytearray(one.data)
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                entries.append(structs.replace(one, data=bytes(data)))
            return structs.replace(answer, entries=tuple(entries))

        liar.lie = flip
        for data in sorted(posted):
            await alice.post(data)
        assert await union(alice) == await union(bob) == posted
        # The chain tells at which entry it begins to be another log.
        client = bob.clients[liar.key.public]
        chain = bob.seat.id
        for one in await bob.read(client):
            chain = next_chain(chain, entry_hash(one.data))
        peeked = (await bob.peek())[client.relay]
        assert chain != peeked.chain


async def test_5_it_tells_of_decisions_that_never_were(tmp_path: Path) -> None:
    """Forged, short, or of its own signatures: none counts, in whatever answer it comes."""
    async with among_four(tmp_path) as (liar, alice, bob):
        value = alice.value(b"never decided")
        content = vote_content(alice.seat.id, 0, value.hash)
        own = liar.key.sign(Label.VOTE2, content)
        assert verify(liar.key.public, Label.VOTE2, content, own)
        signatures = [
            (RelaySignature(1, own),),
            tuple(RelaySignature(index, own) for index in range(4)),
            tuple(RelaySignature(index, bytes(64)) for index in range(3)),
            (),
        ]
        client = bob.clients[liar.key.public]
        for one in signatures:
            certificate = Certificate(1, 0, value.hash, one).encode()
            decided = frames.Decided(0, certificate, value.encode())

            async def forge(
                request: frames.Request,
                ask: Callable[[], Awaitable[frames.Answer]],
                decided: frames.Decided = decided,
            ) -> frames.Answer:
                answer = await ask()
                if isinstance(answer, frames.Peeked):
                    told = (decided.certificate, decided.value)
                    return structs.replace(answer, certificate=told[0], value=told[1])
                if isinstance(request, frames.Post | frames.Lock | frames.NewRound):
                    return decided
                return answer

            liar.lie = forge
            with pytest.raises(AssertionError):
                await bob.post_at(client, b"a post")
            with pytest.raises(AssertionError):
                await bob.change(b"a commit")
            with pytest.raises(AssertionError):
                await bob.catch_up()
            # And no honest relay takes it.
            for other in bob.clients.values():
                if other is not client:
                    frame = frames.Decide(0, bob.seat.id, certificate, value.encode())
                    assert await other.failure(frame) is ErrorCode.BAD_CERTIFICATE
        liar.lie = honest
        decision = await alice.change(b"the decision")
        assert decision.certificate.counts(decision.seat, Label.VOTE2)


async def test_nobody_else_can_be_the_relay(tmp_path: Path) -> None:
    """Whoever has not its key is not greeted, wherever they stand."""
    async with running(tmp_path, 1) as relays:
        (process,) = relays.processes
        async with lying(process, "picnic") as liar:
            liar.key = SigningKey(name("somebody else"))
            with pytest.raises(Lost) as lost:
                await Client.connect(liar.where, process.key)
            assert lost.value.code is ErrorCode.WRONG_RELAY


# --- Members lie, relays do not -------------------------------------------------------------------


async def test_13_two_values_in_one_round(tmp_path: Path) -> None:
    """One to each half: at most one certificate, and one value in the end."""
    async with running(tmp_path) as relays:
        mallory = await relays.member("mallory")
        for slot in range(3):
            halves = [list(mallory.clients.values())[:2], list(mallory.clients.values())[2:]]
            values = [mallory.value(b"v %d" % slot), mallory.value(b"w %d" % slot)]
            votes: list[int] = []
            for half, value in zip(halves, values, strict=True):
                both = await asyncio.gather(*(mallory.lock(one, 0, value) for one in half))
                votes.append(sum(isinstance(one, frames.Vote1) for one in both))
            # And crosswise: nobody votes twice.
            for half, value in zip(halves, reversed(values), strict=True):
                for answer in await asyncio.gather(*(mallory.lock(one, 0, value) for one in half)):
                    assert isinstance(answer, frames.Refuse)
                    assert answer.reason == frames.Refusal.VOTED_OTHERWISE
            assert votes == [2, 2]
            decision = await mallory.change(values[0])
            peeked = await mallory.peek()
            assert {one.epoch for one in peeked.values()} == {slot + 2}
            assert decision.value.hash == values[0].hash


async def test_14_another_value_after_a_decision_that_nobody_knows(tmp_path: Path) -> None:
    """The lock shows in the promises; without it, or against it, no relay votes."""
    async with running(tmp_path) as relays:
        alice = await relays.member("alice")
        certificate, h = await locked(alice, b"decided")
        value = alice.value(b"decided")
        answers, _ = await alice.everywhere(lambda one: alice.commit(one, certificate, value))
        signatures = {
            key: one.signature for key, one in answers.items() if isinstance(one, frames.Vote2)
        }
        decided = alice.certificate(0, h, signatures)
        assert decided.counts(alice.seat, Label.VOTE2)  # and nobody is told
        mallory = await relays.member("mallory", alice)
        other = mallory.value(b"another")
        promises, _ = await mallory.everywhere(lambda one: mallory.new_round(one, 3))
        good = [one for one in promises.values() if isinstance(one, Promised)]
        assert len(good) == 4 and all(one.value == value for one in good)
        full = Justification(tuple(one.signed for one in good))
        hidden = Justification(
            tuple(SignedPromise(one.signed.relay, None, one.signed.signature) for one in good)
        )
        few = Justification(full.promises[:2])
        for client in mallory.clients.values():
            for why, reason in (
                (full, frames.Refusal.NOT_THE_LOCKED_VALUE),
                (hidden, frames.Refusal.NOT_JUSTIFIED),
                (few, frames.Refusal.NOT_JUSTIFIED),
                (None, frames.Refusal.NOT_JUSTIFIED),
            ):
                answer = await mallory.lock(client, 3, other, why)
                assert isinstance(answer, frames.Refuse) and answer.reason == reason
        outcome = await mallory.change(other)
        assert outcome.value == value
        await alice.spread(Decision(alice.seat, decided, value))


async def test_16_who_was_removed(tmp_path: Path) -> None:
    """The keys of the epoch before read that epoch, and nothing else."""
    async with running(tmp_path) as relays:
        alice = await relays.member("alice")
        eve = await relays.member("eve", alice)
        await alice.post(b"for both")
        await alice.change(b"eve is out")
        await alice.post(b"not for eve")
        await _refused_everywhere(eve)
        # Connected anew as well.
        await eve.close()
        await eve.connect(relays.places)
        await eve.everywhere(lambda one: authorise_old(eve, one, 1))
        await _refused_everywhere(eve)
        for key in eve.clients:
            client = eve.clients[key]
            frame = eve.clients[key].core.authorise(
                9, eve.instances[key], 2, member_key(eve.log, 1, key)
            )
            assert await client.failure(frame) is ErrorCode.NOT_AUTHORISED


async def _refused_everywhere(eve: Member) -> None:
    for client in eve.clients.values():
        channel = eve.channel(1)
        page = await client.ask(frames.Read(0, channel, 0, 100), frames.Entries)
        assert [one.data for one in page.entries] == [b"for both"]
        assert isinstance(await client.request(frames.Post(0, channel, b"x")), frames.Decided)
        value = value_for(eve.log, eve.seat.configuration, 1, b"x").encode()
        lock = await client.request(frames.Lock(0, channel, 0, value))
        assert isinstance(lock, frames.Decided)
        assert isinstance(await client.request(frames.NewRound(0, channel, 9)), frames.Decided)
        for frame in (
            frames.Status(0, channel, bytes(32)),
            frames.Refill(0, channel, 1, b"x"),
            frames.Unfence(0, channel, ()),
        ):
            assert await client.failure(frame) is ErrorCode.NOT_AUTHORISED


async def test_20_certificates_of_other_seats(tmp_path: Path) -> None:
    """Of an older epoch, of another log, of too few, of first votes: none decides."""
    async with running(tmp_path) as relays:
        alice = await relays.member("alice")
        old = await alice.change(b"first")
        client = next(iter(alice.clients.values()))
        instance = alice.instances[client.relay]
        foreign = Member("another", configured("another", alice.relays))
        foreign.clients = alice.clients
        await foreign.open()
        theirs = await foreign.change(b"first")
        await alice.authorise()
        lock, h = await locked(alice, b"second")
        value = alice.value(b"second")
        forged = Certificate(2, old.certificate.round, h, old.certificate.signatures)
        short = Certificate(2, 0, h, lock.signatures[:2])
        for certificate in (
            forged,
            short,
            lock,
            Certificate(2, 0, theirs.value.hash, theirs.certificate.signatures),
        ):
            frame = frames.Decide(0, instance, certificate.encode(), value.encode())
            assert await client.failure(frame) is ErrorCode.BAD_CERTIFICATE
        for certificate in (forged, short, old.certificate):
            frame_ = frames.Commit(0, alice.channel(), certificate.encode(), value.encode())
            answer = await client.request(frame_)
            assert isinstance(answer, frames.Refuse)
            assert answer.reason == frames.Refusal.BAD_CERTIFICATE
        assert (await alice.change(b"second")).value == value
