"""What hangs on messages: reactions, changes that came too early, reports of others, reports that we owe."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from heliogram.node.store.database import Store

#: What waits for messages that have not come: of one sender, and in one conversation. The oldest goes first.
MOST_EARLY: Final = 64
MOST_EARLY_OF_ALL: Final = 1024

#: Reactions of one person to one message, with those that were taken back.
MOST_REACTIONS: Final = 64

#: Edits of one message that are known by their ids.
MOST_VERSIONS: Final = 256


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
    """The tables `reactions`, `versions`, `early`, `reports` and `owed`.

    All that writes belongs into a transaction.
    """

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store

    # --- Reactions --------------------------------------------------------------------------------

    def add_reaction(self, row: ReactionRow) -> bool:
        """Keep a reaction, or its newer version; False if it was taken back, or there are too many."""
        cursor = self._store.execute(
            "INSERT INTO reactions SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE"
            " (SELECT count(*) FROM reactions WHERE message = ?1 AND sender = ?2 AND id <> ?3) < ?7"
            " ON CONFLICT DO UPDATE SET emoji = excluded.emoji, content = excluded.content,"
            " sent = excluded.sent WHERE emoji <> '' AND content <> excluded.content",
            (row.message, row.sender, row.id, row.emoji, row.content, row.sent, MOST_REACTIONS),
        )
        return bool(cursor.rowcount)

    def remove_reaction(self, message: int, sender: bytes, id: bytes) -> bool:
        """Take a reaction back; whether it was there. Its id stays, so that it does not come again."""
        cursor = self._store.execute(
            "UPDATE reactions SET emoji = '', content = x'' WHERE message = ? AND sender = ? AND id = ?"
            " AND emoji <> ''",
            (message, sender, id),
        )
        return bool(cursor.rowcount)

    def remove_reactions(self, message: int) -> None:
        """Forget all reactions to a message."""
        self._store.execute("DELETE FROM reactions WHERE message = ?", (message,))

    def reaction(self, id: bytes, *, conversation: int, sender: bytes) -> ReactionRow | None:
        """A reaction that counts by its id, of one sender in one conversation."""
        row = self._store.one(
            "SELECT r.message, r.sender, r.id, r.emoji, r.content, r.sent FROM reactions r"
            " JOIN messages m ON m.number = r.message"
            " WHERE r.id = ? AND r.sender = ? AND m.conversation = ? AND r.emoji <> ''",
            (id, sender, conversation),
        )
        return ReactionRow(*row) if row else None

    def reactions(self, messages: Sequence[int]) -> dict[int, list[ReactionRow]]:
        """The reactions to messages that count, by number, each in the order in which they were sent."""
        found: dict[int, list[ReactionRow]] = defaultdict(list)
        for row in self._store.query(
            "SELECT message, sender, id, emoji, content, sent FROM reactions WHERE message IN"
            " (SELECT value FROM json_each(?)) AND emoji <> '' ORDER BY message, sent, id",
            (json.dumps(list(messages)),),
        ):
            found[row[0]].append(ReactionRow(*row))
        return dict(found)

    # --- Versions ---------------------------------------------------------------------------------

    def add_version(self, conversation: int, message: int, id: bytes) -> None:
        """Remember the id of an edit, if there are not too many."""
        self._store.execute(
            "INSERT INTO versions (id, conversation, message) SELECT ?1, ?2, ?3"
            " WHERE (SELECT count(*) FROM versions WHERE message = ?3) < ?4 ON CONFLICT DO NOTHING",
            (id, conversation, message, MOST_VERSIONS),
        )

    def versions(self, message: int) -> list[bytes]:
        """The ids of a message's edits."""
        rows = self._store.query("SELECT id FROM versions WHERE message = ?", (message,))
        return [row[0] for row in rows]

    def message_of_version(self, conversation: int, id: bytes) -> int | None:
        """The number of the message of which this edit is."""
        row = self._store.one(
            "SELECT message FROM versions WHERE id = ? AND conversation = ?", (id, conversation)
        )
        return row[0] if row else None

    # --- What came too early ----------------------------------------------------------------------

    def add_early(self, conversation: int, target: bytes, row: EarlyRow) -> None:
        """Keep a change until its message comes. What is too much pushes out the oldest of its kind."""
        self._store.execute(
            "INSERT OR REPLACE INTO early VALUES (?, ?, ?, ?, ?, ?, ?)",
            (conversation, target, row.id, row.sender, row.content, row.sent, row.received),
        )
        for also, params, most in (
            (" AND sender = ?", (conversation, row.sender), MOST_EARLY),
            ("", (conversation,), MOST_EARLY_OF_ALL),
        ):
            over = self._store.query(
                f"SELECT conversation, target, id FROM early WHERE conversation = ?{also}"  # noqa: S608
                " ORDER BY received DESC, sent DESC, id LIMIT -1 OFFSET ?",
                (*params, most),
            )
            self._store.execute_many(
                "DELETE FROM early WHERE conversation = ? AND target = ? AND id = ?", over
            )

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
        """Keep what somebody reported; whether it is something else than before."""
        cursor = self._store.execute(
            "INSERT INTO reports VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET status = excluded.status, time = excluded.time WHERE excluded.status <> status",
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

    def report(self, message: int, account: bytes) -> int | None:
        """The status that somebody reported of a message."""
        row = self._store.one(
            "SELECT status FROM reports WHERE message = ? AND account = ?", (message, account)
        )
        return row[0] if row else None

    def count_reports(self, message: int) -> int:
        """How many have reported of a message."""
        row = self._store.one("SELECT count(*) FROM reports WHERE message = ?", (message,))
        return int(row[0]) if row else 0

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

    def drop_owed(self, conversation: int) -> None:
        """Nothing is reported in a conversation any more."""
        self._store.execute("DELETE FROM owed WHERE conversation = ?", (conversation,))
