"""What an operator does with a data directory besides serving it: make it, look at it, make it small.

Nothing here shows an id: only the relay's own key, sizes, and how many there are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from heliogram.relay.errors import RelayError, StoreError
from heliogram.relay.operating import identity, settings
from heliogram.relay.operating.config import Config
from heliogram.relay.operating.disclosure import wipe
from heliogram.relay.operating.disclosure.pages import BadPage
from heliogram.relay.store import Database, Store
from heliogram.wire.signing import SigningKey

#: Pages that are given back in one transaction.
_SLICE = 10_000


@dataclass(frozen=True, slots=True)
class Condition:
    """How a data directory stands. Sizes in bytes."""

    running: bool
    key: str
    listen: str
    database_bytes: int
    #: What is committed and not yet in the database's file.
    wal_bytes: int
    blob_bytes: int
    logs: int
    inboxes: int
    blobs: int
    #: On the file system of the data directory.
    free_bytes: int


def make(
    config: Config, given: dict[str, Any], *, entropy: Callable[[int], bytes] = os.urandom
) -> SigningKey:
    """A new relay in the data directory of `config`, its file saying what was `given`.

    Raises `IdentityError` if the directory is not empty or cannot be written, `StoreError`.
    """
    made = identity.create(config.data, entropy=entropy)
    try:
        identity.write_new(config.data / settings.FILE_NAME, settings.render(given).encode())
        database = Database(config.database, writes=True)
        try:
            database.claim(made.public)
        finally:
            database.close()
        identity.sync_directory(config.data)
    except OSError as error:
        raise StoreError(f"{config.data} cannot be written: {error.strerror}") from None
    except RelayError as error:
        raise StoreError(f"the database cannot be written: {error.code.name}") from None
    return made


def check_database(config: Config, key: bytes) -> None:
    """Raise `StoreError` unless there is a database, and it is that of the relay with this public key."""
    with _reading(config) as database:
        database.check_owner(key)


def inspect(config: Config) -> Condition:
    """How the data directory stands, whether it is served or not. Raises `StoreError`, `IdentityError`."""
    with _reading(config) as database:
        owner = database.one("SELECT key FROM relay")
        logs, inboxes = (_count(database, table) for table in ("logs", "inboxes"))
    blobs, blob_bytes = _files(config.blobs)
    return Condition(
        running=identity.is_locked(config.data),
        key="" if owner is None else owner[0].hex(),
        listen=config.listen,
        database_bytes=_size(config.database),
        wal_bytes=_size(_wal(config)),
        blob_bytes=blob_bytes,
        logs=logs,
        inboxes=inboxes,
        blobs=blobs,
        free_bytes=shutil.disk_usage(config.data).free,
    )


def compact(config: Config) -> int:
    """Give all free pages back to the file system; how many bytes that were. Only under the directory's lock.

    Also clears what `secure_delete` leaves (`wipe_remains`). Raises `StoreError`.
    """
    check_exists(config)
    before = _size(config.database) + _size(_wal(config))
    store = Store(config.database, writes=True)
    try:
        store.database.checkpoint()
        while store.database.give_back(_SLICE):
            store.database.checkpoint()
        store.database.checkpoint()
    except apsw.Error as error:
        raise StoreError(f"the database cannot be compacted: {type(error).__name__}") from None
    finally:
        store.close()
    wipe_remains(config)
    return before - _size(config.database) - _size(_wal(config))


def wipe_remains(config: Config, *, ceiling: int | None = None) -> None:
    """Clear the copies that SQLite leaves in pages when rows move, whatever `secure_delete` says.

    Of a relay that has stopped, under the directory's lock. It reads the whole file; a database above
    `ceiling` bytes is left as it is. Raises `StoreError`.
    """
    if ceiling is not None and _size(config.database) > ceiling:
        return
    try:
        wipe(config.data)
    except (BadPage, OSError) as error:
        raise StoreError(
            f"what was deleted could not be cleared: {type(error).__name__}; run compact again"
        ) from None


def check_exists(config: Config) -> None:
    """Raise `StoreError` if the database is not there: a new one would have forgotten every vote."""
    if not config.database.exists():
        raise StoreError(
            f"{config.database} is missing. A relay without it has forgotten what it signed:"
            " do not go on with this identity, begin with a new relay"
        )


@contextmanager
def _reading(config: Config) -> Iterator[Database]:
    check_exists(config)
    database = Database(config.database, writes=False)
    try:
        yield database
    except apsw.Error as error:
        raise StoreError(f"the database cannot be read: {type(error).__name__}") from None
    finally:
        database.close()


def _count(database: Database, table: str) -> int:
    row = database.one(f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - a word of ours
    return 0 if row is None else int(row[0])


def _wal(config: Config) -> Path:
    return config.database.with_name(config.database.name + "-wal")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _files(folder: Path) -> tuple[int, int]:
    """How many files there are below `folder`, and their bytes together."""
    number = size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            number += 1
            size += _size(Path(path, name))
    return number, size
