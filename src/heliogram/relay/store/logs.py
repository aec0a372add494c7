"""Logs in the database: where each stands, its epochs, slots and entries."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile
from typing import TypeVar

from heliogram.relay.errors import Gone, StoreError
from heliogram.relay.slots import Log, Slot
from heliogram.relay.store.database import Database
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import LIFE
from heliogram.wire.objects import Seat
from heliogram.wire.receipts import entry_hash, life

T = TypeVar("T", Log, Slot, Seat)

#: Logs whose state the writer keeps in memory: some kilobytes each.
CACHED_LOGS = 4096

#: States of logs that readers have decoded: most are asked for again soon.
DECODED_LOGS = 1024

#: Open slots that the writer keeps in memory, and the bytes of state up to which it does.
CACHED_SLOTS = 256
SMALL_SLOT = 32 << 10

#: How many of the oldest rows one slice of expiry looks at.
SLICE = 256

#: The first minute of 2026. Times before it were read off a clock that was wrong.
EARLIEST = 1_767_225_600 // 60


@dataclass(slots=True)
class LogRecord:
    """Where a log stands. The writer changes it in place and saves what it changed."""

    id: int
    instance: bytes = field(repr=False)
    #: The epoch that the instance was opened with.
    first: int
    log: Log
    #: Of the oldest entry that has not expired, and of the next one.
    first_index: int
    next_index: int
    chain: bytes = field(repr=False)
    #: Bytes of the entries that are kept.
    bytes: int
    #: Unix time / 86400 of the last entry or decision.
    day: int


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of a log: its seat, the key of its members for this relay, its grace lane."""

    seat: bytes = field(repr=False)
    #: Empty if this relay has no seat.
    key: bytes = field(repr=False)
    grace: int
    #: The minute of its decision; 0 while it is open.
    closed: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry lies: its index, and the chain after it."""

    index: int
    chain: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is kept."""

    index: int
    minute: int
    data: bytes = field(repr=False)


class LogTable:
    """The tables `logs`, `heads`, `epochs`, `slots` and `entries`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._cache: OrderedDict[bytes, LogRecord] = OrderedDict()
        self._touched: dict[int, LogRecord] = {}
        self._count: int | None = None
        self._slots: OrderedDict[bytes, Slot] = OrderedDict()

    # --- the writer's transaction ---

    def flush(self) -> None:
        """Write where the logs stand that changed in this transaction."""
        if self._touched:
            heads = [
                (one.first_index, one.next_index, one.chain, one.bytes, one.day, one.id)
                for one in self._touched.values()
            ]
            self._db.run_many(
                "UPDATE heads SET first_index=?, next_index=?, chain=?, bytes=?, day=? WHERE log=?",
                heads,
            )

    def committed(self) -> None:
        """What changed is on disk."""
        self._touched.clear()
        while len(self._cache) > CACHED_LOGS:
            self._cache.popitem(last=False)
        while len(self._slots) > CACHED_SLOTS:
            self._slots.popitem(last=False)

    def rolled_back(self) -> None:
        """What changed is not. Nothing in memory can be trusted."""
        self._touched.clear()
        self._cache.clear()
        self._slots.clear()
        self._count = None

    # --- logs ---

    def find(self, instance: bytes) -> LogRecord | None:
        """The log of `instance`, out of the writer's memory if it is there."""
        record = self._cache.get(instance)
        if record is None:
            record = self.read(instance)
            if record is not None:
                self._cache[instance] = record
        else:
            self._cache.move_to_end(instance)
        return record

    def read(self, instance: bytes) -> LogRecord | None:
        """The log of `instance`, as it stands on disk."""
        row = self._db.one(
            "SELECT id, first, state, first_index, next_index, chain, bytes, day"
            " FROM logs JOIN heads ON heads.log=logs.id WHERE instance=?",
            instance,
        )
        if row is None:
            return None
        number, first, state, *head = row
        return LogRecord(number, instance, first, _log(state), *head)

    def instances(self, log: bytes) -> list[LogRecord]:
        """All instances of this log id: the writer's records."""
        rows = self._db.all("SELECT instance FROM logs WHERE log=?", log)
        return [one for (instance,) in rows if (one := self.find(instance)) is not None]

    def fallen(self, log: bytes) -> bool:
        """Whether this relay is known to have fallen back in any instance of this log id."""
        return self._db.one("SELECT 1 FROM logs WHERE log=? AND fell=1 LIMIT 1", log) is not None

    def count(self) -> int:
        """How many logs there are."""
        if self._count is None:
            row = self._db.one("SELECT COUNT(*) FROM logs")
            self._count = 0 if row is None else int(row[0])
        return self._count

    def create(self, instance: bytes, log: Log, *, day: int) -> LogRecord:
        """A new log. Its chain begins with the instance id."""
        count = self.count()
        self._db.run(
            "INSERT INTO logs (instance, log, first, fell, state) VALUES (?, ?, ?, ?, ?)",
            *(instance, log.configuration.log, log.epoch, int(log.fell_back), log.encode()),
        )
        record = LogRecord(self._db.inserted(), instance, log.epoch, log, 0, 0, instance, 0, day)
        self._db.run("INSERT INTO heads VALUES (?, 0, 0, ?, 0, ?)", record.id, instance, day)
        self._open_epoch(record)
        self._cache[instance] = record
        self._count = count + 1
        return record

    def save(self, record: LogRecord, log: Log) -> None:
        """Write the log's new state, within its epoch."""
        self._db.run(
            "UPDATE logs SET fell=?, state=? WHERE id=?",
            *(int(log.fell_back), log.encode(), record.id),
        )
        record.log = log

    def advance(self, record: LogRecord, log: Log, *, minute: int) -> None:
        """Write the log's state in its next epoch; the one before is closed."""
        self._db.run(
            "UPDATE epochs SET closed=? WHERE log=? AND epoch=?",
            *(max(1, minute), record.id, record.log.epoch),
        )
        self.save(record, log)
        self._open_epoch(record)
        record.day = minute // 1440
        self._touched[record.id] = record

    def _open_epoch(self, record: LogRecord) -> None:
        log = record.log
        self._db.run(
            "INSERT INTO epochs VALUES (?, ?, ?, ?, 0, 0)",
            *(record.id, log.epoch, log.seat.id, log.key or b""),
        )

    def epoch(self, record: LogRecord, epoch: int) -> EpochRecord | None:
        """What is kept of an epoch of this log."""
        row = self._db.one(
            "SELECT seat, key, grace, closed FROM epochs WHERE log=? AND epoch=?", record.id, epoch
        )
        return None if row is None else EpochRecord(*row)

    def count_grace(self, record: LogRecord, epoch: int, used: int) -> None:
        """Write how many entries are in an epoch's grace lane."""
        self._db.run("UPDATE epochs SET grace=? WHERE log=? AND epoch=?", used, record.id, epoch)

    # --- slots ---

    def slot(self, seat: bytes) -> Slot | None:
        """What is saved of a seat's slot. Raises `Gone` if its decision has expired."""
        if (kept := self._slots.get(seat)) is not None:
            return kept
        row = self._db.one("SELECT state FROM slots WHERE seat=?", seat)
        if row is None:
            return None
        if not row[0]:
            raise Gone
        return _saved(Slot, row[0])

    def save_slot(self, seat: Seat, slot: Slot) -> None:
        """Write a seat's slot."""
        state = slot.encode()
        self._db.run(
            "INSERT INTO slots (seat, content, state) VALUES (?, ?, ?)"
            " ON CONFLICT (seat) DO UPDATE SET state=excluded.state",
            *(seat.id, seat.encode(), state),
        )
        # Of what is being decided just now the writer knows the last state: three requests need it in a row.
        self._slots.pop(seat.id, None)
        if slot.decided is None and len(state) <= SMALL_SLOT:
            self._slots[seat.id] = slot

    def seat(self, seat: bytes) -> Seat | None:
        """The seat with this id, as long as its slot is kept."""
        row = self._db.one("SELECT content FROM slots WHERE seat=?", seat)
        return None if row is None or not row[0] else _saved(Seat, row[0])

    # --- entries ---

    def append(
        self, record: LogRecord, epoch: int, name: bytes, chain: bytes, data: bytes, *, minute: int
    ) -> None:
        """Write an entry with the hash `name` at the log's next index. `chain` is the one after it."""
        self._db.run(
            "INSERT INTO entries (log, epoch, place, minute, tag, chain, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(record.id, epoch, record.next_index, minute, _tag(name), chain, data),
        )
        record.next_index += 1
        record.chain = chain
        record.bytes += len(data)
        record.day = minute // 1440
        self._touched[record.id] = record

    def leap(self, record: LogRecord, index: int, *, minute: int) -> None:
        """Begin a later life than that of `index` and of all that lies there: the next entry is its first.

        It is called by the `minute`, so that lives which this relay has forgotten are earlier too.
        """
        later = life(max(index, record.next_index - 1)) + 1
        record.next_index = max(later, minute) * LIFE
        self._touched[record.id] = record

    def find_entry(self, record: LogRecord, epoch: int, name: bytes) -> Place | None:
        """Where an entry with this hash lies in this epoch."""
        rows = self._db.all(
            "SELECT place, chain, data FROM entries WHERE log=? AND tag=? AND epoch=?",
            *(record.id, _tag(name), epoch),
        )
        return next(
            (Place(at, chain) for at, chain, data in rows if entry_hash(data) == name), None
        )

    def entry_at(self, record: LogRecord, epoch: int, index: int) -> tuple[bytes, bytes] | None:
        """The hash of the entry at this place, and the chain after it; None if there is none."""
        row = self._db.one(
            "SELECT chain, data FROM entries WHERE log=? AND epoch=? AND place=?",
            *(record.id, epoch, index),
        )
        return None if row is None else (entry_hash(row[1]), row[0])

    def page(
        self, record: LogRecord, epoch: int, start: int, count: int, *, ceiling: int
    ) -> list[StoredEntry]:
        """Entries of an epoch from `start` on, up to where `record` stands.

        At most `count` and `ceiling` bytes, but one in any case.
        """
        cursor = self._db.rows(
            "SELECT place, minute, data FROM entries"
            " WHERE log=? AND epoch=? AND place>=? AND place<? ORDER BY place LIMIT ?",
            *(record.id, epoch, start, record.next_index, count),
        )
        page: list[StoredEntry] = []
        size = 0
        for index, minute, data in cursor:
            size += len(data)
            if page and size > ceiling:
                break
            page.append(StoredEntry(index, minute, data))
        return page

    # --- expiry ---

    def expire_entries(self, *, before: int, minute: int) -> bool:
        """Delete some entries that came before the minute `before`. Whether there may be more.

        Entries are in the order of their arrival, so only the oldest are looked at. One that came when the
        clock was wrong is dated anew: it would hold up all others, or go too early.
        """
        rows = self._db.all(
            "SELECT id, log, place, minute, length(data) FROM entries ORDER BY id LIMIT ?", SLICE
        )
        wrong = [(minute, one[0]) for one in rows if not EARLIEST <= one[3] <= minute]
        if wrong:
            self._db.run_many("UPDATE entries SET minute=? WHERE id=?", wrong)
        old = list(takewhile(lambda row: EARLIEST <= row[3] < before, rows))
        if not old:
            return False
        self._db.run("DELETE FROM entries WHERE id<=?", old[-1][0])
        freed: dict[int, tuple[int, int]] = {}
        for _, number, place, _, size in old:
            freed[number] = (place + 1, freed.get(number, (0, 0))[1] + size)
        # A log in memory is the truth of this transaction; the others are changed on disk.
        known = {one.id: one for one in self._cache.values()}
        for number, (first, size) in freed.items():
            if (record := known.get(number)) is not None:
                record.first_index = first
                record.bytes -= size
                self._touched[number] = record
            else:
                self._db.run(
                    "UPDATE heads SET first_index=?, bytes=bytes-? WHERE log=?", first, size, number
                )
        return len(old) == SLICE

    def expire_epochs(self, *, before: int, minute: int) -> bool:
        """Forget some epochs that were closed before the minute `before`, and their decisions.

        Of each slot a tombstone stays, so that no vote is given there a second time.
        """
        self._db.run(
            "UPDATE epochs SET closed=? WHERE (log, epoch) IN (SELECT log, epoch FROM epochs"
            " WHERE closed>0 AND closed<? OR closed>0 AND closed>? LIMIT ?)",
            *(minute, EARLIEST, minute, SLICE),
        )
        dated = self._db.changes()
        rows = self._db.all(
            "SELECT log, epoch, seat FROM epochs WHERE closed>0 AND closed<? LIMIT ?",
            *(before, SLICE),
        )
        self._bury([(seat,) for _, _, seat in rows])
        self._db.run_many("DELETE FROM epochs WHERE log=? AND epoch=?", [one[:2] for one in rows])
        return SLICE in (dated, len(rows))

    def expire_logs(self, *, before: int, day: int) -> bool:
        """Forget some logs in which nothing has happened since the day `before`. `day` is today.

        A slot that another instance has reached too is not this log's to forget. Where something was signed
        a tombstone stays: an instance that began anew would contradict its own receipts.
        """
        self.flush()
        self._db.run(
            "UPDATE heads SET day=? WHERE log IN"
            " (SELECT log FROM heads WHERE day<? OR day>? LIMIT ?)",
            *(day, EARLIEST // 1440, day, SLICE),
        )
        dated = self._db.changes()
        rows = self._db.all(
            "SELECT id, instance, next_index FROM heads JOIN logs ON logs.id=heads.log"
            " WHERE day<? LIMIT ?",
            *(before, SLICE),
        )
        for number, instance, used in rows:
            seats = self._db.all("SELECT seat FROM epochs WHERE log=?", number)
            self._db.run("DELETE FROM entries WHERE log=?", number)
            for table, column in (("epochs", "log"), ("heads", "log"), ("logs", "id")):
                self._db.run(f"DELETE FROM {table} WHERE {column}=?", number)  # noqa: S608
            if used:
                self._db.run(
                    "INSERT INTO slots (seat, content, state) VALUES (?, x'', x'')"
                    " ON CONFLICT (seat) DO NOTHING",
                    instance,
                )
            self._bury([one for one in seats if not self._reached(*one)])
        if rows or dated:
            self.rolled_back()  # what is in memory may be gone, or dated anew
        return SLICE in (dated, len(rows))

    def _reached(self, seat: bytes) -> bool:
        return self._db.one("SELECT 1 FROM epochs WHERE seat=? LIMIT 1", seat) is not None

    def _bury(self, seats: list[tuple[bytes]]) -> None:
        self._db.run_many("UPDATE slots SET content=x'', state=x'' WHERE seat=?", seats)
        for (seat,) in seats:
            self._slots.pop(seat, None)


def _tag(name: bytes) -> int:
    return int.from_bytes(name[:8], "big", signed=True)


@lru_cache(DECODED_LOGS)
def _log(state: bytes) -> Log:
    """What is saved of a log: the same object for the same bytes, with what was worked out of it."""
    return _saved(Log, state)


def _saved(kind: type[T], data: bytes) -> T:
    try:
        return kind.from_bytes(data)
    except RemoteError as error:
        raise StoreError("what the database holds cannot be read: it is damaged") from error
