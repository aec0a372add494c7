"""A conversation's clock: a hybrid logical clock, in milliseconds.

What we send has a time later than all that we had seen in the conversation, and not before our own clock. So
the order by (time, id) is one order for all members, and what answers something comes after it.
"""

from __future__ import annotations

from heliogram.content.mimi import Message
from heliogram.content.sent import sent

#: How far ahead of now a message may move a conversation's clock, in milliseconds: by our clock or by that of
#: the relay that had it, and by our clock alone. Clocks of devices are wrong by a time zone or a day.
AHEAD = 10 * 60 * 1000
FAR_AHEAD = 24 * 3600 * 1000


def next_time(clock: int, time: float) -> int:
    """The time of what is sent now: `clock` is the conversation's, `time` ours in Unix seconds.

    No message of others moves the conversation's clock so far ahead of ours that it does not count here: ours
    was wrong then, and is put right. Otherwise all that we say would stand at the end for as long.
    """
    ours = int(time * 1000)
    return ours if clock > ours + FAR_AHEAD else max(ours, clock + 1)


def time_of(message: Message, received: float) -> int:
    """When `message` was sent. Without a time of its own: the minute in which it came (Unix seconds)."""
    found = sent(message)
    return int(received) // 60 * 60 * 1000 if found is None else found


def raised(clock: int, sent: int, time: float, minute: int | None = None) -> int:
    """A conversation's clock after a message of `sent`. What is far ahead does not move it.

    `time` is ours in Unix seconds, `minute` (Unix time / 60) that of the relay.
    """
    ours = int(time * 1000)
    relays = 0 if minute is None else min(minute * 60_000, ours + FAR_AHEAD - AHEAD)
    return max(clock, sent) if sent <= max(ours, relays) + AHEAD else clock
