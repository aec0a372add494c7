"""What a relay keeps, in one SQLite file. `schema.sql` says what that is.

    store = Store(path, writes=True)
    with store.transaction():          # the writer's thread only
        store.logs.append(...)
    reader = Store(path, writes=False) # any number, one for each thread: sees what is on disk

A table class for each primitive has all SQL of it. They decide nothing: the rules are in `relay.logs`,
`relay.voting`, `relay.inboxes`, `relay.cells` and `relay.blobs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heliogram.relay.store.blobs import BlobRecord, BlobTable
from heliogram.relay.store.cells import CellRecord, CellTable
from heliogram.relay.store.database import Database
from heliogram.relay.store.inboxes import InboxRecord, InboxTable, LinkRecord
from heliogram.relay.store.logs import EpochRecord, LogRecord, LogTable, Place, StoredEntry

__all__ = [
    "BlobRecord",
    "BlobTable",
    "CellRecord",
    "CellTable",
    "Database",
    "EpochRecord",
    "InboxRecord",
    "InboxTable",
    "LinkRecord",
    "LogRecord",
    "LogTable",
    "Place",
    "Store",
    "StoredEntry",
]


class Store:
    """The tables of one relay over one connection."""

    def __init__(self, path: Path, *, writes: bool) -> None:
        """Open the file; see `Database`."""
        self.database = Database(path, writes=writes)
        self.logs = LogTable(self.database)
        self.inboxes = InboxTable(self.database)
        self.cells = CellTable(self.database)
        self.blobs = BlobTable(self.database)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on disk at the end; see `Database.transaction`."""
        try:
            with self.database.transaction():
                yield
                self.logs.flush()
        except BaseException:
            self.logs.rolled_back()
            self.inboxes.rolled_back()
            self.cells.rolled_back()
            self.blobs.rolled_back()
            raise
        self.logs.committed()

    def close(self) -> None:
        """Close the connection."""
        self.database.close()
