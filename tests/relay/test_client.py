"""The tests' own client and members: against the relay's side of the connection, on a loopback socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from heliogram.wire import (
    NEED_DATA,
    ErrorCode,
    RelayConnection,
    RemoteError,
    Requested,
    SigningKey,
    frames,
)
from heliogram.wire.objects import Limits
from tests.relay.client import Client, Failed, Lost, seeded
from tests.relay.members import name

IDENTITY = SigningKey(name("a relay"))
MEMBER = SigningKey(name("a member"))
LIMITS = Limits(4, 4, 393216, 65536, 4, 128, 1 << 30, 30, 180, 30)
NOW = 1_795_000_000


class Loopback:
    """A relay that answers what `answer` gives for a frame, and is told when to say more."""

    def __init__(self) -> None:
        self.answer: Callable[[frames.Request], frames.Answer | None] = lambda one: frames.Done(
            one.id
        )
        self.asked: asyncio.Queue[frames.Request] = asyncio.Queue()
        self.where = ""
        self._socket: web.WebSocketResponse | None = None
        self._core: RelayConnection | None = None

    async def say(self, frame: frames.Answer | frames.Push) -> None:
        assert self._core is not None and self._socket is not None
        message = self._core.send(frame)
        if message is not None:
            await self._socket.send_bytes(message)

    async def hang_up(self) -> None:
        assert self._socket is not None
        await self._socket.close()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self._socket = socket = web.WebSocketResponse()
        self._core = core = RelayConnection(IDENTITY, LIMITS, now=NOW, entropy=seeded("relay"))
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            core.receive_data(message.data)
            broken = False
            try:
                while (event := core.next_event()) is not NEED_DATA:
                    if isinstance(event, Requested):
                        await self._take(event.frame)
            except RemoteError:
                broken = True
            for one in core.data_to_send():
                await socket.send_bytes(one)
            if broken:
                break
        return socket

    async def _take(self, frame: frames.Request) -> None:
        assert self._core is not None
        if isinstance(frame, frames.Authorise):
            if self._core.authorise(MEMBER.public):
                await self.say(frames.Authorised(frame.id, 0, name("chain"), 1))
            return
        self.asked.put_nowait(frame)
        answer = self.answer(frame)
        if answer is not None:
            await self.say(answer)


@asynccontextmanager
async def listening() -> AsyncIterator[Loopback]:
    relay = Loopback()
    application = web.Application()
    application.router.add_get("/ws", relay.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        relay.where = "{}:{}".format(*runner.addresses[0])
        yield relay
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Loopback, Client]]:
    async with listening() as relay:
        async with await Client.connect(relay.where, IDENTITY.public) as client:
            yield relay, client


DELETE = frames.BlobDelete(0, name("blob"), name("secret"))


async def test_it_greets_and_asks() -> None:
    async with connected() as (_, client):
        assert client.relay == IDENTITY.public
        assert client.greeting.limits == LIMITS
        assert isinstance(await client.ask(DELETE, frames.Done), frames.Done)


async def test_it_authorises() -> None:
    async with connected() as (relay, client):
        assert (await client.authorise(0, name("log"), 1, MEMBER)).epoch == 1
        with pytest.raises(Failed) as failed:
            await client.authorise(1, name("log"), 1, SigningKey(name("a stranger")))
        assert failed.value.code is ErrorCode.NOT_AUTHORISED
        relay.answer = lambda one: frames.Decided(one.id, b"a certificate")
        await client.ask(frames.Post(0, 0, b"entry"), frames.Decided)
        assert isinstance(await relay.asked.get(), frames.Post)


async def test_another_relay_is_refused() -> None:
    async with listening() as relay:
        with pytest.raises(Lost) as lost:
            await Client.connect(relay.where, name("another key"))
        assert lost.value.code is ErrorCode.WRONG_RELAY


async def test_a_failure_is_raised_or_given() -> None:
    async with connected() as (relay, client):
        relay.answer = lambda one: frames.Failure(one.id, ErrorCode.BEHIND, 7)
        with pytest.raises(Failed) as failed:
            await client.request(DELETE)
        assert (failed.value.code, failed.value.detail) == (ErrorCode.BEHIND, 7)
        assert await client.failure(DELETE) is ErrorCode.BEHIND
        assert isinstance(await client.send(DELETE), frames.Failure)


async def test_answers_come_in_any_order() -> None:
    async with connected() as (relay, client):
        relay.answer = lambda one: None
        first, second = client.send(DELETE), client.send(DELETE)
        ids = [(await relay.asked.get()).id for _ in range(2)]
        await relay.say(frames.Done(ids[1]))
        assert (await second).id == ids[1]
        assert not first.done()
        await relay.say(frames.Done(ids[0]))
        assert (await first).id == ids[0]


async def test_requests_wait_for_room() -> None:
    async with connected() as (relay, client):
        await asyncio.gather(*(client.request(DELETE) for _ in range(50)))
        assert relay.asked.qsize() == 50


async def test_pushes_are_kept_or_told() -> None:
    async with connected() as (relay, client):
        await relay.say(frames.CatchUp(name("log"), 1))
        assert (await client.pushes.get()) == frames.CatchUp(name("log"), 1)
        told: list[frames.Push] = []
        client.on_push = told.append
        await relay.say(frames.CatchUp(name("log"), 2))
        await client.request(DELETE)
        assert told == [frames.CatchUp(name("log"), 2)]


async def test_the_end_is_told_to_all_who_wait() -> None:
    async with connected() as (relay, client):
        relay.answer = lambda one: None
        waiting = [client.send(DELETE) for _ in range(3)]
        for _ in waiting:
            await relay.asked.get()
        await relay.say(frames.Goodbye(ErrorCode.GOING_AWAY))
        await relay.hang_up()
        for one in waiting:
            with pytest.raises(Lost) as lost:
                await one
            assert lost.value.code is ErrorCode.GOING_AWAY
        await client.ended.wait()
        with pytest.raises(Lost):
            client.send(DELETE)


async def test_broken_messages_can_be_sent() -> None:
    async with connected() as (_, client):
        client.send_raw(b"\xc1")
        await client.ended.wait()
        assert client.code is ErrorCode.MALFORMED
