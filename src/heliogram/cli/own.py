"""A node in this process: for one command when no other runs, or for as long as `serve` does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from heliogram.cli.opening import open_profile
from heliogram.node import api
from heliogram.node.control import protocol
from heliogram.node.profile.directory import Directory

if TYPE_CHECKING:
    from heliogram.node.local import LocalNode

T = TypeVar("T")

#: Seconds that a command that only looks waits for what lies at relays.
CATCH_UP = 10.0


class Own:
    """A node for the time of one command."""

    runs = False

    def __init__(
        self, directory: Directory, timeout: float, *, wait: bool, note: Callable[[str], None]
    ) -> None:
        """Open the profile and begin; `note` tells somebody what they should know. Raises `NodeError`."""
        self._timeout = timeout
        self._wait = wait
        self._profile = open_profile(directory)
        self._runner = asyncio.Runner()
        try:
            from heliogram.node.local import open_node

            self._node: LocalNode = self._runner.run(open_node(self._profile))
            if wait and not self._drained(min(timeout, CATCH_UP)):
                note("Not all relays have answered: newer things may be missing.")
        except BaseException:
            self._runner.close()
            self._profile.close()
            raise

    def call(self, command: api.Command) -> Any:
        """What it gives."""
        protocol.check(command)
        return self._runner.run(self._node.call(command))

    def until(self, look: Callable[[], T | None]) -> T:
        """What `look` gives, as soon as it gives something."""
        notice = self._notices()
        while (seen := look()) is None:
            notice()
        return seen

    def follow(
        self,
        command: api.Command,
        look: Callable[[], T | None],
        hear: Callable[[api.AnyNotice], T | None],
    ) -> T:
        """Do it, and wait for what comes of it."""
        notice = self._notices()
        self.call(command)
        while (seen := look()) is None:
            if (seen := hear(notice())) is not None:
                break
        return seen

    def _notices(self) -> Callable[[], api.AnyNotice]:
        """Gives the next notice, of all that come from now on. Raises `TimeoutError` when time is over."""
        notices = self._node.notices()
        until = time.monotonic() + self._timeout

        async def hear() -> api.AnyNotice:
            left = max(until - time.monotonic(), 0.0)
            return await asyncio.wait_for(anext(notices), left)

        return lambda: self._runner.run(hear())

    def close(self) -> None:
        """Bring out what waits, unless nobody wants to wait; then stop."""
        try:
            late = self._wait and not self._drained(self._timeout)
        finally:
            try:
                self._runner.run(self._node.close())
            finally:
                self._runner.close()
                self._profile.close()
        if late:
            raise TimeoutError

    def _drained(self, timeout: float) -> bool:
        async def drained() -> bool:
            try:
                await asyncio.wait_for(self._node.drained(), timeout)
            except TimeoutError:
                return False
            return True

        return self._runner.run(drained())
