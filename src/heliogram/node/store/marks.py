"""What hangs on messages: reactions, changes that came too early, reports of others, reports that we owe."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from heliogram.node.store.database import Store

#: Early changes that are kept for one message that has not come. An author has no need of more.
MOST_EARLY: Final = 64


@dataclass(frozen=True, slots=True, repr=False)
class ReactionRow:
    """Somebody's reaction to a message. `sent` is in milliseconds."""

    message: int
    sender: bytes
    #: Of the message that reacts.
    id: bytes
    emoji: str
    content: bytes
    sent: int


@dataclass(frozen=True, slots=True, repr=False)
class EarlyRow:
    """A change whose message has not come yet. `sent` is in milliseconds."""

    id: bytes
    sender: bytes
    content: bytes
    sent: int
    received: int


@dataclass(frozen=True, slots=True, repr=False)
class ReportRow:
    """What somebody reported of a message of ours."""

    message: int
    account: bytes
    #: A `MessageStatus`.
    status: int
    time: int


class Marks:
    """The tables `reactions`, `early`, `reports` and `owed`. All that writes belongs into a transaction."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store

    # --- Reactions --------------------------------------------------------------------------------

    def add_reaction(self, row: ReactionRow) -> None:
        """Keep a reaction, or its newer version."""
        self._store.execute(
            "INSERT OR REPLACE INTO reactions VALUES (?, ?, ?, ?, ?, ?)",
            (row.message, row.sender, row.id, row.emoji, row.content, row.sent),
        )

    def remove_reaction(self, message: int, sender: bytes, id: bytes) -> bool:
        """Forget a reaction; whether it was there."""
        cursor = self._store.execute(
            "DELETE FROM reactions WHERE message = ? AND sender = ? AND id = ?",
            (message, sender, id),
        )
        return bool(cursor.rowcount)

    def reaction(self, id: bytes, *, conversation: int, sender: bytes) -> ReactionRow | None:
        """A reaction by its id, of one sender in one conversation."""
        row = self._store.one(
            "SELECT r.message, r.sender, r.id, r.emoji, r.content, r.sent FROM reactions r"
            " JOIN messages m ON m.number = r.message"
            " WHERE r.id = ? AND r.sender = ? AND m.conversation = ?",
            (id, sender, conversation),
        )
        return ReactionRow(*row) if row else None

    def reactions(self, messages: Sequence[int]) -> dict[int, list[ReactionRow]]:
        """The reactions to messages, by number, each in the order in which they were sent."""
        found: dict[int, list[ReactionRow]] = defaultdict(list)
        for row in self._store.query(
            "SELECT message, sender, id, emoji, content, sent FROM reactions WHERE message IN"
            " (SELECT value FROM json_each(?)) ORDER BY message, sent, id",
            (json.dumps(list(messages)),),
        ):
            found[row[0]].append(ReactionRow(*row))
        return dict(found)

    # --- What came too early ----------------------------------------------------------------------

    def add_early(self, conversation: int, target: bytes, row: EarlyRow) -> bool:
        """Keep a change until its message comes; False if there are too many for that message."""
        count = self._store.one(
            "SELECT count(*) FROM early WHERE conversation = ? AND target = ?",
            (conversation, target),
        )
        if count is not None and count[0] >= MOST_EARLY:
            return False
        self._store.execute(
            "INSERT OR REPLACE INTO early VALUES (?, ?, ?, ?, ?, ?, ?)",
            (conversation, target, row.id, row.sender, row.content, row.sent, row.received),
        )
        return True

    def take_early(self, conversation: int, target: bytes) -> list[EarlyRow]:
        """What has waited for a message, as it was sent; it is forgotten here."""
        rows = self._store.query(
            "SELECT id, sender, content, sent, received FROM early"
            " WHERE conversation = ? AND target = ? ORDER BY sent, id",
            (conversation, target),
        )
        if rows:
            self._store.execute(
                "DELETE FROM early WHERE conversation = ? AND target = ?", (conversation, target)
            )
        return [EarlyRow(*row) for row in rows]

    def drop_early(self, before: int) -> None:
        """Forget what waits since before `before` (Unix seconds): its message will not come."""
        self._store.execute("DELETE FROM early WHERE received < ?", (before,))

    # --- Reports ----------------------------------------------------------------------------------

    def set_report(self, row: ReportRow) -> bool:
        """Keep what somebody reported, if it says more than before; whether it does."""
        cursor = self._store.execute(
            "INSERT INTO reports VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET status = excluded.status, time = excluded.time WHERE excluded.status > status",
            (row.message, row.account, row.status, row.time),
        )
        return bool(cursor.rowcount)

    def reports(self, messages: Sequence[int]) -> dict[int, list[ReportRow]]:
        """What others reported of messages, by number."""
        found: dict[int, list[ReportRow]] = defaultdict(list)
        for row in self._store.query(
            "SELECT message, account, status, time FROM reports WHERE message IN"
            " (SELECT value FROM json_each(?)) ORDER BY message, time, account",
            (json.dumps(list(messages)),),
        ):
            found[row[0]].append(ReportRow(*row))
        return dict(found)

    # --- What we owe ------------------------------------------------------------------------------

    def add_owed(self, conversation: int, id: bytes, status: int) -> None:
        """Note that a message's status is to be reported; a later note takes the place of an earlier one."""
        self._store.execute(
            "INSERT INTO owed VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET status = excluded.status",
            (conversation, id, status),
        )

    def take_owed(self, conversation: int, limit: int = 1000) -> list[tuple[bytes, int]]:
        """Ids and statuses to report now; they are forgotten here."""
        rows = self._store.query(
            "SELECT id, status FROM owed WHERE conversation = ? ORDER BY id LIMIT ?",
            (conversation, limit),
        )
        self._store.execute_many(
            "DELETE FROM owed WHERE conversation = ? AND id = ?",
            ((conversation, id) for id, _ in rows),
        )
        return [(id, status) for id, status in rows]

    def owing(self) -> list[int]:
        """The conversations in which we owe reports."""
        return [row[0] for row in self._store.query("SELECT DISTINCT conversation FROM owed")]
