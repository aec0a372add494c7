"""That somebody types: application data of a media type of its own, beside content and reports.

It is no message: it has no id, nothing refers to it, and nobody keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from heliogram.content import cbor
from heliogram.content.errors import ContentError
from heliogram.content.sent import MAX_SENT

TYPING = "application/vnd.heliogram.typing"

VERSION = 1


@dataclass(frozen=True, slots=True)
class Typing:
    """Its sender types: `[1, time uint]`. `time` is their clock's, in milliseconds since 1970."""

    time: int

    def encode(self) -> bytes:
        """The bytes of this sign."""
        return cbor.array((cbor.integer(VERSION), cbor.integer(self.time)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The sign that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        if reader.array() != 2 or reader.unsigned() != VERSION:
            raise ContentError("Typing", "a sign of another version")
        sign = cls(reader.unsigned(MAX_SENT))
        reader.finish()
        return sign
