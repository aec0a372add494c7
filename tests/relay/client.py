"""A client over a real socket, for tests and for load: `wire.ClientConnection` on aiohttp.

    async with await Client.connect("127.0.0.1:4433", relay_key) as client:
        await client.authorise(0, instance, epoch, key)
        stored = await client.ask(frames.Post(0, 0, b"entry"), frames.Stored)

Frames are given with the id 0 and get one here. A failure is raised as `Failed`, the end of the connection
as `Lost`. `send` does not wait: many requests may be under way.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from heliogram.wire import (
    NEED_DATA,
    Answered,
    ClientConnection,
    Ended,
    ErrorCode,
    Greeted,
    PushReceived,
    RemoteError,
    SigningKey,
    frames,
    objects,
)

T = TypeVar("T", bound=frames.Answer)


class Failed(Exception):
    """The relay answered with a `Failure`."""

    def __init__(self, failure: frames.Failure) -> None:
        super().__init__(ErrorCode(failure.code).name, failure.detail)
        self.code = ErrorCode(failure.code)
        self.detail = failure.detail


class Lost(Exception):
    """The connection ended: whether the request was done is unknown. `code` is the relay's word, if any."""

    def __init__(self, code: ErrorCode | None) -> None:
        super().__init__("no word" if code is None else code.name)
        self.code = code


def seeded(seed: int | str) -> Callable[[int], bytes]:
    """Entropy that is the same for the same seed."""
    return Random(seed).randbytes


class Client:
    """One connection to one relay."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        socket: aiohttp.ClientWebSocketResponse,
        core: ClientConnection,
        base: str,
    ) -> None:
        """Use `connect`."""
        self.session = session
        self.base = base
        self.core = core
        #: What nobody asked for. A `Goodbye` is there too.
        self.pushes: asyncio.Queue[frames.Push] = asyncio.Queue()
        #: Called with each push in the place of the queue, if set.
        self.on_push: Callable[[frames.Push], None] | None = None
        #: Set once the connection is over.
        self.ended = asyncio.Event()
        #: Why the connection ended, if the relay said it or broke a rule.
        self.code: ErrorCode | None = None
        self._socket = socket
        self._waiting: dict[int, asyncio.Future[frames.Answer]] = {}
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)
        self._greeted: asyncio.Future[objects.Greeting] = asyncio.Future()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    @classmethod
    async def connect(
        cls,
        where: str,
        relay: bytes,
        *,
        ssl: ssl.SSLContext | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> Self:
        """Connect to `HOST:PORT` or a URL and greet. Raises `aiohttp.ClientError`, `Failed`, `Lost`."""
        base = where if "://" in where else f"{'https' if ssl else 'http'}://{where}"
        base = base.replace("ws", "http", 1) if base.startswith("ws") else base
        base = base.removesuffix("/ws").rstrip("/")
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        try:
            socket = await session.ws_connect(base + "/ws", ssl=ssl or True, autoping=True)
            client = cls(session, socket, ClientConnection(relay, entropy=entropy), base)
        except BaseException:
            await session.close()
            raise
        try:
            client._out.put_nowait(client.core.hello())
            greeting = await client._greeted
        except BaseException:
            await client.close()
            raise
        client._room = asyncio.Semaphore(greeting.limits.max_pending)
        return client

    @property
    def greeting(self) -> objects.Greeting:
        """What the relay said of itself."""
        return self.core.greeting

    @property
    def relay(self) -> bytes:
        """The relay's key."""
        return self.greeting.relay

    def send(self, frame: frames.Request) -> asyncio.Future[frames.Answer]:
        """Ask without waiting; the future has the answer, a `Failure` too, or raises `Lost`.

        Raises `LocalError` when too many requests are under way: wait for one.
        """
        if frame.id == 0:
            frame = msgspec.structs.replace(frame, id=self.core.new_id())
        if self.ended.is_set():
            raise Lost(self.code)
        message = self.core.send(frame)
        future: asyncio.Future[frames.Answer] = asyncio.Future()
        self._waiting[frame.id] = future
        self._out.put_nowait(message)
        return future

    def send_raw(self, message: bytes) -> None:
        """Write any bytes as one message, past all rules."""
        self._out.put_nowait(message)

    async def request(self, frame: frames.Request, *, failures: bool = False) -> frames.Answer:
        """Ask and wait. Raises `Lost`, and `Failed` unless `failures` are wanted as answers."""
        async with self._room:
            answer = await self.send(frame)
        if isinstance(answer, frames.Failure) and not failures:
            raise Failed(answer)
        return answer

    async def ask(self, frame: frames.Request, kind: type[T]) -> T:
        """Ask for an answer of this kind; any other one is an error of the test. Raises `Failed`, `Lost`."""
        answer = await self.request(frame)
        assert isinstance(answer, kind), f"{type(answer).__name__} in the place of {kind.__name__}"
        return answer

    async def failure(self, frame: frames.Request) -> ErrorCode:
        """Ask for what must fail: how it does."""
        answer = await self.request(frame, failures=True)
        assert isinstance(answer, frames.Failure), type(answer).__name__
        return ErrorCode(answer.code)

    async def authorise(
        self, channel: int, instance: bytes, epoch: int, key: SigningKey, evidence: bytes = b""
    ) -> frames.Authorised:
        """Open a channel to an epoch of a log."""
        frame = self.core.authorise(channel, instance, epoch, key, evidence)
        return await self.ask(frame, frames.Authorised)

    async def authorise_inbox(
        self, channel: int, inbox: bytes, key: SigningKey
    ) -> frames.Authorised:
        """Open a channel to an inbox."""
        return await self.ask(self.core.authorise_inbox(channel, inbox, key), frames.Authorised)

    async def close(self) -> None:
        """End the connection. Everything that waits gets `Lost`."""
        self._end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()
        await self.session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _write(self) -> None:
        with suppress(aiohttp.ClientError, ConnectionError):
            while True:
                await self._socket.send_bytes(await self._out.get())

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                self.core.receive_data(message.data)
                self._take()
            self.core.receive_end()
            self._take()
        except RemoteError as error:
            self.code = error.code
        finally:
            self._end()

    def _take(self) -> None:
        """Give out what has come. Raises `RemoteError` when the relay has broken a rule."""
        while (event := self.core.next_event()) is not NEED_DATA:
            if isinstance(event, Answered):
                future = self._waiting.pop(event.request.id, None)
                if future is not None and not future.done():
                    future.set_result(event.answer)
                elif isinstance(event.request, frames.Hello) and not self._greeted.done():
                    assert isinstance(event.answer, frames.Failure)
                    self._greeted.set_exception(Failed(event.answer))
            elif isinstance(event, Greeted):
                self._greeted.set_result(event.greeting)
            elif isinstance(event, PushReceived):
                if isinstance(event.frame, frames.Goodbye):
                    self.code = ErrorCode(event.frame.code)
                if self.on_push is None:
                    self.pushes.put_nowait(event.frame)
                else:
                    self.on_push(event.frame)
            elif isinstance(event, Ended):
                self._end()

    def _end(self) -> None:
        self.ended.set()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            _lose(future, self.code)
        _lose(self._greeted, self.code)


def _lose(future: asyncio.Future[Any], code: ErrorCode | None) -> None:
    if not future.done():
        future.set_exception(Lost(code))
        future.exception()  # who waits for it gets it; if nobody does, nobody is warned
