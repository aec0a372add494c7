"""One client's connection on a relay: its core, its socket, its limits.

What the client asks goes to a rule of `service`; what comes of it goes back in one write for everything that
is ready. Nothing more is begun for a client that does not read, and after a while it is dropped. Nothing
that it said is ever logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from heliogram.relay import blobs, cells, inboxes, logs, voting
from heliogram.relay.batch import Batch, Outcome
from heliogram.relay.errors import (
    Internal,
    RateLimited,
    RelayError,
    Unavailable,
)
from heliogram.relay.limiter import Bucket
from heliogram.relay.listeners import Subscription, Topic, inbox_topic
from heliogram.relay.service import PAGES, READS, SIGNATURES, WRITES
from heliogram.relay.websocket import PING, framed, pong
from heliogram.wire import frames, limits
from heliogram.wire.connection import (
    NEED_DATA,
    OVER,
    Ended,
    RelayConnection,
    Requested,
    Scope,
    ScopeKind,
    State,
)
from heliogram.wire.errors import ErrorCode, RemoteError

if TYPE_CHECKING:
    from heliogram.relay.server import Server

_log = logging.getLogger(__name__)

#: Bytes in the socket's buffer above which a push is not written, and no request is begun.
ROOM = 256 << 10

#: Seconds between looks at a buffer that is too full.
_PATIENCE = 0.05


class Session:
    """A WebSocket and the connection's core behind it."""

    __slots__ = (
        "_asked",
        "_core",
        "_ending",
        "_heard",
        "_out",
        "_reading",
        "_requests",
        "_server",
        "_signatures",
        "_topics",
        "_transport",
        "_websocket",
    )

    def __init__(
        self, server: Server, websocket: web.WebSocketResponse, transport: asyncio.Transport
    ) -> None:
        config, now = server.config, server.loop.time()
        self._server = server
        self._websocket = websocket
        self._transport = transport
        self._core = RelayConnection(
            server.identity, server.terms.limits, now=server.clock(), entropy=server.entropy
        )
        rate = config.requests_per_second
        self._requests = Bucket(rate, 2 * rate, now=now)
        rate = config.signatures_per_second
        self._signatures = Bucket(rate, rate, now=now)
        self._out: list[bytes] = []
        self._topics: list[Topic] = []
        self._reading = False
        self._ending = False
        self._asked = False
        self._heard = now

    # --- the socket ---

    async def run(self) -> None:
        """Serve until the connection ends, whoever ends it."""
        patience = self._server.config.hello_seconds
        hello = self._server.loop.call_later(patience, self._end)
        try:
            async for message in self._websocket:
                hello.cancel()
                self._heard = self._server.loop.time()
                self._asked = False
                if message.type is WSMsgType.BINARY:
                    self._server.metrics.received(len(message.data))
                    self._core.receive_data(message.data)
                    self._pump()
                    if self._choked() and not await self._drained():
                        self._say_goodbye(ErrorCode.SLOW)
                        self._transport.abort()
                        break
                elif message.type is WSMsgType.PING:
                    if not self._choked():
                        self._transport.write(pong(message.data))
                elif message.type is not WSMsgType.PONG:
                    break
                if self._ending:
                    break
        finally:
            hello.cancel()
            self._core.receive_end()
            for topic in self._topics:
                self._server.listeners.remove(topic, self)
            self._topics.clear()

    def look(self, now: float) -> None:
        """Ask a client that is silent whether it is there, and later let it go."""
        silent = now - self._heard
        if silent > self._server.config.idle_seconds:
            self._say_goodbye(ErrorCode.IDLE)
            self._end()
        elif silent > self._server.config.idle_seconds / 2 and not self._asked:
            self._asked = True
            if not self._choked():
                self._transport.write(PING)

    async def leave(self) -> None:
        """Tell the client that the relay stops, and close when what it asked is answered."""
        self._say_goodbye(ErrorCode.GOING_AWAY)
        for _ in range(100):
            if self._core.pending == 0:
                break
            await asyncio.sleep(0.02)
        await self._websocket.close()

    def _end(self) -> None:
        """Close, with what is still to be said."""
        if not self._ending:
            self._ending = True
            self.flush()
            self._server.spawn(self._websocket.close())

    def _choked(self) -> bool:
        return self._transport.get_write_buffer_size() > ROOM

    async def _drained(self) -> bool:
        """Wait until the client has read; False if it does not."""
        loop = self._server.loop
        until = loop.time() + self._server.config.write_seconds
        while self._choked():
            if loop.time() > until or self._transport.is_closing():
                return False
            await asyncio.sleep(_PATIENCE)
        self._pump()
        return True

    def flush(self) -> None:
        """Write all that is ready, at once."""
        if self._out:
            out, self._out = self._out, []
            data = out[0] if len(out) == 1 else b"".join(out)
            if not self._transport.is_closing():
                self._transport.write(data)
                self._server.metrics.sent(len(data))

    def _write(self, message: bytes | None) -> None:
        if message is not None:
            if not self._out:
                self._server.flush_soon(self)
            self._out.append(framed(message))

    # --- pushes ---

    def push(self, data: bytes) -> bool:
        """See `Listener`."""
        if self._core.state is not State.OPEN:
            return True
        self.flush()  # what was answered before comes before
        if self._choked() or self._transport.is_closing():
            return False
        self._transport.write(data)
        self._server.metrics.sent(len(data))
        return True

    def tell(self, push: frames.Push) -> None:
        """See `Listener`."""
        if self._core.state is State.OPEN:
            self._write(self._core.send(push))

    def _say_goodbye(self, code: ErrorCode) -> None:
        if self._core.state not in OVER and self._core.state is not State.LEAVING:
            self._write(self._core.send(frames.Goodbye(code)))
        self.flush()

    # --- requests ---

    def _pump(self) -> None:
        """Begin all requests that may begin now."""
        core = self._core
        while not self._reading and not self._choked():
            try:
                event = core.next_event()
            except RemoteError:
                self._core_says()
                self._end()
                return
            self._core_says()
            if event is NEED_DATA:
                break
            if isinstance(event, Ended):
                self._end()
                return
            if isinstance(event, Requested):
                self._begin(event.frame, event.scope)
        self._core_says()
        if core.state in OVER:
            self._end()

    def _core_says(self) -> None:
        for message in self._core.data_to_send():
            self._write(message)

    def _begin(self, frame: Any, scope: Scope | None) -> None:
        kind = type(frame)
        now = self._server.loop.time()
        cost = SIGNATURES.get(kind, 0)
        authorises = kind is frames.Authorise or kind is frames.InboxAuthorise
        if not self._requests.take(1, now=now) or (
            cost and not self._signatures.take(cost, now=now)
        ):
            if authorises:
                self._core.decline(ErrorCode.RATE_LIMITED)
            else:
                self._answer(frame, RateLimited())
            return
        try:
            if authorises:
                self._authorise(frame)
            elif (write := WRITES.get(kind)) is not None:
                self._submit(frame, lambda batch: write(batch, frame, scope))
            elif (read := READS.get(kind)) is not None:
                self._answer(frame, read(self._server.reader, frame, scope))
            elif (page := PAGES.get(kind)) is not None:
                self._reading = True
                self._server.read(
                    lambda reader: page(reader, frame, scope), partial(self._read, frame)
                )
            else:
                self._special(frame, scope)
        except RelayError as error:
            self._answer(frame, error)

    def _special(self, frame: Any, scope: Scope | None) -> None:
        """Requests that need more than the store."""
        server = self._server
        match frame:
            case frames.Close() if scope is not None:
                self._unsubscribe(_topic(scope))
                self._answer(frame, frames.Done(frame.id))
            case frames.Subscribe() if scope is not None:
                self._answer(frame, self._subscribe(frame, scope))
            case frames.Status() if scope is not None:
                self._answer(frame, logs.status(server.reader, frame, scope, server.identity))
            case frames.Decide():
                member = self._core.leads_to(frame.instance)
                self._submit(frame, partial(voting.decide, frame=frame, member=member))
            case frames.BlobOpen() if scope is not None:
                work = partial(blobs.open_blob, frame=frame, scope=scope, tickets=server.tickets)
                self._submit(frame, work)
            case frames.BlobDelete():
                self._submit(frame, partial(blobs.delete_blob, frame=frame))
                server.blobs.delete_soon()
            case frames.CellGet():
                answer, stale = cells.get_cell(server.reader, frame, now=server.clock())
                if stale:
                    server.submit(partial(cells.touch, cell=frame.cell), _ignore, 0)
                self._answer(frame, answer)
            case _:
                self._answer(frame, Internal())

    def _authorise(self, frame: frames.Authorise | frames.InboxAuthorise) -> None:
        reader = self._server.reader
        if isinstance(frame, frames.InboxAuthorise):
            if self._core.authorise(inboxes.owner_key(reader, frame.inbox)):
                self._answer(frame, inboxes.authorised(reader, frame))
                self._server.submit(partial(inboxes.touch, inbox=frame.inbox), _ignore, 0)
            return
        if not self._core.authorise(logs.member_key(reader, frame.instance, frame.epoch)):
            return
        fallen = logs.shows_fall(reader, frame, self._server.identity.public)
        if fallen is None:
            self._answer(frame, logs.authorised(reader, frame))
        else:
            self._submit(frame, partial(_fence_and_authorise, frame=frame, epoch=fallen))

    def _subscribe(self, frame: frames.Subscribe, scope: Scope) -> frames.Answer:
        reader, topic = self._server.reader, _topic(scope)
        if scope.kind is ScopeKind.LOG:
            live = logs.end(reader, scope.id)
        else:
            live = inboxes.end(reader, scope.id)
        if topic not in self._topics:
            self._topics.append(topic)
        self._server.listeners.add(topic, self, Subscription(frame.digest, live))
        return frames.Subscribed(frame.id, live)

    def _unsubscribe(self, topic: Topic) -> None:
        if topic in self._topics:
            self._topics.remove(topic)
        self._server.listeners.remove(topic, self)

    def _submit(self, frame: Any, work: Callable[[Batch], Outcome]) -> None:
        size = _size(frame)
        if not self._server.submit(work, partial(self._done, frame), size):
            raise Unavailable

    def _done(self, frame: Any, told: frames.Answer | RelayError) -> None:
        self._answer(frame, told)
        self._pump()

    def _read(self, frame: Any, told: frames.Answer | RelayError) -> None:
        self._reading = False
        self._done(frame, told)

    def _answer(self, frame: Any, told: frames.Answer | RelayError) -> None:
        if isinstance(told, RelayError):
            self._server.metrics.refused(frame, told.code)
            told = frames.Failure(frame.id, told.code, told.detail)
        else:
            self._server.metrics.answered(frame)
        if self._core.state not in OVER:
            self._write(self._core.send(told))


def _topic(scope: Scope) -> Topic:
    return (scope.id, scope.epoch) if scope.kind is ScopeKind.LOG else inbox_topic(scope.id)


def _fence_and_authorise(batch: Batch, *, frame: frames.Authorise, epoch: int) -> Outcome:
    """The client has shown that this relay fell back. It is told so: there is a nonce in the answer."""
    voting.fence(batch, frame.instance, epoch)
    return logs.authorised_in(batch, frame)


def _ignore(_: Any) -> None:
    """Nobody waits for this."""


def _size(frame: Any) -> int:
    """About how many bytes wait with a request."""
    if isinstance(frame, frames.Post):
        return len(frame.data)
    return limits.MAX_FRAME if isinstance(frame, frames.Lock | frames.Commit) else 4096
