"""How fast somebody may go: token buckets in memory, and who counts as one address.

Nothing of it is stored or logged. A bucket that is full again says nothing and is forgotten.
"""

from __future__ import annotations

import ipaddress

#: Addresses that are remembered before those whose buckets are full again are looked for.
REMEMBERED = 4096


class Bucket:
    """So many tokens a second, and at most `burst` of them saved up."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, *, now: float) -> None:
        """`now` is any clock that only goes forward, in seconds."""
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, amount: float, *, now: float) -> bool:
        """Take `amount` tokens, or none and False if there are too few."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if amount > self._tokens:
            return False
        self._tokens -= amount
        return True

    def full(self, *, now: float) -> bool:
        """Whether it is as good as new."""
        return self._tokens + (now - self._at) * self._rate >= self._burst


def address_of(peer: object) -> str:
    """What counts as one address: an IPv4 address, an IPv6 /64, or "" for anything else."""
    if not isinstance(peer, tuple) or not peer:
        return ""
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
    return str(address)


class Addresses:
    """Connections by address: how many are open, and how quickly new ones come. One thread's."""

    def __init__(self, *, at_once: int, per_minute: int) -> None:
        self._at_once = at_once
        self._per_minute = per_minute
        self._open: dict[str, int] = {}
        self._new: dict[str, Bucket] = {}
        self._look_at = REMEMBERED

    def __len__(self) -> int:
        return len(self._new)

    def enter(self, address: str, *, now: float) -> bool:
        """Count a new connection; False if there are too many."""
        if len(self._new) > self._look_at:
            self._new = {a: b for a, b in self._new.items() if not b.full(now=now)}
            self._look_at = max(REMEMBERED, 2 * len(self._new))
        bucket = self._new.get(address)
        if bucket is None:
            bucket = self._new[address] = Bucket(self._per_minute / 60, self._per_minute, now=now)
        if not bucket.take(1, now=now) or self._open.get(address, 0) >= self._at_once:
            return False
        self._open[address] = self._open.get(address, 0) + 1
        return True

    def leave(self, address: str) -> None:
        """Forget a connection that was counted."""
        left = self._open.get(address, 0) - 1
        if left > 0:
            self._open[address] = left
        else:
            self._open.pop(address, None)
