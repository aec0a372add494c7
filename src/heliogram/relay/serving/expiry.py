"""What is too old goes, in slices so small that nobody's post waits for them. Blobs go their own way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from heliogram.relay.batch import Batch
from heliogram.relay.inboxes import STATEMENT_MINUTES
from heliogram.relay.serving.host import Host
from heliogram.relay.store.logs import EARLIEST

#: Seconds between two rounds, and between two slices of one.
ROUND, PAUSE = 60.0, 0.05

#: Free pages that are given back to the file system in one slice.
VACUUM_PAGES = 64

#: A part of a round: does a little in the writer's transaction, and says whether there may be more.
Slice = Callable[[Batch], bool]


class Expiry:
    """The round of all tables."""

    def __init__(self, server: Host) -> None:
        self._server = server

    async def run(self) -> None:
        """Go round until it is cancelled."""
        while True:
            await asyncio.sleep(ROUND)
            for work in SLICES:
                while await self._slice(work):
                    await asyncio.sleep(PAUSE)

    async def _slice(self, work: Slice) -> bool:
        """Do one slice; whether there may be more."""
        told: asyncio.Future[Any] = self._server.loop.create_future()

        def tell(one: Any) -> None:
            if not told.done():  # or the round was cancelled meanwhile
                told.set_result(one)

        if not self._server.submit(work, tell, 0):
            return False
        # A slice that failed is tried again in the next round.
        return (await told) is True


def _entries(batch: Batch) -> bool:
    before = batch.minute - batch.terms.limits.entry_days * 1440
    return _right(batch) and batch.store.logs.expire_entries(before=before, minute=batch.minute)


def _epochs(batch: Batch) -> bool:
    before = batch.minute - batch.terms.limits.certificate_days * 1440
    return _right(batch) and batch.store.logs.expire_epochs(before=before, minute=batch.minute)


def _logs(batch: Batch) -> bool:
    before = _day(batch) - batch.terms.idle_days
    return _right(batch) and batch.store.logs.expire_logs(before=before, day=_day(batch))


def _items(batch: Batch) -> bool:
    before = batch.minute - batch.terms.limits.entry_days * 1440
    return batch.store.inboxes.expire_items(before=before)


def _statements(batch: Batch) -> bool:
    return batch.store.inboxes.expire_statements(before=batch.minute - STATEMENT_MINUTES)


def _inboxes(batch: Batch) -> bool:
    return batch.store.inboxes.expire_inboxes(before=_day(batch) - batch.terms.idle_days)


def _cells(batch: Batch) -> bool:
    return batch.store.cells.expire(before=_day(batch) - batch.terms.limits.certificate_days)


def _pages(batch: Batch) -> bool:
    batch.scrub = True
    return batch.store.database.give_back(VACUUM_PAGES)


def _day(batch: Batch) -> int:
    return batch.now // 86_400


def _right(batch: Batch) -> bool:
    """Whether the clock may be right. By one that begins in 1970 nothing can be dated."""
    return batch.minute >= EARLIEST


#: The whole round.
SLICES: tuple[Slice, ...] = (
    _entries,
    _epochs,
    _logs,
    _items,
    _statements,
    _inboxes,
    _cells,
    _pages,
)
