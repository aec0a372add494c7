"""The store: one encrypted SQLite file that is durable, current, and forgets what is deleted.

    store = Store.open(path, key)
    with store.transaction():                  # all of it, or nothing; on disk at the end
        store.execute("UPDATE …", (…,))
    rows = store.query("SELECT …", (…,))

WAL with `synchronous=FULL`: a commit is on disk before it returns. `secure_delete` overwrites what is
deleted, in the search index too; `temp_store=MEMORY` leaves nothing in temporary files. SQLite moves rows
between pages and may leave copies where they were, so a store that is closed is written anew. The file is its
owner's only, from its first moment. When the disk is full or fails, the transaction is undone and the store
goes on as it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlcipher3 import dbapi2

from heliogram.mls import Secret
from heliogram.node.errors import NodeError, StoreDamaged, StoreError
from heliogram.node.store.connection import PATIENCE, Connection, Row, Value, check_file
from heliogram.node.store.disk import create_private, make_directory, sync_directory, sync_file
from heliogram.node.store.schema import Schema, forget_copies, lay_out, remove, upgrade

__all__ = ["Memo", "Reader", "Row", "Store", "Value"]

#: Bytes of a file that is written anew whenever it is closed: half a second.
LARGEST_REWRITE: Final = 32 << 20

#: Rows that one memo keeps.
LARGEST_MEMO: Final = 4096

#: Milliseconds to wait, when the WAL is cut, for those that read.
CHECKPOINT_PATIENCE: Final = 100

_SAVEPOINT: Final = "inner"


class Memo(dict[Any, Any]):
    """Rows that were read before, by their keys. Who writes a row takes it out; what is undone empties it."""

    def keep(self, key: Any, value: Any) -> Any:
        """Keep a value, and give it."""
        if len(self) >= LARGEST_MEMO:
            self.clear()
        self[key] = value
        return value


class Store(Connection):
    """The connection that writes. One a file, and not for two threads at once: see `reader`."""

    def __init__(self, path: Path, key: Secret) -> None:
        """Use `create` or `open`."""
        self._path = path
        self._key = key
        self._depth = 0
        self._readers: set[Reader] = set()
        self._memos: dict[str, Memo] = {}
        #: The trouble that undid the running transaction.
        self._trouble: StoreError | None = None
        super().__init__(path, key)

    @classmethod
    def create(cls, path: Path, key: Secret, *, schema: Schema | None = None) -> Store:
        """A new store. The file is there when it is complete. Raises `StoreError`, also if there is one."""
        schema = schema or Schema.of_this_program()
        new = path.with_name(path.name + ".new")
        try:
            make_directory(path.parent)
            if path.exists():
                raise StoreError("there is a profile's database already")
            remove(new)
            create_private(new)
            connection = Connection(new, key)
            try:
                lay_out(connection, schema)
            finally:
                connection.close()
            sync_file(new)
            os.rename(new, path)
            sync_directory(path.parent)
        except OSError as error:
            raise StoreError(f"the profile cannot be written: {error.strerror}") from None
        return cls.open(path, key, schema=schema)

    @classmethod
    def open(cls, path: Path, key: Secret, *, schema: Schema | None = None) -> Store:
        """The store in this file, brought to this program's version.

        Raises `WrongPassphrase`, `StoreNewer`, `StoreDamaged`, or another `StoreError`.
        """
        schema = schema or Schema.of_this_program()
        # SQLite would take an empty file for a new database.
        try:
            if path.stat().st_size == 0:
                raise StoreError("the profile's database is empty: bring it back from a backup")
        except OSError as error:
            raise StoreError(f"the profile cannot be read: {error.strerror}") from None
        store = cls(path, key)
        try:
            version = check_file(store, schema.version)
            # What a killed process wrote may be readable and not on disk. Nothing may leave on the strength
            # of it.
            store.checkpoint()
            if version < schema.version:
                upgrade(store, path, key, schema, version)
            else:
                forget_copies(path)
            remove(path.with_name(path.name + ".new"))
        except OSError as error:
            store._raw.close()
            raise StoreError(f"the profile cannot be written: {error.strerror}") from None
        except BaseException:
            store._raw.close()
            raise
        return store

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def key(self) -> Secret:
        """What the file is encrypted under: for backups, whose head is sealed by what follows from it."""
        return self._key

    @property
    def size(self) -> int:
        """Bytes of the file, without what the WAL holds. Raises `OSError`."""
        return self._path.stat().st_size

    @property
    def changes(self) -> int:
        """Rows that this connection has changed so far."""
        return int(self._raw.total_changes)

    # --- Settings ------------------------------------------------------------------------------

    def setting(self, name: str) -> bytes | None:
        """What is kept under a name in `settings`."""
        row = self.one("SELECT value FROM settings WHERE name = ?", (name,))
        return row[0] if row else None

    def set_setting(self, name: str, value: bytes | None) -> None:
        """Keep a value under a name; None forgets it."""
        if value is None:
            self.execute("DELETE FROM settings WHERE name = ?", (name,))
        else:
            self.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (name, value),
            )

    def memo(self, name: str) -> Memo:
        """What has been read of one table, for all that work on it: see `Memo`."""
        return self._memos.setdefault(name, Memo())

    def forget_memos(self) -> None:
        """Read all rows anew: somebody has written without those who keep them."""
        for memo in self._memos.values():
            memo.clear()

    # --- Transactions -----------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on disk at the end. Within another one: a part that can be undone alone.

        Raises `StoreError`, and then nothing is kept of the outermost one; the store can be used at once.
        """
        outermost = self._depth == 0
        if outermost:
            self._trouble = None
        self.execute("BEGIN IMMEDIATE" if outermost else f"SAVEPOINT {_SAVEPOINT}")
        self._depth += 1
        try:
            yield
            self.execute("COMMIT" if outermost else f"RELEASE {_SAVEPOINT}")
        except BaseException:
            self._undo(outermost)
            raise
        finally:
            self._depth -= 1

    def checkpoint(self) -> bool:
        """Move the WAL into the file and cut it to nothing; False if somebody reads just now.

        Until then the WAL holds, encrypted, what was there before: call it when there is nothing else to do.
        Raises `StoreError`; nothing is lost then.
        """
        self.execute(f"PRAGMA busy_timeout={CHECKPOINT_PATIENCE}")
        try:
            # A file may be cut piece by piece (Btrfs does), and the power may go between two of them. What
            # is left of a WAL is whole as far as it goes: its older pages would be read over the newer ones
            # of the file. So it begins anew first, with one page that is the file's own: no piece is old.
            busy, frames, _ = self._checkpoint("RESTART")
            if busy:
                return False
            if frames > 0:
                self.execute(f"PRAGMA user_version={self.pragma('user_version')}")
                _, frames, _ = self._checkpoint("NOOP")
                if frames != 1:
                    return False
            busy, _, _ = self._checkpoint("TRUNCATE")
        finally:
            self.execute(f"PRAGMA busy_timeout={int(PATIENCE * 1000)}")
        return not busy

    def _checkpoint(self, mode: str) -> tuple[int, int, int]:
        """Whether somebody was in the way, pages in the WAL, and how many of them are in the file too."""
        row = self.one(f"PRAGMA wal_checkpoint({mode})")
        if row is None:
            raise StoreDamaged
        return row[0], row[1], row[2]

    def reader(self) -> Reader:
        """Another connection, for one other thread: it reads what is committed and never waits for writes."""
        reader = Reader(self._path, self._key, self._readers)
        self._readers.add(reader)
        return reader

    def close(self, *, rewrite: bool | None = None) -> None:
        """Close it. Nothing is left but the file itself, if nobody else has it open and the disk works.

        With `rewrite` the file is written anew, without the traces of what was deleted that lie between what
        is there: about 15 seconds a gigabyte. None: if it is quick and something was written.
        """
        new = self._path.with_name(self._path.name + ".new")
        rewritten = False
        try:
            self.checkpoint()
            if rewrite is None:
                rewrite = self.changes > 0 and self.size <= LARGEST_REWRITE
            if rewrite and not self._readers:
                remove(new)
                create_private(new)
                # As a URI: a path need not be text.
                self.execute("VACUUM INTO ?", (new.absolute().as_uri(),))
                Connection(new, self._key).close()  # it opens, and it has a WAL from now on
                rewritten = True
        except (NodeError, OSError):
            pass  # what is committed is there, in the file or in the WAL: the next start finds it
        finally:
            self._raw.close()
        if rewrite:
            self._replace(new, rewritten)

    def _replace(self, new: Path, rewritten: bool) -> None:
        """Put the file written anew in the place of the old one. It is all there or not used."""
        try:
            # A WAL that is left belongs to the old file, and may be read by another connection.
            if rewritten and not self._path.with_name(self._path.name + "-wal").exists():
                sync_file(new)
                # That the old WAL is gone must be on disk first: it would be read into the new file.
                sync_directory(self._path.parent)
                os.replace(new, self._path)
                sync_directory(self._path.parent)
            else:
                remove(new)
        except OSError:
            pass  # the old file serves as well, and the next start removes this one

    def _check(self) -> None:
        # After some errors SQLite undoes the transaction itself. What comes then must not be written alone.
        if self._depth and self._trouble is not None:
            raise self._trouble

    def _failed(self, error: dbapi2.Error) -> Exception:
        ours = super()._failed(error)
        # The disk failed: whatever SQLite kept of the running transaction, it is not the whole.
        if self._depth and isinstance(ours, StoreError):
            self._trouble = ours
        return ours

    def _undo(self, outermost: bool) -> None:
        self.forget_memos()
        if not self._raw.in_transaction:
            return
        try:
            if outermost:
                self._raw.execute("ROLLBACK")
            else:
                self._raw.execute(f"ROLLBACK TO {_SAVEPOINT}")
                self._raw.execute(f"RELEASE {_SAVEPOINT}")
        except dbapi2.Error as error:
            raise self._failed(error) from None


class Reader(Connection):
    """A connection that only reads. Use it as a context manager, or close it."""

    def __init__(self, path: Path, key: Secret, open_ones: set[Reader]) -> None:
        """Use `Store.reader`."""
        super().__init__(path, key)
        self._open_ones = open_ones
        self.execute("PRAGMA query_only=ON")

    def close(self) -> None:
        """Close it, before the store itself."""
        super().close()
        self._open_ones.discard(self)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries within see one state of the store."""
        self.execute("BEGIN")
        try:
            self.one("SELECT 1 FROM sqlite_schema")
            yield
        finally:
            self.execute("ROLLBACK")

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
