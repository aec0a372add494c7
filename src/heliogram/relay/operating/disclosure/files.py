"""Files of a data directory, and whether each is one that a relay has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from heliogram.relay.operating import settings
from heliogram.relay.operating.disclosure.source import (
    BLOBS,
    DATABASE,
    IDENTITY,
    INDEX,
    LOCK,
    SETTINGS,
    UPLOADS,
    WAL,
    Finding,
    Source,
)
from heliogram.relay.store.blobs import BlobRecord
from heliogram.wire.limits import KEY_SIZE
from heliogram.wire.signing import SigningKey

_NAME = re.compile(r"[0-9a-f]{64}")
_SEED = re.compile(rb"[0-9a-f]{%d}\n" % (2 * KEY_SIZE))

#: The index of the write-ahead log grows by this many bytes.
_INDEX_SLICE = 32 << 10

_READ = 1 << 20


def check(source: Source) -> Iterator[Finding]:
    """What lies in the directory and belongs to nothing, or is not what its name says."""
    names = {DATABASE, WAL, INDEX, IDENTITY, SETTINGS, LOCK, BLOBS, UPLOADS}
    for entry in _entries(source.data):
        folder = entry.name in (BLOBS, UPLOADS)
        if entry.name not in names and not _is_tls(source.data, entry.name):
            yield Finding(_shown(entry.name), "no file of a relay")
        elif entry.is_symlink() or entry.is_dir(follow_symlinks=False) != folder:
            yield Finding(_shown(entry.name), "not the kind of file that it should be")
    yield from _identity(source)
    yield from _settings(source.data)
    if _size(source.data / LOCK):
        yield Finding(LOCK, "it is not empty")
    if source.index_size % _INDEX_SLICE:
        yield Finding(INDEX, "not the size of an index")
    yield from _blobs(source)
    yield from _uploads(source)


def each(data: Path) -> Iterator[Path]:
    """All files below the data directory, in order."""
    for folder, folders, names in os.walk(data):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def _identity(source: Source) -> Iterator[Finding]:
    try:
        content = (source.data / IDENTITY).read_bytes()
    except FileNotFoundError:
        yield Finding(IDENTITY, "it is missing")
        return
    if not _SEED.fullmatch(content):
        yield Finding(IDENTITY, "more or less than a seed")
        return
    row = source.one("SELECT key FROM relay")
    public = SigningKey(bytes.fromhex(content.decode("ascii"))).public
    if row is not None and row[0] != public:
        yield Finding(IDENTITY, "not the key of the database")


def _settings(data: Path) -> Iterator[Finding]:
    path = data / SETTINGS
    if not path.exists():
        return
    try:
        settings.load(data, file=path)
    except settings.ConfigError:
        yield Finding(SETTINGS, "these are no settings of a relay")


def _is_tls(data: Path, name: str) -> bool:
    """Whether the operator's certificate or its key lies in the directory under this name."""
    try:
        tls = settings.load(data).tls
    except settings.ConfigError:
        return False
    return tls is not None and data / name in tls


def _blobs(source: Source) -> Iterator[Finding]:
    found: set[bytes] = set()
    for entry in _entries(source.data / BLOBS):
        shown = f"{BLOBS}/{_shown(entry.name)}"
        if not re.fullmatch(r"[0-9a-f]{2}", entry.name) or not _is_folder(entry):
            yield Finding(shown, "no folder of blobs")
            continue
        for file in _entries(Path(entry.path)):
            where = f"{shown}/{_shown(file.name)}"
            if not _NAME.fullmatch(file.name) or file.name[:2] != entry.name or not _is_file(file):
                yield Finding(where, "no name of a blob")
                continue
            blob = bytes.fromhex(file.name)
            found.add(blob)
            size = source.one("SELECT size FROM blobs WHERE blob=? AND stored=size", blob)
            yield from _blob(source, where, Path(file.path), None if size is None else size[0])
    for (blob,) in source.rows("SELECT DISTINCT blob FROM blobs WHERE stored=size"):
        if blob not in found and not source.running:
            yield Finding(f"{DATABASE}, table blobs", "a blob that is not on disk")


def _blob(source: Source, where: str, path: Path, size: int | None) -> Iterator[Finding]:
    try:
        if size is None:
            # A row goes before its file, and comes after it.
            if not source.running:
                yield Finding(where, "a blob that nobody announced")
        elif path.stat().st_size != size:
            yield Finding(where, "not the size of the blob")
        elif _digest(path).hex() != path.name:
            yield Finding(where, "it does not hash to its name")
    except FileNotFoundError:
        return  # deleted meanwhile


def _uploads(source: Source) -> Iterator[Finding]:
    waiting = {
        BlobRecord(*row).upload.hex(): row[2]
        for row in source.rows(
            "SELECT blob, delete_hash, size, stored, expires, touched FROM blobs WHERE stored<size"
        )
    }
    for file in _entries(source.data / UPLOADS):
        where = f"{UPLOADS}/{_shown(file.name)}"
        size = waiting.get(file.name)
        if not _NAME.fullmatch(file.name) or not _is_file(file):
            yield Finding(where, "no name of an upload")
        elif size is None:
            if not source.running:
                yield Finding(where, "an upload that nobody announced")
        elif _size(Path(file.path)) > size:
            yield Finding(where, "larger than what was announced")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda one: one.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _digest(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while data := file.read(_READ):
            digest.update(data)
    return digest.digest()


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _shown(name: str) -> str:
    """A file's name, cut short and without control characters."""
    return name if name.isascii() and name.isprintable() and len(name) <= 64 else ascii(name)[:64]
