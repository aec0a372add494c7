"""Blobs in the database: who announced which, how much of it has arrived, when it goes.

A row is one announcement: a blob and the hash of the secret that takes it back. Announcements of the same
blob do not touch each other. Each has an upload of its own, and the finished file stays as long as one of
them does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from heliogram.relay.store.database import Database

#: How many rows one slice of expiry or of repair looks at.
SLICE = 256

#: Bytes that the smallest blob counts for. Below it entries serve better, and rows cost more than bytes.
SMALLEST = 64 << 10

_COLUMNS = "blob, delete_hash, size, stored, expires, touched"


@dataclass(frozen=True, slots=True)
class BlobRecord:
    """An announcement of a blob."""

    blob: bytes = field(repr=False)
    delete_hash: bytes = field(repr=False)
    size: int
    #: Bytes that are on disk.
    stored: int
    #: Unix time / 60; 0 if it was taken back.
    expires: int
    #: Unix time / 60 of the last part; 0 once all is there.
    touched: int

    @property
    def complete(self) -> bool:
        """Whether all of it is there and its hash is right."""
        return self.stored == self.size

    @property
    def upload(self) -> bytes:
        """What the upload's file is called: 32 bytes, different for each announcement."""
        return sha256(self.blob + self.delete_hash).digest()


class BlobTable:
    """The table `blobs`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._bytes: int | None = None

    def rolled_back(self) -> None:
        """What changed in this transaction did not. The sum in memory cannot be trusted."""
        self._bytes = None

    # --- reading ---

    def find(self, blob: bytes, delete_hash: bytes) -> BlobRecord | None:
        """This announcement, also when it has expired and its row is still there."""
        row = self._db.one(
            f"SELECT {_COLUMNS} FROM blobs WHERE blob=? AND delete_hash=?",  # noqa: S608
            *(blob, delete_hash),
        )
        return None if row is None else BlobRecord(*row)

    def announced(self, blob: bytes, tag: bytes, *, count: int) -> list[BlobRecord]:
        """At most `count` announcements of `blob` whose `delete_hash` begins with `tag`."""
        rest = 32 - len(tag)
        rows = self._db.all(
            f"SELECT {_COLUMNS} FROM blobs"  # noqa: S608
            " WHERE blob=? AND delete_hash BETWEEN ? AND ? LIMIT ?",
            *(blob, tag + bytes(rest), tag + b"\xff" * rest, count),
        )
        return [BlobRecord(*row) for row in rows]

    def readable(self, blob: bytes, *, minute: int) -> int | None:
        """The size of a blob that is complete and has not expired; None if there is none."""
        row = self._db.one(
            "SELECT size FROM blobs WHERE blob=? AND stored=size AND expires>? LIMIT 1",
            blob,
            minute,
        )
        return None if row is None else int(row[0])

    def held(self, blob: bytes) -> int | None:
        """The size of a complete blob as long as there is a row of it, expired or not.

        As long as it is not None the file must stay: an announcement may count on it.
        """
        row = self._db.one("SELECT size FROM blobs WHERE blob=? AND stored=size LIMIT 1", blob)
        return None if row is None else int(row[0])

    def page(self, after: tuple[bytes, bytes]) -> list[BlobRecord]:
        """The next rows behind (blob, delete_hash), in their order."""
        rows = self._db.all(
            f"SELECT {_COLUMNS} FROM blobs"  # noqa: S608
            " WHERE (blob, delete_hash) > (?, ?) ORDER BY blob, delete_hash LIMIT ?",
            *(*after, SLICE),
        )
        return [BlobRecord(*row) for row in rows]

    def bytes(self) -> int:
        """What all announcements count for together, uploads too: at least what their files take."""
        if self._bytes is None:
            row = self._db.one(f"SELECT SUM(MAX(size, {SMALLEST})) FROM blobs")  # noqa: S608
            self._bytes = 0 if row is None or row[0] is None else int(row[0])
        return self._bytes

    # --- the writer's transaction ---

    def announce(self, record: BlobRecord) -> None:
        """Write an announcement that is not there yet."""
        # The sum first: counted after the insertion it would have the new row already.
        total = self.bytes()
        self._db.run(
            f"INSERT INTO blobs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
            *(record.blob, record.delete_hash, record.size),
            *(record.stored, record.expires, record.touched),
        )
        self._bytes = total + counted(record.size)

    def prolong(self, record: BlobRecord, expires: int) -> None:
        """Let an announcement go at another minute; 0 takes it back."""
        self._db.run(
            "UPDATE blobs SET expires=? WHERE blob=? AND delete_hash=?",
            *(expires, record.blob, record.delete_hash),
        )

    def save(self, record: BlobRecord, stored: int, *, minute: int) -> bool:
        """Write how much of an upload is on disk. Whether its row is still there."""
        self._db.run(
            "UPDATE blobs SET stored=?, touched=? WHERE blob=? AND delete_hash=?",
            *(stored, 0 if stored == record.size else minute, record.blob, record.delete_hash),
        )
        return self._db.changes() > 0

    def expire(self, *, minute: int, idle: int, unused: int, latest: int) -> list[BlobRecord]:
        """Delete some rows, at most `SLICE`, and give them: their files have no owner now.

        What has expired at `minute`, uploads that have stood still since the minute `idle`, and those that
        had not begun by the minute `unused`. Nothing may expire after `latest`: what claims to came when the
        clock was wrong, and is dated anew.
        """
        self._db.run("UPDATE blobs SET expires=? WHERE expires>?", latest, latest)
        self._db.run("UPDATE blobs SET touched=? WHERE stored<size AND touched>?", minute, minute)
        rows = self._db.all(
            f"SELECT {_COLUMNS} FROM blobs WHERE expires<=? LIMIT ?",  # noqa: S608
            *(minute, SLICE),
        )
        rows += self._db.all(
            f"SELECT {_COLUMNS} FROM blobs"  # noqa: S608
            " WHERE stored<size AND touched<? AND expires>? AND (stored=0 OR touched<?) LIMIT ?",
            *(unused, minute, idle, SLICE - len(rows)),
        )
        records = [BlobRecord(*row) for row in rows]
        if records:
            total = self.bytes()
            self._db.run_many(
                "DELETE FROM blobs WHERE blob=? AND delete_hash=?",
                [(one.blob, one.delete_hash) for one in records],
            )
            self._bytes = total - sum(counted(one.size) for one in records)
        return records


def counted(size: int) -> int:
    """What a blob of `size` bytes counts for."""
    return max(size, SMALLEST)
