"""Positions in a conversation: exact, whatever comes, goes or moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.node.store.database import Store
from heliogram.node.store.messages import Messages
from tests.node.store.kit import NOON, conversation, new_store, say

#: Within one block, in the next one, in the next large one; and the last time of all.
TIMES = (
    NOON,
    NOON + 1,
    NOON + (1 << 20),
    NOON + (3 << 20),
    NOON + (1 << 32),
    NOON - (5 << 32),
    0,
    (1 << 53) - 1,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path) as store:
        yield store


def check(store: Store, where: int) -> None:
    """Hold every position against the order itself."""
    table = Messages(store)
    order = [
        row[0]
        for row in store.query(
            "SELECT number FROM messages WHERE conversation = ?"
            " ORDER BY sent, ifnull(id, x''), number",
            (where,),
        )
    ]
    assert table.count(where) == len(order)
    for at, number in enumerate(order):
        row = table.get(number)
        assert row is not None
        assert table.position(where, row.sent, row.id or b"", number) == at
        page = table.from_position(where, at, 3)
        assert [one.number for one in page] == order[at : at + 3]
    assert table.from_position(where, len(order)) == []
    assert store.one("SELECT count(*) FROM places WHERE many <= 0") == (0,)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(TIMES), max_size=24), st.integers(0, 1 << 30))
def test_positions_are_those_of_the_order(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], seed: int
) -> None:
    random = Random(seed)
    with new_store(tmp_path_factory.mktemp("places")) as store:
        table, here, there = Messages(store), conversation(store), conversation(store)
        said = [say(store, random.choice((here, there)), "x", sent=sent) for sent in times]
        check(store, here)
        for number in said:
            match random.randrange(3):
                case 0:
                    table.remove(number)
                case 1:
                    table.move(number, there, id=random.randbytes(32), content=b"", reply_to=None)
        check(store, here)
        check(store, there)


def test_lines_have_places_too(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    for _ in range(3):
        say(store, here, "x")
        table.add(
            conversation=here, sent=NOON, kind="line", text="", received=0, state="read", event="x"
        )
    check(store, here)


def test_a_conversation_that_goes_takes_its_counts_along(store: Store) -> None:
    here = conversation(store)
    say(store, here, "x")
    store.execute("DELETE FROM conversations WHERE number = ?", (here,))
    assert store.one("SELECT count(*) FROM places") == (0,)


def test_the_first_since_and_the_first_unread(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    said = [say(store, here, "x", sent=NOON + n) for n in (2, 0, 1)]
    for sent, number in ((0, said[1]), (NOON + 1, said[2]), (NOON + 2, said[0])):
        row = table.first_since(here, sent)
        assert row is not None and row.number == number
    assert table.first_since(here, NOON + 3) is None
    table.mark_read(here, said[2])
    unread = table.first_unread(here)
    assert unread is not None and unread.number == said[0]
    table.mark_read(here)
    assert table.first_unread(here) is None
