"""What messages do to history: they come, change, are reacted to, reported, and go.

The order of a conversation is that of `sent`, then of ids: the same at all members. Lines of history have no
id and stand where they were heard of. What is only read, and searched, is in `messages.py` and `search.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from heliogram.node.store.database import Store, Value

#: Reactions that one person may have to one message, with those that were taken back.
MAX_REACTIONS = 64

#: Edits of one message that are remembered by their ids.
MAX_VERSIONS = 256

#: What waits for its message: of one sender, and in one conversation.
MAX_EARLY_OF_ONE = 64
MAX_EARLY = 1024

_COLUMNS = (
    "number, conversation, sent, id, sender, device, mine, kind, text, content, received, epoch,"
    " reply_to, state, edited, version, files, expires, event, data"
)
_ORDER = "sent, ifnull(id, x''), number"


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message or a line."""

    number: int
    conversation: int
    sent: int
    id: bytes | None = field(repr=False)
    sender: bytes | None = field(repr=False)
    device: bytes | None = field(repr=False)
    mine: bool
    kind: str
    text: str = field(repr=False)
    content: bytes | None = field(repr=False)
    received: int
    epoch: int
    reply_to: bytes | None = field(repr=False)
    state: str
    edited: int
    version: bytes | None = field(repr=False)
    files: int
    expires: int | None
    event: str
    data: bytes | None = field(repr=False)

    @property
    def place(self) -> tuple[int, bytes, int]:
        """Where it stands in the order."""
        return self.sent, self.id or b"", self.number


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """A reaction; `emoji` is empty once it was taken back."""

    message: int
    sender: bytes = field(repr=False)
    id: bytes = field(repr=False)
    emoji: str = field(repr=False)
    content: bytes = field(repr=False)
    sent: int


@dataclass(frozen=True, slots=True)
class EarlyRow:
    """What waits for the message `target`."""

    target: bytes = field(repr=False)
    id: bytes = field(repr=False)
    sender: bytes = field(repr=False)
    content: bytes = field(repr=False)
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class ReportRow:
    """What somebody reported of a message of ours; `status` is that of `content.status`."""

    account: bytes = field(repr=False)
    status: int
    time: int


class History:
    """The tables `messages`, `versions`, `early`, `reactions`, `reports`, `owed`, `unstable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- Messages ---

    def add(self, conversation: int, **values: Value) -> int | None:
        """A new message or line; its number. None if its id is there already."""
        columns = ("conversation", *values)
        marks = ", ".join("?" * len(columns))
        done = self._store.execute(
            f"INSERT INTO messages ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
            " ON CONFLICT DO NOTHING",
            (conversation, *values.values()),
        )
        return done.lastrowid if done.rowcount == 1 else None

    def get(self, number: int) -> MessageRow | None:
        """The message with this number."""
        return next(self._rows("number=?", number), None)

    def by_id(self, conversation: int, id: bytes) -> MessageRow | None:
        """The message of which this is the id."""
        return next(self._rows("id=? AND conversation=?", id, conversation), None)

    def by_version(self, conversation: int, id: bytes) -> MessageRow | None:
        """The message of which this is the id, or that of an edit of it."""
        found = self.by_id(conversation, id)
        if found is not None:
            return found
        row = self._store.one(
            "SELECT message FROM versions WHERE id=? AND conversation=?", (id, conversation)
        )
        return None if row is None else self.get(row[0])

    def beginning(self, prefix: bytes, odd: str = "") -> list[MessageRow]:
        """At most two messages whose ids begin so: `odd` is half a byte more, a hexadecimal digit."""
        low, high = prefix, prefix + b"\xff" * (33 - len(prefix))
        if odd:
            half = int(odd, 16) << 4
            low, high = prefix + bytes((half,)), prefix + bytes((half | 0xF,)) + b"\xff" * 32
        return list(self._rows("id IS NOT NULL AND id BETWEEN ? AND ? LIMIT 2", low, high))

    def page(
        self,
        conversation: int,
        *,
        before: MessageRow | None = None,
        after: MessageRow | None = None,
        limit: int,
    ) -> list[MessageRow]:
        """Messages in order: the first after one, or else the last, before one if it is given."""
        if after is not None:
            where = f"conversation=? AND ({_ORDER}) > (?, ?, ?)"
            values: tuple[Any, ...] = (conversation, *after.place)
            if before is not None:
                where, values = f"{where} AND ({_ORDER}) < (?, ?, ?)", (*values, *before.place)
            return list(self._rows(f"{where} ORDER BY {_ORDER} LIMIT ?", *values, limit))
        where, values = "conversation=?", (conversation,)
        if before is not None:
            where, values = f"{where} AND ({_ORDER}) < (?, ?, ?)", (*values, *before.place)
        last = ", ".join(f"{one} DESC" for one in ("sent", "ifnull(id, x'')", "number"))
        found = list(self._rows(f"{where} ORDER BY {last} LIMIT ?", *values, limit))
        return found[::-1]

    def last(self, conversation: int) -> MessageRow | None:
        """The last in order."""
        found = self.page(conversation, limit=1)
        return found[0] if found else None

    def change(self, number: int, **values: Value) -> None:
        """Set columns of a message."""
        columns = ", ".join(f"{name}=?" for name in values)
        self._store.execute(
            f"UPDATE messages SET {columns} WHERE number=?",  # noqa: S608
            (*values.values(), number),
        )

    def remove(self, number: int) -> None:
        """Delete a message with all that belongs to it."""
        self._store.execute("DELETE FROM traces WHERE message=?", (number,))
        self._store.execute("DELETE FROM messages WHERE number=?", (number,))

    def edited(self, row: MessageRow, id: bytes) -> None:
        """Remember the id of an edit, as long as they are not too many."""
        self._store.execute(
            "INSERT INTO versions (id, conversation, message) SELECT ?, ?, ?"
            " WHERE (SELECT COUNT(*) FROM versions WHERE message=?) < ? ON CONFLICT DO NOTHING",
            (id, row.conversation, row.number, row.number, MAX_VERSIONS),
        )

    # --- Read and unread ---

    def unread(self, conversation: int, until: MessageRow | None = None) -> list[MessageRow]:
        """What was not read, in order, up to a message."""
        where, values = "conversation=? AND state='received'", (conversation,)
        if until is not None:
            where = f"{where} AND ({_ORDER}) <= (?, ?, ?)"
            return list(self._rows(f"{where} ORDER BY {_ORDER}", *values, *until.place))
        return list(self._rows(f"{where} ORDER BY {_ORDER}", *values))

    def count_unread(self, conversation: int) -> int:
        """How many messages were not read."""
        row = self._store.one(
            "SELECT COUNT(*) FROM messages WHERE conversation=? AND state='received'",
            (conversation,),
        )
        return 0 if row is None else int(row[0])

    # --- Going ---

    def due(self, time: float, most: int = 256) -> list[MessageRow]:
        """Messages whose time is over."""
        return list(
            self._rows(
                "expires IS NOT NULL AND expires <= ? ORDER BY expires LIMIT ?", int(time), most
            )
        )

    def next_due(self) -> int | None:
        """When the next one goes."""
        row = self._store.one("SELECT MIN(expires) FROM messages WHERE expires IS NOT NULL")
        return None if row is None else row[0]

    # --- What waits for its message ---

    def keep_early(self, conversation: int, early: EarlyRow) -> None:
        """Keep what came too early; of what is too much, the oldest goes."""
        self._store.execute(
            "INSERT INTO early (conversation, target, id, sender, content, sent, received)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (conversation, *_early_values(early)),
        )
        self._trim_early(" AND sender=?", (conversation, early.sender), MAX_EARLY_OF_ONE)
        self._trim_early("", (conversation,), MAX_EARLY)

    def _trim_early(self, extra: str, values: tuple[Any, ...], most: int) -> None:
        over = self._store.query(
            f"SELECT target, id FROM early WHERE conversation=?{extra}"  # noqa: S608
            " ORDER BY received DESC, sent DESC, id LIMIT -1 OFFSET ?",
            (*values, most),
        )
        for target, id in over:
            self._forget_early(values[0], target, id)

    def take_early(self, conversation: int, target: bytes) -> list[EarlyRow]:
        """What waited for this message, in the order in which it was sent. It waits no longer."""
        rows = self._store.query(
            "SELECT target, id, sender, content, sent, received FROM early"
            " WHERE conversation=? AND target=? ORDER BY sent, id",
            (conversation, target),
        )
        for target, id, *_ in rows:
            self._forget_early(conversation, target, id)
        return [EarlyRow(*row) for row in rows]

    def _forget_early(self, conversation: int, target: bytes, id: bytes) -> None:
        self._store.execute(
            "DELETE FROM early WHERE conversation=? AND target=? AND id=?",
            (conversation, target, id),
        )

    # --- Reactions ---

    def react(self, one: ReactionRow) -> bool:
        """Keep a reaction; whether it is new."""
        done = self._store.execute(
            "INSERT INTO reactions (message, sender, id, emoji, content, sent)"
            " SELECT ?, ?, ?, ?, ?, ? WHERE"
            " (SELECT COUNT(*) FROM reactions WHERE message=? AND sender=?) < ?"
            " ON CONFLICT DO NOTHING",
            (
                *(one.message, one.sender, one.id, one.emoji, one.content, one.sent),
                *(one.message, one.sender, MAX_REACTIONS),
            ),
        )
        return done.rowcount == 1

    def reaction(self, conversation: int, id: bytes) -> ReactionRow | None:
        """The reaction with this id."""
        row = self._store.one(
            "SELECT message, reactions.sender, reactions.id, emoji, reactions.content,"
            " reactions.sent FROM reactions JOIN messages ON number=message"
            " WHERE reactions.id=? AND conversation=?",
            (id, conversation),
        )
        return None if row is None else ReactionRow(*row)

    def take_back(self, one: ReactionRow) -> None:
        """It counts no longer. Its id stays, so that it cannot come again."""
        self._store.execute(
            "UPDATE reactions SET emoji='', content=x'' WHERE message=? AND sender=? AND id=?",
            (one.message, one.sender, one.id),
        )

    def reactions(self, message: int) -> list[ReactionRow]:
        """All that count, in the order in which they were sent."""
        rows = self._store.query(
            "SELECT message, sender, id, emoji, content, sent FROM reactions"
            " WHERE message=? AND emoji<>'' ORDER BY sent, id",
            (message,),
        )
        return [ReactionRow(*row) for row in rows]

    def forget_reactions(self, message: int) -> None:
        """Nobody reacts to what was deleted."""
        self._store.execute("DELETE FROM reactions WHERE message=?", (message,))

    # --- Reports ---

    def report(self, message: int, account: bytes, status: int, *, time: int) -> None:
        """Keep what somebody reported."""
        self._store.execute(
            "INSERT INTO reports (message, account, status, time) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET status=excluded.status, time=excluded.time",
            (message, account, status, time),
        )

    def reports(self, message: int) -> list[ReportRow]:
        """What was reported of a message, the first first."""
        rows = self._store.query(
            "SELECT account, status, time FROM reports WHERE message=? ORDER BY time, account",
            (message,),
        )
        return [ReportRow(*row) for row in rows]

    def owe(self, conversation: int, id: bytes, status: int) -> None:
        """Report this some time."""
        self._store.execute(
            "INSERT INTO owed (conversation, id, status) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET status=max(status, excluded.status)",
            (conversation, id, status),
        )

    def owed(self, conversation: int, most: int) -> list[tuple[bytes, int]]:
        """What is to be reported."""
        return self._store.query(
            "SELECT id, status FROM owed WHERE conversation=? LIMIT ?", (conversation, most)
        )

    def owing(self) -> list[int]:
        """Conversations in which something is to be reported."""
        return [row[0] for row in self._store.query("SELECT DISTINCT conversation FROM owed")]

    def paid(self, conversation: int, ids: Sequence[bytes] | None = None) -> None:
        """It is reported; without ids: nothing of this conversation will be."""
        if ids is None:
            self._store.execute("DELETE FROM owed WHERE conversation=?", (conversation,))
        for id in ids or ():
            self._store.execute(
                "DELETE FROM owed WHERE conversation=? AND id=?", (conversation, id)
            )

    # --- Changes that are not stable yet ---

    def hold(self, conversation: int, epoch: int, event: str, data: bytes) -> None:
        """Keep what a decision changed until a quorum holds it."""
        self._store.execute(
            "INSERT INTO unstable (conversation, epoch, event, data) VALUES (?, ?, ?, ?)",
            (conversation, epoch, event, data),
        )

    def held(self, conversation: int, epoch: int) -> list[tuple[int, str, bytes]]:
        """What decisions up to that of `epoch` changed: epoch, event, data. It is kept no longer."""
        rows = self._store.query(
            "SELECT epoch, event, data FROM unstable WHERE conversation=? AND epoch<=?"
            " ORDER BY number",
            (conversation, epoch),
        )
        self._store.execute(
            "DELETE FROM unstable WHERE conversation=? AND epoch<=?", (conversation, epoch)
        )
        return rows

    # --- Inside ---

    def _rows(self, where: str, *values: Any) -> Iterator[MessageRow]:
        for row in self._store.query(f"SELECT {_COLUMNS} FROM messages WHERE {where}", values):  # noqa: S608
            yield MessageRow(*row[:6], bool(row[6]), *row[7:])


def _early_values(early: EarlyRow) -> tuple[Any, ...]:
    return early.target, early.id, early.sender, early.content, early.sent, early.received
