"""One relay's store with real keys, and what everybody asks of it. Each step opens the file anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from heliogram.relay import logs, voting
from heliogram.relay.batch import Batch, News
from heliogram.relay.budgets import Budgets
from heliogram.relay.errors import RelayError
from heliogram.relay.sealing import seal
from heliogram.relay.serving.expiry import SLICES
from heliogram.relay.store import Store
from heliogram.relay.terms import Terms
from heliogram.wire import frames, work
from heliogram.wire import objects as o
from heliogram.wire.connection import Scope, ScopeKind
from heliogram.wire.receipts import Evidence, Receipt, entry_hash
from heliogram.wire.signing import Label, SigningKey
from tests.wire import samples
from tests.wire.samples import name

NOW, ID, EPOCH = samples.NOW, samples.ID, samples.EPOCH
TERMS = Terms(replace(samples.LIMITS, difficulty_open=2))
KEYS = tuple(SigningKey(name(f"relay {index}")) for index in range(8))
DONE = frames.Done(ID)

Moment = tuple[list[Any], ...]


def configured(*relays: int, log: str = "log") -> o.Configuration:
    """These relays, with the smallest majority as their quorum plus one where there are four."""
    described = tuple(o.RelayDescription(KEYS[i].public, name("operator"), ()) for i in relays)
    return o.Configuration(
        name(log), {1: 1, 4: 3}.get(len(relays), len(relays) // 2 + 1), described
    )


FOUR = configured(0, 1, 2, 3)


def keys(epoch: int, configuration: o.Configuration = FOUR) -> tuple[bytes, ...]:
    """The members' keys of an epoch, one for each relay."""
    return tuple(sha256(b"%d" % epoch + one.key).digest() for one in configuration.relays)


def seat(epoch: int = EPOCH, configuration: o.Configuration = FOUR) -> o.Seat:
    """Who decides this epoch."""
    return o.Seat(configuration, epoch, keys(epoch, configuration))


def value(
    text: bytes = b"a commit", epoch: int = EPOCH, following: o.Configuration = FOUR
) -> o.Value:
    """What may end `epoch`."""
    return o.Value(o.Header(following, keys(epoch + 1, following)).encode(), text)


def certificate(
    label: Label, one: o.Value, at: o.Seat, *, round: int = 0, without: Iterable[int] = ()
) -> o.Certificate:
    """The votes of all relays of the seat but for those of `without`."""
    content = o.vote_content(at.id, round, one.hash)
    by_public = {key.public: key for key in KEYS}
    votes = tuple(
        o.RelaySignature(i, by_public[relay.key].sign(label, content))
        for i, relay in enumerate(at.configuration.relays)
        if i not in without
    )
    return o.Certificate(at.epoch, round, one.hash, votes)


def locked(one: o.Value, at: o.Seat, **options: Any) -> o.Certificate:
    """A lock certificate."""
    return certificate(Label.VOTE1, one, at, **options)


def decided(one: o.Value, at: o.Seat, **options: Any) -> o.Certificate:
    """A decision certificate."""
    return certificate(Label.VOTE2, one, at, **options)


class World:
    """One relay, by its number, over a real file."""

    def __init__(self, path: Path, *, relay: int = 0, terms: Terms = TERMS) -> None:
        self.path = path
        self.key = KEYS[relay]
        self.terms = terms
        self.store = Store(path, writes=True)
        self.budgets = Budgets()
        self.now = NOW
        self.news: list[News] = []
        self.drawn = 0

    # --- the machine ---

    def batch(self) -> Batch:
        return Batch(self.store, self.terms, self.budgets, self.key.public, self.now, self.entropy)

    def entropy(self, size: int) -> bytes:
        self.drawn += 1
        return sha256(b"%d" % self.drawn).digest()[:size]

    def do(self, function: Callable[..., Any], *request: Any, **more: Any) -> Any:
        """What is answered, on disk. What is refused has changed nothing, in memory as on disk."""
        batch = self.batch()
        try:
            with self.store.transaction():
                before = self.contents()
                try:
                    outcome = function(batch, *request, **more)
                except RelayError:
                    assert self.contents() == before and not batch.news
                    raise
        finally:
            self.news = batch.news
            self.reopen()
        if isinstance(outcome, bool):
            return outcome
        (answer,) = seal(self.key, [outcome])
        return answer

    def reopen(self) -> None:
        """Forget all that is not on disk, but for the budgets."""
        self.store.close()
        self.store = Store(self.path, writes=True)

    def contents(self) -> Moment:
        """Every row of the logs' tables."""
        return tuple(
            self.store.database.all(f"SELECT * FROM {table} ORDER BY 1, 2")
            for table in ("logs", "heads", "epochs", "slots", "entries")
        )

    def picture(self) -> bytes:
        """A backup of the database."""
        self.store.close()
        picture = self.path.read_bytes()
        self.store = Store(self.path, writes=True)
        return picture

    def fall_back(self, picture: bytes) -> None:
        """The disk is as it was then."""
        self.store.close()
        self.path.write_bytes(picture)
        self.store = Store(self.path, writes=True)
        self.budgets = Budgets()

    # --- logs ---

    def opening(self, at: o.Seat | None = None) -> frames.Open:
        first = seat() if at is None else at
        proof = work.solve(
            self.key.public, first.id, self.terms.limits.difficulty_open, now=self.now
        )
        return frames.Open(ID, o.Open(first, proof).encode())

    def open(self, at: o.Seat | None = None) -> bytes:
        """The instance, open."""
        first = seat() if at is None else at
        assert self.do(logs.open_log, self.opening(first)) == DONE
        return first.id

    def post(self, instance: bytes, data: bytes, epoch: int = EPOCH, *, grace: bool = False) -> Any:
        frame = frames.Post(ID, 0, data, frames.Lane.GRACE if grace else frames.Lane.POSTS)
        return self.do(logs.post, frame, at(instance, epoch))

    def refill(self, instance: bytes, data: bytes, old: int, epoch: int = EPOCH) -> Any:
        return self.do(logs.refill, frames.Refill(ID, 0, old, data), at(instance, epoch))

    def stored(self, instance: bytes, data: bytes, epoch: int = EPOCH) -> Evidence:
        """What a client keeps of a post that was stored."""
        return self.evidence(self.post(instance, data, epoch), data, instance, epoch)

    def evidence(self, answer: Any, data: bytes, instance: bytes, epoch: int) -> Evidence:
        """The answer's receipt as evidence; it is good."""
        assert isinstance(answer, frames.Stored)
        evidence = Evidence(epoch, entry_hash(data), Receipt.from_bytes(answer.receipt))
        assert evidence.proves(self.key.public, instance)
        return evidence

    def read(
        self, instance: bytes, start: int = 0, count: int = 1000, epoch: int = EPOCH
    ) -> frames.Entries:
        answer = logs.read(self.store, frames.Read(ID, 0, start, count), at(instance, epoch))
        assert isinstance(answer, frames.Entries)
        return answer

    def texts(self, instance: bytes, epoch: int = EPOCH) -> list[bytes]:
        """All that a member of this epoch may read."""
        return [one.data for one in self.read(instance, epoch=epoch).entries]

    def peek(self, instance: bytes, epoch: int = EPOCH, *, value: bool = True) -> frames.Peeked:
        return logs.peek(self.store, frames.Peek(ID, 0, value), at(instance, epoch))

    def authorise(
        self, instance: bytes, evidence: Evidence | None = None, epoch: int = EPOCH
    ) -> frames.Authorised:
        """AUTHORISE as a session serves it, after the signature."""
        shown = b"" if evidence is None else evidence.encode()
        frame = frames.Authorise(ID, 0, instance, epoch, bytes(64), shown)
        fallen = logs.shows_fall(self.store, frame, self.key.public)
        if fallen is None:
            return logs.authorised(self.store, frame)

        def fence(batch: Batch) -> frames.Authorised:
            voting.fence(batch, instance, fallen.epoch, fallen.receipt.index)
            return logs.authorised_in(batch, frame)

        answer = self.do(fence)
        assert isinstance(answer, frames.Authorised)
        return answer

    def status(self, instance: bytes, nonce: bytes, epoch: int = EPOCH) -> o.Status:
        frame = frames.Status(ID, 0, nonce)
        answer = logs.status(self.store, frame, at(instance, epoch), self.key)
        return o.Status.from_bytes(answer.status)

    # --- slots ---

    def lock(
        self,
        instance: bytes,
        one: o.Value,
        epoch: int = EPOCH,
        *,
        round: int = 0,
        why: o.Justification | None = None,
    ) -> Any:
        shown = b"" if why is None else why.encode()
        frame = frames.Lock(ID, 0, round, one.encode(), shown)
        return self.do(voting.lock, frame, at(instance, epoch))

    def commit(
        self,
        instance: bytes,
        lock: o.Certificate,
        one: o.Value | None = None,
        epoch: int = EPOCH,
    ) -> Any:
        frame = frames.Commit(ID, 0, lock.encode(), b"" if one is None else one.encode())
        return self.do(voting.commit, frame, at(instance, epoch))

    def new_round(self, instance: bytes, round: int, epoch: int = EPOCH) -> Any:
        return self.do(voting.new_round, frames.NewRound(ID, 0, round), at(instance, epoch))

    def decide(
        self,
        instance: bytes,
        decision: o.Certificate,
        one: o.Value | None = None,
        *,
        member: bool = True,
    ) -> Any:
        data = b"" if one is None else one.encode()
        frame = frames.Decide(ID, instance, decision.encode(), data)
        return self.do(voting.decide, frame, member=member)

    def advance(self, instance: bytes, epoch: int = EPOCH) -> None:
        """End `epoch` by what the quorum has decided."""
        one = value(epoch=epoch)
        assert self.decide(instance, decided(one, seat(epoch), without=[0]), one) == DONE

    def unfence(self, instance: bytes, statuses: Iterable[o.Status], epoch: int = EPOCH) -> Any:
        frame = frames.Unfence(ID, 0, tuple(one.encode() for one in statuses))
        return self.do(voting.unfence, frame, at(instance, epoch))

    # --- expiry ---

    def expire(self) -> None:
        """One whole round, as `relay.expiry` does it."""
        for one in SLICES:
            while self.do(one) is True:
                pass


def at(instance: bytes, epoch: int = EPOCH) -> Scope:
    """What a channel of this epoch leads to."""
    return Scope(ScopeKind.LOG, instance, epoch)
