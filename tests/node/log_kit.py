"""Four relays, three of which decide, and what they sign: for tests of one core alone."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Any

from heliogram.node.chain import Decision
from heliogram.node.slots import Election
from heliogram.wire import frames
from heliogram.wire.objects import (
    Certificate,
    Header,
    RelaySignature,
    Seat,
    SignedPromise,
    Value,
    promise_content,
    vote_content,
)
from heliogram.wire.receipts import (
    Receipt,
    entry_hash,
    merkle_tree,
    receipt_leaf,
    receipts_content,
)
from heliogram.wire.signing import Label
from tests.wire import samples

KEYS, SEAT = samples.RELAYS, samples.SEAT
NAMES = [SEAT.id] * 4


def keys(epoch: int) -> tuple[bytes, ...]:
    """Any keys of an epoch."""
    return tuple(sha256(b"%d %d" % (epoch, index)).digest() for index in range(4))


def value(seat: Seat = SEAT, body: bytes = b"a commit") -> Value:
    """A value that goes on with the same relays."""
    return Value(Header(seat.configuration, keys(seat.epoch + 1)).encode(), body)


def vote(index: int, label: Label, h: bytes, round: int = 0, seat: Seat = SEAT) -> bytes:
    """What a relay signs."""
    return KEYS[index].sign(label, vote_content(seat.id, round, h))


def certificate(
    label: Label,
    h: bytes,
    *,
    round: int = 0,
    seat: Seat = SEAT,
    voters: tuple[int, ...] = (0, 1, 2),
) -> Certificate:
    """The votes of these relays."""
    votes = tuple(RelaySignature(at, vote(at, label, h, round, seat)) for at in voters)
    return Certificate(seat.epoch, round, h, votes)


def decision(one: Value, seat: Seat = SEAT, **more: Any) -> Decision:
    """A decision for this value."""
    return Decision(certificate(Label.VOTE2, one.hash, seat=seat, **more), one)


def promise(index: int, round: int, lock: Certificate | None = None) -> SignedPromise:
    """A relay's promise."""
    shown = None if lock is None else (lock.round, lock.h)
    content = promise_content(SEAT.id, round, shown)
    return SignedPromise(index, lock, KEYS[index].sign(Label.PROMISE, content))


def promised(
    index: int, round: int, lock: Certificate | None = None, one: Value | None = None
) -> Any:
    """The same as an answer."""
    signed = promise(index, round, lock)
    text = b"" if lock is None else lock.encode()
    return frames.Promise(0, signed.signature, text, b"" if one is None else one.encode())


def peeked(round: int = 0, **more: Any) -> frames.Peeked:
    """Where the slot stands."""
    return frames.Peeked(0, 0, 0, bytes(32), round, more.pop("epoch", SEAT.epoch), **more)


def election(**more: Any) -> Election:
    """One for the seat, with dice that are always the same."""
    return Election(SEAT, NAMES, entropy=Random(0).randbytes, **more)


def proposing(one: Value) -> Election:
    """An election in its first vote."""
    made = election()
    made.propose(one)
    made.saved()
    for index, frame in made.requests(0.0)[:3]:
        made.receive(index, frame, peeked(), 0.1)
    return made


def kinds(requests: list[tuple[int, Any]]) -> list[tuple[int, str]]:
    """What is asked of whom."""
    return [(index, type(frame).__name__) for index, frame in requests]


def receipt(index: int, entry: bytes, place: int = 0, seat: Seat = SEAT) -> Receipt:
    """A relay's receipt for the first entry, or any."""
    chain = sha256(b"%d" % place).digest()
    leaf = receipt_leaf(SEAT.id, seat.epoch, place, entry_hash(entry), chain)
    root, [path] = merkle_tree([leaf])
    signature = KEYS[index].sign(Label.RECEIPTS, receipts_content(KEYS[index].public, root, 1))
    return Receipt(place, chain, 0, 1, path, signature)


def asked(core: Any, now: float) -> list[tuple[int, Any]]:
    """What a core asks now."""
    return list(core.requests(now))
