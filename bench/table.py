"""Rows into a table: medians, ratios, bytes, and what the goals say to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.measure import FLOOR, OURS, RINE, TWO_THREADS, Cell, Notebook, Row
from bench.run import OPERATIONS, SMALLEST_FOR_COMMITS

HEADER = (
    "operation",
    "members",
    "suite",
    OURS,
    TWO_THREADS,
    RINE,
    FLOOR,
    "ours / rine-mls",
    "ours / floor",
    "bytes",
    "bytes rine-mls",
    "goal",
)
#: Columns of words.
LEFT = ("operation", "suite", "goal")
#: From this size on everything must stay near the floor.
LARGE, NEAR_THE_FLOOR = 100, 1.5
#: What is measured against rine-mls: from which size on, and how many times its time is allowed.
AGAINST_RINE = {
    "message protected": (0, 1.0),
    "message unprotected": (0, 2.5),
    "group created in one commit": (1000, 1.0),
    "Welcome processed": (1000, 2.0),
    "add with path made": (1000, 1.0),
    "add with path processed": (1000, 2.0),
    "remove made, cold tree": (1000, 1.0),
    "remove processed, cold tree": (1000, 2.0),
    "remove made, warm tree": (1000, 1.0),
    "remove processed, warm tree": (1000, 2.0),
}
#: A group of this size under post-quantum keys is made within so many seconds.
POST_QUANTUM_GROUP = (1000, 2.0)
#: Bytes saved after one message must not grow with the group: at most this against the smallest.
CONSTANT = 1.2
#: And its time: it takes microseconds, so leave it some room.
CONSTANT_TIME = 2.0


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that may be at most `limit`, in words and numbers."""

    name: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        said = f"{self.name} ≤ {self.limit:g}"
        return f"{said} met" if self.met else f"{said} MISSED by {self.value / self.limit - 1:.0%}"


def ordered(notebook: Notebook) -> list[Row]:
    """By operation, then size, then suite as they were measured."""
    rows = [row for row, cells in notebook.cells.items() if any(c.times for c in cells.values())]
    suites = list(dict.fromkeys(row.suite for row in rows))
    return sorted(
        rows, key=lambda r: (OPERATIONS.index(r.operation), r.members, suites.index(r.suite))
    )


def goals(notebook: Notebook, row: Row, post_quantum: str) -> list[Goal]:
    cells = notebook.cells[row]
    found: list[Goal] = []
    ours, rine, floor = (_median(cells, column) for column in (OURS, RINE, FLOOR))
    if ours is None:
        return []
    if row == (OPERATIONS[1], POST_QUANTUM_GROUP[0], post_quantum):
        found.append(Goal("seconds", ours, POST_QUANTUM_GROUP[1]))
    if rine and row.operation in AGAINST_RINE:
        size, limit = AGAINST_RINE[row.operation]
        if row.members >= size:
            found.append(Goal("rine", ours / rine, limit))
    if floor and row.members >= LARGE:
        found.append(Goal("floor", ours / floor, NEAR_THE_FLOOR))
    if row.operation == "saved after one message":
        # In the smallest groups nobody has committed: no past epochs are kept there.
        sizes = (r.members for r in notebook.cells if r[::2] == row[::2])
        smallest = min(
            (size for size in sizes if size >= SMALLEST_FOR_COMMITS), default=row.members
        )
        least = notebook.cells[row._replace(members=smallest)].get(OURS, Cell())
        if row.members > smallest and least.median:
            found.append(Goal("time / smallest", ours / least.median, CONSTANT_TIME))
        if row.members > smallest and least.size:
            found.append(Goal("bytes / smallest", (cells[OURS].size or 0) / least.size, CONSTANT))
    return found


def lines(notebook: Notebook, post_quantum: str) -> list[tuple[str, ...]]:
    """The table as text, without its header."""
    found = []
    for row in ordered(notebook):
        cells = notebook.cells[row]
        medians = {column: _median(cells, column) for column in (OURS, TWO_THREADS, RINE, FLOOR)}
        found.append(
            (
                row.operation,
                f"{row.members:,}" if row.members else "",
                row.suite,
                *(_time(medians[column]) for column in (OURS, TWO_THREADS, RINE, FLOOR)),
                _ratio(medians[OURS], medians[RINE]),
                _ratio(medians[OURS], medians[FLOOR]),
                *(_bytes(cells.get(column, Cell()).size) for column in (OURS, RINE)),
                "; ".join(map(str, goals(notebook, row, post_quantum))),
            )
        )
    return found


def as_text(
    body: Sequence[Sequence[str]],
    header: Sequence[str] = HEADER,
    left: Sequence[str] = LEFT,
) -> str:
    table = _filled([header, *body])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    made = [
        "  ".join(
            text.ljust(width) if name in left else text.rjust(width)
            for name, text, width in zip(table[0], line, widths, strict=True)
        ).rstrip()
        for line in table
    ]
    return "\n".join([made[0], "-" * len(made[0]), *made[1:]])


def as_markdown(
    body: Sequence[Sequence[str]],
    header: Sequence[str] = HEADER,
    left: Sequence[str] = LEFT,
) -> str:
    first, *rest = _filled([header, *body])
    rule = ["---" if name in left else "---:" for name in first]
    return "\n".join("| " + " | ".join(line) + " |" for line in (first, rule, *rest))


def _filled(table: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Without the columns in which nothing was measured."""
    columns = [column for column in zip(*table, strict=True) if any(column[1:])]
    return list(zip(*columns, strict=True))


def as_data(notebook: Notebook, post_quantum: str) -> list[dict[str, Any]]:
    """Rows for `--json`: medians and all times in seconds, sizes in bytes, goals."""
    return [
        {
            "operation": row.operation,
            "members": row.members,
            "suite": row.suite,
            "seconds": {column: cell.median for column, cell in notebook.cells[row].items()},
            "times": {column: cell.times for column, cell in notebook.cells[row].items()},
            "bytes": {column: cell.size for column, cell in notebook.cells[row].items()},
            "goals": [
                {"name": goal.name, "value": goal.value, "limit": goal.limit, "met": goal.met}
                for goal in goals(notebook, row, post_quantum)
            ],
        }
        for row in ordered(notebook)
    ]


def _median(cells: dict[str, Cell], column: str) -> float | None:
    return cells[column].median if column in cells else None


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{three(seconds * factor)} {unit}"
    return f"{three(seconds * 1e6)} µs"


def three(value: float) -> str:
    """Three digits."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _ratio(value: float | None, other: float | None) -> str:
    return f"{value / other:.2f}" if value and other else ""


def _bytes(size: int | None) -> str:
    return "" if size is None else f"{size:,}"
