"""A relay's blobs as they are in earnest: a real store, a real writer thread, real files, a real server."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from heliogram.relay import slots
from heliogram.relay.batch import Batch
from heliogram.relay.blobs.files import BlobFiles
from heliogram.relay.blobs.http import routes
from heliogram.relay.blobs.rules import Tickets, delete_blob, open_blob
from heliogram.relay.blobs.service import BlobService, Pace
from heliogram.relay.blobs.sweep import sweep
from heliogram.relay.errors import RelayError
from heliogram.relay.serving import site
from heliogram.relay.store import Store
from heliogram.relay.terms import Terms
from heliogram.relay.writer import Finished, Writer
from heliogram.wire import frames
from heliogram.wire.connection import Scope, ScopeKind
from heliogram.wire.objects import blob_delete_hash
from tests.wire import samples

T = TypeVar("T")

#: What the library would log has addresses and paths in it.
QUIET = logging.Logger("nobody listens", logging.CRITICAL + 1)

SECRET = samples.name("a secret that deletes")
SCOPE = Scope(ScopeKind.LOG, samples.INSTANCE, samples.EPOCH)
LIMITS = replace(samples.LIMITS, max_blob=64 << 20, blob_days=30)


def blob_of(text: str, size: int) -> bytes:
    """`size` bytes that look like ciphertext."""
    seed, out = text.encode(), bytearray()
    while len(out) < size:
        seed = sha256(seed).digest()
        out += seed * 32
    return bytes(out[:size])


def deliver(finished: Finished) -> None:
    """Tell whoever waits, in the writer's thread."""
    for job, told in finished.told:
        job.done(told)


@dataclass
class Relay:
    """One process of a relay on `root`. `stop` and a new one on the same folder are a restart."""

    root: Path
    terms: Terms = field(default_factory=lambda: Terms(LIMITS))
    now: int = samples.NOW
    reserve: int = 0
    pace: Pace | None = None
    runs: int = 0

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        self.store = Store(self.root / "relay.db", writes=True)
        self.files = BlobFiles(self.root, reserve=self.reserve)
        sweep(self.store, self.files, now=self.now)
        if self.store.logs.read(samples.INSTANCE) is None:
            log = slots.open_log(samples.OPEN, samples.RELAYS[0].public)
            with self.store.transaction():
                self.store.logs.create(samples.INSTANCE, log, day=self.now // 86_400)
        self.writer = Writer(
            *(self.store, self.terms, samples.RELAYS[0]),
            deliver=deliver,
            clock=lambda: self.now,
            entropy=lambda count: bytes(count),
        )
        self.writer.start()
        self._here = threading.local()
        self._readers: list[Store] = []
        self.tickets = Tickets(samples.name(f"process {self.runs}"))
        self.service = BlobService(
            *(self.files, self.tickets),
            reader=self.reader,
            submit=self.writer.submit,
            clock=lambda: self.now,
            pace=self.pace,
        )

    def reader(self) -> Store:
        """This thread's store to read from."""
        if not hasattr(self._here, "store"):
            self._here.store = Store(self.root / "relay.db", writes=False)
            self._readers.append(self._here.store)
        store: Store = self._here.store
        return store

    def stop(self) -> None:
        """End the process in good order."""
        self.service.close()
        self.writer.stop()
        for one in (*self._readers, self.store):
            one.close()

    def again(self) -> Relay:
        """The next process on the same folder, after this one was stopped."""
        return Relay(self.root, self.terms, self.now, self.reserve, self.pace, self.runs + 1)

    def write(self, work: Callable[[Batch], T]) -> T:
        """What `work` gives, on disk. Raises what it raises of `RelayError`."""
        done = threading.Event()
        answers: list[Any] = []

        def tell(told: Any) -> None:
            answers.append(told)
            done.set()

        self.writer.submit(work, tell)
        assert done.wait(60)
        if isinstance(answers[0], RelayError):
            raise answers[0]
        result: T = answers[0]
        return result

    def open(
        self,
        blob: bytes,
        size: int,
        days: int = 10,
        secret: bytes = SECRET,
        scope: Scope = SCOPE,
    ) -> frames.BlobReady:
        """BLOB_OPEN."""
        frame = frames.BlobOpen(samples.ID, 0, blob, size, days, blob_delete_hash(secret))
        return self.write(lambda batch: open_blob(batch, frame, scope, self.tickets))

    def delete(self, blob: bytes, secret: bytes = SECRET) -> frames.Done:
        """BLOB_DELETE."""
        frame = frames.BlobDelete(samples.ID, blob, secret)
        return self.write(lambda batch: delete_blob(batch, frame))

    def paths(self) -> list[str]:
        """The files of blobs and uploads that there are, in order."""
        return sorted(
            str(one.relative_to(self.root))
            for folder in ("blobs", "uploads")
            for one in (self.root / folder).rglob("*")
            if one.is_file()
        )


class Served:
    """A relay's blobs on a port of the loopback interface."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.port = 0

    async def __aenter__(self) -> Served:
        app = web.Application()
        app.add_routes(routes(self.relay.service))
        app.on_response_prepare.append(site.quiet)
        self._runner = web.AppRunner(
            app, access_log=None, logger=QUIET, shutdown_timeout=1, lingering_time=0.0
        )
        await self._runner.setup()
        port = web.TCPSite(self._runner, "127.0.0.1", 0)
        await port.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of its own."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(
        self, method: str, blob: bytes | str, body: bytes = b"", **headers: str
    ) -> Answer:
        """The answer to one request. Underscores in `headers` stand for hyphens."""
        reader, writer = await self.connect()
        try:
            writer.write(head(method, blob, body, **headers) + body)
            return await read_answer(reader, method)
        finally:
            writer.close()

    async def put(
        self, blob: bytes, ready: frames.BlobReady, data: bytes, first: int = 0, last: int = -1
    ) -> Answer:
        """PUT of the bytes from `first` to `last` of `data`."""
        end = len(data) if last < 0 else last + 1
        return await self.ask(
            *("PUT", blob, data[first:end]),
            Authorization=f"Heliogram {ready.ticket.hex()}",
            Content_Range=f"bytes {first}-{end - 1}/{len(data)}",
        )


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def offset(self) -> int:
        """`Upload-Offset`."""
        return int(self.headers["upload-offset"])


def head(method: str, blob: bytes | str, body: bytes = b"", **headers: str) -> bytes:
    """The head of a request that is the last one of its connection."""
    id = blob if isinstance(blob, str) else blob.hex()
    lines = [f"{method} /blob/{id} HTTP/1.1", "Host: relay.example", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if (body or method == "PUT") and "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode()


async def read_answer(reader: asyncio.StreamReader, method: str = "GET") -> Answer:
    """The next answer."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in lines[1:] if line)
    }
    length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
    return Answer(int(lines[0].split()[1]), headers, await reader.readexactly(length))
