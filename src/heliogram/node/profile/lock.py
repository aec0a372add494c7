"""One running node a profile: two would use a key twice.

The system holds the lock, not the file: whoever dies leaves it free. For a profile the directory is locked as
well, where the system can: somebody may delete the file, and the next one would lock another.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

from heliogram.node.errors import ProfileBusy, ProfileError

#: How often and how long apart, in seconds, a lock is tried: who only looks holds it for a moment.
_TRIES: Final = 5
_PAUSE: Final = 0.05


class Lock:
    """A lock that this process holds until it releases it or ends."""

    def __init__(self, path: Path, *, directory: bool = False) -> None:
        """Take it, with its `directory`, which must be there. Others can have the directory's other locks.

        Raises `ProfileBusy`, or `ProfileError` without locks.
        """
        self._held: tuple[int, ...] = ()
        for attempt in range(_TRIES):
            held = _try_both(path, shared=False) if directory else _try_one(path, shared=False)
            if held is not None:
                self._held = held
                return
            if attempt + 1 < _TRIES:
                time.sleep(_PAUSE)
        raise ProfileBusy

    def release(self) -> None:
        """Let others have it."""
        held, self._held = self._held, ()
        for file in held:
            os.close(file)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock. Raises `ProfileError` if that cannot be known."""
    if not path.parent.exists():
        return False
    held = (
        _try_both(path, shared=True) if path.exists() else _try_directory(path.parent, shared=True)
    )
    for file in held or ():
        os.close(file)
    return held is None


def _try_one(path: Path, *, shared: bool) -> tuple[int] | None:
    """The locked file. None if somebody else has it."""
    file = _try(path, shared=shared)
    return None if file is None else (file,)


def _try_both(path: Path, *, shared: bool) -> tuple[int, ...] | None:
    """What is locked now: the file and its directory. None if somebody else has one of them."""
    file = _try(path, shared=shared)
    if file is None:
        return None
    try:
        directory = _try_directory(path.parent, shared=shared)
    except BaseException:
        os.close(file)
        raise
    if directory is None:
        os.close(file)
        return None
    return (file, *directory)


def _try_directory(path: Path, *, shared: bool) -> tuple[int, ...] | None:
    """The locked directory; nothing where directories cannot be locked; None if somebody else has it."""
    if os.name != "posix":
        return ()
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return ()
    try:
        locked = _lock_file(file, shared=shared)
    except OSError:  # some network file systems
        os.close(file)
        return ()
    if locked:
        return (file,)
    os.close(file)
    return None


def _try(path: Path, *, shared: bool) -> int | None:
    """The locked file, or None if somebody else has it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ProfileError(f"the profile cannot be locked: {error.strerror}") from None
    try:
        if _lock_file(file, shared=shared):
            return file
    except OSError as error:
        os.close(file)
        raise ProfileError(
            f"the file system cannot lock the profile: {error.strerror}. Use a local disk"
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
