"""docs/protocol.md is the law: its tables equal the code, its examples are what the code says and reads."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
import pytest

from heliogram.wire import connection, errors, frames, limits
from heliogram.wire.frames import FrameType
from heliogram.wire.signing import Label, Object
from tests.test_docs import ROOT
from tests.wire import samples

LAW = (ROOT / "docs/protocol.md").read_text()

#: The class of each type.
CLASSES: dict[FrameType, type[Any]] = {
    FrameType(cls.__struct_config__.tag): cls
    for union in (frames.Request, frames.Answer, frames.Push)
    for cls in get_args(union)
}
NAMES = {cls: kind.name for kind, cls in CLASSES.items()}


def table(mark: str) -> list[list[str]]:
    """The rows of the table behind `<!-- mark -->`."""
    found = re.search(rf"^<!-- {mark} -->\n\n\|.*\n\|[-|]+\|\n((?:\|.*\n)*)", LAW, re.MULTILINE)
    assert found, f"no table of {mark}"
    return [
        [cell.strip().strip("`") for cell in row.strip("|").split("|")]
        for row in found[1].splitlines()
    ]


def section(heading: str) -> str:
    """The text below `### heading`."""
    found = re.search(rf"^### {heading}\n(.*?)(?=^##)", LAW, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading}"
    return found[1]


def examples(text: str) -> list[bytes]:
    """The blocks of hex in `text`."""
    return [
        bytes.fromhex(block)
        for block in re.findall(r"^```hex\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def test_version_stands_on_the_first_line() -> None:
    assert LAW.splitlines()[0].endswith(f"version {connection.VERSIONS[0]}")


# --- Tables ---------------------------------------------------------------------------------------


def test_numbers_have_their_tables() -> None:
    """`test_docs` holds these against the enums."""
    for enum in ("FrameType", "Lane", "Refusal"):
        assert f"<!-- enum: heliogram.wire.frames.{enum} -->" in LAW
    assert "<!-- enum: heliogram.wire.errors.ErrorCode -->" in LAW


def test_limits() -> None:
    defined = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert {row[0]: int(row[1]) for row in table("limits")} == defined


def test_labels() -> None:
    assert [row[0].encode() for row in table("labels")] == [label.value for label in Label]


def test_transitions() -> None:
    assert [tuple(row) for row in table("transitions")] == [
        (state.name, happened.name, after.name)
        for (state, happened), after in connection.TRANSITIONS.items()
    ]


def test_errors() -> None:
    rows = table("enum: heliogram.wire.errors.ErrorCode")
    assert [row[1:] for row in rows] == [
        [code.name, info.fault.value, info.meaning, info.remedy]
        for code, info in errors.ERRORS.items()
    ]


def test_every_code_has_its_row() -> None:
    assert list(errors.ERRORS) == list(errors.ErrorCode)


# --- Frames ---------------------------------------------------------------------------------------


def written(default: object) -> str:
    """A default as the law writes it."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int):
        return str(int(default))
    return {b"": '""', (): "[]"}[default]  # type: ignore[index]


@pytest.mark.parametrize("kind", FrameType, ids=lambda kind: kind.name)
def test_frame(kind: FrameType) -> None:
    """Its fields, and an example that reads and writes."""
    text = section(kind.name)
    cls = CLASSES[kind]
    signature = re.search(r"^`\[(0x..)(.*)\]`$", text, re.MULTILINE)
    assert signature and int(signature[1], 16) == kind
    fields = [
        field.encode_name
        if field.default is msgspec.NODEFAULT
        else f"{field.encode_name} = {written(field.default)}"
        for field in msgspec.structs.fields(cls)
    ]
    assert signature[2] == "".join(f", {field}" for field in fields)
    (example,) = examples(text)
    decode: Any = frames.decode_request if kind < FrameType.GREETING else frames.decode_answer
    frame = decode(example)
    assert type(frame) is cls
    assert frames.encode(frame) == example
    assert frame == samples.FRAMES[kind]


@pytest.mark.parametrize(
    "kind", [one for one in FrameType if one < FrameType.GREETING], ids=lambda kind: kind.name
)
def test_request(kind: FrameType) -> None:
    """Where it may be sent, what it gets, which errors."""
    cls = CLASSES[kind]
    line = re.search(
        r"^Client · (.*?) · answers (.*?)(?: · errors (.*))?$", section(kind.name), re.M
    )
    assert line
    kinds = connection.SCOPES.get(cls)
    channel = " or ".join(sorted(one.value for one in kinds)) if kinds else ""
    assert line[1] == (f"channel of {channel}" if channel else "no channel")
    assert line[2].replace("`", "").split() == [NAMES[one] for one in connection.ANSWERS[cls]]
    for code in (line[3] or "").replace("`", "").split():
        assert code in errors.ErrorCode.__members__


def test_every_frame_has_one_section() -> None:
    headings = re.findall(r"^### ([A-Z_0-9]+)$", LAW, re.MULTILINE)
    assert headings == [kind.name for kind in FrameType]


# --- Objects --------------------------------------------------------------------------------------

SHOWN = LAW.partition("## Objects")[2].partition("\n## ")[0]


def test_objects() -> None:
    """Each block of hex in the chapter is a whole object of the story, and one encoding."""
    by_bytes = {one.encode(): one for one in samples.OBJECTS}
    shown = examples(SHOWN)
    assert len(shown) >= 9
    for example in shown:
        value = by_bytes[example]
        assert type(value).from_bytes(example) == value


@pytest.mark.parametrize(
    "kind", [type(one) for one in samples.OBJECTS], ids=lambda kind: kind.__name__
)
def test_structure_is_printed_as_in_the_code(kind: type[Object]) -> None:
    """The law and the docstring draw the same structure; comments may differ."""

    def bare(text: str) -> str:
        return re.sub(r"\s+", " ", re.sub(r"//.*", "", text))

    drawn = re.search(r"struct \{.*?\} " + kind.__name__ + ";", kind.__doc__ or "", re.DOTALL)
    if drawn is None:  # drawn as a part of another
        assert kind.__name__ == "Limits"
        return
    if kind.__name__ == "Greeting":  # the law draws its tail apart
        assert "Limits limits;" in SHOWN
        return
    assert bare(drawn[0]) in bare(SHOWN)
