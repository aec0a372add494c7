"""Posting and reading: entries of a log, their places, and who may see which.

Writing runs in the writer's transaction (`Batch`), reading on a reader's store. A channel leads to one epoch
of one instance: it reads that epoch and no other, and posts to it as long as it is open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from heliogram.relay import slots
from heliogram.relay.batch import Appended, Batch, NewEntry
from heliogram.relay.budgets import Lane
from heliogram.relay.errors import (
    BadWork,
    Fenced,
    Full,
    Gone,
    Malformed,
    NotAuthorised,
    OverBudget,
    TooLarge,
)
from heliogram.relay.store import LogRecord, Store
from heliogram.wire import frames, objects, work
from heliogram.wire.connection import Scope
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import MAX_PAGE, NONCE_SIZE
from heliogram.wire.receipts import Evidence, entry_hash, life, next_chain
from heliogram.wire.signing import SigningKey

T = TypeVar("T")


# --- Writing --------------------------------------------------------------------------------------


def open_log(batch: Batch, frame: frames.Open) -> frames.Done:
    """OPEN. Raises `Malformed`, `BadWork`, `Full`, `NotAuthorised`."""
    opened = decoded(objects.Open.from_bytes, frame.record)
    instance = opened.instance
    difficulty = batch.terms.limits.difficulty_open
    # Work before anything else: a stranger must not make us look into the database for nothing.
    if not work.good(opened.proof, batch.relay, instance, difficulty, now=batch.now):
        raise BadWork(difficulty)
    logs = batch.store.logs
    log = slots.open_log(opened, batch.relay)
    if logs.find(instance) is None:
        if logs.count() >= batch.terms.max_logs:
            raise Full
        # Where a decision has expired there is no vote any more: raises `Gone`.
        logs.slot(log.seat.id)
        if logs.fallen(opened.seat.configuration.log):
            # It may have voted at this very seat in another instance of the log, and forgotten it.
            log = slots.open_log(opened, batch.relay, batch.entropy(NONCE_SIZE))
        record = logs.create(instance, log, day=batch.now // 86_400)
        if log.fence is not None:
            logs.leap(record, 0, minute=batch.minute)
    return frames.Done(frame.id)


def post(batch: Batch, frame: frames.Post, scope: Scope) -> Appended | frames.Decided:
    """POST. Raises `TooLarge`, `OverBudget`, `Fenced`, `NotAuthorised`."""
    record = found(batch, scope.id)
    if frame.lane == frames.Lane.GRACE:
        return _post_in_grace(batch, frame, scope, record)
    if frame.lane != frames.Lane.POSTS:
        raise Malformed
    if len(frame.data) > batch.terms.limits.max_entry:
        raise TooLarge
    if scope.epoch != record.log.epoch:
        return _closed(batch.store, frame.id, record, scope.epoch)
    if record.log.fence is not None:
        raise Fenced
    if record.log.closed:
        raise NotAuthorised
    return _append(batch, frame.id, record, scope.epoch, frame.data)


def refill(batch: Batch, frame: frames.Refill, scope: Scope) -> Appended:
    """REFILL. What is older than the instance counts as of its first epoch.

    Raises `TooLarge`, `OverBudget`, `Fenced`, `NotAuthorised`.
    """
    record = found(batch, scope.id)
    if scope.epoch != record.log.epoch or frame.epoch > scope.epoch or record.log.closed:
        raise NotAuthorised
    if len(frame.data) > batch.terms.limits.max_entry:
        raise TooLarge
    if record.log.fence is not None:
        raise Fenced
    return _append(batch, frame.id, record, max(frame.epoch, record.first), frame.data)


def _post_in_grace(batch: Batch, frame: frames.Post, scope: Scope, record: LogRecord) -> Appended:
    if record.log.fence is not None:
        raise Fenced
    logs = batch.store.logs
    epoch = logs.epoch(record, scope.epoch)
    if epoch is None:
        raise NotAuthorised
    name = entry_hash(frame.data)
    place = logs.find_entry(record, scope.epoch, name)
    if place is not None:
        return Appended(frame.id, record.instance, scope.epoch, place.index, name, place.chain)
    used = slots.grace(epoch.grace, len(frame.data))
    ceiling = batch.terms.grace_per_day
    batch.budgets.charge(Lane.GRACE, record.id, 1, ceiling, now=batch.now)
    logs.count_grace(record, scope.epoch, used)
    return _write(batch, frame.id, record, scope.epoch, name, frame.data)


def _append(batch: Batch, id: int, record: LogRecord, epoch: int, data: bytes) -> Appended:
    name = entry_hash(data)
    place = batch.store.logs.find_entry(record, epoch, name)
    if place is not None:
        # Whoever repeats a request whose answer was lost gets a receipt for the same place.
        return Appended(id, record.instance, epoch, place.index, name, place.chain)
    terms, size = batch.terms, len(data)
    if record.bytes + size > terms.log_bytes:
        raise OverBudget
    charge, number, now = batch.budgets.charge, record.id, batch.now
    charge(Lane.POST_BYTES, number, size, terms.post_bytes_per_day, now=now)
    charge(Lane.POSTS, number, 1, terms.posts_per_day, now=now)
    return _write(batch, id, record, epoch, name, data)


def _write(
    batch: Batch, id: int, record: LogRecord, epoch: int, name: bytes, data: bytes
) -> Appended:
    index, minute, instance = record.next_index, batch.minute, record.instance
    chain = next_chain(record.chain, name)
    batch.store.logs.append(record, epoch, name, chain, data, minute=minute)
    batch.news.append(NewEntry(instance, epoch, index, minute, name, data))
    return Appended(id, instance, epoch, index, name, chain)


def _closed(store: Store, id: int, record: LogRecord, epoch: int) -> frames.Decided:
    """The answer to a post whose epoch is closed. The value is not sent along: PEEK has it."""
    saved = store.logs.epoch(record, epoch)
    slot = None if saved is None else store.logs.slot(saved.seat)
    if slot is None or slot.decided is None:
        raise Gone
    return frames.Decided(id, slot.decided.encode())


# --- Reading --------------------------------------------------------------------------------------


def member_key(store: Store, instance: bytes, epoch: int) -> bytes | None:
    """The key with which members of this epoch speak to this relay; None if there is none."""
    record = store.logs.read(instance)
    if record is None:
        return None
    if epoch == record.log.epoch:
        return record.log.key
    saved = store.logs.epoch(record, epoch)
    return None if saved is None else saved.key or None


def authorised(store: Store, frame: frames.Authorise) -> frames.Authorised:
    """The answer to an AUTHORISE whose signature is good."""
    return _authorised(frame, _read(store, frame.instance))


def authorised_in(batch: Batch, frame: frames.Authorise) -> frames.Authorised:
    """The same within a batch that has changed the log."""
    return _authorised(frame, found(batch, frame.instance))


def _authorised(frame: frames.Authorise, record: LogRecord) -> frames.Authorised:
    log, place = record.log, (record.next_index, record.chain)
    return frames.Authorised(frame.id, *place, log.epoch, log.fence or b"")


def shows_fall(store: Store, frame: frames.Authorise, relay: bytes) -> Evidence | None:
    """A place that this relay signed for and does not have; None if it shows no fall that is not known.

    Raises `Malformed`.
    """
    if not frame.evidence:
        return None
    evidence = decoded(Evidence.from_bytes, frame.evidence)
    epoch, index = evidence.epoch, evidence.receipt.index
    record = _read(store, frame.instance)
    if life(index) < life(record.next_index) and epoch < record.log.votes_from:
        # Signed before the last fence, which deals with whatever was forgotten by then.
        return None
    if index < record.next_index and epoch <= record.log.epoch:
        here = store.logs.entry_at(record, epoch, index)
        if here == (evidence.entry, evidence.receipt.chain):
            return None
        # Read again after the entry: it may have expired in between.
        if index < _read(store, frame.instance).first_index:
            return None
    # The signature is looked at last: it costs most, and nearly all evidence agrees.
    return evidence if evidence.proves(relay, frame.instance) else None


def read(store: Store, frame: frames.Read, scope: Scope) -> frames.Entries | frames.Digests:
    """READ. Raises `Gone` if the log has been forgotten."""
    record = _read(store, scope.id)
    page = store.logs.page(record, scope.epoch, frame.start, frame.count, ceiling=MAX_PAGE)
    end = record.next_index
    # A page that is not full is the last one: whatever else there is belongs to other epochs.
    full = len(page) == frame.count or sum(len(one.data) for one in page) > MAX_PAGE // 2
    following = page[-1].index + 1 if full else end
    if frame.digest:
        digests = tuple(
            frames.Digest(e.index, e.minute, scope.epoch, entry_hash(e.data), len(e.data))
            for e in page
        )
        return frames.Digests(frame.id, digests, following, end)
    entries = tuple(frames.Entry(e.index, e.minute, scope.epoch, e.data) for e in page)
    return frames.Entries(frame.id, entries, following, end)


def end(store: Store, instance: bytes) -> int:
    """The index that the next entry will get. Raises `Gone`."""
    return _read(store, instance).next_index


def peek(store: Store, frame: frames.Peek, scope: Scope) -> frames.Peeked:
    """PEEK. Raises `Gone` if the epoch has expired."""
    record = _read(store, scope.id)
    log = record.log
    seat = log.seat.id
    if scope.epoch != log.epoch:
        saved = store.logs.epoch(record, scope.epoch)
        if saved is None:
            raise Gone
        seat = saved.seat
    slot = store.logs.slot(seat) or slots.Slot()
    decided = slot.decided
    value = slot.value(decided.h) if decided is not None and frame.value else None
    return frames.Peeked(
        frame.id,
        record.first_index,
        record.next_index,
        record.chain,
        slot.promised,
        log.epoch,
        b"" if decided is None else decided.encode(),
        b"" if value is None else value.encode(),
        log.fence or b"",
    )


def status(
    store: Store, frame: frames.Status, scope: Scope, identity: SigningKey
) -> frames.StatusSigned:
    """STATUS. Raises `Fenced`, `NotAuthorised`."""
    record = _read(store, scope.id)
    if scope.epoch != record.log.epoch or record.log.closed:
        raise NotAuthorised
    stated = slots.status(record.log, frame.nonce, record.next_index, record.chain)
    return frames.StatusSigned(frame.id, objects.sign_status(stated, identity).encode())


# --- Both -----------------------------------------------------------------------------------------


def decoded(decode: Callable[[bytes], T], data: bytes) -> T:
    """What a frame carries. Raises `Malformed`."""
    try:
        return decode(data)
    except RemoteError:
        raise Malformed from None


def found(batch: Batch, instance: bytes) -> LogRecord:
    """The log of a request, in the writer's transaction. Raises `NotAuthorised` if there is none."""
    record = batch.store.logs.find(instance)
    if record is None:
        raise NotAuthorised
    return record


def _read(store: Store, instance: bytes) -> LogRecord:
    record = store.logs.read(instance)
    if record is None:
        raise Gone
    return record
