"""Pushes over real sockets: what comes, in which order, until when; and who reads slowly or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heliogram.relay.serving import session
from heliogram.wire import ErrorCode, frames
from tests.relay.client import Client
from tests.relay.members import Member, configured, member_key
from tests.relay.raw import Raw
from tests.relay.serving import Serving


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Serving]:
    async with Serving(tmp_path / "data") as one:
        yield one


@pytest.fixture
async def alice(relay: Serving) -> AsyncIterator[Member]:
    member = await relay.member("picnic")
    yield member
    await member.close()


@pytest.fixture
async def bob(relay: Serving, alice: Member) -> AsyncIterator[Member]:
    member = Member("picnic", configured("picnic", [relay.key]), seed="bob")
    await member.connect({relay.key: relay.where})
    await member.authorise()
    yield member
    await member.close()


def at(member: Member) -> Client:
    return next(iter(member.clients.values()))


def pushed(push: frames.Push) -> list[tuple[int, bytes]]:
    assert isinstance(push, frames.Pushed)
    return [(one.index, one.data) for one in push.entries]


async def test_every_entry_once_and_in_order(alice: Member, bob: Member) -> None:
    """Under pipelined posts: what is read before `live` and what is pushed from there on is all there is."""
    posts = [at(alice).send(frames.Post(0, 1, b"%d" % n)) for n in range(30)]
    live = await bob.subscribe(at(bob))
    posts += [at(alice).send(frames.Post(0, 1, b"%d" % n)) for n in range(30, 60)]
    await asyncio.gather(*posts)
    got = [(one.index, one.data) for one in await bob.read(at(bob)) if one.index < live]
    while len(got) < 60:
        got += pushed(await at(bob).pushes.get())
    assert got == [(n, b"%d" % n) for n in range(60)] and at(bob).pushes.empty()


async def test_an_answer_comes_before_the_push_of_the_same_entry(
    relay: Serving, alice: Member
) -> None:
    raw = await Raw.greeted(relay.where)
    key = member_key("picnic", 1, relay.key)
    await raw.ask(raw.authorise(1, alice.seat.id, 1, key), frames.Subscribe(1, 1, 0))
    await raw.frame(), await raw.frame()
    for n in range(5):
        await raw.ask(frames.Post(n, 1, b"%d" % n))
        assert isinstance(await raw.frame(), frames.Stored)
        assert isinstance(await raw.frame(), frames.Pushed)
    await raw.close()


async def test_close_ends_a_subscription(alice: Member, bob: Member) -> None:
    await bob.subscribe(at(bob))
    await at(bob).ask(frames.Close(0, 1), frames.Done)
    await alice.post(b"nobody listens")
    await bob.authorise()
    assert at(bob).pushes.empty()
    assert await bob.subscribe(at(bob)) == 1


async def test_a_subscription_lasts_as_long_as_a_channel_leads_there(
    relay: Serving, alice: Member, bob: Member
) -> None:
    await at(bob).authorise(2, bob.seat.id, 1, member_key("picnic", 1, relay.key))
    await bob.subscribe(at(bob))
    await at(bob).ask(frames.Close(0, 1), frames.Done)
    await alice.post(b"by the other channel")
    assert pushed(await at(bob).pushes.get()) == [(0, b"by the other channel")]
    await at(bob).ask(frames.Close(0, 2), frames.Done)
    assert len(relay.server.listeners) == 0


async def test_a_number_with_a_new_meaning_has_no_subscription(
    relay: Serving, alice: Member, bob: Member
) -> None:
    await bob.subscribe(at(bob))
    other = Member("other", configured("other", [relay.key]))
    other.clients = bob.clients
    await other.open()  # on the same channel
    assert len(relay.server.listeners) == 0
    await alice.post(b"nobody listens")
    await other.post(b"x")
    assert at(bob).pushes.empty()


async def test_a_failed_attempt_ends_it_too(relay: Serving, alice: Member, bob: Member) -> None:
    await bob.subscribe(at(bob))
    wrong = at(bob).core.authorise(1, bob.seat.id, 1, member_key("another", 1, relay.key))
    assert await at(bob).failure(wrong) is ErrorCode.NOT_AUTHORISED
    assert len(relay.server.listeners) == 0


async def test_who_subscribes_to_a_closed_epoch_is_told(alice: Member, bob: Member) -> None:
    """It was open when Bob authorised. He must not wait for what has happened already."""
    decision = await alice.change(b"a commit")
    live = await bob.subscribe(at(bob))
    told = frames.Advanced(bob.seat.id, decision.certificate.encode())
    assert await at(bob).pushes.get() == told
    # What comes by the grace lane is still pushed.
    assert isinstance(
        await at(bob).request(frames.Post(0, 1, b"help", frames.Lane.GRACE)), frames.Stored
    )
    assert pushed(await at(bob).pushes.get()) == [(live, b"help")]


async def test_subscriptions_end_with_their_connection(relay: Serving, alice: Member) -> None:
    raw = await Raw.greeted(relay.where)
    key = member_key("picnic", 1, relay.key)
    await raw.ask(raw.authorise(1, alice.seat.id, 1, key), frames.Subscribe(1, 1, 0))
    assert isinstance(await raw.frame(), frames.Authorised)
    assert isinstance(await raw.frame(), frames.Subscribed)
    assert len(relay.server.listeners) == 1
    await raw.close()
    while len(relay.server.listeners):
        await asyncio.sleep(0)
    await alice.post(b"nobody listens")


async def test_nobody_who_does_not_read_costs_much(relay: Serving, alice: Member) -> None:
    """Told to catch up once, then nothing; the bytes that wait for it are bounded; it can go on reading."""
    raw = await Raw.greeted(relay.where)
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    key = member_key("picnic", 1, relay.key)
    await raw.ask(raw.authorise(1, alice.seat.id, 1, key), frames.Subscribe(1, 1, 0))
    while not len(relay.server.listeners):
        await asyncio.sleep(0)
    count = 0
    while len(relay.server.listeners):
        await alice.post(count.to_bytes(2, "big") * 30_000)
        count += 1
    for serving in relay.server._sessions:
        assert serving._transport.get_write_buffer_size() < 2 * session.ROOM
    raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert isinstance(await raw.frame(), frames.Authorised)
    assert isinstance(await raw.frame(), frames.Subscribed)
    got = []
    while isinstance(one := await raw.frame(), frames.Pushed):
        got += pushed(one)
    assert one == frames.CatchUp(alice.seat.id, len(got))
    await raw.ask(frames.Read(2, 1, len(got), 1000))
    page = await raw.frame()
    assert isinstance(page, frames.Entries)
    assert page.entries[0].index == len(got) and page.end == count
    await raw.close()
