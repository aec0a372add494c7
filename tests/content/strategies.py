"""Messages of every shape, for property tests: the draft's grammar, spoken by Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from heliogram.content import cbor, forms, mimi
from heliogram.content.framing import ApplicationFraming, MediaType
from heliogram.content.limits import MAX_EXTENSION_NUMBER, MAX_PART_DEPTH
from heliogram.content.status import Report

texts = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
ids = st.binary(min_size=31, max_size=31).map(lambda tail: b"\x01" + tail)
octets = st.binary(max_size=40)


def uint(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


def tuples(one: st.SearchStrategy[Any], low: int, high: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, min_size=low, max_size=high).map(tuple)


# --- CBOR -----------------------------------------------------------------------------------------

#: Simple values and floats, each in the one way to write it.
SIMPLE = (
    *("f4", "f5", "f6", "f7", "e0", "f820", "f8ff", "f90000", "f98000", "f97c00", "f97e00"),
    *("f93e00", "fa47c35000", "fa7f7fffff", "fb3ff199999999999a", "fb7e37e43c8800759c"),
)
simple = st.sampled_from(SIMPLE).map(bytes.fromhex)

leaves = st.one_of(
    simple,
    st.integers(-(2**64), 2**64 - 1).map(cbor.integer),
    octets.map(cbor.octets),
    texts.map(cbor.text),
)


def _containers(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.lists(inner, max_size=3).map(cbor.array),
        st.dictionaries(leaves, inner, max_size=3).map(lambda pairs: cbor.mapping(pairs.items())),
        inner.map(lambda value: b"\xc1" + value),
    )


def items(depth: int) -> st.SearchStrategy[bytes]:
    """One encoded item with at most so many containers in one another."""
    return leaves if depth == 0 else st.one_of(leaves, _containers(items(depth - 1)))


# --- Messages -------------------------------------------------------------------------------------

disposition = st.integers(0, 255)
nulls = st.builds(mimi.NullPart, disposition, texts)
singles = st.builds(mimi.SinglePart, texts, octets, disposition, texts)
externals = st.builds(
    mimi.ExternalPart,
    texts,
    texts,
    uint(32),
    uint(64),
    st.integers(1, 0xFFFF),
    octets,
    octets,
    octets,
    uint(8),
    octets,
    texts,
    texts,
    disposition,
    texts,
)


def parts(depth: int = MAX_PART_DEPTH) -> st.SearchStrategy[Any]:
    alone = st.one_of(nulls, singles, externals)
    if depth == 1:
        return alone
    several = tuples(parts(depth - 1), 2, 3)
    multi = st.builds(
        mimi.MultiPart, st.sampled_from(mimi.PartSemantics), several, disposition, texts
    )
    return st.one_of(alone, multi)


keys = st.one_of(
    st.integers(-MAX_EXTENSION_NUMBER, MAX_EXTENSION_NUMBER),
    st.integers(-3, 300),
    texts.filter(len),
)
extensions = st.dictionaries(keys, items(3), max_size=4).map(mimi.extensions)

messages = st.builds(
    mimi.Message,
    st.binary(min_size=16, max_size=16),
    parts(),
    st.none() | ids,
    octets,
    st.none()
    | st.builds(mimi.Expiry, st.just(True), st.integers(0, 366 * 24 * 3600))
    | st.builds(mimi.Expiry, st.just(False), uint(32)),
    st.none() | ids,
    extensions,
)

reports = st.builds(Report, tuples(st.tuples(st.binary(min_size=32, max_size=32), uint(8)), 0, 5))

framings = st.builds(
    ApplicationFraming,
    st.builds(MediaType, names, tuples(st.tuples(names, names), 0, 3)),
    octets,
)

# --- Forms ----------------------------------------------------------------------------------------

labels = texts.filter(len)
polls = st.lists(labels, min_size=2, max_size=5, unique=True).flatmap(
    lambda options: st.builds(
        forms.Poll, labels, st.just(tuple(options)), st.integers(1, len(options))
    )
)
votes = st.sets(st.integers(0, 31)).map(lambda chosen: forms.Vote(tuple(sorted(chosen))))
locations = st.builds(
    forms.Location,
    st.integers(-90_000_000, 90_000_000),
    st.integers(-180_000_000, 180_000_000),
    uint(32),
    texts,
)
buttons = st.builds(forms.Button, labels, octets | labels)
keyboards = st.builds(forms.Keyboard, tuples(tuples(buttons, 1, 3), 1, 3))
presses = st.builds(forms.Press, octets)
pins = st.builds(forms.Pin, st.booleans())
