"""What MIMI has no words for: polls, places and the keyboards of bots.

Each is an array in deterministic CBOR whose first item is the version, 1. A form of another version, or one
that is broken, is shown as unknown content; beside each travels a text for programs that do not know it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeVar

from heliogram.content import cbor
from heliogram.content.errors import ContentError
from heliogram.content.limits import (
    MAX_BUTTON,
    MAX_LABEL,
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_QUESTION,
    MAX_ROW,
    MAX_ROWS,
)

T = TypeVar("T")

VERSION = 1

#: Media types of our own.
POLL = "application/vnd.heliogram.poll"
VOTE = "application/vnd.heliogram.vote"
LOCATION = "application/vnd.heliogram.location"
KEYBOARD = "application/vnd.heliogram.keyboard"
PRESS = "application/vnd.heliogram.press"
PIN = "application/vnd.heliogram.pin"

_PLACE = "Forms"

#: Millionths of a degree: about eleven centimetres.
_DEGREE = 1_000_000


def _check_text(text: str, most: int) -> None:
    if not 1 <= len(text.encode("utf-8", "replace")) <= most:
        raise ContentError(_PLACE, "a text is empty or too long")


def _begin(reader: cbor.Reader, items: int) -> None:
    if reader.array() != items or reader.unsigned() != VERSION:
        raise ContentError(_PLACE, "a form of another version")


def _items(reader: cbor.Reader, item: Callable[[], T], most: int) -> tuple[T, ...]:
    count = reader.array()
    if count > most:
        raise ContentError(_PLACE, "a form with too many items")
    return tuple(item() for _ in range(count))


@dataclass(frozen=True, slots=True)
class Poll:
    """A question with answers to choose from: `[1, question tstr, [2* option tstr], most uint]`.

    `most` is how many options one person may choose. A person's last vote counts.
    """

    question: str = field(repr=False)
    options: tuple[str, ...] = field(repr=False)
    most: int = 1

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        _check_text(self.question, MAX_QUESTION)
        if not 2 <= len(self.options) <= MAX_OPTIONS or not 1 <= self.most <= len(self.options):
            raise ContentError(_PLACE, "a poll nobody can vote in")
        for option in self.options:
            _check_text(option, MAX_OPTION)
        if len(set(self.options)) != len(self.options):
            raise ContentError(_PLACE, "a poll with two options that are the same")

    def encode(self) -> bytes:
        """The bytes of this poll."""
        options = cbor.array(map(cbor.text, self.options))
        return cbor.array(
            (cbor.integer(VERSION), cbor.text(self.question), options, cbor.integer(self.most))
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The poll that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        _begin(reader, 4)
        poll = cls(reader.text(), _items(reader, reader.text, MAX_OPTIONS), reader.unsigned())
        reader.finish()
        return poll

    def fallback(self) -> str:
        """The poll as text."""
        rows = (f"{number}. {option}" for number, option in enumerate(self.options, start=1))
        return "\n".join((self.question, *rows))


@dataclass(frozen=True, slots=True)
class Vote:
    """The options that a person chooses in the poll which this replies to: `[1, [* option uint]]`.

    Options count from 0, ascend, and may be none: that takes a vote back.
    """

    options: tuple[int, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        if list(self.options) != sorted(set(self.options)):
            raise ContentError(_PLACE, "the options of a vote do not ascend")
        if any(not 0 <= option < MAX_OPTIONS for option in self.options):
            raise ContentError(_PLACE, "a vote for no option")

    def encode(self) -> bytes:
        """The bytes of this vote."""
        return cbor.array((cbor.integer(VERSION), cbor.array(map(cbor.integer, self.options))))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The vote that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        _begin(reader, 2)
        vote = cls(_items(reader, reader.unsigned, MAX_OPTIONS))
        reader.finish()
        return vote

    def counts(self, poll: Poll) -> bool:
        """Whether `poll` has these options, and allows so many."""
        return len(self.options) <= poll.most and all(
            option < len(poll.options) for option in self.options
        )

    def fallback(self, poll: Poll) -> str:
        """The vote as text. Only for one that counts."""
        return ", ".join(poll.options[option] for option in self.options) or "-"


@dataclass(frozen=True, slots=True)
class Location:
    """A place: `[1, latitude int, longitude int, accuracy uint, label tstr]`.

    Millionths of a degree in WGS 84; accuracy in metres, 0 for not known; the label may be empty.
    """

    latitude: int = field(repr=False)
    longitude: int = field(repr=False)
    accuracy: int = field(default=0, repr=False)
    label: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        if abs(self.latitude) > 90 * _DEGREE or abs(self.longitude) > 180 * _DEGREE:
            raise ContentError(_PLACE, "a place that is not on earth")
        if not 0 <= self.accuracy < 1 << 32:
            raise ContentError(_PLACE, "an accuracy is out of range")
        if self.label:
            _check_text(self.label, MAX_LABEL)

    def encode(self) -> bytes:
        """The bytes of this place."""
        numbers = VERSION, self.latitude, self.longitude, self.accuracy
        return cbor.array((*map(cbor.integer, numbers), cbor.text(self.label)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The place that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        _begin(reader, 5)
        place = cls(reader.integer(), reader.integer(), reader.unsigned(), reader.text())
        reader.finish()
        return place

    def fallback(self) -> str:
        """The place as text, with a `geo:` URI (RFC 5870)."""
        uri = f"geo:{_degrees(self.latitude)},{_degrees(self.longitude)}"
        if self.accuracy:
            uri += f";u={self.accuracy}"
        return f"{self.label}\n{uri}" if self.label else uri


def _degrees(value: int) -> str:
    whole, part = divmod(abs(value), _DEGREE)
    return f"{'-' if value < 0 else ''}{whole}.{part:06}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Button:
    """A button: `[label tstr, data bstr]` sends its data back, `[label tstr, url tstr]` opens an address."""

    label: str = field(repr=False)
    does: bytes | str = field(repr=False)

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        _check_text(self.label, MAX_LABEL)
        if isinstance(self.does, str):
            _check_text(self.does, MAX_BUTTON)
        elif len(self.does) > MAX_BUTTON:
            raise ContentError(_PLACE, "a button with too much data")


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Buttons below a message of a bot, in rows: `[1, [1* [1* button]]]`."""

    rows: tuple[tuple[Button, ...], ...]

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        if not 1 <= len(self.rows) <= MAX_ROWS:
            raise ContentError(_PLACE, "a keyboard without rows, or with too many")
        if any(not 1 <= len(row) <= MAX_ROW for row in self.rows):
            raise ContentError(_PLACE, "a row without buttons, or with too many")

    def encode(self) -> bytes:
        """The bytes of this keyboard."""
        rows = cbor.array(
            cbor.array(cbor.array((cbor.text(one.label), _does(one.does))) for one in row)
            for row in self.rows
        )
        return cbor.array((cbor.integer(VERSION), rows))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The keyboard that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        _begin(reader, 2)

        def button() -> Button:
            if reader.array() != 2:
                raise ContentError(_PLACE, "a button is no pair")
            return Button(reader.text(), reader.text() if reader.is_text() else reader.octets())

        keyboard = cls(_items(reader, lambda: _items(reader, button, MAX_ROW), MAX_ROWS))
        reader.finish()
        return keyboard


def _does(value: bytes | str) -> bytes:
    return cbor.text(value) if isinstance(value, str) else cbor.octets(value)


@dataclass(frozen=True, slots=True)
class Press:
    """A button of the message which this replies to was pressed: `[1, data bstr]`."""

    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        if len(self.data) > MAX_BUTTON:
            raise ContentError(_PLACE, "a button with too much data")

    def encode(self) -> bytes:
        """The bytes of this press."""
        return cbor.array((cbor.integer(VERSION), cbor.octets(self.data)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The press that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        _begin(reader, 2)
        press = cls(reader.octets())
        reader.finish()
        return press


@dataclass(frozen=True, slots=True)
class Pin:
    """Pin the message which this replies to for all, or no longer: `[1, pinned bool]`."""

    pinned: bool

    def encode(self) -> bytes:
        """The bytes of this pin."""
        return cbor.array((cbor.integer(VERSION), cbor.boolean(self.pinned)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The pin that is the whole of `data`. Raises `ContentError`."""
        reader = cbor.Reader(data)
        _begin(reader, 2)
        pin = cls(reader.boolean())
        reader.finish()
        return pin

    def fallback(self) -> str:
        """The pin as text."""
        return "📌" if self.pinned else "📌 ✗"
