"""The media type around content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.content.errors import ContentError
from heliogram.content.framing import (
    MESSAGE_STATUS,
    MIMI_CONTENT,
    ApplicationFraming,
    MediaType,
    framed,
)
from heliogram.content.limits import MAX_MESSAGE
from tests.content import strategies as s


@given(s.framings)
def test_framings(value: ApplicationFraming) -> None:
    assert ApplicationFraming.from_bytes(value.encode()) == value
    assert repr(value) == "ApplicationFraming(media_type=MediaType())"


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    try:
        assert ApplicationFraming.from_bytes(data).encode() == data
    except ContentError as error:
        assert "6.2" in str(error)


def test_the_two_kinds() -> None:
    """A message has the group's first type, which costs two bytes; a report says what it is."""
    message = framed(MIMI_CONTENT, b"\x80")
    assert message.hex() == "00000180"
    assert ApplicationFraming.from_bytes(message).kind == MIMI_CONTENT
    named = ApplicationFraming(MediaType("Application/Mimi-Content"), b"")
    assert named.kind == MIMI_CONTENT
    report = ApplicationFraming.from_bytes(framed(MESSAGE_STATUS, b"\x80"))
    assert report.kind == MESSAGE_STATUS and report.content == b"\x80"


def test_limits() -> None:
    assert ApplicationFraming.from_bytes(framed(MIMI_CONTENT, bytes(MAX_MESSAGE)))
    with pytest.raises(ContentError):
        ApplicationFraming.from_bytes(framed(MIMI_CONTENT, bytes(MAX_MESSAGE + 1)))
    for name in ("b\u00fccher/x", "x" * 256):
        with pytest.raises(ContentError):
            framed(name, b"")
    with pytest.raises(ContentError):
        ApplicationFraming.from_bytes(bytes.fromhex("01ff0000"))
    many = MediaType("a/b", (("a", "b"),) * 17)
    with pytest.raises(ContentError):
        ApplicationFraming.from_bytes(ApplicationFraming(many, b"").encode())
