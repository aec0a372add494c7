"""What was measured: rows of the table, with their units and goals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.table import three

#: Columns of the table.
HEADER = ("measured", "ours", "goal")
LEFT = ("measured", "goal")


@dataclass(frozen=True, slots=True)
class Row:
    """Something to measure: its unit is s, /s, bytes or bytes/s; at most `goal`, or at least with `least`."""

    name: str
    unit: str
    goal: float | None = None
    least: bool = False

    def met(self, value: float) -> bool | None:
        """Whether a value is good enough; None if there is no goal."""
        if self.goal is None:
            return None
        return value >= self.goal if self.least else value <= self.goal

    def shown(self, value: float) -> str:
        """A value with its unit."""
        if self.unit == "/s":
            return f"{value:,.0f} /s"
        if self.unit == "bytes/s":
            return f"{three(value / 1e6)} MB/s"
        if self.unit == "bytes":
            return f"{three(value / (1 << 20))} MiB"
        return f"{three(value * 1e3)} ms" if value < 1 else f"{three(value)} s"

    def judged(self, value: float) -> str:
        """The goal, and whether it is met."""
        if self.goal is None:
            return ""
        bound = f"{'≥' if self.least else '≤'} {self.shown(self.goal)}"
        if self.met(value):
            return f"{bound} met"
        return f"{bound} MISSED by {abs(value / self.goal - 1):.0%}"


STORED_P50 = Row("message to quorum, p50", "s", 15e-3)
STORED_P99 = Row("message to quorum, p99", "s")
SHOWN_P50 = Row("message to other's face, p50", "s", 25e-3)
SHOWN_P99 = Row("message to other's face, p99", "s", 100e-3)
ONE = Row("messages, 1 conversation", "/s", 150, least=True)
MANY = Row("messages, 100 conversations", "/s")
SENDER = Row("processor for a message, sender", "s")
RECEIVER = Row("processor for a message, receiver", "s")
REQUEST = Row("first contact to request seen", "s", 1.0)
KNOWN = Row("first contact to contact known", "s")
GROUPS = {
    2: Row("group of 2 created", "s"),
    10: Row("group of 10 created", "s"),
    100: Row("group of 100 created", "s", 3.0),
}
GROUP_IN = Row("all of the largest group are in", "s")
CATCH_UP = Row("catch-up of 100,000 messages", "s", 90.0)
CATCH_UP_RATE = Row("messages read while catching up", "/s")
OPEN = Row("large profile opened", "s", 0.3)
SEARCH = Row("search in it", "s", 50e-3)
PAGE = Row("page of it", "s", 20e-3)
HELP = Row("heliogram --help", "s", 0.15)
CHATS = Row("heliogram chats, node running", "s", 0.3)
MEMORY = Row("memory, 100 conversations", "bytes", float(150 << 20))
SYNC = Row("the disk: fdatasync of 4 KiB", "s")

ROWS = (
    *(STORED_P50, STORED_P99, SHOWN_P50, SHOWN_P99, ONE, MANY, SENDER, RECEIVER),
    *(REQUEST, KNOWN, *GROUPS.values(), GROUP_IN, CATCH_UP, CATCH_UP_RATE, OPEN, SEARCH, PAGE),
    *(HELP, CHATS, MEMORY, SYNC),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done for each figure."""

    #: Messages one by one, and seconds between them.
    alone: int = 200
    apart: float = 0.05
    #: Messages at once.
    burst: int = 3000
    conversations: int = 100
    groups: tuple[int, ...] = (2, 10, 100)
    contacts: int = 5
    #: Messages to catch up with; the goal is for 100,000, and time is scaled to that.
    missed: int = 5_000
    history: int = 400_000
    commands: int = 10


TINY = Size(
    alone=3, burst=12, conversations=3, groups=(2,), contacts=1, missed=30, history=300, commands=1
)
QUICK = Size(
    alone=50, burst=600, conversations=20, groups=(2, 10), contacts=2, missed=2000, history=50_000
)


@dataclass(slots=True, kw_only=True)
class Figures:
    """Figures by row, and what is to be said of them."""

    #: What can be measured, in the order of the table.
    rows: tuple[Row, ...]
    only: str = ""
    #: How many times as long as on a quiet machine everything may take.
    patience: float = 1.0
    values: dict[Row, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: Said while it runs.
    tell: Callable[[str], None] = lambda text: None

    def asks_for(self, *rows: Row) -> bool:
        """Whether one of these is wanted."""
        return any(self.only in row.name for row in rows)

    def note(self, row: Row, value: float) -> None:
        """Keep a figure, if it is wanted."""
        if self.asks_for(row):
            self.values[row] = value

    def lines(self) -> list[tuple[str, str, str]]:
        """The table, without its header."""
        return [
            (row.name, row.shown(value), row.judged(value))
            for row in self.rows
            if (value := self.values.get(row)) is not None
        ]

    def as_data(self) -> list[dict[str, object]]:
        """Rows for `--json`."""
        return [
            {
                "measured": row.name,
                "value": value,
                "unit": row.unit,
                "goal": row.goal,
                "met": row.met(value),
            }
            for row in self.rows
            if (value := self.values.get(row)) is not None
        ]


@dataclass(slots=True)
class Results(Figures):
    """The node's figures."""

    size: Size
    rows: tuple[Row, ...] = field(default=ROWS, kw_only=True)


def percentile(times: Sequence[float], share: float) -> float:
    """The value that so large a share stays below."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
