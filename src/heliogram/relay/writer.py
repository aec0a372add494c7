"""The one thread that writes: group commit.

It takes what has come in while the last commit waited for the disk, does all of it in one transaction, and
signs and answers after the commit. It never waits for company: alone a request takes one fsync, under
load many share one.

A request that fails by a bug of ours must not take the others along: the batch is undone, and each is done
again by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from heliogram.relay.batch import Batch, News, Outcome
from heliogram.relay.budgets import Budgets
from heliogram.relay.errors import Internal, Malformed, RelayError
from heliogram.relay.sealing import seal
from heliogram.relay.store import Store
from heliogram.relay.terms import Terms
from heliogram.wire import frames
from heliogram.wire.errors import RemoteError
from heliogram.wire.signing import SigningKey

#: Requests in one transaction. Well below `MAX_BATCH`, so that nobody waits long for the others.
MAX_JOBS = 1024

#: Work in a transaction: gives what the caller is to be told.
Work: TypeAlias = Callable[[Batch], Any]

#: What is told: an answer, or why there is none; or whatever work gave that is no request.
Told: TypeAlias = Any

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """Work, and who is told of it."""

    work: Work = field(repr=False)
    #: Called with the answer or a `RelayError`, in the thread that `deliver` chooses.
    done: Callable[[Told], None] = field(repr=False)


@dataclass(slots=True)
class Finished:
    """A batch that is on disk: what each job's caller is told, and what subscribers are."""

    told: list[tuple[Job, Told]]
    news: list[News]
    #: How long the batch took, from its first request to the answers.
    seconds: float


class Writer:
    """The writing side of a relay's store."""

    def __init__(
        self,
        store: Store,
        terms: Terms,
        identity: SigningKey,
        *,
        deliver: Callable[[Finished], None],
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        """`deliver` is called in the writer's thread for each batch and must only hand it on."""
        self._store = store
        self._terms = terms
        self._identity = identity
        self._deliver = deliver
        self._clock = clock
        self._entropy = entropy
        self._budgets = Budgets()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def submit(self, work: Work, done: Callable[[Told], None]) -> None:
        """Have `work` done in the next transaction, and `done` told after it."""
        self._queue.put(Job(work, done))

    def backlog(self) -> int:
        """How many requests wait."""
        return self._queue.qsize()

    def stop(self) -> None:
        """Do what has been submitted, then end. Returns when all is on disk."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            jobs = [job]
            stopping = False
            while len(jobs) < MAX_JOBS:
                try:
                    following = self._queue.get_nowait()
                except Empty:
                    break
                if following is None:
                    stopping = True
                    break
                jobs.append(following)
            self._commit(jobs)
            if stopping:
                break

    def _commit(self, jobs: list[Job]) -> None:
        batch = Batch(
            self._store, self._terms, self._budgets, self._identity.public,
            self._clock(), self._entropy,
        )  # fmt: skip
        began = time.monotonic()
        try:
            with self._store.transaction():
                outcomes = [_attempt(job, batch) for job in jobs]
            self._budgets.keep()
            told = self._sealed(outcomes)
        except RelayError as error:
            # The disk is full, or does not write. Nothing of the batch is there.
            _log.warning("a batch was not written: %s", type(error.__cause__).__name__)
            self._budgets.undo()
            told, batch.news = [error] * len(jobs), []
        except Exception as error:
            # A bug. Its text may hold anything, so only its kind is logged.
            _log.error("a request failed: %s at %s", type(error).__name__, _where(error))
            self._budgets.undo()
            if len(jobs) > 1:
                for job in jobs:
                    self._commit([job])
                return
            told, batch.news = [Internal()], []
        seconds = time.monotonic() - began
        self._deliver(Finished(list(zip(jobs, told, strict=True)), batch.news, seconds))
        if batch.scrub:
            self._store.database.checkpoint()

    def _sealed(self, outcomes: list[Any]) -> list[Told]:
        """`outcomes` with answers in the place of what had to be signed first."""
        positions = [at for at, one in enumerate(outcomes) if not isinstance(one, RelayError)]
        told = list(outcomes)
        for at, answer in zip(
            positions, seal(self._identity, [outcomes[at] for at in positions]), strict=True
        ):
            told[at] = answer
        return told


def _attempt(job: Job, batch: Batch) -> Outcome | RelayError | frames.Answer:
    try:
        return job.work(batch)  # type: ignore[no-any-return]
    except RelayError as error:
        return error
    except RemoteError:
        return Malformed()


def _where(error: BaseException) -> str:
    """The place in our code: a file's name and a line. Never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
