"""The union of relays: each entry once, fetched once, from whoever has it."""

from __future__ import annotations

from typing import Any

from heliogram.node.misbehaviour import Fault
from heliogram.node.sync import GRACE, RUN, Union
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.receipts import Evidence, entry_hash
from tests.node.log_kit import KEYS, NAMES, SEAT, asked, receipt

ENTRIES = [b"entry %d" % number for number in range(6)]


def page(
    entries: list[tuple[int, bytes]], end: int, following: int | None = None
) -> frames.Entries:
    found = tuple(frames.Entry(at, 7, SEAT.epoch, data) for at, data in entries)
    return frames.Entries(0, found, end if following is None else following, end)


def names(entries: list[tuple[int, bytes]], end: int) -> frames.Digests:
    found = tuple(
        frames.Digest(at, 7, SEAT.epoch, entry_hash(data), len(data)) for at, data in entries
    )
    return frames.Digests(0, found, end, end)


def placed(*numbers: int) -> list[tuple[int, bytes]]:
    """These entries, from index 0 on."""
    return [(at, ENTRIES[number]) for at, number in enumerate(numbers)]


def pulled(**more: Any) -> Union:
    return Union(SEAT, NAMES, live=False, **more)


def read(union: Union, what: dict[int, list[tuple[int, bytes]]], now: float = 0.0) -> list[bytes]:
    """Everybody answers the first reading."""
    new: list[bytes] = []
    for index, frame in asked(union, now):
        if index in what:
            end = max((at for at, _ in what[index]), default=-1) + 1
            answer = names(what[index], end) if frame.digest else page(what[index], end)
            new += [one.data for one in union.receive(index, frame, answer, now)]
    return new


def test_one_is_read_whole_and_what_it_lacks_is_fetched_once() -> None:
    union = pulled()
    requests = asked(union, 0.0)
    assert [(index, frame.digest) for index, frame in requests] == [
        (0, False), (1, True), (2, True), (3, True),
    ]  # fmt: skip
    union = pulled()
    new = read(union, {0: placed(0, 1), 1: placed(1, 2, 3), 2: placed(3, 0, 2), 3: placed(0)})
    assert new == ENTRIES[:2]
    assert union.missing == {entry_hash(one) for one in ENTRIES[2:4]}
    assert union.heard == 4
    assert asked(union, 0.5) == []
    assert union.deadline(0.5) == GRACE
    [(index, fetch)] = asked(union, GRACE)
    assert (index, fetch.start, fetch.count, fetch.digest) == (1, 1, 2, False)
    assert asked(union, GRACE + 0.1) == []
    given = union.receive(1, fetch, page([(1, ENTRIES[2]), (2, ENTRIES[3])], 3), GRACE + 0.2)
    assert [one.data for one in given] == ENTRIES[2:4]
    assert union.missing == frozenset()
    assert union.deadline(9.0) is None
    assert union.lacking(3) == [entry_hash(one) for one in ENTRIES[1:4]]
    assert union.copies(entry_hash(ENTRIES[0])) == 3
    assert union.cursors == {0: 2, 1: 3, 2: 3, 3: 1}
    # Nothing new is read from the beginning.
    again = pulled(cursors=union.cursors, known=[entry_hash(one) for one in ENTRIES[:4]])
    assert [frame.start for _, frame in asked(again, 0.0)] == [2, 3, 3, 1]


def test_4_what_is_not_what_its_name_says_comes_from_another() -> None:
    union = pulled()
    read(union, {0: [], 1: placed(0), 2: placed(0), 3: []})
    [(index, fetch)] = asked(union, GRACE)
    assert index == 1
    assert union.receive(1, fetch, page([(0, b"Entry 0")], 1), GRACE + 0.1) == []
    assert [(one.relay, one.fault) for one in union.misbehaviour] == [
        (KEYS[1].public, Fault.WRONG_ENTRY)
    ]
    [(index, fetch)] = asked(union, GRACE + 0.1)
    assert index == 2
    assert [one.data for one in union.receive(2, fetch, page(placed(0), 1), 1.5)] == ENTRIES[:1]


def test_who_does_not_give_what_it_named_is_passed_over() -> None:
    union = pulled()
    read(union, {0: [], 1: placed(0), 2: placed(0), 3: []})
    [(_, fetch)] = asked(union, GRACE)
    assert union.receive(1, fetch, page([], 1), GRACE) == []
    [(index, fetch)] = asked(union, GRACE)
    assert index == 2
    union.lost(2, GRACE)
    assert union.missing
    # Nobody has it now: it is asked for again, not at once.
    due = union.deadline(GRACE + 0.1)
    assert due is not None
    assert due > GRACE + 0.1


def test_a_silent_one_is_replaced_as_the_one_to_be_read_whole() -> None:
    union = pulled()
    now = 0.0
    while union.primary == 0:
        assert now < 10
        for index, frame in asked(union, now):
            if index != 0:
                union.receive(index, frame, names(placed(0), 1), now)
        now = (union.deadline(now) or now) + 0.01
    assert union.primary == 1
    got: list[bytes] = []
    for _ in range(9):
        for index, frame in asked(union, now):
            if index:
                got += [one.data for one in union.receive(index, frame, page(placed(0), 1), now)]
        now = (union.deadline(now) or now) + 0.01
    assert got == ENTRIES[:1]


def test_a_failing_one_is_replaced_too() -> None:
    union = pulled()
    [first, *_] = asked(union, 0.0)
    union.receive(0, first[1], frames.Failure(0, ErrorCode.NOT_AUTHORISED), 0.1)
    assert union.primary == 1
    assert union.troubles == {0: ErrorCode.NOT_AUTHORISED}
    union.cleared(0)
    assert [(index, frame.digest) for index, frame in asked(union, 0.2) if index == 0] == [
        (0, True)
    ]


def test_1_an_entry_that_was_signed_for_and_is_gone_is_proven() -> None:
    def evidence(relay: int, entry: bytes, place: int) -> Evidence:
        return Evidence(SEAT.epoch, entry_hash(entry), receipt(relay, entry, place))

    union = pulled()
    union.signed(1, evidence(1, ENTRIES[0], 0))
    union.signed(1, evidence(1, ENTRIES[1], 1))
    union.signed(2, evidence(2, ENTRIES[1], 1))
    union.signed(3, evidence(3, ENTRIES[1], 0))
    union.expired(3, 1)
    read(union, {0: placed(0, 1), 1: placed(0, 2), 2: placed(0), 3: []})
    [one] = union.misbehaviour
    assert (one.relay, one.fault) == (KEYS[1].public, Fault.LOST_ENTRY)
    assert isinstance(one.proof, Evidence)
    assert one.proof.proves(KEYS[1].public, SEAT.id)
    # The other relay has not been read as far as that yet.
    union.poll()
    read(union, {2: [(2, ENTRIES[3])]})
    assert {one.relay for one in union.misbehaviour} == {KEYS[1].public, KEYS[2].public}


def test_a_relay_that_fell_back_is_read_from_where_it_ends() -> None:
    union = pulled()
    read(union, {0: placed(0, 1, 2), 1: placed(0, 1, 2), 2: [], 3: []})
    union.poll()
    for index, frame in asked(union, 1.0):
        if index == 1:
            union.receive(1, frame, names([], 1), 1.0)
    union.poll()
    assert [frame.start for index, frame in asked(union, 2.0) if index == 1] == [1]
    union.rewound(1)
    assert union.copies(entry_hash(ENTRIES[0])) == 1
    assert [frame.start for index, frame in asked(union, 3.0) if index == 1] == [0]


def test_pages_that_cannot_be_are_refused() -> None:
    entry = frames.Entry(3, 7, SEAT.epoch, b"x")
    other = frames.Entry(3, 7, SEAT.epoch + 1, b"x")
    for bad in (
        frames.Entries(0, (entry, entry), 9, 9),
        frames.Entries(0, (entry,), 3, 9),
        frames.Entries(0, (other,), 9, 9),
        frames.Entries(0, (), 0, 9),
        frames.Entries(0, (), 1, 9),
        frames.Done(0),
    ):
        union = pulled()
        [first, *_] = asked(union, 0.0)
        assert union.receive(0, first[1], bad, 0.1) == []
        assert [one.fault for one in union.misbehaviour] == [Fault.FORGERY]
        assert union.cursors[0] == 0


def test_pages_are_read_on_and_twice_is_once() -> None:
    union = pulled()
    [first, *_] = asked(union, 0.0)
    assert len(union.receive(0, first[1], page(placed(0, 1), 4, 2), 0.1)) == 2
    assert union.receive(0, first[1], page(placed(0, 1), 4, 2), 0.1) == []
    [(_, second)] = [one for one in asked(union, 0.1) if one[0] == 0]
    assert second.start == 2
    assert len(union.receive(0, second, page([(3, ENTRIES[3])], 4), 0.2)) == 1


def test_subscriptions_and_pushes() -> None:
    union = Union(SEAT, NAMES)
    requests = asked(union, 0.0)
    assert {type(frame) for _, frame in requests} == {frames.Subscribe}
    assert [frame.digest for _, frame in requests] == [False, True, True, True]
    for index, frame in requests:
        union.receive(index, frame, frames.Subscribed(0, 1 if index == 0 else 0), 0.1)
    [(index, frame)] = asked(union, 0.1)
    assert (index, type(frame)) == (0, frames.Read)
    assert len(union.receive(0, frame, page(placed(0), 1), 0.2)) == 1
    digest = frames.Digest(0, 7, SEAT.epoch, entry_hash(ENTRIES[1]), 7)
    assert union.pushed(1, frames.PushedDigests(SEAT.id, (digest,)), 0.3) == []
    # The one that is read whole pushes it in time: nobody is asked.
    entry = frames.Entry(1, 7, SEAT.epoch, ENTRIES[1])
    assert union.pushed(0, frames.Pushed(bytes(32), (entry,)), 0.3) == []
    elsewhere = frames.Entry(1, 7, SEAT.epoch + 1, b"of another epoch")
    assert union.pushed(0, frames.Pushed(SEAT.id, (elsewhere,)), 0.3) == []
    got = union.pushed(0, frames.Pushed(SEAT.id, (entry,)), 0.4)
    assert [one.data for one in got] == [ENTRIES[1]]
    assert union.pushed(0, frames.Pushed(SEAT.id, (entry,)), 0.5) == []
    assert asked(union, 9.0) == []
    assert union.cursors == {0: 2, 1: 1, 2: 0, 3: 0}
    union.pushed(1, frames.CatchUp(SEAT.id, 1), 1.0)
    [(index, frame)] = asked(union, 9.0)
    assert (index, type(frame), frame.start) == (1, frames.Subscribe, 1)
    union.lost(0, 9.5)
    assert [(i, type(f)) for i, f in asked(union, 30.0) if i == 0] == [(0, frames.Subscribe)]


def test_a_relay_with_too_many_names_is_not_read_on() -> None:
    union = pulled()
    start, now = 0, 0.0
    while pages := [one for one in asked(union, now) if one[0] == 1 and one[1].digest]:
        found = tuple(
            frames.Digest(start + at, 7, SEAT.epoch, entry_hash(b"%d" % (start + at)), 3)
            for at in range(1000)
        )
        start += 1000
        union.receive(1, pages[0][1], frames.Digests(0, found, start, 10**6), now)
        now += 0.01
    assert start == 5000
    assert len(union.missing) == 5000
    runs = [one for one in asked(union, 90.0) if one[0] == 1 and not one[1].digest]
    assert [frame.count for _, frame in runs] == [RUN]
