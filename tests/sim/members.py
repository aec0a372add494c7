"""Members of a simulation: what a node does with one log, without MLS, over the real cores.

Keys are hashes of a secret that goes from epoch to epoch with the decided bodies. All that survives a crash
is in `Disk`; every write to it and every request sent is an effect at whose border the member may crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from types import ModuleType
from typing import TYPE_CHECKING, Any

from heliogram.node import chain, posting, repair, slots, sync
from heliogram.wire import frames, work
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import Configuration, Header, Open, Seat, Value
from heliogram.wire.receipts import Evidence
from heliogram.wire.signing import SigningKey
from tests.sim.relays import NOW

if TYPE_CHECKING:
    from tests.sim.world import World

#: Seconds between attempts to repair a relay.
PATIENCE = 3.0


@dataclass
class Cores:
    """The modules under test: one of them may be a mutant."""

    slots: ModuleType = slots
    chain: ModuleType = chain
    posting: ModuleType = posting
    sync: ModuleType = sync
    repair: ModuleType = repair


@lru_cache(10_000)
def secret_key(secret: bytes, relay: bytes) -> SigningKey:
    """What members derive for a relay."""
    return SigningKey(sha256(secret + relay).digest())


def seat_for(configuration: Configuration, epoch: int, secret: bytes) -> Seat:
    """The seat with the keys of this secret."""
    keys = tuple(secret_key(secret, relay.key).public for relay in configuration.relays)
    return Seat(configuration, epoch, keys)


def following(secret: bytes, body: bytes) -> bytes:
    """The next epoch's secret."""
    return sha256(b"next" + secret + body).digest()


def value_for(configuration: Configuration, secret: bytes, body: bytes) -> Value:
    """A value that goes on with `configuration`."""
    after = following(secret, body)
    keys = tuple(secret_key(after, relay.key).public for relay in configuration.relays)
    return Value(Header(configuration, keys).encode(), body)


def body(op: str, author: str, kind: str = "update", arg: str = "", nonce: str = "") -> bytes:
    """A change, as members write it. The nonce makes each attempt another value, as commits are."""
    return f"{op}|{author}|{kind}|{arg}|{nonce}".encode()


def read_body(data: bytes) -> tuple[str, str, str, str]:
    """The change; garbage is a change that changes nothing."""
    parts = data.decode(errors="replace").split("|")
    return (parts[0], parts[1], parts[2], parts[3]) if len(parts) == 5 else ("", "", "", "")


@dataclass
class Change:
    """What a person wants of the group."""

    op: str
    kind: str = "update"
    arg: str = ""
    configuration: Configuration | None = None
    since: float = 0.0


@dataclass
class Message:
    """What a person wants to say."""

    id: str
    begun: float
    #: Once encrypted: the epoch and the bytes.
    epoch: int = -1
    entry: bytes = b""


@dataclass
class Disk:
    """What survives a crash."""

    decisions: list[Any] = field(default_factory=list)
    election: bytes | None = None
    wanted: list[Change] = field(default_factory=list)
    outbox: dict[str, Message] = field(default_factory=dict)
    vouchers: bytes = b"\x00"
    #: Entries by epoch and name, and how often each message came to be shown.
    entries: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)


class Member:
    """One device. `wake` does what is due; it is called after everything that happens."""

    def __init__(self, world: World, label: str, first: Seat, secret: bytes) -> None:
        self.world, self.label = world, label
        self.cores = world.cores
        self.first, self.first_secret = first, secret
        self.disk = Disk()
        self.up = True
        self.gone = False
        #: Connections die with a crash: answers for another life are nobody's.
        self.life = 0
        self.boot()

    def boot(self) -> None:
        """Begin with what is on disk."""
        self.life += 1
        self.chain = self.cores.chain.Chain(self.first)
        self.secrets = [self.first_secret]
        self.roster = list(self.world.roster)
        self.instances = {
            relay.key: (self.first.id, self.first.epoch)
            for relay in self.first.configuration.relays
        }
        #: The same by epoch, for those that are over.
        self.names = [[self.first.id] * self.first.configuration.n]
        #: What is under way: each has requests, and may meet obstacles.
        self.election: Any = None
        self.spreading: list[Any] = []
        self.tips: dict[str, Any] = {}
        self.postings: dict[str, Any] = {}
        self.unions: dict[int, Any] = {}
        self.levellings: dict[bytes, Any] = {}
        self.unfencings: dict[bytes, Any] = {}
        self.tried: dict[tuple[bytes, str], float] = {}
        self.watch: Any = None
        self.serial = 0
        self.looked = self.world.now - self.world.look
        self.announced: set[int] = set()
        self.refilled: set[tuple[int, bytes, bytes]] = set()
        for decision in self.disk.decisions:
            self._enter(decision)
        if self.disk.decisions:
            last = self.disk.decisions[-1]
            self.spreading.append(self._election(last.epoch))
            self.spreading[-1].finish(last, self.world.now)

    # --- Where it stands ---

    @property
    def seat(self) -> Seat:
        return self.chain.seat  # type: ignore[no-any-return]

    @property
    def epoch(self) -> int:
        return self.seat.epoch

    def secret(self, epoch: int) -> bytes:
        return self.secrets[epoch - self.first.epoch]

    def rank(self) -> int:
        secret = self.secrets[-1]
        order = sorted(self.roster, key=lambda one: sha256(secret + one.encode()).digest())
        return order.index(self.label) if self.label in order else len(order)

    def _names(self, seat: Seat) -> list[bytes]:
        """The log's name on each relay of a seat."""
        return self.names[seat.epoch - self.first.epoch]

    def _enter(self, decision: Any) -> None:
        """Go to the epoch after a decision."""
        seat = self.chain.extend(decision.link)
        _, _, kind, arg = read_body(decision.value.body)
        if kind == "remove" and arg in self.roster:
            self.roster.remove(arg)
            self.gone = self.gone or arg == self.label
        self.secrets.append(following(self.secrets[-1], decision.value.body))
        keys = [relay.key for relay in seat.configuration.relays]
        self.instances = {key: self.instances.get(key, (seat.id, seat.epoch)) for key in keys}
        self.names.append([self.instances[key][0] for key in keys])
        for relay in [one for one in self.levellings if one not in self.instances]:
            del self.levellings[relay]

    # --- Effects ---

    def save(self, write: Callable[[], None]) -> None:
        """Change the disk, whole or not at all."""
        self.world.effect(self)
        write()
        self.world.effect(self)

    def send(
        self, relay: bytes, frame: Any, seat: Seat, then: Callable[[Any], None], lost: Any
    ) -> None:
        """A request; `then` gets the answer, in this life only."""
        self.world.effect(self)
        index = seat.index_of(relay)
        # A relay that came later is asked to open what it does not know yet.
        instance = self.instances[relay][0] if index is None else self._names(seat)[index]
        key = secret_key(self.secret(seat.epoch), relay).public
        self.world.request(self, relay, frame, instance, seat.epoch, key, then, lost)

    # --- What it does ---

    def wake(self) -> None:
        """Do all that is due."""
        if self.gone:
            return
        self._decide()
        self._elect()
        self._say()
        self._look()
        self._repair()
        self._flush()

    def _election(self, epoch: int) -> Any:
        seat = self.chain.seat_of(epoch)
        return self.cores.slots.Election(
            seat, self._names(seat), rank=self.rank(), entropy=self.world.random.randbytes
        )

    def _elect(self) -> None:
        if self.election is not None or self.gone:
            if self.election is not None and self.election.own is None and self.disk.wanted:
                self._propose(self.election)
            return
        saved = self.disk.election
        if saved is None and not self.disk.wanted:
            return
        election = self._election(self.epoch)
        self.election = election
        if saved is not None:
            election.restore(saved)
        if election.own is None and election.decision is None and self.disk.wanted:
            self._propose(election)

    def _propose(self, election: Any) -> None:
        if election.decision is not None:
            return
        change = self.disk.wanted[0]
        configuration = change.configuration or self.seat.configuration
        nonce = self.world.random.randbytes(8).hex()
        text = body(change.op, self.label, change.kind, change.arg, nonce)
        value = value_for(configuration, self.secrets[-1], text)
        self.world.oracle.proposed(value.hash)
        election.propose(value)
        self.save_election(election)

    def save_election(self, election: Any) -> None:
        self.save(lambda: setattr(self.disk, "election", election.encode()))
        election.saved()

    def finish(self) -> None:
        """Somebody's slot may have been left halfway: see to it."""
        if self.election is None and not self.gone:
            self.election = self._election(self.epoch)

    def learn(self, relay: bytes, certificate: bytes, epoch: int) -> None:
        """A decision of the open slot was shown."""
        index = self.seat.index_of(relay)
        if epoch != self.epoch or index is None or self.gone:
            return
        if self.election is None:
            self.election = self._election(self.epoch)
        instance = self._names(self.seat)[index]
        self.election.advanced(index, frames.Advanced(instance, certificate), self.world.now)

    def _decide(self) -> None:
        election = self.election
        if election is None or election.decision is None:
            if election is not None and election.step is self.cores.slots.Step.REST:
                self.election = None
            return
        decision, epoch = election.decision, self.epoch
        op, author, _, _ = read_body(decision.value.body)
        self.world.oracle.decided(self, self.seat, decision)
        if author == self.label:
            # Its own commit, whoever finished it: met as a stranger's it would be lost to it.
            self.world.oracle.own(self, decision, bool(election.won))

        def write() -> None:
            self.disk.decisions.append(decision)
            self.disk.election = None
            self.disk.wanted = [one for one in self.disk.wanted if one.op != op]

        self.save(write)
        self._enter(decision)
        self.world.oracle.entered(self)
        self.spreading.append(election)
        self.election = None
        self.watch = None
        self.tips.clear()
        del self.spreading[:-4]
        for old in [one for one in self.unions if one < epoch and not self.world.healed]:
            del self.unions[old]
        if epoch in self.unions:
            self.unions[epoch].poll()
        self._decide()

    def _spread(self) -> None:
        for election in self.spreading:
            epoch = election.decision.epoch
            if election.stable and epoch not in self.announced:
                self.announced.add(epoch)
                self.world.oracle.stable(self, election.decision)
        self.spreading = [one for one in self.spreading if not one.complete]

    def _say(self) -> None:
        names = self._names(self.seat)
        for message in self.disk.outbox.values():
            posted = self.postings.get(message.id)
            if posted is not None:
                if posted.stored:
                    self.world.oracle.stored(self, message, posted)
                if posted.closed is not None and not posted.stored:
                    # Closed under it. Once more, in the epoch that is open then.
                    self._closed(posted)
                    del self.postings[message.id]
                continue
            if message.id in self.world.oracle.messages:
                continue
            if message.epoch == self.epoch:
                self._post(message)
                continue
            tip = self.tips.get(message.id)
            if tip is None:
                self.tips[message.id] = self.cores.posting.Tip(self.seat, names, channel=0)
            elif tip.closed is not None:
                self._closed(tip)
            elif tip.open:
                text = f"{message.id}|{self.label}|{self.epoch}|{self.world.random.random()}"

                def write(message: Message = message, text: str = text) -> None:
                    message.epoch, message.entry = self.epoch, text.encode()

                self.save(write)
                del self.tips[message.id]
                self._post(message)

    def _post(self, message: Message) -> None:
        self.world.oracle.sent(self, message)
        names = self._names(self.seat)
        self.postings[message.id] = self.cores.posting.Posting(self.seat, names, message.entry)

    def _closed(self, core: Any) -> None:
        if core.seat.id == self.seat.id:
            relay = core.seat.configuration.relays[0].key
            self.learn(relay, core.closed.encode(), core.seat.epoch)

    def _look(self) -> None:
        """Now and then: is the epoch still open, and what is new?"""
        now = self.world.now
        if self.watch is not None and self.watch.closed is not None:
            self._closed(self.watch)
            self.watch = None
        if now - self.looked < self.world.look:
            return
        self.looked = now
        self.watch = self.cores.posting.Tip(self.seat, self._names(self.seat))
        epochs = range(self.first.epoch, self.epoch + 1) if self.world.healed else (self.epoch,)
        for epoch in epochs:
            union = self.unions.get(epoch)
            if union is None:
                seat = self.chain.seat_of(epoch)
                known = self.disk.entries.get(epoch, {})
                union = self.cores.sync.Union(
                    seat, self._names(seat), known=() if self.world.healed else known, live=False
                )
                self.unions[epoch] = union
            union.poll()
        vouchers = posting.Vouchers.from_bytes(self.disk.vouchers)
        for relay in self.seat.configuration.relays:
            evidence = vouchers.of(relay.key)
            if evidence is not None:
                self._authorise(relay.key, evidence)

    def _authorise(self, relay: bytes, evidence: Evidence) -> None:
        instance = self.instances[relay][0]
        frame = frames.Authorise(0, 0, instance, self.epoch, bytes(64), evidence.encode())

        def then(answer: Any) -> None:
            if isinstance(answer, frames.Authorised) and answer.fence:
                self._unfence(relay, answer.fence)

        self.send(relay, frame, self.seat, then, None)

    def take(self, epoch: int, entries: list[Any]) -> None:
        """Show what is new."""
        for one in entries:
            parts = one.data.decode(errors="replace").split("|")
            if len(parts) != 4 or parts[2] != str(epoch):
                continue  # not of this epoch's members: it would not decrypt

            def write(one: Any = one, id: str = parts[0]) -> None:
                self.disk.entries.setdefault(epoch, {})[one.name] = one.data
                self.disk.shown[id] = 1

            self.save(write)

    # --- Repairs ---

    def _cores(self) -> list[tuple[Any, Seat]]:
        """All that asks relays: with the seat whose places it counts by."""
        found = [(one, one.seat) for one in (*self.spreading, *self.tips.values())]
        found += [(one, one.seat) for one in self.postings.values()]
        found += [(one, one.seat) for one in (self.election, self.watch) if one is not None]
        return found + [(one, one.seat) for one in self.unions.values()]

    def _repair(self) -> None:
        self._spread()
        for core, seat in self._cores():
            self.world.oracle.named(core.misbehaviour)
            obstacles = core.obstacles if hasattr(core, "obstacles") else core.troubles
            for index, why in sorted(obstacles.items()):
                relay = seat.configuration.relays[index].key
                if why in (ErrorCode.FENCED,) or "FENCED" in str(why):
                    self._once(relay, "fence", self._find_fence)
                else:
                    self._once(relay, "level", self._level)
                if not hasattr(core, "serial"):
                    self.serial += 1
                    core.serial = self.serial
                if self._due(relay, f"clear {core.serial}"):
                    core.cleared(index)
        for relay, unfencing in list(self.unfencings.items()):
            for index in sorted(unfencing.troubles):
                other = self.seat.configuration.relays[index].key
                self._once(other, "level", self._level)
                if self._due(other, "clear unfencing"):
                    unfencing.cleared(index)
            stale = unfencing.seat_id != self.seat.id
            if unfencing.state is not self.cores.repair.Lift.WORKING or stale:
                del self.unfencings[relay]
                self._clear(relay)

    def _due(self, relay: bytes, what: str) -> bool:
        """Whether the time for this has come; then it begins anew."""
        now = self.world.now
        if now < self.tried.setdefault((relay, what), now + PATIENCE):
            return False
        self.tried[relay, what] = now + PATIENCE
        return True

    def _once(self, relay: bytes, what: str, do: Callable[[bytes], None]) -> None:
        if self.tried.get((relay, what), -1.0) <= self.world.now:
            self.tried[relay, what] = self.world.now + PATIENCE
            do(relay)

    def _clear(self, relay: bytes) -> None:
        """Whatever was wrong at a relay has been dealt with."""
        for core, seat in self._cores():
            index = seat.index_of(relay)
            if index is not None:
                core.cleared(index)

    def _level(self, relay: bytes) -> None:
        if relay in self.levellings or relay not in self.instances:
            return
        instance, first = self.instances[relay]
        decisions = {one.epoch: one for one in self.disk.decisions}
        self.levellings[relay] = self.cores.repair.Levelling(
            instance, first, self.epoch - 1, decisions.get
        )

    def _levelled(self, relay: bytes) -> None:
        levelling = self.levellings[relay]
        state = levelling.state
        if state is self.cores.repair.Level.WORKING:
            return
        del self.levellings[relay]
        if state is self.cores.repair.Level.LEVEL:
            _, first = self.instances.get(relay, (b"", -1))
            if first != self.epoch:
                self._clear(relay)
                return
        self._open(relay)

    def _open(self, relay: bytes) -> None:
        """The log is not there: perhaps a new relay."""
        instance, first = self.instances.get(relay, (b"", -1))
        seat = self.chain.seat_of(first)
        if seat is None or seat.id != instance:
            return
        time = NOW + self.world.relays[relay].offset + int(self.world.now)
        opened = Open(seat, work.solve(relay, instance, 0, now=time))

        def then(answer: Any) -> None:
            if isinstance(answer, frames.Done):
                self._level(relay) if first < self.epoch else self._clear(relay)

        self.send(relay, frames.Open(0, opened.encode()), self.seat, then, None)

    def _find_fence(self, relay: bytes) -> None:
        """A fenced relay: level first, then lifted under its nonce."""
        self._level(relay)

        def then(answer: Any) -> None:
            if isinstance(answer, frames.Peeked) and answer.fence:
                self._unfence(relay, answer.fence)

        if relay in self.instances:
            self.send(relay, frames.Peek(0, 0), self.seat, then, None)

    def _unfence(self, relay: bytes, nonce: bytes) -> None:
        index = self.seat.index_of(relay)
        if index is None or relay in self.unfencings:
            return
        unfencing = self.cores.repair.Unfencing(self.seat, index, nonce)
        unfencing.seat_id = self.seat.id
        self.unfencings[relay] = unfencing
        for union in self.unions.values():
            at = union.seat.index_of(relay)
            if at is not None:
                union.rewound(at)

    def refill(self) -> None:
        """Give relays what they lack of all epochs."""
        for epoch, union in self.unions.items():
            data = self.disk.entries.get(epoch, {})
            for index, relay in enumerate(union.seat.configuration.relays):
                if self.instances.get(relay.key, (b"",))[0] != self._names(union.seat)[index]:
                    continue
                for name in union.lacking(index):
                    at = (epoch, relay.key, name)
                    if name in data and at not in self.refilled:
                        self.refilled.add(at)

                        def then(answer: Any, at: Any = at) -> None:
                            if not isinstance(answer, frames.Stored):
                                self.refilled.discard(at)

                        frame = frames.Refill(0, 0, epoch, data[name])
                        self.send(
                            relay.key,
                            frame,
                            self.seat,
                            then,
                            lambda at=at: self.refilled.discard(at),
                        )

    # --- Sending ---

    def _flush(self) -> None:
        now = self.world.now
        for core, seat in self._cores():
            for index, frame in core.requests(now):
                self._ask(core, seat, index, frame)
        for relay, levelling in list(self.levellings.items()):
            frame = levelling.request(now)
            if frame is not None:
                self._ask_levelling(relay, levelling, frame)
            self._levelled(relay)
        for unfencing in self.unfencings.values():
            for index, frame in unfencing.requests(now):
                self._ask(unfencing, self.seat, index, frame)

    def _ask(self, core: Any, seat: Seat, index: int, frame: Any) -> None:
        relay = seat.configuration.relays[index].key

        def then(answer: Any) -> None:
            new = core.receive(index, frame, answer, self.world.now)
            if new:
                self.take(seat.epoch, new)
            if isinstance(answer, frames.Stored) and hasattr(core, "evidence"):
                self._vouch(relay, core.evidence(index))

        self.send(relay, frame, seat, then, lambda: core.lost(index, self.world.now))

    def _vouch(self, relay: bytes, evidence: Evidence | None) -> None:
        if evidence is None or relay not in self.instances:
            return
        noted = posting.Vouchers.from_bytes(self.disk.vouchers).noted(relay, evidence)
        self.save(lambda: setattr(self.disk, "vouchers", noted.encode()))
        index, union = self.seat.index_of(relay), self.unions.get(evidence.epoch)
        if union is not None and index is not None:
            union.signed(index, evidence)

    def _ask_levelling(self, relay: bytes, levelling: Any, frame: Any) -> None:
        def then(answer: Any) -> None:
            levelling.receive(frame, answer, self.world.now)

        self.send(relay, frame, self.seat, then, lambda: levelling.lost(self.world.now))

    def deadline(self) -> float:
        """When to be woken at the latest."""
        times = [self.looked + self.world.look]
        for core, _ in self._cores():
            if isinstance(core, self.cores.sync.Union):
                due = core.deadline(self.world.now)
            else:
                due = core.deadline()
            if due is not None:
                times.append(due)
        for other in (*self.levellings.values(), *self.unfencings.values()):
            due = other.deadline()
            if due is not None:
                times.append(due)
        return max(min(times), self.world.now + 0.01)


def settled(member: Member) -> bool:
    """Whether nothing is under way that must end."""
    return member.gone or not (member.disk.wanted or member.disk.election)
