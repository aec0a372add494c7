"""Locking by itself, when nobody has given a sign for as long as `Preferences.lock_after` says.

The clock is here: pages are closed, put to sleep and slowed down by browsers. A page tells that its owner is
there, and asks how things are before it goes on after a pause.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from heliogram.node import api
from heliogram.node.errors import NodeError
from heliogram.web.host import Host, State

#: Seconds between looks at the clocks.
LOOK: Final = 1.0

_log = logging.getLogger(__name__)


class AutoLock:
    """Locks one host. `start` begins, `close` ends; all is for one event loop."""

    def __init__(
        self,
        host: Host,
        *,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`now` gives monotonic seconds, `clock` Unix seconds."""
        self._host = host
        self._now, self._clock = now, clock
        #: What the owner wants, in seconds, 0 for never; None if it is not known yet.
        self._after: int | None = None
        self._looking: asyncio.Task[None] | None = None
        self._locking = False
        self._state = host.state
        self._touch()

    def start(self) -> None:
        """Begin to look."""
        self._host.changed.append(self._changed)
        self._host.heard.append(self._heard)
        self._looking = asyncio.create_task(self._look_on())

    async def close(self) -> None:
        """Look no more."""
        if self._looking is None:
            return
        self._host.changed.remove(self._changed)
        self._host.heard.remove(self._heard)
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)
        self._looking = None

    async def sign(self) -> None:
        """The owner is there. Who comes back too late finds it locked."""
        await self.look()
        self._touch()

    async def look(self) -> None:
        """Lock if it is time. What cannot be done now is tried again at the next look."""
        if self._locking:
            return
        try:
            if self._host.state == "open" and self._after is None:
                await self._ask()
            if self._host.state == "open" and self._after and self.silence >= self._after:
                self._locking = True
                await self._host.lock()
        except NodeError:
            pass
        finally:
            self._locking = False

    @property
    def silence(self) -> float:
        """Seconds since the last sign.

        By the clock that says more: one may stand still while the computer sleeps, the other may be set.
        """
        now, clock = self._last
        return max(self._now() - now, self._clock() - clock)

    def _touch(self) -> None:
        self._last = self._now(), self._clock()

    async def _ask(self) -> None:
        found: api.Preferences = await self._host.node.call(api.GetPreferences())
        # What was told while we asked is newer than the answer, or the same.
        if self._after is None:
            self._after = found.lock_after

    def _changed(self, state: State) -> None:
        self._after = None
        # Whoever opened it is there. That it is still open tells nothing.
        if state != self._state:
            self._touch()
        self._state = state

    def _heard(self, notice: api.AnyNotice) -> None:
        if isinstance(notice, api.PreferencesChanged):
            self._after = notice.preferences.lock_after

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except Exception as error:
                # Whatever it was, the next look must come. Its text may hold anything.
                _log.error("a look at the clock failed: %s", type(error).__name__)
