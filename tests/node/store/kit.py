"""A store in a new directory, and what goes into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heliogram.mls import Secret
from heliogram.node.store.database import Store
from heliogram.node.store.messages import Messages

KEY = Secret(b"k" * 32)
ANNA, BERT = b"a" * 32, b"b" * 32

#: 1 January 2026, midday, in milliseconds.
NOON = 1_767_268_800_000
DAY = 86_400_000


@contextmanager
def new_store(folder: Path) -> Iterator[Store]:
    """A new store, closed at the end."""
    store = Store.create(folder / "profile.db", KEY)
    try:
        yield store
    finally:
        store.close()


def conversation(store: Store, name: str = "") -> int:
    """A new conversation's number."""
    cursor = store.execute(
        "INSERT INTO conversations (id, kind, name, phase, created)"
        " VALUES (randomblob(32), 'group', ?, 'open', 0)",
        (name,),
    )
    assert cursor.lastrowid is not None
    return int(cursor.lastrowid)


def say(
    store: Store,
    where: int,
    text: str,
    *,
    sent: int = NOON,
    id: bytes | None = None,
    sender: bytes = ANNA,
    files: int = 0,
    also: str = "",
    expires: int | None = None,
    state: str = "received",
) -> int:
    """A message of somebody's; its number."""
    table = Messages(store)
    row = store.one("SELECT max(number) FROM messages")
    number = (row[0] if row and row[0] else 0) + 1
    return table.add(
        conversation=where,
        sent=sent,
        kind="text",
        text=text,
        received=sent // 1000,
        state=state,
        id=id or number.to_bytes(32, "big"),
        sender=sender,
        content=text.encode(),
        files=files,
        also=also,
        expires=expires,
    )
