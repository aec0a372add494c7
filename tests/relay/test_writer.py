"""The writer's thread at work: group commit, what fails alone, what fails together, and what is told when."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from heliogram.relay import errors, logs, slots
from heliogram.relay.batch import Batch, NewEntry
from heliogram.relay.errors import RelayError
from heliogram.relay.store import Store
from heliogram.relay.writer import MAX_JOBS, Finished, Writer
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.receipts import Receipt
from tests.relay.log_world import EPOCH, KEYS, NOW, TERMS, at, seat
from tests.wire.samples import OPEN

LOG = seat().id
CANARY = "c4na7y"


class Machine:
    """A writer with its thread and a log; what it delivers waits in a queue."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path, writes=True)
        with self.store.transaction():
            opened = replace(OPEN, seat=seat())
            self.store.logs.create(LOG, slots.open_log(opened, KEYS[0].public), day=NOW // 86_400)
        self.finished: SimpleQueue[Finished] = SimpleQueue()
        self.told: list[Any] = []
        self.terms = TERMS
        self.watch: Callable[[Finished], None] = lambda _: None
        self.writer = Writer(
            self.store, TERMS, KEYS[0], deliver=self.deliver, clock=lambda: NOW, entropy=bytes
        )
        self.ended = False

    def deliver(self, finished: Finished) -> None:
        self.watch(finished)
        self.finished.put(finished)

    def submit(self, work: Callable[[Batch], Any]) -> None:
        self.writer.submit(work, self.told.append)

    def post(self, data: bytes) -> None:
        self.submit(partial(logs.post, frame=frames.Post(1, 0, data), scope=at(LOG)))

    def batch(self) -> Finished:
        """The next batch, its callers told."""
        finished = self.finished.get(timeout=60)
        for job, told in finished.told:
            job.done(told)
        return finished

    def run(self) -> list[Any]:
        """Do what has been submitted, and end; all that was told."""
        self.writer.start()
        self.stop()
        while not self.finished.empty():
            self.batch()
        return self.told

    def ask(self, work: Callable[[Batch], Any]) -> Any:
        """One request by itself, on a running writer."""
        self.submit(work)
        self.batch()
        return self.told[-1]

    def ask_post(self, data: bytes) -> Any:
        return self.ask(partial(logs.post, frame=frames.Post(1, 0, data), scope=at(LOG)))

    def stop(self) -> None:
        if not self.ended:
            self.ended = True
            self.writer.stop()

    def entries(self) -> list[bytes]:
        """What is on disk, by another connection."""
        reader = Store(self.path, writes=False)
        try:
            return [one for (one,) in reader.database.all("SELECT data FROM entries ORDER BY id")]
        finally:
            reader.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "relay.db")
    yield machine
    if machine.writer._thread.ident is not None:
        machine.stop()
    machine.store.close()


def refuse(error: Exception) -> Callable[[Batch], Any]:
    def work(batch: Batch) -> Any:
        raise error

    return work


def index(answer: Any) -> int:
    assert isinstance(answer, frames.Stored)
    return Receipt.from_bytes(answer.receipt).index


# --- Batches --------------------------------------------------------------------------------------


def test_what_waits_shares_a_commit_in_its_order(machine: Machine) -> None:
    total = 2 * MAX_JOBS + 100
    for number in range(total):
        machine.post(b"%d" % number)
    assert machine.writer.backlog() == total
    sizes: list[int] = []
    news: list[int] = []

    def watch(finished: Finished) -> None:
        sizes.append(len(finished.told))
        news.extend(one.index for one in finished.news if isinstance(one, NewEntry))
        assert finished.seconds >= 0

    machine.watch = watch
    told = machine.run()
    assert sizes == [MAX_JOBS, MAX_JOBS, 100]
    assert [index(one) for one in told] == news == list(range(total))
    assert machine.entries() == [b"%d" % number for number in range(total)]
    assert machine.writer.backlog() == 0


def test_nothing_is_told_before_it_is_on_disk(machine: Machine) -> None:
    """When the answer is handed over, another connection sees the entry."""
    seen: list[list[bytes]] = []
    machine.watch = lambda _: seen.append(machine.entries())
    machine.writer.start()
    for data in (b"one", b"two"):
        machine.ask_post(data)
    assert seen == [[b"one"], [b"one", b"two"]]


def test_stop_finishes_what_was_submitted(machine: Machine) -> None:
    machine.writer.start()
    for number in range(300):
        machine.post(b"%d" % number)
    machine.stop()
    assert len(machine.entries()) == 300
    while not machine.finished.empty():
        machine.batch()
    assert len(machine.told) == 300


def test_stop_with_nothing_to_do(machine: Machine) -> None:
    assert machine.run() == []


# --- Requests that fail ---------------------------------------------------------------------------


def test_refusals_are_answers_and_take_nobody_along(machine: Machine) -> None:
    machine.post(b"one")
    machine.submit(refuse(errors.BadWork(7)))
    machine.submit(refuse(RemoteError(ErrorCode.TOO_LARGE, CANARY)))
    machine.submit(lambda _: frames.Done(4))
    machine.post(b"two")
    first, work, malformed, done, second = machine.run()
    assert (index(first), index(second)) == (0, 1)
    assert isinstance(work, errors.BadWork) and work.detail == 7
    assert isinstance(malformed, errors.Malformed)
    assert done == frames.Done(4)


def test_a_bug_takes_nobody_along_and_leaves_nothing(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def bug(batch: Batch) -> Any:
        logs.post(batch, frames.Post(1, 0, CANARY.encode()), at(LOG))
        raise KeyError(CANARY)

    machine.post(b"one")
    machine.submit(bug)
    machine.post(b"two")
    news: list[bytes] = []
    machine.watch = lambda finished: news.extend(
        one.data for one in finished.news if isinstance(one, NewEntry)
    )
    first, internal, second = machine.run()
    assert (index(first), index(second)) == (0, 1)
    assert isinstance(internal, errors.Internal)
    assert machine.entries() == news == [b"one", b"two"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "KeyError at test_writer.py" in caplog.text and CANARY not in caplog.text


def test_a_damaged_row_is_internal_and_the_others_go_on(machine: Machine) -> None:
    with machine.store.transaction():
        other = replace(OPEN, seat=seat(EPOCH + 1))
        log = slots.open_log(other, KEYS[0].public)
        machine.store.logs.create(other.seat.id, log, day=NOW // 86_400)
        machine.store.database.run("UPDATE logs SET state=x'09' WHERE instance=?", other.seat.id)
        machine.store.logs.flush()
    machine.store.logs.rolled_back()
    frame = frames.Post(1, 0, b"x")
    machine.submit(partial(logs.post, frame=frame, scope=at(seat(EPOCH + 1).id, EPOCH + 1)))
    machine.post(b"one")
    internal, first = machine.run()
    assert isinstance(internal, errors.Internal) and index(first) == 0


# --- The disk -------------------------------------------------------------------------------------


def full(store: Store) -> None:
    (row,) = store.database.all("PRAGMA page_count")
    store.database.all(f"PRAGMA max_page_count={row[0]}")


def room(store: Store) -> None:
    store.database.all("PRAGMA max_page_count=1000000")


def read_only(store: Store) -> None:
    store.database.all("PRAGMA query_only=ON")


def writable(store: Store) -> None:
    store.database.all("PRAGMA query_only=OFF")


@pytest.mark.parametrize(
    ("hurt", "heal", "refusal", "what"),
    [
        (full, room, errors.DiskFull, "FullError"),
        (read_only, writable, errors.Unavailable, "ReadOnlyError"),
    ],
)
def test_trouble_of_the_disk_is_told_to_all_and_passes(
    machine: Machine,
    caplog: pytest.LogCaptureFixture,
    hurt: Callable[[Store], None],
    heal: Callable[[Store], None],
    refusal: type[RelayError],
    what: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    machine.writer.start()
    assert index(machine.ask_post(b"one")) == 0
    news: list[Any] = []
    machine.watch = lambda finished: news.extend(finished.news)
    hurt(machine.store)  # the thread waits for work
    for _ in range(2):
        answer = machine.ask_post(CANARY.encode() * 6000)
        assert type(answer) is refusal
    assert machine.entries() == [b"one"] and news == []
    assert f"a batch was not written: {what}" in caplog.text and CANARY not in caplog.text
    heal(machine.store)
    assert index(machine.ask_post(b"two")) == 1
    assert machine.entries() == [b"one", b"two"]


def test_all_of_a_batch_are_told_of_the_trouble(machine: Machine) -> None:
    full(machine.store)
    machine.post(b"small")
    machine.submit(lambda _: frames.Done(2))
    machine.post(bytes(60_000))
    news: list[Any] = []
    machine.watch = lambda finished: news.extend(finished.news)
    assert [type(one) for one in machine.run()] == [errors.DiskFull] * 3
    assert machine.entries() == news == []


def test_trouble_costs_no_budget(machine: Machine) -> None:
    limited = replace(TERMS, posts_per_day=2)
    machine.writer._terms = limited
    machine.writer.start()
    full(machine.store)
    for _ in range(5):
        assert isinstance(machine.ask_post(bytes(60_000)), errors.DiskFull)
    room(machine.store)
    assert [index(machine.ask_post(b"%d" % number)) for number in range(2)] == [0, 1]
    assert isinstance(machine.ask_post(b"2"), errors.OverBudget)


def test_somebody_else_writes(machine: Machine) -> None:
    """No second program should; if one does, requests are refused and nothing breaks."""
    machine.store.database._connection.set_busy_timeout(0)
    machine.writer.start()
    other = Store(machine.path, writes=True)
    with other.transaction():
        assert isinstance(machine.ask_post(b"one"), errors.Unavailable)
    other.close()
    assert index(machine.ask_post(b"one")) == 0


# --- What was deleted -----------------------------------------------------------------------------


def scrub(batch: Batch) -> frames.Done:
    batch.scrub = True
    return frames.Done(1)


def test_scrub_empties_the_write_ahead_log(machine: Machine) -> None:
    wal = Path(f"{machine.path}-wal")
    machine.post(b"one")
    machine.submit(scrub)
    machine.run()
    assert wal.stat().st_size == 0
    assert machine.entries() == [b"one"]


def test_who_reads_meanwhile_is_not_disturbed(machine: Machine) -> None:
    """Then the write-ahead log stays until the next round."""
    wal = Path(f"{machine.path}-wal")
    reader = Store(machine.path, writes=False)
    machine.post(b"one")
    cursor = reader.database.rows("SELECT instance FROM logs UNION ALL SELECT 1")
    next(cursor)
    machine.submit(scrub)
    machine.run()
    assert wal.stat().st_size > 0
    del cursor
    reader.close()
    assert machine.store.database.checkpoint()
    assert wal.stat().st_size == 0
