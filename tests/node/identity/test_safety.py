"""Safety codes: the same for both, other for everybody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node.errors import InvalidLink, LinkFault
from heliogram.node.identity import armour
from heliogram.node.identity.safety import mark, safety_code
from heliogram.node.identity.words import word_list
from tests.node.identity.samples import ALICE, BOB, LINK, SAFETY, name

accounts = st.binary(min_size=32, max_size=32)
EVE = name("Eve")


@given(accounts, accounts)
def test_both_see_the_same(one: bytes, other: bytes) -> None:
    mine, theirs = safety_code(one, other), safety_code(other, one)
    assert mine == theirs
    assert mine.digits() == theirs.digits() and mine.words() == theirs.words()
    assert mine.matches(theirs.to_scan())
    assert repr(mine) == "SafetyCode()"
    groups = mine.digits().split()
    assert [len(group) for group in groups] == [5] * 12
    assert "".join(groups).isdecimal()
    assert len(mine.words().split()) == 18
    assert set(mine.words().split()) <= set(word_list())


def test_somebody_between_is_seen() -> None:
    """Eve is Bob for Alice and Alice for Bob: neither digits nor words nor codes agree."""
    for_alice, for_bob = safety_code(ALICE.id, EVE), safety_code(EVE, BOB.id)
    for code in (for_alice, for_bob):
        assert code.digits() != SAFETY.digits() and code.words() != SAFETY.words()
        assert not SAFETY.matches(code.to_scan())
    assert for_alice.digits() != for_bob.digits() and for_alice.words() != for_bob.words()
    assert not for_alice.matches(for_bob.to_scan())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (LINK.to_scan(), LinkFault.NOT_A_LINK),
        ("", LinkFault.NOT_A_LINK),
        (SAFETY.to_scan()[:-1], LinkFault.DAMAGED),
        (armour.to_text("safety", b""), LinkFault.DAMAGED),
        (armour.to_text("safety", b"\x01" + bytes(63)), LinkFault.DAMAGED),
        (armour.to_text("safety", b"\x02" + bytes(64)), LinkFault.NEWER),
    ],
)
def test_what_is_no_code(text: str, fault: LinkFault) -> None:
    with pytest.raises(InvalidLink) as caught:
        SAFETY.matches(text)
    assert caught.value.fault is fault


def test_an_old_code_of_nobody() -> None:
    assert not SAFETY.matches(armour.to_text("safety", b"\x00" + bytes(64)))


def test_marks_differ() -> None:
    marks = {mark(name(str(index))) for index in range(500)}
    assert len(marks) == 500
    assert all(len(one.split()) == 3 for one in marks)
