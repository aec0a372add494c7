"""Messages of ours: made once, as bytes, so that their ids stay the same however often they are encrypted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from heliogram.content import making
from heliogram.content.errors import ContentError
from heliogram.content.mimi import Message, Part, message_id
from heliogram.content.sent import stamped
from heliogram.node.errors import TooLong
from heliogram.node.identity.accounts import account_uri

#: Characters that may mean something in Markdown.
_MARKS = re.compile(r"[\\`*_{}\[\]<>~|&!#^\r\n\t]|https?:|www\.|^\s|\s$|^[-+=]|^\d+[.)]")


@dataclass(frozen=True, slots=True)
class Made:
    """A message of ours, with its bytes, its id and its time."""

    message: Message
    content: bytes = field(repr=False)
    id: bytes = field(repr=False)
    sent: int


def made(message: Message, *, sent: int, account: bytes, room: bytes) -> Made:
    """`message` stamped and encoded. Raises `TooLong`."""
    try:
        whole = stamped(message, sent)
        content = whole.encode()
        id = message_id(content, sender=account_uri(account), room=room_uri(room))
    except ContentError:
        raise TooLong from None
    return Made(whole, content, id, sent)


def room_uri(conversation: bytes) -> str:
    """The URI of a conversation, by its group id."""
    return f"heliogram:conversation/{conversation.hex()}"


def body(text: str, files: Sequence[Part] = ()) -> Part:
    """Text and files as one part. What means the same as it stands is sent as plain text.

    Raises `ContentError` if there is neither.
    """
    parts = [*files]
    if text or not parts:
        parts.append(making.markdown(text) if _MARKS.search(text) else making.plain(text))
    return parts[0] if len(parts) == 1 else making.together(*parts)
