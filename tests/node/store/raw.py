"""The bytes of a profile's files: as they lie there, and decrypted page by page, free space included."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from heliogram.mls import Secret

PAGE = 4096
#: At the end of each page: 16 bytes to begin with, and 64 to authenticate.
RESERVED = 80


def lying(folder: Path) -> bytes:
    """All bytes of all files below a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def decrypted(database: Path, key: Secret) -> bytes:
    """Everything in a database and its write-ahead log that the key opens."""
    found = []
    content = database.read_bytes()
    for number in range(len(content) // PAGE):
        found.append(_page(content[number * PAGE :][:PAGE], key, first=number == 0))
    log = database.with_name(database.name + "-wal")
    if log.exists():
        frames = log.read_bytes()[32:]
        for at in range(0, len(frames) - PAGE - 23, PAGE + 24):
            frame = frames[at : at + 24 + PAGE]
            found.append(_page(frame[24:], key, first=frame[:4] == b"\0\0\0\1"))
    return b"".join(found)


def _page(page: bytes, key: Secret, *, first: bool) -> bytes:
    # The first 16 bytes of the file are the salt.
    content = page[16 if first else 0 : -RESERVED]
    start = page[-RESERVED : -RESERVED + 16]
    cipher = Cipher(algorithms.AES(bytes(key)), modes.CBC(start)).decryptor()
    return cipher.update(content) + cipher.finalize()
