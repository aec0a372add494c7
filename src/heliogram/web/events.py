"""Notices for browsers: each WebSocket has its own bounded queue; who does not read is dropped.

A socket that ends means: notices were missed. Whoever opens the next one asks for everything anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import WSCloseCode, web

from heliogram.node import api

#: Sockets at once.
MAX_SOCKETS: Final = 32

#: Notices and bytes that wait for one socket.
MAX_NOTICES: Final = 4096
MAX_WAITING: Final = 8 << 20

#: Seconds that a write may take, and between looks at whether the other side lives.
SLOWEST: Final = 30.0
HEARTBEAT: Final = 25.0

#: The subprotocol that is spoken, and what stands before a secret among those that are offered.
PROTOCOL: Final = "heliogram"
SECRET: Final = "secret."

_encode: Final = msgspec.json.Encoder().encode


class _Listener:
    """One socket's queue."""

    def __init__(self, drop: Callable[[], None]) -> None:
        """`drop` ends the connection, for who does not read."""
        self._drop = drop
        self._waiting: deque[str] = deque()
        self._size = 0
        self._more = asyncio.Event()
        #: Whether it is to end, after what waits has gone.
        self.over = False

    def put(self, line: str) -> None:
        """One more."""
        if self.over:
            return
        self._waiting.append(line)
        self._size += len(line)
        if len(self._waiting) > MAX_NOTICES or self._size > MAX_WAITING:
            self._waiting.clear()
            self._size = 0
            self.over = True
            self._drop()
        self._more.set()

    def end(self) -> None:
        """No more."""
        self.over = True
        self._more.set()

    async def take(self) -> str | None:
        """The next; None at the end."""
        while not self._waiting:
            if self.over:
                return None
            self._more.clear()
            await self._more.wait()
        line = self._waiting.popleft()
        self._size -= len(line)
        return line


class Events:
    """All sockets."""

    def __init__(self, *, slowest: float = SLOWEST) -> None:
        self._slowest = slowest
        self._listeners: set[_Listener] = set()

    @property
    def full(self) -> bool:
        """Whether no more socket is taken."""
        return len(self._listeners) >= MAX_SOCKETS

    @property
    def listeners(self) -> int:
        """How many sockets there are."""
        return len(self._listeners)

    def tell(self, notice: api.AnyNotice) -> None:
        """Tell all."""
        self._say(notice)

    def tell_state(self, state: str) -> None:
        """Tell all that the profile was opened or locked."""
        self._say(_state(state))

    def end(self) -> None:
        """End all sockets after what waits for them."""
        for one in self._listeners:
            one.end()

    def _say(self, what: Any) -> None:
        if self._listeners:
            line = _encode(what).decode()
            for one in self._listeners:
                one.put(line)

    async def serve(self, request: web.BaseRequest, state: str) -> web.StreamResponse:
        """Be one browser's socket, until it goes or must go. The first thing that it hears is the state."""
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,), heartbeat=HEARTBEAT, max_msg_size=1024, compress=False
        )
        socket.headers["Server"] = "heliogram"
        listener = _Listener(lambda: _abort(request))
        self._listeners.add(listener)
        listener.put(_encode(_state(state)).decode())
        reading: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            reading = asyncio.create_task(_until_gone(socket))
            reading.add_done_callback(lambda _: listener.end())
            await self._send(request, socket, listener, reading)
        finally:
            self._listeners.discard(listener)
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._slowest):
                await socket.close(code=WSCloseCode.GOING_AWAY)
        return socket

    async def _send(
        self,
        request: web.BaseRequest,
        socket: web.WebSocketResponse,
        listener: _Listener,
        reading: asyncio.Task[None],
    ) -> None:
        while not reading.done() and (line := await listener.take()) is not None:
            try:
                async with asyncio.timeout(self._slowest):
                    await socket.send_str(line)
            except (ConnectionError, TimeoutError):
                _abort(request)
                return


async def _until_gone(socket: web.WebSocketResponse) -> None:
    """Nothing is expected of a browser here but its going: whatever it says ends it."""
    with suppress(ConnectionError, RuntimeError):
        await socket.receive()


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _state(state: str) -> dict[str, str]:
    return {"event": "state", "state": state}
