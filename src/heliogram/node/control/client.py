"""A node that runs in another process, as an `api.Node`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from heliogram.node import api
from heliogram.node.control import protocol
from heliogram.node.control.faults import Interrupted
from heliogram.node.control.place import Place
from heliogram.node.control.protocol import MAX_ANSWER, Line, NotALine


class Client:
    """The node that listens at `place`. Connects at the first call; `close` when done.

    Calls go over one connection, in any number at once; each `notices` has its own.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._numbers = itertools.count(1)
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Line]] = {}

    @classmethod
    def of_home(cls, home: str | Path | None = None) -> Client:
        """The node of the profile in `home`, or where profiles are. Raises `ProfileError`."""
        from heliogram.node.profile.directory import find

        return cls(Place(find(home).socket()))

    async def connect(self) -> None:
        """Connect now, if we are not. Raises `NotRunning`, `UnsafePlace`."""
        async with self._connecting:
            if self._reading is not None and self._reading.done():
                await self._forget()
            if self._writer is None:
                reader, self._writer = await self._open()
                self._reading = asyncio.create_task(self._read(reader))

    async def call(self, command: api.Command) -> Any:
        """Do it there. Raises what it raised; `NotRunning`, `Interrupted`, `InvalidCommand`."""
        number = next(self._numbers)
        line = protocol.encode_command(number, command)
        await self.connect()
        answer: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            if self._writer is None:
                raise Interrupted
            self._writer.write(line)
            with suppress(OSError):  # the reader says how it ends
                await self._writer.drain()
            try:
                return protocol.result_of(await answer, command)
            except NotALine:
                raise Interrupted from None
        finally:
            del self._asked[number]

    def notices(self) -> AsyncIterator[api.AnyNotice]:
        """What happens from the first step on, until the node stops. Raises as `call` does."""
        return self._notices(asyncio.Event())

    async def subscribe(self) -> AsyncIterator[api.AnyNotice]:
        """As `notices`, but what happens counts from the moment when this returns."""
        ready = asyncio.Event()
        notices = self._notices(ready)
        first = asyncio.create_task(_first(notices))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait((first, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not ready.is_set():
            await first  # raises why
        return _from(first, notices)

    async def _notices(self, ready: asyncio.Event) -> AsyncGenerator[api.AnyNotice]:
        reader, writer = await self._open()
        try:
            writer.write(protocol.encode_subscription(0))
            protocol.result_of(await _line(reader), None)
            ready.set()
            while True:
                try:
                    notice = protocol.notice_of(await _line(reader))
                except Interrupted:
                    return
                if notice is not None:
                    yield notice
        finally:
            writer.transport.abort()

    async def close(self) -> None:
        """Go. Calls under way raise `Interrupted`."""
        async with self._connecting:
            await self._forget()

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # In a thread: the other side may be in this very loop, and proving oneself is a conversation.
        connection = await asyncio.to_thread(self._place.connect)
        connection.setblocking(False)
        try:
            if self._place.loopback:
                return await asyncio.open_connection(sock=connection, limit=MAX_ANSWER)
            return await asyncio.open_unix_connection(sock=connection, limit=MAX_ANSWER)
        except BaseException:
            connection.close()
            raise

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                line = await _line(reader)
                answer = self._asked.get(line.id if line.id is not None else -1)
                if answer is not None and not answer.done():
                    answer.set_result(line)
        except Interrupted:
            pass
        finally:
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(Interrupted())

    async def _forget(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None


async def _line(reader: asyncio.StreamReader) -> Line:
    """What the server says next. Raises `Interrupted`."""
    try:
        return protocol.decode_line(await reader.readuntil())
    except (OSError, EOFError, asyncio.LimitOverrunError, NotALine):
        raise Interrupted from None


async def _first(notices: AsyncGenerator[api.AnyNotice]) -> api.AnyNotice | None:
    """The first notice; None if there is none."""
    return await anext(notices, None)


async def _from(
    first: asyncio.Task[api.AnyNotice | None], rest: AsyncGenerator[api.AnyNotice]
) -> AsyncGenerator[api.AnyNotice]:
    try:
        notice = await first
        if notice is not None:
            yield notice
        async for notice in rest:
            yield notice
    finally:
        first.cancel()
        await rest.aclose()
