"""The spool: sealed copies of files below a profile, while they go up or come down.

What lies here is ciphertext, as relays see it. Names are random and say nothing; which file is which, only
the store knows.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from heliogram.node.errors import FileFault, InvalidFile
from heliogram.node.files import SealedFile, Sealer, measure
from heliogram.node.store.disk import make_directory, sync_directory

#: Bytes that are read at once.
PIECE = 1 << 20

#: Bytes of randomness in a name.
_NAME_SIZE = 16

_NAME = re.compile(r"[0-9a-f]{32}(\.up|\.down)(\.new)?")

Entropy = Callable[[int], bytes]
#: Gives a file's bytes from its beginning, each time it is called.
Source = Callable[[], Iterator[bytes]]


class Spool:
    """The directory of a profile's sealed copies. Its methods block."""

    def __init__(self, directory: Path, entropy: Entropy) -> None:
        """Make the directory if it is not there. Raises `OSError`."""
        self.directory = directory
        self._entropy = entropy
        make_directory(directory)

    def __repr__(self) -> str:
        return "<Spool>"

    def path(self, name: str) -> Path:
        """Where a copy lies. Raises `ValueError` for a name that is none of ours."""
        if not _NAME.fullmatch(name):
            raise ValueError("no name of the spool")
        return self.directory / name

    def seal(self, source: Source) -> tuple[SealedFile, Path]:
        """Seal a file into the spool, under a key of its own; on disk when this returns.

        Raises `InvalidFile` if it is too large, or changes meanwhile; `OSError` if the disk is full.
        """
        size, digest = measure(source())
        sealer = Sealer(size, digest, entropy=self._entropy)
        path = self.directory / f"{self._entropy(_NAME_SIZE).hex()}.up"
        new = path.with_name(path.name + ".new")
        try:
            with open(new, "xb", opener=_private) as out:
                for piece in sealer.seal(source()):
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            os.rename(new, path)
            sync_directory(self.directory)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        return sealer.file(), path

    def name(self) -> str:
        """A new name for what comes down."""
        return f"{self._entropy(_NAME_SIZE).hex()}.down"

    def forget(self, name: str) -> None:
        """Delete a copy, if it is there. Never raises: what stays is swept at the next start."""
        with suppress(OSError):
            self.path(name).unlink(missing_ok=True)

    def sweep(self, needed: Collection[str]) -> None:
        """Delete every copy that the store does not know: left by a process that was killed."""
        for one in self.directory.iterdir():
            if _NAME.fullmatch(one.name) and one.name not in needed:
                one.unlink(missing_ok=True)


def reading(path: Path) -> Source:
    """The bytes of a plain file. Raises `InvalidFile` (`UNREADABLE`) if it is none, or not ours to read."""

    def read() -> Iterator[bytes]:
        with open_plain(path) as file:
            while piece := file.read(PIECE):
                yield piece

    return read


def open_plain(path: Path) -> BinaryIO:
    """A plain file, opened to read bytes. Raises as `reading`."""
    try:
        # Not blocking: a pipe that nobody writes to would hold us for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags | getattr(os, "O_CLOEXEC", 0)), "rb")
    except (OSError, ValueError):
        raise InvalidFile(FileFault.UNREADABLE) from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InvalidFile(FileFault.UNREADABLE)
    return file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
