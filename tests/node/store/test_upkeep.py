"""What a store needs now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliogram.mls import Secret
from heliogram.node.errors import StoreFull
from heliogram.node.profile.directory import Directory
from heliogram.node.profile.profile import Profile
from heliogram.node.store import database, upkeep
from heliogram.node.store.database import Store
from heliogram.node.store.keys import Costs
from heliogram.node.store.upkeep import DAY, DECISIONS_KEPT, LAST_KEPT, Upkeep, rewrite_is_due

KEY = Secret(bytes(32))

#: Long after everything in a test.
NOW = 2_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store.db", KEY)


def wal(store: Store) -> int:
    path = store.path.with_name(store.path.name + "-wal")
    return path.stat().st_size if path.exists() else 0


def test_the_wal_is_cut_when_nothing_is_written(store: Store) -> None:
    keeping = Upkeep(store)
    keeping.look(NOW)
    keeping.look(NOW)
    with store.transaction():
        store.set_setting("a", b"secret")
    assert wal(store) > 0
    keeping.look(NOW)  # something was written just now
    assert wal(store) > 0
    keeping.look(NOW)
    assert wal(store) == 0
    store.close()


def test_somebody_reads(store: Store) -> None:
    keeping = Upkeep(store)
    with store.reader() as reader, reader.snapshot():
        with store.transaction():
            store.set_setting("a", b"1")
        for _ in range(3):
            keeping.look(NOW)
        assert wal(store) > 0
    keeping.look(NOW)
    assert wal(store) == 0
    store.close()


def test_old_decisions_go(store: Store) -> None:
    with store.transaction():
        for conversation in (1, 2):
            store.execute(
                "INSERT INTO conversations (number, id, kind, phase, created)"
                " VALUES (?, ?, 'group', 'open', 0)",
                (conversation, bytes([conversation]) * 32),
            )
        for conversation, many, time in ((1, 100, 0), (2, 100, NOW - DECISIONS_KEPT)):
            for epoch in range(many):
                store.execute(
                    "INSERT INTO decisions VALUES (?, ?, ?, ?)", (conversation, epoch, b"d", time)
                )
    keeping = Upkeep(store)
    keeping.look(NOW)
    kept = store.query("SELECT conversation, min(epoch), count(*) FROM decisions GROUP BY 1")
    assert kept == [(1, 100 - LAST_KEPT, LAST_KEPT), (2, 0, 100)]
    # The other ones a day later, and not before.
    for time, many in ((NOW + DAY - 1, 100), (NOW + DAY, LAST_KEPT)):
        for _ in range(2):
            keeping.look(time)
        assert store.one("SELECT count(*) FROM decisions WHERE conversation = 2") == (many,)
    store.close()


def test_trouble_is_no_trouble(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreFull

    keeping = Upkeep(store)
    with monkeypatch.context() as patched:
        patched.setattr(upkeep, "tidy", full)
        keeping.look(NOW)
    keeping.look(NOW)
    assert store.setting("tidied") == b"%d" % NOW
    store.close()


def test_a_large_file_is_written_anew_once_a_week(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set_setting("a", b"1")
    assert not rewrite_is_due(store, NOW)
    monkeypatch.setattr(upkeep, "LARGEST_REWRITE", 0)
    assert rewrite_is_due(store, NOW)
    assert not rewrite_is_due(store, NOW + 7 * DAY - 1)
    assert rewrite_is_due(store, NOW + 7 * DAY)
    store.close()


@pytest.mark.parametrize("locked", [False, True])
def test_locking_leaves_no_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    monkeypatch.setattr(database, "LARGEST_REWRITE", 0)  # a large store, as far as it knows
    seed = iter(range(1, 1000))
    profile = Profile.create(
        Directory(tmp_path / "profile"),
        Secret(b"a passphrase"),
        lambda size: next(seed).to_bytes(2, "big") * (size // 2),
        costs=Costs(memory=64, passes=1),
    )
    store = profile.store
    for number in range(200):
        store.set_setting(f"a {number}", bytes(4000))
    for number in range(200):
        store.set_setting(f"a {number}", None)
    store.checkpoint()
    before = store.size
    profile.close(rewrite=locked)
    profile.close()
    after = (tmp_path / "profile" / store.path.name).stat().st_size
    assert (after < before) == locked
