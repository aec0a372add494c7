"""Who this relay is: the secret seed of its key, and the lock on its data directory.

    with lock(data):                # one process at a time
        identity = load(data)

What a relay signed it must never contradict. So its data directory is made once, is served by one process,
and is never restored from a backup: an older copy has forgotten votes that others remember.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from heliogram.wire.limits import KEY_SIZE
from heliogram.wire.signing import SigningKey

#: In the data directory: the seed in hexadecimal, and the file that is locked.
FILE_NAME: Final = "identity"
LOCK_NAME: Final = "lock"

#: How often and how long apart, in seconds, a lock is tried: who only looks holds it for a moment.
_TRIES: Final = 5
_PAUSE: Final = 0.05


class IdentityError(Exception):
    """This data directory cannot be used. The text is for the operator and holds no secret."""


class NoIdentity(IdentityError):
    """There is no relay in this directory."""

    def __init__(self, data: Path) -> None:
        super().__init__(f"{data}: there is no relay here yet.")
        self.data = data


class Busy(IdentityError):
    """Another process serves this directory."""


# --- The seed -------------------------------------------------------------------------------------


def create(data: Path, *, entropy: Callable[[int], bytes]) -> SigningKey:
    """A new relay's key, its seed on disk in the new or empty directory `data`. Raises `IdentityError`."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(data.iterdir()):
            raise IdentityError(
                f"{data} is not empty. A relay begins in a directory of its own, and only once: if its"
                " data was restored from a backup, it would contradict what it signed since."
                " Choose another directory."
            )
        check_directory(data)
        seed = entropy(KEY_SIZE)
        write_new(data / FILE_NAME, seed.hex().encode() + b"\n")
        sync_directory(data)
    except OSError as error:
        raise IdentityError(f"{data}: it cannot be written: {error.strerror}.") from None
    return SigningKey(seed)


def load(data: Path) -> SigningKey:
    """The key of the relay in `data`. Raises `IdentityError`; `NoIdentity` if there is none."""
    path = data / FILE_NAME
    try:
        check_directory(data)
        content = _read_private(path)
    except FileNotFoundError:
        raise NoIdentity(data) from None
    except OSError as error:
        raise IdentityError(f"{path}: it cannot be read: {error.strerror}.") from None
    try:
        seed = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        seed = b""
    if len(seed) != KEY_SIZE:
        raise IdentityError(
            f"{path}: it is damaged: it should be {2 * KEY_SIZE} hexadecimal digits."
            " Bring back this one file from a copy of it, or begin with a new relay."
        )
    return SigningKey(seed)


def check_directory(data: Path) -> None:
    """Raise `IdentityError` if others could put files into the data directory; `OSError` if it is none."""
    if os.name == "posix" and data.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise IdentityError(
            f"{data}: others on this machine can write into it. Allow only its owner: chmod 700"
        )


def write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there, for its owner only, and have it on disk. Raises `OSError`."""
    # Private from the first moment: a later chmod would be too late.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(file)


def _read_private(path: Path) -> bytes:
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(file, "rb") as stream:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise IdentityError(f"{path}: it is no file.")
        if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise IdentityError(
                f"{path}: others on this machine can read it, and whoever has it can speak as this relay."
                " If nobody did, allow only its owner: chmod 600. Else begin with a new relay."
            )
        return stream.read(4 * KEY_SIZE)


def sync_directory(path: Path) -> None:
    """Have the names of new files on disk. Raises `OSError`."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


# --- The lock -------------------------------------------------------------------------------------


@contextmanager
def lock(data: Path) -> Iterator[None]:
    """Be the one process that serves `data`. Raises `Busy`, or `IdentityError` if there is no lock to be had.

    The system holds the lock, not the file: whoever dies leaves it free.
    """
    for attempt in range(_TRIES):
        if (file := _try_lock(data, shared=False)) is not None:
            break
        if attempt + 1 < _TRIES:
            time.sleep(_PAUSE)
    else:
        raise Busy(f"{data}: another process serves this directory. Stop it first.")
    try:
        yield
    finally:
        os.close(file)


def is_locked(data: Path) -> bool:
    """Whether a process serves `data`."""
    if not (data / LOCK_NAME).exists():
        return False
    file = _try_lock(data, shared=True)
    if file is not None:
        os.close(file)
    return file is None


def _try_lock(data: Path, *, shared: bool) -> int | None:
    """The locked file, or None if somebody else has it."""
    path = data / LOCK_NAME
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        raise NoIdentity(data) from None
    except OSError as error:
        raise IdentityError(f"{path}: it cannot be opened: {error.strerror}.") from None
    try:
        if _lock_file(file, shared=shared):
            return file
    except OSError as error:
        os.close(file)
        raise IdentityError(
            f"{path}: the file system cannot lock it: {error.strerror}. Use a local disk."
        ) from None
    os.close(file)
    return None


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock_file(file: int, *, shared: bool) -> bool:
        del shared  # there is one kind only
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _lock_file(file: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
