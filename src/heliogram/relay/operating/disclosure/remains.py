"""Bytes of the database's file that no row accounts for.

`secure_delete` overwrites a deleted cell with zeros, and so each page that becomes free; rows that did not
fit into a page have their overflow pages overwritten too. So these must be zero: free pages but for their
list, freed blocks but for their links, fragments, the tails of overflow pages and of maps.

It does not reach the gap between a page's list of cells and its cells. When cells are moved between
neighbouring pages, the old list and old copies of the moved cells stay there until the page fills. They are
numbers in the list; in a page of an index or of small rows they are ids, places and tags of rows, some of
which may be deleted since; in a page of ciphertext they are that. `wipe` clears all gaps of a relay that has
stopped. After it nothing of ciphertext may be there; while the relay runs it is counted.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from heliogram.relay.operating.disclosure.pages import MOST_PAGES, BadPage, Pages, Tree, gap, tree
from heliogram.relay.operating.disclosure.source import DATABASE, WAL, Finding

#: Tables in whose pages lies what clients made: no copy of a moved row is accepted there.
CONTENT = frozenset({"entries", "items", "packages", "taken", "cells"})

#: Pages of a tree from its root to a leaf. SQLite's own bound.
DEPTH = 20


@dataclass(slots=True)
class Remains:
    """What the walk found that is explained and yet no row."""

    #: Bytes of old lists and moved rows in gaps, by table or index.
    gaps: dict[str, int] = field(default_factory=dict)
    #: Of these, bytes in the pages of ciphertext that are no old list.
    content: int = 0
    free_pages: int = 0


def check(
    pages: Pages, roots: Iterable[tuple[str, str, int]], remains: Remains, *, running: bool
) -> Iterator[Finding]:
    """What is unexplained in the pages. `roots` are names, their tables and first pages."""
    walk = _Walk(pages, remains, running)
    yield from walk.head()
    yield from walk.maps()
    yield from walk.free()
    for name, table, root in (("sqlite_schema", "", 1), *roots):
        yield from walk.tree(name, table == name and table in CONTENT, root, DEPTH)
    yield from walk.rest()


def wipe(data: Path) -> int:
    """Clear the gaps in all pages of a relay that has stopped: how many bytes were not zero.

    A gap has no meaning, so wherever the power fails the database is whole. The caller holds the directory's
    lock, and nobody has the database open. It reads the whole file once, in order, and writes little.
    Raises `BadPage` and changes nothing if a write-ahead log is left, `OSError`.
    """
    path = data / DATABASE
    pages = Pages(path, data / WAL)
    try:
        if pages.wal.size or pages.count >= MOST_PAGES:
            raise BadPage("a write-ahead log is left, or there are too many pages")
        size, usable, maps = pages.size, pages.usable, set(pages.maps())
    finally:
        pages.close()
    cleared = 0
    with path.open("r+b") as file:
        number = 0
        while page := file.read(size):
            number += 1
            if number in maps or (found := gap(page, number, usable)) is None:
                continue
            nonzero = (found[1] - found[0]) - page.count(0, *found)
            if nonzero:
                cleared += nonzero
                file.seek((number - 1) * size + found[0])
                file.write(bytes(found[1] - found[0]))
                file.seek(number * size)
        file.flush()
        os.fsync(file.fileno())
    return cleared


class _Walk:
    """One pass over all pages, in which each may be met once."""

    def __init__(self, pages: Pages, remains: Remains, running: bool) -> None:
        self._running = running
        self._pages = pages
        self._remains = remains
        self._met = bytearray(pages.count + 1)

    def head(self) -> Iterator[Finding]:
        """The file's own header."""
        if _dirty(self._pages.read(1)[72:92]) or self._pages.read(1)[20]:
            yield _on(1, "reserved bytes of the file's header are not zero")

    def maps(self) -> Iterator[Finding]:
        """The pages that say where the others belong."""
        for number in self._pages.maps():
            yield from self._meet(number)
            page = self._pages.read(number)
            for at in range(0, self._pages.usable - 4, 5):
                kind, parent = struct.unpack_from(">BI", page, at)
                if kind > 5 or parent >= MOST_PAGES:
                    yield _on(number, "an entry of a map that is none")
                    break
            if _dirty(page[self._pages.usable // 5 * 5 :]):
                yield _on(number, "the end of a map is not zero")

    def free(self) -> Iterator[Finding]:
        """The free pages, and the pages that list them."""
        trunk, stated = self._pages.free
        found = 0
        while trunk:
            try:
                page = self._pages.read(trunk)
            except BadPage:
                yield _on(trunk, "a free page that is not there")
                return
            found += 1
            again = list(self._meet(trunk))
            if again:
                yield from again
                return
            following, count = struct.unpack_from(">II", page)
            words = struct.unpack_from(f">{self._pages.size // 4 - 2}I", page, 8)
            if count > len(words):
                yield _on(trunk, "a list of free pages that is too long")
                return
            # What is left in the list behind its end are numbers of pages as well.
            if any(word >= MOST_PAGES for word in words):
                yield _on(trunk, "a free page is not zero behind its list")
            for leaf in words[:count]:
                found += 1
                yield from self._meet(leaf)
                yield from self._zero(leaf, 0, "a free page is not zero")
            trunk = following
        self._remains.free_pages = found
        if found != stated:
            yield Finding(DATABASE, "there are not as many free pages as it says")

    def tree(self, name: str, content: bool, number: int, depth: int) -> Iterator[Finding]:
        """A b-tree, from this page down."""
        again = list(self._meet(number))
        if again or depth == 0:
            yield from again or [_on(number, "a tree that is too deep")]
            return
        try:
            page = self._pages.read(number)
            found = tree(page, number, self._pages.usable)
        except BadPage as error:
            yield _on(number, str(error), name)
            return
        yield from self._unused(name, content and not found.last, number, page, found)
        for cell in found.cells:
            if cell.overflow:
                yield from self._overflow(name, cell.overflow, cell.beyond)
            if cell.child:
                yield from self.tree(name, content, cell.child, depth - 1)
        if found.last:
            yield from self.tree(name, content, found.last, depth - 1)

    def rest(self) -> Iterator[Finding]:
        """Pages that belong to nothing."""
        lock = (1 << 30) // self._pages.size + 1
        for number in range(1, self._pages.count + 1):
            if not self._met[number] and number != lock:
                yield _on(number, "a page that belongs to nothing")

    def _unused(
        self, name: str, content: bool, number: int, page: bytes, found: Tree
    ) -> Iterator[Finding]:
        for start, stop in found.blocks:
            if _dirty(page[start + 4 : stop]):
                yield _on(number, "a freed block is not zero", name)
        at = found.gap[1]
        used = sorted([(cell.start, cell.stop) for cell in found.cells] + found.blocks)
        for start, stop in (*used, (self._pages.usable, self._pages.usable)):
            if start < at:
                yield _on(number, "two cells overlap", name)
            elif _dirty(page[at:start]):
                yield _on(number, "a fragment is not zero", name)
            at = max(at, stop)
        rest = page[slice(*found.gap)]
        nonzero = len(rest) - rest.count(0)
        if nonzero == 0:
            return
        self._remains.gaps[name] = self._remains.gaps.get(name, 0) + nonzero
        if content and _dirty(behind := rest[_old_list(rest, self._pages.usable) :]):
            self._remains.content += len(behind) - behind.count(0)
            if not self._running:
                yield _on(number, "the gap holds more than an old list of cells", name)

    def _overflow(self, name: str, number: int, left: int) -> Iterator[Finding]:
        while number and left > 0:
            again = list(self._meet(number))
            if again:
                yield from again
                return
            page = self._pages.read(number)
            used = min(left, self._pages.usable - 4)
            if _dirty(page[4 + used :]):
                yield _on(number, "the end of an overflow page is not zero", name)
            left -= used
            number = int.from_bytes(page[:4], "big")
        if number or left:
            yield _on(number, "a row that is longer or shorter than its pages", name)

    def _zero(self, number: int, start: int, what: str) -> Iterator[Finding]:
        try:
            if _dirty(self._pages.read(number)[start:]):
                yield _on(number, what)
        except BadPage as error:
            yield _on(number, str(error))

    def _meet(self, number: int) -> Iterator[Finding]:
        if not 0 < number <= self._pages.count:
            yield _on(number, "a page that is not there")
        elif self._met[number]:
            yield _on(number, "a page that belongs to two things")
        else:
            self._met[number] = 1


def _dirty(data: bytes) -> bool:
    return bool(data.lstrip(b"\0"))


def _old_list(gap: bytes, usable: int) -> int:
    """How many bytes at the start of a gap may be an old list of cells: offsets within the page."""
    at = 0
    while at + 1 < len(gap) and 8 <= int.from_bytes(gap[at : at + 2], "big") < usable:
        at += 2
    return at


def _on(number: int, what: str, name: str = "") -> Finding:
    return Finding(f"{DATABASE}, page {number}{f' of {name}' if name else ''}", what)
