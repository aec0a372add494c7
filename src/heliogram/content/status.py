"""Reports: which messages have been delivered, read and so on (draft-mahy-mimi-message-status-01).

    messageStatusReport = [ * [ MessageId bstr .size 32, status uint .size 1 ] ]

A report is for one room and tells about many messages, so that it can wait for others and go out with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from heliogram.content import cbor
from heliogram.content.errors import ContentError
from heliogram.content.limits import ID_SIZE, MAX_MESSAGE, MAX_STATUSES

_PLACE = "mimi-message-status-01"


class Status(IntEnum):
    """What became of a message at a receiver. Numbers up to 255 that are not here may come."""

    UNREAD = 0
    DELIVERED = 1
    READ = 2
    EXPIRED = 3
    DELETED = 4
    HIDDEN = 5
    ERROR = 6


#: How final each is. A number that we do not know is the least of all.
_RANK: dict[int, int] = {
    Status.UNREAD: 1,
    Status.ERROR: 2,
    Status.DELIVERED: 3,
    Status.HIDDEN: 4,
    Status.READ: 5,
    Status.EXPIRED: 6,
    Status.DELETED: 7,
}


def later(one: int, other: int) -> int:
    """Which of two reported statuses counts: the more final one, in whichever order they came.

    So reports may arrive twice and out of order, and nobody's "deleted" becomes "delivered" again.
    """
    return max(one, other, key=lambda status: (_RANK.get(status, 0), status))


@dataclass(frozen=True, slots=True)
class Report:
    """Statuses by message id, in the order of the report; an id that is there twice counts by `later`."""

    statuses: tuple[tuple[bytes, int], ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Raises `ContentError` unless ids and numbers are such."""
        if len(self.statuses) > MAX_STATUSES:
            raise ContentError(_PLACE, "a report about too many messages")
        for message_id, status in self.statuses:
            if len(message_id) != ID_SIZE or not 0 <= status <= 255:
                raise ContentError(_PLACE, "a message id or a status is none")

    def encode(self) -> bytes:
        """The bytes of this report."""
        return cbor.array(
            cbor.array((cbor.octets(message_id), cbor.integer(status)))
            for message_id, status in self.statuses
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The report that is the whole of `data`. Raises `ContentError`."""
        if len(data) > MAX_MESSAGE:
            raise ContentError(_PLACE, "a report is too long")
        reader = cbor.Reader(data)
        count = reader.array()
        if count > MAX_STATUSES:
            raise ContentError(_PLACE, "a report about too many messages")
        statuses = []
        for _ in range(count):
            if reader.array() != 2:
                raise ContentError(_PLACE, "an entry of a report is no pair")
            statuses.append((reader.octets(), reader.unsigned(255)))
        reader.finish()
        return cls(tuple(statuses))


def report(message_ids: Iterable[bytes], status: Status) -> Report:
    """A report that all these messages have the same status."""
    return Report(tuple((message_id, int(status)) for message_id in message_ids))
