"""What a message says, read: from parts to texts, files, polls, and what we do not know.

`kind` tells what a message does, `read` what it shows. Nothing is dropped: what we cannot show is `Unknown`,
with its media type and size, and stays in the message as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from heliogram.content.errors import ContentError
from heliogram.content.forms import (
    KEYBOARD,
    LOCATION,
    PIN,
    POLL,
    PRESS,
    VOTE,
    Keyboard,
    Location,
    Pin,
    Poll,
    Press,
    Vote,
)
from heliogram.content.mimi import (
    Disposition,
    ExternalPart,
    Message,
    NullPart,
    Part,
    PartSemantics,
    SinglePart,
)

PLAIN_TEXT = "text/plain;charset=utf-8"
MARKDOWN = "text/markdown;variant=GFM-MIMI"

#: How a file of ours is encrypted: in chunks. A number from the AEAD registry's private range. Its `aad` is
#: SHA-256 of the plaintext, so that with `content_hash` both sides of the file are in the message.
CHUNKED_AEAD = 0xF068

#: SHA-256 in IANA's registry of named information hashes.
SHA_256 = 1

HASH_SIZE = 32


class Kind(Enum):
    """What a message does."""

    POST = "post"
    REACT = "react"
    EDIT = "edit"
    DELETE = "delete"
    UNREACT = "unreact"


def kind(message: Message) -> Kind:
    """What `message` does. Whether it may, `revisions` says."""
    reaction = message.part.disposition == Disposition.REACTION
    if message.replaces is None:
        return Kind.REACT if reaction and message.in_reply_to is not None else Kind.POST
    if isinstance(message.part, NullPart):
        return Kind.UNREACT if reaction else Kind.DELETE
    return Kind.EDIT


# --- Bodies ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Nothing:
    """A body without anything in it."""


@dataclass(frozen=True, slots=True)
class Text:
    """Something to read. `markdown`: in GFM-MIMI, which has no HTML; otherwise as it stands."""

    text: str = field(repr=False)
    markdown: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """Something that lies elsewhere; `preview` is a small picture of it that its sender made."""

    part: ExternalPart
    preview: SinglePart | None = None

    @property
    def ours(self) -> bool:
        """Whether it is encrypted as our files are, with both hashes: `heliogram.node.files` can open it."""
        part = self.part
        return (
            part.enc_alg == CHUNKED_AEAD
            and part.hash_alg == SHA_256
            and len(part.content_hash) == len(part.aad) == HASH_SIZE
        )


@dataclass(frozen=True, slots=True)
class Several:
    """Bodies that belong together, in order. At least one is not `Unknown`."""

    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that we cannot show: its media type and its size in bytes."""

    content_type: str = field(repr=False)
    size: int = field(repr=False)


Body: TypeAlias = (
    Nothing | Text | File | Poll | Vote | Location | Keyboard | Press | Pin | Several | Unknown
)

#: What our own media types hold.
_FORMS: dict[str, Callable[[bytes], Body]] = {
    POLL: Poll.from_bytes,
    VOTE: Vote.from_bytes,
    LOCATION: Location.from_bytes,
    KEYBOARD: Keyboard.from_bytes,
    PRESS: Press.from_bytes,
    PIN: Pin.from_bytes,
}


def read(message: Message) -> Body:
    """What `message` shows. Never raises."""
    return _read(message.part)


def reactions(message: Message) -> tuple[str, ...]:
    """The texts, usually emoji, of a message that is a reaction, in order; what is no text is left out."""
    return tuple(_texts(read(message)))


# --- Reading --------------------------------------------------------------------------------------


def _read(part: Part) -> Body:
    if isinstance(part, NullPart):
        return Nothing()
    if isinstance(part, SinglePart):
        return _read_single(part)
    if isinstance(part, ExternalPart):
        return File(part)
    if (file := _with_preview(part.parts)) is not None:
        return file
    bodies = tuple(_read(inner) for inner in part.parts)
    known = [body for body in bodies if not isinstance(body, Unknown)]
    if part.semantics is PartSemantics.CHOOSE_ONE:
        return known[0] if known else bodies[0]
    # draft-ietf-mimi-content-08, 4.4: a unit is understood as a whole or not at all.
    whole = part.semantics is PartSemantics.SINGLE_UNIT and len(known) < len(bodies)
    if whole or not known:
        return Unknown("multipart", len(part.encode()))
    return Several(bodies)


def _with_preview(parts: tuple[Part, ...]) -> File | None:
    """The file that two parts are, if they are a file and a preview of it."""
    match parts:
        case (ExternalPart() as part, SinglePart(disposition=Disposition.PREVIEW) as preview):
            return File(part, preview)
    return None


def _read_single(part: SinglePart) -> Body:
    essence, charset = _media_type(part.content_type)
    unknown = Unknown(part.content_type, len(part.content))
    if essence in _FORMS:
        try:
            return _FORMS[essence](part.content)
        except ContentError:
            return unknown
    if essence not in ("text/plain", "text/markdown") or charset not in ("utf-8", "us-ascii"):
        return unknown
    try:
        return Text(part.content.decode("utf-8"), essence == "text/markdown")
    except UnicodeDecodeError:
        return unknown


def _media_type(content_type: str) -> tuple[str, str]:
    """The type without parameters, and its charset, both in lower case."""
    essence, *parameters = (one.strip().lower() for one in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return essence, value.strip().strip('"')
    return essence, "utf-8"


def _texts(body: Body) -> Iterator[str]:
    if isinstance(body, Text):
        yield body.text
    elif isinstance(body, Several):
        for inner in body.bodies:
            yield from _texts(inner)
