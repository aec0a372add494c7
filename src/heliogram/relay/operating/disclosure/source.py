"""A data directory, opened to look at: while its relay runs, after it has stopped, after it has crashed.

All that is read from the database is one moment of it. SQLite keeps that moment for a reader. Nothing is
made or changed, but that after a crash SQLite makes the index of the write-ahead log anew.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import apsw

from heliogram.relay.errors import StoreError
from heliogram.relay.store.database import APPLICATION_ID, SCHEMA_VERSION, Row

DATABASE, WAL, INDEX = "relay.db", "relay.db-wal", "relay.db-shm"
IDENTITY, SETTINGS, LOCK = "identity", "relay.toml", "lock"
BLOBS, UPLOADS = "blobs", "uploads"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the schema does not explain: where it is, and why. Never what it is."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Source:
    """A data directory. Use it with `with`."""

    def __init__(self, data: Path) -> None:
        """Raises `StoreError` if there is no relay's database."""
        self.data = data
        self.running = is_served(data)
        database = data / DATABASE
        if not database.is_file():
            raise StoreError(f"{data} has no {DATABASE}: this is no relay's directory")
        #: Of the index before it was opened: after a crash SQLite makes it anew.
        self.index_size = _size(data / INDEX)
        # Without a log and its index the file is all there is, and must stay so: SQLite would make both.
        self._at_rest = not self.running and not (data / INDEX).exists() and not _size(data / WAL)
        self._before = self._stamp()
        mode = "immutable=1" if self._at_rest else "mode=ro"
        name = f"file:{quote(str(database.absolute()))}?{mode}"
        try:
            self._connection = apsw.Connection(
                name, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            )
            self._connection.set_busy_timeout(10_000)
            for setting in ("query_only=ON", "temp_store=MEMORY", "cell_size_check=ON"):
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute("BEGIN")
            self._check()
        except apsw.Error as error:
            raise StoreError(f"the database cannot be opened: {type(error).__name__}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def rows(self, sql: str, *values: Any) -> Iterator[Row]:
        """The rows of a query. Raises `StoreError` if they cannot be read."""
        try:
            yield from self._connection.execute(sql, values)
        except apsw.Error as error:
            raise StoreError(f"the database cannot be read: {type(error).__name__}") from error

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, or None. Raises `StoreError`."""
        return next(self.rows(sql, *values), None)

    def number(self, sql: str, *values: Any) -> int:
        """The one number that a query gives; 0 for none."""
        row = self.one(sql, *values)
        return 0 if row is None or row[0] is None else int(row[0])

    def check_unchanged(self) -> None:
        """Raise `StoreError` if a relay was started while its directory was read as one at rest."""
        if self._at_rest and (is_served(self.data) or self._stamp() != self._before):
            raise StoreError("the relay was started meanwhile: look again")

    def _check(self) -> None:
        # Reading anything also begins the moment that is shown.
        if self._connection.pragma("application_id") != APPLICATION_ID:
            raise StoreError("the database is not a relay's")
        if self._connection.pragma("user_version") != SCHEMA_VERSION:
            raise StoreError("the database was written by another version")
        self.number("SELECT COUNT(*) FROM sqlite_schema")

    def _stamp(self) -> tuple[int, int]:
        stat = (self.data / DATABASE).stat()
        return stat.st_size, stat.st_mtime_ns


def is_served(data: Path) -> bool:
    """Whether a process serves this directory. Unlike the relay itself this makes no file for that."""
    try:
        import fcntl

        file = os.open(data / LOCK, os.O_RDONLY)
    except (FileNotFoundError, ImportError):
        return (data / INDEX).exists()
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return True
        raise StoreError(f"the lock cannot be read: {error.strerror}") from None
    finally:
        os.close(file)
    return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
