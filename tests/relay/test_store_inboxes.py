"""The tables of inboxes and cells on a real file: what they promise to those who use them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from heliogram.relay.errors import StoreError
from heliogram.relay.store import CellRecord, CellTable, InboxTable, LinkRecord, Store
from heliogram.relay.store.cells import SLICE as CELL_SLICE
from heliogram.relay.store.inboxes import ANY_NUMBER, INBOX_SLICE, SLICE, TAKEN_SLICE, package_tag
from heliogram.wire.frames import Package


def name(text: str) -> bytes:
    return sha256(text.encode()).digest()


INBOX, OWNER, LINK = name("inbox"), name("owner"), name("link")
DAY, MINUTE = 20_000, 20_000 * 1440


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "relay.db", writes=True)
    with made.transaction():
        made.inboxes.create(INBOX, OWNER, day=DAY)
        made.inboxes.save_link(LinkRecord(1, LINK, ANY_NUMBER, 3))
    yield made
    made.close()


@pytest.fixture
def table(store: Store) -> InboxTable:
    return store.inboxes


def places(table: InboxTable) -> list[int]:
    return [item.index for item in table.page(1, 0, 1000, ceiling=1 << 20)[0]]


# --- Inboxes and links ----------------------------------------------------------------------------


def test_an_inbox(store: Store, table: InboxTable) -> None:
    record = table.read(INBOX)
    assert record is not None
    assert (record.inbox, record.owner, record.next_index, record.day) == (INBOX, OWNER, 0, DAY)
    assert table.read(OWNER) is None
    with store.transaction():
        table.touch(record.id, day=DAY + 1)
    changed = table.read(INBOX)
    assert changed is not None and changed.day == DAY + 1
    for bytes_of_clients in (INBOX, OWNER):
        assert repr(bytes_of_clients) not in repr(record)


def test_counting_survives_what_is_undone(store: Store, table: InboxTable) -> None:
    assert table.count() == 1
    with pytest.raises(KeyboardInterrupt), store.transaction():
        table.create(name("other"), OWNER, day=DAY)
        assert table.count() == 2
        raise KeyboardInterrupt
    assert table.count() == 1


def test_links(store: Store, table: InboxTable) -> None:
    link = LinkRecord(1, LINK, ANY_NUMBER, 3)
    assert table.link(INBOX, LINK) == link
    assert table.link(INBOX, OWNER) is None
    assert table.link(OWNER, LINK) is None
    with store.transaction():
        table.save_link(LinkRecord(1, LINK, 7, 8))
    assert table.links(1) == [LinkRecord(1, LINK, 7, 8)]
    with store.transaction():
        table.delete_link(1, LINK)
    assert table.links(1) == []


# --- Items ----------------------------------------------------------------------------------------


def test_items_keep_their_places(store: Store, table: InboxTable) -> None:
    with store.transaction():
        assert [table.append(1, LINK, b"%d" % i, minute=MINUTE) for i in range(5)] == [*range(5)]
        table.delete_items(1, [1, 4, 99])
        assert places(table) == [0, 2, 3]
        assert table.append(1, LINK, b"5", minute=MINUTE) == 5
    with store.transaction():
        table.keep_newest(1, 4)
        assert places(table) == [0, 2, 3, 5]
        table.keep_newest(1, 2)
        assert places(table) == [3, 5]
    assert table.has_item(1, LINK, b"3")
    assert not table.has_item(1, LINK, b"0")
    assert not table.has_item(1, OWNER, b"3")
    assert not table.has_item(2, LINK, b"3")


def test_an_item_needs_its_inbox(store: Store, table: InboxTable) -> None:
    with pytest.raises(StoreError), store.transaction():
        table.append(2, LINK, b"x", minute=MINUTE)


def test_a_page_ends_by_count_or_bytes(store: Store, table: InboxTable) -> None:
    with store.transaction():
        for _ in range(4):
            table.append(1, LINK, bytes(10), minute=MINUTE)
    for count, ceiling, length, more in (
        (4, 40, 4, False), (9, 99, 4, False), (3, 99, 3, True), (9, 39, 3, True), (9, 1, 1, True),
    ):  # fmt: skip
        page = table.page(1, 0, count, ceiling=ceiling)
        assert (len(page[0]), page[1]) == (length, more)
    assert table.page(1, 3, 1, ceiling=1)[1] is False
    assert table.page(1, 4, 1, ceiling=1) == ([], False)


# --- The pool and statements ----------------------------------------------------------------------


def test_the_pool_gives_the_oldest_of_each_device(store: Store, table: InboxTable) -> None:
    once, again = Package(b"b", False, b"1"), Package(b"b", False, b"2")
    last, other = Package(b"b", True, b"3"), Package(b"a", True, b"4")
    with store.transaction():
        for package in (last, once, again, other):
            table.add_package(1, package)
    for expected in ([other, once], [other, again], [other, last], [other, last]):
        with store.transaction():
            chosen = table.choose(1)
            assert [one.package for one in chosen] == expected
            table.give(1, chosen, minute=MINUTE)
    assert table.was_given(1) == {package_tag(once), package_tag(again)}
    assert table.stock(1) == [(b"b", True, package_tag(last)), (b"a", True, package_tag(other))]
    with store.transaction():
        table.add_package(1, Package(b"b", True, b"5"))
        table.clear_devices(1, [b"a"])
    assert [one.package.data for one in table.choose(1)] == [b"5"]


def test_statements(store: Store, table: InboxTable) -> None:
    packages = (Package(b"", False, b"1"), Package(b"a", True, b"2"))
    with store.transaction():
        table.save_posted(name("a"), minute=MINUTE)
        table.save_taken(name("b"), packages, minute=MINUTE)
    assert table.was_posted(name("a")) and not table.was_posted(name("b"))
    assert table.taken(name("b")) == packages
    assert table.taken(name("a")) is None
    with store.transaction():
        store.database.run("UPDATE taken SET packages=x'c1'")
    with pytest.raises(StoreError):
        table.taken(name("b"))


# --- Expiry ---------------------------------------------------------------------------------------


def test_items_expire_in_slices(store: Store, table: InboxTable) -> None:
    with store.transaction():
        # The clock was wrong for the first one: it does not hold up the others.
        table.append(1, LINK, b"from the future", minute=MINUTE + 10**6)
        for _ in range(SLICE + 1):
            table.append(1, LINK, b"x", minute=MINUTE)
        table.append(1, LINK, b"new", minute=MINUTE + 1)
    with store.transaction():
        assert table.expire_items(before=MINUTE) is False
        assert len(places(table)) == SLICE + 3
        assert table.expire_items(before=MINUTE + 1) is True
        assert table.expire_items(before=MINUTE + 1) is False
    assert places(table) == [0, SLICE + 2]


def test_statements_expire_in_slices(store: Store, table: InboxTable) -> None:
    with store.transaction():
        for i in range(SLICE + 1):
            table.save_posted(name(f"post {i}"), minute=MINUTE)
        for i in range(TAKEN_SLICE + 1):
            table.save_taken(name(f"take {i}"), (), minute=MINUTE)
        table.add_package(1, Package(b"", False, b"x"))
        table.give(1, table.choose(1), minute=MINUTE)
        table.save_posted(name("new"), minute=MINUTE + 1)
    with store.transaction():
        assert table.expire_statements(before=MINUTE) is False
        assert table.was_given(1)
        assert table.expire_statements(before=MINUTE + 1) is True
        assert table.expire_statements(before=MINUTE + 1) is False
    assert not table.was_given(1)
    assert store.database.all("SELECT statement FROM posted") == [(name("new"),)]
    assert store.database.all("SELECT statement FROM taken") == []


def test_idle_inboxes_go_with_all_that_is_in_them(store: Store, table: InboxTable) -> None:
    with store.transaction():
        for i in range(INBOX_SLICE + 1):
            inbox = name(f"idle {i}")
            table.create(inbox, OWNER, day=DAY - 1)
            record = table.read(inbox)
            assert record is not None
            table.save_link(LinkRecord(record.id, LINK, 1, 1))
            table.append(record.id, LINK, b"x", minute=MINUTE)
            table.add_package(record.id, Package(b"", False, b"x"))
            table.add_package(record.id, Package(b"", False, b"y"))
            table.give(record.id, table.choose(record.id), minute=MINUTE)
        table.append(1, LINK, b"stays", minute=MINUTE)
    with store.transaction():
        assert table.expire_inboxes(before=DAY) is True
        assert table.expire_inboxes(before=DAY) is False
    assert table.count() == 1
    assert table.read(INBOX) is not None
    rows = {
        name: store.database.all(f"SELECT inbox FROM {name}")
        for name in ("links", "items", "packages", "given")
    }
    assert rows == {"links": [(1,)], "items": [(1,)], "packages": [], "given": []}


# --- Cells ----------------------------------------------------------------------------------------


def cell(text: str, day: int = DAY) -> CellRecord:
    return CellRecord(name(text), OWNER, 1, day, bytes(64), text.encode())


def test_cells(store: Store) -> None:
    table: CellTable = store.cells
    record = cell("a")
    with store.transaction():
        table.create(record)
    assert table.read(record.cell) == record
    assert table.read(OWNER) is None
    assert repr(record.owner) not in repr(record)
    written = CellRecord(record.cell, OWNER, 2, DAY + 1, bytes([1]) * 64, b"two")
    with store.transaction():
        table.save(written)
        assert table.read(record.cell) == written
        table.touch(record.cell, day=DAY + 2)
        table.touch(OWNER, day=DAY + 2)
    found = table.read(record.cell)
    assert found is not None and found.day == DAY + 2
    with pytest.raises(KeyboardInterrupt), store.transaction():
        table.create(cell("b"))
        assert table.count() == 2
        raise KeyboardInterrupt
    assert table.count() == 1


def test_idle_cells_go_in_slices(store: Store) -> None:
    with store.transaction():
        for i in range(CELL_SLICE + 1):
            store.cells.create(cell(f"idle {i}", DAY - 1))
        store.cells.create(cell("stays"))
    with store.transaction():
        assert store.cells.expire(before=DAY) is True
        assert store.cells.expire(before=DAY) is False
    assert store.cells.count() == 1
    assert store.cells.read(name("stays")) is not None


# --- The file -------------------------------------------------------------------------------------


def test_70_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    """Items, packages, answers and former values, small and large, in all files of the database."""
    path = tmp_path / "relay.db"
    store = Store(path, writes=True)
    table = store.inboxes
    sizes = (40, 9_000, 60_000)

    def marked(what: str) -> list[bytes]:
        return [f"{what} {size} is secret".encode().ljust(size, b".") for size in sizes]

    with store.transaction():
        table.create(INBOX, OWNER, day=DAY)
        for text in (*marked("item"), *marked("expired"), *marked("dropped")):
            table.append(1, LINK, text, minute=MINUTE)
        for number, text in enumerate(marked("package")):
            table.add_package(1, Package(b"%d" % number, False, text[:16_000]))
        for number, text in enumerate(marked("cell")):
            store.cells.create(CellRecord(name(str(number)), OWNER, 1, DAY, bytes(64), text))
    store.database.checkpoint()
    assert b" is secret" in everything(tmp_path)
    with store.transaction():
        table.keep_newest(1, 6)
        table.delete_items(1, range(6))
        table.expire_items(before=MINUTE + 1)
        chosen = table.choose(1)
        table.give(1, chosen, minute=MINUTE)
        table.save_taken(name("t"), tuple(one.package for one in chosen), minute=MINUTE)
    with store.transaction():
        table.expire_statements(before=MINUTE + 1)
        for number in range(2):
            cell = name(str(number))
            store.cells.save(CellRecord(cell, OWNER, 2, DAY, bytes(64), b"short"))
        store.cells.touch(name("2"), day=DAY - 1)
        store.cells.expire(before=DAY)
    store.database.checkpoint()
    assert b" is secret" not in everything(tmp_path)
    store.close()


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
