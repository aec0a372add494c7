"""The shell of a relay: sockets, threads, clock and randomness. Rules are elsewhere.

One thread serves the sockets, one writes (`writer`), two read pages. On one port: WebSockets at `/ws`, blobs
over HTTP, and a page for whoever looks in. Metrics and health are on another one, which only this machine can
reach.

    clients ── session ──> writer ──> store ──> disk
       ^          │                     │
       └── answers, listeners <─ Finished

A batch comes back as one call into the loop: its answers and pushes are written then, in one go for each
socket. What waits for the writer is bounded in bytes; above that requests are refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp import web

from heliogram.relay.batch import Batch
from heliogram.relay.blobs.files import BlobFiles
from heliogram.relay.blobs.http import routes as blob_routes
from heliogram.relay.blobs.rules import Tickets
from heliogram.relay.blobs.service import BlobService
from heliogram.relay.blobs.sweep import sweep
from heliogram.relay.errors import Internal, RelayError, StoreError
from heliogram.relay.operating.config import Config
from heliogram.relay.operating.journal import place
from heliogram.relay.serving import site, tls
from heliogram.relay.serving.door import KEEPALIVE, Door, Gate, watched
from heliogram.relay.serving.expiry import Expiry
from heliogram.relay.serving.host import Flushed
from heliogram.relay.serving.limiter import Addresses
from heliogram.relay.serving.listeners import Listeners
from heliogram.relay.serving.metrics import Metrics
from heliogram.relay.serving.metrics import application as metrics_application
from heliogram.relay.serving.session import Session
from heliogram.relay.store import Store
from heliogram.relay.writer import Finished, Writer
from heliogram.wire.signing import SigningKey

_log = logging.getLogger(__name__)

#: Bytes of requests that may wait for the writer. Above that the relay says `UNAVAILABLE`.
MAX_WAITING = 64 << 20

#: Threads that read pages.
READERS = 2

#: Seconds in which connections may end when the relay stops.
GRACE = 5.0

#: Files that are open besides connections: the database several times, blobs, standard streams.
FILES = 128


class Server:
    """A running relay."""

    def __init__(self, config: Config, identity: SigningKey) -> None:
        """Raises `StoreError` when the data directory cannot serve."""
        self.config = config
        self.identity = identity
        self.terms = config.terms()
        self.listeners = Listeners()
        self.metrics = Metrics()
        self.tickets = Tickets(os.urandom(32))
        self.loop: asyncio.AbstractEventLoop
        self._store = Store(config.database, writes=True)
        self._store.database.check_owner(identity.public)
        #: For what is read in the loop's thread.
        self.reader = Store(config.database, writes=False)
        self._writer = Writer(
            self._store, self.terms, identity,
            deliver=self._hand_over, clock=self.clock, entropy=os.urandom,
        )  # fmt: skip
        self._pool = ThreadPoolExecutor(READERS, "reader")
        self._readers = threading.local()
        self._opened: list[Store] = []
        self._waiting = 0
        self._ready: list[Flushed] = []
        self._sessions: set[Session] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runners: list[web.AppRunner] = []
        self._sockets: list[asyncio.Server | tls.TlsListener] = []
        self._leaving = False
        self._stopping = False

    def _show(self) -> None:
        """What metrics show of the present."""
        gauge, config = self.metrics.gauge, self.config
        gauge("connections", "Connections.", lambda: self.gate.inside)
        gauge("subscriptions", "Subscriptions.", lambda: len(self.listeners))
        gauge("backlog", "Requests that wait for the writer.", self._writer.backlog)
        gauge("backlog_bytes", "Bytes that wait for the writer.", lambda: self._waiting)
        self.metrics.watch_file("database_bytes", "Bytes of the database.", config.database)
        wal = config.database.with_name(config.database.name + "-wal")
        self.metrics.watch_file("wal_bytes", "Bytes of the write-ahead log.", wal)

    # --- what sessions use ---

    @staticmethod
    def clock() -> int:
        """Unix time in seconds."""
        return int(time.time())

    @staticmethod
    def entropy(size: int) -> bytes:
        """Random bytes."""
        return os.urandom(size)

    def submit(self, work: Callable[[Batch], Any], done: Callable[[Any], None], size: int) -> bool:
        """Have work of about `size` bytes done by the writer, or False if too much waits already."""
        if self._waiting + size > MAX_WAITING or self._stopping:
            return False
        self._waiting += size
        self._writer.submit(work, partial(self._told, done, size))
        return True

    def read(self, work: Callable[[Store], Any], done: Callable[[Any], None]) -> None:
        """Read something long in another thread."""
        self._pool.submit(self._read, work, done)

    def _thread_reader(self) -> Store:
        """The calling thread's store to read from."""
        store: Store | None = getattr(self._readers, "store", None)
        if store is None:
            store = self._readers.store = Store(self.config.database, writes=False)
            self._opened.append(store)
        return store

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine that nobody waits for."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def flush_soon(self, session: Flushed) -> None:
        """Write what a session has to say when everything of this turn is known."""
        if not self._ready:
            self.loop.call_soon(self._flush)
        self._ready.append(session)

    def _flush(self) -> None:
        ready, self._ready = self._ready, []
        for session in ready:
            session.flush()

    def _told(self, done: Callable[[Any], None], size: int, told: Any) -> None:
        self._waiting -= size
        done(told)

    def _hand_over(self, finished: Finished) -> None:
        # In the writer's thread. The loop may be gone when the last batch of a stop is done.
        try:
            self.loop.call_soon_threadsafe(self._deliver, finished)
        except RuntimeError:
            _log.debug("a batch was done after the loop had ended")

    def _deliver(self, finished: Finished) -> None:
        self.metrics.batch(len(finished.told), finished.seconds)
        for job, told in finished.told:
            try:
                job.done(told)
            except Exception as error:
                # A bug with one client must not cost others their answers.
                _log.error("an answer failed: %s at %s", type(error).__name__, place(error))
        self.listeners.spread(finished.news)
        self._flush()

    def _read(self, work: Callable[[Store], Any], done: Callable[[Any], None]) -> None:
        told: Any
        try:
            told = work(self._thread_reader())
        except RelayError as error:
            told = error
        except Exception as error:
            _log.error("a page could not be read: %s at %s", type(error).__name__, place(error))
            told = Internal()
        try:
            self.loop.call_soon_threadsafe(done, told)
        except RuntimeError:
            _log.debug("a page was read after the loop had ended")

    # --- life ---

    async def start(self) -> tuple[str, int]:
        """Begin to serve; where it listens. Raises `OSError` or `StoreError` if it cannot."""
        self.loop = asyncio.get_running_loop()
        try:
            files = BlobFiles(self.config.data)
            sweep(self._store, files, now=self.clock())
        except RelayError as error:
            raise StoreError(
                "the disk does not write, or is full: mend it, and start again"
            ) from error
        self._writer.start()
        self.blobs = BlobService(
            files, self.tickets,
            reader=self._thread_reader, submit=self._writer.submit, clock=self.clock,
        )  # fmt: skip
        application = web.Application()
        application.on_response_prepare.append(site.quiet)
        application.router.add_get("/ws", self._connect, expect_handler=site.expected)
        application.router.add_routes(blob_routes(self.blobs))
        application.router.add_routes(site.routes(self.config))
        try:
            address = await self._listen(application)
            if (where := self.config.metrics_address) is not None:
                self._show()
                await self._listen_inside(metrics_application(self.metrics, self._healthy), where)
        except BaseException:
            await self.stop()
            raise
        self.spawn(Expiry(self).run())
        self.spawn(self.blobs.run())
        self.spawn(self._look_after_the_silent())
        return address

    async def stop(self) -> None:
        """Take nobody in any more, answer what was asked, write all, and close. Once."""
        if self._leaving:
            return
        self._leaving = True
        for one in self._sockets:
            one.close()
        leaving = [self.loop.create_task(one.leave()) for one in list(self._sessions)]
        if leaving:
            await asyncio.wait(leaving, timeout=GRACE)
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        for runner in self._runners:
            await runner.cleanup()
        await self.loop.run_in_executor(None, self._writer.stop)
        self._pool.shutdown(cancel_futures=True)
        self.blobs.close()
        for store in (*self._opened, self.reader):
            store.close()
        self._store.close()

    async def _listen(self, application: web.Application) -> tuple[str, int]:
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=GRACE
        )
        await runner.setup()
        self._runners.append(runner)
        config = self.config
        addresses = None
        if not config.plain_behind_proxy:
            addresses = Addresses(
                at_once=config.max_connections_per_address, per_minute=config.connections_per_minute
            )
        self.gate = Gate(
            self.loop, addresses, ceiling=min(config.max_connections, _room_for_connections()),
            patience=config.hello_seconds, refused=self.metrics.turned_away,
        )  # fmt: skip
        if runner.server is None:
            raise RuntimeError("aiohttp made no server")
        door = partial(
            Door, watched(runner.server), self.gate,
            access_log=None, keepalive_timeout=KEEPALIVE, lingering_time=0.0,
        )  # fmt: skip
        where = config.listen_address
        if config.tls is not None:
            secure = tls.TlsListener(where, tls.context(*config.tls), self.gate, door)
            self._sockets.append(secure)
            return secure.address
        listener = await self.loop.create_server(door, where.host, where.port, backlog=1024)
        self._sockets.append(listener)
        host, port = listener.sockets[0].getsockname()[:2]
        return host, port

    async def _listen_inside(self, application: web.Application, where: Any) -> None:
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=GRACE
        )
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, where.host, where.port).start()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(
            compress=False,
            max_msg_size=self.terms.limits.max_frame + 1,
            autoclose=False,
            autoping=False,
        )
        if self._leaving or not websocket.can_prepare(request):
            return site.not_found(self.config)
        await websocket.prepare(request)
        transport = request.transport
        if transport is None:
            return websocket
        session = Session(self, websocket, transport)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
        return websocket

    async def _look_after_the_silent(self) -> None:
        # One round for all instead of a timer for each.
        while True:
            await asyncio.sleep(self.config.idle_seconds / 8)
            now = self.loop.time()
            for one in list(self._sessions):
                one.look(now)

    def _healthy(self) -> bool:
        return not self._leaving


def run(config: Config, identity: SigningKey, *, announce: Callable[[str, int], None]) -> None:
    """Serve until SIGTERM or SIGINT. `announce` is told where it listens.

    Raises `StoreError` or `OSError` if it cannot begin.
    """
    server = Server(config, identity)

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, stop.set)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        host, port = await server.start()
        announce(host, port)
        await stop.wait()
        await server.stop()

    try:
        import uvloop
    except ImportError:  # Windows has none
        asyncio.run(serve())
    else:
        uvloop.run(serve())


def _room_for_connections() -> int:
    """How many connections the limit of open files leaves room for. Who starts the process may raise it."""
    try:
        import resource
    except ImportError:  # Windows counts otherwise
        return 1_000_000
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most == resource.RLIM_INFINITY:
        return 1_000_000
    return max(1, most - FILES)
