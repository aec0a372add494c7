"""What a message is to people: its kind, its text, its files, whom it mentions.

The store keeps whole messages. What is shown of them is bounded: no more than `MAX_MARKS` marks on one
letter, none of the characters that turn the direction of all that follows, and in lists at most
`MAX_TEXT` characters on `MAX_LINES` lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from heliogram.content import bodies
from heliogram.content.errors import ContentError
from heliogram.content.forms import Location, Pin, Poll, Vote
from heliogram.content.mimi import Disposition, Message, MultiPart, Part, SinglePart

T = TypeVar("T")

#: Characters and lines of a text in a list. `GetMessage` has all of it.
MAX_TEXT = 8192
MAX_LINES = 200

#: Marks on one letter. Languages that stack them use fewer.
MAX_MARKS = 8

#: People whom one message mentions.
MAX_MENTIONS = 64

_MENTION = re.compile(r"\]\(heliogram:account/([0-9a-f]{64})\)")

#: What changes the direction of text until something ends it, and controls other than tab and new line.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e")
_KEPT = frozenset("\t\n")


@dataclass(frozen=True, slots=True)
class Shown:
    """What people see of a message."""

    #: As in `api.Message`.
    kind: str
    text: str = field(repr=False)
    markdown: bool = False
    files: tuple[bodies.File, ...] = field(default=(), repr=False)


def shown(message: Message) -> Shown:
    """What people see of a message. Never raises."""
    found = list(_leaves(bodies.read(message)))
    files = tuple(one for one in found if isinstance(one, bodies.File))
    texts = [one for one in found if isinstance(one, bodies.Text)]
    text = "\n\n".join(one.text for one in texts)
    markdown = any(one.markdown for one in texts)
    for one in found:
        if isinstance(one, Poll):
            return Shown("poll", one.fallback())
        if isinstance(one, Location):
            return Shown("location", one.fallback())
    if files:
        return Shown("file", text, markdown, files)
    if texts:
        return Shown("text", text, markdown)
    return Shown("unknown", unknown(message.part))


def unknown(part: Part) -> str:
    """What is said of content that we do not know: its media type and its size."""
    inner = next((one for one in _parts(part) if isinstance(one, SinglePart)), None)
    if inner is None:
        return ""
    kind = "".join(
        char for char in inner.content_type[:100] if char.isascii() and char.isprintable()
    )
    return f"{kind}, {len(inner.content)}"


def of_bytes(content: bytes | None) -> Message | None:
    """A stored message; None if there is none."""
    if content is None:
        return None
    try:
        return Message.from_bytes(content)
    except ContentError:
        return None


def poll(content: bytes | None) -> Poll | None:
    """The poll that a stored message is, if it is one."""
    message = of_bytes(content)
    return None if message is None else _form(message, Poll)


def vote(message: Message) -> Vote | None:
    """The vote that a message is, if it is one."""
    return _form(message, Vote) if message.in_reply_to is not None else None


def standing(
    content: bytes | None,
    version: bytes | None,
    votes: Iterable[tuple[bytes, bytes, Sequence[int]]],
) -> tuple[Poll, dict[bytes, tuple[int, ...]]] | None:
    """A poll, and what each account chose; None if the message is none.

    `version` is the id of the poll's newest version; `votes` are accounts, the versions that they saw
    and what they chose.
    """
    asked = poll(content)
    if asked is None:
        return None
    return asked, {
        sender: tuple(options)
        for sender, target, options in votes
        if target == version and options and Vote(tuple(options)).counts(asked)
    }


def pin(message: Message) -> Pin | None:
    """The pin that a message is, if it is one."""
    return _form(message, Pin) if message.in_reply_to is not None else None


def location(message: Message) -> Location | None:
    """The place that a message is, if it is one."""
    return _form(message, Location)


def mentions(text: str) -> list[bytes]:
    """Accounts that a Markdown text links to, in order, each once."""
    found = dict.fromkeys(one[1] for one in _MENTION.finditer(text))
    return [bytes.fromhex(one) for one in list(found)[:MAX_MENTIONS]]


def bounded(text: str) -> str:
    """`text` fit to be shown, whole: marks bounded, directions and controls left out."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        if char >= "\u0300" and unicodedata.category(char) in ("Mn", "Me"):
            marks += 1
            if marks > MAX_MARKS:
                continue
        else:
            marks = 0
            if char in _TURNING or (unicodedata.category(char) == "Cc" and char not in _KEPT):
                continue
        kept.append(char)
    return "".join(kept)


def short(text: str) -> tuple[str, bool]:
    """`text` as lists show it, and whether something was cut."""
    if len(text) <= MAX_TEXT and text.count("\n") < MAX_LINES:
        return text, False
    cut = "\n".join(text[:MAX_TEXT].split("\n")[:MAX_LINES])
    return cut + "…", True


def _form(message: Message, kind: type[T]) -> T | None:
    """The first form of this kind in a message."""
    return next((one for one in _leaves(bodies.read(message)) if isinstance(one, kind)), None)


def _leaves(body: bodies.Body) -> Iterator[bodies.Body]:
    if isinstance(body, bodies.Several):
        for inner in body.bodies:
            yield from _leaves(inner)
    else:
        yield body


def _parts(part: Part) -> Iterator[Part]:
    if isinstance(part, MultiPart):
        for inner in part.parts:
            yield from _parts(inner)
    else:
        yield part


def is_profile(message: Message) -> bool:
    """Whether a message is about its sender and nothing else."""
    return message.part.disposition == Disposition.PROFILE
