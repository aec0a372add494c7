"""Proof of work: a little of the sender's time, bound to one relay, one window of time and one target.

    input = label "work" || relay key[32] || window u32 || target[32] || nonce u64
    a proof is good if SHA-256(input) starts with `difficulty` zero bits

The target says what the work is for: the instance of a new log, an inbox, the statement of a post. A
proof is good for nothing else, at no other relay, and for twenty minutes at most. It only slows: budgets
are what bounds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

from heliogram.codec import Reader, u32, u64
from heliogram.wire.limits import WORK_WINDOW
from heliogram.wire.signing import Label, Object, labelled


@dataclass(frozen=True, slots=True)
class Proof(Object):
    """The outcome of the work.

    struct { uint32 window; uint64 nonce; } Proof;
    """

    window: int
    nonce: int

    def encode(self) -> bytes:
        """The bytes of this `Proof`."""
        return u32(self.window) + u64(self.nonce)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Proof`."""
        return cls(reader.u32(), reader.u64())


def window_at(*, now: int) -> int:
    """The window that `now` lies in."""
    return now // WORK_WINDOW


def search(
    relay: bytes, target: bytes, difficulty: int, *, start: int = 0, count: int = 1 << 16, now: int
) -> Proof | None:
    """A proof with a nonce from `start` to `start + count`, or None if there is none.

    In slices, so that a caller can do other things between them or stop.
    """
    window = window_at(now=now)
    prefix = hashlib.sha256(_input(relay, window, target))
    ceiling = 1 << (256 - difficulty)
    for nonce in range(start, start + count):
        digest = prefix.copy()
        digest.update(nonce.to_bytes(8, "big"))
        if int.from_bytes(digest.digest(), "big") < ceiling:
            return Proof(window, nonce)
    return None


def solve(relay: bytes, target: bytes, difficulty: int, *, now: int) -> Proof:
    """A proof. Takes 2**difficulty hashes on average: about a second for 20 bits."""
    start, count = 0, 1 << 16
    while (proof := search(relay, target, difficulty, start=start, count=count, now=now)) is None:
        start += count
    return proof


def good(proof: Proof, relay: bytes, target: bytes, difficulty: int, *, now: int) -> bool:
    """Whether `proof` was made for this relay and target, hard enough, in this window or a neighbour."""
    # Neighbours: a client's clock may be a little off, and work takes time.
    if abs(proof.window - window_at(now=now)) > 1:
        return False
    digest = hashlib.sha256(_input(relay, proof.window, target) + u64(proof.nonce)).digest()
    return int.from_bytes(digest, "big") < 1 << (256 - difficulty)


def _input(relay: bytes, window: int, target: bytes) -> bytes:
    return labelled(Label.WORK, relay + u32(window) + target)
