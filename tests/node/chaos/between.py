"""Somebody between nodes and a relay who sees each frame, and may do with it what he likes.

    async with Between(relay) as between:               # `between.where` is what nodes are told
        between.asked = note                            # called with each request before the relay has it
        between.lie = lie                               # makes another answer of the relay's

He has the relay's key if he is to sign: `SigningKey` of `identity.load(relay.data)`. Nodes sign what their
relay greeted them with, so signing in works through him. Blobs pass as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from heliogram.wire import RemoteError, frames
from heliogram.wire.limits import MAX_FRAME
from tests.relay.process import RelayProcess

#: Gets the relay's answer to a request.
Ask = Callable[[], Awaitable[frames.Answer]]

#: A request, and how to get the relay's answer to it; gives the answer, or None for never.
Lie = Callable[[frames.Request, Ask], Awaitable[frames.Answer | None]]

_HOP = frozenset(("transfer-encoding", "connection", "content-encoding", "host", "keep-alive"))


class Between:
    """Runs while the block does."""

    def __init__(self, process: RelayProcess) -> None:
        """`process` is started, and may be killed and started again."""
        self.process = process
        self.where = ""
        #: Called in the event loop: with a request before it goes on, with an answer before it goes on.
        self.asked: Callable[[frames.Request], None] = _nothing
        self.answered: Callable[[frames.Request, frames.Answer], None] = _nothing
        #: What becomes of pushes: another one, or None.
        self.push: Callable[[frames.Push], frames.Push | None] = _same
        self.lie: Lie | None = None
        #: Entries that it has handed out whole; of other relays nodes may only want digests.
        self.served = 0
        self._runner: web.AppRunner
        self._session: aiohttp.ClientSession
        self._sockets: set[web.WebSocketResponse] = set()

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_get("/ws", self._serve)
        application.router.add_route("*", "/{path:.*}", self._pass)
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(application, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.where = "{}:{}".format(*self._runner.addresses[0])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.cut()
        await self._session.close()
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        """What nodes are told."""
        return f"ws://{self.where}/ws#{self.process.key.hex()}"

    async def cut(self) -> None:
        """End all connections; new ones may come."""
        await asyncio.gather(*(one.close() for one in self._sockets), return_exceptions=True)

    # --- Sockets ----------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        url = f"ws://{self.process.where}/ws"
        try:
            upstream = await self._session.ws_connect(url, max_msg_size=MAX_FRAME + 1)
        except (aiohttp.ClientError, OSError):
            raise web.HTTPBadGateway from None
        socket = web.WebSocketResponse(max_msg_size=MAX_FRAME + 1)
        try:
            await socket.prepare(request)
            self._sockets.add(socket)
            await _Line(self, socket, upstream).run()
            await socket.close()
        except ConnectionError:  # who came was killed meanwhile
            pass
        finally:
            self._sockets.discard(socket)
            await upstream.close()
        return socket

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        """Blobs: whole, as they are."""
        headers = {name: one for name, one in request.headers.items() if name.lower() not in _HOP}
        url = f"http://{self.process.where}{request.path_qs}"
        body = await request.read() if request.can_read_body else None
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
                if request.method == "HEAD":
                    return web.Response(status=answer.status, headers=kept)
                kept.pop("Content-Length", None)
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except (aiohttp.ClientError, OSError):
            raise web.HTTPBadGateway from None


class _Line:
    """One connection and the one behind it."""

    def __init__(
        self,
        between: Between,
        socket: web.WebSocketResponse,
        upstream: aiohttp.ClientWebSocketResponse,
    ) -> None:
        self._between = between
        self._socket = socket
        self._upstream = upstream
        self._waiting: dict[int, asyncio.Future[frames.Answer]] = {}
        self._plain: dict[int, frames.Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until one of the two sides ends."""
        both = {asyncio.create_task(self._up()), asyncio.create_task(self._down())}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in both | self._tasks:
            one.cancel()
        await asyncio.gather(*both, *self._tasks, return_exceptions=True)

    async def _up(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            try:
                request = frames.decode_request(message.data)
            except RemoteError:
                await self._upstream.send_bytes(message.data)
                continue
            self._between.asked(request)
            if self._between.lie is None or isinstance(request, frames.Hello):
                self._plain[request.id] = request
                await self._upstream.send_bytes(message.data)
            else:
                task = asyncio.create_task(self._lie(self._between.lie, request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _down(self) -> None:
        async for message in self._upstream:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            answer = frames.decode_answer(message.data)
            if isinstance(answer, frames.Pushed | frames.Entries):
                self._between.served += len(answer.entries)
            if isinstance(answer, frames.Pushed | frames.PushedDigests | frames.Advanced):
                pushed = self._between.push(answer)
                if pushed is not None:
                    await self._socket.send_bytes(frames.encode(pushed))
                continue
            if isinstance(answer, frames.CatchUp | frames.Goodbye):
                await self._socket.send_bytes(message.data)
                continue
            waiting = self._waiting.pop(answer.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
            elif (request := self._plain.pop(answer.id, None)) is not None:
                self._between.answered(request, answer)
                await self._socket.send_bytes(message.data)
            else:
                await self._socket.send_bytes(message.data)

    async def _lie(self, lie: Lie, request: frames.Request) -> None:
        async def ask() -> frames.Answer:
            waiting: asyncio.Future[frames.Answer] = asyncio.get_running_loop().create_future()
            self._waiting[request.id] = waiting
            await self._upstream.send_bytes(frames.encode(request))
            return await waiting

        answer = await lie(request, ask)
        if answer is not None:
            self._between.answered(request, answer)
            with suppress(ConnectionError):  # who asked is gone
                await self._socket.send_bytes(frames.encode(answer))


def _end(one: RelayProcess) -> None:
    if one.running:
        one.kill()


def _nothing(*_: object) -> None:
    """It passes."""


def _same(push: frames.Push) -> frames.Push | None:
    return push


@asynccontextmanager
async def relays(root: Path, count: int = 4) -> AsyncIterator[list[Between]]:
    """So many relays, running, each with somebody in front of it."""
    made = [RelayProcess(root / f"relay-{i}") for i in range(count)]
    async with AsyncExitStack() as stack:
        for one in made:
            one.start()
            stack.callback(_end, one)
        yield [await stack.enter_async_context(Between(one)) for one in made]
