"""An election, request by request. What comes of many at once is in `tests/sim/test_slots.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from heliogram.node.errors import NotNow
from heliogram.node.misbehaviour import Fault, HiddenLock, TwoVotes
from heliogram.node.slots import MAX_ROUND, MAX_TRIES, PATIENCE, Election, Obstacle, Saved, Step
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.limits import MAX_ROUND_STEP
from heliogram.wire.objects import Justification, Value
from heliogram.wire.signing import Label
from tests.node.log_kit import (
    KEYS,
    NAMES,
    SEAT,
    asked,
    certificate,
    decision,
    election,
    kinds,
    peeked,
    promised,
    proposing,
    value,
    vote,
)

V, W = value(body=b"v"), value(body=b"w")


def answer(one: Election, requests: list[tuple[int, Any]], *answers: Any, now: float) -> None:
    """The first of `requests` get these answers."""
    for (index, frame), given in zip(requests, answers, strict=False):
        one.receive(index, frame, given, now)


def committing(one: Value = V) -> tuple[Election, list[tuple[int, Any]]]:
    """An election in its second vote, and what it asks."""
    made = proposing(one)
    locks = asked(made, 0.2)
    answer(
        made, locks, *(frames.Vote1(0, vote(i, Label.VOTE1, one.hash)) for i in range(3)), now=0.3
    )
    assert made.step is Step.COMMIT
    return made, asked(made, 0.4)


def later(made: Election, now: float) -> tuple[list[tuple[int, Any]], float]:
    """What it asks once it has waited."""
    until = made.deadline()
    assert made.step is Step.WAIT
    assert until is not None
    return asked(made, until), until


def test_two_round_trips_and_the_decision_goes_to_all() -> None:
    made, commits = committing()
    assert kinds(commits) == [(i, "Commit") for i in range(4)]
    answer(
        made, commits, *(frames.Vote2(0, vote(i, Label.VOTE2, V.hash)) for i in range(3)), now=0.5
    )
    assert made.decision is not None
    assert made.decision.value == V
    assert made.decision.certificate.counts(SEAT, Label.VOTE2)
    assert made.won
    decides = asked(made, 0.6)
    assert kinds(decides) == [(i, "Decide") for i in range(4)]
    assert all(frame.value == b"" for _, frame in decides)
    answer(made, decides, frames.Done(0), frames.Done(0), frames.NeedValue(0), now=0.7)
    assert not made.stable
    [(index, again)] = asked(made, 0.8)
    assert (index, again.value) == (2, V.encode())
    made.receive(2, again, frames.Done(0), 0.9)
    assert made.stable
    assert not made.complete
    # The last one is asked until it answers, less and less often.
    repeated, now = [], 1.0
    while now < 100 and (due := made.deadline()) is not None:
        now = due
        repeated += [(now, one) for one in kinds(asked(made, now))]
    assert 4 < len(repeated) < 10
    assert {one for _, one in repeated} == {(3, "Decide")}
    made.receive(3, decides[3][1], frames.Done(0), now)
    assert made.complete
    assert made.deadline() is None


def test_nothing_is_sent_before_it_is_saved() -> None:
    made = election()
    made.propose(V)
    assert asked(made, 0.0) == []
    assert made.deadline() is None
    kept = made.encode()
    made.saved()
    assert len(asked(made, 0.0)) == 4
    again = election()
    again.restore(kept)
    assert again.own == V
    for index, frame in asked(again, 0.0):
        again.receive(index, frame, peeked(), 0.1)
    assert all(frame.value == V.encode() for _, frame in asked(again, 0.2))
    with pytest.raises(NotNow):
        again.restore(kept)
    with pytest.raises(NotNow):
        again.propose(W)
    with pytest.raises(RemoteError):
        election().restore(kept[:-1])
    with pytest.raises(NotNow):
        election().restore(Saved(bytes(32), None, None).encode())


def test_a_decision_is_saved_too() -> None:
    made = election()
    made.finish(decision(V), 0.0)
    again = election()
    again.restore(made.encode())
    assert again.decision == made.decision
    assert kinds(asked(again, 0.0)) == [(i, "Decide") for i in range(4)]
    with pytest.raises(NotNow):
        again.propose(W)
    with pytest.raises(NotNow):
        election().finish(decision(V, voters=(0, 1)), 0.0)


def test_a_value_that_leads_nowhere_is_not_proposed() -> None:
    with pytest.raises(NotNow):
        election().propose(Value(b"no header", b""))
    with pytest.raises(NotNow):
        Election(SEAT, NAMES[:3], entropy=bytes)


def test_a_relay_without_the_value_gets_it_once() -> None:
    made, commits = committing()
    made.receive(0, commits[0][1], frames.NeedValue(0), 0.5)
    [(index, again)] = asked(made, 0.5)
    assert (index, again.value) == (0, V.encode())
    made.receive(0, again, frames.NeedValue(0), 0.6)
    assert (KEYS[0].public, Fault.FORGERY) in {(one.relay, one.fault) for one in made.misbehaviour}
    assert asked(made, 0.6) == []


def test_split_votes_lead_to_a_later_round() -> None:
    made = proposing(V)
    locks = asked(made, 0.2)
    refused = frames.Refuse(0, frames.Refusal.VOTED_OTHERWISE)
    answer(made, locks, frames.Vote1(0, vote(0, Label.VOTE1, V.hash)), refused, refused, now=0.3)
    rounds, now = later(made, 0.3)
    assert kinds(rounds) == [(i, "NewRound") for i in range(4)]
    assert {frame.round for _, frame in rounds} == {1}
    lock = certificate(Label.VOTE1, W.hash)
    answer(made, rounds, promised(0, 1), promised(1, 1, lock, W), promised(2, 1), now=now + 0.1)
    assert made.step is Step.LOCK
    requests = asked(made, now + 0.2)
    assert all(frame.value == W.encode() and frame.round == 1 for _, frame in requests)
    why = Justification.from_bytes(requests[0][1].justification)
    assert [one.relay for one in why.promises] == [0, 1, 2]
    assert all(one.counts(SEAT, 1) for one in why.promises)


def test_of_two_locks_the_later_one_binds() -> None:
    made = election()
    for index, frame in asked(made, 0.0):
        made.receive(index, frame, peeked(5), 0.1)
    rounds, now = later(made, 0.1)
    assert {frame.round for _, frame in rounds} == {6}
    low, high = certificate(Label.VOTE1, V.hash), certificate(Label.VOTE1, W.hash, round=3)
    answer(made, rounds, promised(0, 6, high, W), promised(1, 6, low, V), promised(2, 6), now=now)
    assert asked(made, now)[0][1].value == W.encode()


def test_two_highest_locks_free_nothing() -> None:
    made = proposing(V)
    one, two = certificate(Label.VOTE1, V.hash), certificate(Label.VOTE1, W.hash)
    answer(made, asked(made, 0.2), *[frames.Nack(0, 0)] * 4, now=0.3)
    rounds, now = later(made, 0.3)
    answer(made, rounds, promised(0, 1, one, V), promised(1, 1, two, W), promised(2, 1), now=now)
    assert made.step is Step.WAIT
    assert {one.fault for one in made.misbehaviour} == {Fault.TWO_VOTES}
    assert all(isinstance(one.proof, TwoVotes) and one.proof.proves() for one in made.misbehaviour)


def test_who_has_nothing_to_say_finishes_or_rests() -> None:
    made = election()
    answer(made, asked(made, 0.0), *[peeked()] * 3, now=0.1)
    rounds, now = later(made, 0.1)
    answer(made, rounds, *(promised(i, 1) for i in range(3)), now=now)
    assert made.step is Step.REST
    assert made.deadline() is None
    assert asked(made, now + 99) == []
    made.propose(V)
    made.saved()
    assert kinds(asked(made, now + 99)) == [(i, "NewRound") for i in range(4)]


@pytest.mark.parametrize("shown", ["short", "lock", "foreign", "garbage", "signature"])
def test_5_20_a_certificate_that_does_not_count_is_named_and_nothing_more(shown: str) -> None:
    elsewhere = replace(SEAT, epoch=SEAT.epoch + 1)
    good = certificate(Label.VOTE2, V.hash)
    bad = {
        "short": certificate(Label.VOTE2, V.hash, voters=(0, 1)),
        "lock": certificate(Label.VOTE1, V.hash),
        "foreign": replace(certificate(Label.VOTE2, V.hash, seat=elsewhere), epoch=SEAT.epoch),
        "garbage": None,
        "signature": replace(good, h=W.hash),
    }[shown]
    text = b"\x00" if bad is None else bad.encode()
    for given in (frames.Decided(0, text, V.encode()), peeked(certificate=text, value=V.encode())):
        made = election()
        request = frames.Peek(0, 0)
        made.receive(2, request, given, 0.0)
        made.advanced(1, frames.Advanced(NAMES[1], text), 0.0)
        assert made.decision is None
        assert made.step is Step.READ
        assert {one.relay for one in made.misbehaviour} == {KEYS[1].public, KEYS[2].public}


def test_one_relay_that_shows_the_decision_is_enough() -> None:
    made = proposing(W)
    locks = asked(made, 0.2)
    made.receive(
        3, locks[3][1], frames.Decided(0, decision(V).certificate.encode(), V.encode()), 0.3
    )
    assert made.decision == decision(V)
    assert not made.won
    assert kinds(asked(made, 0.3)) == [(i, "Decide") for i in range(3)]


def test_a_decision_without_its_value_is_fetched() -> None:
    made = election()
    push = frames.Advanced(NAMES[0], decision(V).certificate.encode())
    made.advanced(0, replace_instance(push), 0.0)
    elsewhere = certificate(Label.VOTE2, V.hash, seat=replace(SEAT, epoch=SEAT.epoch - 1))
    made.advanced(0, frames.Advanced(NAMES[0], elsewhere.encode()), 0.0)
    assert made.misbehaviour == []
    assert made.step.name == "READ"
    made.advanced(0, push, 0.0)
    assert made.step is Step.FETCH
    requests = asked(made, 0.0)
    assert kinds(requests) == [(i, "Peek") for i in range(4)]
    assert all(frame.value for _, frame in requests)
    shown = peeked(certificate=decision(V).certificate.encode())
    made.receive(0, requests[0][1], shown, 0.1)
    wrong = peeked(certificate=decision(V).certificate.encode(), value=W.encode())
    made.receive(1, requests[1][1], wrong, 0.1)
    assert made.decision is None
    assert [one.fault for one in made.misbehaviour] == [Fault.WRONG_VALUE]
    right = peeked(certificate=decision(V).certificate.encode(), value=V.encode())
    made.receive(2, requests[2][1], right, 0.2)
    assert made.decision == decision(V)


def replace_instance(push: frames.Advanced) -> frames.Advanced:
    return frames.Advanced(bytes(32), push.certificate)


def test_a_decided_value_that_nobody_hands_out_comes_with_a_promise() -> None:
    made = election()
    made.advanced(0, frames.Advanced(NAMES[0], decision(V).certificate.encode()), 0.0)
    answer(made, asked(made, 0.0), *[peeked()] * 4, now=0.1)
    rounds, now = later(made, 0.1)
    made.receive(1, rounds[1][1], promised(1, 1, certificate(Label.VOTE1, V.hash), V), now)
    assert made.decision == decision(V)


def test_votes_of_a_round_that_was_given_up_still_count() -> None:
    made, commits = committing()
    assert asked(made, 0.5 + PATIENCE) == []
    rounds, now = later(made, 4.0)
    assert kinds(rounds)[0] == (0, "NewRound")
    answer(
        made, commits, *(frames.Vote2(0, vote(i, Label.VOTE2, V.hash)) for i in range(3)), now=now
    )
    assert made.decision is not None


def test_a_promise_that_hides_a_lock_is_proven() -> None:
    made, commits = committing()
    made.receive(0, commits[0][1], frames.Vote2(0, vote(0, Label.VOTE2, V.hash)), 0.5)
    asked(made, 0.5 + PATIENCE)
    rounds, now = later(made, 4.0)
    made.receive(0, rounds[0][1], promised(0, 1), now)
    [one] = made.misbehaviour
    assert one.relay == KEYS[0].public
    assert one.fault is Fault.HIDDEN_LOCK
    assert isinstance(one.proof, HiddenLock)
    assert one.proof.proves()


def test_a_second_decision_is_a_fork() -> None:
    made = election()
    made.finish(decision(V), 0.0)
    requests = asked(made, 0.0)
    other = decision(W, voters=(1, 2, 3))
    made.receive(1, requests[1][1], frames.Decided(0, other.certificate.encode(), W.encode()), 0.1)
    assert made.fork is not None
    assert made.fork.proves()
    assert made.fork.liars == (KEYS[1].public, KEYS[2].public)
    assert made.decision == decision(V)
    named = {one.relay for one in made.misbehaviour if one.fault is Fault.TWO_VOTES}
    assert named == {KEYS[1].public, KEYS[2].public}


@pytest.mark.parametrize(
    ("code", "obstacle"),
    [
        (ErrorCode.FENCED, Obstacle.FENCED),
        (ErrorCode.NOT_AUTHORISED, Obstacle.BEHIND),
        (ErrorCode.BEHIND, Obstacle.BEHIND),
        (ErrorCode.GONE, Obstacle.GONE),
    ],
)
def test_what_the_caller_must_do(code: ErrorCode, obstacle: Obstacle) -> None:
    made = proposing(V)
    locks = asked(made, 0.2)
    made.receive(1, locks[1][1], frames.Failure(0, code, 1), 0.3)
    epoch = 1 if code is ErrorCode.BEHIND else None
    assert made.obstacles == {1: (obstacle, epoch)}
    assert 1 not in {index for index, _ in asked(made, 2.5)}
    made.cleared(1)
    assert made.obstacles == {}


def test_who_is_fenced_takes_decisions_and_who_has_forgotten_is_left() -> None:
    made = election()
    made.finish(decision(V), 0.0)
    requests = asked(made, 0.0)
    answer(made, requests, frames.Failure(0, ErrorCode.GONE), *[frames.Done(0)] * 3, now=0.1)
    assert made.complete
    made = election()
    answer(made, asked(made, 0.0), peeked(fence=bytes(32)), now=0.1)
    made.finish(decision(V), 0.2)
    assert (0, "Decide") in kinds(asked(made, 0.2))


def test_without_a_quorum_that_can_vote_nobody_is_disturbed() -> None:
    made = proposing(V)
    abstains = frames.Refuse(0, frames.Refusal.ABSTAINING)
    answer(made, asked(made, 0.2), abstains, abstains, now=0.3)
    seen = set()
    for _ in range(20):
        due = made.deadline()
        assert due is not None
        seen |= {kind for _, kind in kinds(asked(made, due))}
    assert seen == {"Peek"}


def test_a_relay_that_is_far_below_is_led_up() -> None:
    made = proposing(V)
    locks = asked(made, 0.2)
    far = 2 * MAX_ROUND_STEP + 5
    answer(made, locks, frames.Nack(0, far), frames.Nack(0, far), frames.Nack(0, 0), now=0.3)
    made.receive(3, locks[3][1], frames.Refuse(0, frames.Refusal.VOTED_OTHERWISE), 0.3)
    rounds, now = later(made, 0.3)
    assert [frame.round for _, frame in rounds[:3]] == [far + 1, far + 1, MAX_ROUND_STEP]
    made.receive(2, rounds[2][1], promised(2, MAX_ROUND_STEP), now)
    [(index, second)] = asked(made, now)
    assert (index, second.round) == (2, 2 * MAX_ROUND_STEP)
    made.receive(2, second, frames.Nack(0, 2 * MAX_ROUND_STEP + 1), now)
    [(index, third)] = asked(made, now)
    assert (index, third.round) == (2, far + 1)


def test_a_claim_of_one_relay_does_not_move_the_round() -> None:
    made = proposing(V)
    locks = asked(made, 0.2)
    high = frames.Nack(0, MAX_ROUND)
    answer(made, locks, high, frames.Nack(0, 3), frames.Nack(0, 3), frames.Nack(0, 2), now=0.3)
    rounds, _ = later(made, 0.3)
    assert {frame.round for _, frame in rounds[1:]} == {4}


def test_a_relay_that_always_asks_for_more_is_left_alone() -> None:
    made = proposing(V)
    answer(made, asked(made, 0.2), *[frames.Nack(0, 5000)] * 3, now=0.3)
    made.receive(3, made_lock(), frames.Nack(0, 0), 0.3)
    rounds, now = later(made, 0.3)
    times, claim = 1, 1
    pending = [one for one in rounds if one[0] == 3]
    while pending:
        made.receive(3, pending[0][1], frames.Nack(0, claim), now)
        claim += 1
        pending = [one for one in asked(made, now) if one[0] == 3]
        times += len(pending)
    assert times == MAX_TRIES


def made_lock() -> frames.Lock:
    return frames.Lock(0, 0, 0, V.encode())


def test_an_answer_to_another_question_is_named() -> None:
    made = proposing(V)
    locks = asked(made, 0.2)
    made.receive(0, locks[0][1], frames.Done(0), 0.3)
    made.receive(1, locks[1][1], frames.Vote1(0, vote(2, Label.VOTE1, V.hash)), 0.3)
    assert [one.fault for one in made.misbehaviour] == [Fault.FORGERY] * 2


def test_a_lost_connection_means_asking_again() -> None:
    made = proposing(V)
    assert len(asked(made, 0.2)) == 4
    assert asked(made, 0.3) == []
    made.lost(2, 0.3)
    assert kinds(asked(made, 1.5)) == [(2, "Lock")]


def test_rank_lets_others_go_first() -> None:
    waits = []
    for rank in range(4):
        made = election(rank=rank)
        answer(made, asked(made, 0.0), *[peeked(1)] * 3, now=0.0)
        waits.append(made.deadline())
    assert waits == sorted(waits, key=lambda one: one or 0)  # the dice are the same
    assert len(set(waits)) == 4


def test_a_promise_whose_lock_cannot_be_read_is_none() -> None:
    made = proposing(V)
    answer(made, asked(made, 0.2), *[frames.Nack(0, 0)] * 4, now=0.3)
    rounds, now = later(made, 0.3)
    broken = frames.Promise(0, promised(0, 1).signature, b"\x00", V.encode())
    made.receive(0, rounds[0][1], broken, now)
    made.receive(1, rounds[1][1], promised(1, 2), now)
    assert [one.fault for one in made.misbehaviour] == [Fault.FORGERY] * 2
    lock = certificate(Label.VOTE1, W.hash)
    made.receive(2, rounds[2][1], promised(2, 1, lock, V), now)
    assert made.misbehaviour[2].fault is Fault.WRONG_VALUE
    # Its lock binds nobody who cannot see the value; without it there is no quorum in this round.
    assert made.step is Step.WAIT


def test_a_vote_for_what_was_not_proposed_is_nothing() -> None:
    made = proposing(V)
    other = frames.Lock(0, 0, 9, W.encode())
    made.receive(0, other, frames.Vote1(0, vote(0, Label.VOTE1, W.hash, 9)), 0.3)
    assert made.misbehaviour == []
    assert made.step is Step.LOCK


def test_after_the_last_round_there_is_none() -> None:
    made = proposing(V)
    answer(made, asked(made, 0.2), *[frames.Nack(0, MAX_ROUND)] * 4, now=0.3)
    asks, _ = later(made, 0.3)
    assert kinds(asks) == [(i, "Peek") for i in range(4)]
