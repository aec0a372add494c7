"""What is measured of the app: rows of the table, with their units and goals."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.node.measures import HEADER, LEFT, Figures, Row, percentile

__all__ = [
    "HEADER",
    "LEFT",
    "QUICK",
    "ROWS",
    "TINY",
    "WHOLE",
    "Results",
    "Row",
    "Size",
    "percentile",
]

#: Messages that the goals are for, and those of the long conversation.
WHOLE, LONG = 1_000_000, 100_000

KEY = Row("key of a passphrase (Argon2id)", "s")
UNLOCK = Row("unlocked to chats seen, without the key", "s", 1.0)
OPEN_P50 = Row("chat opened, p50", "s", 0.1)
OPEN_MAX = Row("chat opened, longest", "s")
FRAME_P50 = Row("frame while scrolling, p50", "s")
FRAME_P95 = Row("frame while scrolling, p95", "s", 20e-3)
FRAME_MAX = Row("frame while scrolling, longest", "s")
JUMP_P50 = Row("jump to anywhere, p50", "s", 0.1)
JUMP_P95 = Row("jump to anywhere, p95", "s")
SEARCH_P50 = Row("search typed to results, p50", "s", 0.3)
SEARCH_MAX = Row("search typed to results, longest", "s")
SHOWN_P50 = Row("message to other's screen, p50", "s", 0.1)
SHOWN_P95 = Row("message to other's screen, p95", "s", 0.1)
UPLOAD = Row("upload from the page", "bytes/s")
HEAP = Row("heap of the page", "bytes", float(100 << 20))
MEMORY = Row("memory of the program", "bytes", float(150 << 20))

#: The order in which they are measured is not that of the table: memory is looked at after all else.
ROWS = (
    *(KEY, UNLOCK, OPEN_P50, OPEN_MAX, FRAME_P50, FRAME_P95, FRAME_MAX, JUMP_P50, JUMP_P95),
    *(SEARCH_P50, SEARCH_MAX, SHOWN_P50, SHOWN_P95, UPLOAD, HEAP, MEMORY),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done for each figure."""

    history: int = 250_000
    long: int = LONG
    opened: int = 12
    #: Seconds of scrolling.
    scrolled: float = 6.0
    jumps: int = 20
    searches: int = 10
    #: Messages of the other side, and seconds between them.
    heard: int = 60
    apart: float = 0.1
    #: Bytes of one upload.
    upload: int = 64 << 20


TINY = Size(
    history=400, long=300, opened=2, scrolled=0.3, jumps=2, searches=2, heard=3, upload=1 << 20
)
QUICK = Size(history=50_000, long=20_000, opened=6, scrolled=2.0, jumps=8, searches=5, heard=20)


@dataclass(slots=True)
class Results(Figures):
    """The app's figures."""

    size: Size
    rows: tuple[Row, ...] = field(default=ROWS, kw_only=True)
