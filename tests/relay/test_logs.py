"""OPEN, POST, REFILL, READ, PEEK, STATUS and evidence, through a real file, with real receipts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from heliogram.relay import errors, logs
from heliogram.relay.batch import NewEntry
from heliogram.relay.store import Store
from heliogram.wire import frames, work
from heliogram.wire import objects as o
from heliogram.wire.connection import Scope, ScopeKind
from heliogram.wire.limits import (
    LIFE,
    MAX_ENTRY,
    MAX_GRACE_ENTRIES,
    MAX_GRACE_ENTRY,
    MAX_PAGE,
)
from heliogram.wire.receipts import entry_hash, next_chain
from tests.relay.log_world import (
    DONE,
    EPOCH,
    ID,
    KEYS,
    NOW,
    TERMS,
    World,
    at,
    configured,
    decided,
    keys,
    locked,
    seat,
    value,
)
from tests.wire.samples import name


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "relay.db")


@pytest.fixture
def log(world: World) -> bytes:
    return world.open()


# --- OPEN -----------------------------------------------------------------------------------------


def test_open_twice_is_done_and_opens_once(world: World) -> None:
    assert world.do(logs.open_log, world.opening()) == DONE
    after = world.contents()
    assert world.do(logs.open_log, world.opening()) == DONE
    assert world.contents() == after


def test_a_new_log_stands_at_its_beginning(world: World, log: bytes) -> None:
    assert world.peek(log) == frames.Peeked(ID, 0, 0, log, 0, EPOCH)
    assert world.authorise(log) == frames.Authorised(ID, 0, log, EPOCH)
    assert logs.end(world.store, log) == 0


def test_open_wants_work_of_this_window_for_this_relay(world: World) -> None:
    stale = replace(world.terms.limits, difficulty_open=12)
    world.terms = replace(world.terms, limits=stale)
    good = o.Open.from_bytes(world.opening().record)
    for proof in (
        replace(good.proof, nonce=good.proof.nonce ^ 1),
        replace(good.proof, window=good.proof.window + 2),
        work.solve(KEYS[1].public, seat().id, 12, now=NOW),
        work.solve(KEYS[0].public, name("another"), 12, now=NOW),
    ):
        with pytest.raises(errors.BadWork) as refused:
            world.do(logs.open_log, frames.Open(ID, replace(good, proof=proof).encode()))
        assert refused.value.detail == 12


def test_open_what_cannot_be_read(world: World) -> None:
    whole = world.opening().record
    for record in (b"", whole[:-1], whole + b"\x00"):
        with pytest.raises(errors.Malformed):
            world.do(logs.open_log, frames.Open(ID, record))


def test_open_without_a_place_here(world: World) -> None:
    with pytest.raises(errors.NotAuthorised):
        world.open(seat(configuration=configured(1, 2, 3)))


def test_open_when_there_is_no_room(world: World) -> None:
    world.terms = replace(world.terms, max_logs=1)
    first = world.open()
    with pytest.raises(errors.Full):
        world.open(seat(EPOCH + 1))
    assert world.do(logs.open_log, world.opening()) == DONE  # it is there already
    assert world.store.logs.count() == 1
    assert world.peek(first).next_index == 0


# --- POST and its receipt -------------------------------------------------------------------------


def test_receipts_and_the_chain(world: World, log: bytes) -> None:
    chain = log
    for index, data in enumerate((b"one", b"two", b"three")):
        evidence = world.stored(log, data)
        chain = next_chain(chain, entry_hash(data))
        assert (evidence.receipt.index, evidence.receipt.chain) == (index, chain)
        assert world.news == [NewEntry(log, EPOCH, index, NOW // 60, entry_hash(data), data)]
    assert world.texts(log) == [b"one", b"two", b"three"]
    peeked = world.peek(log)
    assert (peeked.first_index, peeked.next_index, peeked.chain) == (0, 3, chain)


def test_the_same_entry_is_stored_once(world: World, log: bytes) -> None:
    first = world.stored(log, b"one")
    world.stored(log, b"two")
    world.terms = replace(world.terms, posts_per_day=0, post_bytes_per_day=0, log_bytes=0)
    again = world.stored(log, b"one")
    assert not world.news
    assert (again.receipt.index, again.receipt.chain) == (0, first.receipt.chain)
    assert world.texts(log) == [b"one", b"two"]


def test_the_same_entry_in_another_epoch_is_another(world: World, log: bytes) -> None:
    world.stored(log, b"one")
    world.advance(log)
    assert world.stored(log, b"one", EPOCH + 1).receipt.index == 1


def test_entries_with_one_tag_are_told_apart(world: World, log: bytes) -> None:
    """The tag is eight bytes of the hash: two entries may share it."""
    world.stored(log, b"one")
    with world.store.transaction():
        world.store.database.run("UPDATE entries SET data=? WHERE data=?", b"other", b"one")
    assert world.stored(log, b"one").receipt.index == 1


def test_post_sizes(world: World, log: bytes) -> None:
    world.stored(log, bytes(MAX_ENTRY))
    world.terms = replace(world.terms, limits=replace(world.terms.limits, max_entry=20_480))
    world.stored(log, bytes(20_480))
    for post in (world.post, lambda log, data: world.refill(log, data, EPOCH)):
        with pytest.raises(errors.TooLarge):
            post(log, bytes(20_481))


def test_post_in_a_lane_that_is_none(world: World, log: bytes) -> None:
    frame = frames.Post(ID, 0, b"x", 2)
    with pytest.raises(errors.Malformed):
        world.do(logs.post, frame, at(log))


def test_post_to_a_closed_epoch_is_told_the_decision(world: World, log: bytes) -> None:
    world.stored(log, b"one")
    one = value()
    decision = decided(one, seat(), without=[0])
    assert world.decide(log, decision, one) == DONE
    before = world.contents()
    for data in (b"one", b"two"):
        assert world.post(log, data) == frames.Decided(ID, decision.encode())
    assert world.contents() == before
    assert world.peek(log).value == one.encode()


def test_post_to_a_log_that_is_not_here(world: World) -> None:
    with pytest.raises(errors.NotAuthorised):
        world.post(name("nowhere"), b"one")


def test_post_where_the_relay_has_no_seat_any_more(world: World, log: bytes) -> None:
    leaving = value(following=configured(1, 2, 3, 4))
    assert world.decide(log, decided(leaving, seat(), without=[0]), leaving) == DONE
    for request in (
        lambda: world.post(log, b"one", EPOCH + 1),
        lambda: world.refill(log, b"one", EPOCH, EPOCH + 1),
        lambda: world.status(log, name("nonce"), EPOCH + 1),
        lambda: world.lock(log, value(epoch=EPOCH + 1), EPOCH + 1),
    ):
        with pytest.raises(errors.NotAuthorised):
            request()
    assert logs.member_key(world.store, log, EPOCH) == keys(EPOCH)[0]
    assert logs.member_key(world.store, log, EPOCH + 1) is None
    assert world.peek(log).epoch == EPOCH + 1


# --- Budgets --------------------------------------------------------------------------------------


def test_71_posts_are_used_up_and_the_slot_goes_on(world: World, log: bytes) -> None:
    world.terms = replace(world.terms, posts_per_day=2)
    world.stored(log, b"one")
    world.stored(log, b"two")
    for request in (world.post, lambda log, data: world.refill(log, data, EPOCH)):
        with pytest.raises(errors.OverBudget):
            request(log, b"three")
    one = value()
    assert isinstance(world.lock(log, one), frames.Vote1)
    assert isinstance(world.commit(log, locked(one, seat())), frames.Vote2)
    assert world.decide(log, decided(one, seat())) == DONE
    with pytest.raises(errors.OverBudget):
        world.post(log, b"three", EPOCH + 1)
    assert isinstance(world.post(log, b"help", grace=True), frames.Stored)
    world.now += 86_400
    world.stored(log, b"three", EPOCH + 1)


def test_bytes_of_a_day_and_bytes_at_once(world: World, log: bytes) -> None:
    world.terms = replace(world.terms, post_bytes_per_day=10, log_bytes=15)
    world.stored(log, bytes(10))
    with pytest.raises(errors.OverBudget):
        world.post(log, b"1")
    world.now += 86_400
    with pytest.raises(errors.OverBudget):
        world.post(log, b"123456")
    world.stored(log, b"12345")
    world.now += 31 * 86_400
    world.expire()
    world.stored(log, b"123456")


def test_one_log_does_not_pay_for_another(world: World, log: bytes) -> None:
    world.terms = replace(world.terms, posts_per_day=1)
    world.stored(log, b"one")
    world.stored(world.open(seat(EPOCH + 1)), b"one", EPOCH + 1)


# --- The grace lane -------------------------------------------------------------------------------


def test_the_grace_lane_is_open_after_the_epoch(world: World, log: bytes) -> None:
    world.advance(log)
    answer = world.post(log, b"help", grace=True)
    assert world.evidence(answer, b"help", log, EPOCH).receipt.index == 0
    assert world.texts(log) == [b"help"] and world.texts(log, EPOCH + 1) == []
    with pytest.raises(errors.TooLarge):
        world.post(log, bytes(MAX_GRACE_ENTRY + 1), grace=True)
    with pytest.raises(errors.NotAuthorised):
        world.post(log, b"help", EPOCH - 1, grace=True)


def test_a_full_grace_lane_still_answers_what_is_stored(world: World, log: bytes) -> None:
    world.advance(log)
    for index in range(MAX_GRACE_ENTRIES):
        world.post(log, b"%d" % index, grace=True)
    with pytest.raises(errors.OverBudget):
        world.post(log, b"one more", grace=True)
    again = world.post(log, b"63", grace=True)
    assert world.evidence(again, b"63", log, EPOCH).receipt.index == MAX_GRACE_ENTRIES - 1
    # The next epoch has a lane of its own, but the log has one budget a day.
    world.terms = replace(world.terms, grace_per_day=MAX_GRACE_ENTRIES + 1)
    world.post(log, b"one more", EPOCH + 1, grace=True)
    with pytest.raises(errors.OverBudget):
        world.post(log, b"two more", EPOCH + 1, grace=True)
    world.now += 86_400
    world.post(log, b"two more", EPOCH + 1, grace=True)


# --- REFILL ---------------------------------------------------------------------------------------


def test_refill_of_an_earlier_epoch(world: World, log: bytes) -> None:
    world.advance(log)
    answer = world.refill(log, b"old", EPOCH, EPOCH + 1)
    assert world.evidence(answer, b"old", log, EPOCH).receipt.index == 0
    assert [one.epoch for one in world.news if isinstance(one, NewEntry)] == [EPOCH]
    assert world.refill(log, b"old", EPOCH, EPOCH + 1) is not None and not world.news
    assert world.texts(log) == [b"old"] and world.texts(log, EPOCH + 1) == []
    for old, epoch in ((EPOCH + 2, EPOCH + 1), (EPOCH, EPOCH)):
        with pytest.raises(errors.NotAuthorised):
            world.refill(log, b"more", old, epoch)


def test_refill_before_the_first_epoch_counts_as_of_the_first(world: World) -> None:
    log = world.open(seat(EPOCH + 5))
    answer = world.refill(log, b"old", EPOCH, EPOCH + 5)
    world.evidence(answer, b"old", log, EPOCH + 5)
    (entry,) = world.read(log, epoch=EPOCH + 5).entries
    assert (entry.epoch, entry.data) == (EPOCH + 5, b"old")


# --- READ -----------------------------------------------------------------------------------------


def test_pages_by_count(world: World, log: bytes) -> None:
    for index in range(5):
        world.stored(log, b"%d" % index)
    page = world.read(log, 0, 2)
    assert [one.index for one in page.entries] == [0, 1] and (page.next, page.end) == (2, 5)
    page = world.read(log, page.next, 3)
    assert [one.index for one in page.entries] == [2, 3, 4] and (page.next, page.end) == (5, 5)
    for start in (5, 6, 2**63 - 1):
        page = world.read(log, start, 3)
        assert (page.entries, page.next, page.end) == ((), 5, 5)


def test_pages_by_bytes(world: World, log: bytes) -> None:
    sizes = [MAX_ENTRY - index for index in range(6)]
    for size in sizes:
        world.stored(log, bytes(size))
    seen: list[int] = []
    start, pages = 0, 0
    while True:
        page = world.read(log, start)
        seen += [len(one.data) for one in page.entries]
        assert sum(len(one.data) for one in page.entries) <= MAX_PAGE
        start, pages = page.next, pages + 1
        if page.next == page.end:
            break
    assert (seen, pages) == (sizes, 2)


def test_digests(world: World, log: bytes) -> None:
    world.stored(log, b"one")
    answer = logs.read(world.store, frames.Read(ID, 0, 0, 10, True), at(log))
    digest = frames.Digest(0, NOW // 60, EPOCH, entry_hash(b"one"), 3)
    assert answer == frames.Digests(ID, (digest,), 1, 1)


def test_gaps_of_other_epochs_and_of_expiry(world: World, log: bytes) -> None:
    world.stored(log, b"zero")
    world.now += 86_400
    world.stored(log, b"one")
    world.advance(log)
    world.stored(log, b"two", EPOCH + 1)
    world.post(log, b"three", grace=True)
    world.now += 29 * 86_400 + 60
    world.expire()
    assert [one.index for one in world.read(log).entries] == [1, 3]
    assert [one.index for one in world.read(log, epoch=EPOCH + 1).entries] == [2]
    peeked = world.peek(log)
    assert (peeked.first_index, peeked.next_index) == (1, 4)
    world.now += 86_400
    world.expire()
    peeked = world.peek(log)
    assert (peeked.first_index, peeked.next_index) == (4, 4)
    assert world.read(log) == frames.Entries(ID, (), 4, 4)


def test_16_who_was_removed_reads_nothing_later_and_does_nothing(world: World, log: bytes) -> None:
    world.stored(log, b"while she was there")
    decision = decided(value(), seat(), without=[0])
    world.advance(log)
    world.stored(log, b"about her", EPOCH + 1)
    assert world.texts(log) == [b"while she was there"]
    assert logs.member_key(world.store, log, EPOCH) == keys(EPOCH)[0]
    assert world.post(log, b"hello?") == frames.Decided(ID, decision.encode())
    shown = frames.Decided(ID, decision.encode(), value().encode())
    assert world.lock(log, value(b"mine")) == shown
    assert world.commit(log, locked(value(b"mine"), seat())) == shown
    assert world.new_round(log, 5) == shown
    for request in (
        lambda: world.refill(log, b"mine", EPOCH),
        lambda: world.status(log, name("nonce")),
        lambda: world.unfence(log, ()),
    ):
        with pytest.raises(errors.NotAuthorised):
            request()
    assert logs.member_key(world.store, log, EPOCH + 1) == keys(EPOCH + 1)[0]
    assert logs.member_key(world.store, log, EPOCH + 2) is None
    assert logs.member_key(world.store, name("nowhere"), EPOCH) is None


def test_a_log_that_was_forgotten_is_gone(world: World, log: bytes) -> None:
    scope = Scope(ScopeKind.LOG, name("nowhere"), EPOCH)
    store = world.store
    for request in (
        lambda: logs.read(store, frames.Read(ID, 0, 0, 1), scope),
        lambda: logs.peek(store, frames.Peek(ID, 0), scope),
        lambda: logs.end(store, scope.id),
        lambda: world.authorise(scope.id),
        lambda: world.status(scope.id, name("nonce")),
    ):
        with pytest.raises(errors.Gone):
            request()


def test_an_expired_epoch_is_gone(world: World, log: bytes) -> None:
    world.advance(log)
    world.now += 181 * 86_400
    world.expire()
    for request in (
        lambda: world.peek(log),
        lambda: world.post(log, b"late"),
        lambda: world.lock(log, value()),
    ):
        with pytest.raises(errors.Gone):
            request()
    with pytest.raises(errors.NotAuthorised):
        world.post(log, b"late", grace=True)
    assert logs.member_key(world.store, log, EPOCH) is None
    assert world.peek(log, EPOCH + 1).epoch == EPOCH + 1


# --- PEEK and STATUS ------------------------------------------------------------------------------


def test_peek_shows_promise_and_decision(world: World, log: bytes) -> None:
    world.new_round(log, 4)
    assert world.peek(log).round == 4
    one = value()
    decision = decided(one, seat(), without=[0], round=4)
    world.decide(log, decision, one)
    told = world.peek(log)
    assert (told.epoch, told.certificate, told.value) == (
        EPOCH + 1, decision.encode(), one.encode(),
    )  # fmt: skip
    assert world.peek(log, value=False).value == b""


def test_status_is_signed(world: World, log: bytes) -> None:
    world.stored(log, b"one")
    status = world.status(log, name("nonce"))
    assert status.proves(world.key.public)
    peeked = world.peek(log)
    assert (status.seat, status.nonce, status.epoch) == (seat().id, name("nonce"), EPOCH)
    assert (status.next_index, status.chain) == (peeked.next_index, peeked.chain)


# --- AUTHORISE with evidence ----------------------------------------------------------------------


def test_evidence_that_agrees_and_evidence_of_what_expired(world: World, log: bytes) -> None:
    kept = [world.stored(log, b"%d" % index) for index in range(3)]
    for evidence in kept:
        assert world.authorise(log, evidence).fence == b""
    world.now += 31 * 86_400
    world.expire()
    for evidence in kept:
        assert world.authorise(log, evidence).fence == b""


def test_evidence_that_proves_nothing(world: World, log: bytes) -> None:
    good = world.stored(log, b"one")
    world.stored(log, b"two")
    receipt = good.receipt
    for evidence in (
        replace(good, entry=entry_hash(b"never")),
        replace(good, epoch=EPOCH + 1),
        replace(good, epoch=2**64 - 1),
        replace(good, receipt=replace(receipt, index=2)),
        replace(good, receipt=replace(receipt, index=2**64 - 1)),
        replace(good, receipt=replace(receipt, chain=name("another"))),
        replace(good, receipt=replace(receipt, signature=bytes(64))),
    ):
        assert world.authorise(log, evidence).fence == b""
    frame = frames.Authorise(ID, 0, log, EPOCH, bytes(64), good.encode() + b"\x00")
    with pytest.raises(errors.Malformed):
        logs.shows_fall(world.store, frame, world.key.public)


class ExpiresMeanwhile(Store):
    """A reader between whose two reads the entry expires."""

    def __init__(self, world: World) -> None:
        super().__init__(world.path, writes=False)
        table, entry_at = self.logs, self.logs.entry_at

        def expired(*place: object) -> None:
            world.now += 31 * 86_400
            world.expire()
            assert entry_at(*place) is None  # type: ignore[arg-type]

        table.entry_at = expired  # type: ignore[method-assign, assignment]


def test_an_entry_that_expires_meanwhile_accuses_nobody(world: World, log: bytes) -> None:
    evidence = world.stored(log, b"one")
    reader = ExpiresMeanwhile(world)
    frame = frames.Authorise(ID, 0, log, EPOCH, bytes(64), evidence.encode())
    assert logs.shows_fall(reader, frame, world.key.public) is None
    reader.close()


def test_11_a_backup_shows_itself_by_a_receipt(world: World, log: bytes) -> None:
    """Fenced in the same step; nothing is signed; what a client knows of others is refilled later."""
    world.stored(log, b"one")
    picture = world.picture()
    evidence = world.stored(log, b"two")
    world.advance(log)
    later = world.stored(log, b"three", EPOCH + 1)
    world.fall_back(picture)
    assert world.authorise(log).fence == b""  # nobody has shown it yet
    told = world.authorise(log, evidence)
    assert len(told.fence) == 32 and (told.next_index, told.epoch) == (NOW // 60 * LIFE, EPOCH)
    assert world.authorise(log).fence == told.fence == world.peek(log).fence
    # The fence is on disk, keeps its nonce, and learns of later epochs.
    assert world.authorise(log, later).fence == told.fence
    record = world.store.logs.read(log)
    assert record is not None and record.log.votes_from == EPOCH + 2
    for request in (
        lambda: world.post(log, b"two"),
        lambda: world.post(log, b"two", grace=True),
        lambda: world.refill(log, b"two", EPOCH),
        lambda: world.lock(log, value()),
        lambda: world.commit(log, locked(value(), seat()), value()),
        lambda: world.new_round(log, 1),
        lambda: world.status(log, name("nonce")),
    ):
        with pytest.raises(errors.Fenced):
            request()
    assert world.texts(log) == [b"one"]


def test_another_entry_at_the_place_shows_it_too(world: World, log: bytes) -> None:
    picture = world.picture()
    evidence = world.stored(log, b"one")
    world.fall_back(picture)
    world.stored(log, b"another")
    assert len(world.authorise(log, evidence).fence) == 32


def test_every_instance_of_the_log_is_fenced_and_later_ones_begin_so(
    world: World, log: bytes
) -> None:
    other, foreign = (
        world.open(seat(EPOCH + 3)),
        world.open(seat(configuration=configured(0, log="x"))),
    )
    picture = world.picture()
    evidence = world.stored(log, b"one")
    world.fall_back(picture)
    nonce = world.authorise(log, evidence).fence
    beside = world.authorise(other, epoch=EPOCH + 3).fence
    assert len(beside) == 32 and beside != nonce
    assert world.authorise(foreign).fence == b""
    record = world.store.logs.read(other)
    assert record is not None and record.log.votes_from == EPOCH + 4  # its own epoch
    later = world.open(seat(EPOCH + 9))
    assert len(world.authorise(later, epoch=EPOCH + 9).fence) == 32
    assert world.authorise(world.open(seat(configuration=configured(0, 1, log="y")))).fence == b""


# --- Forgetting -----------------------------------------------------------------------------------


def test_a_forgotten_log_is_not_opened_anew(world: World, log: bytes) -> None:
    """It has signed for places of this instance: a second beginning would contradict it."""
    world.stored(log, b"one")
    unused = world.open(seat(EPOCH + 1))
    world.now += (TERMS.idle_days + 1) * 86_400
    world.expire()
    assert world.store.logs.count() == 0
    with pytest.raises(errors.Gone):
        world.open()
    assert world.open(seat(EPOCH + 1)) == unused  # nothing was ever signed there


def test_a_log_in_use_is_not_forgotten(world: World, log: bytes) -> None:
    for _ in range(3):
        world.now += (TERMS.idle_days - 1) * 86_400
        world.stored(log, b"%d" % world.now)
        world.expire()
    assert world.store.logs.count() == 1


# --- 21: clocks -----------------------------------------------------------------------------------

DECADE = 10 * 365 * 86_400


@pytest.mark.parametrize("wrong", [-DECADE, 0, DECADE, -NOW])
def test_21_a_wrong_clock_decides_nothing(world: World, log: bytes, wrong: int) -> None:
    """The same answers whatever the clock says. Afterwards nothing has gone too early or stays too long."""
    world.now = NOW + wrong
    evidence = world.stored(log, b"one")
    assert (evidence.receipt.index, evidence.receipt.chain) == (
        0,
        next_chain(log, entry_hash(b"one")),
    )
    one = value()
    assert isinstance(world.lock(log, one), frames.Vote1)
    assert isinstance(world.new_round(log, 1), frames.Promise)
    assert isinstance(
        world.commit(log, locked(one, seat(), round=1, without=[0]), one), frames.Vote2
    )
    assert world.decide(log, decided(one, seat(), round=1)) == DONE
    world.stored(log, b"two", EPOCH + 1)
    if wrong <= 0:
        world.expire()
    world.now = NOW + 3600
    world.expire()
    assert world.texts(log) == [b"one"] and world.texts(log, EPOCH + 1) == [b"two"]
    assert world.peek(log).certificate and world.store.logs.count() == 1
    (entry,) = world.read(log).entries
    assert entry.minute == (NOW // 60 if wrong == 0 else NOW // 60 + 60)  # dated anew
    world.now = NOW + 31 * 86_400
    world.expire()
    assert world.texts(log) == world.texts(log, EPOCH + 1) == []
    world.now = NOW + 181 * 86_400
    world.expire()
    with pytest.raises(errors.Gone):
        world.peek(log)
    world.now = NOW + 732 * 86_400
    world.expire()
    assert world.store.logs.count() == 0


def test_work_is_judged_by_the_clock(world: World) -> None:
    frame = world.opening()
    world.now += DECADE
    with pytest.raises(errors.BadWork):
        world.do(logs.open_log, frame)
