"""Receipts of any batch verify, and nothing else does; votes and promises are signed as they stand."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.relay.batch import Appended, Outcome, Statement
from heliogram.relay.sealing import seal
from heliogram.relay.slots import Promised, Voted1, Voted2
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.receipts import Receipt, merkle_root, merkle_tree
from heliogram.wire.signing import Label, verify
from tests.relay.log_world import KEYS, locked, seat, value

KEY = KEYS[0]


def appended(id: int) -> Appended:
    def thing(what: str) -> bytes:
        return sha256(f"{what} {id}".encode()).digest()

    return Appended(id, thing("instance"), id % 3, 7 * id, thing("entry"), thing("chain"))


def check(answers: list[frames.Answer], outcomes: list[Outcome]) -> set[bytes]:
    """The receipts of all entries, in order, each good for its own; their signatures."""
    signatures = set()
    for one, answer in zip(outcomes, answers, strict=True):
        if not isinstance(one, Appended):
            assert answer is one
            continue
        assert isinstance(answer, frames.Stored) and answer.id == one.id
        receipt = Receipt.from_bytes(answer.receipt)
        assert (receipt.index, receipt.chain) == (one.index, one.chain)
        assert receipt.proves(KEY.public, one.instance, one.epoch, one.name)
        signatures.add(receipt.signature)
    return signatures


@pytest.mark.parametrize("size", range(1, 71))
def test_receipts_of_a_batch(size: int) -> None:
    outcomes: list[Outcome] = [appended(id) for id in range(size)]
    assert len(check(seal(KEY, outcomes), outcomes)) == 1  # one signature for all


@given(st.lists(st.booleans(), max_size=70))
def test_receipts_among_other_answers(kinds: list[bool]) -> None:
    outcomes: list[Outcome] = [
        appended(id) if entry else frames.Nack(id, 1) for id, entry in enumerate(kinds)
    ]
    assert len(check(seal(KEY, outcomes), outcomes)) == any(kinds)


@given(st.integers(1, 70), st.data())
def test_a_receipt_is_good_for_its_place_only(size: int, data: st.DataObject) -> None:
    outcomes = [appended(id) for id in range(size)]
    at = data.draw(st.integers(0, size - 1))
    answer, one = seal(KEY, outcomes)[at], outcomes[at]
    assert isinstance(answer, frames.Stored)
    good = Receipt.from_bytes(answer.receipt)
    other = bytes(32)
    assert not good.proves(KEYS[1].public, one.instance, one.epoch, one.name)
    assert not good.proves(KEY.public, other, one.epoch, one.name)
    assert not good.proves(KEY.public, one.instance, one.epoch + 1, one.name)
    assert not good.proves(KEY.public, one.instance, one.epoch, other)
    for bad in (
        replace(good, index=good.index + 1),
        replace(good, chain=other),
        replace(good, position=(good.position + 1) % size, size=size + 1),
        replace(good, path=(*good.path, other)),
        replace(good, path=good.path[1:], size=size + (size == 1)),
    ):
        assert not bad.proves(KEY.public, one.instance, one.epoch, one.name)


def reference_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there, over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


def reference_path(m: int, leaves: list[bytes]) -> tuple[bytes, ...]:
    """RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return ()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return (*reference_path(m, leaves[:k]), reference_root(leaves[k:]))
    return (*reference_path(m - k, leaves[k:]), reference_root(leaves[:k]))


@pytest.mark.parametrize("size", [*range(1, 71), 255, 256, 257, 1024])
def test_trees_are_those_of_the_rfc(size: int) -> None:
    leaves = [sha256(b"%d" % index).digest() for index in range(size)]
    root, paths = merkle_tree(leaves)
    assert root == reference_root(leaves)
    for position in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        assert paths[position] == reference_path(position, leaves)
    for position, (leaf, path) in enumerate(zip(leaves, paths, strict=True)):
        assert merkle_root(leaf, position, size, path) == root


def test_votes_and_promises() -> None:
    lock, one = locked(value(), seat()), value()
    outcomes: list[Outcome] = [
        Statement(1, Voted1(b"first")),
        Statement(2, Voted2(b"second")),
        Statement(3, Promised(b"third", None, None)),
        Statement(4, Promised(b"fourth", lock, one)),
        frames.Failure(5, ErrorCode.FENCED),
    ]
    first, second, third, fourth, failure = seal(KEY, outcomes)
    assert isinstance(first, frames.Vote1) and isinstance(second, frames.Vote2)
    assert isinstance(third, frames.Promise) and isinstance(fourth, frames.Promise)
    for label, content, answer in (
        (Label.VOTE1, b"first", first),
        (Label.VOTE2, b"second", second),
        (Label.PROMISE, b"third", third),
        (Label.PROMISE, b"fourth", fourth),
    ):
        assert verify(KEY.public, label, content, answer.signature)
    assert [first.id, second.id, third.id, fourth.id] == [1, 2, 3, 4]
    assert (third.lock, third.value) == (b"", b"")
    assert (fourth.lock, fourth.value) == (lock.encode(), one.encode())
    assert failure is outcomes[4]


def test_nothing_is_shown() -> None:
    assert seal(KEY, []) == []
    assert "instance=" not in repr(appended(1)) and "name=" not in repr(appended(1))
