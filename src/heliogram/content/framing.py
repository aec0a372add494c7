"""What stands around content inside of MLS: its media type (draft-ietf-mls-extensions-10, section 6.2).

    struct {
        opaque name<V>;
        opaque value<V>;
    } Parameter;

    struct {
        opaque type<V>;
        Parameter parameters<V>;
    } MediaType;

    struct {
        MediaType media_type;
        opaque application_content<V>;
    } ApplicationFraming;

An empty type is the first of the group's list, which in our groups is `application/mimi-content`: so a
message costs two bytes here, not thirty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from heliogram.codec import DecodeError, Reader, decode_all, opaque, vector
from heliogram.content.errors import ContentError
from heliogram.content.limits import MAX_MESSAGE, MAX_PARAMETERS

#: The two kinds of application data.
MIMI_CONTENT = "application/mimi-content"
MESSAGE_STATUS = "application/mimi-message-status"

_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type with its parameters; ASCII."""

    type: str = field(repr=False)
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """The bytes of this `MediaType`."""
        pairs = (opaque(_ascii(name)) + opaque(_ascii(value)) for name, value in self.parameters)
        return opaque(_ascii(self.type)) + vector(pairs)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `MediaType`. Raises `codec.DecodeError` or `ContentError`."""
        kind = _name(reader)
        pairs = reader.vector(lambda inner: (_name(inner), _name(inner)), most=MAX_PARAMETERS)
        return cls(kind, pairs)


@dataclass(frozen=True, slots=True)
class ApplicationFraming:
    """Application data of MLS: which kind it is, and its bytes."""

    media_type: MediaType
    content: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `ApplicationFraming`."""
        return self.media_type.encode() + opaque(self.content)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What is the whole of `data`. Raises only `ContentError`."""
        try:
            return decode_all(cls._decode, data)
        except DecodeError:
            raise ContentError("mls-extensions-10, 6.2", "the framing cannot be read") from None

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        return cls(MediaType.decode(reader), reader.opaque(MAX_MESSAGE))

    @property
    def kind(self) -> str:
        """The type in lower case; an empty one is `MIMI_CONTENT`."""
        return self.media_type.type.lower() or MIMI_CONTENT


def framed(kind: str, content: bytes) -> bytes:
    """`content` as application data; `kind` is one of the two above."""
    return ApplicationFraming(MediaType("" if kind == MIMI_CONTENT else kind), content).encode()


def _name(reader: Reader) -> str:
    try:
        return reader.opaque(_MAX_NAME).decode("ascii")
    except UnicodeDecodeError:
        raise ContentError("mls-extensions-10, 6.2", "a media type is not ASCII") from None


def _ascii(value: str) -> bytes:
    if not value.isascii() or len(value) > _MAX_NAME:
        raise ContentError("mls-extensions-10, 6.2", "a media type is not ASCII, or too long")
    return value.encode("ascii")
