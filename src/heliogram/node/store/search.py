"""Search over all that was said: a query as people type it, and the messages that answer it.

    query = Query.parse('from:anna before:2026-01-31 "good morning" hel')
    found = search(reader, query, accounts=[…], limit=50)

All words must be there; the last one may be only begun, as long as no space follows. Words in quotes stand
side by side. `from:` and `in:` name people and conversations (their names are the caller's to resolve),
`before:` and `after:` a day, `has:file` is what it says. Anything else is looked for as it is: there is no
input that is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from heliogram.node.store.connection import Connection
from heliogram.node.store.messages import COLUMNS, MessageRow, message_row
from heliogram.node.store.words import (
    conversation_facet,
    excerpt,
    file_facet,
    month_facets,
    searched,
    sender_facet,
    tokens,
)

#: What is read of a query: characters, terms, and characters of a term. The rest is not looked for.
LONGEST_QUERY: Final = 65_536
MOST_TERMS: Final = 32
LONGEST_TERM: Final = 256

#: Names after `from:` and `in:`.
MOST_NAMES: Final = 16

#: Accounts and conversations of one filter. Names that fit more are too short to mean anything.
MOST_WANTED: Final = 1000

#: The first and the last time of all: one look into an index a conversation.
_BOUNDS: Final = (
    "SELECT min((SELECT min(sent) FROM messages WHERE conversation = c.number)),"
    " max((SELECT max(sent) FROM messages WHERE conversation = c.number)) FROM conversations c"
)

_QUOTES: Final = str.maketrans("“”„‟«»\x00", '""""""\x20')
_PIECE: Final = re.compile(r'(?:(from|in|before|after|has):)?(?:"([^"]*)(?:"|$)|([^\s"]+))', re.I)


@dataclass(frozen=True, slots=True, repr=False)
class Term:
    """Words that stand side by side."""

    text: str
    #: Whether the last word may be only begun.
    begun: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """What is looked for. Whatever there are several of: terms must all fit, people and chats one each."""

    terms: tuple[Term, ...] = ()
    #: Names after `from:` and `in:`, as typed.
    people: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    #: Sent before this day begins, and not before this one: in the zone of this machine.
    before: date | None = None
    after: date | None = None
    has_file: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for; then nothing is found."""
        return self == Query()

    @classmethod
    def parse(cls, text: str) -> Query:
        """A query of any text."""
        text = text[:LONGEST_QUERY].translate(_QUOTES)
        reading = _Reading()
        for match in _PIECE.finditer(text):
            last = match.end() == len(text) and match[2] is None
            if not reading.take(match, begun=last):
                break
        return cls(
            tuple(reading.terms),
            tuple(reading.people),
            tuple(reading.chats),
            reading.before,
            reading.after,
            reading.has_file,
        )


@dataclass(frozen=True, slots=True, repr=False)
class Match:
    """A message that was found, and a part of its text where U+0002 and U+0003 are around what fits."""

    message: MessageRow
    excerpt: str


def search(
    source: Connection,
    query: Query,
    *,
    accounts: Collection[bytes] | None = None,
    conversations: Collection[int] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Match]:
    """Messages that fit, those that came last first. `source` is a store or, in another thread, a reader.

    `accounts` and `conversations` are what the names stand for, `MOST_WANTED` at most; None: any. `before` is
    the number of the last message of the page before. Raises `StoreError`.
    """
    accounts = None if accounts is None else list(accounts)[:MOST_WANTED]
    conversations = None if conversations is None else list(conversations)[:MOST_WANTED]
    if query.is_empty and accounts is None and conversations is None:
        return []
    first, end = _milliseconds(query.after), _milliseconds(query.before)
    asked = _expression(source, query, accounts, conversations, first, end)
    if asked is None:
        return []
    where, params = ["search MATCH ?"], [asked]
    values: list[int | bytes] = []
    for column, wanted in (("m.sender", accounts), ("m.conversation", conversations)):
        if wanted is not None:
            where.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
    if first is not None:
        where.append("m.sent >= ?")
        values.append(first)
    if end is not None:
        where.append("m.sent < ?")
        values.append(end)
    if query.has_file:
        where.append("m.files > 0")
    if before is not None:
        where.append("search.rowid < ?")
        values.append(before)
    columns = ", ".join(f"m.{column}" for column in COLUMNS)
    rows = source.query(
        f"SELECT {columns} FROM search CROSS JOIN messages m ON m.number = search.rowid"  # noqa: S608
        f" WHERE {' AND '.join(where)} ORDER BY search.rowid DESC LIMIT ?",
        (*params, *values, limit),
    )
    terms = [([word for word, _, _ in tokens(term.text)], term.begun) for term in query.terms]
    found = [message_row(row) for row in rows]
    return [Match(row, excerpt(row.text, terms)) for row in found]


@dataclass(slots=True)
class _Reading:
    """A query while it is read."""

    terms: list[Term] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    chats: list[str] = field(default_factory=list)
    before: date | None = None
    after: date | None = None
    has_file: bool = False

    def take(self, match: re.Match[str], *, begun: bool) -> bool:
        """Read one more piece; False when there are enough."""
        name, quoted, bare = match.groups()
        value = quoted if quoted is not None else bare
        if name is None or not self._filter(name.lower(), value):
            literal = value if name is None else f"{name}:{value}"
            self.terms.append(Term(literal[:LONGEST_TERM], begun))
        return len(self.terms) < MOST_TERMS

    def _filter(self, name: str, value: str) -> bool:
        match name:
            case "has":
                if value.lower() not in ("file", "files"):
                    return False
                self.has_file = True
                return True
            case "before" | "after":
                day = _day(value)
                if day is None:
                    return False
                setattr(self, name, day)
                return True
        names = self.people if name == "from" else self.chats
        if not value.strip() or len(names) >= MOST_NAMES:
            return False
        names.append(value.strip()[:LONGEST_TERM])
        return True


def _day(text: str) -> date | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", text):
        return None
    year, month, day = map(int, text.split("-"))
    try:
        return date(year, month, day) if 1970 <= year <= 9000 else None
    except ValueError:
        return None


def _milliseconds(day: date | None) -> int | None:
    """When a day begins here."""
    if day is None:
        return None
    return int(datetime(day.year, day.month, day.day).astimezone().timestamp()) * 1000


def _expression(
    source: Connection,
    query: Query,
    accounts: Collection[bytes] | None,
    conversations: Collection[int] | None,
    first: int | None,
    end: int | None,
) -> str | None:
    """The query in the language of FTS5: quoted strings only. None if nothing can fit."""
    parts = []
    if query.terms:
        # Side by side they must all fit, and one without a word in it does not count.
        parts.append(" ".join(f"{_quoted(term.text)}{'*' * term.begun}" for term in query.terms))
    if accounts is not None:
        parts.append(_any(sorted({sender_facet(account) for account in accounts})))
    if conversations is not None:
        parts.append(_any(sorted({conversation_facet(one) for one in conversations})))
    if not all(parts):
        return None
    if query.has_file:
        parts.append(_any([file_facet()]))
    if first is not None or end is not None:
        bounds = source.one(_BOUNDS)
        if bounds is None or bounds[0] is None:
            return None
        months = month_facets(max(first or 0, bounds[0]), min(end or bounds[1], bounds[1]))
        if not months:
            return None
        parts.append(_any(months))
    # Without any part, only names were given, and nobody resolved them.
    return " AND ".join(f"({part})" for part in parts) or None


def _any(facets: list[str]) -> str:
    return " OR ".join(f'"{facet}"' for facet in facets)


def _quoted(text: str) -> str:
    # `searched` takes private characters away: nobody's word is a filter.
    return '"' + searched(text).replace('"', " ") + '"'
