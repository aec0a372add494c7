"""Conversations in the store: the list of them, who is in, what their logs keep, what waits to be said.

What faces show of a conversation stands in `conversations` and `members`, so that lists come without loading
a group. Each `Keeping` is the part of the store that belongs to one log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from heliogram.node.chain import Decision
from heliogram.node.store.database import Store, Value
from heliogram.wire.limits import HASH_SIZE

_COLUMNS = (
    "number, id, kind, peer, name, description, picture, expiry, relays, phase, created, reports, pinned,"
    " muted, archived, draft, last, clock, predecessor, successor"
)

_OUTBOX = "number, conversation, kind, content, message, created, held, epoch, entry, grace, stored"

#: Traces of one message: a relay that answers again and again is not written down for ever.
MAX_TRACES = 256

#: Columns that `Logs.change` may set.
_CHANGEABLE = frozenset(
    {
        *("name", "description", "picture", "expiry", "relays", "phase", "reports", "pinned"),
        *(
            "muted",
            "archived",
            "draft",
            "last",
            "clock",
            "predecessor",
            "successor",
            "peer",
        ),
    }
)


#: Those that are numbers in the store and truths in a row.
_FLAGS = frozenset({"pinned", "muted", "archived"})


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation, as lists know it."""

    number: int
    id: bytes = field(repr=False)
    #: direct, group, self
    kind: str
    peer: bytes | None = field(repr=False)
    name: str = field(repr=False)
    description: str = field(repr=False)
    picture: bytes = field(repr=False)
    expiry: int
    #: An encoded `Configuration`.
    relays: bytes = field(repr=False)
    #: opening, open, wounded, dead, out
    phase: str
    created: int
    #: 0: never, 1: always, 2: as preferred, unless the conversation is large.
    reports: int
    pinned: bool
    muted: bool
    archived: bool
    draft: str = field(repr=False)
    last: int | None
    clock: int
    predecessor: int | None
    successor: int | None


@dataclass(frozen=True, slots=True)
class MemberRow:
    """An account in a conversation; `role` is that of `components.Role`."""

    account: bytes = field(repr=False)
    role: int
    devices: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something that not all relays have yet."""

    number: int
    conversation: int
    kind: str
    content: bytes = field(repr=False)
    message: int | None
    created: int
    held: bool
    epoch: int | None
    entry: bytes | None = field(repr=False)
    grace: bool
    stored: bool


@dataclass(frozen=True, slots=True)
class TraceRow:
    """What one relay saw of a message; `minute` is Unix time / 60."""

    relay: bytes = field(repr=False)
    what: str
    size: int
    minute: int
    epoch: int
    stored: bool


@dataclass(frozen=True, slots=True)
class WishRow:
    """A change that somebody here wants."""

    number: int
    conversation: int
    command: str
    wish: bytes = field(repr=False)
    created: int


class Keeping:
    """What one log keeps: the records of its `Conversation`, its own state, decisions."""

    def __init__(self, store: Store, number: int, time: Callable[[], float]) -> None:
        """`time` tells Unix seconds: when a decision came."""
        self._store = store
        self.number = number
        self._time = time

    def records(self) -> dict[bytes, bytes]:
        """All records of the conversation."""
        rows = self._store.query(
            "SELECT name, value FROM records WHERE conversation=?", (self.number,)
        )
        return {bytes(name): bytes(value) for name, value in rows}

    def write(self, records: Mapping[bytes, bytes | None]) -> None:
        """Write `Effects.records`."""
        self._write("records", records)

    def states(self, prefix: bytes) -> dict[bytes, bytes]:
        """All pieces of the log's own state whose names begin so."""
        rows = self._store.query(
            "SELECT name, value FROM log_state WHERE conversation=? AND name BETWEEN ? AND ?",
            (self.number, prefix, prefix + b"\xff" * 64),
        )
        return {bytes(name): bytes(value) for name, value in rows}

    def get(self, name: bytes) -> bytes | None:
        """A piece of the log's own state."""
        row = self._store.one(
            "SELECT value FROM log_state WHERE conversation=? AND name=?", (self.number, name)
        )
        return None if row is None else bytes(row[0])

    def put(self, name: bytes, value: bytes | None) -> None:
        """Write it; None deletes it."""
        self._write("log_state", {name: value})

    def decision(self, epoch: int) -> Decision | None:
        """The decision that ended an epoch, if it is kept."""
        row = self._store.one(
            "SELECT decision FROM decisions WHERE conversation=? AND epoch=?", (self.number, epoch)
        )
        return None if row is None else Decision.from_bytes(bytes(row[0]))

    def keep(self, decision: Decision) -> None:
        """Keep a decision, to bring relays level."""
        self._store.execute(
            "INSERT OR REPLACE INTO decisions (conversation, epoch, decision, time)"
            " VALUES (?, ?, ?, ?)",
            (self.number, decision.epoch, decision.encode(), int(self._time())),
        )

    def _write(self, table: str, values: Mapping[bytes, bytes | None]) -> None:
        for name, value in values.items():
            if value is None:
                self._store.execute(
                    f"DELETE FROM {table} WHERE conversation=? AND name=?",  # noqa: S608
                    (self.number, name),
                )
            else:
                self._store.execute(
                    f"INSERT INTO {table} (conversation, name, value) VALUES (?, ?, ?)"  # noqa: S608
                    " ON CONFLICT DO UPDATE SET value=excluded.value",
                    (self.number, name, bytes(value)),
                )


class Logs:
    """Tables of conversations, of what is to be said and wished there, and of relays."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = store.memo("conversations")
        self._members = store.memo("members")
        #: See `PeopleTables.revoked`.
        self.revoked = store.memo("revoked in")
        self._saying = store.memo("outbox")
        self._relays = store.memo("relays")

    # --- Conversations ---

    def add(
        self,
        id: bytes,
        kind: str,
        *,
        peer: bytes | None = None,
        phase: str = "opening",
        created: int,
        predecessor: int | None = None,
    ) -> int:
        """A new conversation; its number."""
        return self._insert(
            "INSERT INTO conversations (id, kind, peer, phase, created, predecessor)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (id, kind, peer, phase, created, predecessor),
        )

    def come_back(self, number: int) -> None:
        """We are asked into a conversation again that we were out of: its log begins anew, history stays."""
        for table in ("records", "log_state", "decisions", "outbox", "wishes", "unstable", "owed"):
            self._store.execute(
                f"DELETE FROM {table} WHERE conversation=?",  # noqa: S608
                (number,),
            )
        self.change(number, phase="open")

    def get(self, number: int) -> ConversationRow | None:
        """A conversation."""
        known: ConversationRow | None = self._rows.get(number)
        if known is None:
            row = self._store.one(f"SELECT {_COLUMNS} FROM conversations WHERE number=?", (number,))  # noqa: S608
            known = None if row is None else self._rows.keep(number, _conversation(row))
        return known

    def number_of(self, id: bytes) -> int | None:
        """The number of the conversation with this group id."""
        row = self._store.one("SELECT number FROM conversations WHERE id=?", (id,))
        return None if row is None else int(row[0])

    def every(self) -> list[ConversationRow]:
        """All of them, by number."""
        rows = self._store.query(f"SELECT {_COLUMNS} FROM conversations ORDER BY number")  # noqa: S608
        return [_conversation(row) for row in rows]

    def has_self(self) -> bool:
        """Whether there is a conversation with ourselves."""
        return self._store.one("SELECT 1 FROM conversations WHERE kind='self'") is not None

    def direct_with(self, account: bytes) -> int | None:
        """The newest direct conversation with an account."""
        row = self._store.one(
            "SELECT number FROM conversations WHERE kind='direct' AND peer=?"
            " ORDER BY number DESC LIMIT 1",
            (account,),
        )
        return None if row is None else int(row[0])

    def change(self, number: int, **values: Value) -> None:
        """Set columns. Raises `ValueError` for one that does not change."""
        if not values.keys() <= _CHANGEABLE:
            raise ValueError("a column of conversations that does not change")
        row: ConversationRow | None = self._rows.pop(number, None)
        columns = ", ".join(f"{name}=?" for name in values)
        self._store.execute(
            f"UPDATE conversations SET {columns} WHERE number=?",  # noqa: S608
            (*values.values(), number),
        )
        if row is not None and not values.keys() & _FLAGS:
            self._rows.keep(number, replace(row, **values))  # type: ignore[arg-type]

    # --- Successors ---

    def add_succession(self, number: int, left_out: Iterable[bytes]) -> None:
        """A conversation goes on from its predecessor, without these accounts, by our doing."""
        self._store.execute(
            "INSERT OR REPLACE INTO successions (conversation, left_out) VALUES (?, ?)",
            (number, b"".join(left_out)),
        )

    def successions(self) -> dict[int, frozenset[bytes]]:
        """Successors that we founded, with who is left out."""
        rows = self._store.query("SELECT conversation, left_out FROM successions")
        return {
            number: frozenset(out[at : at + HASH_SIZE] for at in range(0, len(out), HASH_SIZE))
            for number, out in rows
        }

    def move_succession(self, number: int, new: int) -> None:
        """It is another one of ours that goes on, with the same people left out."""
        self._store.execute(
            "UPDATE successions SET conversation=? WHERE conversation=?", (new, number)
        )

    def end_succession(self, number: int) -> None:
        """It is none of ours any more."""
        self._store.execute("DELETE FROM successions WHERE conversation=?", (number,))

    def said_elsewhere(self, number: int, conversation: int, content: bytes, *, held: bool) -> None:
        """Move an item of the outbox to another conversation, to be encrypted there as `content`."""
        self._store.execute(
            "UPDATE outbox SET conversation=?, content=?, held=?, epoch=NULL, entry=NULL, grace=0"
            " WHERE number=?",
            (conversation, content, held, number),
        )

    # --- Members ---

    def members(self, number: int) -> list[MemberRow]:
        """Who is in, by account."""
        rows = self._store.query(
            "SELECT account, role, devices FROM members WHERE conversation=? ORDER BY account",
            (number,),
        )
        return [MemberRow(bytes(account), role, devices) for account, role, devices in rows]

    def conversations_of(self, account: bytes) -> list[int]:
        """Numbers of the conversations that an account is in, as far as we are in them."""
        rows = self._store.query(
            "SELECT m.conversation FROM members m JOIN conversations c ON c.number = m.conversation"
            " WHERE m.account = ? AND c.phase NOT IN ('dead', 'out')",
            (account,),
        )
        return [row[0] for row in rows]

    def member_count(self, number: int) -> int:
        """How many accounts are in."""
        many: int | None = self._members.get(number)
        if many is None:
            row = self._store.one("SELECT COUNT(*) FROM members WHERE conversation=?", (number,))
            many = self._members.keep(number, 0 if row is None else int(row[0]))
        return many or 0

    def set_members(self, number: int, members: Iterable[MemberRow]) -> None:
        """Write who is in from now on."""
        self._members.pop(number, None)
        self.revoked.pop(number, None)
        self._store.execute("DELETE FROM members WHERE conversation=?", (number,))
        for one in members:
            self._store.execute(
                "INSERT INTO members (conversation, account, role, devices) VALUES (?, ?, ?, ?)",
                (number, one.account, one.role, one.devices),
            )

    # --- Outbox ---

    def queue(
        self,
        conversation: int,
        kind: str,
        content: bytes,
        *,
        message: int | None = None,
        created: int,
        held: bool = False,
    ) -> int:
        """Something to be said; its number."""
        return self._insert(
            "INSERT INTO outbox (conversation, kind, content, message, created, held)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (conversation, kind, content, message, created, held),
        )

    def message_of(self, number: int) -> int | None:
        """The message that this is of in the outbox; None if it is of none, or there no longer."""
        try:
            found = self._saying[number]
        except KeyError:
            row = self._store.one("SELECT message FROM outbox WHERE number=?", (number,))
            found = self._saying.keep(number, None if row is None else row[0])
        return None if found is None else int(found)

    def outgoing_of(self, message: int) -> OutboxRow | None:
        """What is to be said of a message of ours."""
        rows = self._outbox("message=? ORDER BY number", message)
        return rows[0] if rows else None

    def outbox(self, conversation: int) -> list[OutboxRow]:
        """What a conversation has to say, in order."""
        return self._outbox("conversation=? ORDER BY number", conversation)

    def _outbox(self, where: str, value: int) -> list[OutboxRow]:
        rows = self._store.query(f"SELECT {_OUTBOX} FROM outbox WHERE {where}", (value,))  # noqa: S608
        return [_outbox_row(row) for row in rows]

    def waiting(self) -> int:
        """How many messages of ours a quorum has not signed for."""
        row = self._store.one("SELECT COUNT(*) FROM outbox WHERE stored=0 AND message IS NOT NULL")
        return 0 if row is None else int(row[0])

    def encrypted(self, number: int, epoch: int, entry: bytes, *, grace: bool = False) -> None:
        """Keep what was encrypted: after a restart the same bytes go out."""
        self._store.execute(
            "UPDATE outbox SET epoch=?, entry=?, grace=? WHERE number=?",
            (epoch, entry, grace, number),
        )

    def release(self, number: int) -> None:
        """It is held no longer."""
        self._store.execute("UPDATE outbox SET held=0 WHERE number=?", (number,))

    def quorum(self, number: int) -> None:
        """A quorum has signed for it."""
        self._store.execute("UPDATE outbox SET stored=1 WHERE number=?", (number,))

    def said(self, number: int) -> None:
        """Nothing is left to do for it."""
        self._saying.pop(number, None)
        self._store.execute("DELETE FROM outbox WHERE number=?", (number,))

    # --- Traces ---

    def trace(self, message: int, seen: TraceRow) -> None:
        """Keep what a relay saw of a message; not more than `MAX_TRACES`."""
        self._store.execute(
            "INSERT INTO traces (message, relay, what, size, minute, epoch, stored)"
            " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7"
            " WHERE (SELECT COUNT(*) FROM traces WHERE message=?1) < ?8",
            (
                *(message, seen.relay, seen.what, seen.size, seen.minute, seen.epoch, seen.stored),
                MAX_TRACES,
            ),
        )

    def signers(self, messages: Sequence[int]) -> dict[int, list[bytes]]:
        """The relays that signed for messages, by the messages' numbers, each once, in order."""
        found: dict[int, dict[bytes, None]] = {}
        for message, relay in self._store.query(
            "SELECT message, relay FROM traces WHERE message IN (SELECT value FROM json_each(?))"
            " AND stored AND what='post' ORDER BY message, rowid",
            (json.dumps(list(messages)),),
        ):
            found.setdefault(message, {})[relay] = None
        return {message: list(relays) for message, relays in found.items()}

    def traces(self, message: int) -> list[TraceRow]:
        """What relays saw of a message, in order."""
        rows = self._store.query(
            "SELECT relay, what, size, minute, epoch, stored FROM traces WHERE message=?"
            " ORDER BY rowid",
            (message,),
        )
        return [
            TraceRow(relay, what, size, minute, epoch, bool(stored))
            for relay, what, size, minute, epoch, stored in rows
        ]

    # --- Wishes ---

    def want(self, conversation: int, command: str, wish: bytes, *, created: int) -> int:
        """A change that is wanted; its number."""
        return self._insert(
            "INSERT INTO wishes (conversation, command, wish, created) VALUES (?, ?, ?, ?)",
            (conversation, command, wish, created),
        )

    def wish(self, number: int) -> WishRow | None:
        """The wish with this number."""
        row = self._store.one(
            "SELECT number, conversation, command, wish, created FROM wishes WHERE number=?",
            (number,),
        )
        return None if row is None else WishRow(*row)

    def wishes(self, conversation: int) -> list[WishRow]:
        """What is wanted of a conversation, in order."""
        rows = self._store.query(
            "SELECT number, conversation, command, wish, created FROM wishes WHERE conversation=?"
            " ORDER BY number",
            (conversation,),
        )
        return [WishRow(*row) for row in rows]

    def granted(self, number: int) -> None:
        """It is done, or was told as failed."""
        self._store.execute("DELETE FROM wishes WHERE number=?", (number,))

    # --- Changes that are not stable yet ---

    def hold(self, conversation: int, epoch: int, event: str, data: bytes) -> None:
        """Keep what a decision changed until a quorum holds it."""
        self._store.execute(
            "INSERT INTO unstable (conversation, epoch, event, data) VALUES (?, ?, ?, ?)",
            (conversation, epoch, event, data),
        )

    def take_held(self, conversation: int, epoch: int) -> list[tuple[int, str, bytes]]:
        """What decisions up to that of `epoch` changed: epoch, event, data. It is kept no longer."""
        rows = self._store.query(
            "SELECT epoch, event, data FROM unstable WHERE conversation=? AND epoch<=?"
            " ORDER BY number",
            (conversation, epoch),
        )
        if rows:
            self._store.execute(
                "DELETE FROM unstable WHERE conversation=? AND epoch<=?", (conversation, epoch)
            )
        return rows

    # --- Relays for what we begin ---

    def relays(self) -> list[bytes]:
        """Encoded descriptions, in the order in which they were added."""
        known: list[bytes] | None = self._relays.get("relays")
        if known is None:
            rows = self._store.query("SELECT description FROM relays ORDER BY added, rowid")
            known = self._relays.keep("relays", [bytes(row[0]) for row in rows])
        return list(known)

    def count_relays(self) -> tuple[int, int]:
        """How many there are, and when the last one was added (Unix seconds)."""
        row = self._store.one("SELECT COUNT(*), ifnull(max(added), 0) FROM relays")
        return (0, 0) if row is None else (row[0], row[1])

    def add_relay(self, key: bytes, description: bytes, *, added: int) -> None:
        """Begin there, too; a relay that is known gets the new description."""
        self._relays.clear()
        self._store.execute(
            "INSERT INTO relays (key, description, added) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET description=excluded.description",
            (key, description, added),
        )

    def remove_relay(self, key: bytes) -> None:
        """Begin nothing there any more."""
        self._relays.clear()
        self._store.execute("DELETE FROM relays WHERE key=?", (key,))

    def faults(self, relay: bytes) -> list[str]:
        """What a relay did that none may do."""
        rows = self._store.query("SELECT fault FROM faults WHERE relay=? ORDER BY time", (relay,))
        return [row[0] for row in rows]

    def fault(self, relay: bytes, fault: str, proof: bytes | None, *, time: int) -> None:
        """Keep that, with the proof if there is one."""
        self._store.execute(
            "INSERT OR IGNORE INTO faults (relay, fault, proof, time) VALUES (?, ?, ?, ?)",
            (relay, fault, proof, time),
        )

    def _insert(self, sql: str, values: tuple[Value, ...]) -> int:
        return self._store.execute(sql, values).lastrowid or 0


def _conversation(row: tuple[Any, ...]) -> ConversationRow:
    number, id, kind, peer, name, description, picture, expiry, relays, phase, created, *rest = row
    reports, pinned, muted, archived, draft, last, clock, predecessor, successor = rest
    return ConversationRow(
        *(number, id, kind, peer, name, description, picture, expiry, relays, phase, created),
        *(reports, bool(pinned), bool(muted), bool(archived)),
        *(draft, last, clock, predecessor, successor),
    )


def _outbox_row(row: tuple[Any, ...]) -> OutboxRow:
    number, conversation, kind, content, message, created, held, epoch, entry, grace, stored = row
    return OutboxRow(
        *(number, conversation, kind, content, message, created, bool(held), epoch, entry),
        *(bool(grace), bool(stored)),
    )
