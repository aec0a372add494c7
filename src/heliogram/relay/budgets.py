"""How much each log may do in a day or an hour, counted in memory.

Lanes are counted apart, so that a member who floods the posts cannot keep an administrator from removing
him. Nothing of it is saved: a restart begins anew, and leaves no record of who was busy when.
"""

from __future__ import annotations

from enum import Enum

from heliogram.relay.errors import OverBudget

DAY, HOUR = 86_400, 3_600


class Lane(Enum):
    """What is counted, and in which window of seconds."""

    POSTS = ("posts", DAY)
    POST_BYTES = ("bytes of posts", DAY)
    GRACE = ("posts in the grace lane", DAY)
    VALUES = ("new values", DAY)
    VOTES = ("requests for votes", HOUR)
    DECISIONS = ("decisions", DAY)
    BLOB_BYTES = ("bytes of blobs", DAY)
    ITEMS = ("items by a link", DAY)
    TAKES = ("takings of key packages by a link", DAY)
    CELL_WRITES = ("new values of a cell", DAY)

    def __init__(self, what: str, window: int) -> None:
        self.what = what
        self.window = window


class Budgets:
    """Counters by lane and log. One thread's."""

    def __init__(self) -> None:
        self._used: dict[Lane, dict[int, int]] = {lane: {} for lane in Lane}
        self._window = dict.fromkeys(Lane, 0)
        self._charged: list[tuple[dict[int, int], int, int]] = []

    def charge(self, lane: Lane, log: int, amount: int, ceiling: int, *, now: int) -> None:
        """Count `amount` for the log with this local number. Raises `OverBudget`; then nothing is counted."""
        window = now // lane.window
        used = self._used[lane]
        if window != self._window[lane]:
            # All logs begin anew at once: one comparison instead of a time for each counter.
            used.clear()
            self._window[lane] = window
        total = used.get(log, 0) + amount
        if total > ceiling:
            raise OverBudget
        used[log] = total
        self._charged.append((used, log, amount))

    def keep(self) -> None:
        """What was charged is on disk."""
        self._charged.clear()

    def undo(self) -> None:
        """Give back what was charged since the last `keep`: nothing of it was written."""
        for used, log, amount in self._charged:
            used[log] -= amount
        self._charged.clear()
