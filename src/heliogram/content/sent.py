"""When a message was sent, as its sender says: an extension of ours, in milliseconds since 1970.

MIMI content has no time. What the time means, who raises it and whom it moves, `docs/content.md` says.
"""

from __future__ import annotations

from dataclasses import replace

from heliogram.content import cbor
from heliogram.content.errors import ContentError
from heliogram.content.mimi import Message, extensions

#: The key of the extension. Its value is an unsigned integer.
SENT = "heliogram.sent"

#: No time is larger.
MAX_SENT = (1 << 53) - 1


def stamped(message: Message, sent: int) -> Message:
    """`message` with its time, in place of one that it may have."""
    others: dict[int | str, bytes] = {
        one.key: one.value for one in message.extensions if one.key != SENT
    }
    return replace(message, extensions=extensions({**others, SENT: cbor.integer(sent)}))


def sent(message: Message) -> int | None:
    """The time of `message`; None if it has none, or one that is none."""
    value = message.extension(SENT)
    if value is None:
        return None
    try:
        reader = cbor.Reader(value)
        time = reader.unsigned(MAX_SENT)
        reader.finish()
    except ContentError:
        return None
    return time
