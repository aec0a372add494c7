"""A backup as a file: a head that the passphrase opens, and the rest sealed in chunks, like a file.

    struct {
        opaque magic[4] = "HLGB";
        uint8 version = 1;
        opaque key_file<V>;             // the profile's: its key, sealed under the passphrase
        opaque head[116];               // sealed under the profile's key
    } Start;
    backup = Start || blob

The blob is one of `heliogram.node.files`: in chunks, committed to its key, with a size on the Padmé grid, and
its key is used for this alone. Nothing is compressed: what somebody can make us keep would show in the size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from heliogram.codec import DecodeError, Reader, decode_all, opaque, u8, u64
from heliogram.mls import Secret
from heliogram.node.errors import (
    BackupFault,
    InvalidBackup,
    InvalidFile,
    NodeError,
    StoreDamaged,
    WrongPassphrase,
)
from heliogram.node.files import KEY_SIZE, Receiver, SealedFile, Sealer, measure
from heliogram.node.signing import Label, labelled_hash
from heliogram.node.store import keys
from heliogram.node.store.disk import sync_directory
from heliogram.wire.limits import HASH_SIZE

MAGIC, VERSION = b"HLGB", 1

#: Bytes of a key file at most, of a nonce, and of the sealed head.
_MAX_KEY_FILE, _NONCE = 1024, 12
_HEAD = _NONCE + KEY_SIZE + 8 + 2 * HASH_SIZE + 16

_PIECE = 1 << 20

Entropy = Callable[[int], bytes]
Source = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a backup is: what is in it, and the file."""

    content: int
    file: int


def write(path: Path, source: Source, *, key_file: bytes, key: Secret, entropy: Entropy) -> Sizes:
    """A new file with what `source` gives, the same each time. It is there when it is complete. Blocks.

    Raises `InvalidBackup` if there is such a file, if it cannot be written, or is more than a backup holds.
    """
    new = path.with_name(f"{path.name}.{entropy(4).hex()}.new")
    try:
        if path.exists():
            raise InvalidBackup(BackupFault.EXISTS)
        size, digest = measure(source())
        sealer = Sealer(size, digest, entropy=entropy)
        start = MAGIC + u8(VERSION) + opaque(key_file)
        with open(new, "xb", opener=_private) as out:
            out.write(start + bytes(_HEAD))
            for piece in sealer.seal(source()):
                out.write(piece)
            # Only now it is known what the blob hashes to.
            out.seek(len(start))
            out.write(_seal_head(sealer.file(), key, start, entropy))
            out.flush()
            os.fsync(out.fileno())
            total = out.seek(0, os.SEEK_END)
        _place(new, path)
        sync_directory(path.parent)
    except FileExistsError:
        raise InvalidBackup(BackupFault.EXISTS) from None
    except OSError:
        raise InvalidBackup(BackupFault.NOT_WRITTEN) from None
    except InvalidFile:
        raise InvalidBackup(BackupFault.TOO_LARGE) from None
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    return Sizes(size, total)


@dataclass(frozen=True, slots=True)
class Opened:
    """A backup whose head was opened."""

    path: Path = field(repr=False)
    file: SealedFile = field(repr=False)
    start: int

    def pieces(self) -> Iterator[bytes]:
        """What is in it, in pieces. Believe it when the last one came: raises `InvalidBackup` before that.

        Each piece is authentic, but only the end says that nothing is missing.
        """
        try:
            receiver = Receiver(self.file)
            with open(self.path, "rb") as file:
                file.seek(self.start)
                while piece := file.read(_PIECE):
                    if plain := receiver.receive(piece):
                        yield plain
            receiver.finish()
        except InvalidFile:
            raise InvalidBackup(BackupFault.DAMAGED) from None
        except OSError:
            raise InvalidBackup(BackupFault.NOT_READ) from None


def read(path: Path, phrase: Secret) -> Opened:
    """A backup, opened by its passphrase. Blocks for as long as a passphrase costs.

    Raises `WrongPassphrase`, and `InvalidBackup` for what is none.
    """
    try:
        with open(path, "rb") as file:
            key_file, start, head = _read_start(file)
    except OSError:
        raise InvalidBackup(BackupFault.NOT_READ) from None
    try:
        key = keys.unseal(key_file, phrase)
    except WrongPassphrase:
        raise
    except NodeError:
        raise InvalidBackup(BackupFault.DAMAGED) from None
    return Opened(path, _open_head(head, key, start), len(start) + _HEAD)


def _read_start(file: BinaryIO) -> tuple[bytes, bytes, bytes]:
    data = file.read(len(MAGIC) + 1 + 4 + _MAX_KEY_FILE + _HEAD)
    if data[: len(MAGIC)] != MAGIC:
        raise InvalidBackup(BackupFault.NOT_A_BACKUP)
    if len(data) == len(MAGIC) or data[len(MAGIC)] > VERSION:
        raise InvalidBackup(BackupFault.NEWER)
    try:
        reader = Reader(data[len(MAGIC) + 1 :])
        key_file = reader.opaque(_MAX_KEY_FILE)
        head = reader.fixed(_HEAD)
    except DecodeError:
        raise InvalidBackup(BackupFault.DAMAGED) from None
    return key_file, MAGIC + u8(data[len(MAGIC)]) + opaque(key_file), head


def _cipher(key: Secret) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(labelled_hash(Label.BACKUP_KEY, bytes(key)))


def _seal_head(file: SealedFile, key: Secret, start: bytes, entropy: Entropy) -> bytes:
    nonce = entropy(_NONCE)
    content = file.key + u64(file.size) + file.plaintext_hash + file.ciphertext_hash
    return nonce + _cipher(key).encrypt(nonce, content, start)


def _open_head(head: bytes, key: Secret, start: bytes) -> SealedFile:
    try:
        content = _cipher(key).decrypt(head[:_NONCE], head[_NONCE:], start)
        return decode_all(_file, content)
    except (InvalidTag, DecodeError, StoreDamaged):
        raise InvalidBackup(BackupFault.DAMAGED) from None


def _file(reader: Reader) -> SealedFile:
    key, size = reader.fixed(KEY_SIZE), reader.u64()
    return SealedFile(key, size, reader.fixed(HASH_SIZE), reader.fixed(HASH_SIZE))


def _place(new: Path, path: Path) -> None:
    """Give a file its name, but not over one that came meanwhile."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except (OSError, AttributeError):  # no such links on this disk
        if path.exists():
            raise FileExistsError from None
        os.rename(new, path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
