"""Where a message is among all of its conversation, and which one is at a position: the table `places`.

A face that shows a long conversation asks for the place of anything, and for what is at any place. Counting
all that comes before would take as long as there are messages: so they are counted by the time when they were
sent, in blocks of two sizes, by triggers. What is left to count lies in one small block.
"""

from __future__ import annotations

from typing import Final

from heliogram.node.store.connection import Connection

#: A place in the order of a conversation: `sent` in milliseconds, the id (empty for a line), the number.
Key = tuple[int, bytes, int]

#: By level of `places`: how many bits of `sent` are left out.
_SMALL: Final = 20
_LARGE: Final = 32


def count(source: Connection, conversation: int) -> int:
    """How many messages and lines there are."""
    row = source.one(
        "SELECT sum(many) FROM places WHERE conversation = ? AND level = 2", (conversation,)
    )
    return 0 if row is None or row[0] is None else int(row[0])


def position(source: Connection, conversation: int, key: Key) -> int:
    """How many come before `key`."""
    sent = key[0]
    small, large = sent >> _SMALL, sent >> _LARGE
    row = source.one(
        "SELECT (SELECT ifnull(sum(many), 0) FROM places"
        "  WHERE conversation = ?1 AND level = 2 AND block < ?2)"
        " + (SELECT ifnull(sum(many), 0) FROM places"
        "  WHERE conversation = ?1 AND level = 1 AND block >= ?3 AND block < ?4)"
        " + (SELECT count(*) FROM messages INDEXED BY messages_in_order"
        "  WHERE conversation = ?1 AND sent >= ?5 AND (sent, ifnull(id, x''), number) < (?6, ?7, ?8))",
        (conversation, large, large << (_LARGE - _SMALL), small, small << _SMALL, *key),
    )
    return 0 if row is None else int(row[0])


def at(source: Connection, conversation: int, place: int) -> Key | None:
    """The key of what is at a position, from 0; None after the last one."""
    left = max(0, place)
    first, end = 0, 1 << (64 - 1 - _LARGE)
    for level, shift in ((2, _LARGE - _SMALL), (1, _SMALL)):
        found = None
        for block, many in source.query(
            "SELECT block, many FROM places WHERE conversation = ? AND level = ?"
            " AND block >= ? AND block < ? ORDER BY block",
            (conversation, level, first, end),
        ):
            if left < many:
                found = block
                break
            left -= many
        if found is None:
            return None
        first, end = found << shift, (found + 1) << shift
    row = source.one(
        "SELECT sent, ifnull(id, x''), number FROM messages INDEXED BY messages_in_order"
        " WHERE conversation = ? AND sent >= ? AND sent < ?"
        " ORDER BY sent, ifnull(id, x''), number LIMIT 1 OFFSET ?",
        (conversation, first, end, left),
    )
    return None if row is None else (row[0], row[1], row[2])
