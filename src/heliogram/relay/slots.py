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

**One slot for what votes name.** A vote names log, configuration and epoch, not the instance. So whoever
saves slots keeps one for each (log, cfg, epoch), whichever instance asks: with two, it would vote twice.

**The fence.** A relay whose disk fell back may have voted in ways that it has forgotten. When a client
shows that, the log is fenced and signs nothing. Statements of N - q + 1 other relays lift the fence: any
quorum that this relay was part of has one of those in it. With E the highest decision that they show,
the relay abstains in every epoch up to E + 1 and votes again from E + 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from heliogram.codec import DecodeError, Reader, opaque, optional, u8, u32, u64, vector
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
    MAX_CONFIGURATION,
    MAX_GRACE_ENTRIES,
    MAX_GRACE_ENTRY,
    MAX_RELAYS,
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
    """Where one relay stands in one log: who decides the open slot, under which keys members speak.

    struct {
        uint8 version = 1;
        opaque relay[32];               // this relay
        opaque configuration<V>;        // of the open slot
        opaque keys<V>;                 // of opaque key[32], one per relay, for its epoch
        uint64 epoch;                   // of the open slot
        uint64 votes_from;              // the first epoch in which this relay does not abstain
        optional<opaque[32]> fence;     // the nonce, while fenced
    } Log;
    """

    relay: bytes = field(repr=False)
    configuration: Configuration
    keys: tuple[bytes, ...] = field(repr=False)
    epoch: int
    votes_from: int = 0
    fence: bytes | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Log`."""
        return (
            u8(STATE_VERSION)
            + self.relay
            + opaque(self.configuration.encode())
            + vector(self.keys)
            + u64(self.epoch)
            + u64(self.votes_from)
            + optional(self.fence)
        )

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Log`. Raises `codec.DecodeError` or `RemoteError`."""
        _version(reader)
        relay = reader.fixed(KEY_SIZE)
        inner = reader.rest(MAX_CONFIGURATION)
        configuration = Configuration.decode(inner)
        inner.finish()
        keys = reader.vector(lambda item: item.fixed(KEY_SIZE), MAX_RELAYS * KEY_SIZE)
        if len(keys) != configuration.n:
            raise DecodeError("slot", "not one key per relay")
        epoch, votes_from = reader.u64(), reader.u64()
        fence = reader.fixed(NONCE_SIZE) if reader.optional() else None
        return cls(relay, configuration, keys, epoch, votes_from, fence)

    @property
    def index(self) -> int | None:
        """This relay's place in the configuration. None: it has no seat any more; the log is closed."""
        return self.configuration.index_of(self.relay)

    @property
    def closed(self) -> bool:
        """Whether the relays changed and this one is not among them: it keeps, and votes no more."""
        return self.index is None

    @property
    def key(self) -> bytes | None:
        """The key of the open epoch's members for this relay; None when closed."""
        return None if self.index is None else self.keys[self.index]


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


Answer = Voted1 | Voted2 | Promised | Decided | Done | Nack | Refused | NeedValue


# --- Where a request belongs ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checks:
    """The three verifications, so that a search may run without real signatures."""

    certificate: Callable[[Certificate, Configuration, Label], bool] = Certificate.counts
    promise: Callable[[SignedPromise, Configuration, int, int], bool] = SignedPromise.counts
    status: Callable[[Status, bytes], bool] = Status.proves


CHECKS = Checks()


@dataclass(frozen=True, slots=True)
class Context:
    """Whose votes count in a slot, and whether this relay votes there."""

    configuration: Configuration
    epoch: int
    abstains: bool = False
    checks: Checks = field(default=CHECKS, repr=False)


def open_log(opened: Open, relay: bytes) -> Log:
    """The log as `opened` makes it on the relay with the key `relay`. Work is checked elsewhere."""
    if opened.configuration.index_of(relay) is None:
        raise NotAuthorised
    return Log(relay, opened.configuration, opened.keys, opened.epoch)


def context(log: Log, checks: Checks = CHECKS) -> Context:
    """For requests to the open slot. Raises `Fenced`, or `NotAuthorised` when the log is closed here."""
    if log.fence is not None:
        raise Fenced
    if log.closed:
        raise NotAuthorised
    return Context(log.configuration, log.epoch, log.epoch < log.votes_from, checks)


def slot_of(log: Log, epoch: int, saved: Slot | None) -> Slot:
    """The slot of `epoch`, given what is saved of it.

    A past slot whose decision has expired is `Gone` and never a fresh one: it would vote a second time.
    Raises `Behind` for an epoch that is not open yet.
    """
    if epoch > log.epoch:
        raise Behind(log.epoch)
    if saved is not None:
        return saved
    if epoch < log.epoch:
        raise Gone
    return Slot()


# --- Votes ----------------------------------------------------------------------------------------


def lock(
    slot: Slot, context: Context, round: int, value: Value, justification: Justification
) -> tuple[Slot, Answer]:
    """LOCK: the first vote of `round` for `value`. The justification is empty in round 0."""
    if (no := _unwilling(slot, context, round)) is not None:
        return slot, no
    if not _fits(value, context.configuration):
        return slot, Refused(Refusal.BAD_VALUE)
    h = value.hash
    if round > 0:
        bound = _bound(context, round, justification)
        if bound is None:
            return slot, Refused(Refusal.NOT_JUSTIFIED)
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
    if not _counts(certificate, context, Label.VOTE1):
        return slot, Refused(Refusal.BAD_CERTIFICATE)
    locked = slot.lock
    if locked is not None and locked.round == round:
        # Two lock certificates in one round take more liars than there may be. Still: one vote.
        if locked.h != h:
            return slot, Refused(Refusal.VOTED_OTHERWISE)
        return slot, Voted2(_vote(context, round, h))
    known = slot.value(h) or value
    if known is None:
        return slot, NeedValue()
    if known.hash != h or not _fits(known, context.configuration):
        return slot, Refused(Refusal.BAD_VALUE)
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
    configuration = context.configuration
    content = promise_content(configuration.log, configuration.cfg, context.epoch, round, shown)
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
    promises = justification.promises
    if len({promise.relay for promise in promises}) < max(len(promises), context.configuration.q):
        return None
    if not all(
        context.checks.promise(promise, context.configuration, context.epoch, round)
        for promise in promises
    ):
        return None
    locks = [promise.lock for promise in promises if promise.lock is not None]
    highest = max((shown.round for shown in locks), default=0)
    return {shown.h for shown in locks if shown.round == highest}


def _counts(certificate: Certificate, context: Context, label: Label) -> bool:
    return certificate.epoch == context.epoch and context.checks.certificate(
        certificate, context.configuration, label
    )


def _fits(value: Value, configuration: Configuration) -> bool:
    """Whether the log could go on from this value: its header can be read and is about this log."""
    header = _header(value)
    return header is not None and header.next_configuration.log == configuration.log


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
    configuration = context.configuration
    return vote_content(configuration.log, configuration.cfg, context.epoch, round, h)


def _decision(slot: Slot, certificate: Certificate) -> Decided:
    value = slot.value(certificate.h)
    if value is None:  # decide() and decode() see to it
        raise ValueError("a decided slot has lost its value")
    return Decided(certificate, value)


# --- Decisions ------------------------------------------------------------------------------------


def decide(
    log: Log,
    slot: Slot,
    certificate: Certificate,
    value: Value | None,
    checks: Checks = CHECKS,
) -> tuple[Log, Slot, Answer]:
    """DECIDE of the open slot: the slot with its decision, and the log in the next epoch.

    Both are to be written in one transaction: there is no moment with a decision and the old keys. Needs
    no key, and works on a fenced log too, for nothing is signed. Raises `BadCertificate`; `Behind` for a
    later slot, if its certificate counts; `NotAuthorised` when the log is closed here.
    """
    if log.closed:
        raise NotAuthorised
    here = Context(log.configuration, log.epoch, checks=checks)
    if not checks.certificate(certificate, log.configuration, Label.VOTE2):
        raise BadCertificate
    if certificate.epoch > log.epoch:
        raise Behind(log.epoch)
    if certificate.epoch != here.epoch:
        raise BadCertificate
    known = slot.value(certificate.h) or value
    if known is None or known.hash != certificate.h:
        return log, slot, NeedValue()
    header = _header(known)
    if header is None or header.next_configuration.log != log.configuration.log:
        # A quorum voted for what none of them may vote for. The log cannot go on from it.
        raise BadCertificate
    configuration, keys = header.next_configuration, header.next_keys
    following = replace(log, configuration=configuration, keys=keys, epoch=log.epoch + 1)
    return following, Slot(slot.promised, values=(known,), decided=certificate), Done()


def decide_again(
    slot: Slot, configuration: Configuration, certificate: Certificate, checks: Checks = CHECKS
) -> Answer:
    """DECIDE of a slot that is decided: `Done` if so, `Decided` if another certificate counts too.

    `configuration` is the one that decided it. Two certificates for one slot are proof that relays lied.
    """
    decided = slot.decided
    if decided is None or decided.epoch != certificate.epoch:
        raise BadCertificate
    if decided.h == certificate.h:
        return Done()
    if not checks.certificate(certificate, configuration, Label.VOTE2):
        raise BadCertificate
    return _decision(slot, decided)


# --- The fence ------------------------------------------------------------------------------------


def fence(log: Log, nonce: bytes) -> Log:
    """`log` after a client showed that this relay fell back. A fence that stands keeps its nonce."""
    return log if log.fence is not None else replace(log, fence=nonce)


def unfence(log: Log, statuses: Iterable[Status], checks: Checks = CHECKS) -> Log:
    """`log` with its fence lifted by what N - q + 1 other relays of its configuration state.

    Raises `NotFenced` or `BadStatus`. If the relays have changed meanwhile, DECIDE comes first.
    """
    if log.fence is None:
        raise NotFenced
    configuration = log.configuration
    cfg = configuration.cfg
    heard: set[bytes] = set()
    # Up to the open epoch in any case: that is where it stands, and where it may have voted.
    votes_from = max(log.votes_from, log.epoch + 1)
    for status in statuses:
        decided = status.decided
        known = status.relay != log.relay and configuration.index_of(status.relay) is not None
        named = (status.log, status.cfg, status.nonce) == (configuration.log, cfg, log.fence)
        if not (known and named and checks.status(status, status.relay)):
            raise BadStatus
        if decided is not None and decided.epoch >= log.epoch:
            if not checks.certificate(decided, configuration, Label.VOTE2):
                raise BadStatus
            votes_from = max(votes_from, decided.epoch + 2)
        heard.add(status.relay)
    if len(heard) < configuration.n - configuration.q + 1:
        raise BadStatus
    return replace(log, fence=None, votes_from=votes_from)


def status(
    log: Log, nonce: bytes, next_index: int, chain: bytes, decided: Certificate | None
) -> Status:
    """What this relay states for another one's fence, to be signed. Raises `Fenced`.

    `decided` is the decision of the slot before the open one.
    """
    if log.fence is not None:
        raise Fenced
    where = (log.relay, log.configuration.log, log.configuration.cfg, nonce)
    return Status(*where, next_index, chain, log.epoch, decided)


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
