"""Proof of work, in threads, in slices: it may be stopped at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from heliogram.wire import work

#: Bits of work that a person is made to wait for: about a minute. A relay that asks for more is refused.
HARDEST = 26

#: Nonces of one slice: some 20 ms.
_SLICE = 1 << 14

#: Threads. There are no more slices than these under way, of however many proofs.
_THREADS = 2


class Solver:
    """Finds proofs. Cancel the task that waits for one to stop it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="work")

    async def solve(
        self, relay: bytes, target: bytes, difficulty: int, clock: Callable[[], float]
    ) -> bytes:
        """The encoded proof. `clock` gives the relay's Unix time, which may move on meanwhile."""
        loop, start = asyncio.get_running_loop(), 0
        while True:
            now = int(clock())

            def slice(start: int = start, now: int = now) -> work.Proof | None:
                return work.search(relay, target, difficulty, start=start, count=_SLICE, now=now)

            proof = await loop.run_in_executor(self._pool, slice)
            if proof is not None:
                return proof.encode()
            start += _SLICE

    def close(self) -> None:
        """Stop. Slices that run come to their end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
