"""Devices with real logs and conversations over relays that follow their own real rules, in one process.

A `Device` does what an engine does: it takes what came, settles, writes, and only then sends; it may crash
before or after each write and goes on from what was written. The `World` is network and clock: all from one
seed, with delays, losses and answers that come twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any, cast

from heliogram import mls
from heliogram.node.asking import Ask, LogScope, Work
from heliogram.node.chain import Decision
from heliogram.node.changes import AddPeople, Wish
from heliogram.node.components import Metadata, Role
from heliogram.node.conversation import Conversation
from heliogram.node.events import Event, InvitationDue, MessageReceived
from heliogram.node.invitation import Invitation
from heliogram.node.log import happenings as told
from heliogram.node.log.log import Log
from heliogram.node.records import Phase
from heliogram.node.value import WelcomeBlob
from heliogram.relay import logs
from heliogram.relay.batch import Advance, Batch, NewEntry
from heliogram.relay.errors import RelayError
from heliogram.relay.sealing import seal
from heliogram.wire import frames
from heliogram.wire.connection import Scope
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import Configuration, RelayDescription, blob_id
from heliogram.wire.receipts import entry_hash
from heliogram.wire.work import Proof, window_at
from tests.node.conversation.world import CLASSIC, INBOX, LINK, Member
from tests.sim.relays import NOW, TERMS, Relay, name


class Crash(Exception):
    """A process ends here."""


# --- The store ------------------------------------------------------------------------------------


@dataclass
class Said:
    """A row of the outbox."""

    kind: str
    content: bytes
    epoch: int | None = None
    entry: bytes | None = None
    stored: bool = False
    grace: bool = False


@dataclass
class Disk:
    """What survives a crash."""

    conversation: dict[bytes, bytes] = field(default_factory=dict)
    states: dict[bytes, bytes] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)
    outbox: dict[int, Said] = field(default_factory=dict)
    wishes: dict[int, Wish] = field(default_factory=dict)
    #: What was shown: content, in order; and how often.
    shown: list[bytes] = field(default_factory=list)
    stored: set[bytes] = field(default_factory=set)
    packages: list[mls.OwnKeyPackage] = field(default_factory=list)
    number: int = 0

    def copy(self) -> Disk:
        """The same, apart."""
        other = Disk(**{key: copy(value) for key, value in vars(self).items()})
        other.outbox = {number: copy(one) for number, one in self.outbox.items()}
        return other

    # What a `Keeping` is:

    def records(self) -> dict[bytes, bytes]:
        return dict(self.conversation)

    def write(self, records: Mapping[bytes, bytes | None]) -> None:
        _merge(self.conversation, records)

    def states_of(self, prefix: bytes) -> dict[bytes, bytes]:
        return {one: value for one, value in self.states.items() if one.startswith(prefix)}

    def get(self, name: bytes) -> bytes | None:
        return self.states.get(name)

    def put(self, name: bytes, value: bytes | None) -> None:
        _merge(self.states, {name: value})

    def decision(self, epoch: int) -> Decision | None:
        return self.decisions.get(epoch)

    def keep(self, decision: Decision) -> None:
        self.decisions[decision.epoch] = decision


def _merge(into: dict[bytes, bytes], records: Mapping[bytes, bytes | None]) -> None:
    for one, value in records.items():
        if value is None:
            into.pop(one, None)
        else:
            into[one] = bytes(value)


class Keeper:
    """The `Keeping` of a device: always that of its present disk."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def records(self) -> dict[bytes, bytes]:
        return self._device.disk.records()

    def write(self, records: Mapping[bytes, bytes | None]) -> None:
        self._device.disk.write(records)

    def states(self, prefix: bytes) -> dict[bytes, bytes]:
        return self._device.disk.states_of(prefix)

    def get(self, name: bytes) -> bytes | None:
        return self._device.disk.get(name)

    def put(self, name: bytes, value: bytes | None) -> None:
        self._device.disk.put(name, value)

    def decision(self, epoch: int) -> Decision | None:
        return self._device.disk.decision(epoch)

    def keep(self, decision: Decision) -> None:
        self._device.disk.keep(decision)


# --- Devices --------------------------------------------------------------------------------------


class Device:
    """One device of somebody: identity, disk, and the log while it runs."""

    def __init__(self, world: World, called: str, *, suite: int = CLASSIC) -> None:
        self.world = world
        self.called = called
        self.member = Member(called, suite=suite)
        self.disk = Disk()
        self.live: Log | None = None
        self.life = 0
        self.up = True
        self.wake: float | None = None
        self.happened: list[told.Happening] = []
        self.events: list[Event] = []
        #: Blobs that were uploaded, for all to fetch.
        self.turns = 0
        #: Called with each happening; for oracles.
        self.watch: Callable[[told.Happening], None] = lambda one: None

    def __repr__(self) -> str:
        return self.called

    @property
    def id(self) -> bytes:
        return self.member.id

    @property
    def log(self) -> Log:
        assert self.live is not None
        return self.live

    @property
    def conversation(self) -> Conversation:
        return self.log.conversation

    def how(self) -> dict[str, Any]:
        return {
            "entropy": self.member.entropy,
            "now": self.world.now,
            "time": self.world.time,
            "package": self._package,
        }

    def _package(self) -> mls.OwnKeyPackage:
        return self.member.device.package(now=NOW, entropy=self.member.entropy)

    # --- Its life ---

    def found(self, configuration: Configuration) -> None:
        with self.turn():
            conversation, effects = Conversation.found(
                configuration,
                self.member.device,
                Metadata("Tea"),
                now=NOW,
                entropy=self.member.entropy,
            )
            self.live = Log.found(conversation, effects, Keeper(self), **self.how())

    def package(self, **how: Any) -> mls.KeyPackage:
        own = self.member.device.package(now=NOW, entropy=self.member.entropy, **how)
        self.disk.packages.append(own)
        return own.key_package

    def join(self, item: bytes) -> None:
        invitation = Invitation.unseal(LINK, INBOX, item)
        welcome = None
        if isinstance(invitation.welcome, WelcomeBlob):
            welcome = invitation.welcome.unseal(self.world.blobs[invitation.welcome.id])
        with self.turn():
            conversation, effects = Conversation.join(
                invitation, self.disk.packages, welcome=welcome, now=NOW
            )
            self.live = Log.joined(conversation, effects, Keeper(self), **self.how())

    def boot(self) -> None:
        """Go on from the disk."""
        self.life += 1
        self.up, self.wake, self.live = True, None, None
        self.world.forget(self)
        if not self.disk.conversation:
            return
        with self.turn():
            self.live = Log.load(Keeper(self), **self.how())
            for number, one in self.disk.outbox.items():
                if not one.stored:
                    self.live.say(
                        number, one.kind, one.content,
                        epoch=one.epoch, entry=one.entry, grace=one.grace,
                    )  # fmt: skip
            for number, wish in self.disk.wishes.items():
                self.live.wish(number, wish)

    def crash(self) -> None:
        """The process ends."""
        self.up, self.live = False, None
        self.life += 1
        self.world.forget(self)

    # --- Turns ---

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One turn: what is done inside, what follows, written; then what is to be sent leaves."""
        kept = self.disk.copy() if self.world.crash_rate or self.world.doom else None
        self.turns += 1
        try:
            yield
            self.world.border(self)
            asks: list[Ask] = []
            happened: list[told.Happening] = []
            if self.live is not None:
                for one in self.live.settle(now=self.world.now, time=self.world.time):
                    happened.append(one)
                    self._take(one)
                asks = self.live.asks(self.world.now)
            self.world.border(self)
        except Crash:
            if kept is not None:
                self.disk = kept
            self._die()
            return
        for one in happened:
            self.happened.append(one)
            self.watch(one)
        try:
            for ask in asks:
                self.world.border(self)
                self.world.send(self, ask)
        except Crash:
            self._die()
            return
        if self.live is not None:
            self._schedule(self.live.deadline(self.world.now))

    def _die(self) -> None:
        self.crash()
        self.world.at(self.world.now + self.world.random.uniform(0.1, 5.0), self._again)

    def _again(self) -> None:
        if not self.up:
            self.boot()

    def _schedule(self, due: float | None) -> None:
        if due is None or (self.wake is not None and self.world.now < self.wake <= due):
            return
        due = max(due, self.world.now + 0.001)
        self.wake = due
        life = self.life

        def wake() -> None:
            if self.life == life and self.wake == due:
                self.wake = None
                with self.turn():
                    pass

        self.world.at(due, wake)

    def _take(self, one: told.Happening) -> None:
        """What an engine does with it, in the same transaction."""
        disk = self.disk
        match one:
            case told.Happened(event=event):
                self._event(event)
            case told.Encrypted():
                disk.outbox[one.number].epoch = one.epoch
                disk.outbox[one.number].entry = one.entry
            case told.StoredByQuorum():
                disk.outbox[one.number].stored = True
                disk.stored.add(disk.outbox[one.number].content)
            case told.Finished() | told.Refused():
                disk.outbox.pop(one.number, None)
            case told.WishDone() | told.WishRefused():
                disk.wishes.pop(one.number, None)
            case told.BlobToStore():
                self.world.upload(self, one)
            case told.BlobToFetch():
                self.world.fetch(self, one)

    def _event(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, MessageReceived):
            self.disk.shown.append(event.content)
        elif isinstance(event, InvitationDue) and event.own:
            self.world.invite(self, event)

    # --- What its person wants ---

    def say(self, text: bytes, kind: str = "application/mimi-content", **how: Any) -> None:
        with self.turn():
            self.disk.number += 1
            self.disk.outbox[self.disk.number] = Said(kind, text, **how)
            self.log.say(self.disk.number, kind, text, **how)

    def wish(self, wish: Wish) -> int:
        with self.turn():
            self.disk.number += 1
            self.disk.wishes[self.disk.number] = wish
            self.log.wish(self.disk.number, wish)
        return self.disk.number

    def leave(self) -> None:
        with self.turn():
            self.log.leave()

    def kinds(self) -> list[str]:
        return [type(one).__name__ for one in self.happened]


# --- Relays ---------------------------------------------------------------------------------------


class LogRelay(Relay):
    """A relay of the simulation that tells of new entries, too."""

    def _honest(self, frame: Any, scope: Scope, key: bytes, now: int) -> Any:
        clock = NOW + self.offset + now
        store = cast("Any", self.store)
        batch = Batch(store, TERMS, self.budgets, self.key, clock, self.random.randbytes)
        channelled = not isinstance(frame, frames.Decide | frames.Open)
        try:
            known = logs.member_key(store, scope.id, scope.epoch)
            if channelled and (known is None or known != key):
                return frames.Failure(0, ErrorCode.NOT_AUTHORISED), []
            if isinstance(frame, frames.Subscribe):
                record = store.logs.find(scope.id)
                if record.log.fence is not None:
                    return frames.Failure(0, ErrorCode.FENCED), []
                return frames.Subscribed(0, record.next_index), []
            with self.store.transaction():
                outcome = self._rule(batch, frame, scope, known is not None and known == key)
            self.budgets.keep()
        except RelayError as error:
            self.budgets.undo()
            return frames.Failure(0, error.code, error.detail), []
        [answer] = seal(self.identity, [outcome])
        return answer, batch.news


@dataclass
class Subscription:
    """Who is told of an epoch of a log at a relay."""

    device: Device
    life: int
    digest: bool
    live: int


# --- The world ------------------------------------------------------------------------------------


@dataclass
class Faults:
    """Probabilities for each message; crashes for each border."""

    loss: float = 0.0
    double: float = 0.0
    slow: float = 0.0
    cut: float = 0.0


class World:
    """Relays, devices, the network between them and the clock."""

    def __init__(
        self,
        seed: int | str = 0,
        *,
        n: int = 4,
        q: int = 3,
        spare: int = 4,
        delay: tuple[float, float] = (0.001, 0.003),
        folder: Any = None,
    ) -> None:
        self.random = Random(f"log {seed}")
        self.seed = seed
        self.now = 1000.0
        self.faults = Faults()
        self.crash_rate = 0.0
        self.delay = delay
        self.healed = False
        self.devices: list[Device] = []
        self.blobs: dict[bytes, bytes] = {}
        #: Invitations that were handed out: whose they are, decided by accounts.
        self.newcomers: dict[bytes, Device] = {}
        self.asked = 0
        #: Seconds that messages to and from a relay take besides, by its label.
        self.lag: dict[str, tuple[float, float]] = {}
        #: Crash this device at its k-th border: name, how many are left.
        self.doom: tuple[str, int] | None = None
        self.counts: dict[str, int] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._subscribed: dict[tuple[bytes, bytes, int], list[Subscription]] = {}
        self._channels: dict[tuple[str, bytes], set[tuple[bytes, int]]] = {}
        relays = [
            LogRelay(f"relay {at}", path=None if folder is None else folder / f"{at}.db")
            for at in range(n + spare)
        ]
        self.relays = {one.key: one for one in relays}
        self.order = relays
        self.described = [
            RelayDescription(one.key, name(f"operator of {one.label}"), (b"wss://x/ws",))
            for one in relays
        ]
        self.configuration = Configuration(name(f"log {seed}"), q, tuple(self.described[:n]))

    @property
    def time(self) -> int:
        return NOW + int(self.now)

    # --- Time ---

    def at(self, when: float, do: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (when, self._number, do))

    def run(self, seconds: float = 10.0, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass, until it is so."""
        end = self.now + seconds
        if until is not None and until():
            return True
        while self._queue and self._queue[0][0] <= end:
            when, _, do = heapq.heappop(self._queue)
            self.now = max(self.now, when)
            do()
            if until is not None and until():
                return True
        self.now = end
        return until is not None and until()

    def border(self, device: Device) -> None:
        """Here a process may end."""
        if self.doom is not None and self.doom[0] == device.called:
            self.doom = (device.called, self.doom[1] - 1)
            if self.doom[1] <= 0:
                self.doom = None
                raise Crash
        if self.crash_rate and not self.healed and self.random.random() < self.crash_rate:
            self.count("crashes")
            raise Crash

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- Devices ---

    def device(self, called: str, **how: Any) -> Device:
        made = Device(self, called, **how)
        self.devices.append(made)
        return made

    def forget(self, device: Device) -> None:
        """Its connections are over."""
        for subscribed in self._subscribed.values():
            subscribed[:] = [one for one in subscribed if one.device is not device]
        for at in [at for at in self._channels if at[0] == device.called]:
            del self._channels[at]

    def group(self, *names: str, role: Role = Role.MEMBER) -> list[Device]:
        """A conversation that the first has founded; the others are in."""
        founder, *others = (self.device(called) for called in names)
        founder.found(self.configuration)
        assert self.run(60, lambda: founder.log.ready), "not opened"
        if others:
            self.add(founder, *others, role=role)
        return [founder, *others]

    def add(self, by: Device, *others: Device, role: Role = Role.MEMBER) -> None:
        """Somebody adds others, who join."""
        for other in others:
            self.newcomers[other.id] = other
        by.wish(
            AddPeople(
                tuple(other.package() for other in others),
                frozenset(other.id for other in others),
                role,
            )
        )
        assert self.run(120, lambda: all(one.live is not None for one in others)), "not joined"

    def invite(self, by: Device, due: InvitationDue) -> None:
        item = by.conversation.invitation(
            due.draft, b"profile", LINK, INBOX, entropy=by.member.entropy
        )
        for account in due.accounts:
            one = self.newcomers.get(account)
            if one is not None and one.live is None:
                self.at(self.now + 0.01, lambda one=one: one.join(item))  # type: ignore[misc]

    def upload(self, by: Device, wanted: told.BlobToStore) -> None:
        self.blobs[wanted.id] = wanted.blob
        assert blob_id(wanted.blob) == wanted.id

        def stored(relay: bytes, life: int) -> None:
            if by.life == life:
                with by.turn():
                    by.log.blob_stored(wanted.id, relay)

        for relay in wanted.relays:
            if self.relays[relay].up:
                life = by.life
                self.at(
                    self.now + self.random.uniform(0.01, 0.2),
                    lambda relay=relay, life=life: stored(relay, life),  # type: ignore[misc]
                )

    def fetch(self, by: Device, wanted: told.BlobToFetch) -> None:
        def fetched(life: int) -> None:
            if by.life == life:
                with by.turn():
                    by.log.blob_fetched(self.blobs[wanted.welcome.id])

        self.at(self.now + 0.1, lambda life=by.life: fetched(life))  # type: ignore[misc]

    # --- The network ---

    def send(self, device: Device, ask: Ask) -> None:
        """Carry an ask to its relay and the answer back, opening its channel first."""
        self.asked += 1
        relay, life = self.relays[ask.relay.key], device.life
        request = ask.request
        if isinstance(request, Work):
            request = request.finish(Proof(window_at(now=self.time + relay.offset), 0).encode())

        def gone() -> None:
            if self.random.random() < 0.7:
                self.at(self.now + 0.3, lambda: back(lambda log: log.lost(ask, self.now)))

        over = [False]

        def back(do: Callable[[Log], None]) -> None:
            if device.life == life and device.live is not None and device.up:
                with device.turn():
                    do(device.log)

        def answered(answer: frames.Answer) -> None:
            # An answer that comes twice is taken once, by whoever has the sockets.
            if not over[0]:
                over[0] = True
                back(lambda log: log.answered(ask, request, answer, self.now))

        def arrive() -> None:
            if not relay.up:
                gone()
                return
            if isinstance(ask.scope, LogScope):
                refused = self._authorise(device, relay, ask.scope)
                if refused is not None:
                    self._deliver(device, relay, lambda: answered(refused), gone)
                    return
            answer = self._serve(device, relay, request, ask.scope)
            self._deliver(device, relay, lambda: answered(answer), gone)

        self._deliver(device, relay, arrive, gone)

    def _authorise(self, device: Device, relay: LogRelay, scope: LogScope) -> frames.Failure | None:
        channels = self._channels.setdefault((device.called, relay.key), set())
        at = scope.instance, scope.epoch
        if at in channels:
            return None
        frame = frames.Authorise(0, 0, scope.instance, scope.epoch, bytes(64), scope.evidence)
        answer, _ = relay.serve(frame, scope.instance, scope.epoch, scope.key.public, now=self.now)
        if isinstance(answer, frames.Failure):
            return answer
        channels.add(at)
        life = device.life
        if isinstance(answer, frames.Authorised):
            shown = answer

            def opened() -> None:
                if device.life == life and device.live is not None and device.up:
                    with device.turn():
                        device.log.opened(relay.key, scope, shown, self.now)

            self.at(self.now + self.delay[0] / 2, opened)
        return None

    def _serve(self, device: Device, relay: LogRelay, request: Any, scope: Any) -> frames.Answer:
        instance, epoch, key = b"", 0, b""
        if isinstance(scope, LogScope):
            instance, epoch, key = scope.instance, scope.epoch, scope.key.public
        answer, news = relay.serve(request, instance, epoch, key, now=self.now)
        if isinstance(answer, frames.Subscribed):
            at = relay.key, instance, epoch
            made = Subscription(device, device.life, request.digest, answer.live)
            kept = [one for one in self._subscribed.get(at, []) if one.device is not device]
            self._subscribed[at] = [*kept, made]
            record = relay.store.logs.find(instance)
            if record is not None and record.log.epoch > epoch:
                self._advanced_again(device, relay, instance, epoch, scope)
        for one in cast("list[Any]", news):
            self._tell(relay, one)
        return answer

    def _advanced_again(
        self, device: Device, relay: LogRelay, instance: bytes, epoch: int, scope: LogScope
    ) -> None:
        shown, _ = relay.serve(frames.Peek(0, 0), instance, epoch, scope.key.public, now=self.now)
        if isinstance(shown, frames.Peeked) and shown.certificate:
            self._push(device, relay, frames.Advanced(instance, shown.certificate))

    def _tell(self, relay: LogRelay, news: Any) -> None:
        match news:
            case NewEntry() if relay.lie is not None:
                pass  # a liar pushes nothing
            case NewEntry():
                for one in self._subscribed.get((relay.key, news.instance, news.epoch), []):
                    if one.digest:
                        size = len(news.data)
                        named = frames.Digest(
                            news.index, news.minute, news.epoch, entry_hash(news.data), size
                        )
                        push: Any = frames.PushedDigests(news.instance, (named,))
                    else:
                        entry = frames.Entry(news.index, news.minute, news.epoch, news.data)
                        push = frames.Pushed(news.instance, (entry,))
                    self._push(one.device, relay, push, one.life)
            case Advance():
                at = relay.key, news.instance, news.epoch
                for one in self._subscribed.pop(at, []):
                    told_now = frames.Advanced(news.instance, news.certificate)
                    self._push(one.device, relay, told_now, one.life)

    def _push(self, device: Device, relay: LogRelay, push: Any, life: int | None = None) -> None:
        life = device.life if life is None else life
        # Pushes of one connection come in their order.
        at = self.now + self.delay[1]
        if not relay.up or device.life != life:
            return

        def do() -> None:
            if device.life == life and device.live is not None and device.up:
                with device.turn():
                    device.log.pushed(relay.key, push, self.now)

        self.at(at, do)

    def part(self, device: Device, relay: LogRelay) -> None:
        """The connection between them ends."""
        for (key, _, _), subscribed in self._subscribed.items():
            if key == relay.key:
                subscribed[:] = [one for one in subscribed if one.device is not device]
        self._channels.pop((device.called, relay.key), None)
        if device.up and device.live is not None:
            with device.turn():
                device.log.parted(relay.key, self.now)

    def down(self, relay: LogRelay) -> None:
        """A relay stops."""
        relay.crash()
        for device in self.devices:
            self.part(device, relay)

    def _deliver(
        self, device: Device, relay: LogRelay, do: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        faults, random = self.faults, self.random
        delay = random.uniform(*self.delay) + random.uniform(*self.lag.get(relay.label, (0, 0)))
        if not self.healed:
            if faults.loss and random.random() < faults.loss:
                self.count("lost")
                gone()
                return
            if faults.slow and random.random() < faults.slow:
                delay += random.uniform(0.0, 6.0)
            if faults.double and random.random() < faults.double:
                self.count("doubled")
                self.at(self.now + delay * random.uniform(1, 5), do)
            if faults.cut and random.random() < faults.cut:
                self.count("cuts")
                self.at(self.now + delay, lambda: self.part(device, relay))
        self.at(self.now + delay, do)

    # --- The end ---

    def settled(self) -> bool:
        """Whether nothing is left to do for anybody."""
        return all(
            one.up and one.live is not None and not one.disk.wishes
            and all(said.stored for said in one.disk.outbox.values())
            for one in self.inside()
        )  # fmt: skip

    def quiet(self) -> bool:
        """Whether all is done and all are together."""
        return self.settled() and self.together()

    def inside(self) -> list[Device]:
        """Who is in the group."""
        return [
            one
            for one in self.devices
            if one.live is None or one.conversation.phase is not Phase.OUT
        ]

    def together(self) -> bool:
        """Whether all are in one epoch of one branch."""
        inside = self.inside()
        if not all(one.live is not None and one.up for one in inside):
            return False
        if any(one.conversation.phase is not Phase.OPEN for one in inside):
            return False
        return len({bytes(one.conversation.epoch_authenticator) for one in inside}) == 1


def fingerprint(device: Device) -> str:
    """A short name for an epoch, for messages of failed tests."""
    return sha256(bytes(device.conversation.epoch_authenticator)).hexdigest()[:8]
