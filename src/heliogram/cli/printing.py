"""What goes to the terminal, to a pipe, or out as JSON.

A terminal gets columns with headings, cut to its width, and some colour. A pipe gets one line a row with a
tab between fields, nothing cut, no colours: the same columns in each release.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

import msgspec

from heliogram.cli import cleaning

_GAP: Final = "  "

#: Cells that a column keeps if others need room.
_LEAST: Final = 8

#: Lines and characters of one message that a terminal gets. A pipe gets all.
MAX_LINES: Final = 100
MAX_CHARACTERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings, which begin with an id or a number."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: What a terminal says if there are none.
    empty: str = ""
    #: Whether the last column is never cut: a link, a path, a code.
    whole: bool = False
    #: Columns that may be cut where there is little room. An id, a mark or a time says nothing in part.
    cut: Collection[str] = (
        "name",
        "names",
        "from",
        "for",
        "group",
        "chat",
        "message",
        "option",
        "who",
    )


class Screen:
    """Where a command prints."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.tty = self.stream.isatty()
        self.smart = self.tty and os.environ.get("TERM", "") not in ("dumb", "")
        self.color = self.smart and not os.environ.get("NO_COLOR")

    @property
    def width(self) -> int:
        """Cells of a line."""
        return max(20, shutil.get_terminal_size().columns)

    def style(self, text: str, code: str) -> str:
        """`text`, which is clean, in a colour or weight ("1" bold, "2" faint, "31" red), if there are any."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def write(self, text: str = "") -> None:
        """Print `text`, which is clean, and end the line."""
        self.stream.write(f"{text}\n")

    def table(self, table: Table) -> None:
        """Print rows."""
        if not self.tty:
            for row in table.rows:
                self.write("\t".join(map(cleaning.field, row)))
            return
        if not table.rows:
            self.write(self.style(table.empty, "2"))
            return
        rows = [[cleaning.line(cell) for cell in row] for row in table.rows]
        # A column that nothing is in tells nothing.
        used = [n for n in range(len(table.headings)) if any(row[n] for row in rows)]
        headings = [table.headings[n] for n in used]
        rows = [[row[n] for n in used] for row in rows]
        sizes = [max(map(cleaning.width, column)) for column in zip(headings, *rows, strict=True)]
        if table.whole and used[-1:] == [len(table.headings) - 1] and self._lacks(sizes) > 0:
            self._below(headings, rows, sizes)
        else:
            self._columns(headings, rows, sizes, table.cut)

    def _lacks(self, sizes: Sequence[int]) -> int:
        """Cells by which columns are too wide."""
        return sum(sizes) + len(_GAP) * (len(sizes) - 1) - (self.width - 1)

    def _columns(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        sizes: list[int],
        cut: Collection[str],
    ) -> None:
        """Print rows as columns; the widest of `cut` give room. Where all do not fit, cell by cell."""
        giving = [n for n, heading in enumerate(headings) if heading in cut]
        while (lacks := self._lacks(sizes)) > 0:
            widest = max(giving, key=lambda n: sizes[n], default=None)
            if widest is None or sizes[widest] <= _LEAST:
                self._wrapped(rows)
                return
            sizes[widest] -= min(lacks, sizes[widest] - _LEAST, max(1, sizes[widest] // 4))
        self.write(self.style(self._row(headings, sizes), "2"))
        for row in rows:
            self.write(self._row(row, sizes))

    def _below(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], sizes: list[int]
    ) -> None:
        """Print rows with their last cells below them, whole."""
        if len(headings) > 1 and self._lacks(sizes[:-1]) <= 0:
            self.write(self.style(self._row(headings[:-1], sizes[:-1]), "2"))
        for row in rows:
            if self._lacks(sizes[:-1]) <= 0:
                self.write(self._row(row[:-1], sizes[:-1]))
            else:
                self._wrapped([row[:-1]])
            if row[-1]:
                self.write(f"{_GAP}{row[-1]}")

    def _wrapped(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows over as many lines as they need, each cell on one of them."""
        for row in rows:
            shown = ""
            for cell in filter(None, row):
                cut = cleaning.fit(cell, self.width - len(_GAP) - 1)
                if shown and cleaning.width(shown) + len(_GAP) + cleaning.width(cut) >= self.width:
                    self.write(shown)
                    shown = ""
                    cut = f"{_GAP}{cut}"
                shown = f"{shown}{_GAP}{cut}" if shown else cut
            self.write(shown)

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values, a line each."""
        pairs = [(name, value) for name, value in pairs if value]
        if not self.tty:
            for name, value in pairs:
                self.write(f"{name}\t{cleaning.field(value)}")
            return
        size = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            lines = cleaning.block(value).split("\n")
            self.write(f"{self.style(name.ljust(size), '2')}{_GAP}{lines[0]}")
            for more in lines[1:]:
                self.write(f"{' ' * size}{_GAP}{more}")

    def json(self, value: object, *, line: bool = False) -> None:
        """Print a document, or one line of a stream."""
        data = msgspec.json.encode(value)
        if not line:
            data = msgspec.json.format(data, indent=2)
        self.write(cleaning.json(data.decode()))

    def flush(self) -> None:
        """Have everything printed."""
        self.stream.flush()

    def _row(self, row: Sequence[str], sizes: Sequence[int]) -> str:
        cells = [cleaning.fit(cell, size) for cell, size in zip(row, sizes, strict=True)]
        padded = [
            cell + " " * (size - cleaning.width(cell))
            for cell, size in zip(cells[:-1], sizes[:-1], strict=True)
        ]
        return _GAP.join((*padded, cells[-1])).rstrip()


def moment(at: int) -> str:
    """A time, as people here write it; empty if it is none that can be."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    except (ValueError, OverflowError, OSError):
        return ""


def size(count: int) -> str:
    """A number of bytes, short."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return ""


def bounded(text: str) -> str:
    """`text` with what a terminal gets of a long one."""
    lines = text[:MAX_CHARACTERS].split("\n")[:MAX_LINES]
    shown = "\n".join(lines)
    missing = len(text) - len(shown)
    return (
        f"{shown}\n[… {missing} characters more: pipe the command to see all]" if missing else text
    )
