"""Slots in the writer's transaction: what `slots` decides is read from the store and written to it.

The votes that come of it are signed after the commit. When something shows that this relay fell back, the
log is fenced in the same transaction.
"""

from __future__ import annotations

from heliogram.relay import slots
from heliogram.relay.batch import Advance, Batch, Outcome, Statement
from heliogram.relay.budgets import Lane
from heliogram.relay.errors import BadCertificate, Behind, Gone, NotAuthorised
from heliogram.relay.logs import decoded, found
from heliogram.relay.store import LogRecord
from heliogram.wire import frames
from heliogram.wire.connection import Scope
from heliogram.wire.errors import ErrorCode
from heliogram.wire.limits import NONCE_SIZE
from heliogram.wire.objects import Certificate, Justification, Status, Value

_NO_PROMISES = Justification(())


def lock(batch: Batch, frame: frames.Lock, scope: Scope) -> Outcome:
    """LOCK. Raises `Malformed`, `NotAuthorised`, `Fenced`, `OverBudget`, `Gone`."""
    value = decoded(Value.from_bytes, frame.value)
    why = _NO_PROMISES
    if frame.justification:
        why = decoded(Justification.from_bytes, frame.justification)
    record, slot = _slot(batch, scope)
    if scope.epoch == record.log.epoch:
        after, answer = slots.lock(slot, slots.context(record.log), frame.round, value, why)
        if after is not slot and slot.value(value.hash) is None:
            # Only what is kept is charged: refused values must not keep anybody from voting.
            ceiling = batch.terms.values_per_day
            batch.budgets.charge(Lane.VALUES, record.id, 1, ceiling, now=batch.now)
        _save(batch, record, slot, after)
    else:
        answer = _past(slot)
    return _outcome(batch, frame.id, record, answer)


def commit(batch: Batch, frame: frames.Commit, scope: Scope) -> Outcome:
    """COMMIT. Raises as `lock`."""
    certificate = decoded(Certificate.from_bytes, frame.certificate)
    value = decoded(Value.from_bytes, frame.value) if frame.value else None
    record, slot = _slot(batch, scope)
    if scope.epoch == record.log.epoch:
        after, answer = slots.commit(slot, slots.context(record.log), certificate, value)
        _save(batch, record, slot, after)
    else:
        answer = _past(slot)
    return _outcome(batch, frame.id, record, answer)


def new_round(batch: Batch, frame: frames.NewRound, scope: Scope) -> Outcome:
    """NEWROUND. Raises as `lock`."""
    record, slot = _slot(batch, scope)
    if scope.epoch == record.log.epoch:
        after, answer = slots.new_round(slot, slots.context(record.log), frame.round)
        _save(batch, record, slot, after)
    else:
        answer = _past(slot)
    return _outcome(batch, frame.id, record, answer)


def decide(batch: Batch, frame: frames.Decide, *, member: bool) -> Outcome:
    """DECIDE. Raises `Malformed`, `BadCertificate`, `OverBudget`, `Gone`; `Behind` to a `member` only.

    A log that is not here is answered as one whose certificate does not count.
    """
    certificate = decoded(Certificate.from_bytes, frame.certificate)
    value = decoded(Value.from_bytes, frame.value) if frame.value else None
    logs = batch.store.logs
    record = logs.find(frame.instance)
    if record is None:
        raise BadCertificate
    log = record.log
    if certificate.epoch < log.epoch:
        answer = _decide_again(batch, record, certificate)
        return _outcome(batch, frame.id, record, answer)
    if log.closed:
        raise BadCertificate
    slot = logs.slot(log.seat.id) or slots.Slot()
    try:
        following, after, answer = slots.decide(log, slot, certificate, value)
    except Behind:
        if member:
            raise
        raise BadCertificate from None
    if following is not log:
        ceiling = batch.terms.decisions_per_day
        batch.budgets.charge(Lane.DECISIONS, record.id, 1, ceiling, now=batch.now)
        _save(batch, record, slot, after)
        logs.advance(record, following, minute=batch.minute)
        batch.news.append(Advance(record.instance, log.epoch, frame.certificate))
        if isinstance(answer, slots.FellBack):
            fence(batch, record.instance, answer.epoch)
            answer = slots.Done()
    return _outcome(batch, frame.id, record, answer)


def unfence(batch: Batch, frame: frames.Unfence, scope: Scope) -> frames.Done:
    """UNFENCE. Raises `Malformed`, `NotAuthorised`, `NotFenced`, `BadStatus`."""
    statuses = [decoded(Status.from_bytes, one) for one in frame.statuses]
    record = found(batch, scope.id)
    if scope.epoch != record.log.epoch:
        raise NotAuthorised
    batch.store.logs.save(record, slots.unfence(record.log, statuses))
    return frames.Done(frame.id)


def fence(batch: Batch, instance: bytes, epoch: int, index: int = 0) -> None:
    """Fence a log: it was shown that this relay was in `epoch` and has forgotten it.

    `index` is of a place that it has forgotten. What is stored from now on lies in a later life than that and
    all else, so that receipts of before the fence are known: each fall is dealt with once.

    Other instances of the same log id may share a seat with this one, so they are fenced too, but each with
    its own epoch: a stranger's instance must not silence this one for good.
    """
    record = found(batch, instance)
    logs = batch.store.logs
    for one in logs.instances(record.log.configuration.log):
        shown = one.instance == instance
        known, place = (epoch, index) if shown else (one.log.epoch, 0)
        logs.leap(one, place, minute=batch.minute)
        logs.save(one, slots.fence(one.log, batch.entropy(NONCE_SIZE), known))


def _slot(batch: Batch, scope: Scope) -> tuple[LogRecord, slots.Slot]:
    """The log and the slot that a channel leads to. Raises `NotAuthorised`, `OverBudget`, `Gone`."""
    record = found(batch, scope.id)
    logs = batch.store.logs
    if scope.epoch == record.log.epoch:
        seat = record.log.seat.id
    else:
        epoch = logs.epoch(record, scope.epoch)
        if epoch is None:
            raise Gone
        seat = epoch.seat
    _count(batch, record)
    return record, slots.slot_of(record.log, scope.epoch, logs.slot(seat))


def _count(batch: Batch, record: LogRecord) -> None:
    ceiling = batch.terms.votes_per_hour
    batch.budgets.charge(Lane.VOTES, record.id, 1, ceiling, now=batch.now)


def _past(slot: slots.Slot) -> slots.Answer:
    """The answer to a request about a slot that is decided."""
    decided = slot.decided
    value = None if decided is None else slot.value(decided.h)
    if decided is None or value is None:
        raise Gone
    return slots.Decided(decided, value)


def _save(batch: Batch, record: LogRecord, before: slots.Slot, after: slots.Slot) -> None:
    if after is not before:
        batch.store.logs.save_slot(record.log.seat, after)


def _decide_again(batch: Batch, record: LogRecord, certificate: Certificate) -> slots.Answer:
    logs = batch.store.logs
    epoch = logs.epoch(record, certificate.epoch)
    if epoch is None:
        raise BadCertificate
    slot, seat = logs.slot(epoch.seat), logs.seat(epoch.seat)
    if slot is None or seat is None:
        raise BadCertificate
    return slots.decide_again(slot, seat, certificate)


def _outcome(batch: Batch, id: int, record: LogRecord, answer: slots.Answer) -> Outcome:
    match answer:
        case slots.Voted1() | slots.Voted2() | slots.Promised():
            return Statement(id, answer)
        case slots.Decided(certificate, value):
            return frames.Decided(id, certificate.encode(), value.encode())
        case slots.Done():
            return frames.Done(id)
        case slots.Nack(round):
            return frames.Nack(id, round)
        case slots.Refused(reason):
            return frames.Refuse(id, reason)
        case slots.NeedValue():
            return frames.NeedValue(id)
        case slots.FellBack(epoch):
            fence(batch, record.instance, epoch)
            return frames.Failure(id, ErrorCode.FENCED)
