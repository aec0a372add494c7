"""Relays of a simulation: the real rules over tables in memory or a real file, and what a lying one does.

`Tables` has the methods of the relay's `LogTable`, over dictionaries: a snapshot is a copy, a crash in the
middle of a transaction undoes it. Everything above them is the relay's own code.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, TypeAlias, cast

import msgspec

from heliogram.relay import logs, voting
from heliogram.relay.batch import Advance, Batch
from heliogram.relay.budgets import Budgets
from heliogram.relay.errors import RelayError
from heliogram.relay.sealing import seal
from heliogram.relay.slots import Log, Slot
from heliogram.relay.store import EpochRecord, LogRecord, Place, Store, StoredEntry
from heliogram.relay.terms import Terms
from heliogram.wire import frames
from heliogram.wire.connection import Scope, ScopeKind
from heliogram.wire.errors import ErrorCode
from heliogram.wire.limits import LIFE
from heliogram.wire.objects import (
    Certificate,
    Limits,
    RelaySignature,
    Seat,
    Value,
    promise_content,
    vote_content,
)
from heliogram.wire.receipts import entry_hash, life
from heliogram.wire.signing import Label, SigningKey

NOW = 1_795_000_000

LIMITS = Limits(0, 0, 384 << 10, 64 << 10, 64, 128, 1 << 30, 30, 180, 30)

#: Budgets are tested elsewhere; here they must not end a run.
TERMS = Terms(
    LIMITS, posts_per_day=10**6, values_per_day=10**6, votes_per_hour=10**6, decisions_per_day=10**6
)


def name(text: str) -> bytes:
    """32 bytes for a name."""
    return sha256(text.encode()).digest()


class Tables:
    """What a relay keeps of its logs."""

    def __init__(self) -> None:
        self.records: dict[bytes, LogRecord] = {}
        self.epochs: dict[tuple[int, int], EpochRecord] = {}
        self.slots: dict[bytes, tuple[Seat, Slot]] = {}
        self.entries: dict[int, list[tuple[int, StoredEntry, bytes, bytes]]] = {}

    def copy(self) -> Tables:
        """The same, apart."""
        other = Tables()
        other.records = {key: copy(one) for key, one in self.records.items()}
        other.epochs, other.slots = dict(self.epochs), dict(self.slots)
        other.entries = {key: list(one) for key, one in self.entries.items()}
        return other

    def find(self, instance: bytes) -> LogRecord | None:
        return self.records.get(instance)

    def read(self, instance: bytes) -> LogRecord | None:
        return self.records.get(instance)

    def instances(self, log: bytes) -> list[LogRecord]:
        return [one for one in self.records.values() if one.log.configuration.log == log]

    def fallen(self, log: bytes) -> bool:
        return any(one.log.fell_back for one in self.instances(log))

    def count(self) -> int:
        return len(self.records)

    def create(self, instance: bytes, log: Log, *, day: int) -> LogRecord:
        record = LogRecord(len(self.records), instance, log.epoch, log, 0, 0, instance, 0, day)
        self.records[instance] = record
        self.entries[record.id] = []
        self._open_epoch(record)
        return record

    def save(self, record: LogRecord, log: Log) -> None:
        record.log = log

    def advance(self, record: LogRecord, log: Log, *, minute: int) -> None:
        at = record.id, record.log.epoch
        self.epochs[at] = replace(self.epochs[at], closed=max(1, minute))
        record.log = log
        self._open_epoch(record)

    def _open_epoch(self, record: LogRecord) -> None:
        log = record.log
        self.epochs[record.id, log.epoch] = EpochRecord(log.seat.id, log.key or b"", 0, 0)

    def epoch(self, record: LogRecord, epoch: int) -> EpochRecord | None:
        return self.epochs.get((record.id, epoch))

    def count_grace(self, record: LogRecord, epoch: int, used: int) -> None:
        at = record.id, epoch
        self.epochs[at] = replace(self.epochs[at], grace=used)

    def slot(self, seat: bytes) -> Slot | None:
        found = self.slots.get(seat)
        return None if found is None else found[1]

    def save_slot(self, seat: Seat, slot: Slot) -> None:
        self.slots[seat.id] = (seat, slot)

    def seat(self, seat: bytes) -> Seat | None:
        found = self.slots.get(seat)
        return None if found is None else found[0]

    def append(
        self, record: LogRecord, epoch: int, name: bytes, chain: bytes, data: bytes, *, minute: int
    ) -> None:
        entry = StoredEntry(record.next_index, minute, data)
        self.entries[record.id].append((epoch, entry, name, chain))
        record.next_index += 1
        record.chain = chain
        record.bytes += len(data)

    def leap(self, record: LogRecord, index: int, *, minute: int) -> None:
        later = life(max(index, record.next_index - 1)) + 1
        record.next_index = max(later, minute) * LIFE

    def find_entry(self, record: LogRecord, epoch: int, name: bytes) -> Place | None:
        found = (
            Place(entry.index, chain)
            for here, entry, named, chain in self.entries[record.id]
            if here == epoch and named == name
        )
        return next(found, None)

    def entry_at(self, record: LogRecord, epoch: int, index: int) -> tuple[bytes, bytes] | None:
        found = (
            (name, chain)
            for here, entry, name, chain in self.entries[record.id]
            if (here, entry.index) == (epoch, index)
        )
        return next(found, None)

    def page(
        self, record: LogRecord, epoch: int, start: int, count: int, *, ceiling: int
    ) -> list[StoredEntry]:
        rows = self.entries[record.id]
        found = (entry for here, entry, _, _ in rows if here == epoch and entry.index >= start)
        return list(islice(found, count))


class Memory:
    """A store in memory."""

    def __init__(self) -> None:
        self.logs = Tables()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Nothing to undo: a rule that refuses has not written."""
        yield


#: What a lying relay does with a request: gives another answer, or None to be honest this time.
Lie: TypeAlias = Callable[["Relay", Any, Scope, frames.Answer], "frames.Answer | None"]


class Relay:
    """One relay. `lie` makes it a liar; `path` a real database."""

    def __init__(self, label: str, *, path: Path | None = None, offset: int = 0) -> None:
        self.label = label
        self.identity = SigningKey(name(label))
        self.key = self.identity.public
        self.path = path
        self.store: Any = Memory() if path is None else Store(path, writes=True)
        self.budgets = Budgets()
        #: How wrong its clock is.
        self.offset = offset
        self.up = True
        self.lie: Lie | None = None
        self.random = Random(label)
        self.snapshots: list[Any] = []
        #: Whether it was ever rolled back.
        self.fell = False
        self.memory: dict[Any, Any] = {}

    # --- Its life ---

    def crash(self) -> None:
        """What it did not write is gone; nothing else is in memory that matters."""
        self.up = False
        self.budgets = Budgets()

    def restart(self) -> None:
        self.up = True

    def snapshot(self) -> None:
        """Remember this state, to fall back to."""
        if self.path is None:
            self.snapshots.append(self.store.logs.copy())
        else:
            self.store.database.checkpoint()
            copied = self.path.with_suffix(f".{len(self.snapshots)}")
            shutil.copy(self.path, copied)
            self.snapshots.append(copied)

    def roll_back(self, at: int) -> None:
        """Fall back to a remembered state."""
        self.fell = True
        if self.path is None:
            self.store.logs = self.snapshots[at].copy()
        else:
            self.store.close()
            shutil.copy(self.snapshots[at], self.path)
            self.store = Store(self.path, writes=True)

    # --- Requests ---

    def serve(
        self, frame: Any, instance: bytes, epoch: int, key: bytes, *, now: float
    ) -> tuple[frames.Answer, list[Advance]]:
        """The answer to a request of who holds `key`; and the decisions that it brought."""
        scope = Scope(ScopeKind.LOG, instance, epoch)
        answer, news = self._honest(frame, scope, key, int(now))
        if self.lie is not None:
            told = self.lie(self, frame, scope, answer)
            if told is not None:
                return told, news
        return answer, news

    def _honest(
        self, frame: Any, scope: Scope, key: bytes, now: int
    ) -> tuple[frames.Answer, list[Advance]]:
        store = cast("Store", self.store)
        clock = NOW + self.offset + now
        batch = Batch(store, TERMS, self.budgets, self.key, clock, self.random.randbytes)
        channelled = not isinstance(frame, frames.Decide | frames.Open)
        try:
            known = logs.member_key(store, scope.id, scope.epoch)
            if channelled and (known is None or known != key):
                return frames.Failure(0, ErrorCode.NOT_AUTHORISED), []
            member = known is not None and known == key
            with self.store.transaction():
                outcome = self._rule(batch, frame, scope, member)
            self.budgets.keep()
        except RelayError as error:
            self.budgets.undo()
            return frames.Failure(0, error.code, error.detail), []
        [answer] = seal(self.identity, [outcome])
        return answer, [one for one in batch.news if isinstance(one, Advance)]

    def _rule(self, batch: Batch, frame: Any, scope: Scope, member: bool) -> Any:
        match frame:
            case frames.Lock():
                return voting.lock(batch, frame, scope)
            case frames.Commit():
                return voting.commit(batch, frame, scope)
            case frames.NewRound():
                return voting.new_round(batch, frame, scope)
            case frames.Decide():
                return voting.decide(batch, frame, member=member)
            case frames.Unfence():
                return voting.unfence(batch, frame, scope)
            case frames.Open():
                return logs.open_log(batch, frame)
            case frames.Post():
                return logs.post(batch, frame, scope)
            case frames.Refill():
                return logs.refill(batch, frame, scope)
            case frames.Read():
                return logs.read(batch.store, frame, scope)
            case frames.Peek():
                return logs.peek(batch.store, frame, scope)
            case frames.Status():
                return logs.status(batch.store, frame, scope, self.identity)
            case frames.Authorise():
                fallen = logs.shows_fall(batch.store, frame, self.key)
                if fallen is not None:
                    voting.fence(batch, frame.instance, fallen.epoch, fallen.receipt.index)
                return logs.authorised_in(batch, frame)
        raise AssertionError(type(frame).__name__)

    def seat(self, scope: Scope) -> Seat | None:
        """The seat that a scope is about, for lies."""
        record = self.store.logs.find(scope.id)
        return record.log.seat if record is not None and record.log.epoch == scope.epoch else None

    def holds(self, instance: bytes, epoch: int, entry: bytes) -> bool:
        """Whether an entry is there."""
        record = self.store.logs.find(instance)
        if record is None:
            return False
        return self.store.logs.find_entry(record, epoch, entry) is not None


# --- Lies -----------------------------------------------------------------------------------------


def says_yes(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It votes for everything and promises everything, and shows no lock."""
    seat = relay.seat(scope)
    if seat is None:
        return None
    sign = relay.identity.sign
    match frame:
        case frames.Lock():
            h = Value.from_bytes(frame.value).hash
            return frames.Vote1(0, sign(Label.VOTE1, vote_content(seat.id, frame.round, h)))
        case frames.Commit():
            one = Certificate.from_bytes(frame.certificate)
            return frames.Vote2(0, sign(Label.VOTE2, vote_content(seat.id, one.round, one.h)))
        case frames.NewRound():
            return hides_locks(relay, frame, scope, answer)
        case frames.Peek():
            return replace_struct(answer, certificate=b"", value=b"", round=0)
    return None


def hides_locks(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It promises as if it had locked nothing."""
    seat = relay.seat(scope)
    if seat is None or not isinstance(frame, frames.NewRound):
        return None
    content = promise_content(seat.id, frame.round, None)
    return frames.Promise(0, relay.identity.sign(Label.PROMISE, content))


def forges(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It shows decisions that nobody made, and votes, promises and receipts with broken signatures."""
    seat = relay.seat(scope)
    made = relay.memory.get(scope.epoch)
    if isinstance(frame, frames.Lock):
        relay.memory[scope.epoch] = made = Value.from_bytes(frame.value)
    if seat is not None and made is not None and relay.random.random() < 0.7:
        wrong = Value(made.header, made.body + b" forged")
        content = vote_content(seat.id, 0, wrong.hash)
        own = relay.identity.sign(Label.VOTE2, content)
        votes = tuple(RelaySignature(i, own) for i in range(seat.configuration.q))
        shown = Certificate(seat.epoch, 0, wrong.hash, votes).encode()
        if isinstance(frame, frames.Lock | frames.Commit | frames.NewRound | frames.Decide):
            return frames.Decided(0, shown, wrong.encode())
        if isinstance(frame, frames.Post):
            return frames.Decided(0, shown)
        if isinstance(frame, frames.Peek):
            return replace_struct(answer, certificate=shown, value=wrong.encode())
    if isinstance(answer, frames.Vote1 | frames.Vote2 | frames.Promise):
        return replace_struct(answer, signature=answer.signature[::-1])
    if isinstance(answer, frames.Stored):
        return frames.Stored(0, answer.receipt[:-1] + bytes([answer.receipt[-1] ^ 1]))
    if isinstance(answer, frames.StatusSigned):
        return frames.StatusSigned(0, answer.status[:-1] + bytes([answer.status[-1] ^ 1]))
    return None


def bad_signatures(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """Its votes and promises are not signed."""
    if isinstance(answer, frames.Vote1 | frames.Vote2 | frames.Promise):
        return replace_struct(answer, signature=answer.signature[::-1])
    return None


def flips(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It gives other bytes than those that it names."""
    if not isinstance(answer, frames.Entries):
        return None
    flipped = tuple(
        frames.Entry(one.index, one.minute, one.epoch, bytes([one.data[0] ^ 1]) + one.data[1:])
        for one in answer.entries
    )
    return replace_struct(answer, entries=flipped)


def wrong_values(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It shows real certificates with other values."""
    if isinstance(answer, frames.Decided | frames.Promise | frames.Peeked) and answer.value:
        value = Value.from_bytes(answer.value)
        return replace_struct(answer, value=Value(value.header, value.body[::-1]).encode())
    return None


def drops_posts(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It signs for every post and hands out each fifth only as something else, or not at all."""
    if not isinstance(answer, frames.Entries | frames.Digests):
        return None
    if isinstance(answer, frames.Entries):
        kept = tuple(one for one in answer.entries if entry_hash(one.data)[0] % 5)
        flipped = tuple(
            frames.Entry(one.index, one.minute, one.epoch, bytes([one.data[0] ^ 1]) + one.data[1:])
            if entry_hash(one.data)[0] % 5 == 1
            else one
            for one in kept
        )
        return replace_struct(answer, entries=flipped)
    return replace_struct(answer, digests=tuple(one for one in answer.digests if one.hash[0] % 5))


def old_answers(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It says what it once said to a request of this kind."""
    said = relay.memory.setdefault(type(frame), [])
    said.append(answer)
    del said[:-20]
    return relay.random.choice(said)


def high_rounds(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It claims to have promised rounds that nobody will ever reach."""
    if isinstance(frame, frames.Lock | frames.Commit | frames.NewRound):
        return frames.Nack(0, 0xFFFFFFF0)
    if isinstance(answer, frames.Peeked):
        return replace_struct(answer, round=0xFFFFFFF0)
    return None


def fails(relay: Relay, frame: Any, scope: Scope, answer: frames.Answer) -> Any:
    """It answers with all kinds of errors."""
    codes = (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE, ErrorCode.OVER_BUDGET, ErrorCode.GONE)
    more = (ErrorCode.NOT_AUTHORISED, ErrorCode.BEHIND, ErrorCode.FENCED, ErrorCode.BAD_CERTIFICATE)
    return frames.Failure(0, relay.random.choice(codes + more), relay.random.randrange(9))


LIES: dict[str, Lie] = {
    one.__name__: one
    for one in (
        says_yes,
        bad_signatures,
        flips, hides_locks, forges, wrong_values, drops_posts, old_answers, high_rounds, fails,
    )
}  # fmt: skip


def replace_struct(frame: Any, **changes: Any) -> Any:
    """A frame with other fields, if it is one that has them."""
    if not set(changes) <= set(frame.__struct_fields__):
        return frame
    return msgspec.structs.replace(frame, **changes)
