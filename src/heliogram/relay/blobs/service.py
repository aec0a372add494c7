"""Blobs at work: uploads part by part, downloads, deleting what has had its time.

The files and the database cannot change in one step, so they change in an order that leaves nothing wrong
wherever the power fails. The database never says more than the disk has: a part is on disk before its row
says so, a blob has its name before its row is complete, a row is gone before its file. What then lies about
without a row, `blob_sweep` finds at the next start.

Two kinds of changes exclude each other. One part at a time goes into an upload (`_busy`), and while a blob's
file gets its name nobody deletes it (`_locks`). Both belong to the loop; the files belong to a small pool.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, BinaryIO, ClassVar, TypeVar

from heliogram.relay.batch import Batch
from heliogram.relay.blobs.files import BlobFiles, Upload
from heliogram.relay.blobs.rules import TAG_SIZE, Tickets, expire_blobs
from heliogram.relay.errors import Malformed, NotAuthorised, RelayError, TooLarge, Unavailable
from heliogram.relay.store import BlobRecord, Store
from heliogram.relay.store.blobs import SLICE
from heliogram.wire.errors import ErrorCode

T = TypeVar("T")

#: Threads for files.
THREADS = 4

#: Parts that may arrive and blobs that may be read at once.
MAX_UPLOADS, MAX_DOWNLOADS = 128, 1024

#: Bytes that are collected before they are written; bytes after which a part is secured on disk.
WRITE_BYTES, SECURE_BYTES = 256 << 10, 16 << 20

#: Bytes of one read from a blob.
READ_BYTES = 128 << 10

#: Seconds between two rounds of deleting.
ROUND_SECONDS = 60

#: Announcements of one blob that are tried with a ticket. Hashes begin alike only if somebody wants them to.
_ALIKE = 4

_log = logging.getLogger(__name__)


class Misplaced(RelayError):
    """The part does not begin where the upload stands, or another one is arriving. `detail` is the place."""

    code: ClassVar[ErrorCode] = ErrorCode.CONFLICT


class BadHash(RelayError):
    """The whole does not hash to its id; all of it is gone."""

    code: ClassVar[ErrorCode] = ErrorCode.BAD_HASH


class CutOff(RelayError):
    """The part ended before it was whole, or came too slowly. What is on disk counts."""

    code: ClassVar[ErrorCode] = ErrorCode.SLOW


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a body may be."""

    #: Seconds until the next bytes of a part, and until a piece of a download is taken.
    wait: float = 60.0
    #: Bytes in a second, on the average of a part, and the seconds after which it counts.
    rate: int = 1024
    after: float = 60.0


class Part(Enum):
    """What became of a part."""

    STORED = "it is on disk and more is to come"
    LAST = "the blob is complete"
    NEEDLESS = "it was complete already"


@dataclass(frozen=True, slots=True)
class Range:
    """The bytes from `first` to `last`, both included, of a blob of `total` bytes."""

    first: int
    last: int
    total: int


#: Gives the next bytes of a body; none if it has ended or was cut off. Raises only when it is cancelled.
Receive = Callable[[], Awaitable[bytes]]


class BlobService:
    """The blobs of one relay. One loop's."""

    def __init__(
        self,
        files: BlobFiles,
        tickets: Tickets,
        *,
        reader: Callable[[], Store],
        submit: Callable[[Callable[[Batch], Any], Callable[[Any], None]], None],
        clock: Callable[[], int],
        pace: Pace | None = None,
    ) -> None:
        """`reader` gives the calling thread's store to read from, `submit` is the writer's method.

        `clock` gives Unix time in seconds.
        """
        self.files = files
        self.tickets = tickets
        self.pace = pace or Pace()
        self._reader = reader
        self._submit = submit
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")
        self._busy: set[bytes] = set()
        self._orphans: dict[bytes, BlobRecord] = {}
        self._locks: dict[bytes, tuple[asyncio.Lock, int]] = {}
        self._downloads = 0
        self._due = asyncio.Event()

    def close(self) -> None:
        """End the threads. Nothing may be asked of this any more."""
        self._pool.shutdown()

    # --- uploads ---

    async def uploaded(self, blob: bytes, ticket: bytes) -> int:
        """Bytes that are there of the upload that `ticket` is for. Raises `NotAuthorised`."""
        return (await self._run(self._announced, blob, ticket)).stored

    async def put(
        self, blob: bytes, ticket: bytes, part: Range, receive: Receive
    ) -> tuple[Part, int]:
        """Take a part, whose bytes `receive` gives. What became of it, and where the upload stands now.

        Raises `NotAuthorised`, `Malformed`, `TooLarge`, `Misplaced`, `BadHash`, `CutOff`, `DiskFull`,
        `Unavailable`. Whatever arrived before and is in order counts, also when this is cancelled.
        """
        record = await self._run(self._announced, blob, ticket)
        if record.complete:
            return Part.NEEDLESS, record.size
        if part.total > record.size:
            raise TooLarge
        if part.total != record.size:
            raise Malformed
        name = record.upload
        if name in self._busy:
            raise Misplaced(record.stored)
        if len(self._busy) >= MAX_UPLOADS:
            raise Unavailable
        self._busy.add(name)
        try:
            # Once more, now that nobody else changes it.
            record = await self._run(self._announced, blob, ticket)
            if record.complete:
                return Part.NEEDLESS, record.size
            if not part.first <= record.stored <= part.last:
                raise Misplaced(record.stored)
            return await self._take(record, part, receive)
        finally:
            self._busy.discard(name)
            if name in self._orphans:
                self._due.set()

    async def _take(self, record: BlobRecord, part: Range, receive: Receive) -> tuple[Part, int]:
        name, files = record.upload, self.files
        upload = await self._run(files.resume, name, record.stored, part.last + 1 - record.stored)
        try:
            if upload.offset < record.stored:
                # The file lost something: a backup was played back. The client has it still.
                await self._save(record, upload.offset)
                raise Misplaced(upload.offset)
            await self._receive(record, upload, part, receive)
            if upload.offset < record.size:
                return Part.STORED, upload.offset
            while not await self._run(upload.catch_up):
                pass
            if upload.sha256.digest() == record.blob:
                await self._finish(record)
                return Part.LAST, record.size
            await self._save(record, 0)
        finally:
            await self._run(files.close, name, upload)
        with suppress(Unavailable):  # the next part begins at 0 anyway
            await self._run(files.drop_upload, name)
        raise BadHash

    async def _receive(
        self, record: BlobRecord, upload: Upload, part: Range, receive: Receive
    ) -> None:
        """Write a part. It is on disk in the end, and its row says so unless it is the blob's last."""
        secured = upload.offset
        waiting = bytearray()
        try:
            async for data in self._body(part, record.stored, receive):
                waiting += data
                if len(waiting) >= WRITE_BYTES:
                    await self._run(upload.append, _taken(waiting))
                    if upload.offset - secured >= SECURE_BYTES:
                        secured = await self._secure(record, upload)
                        await self._run(self.files.check_room, 0)
            await self._run(upload.append, _taken(waiting))
            secured = await self._secure(record, upload)
        except BaseException:
            # Cut off, cancelled, or the disk is full: what has arrived in order counts.
            with suppress(RelayError):
                await self._run(upload.append, _taken(waiting))
                if upload.offset > secured:
                    await self._secure(record, upload)
            raise

    async def _body(self, part: Range, stored: int, receive: Receive) -> AsyncIterator[bytes]:
        """What a part brings beyond `stored`. Raises `CutOff`."""
        place, end = part.first, part.last + 1
        clock, pace = asyncio.get_running_loop().time, self.pace
        start = clock()
        while place < end:
            try:
                async with asyncio.timeout(pace.wait):
                    data = await receive()
            except TimeoutError:
                raise CutOff from None
            if not data:
                raise CutOff
            fresh = data[max(0, stored - place) : end - place]
            place += len(data)
            if fresh:
                yield fresh
            spent = clock() - start
            if place < end and spent > pace.after and place - part.first < spent * pace.rate:
                raise CutOff

    async def _secure(self, record: BlobRecord, upload: Upload) -> int:
        """Have on disk what was written, then say so in the row. Where the upload stands."""
        await self._run(upload.sync)
        if (
            upload.offset < record.size
        ):  # a row that says all is there also says that the hash is right
            await self._save(record, upload.offset)
        return upload.offset

    async def _save(self, record: BlobRecord, stored: int) -> None:
        """Write how far an upload is. Raises `NotAuthorised` if it was deleted meanwhile."""

        def save(batch: Batch) -> bool:
            return batch.store.blobs.save(record, stored, minute=batch.minute)

        if not await self._write(save):
            raise NotAuthorised

    async def _finish(self, record: BlobRecord) -> None:
        """Let an upload that is on disk become the blob."""
        name, blob = record.upload, record.blob
        async with self._locked(blob):
            moved = await self._run(self.files.finish, name, blob, record.size)
            try:
                await self._save(record, record.size)
            except NotAuthorised:
                self._orphans[name] = record  # `put` has the round begin
                raise
            except RelayError:
                if moved:
                    await self._run(self.files.unfinish, name, blob)
                raise
        if not moved:
            with suppress(Unavailable):  # a file without a row: swept at the next start
                await self._run(self.files.drop_upload, name)

    def _announced(self, blob: bytes, ticket: bytes) -> BlobRecord:
        """The announcement that `ticket` is for. Raises `NotAuthorised`."""
        now = self._clock()
        for record in self._reader().blobs.announced(blob, ticket[:TAG_SIZE], count=_ALIKE):
            if self.tickets.good(ticket, record, now=now) and record.expires > now // 60:
                return record
        raise NotAuthorised

    # --- downloads ---

    async def size(self, blob: bytes) -> int:
        """The bytes of a blob that can be read. Raises `NotAuthorised`."""
        async with self.download(blob) as file:
            return file.size

    @asynccontextmanager
    async def download(self, blob: bytes) -> AsyncIterator[Download]:
        """A blob, to read from. Raises `NotAuthorised` if there is none, `Unavailable`."""
        if self._downloads >= MAX_DOWNLOADS:
            raise Unavailable
        self._downloads += 1
        try:
            download = await self._run(self._open, blob)
            try:
                yield download
            finally:
                await self._run(download.close)
        finally:
            self._downloads -= 1

    def _open(self, blob: bytes) -> Download:
        size = self._reader().blobs.readable(blob, minute=self._clock() // 60)
        file = None if size is None else self.files.open(blob, size)
        if size is None or file is None:
            raise NotAuthorised
        return Download(file, size, self._run)

    # --- deleting ---

    async def run(self) -> None:
        """Delete what has had its time, every minute and after `delete_soon`, until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._due.wait()
            self._due.clear()
            try:
                await self.collect()
            except RelayError as error:
                _log.warning("blobs were not deleted: %s", error.code.name)

    def delete_soon(self) -> None:
        """Begin a round of deleting now: BLOB_DELETE has been done."""
        self._due.set()

    async def collect(self) -> None:
        """One round: rows that have had their time, then files that have no row. Raises `RelayError`."""
        more = True
        while more:
            expired: list[BlobRecord] = await self._write(expire_blobs)
            more = len(expired) == SLICE
            self._orphans.update((one.upload, one) for one in expired)
            for name, record in list(self._orphans.items()):
                if name not in self._busy:
                    await self._bury(record)
                    self._orphans.pop(name, None)

    async def _bury(self, record: BlobRecord) -> None:
        """Delete the files of a row that is gone, unless others came to need them."""
        name, blob = record.upload, record.blob
        self._busy.add(name)
        try:
            if not await self._run(self._uploading, record):
                await self._run(self.files.drop_upload, name)
        finally:
            self._busy.discard(name)
        async with self._locked(blob):
            if not await self._run(self._held, blob):
                await self._run(self.files.drop_blob, blob)

    def _uploading(self, record: BlobRecord) -> bool:
        found = self._reader().blobs.find(record.blob, record.delete_hash)
        return found is not None and not found.complete

    def _held(self, blob: bytes) -> bool:
        return self._reader().blobs.held(blob) is not None

    # --- threads ---

    async def _run(self, call: Callable[..., T], *values: Any) -> T:
        """What `call` gives, in a thread for files. It is not left alone there when this is cancelled."""
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._pool, partial(call, *values))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait([job])
            # Nobody will close what it opened, and what it raised no longer matters.
            if not job.cancelled() and job.exception() is None:
                opened = job.result()
                if isinstance(opened, Upload | Download):
                    opened.close()
            raise

    async def _write(self, work: Callable[[Batch], Any]) -> Any:
        """What `work` gives, once it is on disk. Raises `RelayError`."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def tell(told: Any) -> None:
            loop.call_soon_threadsafe(_settle, answer, told)

        self._submit(work, tell)
        told = await answer
        if isinstance(told, RelayError):
            raise told
        return told

    @asynccontextmanager
    async def _locked(self, blob: bytes) -> AsyncIterator[None]:
        """Alone with the file of one blob."""
        lock, users = self._locks.get(blob, (asyncio.Lock(), 0))
        self._locks[blob] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[blob]
            if users > 1:
                self._locks[blob] = lock, users - 1
            else:
                del self._locks[blob]


class Download:
    """A blob that is being read."""

    __slots__ = ("_file", "_run", "size")

    def __init__(self, file: BinaryIO, size: int, run: Callable[..., Awaitable[Any]]) -> None:
        self._file = file
        self._run = run
        #: Its bytes.
        self.size = size

    def close(self) -> None:
        """Close its file."""
        self._file.close()

    async def read(self, offset: int, count: int) -> bytes:
        """Up to `count` and `READ_BYTES` bytes from `offset` on. Raises `Unavailable` if the disk fails."""
        data: bytes = await self._run(self._read, offset, min(count, READ_BYTES))
        return data

    def _read(self, offset: int, count: int) -> bytes:
        try:
            self._file.seek(offset)
            data = self._file.read(count)
        except OSError:
            raise Unavailable from None
        if not data:
            raise Unavailable
        return data


def _taken(waiting: bytearray) -> bytes:
    data = bytes(waiting)
    waiting.clear()
    return data


def _settle(answer: asyncio.Future[Any], told: Any) -> None:
    if not answer.done():
        answer.set_result(told)
