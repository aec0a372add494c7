"""The files of blobs: `blobs/ab/<id>` whole, `uploads/<name>` in parts. Both names are 64 hexadecimal digits.

Everything here blocks: it runs in a thread pool, never on the loop. One caller at a time works on one
upload, and on one whole blob; `blob_service` sees to that. No error text has a path, since paths have ids.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from heliogram.relay.errors import DiskFull, Unavailable

#: Bytes that are hashed in one go when an upload's hash is not in memory.
HASH_SLICE = 32 << 20

#: Bytes of one read while hashing.
_READ = 1 << 20

#: Unfinished uploads whose hash is kept in memory: some hundred bytes each.
MAX_HASHES = 1024

#: Bytes of the disk that blobs leave free: the database must always be able to write.
RESERVE = 256 << 20

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_NAME = re.compile(r"[0-9a-f]{64}")
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class BlobFiles:
    """The folders of a relay's blobs."""

    def __init__(self, root: Path, *, reserve: int = RESERVE) -> None:
        """Use the folders `blobs` and `uploads` below `root`; make them if need be.

        `reserve` bytes of the disk stay free. Raises `DiskFull`, `Unavailable`.
        """
        self._root = root
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._reserve = reserve
        self._hashes: OrderedDict[bytes, tuple[int, hashlib._Hash]] = OrderedDict()
        self._lock = threading.Lock()
        with _refused():
            for folder in (self._blobs, self._uploads):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(root)

    # --- uploads ---

    def resume(self, name: bytes, stored: int, more: int) -> Upload:
        """The upload `name`, open for `more` bytes behind the first `stored`; what lies there is cut off.

        If the file is shorter than `stored`, its `offset` says so. Raises `DiskFull`, `Unavailable`.
        """
        self.check_room(more)
        with _refused():
            path = self._upload(name)
            new = not path.exists()
            descriptor = os.open(path, _FLAGS, 0o600)
            try:
                offset = min(os.fstat(descriptor).st_size, stored)
                os.ftruncate(descriptor, offset)
                if not stored:
                    # Its name may be there and not on disk: who made the file was killed here, or failed.
                    _sync_folder(self._uploads)
            except BaseException:
                os.close(descriptor)
                if new:
                    # What a folder did not take it may never take. The next try makes another one.
                    path.unlink(missing_ok=True)
                raise
        return Upload(descriptor, offset, *self._known_hash(name, offset))

    def close(self, name: bytes, upload: Upload) -> None:
        """Close an upload's file. How far it is hashed stays in memory."""
        upload.close()
        with self._lock:
            self._hashes[name] = (upload.hashed, upload.sha256)
            self._hashes.move_to_end(name)
            while len(self._hashes) > MAX_HASHES:
                self._hashes.popitem(last=False)

    def check_room(self, more: int) -> None:
        """Raises `DiskFull` if `more` bytes would touch the reserve."""
        with _refused():
            if shutil.disk_usage(self._root).free < self._reserve + more:
                raise DiskFull

    def drop_upload(self, name: bytes) -> None:
        """Delete an upload. Raises `Unavailable`."""
        with self._lock:
            self._hashes.pop(name, None)
        with _refused():
            self._upload(name).unlink(missing_ok=True)

    def finish(self, name: bytes, blob: bytes, size: int) -> bool:
        """Let an upload that is on disk and hashes to `blob` become the blob. On disk when this returns.

        False if the blob was there already; then the upload still is too. Raises `DiskFull`, `Unavailable`.
        """
        target = self._blob(blob)
        with _refused():
            if self.size(blob) == size:
                # Whoever made it may have been interrupted before its name was on disk.
                self.secure(blob)
                return False
            folder = target.parent
            if not folder.exists():
                folder.mkdir(mode=0o700)
                _sync_folder(self._blobs)
            os.replace(self._upload(name), target)
        self.secure(blob)
        return True

    def unfinish(self, name: bytes, blob: bytes) -> None:
        """Undo `finish`, since the database could not say so. Raises `Unavailable`."""
        with _refused():
            os.replace(self._blob(blob), self._upload(name))

    def secure(self, blob: bytes) -> None:
        """Have the name of a blob that is there on disk. Raises `DiskFull`, `Unavailable`."""
        with _refused():
            # A renaming between two folders is there for certain when both are.
            _sync_folder(self._blob(blob).parent)
            _sync_folder(self._uploads)

    # --- blobs ---

    def open(self, blob: bytes, size: int) -> BinaryIO | None:
        """A blob's file to read from, unbuffered; None if it is not there whole. Raises `Unavailable`."""
        with _refused():
            try:
                file = open(self._blob(blob), "rb", buffering=0)
            except FileNotFoundError:
                return None
            if os.fstat(file.fileno()).st_size == size:
                return file
            file.close()
            return None

    def drop_blob(self, blob: bytes) -> None:
        """Delete a blob. Raises `Unavailable`."""
        with _refused():
            self._blob(blob).unlink(missing_ok=True)

    # --- what there is ---

    def size(self, blob: bytes) -> int | None:
        """The bytes of a blob's file; None if there is none."""
        return _size(self._blob(blob))

    def uploaded(self, name: bytes) -> int | None:
        """The bytes of an upload's file; None if there is none."""
        return _size(self._upload(name))

    def uploads(self) -> Iterator[bytes]:
        """The names of all uploads."""
        return _names(self._uploads)

    def blobs(self) -> Iterator[bytes]:
        """The ids of all blobs."""
        for number in range(256):
            folder = self._blobs / f"{number:02x}"
            if folder.is_dir():
                yield from (one for one in _names(folder) if one[0] == number)

    def _blob(self, blob: bytes) -> Path:
        text = blob.hex()
        return self._blobs / text[:2] / text

    def _upload(self, name: bytes) -> Path:
        return self._uploads / name.hex()

    def _known_hash(self, name: bytes, offset: int) -> tuple[int, hashlib._Hash]:
        with self._lock:
            hashed, digest = self._hashes.pop(name, (0, hashlib.sha256()))
        # What was hashed behind `offset` never came to lie on the disk.
        return (hashed, digest) if hashed <= offset else (0, hashlib.sha256())


class Upload:
    """An upload's file, open at its end."""

    __slots__ = ("_descriptor", "_failed", "hashed", "offset", "sha256")

    def __init__(self, descriptor: int, offset: int, hashed: int, sha256: hashlib._Hash) -> None:
        self._descriptor = descriptor
        self._failed = False
        #: Bytes that are written; on disk only after `sync`.
        self.offset = offset
        #: The first bytes that went into `sha256`; fewer than `offset` after a restart.
        self.hashed = hashed
        self.sha256 = sha256

    def close(self) -> None:
        """Close the file. What the system says of that is of no use: `sync` has said what counts."""
        with suppress(OSError):
            os.close(self._descriptor)

    def append(self, data: bytes) -> None:
        """Write `data` at the end. Raises `DiskFull`, `Unavailable`; then the offset is what it was."""
        rest = memoryview(data)
        with _refused():
            os.lseek(self._descriptor, self.offset, os.SEEK_SET)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        if self.hashed == self.offset:
            self.sha256.update(data)
            self.hashed += len(data)
        self.offset += len(data)

    def sync(self) -> None:
        """Have all that was written on disk. Raises `DiskFull`, `Unavailable`, and from then on always."""
        if self._failed:
            # The system forgets what it could not write: a later fsync says nothing about it.
            raise Unavailable
        self._failed = True
        with _refused():
            os.fsync(self._descriptor)
        self._failed = False

    def catch_up(self) -> bool:
        """Hash a slice of what is not hashed yet. Whether that was all. Raises `Unavailable`."""
        end = min(self.offset, self.hashed + HASH_SLICE)
        with _refused():
            os.lseek(self._descriptor, self.hashed, os.SEEK_SET)
            while self.hashed < end:
                data = os.read(self._descriptor, min(_READ, end - self.hashed))
                if not data:
                    raise Unavailable
                self.sha256.update(data)
                self.hashed += len(data)
        return self.hashed == self.offset


@contextmanager
def _refused() -> Iterator[None]:
    """What the disk refuses, as what the client is told. The system's text is left out: it names the file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull from None
        raise Unavailable from None


def _sync_folder(path: Path) -> None:
    """Have a folder's entries on disk. Windows cannot open folders, and writes their entries through."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int | None:
    with _refused():
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None


def _names(folder: Path) -> Iterator[bytes]:
    with _refused(), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                yield bytes.fromhex(entry.name)
