"""Every schedule of a small world, with the real core: no two values are ever decided in one epoch.

The world is one slot, two values, a few rounds. Clients are adversaries: a relay is given every request
that somebody could put together from what has been signed so far, and forged ones. Liars have signed
everything. One relay may fall back to an earlier state. Signatures are marks that only what was signed
bears (`Checks`). The search is breadth-first; worlds that differ by the order of relays or by the names
of the values are one.

What is shown to a relay comes with and without its own signatures. No relay that did not fall back may
ever be said to have.

Then each check is taken out of the core in turn, and the same search must find two decisions.

`HELIOGRAM_SLOT_ROUNDS=3` goes one round deeper, which takes very long, and makes backups at any time. Else
a backup is of the beginning, which is no loss: fenced, a relay signs nothing whatever it remembers, and
without a fence it is a liar of another search.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from collections import deque
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from heliogram.relay import errors, slots
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    Header,
    Justification,
    RelayDescription,
    RelaySignature,
    Seat,
    SignedPromise,
    Status,
    Value,
    promise_content,
)
from heliogram.wire.signing import Label

ROUNDS = int(os.environ.get("HELIOGRAM_SLOT_ROUNDS", "2"))
DEEP = ROUNDS > 2
EPOCH = 5
NONCE = bytes(32)

#: A shown lock: round, value (1 or 2), whether its certificate is real.
Shown = tuple[int, int, bool]
Message = tuple[Any, ...]
#: First votes of one relay: round, value.
Own = frozenset[tuple[int, int]]


class Disagreement(Exception):
    """Two values were decided, or a relay believed what nobody decided."""


class Slander(Exception):
    """A relay that did not fall back was said to have."""


@dataclasses.dataclass(frozen=True)
class Local:
    """One relay: its slot in short, and what it has signed ever. A vote is a bit: value 1 or 2."""

    promised: int = 0
    vote1: int = 0
    lock: Shown | None = None
    decided: Shown | None = None
    votes1: tuple[int, ...] = ()
    votes2: tuple[int, ...] = ()
    promises: tuple[frozenset[Shown | None], ...] = ()
    #: Only the forgetful relay: what its backup holds, and whether it has been restored.
    backup: tuple[Any, ...] | None = None
    restored: bool = False


@dataclasses.dataclass(frozen=True)
class Facts:
    """What clients can show: certificates, and for each round the locks of q promises."""

    locks: frozenset[tuple[int, int]]
    decisions: frozenset[tuple[int, int]]
    justified: tuple[frozenset[tuple[Shown | None, ...]], ...]
    #: The same of one promise less.
    fewer: tuple[frozenset[tuple[Shown | None, ...]], ...]


class World:
    """N relays of which `liars` lie and one may forget; the core under test.

    It forgets `unfenced`; or `fenced` in this slot; or `evidence`: fenced in the slot before, by evidence of
    this one, when all others still had the slot before open.
    """

    def __init__(
        self,
        core: ModuleType,
        n: int,
        q: int,
        liars: int,
        *,
        rounds: int = ROUNDS,
        forgets: str = "",
        lax_locks: bool = False,
        strict: bool = False,
        fair: bool = False,
    ) -> None:
        self.core, self.q, self.liars, self.rounds = core, q, liars, rounds
        self.honest, self.forgets, self.lax_locks = n - liars, forgets, lax_locks
        names = [sha256(b"%d" % index).digest() for index in range(n)]
        configuration = Configuration(
            NONCE, q, tuple(RelayDescription(name, name, ()) for name in names)
        )
        header = Header(configuration, tuple(names))
        self.values = {v: Value(header.encode(), b"%d" % v) for v in (1, 2)}
        self.hashes = {v: value.hash for v, value in self.values.items()}
        self.numbers = {h: v for v, h in self.hashes.items()}
        self.checks = core.Checks(self.certificate_counts, self.promise_counts, lambda *_: True)
        # The relay that is asked has the last place: what others sign bears earlier ones.
        self.place = n - 1
        before, self.seat = header.seat(EPOCH - 1), header.seat(EPOCH)
        self.log = core.Log(names[-1], self.seat)
        self.here = core.context(self.log, self.checks)
        if forgets == "evidence":
            lifted = self.lifted(core.Log(names[-1], before), n - q + 1)
            certificate = dataclasses.replace(self.certificate((0, 1, True)), epoch=EPOCH - 1)
            marks = [RelaySignature(0, Label.VOTE2.value)]
            decision = dataclasses.replace(certificate, signatures=tuple(marks))
            told = (lifted, core.Slot(), decision, self.values[1], self.checks)
            lifted, *_ = core.decide(*told)
        else:
            lifted = self.lifted(self.log, n - q + 1)
        assert lifted.seat == self.seat
        self.after_fence = core.context(lifted, self.checks)
        self.strict, self.fair = strict, fair
        self.relays: list[Local] = []
        self.ids: dict[Local, int] = {}
        self.step = cache(self._step)
        self.moves = cache(self._moves)
        self.swap = cache(self._swap)
        self.justified = cache(self._justified)

    def lifted(self, log: Any, others: int) -> Any:
        """`log` after evidence of `EPOCH`, a fence and what `others` relays stated."""
        fenced = self.core.fence(log, NONCE, EPOCH)
        names = [one.key for one in log.configuration.relays[:others]]
        statuses = [Status(name, log.seat.id, NONCE, 0, NONCE, log.epoch) for name in names]
        return self.core.unfence(fenced, statuses, self.checks)

    # The marks that stand for signatures.

    def certificate(
        self, shown: Shown, label: Label = Label.VOTE1, *, own: bool = False
    ) -> Certificate:
        """A certificate; a forged one bears the mark of the other votes. `own`: this relay's too."""
        round, v, real = shown
        other = Label.VOTE1 if label is Label.VOTE2 else Label.VOTE2
        mark = (label if real else other).value
        places = (0, self.place) if own else (0,)
        votes = tuple(RelaySignature(place, mark) for place in places)
        return Certificate(EPOCH, round, self.hashes[v], votes)

    def certificate_counts(self, one: Certificate, seat: Seat, label: Label) -> bool:
        return one.epoch == seat.epoch and one.signatures[0].signature == label.value

    def promise(
        self, relay: int, round: int, shown: Shown | None, real: bool, *, own: Own
    ) -> SignedPromise:
        lock = None
        if shown is not None:
            lock = self.certificate(shown, own=shown[2] and shown[:2] in own)
        return SignedPromise(relay, lock, b"%d" % round if real else b"forged")

    def promise_counts(self, one: SignedPromise, seat: Seat, round: int) -> bool:
        if one.signature != b"%d" % round:
            return False
        if one.lock is None or self.lax_locks:
            return True
        return one.lock.round < round and self.certificate_counts(one.lock, seat, Label.VOTE1)

    # The core's states and ours.

    def concrete(self, promised: int, vote1: int, lock: Shown | None, decided: Shown | None) -> Any:
        """The core's slot. It is a function of these four; `abstract` makes sure of it."""
        named = {vote1, lock[1] if lock else 0} if decided is None else {decided[1]}
        kept = sorted((self.values[v] for v in named if v), key=lambda value: value.hash)
        return self.core.Slot(
            promised,
            self.hashes[vote1] if vote1 else None,
            self.certificate(lock, Label.VOTE1) if lock else None,
            tuple(kept),
            self.certificate(decided, Label.VOTE2) if decided else None,
        )

    def abstract(self, slot: Any) -> tuple[int, int, Shown | None, Shown | None]:
        vote1 = self.numbers[slot.vote1] if slot.vote1 else 0
        lock, decided = self.shown(slot.lock, Label.VOTE1), self.shown(slot.decided, Label.VOTE2)
        short = (slot.promised, vote1, lock, decided)
        # Which relays signed is no part of a world.
        plain = dataclasses.replace(
            slot,
            lock=self.certificate(lock, Label.VOTE1) if lock else None,
            decided=self.certificate(decided, Label.VOTE2) if decided else None,
        )
        assert self.concrete(*short) == plain
        return short

    def shown(self, one: Certificate | None, label: Label) -> Shown | None:
        if one is None:
            return None
        real = self.certificate_counts(one, self.seat, label)
        return (one.round, self.numbers[one.h], real)

    def id(self, local: Local) -> int:
        if local not in self.ids:
            self.ids[local] = len(self.relays)
            self.relays.append(local)
        return self.ids[local]

    def _swap(self, number: int) -> int:
        """The same relay with the values' names exchanged."""

        def other(shown: Shown | None) -> Shown | None:
            return None if shown is None else (shown[0], 3 - shown[1], shown[2])

        def bits(votes: tuple[int, ...]) -> tuple[int, ...]:
            return tuple((0, 2, 1, 3)[vote] for vote in votes)

        one = self.relays[number]
        vote1 = bits((one.vote1,))[0]
        backup = one.backup and (
            *(one.backup[0], bits((one.backup[1],))[0]),
            *(other(one.backup[2]), other(one.backup[3])),
        )
        promises = tuple(frozenset(map(other, shown)) for shown in one.promises)
        return self.id(
            dataclasses.replace(
                one,
                vote1=vote1,
                lock=other(one.lock),
                decided=other(one.decided),
                votes1=bits(one.votes1),
                votes2=bits(one.votes2),
                promises=promises,
                backup=backup,
            )
        )

    # What can happen.

    def _step(self, slot: tuple[Any, ...], restored: bool, message: Message) -> tuple[Any, Any]:
        """The core's new state in short, and what it signed."""
        core, before = self.core, self.concrete(*slot)
        fenced = restored and self.forgets != "unfenced"
        context = self.after_fence if fenced else self.here
        match message:
            case ("newround", round):
                after, answer = core.new_round(before, context, round)
            case ("lock", round, v, promises, own):
                justification = Justification(
                    tuple(self.promise(*one, own=own) for one in promises)
                )
                after, answer = core.lock(before, context, round, self.values[v], justification)
            case ("commit", shown, own):
                lock = self.certificate(shown, own=own)
                after, answer = core.commit(before, context, lock, self.values[shown[1]])
            case ("decide", shown, own):
                if before.decided is not None:
                    return slot, "nothing"
                decision = self.certificate(shown, Label.VOTE2, own=own)
                value = self.values[shown[1]]
                try:
                    _, after, answer = core.decide(self.log, before, decision, value, self.checks)
                except errors.BadCertificate:
                    return slot, "nothing"
        short = self.abstract(after)
        if isinstance(answer, core.Promised):
            lock = answer.lock
            shown = None if lock is None else (lock.round, lock.h)
            said = promise_content(self.seat.id, message[1], shown)
            assert answer.content == said
            return short, ("Promised", self.shown(lock, Label.VOTE1))
        if isinstance(answer, core.FellBack):
            assert answer.epoch == EPOCH
            if self.fair and not restored:
                raise Slander
        return short, type(answer).__name__

    def messages(self, one: Local, facts: Facts) -> Iterator[Message]:
        """All requests that somebody could send to this relay, and forged ones."""
        q, rounds = self.q, range(self.rounds)
        places = [(round, v) for round in rounds for v in (1, 2)]
        mine1 = frozenset((round, v) for round, v in places if one.votes1[round] & v)
        mine2 = frozenset((round, v) for round, v in places if one.votes2[round] & v)
        nothing: Own = frozenset()
        for round in rounds[1:]:
            yield ("newround", round)
        for v in (1, 2):
            yield ("lock", 0, v, (), nothing)
            for round in rounds[1:]:
                for locks in facts.justified[round]:
                    named = tuple((i, round, s, True) for i, s in enumerate(locks))
                    yield ("lock", round, v, named, nothing)
                    if mine1 and any(shown is not None for shown in locks):
                        yield ("lock", round, v, named, mine1)
                    for shown in one.promises[round] & frozenset(locks):
                        rest = list(locks)
                        rest.remove(shown)
                        named = tuple((i, round, s, True) for i, s in enumerate(rest))
                        named = (*named, (self.place, round, shown, True))
                        yield ("lock", round, v, named, mine1)
                    for later in rounds[round + 1 :]:
                        named = tuple((i, round, shown, True) for i, shown in enumerate(locks))
                        yield ("lock", later, v, named, nothing)
                for locks in facts.fewer[round]:
                    # One too few; the last one twice.
                    few = tuple((i, round, shown, True) for i, shown in enumerate(locks))
                    yield ("lock", round, v, few, nothing)
                    yield ("lock", round, v, few + few[-1:], nothing)
                yield ("lock", round, v, (), nothing)
                forgeries = tuple((i, round, None, False) for i in range(q))
                yield ("lock", round, v, forgeries, nothing)
                if self.liars:
                    for locks in facts.justified[round]:
                        forged = (0, round, (round - 1, v, False), True)
                        told = tuple((i, round, s, True) for i, s in enumerate(locks) if i)
                        yield ("lock", round, v, (forged, *told), nothing)
            for round in rounds:
                lock, decision = (round, v) in facts.locks, (round, v) in facts.decisions
                for own in (False, True) if lock and (round, v) in mine1 else (False,):
                    yield ("commit", (round, v, lock), own)
                if DEEP or not self.forgets:
                    for own in (False, True) if decision and (round, v) in mine2 else (False,):
                        yield ("decide", (round, v, decision), own)

    def _moves(self, number: int, facts: Facts) -> frozenset[int]:
        one, after = self.relays[number], set()
        slot = (one.promised, one.vote1, one.lock, one.decided)
        for message in self.messages(one, facts):
            short, signed = self.step(slot, one.restored, message)
            if self.strict and signed in ("Voted1", "Voted2"):
                self.never_back(one, message)
            votes1, votes2, promises = list(one.votes1), list(one.votes2), list(one.promises)
            if signed == "Voted1":
                votes1[message[1]] |= message[2]
            elif signed == "Voted2":
                votes2[message[1][0]] |= message[1][1]
            elif signed[0] == "Promised":
                promises[message[1]] |= {signed[1]}
            new = dataclasses.replace(
                one,
                **dict(zip(("promised", "vote1", "lock", "decided"), short, strict=True)),
                votes1=tuple(votes1),
                votes2=tuple(votes2),
                promises=tuple(promises),
            )
            after.add(self.id(new))
        if one.backup is not None and not one.restored:
            if DEEP:
                after.add(self.id(dataclasses.replace(one, backup=slot)))
            restored = dict(zip(("promised", "vote1", "lock", "decided"), one.backup, strict=True))
            restored |= {"backup": None, "restored": True}
            after.add(self.id(dataclasses.replace(one, **restored)))
        return frozenset(after - {number})

    def facts(self, state: tuple[int, ...]) -> Facts:
        """What has been signed in this world, as far as clients can use it."""
        relays = [self.relays[number] for number in state]
        places = [(round, v) for round in range(self.rounds) for v in (1, 2)]

        def quorums(votes: str) -> frozenset[tuple[int, int]]:
            return frozenset(
                (r, v)
                for r, v in places
                if self.liars + sum(1 for one in relays if getattr(one, votes)[r] & v) >= self.q
            )

        locks = quorums("votes1")
        justified = tuple(
            tuple(
                self.justified(
                    tuple(sorted((one.promises[r] for one in relays if one.promises[r]), key=repr)),
                    frozenset((low, v, True) for low, v in locks if low < r),
                    size,
                )
                for r in range(self.rounds)
            )
            for size in (self.q, self.q - 1)
        )
        return Facts(locks, quorums("votes2"), *justified)

    def _justified(
        self, promises: tuple[frozenset[Shown | None], ...], locks: frozenset[Shown], size: int
    ) -> frozenset[tuple[Shown | None, ...]]:
        """What `size` promises for a round can show: honest ones what they did, liars what they like."""
        found = set()
        for truthful in range(max(0, size - self.liars), min(size, len(promises)) + 1):
            for chosen in itertools.combinations(promises, truthful):
                lies = itertools.combinations_with_replacement(
                    sorted([None, *locks], key=repr), size - truthful
                )
                for told, lied in itertools.product(itertools.product(*chosen), lies):
                    if all(shown is None or shown[2] or self.lax_locks for shown in told):
                        found.add(tuple(sorted((*told, *lied), key=repr)))
        return frozenset(found)

    def never_back(self, one: Local, message: Message) -> None:
        """Only searches that ask for it: a relay never contradicts itself, whether it matters or not."""
        round, v = (message[1], message[2]) if message[0] == "lock" else message[1][:2]
        votes = one.votes1 if message[0] == "lock" else one.votes2
        later = (one.votes1[round + 1 :], one.votes2[round + 1 :], one.promises[round + 1 :])
        if votes[round] not in (0, v) or any(map(any, later)):
            raise Disagreement

    def canonical(self, state: tuple[int, ...]) -> tuple[int, ...]:
        first = 1 if self.forgets else 0
        other = tuple(map(self.swap, state))
        return min((*one[:first], *sorted(one[first:])) for one in (state, other))

    def search(self, *, deep: bool = False) -> int:
        """How many worlds there are. Raises `Disagreement`, sooner if it goes `deep` first."""
        blank = (0,) * self.rounds
        fresh = Local(
            votes1=blank, votes2=blank, promises=(frozenset[Shown | None](),) * self.rounds
        )
        first = [self.id(fresh)] * self.honest
        if self.forgets:
            first[0] = self.id(dataclasses.replace(fresh, backup=(0, 0, None, None)))
        start = self.canonical(tuple(first))
        seen, queue = {start}, deque([start])
        while queue:
            state = queue.pop() if deep else queue.popleft()
            facts = self.facts(state)
            self.judge(state, facts)
            first_twin = 2 if self.forgets else 1
            for at, number in enumerate(state):
                if at >= first_twin and state[at - 1] == number:
                    continue
                for moved in self.moves(number, facts):
                    new = self.canonical((*state[:at], moved, *state[at + 1 :]))
                    if new not in seen:
                        seen.add(new)
                        queue.append(new)
        return len(seen)

    def judge(self, state: tuple[int, ...], facts: Facts) -> None:
        decided = {v for _, v in facts.decisions}
        believed = {one.decided[1] for one in map(self.relays.__getitem__, state) if one.decided}
        if len(decided) > 1 or not believed <= decided:
            raise Disagreement


@pytest.mark.parametrize(("n", "q", "liars"), [(4, 3, 1), (3, 2, 0), (5, 4, 1), (5, 4, 2)])
def test_no_two_decisions(n: int, q: int, liars: int) -> None:
    """Numbers 13, 14: members that split the relays, or come back with another value in a later round."""
    assert World(slots, n, q, liars, strict=True, fair=True).search() > 1000


@pytest.mark.parametrize(
    ("n", "q", "forgets"),
    [
        *((3, 2, how) for how in ("fenced", "evidence")),
        *([(4, 3, "unfenced"), (5, 4, "unfenced")] if DEEP else []),
    ],
)
def test_no_two_decisions_after_a_rollback(n: int, q: int, forgets: str) -> None:
    """Numbers 11, 12: a relay falls back; with b = 0 only the fence saves it."""
    assert World(slots, n, q, 0, forgets=forgets, fair=True).search() > 1000


@pytest.mark.parametrize(
    ("n", "q", "liars", "forgets"),
    [(3, 2, 1, ""), (5, 3, 1, ""), (3, 2, 0, "unfenced")],
)
def test_beyond_the_rule_there_are_two(n: int, q: int, liars: int, forgets: str) -> None:
    with pytest.raises(Disagreement):
        World(slots, n, q, liars, forgets=forgets).search(deep=True)


def test_a_quorum_that_is_no_majority_gets_no_vote() -> None:
    """4, 2, 0 of the model: no relay votes on a value that names such a configuration."""
    assert World(slots, 4, 2, 0).search() < 20


#: What only makes a relay contradict itself: by itself harmless in two rounds, since a later round with
#: two highest locks frees no value.
CONTRADICTIONS = {"two first votes in one round", "no promise after the second vote"}

#: What is taken out of the core: the line, and what stands there instead.
MUTANTS = {
    "first vote below the promise": (
        "if (no := _unwilling(slot, context, round)) is not None:\n        return slot, no\n"
        "    if not _fits",
        "if slot.decided is not None:\n        return slot, _decision(slot, slot.decided)\n"
        "    if not _fits",
    ),
    "any vote below the promise": ("if round < slot.promised:", "if False:"),
    "two first votes in one round": ("slot.vote1 not in (None, h)", "False"),
    "no justification": ("if round > 0:", "if False:"),
    "too few promises": (
        "max(len(promises), quorum)",
        "max(len(promises), quorum - 1)",
    ),
    "one promise several times": ("len({promise.relay for promise in promises})", "len(promises)"),
    "promises not verified": (
        "context.checks.promise(promise, context.seat, round)",
        "True",
    ),
    "locks of the promises ignored": ("if bound - {h}:", "if False:"),
    "any lock, not the highest": ("if shown.round == highest", "if False"),
    "no lock certificate": (
        "if not context.checks.certificate(certificate, context.seat, Label.VOTE1):",
        "if False:",
    ),
    "the lock is not kept": ("vote1=vote1, lock=certificate", "vote1=vote1"),
    "no promise after the second vote": (
        "replace(slot, promised=round, vote1=vote1, lock",
        "replace(slot, promised=slot.promised, vote1=vote1, lock",
    ),
    "no promise after NEWROUND": (
        "_keep(replace(slot, promised=round, vote1=None), slot.values)",
        "slot",
    ),
    "the promise hides the lock": ("locked = slot.lock\n    shown = N", "locked = None\n    shown = N"),
    "no decision certificate": (
        "if not checks.certificate(certificate, log.seat, Label.VOTE2):",
        "if False:",
    ),
    "first votes taken for a decision": (
        "checks.certificate(certificate, log.seat, Label.VOTE2)",
        "checks.certificate(certificate, log.seat, Label.VOTE1)",
    ),
}  # fmt: skip


def mutated(old: str, new: str) -> ModuleType:
    """The core with one place changed."""
    source = Path(slots.__file__).read_text()
    assert source.count(old) == 1, old
    module = ModuleType("mutated_slots")
    sys.modules[module.__name__] = module
    exec(compile(source.replace(old, new), "mutated_slots.py", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", MUTANTS)
def test_each_check_is_needed(name: str) -> None:
    core = mutated(*MUTANTS[name])
    with pytest.raises(Disagreement):
        World(core, 4, 3, 1, strict=name in CONTRADICTIONS).search(deep=True)


def test_a_lock_needs_its_certificate() -> None:
    with pytest.raises(Disagreement):
        World(slots, 4, 3, 1, lax_locks=True).search(deep=True)


@pytest.mark.parametrize("forgets", ["fenced", "evidence"])
def test_after_a_fence_it_must_abstain(forgets: str) -> None:
    core = mutated("if context.abstains:", "if False:")
    with pytest.raises(Disagreement):
        World(core, 3, 2, 0, forgets=forgets).search(deep=True)


#: What the fence must remember: the line, what stands there instead, and the world that misses it.
FENCES = {
    "the fence forgets the evidence's epoch": (
        "votes_from=max(log.votes_from, epoch + 1)",
        "votes_from=log.votes_from",
        "evidence",
    ),
    "lifting the fence forgets the evidence's epoch": (
        "votes_from=max(log.votes_from, log.epoch + 1)",
        "votes_from=log.epoch + 1",
        "evidence",
    ),
    "it abstains below the evidence's epoch only": (
        "votes_from=max(log.votes_from, epoch + 1)",
        "votes_from=max(log.votes_from, epoch)",
        "evidence",
    ),
}


@pytest.mark.parametrize("name", FENCES)
def test_the_fence_must_remember(name: str) -> None:
    old, new, forgets = FENCES[name]
    with pytest.raises(Disagreement):
        World(mutated(old, new), 3, 2, 0, forgets=forgets).search(deep=True)


#: Rules for a relay's own signature that would accuse one that did not fall back.
SLANDERS = {
    "first votes of earlier rounds": (
        "not certificate.has(index) or slot.promised > certificate.round",
        "not certificate.has(index)",
    ),
    "first votes of others": (
        "not certificate.has(index) or slot.promised > certificate.round",
        "slot.promised > certificate.round",
    ),
    "second votes of earlier rounds": ("return locked.round > certificate.round or (", "return ("),
    "second votes of others": ("if not certificate.has(index):", "if False:"),
    "promises of others": ("promise.relay != index or slot.promised >= round", "slot.promised >= round"),
    "the promise of this round": ("slot.promised >= round)", "slot.promised > round)"),
}  # fmt: skip


@pytest.mark.parametrize("name", SLANDERS)
def test_nobody_is_accused_in_error(name: str) -> None:
    core = mutated(*SLANDERS[name])
    with pytest.raises(Slander):
        World(core, 4, 3, 1, fair=True).search(deep=True)
