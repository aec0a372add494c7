"""Token buckets against their definition, and who counts as one address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.relay.serving.limiter import REMEMBERED, Addresses, Bucket, address_of


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=40))
def test_a_bucket_gives_no_more_than_its_rate_and_burst(steps: list[tuple[int, int]]) -> None:
    """In whole numbers, so that the model is exact: 2 tokens a second, 10 saved up."""
    bucket, tokens, now = Bucket(2, 10, now=0), 10, 0
    for wait, amount in steps:
        now += wait
        tokens = min(10, tokens + 2 * wait)
        assert bucket.full(now=now) == (tokens == 10)
        assert bucket.take(amount, now=now) == (amount <= tokens)
        if amount <= tokens:
            tokens -= amount


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("192.0.2.7", 443), "192.0.2.7"),
        (("::ffff:192.0.2.7", 443, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 443, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:2::", 443, 0, 0), "2001:db8:1:2::"),
        (("2001:db8:1:3::", 443, 0, 0), "2001:db8:1:3::"),
        (("fe80::1%eth0", 443, 0, 2), "fe80::"),
        (("no address", 1), ""),
        ((), ""),
        ("/run/socket", ""),
        (None, ""),
    ],
)
def test_address(peer: object, address: str) -> None:
    assert address_of(peer) == address


def test_so_many_at_once() -> None:
    addresses = Addresses(at_once=2, per_minute=60)
    assert addresses.enter("a", now=0) and addresses.enter("a", now=0)
    assert not addresses.enter("a", now=0)
    assert addresses.enter("b", now=0)
    addresses.leave("a")
    assert addresses.enter("a", now=0)
    for _ in range(3):
        addresses.leave("a")  # once more than it came
    assert addresses.enter("a", now=0) and addresses.enter("a", now=0)
    assert not addresses.enter("a", now=0)


def test_so_many_a_minute() -> None:
    addresses = Addresses(at_once=100, per_minute=6)
    assert [addresses.enter("a", now=0) for _ in range(7)] == [True] * 6 + [False]
    assert [addresses.enter("a", now=10) for _ in range(2)] == [True, False]
    assert all(addresses.enter("b", now=10) for _ in range(6))


def test_addresses_that_are_full_again_are_forgotten() -> None:
    addresses = Addresses(at_once=1, per_minute=60)
    for index in range(REMEMBERED + 1):
        assert addresses.enter(str(index), now=0)
        addresses.leave(str(index))
    assert len(addresses) == REMEMBERED + 1
    assert addresses.enter("another", now=1)
    assert len(addresses) == 1


def test_looking_for_them_is_not_done_for_each_connection() -> None:
    """If most are not full yet, the next look is when there are twice as many."""
    addresses = Addresses(at_once=1, per_minute=60)
    for index in range(REMEMBERED + 2):
        assert addresses.enter(str(index), now=0)
    for index in range(REMEMBERED + 1):
        assert addresses.enter(f"later {index}", now=1)
    assert len(addresses) == 2 * REMEMBERED + 3
    assert addresses.enter("another", now=2)
    assert len(addresses) == 1
