"""Inboxes in the database: their links, what waits in them, and their pools of key packages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from heliogram.relay.errors import StoreError
from heliogram.relay.store.database import Database
from heliogram.wire.frames import Package

#: How many of the oldest rows one slice of expiry deletes.
SLICE = 256

#: The same for whole inboxes, which may hold hundreds of rows, and for answers, which may be large.
INBOX_SLICE = 16
TAKEN_SLICE = 32

#: In place of a number of uses: any number.
ANY_NUMBER = -1


@dataclass(frozen=True, slots=True)
class InboxRecord:
    """An inbox, without what lies in it."""

    id: int
    inbox: bytes = field(repr=False)
    owner: bytes = field(repr=False)
    #: Of the next item.
    next_index: int
    #: Unix time / 86400 of its owner's last request.
    day: int


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A link of an inbox, and how often it may still be used: `ANY_NUMBER`, or that many times."""

    #: The inbox's local number.
    inbox: int
    link: bytes = field(repr=False)
    posts: int
    takes: int


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as it is kept."""

    index: int
    minute: int
    link: bytes = field(repr=False)
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredPackage:
    """A key package in the pool."""

    id: int
    package: Package


class InboxTable:
    """The tables `inboxes`, `links`, `items`, `packages`, `posted`, `taken` and `given`.

    `inbox` is an inbox's id where it is bytes, and its local number where it is an int.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._count: int | None = None

    def rolled_back(self) -> None:
        """What changed in this transaction is not on disk."""
        self._count = None

    # --- inboxes ---

    def read(self, inbox: bytes) -> InboxRecord | None:
        """The inbox with this id."""
        row = self._db.one(
            "SELECT id, inbox, owner, next_index, day FROM inboxes WHERE inbox=?", inbox
        )
        return None if row is None else InboxRecord(*row)

    def count(self) -> int:
        """How many inboxes there are. For the writer: it remembers."""
        if self._count is None:
            row = self._db.one("SELECT COUNT(*) FROM inboxes")
            self._count = 0 if row is None else int(row[0])
        return self._count

    def create(self, inbox: bytes, owner: bytes, *, day: int) -> None:
        """A new inbox."""
        count = self.count()
        self._db.run(
            "INSERT INTO inboxes (inbox, owner, next_index, day) VALUES (?, ?, 0, ?)",
            *(inbox, owner, day),
        )
        self._count = count + 1

    def touch(self, inbox: int, *, day: int) -> None:
        """Write that its owner was here on this day."""
        self._db.run("UPDATE inboxes SET day=? WHERE id=?", day, inbox)

    # --- links ---

    def link(self, inbox: bytes, link: bytes) -> LinkRecord | None:
        """A link of an inbox; None if either is unknown, in one step so that the two cost alike."""
        row = self._db.one(
            "SELECT links.inbox, link, posts, takes FROM inboxes JOIN links ON links.inbox = id"
            " WHERE inboxes.inbox=? AND link=?",
            *(inbox, link),
        )
        return None if row is None else LinkRecord(*row)

    def links(self, inbox: int) -> list[LinkRecord]:
        """The links of an inbox."""
        rows = self._db.all("SELECT inbox, link, posts, takes FROM links WHERE inbox=?", inbox)
        return [LinkRecord(*row) for row in rows]

    def save_link(self, record: LinkRecord) -> None:
        """Write a new link, or the new numbers of one that is there."""
        self._db.run(
            "INSERT INTO links VALUES (?, ?, ?, ?) ON CONFLICT (inbox, link)"
            " DO UPDATE SET posts=excluded.posts, takes=excluded.takes",
            *(record.inbox, record.link, record.posts, record.takes),
        )

    def delete_link(self, inbox: int, link: bytes) -> None:
        """Forget a link. What came by it stays."""
        self._db.run("DELETE FROM links WHERE inbox=? AND link=?", inbox, link)

    # --- items ---

    def has_item(self, inbox: int, link: bytes, data: bytes) -> bool:
        """Whether this item waits, come by this link."""
        rows = self._db.all(
            "SELECT data FROM items WHERE inbox=? AND tag=? AND link=?", inbox, _tag(data), link
        )
        return any(row[0] == data for row in rows)

    def append(self, inbox: int, link: bytes, data: bytes, *, minute: int) -> int:
        """Write an item at the inbox's next index, and give the index."""
        row = self._db.one(
            "UPDATE inboxes SET next_index=next_index+1 WHERE id=? RETURNING next_index-1", inbox
        )
        if row is None:
            raise StoreError("an item for an inbox that is not there")
        index = int(row[0])
        self._db.run(
            "INSERT INTO items (inbox, place, minute, tag, link, data) VALUES (?, ?, ?, ?, ?, ?)",
            *(inbox, index, minute, _tag(data), link, data),
        )
        return index

    def keep_newest(self, inbox: int, count: int) -> None:
        """Drop the oldest items of an inbox, so that at most `count` are left."""
        self._db.run(
            "DELETE FROM items WHERE inbox=? AND place<=("
            " SELECT place FROM items WHERE inbox=? ORDER BY place DESC LIMIT 1 OFFSET ?)",
            *(inbox, inbox, count),
        )

    def page(
        self, inbox: int, start: int, count: int, *, ceiling: int
    ) -> tuple[list[StoredItem], bool]:
        """Items from `start` on: at most `count` and `ceiling` bytes, but one in any case.

        And whether there are more behind them.
        """
        cursor = self._db.rows(
            "SELECT place, minute, link, data FROM items WHERE inbox=? AND place>=? ORDER BY place",
            *(inbox, start),
        )
        page: list[StoredItem] = []
        size = 0
        for row in cursor:
            size += len(row[3])
            if page and (len(page) == count or size > ceiling):
                return page, True
            page.append(StoredItem(*row))
        return page, False

    def delete_items(self, inbox: int, indices: Iterable[int]) -> None:
        """Delete items by their indices. Some may be gone."""
        rows = [(inbox, index) for index in indices]
        self._db.run_many("DELETE FROM items WHERE inbox=? AND place=?", rows)

    def delete_items_of(self, inbox: int, link: bytes) -> None:
        """Delete what came by a link."""
        self._db.run("DELETE FROM items WHERE inbox=? AND link=?", inbox, link)

    # --- the pool ---

    def stock(self, inbox: int) -> list[tuple[bytes, bool, int]]:
        """What is in the pool: device, whether a last resort, tag."""
        rows = self._db.all(
            "SELECT device, last_resort, tag FROM packages WHERE inbox=? ORDER BY id", inbox
        )
        return [(device, bool(last_resort), tag) for device, last_resort, tag in rows]

    def was_given(self, inbox: int) -> set[int]:
        """The tags of the one-time packages that were given lately."""
        return {row[0] for row in self._db.all("SELECT tag FROM given WHERE inbox=?", inbox)}

    def clear_devices(self, inbox: int, devices: Iterable[bytes]) -> None:
        """Delete all packages of some devices."""
        rows = [(inbox, device) for device in devices]
        self._db.run_many("DELETE FROM packages WHERE inbox=? AND device=?", rows)

    def add_package(self, inbox: int, package: Package) -> None:
        """Put a package into the pool. A last resort replaces its device's former one."""
        if package.last_resort:
            self._db.run(
                "DELETE FROM packages WHERE inbox=? AND device=? AND last_resort=1",
                *(inbox, package.device),
            )
        tag = package_tag(package)
        self._db.run(
            "INSERT INTO packages (inbox, device, last_resort, tag, data) VALUES (?, ?, ?, ?, ?)",
            *(inbox, package.device, int(package.last_resort), tag, package.data),
        )

    def choose(self, inbox: int) -> list[StoredPackage]:
        """One package of each device: its oldest one-time package, or else its last resort."""
        rows = self._db.all(
            "SELECT device, id FROM packages WHERE inbox=? ORDER BY device, last_resort, id", inbox
        )
        first: dict[bytes, int] = {}
        for device, number in rows:
            first.setdefault(device, number)
        return [self._package(number) for number in first.values()]

    def _package(self, number: int) -> StoredPackage:
        row = self._db.one("SELECT device, last_resort, data FROM packages WHERE id=?", number)
        if row is None:
            raise StoreError("a key package was lost between two steps")
        device, last_resort, data = row
        return StoredPackage(number, Package(device, bool(last_resort), data))

    def give(self, inbox: int, chosen: Sequence[StoredPackage], *, minute: int) -> None:
        """Delete those of `chosen` that may be given once only, and remember that they were given."""
        once = [one for one in chosen if not one.package.last_resort]
        tags = [(inbox, package_tag(one.package), minute) for one in once]
        self._db.run_many("INSERT OR REPLACE INTO given VALUES (?, ?, ?)", tags)
        self._db.run_many("DELETE FROM packages WHERE id=?", [(one.id,) for one in once])

    # --- statements ---

    def was_posted(self, statement: bytes) -> bool:
        """Whether an item was accepted for this statement lately."""
        return self._db.one("SELECT 1 FROM posted WHERE statement=?", statement) is not None

    def save_posted(self, statement: bytes, *, minute: int) -> None:
        """Write that an item was accepted for this statement."""
        self._db.run("INSERT INTO posted VALUES (?, ?)", statement, minute)

    def taken(self, statement: bytes) -> tuple[Package, ...] | None:
        """What was given for this statement lately."""
        row = self._db.one("SELECT packages FROM taken WHERE statement=?", statement)
        return None if row is None else _packages(row[0])

    def save_taken(self, statement: bytes, packages: tuple[Package, ...], *, minute: int) -> None:
        """Write what is given for this statement."""
        self._db.run("INSERT INTO taken VALUES (?, ?, ?)", statement, minute, _encode(packages))

    # --- expiry ---

    def expire_items(self, *, before: int) -> bool:
        """Delete some items that came before the minute `before`. Whether there may be more."""
        rows = self._db.all("SELECT id FROM items WHERE minute<? LIMIT ?", before, SLICE)
        self._db.run_many("DELETE FROM items WHERE id=?", rows)
        return len(rows) == SLICE

    def expire_statements(self, *, before: int) -> bool:
        """Forget some statements of before the minute `before`, and what was given for them. As above."""
        more = False
        for table, key, count in (
            ("posted", "statement", SLICE),
            ("given", "inbox, tag", SLICE),
            ("taken", "statement", TAKEN_SLICE),
        ):
            self._db.run(
                f"DELETE FROM {table} WHERE ({key}) IN"  # noqa: S608
                f" (SELECT {key} FROM {table} WHERE minute<? LIMIT ?)",
                *(before, count),
            )
            more = self._db.changes() == count or more
        return more

    def expire_inboxes(self, *, before: int) -> bool:
        """Forget some inboxes whose owner was not there since the day `before`. Whether there may be more."""
        rows = self._db.all("SELECT id FROM inboxes WHERE day<? LIMIT ?", before, INBOX_SLICE)
        for table in ("items", "packages", "links", "given"):
            self._db.run_many(f"DELETE FROM {table} WHERE inbox=?", rows)  # noqa: S608
        self._db.run_many("DELETE FROM inboxes WHERE id=?", rows)
        self._count = None
        return len(rows) == INBOX_SLICE


def package_tag(package: Package) -> int:
    """The first eight bytes of the hash of a package."""
    return _tag(package.data)


def _tag(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big", signed=True)


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(tuple[Package, ...])


def _packages(data: bytes) -> tuple[Package, ...]:
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise StoreError("what the database holds cannot be read: it is damaged") from error
