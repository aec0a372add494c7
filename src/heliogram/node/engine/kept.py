"""Sealed copies that stay: to be read here without a network, and without a plaintext on the disk.

What relays still have may go again at any time, the oldest first, once there is too much of it. What they no
longer have stays as long as its message.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from heliogram.node.engine.file_desk import FileDesk, Key
from heliogram.node.files import Layout
from heliogram.node.store.files import Copy, FileRow

#: Bytes of all copies that can be had again. The newest stays, whatever its size.
MOST = 2 << 30

#: Seconds before the time until which relays keep a file, from which on nobody counts on them.
MARGIN = 86_400


class Kept:
    """The copies of one profile."""

    def __init__(self, desk: FileDesk, most: int = MOST) -> None:
        self._desk = desk
        self._most = most

    def stays(self, row: FileRow, **values: Any) -> None:
        """From now on a whole copy is one that stays."""
        key = (row.message, row.place)
        state = {"state": "kept"} | values
        self._desk.files.change(*key, kept=self._desk.time, **state)
        self._trim(key)

    def clear(self, saved: Collection[Key]) -> None:
        """Forget what can be had again, and what lies saved elsewhere: `saved` was looked at just now."""
        for one in self._desk.files.copies():
            if self._is_at_relays(one) or one.key in saved:
                self._forget(one)

    def size(self) -> int:
        """Bytes of all copies."""
        return sum(_size(one) for one in self._desk.files.copies())

    def lost(self, row: FileRow) -> None:
        """A copy is not there any more, or is not what was written."""
        if row.kept is not None and row.state in ("kept", "here"):
            state = "here" if row.state == "here" else "remote"
            self._desk.drop_copy(row, state=state)
            self._desk.tell((row.message, row.place))

    def _trim(self, newest: Key) -> None:
        found = [one for one in self._desk.files.copies() if self._is_at_relays(one)]
        many = sum(_size(one) for one in found)
        for one in found:
            if many <= self._most:
                return
            if one.key != newest:
                many -= _size(one)
                self._forget(one)

    def _is_at_relays(self, one: Copy) -> bool:
        return one.expires is not None and one.expires > self._desk.time + MARGIN

    def _forget(self, one: Copy) -> None:
        row = self._desk.files.get(*one.key)
        if row is not None:
            self._desk.drop_copy(row, state="remote" if row.state == "kept" else row.state)
            self._desk.talks.file_changed(row.message)


def _size(one: Copy) -> int:
    return Layout(one.size).blob
