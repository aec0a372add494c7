"""Whether an epoch is open, and one entry on its way to all relays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from heliogram.node.misbehaviour import Fault
from heliogram.node.posting import Posting, Tip, Vouchers
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.receipts import Evidence, entry_hash
from heliogram.wire.signing import Label
from tests.node.log_kit import KEYS, NAMES, SEAT, asked, certificate, peeked, receipt, value

ENTRY = b"padded ciphertext"
CLOSED = certificate(Label.VOTE2, value().hash).encode()
SHORT = certificate(Label.VOTE2, value().hash, voters=(0, 1)).encode()


def stored(index: int, entry: bytes = ENTRY, **more: Any) -> frames.Stored:
    return frames.Stored(0, receipt(index, entry, **more).encode())


def test_q_relays_say_that_it_is_open() -> None:
    tip = Tip(SEAT, NAMES)
    requests = asked(tip, 0.0)
    for index, frame in requests[:2]:
        tip.receive(index, frame, peeked(), 0.1)
    assert not tip.open
    # One that fell back may have forgotten; one that says closed without a proof says nothing.
    tip.receive(2, requests[2][1], peeked(fence=bytes(32)), 0.1)
    tip.receive(3, requests[3][1], peeked(epoch=SEAT.epoch + 1), 0.1)
    assert not tip.open
    assert tip.troubles == {2: ErrorCode.FENCED}
    tip.receive(3, requests[3][1], peeked(certificate=SHORT), 0.2)
    assert not tip.open
    assert [(one.relay, one.fault) for one in tip.misbehaviour] == [(KEYS[3].public, Fault.FORGERY)]
    due = tip.deadline()
    assert due is not None
    assert [index for index, _ in asked(tip, due)] == [3]
    tip.receive(3, requests[3][1], peeked(), due)
    assert tip.open


def test_one_relay_with_the_decision_says_that_it_is_closed() -> None:
    tip = Tip(SEAT, NAMES)
    requests = asked(tip, 0.0)
    for index, frame in requests[:3]:
        tip.receive(index, frame, peeked(), 0.1)
    tip.receive(3, requests[3][1], peeked(certificate=CLOSED), 0.1)
    assert not tip.open
    assert tip.closed is not None
    assert tip.deadline() is None
    assert asked(tip, 99.0) == []


def test_q_receipts_are_stored_and_the_rest_is_asked_on() -> None:
    posting = Posting(SEAT, NAMES, ENTRY)
    requests = asked(posting, 0.0)
    assert len(requests) == 4
    for index, frame in requests[:3]:
        assert not posting.stored
        posting.receive(index, frame, stored(index), 0.1)
    assert posting.stored
    assert not posting.complete
    posting.receive(3, requests[3][1], frames.Failure(0, ErrorCode.DISK_FULL), 0.1)
    due = posting.deadline()
    assert due is not None
    assert [index for index, _ in asked(posting, due)] == [3]
    posting.lost(3, due)
    posting.receive(3, requests[3][1], frames.Failure(0, ErrorCode.FENCED), due)
    assert posting.deadline() is None
    posting.cleared(3)
    posting.receive(3, requests[3][1], stored(3), due)
    assert posting.complete
    assert posting.evidence(3) == Evidence(SEAT.epoch, entry_hash(ENTRY), receipt(3, ENTRY))


@pytest.mark.parametrize(
    "bad", ["other relay", "other entry", "other epoch", "garbage", "another answer"]
)
def test_a_receipt_that_proves_nothing_is_not_counted(bad: str) -> None:
    given: dict[str, frames.Answer] = {
        "other relay": stored(1),
        "other entry": stored(0, b"other"),
        "other epoch": stored(0, seat=replace(SEAT, epoch=SEAT.epoch + 1)),
        "garbage": frames.Stored(0, b"garbage"),
        "another answer": frames.Done(0),
    }
    posting = Posting(SEAT, NAMES, ENTRY)
    requests = asked(posting, 0.0)
    posting.receive(0, requests[0][1], given[bad], 0.1)
    assert posting.receipts == {}
    assert [one.fault for one in posting.misbehaviour] == [Fault.FORGERY]
    posting.receive(0, requests[0][1], stored(0), 0.2)
    assert len(posting.receipts) == 1


def test_a_closed_epoch_ends_it() -> None:
    posting = Posting(SEAT, NAMES, ENTRY)
    requests = asked(posting, 0.0)
    posting.receive(0, requests[0][1], frames.Decided(0, SHORT), 0.1)
    assert posting.closed is None
    posting.receive(0, requests[0][1], frames.Decided(0, CLOSED), 0.2)
    assert posting.closed is not None
    assert asked(posting, 99.0) == []
    for index in (1, 2, 3):
        posting.receive(index, requests[index][1], stored(index), 0.3)
    assert posting.stored


def test_the_last_place_of_each_relay_is_kept() -> None:
    def evidence(place: int) -> Evidence:
        return Evidence(SEAT.epoch, entry_hash(ENTRY), receipt(0, ENTRY, place))

    vouchers = Vouchers().noted(KEYS[0].public, evidence(3)).noted(KEYS[1].public, evidence(1))
    assert vouchers.noted(KEYS[0].public, evidence(2)) is vouchers
    later = vouchers.noted(KEYS[0].public, evidence(5))
    assert later.of(KEYS[0].public) == evidence(5)
    assert later.of(KEYS[2].public) is None
    assert Vouchers.from_bytes(later.encode()) == later


def test_an_answer_to_another_question_says_nothing() -> None:
    tip = Tip(SEAT, NAMES)
    requests = asked(tip, 0.0)
    for given in (frames.Done(0), peeked(certificate=b"\x00")):
        tip.receive(0, requests[0][1], given, 0.1)
    assert len(tip.misbehaviour) == 1
    tip.receive(0, requests[0][1], frames.Failure(0, ErrorCode.UNAVAILABLE), 0.2)
    assert tip.troubles == {}
    assert not tip.open
