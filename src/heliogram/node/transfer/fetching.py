"""A sealed copy fetched from whichever relay has it, verified as it comes, resumed where it stands.

Each chunk is opened as soon as it is here, so a relay that gives something else is noticed at that chunk:
what was good stays, and the next relay goes on from there. On disk lies ciphertext only.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from heliogram.node.asking import Address
from heliogram.node.errors import InvalidFile, TransferFailed, TransferFault
from heliogram.node.files import Receiver, SealedFile
from heliogram.node.transfer.moves import Outcome
from heliogram.node.transfer.spool import PIECE

#: `network.blobs.download`, bound to dialler and circuit: the bytes of a blob from an offset on.
Bytes = Callable[[Address, bytes, int], AsyncIterator[bytes]]

#: Hears how many bytes of the blob are on disk.
Progress = Callable[[int], None]

#: What of a relay's fault is for later.
_LATER = frozenset((TransferFault.LOST, TransferFault.LATER, TransferFault.FULL))


@dataclass(slots=True)
class _Part:
    """The copy as far as it is here: the open file, and what has been verified of it."""

    out: BinaryIO
    file: SealedFile
    receiver: Receiver
    stored: int = 0
    #: All up to here was opened: a place where a chunk ends.
    good: int = field(default=0)

    def take(self, data: bytes) -> None:
        """Write and verify. Raises `InvalidFile` for bytes that are not the file's."""
        self.out.write(data)
        self.stored += len(data)
        self.receiver.receive(data)
        layout = self.receiver.layout
        index = layout.resume(self.stored)
        self.good = layout.blob if index == layout.chunks else layout.sealed(index)[0]
        if self.stored < layout.sealed(0)[0]:
            self.good = 0

    def rewind(self) -> None:
        """Keep what is good. Blocks: it is verified once more, for a receiver cannot go back."""
        self.out.truncate(self.good)
        self.out.seek(0)
        self.receiver, self.stored, kept = Receiver(self.file), 0, self.good
        for piece in _pieces(self.out, kept):
            self.receiver.receive(piece)
            self.stored += len(piece)
        self.out.seek(self.stored)


async def fetch(
    path: Path,
    file: SealedFile,
    relays: Sequence[Address],
    bytes_of: Bytes,
    progress: Progress,
) -> Outcome:
    """Bring the copy at `path` to its end, from these relays in their order. Raises `OSError` of the disk.

    `DONE`: all of it is here and is the file. `LATER`: a relay that may have it could not be reached now.
    """
    part = await asyncio.to_thread(_open, path, file)
    try:
        outcomes: set[Outcome] = set()
        for relay in relays:
            progress(part.stored)
            if part.stored == part.receiver.layout.blob:
                break
            outcomes.add(await _from(relay, part, bytes_of, progress))
        return await _finish(part, outcomes)
    finally:
        part.out.close()


async def _from(relay: Address, part: _Part, bytes_of: Bytes, progress: Progress) -> Outcome:
    try:
        async with aclosing(
            _bounded(bytes_of(relay, part.file.ciphertext_hash, part.stored))
        ) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(part.take, piece)
                progress(part.stored)
    except InvalidFile:
        await asyncio.to_thread(part.rewind)
        return Outcome.DAMAGED
    except TransferFailed as failed:
        if failed.fault in _LATER:
            return Outcome.LATER
        return Outcome.GONE if failed.fault is TransferFault.GONE else Outcome.DAMAGED
    return Outcome.DONE


async def _finish(part: _Part, outcomes: set[Outcome]) -> Outcome:
    if part.stored == part.receiver.layout.blob:
        try:
            part.receiver.finish()
        except InvalidFile:
            # Every chunk opens and yet the hashes are others: the message itself is at fault.
            return Outcome.DAMAGED
        await asyncio.to_thread(_sync, part.out)
        return Outcome.DONE
    await asyncio.to_thread(_sync, part.out)
    for outcome in (Outcome.LATER, Outcome.DONE, Outcome.DAMAGED):
        if outcome in outcomes:
            return Outcome.LATER if outcome is Outcome.DONE else outcome
    return Outcome.GONE if outcomes else Outcome.LATER


async def _bounded(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Pieces put together to larger ones: fewer steps between threads."""
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _open(path: Path, file: SealedFile) -> _Part:
    """The copy, verified as far as it is here: what a killed process left may be torn."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    out = os.fdopen(os.open(path, flags, 0o600), "r+b")
    part = _Part(out, file, Receiver(file))
    try:
        for piece in _pieces(out, part.receiver.layout.blob):
            part.receiver.receive(piece)
            part.stored += len(piece)
        out.seek(part.stored)
        out.truncate(part.stored)
    except InvalidFile:
        out.truncate(0)
        out.seek(0)
        return _Part(out, file, Receiver(file))
    except BaseException:
        out.close()
        raise
    return part


def _pieces(source: BinaryIO, most: int) -> Iterator[bytes]:
    left = most
    while left and (piece := source.read(min(PIECE, left))):
        left -= len(piece)
        yield piece


def _sync(out: BinaryIO) -> None:
    out.flush()
    os.fsync(out.fileno())
