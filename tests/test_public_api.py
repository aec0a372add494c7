"""The public names of the rooms that others may use stand in `docs/public-api.txt`, with signatures.

A change there is a change for users: it shows in review, and needs a note in `changelog.d/`. To write
the file anew: `.venv/bin/python -m tests.test_public_api`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType

from heliogram import mls

ROOMS: tuple[ModuleType, ...] = (mls,)
FILE = Path(__file__).parent.parent / "docs" / "public-api.txt"


def describe(room: ModuleType) -> Iterator[str]:
    """One line for each public name, and below a class one for each of its public members."""
    yield room.__name__
    for name in sorted(room.__all__):
        value = getattr(room, name)
        if inspect.isclass(value):
            yield f"    class {name}({', '.join(base.__name__ for base in value.__bases__)})"
            yield from (f"        {line}" for line in sorted(members(value)))
        elif callable(value):
            yield f"    def {name}{inspect.signature(value)}"
        else:
            yield f"    {name}"
    yield ""


def members(cls: type) -> Iterator[str]:
    """The public attributes and methods that a class itself defines."""
    if issubclass(cls, Enum):
        yield from cls.__members__
        return
    fields = (
        {field.name for field in dataclasses.fields(cls)}
        if dataclasses.is_dataclass(cls)
        else set()
    )
    for name in fields:
        if not name.startswith("_"):
            yield name
    for name, value in vars(cls).items():
        if name.startswith("_") or name in fields:
            continue
        if isinstance(value, property):
            yield f"{name} (read only)"
        elif callable(function := getattr(value, "__func__", value)) and inspect.isroutine(value):
            yield f"{name}{inspect.signature(function)}"


def test_public_names_are_in_the_file() -> None:
    lines = [line for room in ROOMS for line in describe(room)]
    assert FILE.read_text().splitlines() == lines[:-1]


def test_everything_public_is_documented() -> None:
    for room in ROOMS:
        for name in room.__all__:
            value = getattr(room, name)
            if inspect.isclass(value):
                assert inspect.getdoc(value), name
                for member, routine in vars(value).items():
                    if (
                        not member.startswith("_")
                        and inspect.isroutine(routine)
                        and name != "Secret"
                    ):
                        assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"
            elif callable(value):
                assert inspect.getdoc(value), name


if __name__ == "__main__":
    FILE.write_text("\n".join(line for room in ROOMS for line in describe(room)))
