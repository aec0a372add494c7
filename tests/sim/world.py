"""A log, its relays and its members in one process, one seed: everything that can go wrong, and an oracle.

Requests and answers are delayed, lost, doubled and overtake each other; directions are cut; relays crash, are
rolled back, and at most as many lie or fall back as the configuration bears; members crash at any effect and
go on from their disk; some lie. At the end everything heals, but for liars, and must converge.

What must hold, at each step: see `Oracle`. A failure names the seed and the hash of the trace; the same seed
gives the same trace.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from heliogram.wire import frames
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    RelayDescription,
    Seat,
    Value,
    promise_content,
    vote_content,
)
from heliogram.wire.signing import Label, verify
from tests.sim.members import Change, Cores, Member, Message, read_body, seat_for, settled
from tests.sim.relays import LIES, Relay, name

#: Events of one run at most. Nothing that works needs as many.
MAX_EVENTS = 400_000


class Violation(AssertionError):
    """Something happened that must never happen. The text names the invariant."""


class Stuck(Violation):
    """After everything had healed it did not converge."""


class Crash(Exception):
    """A member's process ends here."""


@dataclass
class Faults:
    """How bad it is. Probabilities are for each message, rates for each second."""

    loss: float = 0.0
    double: float = 0.0
    slow: float = 0.0
    crash: float = 0.0
    relay_crash: float = 0.0
    partition: float = 0.0
    #: Packets are lost and sent again, as TCP does it.
    packets: float = 0.0
    told: float = 0.5


@dataclass
class Shown:
    """What a person was shown."""

    epoch: int
    at: float


class Oracle:
    """The invariants: I1, I3, I4, I6, I8, I10 at each step; I5, I11, I12 at the end (`World.finish`)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.values: set[bytes] = set()
        #: I1: what was decided at a seat, by whoever says so.
        self.decisions: dict[bytes, bytes] = {}
        #: I8: what each relay has signed; the highest round that each has promised.
        self.votes: dict[tuple[bytes, bytes, Label, int], bytes] = {}
        self.floors: dict[tuple[bytes, bytes], int] = {}
        #: I1, before anybody has noticed: who signed second votes for what.
        self.seconds: dict[tuple[bytes, int, bytes], set[bytes]] = {}
        #: I4, I6: changes and removals that were shown as done.
        self.done: dict[str, Shown] = {}
        self.removed: list[Shown] = []
        #: I10: how often each change was decided.
        self.applied: dict[str, int] = {}
        #: I5: messages that were shown as stored: name of the entry, seat, the log's names.
        self.messages: dict[str, tuple[bytes, Seat, list[bytes]]] = {}
        self.chain: dict[int, bytes] = {}
        #: Relays that members have named, and for what.
        self.accused: set[tuple[str, str]] = set()
        #: When each message was stored.
        self.times: dict[str, float] = {}

    def proposed(self, h: bytes) -> None:
        self.values.add(h)

    def decided(self, member: Member, seat: Seat, decision: Any) -> None:
        h = decision.certificate.h
        if not decision.certificate.counts(seat, Label.VOTE2) or decision.value.hash != h:
            raise Violation("I1: a member believes what does not count")
        self._agree(seat, h)
        if h not in self.values:
            raise Violation("I3: a value was decided that nobody proposed")
        if self.chain.setdefault(seat.epoch, h) == h and f"epoch {seat.epoch}" not in self.applied:
            self.applied[f"epoch {seat.epoch}"] = 1
            op = read_body(decision.value.body)[0]
            self.applied[op] = self.applied.get(op, 0) + 1
            if op and self.applied[op] > 1 and not op.startswith("bad"):
                raise Violation("I10: a change was decided twice")
        for one in member.disk.wanted:
            op = read_body(decision.value.body)[0]
            if one.op == op:
                for other, shown in self.done.items():
                    if other != op and shown.at <= one.since and shown.epoch >= seat.epoch:
                        raise Violation("I4: a change came before one that was done already")

    def named(self, found: Any) -> None:
        """What members hold against relays: never against one that is correct."""
        for one in found:
            relay = self.world.relays[one.relay]
            if relay.lie is None and not relay.fell:
                raise Violation("a correct relay was accused")
            if one.proof is not None and hasattr(one.proof, "seat") and not one.proof.proves():
                raise Violation("a proof that proves nothing")
            self.accused.add((relay.label, one.fault.name))

    def own(self, member: Member, decision: Any, won: bool) -> None:
        if not won:
            raise Violation("I10: a member meets its own commit as a stranger's")

    def _agree(self, seat: Seat, h: bytes) -> None:
        if self.decisions.setdefault(seat.id, h) != h:
            raise Violation("I1: two decisions of one slot")

    def entered(self, member: Member) -> None:
        self.world.progress += 1

    def stable(self, member: Member, decision: Any) -> None:
        op, _, kind, _ = read_body(decision.value.body)
        shown = Shown(decision.epoch, self.world.now)
        self.done.setdefault(op, shown)
        if kind == "remove":
            self.removed.append(shown)

    def sent(self, member: Member, message: Message) -> None:
        for one in self.removed:
            if message.begun >= one.at and message.epoch <= one.epoch:
                raise Violation("I6: sent to somebody who was shown as removed before")

    def stored(self, member: Member, message: Message, posted: Any) -> None:
        if message.id in self.messages:
            return
        names = member._names(posted.seat)
        for index, receipt in posted.receipts.items():
            relay = posted.seat.configuration.relays[index].key
            if not receipt.proves(relay, names[index], posted.seat.epoch, posted.name):
                raise Violation("I5: what proves nothing was counted")
        self.messages[message.id] = (posted.name, posted.seat, names)
        self.times[message.id] = self.world.now - message.begun

    def said(self, relay: Relay, frame: Any, seat: Seat | None, answer: Any) -> None:
        """What a relay has signed. Liars and those that fell back may contradict themselves."""
        if seat is None:
            return
        match frame, answer:
            case frames.Lock(), frames.Vote1():
                label, round = Label.VOTE1, frame.round
                h = Value.from_bytes(frame.value).hash
            case frames.Commit(), frames.Vote2():
                one = Certificate.from_bytes(frame.certificate)
                label, round, h = Label.VOTE2, one.round, one.h
            case frames.NewRound(), frames.Promise():
                label, round, h = Label.PROMISE, frame.round, b""
            case _:
                return
        if label is not Label.PROMISE and not verify(
            relay.key, label, vote_content(seat.id, round, h), answer.signature
        ):
            return
        if label is Label.VOTE2:
            self._second(relay, seat, round, h)
        if relay.lie is not None or relay.fell:
            return
        if label is not Label.PROMISE:
            if self.votes.setdefault((relay.key, seat.id, label, round), h) != h:
                raise Violation("I8: a relay signed two values in one round")
        else:
            lock = Certificate.from_bytes(answer.lock) if answer.lock else None
            shown = None if lock is None else (lock.round, lock.h)
            if not verify(
                relay.key, label, promise_content(seat.id, round, shown), answer.signature
            ):
                raise Violation("I8: a promise that its relay did not sign")
        floor = self.floors.get((relay.key, seat.id), 0)
        if round < floor:
            raise Violation("I8: a vote below a promise")
        self.floors[relay.key, seat.id] = round

    def _second(self, relay: Relay, seat: Seat, round: int, h: bytes) -> None:
        signed = self.seconds.setdefault((seat.id, round, h), set())
        signed.add(relay.key)
        liars = {one.key for one in self.world.relays.values() if one.lie is not None}
        mine = {one.key for one in seat.configuration.relays}
        if len(signed | (liars & mine)) >= seat.configuration.q:
            # Whoever collects these votes has a certificate.
            self._agree(seat, h)


@dataclass(order=True)
class Event:
    """Something that happens at a time."""

    at: float
    number: int
    do: Callable[[], None] = field(compare=False)


class World:
    """One run."""

    def __init__(
        self,
        seed: int | str,
        *,
        n: int = 4,
        q: int = 3,
        members: int = 3,
        spare: int = 0,
        cores: Cores | None = None,
        folder: Path | None = None,
        faults: Faults | None = None,
        delay: tuple[float, float] = (0.01, 0.08),
    ) -> None:
        self.seed = seed
        self.random = Random(f"{seed}")
        self.cores = Cores() if cores is None else cores
        self.faults = Faults() if faults is None else faults
        #: Seconds between a member's looks at the relays.
        self.look = 5.0
        self.bustles = 0
        #: Seconds in which all must converge at the end. Mutants are not waited for so long.
        self.patience = 300.0 if cores is None else 100.0
        self.delay = delay
        self.now = 0.0
        self.events: list[Event] = []
        self.number = 0
        self.healed = False
        self.progress = 0
        self.requests = 0
        self.counts: dict[str, int] = {}
        self.trace = sha256()
        self.blocked: set[tuple[str, str]] = set()
        #: Seconds that messages from or to somebody take besides.
        self.lag: dict[str, tuple[float, float]] = {}
        self.slow_for_ever = False
        self.oracle = Oracle(self)
        #: Crash a member at its k-th effect: label, how many are left.
        self.doom: tuple[str, int] | None = None
        labels = [f"relay {number}" for number in range(n + spare)]
        relays = [
            Relay(label, path=None if folder is None else folder / f"{at}.db")
            for at, label in enumerate(labels)
        ]
        self.relays = {relay.key: relay for relay in relays}
        self.described = [
            RelayDescription(relay.key, name(f"operator of {relay.label}"), ()) for relay in relays
        ]
        configuration = Configuration(name("log"), q, tuple(self.described[:n]))
        secret = name("secret")
        self.first = seat_for(configuration, 1, secret)
        self.roster = [f"member {number}" for number in range(members)]
        self.members = [Member(self, label, self.first, secret) for label in self.roster]
        self.wakes: dict[str, float] = {}
        for member in self.members:
            self.act(member, lambda: None)

    # --- Time -------------------------------------------------------------------------------------

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Have something happen."""
        self.number += 1
        heapq.heappush(self.events, Event(when, self.number, do))

    def run(self, until: float, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass; True as soon as it is `done`."""
        while self.events and self.events[0].at <= until:
            if self.number > MAX_EVENTS:
                raise Stuck("I12: too much happens for nothing")
            event = heapq.heappop(self.events)
            self.now = max(self.now, event.at)
            event.do()
            if done is not None and done():
                return True
        self.now = max(self.now, until)
        return done is not None and done()

    def note(self, *what: object) -> None:
        """Put down what happened."""
        self.trace.update(repr((round(self.now, 6), *what)).encode())

    def count(self, what: str) -> None:
        """Count a fault."""
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- Members ----------------------------------------------------------------------------------

    def act(self, member: Member, do: Callable[[], None]) -> None:
        """Something happens to a member, which then does what is due. It may crash."""
        if not member.up:
            return
        try:
            do()
            member.wake()
        except Crash:
            member.up = False
            self.note("crash", member.label)
            self.count("crashes of members")
            self.at(self.now + self.random.uniform(0.1, 5), lambda: self._restart(member))
            return
        if member.gone:
            return
        due = member.deadline()
        if due < self.wakes.get(member.label, 1e18) or self.wakes[member.label] <= self.now:
            self.wakes[member.label] = due
            self.at(due, lambda: self._wake(member, due))

    def _wake(self, member: Member, due: float) -> None:
        if self.wakes.get(member.label) == due:
            self.wakes.pop(member.label)
            self.act(member, lambda: None)

    def _restart(self, member: Member) -> None:
        if not member.up:
            member.up = True
            self.wakes.pop(member.label, None)
            self.act(member, member.boot)

    def effect(self, member: Member) -> None:
        """The border of an effect: here a process may end."""
        if self.doom is not None and self.doom[0] == member.label:
            self.doom = (member.label, self.doom[1] - 1)
            if self.doom[1] == 0:
                raise Crash
        if not self.healed and self.faults.crash and self.random.random() < self.faults.crash:
            raise Crash

    # --- The network ------------------------------------------------------------------------------

    def request(
        self,
        member: Any,
        relay: bytes,
        frame: Any,
        instance: bytes,
        epoch: int,
        key: bytes,
        then: Callable[[Any], None],
        lost: Callable[[], None] | None,
    ) -> None:
        """Send a request; the answer goes to `then` if the member still lives the same life."""
        one, life = self.relays[relay], member.life
        self.requests += 1
        self.note("ask", member.label, one.label, sha256(frames.encode(frame)).digest())

        def gone() -> None:
            if lost is not None and self.random.random() < self.faults.told:
                self.at(self.now + 1.0, lambda: back(lost))

        def back(do: Callable[[], None]) -> None:
            if member.life == life:
                self.act(member, do)

        def arrive() -> None:
            if not one.up:
                gone()
                return
            seat = self._seat(one, instance, epoch)
            answer, news = one.serve(frame, instance, epoch, key, now=self.now)
            self.note("answer", one.label, sha256(frames.encode(answer)).digest())
            self.oracle.said(one, frame, seat, answer)
            for advance in news:
                self._push(one, advance)
            self._deliver(one.label, member.label, lambda: back(lambda: then(answer)), gone)

        self._deliver(member.label, one.label, arrive, gone)

    def _seat(self, relay: Relay, instance: bytes, epoch: int) -> Seat | None:
        record = relay.store.logs.find(instance)
        return record.log.seat if record is not None and record.log.epoch == epoch else None

    def _push(self, relay: Relay, advance: Any) -> None:
        for member in self.members:
            if relay.lie is None:
                told = self._told(member, relay, advance)
                self._deliver(relay.label, member.label, told, lambda: None)

    def _told(self, member: Member, relay: Relay, advance: Any) -> Callable[[], None]:
        def do() -> None:
            self.act(member, lambda: member.learn(relay.key, advance.certificate, advance.epoch))

        return do

    def _deliver(
        self, source: str, target: str, do: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        faults, random = self.faults, self.random
        if (source, target) in self.blocked:
            self.count("messages into a cut")
            gone()
            return
        delay = random.uniform(*self.delay)
        for end in (source, target):
            if end in self.lag:
                delay += random.uniform(*self.lag[end])
        if not self.healed:
            if random.random() < faults.loss:
                self.count("messages lost")
                gone()
                return
            if random.random() < faults.slow:
                delay += random.uniform(0, 8)
            resent = 0.2
            while random.random() < faults.packets and resent < 10:
                delay += resent
                resent *= 2
            if random.random() < faults.double:
                self.count("messages doubled")
                self.at(self.now + delay * random.uniform(1, 5), do)
        self.at(self.now + delay, do)

    # --- Acts -------------------------------------------------------------------------------------

    def change(
        self, member: Member, op: str, kind: str = "update", arg: str = "", **more: Any
    ) -> None:
        """Its person wants a change."""
        one = Change(op, kind, arg, since=self.now, **more)
        member.disk.wanted.append(one)
        self.act(member, lambda: None)

    def say(self, member: Member, id: str) -> None:
        """Its person says something."""
        member.disk.outbox[id] = Message(id, self.now)
        self.act(member, lambda: None)

    def heal(self) -> None:
        """No more faults, but for those that lie."""
        self.healed = True
        self.blocked.clear()
        if not self.slow_for_ever:
            self.lag.clear()
        self.doom = None
        for relay in self.relays.values():
            relay.restart()
        for member in self.members:
            self._restart(member)
            for union in list(member.unions):
                # Read all once more, to see what is where.
                del member.unions[union]
            member.looked = -1e9
            self.act(member, lambda: None)

    # --- The end ----------------------------------------------------------------------------------

    def alive(self) -> list[Member]:
        """Members who are in the group."""
        return [one for one in self.members if not one.gone]

    def honest(self) -> list[Relay]:
        """Relays that do not lie."""
        return [one for one in self.relays.values() if one.lie is None]

    def converged(self) -> bool:
        """I11, I12: all know the same, nothing is under way, and all correct relays have it."""
        alive = self.alive()
        if not all(one.up and settled(one) and one.election is None for one in alive):
            return False
        if len({one.epoch for one in alive}) > 1 or not alive:
            return False
        seat = alive[0].seat
        for relay in self.honest():
            index = seat.index_of(relay.key)
            if index is None:
                continue
            record = relay.store.logs.find(alive[0]._names(seat)[index])
            if record is None or record.log.seat.id != seat.id or record.log.fence is not None:
                return False
        return all(
            message.id in self.oracle.messages
            for one in alive
            for message in one.disk.outbox.values()
        )

    def delivered(self) -> bool:
        """I5: everybody has been shown all that was stored, and all correct relays have it."""
        alive = self.alive()
        for one in alive:
            self.act(one, one.refill)
        for id, (entry, seat, names) in self.oracle.messages.items():
            if not all(id in one.disk.shown for one in alive):
                return False
            for relay in self.honest():
                index = seat.index_of(relay.key)
                # A relay that came back has another instance: what is in the old one stays as it is.
                if index is None or alive[0].instances.get(relay.key, (b"",))[0] != names[index]:
                    continue
                if not relay.holds(names[index], seat.epoch, entry):
                    return False
        return True

    def safe_now(self) -> None:
        """I5 without repairs: any q relays have all that was stored."""
        for entry, seat, names in self.oracle.messages.values():
            relays = [self.relays[one.key] for one in seat.configuration.relays]
            holders = sum(
                relay.holds(names[at], seat.epoch, entry) and relay.lie is None
                for at, relay in enumerate(relays)
            )
            liars = sum(one.lie is not None or one.fell for one in relays)
            n, q = seat.configuration.n, seat.configuration.q
            if liars <= seat.configuration.b and holders < n - q + 1 - liars:
                raise Violation("I5: q relays may lack what was shown as stored")

    def finish(self, patience: float = 0.0) -> None:
        """Heal, and see that everything ends well."""
        self.heal()
        self.safe_now()
        if not self.run(self.now + max(patience, self.patience), self.converged):
            raise Stuck("I11, I12: " + self.state())
        step = self.now + 60
        while not self.delivered():
            if self.now > step:
                raise Stuck("I5: " + self.state())
            self.run(self.now + 1)
        for one in self.alive():
            for decision in one.disk.decisions:
                if (
                    self.oracle.decisions[one.chain.seat_of(decision.epoch).id]
                    != decision.certificate.h
                ):
                    raise Violation("I1: members disagree")

    def state(self) -> str:
        """Where everybody stands, for whoever has to find out why."""
        members = [
            (
                one.label, one.epoch, one.up, len(one.disk.wanted),
                one.election and (one.election.step.name, one.election.round, one.election.obstacles),
            )
            for one in self.alive()
        ]  # fmt: skip
        relays = [
            (one.label, [(r.log.epoch, r.log.fence is not None) for r in _records(one)], one.lie)
            for one in self.relays.values()
        ]
        missing = [
            id for one in self.alive() for id in one.disk.outbox if id not in self.oracle.messages
        ]
        return f"{self.now:.0f} s, {members}, {relays}, not stored {missing}"


def _records(relay: Relay) -> list[Any]:
    logs = relay.store.logs
    return logs.instances(name("log"))  # type: ignore[no-any-return]


# --- Runs at random -------------------------------------------------------------------------------


def random_run(
    seed: int | str,
    *,
    cores: Cores | None = None,
    folder: Path | None = None,
    seconds: float = 40.0,
) -> World:
    """One run of everything at random. Raises `Violation`."""
    dice = Random(f"run {seed}")
    n, q = dice.choice([(4, 3), (4, 3), (4, 3), (3, 2), (5, 4), (5, 3), (7, 5)])
    scale = dice.choice([0.0, 0.3, 1.0])
    faults = Faults(
        loss=0.15 * scale * dice.random(),
        double=0.1 * scale * dice.random(),
        slow=0.1 * scale * dice.random(),
        crash=dice.choice([0.0, 0.0, 0.01, 0.03]),
        relay_crash=0.02 * scale,
        partition=0.03 * scale,
    )
    world = World(
        seed, n=n, q=q, members=dice.randint(2, 4), spare=dice.choice([0, 0, 1]),
        cores=cores, folder=folder, faults=faults,
    )  # fmt: skip
    for relay in world.relays.values():
        relay.offset = dice.choice([0, 0, 0, -315_000_000, 315_000_000])
    try:
        _play(world, dice, seconds)
        world.finish()
    except Violation as error:
        error.add_note(f"HELIOGRAM_SIM_SEED={seed} trace {world.trace.hexdigest()[:16]}")
        raise
    return world


def _play(world: World, dice: Random, seconds: float) -> None:
    configuration = world.first.configuration
    relays = list(world.relays.values())
    faulty = relays[dice.randrange(configuration.n)] if configuration.b else None
    kind = dice.choice(["lie", "fall", "none"]) if faulty else "none"
    if kind == "lie" and faulty is not None:
        faulty.lie = LIES[dice.choice(sorted(LIES))]
    bad = None
    if dice.random() < 0.5:
        from tests.sim.villains import Villain

        bad = Villain(world, dice)
    changes = messages = 0
    while world.now < seconds:
        world.run(world.now + dice.uniform(0.02, 1.5))
        alive = [one for one in world.alive() if one.up]
        relay = dice.choice(relays)
        event = dice.random()
        if event < 0.25 and alive and changes < 12:
            changes += 1
            for one in dice.sample(alive, min(len(alive), dice.choice([1, 1, 2, 3]))):
                _want(world, dice, one, f"op {changes} {one.label}")
        elif event < 0.5 and alive and messages < 25:
            messages += 1
            world.say(dice.choice(alive), f"message {messages}")
        elif event < 0.55 and alive:
            one = dice.choice(alive)
            world.act(one, one.finish)
        elif event < 0.65 and world.faults.relay_crash and relay.up:
            world.count("crashes of relays")
            relay.crash()
            world.at(world.now + dice.uniform(0.5, 10), relay.restart)
        elif event < 0.75 and world.faults.partition:
            pair = [relay.label, dice.choice(world.members).label]
            dice.shuffle(pair)
            world.blocked.add((pair[0], pair[1]))
            world.at(
                world.now + dice.uniform(1, 15), partial(world.blocked.discard, (pair[0], pair[1]))
            )
        elif event < 0.85 and kind == "fall" and faulty is not None:
            if faulty.snapshots and dice.random() < 0.4 and not faulty.fell:
                world.count("rollbacks")
                faulty.roll_back(dice.randrange(len(faulty.snapshots)))
            elif len(faulty.snapshots) < 8:
                faulty.snapshot()
        elif bad is not None:
            bad.act()


def _want(world: World, dice: Random, member: Member, op: str) -> None:
    before = member.seat.configuration
    spare = [one for one in world.described if before.index_of(one.key) is None]
    honest = len(world.alive())
    if spare and dice.random() < 0.15:
        kept = list(before.relays)
        kept[dice.randrange(len(kept))] = dice.choice(spare)
        after = Configuration(before.log, before.q, tuple(kept))
        world.change(member, op, "relays", configuration=after)
    elif honest > 2 and dice.random() < 0.1:
        other = dice.choice([one for one in member.roster if one != member.label])
        world.change(member, op, "remove", other)
    else:
        world.change(member, op)
