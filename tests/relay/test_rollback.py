"""Four real relays: one falls back, vanishes or stalls, or two vanish. What was decided stays decided."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from heliogram.wire import ErrorCode, Label, frames
from heliogram.wire.receipts import Receipt
from tests.relay.client import Client, Failed
from tests.relay.fleet import authorise_old, locked, running
from tests.relay.members import (
    Member,
    NoQuorum,
    configured,
    seat_of,
)


async def fence_of(member: Member, client: Client) -> bytes:
    peeked = await client.ask(frames.Peek(0, member.channel()), frames.Peeked)
    return peeked.fence


async def votes_there(member: Member, client: Client, body: bytes) -> frames.Answer:
    """How this relay answers a first vote in the open slot."""
    return await member.lock(client, 0, member.value(body))


# --- One relay falls back -------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["the certificate", "another value"])
async def test_12_rolled_back_between_its_two_votes(tmp_path: Path, first: str) -> None:
    """It forgets its first vote. No second certificate; it fences itself, abstains, and votes again."""
    async with running(tmp_path) as relays:
        fallen = relays.processes[0]
        alice = await relays.member("alice")
        await asyncio.to_thread(fallen.back_up, "before")
        await relays.again(alice)
        await alice.authorise()
        value = alice.value(b"alice's commit")
        certificate, h = await locked(alice, b"alice's commit")
        assert certificate.has(0) and h == value.hash
        fallen.restore("before")
        await relays.again(alice)
        await alice.authorise()
        client = alice.clients[fallen.key]
        if first == "another value":
            # Whoever knows nothing gets a second vote out of it. That is one liar: no quorum comes of it.
            bob = alice.value(b"bob's commit")
            answers, _ = await alice.everywhere(lambda one: alice.lock(one, 0, bob))
            voted = [key for key, one in answers.items() if isinstance(one, frames.Vote1)]
            assert voted == [fallen.key]
        # The certificate has its own signature, which it does not remember.
        with pytest.raises(Failed) as failed:
            await alice.commit(client, certificate, value)
        assert failed.value.code is ErrorCode.FENCED
        assert len(await fence_of(alice, client)) == 32
        for frame in (
            frames.Lock(0, alice.channel(), 0, alice.value(b"x").encode()),
            frames.NewRound(0, alice.channel(), 5),
            frames.Post(0, alice.channel(), b"x"),
            frames.Status(0, alice.channel(), bytes(32)),
        ):
            assert await client.failure(frame) is ErrorCode.FENCED
        # Two others state that they have this slot open; then it abstains in it.
        await alice.unfence(client)
        assert await fence_of(alice, client) == b""
        refused = await votes_there(alice, client, b"anything")
        assert isinstance(refused, frames.Refuse)
        assert refused.reason == frames.Refusal.ABSTAINING
        await alice.post_at(client, b"posts are taken again")
        # The others decide without it, it learns that, and counts again from the next slot on.
        decision = await alice.change(value)
        assert decision.value.hash == value.hash and not decision.certificate.has(0)
        assert isinstance(await votes_there(alice, client, b"second"), frames.Vote1)
        decision = await alice.change(b"second")
        assert decision.certificate.has(0)


async def test_12_the_fence_is_lifted_after_the_decision_too(tmp_path: Path) -> None:
    """The others have decided meanwhile. It takes the decision fenced, and abstains in the next slot."""
    async with running(tmp_path) as relays:
        fallen = relays.processes[2]
        alice = await relays.member("alice")
        await asyncio.to_thread(fallen.back_up, "before")
        await relays.again(alice)
        await alice.authorise()
        first = await alice.change(b"first")
        assert first.certificate.has(2)
        fallen.restore("before")
        await relays.again(alice)
        # Its second vote is in the certificate that it is shown.
        authorised = await alice.authorise()
        assert len(authorised[fallen.key].fence) == 32
        client = alice.clients[fallen.key]
        peeked = await client.ask(frames.Peek(0, alice.channel()), frames.Peeked)
        assert peeked.epoch == 2
        # One statement is too few, a foreign one spoils all.
        others = [alice.clients[one.key] for one in (relays.processes[0], relays.processes[1])]
        stated = [(await alice.status(one, peeked.fence)).encode() for one in others]
        stale = (await alice.status(others[0], bytes(32))).encode()
        for bad in ((stated[0],), (stated[0], stated[0]), (stated[0], stale)):
            frame = frames.Unfence(0, alice.channel(), bad)
            assert await client.failure(frame) is ErrorCode.BAD_STATUS
        await alice.unfence(client)
        assert isinstance(await votes_there(alice, client, b"second"), frames.Refuse)
        second = await alice.change(b"second")
        assert not second.certificate.has(2)
        third = await alice.change(b"third")
        assert third.certificate.has(2)


async def test_11_an_old_backup(tmp_path: Path) -> None:
    """All of a day is gone: entries and decisions. The first informed client fences it; it is refilled."""
    async with running(tmp_path) as relays:
        fallen = relays.processes[1]
        alice = await relays.member("alice")
        await alice.post(b"before")
        await asyncio.to_thread(fallen.back_up, "yesterday")
        await relays.again(alice)
        await alice.authorise()
        posted: list[tuple[int, bytes]] = []
        for epoch in (1, 2, 3):
            for number in range(5):
                data = b"%d %d" % (epoch, number)
                await alice.post(data)
                posted.append((epoch, data))
            await alice.change(b"commit %d" % epoch)
        fallen.restore("yesterday")
        bob = await relays.member("bob", alice)
        client = bob.clients[fallen.key]
        assert len(await fence_of(bob, client)) == 32
        assert {one.epoch for one in (await bob.peek()).values()} == {4}
        # What it had decided it was told again, and nothing else: there is one chain of values.
        for decision in bob.decisions.values():
            again = frames.Decide(0, bob.instances[client.relay], decision.certificate.encode())
            await client.ask(again, frames.Done)
        await bob.unfence(client)
        for epoch, data in posted:
            frame = frames.Refill(0, bob.channel(), epoch, data)
            await client.ask(frame, frames.Stored)
        assert isinstance(await votes_there(bob, client, b"x"), frames.Refuse)
        await bob.change(b"commit 4")
        assert (await bob.change(b"commit 5")).certificate.has(1)
        await bob.post(b"after")
        authorised = await bob.authorise(evidence=True)
        assert not any(one.fence for one in authorised.values())


async def test_11_a_receipt_shows_the_fall(tmp_path: Path) -> None:
    """Nothing was decided meanwhile: only a receipt tells. It names a place that the relay does not have."""
    async with running(tmp_path) as relays:
        fallen = relays.processes[3]
        alice = await relays.member("alice")
        await asyncio.to_thread(fallen.back_up, "before")
        await relays.again(alice)
        await alice.authorise()
        await alice.post(b"acknowledged, then forgotten")
        fallen.restore("before")
        await relays.again(alice)
        authorised = await alice.authorise()
        assert authorised[fallen.key].fence == b""
        authorised = await alice.authorise(evidence=True)
        assert [key for key, one in authorised.items() if one.fence] == [fallen.key]
        client = alice.clients[fallen.key]
        await alice.unfence(client)
        assert isinstance(await votes_there(alice, client, b"x"), frames.Refuse)
        assert (await alice.change(b"first")).certificate.has(3) is False
        assert (await alice.change(b"second")).certificate.has(3)


# --- Relays vanish --------------------------------------------------------------------------------


async def test_9_one_of_four_vanishes_for_good(tmp_path: Path) -> None:
    """All goes on, nothing is lost, and a new relay takes its place."""
    async with running(tmp_path, 5) as relays:
        alice = await relays.member("alice")
        await alice.post(b"with four")
        relays.processes[3].kill()
        await alice.post(b"with three")
        await alice.change(b"with three")
        await alice.post(b"in the next epoch")
        new = relays.processes[4]
        keys = [*(one.key for one in relays.processes[:3]), new.key]
        configuration = configured("picnic", keys)
        client = await Client.connect(new.where, new.key)
        await alice.open_at(client, seat_of("picnic", configuration, alice.epoch + 1))
        alice.clients[new.key] = client
        decision = await alice.change(alice.value(b"a new relay", configuration))
        assert decision.value.hash == alice.decisions[2].value.hash
        receipts = await alice.post(b"with the new one")
        assert set(receipts) == set(keys)
        assert (await alice.change(b"all four again")).certificate.has(3)
        for key in keys[:3]:
            one = alice.clients[key]
            found = []
            for epoch in range(1, alice.epoch + 1):
                await authorise_old(alice, one, epoch)
                found += [entry.data for entry in await alice.read(one, epoch=epoch)]
            assert found == [b"with four", b"with three", b"in the next epoch", b"with the new one"]


async def test_10_two_of_four_vanish(tmp_path: Path) -> None:
    """What was acknowledged can be read; nothing more is decided or acknowledged; one back, all goes on."""
    async with running(tmp_path) as relays:
        alice = await relays.member("alice")
        for number in range(10):
            await alice.post(b"entry %d" % number)
        for one in relays.processes[:2]:
            one.kill()
        with pytest.raises(NoQuorum):
            await alice.post(b"too few")
        with pytest.raises(NoQuorum):
            await alice.change(b"too few")
        left = [alice.clients[one.key] for one in relays.processes[2:]]
        for client in left:
            read = {entry.data for entry in await alice.read(client)}
            assert read >= {b"entry %d" % number for number in range(10)}
        relays.processes[0].start()
        await relays.again(alice)
        await alice.authorise(evidence=True)
        await alice.post(b"too few")
        decision = await alice.change(b"another commit")
        # The vote that two had given is not forgotten: whatever won, it is one value.
        assert decision.certificate.counts(decision.seat, Label.VOTE2)


async def test_22_one_stalls(tmp_path: Path) -> None:
    """It takes connections and says nothing. Three receipts are there all the same, and a decision."""
    async with running(tmp_path) as relays:
        alice = await relays.member("alice")
        stalled = relays.processes[1]
        os.kill(stalled.pid, signal.SIGSTOP)
        try:
            waiting = []
            for number in range(20):
                data = b"entry %d" % number
                posts = [
                    asyncio.ensure_future(alice.post_at(one, data))
                    for one in alice.clients.values()
                ]
                late = await _quorum(posts, 3)
                waiting += late
            assert len(waiting) == 20
            healthy = [key for key in alice.clients if key != stalled.key]
            client = alice.clients.pop(stalled.key)
            decision = await alice.change(b"without it")
            assert not decision.certificate.has(1)
            alice.clients[stalled.key] = client
            assert len(healthy) == 3
        finally:
            os.kill(stalled.pid, signal.SIGCONT)
        # It wakes up, does what was asked, and is told the decision.
        await asyncio.gather(*waiting)
        await alice.authorise()
        assert (await alice.change(b"with it")).certificate.has(1)


async def _quorum(
    tasks: Sequence[asyncio.Future[Receipt | frames.Decided]], quorum: int
) -> list[asyncio.Future[Receipt | frames.Decided]]:
    """Wait until so many are done; the others."""
    pending = set(tasks)
    while len(tasks) - len(pending) < quorum:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    assert all(isinstance(one.result(), Receipt) for one in set(tasks) - pending)
    return list(pending)
