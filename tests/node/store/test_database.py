"""The store: all or nothing, its owner's only, and whole after whatever the disk does."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from heliogram.mls import Secret
from heliogram.node.errors import (
    NodeError,
    StoreDamaged,
    StoreError,
    StoreFull,
    WrongPassphrase,
)
from heliogram.node.store.database import Store
from tests.node.store.kit import KEY, conversation, new_store, say

posix = pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")


# --- Transactions ---------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        with pytest.raises(KeyError), store.transaction():
            store.set_setting("a", b"1")
            raise KeyError
        assert store.setting("a") is None
        with store.transaction():
            store.set_setting("a", b"1")
            store.set_setting("a", b"2")
        assert store.setting("a") == b"2"
        with store.transaction():
            store.set_setting("a", None)
        assert store.setting("a") is None


def test_a_part_can_be_undone_alone(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        with store.transaction():
            store.set_setting("outer", b"1")
            with pytest.raises(KeyError), store.transaction():
                store.set_setting("inner", b"1")
                with store.transaction():
                    store.set_setting("innermost", b"1")
                raise KeyError
            with store.transaction():
                store.set_setting("second", b"1")
        assert [row[0] for row in store.query("SELECT name FROM settings ORDER BY 1")] == [
            "outer",
            "second",
        ]


def test_what_is_written_is_there_at_the_next_start(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.set_setting("a", b"1")
    store = Store.open(tmp_path / "profile.db", KEY)
    assert store.setting("a") == b"1"
    assert store.pragma("integrity_check") == "ok"
    store.close()


def test_the_promises_are_kept(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        assert store.pragma("journal_mode") == "wal"
        assert store.pragma("synchronous") == 2
        assert store.pragma("secure_delete") == 1
        assert store.pragma("temp_store") == 2
        assert store.pragma("foreign_keys") == 1
        assert store.one("SELECT v FROM search_config WHERE k = 'secure-delete'") == (1,)


def test_a_bug_of_ours_is_no_trouble_of_the_disk(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        with pytest.raises(dbapi2.OperationalError):
            store.execute("SELECT nothing")
        with store.transaction():
            with pytest.raises(dbapi2.IntegrityError):
                store.execute("INSERT INTO settings VALUES ('a', NULL)")
            store.set_setting("a", b"1")
        assert store.setting("a") == b"1"


# --- Another thread -------------------------------------------------------------------------------


def test_a_reader_in_another_thread_sees_one_state_and_cannot_write(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.set_setting("a", b"1")
        seen: list[object] = []
        reading, written = threading.Event(), threading.Event()

        def read() -> None:
            with store.reader() as reader:
                with reader.snapshot():
                    reading.set()
                    written.wait(60)
                    seen.append(reader.one("SELECT value FROM settings"))
                seen.append(reader.one("SELECT value FROM settings"))
                with pytest.raises(StoreError):
                    reader.execute("DELETE FROM settings")

        thread = threading.Thread(target=read)
        thread.start()
        assert reading.wait(60)
        store.set_setting("a", b"2")
        written.set()
        thread.join()
        assert seen == [(b"1",), (b"2",)]


def test_what_takes_long_can_be_ended(tmp_path: Path) -> None:
    with new_store(tmp_path) as store, store.reader() as reader:
        endless = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        raised: list[Exception] = []

        def run() -> None:
            try:
                reader.query(endless)
            except StoreError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            reader.interrupt()
            thread.join(0.01)
        assert len(raised) == 1


def test_a_store_that_is_read_is_closed_without_being_written_anew(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "profile.db", KEY)
    store.set_setting("a", b"1")
    with store.reader() as reader:
        before = (tmp_path / "profile.db").stat().st_ino
        store.close(rewrite=True)
        assert (tmp_path / "profile.db").stat().st_ino == before
        assert reader.one("SELECT value FROM settings") == (b"1",)
    store = Store.open(tmp_path / "profile.db", KEY)
    store.close(rewrite=True)
    assert (tmp_path / "profile.db").stat().st_ino != before
    assert (tmp_path / "profile.db").stat().st_mode & 0o777 == 0o600
    store = Store.open(tmp_path / "profile.db", KEY)
    assert store.setting("a") == b"1"
    store.close()


# --- Its owner's only -----------------------------------------------------------------------------


@posix
def test_60_files_are_their_owners_from_creation(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with new_store(tmp_path / "new") as store:
            store.set_setting("a", b"1")
            modes = {one.name: one.stat().st_mode & 0o777 for one in (tmp_path / "new").iterdir()}
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(("profile.db", "profile.db-wal", "profile.db-shm"), 0o600)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.set_setting("a", b"1")
    before = (tmp_path / "profile.db").read_bytes()
    with pytest.raises(WrongPassphrase) as caught:
        Store.open(tmp_path / "profile.db", Secret(bytes(32)))
    assert str(caught.value) == "" and caught.value.code == "wrong passphrase"
    assert (tmp_path / "profile.db").read_bytes() == before


def test_there_is_one_store_in_a_place(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.set_setting("a", b"1")
        with pytest.raises(StoreError, match="already"):
            Store.create(tmp_path / "profile.db", KEY)
        assert store.setting("a") == b"1"
    with pytest.raises(StoreError, match="cannot be read"):
        Store.open(tmp_path / "nothing", KEY)
    assert not (tmp_path / "nothing").exists()


# --- Damage ---------------------------------------------------------------------------------------


def test_an_empty_file_is_no_new_store(tmp_path: Path) -> None:
    (tmp_path / "profile.db").touch()
    with pytest.raises(StoreError, match="empty"):
        Store.open(tmp_path / "profile.db", KEY)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    other = dbapi2.connect(str(path))
    other.execute(f"PRAGMA key=\"x'{bytes(KEY).hex()}'\"")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(StoreDamaged):
        Store.open(path, KEY)


def test_a_changed_page_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "profile.db"
    with new_store(tmp_path) as store, store.transaction():
        where = conversation(store)
        for number in range(500):
            say(store, where, f"word{number} and more", sent=number)
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 + 1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        _open_and_read(path)


def _open_and_read(path: Path) -> None:
    store = Store.open(path, KEY)
    try:
        store.query("SELECT * FROM messages")
    finally:
        store.close()


# --- A disk that fails ----------------------------------------------------------------------------


def _fill(store: Store) -> None:
    with store.transaction():
        for number in range(1000):
            store.set_setting(f"much {number}", bytes(4000))


def test_69_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.set_setting("before", b"1")
        pages = store.pragma("page_count")
        store.execute(f"PRAGMA max_page_count={pages + 10}")
        with pytest.raises(StoreFull, match="no room") as caught:
            _fill(store)
        assert caught.value.code == "store full"
        assert store.query("SELECT name FROM settings") == [("before",)]
        store.set_setting("small", b"1")
        store.execute(f"PRAGMA max_page_count={pages + 100_000}")
        _fill(store)
        assert store.one("SELECT count(*) FROM settings") == (1002,)
        assert store.pragma("integrity_check") == "ok"


def test_69_whoever_catches_the_error_cannot_write_a_part(tmp_path: Path) -> None:
    """SQLite undoes a transaction by itself when the disk is full; what follows must not be written alone."""
    with new_store(tmp_path) as store:
        store.execute(f"PRAGMA max_page_count={store.pragma('page_count') + 10}")
        with pytest.raises(StoreFull), store.transaction():
            store.set_setting("first", b"1")
            with pytest.raises(NodeError):
                _fill(store)
            with pytest.raises(StoreFull):
                store.setting("first")
            with pytest.raises(StoreFull), store.transaction():
                pass
        assert store.query("SELECT name FROM settings") == []
        with store.transaction():
            store.set_setting("after", b"1")
        assert store.setting("after") == b"1"


@posix
def test_69_a_disk_that_does_not_write_is_told_and_it_works_after(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.set_setting("before", b"1")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        largest = max(one.stat().st_size for one in tmp_path.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 50_000, hard))
        try:
            with pytest.raises(StoreError):
                _fill(store)
            assert store.query("SELECT name FROM settings") == [("before",)]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        _fill(store)
        assert store.one("SELECT count(*) FROM settings") == (1001,)
        assert store.pragma("integrity_check") == "ok"


@posix
def test_69_a_store_that_cannot_be_made_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StoreError):
            Store.create(tmp_path / "profile.db", KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "profile.db").exists()
    with new_store(tmp_path) as store:
        store.set_setting("a", b"1")
    assert [one.name for one in tmp_path.iterdir()] == ["profile.db"]


def test_69_a_file_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.execute("PRAGMA query_only=ON")
        with pytest.raises(StoreError, match="cannot be written"):
            store.set_setting("a", b"1")
        store.execute("PRAGMA query_only=OFF")
        store.set_setting("a", b"1")
