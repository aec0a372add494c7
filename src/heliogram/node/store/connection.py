"""One connection to an encrypted file: opened with its key, set up, and what its errors mean.

SQLCipher encrypts and authenticates each page, those of the write-ahead log too. The key is 32 random bytes,
given raw, so that opening costs a millisecond. Its option to wipe memory is left off: Python keeps copies
that no option reaches, and each page would cost more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlcipher3 import dbapi2

from heliogram.mls import Secret
from heliogram.node.errors import (
    NodeError,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreNewer,
    WrongPassphrase,
)

#: "HLGN": what this file is, for whoever meets it with its key.
APPLICATION_ID: Final = 0x484C474E

#: Bytes of a database key.
KEY_SIZE: Final = 32

#: SQLite before this one may destroy a WAL file with several connections (the WAL-reset bug).
OLDEST_SQLITE: Final = (3, 51, 3)

#: Seconds to wait for another connection.
PATIENCE: Final = 10.0

#: Kibibytes of pages that one connection keeps in memory.
CACHE_KIB: Final = 32 << 10

#: Pages of 4 KiB in the WAL after which they are moved into the file.
CHECKPOINT_PAGES: Final = 2048

_STATEMENTS: Final = 256

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = tuple[Any, ...]

# SQLite's result codes, without the detail in their upper bits.
_PERM, _BUSY, _LOCKED, _NOMEM, _READONLY, _INTERRUPT, _IOERR, _CORRUPT = 3, 5, 6, 7, 8, 9, 10, 11
_FULL, _CANTOPEN, _AUTH, _NOTADB = 13, 14, 23, 26

_SENTENCES: Final = {
    _PERM: "the profile may not be read or written: look at the rights of its files",
    _BUSY: "another program holds the profile's database: end it",
    _LOCKED: "another program holds the profile's database: end it",
    _NOMEM: "there is not enough memory",
    _READONLY: "the profile's database cannot be written: look at the rights of its files and the disk",
    _INTERRUPT: "it was ended before it was done",
    _IOERR: "the disk does not read or write: look at it, and start again",
    _CANTOPEN: "the profile's database cannot be opened: look at the rights of its files and directory",
    _AUTH: "the profile may not be read or written: look at the rights of its files",
}


def translated(error: dbapi2.Error) -> NodeError | None:
    """What trouble with the disk or the file is to a caller; None for a bug of ours."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _FULL:
        return StoreFull()
    if code in (_CORRUPT, _NOTADB):
        return StoreDamaged()
    sentence = _SENTENCES.get(code)
    return StoreError(sentence) if sentence is not None else None


@contextmanager
def translating() -> Iterator[None]:
    """Raise the `StoreError` that an error of SQLite stands for. A bug of ours passes as it is."""
    try:
        yield
    except dbapi2.Error as error:
        raise translated(error) or error from None


class Connection:
    """A connection with the key given and all settings made. Not for two threads at once."""

    def __init__(self, path: Path, key: Secret) -> None:
        """Open a file that is there, empty or not. Raises `StoreError`, or `WrongPassphrase`."""
        check_library()
        if len(key) != KEY_SIZE:
            raise ValueError("a database key has 32 bytes")
        with translating():
            self._raw = dbapi2.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENTS,
            )
        try:
            with translating():
                self._set_up(key)
        except BaseException:
            self._raw.close()
            raise

    def execute(self, sql: str, params: Sequence[Value] = ()) -> dbapi2.Cursor:
        """Run one statement. Its rows are on the cursor; `lastrowid` and `rowcount` too.

        Raises `StoreError` if the disk fails; a running transaction is then undone, whoever catches it.
        """
        try:
            self._check()
            return self._raw.execute(sql, params)
        except dbapi2.Error as error:
            raise self._failed(error) from None

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each of `rows`. Raises as `execute`."""
        try:
            self._check()
            self._raw.executemany(sql, rows)
        except dbapi2.Error as error:
            raise self._failed(error) from None

    def query(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        """All rows of a query. Raises as `execute`."""
        try:
            self._check()
            rows: list[Row] = self._raw.execute(sql, params).fetchall()
        except dbapi2.Error as error:
            raise self._failed(error) from None
        return rows

    def one(self, sql: str, params: Sequence[Value] = ()) -> Row | None:
        """The first row of a query, or None. Raises as `execute`."""
        try:
            self._check()
            row: Row | None = self._raw.execute(sql, params).fetchone()
        except dbapi2.Error as error:
            raise self._failed(error) from None
        return row

    def script(self, sql: str) -> None:
        """Run many statements. What was begun before is committed first: begin in the script."""
        with translating():
            self._raw.executescript(sql)

    def pragma(self, name: str) -> Any:
        """The value of a setting of SQLite's."""
        row = self.one(f"PRAGMA {name}")
        return row[0] if row else None

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._raw.in_transaction)

    def back_up(self, other: Connection) -> None:
        """Copy all there is into `other`, an empty file, under its key. Raises `StoreError`."""
        try:
            self._raw.backup(other._raw)
        except dbapi2.Error as error:
            # These come without their code: a full disk looks like any other trouble.
            told = translated(error) or StoreError(
                "the profile cannot be copied: make room on the disk, and start again"
            )
            raise told from None

    def close(self) -> None:
        """Close it. The last connection of a file leaves no WAL behind if the disk works."""
        self._raw.close()

    def interrupt(self) -> None:
        """End what another thread runs on this connection: it gets a `StoreError`."""
        self._raw.interrupt()

    def _check(self) -> None:
        """Raise if nothing may be run now."""

    def _failed(self, error: dbapi2.Error) -> Exception:
        """What to raise for an error of SQLite's."""
        # Raised without its cause: what SQLite says may quote a statement.
        return translated(error) or error

    def _set_up(self, key: Secret) -> None:
        raw = self._raw
        # Else SQLCipher writes to the terminal what it thinks of files and keys.
        raw.execute("PRAGMA cipher_log_level=NONE")
        raw.execute(f"PRAGMA key=\"x'{bytes(key).hex()}'\"")
        try:
            raw.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except dbapi2.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF == _NOTADB:
                raise WrongPassphrase from None
            raise
        if raw.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            raise StoreError(
                "the profile's file system allows no write-ahead log: use a local disk"
            )
        for setting in (
            "synchronous=FULL",
            "fullfsync=ON",  # macOS: else what is synced may lie in the disk's own memory
            "secure_delete=ON",
            "temp_store=MEMORY",
            "foreign_keys=ON",
            f"cache_size=-{CACHE_KIB}",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"journal_size_limit={CHECKPOINT_PAGES * 4096}",
            "trusted_schema=OFF",
        ):
            raw.execute(f"PRAGMA {setting}").fetchall()
        # A commit that does not wait for the disk would let ciphertext leave whose state may be lost.
        if self.pragma("synchronous") != 2 or self.pragma("temp_store") != 2:
            raise StoreError("this build of SQLCipher does not wait for the disk: install another")


def check_library() -> None:
    """Raise `StoreError` if this build of SQLCipher cannot be trusted with a profile."""
    if dbapi2.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            f"SQLite {dbapi2.sqlite_version} may damage its files: update the package sqlcipher3"
        )


def check_file(connection: Connection, newest: int) -> int:
    """The version of a file's schema. Raises `StoreDamaged` if it is no profile's, or `StoreNewer`."""
    version = connection.pragma("user_version")
    if connection.pragma("application_id") != APPLICATION_ID or version < 1:
        raise StoreDamaged
    if version > newest:
        raise StoreNewer
    return int(version)
