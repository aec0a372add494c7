"""Rows of a store as one stream of bytes, and back: what is inside of a backup.

    stream = { uint32 size, msgpack }*

The first item is a head, then for each table its name and columns, then its rows one by one, and at the end
a zero size. It is the same for the same snapshot, so it can be read twice: measured, then sealed. None of it
is ever run as SQL: names of tables and columns are looked up in those of this program.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from sqlcipher3 import dbapi2

from heliogram.codec import u32
from heliogram.node.archive.tables import TABLES, Kept
from heliogram.node.engine.account import DEVICE, device_in
from heliogram.node.errors import DamagedState, StoreDamaged, StoreNewer
from heliogram.node.store.connection import Connection, translating
from heliogram.node.store.database import Store

#: The version of this form.
FORM = 1

#: Bytes of one item: a row holds one message at most, and a thumbnail.
MAX_ITEM = 4 << 20

#: Bytes that are handed on at once, and rows that are read at once.
_PIECE, _ROWS = 1 << 20, 256

_encode = msgspec.msgpack.encode


class Head(Struct, array_like=True, frozen=True):
    """What a backup says first."""

    form: int
    created: int
    rows: int
    #: The device that the backup was made on, and its suite: it is not the one that goes on.
    device: bytes
    suite: int


class _Table(Struct, array_like=True, frozen=True):
    """What follows are rows of this table."""

    name: str
    columns: tuple[str, ...]


def written(source: Connection, *, created: int) -> Iterator[bytes]:
    """The stream of what a connection sees, in pieces. Call it within a snapshot."""
    buffer = bytearray()
    for item in _items(source, created):
        buffer += u32(len(item)) + item
        if len(buffer) >= _PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer) + u32(0)


def count(source: Connection) -> int:
    """How many rows there are to keep."""
    total = 0
    for table in TABLES:
        row = source.one(f"SELECT count(*) FROM {table.name}{_where(table)}")  # noqa: S608 - ours
        total += 0 if row is None else row[0]
    return total


def _items(source: Connection, created: int) -> Iterator[bytes]:
    device, suite = device_of(source)
    yield _encode(Head(FORM, created, count(source), device, suite))
    for table in TABLES:
        columns = tuple(one for one in _columns(source, table.name) if one not in table.without)
        yield _encode(_Table(table.name, columns))
        instead = dict(table.instead)
        shown = ", ".join(instead.get(one, f'"{one}"') for one in columns)
        # By position: the order must be the same when it is read again.
        order = ", ".join(str(i + 1) for i in range(len(columns)))
        if table.name in ("messages", "conversations", "links"):
            order = "number"
        query = f"SELECT {shown} FROM {table.name}{_where(table)} ORDER BY {order}"  # noqa: S608
        cursor = source.execute(query)
        while rows := _next(source, cursor):
            yield from map(_encode, rows)


def device_of(source: Connection) -> tuple[bytes, int]:
    """The id and the suite of the device that a store belongs to. Raises `DamagedState` if there is none."""
    row = source.one("SELECT value FROM settings WHERE name = ?", (DEVICE,))
    if row is None:
        raise DamagedState
    return device_in(bytes(row[0]))


def _next(source: Connection, cursor: Any) -> list[Any]:
    with translating():
        rows: list[Any] = cursor.fetchmany(_ROWS)
    return rows


def _where(table: Kept) -> str:
    return f" WHERE {table.where}" if table.where else ""


def _columns(source: Connection, table: str) -> list[str]:
    return [str(row[1]) for row in source.query(f"PRAGMA table_info({table})")]


# --- Reading --------------------------------------------------------------------------------------


class Writer:
    """Takes a stream in pieces and writes its rows into a new store. Use it within one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._buffer = bytearray()
        self._tables = {one.name: one for one in TABLES}
        self._insert = ""
        self._width = 0
        self._over = False
        #: What the stream said first.
        self.head: Head | None = None
        self.rows = 0

    def take(self, piece: bytes) -> None:
        """The next bytes. Raises `StoreDamaged`, `StoreNewer`, `StoreError`."""
        self._buffer += piece
        start = 0
        while len(self._buffer) - start >= 4:
            size = int.from_bytes(self._buffer[start : start + 4], "big")
            if size > MAX_ITEM or self._over:
                raise StoreDamaged
            if len(self._buffer) - start < 4 + size:
                break
            start += 4
            if size == 0:
                self._over = True
            else:
                self._item(bytes(self._buffer[start : start + size]))
            start += size
        del self._buffer[:start]

    def finish(self) -> None:
        """Raise `StoreDamaged` unless all of it came."""
        if not self._over or self._buffer or self.head is None or self.head.rows != self.rows:
            raise StoreDamaged

    def _item(self, data: bytes) -> None:
        try:
            values: Any = msgspec.msgpack.decode(data)
            if self.head is None:
                self.head = msgspec.convert(values, Head)
                if self.head.form > FORM:
                    raise StoreNewer
                return
            if isinstance(values, list) and len(values) == 2 and isinstance(values[1], list):
                self._begin(msgspec.convert(values, _Table))
                return
        except (msgspec.MsgspecError, RecursionError):
            raise StoreDamaged from None
        if not isinstance(values, list) or len(values) != self._width or not self._insert:
            raise StoreDamaged
        if not all(one is None or isinstance(one, int | float | str | bytes) for one in values):
            raise StoreDamaged
        try:
            self._store.execute(self._insert, values)
        except (dbapi2.Error, OverflowError):
            # Values that no store of ours has: numbers too large, one key twice.
            raise StoreDamaged from None
        self.rows += 1

    def _begin(self, table: _Table) -> None:
        known = self._tables.pop(table.name, None)
        if known is None:
            raise StoreNewer
        if not table.columns:
            raise StoreDamaged
        there = _columns(self._store, known.name)
        if not set(table.columns) <= set(there) - set(known.without):
            raise StoreNewer
        names = ", ".join(f'"{one}"' for one in table.columns)
        marks = ", ".join("?" * len(table.columns))
        self._width = len(table.columns)
        self._insert = f"INSERT INTO {known.name} ({names}) VALUES ({marks})"  # noqa: S608 - known
