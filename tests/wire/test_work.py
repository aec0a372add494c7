"""Proof of work: bound to relay, target and window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliogram.wire import work
from heliogram.wire.limits import WORK_WINDOW

RELAY, TARGET, NOW = b"r" * 32, b"t" * 32, 1_795_000_000


def test_made_and_checked() -> None:
    proof = work.solve(RELAY, TARGET, 10, now=NOW)
    assert work.good(proof, RELAY, TARGET, 10, now=NOW)
    assert work.Proof.from_bytes(proof.encode()) == proof


def test_good_for_one_thing_only() -> None:
    proof = work.solve(RELAY, TARGET, 12, now=NOW)
    assert not work.good(proof, b"R" * 32, TARGET, 12, now=NOW)
    assert not work.good(proof, RELAY, b"T" * 32, 12, now=NOW)
    assert not work.good(work.Proof(proof.window + 1, proof.nonce), RELAY, TARGET, 12, now=NOW)
    assert not work.good(proof, RELAY, TARGET, 60, now=NOW)


def test_windows() -> None:
    proof = work.solve(RELAY, TARGET, 4, now=NOW)
    for steps, good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        assert work.good(proof, RELAY, TARGET, 4, now=NOW + steps * WORK_WINDOW) == good


def test_slices() -> None:
    """What one slice does not find, another does."""
    proof = work.solve(RELAY, TARGET, 12, now=NOW)
    assert work.search(RELAY, TARGET, 12, count=proof.nonce, now=NOW) is None
    assert work.search(RELAY, TARGET, 12, start=proof.nonce, count=1, now=NOW) == proof


def test_many_slices() -> None:
    """Some work takes more than one slice."""
    for number in range(40):
        target = number.to_bytes(32, "big")
        proof = work.solve(RELAY, target, 14, now=NOW)
        assert work.good(proof, RELAY, target, 14, now=NOW)
        if proof.nonce >= 1 << 16:
            return
    raise AssertionError("no target needed a second slice")


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_no_work_is_always_enough(window: int, nonce: int) -> None:
    proof = work.Proof(window, nonce)
    assert work.good(proof, RELAY, TARGET, 0, now=window * WORK_WINDOW)
