"""Rows that were read before: who writes them, and what is undone, makes them read anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliogram.mls import Secret
from heliogram.node.store.database import LARGEST_MEMO, Memo, Store
from heliogram.node.store.logs import Logs, MemberRow
from heliogram.node.store.people import ContactRow, PeopleTables


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.create(tmp_path / "profile.db", Secret(os.urandom(32)))
    yield made
    made.close()


def test_a_change_is_seen_at_once(store: Store) -> None:
    logs = Logs(store)
    number = logs.add(b"i" * 32, "group", created=1)
    before = logs.get(number)
    logs.change(number, name="Tea", pinned=1)
    after = logs.get(number)
    assert before is not None and not before.pinned and before.name == ""
    assert after is not None and after.pinned is True and after.name == "Tea"
    assert logs.member_count(number) == 0
    logs.set_members(number, [MemberRow(b"a" * 32, 0, 1)])
    assert logs.member_count(number) == 1


def test_what_is_undone_is_read_anew(store: Store) -> None:
    logs, people = Logs(store), PeopleTables(store)
    number = logs.add(b"i" * 32, "group", created=1)
    people.save_contact(ContactRow(b"a" * 32, "Ann", 1, "known"))
    with pytest.raises(ZeroDivisionError), store.transaction():
        logs.change(number, name="Tea")
        people.save_contact(ContactRow(b"a" * 32, "Eve", 1, "known"))
        people.save_name(b"a" * 32, "Eve")
        row, contact = logs.get(number), people.contact(b"a" * 32)
        assert row is not None and row.name == "Tea"
        assert contact is not None and contact.name == people.name(b"a" * 32) == "Eve"
        raise ZeroDivisionError
    row, contact = logs.get(number), people.contact(b"a" * 32)
    assert row is not None and row.name == ""
    assert contact is not None and contact.name == "Ann"
    assert people.name(b"a" * 32) == ""


def test_a_part_that_is_undone_is_read_anew(store: Store) -> None:
    people = PeopleTables(store)
    with store.transaction():
        people.add_link(b"s" * 16, b"p" * 32, created=1)
        assert len(people.links()) == 1
        with pytest.raises(ZeroDivisionError), store.transaction():
            people.add_link(b"t" * 16, b"q" * 32, created=1)
            assert len(people.links()) == 2
            raise ZeroDivisionError
        assert len(people.links()) == 1


def test_a_row_that_is_changed_by_whoever_has_it_is_not_kept_so(store: Store) -> None:
    people = PeopleTables(store)
    people.save_contact(ContactRow(b"a" * 32, "Ann", 1, "known"))
    one = people.contact(b"a" * 32)
    assert one is not None
    one.name = "Eve"
    again = people.contact(b"a" * 32)
    assert again is not None and again.name == "Ann"


def test_a_memo_is_bounded() -> None:
    memo = Memo()
    for number in range(LARGEST_MEMO + 1):
        memo.keep(number, number)
    assert len(memo) == 1
