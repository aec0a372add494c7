"""One running node a profile: two would use a key twice.

The system holds the lock, not the file: whoever dies leaves it free.
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

    def __init__(self, path: Path) -> None:
        """Take it; its directory must be there. Raises `ProfileBusy`, or `ProfileError` without locks."""
        self._file: int | None = None
        for attempt in range(_TRIES):
            self._file = _try(path, shared=False)
            if self._file is not None:
                return
            if attempt + 1 < _TRIES:
                time.sleep(_PAUSE)
        raise ProfileBusy

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock. Raises `ProfileError` if that cannot be known."""
    if not path.exists():
        return False
    file = _try(path, shared=True)
    if file is not None:
        os.close(file)
    return file is None


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
