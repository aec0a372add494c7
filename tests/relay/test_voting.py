"""Slots through a real file, opened anew after every step: what was signed is honoured, also after a fall."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.relay import errors, voting
from heliogram.relay.batch import Advance
from heliogram.wire import frames
from heliogram.wire import objects as o
from heliogram.wire.errors import ErrorCode
from heliogram.wire.limits import LIFE
from heliogram.wire.receipts import Evidence
from heliogram.wire.signing import Label, verify
from tests.relay.log_world import (
    DONE,
    EPOCH,
    ID,
    KEYS,
    TERMS,
    World,
    at,
    configured,
    decided,
    locked,
    seat,
    value,
)
from tests.wire.samples import name

V, W = value(b"v"), value(b"w")
SEAT = seat()
OTHERS = {"without": [0]}
FENCED = frames.Failure(ID, ErrorCode.FENCED)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "relay.db")


@pytest.fixture
def log(world: World) -> bytes:
    return world.open()


def refusal(reason: frames.Refusal) -> frames.Refuse:
    return frames.Refuse(ID, reason)


def votes(answer: Any, kind: type[Any], one: o.Value, round: int = 0, at: o.Seat = SEAT) -> bool:
    """Whether the answer is this vote of relay 0, well signed."""
    label = {frames.Vote1: Label.VOTE1, frames.Vote2: Label.VOTE2}[kind]
    content = o.vote_content(at.id, round, one.hash)
    return type(answer) is kind and verify(KEYS[0].public, label, content, answer.signature)


def promise(relay: int, round: int, lock: o.Certificate | None = None) -> o.SignedPromise:
    shown = None if lock is None else (lock.round, lock.h)
    content = o.promise_content(SEAT.id, round, shown)
    return o.SignedPromise(relay, lock, KEYS[relay].sign(Label.PROMISE, content))


def justified(round: int, lock: o.Certificate | None = None) -> o.Justification:
    """The promises of the other three."""
    return o.Justification((promise(1, round, lock), promise(2, round), promise(3, round)))


# --- A slot from the first vote to the decision ---------------------------------------------------


def test_votes_survive_a_restart(world: World, log: bytes) -> None:
    assert votes(world.lock(log, V), frames.Vote1, V)
    assert votes(world.lock(log, V), frames.Vote1, V)
    assert world.lock(log, W) == refusal(frames.Refusal.VOTED_OTHERWISE)
    assert votes(world.commit(log, locked(V, SEAT)), frames.Vote2, V)
    assert votes(world.commit(log, locked(V, SEAT)), frames.Vote2, V)
    promised = world.new_round(log, 1)
    assert isinstance(promised, frames.Promise)
    assert (promised.lock, promised.value) == (locked(V, SEAT).encode(), V.encode())
    content = o.promise_content(SEAT.id, 1, (0, V.hash))
    assert verify(KEYS[0].public, Label.PROMISE, content, promised.signature)
    assert world.new_round(log, 1) == frames.Nack(ID, 1)
    assert world.lock(log, V) == frames.Nack(ID, 1)
    assert world.commit(log, locked(V, SEAT)) == frames.Nack(ID, 1)
    why = justified(1, locked(V, SEAT))
    assert world.lock(log, W, round=1, why=why) == refusal(frames.Refusal.NOT_THE_LOCKED_VALUE)
    assert world.lock(log, W, round=1) == refusal(frames.Refusal.NOT_JUSTIFIED)
    assert votes(world.lock(log, V, round=1, why=why), frames.Vote1, V, 1)
    assert world.decide(log, decided(V, SEAT)) == DONE
    assert world.news == [Advance(log, EPOCH, decided(V, SEAT).encode())]


def test_no_vote_without_the_bytes(world: World, log: bytes) -> None:
    lock = locked(V, SEAT, **OTHERS)
    before = world.contents()
    assert world.commit(log, lock) == frames.NeedValue(ID)
    assert world.commit(log, lock, W) == refusal(frames.Refusal.BAD_VALUE)
    assert world.decide(log, decided(V, SEAT, **OTHERS)) == frames.NeedValue(ID)
    assert world.contents() == before
    assert votes(world.commit(log, lock, V), frames.Vote2, V)


def test_what_cannot_be_read(world: World, log: bytes) -> None:
    good = V.encode()
    frame = frames.Lock(ID, 0, 0, good[:-1])
    for function, broken in (
        (voting.lock, frame),
        (voting.lock, frames.Lock(ID, 0, 1, good, b"\x01")),
        (voting.commit, frames.Commit(ID, 0, b"\x00")),
        (voting.commit, frames.Commit(ID, 0, locked(V, SEAT).encode(), b"\x00")),
        (voting.unfence, frames.Unfence(ID, 0, (b"\x00",))),
    ):
        with pytest.raises(errors.Malformed):
            world.do(function, broken, at(log))
    for decide in (
        frames.Decide(ID, log, b"\x00"),
        frames.Decide(ID, log, decided(V, SEAT).encode(), b"\x00"),
    ):
        with pytest.raises(errors.Malformed):
            world.do(voting.decide, decide, member=True)


def test_an_epoch_that_is_not_open_yet(world: World, log: bytes) -> None:
    """No channel leads there; a core that is asked nevertheless has nothing."""
    with pytest.raises(errors.Gone):
        world.lock(log, V, EPOCH + 1)
    with pytest.raises(errors.NotAuthorised):
        world.lock(name("nowhere"), V)


# --- DECIDE ---------------------------------------------------------------------------------------


def test_decide_switches_keys_and_configuration_in_one_step(world: World, log: bytes) -> None:
    following = configured(0, 4, 5, 6)
    one = value(following=following)
    assert world.decide(log, decided(one, SEAT, **OTHERS), one) == DONE
    record = world.store.logs.read(log)
    assert record is not None
    assert record.log.seat == seat(EPOCH + 1, following)
    two = value(b"two", EPOCH + 1, following)
    assert votes(world.lock(log, two, EPOCH + 1), frames.Vote1, two, at=seat(EPOCH + 1, following))
    # The old relays decide nothing here any more.
    late = decided(two, seat(EPOCH + 1), **OTHERS)
    with pytest.raises(errors.BadCertificate):
        world.decide(log, late, two)


def test_decide_again(world: World, log: bytes) -> None:
    world.decide(log, decided(V, SEAT, **OTHERS), V)
    before = world.contents()
    assert world.decide(log, decided(V, SEAT, **OTHERS)) == DONE
    other = decided(W, SEAT, **OTHERS)
    assert world.decide(log, other, W) == frames.Decided(
        ID, decided(V, SEAT, **OTHERS).encode(), V.encode()
    )
    for bad in (
        decided(W, SEAT, without=[0, 1]),
        replace(other, epoch=EPOCH - 1),
        decided(W, seat(EPOCH, configured(4, 5, 6, 7))),
        locked(W, SEAT),
    ):
        with pytest.raises(errors.BadCertificate):
            world.decide(log, bad, W)
    assert world.contents() == before


def test_behind_is_told_to_members_only_and_unknown_looks_like_wrong(
    world: World, log: bytes
) -> None:
    later = decided(value(epoch=EPOCH + 2), seat(EPOCH + 2), **OTHERS)
    with pytest.raises(errors.Behind) as told:
        world.decide(log, later)
    assert told.value.detail == EPOCH
    for instance, member in ((log, False), (name("nowhere"), False)):
        with pytest.raises(errors.BadCertificate):
            world.decide(instance, later, member=member)
    with pytest.raises(errors.BadCertificate):
        world.decide(log, decided(V, SEAT, without=[0, 1]), V, member=False)


def test_a_relay_that_was_down_catches_up_without_a_key(world: World, log: bytes) -> None:
    for epoch in range(EPOCH, EPOCH + 5):
        one = value(epoch=epoch)
        assert world.decide(log, decided(one, seat(epoch), **OTHERS), one, member=False) == DONE
    assert world.authorise(log).fence == b""
    assert world.peek(log).epoch == EPOCH + 5
    world.now += 181 * 86_400
    world.expire()
    with pytest.raises(errors.BadCertificate):
        world.decide(log, decided(value(), SEAT, **OTHERS), value())


def test_decide_where_the_relay_has_no_seat_any_more(world: World, log: bytes) -> None:
    leaving = value(following=configured(1, 2, 3, 4))
    assert world.decide(log, decided(leaving, SEAT, **OTHERS), leaving) == DONE
    assert world.decide(log, decided(leaving, SEAT, **OTHERS)) == DONE
    one = value(epoch=EPOCH + 1)
    with pytest.raises(errors.BadCertificate):
        world.decide(log, decided(one, seat(EPOCH + 1, configured(1, 2, 3, 4))), one)


def test_a_decision_from_which_the_log_cannot_go_on(world: World, log: bytes) -> None:
    bad = o.Value(b"no header", b"")
    with pytest.raises(errors.BadCertificate):
        world.decide(log, decided(bad, SEAT, **OTHERS), bad)
    assert world.lock(log, bad) == refusal(frames.Refusal.BAD_VALUE)


# --- Budgets --------------------------------------------------------------------------------------


def test_only_new_values_that_are_kept_are_charged(world: World, log: bytes) -> None:
    world.terms = replace(TERMS, values_per_day=2)
    assert votes(world.lock(log, V), frames.Vote1, V)
    for _ in range(3):
        assert votes(world.lock(log, V), frames.Vote1, V)
        assert world.lock(log, W) == refusal(frames.Refusal.VOTED_OTHERWISE)
        assert world.lock(log, W, round=1) == refusal(frames.Refusal.NOT_JUSTIFIED)
    assert votes(world.lock(log, W, round=1, why=justified(1)), frames.Vote1, W, 1)
    with pytest.raises(errors.OverBudget):
        world.lock(log, V, round=2, why=justified(2))
    assert votes(world.lock(log, W, round=2, why=justified(2)), frames.Vote1, W, 2)
    world.now += 86_400
    assert votes(world.lock(log, V, round=3, why=justified(3)), frames.Vote1, V, 3)


def test_votes_of_an_hour_do_not_hold_up_decisions(world: World, log: bytes) -> None:
    world.terms = replace(TERMS, votes_per_hour=2, decisions_per_day=1)
    assert votes(world.lock(log, V), frames.Vote1, V)
    assert world.lock(log, W) == refusal(frames.Refusal.VOTED_OTHERWISE)
    requests: tuple[Callable[[], Any], ...] = (
        lambda: world.lock(log, V),
        lambda: world.commit(log, locked(V, SEAT)),
        lambda: world.new_round(log, 1),
    )
    for request in requests:
        with pytest.raises(errors.OverBudget):
            request()
    assert world.decide(log, decided(V, SEAT, **OTHERS)) == DONE
    two = value(epoch=EPOCH + 1)
    with pytest.raises(errors.OverBudget):
        world.decide(log, decided(two, seat(EPOCH + 1), **OTHERS), two)
    world.now += 86_400
    assert world.decide(log, decided(two, seat(EPOCH + 1), **OTHERS), two) == DONE


# --- The relay fell back --------------------------------------------------------------------------

Step = Callable[[World, bytes], Any]


def lock_v(world: World, log: bytes) -> Any:
    return world.lock(log, V)


def commit_v(world: World, log: bytes) -> Any:
    return world.commit(log, locked(V, SEAT), V)


def vote_twice(world: World, log: bytes) -> None:
    assert votes(lock_v(world, log), frames.Vote1, V)
    assert votes(commit_v(world, log), frames.Vote2, V)


def promised(round: int, lock: o.Certificate | None = None) -> o.Justification:
    """With a promise of relay 0's own."""
    return o.Justification((promise(0, round, lock), promise(1, round), promise(2, round)))


#: What relay 0 did and forgot, and what shows it. The last tells the answer.
SHOWN: dict[str, tuple[Step, Step, Any]] = {
    "first vote in a COMMIT": (lock_v, commit_v, FENCED),
    "second vote in a DECIDE": (
        vote_twice, lambda world, log: world.decide(log, decided(V, SEAT), V), DONE,
    ),
    "promise in a LOCK": (
        lambda world, log: world.new_round(log, 1),
        lambda world, log: world.lock(log, V, round=1, why=promised(1)), FENCED,
    ),
    "first vote in a lock of a LOCK": (
        lock_v,
        lambda world, log: world.lock(log, V, round=1, why=justified(1, locked(V, SEAT))), FENCED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: case)
def test_12_what_it_signed_and_forgot_fences_it(world: World, log: bytes, case: str) -> None:
    did, show, answer = SHOWN[case]
    picture = world.picture()
    did(world, log)
    honest = show(world, log)  # with its memory nothing is amiss
    assert honest != FENCED and world.authorise(log).fence == b""
    world.fall_back(picture)
    assert show(world, log) == answer
    assert len(world.authorise(log).fence) == 32  # on disk
    requests: tuple[Callable[[int], Any], ...] = (
        lambda epoch: world.lock(log, W, epoch),
        lambda epoch: world.commit(log, locked(W, SEAT), W, epoch),
        lambda epoch: world.new_round(log, 9, epoch),
    )
    for request in requests:
        with pytest.raises(errors.Fenced):
            request(world.peek(log).epoch)
    assert world.authorise(log).fence == world.authorise(log).fence


def test_12_no_second_certificate(world: World, log: bytes) -> None:
    """Rolled back between its two votes, the relay never helps another value."""
    picture = world.picture()
    vote_twice(world, log)
    world.fall_back(picture)
    # A liar takes the first vote again, with nothing to show: that is the lie of one relay.
    assert votes(world.lock(log, W), frames.Vote1, W)
    # But where its old vote shows, it votes no more.
    assert world.commit(log, locked(V, SEAT), V) == FENCED
    with pytest.raises(errors.Fenced):
        world.commit(log, locked(W, SEAT), W)


def statuses(nonce: bytes, relays: Iterable[int], at: o.Seat = SEAT) -> list[o.Status]:
    return [
        o.sign_status(o.Status(KEYS[i].public, at.id, nonce, 3, name("chain"), at.epoch), KEYS[i])
        for i in relays
    ]


def fenced(world: World, log: bytes) -> bytes:
    """The nonce, after a fall that a COMMIT has shown."""
    picture = world.picture()
    lock_v(world, log)
    world.fall_back(picture)
    assert commit_v(world, log) == FENCED
    return world.authorise(log).fence


def test_11_unfence_abstain_and_vote_again(world: World, log: bytes) -> None:
    nonce = fenced(world, log)
    assert world.unfence(log, statuses(nonce, (1, 2))) == DONE
    with pytest.raises(errors.NotFenced):
        world.unfence(log, statuses(nonce, (1, 2)))
    assert world.authorise(log).fence == b""
    abstains = refusal(frames.Refusal.ABSTAINING)
    assert world.lock(log, V) == world.commit(log, locked(V, SEAT), V) == abstains
    assert world.new_round(log, 1) == abstains
    world.stored(log, b"it stores again")
    assert world.decide(log, decided(V, SEAT), V) == DONE  # its own forgotten vote: known by now
    assert world.authorise(log).fence == b""
    two = value(epoch=EPOCH + 1)
    assert votes(world.lock(log, two, EPOCH + 1), frames.Vote1, two, at=seat(EPOCH + 1))


def mended(world: World, log: bytes, shown: Evidence, at: o.Seat = SEAT) -> None:
    """Fenced by this, and lifted."""
    nonce = world.authorise(log, shown, at.epoch).fence
    assert world.unfence(log, statuses(nonce, (1, 2), at), at.epoch) == DONE


def test_11_each_fall_is_dealt_with_once(world: World, log: bytes) -> None:
    """Whoever comes later with a receipt of before the fence silences nobody. One of after it is news."""
    picture = world.picture()
    before = [world.stored(log, b"before %d" % number) for number in range(3)]
    world.fall_back(picture)
    world.stored(log, b"nobody knows that it fell back")
    mended(world, log, before[1])
    picture = world.picture()
    after = world.stored(log, b"after")
    assert after.receipt.index == world.now // 60 * LIFE
    for one in (*before, after):
        assert world.authorise(log, one).fence == b""
    world.advance(log)
    for one in (*before, after):
        assert world.authorise(log, one, EPOCH + 1).fence == b""
    two = value(epoch=EPOCH + 1)
    assert votes(world.lock(log, two, EPOCH + 1), frames.Vote1, two, at=seat(EPOCH + 1))
    # It falls back once more.
    world.fall_back(picture)
    for one in before:
        assert world.authorise(log, one).fence == b""
    assert len(world.authorise(log, after).fence) == 32


def test_11_a_life_that_was_forgotten_ends_too(world: World, log: bytes) -> None:
    """It falls back to a time before its first fence. What follows is later than all that it had signed."""
    picture = world.picture()
    first = world.stored(log, b"one")
    world.fall_back(picture)
    mended(world, log, first)
    second = world.stored(log, b"two")
    world.fall_back(picture)
    mended(world, log, second)
    assert world.authorise(log, first).fence == world.authorise(log, second).fence == b""
    assert world.stored(log, b"three").receipt.index == (world.now // 60 + 1) * LIFE


def test_a_receipt_of_an_epoch_that_nobody_told_of_is_news(world: World, log: bytes) -> None:
    """It was told alone, and forgot that. Whoever lifted the fence did not know that it was there."""
    picture = world.picture()
    known = world.stored(log, b"known")
    world.advance(log)
    alone = world.stored(log, b"alone", EPOCH + 1)
    world.fall_back(picture)
    mended(world, log, known)
    assert len(world.authorise(log, alone).fence) == 32
    record = world.store.logs.read(log)
    assert record is not None and record.log.votes_from == EPOCH + 2


def test_unfence_after_decide_abstains_in_the_open_epoch(world: World, log: bytes) -> None:
    nonce = fenced(world, log)
    assert world.decide(log, decided(V, SEAT, **OTHERS), V) == DONE
    after = seat(EPOCH + 1)
    with pytest.raises(errors.NotAuthorised):
        world.unfence(log, statuses(nonce, (1, 2), after))
    with pytest.raises(errors.BadStatus):
        world.unfence(log, statuses(nonce, (1, 2)), EPOCH + 1)
    assert world.unfence(log, statuses(nonce, (1, 2), after), EPOCH + 1) == DONE
    two = value(epoch=EPOCH + 1)
    assert world.lock(log, two, EPOCH + 1) == refusal(frames.Refusal.ABSTAINING)
    world.advance(log, EPOCH + 1)
    three = value(epoch=EPOCH + 2)
    assert votes(world.lock(log, three, EPOCH + 2), frames.Vote1, three, at=seat(EPOCH + 2))


def test_statuses_that_do_not_lift_the_fence(world: World, log: bytes) -> None:
    with pytest.raises(errors.NotFenced):
        world.unfence(log, ())
    nonce = fenced(world, log)
    good = statuses(nonce, (1, 2))
    unsigned = replace(good[1], signature=bytes(64))
    for shown in (
        [],
        good[:1],
        [good[0], good[0]],
        [good[0], unsigned],
        [*good, unsigned],
        [good[0], *statuses(nonce, (0,))],
        [good[0], *statuses(nonce, (4,))],
        [good[0], *statuses(name("another nonce"), (2,))],
        [good[0], *statuses(nonce, (2,), seat(EPOCH + 1))],
    ):
        with pytest.raises(errors.BadStatus):
            world.unfence(log, shown)
    assert world.authorise(log).fence == nonce


def test_a_fall_that_a_decision_shows_fences_the_next_epoch(world: World, log: bytes) -> None:
    picture = world.picture()
    vote_twice(world, log)
    world.fall_back(picture)
    assert world.decide(log, decided(V, SEAT), V) == DONE
    assert world.news == [Advance(log, EPOCH, decided(V, SEAT).encode())]
    told = world.authorise(log)
    assert (told.epoch, len(told.fence)) == (EPOCH + 1, 32)
    with pytest.raises(errors.Fenced):
        world.lock(log, value(epoch=EPOCH + 1), EPOCH + 1)


# --- Seats that several instances reach -----------------------------------------------------------


def shared(world: World) -> tuple[bytes, bytes]:
    """An instance from the first epoch, and one that was opened at the seat after; both stand there."""
    first = world.open()
    second = world.open(seat(EPOCH + 1))
    world.advance(first)
    return first, second


def test_one_slot_for_one_seat(world: World) -> None:
    first, second = shared(world)
    two, other = value(b"two", EPOCH + 1), value(b"other", EPOCH + 1)
    there = seat(EPOCH + 1)
    assert votes(world.lock(first, two, EPOCH + 1), frames.Vote1, two, at=there)
    assert world.lock(second, other, EPOCH + 1) == refusal(frames.Refusal.VOTED_OTHERWISE)
    assert votes(world.lock(second, two, EPOCH + 1), frames.Vote1, two, at=there)
    assert isinstance(world.new_round(second, 3, EPOCH + 1), frames.Promise)
    assert world.lock(first, two, EPOCH + 1) == frames.Nack(ID, 3)
    # Decided by one instance, it is decided for the other too, which is then taken on by a DECIDE.
    decision = decided(two, there, **OTHERS)
    assert world.decide(first, decision, two) == DONE
    assert world.authorise(second, epoch=EPOCH + 1).epoch == EPOCH + 1
    told = frames.Decided(ID, decision.encode(), two.encode())
    assert world.lock(second, other, EPOCH + 1) == told
    assert world.decide(second, decided(other, there, **OTHERS), other) == told
    assert not world.news
    assert world.decide(second, decision) == DONE
    assert world.news == [Advance(second, EPOCH + 1, decision.encode())]
    assert world.authorise(second, epoch=EPOCH + 1).epoch == EPOCH + 2
    assert world.decide(second, decision) == DONE


def test_a_fall_shown_in_one_instance_silences_the_other(world: World) -> None:
    first, second = shared(world)
    there, two = seat(EPOCH + 1), value(b"two", EPOCH + 1)
    picture = world.picture()
    world.lock(first, two, EPOCH + 1)
    world.fall_back(picture)
    assert world.commit(second, locked(two, there), two, EPOCH + 1) == FENCED
    nonces = [world.authorise(one).fence for one in (first, second)]
    assert len(set(nonces)) == 2 and b"" not in nonces
    # Each fence is lifted by itself; where both stand, both abstain.
    assert world.unfence(first, statuses(nonces[0], (1, 2), there), EPOCH + 1) == DONE
    assert world.lock(first, two, EPOCH + 1) == refusal(frames.Refusal.ABSTAINING)
    with pytest.raises(errors.Fenced):
        world.lock(second, two, EPOCH + 1)
    # One that is opened later at this seat begins fenced, though the first fence is lifted.
    third = world.open(seat(EPOCH + 2))
    assert len(world.authorise(third).fence) == 32


def test_tombstones(world: World) -> None:
    """A decision has expired: whoever opens its seat anew gets no vote there, ever."""
    first, second = shared(world)
    world.advance(first, EPOCH + 1)
    world.now += 181 * 86_400
    world.expire()
    with pytest.raises(errors.Gone):  # the one that stood still at the shared seat
        world.lock(second, value(epoch=EPOCH + 1), EPOCH + 1)
    two = value(epoch=EPOCH + 1)
    with pytest.raises(errors.Gone):
        world.decide(second, decided(two, seat(EPOCH + 1), **OTHERS), two)
    world.now += (TERMS.idle_days + 1) * 86_400
    world.expire()
    assert world.store.logs.count() == 0
    for epoch in (EPOCH, EPOCH + 1):
        with pytest.raises(errors.Gone):
            world.open(seat(epoch))
    # Where nothing was ever signed, nothing can be contradicted.
    assert world.open(seat(EPOCH + 2))


def test_a_log_that_is_forgotten_leaves_the_votes_of_others(world: World) -> None:
    """A stranger's instance at our seat falls asleep and is forgotten; our slot is still ours."""
    first, second = shared(world)
    there, two = seat(EPOCH + 1), value(b"two", EPOCH + 1)
    world.stored(second, b"a stranger's", EPOCH + 1)
    assert votes(world.lock(first, two, EPOCH + 1), frames.Vote1, two, at=there)
    for _ in range(2):
        world.now += TERMS.idle_days // 2 * 86_400 + 86_400
        world.stored(first, b"%d" % world.now, EPOCH + 1)
    world.expire()
    assert world.store.logs.read(second) is None
    assert world.lock(first, value(b"other", EPOCH + 1), EPOCH + 1) == refusal(
        frames.Refusal.VOTED_OTHERWISE
    )
    assert world.decide(first, decided(two, there, **OTHERS)) == DONE


# --- Any schedule, any fall -----------------------------------------------------------------------


@settings(max_examples=40)
@given(st.data())
def test_nothing_signed_is_ever_contradicted(data: st.DataObject) -> None:
    """Steps as they come, the file opened anew after each: one value a round, no vote below a promise.

    The relay may fall back once. Then it contradicts itself at most until somebody shows it a vote that it
    has forgotten: never after the fence.
    """
    with TemporaryDirectory() as folder:
        world = World(Path(folder) / "relay.db")
        log = world.open()
        signed: dict[tuple[Label, int], bytes] = {}
        floor, silent = 0, False
        picture: bytes | None = None
        for _ in range(data.draw(st.integers(1, 12))):
            step = data.draw(st.sampled_from("lock commit round keep fall".split()))
            round, one = data.draw(st.integers(0, 2)), data.draw(st.sampled_from((V, W)))
            if step == "keep":
                picture = world.picture()
                continue
            if step == "fall":
                if picture is not None:
                    world.fall_back(picture)
                    signed, floor, picture = {}, 0, None
                    silent = world.peek(log).fence != b""
                continue
            try:
                if step == "lock":
                    answer = world.lock(
                        log, one, round=round, why=justified(round) if round else None
                    )
                elif step == "commit":
                    answer = world.commit(log, locked(one, SEAT, round=round, **OTHERS), one)
                else:
                    answer = world.new_round(log, round)
            except errors.Fenced:
                assert silent
                continue
            assert not silent
            silent = answer == FENCED
            if isinstance(answer, frames.Vote1 | frames.Vote2):
                kind = type(answer)
                assert votes(answer, kind, one, round) and round >= floor
                label = Label.VOTE1 if kind is frames.Vote1 else Label.VOTE2
                assert signed.setdefault((label, round), one.hash) == one.hash
                floor = round
            elif isinstance(answer, frames.Promise):
                assert round > floor
                floor = round
        world.store.close()
