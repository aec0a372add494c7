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
from typing import Any

from aiohttp import WSMsgType, web

from heliogram.relay import cells, inboxes, logs, voting
from heliogram.relay.batch import Batch, Outcome
from heliogram.relay.blobs import rules as blobs
from heliogram.relay.errors import (
    Internal,
    RateLimited,
    RelayError,
    Unavailable,
)
from heliogram.relay.operating.journal import place
from heliogram.relay.serving.host import Host
from heliogram.relay.serving.limiter import Bucket
from heliogram.relay.serving.listeners import Subscription, Topic, inbox_topic
from heliogram.relay.serving.service import PAGES, READS, SIGNATURES, SMALL, WRITES, weight
from heliogram.relay.serving.websocket import CLOSE, PING, framed, pong
from heliogram.wire import frames
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
from heliogram.wire.receipts import Evidence

_log = logging.getLogger(__name__)

#: Bytes that wait for the client to read them above which a push is not written, and no request is begun.
ROOM = 256 << 10

#: Bytes of requests that are being done, with their answers, above which no other one is begun.
LOAD = 512 << 10

#: Bytes of requests that wait to be begun above which no more is read.
QUEUED = 64 << 10

#: Seconds in which a client may answer our goodbye. Then the connection is cut.
FAREWELL = 5.0

#: Messages after which it is somebody else's turn, and seconds until a client that was too fast is read on.
_TURN, _PAUSE = 32, 0.1

#: Seconds between looks at a buffer that is too full: at first, and at most.
_SOON, _LATER = 0.05, 1.0


class Session:
    """A WebSocket and the connection's core behind it."""

    __slots__ = (
        "_asked",
        "_choked_since",
        "_core",
        "_ending",
        "_heard",
        "_load",
        "_messages",
        "_out",
        "_queued",
        "_read_by_client",
        "_reading",
        "_server",
        "_signatures",
        "_topics",
        "_transport",
        "_unsent",
        "_wake",
        "_websocket",
        "_written",
    )

    def __init__(
        self, server: Host, websocket: web.WebSocketResponse, transport: asyncio.Transport
    ) -> None:
        config, now = server.config, server.loop.time()
        self._server = server
        self._websocket = websocket
        self._transport = transport
        self._core = RelayConnection(
            server.identity, server.terms.limits, now=server.clock(), entropy=server.entropy
        )
        rate = config.requests_per_second
        self._messages = Bucket(rate, 2 * rate, now=now)
        rate = config.signatures_per_second
        self._signatures = Bucket(rate, rate, now=now)
        self._out: list[bytes] = []
        self._topics: list[Topic] = []
        #: Bytes of `_out`, of requests that wait in the core, and of those that are being done.
        self._unsent = self._queued = self._load = 0
        #: Bytes written in all, and how many of them had left at the last look.
        self._written = self._read_by_client = 0
        self._reading = False
        self._ending = False
        self._asked = False
        self._heard = now
        #: Since when too much waits for the client; 0 if it does not.
        self._choked_since = 0.0
        self._wake: asyncio.Future[None] | None = None

    # --- the socket ---

    async def run(self) -> None:
        """Serve until the connection ends, whoever ends it."""
        loop = self._server.loop
        patience = self._server.config.hello_seconds
        hello: asyncio.TimerHandle | None = loop.call_later(
            patience, self._bid_farewell, ErrorCode.IDLE
        )
        turn = 0
        try:
            async for message in self._websocket:
                self._heard = loop.time()
                self._asked = False
                if self._ending:
                    pass  # only its close is waited for
                elif message.type is WSMsgType.BINARY:
                    self._receive(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._receive(b"")  # no frame at all
                elif message.type is WSMsgType.PING:
                    if not self._choked():
                        self._put(pong(message.data))
                elif message.type is not WSMsgType.PONG:
                    break
                del (
                    message
                )  # this loop waits for the next one most of the time, in thousands of sessions
                if hello is not None and self._core.state is not State.START:
                    hello.cancel()
                    hello = None
                if not self._messages.take(1, now=self._heard):
                    await asyncio.sleep(_PAUSE)
                elif (turn := turn + 1) % _TURN == 0:
                    await asyncio.sleep(0)
                while not self._ending and (self._queued > QUEUED or self._choked()):
                    self._wake = loop.create_future()
                    await self._wake
        finally:
            if hello is not None:
                hello.cancel()
            self._core.receive_end()
            for topic in self._topics:
                self._server.listeners.remove(topic, self)
            self._topics.clear()
            self._end()
            self._transport.close()

    def look(self, now: float) -> None:
        """Ask a client that is silent whether it is there, and let it go if it is not, or does not read."""
        waiting = self._transport.get_write_buffer_size()
        read = self._written - waiting
        if waiting and read == self._read_by_client:
            self._bid_farewell(ErrorCode.SLOW)
        self._read_by_client = read
        silent = now - self._heard
        if silent > self._server.config.idle_seconds:
            self._bid_farewell(ErrorCode.IDLE)
        elif silent > self._server.config.idle_seconds / 2 and not self._asked:
            self._asked = True
            if not self._choked():
                self._put(PING)

    async def leave(self) -> None:
        """Tell the client that the relay stops, and close when what it asked is answered."""
        self._say_goodbye(ErrorCode.GOING_AWAY)
        while self._core.pending and not self._transport.is_closing():
            await asyncio.sleep(0.02)
        self._end()
        while not self._transport.is_closing():
            await asyncio.sleep(0.02)

    def _bid_farewell(self, code: ErrorCode) -> None:
        """End the connection and say why."""
        if not self._ending:
            if code is ErrorCode.SLOW:
                self._server.metrics.dropped()
            self._say_goodbye(code)
            self._end()

    def _end(self) -> None:
        """Close, with what is still to be said, or answer the client's close. Who does not answer is cut off.

        aiohttp's own way would cut the connection at once while somebody waits for a message. What the client
        has under way then would make its system forget our last words.
        """
        if not self._ending:
            self._ending = True
            self._rouse()
            self.flush()
            if not self._websocket.closed:
                self._put(CLOSE)
            self._server.loop.call_later(FAREWELL, self._transport.abort)

    def _choked(self) -> bool:
        """Whether too much waits for the client to read it. If so, somebody is watching it."""
        if self._transport.get_write_buffer_size() + self._unsent <= ROOM:
            return False
        if not self._choked_since:
            self._choked_since = self._server.loop.time()
            self._server.loop.call_later(_SOON, self._watch)
        return True

    def _watch(self) -> None:
        """Go on with a client that has read, and drop one that does not."""
        loop = self._server.loop
        if self._transport.get_write_buffer_size() + self._unsent <= ROOM or self._ending:
            self._choked_since = 0.0
            self._pump()
            return
        choked = loop.time() - self._choked_since
        if choked > self._server.config.write_seconds:
            self._bid_farewell(ErrorCode.SLOW)
        else:
            loop.call_later(min(_LATER, _SOON + choked / 8), self._watch)

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _put(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
            self._written += len(data)
            self._server.metrics.sent(len(data))

    def flush(self) -> None:
        """Write all that is ready, at once."""
        if self._out:
            out, self._out = self._out, []
            self._unsent = 0
            self._put(out[0] if len(out) == 1 else b"".join(out))

    def _write(self, message: bytes | None) -> None:
        if message is not None:
            if not self._out:
                self._server.flush_soon(self)
            self._out.append(framed(message))
            self._unsent += len(message)

    # --- pushes ---

    def push(self, data: bytes) -> bool:
        """See `Listener`."""
        if self._core.state is not State.OPEN:
            return True
        self.flush()  # what was answered before comes before
        if self._choked() or self._transport.is_closing():
            return False
        self._put(data)
        return True

    def tell(self, push: frames.Push) -> None:
        """See `Listener`."""
        if self._core.state is not State.OPEN:
            return
        self._write(self._core.send(push))
        waiting = self._transport.get_write_buffer_size() + self._unsent
        if waiting > self._server.config.write_buffer:
            # Small as they are: many of them are many bytes.
            self._bid_farewell(ErrorCode.SLOW)

    def _say_goodbye(self, code: ErrorCode) -> None:
        if self._core.state not in OVER and self._core.state is not State.LEAVING:
            self._write(self._core.send(frames.Goodbye(code)))
        self.flush()

    # --- requests ---

    def _receive(self, message: bytes) -> None:
        self._server.metrics.received(len(message))
        self._queued += len(message)
        self._core.receive_data(message)
        self._pump()

    def _pump(self) -> None:
        """Begin all requests that may begin now."""
        core = self._core
        while not self._reading and self._load <= LOAD and not self._choked():
            try:
                event = core.next_event()
            except RemoteError:
                self._core_says()
                self._end()
                return
            self._core_says()
            if event is NEED_DATA:
                self._queued = 0
                break
            if isinstance(event, Ended):
                self._end()
                return
            if isinstance(event, Requested):
                self._begin(event.frame, event.scope)
        self._core_says()
        self._rouse()
        if core.state in OVER:
            self._end()

    def _core_says(self) -> None:
        for message in self._core.data_to_send():
            self._write(message)

    def _begin(self, frame: Any, scope: Scope | None) -> None:
        kind = type(frame)
        authorises = kind is frames.Authorise or kind is frames.InboxAuthorise
        try:
            cost = SIGNATURES.get(kind, 0)
            if cost and not self._signatures.take(cost, now=self._server.loop.time()):
                raise RateLimited
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
            self._refuse(frame, error, authorises=authorises)
        except Exception as error:
            # A bug. Its text may hold anything.
            _log.error("a request failed: %s at %s", type(error).__name__, place(error))
            self._refuse(frame, Internal(), authorises=authorises)

    def _refuse(self, frame: Any, error: RelayError, *, authorises: bool) -> None:
        if authorises:
            # Whatever happened on the way: no channel is open after a failure.
            self._server.metrics.refused(frame, error.code)
            self._core.decline(frame, error.code)
            self._forget_topics()
        else:
            self._answer(frame, error)

    def _special(self, frame: Any, scope: Scope | None) -> None:
        """Requests that need more than the store."""
        server = self._server
        match frame:
            case frames.Close() if scope is not None:
                self._forget_topics()
                self._answer(frame, frames.Done(frame.id))
            case frames.Subscribe() if scope is not None:
                self._subscribe(frame, scope)
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
                    server.submit(partial(cells.touch, cell=frame.cell), _ignore, SMALL)
                self._answer(frame, answer)
            case _:
                self._answer(frame, Internal())

    def _authorise(self, frame: frames.Authorise | frames.InboxAuthorise) -> None:
        reader = self._server.reader
        if isinstance(frame, frames.InboxAuthorise):
            good = self._core.authorise(inboxes.owner_key(reader, frame.inbox))
            if good:
                self._answer(frame, inboxes.authorised(reader, frame))
                self._server.submit(partial(inboxes.touch, inbox=frame.inbox), _ignore, SMALL)
        else:
            good = self._core.authorise(logs.member_key(reader, frame.instance, frame.epoch))
            if good:
                fallen = logs.shows_fall(reader, frame, self._server.identity.public)
                if fallen is None:
                    self._answer(frame, logs.authorised(reader, frame))
                else:
                    work = partial(_fence_and_authorise, frame=frame, shown=fallen)
                    self._submit(frame, work)
        if not good:
            self._server.metrics.refused(frame, ErrorCode.NOT_AUTHORISED)
        self._forget_topics()

    def _forget_topics(self) -> None:
        """End subscriptions to which no channel leads any more: a number may have a new meaning now."""
        if self._topics:
            led = {_topic(scope) for scope in self._core.scopes()}
            for topic in [one for one in self._topics if one not in led]:
                self._unsubscribe(topic)

    def _subscribe(self, frame: frames.Subscribe, scope: Scope) -> None:
        reader, topic = self._server.reader, _topic(scope)
        decided = b""
        if scope.kind is ScopeKind.LOG:
            stands = logs.peek(reader, frames.Peek(frame.id, frame.channel), scope)
            live, decided = stands.next_index, stands.certificate
        else:
            live = inboxes.end(reader, scope.id)
        if topic not in self._topics:
            self._topics.append(topic)
        self._server.listeners.add(topic, self, Subscription(frame.digest, live))
        self._answer(frame, frames.Subscribed(frame.id, live))
        if decided:
            # The epoch was closed on the way here. Nobody will be told once more.
            self.tell(frames.Advanced(scope.id, decided))

    def _unsubscribe(self, topic: Topic) -> None:
        if topic in self._topics:
            self._topics.remove(topic)
        self._server.listeners.remove(topic, self)

    def _submit(self, frame: Any, work: Callable[[Batch], Outcome]) -> None:
        size = weight(frame)
        if not self._server.submit(work, partial(self._done, frame, size), size):
            raise Unavailable
        self._load += size

    def _done(self, frame: Any, size: int, told: frames.Answer | RelayError) -> None:
        self._load -= size
        if isinstance(frame, frames.Authorise) and isinstance(told, RelayError):
            self._refuse(frame, told, authorises=True)
        else:
            self._answer(frame, told)
        self._pump()

    def _read(self, frame: Any, told: frames.Answer | RelayError) -> None:
        self._reading = False
        self._answer(frame, told)
        self._pump()

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


def _fence_and_authorise(batch: Batch, *, frame: frames.Authorise, shown: Evidence) -> Outcome:
    """The client has shown that this relay fell back. It is told so: there is a nonce in the answer."""
    voting.fence(batch, frame.instance, shown.epoch, shown.receipt.index)
    return logs.authorised_in(batch, frame)


def _ignore(_: Any) -> None:
    """Nobody waits for this."""
