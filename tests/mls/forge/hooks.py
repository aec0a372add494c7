"""Hooks that change nothing or one thing, and the same for structures and bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def same(value: T) -> T:
    """The hook that changes nothing."""
    return value


def changed(value: T, **changes: Any) -> T:
    """A structure with some fields replaced. Forgets the encoding that it may have kept."""
    if any(f.name == "_encoded" for f in dataclasses.fields(value)):  # type: ignore[arg-type]
        changes.setdefault("_encoded", b"")
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]


def fields(**changes: Any) -> Callable[[Any], Any]:
    """The hook that replaces some fields of a structure."""
    return lambda value: changed(value, **changes)


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """The bytes with the only occurrence of `old` replaced."""
    assert data.count(old) == 1
    return data.replace(old, new)


def flipped(data: bytes, at: int = -1) -> bytes:
    """The bytes with one bit of one byte changed."""
    turned = bytearray(data)
    turned[at] ^= 1
    return bytes(turned)
