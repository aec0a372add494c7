"""The database of one relay: an SQLite file that is durable, current, and forgets what is deleted.

WAL with `synchronous=FULL`: a commit is on disk before it returns, and before any reader sees it.
`secure_delete` overwrites what is deleted, `temp_store=MEMORY` leaves nothing in temporary files. There is
one writer. Checkpoints run on its connection only: older versions of SQLite had a bug there that could
destroy the file, so too old a library is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import apsw

from heliogram.relay.errors import DiskFull, RelayError, StoreError, Unavailable

#: The schema's version, in the file's `user_version`.
SCHEMA_VERSION = 1

#: "HLGR": what this file is, for whoever meets it.
APPLICATION_ID = 0x484C4752

#: SQLite before this one may destroy a WAL file with several connections (the WAL-reset bug).
OLDEST_SQLITE = (3, 51, 3)

#: Bytes of a page. Seven entries of a kibibyte fit into one.
PAGE_SIZE = 8192

#: Pages of the WAL after which the writer moves them into the file: 16 MiB.
CHECKPOINT_PAGES = 2048

#: Milliseconds to wait for another connection: in general, and for those that read when the WAL is cut.
PATIENCE, CHECKPOINT_PATIENCE = 10_000, 100

#: Kibibytes of pages that one connection keeps in memory.
CACHE_KIB = 16 << 10

Row = tuple[Any, ...]


class Database:
    """A connection. Not for two threads at once."""

    def __init__(self, path: Path, *, writes: bool) -> None:
        """Open the file; a writer makes it if it is not there. Raises `StoreError` if it cannot serve."""
        _check_library()
        flags = apsw.SQLITE_OPEN_READONLY
        if writes:
            flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        try:
            self._connection = apsw.Connection(str(path), flags, statementcachesize=200)
        except apsw.Error as error:
            raise _unusable(error) from error
        try:
            self._connection.set_busy_timeout(PATIENCE)
            new = writes and self._is_new()
            if not new:
                self._check()
            if writes:
                self._prepare(new=new)
            else:
                self._set("query_only", "ON")
            self._set("temp_store", "MEMORY")
            self._set("cache_size", f"-{CACHE_KIB}")
            self._check_promises()
            if writes:
                # What a killed process wrote may be readable and not on disk, and after an fsync that failed
                # no later one says that it is. Nothing may be answered on the strength of it.
                self._cut()
        except apsw.BusyError as error:
            self.close()
            raise StoreError(
                "the database cannot be brought to disk: somebody reads it, end that program"
            ) from error
        except apsw.FullError as error:
            self.close()
            raise StoreError("there is no room on its disk: make some, and start again") from error
        except apsw.Error as error:
            self.close()
            raise _unusable(error) from error
        except StoreError:
            self.close()
            raise

    def all(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def rows(self, sql: str, *values: Any) -> Iterator[Row]:
        """The rows of a query, one after the other."""
        return iter(self._connection.execute(sql, values))

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, or None."""
        return self._connection.execute(sql, values).fetchone()

    def run(self, sql: str, *values: Any) -> None:
        """Run a statement that gives no rows."""
        self._connection.execute(sql, values)

    def run_many(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement for each of `rows`."""
        self._connection.executemany(sql, rows)

    def inserted(self) -> int:
        """The row number of the last insertion."""
        return self._connection.last_insert_rowid()

    def changes(self) -> int:
        """How many rows the last statement changed."""
        return self._connection.changes()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on disk at the end. Raises `DiskFull` or `Unavailable`: nothing is kept."""
        try:
            self.run("BEGIN IMMEDIATE")
            yield
            self.run("COMMIT")
        except BaseException as error:
            self._roll_back()
            if isinstance(error, _TROUBLE):
                raise refusal(error) from error
            raise

    def claim(self, key: bytes) -> None:
        """Make this new database the one of the relay with the public key `key`. Raises `StoreError`."""
        if self.one("SELECT 1 FROM relay") is not None:
            raise StoreError("the database is a relay's already")
        with self.transaction():
            self.run("INSERT INTO relay VALUES (1, ?)", key)

    def check_owner(self, key: bytes) -> None:
        """Raise `StoreError` unless this is the database of the relay with the public key `key`.

        A relay with another one's database, or with an empty one, would contradict what it signed before.
        """
        row = self.one("SELECT key FROM relay")
        if row is None:
            raise StoreError("the database does not say whose it is: it was not made by init")
        if row[0] != key:
            raise StoreError("the database is another relay's: its key is not that of the identity")

    def close(self) -> None:
        """Close the connection. The last one leaves no WAL behind if it may write and the disk works."""
        self._connection.close()

    def give_back(self, pages: int) -> bool:
        """Give up to `pages` free pages back to the file system; whether there may be more."""
        free: int = self._get("freelist_count")
        if free:
            self._connection.execute(f"PRAGMA incremental_vacuum({int(pages)})").fetchall()
        return free > pages

    def checkpoint(self, patience: int = CHECKPOINT_PATIENCE) -> bool:
        """Move the WAL into the file and cut it to nothing. Only on the writer's connection.

        False if somebody reads for longer than `patience` milliseconds, or the disk does not write: the next
        one does it.
        """
        self._connection.set_busy_timeout(patience)
        try:
            self._cut()
        except _TROUBLE:
            return False
        finally:
            self._connection.set_busy_timeout(PATIENCE)
        return True

    def _cut(self) -> None:
        # A file may be cut piece by piece (Btrfs does), and the power may go between two of them. What is
        # left of a WAL is whole as far as it goes: its older pages would be read over the newer ones of the
        # file. So it begins anew first, with one page that is the file's own: no piece of that is old.
        pages, _ = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        if pages > 0:
            self._set("user_version", str(SCHEMA_VERSION))
            pages, _ = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
            if pages != 1:
                raise apsw.BusyError("somebody reads the WAL")
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after some errors: a full disk, a failed write.
        if self._connection.in_transaction:
            try:
                self.run("ROLLBACK")
            except apsw.Error as error:
                raise Unavailable from error

    def _is_new(self) -> bool:
        """Whether nobody has written to this file, or only the beginning of what `_prepare` does."""
        marks = self._get("application_id"), self._get("user_version")
        return marks == (0, 0) and self.one("SELECT 1 FROM sqlite_schema") is None

    def _prepare(self, *, new: bool) -> None:
        if new:
            self._set("page_size", str(PAGE_SIZE))
            self._set("auto_vacuum", "INCREMENTAL")
        self._set("journal_mode", "WAL")
        self._set("synchronous", "FULL")
        self._set("secure_delete", "ON")
        self._set("wal_autocheckpoint", str(CHECKPOINT_PAGES))
        self._set("journal_size_limit", str(CHECKPOINT_PAGES * PAGE_SIZE))
        if new:
            schema = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
            head = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION};"
            self._connection.execute(f"BEGIN IMMEDIATE; {schema}; {head} COMMIT")

    def _check(self) -> None:
        """Refuse a file that is not ours, before anything in it is changed."""
        if self._get("application_id") != APPLICATION_ID:
            raise StoreError("the database is not a relay's")
        if self._get("user_version") != SCHEMA_VERSION:
            raise StoreError("the database was written by another version")

    def _check_promises(self) -> None:
        """Refuse a file that would not keep its word."""
        if self._get("journal_mode") != "wal":
            raise StoreError("the file system does not allow a write-ahead log")
        if not self._connection.readonly("main") and self._get("synchronous") != 2:
            raise StoreError("the database would not wait for the disk")

    def _get(self, pragma: str) -> Any:
        return self._connection.pragma(pragma)

    def _set(self, pragma: str, value: str) -> None:
        self._connection.execute(f"PRAGMA {pragma}={value}")


#: What the disk or the system does to us. Anything else that SQLite raises is a bug of ours.
_TROUBLE = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.CorruptError,
    apsw.NotADBError,
)


def _unusable(error: apsw.Error) -> StoreError:
    return StoreError(f"the database cannot be opened: {type(error).__name__}")


def refusal(error: Exception) -> RelayError:
    """What a failed write is to the client: the disk is full, or it cannot be done now."""
    if isinstance(error, apsw.FullError):
        return DiskFull()
    return Unavailable()


def _check_library() -> None:
    version = tuple(map(int, apsw.sqlite_lib_version().split(".")[:3]))
    if version < OLDEST_SQLITE:
        raise StoreError(
            f"SQLite {apsw.sqlite_lib_version()} may damage its files; "
            f"{'.'.join(map(str, OLDEST_SQLITE))} is needed: update the package apsw"
        )
