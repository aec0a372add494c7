"""The store as an export shows it: people, conversations, messages as plain values. Reads in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from heliogram.content.errors import ContentError
from heliogram.content.forwarded import Forwarded
from heliogram.content.status import Status
from heliogram.node import api, english
from heliogram.node.engine import facts, reading
from heliogram.node.files import SealedFile
from heliogram.node.identity.devices import DeviceList
from heliogram.node.identity.names import clean
from heliogram.node.identity.safety import mark
from heliogram.node.store.connection import Connection

#: Messages that are read at once.
_BLOCK = 500

_ROLES = ("member", "admin", "owner")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation."""

    number: int
    name: str = field(repr=False)
    kind: str
    record: dict[str, Any] = field(repr=False)


class Chats:
    """All there is to read of a store. Use it within a snapshot."""

    def __init__(self, source: Connection) -> None:
        self._source = source
        self._names: dict[bytes, str] = {}
        settings: dict[str, bytes] = dict(
            source.query("SELECT name, value FROM settings WHERE name IN ('name', 'devices')")
        )
        own = msgspec.msgpack.decode(settings["name"]) if "name" in settings else ""
        for account, name in source.query("SELECT account, name FROM names"):
            self._names[account] = name
        for account, name in source.query("SELECT account, name FROM contacts WHERE name <> ''"):
            self._names[account] = name
        self._own = clean(own) if isinstance(own, str) and own else "Me"
        self._me = b""
        if "devices" in settings:
            self._me = DeviceList.from_bytes(msgspec.msgpack.decode(settings["devices"])).account
            self._names[self._me] = self._own

    def name(self, account: bytes | str | None) -> str:
        """What an account is called; also by its id in hexadecimal."""
        if account is None:
            return self._own
        key = bytes.fromhex(account) if isinstance(account, str) else account
        return clean(self._names.get(key, "")) or key.hex()[:16]

    def _person(self, account: bytes) -> api.Person:
        me = account == self._me
        return api.Person(account.hex(), self.name(account), mark(account), me=me)

    def count(self, conversation: int | None = None) -> int:
        """How many messages and lines there are, of one conversation or of all."""
        if conversation is None:
            row = self._source.one("SELECT count(*) FROM messages")
        else:
            row = self._source.one(
                "SELECT count(*) FROM messages WHERE conversation = ?", (conversation,)
            )
        return 0 if row is None else int(row[0])

    def people(self) -> list[dict[str, Any]]:
        """Everybody whom we know by a name."""
        rows = self._source.query(
            "SELECT c.account, c.name, coalesce(n.name, ''), c.verified, c.blocked"
            " FROM contacts c LEFT JOIN names n ON n.account = c.account"
            " UNION SELECT n.account, '', n.name, 0, 0 FROM names n"
            " WHERE n.account NOT IN (SELECT account FROM contacts)"
        )
        return [
            {
                "account": account.hex(),
                "name": self.name(account),
                "introduced_as": clean(name),
                "verified": bool(verified),
                "blocked": bool(blocked),
            }
            for account, _, name, verified, blocked in rows
        ]

    def conversations(self) -> list[Conversation]:
        """All conversations, in the order in which they began."""
        found = []
        rows = self._source.query(
            "SELECT number, id, kind, peer, name, description, phase, created, successor"
            " FROM conversations ORDER BY number"
        )
        for number, id, kind, peer, name, description, phase, created, successor in rows:
            shown = clean(name)
            if kind == "self":
                shown = "Notes"
            elif kind == "direct" and peer is not None:
                shown = self.name(peer)
            record = {
                "id": id.hex(),
                "number": number,
                "name": shown,
                "kind": kind,
                "description": description,
                "created": created,
                "phase": phase,
                "members": self._members(number),
                "successor": successor,
            }
            found.append(Conversation(number, shown or "Unnamed", kind, record))
        return found

    def messages(self, conversation: int) -> Iterator[dict[str, Any]]:
        """Messages and lines in order."""
        at: tuple[int, bytes, int] = (-(1 << 62), b"", 0)
        while True:
            rows = self._source.query(
                "SELECT number, sent, id, sender, mine, kind, text, content, received, reply_to, state,"
                " edited, expires, event, data, version, origin FROM messages WHERE conversation = ?"
                " AND (sent, ifnull(id, x''), number) > (?, ?, ?)"
                " ORDER BY sent, ifnull(id, x''), number LIMIT ?",
                (conversation, *at, _BLOCK),
            )
            for row in rows:
                yield self._message(row)
            if len(rows) < _BLOCK:
                return
            last = rows[-1]
            at = last[1], last[2] or b"", last[0]

    def thumbnail(self, message: int, place: int) -> bytes | None:
        """The small picture of a file."""
        row = self._source.one(
            "SELECT thumbnail FROM files WHERE message = ? AND place = ?", (message, place)
        )
        return None if row is None else row[0]

    def _members(self, conversation: int) -> list[dict[str, Any]]:
        rows = self._source.query(
            "SELECT account, role FROM members WHERE conversation = ?", (conversation,)
        )
        return [
            {"account": account.hex(), "role": _ROLES[role] if role < len(_ROLES) else "member"}
            for account, role in rows
        ]

    def _message(self, row: tuple[Any, ...]) -> dict[str, Any]:
        number, sent, id, sender, mine, kind, text, content, received, reply_to, state = row[:11]
        edited, expires, event, data, version, origin = row[11:]
        base = {"number": number, "kind": kind, "time": min(sent // 1000, received)}
        if kind in ("line", "unreadable"):
            line = facts.line(event, data, self._person)
            by = None if sender is None else self._person(sender)
            return base | {
                "sender": None if sender is None else sender.hex(),
                "line": msgspec.to_builtins(line),
                "text": english.sentence(line, by),
            }
        said = reading.of_bytes(content) if kind in ("text", "file") else None
        if kind == "poll":
            base["poll"] = self._poll(number, content, version or id)
        if origin is not None:
            base["forwarded"] = self._origin(sender, origin)
        return base | {
            "id": "" if id is None else id.hex(),
            "sender": None if sender is None else sender.hex(),
            "mine": bool(mine),
            "text": text,
            "markdown": said is not None and reading.shown(said).markdown,
            "received": received,
            "reply_to": None if reply_to is None else reply_to.hex(),
            "edited": edited // 1000 or None,
            "state": state,
            "expires": expires,
            "reactions": self._reactions(number),
            "pinned": self._is_pinned(number),
            "reports": self._reports(number) if mine else [],
            "files": self._files(number),
        }

    def _poll(self, message: int, content: bytes | None, version: bytes | None) -> Any:
        """Question, options and who chose which."""
        votes = self._source.query(
            "SELECT sender, target, options FROM votes WHERE message = ? ORDER BY sent, id",
            (message,),
        )
        found = reading.standing(content, version, votes)
        if found is None:
            return None
        asked, chosen = found
        return {
            "question": asked.question,
            "most": asked.most,
            "options": [
                {
                    "text": text,
                    "votes": [who.hex() for who, places in chosen.items() if at in places],
                }
                for at, text in enumerate(asked.options)
            ],
        }

    def _origin(self, sender: bytes | None, data: bytes) -> dict[str, Any] | None:
        """Where a message was forwarded from, as its sender says."""
        try:
            found = Forwarded.from_bytes(data)
        except ContentError:
            return None
        return {"name": found.name or self.name(sender), "time": found.time // 1000 or None}

    def _is_pinned(self, message: int) -> bool:
        row = self._source.one("SELECT pinned FROM pins WHERE message = ?", (message,))
        return row is not None and bool(row[0])

    def _reactions(self, message: int) -> list[dict[str, Any]]:
        rows = self._source.query(
            "SELECT emoji, sender, sent FROM reactions WHERE message = ? AND emoji <> ''"
            " ORDER BY sent",
            (message,),
        )
        return [
            {"emoji": emoji, "who": sender.hex(), "time": sent // 1000}
            for emoji, sender, sent in rows
        ]

    def _reports(self, message: int) -> list[dict[str, Any]]:
        rows = self._source.query(
            "SELECT account, status, time FROM reports WHERE message = ?", (message,)
        )
        return [
            {"who": account.hex(), "status": _status(status), "time": time}
            for account, status, time in rows
        ]

    def _files(self, message: int) -> list[dict[str, Any]]:
        rows = self._source.query(
            "SELECT name, content_type, size, state, duration, path, spool, key, plain, blob FROM files"
            " WHERE message = ? ORDER BY place",
            (message,),
        )
        return [
            {
                "name": name,
                "type": kind,
                "size": size,
                "state": state,
                "duration": duration,
                "path": None,
                "source": path if state == "here" else None,
                "sealed": None if spool is None else (spool, SealedFile(key, size, plain, blob)),
            }
            for name, kind, size, state, duration, path, spool, key, plain, blob in rows
        ]


def _status(number: int) -> str:
    try:
        return Status(number).name.lower()
    except ValueError:
        return "unknown"
