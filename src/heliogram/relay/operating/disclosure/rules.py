"""What each column may hold. A value outside of its rule is a byte that nobody can explain.

Times are minutes or days: a number of seconds is far above any of them. Numbers that a client chose (epochs,
versions) are held against what was signed or hashed with them in `rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from heliogram.relay.slots import Log, Slot
from heliogram.wire import limits
from heliogram.wire.errors import RemoteError
from heliogram.wire.frames import Package
from heliogram.wire.objects import Header, Seat
from heliogram.wire.signing import Object

#: Whether a value is what the column may hold.
Rule: TypeAlias = Callable[[Any], bool]

#: Minutes and days up to the year 2097. In the year 2026 there are 26 times as many seconds as this.
MOST_MINUTES, MOST_DAYS = 1 << 26, 1 << 16

#: No more rows, places and bytes than SQLite can number; no epoch above what a log may reach.
MOST_ROWS, MOST_EPOCH = 1 << 48, (1 << 64) - 1


def number(least: int, most: int) -> Rule:
    """An integer within these bounds, both included."""
    return lambda value: isinstance(value, int) and least <= value <= most


def fixed(*sizes: int) -> Rule:
    """Bytes of one of these sizes."""
    return lambda value: isinstance(value, bytes) and len(value) in sizes


def opaque(most: int) -> Rule:
    """Bytes of a client, at most so many."""
    return lambda value: isinstance(value, bytes) and len(value) <= most


def structure(kind: type[Object], *, empty: bool = False) -> Rule:
    """The one encoding of a structure, with nothing behind it; or nothing, if `empty`."""

    def holds(value: Any) -> bool:
        if not isinstance(value, bytes):
            return False
        if not value:
            return empty
        try:
            found = kind.from_bytes(value)
            if isinstance(found, Slot):
                for one in found.values:
                    if Header.from_bytes(one.header).encode() != one.header:
                        return False
            return found.encode() == value
        except RemoteError:
            return False

    return holds


def packages(value: Any) -> bool:
    """The packages of an answer, in the one way that the relay writes them."""
    try:
        found = msgspec.msgpack.decode(value, type=tuple[Package, ...])
    except (msgspec.DecodeError, TypeError):
        return False
    return len(found) <= limits.MAX_DEVICES and msgspec.msgpack.encode(found) == value


_local = number(1, MOST_ROWS)
_count = number(0, MOST_ROWS)
_epoch = number(0, MOST_EPOCH)
_minute = number(0, MOST_MINUTES)
_day = number(0, MOST_DAYS)
_tag = number(-(1 << 63), (1 << 63) - 1)
_uses = number(-1, (1 << 32) - 1)
_hash = fixed(limits.HASH_SIZE)
_key = fixed(limits.KEY_SIZE)

RULES: dict[tuple[str, str], Rule] = {
    ("relay", "id"): number(1, 1),
    ("relay", "key"): _key,
    ("logs", "id"): _local,
    ("logs", "instance"): _hash,
    ("logs", "log"): _hash,
    ("logs", "first"): number(0, limits.MAX_FIRST_EPOCH),
    ("logs", "fell"): number(0, 1),
    ("logs", "state"): structure(Log),
    ("heads", "log"): _local,
    ("heads", "first_index"): _count,
    ("heads", "next_index"): _count,
    ("heads", "chain"): _hash,
    ("heads", "bytes"): _count,
    ("heads", "day"): _day,
    ("epochs", "log"): _local,
    ("epochs", "epoch"): _epoch,
    ("epochs", "seat"): _hash,
    ("epochs", "key"): fixed(0, limits.KEY_SIZE),
    ("epochs", "grace"): number(0, limits.MAX_GRACE_ENTRIES),
    ("epochs", "closed"): _minute,
    ("slots", "id"): _local,
    ("slots", "seat"): _hash,
    ("slots", "content"): structure(Seat, empty=True),
    ("slots", "state"): structure(Slot, empty=True),
    ("entries", "id"): _local,
    ("entries", "log"): _local,
    ("entries", "epoch"): _epoch,
    ("entries", "place"): _count,
    ("entries", "minute"): _minute,
    ("entries", "tag"): _tag,
    ("entries", "chain"): _hash,
    ("entries", "data"): opaque(limits.MAX_ENTRY),
    ("inboxes", "id"): _local,
    ("inboxes", "inbox"): _hash,
    ("inboxes", "owner"): _key,
    ("inboxes", "next_index"): _count,
    ("inboxes", "day"): _day,
    ("links", "inbox"): _local,
    ("links", "link"): _key,
    ("links", "posts"): _uses,
    ("links", "takes"): _uses,
    ("items", "id"): _local,
    ("items", "inbox"): _local,
    ("items", "place"): _count,
    ("items", "minute"): _minute,
    ("items", "tag"): _tag,
    ("items", "link"): _key,
    ("items", "data"): opaque(limits.MAX_INBOX_ITEM),
    ("packages", "id"): _local,
    ("packages", "inbox"): _local,
    ("packages", "device"): opaque(limits.MAX_DEVICE),
    ("packages", "last_resort"): number(0, 1),
    ("packages", "tag"): _tag,
    ("packages", "data"): opaque(limits.MAX_PACKAGE),
    ("posted", "statement"): _hash,
    ("posted", "minute"): _minute,
    ("taken", "statement"): _hash,
    ("taken", "minute"): _minute,
    ("taken", "packages"): packages,
    ("given", "inbox"): _local,
    ("given", "tag"): _tag,
    ("given", "minute"): _minute,
    ("blobs", "blob"): _hash,
    ("blobs", "delete_hash"): _hash,
    ("blobs", "size"): number(1, limits.MAX_BLOB),
    ("blobs", "stored"): number(0, limits.MAX_BLOB),
    ("blobs", "expires"): lambda value: _minute(value) and value % 1440 == 0,
    ("blobs", "touched"): _minute,
    ("cells", "cell"): _hash,
    ("cells", "owner"): _key,
    ("cells", "version"): number(1, (1 << 63) - 1),
    ("cells", "value"): opaque(limits.MAX_CELL),
    ("cells", "signature"): fixed(limits.SIGNATURE_SIZE),
    ("cells", "day"): _day,
}
