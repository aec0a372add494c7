"""Every structure of the engine against the grammar: one value, one encoding, both ways.

`grammar` writes encodings without the engine. The engine must read each, say the same bytes again
when it encodes the fields afresh, and refuse every other spelling of the same value: a length wider
than needed, the reserved prefix, a cut, something left over, an unknown value of a closed enum.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram import mls
from heliogram.codec import DecodeError, decode_all
from heliogram.mls import (
    app_data,
)
from heliogram.mls import ratchet_tree as rt
from heliogram.mls import secret_tree as secrets
from heliogram.mls.errors import InvalidMessage
from heliogram.mls.framing import SentProposal
from tests.fuzz.world import CONFIG, World, build
from tests.mls import grammar as g
from tests.mls.structures import STRUCTURES, Structure, afresh

EACH = pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.name)


# --- The list is complete -------------------------------------------------------------------------


def codec_classes() -> Iterator[type]:
    """Every class of the engine that reads or writes an encoding."""
    for module in pkgutil.iter_modules(mls.__path__):
        found = importlib.import_module(f"heliogram.mls.{module.name}")
        for _, cls in inspect.getmembers(found, inspect.isclass):
            if cls.__module__ == found.__name__ and not issubclass(cls, bytes):
                if {"encode", "decode", "body"} & vars(cls).keys():
                    yield cls


def test_no_structure_is_missing() -> None:
    covered = {cls for structure in STRUCTURES for cls in structure.classes}
    assert set(codec_classes()) == covered - {SentProposal}
    assert len({structure.name for structure in STRUCTURES}) == len(STRUCTURES) >= 45


# --- Round trips ----------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, also where their class does not say."""
    if isinstance(one, rt.RatchetTree):
        return bool(one.nodes == other.nodes)
    if isinstance(one, app_data.SafeExporter | secrets._Ratchet):
        return bool(one.encode() == other.encode())
    return bool(one == other)


@EACH
@given(st.data())
@settings(max_examples=60)
def test_one_value_has_one_encoding(structure: Structure, data: st.DataObject) -> None:
    encoding = g.write(data.draw(g.trees(structure.kind)))
    value = decode_all(structure.decode, encoding)
    assert structure.encode(value) == encoding
    assert structure.encode(afresh(value)) == encoding
    assert same(decode_all(structure.decode, encoding), value)


@EACH
@given(st.data())
@settings(max_examples=30)
def test_the_grammar_reads_what_it_wrote(structure: Structure, data: st.DataObject) -> None:
    encoding = g.write(data.draw(g.trees(structure.kind)))
    assert g.write(g.parse(structure.kind, encoding)) == encoding


# --- Other spellings ------------------------------------------------------------------------------


def refused(structure: Structure, data: bytes) -> None:
    """Reading it raises `DecodeError`, or what `decode_message` makes of one."""
    with pytest.raises((DecodeError, InvalidMessage)) as caught:
        decode_all(structure.decode, data)
    if structure.name != "MLSMessage":
        assert isinstance(caught.value, DecodeError)


@EACH
@given(st.data())
@settings(max_examples=25)
def test_every_length_in_every_width(structure: Structure, data: st.DataObject) -> None:
    """Of all ways to write the lengths of a value, exactly the shortest is read."""
    tree = data.draw(g.trees(structure.kind))
    decode_all(structure.decode, g.write(tree))
    for written in other_widths(tree):
        refused(structure, written)


def other_widths(tree: g.Tree) -> Iterator[bytes]:
    """The encodings in which one length is wider than it needs to be, or begins with 11."""
    for counted in g.counted(tree):
        size = len(g.write(counted))
        minimal = 1 if size < 1 + 0x40 else 2 if size < 2 + 0x4000 else 4
        for width in (2, 4, 8):
            if width > minimal:
                counted.width = width
                yield g.write(tree)
        counted.width = None


@EACH
@given(st.data())
@settings(max_examples=15)
def test_every_cut_and_everything_left_over_is_refused(
    structure: Structure, data: st.DataObject
) -> None:
    encoding = g.write(data.draw(g.trees(structure.kind)))
    for cut in range(len(encoding)) if len(encoding) < 400 else range(0, len(encoding), 97):
        if structure.name == "RatchetTree":  # a tree that ends with a blank is told apart
            with pytest.raises((DecodeError, InvalidMessage)):
                decode_all(structure.decode, encoding[:cut])
        else:
            refused(structure, encoding[:cut])
    refused(structure, encoding + b"\x00")


@EACH
@given(st.data())
@settings(max_examples=15)
def test_unknown_values_of_closed_enums_are_refused(
    structure: Structure, data: st.DataObject
) -> None:
    """Also the octet in front of an optional value; row 4 and row 1."""
    tree = data.draw(g.trees(structure.kind))
    for node in g.nodes(tree, inside=False):
        if isinstance(node.kind, g.Optional):
            wrong = [2, 3, 128, 255]
        elif isinstance(node.kind, g.Select) and node.kind.other is None:
            top = (1 << 8 * node.kind.tag.size) - 1
            wrong = [0, len(node.kind.cases) + 11, top]
        else:
            continue
        flag = node.parts[0]
        right = flag.data
        for value in wrong:
            flag.data = value.to_bytes(len(right), "big")
            refused(structure, g.write(tree))
        flag.data = right


# --- Saved states ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> World:
    return build(1)


@pytest.mark.parametrize("name", ["alone", "new", "bob", "pending", "staged", "closed"])
def test_saved_groups(name: str, world: World) -> None:
    """A saved group is a sentence of the grammar, and each length in it has one width."""
    saved = world.groups[name]
    assert mls.Group.from_bytes(saved, config=CONFIG).to_bytes() == saved
    tree = g.parse(g.STATE, saved)
    g.seal_state(tree)
    assert g.write(tree) == saved
    for counted in g.counted(tree):
        counted.width = 4  # all of these are shorter
        g.seal_state(tree)
        with pytest.raises(mls.UsageError):
            mls.Group.from_bytes(g.write(tree), config=CONFIG)
        counted.width = None


def test_saved_key_packages(world: World) -> None:
    for saved in world.packages.values():
        assert mls.OwnKeyPackage.from_bytes(saved).to_bytes() == saved
        tree = g.parse(g.OWN_KEY_PACKAGE, saved)
        assert g.write(tree) == saved
        for written in other_widths(tree):
            with pytest.raises(mls.UsageError):
                mls.OwnKeyPackage.from_bytes(written)
