"""A relay brought level, and its fence lifted."""

from __future__ import annotations

from typing import Any

import pytest

from heliogram.node.misbehaviour import Fault
from heliogram.node.repair import Level, Levelling, Lift, Unfencing
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import Certificate, Seat, Status, sign_status
from tests.node.log_kit import KEYS, SEAT, asked
from tests.node.test_chain import story

NONCE = bytes([7] * 32)
STORY = {one.epoch: one for one in story(40)}
LAST = max(STORY)


def failure(code: ErrorCode, detail: int = 0) -> frames.Failure:
    return frames.Failure(0, code, detail)


class Behind:
    """A relay whose slot of `epoch` is open; it tells members so, others not."""

    def __init__(self, epoch: int, *, member: bool, first: int = SEAT.epoch) -> None:
        self.epoch, self.member, self.first = epoch, member, first
        self.taken: list[int] = []

    def answer(self, frame: frames.Decide) -> frames.Answer:
        epoch = Certificate.from_bytes(frame.certificate).epoch
        if epoch > self.epoch and self.member:
            return failure(ErrorCode.BEHIND, self.epoch)
        if not self.first <= epoch <= self.epoch:
            return failure(ErrorCode.BAD_CERTIFICATE)
        if epoch == self.epoch:
            if not frame.value:
                return frames.NeedValue(0)
            self.taken.append(epoch)
            self.epoch += 1
        return frames.Done(0)


def led(levelling: Levelling, relay: Behind) -> int:
    """Let them talk; how many requests it took."""
    count = 0
    while (frame := levelling.request(0.0)) is not None:
        count += 1
        levelling.receive(frame, relay.answer(frame), 0.0)
    return count


@pytest.mark.parametrize("member", [True, False])
@pytest.mark.parametrize("epoch", [1, 2, 17, 40, 41])
def test_a_relay_is_found_where_it_stands_and_led_up(epoch: int, member: bool) -> None:
    levelling = Levelling(SEAT.id, SEAT.epoch, LAST, STORY.get)
    relay = Behind(epoch, member=member)
    assert led(levelling, relay) <= 2 * (LAST - epoch) + 20
    assert levelling.state is Level.LEVEL
    assert levelling.deadline() is None
    assert relay.taken == list(range(epoch, LAST + 1))


def test_an_instance_that_was_opened_later() -> None:
    relay = Behind(30, member=False, first=30)
    levelling = Levelling(SEAT.id, 30, LAST, STORY.get)
    led(levelling, relay)
    assert levelling.state is Level.LEVEL
    assert Levelling(SEAT.id, LAST + 1, LAST, STORY.get).state is Level.LEVEL


def test_a_log_that_is_not_there_and_one_that_goes_no_further() -> None:
    levelling = Levelling(SEAT.id, SEAT.epoch, LAST, STORY.get)
    led(levelling, Behind(-1, member=False))
    assert levelling.state is Level.ABSENT
    # What we have begins after where it stands.
    late = {epoch: one for epoch, one in STORY.items() if epoch > 20}
    levelling = Levelling(SEAT.id, SEAT.epoch, LAST, late.get)
    led(levelling, Behind(5, member=True))
    assert levelling.state is Level.ABSENT
    levelling = Levelling(SEAT.id, SEAT.epoch, LAST, STORY.get)
    taken = 0
    while (frame := levelling.request(0.0)) is not None:
        good = Certificate.from_bytes(frame.certificate).epoch < 9
        taken += good
        answer: Any = frames.Done(0) if good else failure(ErrorCode.BAD_CERTIFICATE)
        levelling.receive(frame, answer, 0.0)
    assert levelling.state is Level.STUCK
    assert taken > 1


def test_what_has_expired_is_passed_over_and_what_cannot_be_now_is_repeated() -> None:
    levelling = Levelling(SEAT.id, SEAT.epoch, LAST, STORY.get)
    frame = levelling.request(0.0)
    assert frame is not None
    assert levelling.request(0.0) is None
    levelling.receive(frame, failure(ErrorCode.OVER_BUDGET), 0.0)
    due = levelling.deadline()
    assert due is not None
    frame = levelling.request(due)
    assert frame is not None
    levelling.lost(due)
    levelling.receive(frame, failure(ErrorCode.GONE), due)
    assert levelling.state is Level.LEVEL
    levelling = Levelling(SEAT.id, SEAT.epoch, LAST, STORY.get)
    frame = levelling.request(0.0)
    assert frame is not None
    levelling.receive(frame, frames.Nack(0, 1), 0.0)
    assert levelling.state is Level.STUCK


def stated(
    index: int, seat: Seat = SEAT, nonce: bytes = NONCE, signer: int = -1
) -> frames.StatusSigned:
    status = Status(KEYS[index].public, seat.id, nonce, 3, bytes(32), seat.epoch)
    signed = sign_status(status, KEYS[index if signer < 0 else signer])
    return frames.StatusSigned(0, signed.encode())


def test_a_fence_is_lifted_by_what_others_state() -> None:
    unfencing = Unfencing(SEAT, 1, NONCE)
    assert unfencing.needed == 2
    requests = asked(unfencing, 0.0)
    assert [(index, type(frame)) for index, frame in requests] == [
        (index, frames.Status) for index in (0, 2, 3)
    ]
    unfencing.receive(0, requests[0][1], stated(0), 0.1)
    assert asked(unfencing, 0.1) == []
    unfencing.lost(2, 0.1)
    unfencing.receive(3, requests[2][1], stated(3), 0.2)
    [(index, last)] = asked(unfencing, 0.2)
    assert (index, len(last.statuses)) == (1, 2)
    assert all(Status.from_bytes(one).nonce == NONCE for one in last.statuses)
    unfencing.receive(1, last, frames.Done(0), 0.3)
    assert unfencing.state is Lift.LIFTED
    assert unfencing.deadline() is None


@pytest.mark.parametrize("bad", ["signer", "nonce", "garbage"])
def test_one_bad_statement_does_not_spoil_the_others(bad: str) -> None:
    unfencing = Unfencing(SEAT, 0, NONCE)
    requests = asked(unfencing, 0.0)
    given = {
        "signer": stated(1, signer=2),
        "nonce": stated(1, nonce=bytes(32)),
        "garbage": frames.StatusSigned(0, b"x"),
    }[bad]
    unfencing.receive(1, requests[0][1], given, 0.1)
    assert [(one.relay, one.fault) for one in unfencing.misbehaviour] == [
        (KEYS[1].public, Fault.FORGERY)
    ]
    unfencing.receive(2, requests[1][1], stated(2), 0.1)
    unfencing.receive(3, requests[2][1], stated(3), 0.1)
    [(_, last)] = asked(unfencing, 0.2)
    assert {Status.from_bytes(one).relay for one in last.statuses} == {
        KEYS[2].public, KEYS[3].public,
    }  # fmt: skip


def test_who_stands_elsewhere_is_to_be_brought_level_first() -> None:
    unfencing = Unfencing(SEAT, 0, NONCE)
    requests = asked(unfencing, 0.0)
    elsewhere = Seat(SEAT.configuration, SEAT.epoch + 1, SEAT.keys)
    unfencing.receive(1, requests[0][1], stated(1, elsewhere), 0.1)
    unfencing.receive(2, requests[1][1], failure(ErrorCode.FENCED), 0.1)
    assert unfencing.troubles == {1: ErrorCode.BEHIND, 2: ErrorCode.FENCED}
    assert unfencing.misbehaviour == []
    unfencing.receive(3, requests[2][1], failure(ErrorCode.UNAVAILABLE), 0.1)
    unfencing.cleared(1)
    assert [index for index, _ in asked(unfencing, 0.2)] == [1]
    unfencing.receive(1, requests[0][1], stated(1), 0.3)
    due = unfencing.deadline()
    assert due is not None
    assert [index for index, _ in asked(unfencing, due)] == [3]
    unfencing.receive(3, requests[2][1], stated(3), due)
    [(index, last)] = asked(unfencing, due)
    unfencing.receive(index, last, failure(ErrorCode.BAD_STATUS), due)
    assert unfencing.state is Lift.STALE
