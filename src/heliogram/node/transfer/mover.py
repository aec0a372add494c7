"""Moves what the engine wants moved: uploads and downloads in tasks, a few at a time.

    mover = Mover(dialler, spool, call)
    await mover.run()               # until cancelled
    mover.wake()                    # from whatever thread: the engine has something

It decides nothing: what to move and what follows, the part for files says, in turns.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any

from heliogram.node import api
from heliogram.node.asking import Address
from heliogram.node.errors import InvalidFile, NodeError, StoreError, TransferFailed, TransferFault
from heliogram.node.network import blobs
from heliogram.node.network.dialling import Dialler
from heliogram.node.transfer import fetching
from heliogram.node.transfer.moves import (
    Download,
    Ended,
    Fetch,
    Move,
    Moved,
    Moves,
    Outcome,
    Progress,
    TakeMoves,
    Upload,
)
from heliogram.node.transfer.pieces import head_of
from heliogram.node.transfer.saving import save
from heliogram.node.transfer.sniffing import Verdict, judge
from heliogram.node.transfer.spool import Spool
from heliogram.wire.objects import blob_id

#: Moves that go on at once: uploads and downloads apart, so that neither waits for the other.
MOST = 4

#: Seconds between two words about one move.
EVERY = 0.2

#: Puts a command and its extra into the engine; what the command gives.
Call = Callable[[api.Command, object], Awaitable[Any]]

_OUTCOMES = {
    TransferFault.LOST: Outcome.LATER,
    TransferFault.LATER: Outcome.LATER,
    TransferFault.FULL: Outcome.LATER,
    TransferFault.REFUSED: Outcome.LATER,
    TransferFault.TICKET: Outcome.STALE,
    TransferFault.GONE: Outcome.GONE,
    TransferFault.DAMAGED: Outcome.DAMAGED,
}


class Mover:
    """The sockets' side of transfers. Used within one event loop, but for `wake`."""

    def __init__(self, dialler: Dialler, spool: Spool, call: Call) -> None:
        self._dialler = dialler
        self._spool = spool
        self._call = call
        self._awake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[asyncio.Task[None], Move] = {}
        self._up, self._down = asyncio.Semaphore(MOST), asyncio.Semaphore(MOST)

    def wake(self) -> None:
        """There may be something to move. From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._awake.set)
        except RuntimeError:
            return  # the loop is closed: nothing is moved any more

    def use(self, dialler: Dialler) -> None:
        """Go another way from now on. What is under way ends when the old dialler is closed."""
        self._dialler = dialler

    async def run(self) -> None:
        """Move until cancelled. What is under way then goes on after the next start."""
        self._awake.set()
        try:
            while True:
                await self._awake.wait()
                self._awake.clear()
                try:
                    moves: Moves = await self._call(TakeMoves(), None)
                except StoreError:
                    await asyncio.sleep(EVERY)
                    self._awake.set()
                    continue
                for task, move in list(self._tasks.items()):
                    if move.key in moves.stop:
                        task.cancel()
                for move in moves.begin:
                    self._start(move)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, move: Move) -> None:
        # An engine that was made anew does not know what goes on. It will hear how it ends.
        same = {_name(one) for task, one in self._tasks.items() if not task.cancelling()}
        if _name(move) not in same:
            task = asyncio.create_task(self._move(move))
            self._tasks[task] = move
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "a transfer failed", "exception": error})

    async def _move(self, move: Move) -> None:
        if isinstance(move, Upload):
            async with self._up:
                ended = await self._upload(move)
        elif isinstance(move, Download):
            async with self._down:
                ended = await self._download(move)
        else:
            async with self._down:
                ended = await self._fetch(move)
        # If it cannot be written, the engine is made anew and begins the move again.
        with suppress(NodeError):
            await self._call(Moved(), ended)

    # --- Up ---

    async def _upload(self, move: Upload) -> Ended:
        teller = _Teller(move.key, self._call)
        blob = blobs.Blob(move.blob, move.size)
        try:
            with _Source(self._spool, move.source) as read:
                await blobs.upload(
                    *(self._dialler, move.circuit, move.relay, move.ticket, blob, read),
                    teller.told,
                )
        except TransferFailed as failed:
            return Ended(move.key, _OUTCOMES[failed.fault], move.relay.key)
        except OSError:
            return Ended(move.key, Outcome.NOT_SAVED, move.relay.key)
        finally:
            await teller.stop()
        return Ended(move.key, Outcome.DONE, move.relay.key)

    # --- Down ---

    async def _download(self, move: Download) -> Ended:
        teller = _Teller(move.key, self._call)
        path = self._spool.path(move.spool)
        whole = False
        try:
            outcome = await fetching.fetch(
                path, move.file, move.relays, self._bytes_of(move.circuit), teller.told
            )
            if outcome is not Outcome.DONE:
                return Ended(move.key, outcome)
            whole = True
            saved, verdict = await asyncio.to_thread(_open, path, move)
        except (InvalidFile, OSError):
            # All of it was verified on its way in: what fails now is the disk.
            return Ended(move.key, Outcome.NOT_SAVED, whole=whole)
        finally:
            await teller.stop()
        return Ended(move.key, Outcome.DONE, path=saved, verdict=verdict, whole=True)

    async def _fetch(self, move: Fetch) -> Ended:
        return await fetch_blob(self._dialler, move)

    def _bytes_of(self, circuit: bytes) -> fetching.Bytes:
        def bytes_of(relay: Address, blob: bytes, start: int) -> AsyncIterator[bytes]:
            return blobs.download(self._dialler, circuit, relay, blob, start)

        return bytes_of


async def fetch_blob(dialler: Dialler, move: Fetch) -> Ended:
    """A small blob, from the first relay that gives it whole. Never raises for what relays do."""
    outcome = Outcome.GONE
    for relay in move.relays:
        data = bytearray()
        try:
            async for piece in blobs.download(dialler, move.circuit, relay, move.blob, 0):
                data += piece
                if len(data) > move.size:
                    break
        except TransferFailed as failed:
            if _OUTCOMES[failed.fault] is Outcome.LATER:
                outcome = Outcome.LATER
            continue
        if len(data) == move.size and blob_id(bytes(data)) == move.blob:
            return Ended(move.key, Outcome.DONE, data=bytes(data))
    return Ended(move.key, outcome)


def _open(path: Path, move: Download) -> tuple[str, Verdict]:
    """What a whole copy is, and where it was saved, if it should be. Blocks."""
    if not move.directory:
        return "", judge(move.content_type, move.name, head_of(path, move.file))
    saved, verdict = save(path, move.file, Path(move.directory), move.name, move.content_type)
    return str(saved), verdict


def _name(move: Move) -> tuple[Hashable, bytes]:
    """What tells moves apart."""
    return move.key, move.relay.key if isinstance(move, Upload) else b""


class _Source:
    """Where the bytes of an upload come from: a sealed copy on disk, or memory."""

    def __init__(self, spool: Spool, source: str | bytes) -> None:
        self._path = spool.path(source) if isinstance(source, str) else None
        self._data = b"" if isinstance(source, str) else source
        self._file = -1

    def __enter__(self) -> Callable[[int, int], bytes]:
        if self._path is None:
            return lambda offset, count: self._data[offset : offset + count]
        self._file = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        return self._read

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _read(self, offset: int, count: int) -> bytes:
        # One part at a time, in one thread at a time.
        os.lseek(self._file, offset, os.SEEK_SET)
        return os.read(self._file, count)


class _Teller:
    """Tells the engine how far a move is, now and then."""

    def __init__(self, key: Hashable, call: Call) -> None:
        self._key, self._call = key, call
        self._done = -1
        self._task: asyncio.Task[None] | None = None

    def told(self, done: int) -> None:
        """So many bytes of the blob are through."""
        self._done = done
        if self._task is None:
            self._task = asyncio.create_task(self._tell())

    async def stop(self) -> None:
        """Say nothing more: what comes next says it all."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        said = -1
        while True:
            if said != self._done:
                said = self._done
                await self._call(Moved(), Progress(self._key, said))
            await asyncio.sleep(EVERY)
