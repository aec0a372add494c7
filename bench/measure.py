"""Clock and notebook: what was measured, where, how often."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

OURS = "ours"
TWO_THREADS = "2 threads"
RINE = "rine-mls"
FLOOR = "floor"


class Row(NamedTuple):
    """An operation, in a group of so many (0: in none), under one kind of suite: a line."""

    operation: str
    members: int
    suite: str


@dataclass(slots=True)
class Cell:
    """The times of one column in one row, in seconds, and the bytes that came out."""

    times: list[float] = field(default_factory=list)
    size: int | None = None

    @property
    def median(self) -> float | None:
        """The first time is a warm-up, unless there are too few to leave one out."""
        times = self.times[1:] if len(self.times) > 2 else self.times
        return statistics.median(times) if times else None


@dataclass(slots=True)
class Notebook:
    """All cells of one run.

    `runs`: how often everything is measured after the warm-up, while it takes no longer than
    `patience` seconds. `only`: a part of the names of the operations to note; what others are
    needed is done once, unmeasured.
    `clock`: what time is; processor time where others work on the machine too.
    """

    runs: int = 5
    patience: float = 4.0
    only: str = ""
    clock: Callable[[], float] = time.perf_counter
    cells: dict[Row, dict[str, Cell]] = field(default_factory=dict)

    def cell(self, row: Row, column: str) -> Cell:
        return self.cells.setdefault(row, {}).setdefault(column, Cell())

    def asks_for(self, *operations: str) -> bool:
        return any(self.only in operation for operation in operations)

    def rounds(self, *operations: str) -> int:
        return 1 + self.runs if self.asks_for(*operations) else 1

    def tired(self, row: Row, column: str) -> bool:
        return sum(self.cell(row, column).times) > self.patience

    def take_turns(
        self, turn: int, row: Row | None, calls: dict[str, Callable[[], Any]], repeats: int = 1
    ) -> dict[str, Any]:
        """One call of every column, timed if there is a row to note it in, and what each returned.

        `repeats`: so many operations are in one call.
        """
        noted = row if row and self.asks_for(row.operation) else None
        columns = list(calls)
        results: dict[str, Any] = {}
        for i in range(len(columns)):
            column = columns[(i + turn) % len(columns)]
            start = self.clock()
            results[column] = calls[column]()
            took = self.clock() - start
            if noted:
                self.cell(noted, column).times.append(took / repeats)
        return results

    def note_size(self, row: Row | None, column: str, size: int | None) -> None:
        if row and size is not None and self.asks_for(row.operation):
            self.cell(row, column).size = size
