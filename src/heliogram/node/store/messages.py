"""Messages and lines of history: the tables `messages` and `gone`.

The order of a conversation's messages is that of `sent`, then of ids: the same at all members. Lines have no
id and stand where they were heard of. What is written here can be searched at once, and what is removed
leaves the index in the same transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from heliogram.node.store import places
from heliogram.node.store.connection import Connection, Row
from heliogram.node.store.database import Store
from heliogram.node.store.words import facets, searched

#: The columns that `message_row` takes.
COLUMNS: Final = (
    "number", "conversation", "sent", "id", "sender", "device", "mine", "kind", "text", "content", "received",
    "epoch", "reply_to", "state", "edited", "version", "files", "expires", "event", "data",
    "origin",
)  # fmt: skip
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM messages"  # noqa: S608  # a constant
#: The order, as the index `messages_in_order` has it.
_ORDER: Final = "sent, ifnull(id, x''), number"
_BACKWARDS: Final = "sent DESC, ifnull(id, x'') DESC, number DESC"
#: What messages have that people look for, as numbers that are added. Each has an index.
MEDIA: Final = {"pictures": 1, "files": 2, "voice": 4, "links": 8}

_ID_DIGITS: Final = 64
_PREFIX: Final = re.compile(r"[0-9a-fA-F]{1,64}")

#: Kinds whose text is not what somebody said.
_NOT_SEARCHED: Final = frozenset({"line", "deleted", "unreadable"})


@dataclass(frozen=True, slots=True, repr=False)
class MessageRow:
    """A message, or a line of history (`id` is None). Times are Unix seconds, `sent` is in milliseconds."""

    number: int
    conversation: int
    sent: int
    id: bytes | None
    sender: bytes | None
    device: bytes | None
    mine: bool
    #: As in `api.Message`.
    kind: str
    text: str
    #: The message's bytes as they came, newest version.
    content: bytes | None
    received: int
    epoch: int
    reply_to: bytes | None
    #: As in `api.Message`; of others' messages: "received", then "read".
    state: str
    #: `sent` of the newest edit, and its id; 0 and None if there is none.
    edited: int
    version: bytes | None
    #: How many.
    files: int
    expires: int | None
    event: str
    data: bytes | None
    #: Where it was forwarded from, as the extension's bytes.
    origin: bytes | None = None


def message_row(row: Row) -> MessageRow:
    """A row of `COLUMNS` as what it is."""
    number, conversation, sent, id_, sender, device, mine, *middle = row
    kind, text, content, received, epoch, reply_to, state, edited, *rest = middle
    return MessageRow(
        number, conversation, sent, id_, sender, device, bool(mine), kind, text, content, received,
        epoch, reply_to, state, edited, *rest,
    )  # fmt: skip


class Messages:
    """The messages of a store. All that writes belongs into a transaction."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store

    # --- Writing ----------------------------------------------------------------------------------

    def add(
        self,
        *,
        conversation: int,
        sent: int,
        kind: str,
        text: str,
        received: int,
        state: str,
        id: bytes | None = None,
        sender: bytes | None = None,
        device: bytes | None = None,
        mine: bool = False,
        content: bytes | None = None,
        epoch: int = 0,
        reply_to: bytes | None = None,
        edited: int = 0,
        files: int = 0,
        expires: int | None = None,
        event: str = "",
        data: bytes | None = None,
        also: str = "",
        origin: bytes | None = None,
        media: int = 0,
    ) -> int:
        """A new message's number. `also` is searched with its text: the names of its files.

        `media` is a sum of `MEDIA`.

        A second message of one id in one conversation is an `IntegrityError`: look first.
        """
        words, marks = _index(kind, text, also, conversation, sender, sent, files)
        cursor = self._store.execute(
            "INSERT INTO messages (conversation, sent, id, sender, device, mine, kind, text, content,"
            " received, epoch, reply_to, state, edited, files, expires, event, data, words, facets, origin,"
            " media) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                conversation, sent, id, sender, device, mine, kind, text, content, received, epoch,
                reply_to, state, edited, files, expires, event, data, words, marks, origin, media,
            ),
        )  # fmt: skip
        number = cursor.lastrowid
        if number is None:
            raise RuntimeError("a row has a number")
        return int(number)

    def revise(
        self,
        number: int,
        *,
        kind: str,
        text: str,
        content: bytes | None,
        edited: int,
        version: bytes | None = None,
        reply_to: bytes | None = None,
        files: int = 0,
        also: str = "",
        media: int = 0,
    ) -> None:
        """Put a newer version in a message's place: an edit, or "deleted" with no text. Nothing old stays."""
        row = self.get(number)
        if row is None:
            return
        words, marks = _index(kind, text, also, row.conversation, row.sender, row.sent, files)
        self._store.execute(
            "UPDATE messages SET kind = ?, text = ?, content = ?, edited = ?, version = ?, reply_to = ?,"
            " files = ?, words = ?, facets = ?, media = ?,"
            " origin = iif(?3 IS NULL, NULL, origin) WHERE number = ?",
            (kind, text, content, edited, version, reply_to, files, words, marks, media, number),
        )

    def set_state(self, number: int, state: str) -> None:
        """Where a message stands."""
        self._store.execute("UPDATE messages SET state = ? WHERE number = ?", (state, number))

    def set_epoch(self, number: int, epoch: int) -> None:
        """In which epoch a message of ours was encrypted last."""
        self._store.execute("UPDATE messages SET epoch = ? WHERE number = ?", (epoch, number))

    def move(
        self, number: int, conversation: int, *, id: bytes, content: bytes, reply_to: bytes | None
    ) -> None:
        """Make a message that nobody has yet one of another conversation, under the id that it has there.

        `content` is its newest version, which is the first one there. What named it where it was, by its id
        or that of an edit, names it by the new id. Nothing that anybody did to it goes along.
        """
        row = self.get(number)
        if row is None:
            return
        marks = (
            ""
            if row.kind in _NOT_SEARCHED
            else facets(conversation, row.sender, row.sent, row.files)
        )
        self._store.execute(
            "UPDATE messages SET conversation = ?, id = ?, content = ?, reply_to = ?, epoch = 0,"
            " edited = 0, version = NULL, facets = ? WHERE number = ?",
            (conversation, id, content, reply_to, marks, number),
        )
        self._store.execute(
            "UPDATE messages SET reply_to = ? WHERE conversation = ? AND sent >= ? AND (reply_to = ?"
            " OR reply_to IN (SELECT id FROM versions WHERE message = ?))",
            (id, row.conversation, row.sent, row.id, number),
        )
        for table in ("versions", "reactions", "votes", "pins", "reports"):
            self._store.execute(f"DELETE FROM {table} WHERE message = ?", (number,))  # noqa: S608

    def set_expiry(self, number: int, expires: int | None) -> None:
        """When a message goes."""
        self._store.execute("UPDATE messages SET expires = ? WHERE number = ?", (expires, number))

    def remove(self, number: int) -> None:
        """Forget a message with its files' rows, reactions and reports. Files on disk are the caller's.

        Its id stays, for `is_gone`.
        """
        self._store.execute(
            "INSERT OR IGNORE INTO gone SELECT conversation, id FROM messages"
            " WHERE number = ? AND id IS NOT NULL",
            (number,),
        )
        self._store.execute("DELETE FROM traces WHERE message = ?", (number,))
        self._store.execute("DELETE FROM messages WHERE number = ?", (number,))

    def is_gone(self, conversation: int, id: bytes) -> bool:
        """Whether a message with this id was in a conversation and was removed."""
        row = self._store.one(
            "SELECT 1 FROM gone WHERE conversation = ? AND id = ?", (conversation, id)
        )
        return row is not None

    # --- One of them ------------------------------------------------------------------------------

    def get(self, number: int) -> MessageRow | None:
        """The message with a number."""
        return _first(self._store, "WHERE number = ?", (number,))

    def many(self, numbers: Iterable[int]) -> dict[int, MessageRow]:
        """Those of the messages with these numbers that are there, by number."""
        rows = _all(
            self._store,
            "WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return {row.number: row for row in rows}

    def by_id(self, conversation: int, id: bytes) -> MessageRow | None:
        """The message with an id, in a conversation."""
        return _first(self._store, "WHERE id = ? AND conversation = ?", (id, conversation))

    def by_prefix(self, digits: str, *, limit: int = 2) -> list[MessageRow]:
        """Messages whose id begins with hexadecimal digits; none if `digits` are not such."""
        if not _PREFIX.fullmatch(digits):
            return []
        lowest, highest = (bytes.fromhex(digits.ljust(_ID_DIGITS, end)) for end in "0f")
        return _all(
            self._store, "WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", (lowest, highest, limit)
        )

    def last(self, conversation: int) -> MessageRow | None:
        """The newest of a conversation."""
        return _first(
            self._store,
            f"WHERE conversation = ? ORDER BY {_BACKWARDS} LIMIT 1",
            (conversation,),
        )

    # --- Many of them -----------------------------------------------------------------------------

    def page(
        self,
        conversation: int,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
        reader: Connection | None = None,
    ) -> list[MessageRow]:
        """Messages in their order: the last ones before number `before`, or the first ones after `after`.

        With neither: the last ones of all. A number whose message is gone means its nearest neighbour.
        """
        source = reader or self._store
        if after is not None:
            place = self._place(source, conversation, after)
            return _all(
                source,
                f"WHERE conversation = ? AND ({_ORDER}) > (?, ?, ?) ORDER BY {_ORDER} LIMIT ?",
                (conversation, *place, limit),
            )
        where = "WHERE conversation = ?"
        params: list[int | bytes] = [conversation]
        if before is not None:
            where += f" AND ({_ORDER}) < (?, ?, ?)"
            params += self._place(source, conversation, before)
        rows = _all(source, f"{where} ORDER BY {_BACKWARDS} LIMIT ?", (*params, limit))
        rows.reverse()
        return rows

    def with_media(
        self, conversation: int, what: str, *, before: int | None = None, limit: int = 50
    ) -> list[MessageRow]:
        """Messages that have something of `MEDIA`, the newest first, all before number `before`."""
        where = f"WHERE conversation = ? AND media & {MEDIA[what]}"
        params: list[int | bytes] = [conversation]
        if before is not None:
            where += f" AND ({_ORDER}) < (?, ?, ?)"
            params += self._place(self._store, conversation, before)
        return _all(self._store, f"{where} ORDER BY {_BACKWARDS} LIMIT ?", (*params, limit))

    def from_position(self, conversation: int, position: int, limit: int = 50) -> list[MessageRow]:
        """Messages in their order from a position on, the oldest of the conversation being at 0."""
        key = places.at(self._store, conversation, position)
        if key is None:
            return []
        return _all(
            self._store,
            f"WHERE conversation = ? AND ({_ORDER}) >= (?, ?, ?) ORDER BY {_ORDER} LIMIT ?",
            (conversation, *key, limit),
        )

    def position(self, conversation: int, sent: int, id: bytes = b"", number: int = 0) -> int:
        """How many come before this place in the order; `sent` is in milliseconds."""
        return places.position(self._store, conversation, (sent, id, number))

    def count(self, conversation: int) -> int:
        """How many messages and lines there are."""
        return places.count(self._store, conversation)

    def first_since(self, conversation: int, sent: int) -> MessageRow | None:
        """The first one at or after `sent`, in milliseconds."""
        where = f"WHERE conversation = ? AND sent >= ? ORDER BY {_ORDER} LIMIT 1"
        return _first(self._store, where, (conversation, sent))

    def first_unread(self, conversation: int) -> MessageRow | None:
        """The first one of others that nobody has seen here."""
        where = "WHERE conversation = ? AND mine = 0 AND state = 'received' AND id IS NOT NULL"
        return _first(self._store, f"{where} ORDER BY {_ORDER} LIMIT 1", (conversation,))

    def count_unread(self, conversation: int) -> int:
        """How many messages of others are there that nobody has seen here."""
        row = self._store.one("SELECT unread FROM conversations WHERE number = ?", (conversation,))
        return int(row[0]) if row else 0

    def mark_read(self, conversation: int, number: int | None = None) -> list[MessageRow]:
        """Mark what others said as read, up to and with `number`, or all; gives what was not read before."""
        where = "WHERE conversation = ? AND mine = 0 AND state = 'received' AND id IS NOT NULL"
        params: list[int | bytes] = [conversation]
        if number is not None:
            where += f" AND ({_ORDER}) <= (?, ?, ?)"
            params += self._place(self._store, conversation, number)
        rows = _all(self._store, f"{where} ORDER BY {_ORDER}", params)
        self._store.execute_many(
            "UPDATE messages SET state = 'read' WHERE number = ?", ((row.number,) for row in rows)
        )
        return rows

    def due(self, time: int, *, limit: int = 1000) -> list[MessageRow]:
        """Messages whose time is over (Unix seconds), the first ones first: for the caller to `remove`."""
        return _all(
            self._store,
            "WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?",
            (time, limit),
        )

    def next_expiry(self) -> int | None:
        """When the next message goes."""
        row = self._store.one("SELECT min(expires) FROM messages WHERE expires IS NOT NULL")
        return row[0] if row else None

    @staticmethod
    def _place(source: Connection, conversation: int, number: int) -> tuple[int, bytes, int]:
        row = source.one(
            f"SELECT {_ORDER} FROM messages WHERE number = ? AND conversation = ?",  # noqa: S608
            (number, conversation),
        ) or source.one(
            f"SELECT {_ORDER} FROM messages WHERE number ="  # noqa: S608
            " (SELECT max(number) FROM messages WHERE conversation = ? AND number < ?)",
            (conversation, number),
        )
        return (row[0], row[1], row[2]) if row else (-1, b"", 0)


def _first(source: Connection, where: str, params: Iterable[bytes | int]) -> MessageRow | None:
    row = source.one(f"{_SELECT} {where}", tuple(params))
    return message_row(row) if row else None


def _all(source: Connection, where: str, params: Iterable[bytes | int | str]) -> list[MessageRow]:
    return [message_row(row) for row in source.query(f"{_SELECT} {where}", tuple(params))]


def _index(
    kind: str,
    text: str,
    also: str,
    conversation: int,
    sender: bytes | None,
    sent: int,
    files: int,
) -> tuple[str | None, str]:
    """The columns `words` and `facets`."""
    if kind in _NOT_SEARCHED:
        return None, ""
    words = searched(f"{text}\n{also}" if also else text)
    return (words if words != text else None), facets(conversation, sender, sent, files)
