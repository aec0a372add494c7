"""Messages: in their order, found by number and id, revised, read, gone when their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlcipher3 import dbapi2

from heliogram.node.store.database import Store
from heliogram.node.store.marks import MOST_EARLY, EarlyRow, Marks, ReactionRow, ReportRow
from heliogram.node.store.messages import MessageRow, Messages
from heliogram.node.store.search import Query, search
from tests.node.store.kit import ANNA, BERT, NOON, conversation, new_store, say


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path) as store:
        yield store


def numbers(rows: list[MessageRow]) -> list[int]:
    return [row.number for row in rows]


def test_what_is_added_is_there(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    number = table.add(
        conversation=here,
        sent=NOON,
        kind="file",
        text="look",
        received=5,
        state="queued",
        id=b"i" * 32,
        sender=ANNA,
        device=b"d" * 16,
        mine=True,
        content=b"c",
        epoch=7,
        reply_to=b"r" * 32,
        files=2,
        expires=99,
    )
    row = table.get(number)
    assert row == MessageRow(
        number, here, NOON, b"i" * 32, ANNA, b"d" * 16, True, "file", "look", b"c", 5, 7, b"r" * 32, "queued",
        0, None, 2, 99, "", None,
    )  # fmt: skip
    assert table.by_id(here, b"i" * 32) == row
    assert table.by_id(here + 1, b"i" * 32) is None
    assert table.get(number + 1) is None
    assert "look" not in repr(row)


def test_an_id_is_there_once_in_a_conversation(store: Store) -> None:
    here, there = conversation(store), conversation(store)
    say(store, here, "a", id=bytes(32))
    say(store, there, "a", id=bytes(32))
    with pytest.raises(dbapi2.IntegrityError):
        say(store, here, "b", id=bytes(32))


def test_ids_are_found_by_their_first_digits(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    one = say(store, here, "a", id=bytes.fromhex("ab" * 32))
    two = say(store, here, "a", id=bytes.fromhex("ac" + "ff" * 31))
    assert numbers(table.by_prefix("a")) == [one, two]
    assert numbers(table.by_prefix("AB")) == [one]
    assert numbers(table.by_prefix("acf")) == [two]
    assert numbers(table.by_prefix("ab" * 32)) == [one]
    for none in ("", "b", "zz", "ab" * 33, "a%", "ab\n"):
        assert table.by_prefix(none) == []
    for _ in range(20):
        say(store, here, "a", id=None)
    assert len(table.by_prefix("0", limit=5)) == 5


def test_pages_go_both_ways_without_gaps(store: Store) -> None:
    table, here, there = Messages(store), conversation(store), conversation(store)
    for step in range(100):
        # Not in the order in which they were sent, and several at once.
        say(store, here, "x", sent=NOON + (step * 37 % 100) // 3)
        say(store, there, "x")
    order = sorted(
        (row[1], row[0])
        for row in store.query("SELECT number, sent FROM messages WHERE conversation = ?", (here,))
    )
    all_of_them = [number for _, number in order]
    assert numbers(table.page(here, limit=7)) == all_of_them[-7:]
    seen: list[int] = []
    before = None
    while page := numbers(table.page(here, before=before, limit=7)):
        seen = page + seen
        before = page[0]
    assert seen == all_of_them
    seen, after = [], 0
    while page := numbers(table.page(here, after=after, limit=7)):
        seen += page
        after = page[-1]
    assert seen == all_of_them
    last = table.last(here)
    assert last is not None and last.number == all_of_them[-1]
    with store.reader() as reader:
        assert numbers(table.page(here, limit=7, reader=reader)) == all_of_them[-7:]


def test_a_page_goes_on_where_its_message_was(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    said = [say(store, here, "x", sent=NOON + n) for n in range(5)]
    table.remove(said[2])
    assert numbers(table.page(here, after=said[2])) == said[3:]
    assert numbers(table.page(here, before=said[2])) == said[:1]


def test_pages_use_their_index(store: Store) -> None:
    plans: list[str] = []

    def explain(sql: str) -> None:
        if "FROM messages WHERE conversation" in sql:
            plans.extend(row[3] for row in store.query(f"EXPLAIN QUERY PLAN {sql}"))

    store._raw.set_trace_callback(explain)
    try:
        Messages(store).page(1)
        Messages(store).page(1, before=5)
        Messages(store).page(1, after=5)
    finally:
        store._raw.set_trace_callback(None)
    assert len([plan for plan in plans if "USING INDEX messages_in_order" in plan]) >= 3
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]


def test_an_edit_takes_the_place_of_what_was_there(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    number = say(store, here, "the first words")
    table.revise(number, kind="text", text="other words", content=b"new", edited=NOON + 1)
    row = table.get(number)
    assert row is not None
    assert (row.text, row.content, row.edited, row.sent) == ("other words", b"new", NOON + 1, NOON)
    assert [one.message.number for one in search(store, Query.parse("other "))] == [number]
    assert search(store, Query.parse("first ")) == []
    table.revise(number, kind="deleted", text="", content=None, edited=0)
    assert search(store, Query.parse("other ")) == []
    table.revise(number + 1, kind="text", text="none", content=None, edited=0)


def test_unread_is_what_others_said(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    said = [say(store, here, "x", sent=NOON + n) for n in range(5)]
    table.add(
        conversation=here, sent=NOON, kind="line", text="", received=0, state="received", event="x"
    )
    table.add(
        conversation=here,
        sent=NOON,
        kind="text",
        text="",
        received=0,
        state="stored",
        id=b"m" * 32,
        mine=True,
    )
    assert table.count_unread(here) == 5
    assert numbers(table.mark_read(here, said[2])) == said[:3]
    assert table.count_unread(here) == 2
    assert numbers(table.mark_read(here)) == said[3:]
    assert table.count_unread(here) == 0 and table.mark_read(here) == []


def test_the_unread_are_counted_as_they_come_and_go(store: Store) -> None:
    table, here, there = Messages(store), conversation(store), conversation(store)
    said = [say(store, here, "x", sent=NOON + n) for n in range(6)]
    table.move(said[0], there, id=b"n" * 32, content=b"", reply_to=None)
    table.remove(said[1])
    table.set_state(said[2], "read")
    table.set_state(said[2], "read")
    table.remove(said[2])
    table.revise(said[3], kind="deleted", text="", content=None, edited=NOON)
    for one in (here, there):
        counted = store.one(
            "SELECT count(*) FROM messages WHERE conversation = ? AND state = 'received'", (one,)
        )
        assert counted == (table.count_unread(one),)
    assert (table.count_unread(here), table.count_unread(there)) == (3, 1)
    store.execute("DELETE FROM conversations WHERE number = ?", (here,))
    assert (table.count_unread(here), table.count_unread(there)) == (0, 1)


def test_what_is_due_goes_first_things_first(store: Store) -> None:
    table, here = Messages(store), conversation(store)
    late, early = say(store, here, "x", expires=50), say(store, here, "x", expires=10)
    never = say(store, here, "x")
    assert table.next_expiry() == 10
    assert numbers(table.due(50)) == [early, late]
    assert numbers(table.due(10)) == [early]
    table.remove(early)
    table.set_expiry(late, None)
    table.set_expiry(never, 7)
    assert table.next_expiry() == 7
    table.set_state(never, "read")
    row = table.get(never)
    assert row is not None and (row.state, row.expires) == ("read", 7)


@given(st.lists(st.tuples(st.sampled_from("arxc"), st.text(max_size=40)), max_size=30))
def test_the_index_follows_whatever_happens(steps: list[tuple[str, str]]) -> None:
    """After any history, the index is the one of a store that got only what is left."""
    store = _SHARED[0]
    try:
        with store.transaction():
            table, here = Messages(store), conversation(store)
            live: list[int] = []
            for step, text in steps:
                text = text.encode(errors="ignore").decode()
                if step == "a" or not live:
                    live.append(say(store, here, text))
                elif step == "r":
                    table.revise(
                        live[len(text) % len(live)], kind="text", text=text, content=None, edited=1
                    )
                elif step == "x":
                    table.remove(live.pop(len(text) % len(live)))
                else:
                    store.execute("DELETE FROM conversations WHERE number = ?", (here,))
                    here, live = conversation(store), []
            store.execute("INSERT INTO search (search) VALUES ('optimize')")
            found = _terms(store)
            store.execute("INSERT INTO search (search) VALUES ('delete-all')")
            store.execute(
                "INSERT INTO search (rowid, text)"
                " SELECT number, coalesce(words, text) || ' ' || facets FROM messages WHERE facets <> ''"
            )
            assert found == _terms(store)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass


_SHARED: list[Store] = []


@pytest.fixture(autouse=True, scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with new_store(tmp_path_factory.mktemp("shared")) as store:
        store.execute("CREATE VIRTUAL TABLE terms USING fts5vocab (search, instance)")
        _SHARED.append(store)
        yield
        _SHARED.clear()


def _terms(store: Store) -> list[tuple[object, ...]]:
    return store.query("SELECT term, doc, offset FROM terms ORDER BY 1, 2, 3")


# --- What hangs on them ---------------------------------------------------------------------------


def test_reactions(store: Store) -> None:
    marks, here = Marks(store), conversation(store)
    one, two = say(store, here, "x"), say(store, here, "y")
    first = ReactionRow(one, ANNA, b"1" * 32, "+", b"c", NOON + 1)
    second = ReactionRow(one, BERT, b"2" * 32, "-", b"c", NOON)
    assert [marks.add_reaction(row) for row in (first, second, first)] == [True, True, False]
    assert marks.reactions([one, two]) == {one: [second, first]}
    assert marks.reaction(b"1" * 32, conversation=here, sender=ANNA) == first
    assert marks.reaction(b"1" * 32, conversation=here, sender=BERT) is None
    assert marks.reaction(b"1" * 32, conversation=here + 1, sender=ANNA) is None
    assert marks.remove_reaction(one, ANNA, b"1" * 32)
    assert not marks.remove_reaction(one, ANNA, b"1" * 32)
    assert not marks.add_reaction(first), "what was taken back does not come again"
    assert marks.reactions([one]) == {one: [second]}
    Messages(store).remove(one)
    assert marks.reactions([one]) == {}


def test_early_changes_wait_for_their_message_and_are_few(store: Store) -> None:
    marks, here = Marks(store), conversation(store)
    rows = [EarlyRow(bytes([n]) * 32, ANNA, b"c", NOON - n, n) for n in range(MOST_EARLY + 1)]
    for row in rows:
        marks.add_early(here, b"t" * 32, row)
    marks.drop_early(10)
    assert marks.take_early(here, b"t" * 32) == rows[:9:-1]
    assert marks.take_early(here, b"t" * 32) == []


def test_early_changes_push_out_the_oldest(store: Store) -> None:
    marks, here = Marks(store), conversation(store)
    other = EarlyRow(b"o" * 32, BERT, b"c", NOON, 0)
    marks.add_early(here, b"t" * 32, other)
    for n in range(1, MOST_EARLY + 2):
        marks.add_early(here, b"t" * 32, EarlyRow(bytes([n]) * 32, ANNA, b"c", NOON + n, n))
    kept = marks.take_early(here, b"t" * 32)
    assert [row.received for row in kept] == [0, *range(2, MOST_EARLY + 2)]


def test_reports_are_kept_when_they_say_something_new(store: Store) -> None:
    marks, here = Marks(store), conversation(store)
    number = say(store, here, "x")
    assert marks.set_report(ReportRow(number, ANNA, 1, 10))
    assert marks.set_report(ReportRow(number, ANNA, 2, 11))
    assert not marks.set_report(ReportRow(number, ANNA, 2, 12))
    assert marks.reports([number]) == {number: [ReportRow(number, ANNA, 2, 11)]}


def test_what_is_owed_is_taken_once(store: Store) -> None:
    marks, here = Marks(store), conversation(store)
    marks.add_owed(here, b"1" * 32, 1)
    marks.add_owed(here, b"1" * 32, 2)
    marks.add_owed(here, b"2" * 32, 1)
    assert marks.owing() == [here]
    assert marks.take_owed(here, 1) == [(b"1" * 32, 2)]
    assert marks.take_owed(here) == [(b"2" * 32, 1)]
    assert marks.take_owed(here) == [] and marks.owing() == []
