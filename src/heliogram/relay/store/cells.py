"""Cells in the database: the last value of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from heliogram.relay.store.database import Database

#: How many of the oldest cells one slice of expiry deletes.
SLICE = 256


@dataclass(frozen=True, slots=True)
class CellRecord:
    """What a cell holds."""

    cell: bytes = field(repr=False)
    owner: bytes = field(repr=False)
    version: int
    #: Unix time / 86400 of the last request for it.
    day: int
    signature: bytes = field(repr=False)
    value: bytes = field(repr=False)


class CellTable:
    """The table `cells`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._count: int | None = None

    def rolled_back(self) -> None:
        """What changed in this transaction is not on disk."""
        self._count = None

    def read(self, cell: bytes) -> CellRecord | None:
        """The cell with this id."""
        row = self._db.one(
            "SELECT cell, owner, version, day, signature, value FROM cells WHERE cell=?", cell
        )
        return None if row is None else CellRecord(*row)

    def count(self) -> int:
        """How many cells there are. For the writer: it remembers."""
        if self._count is None:
            row = self._db.one("SELECT COUNT(*) FROM cells")
            self._count = 0 if row is None else int(row[0])
        return self._count

    def create(self, record: CellRecord) -> None:
        """A new cell."""
        count = self.count()
        self._db.run(
            "INSERT INTO cells (cell, owner, version, day, signature, value) VALUES (?, ?, ?, ?, ?, ?)",
            *(
                record.cell,
                record.owner,
                record.version,
                record.day,
                record.signature,
                record.value,
            ),
        )
        self._count = count + 1

    def save(self, record: CellRecord) -> None:
        """Write what a cell holds now. What it held before is overwritten."""
        self._db.run(
            "UPDATE cells SET version=?, day=?, signature=?, value=? WHERE cell=?",
            *(record.version, record.day, record.signature, record.value, record.cell),
        )

    def touch(self, cell: bytes, *, day: int) -> None:
        """Write that somebody asked for the cell on this day. Nothing if it is there already, or no cell."""
        self._db.run("UPDATE cells SET day=? WHERE cell=? AND day<>?", day, cell, day)

    def expire(self, *, before: int) -> bool:
        """Forget some cells for which nobody has asked since the day `before`. Whether there may be more."""
        rows = self._db.all("SELECT cell FROM cells WHERE day<? LIMIT ?", before, SLICE)
        self._db.run_many("DELETE FROM cells WHERE cell=?", rows)
        self._count = None
        return len(rows) == SLICE
