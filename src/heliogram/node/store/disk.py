"""Files for their owner only, and on disk when they are said to be. All raise `OSError`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def create_private(path: Path, content: bytes = b"") -> None:
    """Write a file that was not there, for its owner only, and have it on disk."""
    # Private from the first moment: a later chmod would be too late.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        _sync(stream.fileno())


def replace_private(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it, at whatever moment, reads all of the old or the new one."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    try:
        create_private(new, content)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """A directory for its owner only, unless it is there; parents too."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_file(path: Path) -> None:
    """Have a file's content on disk. Not for a database that is open here: it would lose its locks."""
    file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        _sync(file)
    finally:
        os.close(file)


def sync_directory(path: Path) -> None:
    """Have the names of new files on disk."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            _sync(folder)
        finally:
            os.close(folder)


if sys.platform == "darwin":  # pragma: no cover
    import fcntl

    def _sync(file: int) -> None:
        # There fsync leaves it in the disk's own memory.
        try:
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        except OSError:  # not on every file system
            os.fsync(file)

else:
    _sync = os.fsync
