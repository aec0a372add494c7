"""Names: nothing invisible is left, mixtures and doubles are told."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node.identity.names import (
    MAX_MARKS,
    MAX_SHOWN,
    check_name,
    clean,
    is_mixed,
    scripts,
    skeleton,
)


@given(st.text(max_size=120))
def test_clean_names(name: str) -> None:
    shown = clean(name)
    assert clean(shown) == shown
    assert len(shown) <= MAX_SHOWN
    assert shown == " ".join(shown.split())
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not hidden & {unicodedata.category(char) for char in shown}
    skeleton(name)
    check_name(name, (name,))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Alice \t\n Liddell ", "Alice Liddell"),
        ("Al\u200bi\u200dc\ufeffe", "Alice"),
        ("\u202ecilA\u202c", "cilA"),
        ("\u2066A\u2069\u200f\u061c", "A"),
        ("A\x00\x1b[31mB\x7f", "A[31mB"),
        ("A\u2028B", "A B"),
        ("\u3164\u115f\u2800\u034f", ""),
        ("A\U000e0041\U000e007f\ufe0f", "A"),
        ("A\ue000\ud800", "A"),
        ("e\u0301", "\u00e9"),
        ("e\u200b\u0301", "\u00e9"),
        ("x" + "\u0300" * 50, "x" + "\u0300" * MAX_MARKS),
        ("x" * 500, "x" * MAX_SHOWN),
        ("\u674e\u96f7 \u0417\u043e\u044f", "\u674e\u96f7 \u0417\u043e\u044f"),
    ],
)
def test_stripped(name: str, shown: str) -> None:
    assert clean(name) == shown


@pytest.mark.parametrize(
    ("name", "mixed"),
    [
        ("Alice", False),
        ("Al\u0456ce", True),  # a Cyrillic i
        ("\u0410lice", True),  # a Cyrillic A
        ("Alic\u03b5", True),  # a Greek epsilon
        ("\u0410\u043b\u0438\u0441\u0430", False),
        ("Jos\u00e9 Nu\u00f1ez 3", False),
        ("\u30a2\u30ea\u30b9 \u674e Alice \u3072", False),
        ("\uae40 \u91d1 Kim", False),
        ("\uae40\u3072", True),
        ("\u674e\u0430", True),
        ("123 !?", False),
        ("\u041c\u0430\u0440\u02bc\u044f\u043d\u0430", False),  # a modifier is of no script
        ("\u4f50\u3005\u6728", False),
        ("\uff21lice", False),  # a fullwidth A is a Latin one
    ],
)
def test_mixed_scripts(name: str, mixed: bool) -> None:
    assert is_mixed(name) is mixed


def test_scripts() -> None:
    assert scripts("Al\u0456ce 1") == {"LATIN", "CYRILLIC"}


@pytest.mark.parametrize(
    "double",
    [
        *("alice", "ALICE", "A l i c e", "Al\u0456ce", "\u0410lice", "A1ice", "AIice", "A|ice"),
        *("Alic\u00e9", "Al\u200bice", "\uff21lice", "\u212blice", "Alic\u0435", "\u03b1lice"),
    ],
)
def test_doubles(double: str) -> None:
    found = check_name(double, ("Bob", "Alice"))
    assert found.looks_like == ("Alice",)
    assert repr(found).startswith("NameCheck(stripped=")


def test_pairs_of_letters() -> None:
    assert skeleton("Morn") == skeleton("Mom")
    assert skeleton("vvill") == skeleton("will")


def test_what_is_said_of_a_name() -> None:
    found = check_name("Al\u0456ce\u200b", ("Alice",))
    assert found.shown == "Al\u0456ce" and found.stripped and found.mixed
    assert found.looks_like == ("Alice",)
    plain = check_name("Bob", ("Alice",))
    assert (plain.shown, plain.stripped, plain.mixed, plain.looks_like) == ("Bob", False, False, ())
    empty = check_name("\u200b", ("", "\u200b"))
    assert empty.shown == "" and empty.looks_like == ()
