"""Files on their way from a browser to the node: in the profile, for its owner only, until they are sealed.

They lie there unencrypted, since a browser gives bytes and the node reads files. So each goes as soon as the
message that has it is in the outbox, and all that are left go when the profile is locked, and at the start.
What belongs to a scheduled message waits in a folder beside them until nothing that is scheduled has files.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from heliogram.node import api
from heliogram.node.control.faults import InvalidCommand
from heliogram.node.errors import StoreError, StoreFull
from heliogram.node.store.disk import make_directory
from heliogram.node.transfer.naming import safe_name
from heliogram.web.errors import Busy, NotOpen, NoUpload, TooLarge, TooManyUploads, Unreadable

#: What stands before an id, where a command has a path.
PREFIX: Final = "upload:"

#: Bytes of one, as much as relays take; bytes of all that wait, and how many.
MAX_FILE: Final = 4 << 30
MAX_ALL: Final = 16 << 30
MAX_UPLOADS: Final = 256

#: How many come at once, and seconds in which the next bytes of one must.
MAX_COMING: Final = 4
SLOWEST: Final = 30.0

#: Bytes that are written at once.
_PIECE: Final = 1 << 20

_ID: Final = re.compile(r"[0-9a-f]{32}")


class Upload(Struct, frozen=True):
    """A file that waits to be sent."""

    upload: str
    size: int


class Source(Protocol):
    """Where the bytes come from."""

    async def readany(self) -> bytes:
        """The next ones; none at the end."""


@dataclass(slots=True)
class _Waiting:
    path: Path
    size: int
    #: How many commands are using it.
    used: int = 0
    gone: bool = False


class Uploads:
    """All that wait. `root` is the profile's directory."""

    def __init__(
        self,
        root: Path,
        entropy: Callable[[int], bytes],
        *,
        largest: int = MAX_FILE,
        all_bytes: int = MAX_ALL,
        slowest: float = SLOWEST,
    ) -> None:
        self._folder = root / "uploads"
        self._scheduled = root / "scheduled"
        self._entropy = entropy
        self._largest = largest
        self._all = all_bytes
        self._slowest = slowest
        self._waiting: dict[str, _Waiting] = {}
        #: Bytes of those that are coming.
        self._coming: dict[str, int] = {}
        #: How often all were forgotten: what began before is not taken.
        self._round = 0

    @property
    def _bytes(self) -> int:
        return sum(one.size for one in self._waiting.values()) + sum(self._coming.values())

    # --- In ---------------------------------------------------------------------------------------

    async def receive(self, name: str, content: Source, length: int | None) -> Upload:
        """Write what comes. `length` is how much there will be, if that was said.

        Raises `TooLarge`, `TooManyUploads`, `Busy`, `Unreadable` if it stops, `NotOpen` if all were forgotten
        meanwhile, `StoreError`.
        """
        if length is not None and length > self._largest:
            raise TooLarge
        if len(self._waiting) >= MAX_UPLOADS or self._bytes + (length or 0) > self._all:
            raise TooManyUploads
        if len(self._coming) >= MAX_COMING:
            raise Busy
        key = self._entropy(16).hex()
        path = self._folder / key / safe_name(name)
        self._coming[key] = 0
        try:
            await self._write(key, path, content)
        except BaseException as error:
            await asyncio.to_thread(_remove, path.parent)
            if isinstance(error, OSError):
                raise _unwritten(error) from None
            raise
        finally:
            size = self._coming.pop(key)
        self._waiting[key] = _Waiting(path, size)
        return Upload(key, size)

    async def _write(self, key: str, path: Path, content: Source) -> None:
        begun = self._round
        file = await asyncio.to_thread(_create, path)
        try:
            piece = bytearray()
            while True:
                try:
                    async with asyncio.timeout(self._slowest):
                        data = await content.readany()
                except TimeoutError:
                    raise Unreadable from None
                self._coming[key] += len(data)
                if self._coming[key] > self._largest:
                    raise TooLarge
                if self._bytes > self._all:
                    raise TooManyUploads
                piece += data
                if len(piece) >= _PIECE or not data:
                    await asyncio.to_thread(_write_all, file, bytes(piece))
                    piece.clear()
                if self._round != begun:
                    raise NotOpen
                if not data:
                    return
        finally:
            os.close(file)

    # --- Out --------------------------------------------------------------------------------------

    @contextmanager
    def taken(self, files: Sequence[str]) -> Iterator[list[str]]:
        """The paths of these uploads, which stay as long as the block.

        Raises `InvalidCommand`, `NoUpload`.
        """
        found = [self._find(one) for one in files]
        for one in found:
            one.used += 1
        try:
            yield [str(one.path) for one in found]
        finally:
            for one in found:
                one.used -= 1
                if one.gone and not one.used:
                    _remove(one.path.parent)

    def _find(self, file: str) -> _Waiting:
        if not file.startswith(PREFIX):
            # A path that a browser chose is none, whatever it says.
            raise InvalidCommand("files")
        found = self._waiting.get(file.removeprefix(PREFIX))
        if found is None:
            raise NoUpload
        return found

    def move_to_scheduled(self, files: Sequence[str]) -> None:
        """From here on they stay until nothing that is scheduled has files.

        Raises as `taken`, and `StoreError`.
        """
        for one in [self._find(each) for each in files]:
            target = self._scheduled / one.path.parent.name
            try:
                make_directory(self._scheduled)
                os.replace(one.path.parent, target)
            except OSError as error:
                raise _unwritten(error) from None
            one.path = target / one.path.name

    def sent(self, files: Sequence[str], *, keep: bool = False) -> None:
        """The node has what it needs of these; with `keep`, it has not yet, and they lie in their place."""
        for file in files:
            waiting = self._waiting.pop(file.removeprefix(PREFIX), None)
            if waiting is not None:
                waiting.gone = not keep
                if waiting.gone and not waiting.used:
                    _remove(waiting.path.parent)

    def delete(self, key: str) -> None:
        """Forget one. Raises `NoUpload`."""
        if not _ID.fullmatch(key) or key not in self._waiting:
            raise NoUpload
        self.sent((key,))

    def clear(self) -> None:
        """Forget all, those that an earlier run left, too."""
        self._waiting.clear()
        self._round += 1
        _remove(self._folder)

    async def tidy(self, node: api.Node) -> None:
        """Forget what was kept for scheduled messages, if there are none with files any more."""
        if not self._scheduled.exists() or any(one.used for one in self._waiting.values()):
            return
        waiting: list[api.Scheduled] = await node.call(api.GetScheduled())
        if not any(one.files for one in waiting):
            await asyncio.to_thread(_remove, self._scheduled)


def _create(path: Path) -> int:
    """A new file for its owner only, in a new directory."""
    make_directory(path.parent.parent)
    path.parent.mkdir(mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _unwritten(error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull()
    return StoreError("the upload cannot be written")
