"""docs/content.md is the law: its tables equal the code, its examples are what the code says and reads."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from heliogram.content import bodies, forms, limits, typing
from heliogram.content.forwarded import Forwarded, origin
from heliogram.content.framing import MIMI_CONTENT, framed
from heliogram.content.mimi import Message
from heliogram.content.padding import BUCKETS
from heliogram.content.sent import stamped
from heliogram.content.status import Status, later, report
from tests.content import readers
from tests.test_docs import ROOT
from tests.test_protocol import examples

LAW = (ROOT / "docs/content.md").read_text()


def forwarded() -> Message:
    """A text that somebody else has said first."""
    first = next(readers.messages())
    return stamped(replace(first, extensions=Forwarded("Carol").extensions()), 1795000000123)


def test_numbers_have_their_tables() -> None:
    """`test_docs` holds these against the enums."""
    for enum in ("mimi.Disposition", "mimi.PartSemantics", "status.Status"):
        assert f"<!-- enum: heliogram.content.{enum} -->" in LAW


def test_limits() -> None:
    defined = {name: value for name, value in vars(limits).items() if name.isupper()}
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", LAW, re.MULTILINE)
    assert {name: int(value) for name, value in rows} == defined


def test_media_types() -> None:
    ours = {forms.POLL, forms.VOTE, forms.LOCATION, forms.KEYBOARD, forms.PRESS}
    ours |= {forms.PIN, typing.TYPING}
    assert set(re.findall(r"application/vnd[.\w]+", LAW)) == ours
    assert bodies.PLAIN_TEXT in LAW and bodies.MARKDOWN in LAW
    assert f"0x{bodies.CHUNKED_AEAD:04X}" in LAW


def test_form_layouts_are_those_of_the_code() -> None:
    for form in readers.FORMS:
        drawn = re.search(r"`(\[1, .*?\])`", type(form).__doc__ or "")
        assert drawn and f"`{drawn[1]}`" in LAW


def test_final_statuses() -> None:
    named = re.findall(r"`([A-Z]+)`", LAW.partition("the more final one counts")[2].split("\n")[0])
    ranked = [Status[name] for name in named]
    assert set(ranked) == set(Status)
    for low, high in pairwise(ranked):
        assert later(high, low) is high


def test_sizes() -> None:
    for size in BUCKETS:
        assert re.search(rf"\b{size}\b", LAW.partition("## Sizes")[2])


def test_examples() -> None:
    """Each block of hex is what the code makes of the same story, and reads again."""
    every = [message.encode() for message in readers.messages()]
    made = {*every[:6], *(form.encode() for form in readers.FORMS)}
    made |= {framed(MIMI_CONTENT, every[0]), report([readers.ID] * 3, Status.READ).encode()}
    made.add(stamped(Message.from_bytes(every[0]), 1795000000123).encode())
    made |= {forwarded().encode(), typing.Typing(1795000000123).encode()}
    assert set(examples(LAW)) == made
    by_bytes = {data: where for where, data in readers.seeds() if where != "item"}
    by_bytes[stamped(Message.from_bytes(every[0]), 1795000000123).encode()] = "message"
    by_bytes[forwarded().encode()] = "message"
    assert origin(Message.from_bytes(forwarded().encode())) == Forwarded("Carol")
    for example in examples(LAW):
        assert readers.READERS[by_bytes[example]](example) == example
