"""Where a forwarded message comes from, as whoever forwards it says: an extension of ours.

It tells a name and no account: who is in one conversation does not want to be found from another one. What
the sender says again of their own has no name, for its sender is known; then it tells when it was first said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from heliogram.content import cbor
from heliogram.content.errors import ContentError
from heliogram.content.limits import MAX_LABEL
from heliogram.content.mimi import Extension, Message, extensions
from heliogram.content.sent import MAX_SENT

#: The key of the extension.
FORWARDED = "heliogram.forwarded"

VERSION = 1


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An origin: `[1, name tstr, time uint]`.

    Without a name it is the sender's own. `time` is in milliseconds, 0 if it is not told.
    """

    name: str = field(default="", repr=False)
    time: int = 0

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        if len(self.name.encode("utf-8", "replace")) > MAX_LABEL:
            raise ContentError("Forwarding", "a name is too long")
        if not 0 <= self.time <= MAX_SENT:
            raise ContentError("Forwarding", "a time is out of range")

    def encode(self) -> bytes:
        """The bytes of this origin."""
        return cbor.array((cbor.integer(VERSION), cbor.text(self.name), cbor.integer(self.time)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The origin that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        if reader.array() != 3 or reader.unsigned() != VERSION:
            raise ContentError("Forwarding", "an origin of another version")
        origin = cls(reader.text(), reader.unsigned(MAX_SENT))
        reader.finish()
        return origin

    def extensions(self) -> tuple[Extension, ...]:
        """What a message has that was forwarded from here."""
        return extensions({FORWARDED: self.encode()})


def origin(message: Message) -> Forwarded | None:
    """Where `message` was forwarded from; None if it was not, or says so in a form that we do not know."""
    value = message.extension(FORWARDED)
    if value is None:
        return None
    try:
        return Forwarded.from_bytes(value)
    except ContentError:
        return None
