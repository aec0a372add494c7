"""Pieces of files that are here: opened in memory from the sealed copy, or read from where they were saved.

No plaintext is written. Of a sealed copy all is hashed before the first piece, once for as long as nothing
writes to it; then each chunk that is opened is verified by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from heliogram.node.errors import FileFault, InvalidFile
from heliogram.node.files import HEADER, Opener, SealedFile
from heliogram.node.transfer.moves import Where
from heliogram.node.transfer.sniffing import HEAD, judge
from heliogram.node.transfer.spool import PIECE, Spool

#: Files that are remembered as verified.
REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file, and what all of it is as its bytes say."""

    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """A file that was verified, as the system described it then."""

    mark: tuple[int, ...]
    content_type: str


class Pieces:
    """Reads files. Used within one event loop; what blocks is done in threads."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._known: OrderedDict[Path, _Known] = OrderedDict()
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        return "<Pieces>"

    async def sealed(self, where: Where, offset: int, length: int) -> Piece:
        """From the sealed copy. Raises `InvalidFile` if it is not there, or is another one."""
        if where.spool is None:
            raise InvalidFile(FileFault.UNREADABLE)
        return await self._read(self._spool.path(where.spool), where, True, offset, length)

    async def saved(self, where: Where, offset: int, length: int) -> Piece:
        """From where it was saved. Raises `InvalidFile` if it is not there, or is another one by now."""
        if where.path is None:
            raise InvalidFile(FileFault.UNREADABLE)
        return await self._read(Path(where.path), where, False, offset, length)

    async def _read(
        self, path: Path, where: Where, sealed: bool, offset: int, length: int
    ) -> Piece:
        lock = self._locks.get(path)
        if lock is None:
            lock = self._locks[path] = asyncio.Lock()
        # Who reads several pieces of a large file at once waits for one to verify it.
        async with lock:
            before = self._known.get(path)
            known, data = await asyncio.to_thread(
                _piece, path, where, sealed, before, offset, length
            )
        self._known[path] = known
        self._known.move_to_end(path)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return Piece(known.content_type, data)


def head_of(path: Path, file: SealedFile) -> bytes:
    """The first bytes of a file, from its sealed copy. Raises `InvalidFile`, `OSError`."""
    with open(path, "rb") as source:
        return _opened(source, file, 0, HEAD)


def _piece(
    path: Path, where: Where, sealed: bool, known: _Known | None, offset: int, length: int
) -> tuple[_Known, bytes]:
    """The piece, and what is known of the file now. Blocks. Raises `InvalidFile`."""
    try:
        with open(path, "rb", opener=_nothing_else) as source:
            mark = _mark(source)
            if known is None or known.mark != mark:
                _verify(source, where.file, sealed)
                head = _bytes(source, where.file, sealed, 0, HEAD)
                known = _Known(mark, _type(where, head))
            return known, _bytes(source, where.file, sealed, offset, length)
    except OSError:
        raise InvalidFile(FileFault.UNREADABLE) from None


def _bytes(source: BinaryIO, file: SealedFile, sealed: bool, offset: int, length: int) -> bytes:
    length = max(0, min(length, file.size - offset))
    if not length:
        return b""
    if sealed:
        return _opened(source, file, offset, length)
    source.seek(offset)
    data = source.read(length)
    if len(data) != length:
        raise InvalidFile(FileFault.CHANGED)
    return data


def _opened(source: BinaryIO, file: SealedFile, offset: int, length: int) -> bytes:
    opener = Opener(file)
    end = min(offset + length, file.size)
    if end <= offset:
        return b""
    layout = opener.layout
    first, last = layout.chunk_at(offset), layout.chunk_at(end - 1)
    plain = bytearray()
    for index in range(first, last + 1):
        start, stop = layout.sealed(index)
        source.seek(start)
        plain += opener.open(index, source.read(stop - start))
    skipped = offset - layout.plain(first)[0]
    return bytes(plain[skipped : skipped + end - offset])


def _verify(source: BinaryIO, file: SealedFile, sealed: bool) -> None:
    """Raise `InvalidFile` unless this is all of the file."""
    opener = Opener(file)
    size, digest = (
        (opener.layout.blob, file.ciphertext_hash) if sealed else (file.size, file.plaintext_hash)
    )
    source.seek(0)
    if os.fstat(source.fileno()).st_size != size or _hash(source) != digest:
        raise InvalidFile(FileFault.DAMAGED if sealed else FileFault.CHANGED)
    if sealed:
        source.seek(0)
        opener.check_header(source.read(HEADER))


def _hash(source: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    for piece in _pieces(source):
        digest.update(piece)
    return digest.digest()


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


def _type(where: Where, head: bytes) -> str:
    verdict = judge(where.content_type, where.name, head)
    # A recording says what it is by how it was sent: its bytes may hold pictures, too.
    return where.content_type if where.voice and not verdict.doubt else verdict.content_type


def _mark(source: BinaryIO) -> tuple[int, ...]:
    """What changes when somebody writes to a file."""
    status = os.fstat(source.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _nothing_else(path: str, flags: int) -> int:
    # A pipe that nobody writes to would hold us for ever.
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0))


def are_there(paths: dict[Path, int]) -> frozenset[Path]:
    """Which of these files are there, with these sizes. Blocks."""
    found = set()
    for path, size in paths.items():
        with suppress(OSError, ValueError):
            if path.is_file() and path.stat().st_size == size:
                found.add(path)
    return frozenset(found)
