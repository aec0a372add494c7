"""Sizes: padded ones never shrink, are few, and waste little. Through the real engine as well."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from heliogram.content import framing, making, status
from heliogram.content.limits import MAX_MESSAGE
from heliogram.content.padding import BUCKETS, bucket, padme
from tests.scenarios.cast import PLAIN, Person, entropy_of

sizes = st.one_of(st.integers(0, 1 << 12), st.integers(0, 1 << 40))


@given(sizes)
def test_padme(size: int) -> None:
    padded = padme(size)
    assert size <= padded <= size * 1.12
    assert padme(padded) == padded
    assert padme(size + 1) >= padded


def test_padme_examples() -> None:
    """From the paper's rule: of a length with exponent E, the lowest E - bits(E) bits are zero."""
    expected = {1: 1, 2: 2, 8: 8, 9: 10, 17: 18, 100: 104, 1000: 1024, 1025: 1088, 100_000: 100_352}
    assert {size: padme(size) for size in expected} == expected


def test_padme_leaves_few_sizes() -> None:
    """Files up to 64 MiB have about five hundred sizes, in place of 67 million."""
    found, size = 0, 0
    while size < 64 << 20:
        size = padme(size + 1)
        found += 1
    assert found == 492


@given(st.integers(0, MAX_MESSAGE))
def test_buckets(size: int) -> None:
    padded = bucket(size)
    assert size <= padded and bucket(padded) == padded
    assert size > BUCKETS[-1] or padded in BUCKETS


def test_buckets_ascend() -> None:
    padded = [bucket(size) for size in range(20_000)]
    assert all(one <= other for one, other in pairwise(padded))


def test_74_few_sizes_on_the_wire() -> None:
    """All texts of 1 to 3,500 bytes, reactions, edits and receipts: four sizes at most, sealed by MLS."""
    alice = Person("Alice", config=replace(PLAIN, padding=bucket))
    alice.creates()
    entropy = entropy_of("salts")
    target = b"\x01" + bytes(31)

    def wire(kind: str, content: bytes) -> int:
        return len(alice.group.protect(framing.framed(kind, content), entropy=entropy))

    first = making.post(making.plain("x"), entropy=entropy)
    messages = [making.react(target, ["\u2764\ufe0f"] * 3, entropy=entropy)]
    for size in range(1, 3501):
        messages.append(making.post(making.plain("x" * size), entropy=entropy))
    for size in range(1, 3501, 50):
        part = making.markdown("x" * size)
        messages.append(making.edit(first, target, part, entropy=entropy))
        messages.append(making.post(part, in_reply_to=target, entropy=entropy))
    found = {wire(framing.MIMI_CONTENT, message.encode()) for message in messages}
    for count in range(1, 401, 7):
        report = status.report([target] * count, status.Status.READ)
        found.add(wire(framing.MESSAGE_STATUS, report.encode()))
    assert len(found) <= 4
    short = {wire(framing.MIMI_CONTENT, message.encode()) for message in messages[:2]}
    assert short == {min(found)}, "a reaction is as long as a short text"
