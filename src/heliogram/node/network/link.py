"""One connection to one relay: requests out, answers back to whoever asked.

    link = await Link.connect(session, endpoint, relay_key, listener, entropy=os.urandom)
    link.send(frames.Peek(0, 3), done)      # done(request, answer, size) follows, once

There is no task per request: answers go to callbacks, in the event loop. As many requests are under way as
the relay allows; the rest waits in order, up to a bound. A relay that stops answering is left.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol, Self

import aiohttp
import msgspec

from heliogram.node.asking import Address, InboxScope, Scope
from heliogram.node.errors import ConnectionFault, InvalidEndpoint, NoConnection
from heliogram.node.network.dialling import Dialler
from heliogram.node.network.endpoints import Endpoint
from heliogram.wire import (
    NEED_DATA,
    Answered,
    ClientConnection,
    ErrorCode,
    Greeted,
    LocalError,
    PushReceived,
    RemoteError,
    State,
    frames,
    objects,
)
from heliogram.wire.limits import MAX_ENDPOINTS, MAX_FRAME

#: Gets the request as it was sent, the answer or None, and the bytes of the request's message.
Done = Callable[[frames.Request, frames.Answer | None, int], None]

#: Seconds without a sign of life until the relay is asked for one. It has half of that to give it.
HEARTBEAT = 40.0

#: Seconds that the oldest request may wait for its answer, and between looks.
PATIENCE, _LOOK = 60.0, 5.0

#: Seconds that a relay which has said goodbye may still take for its last answers.
_FAREWELL = 10.0

#: Seconds that a WebSocket may take to close.
_CLOSING = 2.0

#: Requests that wait for room. Whatever comes beyond them is lost at once.
MAX_QUEUED = 4096


_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who has the link. Called in the event loop."""

    def pushed(self, push: frames.Push) -> None:
        """The relay says something by itself; never a `Goodbye`."""

    def ended(self) -> None:
        """The link is over. Called once, after all requests were answered or lost."""


class Link:
    """A connection that has been greeted. Made by `connect`."""

    def __init__(
        self,
        websocket: aiohttp.ClientWebSocketResponse,
        core: ClientConnection,
        listener: Listener,
        gate: asyncio.Event | None,
    ) -> None:
        """Use `connect`."""
        self._loop = asyncio.get_running_loop()
        self._websocket = websocket
        self._core = core
        self._listener = listener
        self._gate = gate
        #: Whether it is over, and whether the relay has said goodbye.
        self.over = self.leaving = False
        self._reading = False
        #: Whether the relay has answered any request.
        self.proven = False
        #: Seconds from our hello to the greeting.
        self.round_trip = 0.0
        self._waiting: dict[int, tuple[Done, int, float]] = {}
        self._queued: deque[tuple[frames.Request, Done]] = deque()
        self._out: deque[bytes] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._fault = ConnectionFault.UNREACHABLE
        self._timer = self._loop.call_later(_LOOK, self._look)
        #: Done once the socket is closed, too.
        self.task = self._loop.create_task(self._run())

    @classmethod
    async def connect(
        cls,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        relay: bytes,
        listener: Listener,
        *,
        entropy: Callable[[int], bytes],
        gate: asyncio.Event | None = None,
    ) -> Self:
        """Connect, and wait until the relay with this key has greeted. Raises `NoConnection`.

        While `gate` is not set nothing is read. The listener hears nothing unless this returns.
        """
        core = ClientConnection(relay, entropy=entropy)
        try:
            websocket = await session.ws_connect(
                endpoint.url,
                heartbeat=HEARTBEAT,
                max_msg_size=MAX_FRAME + 1,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING),
            )
        except aiohttp.WSServerHandshakeError:
            raise NoConnection(ConnectionFault.NO_RELAY) from None
        except ssl.SSLCertVerificationError:
            raise NoConnection(ConnectionFault.UNTRUSTED) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = isinstance(error.__cause__, ssl.SSLCertVerificationError)
            fault = ConnectionFault.UNTRUSTED if refused else ConnectionFault.UNREACHABLE
            raise NoConnection(fault) from None
        link = cls(websocket, core, _Nobody(), gate)
        begun = link._loop.time()
        link._write(core.hello())
        try:
            await link._greeted
        except BaseException:
            await link.close()
            raise
        link.round_trip = link._loop.time() - begun
        if link.over:
            raise NoConnection(ConnectionFault.UNREACHABLE)
        link._listener = listener
        return link

    @property
    def greeting(self) -> objects.Greeting:
        """What the relay said of itself."""
        return self._core.greeting

    @property
    def usable(self) -> bool:
        """Whether anything may be asked."""
        return not (self.over or self.leaving)

    @property
    def busy(self) -> int:
        """Requests that wait for an answer, or to be sent."""
        return len(self._waiting) + len(self._queued)

    def authorise(self, channel: int, scope: Scope) -> frames.Request:
        """The request that opens a channel."""
        if isinstance(scope, InboxScope):
            return self._core.authorise_inbox(channel, scope.inbox, scope.key)
        return self._core.authorise(channel, scope.instance, scope.epoch, scope.key, scope.evidence)

    def send(self, request: frames.Request, done: Done) -> None:
        """Ask. `done` is called once: with the answer, or with None when there will be none.

        What is larger than the relay takes is not sent and fails with `TOO_LARGE`.
        """
        if not self.usable:
            done(request, None, 0)
        elif self._queued or self._core.pending >= self.greeting.limits.max_pending:
            if len(self._queued) < MAX_QUEUED:
                self._queued.append((request, done))
            else:
                done(request, None, 0)
        else:
            self._send(request, done)

    async def close(self) -> None:
        """End the connection. Everything that waits is lost."""
        self.abandon()
        await asyncio.gather(self.task, return_exceptions=True)

    def abandon(self) -> None:
        """End the connection at once; the socket is closed behind."""
        self._end()
        if self._reading:
            self._reading = False
            self.task.cancel()

    # --- out ---

    def _send(self, request: frames.Request, done: Done) -> None:
        if request.id == 0:
            request = msgspec.structs.replace(request, id=self._core.new_id())
        try:
            message = self._core.send(request)
        except LocalError:
            # All that can be wrong here: more bytes than this relay takes.
            done(request, frames.Failure(request.id, ErrorCode.TOO_LARGE), 0)
            return
        self._waiting[request.id] = (done, len(message), self._loop.time())
        self._write(message)

    def _write(self, message: bytes) -> None:
        self._out.append(message)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _refill(self) -> None:
        while self._queued and self.usable:
            if self._core.pending >= self.greeting.limits.max_pending:
                return
            self._send(*self._queued.popleft())

    async def _drain(self) -> None:
        """Write what there is to write."""
        try:
            while True:
                while self._out:
                    await self._websocket.send_bytes(self._out.popleft())
                self._wake = self._loop.create_future()
                await self._wake
        except (aiohttp.ClientError, ConnectionError):
            self._end()

    # --- in ---

    async def _run(self) -> None:
        writer = self._loop.create_task(self._drain())
        farewell = _CLOSING
        try:
            self._reading = True
            await self._read()
        except RemoteError as error:
            wrong = error.code is ErrorCode.WRONG_RELAY
            version = error.code is ErrorCode.UNSUPPORTED_VERSION
            farewell = 0.0  # with such a one there is none
            self._fault = (
                ConnectionFault.WRONG_KEY if wrong
                else ConnectionFault.VERSION if version
                else ConnectionFault.NO_RELAY
            )  # fmt: skip
        finally:
            self._reading = False  # what follows is short, and not to be interrupted
            writer.cancel()
            self._end()
            await asyncio.gather(writer, return_exceptions=True)
            try:
                async with asyncio.timeout(farewell):
                    await self._websocket.close()
            except (aiohttp.ClientError, OSError, TimeoutError):
                _log.debug("a connection ended without a farewell")

    async def _read(self) -> None:
        """Take what comes until there is no more. Raises `RemoteError` when the relay breaks a rule."""
        core, websocket, gate = self._core, self._websocket, self._gate
        while not self.over:
            if gate is not None and not gate.is_set():
                await gate.wait()
            message = await websocket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                if message.type is aiohttp.WSMsgType.TEXT:
                    raise RemoteError(ErrorCode.MALFORMED)
                core.receive_end()
                return
            core.receive_data(message.data)
            self._take()

    def _take(self) -> None:
        core = self._core
        while not self.over and (event := core.next_event()) is not NEED_DATA:
            if isinstance(event, Answered):
                if isinstance(event.request, frames.Hello):
                    raise RemoteError(ErrorCode.UNSUPPORTED_VERSION)
                self.proven = True
                done, size, _ = self._waiting.pop(event.request.id)
                done(event.request, event.answer, size)
            elif isinstance(event, PushReceived):
                if isinstance(event.frame, frames.Goodbye):
                    self._leave()
                else:
                    self._listener.pushed(event.frame)
            elif isinstance(event, Greeted):
                self._greeted.set_result(None)
        if self._queued:
            self._refill()

    # --- the end ---

    def _leave(self) -> None:
        """The relay stops: nothing more is asked, and the last answers come soon or not at all."""
        self.leaving = True
        self._lose_queued()
        if self._core.state is not State.CLOSED:
            self._timer.cancel()
            self._timer = self._loop.call_later(_FAREWELL, self.abandon)

    def _look(self) -> None:
        """Leave a relay that has stopped answering."""
        self._timer = self._loop.call_later(_LOOK, self._look)
        for _, _, sent in self._waiting.values():  # the first one is the oldest
            if self._loop.time() - sent > PATIENCE:
                self.abandon()
            return

    def _lose_queued(self) -> None:
        queued, self._queued = self._queued, deque()
        for request, done in queued:
            done(request, None, 0)

    def _end(self) -> None:
        if self.over:
            return
        self.over = True
        self._timer.cancel()
        waiting, self._waiting = self._waiting, {}
        requests = {one.id: one for one in self._core.unanswered}
        self._core.receive_end()
        for id, (done, size, _) in waiting.items():
            done(requests[id], None, size)
        self._lose_queued()
        if not self._greeted.done():
            self._greeted.set_exception(NoConnection(self._fault))
            self._greeted.exception()  # who waits for it gets it; if nobody does, nobody is warned
        self._listener.ended()


class _Nobody:
    """Who listens before there is a link."""

    def pushed(self, push: frames.Push) -> None:
        """No push comes before the greeting."""

    def ended(self) -> None:
        """`connect` raises."""


async def reach(
    dialler: Dialler,
    session: aiohttp.ClientSession,
    address: Address,
    listener: Listener,
    *,
    entropy: Callable[[int], bytes],
    gate: asyncio.Event | None = None,
) -> Link:
    """A link to a relay at the first of its endpoints where it is. Raises `NoConnection`.

    All endpoints together take no longer than the dialler's patience.
    """
    loop = asyncio.get_running_loop()
    until, fault = loop.time() + dialler.patience, ConnectionFault.UNREACHABLE
    endpoints = address.endpoints[:MAX_ENDPOINTS]
    for n, text in enumerate(endpoints):
        share = (until - loop.time()) / (len(endpoints) - n)
        try:
            endpoint = Endpoint.parse(text)
            if not dialler.reaches(endpoint):
                continue
            async with asyncio.timeout(share):
                return await Link.connect(
                    session, endpoint, address.key, listener, entropy=entropy, gate=gate
                )
        except NoConnection as error:
            if error.fault is not ConnectionFault.UNREACHABLE:
                fault = error.fault
        except (InvalidEndpoint, TimeoutError):
            continue
    raise NoConnection(fault)
