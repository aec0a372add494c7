"""The tables `files` and `takebacks`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from heliogram.node.files import SealedFile
from heliogram.node.store.database import Store
from heliogram.wire.limits import HASH_SIZE


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a message: a row of `files`, column by column."""

    message: int
    place: int
    blob: bytes = field(repr=False)
    key: bytes = field(repr=False)
    plain: bytes = field(repr=False)
    name: str = field(repr=False)
    content_type: str = field(repr=False)
    size: int = field(repr=False)
    inline: bool
    duration: float | None
    thumbnail: bytes | None = field(repr=False)
    state: str
    doubt: str
    trouble: str
    relays: bytes = field(repr=False)
    spool: str | None = field(repr=False)
    kept: int | None
    directory: str = field(repr=False)
    path: str | None = field(repr=False)
    seed: bytes | None = field(repr=False)
    stored: bytes = field(repr=False)
    created: int
    expires: int | None

    @property
    def file(self) -> SealedFile:
        """What opens it."""
        return SealedFile(self.key, self.size, self.plain, self.blob)

    @property
    def stored_by(self) -> tuple[bytes, ...]:
        """Keys of the relays that have all of it."""
        starts = range(0, len(self.stored), HASH_SIZE)
        return tuple(self.stored[start : start + HASH_SIZE] for start in starts)


@dataclass(frozen=True, slots=True)
class Copy:
    """A sealed copy that stays."""

    #: The message and the place of its file.
    key: tuple[int, int]
    size: int
    expires: int | None


@dataclass(frozen=True, slots=True)
class Takeback:
    """A row of `takebacks`."""

    number: int
    blob: bytes = field(repr=False)
    relay: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    circuit: bytes = field(repr=False)
    created: int


_COLUMNS = ", ".join(f'"{one.name}"' for one in fields(FileRow))
_NAMES = frozenset(one.name for one in fields(FileRow)) - {"message", "place"}
_INSERT = f"INSERT INTO files ({_COLUMNS}) VALUES ({', '.join('?' * len(fields(FileRow)))})"  # noqa: S608


class Files:
    """What is kept of files. Every method raises `StoreError`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, row: FileRow) -> None:
        """A file of a new message."""
        self._store.execute(_INSERT, tuple(getattr(row, one.name) for one in fields(FileRow)))

    def get(self, message: int, place: int) -> FileRow | None:
        """One file of a message."""
        found = self._where("message = ? AND place = ?", message, place)
        return found[0] if found else None

    def of(self, message: int) -> list[FileRow]:
        """All files of a message, in order."""
        return self._where("message = ? ORDER BY place", message)

    def moving(self) -> list[FileRow]:
        """What goes up or comes down, the oldest first."""
        return self._where("state IN ('sending', 'downloading') ORDER BY created, message, place")

    def spooled(self) -> set[str]:
        """Names of all sealed copies that are needed."""
        rows = self._store.query(
            "SELECT spool FROM files WHERE spool IS NOT NULL UNION SELECT spool FROM scheduled_files"
        )
        return {str(row[0]) for row in rows}

    def copies(self) -> list[Copy]:
        """Sealed copies that stay, the oldest first. What is on its way is none yet."""
        rows = self._store.query(
            "SELECT message, place, size, expires FROM files"
            " WHERE kept IS NOT NULL AND state IN ('kept', 'here') ORDER BY kept, message, place"
        )
        return [Copy((message, place), size, expires) for message, place, size, expires in rows]

    def saved(self) -> list[FileRow]:
        """What was saved somewhere."""
        return self._where("state = 'here' AND path IS NOT NULL")

    def change(self, message: int, place: int, **values: Any) -> None:
        """Write these columns of a file."""
        if not values.keys() <= _NAMES:
            raise ValueError("there is no such column")
        sets = ", ".join(f'"{name}" = ?' for name in values)
        self._store.execute(
            f"UPDATE files SET {sets} WHERE message = ? AND place = ?",  # noqa: S608 - names of ours
            (*values.values(), message, place),
        )

    def delete(self, message: int) -> None:
        """Forget the files of a message."""
        self._store.execute("DELETE FROM files WHERE message = ?", (message,))

    def conversation_of(self, message: int) -> int | None:
        """The conversation that a message is in."""
        row = self._store.one("SELECT conversation FROM messages WHERE number = ?", (message,))
        return None if row is None else int(row[0])

    def id_of(self, message: int) -> bytes:
        """A message's id; empty if there is none."""
        row = self._store.one("SELECT id FROM messages WHERE number = ?", (message,))
        return b"" if row is None or row[0] is None else bytes(row[0])

    # --- What relays are to delete ---

    def take_back(
        self, blob: bytes, relay: bytes, secret: bytes, circuit: bytes, created: int
    ) -> None:
        """Remember to delete a blob of ours at a relay (an encoded description)."""
        self._store.execute(
            "INSERT INTO takebacks (blob, relay, secret, circuit, created) VALUES (?, ?, ?, ?, ?)",
            (blob, relay, secret, circuit, created),
        )

    def takebacks(self, limit: int = 64) -> list[Takeback]:
        """What is to be deleted, the oldest first."""
        rows = self._store.query("SELECT * FROM takebacks ORDER BY number LIMIT ?", (limit,))
        return [Takeback(*row) for row in rows]

    def taken_back(self, number: int) -> None:
        """It is deleted, or will never be."""
        self._store.execute("DELETE FROM takebacks WHERE number = ?", (number,))

    def _where(self, where: str, *values: Any) -> list[FileRow]:
        query = f"SELECT {_COLUMNS} FROM files WHERE {where}"  # noqa: S608 - sentences of ours
        return [_row(row) for row in self._store.query(query, values)]


def _row(row: tuple[Any, ...]) -> FileRow:
    values = {one.name: value for one, value in zip(fields(FileRow), row, strict=True)}
    values["inline"] = bool(values["inline"])
    return FileRow(**values)
