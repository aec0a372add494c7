"""What is too old goes, in slices so small that nobody's post waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from heliogram.relay.batch import Batch

if TYPE_CHECKING:
    from heliogram.relay.blob_http import BlobService
    from heliogram.relay.server import Server

#: Seconds between two rounds, and between two slices of one.
ROUND, PAUSE = 60.0, 0.05

#: Free pages that are given back to the file system in one slice.
VACUUM_PAGES = 64


class Expiry:
    """The round of all tables."""

    def __init__(self, server: Server, blobs: BlobService) -> None:
        self._server = server
        self._blobs = blobs

    async def run(self) -> None:
        """Go round for ever."""
        while True:
            await asyncio.sleep(ROUND)
            for work in SLICES:
                while await self._slice(work):
                    await asyncio.sleep(PAUSE)
            await self._blobs.expire()

    async def _slice(self, work: Callable[[Batch], Any]) -> bool:
        """Do one slice; whether there may be more."""
        told: asyncio.Future[Any] = self._server.loop.create_future()
        if not self._server.submit(work, told.set_result, 0):
            return False
        # A slice that failed is tried again in the next round.
        return (await told) is True


def _entries(batch: Batch) -> bool:
    before = batch.minute - batch.terms.limits.entry_days * 1440
    return batch.store.logs.expire_entries(before=before, minute=batch.minute)


def _epochs(batch: Batch) -> bool:
    before = batch.minute - batch.terms.limits.certificate_days * 1440
    return batch.store.logs.expire_epochs(before=before)


def _logs(batch: Batch) -> bool:
    return batch.store.logs.expire_logs(before=batch.now // 86_400 - batch.terms.idle_days)


def _pages(batch: Batch) -> bool:
    return batch.store.database.give_back(VACUUM_PAGES)


SLICES: tuple[Callable[[Batch], Any], ...] = (_entries, _epochs, _logs, _pages)
