"""Which chat or message somebody means: a name, or the first digits of an id, if they fit one only."""

from __future__ import annotations

import re
from typing import TypeVar

from heliogram.node.engine.desk import Desk
from heliogram.node.errors import Ambiguous, NotFound
from heliogram.node.identity.names import clean
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.messages import MessageRow

T = TypeVar("T")

_DIGITS = re.compile(r"[0-9a-f]{1,64}")

#: Names for the conversation with oneself.
SELF = frozenset(("self", "me", "notes"))


def chat(desk: Desk, text: str) -> ConversationRow:
    """The conversation of this name or id. Raises `NotFound`, `Ambiguous`.

    A whole id wins, then a name, then the first digits of an id. Of a conversation and what it went on from,
    a name means the newer one; of several with one person, that which is not over.
    """
    found = chats(desk, text)
    if len(found) > 1:
        older = {row.predecessor for row in found} | {
            row.number for row in found if row.successor is not None
        }
        found = [row for row in found if row.number not in older] or found
    if len(found) > 1 and found[0].peer is not None and len({row.peer for row in found}) == 1:
        found = [row for row in found if row.phase not in ("dead", "out")] or found
    return _only(found, "chat")


def chats(desk: Desk, text: str) -> list[ConversationRow]:
    """All conversations that may be meant."""
    wanted = text.strip()
    lower = wanted.lower()
    if len(lower) == 64 and _DIGITS.fullmatch(lower):
        # Programs say whole ids: nothing else is read then.
        number = desk.logs.number_of(bytes.fromhex(lower))
        row = None if number is None else desk.logs.get(number)
        return [] if row is None else [row]
    rows = desk.logs.every()
    found = _named(desk, rows, wanted)
    if not found and _DIGITS.fullmatch(lower):
        found = [row for row in rows if row.id.hex().startswith(lower)]
    return found


def people(desk: Desk, text: str) -> list[bytes]:
    """The account that may be meant, if there is exactly one. "me" is ourselves."""
    if text.strip().lower() == "me":
        return [desk.account]
    try:
        return [desk.people.resolve(text)]
    except (NotFound, Ambiguous):
        return []


def message(desk: Desk, text: str) -> MessageRow:
    """The message whose id begins so. Raises `NotFound`, `Ambiguous`."""
    return _only(desk.messages.by_prefix(text.strip()), "message")


def _named(desk: Desk, rows: list[ConversationRow], wanted: str) -> list[ConversationRow]:
    if wanted.lower() in SELF:
        own = [row for row in rows if row.kind == "self"]
        if own:
            return own
    folded = clean(wanted).casefold()
    if not folded:
        return []
    found = [row for row in rows if row.kind == "group" and clean(row.name).casefold() == folded]
    for row in rows:
        if row.kind == "direct" and row.peer is not None:
            if desk.people.person(row.peer).name.casefold() == folded:
                found.append(row)
    return found


def _only(found: list[T], kind: str) -> T:
    if not found:
        raise NotFound(kind)
    if len(found) > 1:
        raise Ambiguous(kind)
    return found[0]
