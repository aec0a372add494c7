"""The database and its log tables on a real file: against a model, and byte by byte after deletion."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from heliogram.relay import slots
from heliogram.relay.errors import Gone, StoreError, Unavailable
from heliogram.relay.slots import Log, Slot
from heliogram.relay.store import Database, Place, Store, StoredEntry, database, logs
from heliogram.relay.store.database import OLDEST_SQLITE
from heliogram.relay.store.logs import EARLIEST, SLICE, _tag
from heliogram.wire import objects as o
from heliogram.wire.receipts import entry_hash, next_chain
from tests.relay.log_world import FOUR, KEYS, NOW, configured, decided, seat, value
from tests.test_docs import ROOT
from tests.wire.samples import name

MINUTE = NOW // 60
DAY = NOW // 86_400
RELAY = KEYS[0].public
LOGS = [seat(epoch, configured(0, 1, 2, 3, log=log)) for log in "ab" for epoch in (1, 2, 5)]


class Undone(Exception):
    """Why a transaction is rolled back."""


# --- The model ------------------------------------------------------------------------------------


@dataclass
class Entry:
    index: int
    epoch: int
    minute: int
    data: bytes
    chain: bytes


@dataclass
class Epoch:
    seat: o.Seat
    grace: int = 0
    closed: int = 0


@dataclass
class Model:
    """One log as a plain list of what happened."""

    log: Log
    chain: bytes
    day: int
    first_index: int = 0
    next_index: int = 0
    entries: list[Entry] = field(default_factory=list)
    epochs: dict[int, Epoch] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    """Store and model take the same steps; some transactions are undone, and the file is opened anew."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.store = Store(self.folder / "relay.db", writes=True)
        self.reader = Store(self.folder / "relay.db", writes=False)
        self.logs: dict[bytes, Model] = {}
        self.slots: dict[bytes, Slot | None] = {}  # None: a tombstone
        self.order: list[tuple[bytes, Entry]] = []  # all entries as they came
        self.minute = MINUTE
        self.number = 0

    def teardown(self) -> None:
        self.reader.close()
        self.store.close()
        shutil.rmtree(self.folder)

    @initialize()
    def first(self) -> None:
        self.create(LOGS[0])

    # --- steps ---

    @rule(at=st.sampled_from(LOGS))
    def create(self, at: o.Seat) -> None:
        if at.id in self.logs:
            return
        log = Log(RELAY, at)
        with self.store.transaction():
            record = self.store.logs.create(at.id, log, day=self.day)
            assert self.store.logs.find(at.id) is record
        self.logs[at.id] = Model(log, at.id, self.day, epochs={at.epoch: Epoch(at)})

    def one(self, data: st.DataObject) -> bytes:
        return data.draw(st.sampled_from(sorted(self.logs)))

    @property
    def day(self) -> int:
        return self.minute // 1440

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), many=st.integers(1, 5), same=st.booleans())
    def append(self, data: st.DataObject, many: int, same: bool) -> None:
        instance = self.one(data)
        model = self.logs[instance]
        epoch = data.draw(st.sampled_from(sorted(model.epochs)))
        with self.store.transaction():
            for _ in range(many):
                self.number += not same
                entry = b"%d" % self.number * 20
                h = entry_hash(entry)
                chain = next_chain(model.chain, h)
                record = self.store.logs.find(instance)
                assert record is not None
                self.store.logs.append(record, epoch, h, chain, entry, minute=self.minute)
                made = Entry(model.next_index, epoch, self.minute, entry, chain)
                model.entries.append(made)
                self.order.append((instance, made))
                model.next_index, model.chain, model.day = model.next_index + 1, chain, self.day

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), text=st.binary(max_size=3))
    def advance(self, data: st.DataObject, text: bytes) -> None:
        instance = self.one(data)
        model = self.logs[instance]
        here = model.log.seat
        if self.slots.get(here.id, Slot()) is None:
            return
        one = value(text, here.epoch, here.configuration)
        known = self.slots.get(here.id)
        if known is not None and known.decided is not None:
            (one,) = known.values
        decision = Slot(values=(one,), decided=decided(one, here))
        following = Log(RELAY, o.Header.from_bytes(one.header).seat(here.epoch + 1))
        with self.store.transaction():
            record = self.store.logs.find(instance)
            assert record is not None
            self.store.logs.save_slot(here, decision)
            self.store.logs.advance(record, following, minute=self.minute)
        self.slots[here.id] = decision
        model.epochs[here.epoch].closed = self.minute
        model.epochs[here.epoch + 1] = Epoch(following.seat)
        model.log, model.day = following, self.day

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), promised=st.integers(0, 9))
    def vote(self, data: st.DataObject, promised: int) -> None:
        here = self.logs[self.one(data)].log.seat
        if here.id in self.slots:
            return
        with self.store.transaction():
            self.store.logs.save_slot(here, Slot(promised))
        self.slots[here.id] = Slot(promised)

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), used=st.integers(0, 64), nonce=st.binary(min_size=32, max_size=32))
    def fence_and_grace(self, data: st.DataObject, used: int, nonce: bytes) -> None:
        instance = self.one(data)
        model = self.logs[instance]
        epoch = data.draw(st.sampled_from(sorted(model.epochs)))
        log = slots.fence(model.log, nonce, model.log.epoch)
        with self.store.transaction():
            record = self.store.logs.find(instance)
            assert record is not None
            self.store.logs.save(record, log)
            self.store.logs.count_grace(record, epoch, used)
        model.log, model.epochs[epoch].grace = log, used

    @precondition(lambda self: self.logs)
    @rule(data=st.data())
    def undone(self, data: st.DataObject) -> None:
        """Everything in one transaction that is rolled back: no trace, in memory neither."""
        instance = self.one(data)
        model = self.logs[instance]
        with pytest.raises(Undone), self.store.transaction():
            table = self.store.logs
            record = table.find(instance)
            assert record is not None
            table.append(record, model.log.epoch, bytes(32), bytes(32), b"undone", minute=1)
            table.save(record, slots.fence(record.log, bytes(32), 99))
            table.save_slot(record.log.seat, Slot(77))
            table.advance(record, Log(RELAY, seat(record.log.epoch + 1)), minute=1)
            if (fresh := seat(3)).id not in self.logs:
                table.create(fresh.id, Log(RELAY, fresh), day=1)
            table.expire_entries(before=self.minute + 1, minute=self.minute)
            table.expire_epochs(before=self.minute + 1, minute=self.minute)
            table.expire_logs(before=self.day + 1, day=self.day)
            raise Undone

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store(self.folder / "relay.db", writes=True)

    @rule(minutes=st.sampled_from((1, 1440, 10 * 1440)))
    def wait(self, minutes: int) -> None:
        self.minute += minutes

    # --- expiry ---

    @rule(age=st.integers(0, 20))
    def expire_entries(self, age: int) -> None:
        before = self.minute - age * 1440
        with self.store.transaction():
            while self.store.logs.expire_entries(before=before, minute=self.minute):
                pass
        while self.order and self.order[0][1].minute < before:
            instance, entry = self.order.pop(0)
            model = self.logs[instance]
            model.entries.remove(entry)
            model.first_index = entry.index + 1

    @rule(age=st.integers(0, 20))
    def expire_epochs(self, age: int) -> None:
        before = self.minute - age * 1440
        with self.store.transaction():
            while self.store.logs.expire_epochs(before=before, minute=self.minute):
                pass
        for model in self.logs.values():
            for number, epoch in list(model.epochs.items()):
                if 0 < epoch.closed < before:
                    del model.epochs[number]
                    if epoch.seat.id in self.slots:
                        self.slots[epoch.seat.id] = None

    @rule(age=st.integers(1, 20))
    def expire_logs(self, age: int) -> None:
        before = self.day - age
        with self.store.transaction():
            while self.store.logs.expire_logs(before=before, day=self.day):
                pass
        for instance, model in list(self.logs.items()):
            if model.day < before:
                del self.logs[instance]
                self.order = [one for one in self.order if one[0] != instance]
                reached = {e.seat.id for m in self.logs.values() for e in m.epochs.values()}
                if model.next_index:
                    self.slots.setdefault(instance, None)
                for epoch in model.epochs.values():
                    if epoch.seat.id in self.slots and epoch.seat.id not in reached:
                        self.slots[epoch.seat.id] = None

    # --- what must be equal ---

    @invariant()
    def equal(self) -> None:
        for store in (self.store, self.reader):
            self.compare(store)
        table = self.store.logs
        assert table.count() == len(self.logs)
        for log in "ab":
            there = [m for m in self.logs.values() if m.log.configuration.log == name(log)]
            assert len(table.instances(name(log))) == len(there)
            assert table.fallen(name(log)) == any(m.log.fell_back for m in there)
        for instance, model in self.logs.items():
            assert table.find(instance) == self.reader.logs.read(instance)
            record = table.find(instance)
            assert record is not None
            for entry in model.entries:
                first = next(
                    one for one in model.entries
                    if (one.epoch, one.data) == (entry.epoch, entry.data)
                )  # fmt: skip
                h = entry_hash(entry.data)
                found = table.find_entry(record, entry.epoch, h)
                assert found == Place(first.index, first.chain)
                assert table.entry_at(record, entry.epoch, entry.index) == (h, entry.chain)
            assert table.find_entry(record, 1, bytes(32)) is None

    def compare(self, store: Store) -> None:
        table = store.logs
        for at in LOGS:
            assert (table.read(at.id) is None) == (at.id not in self.logs)
        for instance, model in self.logs.items():
            record = table.read(instance)
            assert record is not None
            assert record.log == model.log and record.first == min(
                s.epoch for s in LOGS if s.id == instance
            )
            assert (record.first_index, record.next_index, record.chain, record.bytes, record.day) == (
                model.first_index, model.next_index, model.chain,
                sum(len(one.data) for one in model.entries), model.day,
            )  # fmt: skip
            for number in range(8):
                saved, expected = table.epoch(record, number), model.epochs.get(number)
                if expected is None:
                    assert saved is None
                    continue
                assert saved is not None
                assert (saved.seat, saved.key, saved.grace, saved.closed) == (
                    expected.seat.id, expected.seat.key_of(RELAY), expected.grace, expected.closed,
                )  # fmt: skip
                page = table.page(record, number, 0, 1000, ceiling=1 << 30)
                kept = [
                    StoredEntry(one.index, one.minute, one.data)
                    for one in model.entries
                    if one.epoch == number
                ]
                assert page == kept
                assert table.page(record, number, 0, 2, ceiling=1 << 30) == kept[:2]
                assert table.page(record, number, 0, 1000, ceiling=1) == kept[:1]
                if kept:
                    rest = table.page(record, number, kept[0].index + 1, 1000, ceiling=1 << 30)
                    assert rest == kept[1:]
        for id, slot in self.slots.items():
            if slot is None:
                with pytest.raises(Gone):
                    table.slot(id)
                assert table.seat(id) is None
            else:
                assert table.slot(id) == slot
                found = table.seat(id)
                assert found is not None and found.id == id
        assert table.slot(name("no seat")) is None and table.seat(name("no seat")) is None


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


# --- Slices and clocks ----------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "relay.db", writes=True)


def filled(store: Store, entries: int, *, data: bytes = b"x", minute: int = MINUTE) -> bytes:
    with store.transaction():
        at = seat()
        record = store.logs.find(at.id) or store.logs.create(at.id, Log(RELAY, at), day=DAY)
        for _ in range(entries):
            h = entry_hash(data)
            chain = next_chain(record.chain, h)
            store.logs.append(record, at.epoch, h, chain, data, minute=minute)
    return at.id


def test_entries_go_in_slices(store: Store) -> None:
    log = filled(store, 2 * SLICE + 3)
    filled(store, 2, minute=MINUTE + 9)
    more = []
    for _ in range(4):
        with store.transaction():
            more.append(store.logs.expire_entries(before=MINUTE + 1, minute=MINUTE + 9))
    assert more == [True, True, False, False]
    record = store.logs.read(log)
    assert record is not None and (record.first_index, record.bytes) == (2 * SLICE + 3, 2)


def test_entries_of_a_log_that_is_not_in_memory(store: Store) -> None:
    log = filled(store, 3)
    store.logs.rolled_back()
    with store.transaction():
        assert not store.logs.expire_entries(before=MINUTE + 1, minute=MINUTE + 1)
    record = store.logs.read(log)
    assert record is not None and (record.first_index, record.bytes) == (3, 0)


def test_logs_and_epochs_go_in_slices(store: Store) -> None:
    with store.transaction():
        for epoch in range(SLICE + 2):
            at = seat(epoch)
            record = store.logs.create(at.id, Log(RELAY, at), day=DAY)
            store.logs.advance(record, Log(RELAY, seat(epoch + 1)), minute=MINUTE)
    more = []
    for _ in range(2):
        with store.transaction():
            more.append(store.logs.expire_epochs(before=MINUTE + 1, minute=MINUTE))
    for _ in range(3):
        with store.transaction():
            more.append(store.logs.expire_logs(before=DAY + 1, day=DAY))
    assert more == [True, False, True, False, False]
    assert store.logs.count() == 0


@pytest.mark.parametrize("wrong", [0, EARLIEST - 1, MINUTE + 10 * 365 * 1440])
def test_what_a_wrong_clock_has_dated_is_dated_anew(store: Store, wrong: int) -> None:
    log = filled(store, 2, minute=wrong)
    with store.transaction():
        record = store.logs.find(log)
        assert record is not None
        store.logs.advance(record, Log(RELAY, seat(2)), minute=wrong)
    with store.transaction():
        assert not store.logs.expire_entries(before=MINUTE - 1, minute=MINUTE)
        assert not store.logs.expire_epochs(before=MINUTE - 1, minute=MINUTE)
        assert not store.logs.expire_logs(before=DAY - 1, day=DAY)
    record = store.logs.find(log)
    assert record is not None and record.day == DAY
    assert [one.minute for one in store.logs.page(record, 1, 0, 9, ceiling=99)] == [MINUTE] * 2
    epoch = store.logs.epoch(record, 1)
    assert epoch is not None and epoch.closed == MINUTE


def test_memory_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "CACHED_LOGS", 3)
    with store.transaction():
        for epoch in range(5):
            store.logs.create(seat(epoch).id, Log(RELAY, seat(epoch)), day=DAY)
    assert len(store.logs._cache) == 3
    with store.transaction():
        assert store.logs.find(seat(2).id) is store.logs.find(seat(2).id)
        assert store.logs.find(seat(0).id) is not None
    assert list(store.logs._cache) == [seat(4).id, seat(2).id, seat(0).id]


def test_plans_use_indices(store: Store) -> None:
    """What runs often or under the writer's lock never walks through a table."""
    for sql, values in (
        ("SELECT id FROM logs JOIN heads ON heads.log=logs.id WHERE instance=?", 1),
        ("SELECT 1 FROM logs WHERE log=? AND fell=1 LIMIT 1", 1),
        ("SELECT place FROM entries WHERE log=? AND tag=? AND epoch=?", 3),
        (
            "SELECT place FROM entries WHERE log=? AND epoch=? AND place>=? AND place<? ORDER BY place",
            4,
        ),
        ("SELECT log, epoch, seat FROM epochs WHERE closed>0 AND closed<? LIMIT ?", 2),
        ("SELECT log FROM epochs WHERE closed>0 AND closed<? OR closed>0 AND closed>? LIMIT ?", 3),
        ("SELECT log FROM heads WHERE day<? OR day>? LIMIT ?", 3),
        ("SELECT 1 FROM epochs WHERE seat=? LIMIT 1", 1),
        ("SELECT state FROM slots WHERE seat=?", 1),
    ):
        plan = store.database.all(f"EXPLAIN QUERY PLAN {sql}", *([1] * values))
        assert not any("SCAN" in row[3] for row in plan), (sql, plan)


def test_a_damaged_row_says_so(store: Store, tmp_path: Path) -> None:
    log = filled(store, 0)
    with store.transaction():
        store.database.run("UPDATE logs SET state=x'00'")
        store.logs.save_slot(seat(), Slot(1))
        store.database.run("UPDATE slots SET state=x'00', content=x'00'")
    reader = Store(tmp_path / "relay.db", writes=False)
    with pytest.raises(StoreError, match="damaged"):
        reader.logs.read(log)
    with pytest.raises(StoreError, match="damaged"):
        reader.logs.slot(seat().id)
    with pytest.raises(StoreError, match="damaged"):
        reader.logs.seat(seat().id)
    reader.close()


# --- The file -------------------------------------------------------------------------------------


def pragma(store: Store, what: str) -> object:
    (row,) = store.database.all(f"PRAGMA {what}")
    return row[0]


def test_settings_of_the_file(store: Store, tmp_path: Path) -> None:
    for _ in range(2):
        assert pragma(store, "journal_mode") == "wal"
        assert pragma(store, "synchronous") == 2
        assert pragma(store, "secure_delete") == 1
        assert pragma(store, "auto_vacuum") == 2
        assert pragma(store, "page_size") == 8192
        assert pragma(store, "temp_store") == 2
        store.close()
        store = Store(tmp_path / "relay.db", writes=True)


def test_an_old_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split(".")[:3])) >= OLDEST_SQLITE
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(StoreError, match=r"SQLite 3\.51\.2 .* 3\.51\.3 is needed"):
        Database(tmp_path / "relay.db", writes=True)
    assert not (tmp_path / "relay.db").exists()


def foreign(path: Path, *statements: str) -> bytes:
    connection = apsw.Connection(str(path))
    for one in ("CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)", *statements):
        connection.execute(one)
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ((), "not a relay's"),
        (("PRAGMA user_version=1",), "not a relay's"),
        (("PRAGMA application_id=7", "DROP TABLE theirs"), "not a relay's"),
        (("PRAGMA application_id=0x484C4752", "PRAGMA user_version=9"), "another version"),
    ],
)
def test_a_foreign_file_is_refused_and_not_changed(
    tmp_path: Path, statements: tuple[str, ...], why: str, writes: bool
) -> None:
    path = tmp_path / "relay.db"
    before = foreign(path, *statements)
    with pytest.raises(StoreError, match=why):
        Database(path, writes=writes)
    assert path.read_bytes() == before and not Path(f"{path}-wal").exists()


def test_what_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"a diary" * 1000)
    for writes in (True, False):
        with pytest.raises(StoreError, match="NotADBError"):
            Database(path, writes=writes)
    with pytest.raises(StoreError, match="CantOpenError"):
        Database(tmp_path / "nowhere" / "relay.db", writes=True)
    with pytest.raises(StoreError, match="CantOpenError"):
        Database(tmp_path / "missing.db", writes=False)


def test_a_file_that_was_only_begun_is_finished(tmp_path: Path) -> None:
    """Power was lost after the mode was set and before there was a table."""
    connection = apsw.Connection(str(tmp_path / "relay.db"))
    for one in ("page_size=8192", "auto_vacuum=INCREMENTAL", "journal_mode=WAL"):
        connection.execute(f"PRAGMA {one}")
    connection.close()
    assert (tmp_path / "relay.db").stat().st_size > 0
    store = Store(tmp_path / "relay.db", writes=True)
    assert store.logs.count() == 0 and pragma(store, "auto_vacuum") == 2


def test_a_file_that_does_not_keep_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "relay.db"
    Store(path, writes=True).close()
    as_it_is = Database._set

    def refuse(setting: str, instead: str) -> None:
        def patched(self: Database, pragma: str, value: str) -> None:
            as_it_is(self, pragma, instead if pragma == setting else value)

        monkeypatch.setattr(Database, "_set", patched)

    refuse("synchronous", "NORMAL")
    with pytest.raises(StoreError, match="wait for the disk"):
        Database(path, writes=True)
    refuse("journal_mode", "DELETE")
    with pytest.raises(StoreError, match="write-ahead"):
        Database(path, writes=True)


def test_what_is_not_brought_to_disk_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process may have written what no fsync has confirmed: a reader holds it in the WAL."""
    path = tmp_path / "relay.db"
    store = Store(path, writes=True)
    filled(store, 1)
    reader = Store(path, writes=False)
    cursor = reader.database.rows("SELECT 1 FROM logs UNION ALL SELECT 2")
    next(cursor)
    filled(store, 1)
    monkeypatch.setattr(database, "PATIENCE", 10)
    with pytest.raises(StoreError, match="brought to disk"):
        Store(path, writes=True)
    del cursor
    Store(path, writes=True).close()
    reader.close()


def test_owner(store: Store) -> None:
    with pytest.raises(StoreError, match="whose"):
        store.database.check_owner(RELAY)
    store.database.claim(RELAY)
    store.database.check_owner(RELAY)
    with pytest.raises(StoreError, match="another relay's"):
        store.database.check_owner(KEYS[1].public)
    with pytest.raises(StoreError, match="already"):
        store.database.claim(KEYS[1].public)


def test_a_reader_sees_what_is_committed_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    reader = Store(tmp_path / "relay.db", writes=False)
    at = seat()
    with store.transaction():
        store.logs.create(at.id, Log(RELAY, at), day=DAY)
        assert store.logs.find(at.id) is not None and reader.logs.read(at.id) is None
    assert reader.logs.read(at.id) is not None
    for sql in ("DELETE FROM logs", "CREATE TABLE x (y)"):
        with pytest.raises(apsw.ReadOnlyError):
            reader.database.run(sql)
    reader.close()


def test_a_page_ends_where_its_record_stands(store: Store, tmp_path: Path) -> None:
    """Between a reader's two reads the writer may append: the page fits to what is told as the end."""
    log = filled(store, 2)
    reader = Store(tmp_path / "relay.db", writes=False)
    record = reader.logs.read(log)
    filled(store, 1)
    assert record is not None
    assert [one.index for one in reader.logs.page(record, 1, 0, 9, ceiling=99)] == [0, 1]
    reader.close()


def test_a_transaction_that_cannot_be_undone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.database.run

    def broken(sql: str, *values: object) -> None:
        if sql == "ROLLBACK":
            raise apsw.IOError("the disk is gone")
        run(sql, *values)

    monkeypatch.setattr(store.database, "run", broken)
    with pytest.raises(Unavailable), store.transaction():
        raise Undone
    run("ROLLBACK")


def test_an_error_after_which_sqlite_has_rolled_back_by_itself(store: Store) -> None:
    with pytest.raises(Undone), store.transaction():
        store.database.run("ROLLBACK")
        raise Undone
    with store.transaction():
        pass


WRITE_AND_DIE = """
import os, sys
from pathlib import Path
from tests.relay.test_store_logs import filled
from heliogram.relay.store import Store
store = Store(Path(sys.argv[1]), writes=True)
filled(store, 5, data=b"committed")
with store.transaction():
    store.database.run("DELETE FROM entries")
    os._exit(9)
"""


def test_a_process_that_dies_leaves_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    store = Store(path, writes=True)
    record = store.logs.read(seat().id)
    assert record is not None and record.next_index == 5
    assert len(store.logs.page(record, 1, 0, 9, ceiling=999)) == 5


# --- What is deleted is overwritten ---------------------------------------------------------------


def remains(path: Path, what: bytes) -> list[str]:
    """The files of the database in which these bytes are."""
    return [one.name for one in sorted(path.parent.iterdir()) if what in one.read_bytes()]


def test_nothing_of_what_was_deleted_is_left(store: Store, tmp_path: Path) -> None:
    """Entries small and large, slots, keys: not in the file nor its WAL, after expiry and its checkpoint."""
    path = tmp_path / "relay.db"
    canaries = [sha256(b"%d" % index).digest() for index in range(6)]
    small, large, body, key, instance, nonce = canaries
    log = filled(store, 3, data=small)
    filled(store, 2, data=large * 2000)
    one = o.Value(o.Header(FOUR, (key, *canaries[:3])).encode(), body * 500)
    with store.transaction():
        record = store.logs.find(log)
        assert record is not None
        store.logs.save_slot(seat(), Slot(values=(one,), decided=decided(one, seat())))
        following = o.Header.from_bytes(one.header).seat(2)
        store.logs.advance(record, Log(RELAY, following, fence=nonce), minute=MINUTE)
        store.logs.create(instance, Log(RELAY, seat(9)), day=DAY)
    store.database.checkpoint()
    assert all(remains(path, one) == ["relay.db"] for one in canaries)
    with store.transaction():
        while store.logs.expire_entries(before=MINUTE + 1, minute=MINUTE):
            pass
        store.logs.expire_epochs(before=MINUTE + 1, minute=MINUTE)
        store.logs.expire_logs(before=DAY + 1, day=DAY)
    with store.transaction():
        while store.database.give_back(8):
            pass
    assert store.database.checkpoint()
    assert [one for one in canaries if remains(path, one)] == []
    assert remains(path, b"SQLite format 3") == ["relay.db"]
    # Of the log, marks stay that it was here: its first seat, and the one that was decided.
    assert remains(path, log) == ["relay.db"]


def test_free_pages_are_given_back(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    filled(store, 100, data=bytes(8000))
    store.database.checkpoint()
    size = path.stat().st_size
    with store.transaction():
        store.logs.expire_entries(before=MINUTE + 1, minute=MINUTE)
    slices = 0
    while True:
        with store.transaction():
            more = store.database.give_back(32)
        slices += 1
        if not more:
            break
    store.database.checkpoint()
    assert slices > 2 and path.stat().st_size < size // 3


def test_tags_are_signed_numbers() -> None:
    assert (_tag(bytes(31) + b"\x01"), _tag(b"\xff" * 32)) == (0, -1)
