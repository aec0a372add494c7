"""The rules of blobs: announcing, tickets, taking back, expiry. The bytes go over HTTP: `blob_service`.

Whoever announces a blob gets a row of its own, named by the blob and by the hash of a secret. That another
knows the id and announces it too changes nothing for the first: the other can neither write into its
upload, nor fix another size, nor delete it. The finished file stays as long as one announcement does.
"""

from __future__ import annotations

import hmac

from heliogram.codec import u64
from heliogram.relay.batch import Batch
from heliogram.relay.budgets import DAY, HOUR, Lane
from heliogram.relay.errors import Full, Malformed, NotAuthorised, TooLarge
from heliogram.relay.logs import found
from heliogram.relay.store import BlobRecord
from heliogram.relay.store.blobs import counted
from heliogram.wire import frames
from heliogram.wire.connection import Scope
from heliogram.wire.limits import HASH_SIZE, MAX_BLOB_DAYS
from heliogram.wire.objects import blob_delete_hash

#: Minutes after which an upload goes that stands still, and one that has not begun.
IDLE_MINUTES, UNUSED_MINUTES = 1440, 120

#: Leading bytes of a ticket: those of `delete_hash`, by which its announcement is found again.
TAG_SIZE = 8


class Tickets:
    """What authorises an upload. None is kept: a ticket is a MAC, and its key ends with the process."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """`key` is 32 random bytes, new for each process."""
        self._key = key

    def __repr__(self) -> str:
        return "<Tickets>"

    def make(self, record: BlobRecord, *, now: int) -> bytes:
        """A ticket for this upload: 32 bytes, good for an hour, and for two at most."""
        return self._ticket(record, now // HOUR)

    def good(self, ticket: bytes, record: BlobRecord, *, now: int) -> bool:
        """Whether `ticket` was made for this upload in this hour or the one before."""
        hour = now // HOUR
        # Both are always compared: the time says nothing about either.
        fresh = hmac.compare_digest(ticket, self._ticket(record, hour))
        recent = hmac.compare_digest(ticket, self._ticket(record, hour - 1))
        return fresh or recent

    def _ticket(self, record: BlobRecord, hour: int) -> bytes:
        content = record.blob + record.delete_hash + u64(record.size) + u64(max(hour, 0))
        mac = hmac.digest(self._key, content, "sha256")
        return record.delete_hash[:TAG_SIZE] + mac[: HASH_SIZE - TAG_SIZE]


def open_blob(
    batch: Batch, frame: frames.BlobOpen, scope: Scope, tickets: Tickets
) -> frames.BlobReady:
    """BLOB_OPEN. Raises `NotAuthorised`, `TooLarge`, `Malformed`, `OverBudget`, `Full`."""
    log = found(batch, scope.id)
    # Who was removed reads on for a while, but spends nothing of the log's budget.
    if scope.epoch != log.log.epoch or log.log.closed:
        raise NotAuthorised
    limits = batch.terms.limits
    if frame.size > limits.max_blob or frame.days > limits.blob_days:
        raise TooLarge
    # Always a midnight: it tells no hour, and asking again on the same day changes nothing.
    expires = (batch.now // DAY + frame.days + 1) * (DAY // 60)
    record = batch.store.blobs.find(frame.blob, frame.delete_hash)
    if record is None:
        record = _announce(batch, log.id, frame, expires)
    elif record.size != frame.size:
        raise Malformed
    elif record.expires < expires and (record.complete or record.expires <= batch.minute):
        # While it is uploaded the first announcement holds: whoever resumes after midnight pays once.
        _charge(batch, log.id, frame.size)
        batch.store.blobs.prolong(record, expires)
        if not record.complete:
            batch.store.blobs.save(record, record.stored, minute=batch.minute)
    else:
        expires = record.expires
    ticket = tickets.make(record, now=batch.now)
    return frames.BlobReady(frame.id, ticket, record.stored, expires)


def delete_blob(batch: Batch, frame: frames.BlobDelete) -> frames.Done:
    """BLOB_DELETE. It cannot be read from the next moment on; its file goes soon. Raises `NotAuthorised`."""
    record = batch.store.blobs.find(frame.blob, blob_delete_hash(frame.secret))
    if record is None or record.expires <= batch.minute:
        raise NotAuthorised
    batch.store.blobs.prolong(record, 0)
    return frames.Done(frame.id)


def expire_blobs(batch: Batch) -> list[BlobRecord]:
    """Delete a slice of the rows that have had their time. Their files go after the commit."""
    minute = batch.minute
    return batch.store.blobs.expire(
        minute=minute,
        idle=minute - IDLE_MINUTES,
        unused=minute - UNUSED_MINUTES,
        latest=minute + (MAX_BLOB_DAYS + 1) * (DAY // 60),
    )


def _announce(batch: Batch, log: int, frame: frames.BlobOpen, expires: int) -> BlobRecord:
    blobs = batch.store.blobs
    if blobs.bytes() + counted(frame.size) > batch.terms.max_blob_bytes:
        raise Full
    _charge(batch, log, frame.size)
    # The same bytes are there already: nobody has to send them again. Another size can be none of them.
    there = blobs.held(frame.blob) == frame.size
    stored, touched = (frame.size, 0) if there else (0, batch.minute)
    record = BlobRecord(frame.blob, frame.delete_hash, frame.size, stored, expires, touched)
    blobs.announce(record)
    return record


def _charge(batch: Batch, log: int, size: int) -> None:
    ceiling = batch.terms.blob_bytes_per_day
    batch.budgets.charge(Lane.BLOB_BYTES, log, counted(size), ceiling, now=batch.now)
