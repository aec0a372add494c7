"""What is pinned for all, and who may pin: the tables `pins` and `admins`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from heliogram.node.store.database import Store

#: What of all that is pinned is shown: the newest.
MOST_PINS: Final = 256

#: Epochs whose admins are known besides those of today: what is older cannot be read.
KEPT_EPOCHS: Final = 16

_ACCOUNT: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class PinRow:
    """The newest word on a message. `sent` is in milliseconds, `id` that of the message that says it."""

    message: int
    conversation: int
    pinned: bool
    sent: int
    id: bytes


class Pins:
    """Both tables. What writes belongs into a transaction."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store

    def put(self, row: PinRow) -> bool:
        """Keep a word, unless a later one is there; whether it is kept."""
        cursor = self._store.execute(
            "INSERT INTO pins VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " pinned = excluded.pinned, sent = excluded.sent, id = excluded.id"
            " WHERE (excluded.sent, excluded.id) > (sent, id)",
            (row.message, row.conversation, row.pinned, row.sent, row.id),
        )
        return bool(cursor.rowcount)

    def is_pinned(self, message: int) -> bool:
        """Whether a message is pinned."""
        row = self._store.one("SELECT pinned FROM pins WHERE message = ?", (message,))
        return row is not None and bool(row[0])

    def among(self, messages: Sequence[int]) -> frozenset[int]:
        """Those of these messages that are pinned."""
        rows = self._store.query(
            "SELECT message FROM pins WHERE pinned AND message IN (SELECT value FROM json_each(?))",
            (json.dumps(list(messages)),),
        )
        return frozenset(row[0] for row in rows)

    def of(self, conversation: int) -> list[int]:
        """What is pinned in a conversation, the newest first."""
        rows = self._store.query(
            "SELECT message FROM pins WHERE conversation = ? AND pinned"
            " ORDER BY sent DESC, id DESC LIMIT ?",
            (conversation, MOST_PINS),
        )
        return [row[0] for row in rows]

    def remove(self, message: int) -> None:
        """Forget what was said of a message."""
        self._store.execute("DELETE FROM pins WHERE message = ?", (message,))

    # --- Who may ----------------------------------------------------------------------------------

    def set_admins(self, conversation: int, epoch: int, accounts: Collection[bytes]) -> None:
        """These are admins and owners from an epoch on."""
        packed = b"".join(sorted(accounts))
        last = self._store.one(
            "SELECT accounts FROM admins WHERE conversation = ? AND epoch <= ?"
            " ORDER BY epoch DESC LIMIT 1",
            (conversation, epoch),
        )
        if last is not None and last[0] == packed:
            return
        self._store.execute(
            "INSERT OR REPLACE INTO admins VALUES (?, ?, ?)", (conversation, epoch, packed)
        )
        # The last one of those that are too old still says who was admin after it.
        self._store.execute(
            "DELETE FROM admins WHERE conversation = ?1 AND epoch < (SELECT max(epoch) FROM admins"
            " WHERE conversation = ?1 AND epoch <= ?2)",
            (conversation, epoch - KEPT_EPOCHS),
        )

    def admins(self, conversation: int, epoch: int = 0) -> frozenset[bytes]:
        """Admins and owners of an epoch; of the newest one, if it is 0."""
        row = self._store.one(
            "SELECT accounts FROM admins WHERE conversation = ?1 AND (?2 = 0 OR epoch <= ?2)"
            " ORDER BY epoch DESC LIMIT 1",
            (conversation, epoch),
        )
        packed = b"" if row is None else row[0]
        return frozenset(packed[at : at + _ACCOUNT] for at in range(0, len(packed), _ACCOUNT))
