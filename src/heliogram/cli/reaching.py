"""How a command reaches a node: one that runs, or one that lives as long as the command."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from heliogram.node import api
from heliogram.node.control.faults import Interrupted, NotRunning
from heliogram.node.control.place import Place
from heliogram.node.control.plain import PlainClient
from heliogram.node.errors import NodeError, NoProfile
from heliogram.node.profile.directory import Directory

T = TypeVar("T")


class Reached(Protocol):
    """A node that a command talks to."""

    #: Whether it goes on when the command is over.
    runs: bool

    def call(self, command: api.Command) -> Any:
        """What it gives. Raises `NodeError`, `TimeoutError`."""

    def until(self, look: Callable[[], T | None]) -> T:
        """What `look` gives, as soon as it gives something: it looks now, and after whatever happens.

        Raises `TimeoutError` when the command's time is over, and what `look` raises.
        """

    def follow(
        self,
        command: api.Command,
        look: Callable[[], T | None],
        hear: Callable[[api.AnyNotice], T | None],
    ) -> T:
        """Do `command`, then what `look` gives, or `hear` of a notice: the first that gives something.

        No notice is missed. Raises as `until`, and what `hear` raises.
        """

    def close(self) -> None:
        """Go. Raises `TimeoutError` if something that was asked for is still on its way."""


class Running:
    """A node in another process."""

    runs = True

    def __init__(self, place: Place, timeout: float) -> None:
        """Raises `NotRunning`."""
        self._place = place
        self._timeout = timeout
        self._client = PlainClient(place)

    def call(self, command: api.Command) -> Any:
        """What it gives."""
        return self._client.call(command, self._timeout)

    def until(self, look: Callable[[], T | None]) -> T:
        """What `look` gives, as soon as it gives something."""
        with PlainClient(self._place) as listening:
            notices = listening.subscribe(self._timeout)
            while (seen := look()) is None:
                if next(notices, None) is None:
                    raise Interrupted
        return seen

    def follow(
        self,
        command: api.Command,
        look: Callable[[], T | None],
        hear: Callable[[api.AnyNotice], T | None],
    ) -> T:
        """Do it, and wait for what comes of it."""
        with PlainClient(self._place) as listening:
            notices = listening.subscribe(self._timeout)
            self.call(command)
            while (seen := look()) is None:
                if (notice := next(notices, None)) is None:
                    raise Interrupted
                if (seen := hear(notice)) is not None:
                    break
        return seen

    def close(self) -> None:
        """Go."""
        self._client.close()


def reach(
    directory: Directory, timeout: float, *, wait: bool, note: Callable[[str], None]
) -> Reached:
    """The node of the profile; one of our own waits for relays, or not, and may `note` something.

    Raises `NodeError`.
    """
    from heliogram.node.profile.lock import is_locked

    until = time.monotonic() + timeout
    while True:
        try:
            return Running(Place(directory.socket()), timeout)
        except NotRunning:
            # A node that starts or stops has the profile, and does not listen.
            if not is_locked(directory.lock):
                break
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    if not directory.exists:
        raise NoProfile
    from heliogram.cli.own import Own

    return Own(directory, timeout, wait=wait, note=note)


def reach_running(directory: Directory, timeout: float) -> Running | None:
    """A node that runs already, if there is one: quick and quiet."""
    try:
        return Running(Place(directory.socket()), timeout)
    except (NodeError, OSError):
        return None
