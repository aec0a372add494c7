"""Decisions that a member serves to another one who was away too long for the relays.

    struct {
        uint8 version = 1;
        opaque log[32];
        opaque decisions<V>;            // of Decision decision, one epoch after the other
    } Decisions;

    struct {
        uint8 version = 1;
        opaque log[32];
        uint64 epoch;                   // the first whose decision is wanted
    } DecisionsWanted;

Nothing of them is believed. `Conversation.apply` takes one after the other, each with a certificate of the
relays of its own epoch; what does not follow is refused there. So any member may serve them, in any other
conversation: as a part of a message if they are few, else as a file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from heliogram.codec import DecodeError, Reader, decode_all, u8, u64, vector
from heliogram.node.chain import Decision
from heliogram.node.errors import InvalidDecisions, TooLong
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE

VERSION = 1

#: The media type, of a part as of a file.
DECISIONS = "application/vnd.heliogram.decisions"

#: The media type of a part that asks for them.
WANTED = "application/vnd.heliogram.decisions-wanted"

#: Bytes of it as a part of a message, and as a file; decisions in one.
MAX_PART = 48 << 10
MAX_FILE = 4 << 20
MAX_DECISIONS = 4096

_FRONT = 1 + HASH_SIZE + 4


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decisions of one log, one epoch after the other. None of them has been checked."""

    log: bytes = field(repr=False)
    decisions: tuple[Decision, ...] = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return u8(VERSION) + self.log + vector(one.encode() for one in self.decisions)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The structure that is the whole of `data`. Raises `InvalidDecisions`."""
        try:
            return decode_all(cls._decode, data)
        except (DecodeError, RemoteError):
            raise InvalidDecisions from None

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        if reader.u8() != VERSION:
            raise DecodeError("decisions", "decisions of another version")
        log = reader.fixed(HASH_SIZE)
        found = reader.vector(Decision.decode, MAX_FILE, MAX_DECISIONS)
        if not found or any(b.epoch != a.epoch + 1 for a, b in itertools.pairwise(found)):
            raise DecodeError("decisions", "no decisions one after the other")
        return cls(log, found)


@dataclass(frozen=True, slots=True)
class DecisionsWanted:
    """A question for the decisions of a log from `epoch` on."""

    log: bytes = field(repr=False)
    epoch: int

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return u8(VERSION) + self.log + u64(self.epoch)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The structure that is the whole of `data`. Raises `InvalidDecisions`."""
        try:
            return decode_all(cls._decode, data)
        except DecodeError:
            raise InvalidDecisions from None

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        if reader.u8() != VERSION:
            raise DecodeError("decisions", "a question of another version")
        return cls(reader.fixed(HASH_SIZE), reader.u64())


def pack_decisions(log: bytes, decisions: Iterable[Decision], most: int = MAX_FILE) -> list[bytes]:
    """`decisions`, one epoch after the other, in pieces of at most `most` bytes: read them in order.

    `most` is `MAX_PART` or `MAX_FILE`. Raises `TooLong` if one decision alone is longer: it goes as a file.
    """
    pieces: list[list[Decision]] = []
    room = 0
    for decision in decisions:
        size = len(decision.encode())
        if _FRONT + size > most:
            raise TooLong
        if size > room or len(pieces[-1]) == MAX_DECISIONS:
            pieces.append([])
            room = most - _FRONT
        pieces[-1].append(decision)
        room -= size
    return [Decisions(log, tuple(piece)).encode() for piece in pieces]


def unpack_decisions(piece: bytes) -> Decisions:
    """What is in a piece. Raises `InvalidDecisions`."""
    return Decisions.from_bytes(piece)
