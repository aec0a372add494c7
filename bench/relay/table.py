"""Results into a table: units, and what the goals say to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.relay.nats import JetStream
from bench.relay.ours import Ours
from bench.relay.run import CPU, DISK, IDLE, P50, PEERS, SLOTS, Results, fan_out_names, posts_name
from bench.relay.xmpp import Prosody
from bench.table import three

#: Columns of words.
LEFT = ("measured", "goal")
#: Posts over so many logs are judged.
JUDGED = 50
POSTS, AGAINST_JETSTREAM, AGAINST_PROSODY = 10_000.0, 0.5, 8.0
FAN_OUT = 0.8
LATENCY = 2e-3
MEMORY = 16 << 10
CPU_SECONDS = 1.5
DISK_BYTES = 1.3 * 1024
SLOTS_PER_SECOND = 500.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for what we do: at most `limit`, or at least."""

    name: str
    value: float
    limit: float
    least: bool
    shown: str

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    def __str__(self) -> str:
        said = f"{self.name} {'≥' if self.least else '≤'} {self.shown}".strip()
        missed = f"MISSED by {abs(self.value / self.limit - 1):.0%}"
        return f"{said} met" if self.met else f"{said} {missed}"


def header(results: Results) -> tuple[str, ...]:
    """The columns: servers of which something was measured."""
    there = {column for cells in results.cells.values() for column in cells}
    return ("measured", *(name for name in PEERS if name in there), "goal")


def lines(results: Results) -> list[tuple[str, ...]]:
    """The table as text, without its header."""
    servers = header(results)[1:-1]
    return [
        (
            row,
            *(shown(row, cells[name]) if name in cells else "" for name in servers),
            "; ".join(map(str, goals(results, row))),
        )
        for row in results.rows()
        if (cells := results.cells.get(row))
    ]


def goals(results: Results, row: str) -> list[Goal]:
    """What is asked of us in this row."""
    cells = results.cells.get(row, {})
    ours = cells.get(Ours.name)
    if ours is None:
        return []
    fan_out, _ = fan_out_names(results.size.subscribers)
    if row == posts_name(JUDGED):
        found = [Goal("", ours, POSTS, True, shown(row, POSTS))]
        found += _against(cells, JetStream.name, AGAINST_JETSTREAM)
        return found + _against(cells, Prosody.name, AGAINST_PROSODY)
    if row == fan_out:
        return _against(cells, JetStream.name, FAN_OUT)
    if row == SLOTS:
        return [Goal("", ours, SLOTS_PER_SECOND, True, shown(row, SLOTS_PER_SECOND))]
    most = {P50: LATENCY, IDLE: float(MEMORY), CPU: CPU_SECONDS, DISK: DISK_BYTES}
    if row in most:
        return [Goal("", ours, most[row], False, shown(row, most[row]))]
    return []


def _against(cells: dict[str, float], peer: str, times: float) -> list[Goal]:
    if not cells.get(peer):
        return []
    return [Goal("", cells[Ours.name] / cells[peer], times, True, f"{times:g} times {peer}")]


def shown(row: str, value: float) -> str:
    """A value with its unit."""
    if row.startswith(("durable posts", "fan-out", "slots")):
        return f"{value:,.0f} /s"
    if row.startswith(("post to receive", "the last of", "the disk")):
        return f"{three(value * 1e3)} ms"
    if row == IDLE:
        return f"{three(value / 1024)} KiB"
    if row == CPU:
        return f"{three(value)} s"
    return f"{value:,.0f} B"


def as_data(results: Results) -> list[dict[str, Any]]:
    """Rows for `--json`: posts, deliveries and slots a second, seconds, bytes; and goals."""
    return [
        {
            "measured": row,
            "values": results.cells[row],
            "goals": [
                {"name": str(goal), "value": goal.value, "limit": goal.limit, "met": goal.met}
                for goal in goals(results, row)
            ],
        }
        for row in results.rows()
        if row in results.cells
    ]
