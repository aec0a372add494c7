"""The raw database: pages of the file with the write-ahead log over them, and what lies in a page.

Written from the file format that SQLite publishes, not with SQLite: what the library does not show is what
somebody who takes the disk would look for. Nothing is decided here; `remains` does.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

#: Bytes in front of page 1, of a write-ahead log, and of each of its frames.
FILE_HEADER, WAL_HEADER, FRAME_HEADER = 100, 32, 24

#: The kinds of b-tree pages, by their first byte.
INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13

#: More pages than a relay's database has. So the first byte of a page's number, with which overflow pages and
#: lists of free pages begin, is never a kind of b-tree page.
MOST_PAGES = 1 << 25


class BadPage(Exception):
    """These bytes are no page of this kind. The text says what is wrong, never what is there."""


# --- The write-ahead log --------------------------------------------------------------------------


@dataclass(slots=True)
class Wal:
    """What a write-ahead log holds."""

    #: Bytes of the file.
    size: int
    #: Where each page's last committed image begins.
    images: dict[int, int] = field(default_factory=dict)
    #: Pages of the database after the last commit; 0 without one.
    pages: int = 0
    #: Frames up to the last commit, after it and not committed, and of an earlier round of the file.
    committed: int = 0
    open: int = 0
    older: int = 0
    #: Bytes at the end that are none of these.
    strange: int = 0


def read_wal(path: Path) -> Wal:
    """What is in the write-ahead log at `path`; an empty one if there is none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return Wal(0)
    with file:
        size = path.stat().st_size
        header = file.read(WAL_HEADER)
        if len(header) < WAL_HEADER:
            return Wal(size, strange=size)
        magic, version, page, _, salt, other, *sums = struct.unpack(">8I", header)
        order = {0x377F0682: "<", 0x377F0683: ">"}.get(magic)
        if order is None or version != 3_007_000 or page < 512:
            return Wal(size, strange=size)
        running = _checksum(header[:24], order, (0, 0))
        if running != tuple(sums):
            return Wal(size, strange=size)
        return _frames(file, Wal(size), page, order, (salt, other), running)


def _frames(
    file: BinaryIO, wal: Wal, page: int, order: str, salts: tuple[int, int], sums: tuple[int, int]
) -> Wal:
    waiting: dict[int, int] = {}
    current = True
    place = WAL_HEADER
    while len(frame := file.read(FRAME_HEADER + page)) == FRAME_HEADER + page:
        number, size, salt, other, *stated = struct.unpack(">6I", frame[:FRAME_HEADER])
        if current:
            following = _checksum(frame[FRAME_HEADER:], order, _checksum(frame[:8], order, sums))
            current = (salt, other) == salts and following == tuple(stated) and number > 0
        if current:
            sums = following
            waiting[number] = place + FRAME_HEADER
            wal.open += 1
            if size:
                wal.images.update(waiting)
                wal.pages = size
                wal.committed += wal.open
                wal.open = 0
                waiting.clear()
        elif number > 0 and 0 < (salts[0] - salt) & 0xFFFFFFFF < 1 << 31:
            # A round ends with a new first salt, one higher: this is what an earlier one has left.
            wal.older += 1
        else:
            break
        place += FRAME_HEADER + page
    wal.strange = max(0, wal.size - place)
    return wal


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = array("I", data)
    if order == (">" if struct.pack("=I", 1) == struct.pack("<I", 1) else "<"):
        words.byteswap()
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second


# --- Pages ----------------------------------------------------------------------------------------


class Pages:
    """The pages of a database as its next reader would see them."""

    def __init__(self, path: Path, wal: Path) -> None:
        """Open both files. Raises `BadPage` if the first page is none, `OSError`."""
        self._file = path.open("rb")
        self.wal = read_wal(wal)
        self._log = wal.open("rb") if self.wal.images else None
        # The size of pages never changes, so the file's own word for it will do.
        self._file.seek(16)
        stated = int.from_bytes(self._file.read(2), "big")
        self.size = 65_536 if stated == 1 else stated
        if self.size < 512 or self.size & (self.size - 1):
            raise BadPage("the size of its pages is none")
        head = self.read(1)
        self.usable = self.size - head[20]
        if self.usable < 480:
            raise BadPage("too little of a page is used")
        self.count = self.wal.pages or int.from_bytes(head[28:32], "big")
        #: The first trunk page of the free list, and how many free pages there are.
        self.free = (int.from_bytes(head[32:36], "big"), int.from_bytes(head[36:40], "big"))
        #: Whether each page has an entry in a map: then some pages are maps.
        self.mapped = head[52:56] != bytes(4)

    def close(self) -> None:
        """Close both files."""
        self._file.close()
        if self._log is not None:
            self._log.close()

    def read(self, number: int) -> bytes:
        """A page. Raises `BadPage` if it is not there."""
        place = self.wal.images.get(number)
        file = self._file
        if place is None or self._log is None:
            place = (number - 1) * self.size
        else:
            file = self._log
        file.seek(place)
        page = file.read(self.size)
        if number < 1 or len(page) != self.size:
            raise BadPage("it is not there")
        return page

    def maps(self) -> Iterator[int]:
        """The pages that say where each other page belongs."""
        if self.mapped:
            yield from range(2, self.count + 1, self.usable // 5 + 1)


# --- B-trees --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: where it lies in its page, and what it leads to."""

    start: int
    stop: int
    #: The child to its left, and the first page of what did not fit; 0 without one.
    child: int
    overflow: int
    #: Bytes in overflow pages.
    beyond: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A b-tree page."""

    kind: int
    cells: list[Cell]
    #: The rightmost child; 0 in a leaf.
    last: int
    #: Where the cell pointers end and the cells begin.
    gap: tuple[int, int]
    #: Freed blocks, each with its header of four bytes.
    blocks: list[tuple[int, int]]


def gap(page: bytes, number: int, usable: int) -> tuple[int, int] | None:
    """Where the gap of a b-tree page begins and ends; None if this is no such page."""
    start = FILE_HEADER if number == 1 else 0
    kind = page[start]
    if kind not in (INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF):
        return None
    count, content = struct.unpack_from(">HH", page, start + 3)
    first = start + (12 if kind in (INDEX_INNER, TABLE_INNER) else 8) + 2 * count
    stop = content or 65_536
    return (first, stop) if first <= stop <= usable else None


def tree(page: bytes, number: int, usable: int) -> Tree:
    """What lies in a b-tree page. Raises `BadPage`."""
    between = gap(page, number, usable)
    if between is None:
        raise BadPage("it is no b-tree page")
    start = FILE_HEADER if number == 1 else 0
    kind, content = page[start], between[1]
    block, count = struct.unpack_from(">HH", page, start + 1)
    inner = kind in (INDEX_INNER, TABLE_INNER)
    first = between[0] - 2 * count
    last = int.from_bytes(page[start + 8 : start + 12], "big") if inner else 0
    places = struct.unpack_from(f">{count}H", page, first)
    cells = [_cell(page, kind, place, usable) for place in places]
    if any(cell.start < content for cell in cells):
        raise BadPage("a cell outside of the cells' place")
    blocks = []
    while block:
        following, size = struct.unpack_from(">HH", page, block)
        if size < 4 or block < content or block + size > usable or 0 < following <= block:
            raise BadPage("its list of freed blocks is broken")
        blocks.append((block, block + size))
        block = following
    return Tree(kind, cells, last, between, blocks)


def _cell(page: bytes, kind: int, place: int, usable: int) -> Cell:
    try:
        at, child = place, 0
        if kind in (INDEX_INNER, TABLE_INNER):
            child = int.from_bytes(page[at : at + 4], "big")
            at += 4
        if kind == TABLE_INNER:
            _, at = _varint(page, at)
            return Cell(place, _within(at, usable), child, 0, 0)
        size, at = _varint(page, at)
        if kind == TABLE_LEAF:
            _, at = _varint(page, at)
    except IndexError:
        raise BadPage("a cell that is cut off") from None
    local = _local(size, usable, table=kind == TABLE_LEAF)
    stop = at + local
    overflow = 0
    if local < size:
        overflow = int.from_bytes(page[stop : stop + 4], "big")
        stop += 4
    # A cell has four bytes at least, so that it can become a freed block.
    stop = max(stop, place + 4)
    return Cell(place, _within(stop, usable), child, overflow, size - local)


def _within(stop: int, usable: int) -> int:
    if stop > usable:
        raise BadPage("a cell that is cut off")
    return stop


def _local(size: int, usable: int, *, table: bool) -> int:
    """How many bytes of a payload lie in the page itself."""
    most = usable - 35 if table else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    local = least + (size - least) % (usable - 4)
    return local if local <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9
