"""When a message was sent, as its sender says: a hybrid logical clock, in milliseconds.

MIMI content has no time. An extension of ours carries one: at least one more than all that the sender had
seen in the conversation, otherwise their clock. So the order by (time, id) is one order for all members, and
what answers something comes after it. `docs/content.md` is the law.
"""

from __future__ import annotations

from heliogram.content import cbor
from heliogram.content.errors import ContentError
from heliogram.content.mimi import Extension, Message, extensions

#: The key of the extension.
SENT = "heliogram.sent"

#: How far ahead of our own clock a message may move the conversation's, in milliseconds.
AHEAD = 10 * 60 * 1000

#: No time is larger: it fits into a signed integer of 64 bits, with room to count on.
MOST = 1 << 53


def next_time(clock: int, time: float) -> int:
    """The time of what is sent now: `clock` is the conversation's, `time` ours in Unix seconds."""
    return max(int(time * 1000), clock + 1)


def stamped(message: Message, sent: int) -> Message:
    """`message` with its time, in place of one that it may have."""
    others = {one.key: one.value for one in message.extensions if one.key != SENT}
    return _with(message, extensions({**others, SENT: cbor.integer(sent)}))


def time_of(message: Message, received: float) -> int:
    """When `message` was sent. Without a time of its own: the minute in which it came (Unix seconds)."""
    value = message.extension(SENT)
    if value is not None:
        try:
            reader = cbor.Reader(value)
            sent = reader.unsigned(MOST)
            reader.finish()
            return sent
        except ContentError:
            pass
    return int(received) // 60 * 60 * 1000


def raised(clock: int, sent: int, time: float) -> int:
    """A conversation's clock after a message of `sent`. What is far ahead of `time` does not move it."""
    return max(clock, sent) if sent <= int(time * 1000) + AHEAD else clock


def _with(message: Message, new: tuple[Extension, ...]) -> Message:
    return Message(
        message.salt,
        message.part,
        message.replaces,
        message.topic_id,
        message.expires,
        message.in_reply_to,
        new,
    )
