"""A node on a local socket: calls come in, answers and notices go out, and nothing that comes in does harm.

Each connection may have a few calls under way; a further one is read when one of them is done. Who does not
read what is sent is dropped after a while, and at once if it has asked for notices and lets them pile up.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import socket
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

from heliogram.node import api
from heliogram.node.control import protocol
from heliogram.node.control.faults import InternalError, TooMuch, describe
from heliogram.node.control.place import MAX_PROOF, NONCE_SIZE, PATIENCE, Place, peer_user, proof
from heliogram.node.control.protocol import MAX_ANSWER, MAX_REQUEST, NotALine, Request
from heliogram.node.errors import NodeError

#: Connections at once, and calls of one connection that are under way.
MAX_CONNECTIONS: Final = 32
MAX_CALLS: Final = 16

#: Bytes and number of notices that wait for one connection, and seconds that it may take to read a line.
MAX_WAITING: Final = 8 << 20
MAX_NOTICES: Final = 4096
SLOWEST: Final = 60.0

_log = logging.getLogger(__name__)


class Server:
    """Carries `node` to whoever of its owner's processes connects at `place`.

    `async with Server(node, place):` listens from the first line of the block to its end.
    """

    def __init__(self, node: api.Node, place: Place, *, slowest: float = SLOWEST) -> None:
        self._node = node
        self._place = place
        self._slowest = slowest
        self._secret = ""
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises `AlreadyRunning`, `UnsafePlace`, or `OSError`."""
        listening, self._secret = await asyncio.to_thread(self._place.listen)
        try:
            start = asyncio.start_server if self._place.loopback else asyncio.start_unix_server
            self._listener = await start(self._connected, sock=listening, limit=MAX_REQUEST)
        except BaseException:
            listening.close()
            self._place.leave()
            raise

    async def close(self) -> None:
        """Listen no more, and end all connections."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        self._place.leave()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._connections)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None or self.connections >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Here, because a task that is cancelled before its first step does not clean up.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._may_come(reader, writer):
                await _Connection(self._node, reader, writer, self._slowest).run()
        except (OSError, EOFError):
            pass

    async def _may_come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._secret:
            return await self._prove(reader, writer)
        connection: socket.socket = writer.get_extra_info("socket")
        return peer_user(connection) in (None, os.geteuid())

    async def _prove(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        ours = os.urandom(NONCE_SIZE).hex()
        writer.write(f"{ours}\n".encode())
        try:
            line = await asyncio.wait_for(reader.readuntil(), PATIENCE)
        except (TimeoutError, asyncio.LimitOverrunError):
            return False
        theirs, _, shown = line[:MAX_PROOF].decode("ascii", "replace").strip().partition(" ")
        wanted = proof(self._secret, "client", ours, theirs)
        if not hmac.compare_digest(shown.encode(), wanted.encode()):
            return False
        writer.write(f"{proof(self._secret, 'server', ours, theirs)}\n".encode())
        return True


class _Connection:
    """One client."""

    def __init__(
        self,
        node: api.Node,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        slowest: float,
    ) -> None:
        self._node = node
        self._reader = reader
        self._writer = writer
        self._slowest = slowest
        self._room = asyncio.Semaphore(MAX_CALLS)
        self._sending = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscribed = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._over = False

    async def run(self) -> None:
        """Serve until the client goes, or must go."""
        try:
            while True:
                await self._room.acquire()
                try:
                    line = await self._reader.readuntil()
                    request = protocol.decode_request(line)
                except (NotALine, asyncio.LimitOverrunError):
                    return
                self._begin(request)
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, request: Request) -> None:
        if request.subscribe:
            self._start(self._subscribe(request.id))
        else:
            self._start(self._call(request))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- Calls ------------------------------------------------------------------------------------

    async def _call(self, request: Request) -> None:
        try:
            try:
                command = protocol.decode_command(request.command)
                result = await self._node.call(command)
            except NodeError as error:
                await self._send(protocol.encode_error(request.id, describe(error)))
            except Exception as error:
                # The text of an error that nobody foresaw may hold anything.
                _log.error("a command failed: %s", type(error).__name__)
                await self._send(protocol.encode_error(request.id, describe(InternalError())))
            else:
                await self._answer(request.id, result)
        finally:
            self._room.release()

    async def _answer(self, number: int, result: object) -> None:
        # One at a time is in memory as bytes.
        async with self._sending:
            line = protocol.encode_result(number, result)
            if len(line) > MAX_ANSWER:
                line = protocol.encode_error(number, describe(TooMuch()))
            await self._write(line)

    async def _send(self, line: bytes) -> None:
        async with self._sending:
            await self._write(line)

    async def _write(self, line: bytes) -> None:
        self._writer.write(line)
        try:
            await asyncio.wait_for(self._writer.drain(), self._slowest)
        except (TimeoutError, OSError):
            self._drop()

    def _drop(self) -> None:
        self._writer.transport.abort()

    # --- Notices ----------------------------------------------------------------------------------

    async def _subscribe(self, number: int) -> None:
        try:
            if self._subscribed:
                await self._send(protocol.encode_error(number, describe(TooMuch())))
                return
            self._subscribed = True
            self._start(self._hear())
            self._start(self._tell())
            # Notices count from the first step on: it has been made when the answer goes.
            await asyncio.sleep(0)
            await self._answer(number, None)
        finally:
            self._room.release()

    async def _hear(self) -> None:
        """Take notices as they come; whoever lets too many wait is dropped."""
        async for notice in self._node.notices():
            line = protocol.encode_notice(notice)
            self._waiting.append(line)
            self._waiting_bytes += len(line)
            self._more.set()
            if self._waiting_bytes > MAX_WAITING or len(self._waiting) > MAX_NOTICES:
                self._drop()
                return
        self._over = True
        self._more.set()

    async def _tell(self) -> None:
        while not (self._over and not self._waiting):
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                line = self._waiting.popleft()
                self._waiting_bytes -= len(line)
                await self._send(line)
        # The node has stopped, and what it said last is out.
        self._writer.close()
