"""The certified slot: how the relays of a log decide, once, which value ends an epoch.

Pure: a state and one message in, a state and one answer out. Relays never talk to each other; clients
carry what one relay signed to the next. Members may be as malicious as they like, and `b` relays may
lie or forget: no two values ever get a decision certificate for one epoch.

    LOCK      first vote: one value per round. A later round needs q promises; the highest lock that
              they show binds the value.
    COMMIT    second vote: for a value with q first votes (the lock certificate), which becomes the lock
    NEWROUND  promise to vote in no earlier round, showing the lock
    DECIDE    q second votes are the decision certificate. It proves itself, whoever brings it, and
              switches the log to the next epoch's configuration and keys in the same step.

**What is signed is signed last.** An answer with `label` and `content` is a statement still to be signed.
The caller makes the new state durable first and signs then: a relay that forgets its vote could
contradict it.

**What is kept is small.** A vote is refused below the promise, so only the vote in the promised round can
ever be contradicted; older ones are forgotten. The second vote in a round is the lock of that round. Of
the values only those stay that a vote or a lock names: two at most.

**One slot for what votes name.** A vote names its seat: who decides this epoch, and under which keys. So
whoever saves slots keeps one for each seat id. Two instances may reach one seat, because a relay that joins
later opens an instance there: with two slots it would vote twice.

**The fence.** A relay whose disk fell back may have voted in ways that it has forgotten. When a client
shows that, the log is fenced and signs nothing. It is shown by a receipt for what the log lacks, or by a
certificate or promise that bears this relay's own signature and that its state does not remember: the answer
`FellBack`. Then the caller fences in the same transaction, with a fresh nonce, and

- answers a LOCK or COMMIT with `FENCED`; a DECIDE is taken all the same and answered `DONE`;
- fences each other instance of the same log id that it has, and opens later ones with a fence (`open_log`):
  they may reach a seat where it has voted.
- begins a later life of each log that is fenced (`voting.fence`): receipts of before are known by their index
  and fence no second time, whoever shows them after years.

The fence is lifted by N - q + 1 other relays that state, under its nonce, that they have the very slot open
that is open here. Then the relay abstains up to this epoch, and in each that the evidence has shown it in.
That is enough: a quorum that it was part of in a later epoch has q - 1 of the N - 1 others, so one of those
that stated, since (q - 1) + (N - q + 1) > N - 1; and nobody votes in a later epoch with this slot open. What
is left is a quorum that was not full yet: the forgotten vote is the lie of one relay then, which b >= 1
allows for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from heliogram.codec import DecodeError, Reader, optional, u8, u32, u64, vector
from heliogram.relay.errors import (
    BadCertificate,
    BadStatus,
    Behind,
    Fenced,
    Gone,
    NotAuthorised,
    NotFenced,
    OverBudget,
    TooLarge,
)
from heliogram.wire.errors import RemoteError
from heliogram.wire.frames import Refusal
from heliogram.wire.limits import (
    HASH_SIZE,
    KEY_SIZE,
    MAX_GRACE_ENTRIES,
    MAX_GRACE_ENTRY,
    MAX_ROUND_STEP,
    MAX_VALUE,
    NONCE_SIZE,
)
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    Header,
    Justification,
    Open,
    Seat,
    SignedPromise,
    Status,
    Value,
    promise_content,
    vote_content,
)
from heliogram.wire.signing import Label, Object

#: The version of both saved structures.
STATE_VERSION = 1


# --- What is saved --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slot(Object):
    """What one relay remembers of one epoch's slot. Fresh, it is a slot where nothing happened.

    struct {
        uint8 version = 1;
        uint32 promised;                // no vote in an earlier round
        optional<opaque[32]> vote1;     // the first vote in the promised round
        optional<Certificate> lock;     // the last second vote, with what allowed it
        Value values<V>;                // that vote and lock name, or the decided one; by ascending hash
        optional<Certificate> decided;
    } Slot;
    """

    promised: int = 0
    vote1: bytes | None = field(default=None, repr=False)
    lock: Certificate | None = None
    values: tuple[Value, ...] = ()
    decided: Certificate | None = None

    def encode(self) -> bytes:
        """The bytes of this `Slot`."""
        return (
            u8(STATE_VERSION)
            + u32(self.promised)
            + optional(self.vote1)
            + optional(None if self.lock is None else self.lock.encode())
            + vector(value.encode() for value in self.values)
            + optional(None if self.decided is None else self.decided.encode())
        )

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Slot`. Raises `codec.DecodeError` unless it is one that this module made."""
        _version(reader)
        promised = reader.u32()
        vote1 = reader.fixed(HASH_SIZE) if reader.optional() else None
        lock = Certificate.decode(reader) if reader.optional() else None
        values = reader.vector(Value.decode, 2 * MAX_VALUE, 2)
        decided = Certificate.decode(reader) if reader.optional() else None
        slot = cls(promised, vote1, lock, values, decided)
        if decided is None:
            named = {vote1, None if lock is None else lock.h} - {None}
        else:
            named = {decided.h}
            if vote1 is not None or lock is not None:
                raise DecodeError("slot", "a decided slot with votes")
        if [value.hash for value in values] != sorted(h for h in named if h is not None):
            raise DecodeError("slot", "values that are not those of the votes")
        if lock is not None and lock.round > promised:
            raise DecodeError("slot", "a lock above the promise")
        return slot

    def value(self, h: bytes) -> Value | None:
        """The kept value with this hash."""
        return next((value for value in self.values if value.hash == h), None)


@dataclass(frozen=True, slots=True)
class Log(Object):
    """Where one relay stands in one log: at which seat, and whether it votes there.

    struct {
        uint8 version = 1;
        opaque relay[32];               // this relay
        Seat seat;                      // of the open slot
        uint64 votes_from;              // the first epoch in which this relay does not abstain
        optional<opaque[32]> fence;     // the nonce, while fenced
    } Log;
    """

    relay: bytes = field(repr=False)
    seat: Seat
    votes_from: int = 0
    fence: bytes | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Log`."""
        return (
            u8(STATE_VERSION)
            + self.relay
            + self.seat.encode()
            + u64(self.votes_from)
            + optional(self.fence)
        )

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Log`. Raises `codec.DecodeError` or `RemoteError`."""
        _version(reader)
        relay, seat, votes_from = reader.fixed(KEY_SIZE), Seat.decode(reader), reader.u64()
        fence = reader.fixed(NONCE_SIZE) if reader.optional() else None
        return cls(relay, seat, votes_from, fence)

    @property
    def epoch(self) -> int:
        """The epoch of the open slot."""
        return self.seat.epoch

    @property
    def configuration(self) -> Configuration:
        """Which relays decide the open slot."""
        return self.seat.configuration

    @property
    def index(self) -> int | None:
        """This relay's place at the seat. None: it has none any more; the log is closed."""
        return self.seat.index_of(self.relay)

    @property
    def closed(self) -> bool:
        """Whether the relays changed and this one is not among them: it keeps, and votes no more."""
        return self.index is None

    @property
    def key(self) -> bytes | None:
        """The key of the open epoch's members for this relay; None when closed."""
        return self.seat.key_of(self.relay)

    @property
    def fell_back(self) -> bool:
        """Whether this relay is known to have fallen back here: it is fenced, or was."""
        return self.fence is not None or self.votes_from > 0


def _version(reader: Reader) -> None:
    if reader.u8() != STATE_VERSION:
        raise DecodeError("slot", "saved by another version")


# --- What is answered -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Voted1:
    """The first vote, to be signed once the state is durable."""

    label: ClassVar[Label] = Label.VOTE1
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Voted2:
    """The second vote, to be signed once the state is durable."""

    label: ClassVar[Label] = Label.VOTE2
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Promised:
    """A promise, to be signed once the state is durable; with the lock that it shows and its value."""

    label: ClassVar[Label] = Label.PROMISE
    content: bytes = field(repr=False)
    lock: Certificate | None
    value: Value | None


@dataclass(frozen=True, slots=True)
class Decided:
    """The slot is decided already: so."""

    certificate: Certificate
    value: Value


@dataclass(frozen=True, slots=True)
class Done:
    """The decision is here, now or already."""


@dataclass(frozen=True, slots=True)
class Nack:
    """The round is over, or too far away; `round` is the promised one."""

    round: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The relay does not vote so."""

    reason: Refusal


@dataclass(frozen=True, slots=True)
class NeedValue:
    """No vote without the bytes: send the request again with the value."""


@dataclass(frozen=True, slots=True)
class FellBack:
    """What was shown bears this relay's own signature, and its state does not know of it: it fell back.

    The caller calls `fence(log, nonce, epoch)` in the same transaction. After `lock` and `commit` the client
    is told `FENCED`. After `decide` the log and slot are to be written as always, and the answer is `DONE`.
    """

    epoch: int


Answer = Voted1 | Voted2 | Promised | Decided | Done | Nack | Refused | NeedValue | FellBack


# --- Where a request belongs ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checks:
    """The three verifications, so that a search may run without real signatures."""

    certificate: Callable[[Certificate, Seat, Label], bool] = Certificate.counts
    promise: Callable[[SignedPromise, Seat, int], bool] = SignedPromise.counts
    status: Callable[[Status, bytes], bool] = Status.proves


CHECKS = Checks()


@dataclass(frozen=True, slots=True)
class Context:
    """Whose votes count in a slot, which place is this relay's, and whether it votes there."""

    seat: Seat
    index: int
    abstains: bool = False
    checks: Checks = field(default=CHECKS, repr=False)


def open_log(opened: Open, relay: bytes, fence: bytes | None = None) -> Log:
    """The log as `opened` makes it on the relay with the key `relay`. Work is checked elsewhere.

    `fence` is a fresh nonce if this relay has another instance of the same log id that `fell_back`: it may
    have voted at this very seat. Raises `NotAuthorised` without a place at the seat.
    """
    if opened.seat.index_of(relay) is None:
        raise NotAuthorised
    return Log(relay, opened.seat, fence=fence)


def context(log: Log, checks: Checks = CHECKS) -> Context:
    """For requests to the open slot. Raises `Fenced`, or `NotAuthorised` when the log is closed here."""
    if log.fence is not None:
        raise Fenced
    index = log.index
    if index is None:
        raise NotAuthorised
    return Context(log.seat, index, log.epoch < log.votes_from, checks)


def slot_of(log: Log, epoch: int, saved: Slot | None, expired: bool = False) -> Slot:
    """The slot of `epoch`, given what is saved for its seat.

    A decided slot expires one day, and then `expired` is the mark that stays for its seat. Such a slot is
    `Gone` and never a fresh one, not even for an instance that is opened at this seat anew: it would vote a
    second time. Raises `Behind` for an epoch that is not open yet.
    """
    if epoch > log.epoch:
        raise Behind(log.epoch)
    if saved is not None:
        return saved
    if expired or epoch < log.epoch:
        raise Gone
    return Slot()


# --- Votes ----------------------------------------------------------------------------------------


def lock(
    slot: Slot, context: Context, round: int, value: Value, justification: Justification
) -> tuple[Slot, Answer]:
    """LOCK: the first vote of `round` for `value`. The justification is empty in round 0."""
    if (no := _unwilling(slot, context, round)) is not None:
        return slot, no
    if not _fits(value, context.seat):
        return slot, Refused(Refusal.BAD_VALUE)
    h = value.hash
    if round > 0:
        bound = _bound(context, round, justification)
        if bound is None:
            return slot, Refused(Refusal.NOT_JUSTIFIED)
        if not _remembers_promises(slot, context.index, round, justification):
            return slot, FellBack(context.seat.epoch)
        if bound - {h}:
            return slot, Refused(Refusal.NOT_THE_LOCKED_VALUE)
    if round == slot.promised and slot.vote1 not in (None, h):
        # One vote per round: this is what stops a client that shows two values to two halves.
        return slot, Refused(Refusal.VOTED_OTHERWISE)
    voted = _keep(replace(slot, promised=round, vote1=h), (*slot.values, value))
    return voted, Voted1(_vote(context, round, h))


def commit(
    slot: Slot, context: Context, certificate: Certificate, value: Value | None
) -> tuple[Slot, Answer]:
    """COMMIT: the second vote for what `certificate`, a lock certificate, names."""
    round, h = certificate.round, certificate.h
    if (no := _unwilling(slot, context, round)) is not None:
        return slot, no
    if not context.checks.certificate(certificate, context.seat, Label.VOTE1):
        return slot, Refused(Refusal.BAD_CERTIFICATE)
    if not _remembers_first(slot, context.index, certificate):
        return slot, FellBack(context.seat.epoch)
    locked = slot.lock
    if locked is not None and locked.round == round:
        # Two lock certificates in one round take more liars than there may be. Still: one vote.
        if locked.h != h:
            return slot, Refused(Refusal.VOTED_OTHERWISE)
        return slot, Voted2(_vote(context, round, h))
    known = slot.value(h)
    if known is None:
        if value is None:
            return slot, NeedValue()
        if value.hash != h or not _fits(value, context.seat):
            return slot, Refused(Refusal.BAD_VALUE)
        known = value
    vote1 = slot.vote1 if round == slot.promised else None
    voted = replace(slot, promised=round, vote1=vote1, lock=certificate)
    return _keep(voted, (*slot.values, known)), Voted2(_vote(context, round, h))


def new_round(slot: Slot, context: Context, round: int) -> tuple[Slot, Answer]:
    """NEWROUND: the promise to vote in no round before `round`, showing the lock."""
    if (no := _unwilling(slot, context, round)) is not None:
        return slot, no
    # A promise of the same round is not made twice: the lock that it showed may have changed since.
    if not slot.promised < round <= slot.promised + MAX_ROUND_STEP:
        return slot, Nack(slot.promised)
    locked = slot.lock
    shown = None if locked is None else (locked.round, locked.h)
    value = None if locked is None else slot.value(locked.h)
    content = promise_content(context.seat.id, round, shown)
    promised = _keep(replace(slot, promised=round, vote1=None), slot.values)
    return promised, Promised(content, locked, value)


def _unwilling(slot: Slot, context: Context, round: int) -> Answer | None:
    """Why there is no vote in this round at all."""
    if slot.decided is not None:
        return _decision(slot, slot.decided)
    if context.abstains:
        return Refused(Refusal.ABSTAINING)
    if round < slot.promised:
        return Nack(slot.promised)
    return None


def _bound(context: Context, round: int, justification: Justification) -> set[bytes] | None:
    """The hashes of the highest locks that a quorum's promises show; None without a quorum.

    More than one hash takes more liars than there may be; then no value at all is free.
    """
    promises, quorum = justification.promises, context.seat.configuration.q
    if len({promise.relay for promise in promises}) < max(len(promises), quorum):
        return None
    if not all(context.checks.promise(promise, context.seat, round) for promise in promises):
        return None
    locks = [promise.lock for promise in promises if promise.lock is not None]
    highest = max((shown.round for shown in locks), default=0)
    return {shown.h for shown in locks if shown.round == highest}


def _fits(value: Value, seat: Seat) -> bool:
    """Whether the log could go on from this value: its header can be read and is about this log."""
    header = _header(value)
    return header is not None and header.next_configuration.log == seat.configuration.log


def _header(value: Value) -> Header | None:
    try:
        return Header.from_bytes(value.header)
    except RemoteError:
        return None


def _keep(slot: Slot, values: Iterable[Value]) -> Slot:
    """`slot` with those of `values` that its vote and its lock name."""
    named = {slot.vote1, None if slot.lock is None else slot.lock.h}
    kept = {h: value for value in values if (h := value.hash) in named}
    return replace(slot, values=tuple(kept[h] for h in sorted(kept)))


def _vote(context: Context, round: int, h: bytes) -> bytes:
    return vote_content(context.seat.id, round, h)


def _decision(slot: Slot, certificate: Certificate) -> Decided:
    value = slot.value(certificate.h)
    if value is None:  # decide() and decode() see to it
        raise ValueError("a decided slot has lost its value")
    return Decided(certificate, value)


# --- What was signed and forgotten ----------------------------------------------------------------
#
# Only for what counts, so that a signature of this relay is really its own; and for a slot that is open and
# in which it votes. A relay signs nothing before the state is durable: without a fall this is always true.


def _remembers_first(slot: Slot, index: int, certificate: Certificate) -> bool:
    """Whether the slot knows of this relay's first vote, if `certificate` has one."""
    if not certificate.has(index) or slot.promised > certificate.round:
        return True
    return slot.promised == certificate.round and slot.vote1 == certificate.h


def _remembers_second(slot: Slot, index: int, certificate: Certificate) -> bool:
    """Whether the slot knows of this relay's second vote, if `certificate` has one."""
    if not certificate.has(index):
        return True
    locked = slot.lock
    if locked is None:
        return False
    return locked.round > certificate.round or (
        (locked.round, locked.h) == (certificate.round, certificate.h)
    )


def _remembers_promises(slot: Slot, index: int, round: int, justification: Justification) -> bool:
    """Whether the slot knows of what this relay signed of `justification`: a promise, first votes."""
    return all(
        (promise.relay != index or slot.promised >= round)
        and (promise.lock is None or _remembers_first(slot, index, promise.lock))
        for promise in justification.promises
    )


# --- Decisions ------------------------------------------------------------------------------------


def decide(
    log: Log,
    slot: Slot,
    certificate: Certificate,
    value: Value | None,
    checks: Checks = CHECKS,
) -> tuple[Log, Slot, Answer]:
    """DECIDE of the open slot: the slot with its decision, and the log at the next seat.

    Both are to be written in one transaction: there is no moment with a decision and the old keys. Needs
    no key, and works on a fenced log too, for nothing is signed. `FellBack` instead of `Done`: it is decided,
    and the log is to be fenced. Raises `BadCertificate`; `Behind` for a later slot; `NotAuthorised` when the
    log is closed here.
    """
    index = log.index
    if index is None:
        raise NotAuthorised
    # Whether a later certificate counts nobody can say here: its seat is not known yet.
    if certificate.epoch > log.epoch:
        raise Behind(log.epoch)
    if not checks.certificate(certificate, log.seat, Label.VOTE2):
        raise BadCertificate
    decided = slot.decided
    if decided is not None and decided.h != certificate.h:
        # Another instance was here before, and relays have lied: the first decision stays.
        return log, slot, _decision(slot, decided)
    known = slot.value(certificate.h) or value
    if known is None or known.hash != certificate.h:
        return log, slot, NeedValue()
    header = _header(known)
    if header is None or header.next_configuration.log != log.configuration.log:
        # A quorum voted for what none of them may vote for. The log cannot go on from it.
        raise BadCertificate
    following = replace(log, seat=header.seat(log.epoch + 1))
    if decided is not None:
        return following, slot, Done()
    answer: Answer = Done()
    if log.epoch >= log.votes_from and not _remembers_second(slot, index, certificate):
        answer = FellBack(log.epoch)
    return following, Slot(slot.promised, values=(known,), decided=certificate), answer


def decide_again(
    slot: Slot, seat: Seat, certificate: Certificate, checks: Checks = CHECKS
) -> Answer:
    """DECIDE of a slot that is decided: `Done` if so, `Decided` if another certificate counts too.

    `seat` is the one that decided it. Two certificates for one slot are proof that relays lied. That this
    relay fell back is never seen here: a decided slot keeps none of its votes.
    """
    decided = slot.decided
    if decided is None or decided.epoch != certificate.epoch:
        raise BadCertificate
    if decided.h == certificate.h:
        return Done()
    if not checks.certificate(certificate, seat, Label.VOTE2):
        raise BadCertificate
    return _decision(slot, decided)


# --- The fence ------------------------------------------------------------------------------------


def fence(log: Log, nonce: bytes, epoch: int) -> Log:
    """`log` after it was shown that this relay fell back. A fence that stands keeps its nonce.

    `epoch` is the last one that the evidence proves this relay to have been in, in this instance; for other
    instances of the log id their own. It abstains up to there in any case.
    """
    standing = nonce if log.fence is None else log.fence
    return replace(log, fence=standing, votes_from=max(log.votes_from, epoch + 1))


def unfence(log: Log, statuses: Iterable[Status], checks: Checks = CHECKS) -> Log:
    """`log` with its fence lifted by what N - q + 1 other relays of its open seat state.

    Each must have the same slot open: whoever asks brings all of them level by DECIDE first. Raises
    `NotFenced` or `BadStatus`.
    """
    if log.fence is None:
        raise NotFenced
    configuration = log.configuration
    heard: set[bytes] = set()
    for status in statuses:
        known = status.relay != log.relay and configuration.index_of(status.relay) is not None
        here = (status.seat, status.nonce) == (log.seat.id, log.fence)
        if not (known and here and checks.status(status, status.relay)):
            raise BadStatus
        heard.add(status.relay)
    if len(heard) < configuration.n - configuration.q + 1:
        raise BadStatus
    return replace(log, fence=None, votes_from=max(log.votes_from, log.epoch + 1))


def status(log: Log, nonce: bytes, next_index: int, chain: bytes) -> Status:
    """What this relay states for another one's fence, to be signed. Raises `Fenced`."""
    if log.fence is not None:
        raise Fenced
    return Status(log.relay, log.seat.id, nonce, next_index, chain, log.epoch)


# --- The grace lane -------------------------------------------------------------------------------


def grace(used: int, size: int) -> int:
    """How many entries of an epoch's grace lane are used after one more, of `size` bytes.

    It is for members whom the last commit hurt: open under the closed epoch's key, so bounded apart.
    Raises `TooLarge` or `OverBudget`.
    """
    if size > MAX_GRACE_ENTRY:
        raise TooLarge
    if used >= MAX_GRACE_ENTRIES:
        raise OverBudget
    return used + 1
