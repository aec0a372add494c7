"""What is to be said at its time: the tables `scheduled` and `scheduled_files`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Final

from heliogram.node.store.database import Store

_ROW: Final = "SELECT number, conversation, at, text, reply_to FROM scheduled"


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """Something to be said. `at` is in Unix seconds, `reply_to` a message's id."""

    number: int
    conversation: int
    at: int
    text: str = field(repr=False)
    reply_to: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class ScheduledFile:
    """A sealed file of it, as it was made ready: columns of `scheduled_files`."""

    key: bytes
    size: int
    plain: bytes
    blob: bytes
    name: str
    content_type: str
    inline: bool
    duration: float | None
    thumbnail: bytes
    spool: str
    path: str | None


class Scheduled:
    """Both tables. What writes belongs into a transaction."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store

    def add(
        self,
        conversation: int,
        at: int,
        text: str,
        reply_to: bytes | None,
        files: Sequence[ScheduledFile],
    ) -> int:
        """Something to be said; its number."""
        cursor = self._store.execute(
            "INSERT INTO scheduled (conversation, at, text, reply_to) VALUES (?, ?, ?, ?)",
            (conversation, at, text, reply_to),
        )
        number = cursor.lastrowid
        if number is None:
            raise RuntimeError("a row has a number")
        self._store.execute_many(
            "INSERT INTO scheduled_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((number, place, *astuple(one)) for place, one in enumerate(files)),
        )
        return int(number)

    def get(self, number: int) -> ScheduledRow | None:
        """One of them."""
        row = self._store.one(f"{_ROW} WHERE number = ?", (number,))
        return None if row is None else ScheduledRow(*row)

    def every(self, conversation: int | None = None) -> list[ScheduledRow]:
        """What waits, the next first; in one conversation or in all."""
        rows = self._store.query(
            f"{_ROW} WHERE ?1 IS NULL OR conversation = ?1 ORDER BY at, number", (conversation,)
        )
        return [ScheduledRow(*row) for row in rows]

    def due(self, time: int, limit: int) -> list[ScheduledRow]:
        """What is to be said now, the first one first."""
        rows = self._store.query(f"{_ROW} WHERE at <= ? ORDER BY at, number LIMIT ?", (time, limit))
        return [ScheduledRow(*row) for row in rows]

    def next(self) -> int | None:
        """When the next one is to be said."""
        row = self._store.one("SELECT min(at) FROM scheduled")
        return None if row is None else row[0]

    def count(self) -> int:
        """How many wait."""
        row = self._store.one("SELECT count(*) FROM scheduled")
        return 0 if row is None else int(row[0])

    def files(self, number: int) -> list[ScheduledFile]:
        """The files that go with one, in order."""
        return [
            ScheduledFile(*row)
            for row in self._store.query(
                "SELECT key, size, plain, blob, name, content_type, inline, duration, thumbnail, spool, path"
                " FROM scheduled_files WHERE scheduled = ? ORDER BY place",
                (number,),
            )
        ]

    def move(self, number: int, at: int) -> None:
        """It is to be said at another time."""
        self._store.execute("UPDATE scheduled SET at = ? WHERE number = ?", (at, number))

    def answer(self, old: bytes, new: bytes) -> bool:
        """The message `old` has the id `new` now; whether something that waits answers it."""
        cursor = self._store.execute(
            "UPDATE scheduled SET reply_to = ? WHERE reply_to = ?", (new, old)
        )
        return bool(cursor.rowcount)

    def remove(self, number: int) -> None:
        """It waits no more."""
        self._store.execute("DELETE FROM scheduled WHERE number = ?", (number,))
