"""A whole sealed copy opened into a folder: verified, under a safe name, over nothing that is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from heliogram.node.errors import FileFault, InvalidFile
from heliogram.node.files import Receiver, SealedFile
from heliogram.node.store.disk import make_directory, sync_directory
from heliogram.node.transfer.naming import numbered, safe_name
from heliogram.node.transfer.sniffing import HEAD, Verdict, judge
from heliogram.node.transfer.spool import PIECE

#: How many files may have one name in a folder before we give up.
_MOST = 10_000


def save(
    sealed: Path, file: SealedFile, directory: Path, name: str, content_type: str
) -> tuple[Path, Verdict]:
    """Open `sealed` into `directory`; where it lies now, and what it is. Blocks.

    If the very same file is there already under this name, that one is given: whoever was killed right
    after saving does not save twice. Raises `InvalidFile` (`NOT_SAVED`: the disk); then nothing is left.
    """
    safe = safe_name(name)
    try:
        make_directory(directory)
        # Of this copy alone: whoever was killed while writing finds and replaces it.
        new = directory / f".heliogram-{sealed.name.partition('.')[0]}.part"
        new.unlink(missing_ok=True)
        try:
            head = _write(sealed, file, new)
            path = _place(new, directory, safe, file)
        finally:
            new.unlink(missing_ok=True)
        sync_directory(directory)
    except OSError:
        raise InvalidFile(FileFault.NOT_SAVED) from None
    return path, judge(content_type, safe, head)


def _write(sealed: Path, file: SealedFile, new: Path) -> bytes:
    receiver = Receiver(file)
    head = b""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(new, flags, 0o600), "wb") as out:
        for piece in _pieces(sealed):
            plain = receiver.receive(piece)
            if len(head) < HEAD:
                head += plain[: HEAD - len(head)]
            out.write(plain)
        receiver.finish()
        out.flush()
        os.fsync(out.fileno())
    return head


def _place(new: Path, directory: Path, name: str, file: SealedFile) -> Path:
    for number in range(_MOST):
        path = directory / numbered(name, number)
        try:
            # The name is ours from here on: what replaces this empty file, replaces nobody's.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(os.open(path, flags, 0o600))
        except FileExistsError:
            if _is(path, file):
                return path
            continue
        try:
            os.replace(new, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path
    raise InvalidFile(FileFault.NOT_SAVED)


def _is(path: Path, file: SealedFile) -> bool:
    """Whether the very file lies there."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size != file.size:
            return False
        digest = hashlib.sha256()
        for piece in _pieces(path):
            digest.update(piece)
    except OSError:
        return False
    return digest.digest() == file.plaintext_hash


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as source:
        while piece := source.read(PIECE):
            yield piece
