"""What people chose in polls: the table `votes`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from heliogram.node.store.database import Store


@dataclass(frozen=True, slots=True, repr=False)
class VoteRow:
    """Somebody's vote in a poll. `sent` is in milliseconds."""

    message: int
    sender: bytes
    #: The id of the poll's version that they saw.
    target: bytes
    #: Places of options, from 0.
    options: tuple[int, ...]
    sent: int
    #: Of the message that votes.
    id: bytes


class Votes:
    """All votes. What writes belongs into a transaction."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store

    def put(self, row: VoteRow) -> bool:
        """Keep a vote, unless the same person has sent a later one; whether it is kept."""
        cursor = self._store.execute(
            "INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " target = excluded.target, options = excluded.options, sent = excluded.sent, id = excluded.id"
            " WHERE (excluded.sent, excluded.id) > (sent, id)",
            (row.message, row.sender, row.target, bytes(row.options), row.sent, row.id),
        )
        return bool(cursor.rowcount)

    def of(self, messages: Sequence[int]) -> dict[int, list[VoteRow]]:
        """The votes in polls, by the number of the poll, each in the order in which they were sent."""
        found: dict[int, list[VoteRow]] = defaultdict(list)
        for message, sender, target, options, sent, id in self._store.query(
            "SELECT message, sender, target, options, sent, id FROM votes WHERE message IN"
            " (SELECT value FROM json_each(?)) ORDER BY message, sent, id",
            (json.dumps(list(messages)),),
        ):
            found[message].append(VoteRow(message, sender, target, tuple(options), sent, id))
        return dict(found)

    def remove(self, message: int) -> None:
        """Forget all votes in a poll."""
        self._store.execute("DELETE FROM votes WHERE message = ?", (message,))
