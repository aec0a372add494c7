"""People with real stores and engines, over relays that follow their own real rules, in one process.

    world = World(tmp_path)
    alice, bob = world.people("alice", "bob")
    chat = world.befriend(alice, bob)
    sent = alice.call(api.SendMessage(chat, "Hello"))
    world.run(until=lambda: bob.texts(chat) == ["Hello"])

The world is network and clock: nothing waits, and the same seed gives the same run. A person can be taken
down and brought back at any moment: all that stays is in the store. Links and inboxes are left out: who is
added gets their invitation by hand.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

from heliogram import mls
from heliogram.node import api, english
from heliogram.node.asking import Ask, LogScope, LogSource, Work
from heliogram.node.components import Role
from heliogram.node.engine.account import create_account
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.desk import NoFiles
from heliogram.node.engine.engine import (
    Answered,
    Called,
    Engine,
    Input,
    Lost,
    Opened,
    Parted,
    Pushed,
    Turned,
)
from heliogram.node.engine.people import People
from heliogram.node.engine.talks import Talks
from heliogram.node.errors import NodeError
from heliogram.node.events import InvitationDue
from heliogram.node.invitation import Invitation
from heliogram.node.records import Phase
from heliogram.node.store.database import Store
from heliogram.node.transfer.moves import Outcome
from heliogram.node.value import WelcomeBlob
from heliogram.relay.batch import Advance, NewEntry
from heliogram.wire import frames
from heliogram.wire.objects import RelayDescription
from heliogram.wire.receipts import entry_hash
from heliogram.wire.work import Proof, window_at
from tests.node.conversation.world import CLASSIC
from tests.node.log.world import LogRelay
from tests.scenarios.cast import entropy_of
from tests.sim.relays import NOW, name

#: What invitations are sealed with when they go from hand to hand.
SECRET, INBOX = name("a link's secret"), name("an inbox")


class Do(api.Command, frozen=True, tag="do"):
    """Do whatever `extra` does, inside of a turn."""


class ByHand(People):
    """People whose invitations go from hand to hand, and who reach everybody at once."""

    def __init__(self, context: Context, person: Person) -> None:
        super().__init__(context)
        self._person = person

    def invitation_due(self, conversation: int, due: InvitationDue) -> None:
        if due.own:
            self._person.world.invite(self._person, conversation, due)

    def not_added(self, conversation: int, accounts: frozenset[bytes], code: str) -> None:
        self._person.failed.append(code)

    def want_members(
        self, conversation: int, accounts: Sequence[bytes], role: Role, command: str
    ) -> None:
        packages = [self._person.world.by_account(one).package() for one in accounts]
        self.talks.add(conversation, packages, frozenset(accounts), role)


class Hauling(NoFiles):
    """Brings Welcomes and pictures to relays, and nothing else."""

    def __init__(self, person: Person) -> None:
        self._person = person

    def carry(self, conversation: int, blob: bytes, data: bytes, relays: Sequence[bytes]) -> None:
        person, life = self._person, self._person.life
        person.world.blobs[blob] = data

        def lies() -> None:
            for relay in relays:
                person.talks.blob_stored(conversation, blob, relay)

        def stored() -> None:
            if person.life == life:
                person.do(lies)

        person.world.at(person.world.now + 0.1, stored)

    def fetch_welcome(
        self, conversation: int, welcome: WelcomeBlob, relays: Sequence[RelayDescription]
    ) -> None:
        person, life = self._person, self._person.life
        data = person.world.blobs[welcome.id]

        def fetched() -> None:
            if person.life == life:
                person.do(lambda: person.talks.blob_fetched(conversation, data))

        person.world.at(person.world.now + 0.1, fetched)

    def carry_picture(self, conversation: int, blob: bytes, data: bytes, seed: bytes) -> None:
        person, life = self._person, self._person.life
        person.world.carried.append((person.called, blob))

        def stored() -> None:
            if person.life == life:
                person.world.blobs[blob] = data
                person.do(lambda: person.talks.picture_stored(conversation, blob))

        person.world.at(person.world.now + 0.1, stored)

    def fetch_picture(self, conversation: int, blob: bytes, size: int) -> None:
        person, life = self._person, self._person.life
        person.world.fetched.append((person.called, blob))

        def fetched() -> None:
            data = person.world.blobs.get(blob, b"")
            outcome = Outcome.DONE if len(data) == size else Outcome.GONE
            if person.life == life:
                person.do(lambda: person.talks.picture_came(conversation, blob, outcome, data))

        person.world.at(person.world.now + 0.1, fetched)


class Person:
    """Somebody with one device: a store on disk, an engine while it runs."""

    def __init__(self, world: World, called: str, *, suite: int = CLASSIC) -> None:
        self.world = world
        self.called = called
        self.entropy = entropy_of(called)
        self.key = mls.Secret(name(f"{called}'s store"))
        self.path = world.folder / f"{called}.db"
        self.store = Store.create(self.path, self.key)
        create_account(
            self.store, name=called, suite=suite, now=int(world.time), entropy=self.entropy
        )
        self.life = 0
        self.up = False
        #: How wrong the clock is, in seconds.
        self.offset = 0.0
        self.notices: list[api.AnyNotice] = []
        self.failed: list[str] = []
        self.wake: float | None = None
        self.turns = 0
        self.boot()

    def __repr__(self) -> str:
        return self.called

    # --- Its life ---

    def boot(self) -> None:
        """Make the engine of what the store holds."""
        self.life += 1
        self.up, self.wake = True, None
        self.context = Context(self.store, self.entropy, self.world.now, self.time)
        self.hands = ByHand(self.context, self)
        self.talks = Talks(self.context, self.hands, Hauling(self))
        self.hands.connect(self.talks)
        self.engine = Engine(self.context, (self.talks, _Doing(self.hands)))
        self.turn()

    def rise(self) -> None:
        """Be up again, if down."""
        if not self.up:
            self.boot()

    def crash(self) -> None:
        """End without a word, and go on from the store."""
        self.down()
        self.boot()

    def down(self) -> None:
        """End without a word."""
        self.up = False
        self.life += 1
        self.world.forget(self)
        self.store.close()
        self.store = Store.open(self.path, self.key)

    @property
    def time(self) -> float:
        return self.world.time + self.offset

    @property
    def id(self) -> bytes:
        return self.context.account

    def package(self) -> mls.KeyPackage:
        """A fresh key package of this device."""
        return cast("mls.KeyPackage", self.do(lambda: self.hands.fresh_package()).key_package)

    # --- What it does ---

    def turn(self, *inputs: Input, sends: bool = True) -> Turned:
        self.turns += 1
        turned = self.engine.turn(inputs, now=self.world.now, time=self.time)
        self.notices += turned.notices
        for _, ask in turned.asks if sends else ():
            self.world.send(self, ask)
        self._schedule(turned.deadline)
        return turned

    def call(self, command: api.Command, extra: object = None) -> Any:
        """What a command gives. Raises its error."""
        ((_, result),) = self.turn(Called(command, extra)).results
        if isinstance(result, NodeError):
            raise result
        return result

    def do(self, what: Callable[[], Any]) -> Any:
        """Do something inside of a turn."""
        return self.call(Do(), what)

    def _schedule(self, due: float | None) -> None:
        if due is None or (self.wake is not None and self.world.now < self.wake <= due):
            return
        due = max(due, self.world.now + 0.001)
        self.wake, life = due, self.life

        def wake() -> None:
            if self.life == life and self.up and self.wake == due:
                self.wake = None
                self.world._turn(self)

        self.world.at(due, wake)

    # --- What it sees ---

    def number(self, chat: str) -> int:
        """The number of a conversation in the store."""
        found = self.talks.desk.logs.number_of(bytes.fromhex(chat))
        assert found is not None
        return found

    def history(self, chat: str, **how: Any) -> list[api.Message]:
        return cast("list[api.Message]", self.call(api.GetHistory(chat, limit=1000, **how)))

    def messages(self, chat: str) -> list[api.Message]:
        """What was said, without lines."""
        return [one for one in self.history(chat) if one.kind not in ("line", "unreadable")]

    def texts(self, chat: str) -> list[str]:
        return [one.text for one in self.messages(chat)]

    def lines(self, chat: str) -> list[str]:
        return [english.sentence(one.line, one.sender) for one in self.history(chat) if one.line]

    def events(self, chat: str) -> list[str]:
        return [one.line.code for one in self.history(chat) if one.line is not None]

    def message(self, id: str) -> api.Message:
        return cast("api.Message", self.call(api.GetMessage(id)))

    def chat(self, chat: str) -> api.Chat:
        chats: list[api.Chat] = self.call(api.GetChats())
        return next(one for one in chats if one.id == chat)

    def heard(self, kind: type[api.Notice]) -> list[Any]:
        """Notices of a kind so far."""
        return [one for one in self.notices if isinstance(one, kind)]


class _Doing:
    """The part that does `Do`, and what people do without inboxes."""

    def __init__(self, hands: ByHand) -> None:
        self._hands = hands

    @property
    def handlers(self) -> dict[type[api.Command], Handler]:
        return {**self._hands.handlers, Do: lambda _, extra: cast("Callable[[], Any]", extra)()}

    def settle(self) -> None: ...

    def asks(self) -> list[tuple[bytes, Ask]]:
        return []

    def deadline(self) -> float | None:
        return None


class _Listener:
    """Who is told of an epoch of a log at a relay."""

    def __init__(self, person: Person, source: LogSource, digest: bool) -> None:
        self.person, self.source, self.digest = person, source, digest
        self.life = person.life


class World:
    """Relays, people, the network between them, the clock."""

    def __init__(self, folder: Path, seed: int | str = 0, *, n: int = 4) -> None:
        self.folder = folder
        self.random = Random(f"talks {seed}")
        self.now = 1000.0
        #: Seconds that a frame is on its way, at least and at most.
        self.delay = (0.001, 0.01)
        #: How likely somebody's program ends without a word, at each border of a turn.
        self.mortality = 0.0
        self.everybody: list[Person] = []
        #: Every entry that was posted at the first relay: what relays see.
        self.posted: list[bytes] = []
        self.order = [LogRelay(f"relay {at}") for at in range(n)]
        #: Welcomes that were too large for a value.
        self.blobs: dict[bytes, bytes] = {}
        #: Who brought which picture to the relays, and who looked for which.
        self.carried: list[tuple[str, bytes]] = []
        self.fetched: list[tuple[str, bytes]] = []
        self.relays = {one.key: one for one in self.order}
        self.described = [
            RelayDescription(
                one.key, name(f"operator of {one.label}"), (b"wss://%d.example/ws" % at,)
            )
            for at, one in enumerate(self.order)
        ]
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._channels: dict[tuple[str, LogSource, bytes], set[LogScope]] = {}
        self._listeners: dict[tuple[bytes, bytes, int], list[_Listener]] = {}

    @property
    def time(self) -> float:
        return NOW + self.now

    # --- Time ---

    def at(self, when: float, do: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (when, self._number, do))

    def run(self, seconds: float = 60.0, until: Callable[[], bool] | None = None) -> None:
        """Let time pass, until it is so. Fails if it is not."""
        end = self.now + seconds
        if until is not None and until():
            return
        while self._queue and self._queue[0][0] <= end:
            when, _, do = heapq.heappop(self._queue)
            self.now = max(self.now, when)
            do()
            if until is not None and until():
                return
        self.now = end
        assert until is None or until(), "it does not come to be"

    def _turn(self, person: Person, *inputs: Input) -> None:
        """Somebody's turn; with `mortality`, they may end before it, before what it sends, or after it."""
        before, unsent, after = (self.random.random() < self.mortality for _ in range(3))
        if not before:
            person.turn(*inputs, sends=not unsent)
        if before or unsent or after:
            person.down()
            self.at(self.now + self.random.uniform(0.1, 3.0), person.rise)

    # --- People ---

    def people(self, *names: str, **how: Any) -> list[Person]:
        """These people, with the relays of this world in their lists."""
        made = []
        for called in names:
            person = Person(self, called, **how)
            self.everybody.append(person)
            for relay in self.described:
                person.call(api.AddRelay(relay.encode().hex()))
            made.append(person)
        return made

    def by_account(self, account: bytes) -> Person:
        return next(one for one in self.everybody if one.id == account)

    def befriend(self, one: Person, other: Person) -> str:
        """A direct conversation, open and both in: its id."""
        package = other.package()

        def begin() -> int:
            number = one.talks.found("direct", peer=other.id)
            one.talks.add(number, [package], frozenset((other.id,)), Role.OWNER)
            return number

        number = one.do(begin)
        chat = cast("str", one.do(lambda: one.talks.chat(number)).id)
        self.run(until=lambda: self.is_in(chat, one, other))
        return chat

    def group(self, called: str, founder: Person, *others: Person) -> str:
        """A group, open and all in: its id."""
        chat = cast("str", founder.call(api.CreateGroup(called)).id)
        self.run(until=lambda: founder.chat(chat).phase == "open")
        if others:
            self.add(chat, founder, *others)
        return chat

    def add(self, chat: str, by: Person, *others: Person, role: Role = Role.MEMBER) -> None:
        """Somebody adds others, who go in."""
        accounts = [one.id for one in others]
        number = by.number(chat)
        by.do(lambda: by.hands.want_members(number, accounts, role, "add members"))
        self.run(until=lambda: self.is_in(chat, by, *others))

    def is_in(self, chat: str, *people: Person) -> bool:
        """Whether all of these are in, in one epoch."""
        try:
            logs = [one.talks.log(one.number(chat)) for one in people]
            if any(log.conversation.phase is Phase.OUT for log in logs):
                return False
        except AssertionError:
            return False
        return len({bytes(log.conversation.epoch_authenticator) for log in logs}) == 1 and all(
            one.chat(chat).members >= len(people) for one in people
        )

    def invite(self, by: Person, conversation: int, due: InvitationDue) -> None:
        """Hand invitations to whom they are for."""
        row = by.talks.desk.logs.get(conversation)
        assert row is not None
        item = by.talks.invitation(conversation, due.draft, b"", SECRET, INBOX)
        invitation = Invitation.unseal(SECRET, INBOX, item)
        peer = by.id if row.kind == "direct" else None
        welcome = None
        if isinstance(invitation.welcome, WelcomeBlob):
            welcome = invitation.welcome.unseal(self.blobs[invitation.welcome.id])
        how: dict[str, Any] = {"kind": row.kind, "peer": peer, "name": row.name}
        for account in due.accounts:
            one = self.by_account(account)

            def join(one: Person = one) -> None:
                one.do(lambda: one.talks.join(invitation, welcome=welcome, **how))

            self.at(self.now + 0.01, join)

    def forget(self, person: Person) -> None:
        """A person's connections are over."""
        for listeners in self._listeners.values():
            listeners[:] = [one for one in listeners if one.person is not person]
        for at in [at for at in self._channels if at[0] == person.called]:
            del self._channels[at]

    # --- The network ---

    def send(self, person: Person, ask: Ask) -> None:
        """Carry an ask to its relay and the answer back, opening its channel first."""
        relay, life = self.relays[ask.relay.key], person.life
        request = ask.request
        if isinstance(request, Work):
            request = request.finish(Proof(window_at(now=int(self.time)), 0).encode())
        ready: frames.Request = request

        def back(*inputs: Input) -> None:
            self._tell(person, life, *inputs, at=self._later())

        def arrive() -> None:
            if person.life != life:
                return  # the connection is gone
            if not relay.up:
                back(Lost(ask))
                return
            refused = self._open(person, relay, ask)
            answer = refused or self._serve(person, relay, ask, ready)
            back(Answered(ask, ready, answer))

        self.at(self._later(), arrive)

    def _later(self) -> float:
        return self.now + self.random.uniform(*self.delay)

    def _open(self, person: Person, relay: LogRelay, ask: Ask) -> frames.Failure | None:
        scope = ask.scope
        if not isinstance(scope, LogScope):
            return None
        source = cast("LogSource", ask.source)
        channels = self._channels.setdefault((person.called, source, relay.key), set())
        if scope in channels:
            return None
        frame = frames.Authorise(0, 0, scope.instance, scope.epoch, bytes(64), scope.evidence)
        answer, _ = relay.serve(frame, scope.instance, scope.epoch, scope.key.public, now=self.now)
        if isinstance(answer, frames.Failure):
            return answer
        channels.add(scope)
        if isinstance(answer, frames.Authorised):
            self._tell(person, person.life, Opened(source, relay.key, scope, answer))
        return None

    def _tell(self, person: Person, life: int, *inputs: Input, at: float | None = None) -> None:
        """Let a person take something, unless they were down meanwhile."""

        def tell() -> None:
            if person.life == life and person.up:
                self._turn(person, *inputs)

        # What comes on one connection by itself keeps its order.
        self.at(self.now + self.delay[0] if at is None else at, tell)

    def _serve(
        self, person: Person, relay: LogRelay, ask: Ask, request: frames.Request
    ) -> frames.Answer:
        scope = ask.scope
        instance, epoch, key = b"", 0, b""
        if isinstance(scope, LogScope):
            instance, epoch, key = scope.instance, scope.epoch, scope.key.public
        if isinstance(request, frames.Post) and relay is self.order[0]:
            self.posted.append(request.data)
        answer, news = relay.serve(request, instance, epoch, key, now=self.now)
        if isinstance(answer, frames.Subscribed):
            source = cast("LogSource", ask.source)
            digest = bool(getattr(request, "digest", False))
            at = relay.key, instance, epoch
            kept = [one for one in self._listeners.get(at, []) if one.source is not source]
            self._listeners[at] = [*kept, _Listener(person, source, digest)]
            shown, _ = relay.serve(frames.Peek(0, 0), instance, epoch, key, now=self.now)
            if isinstance(shown, frames.Peeked) and shown.certificate:
                push = frames.Advanced(instance, shown.certificate)
                self._tell(person, person.life, Pushed(source, relay.key, push))
        for one in cast("list[Any]", news):
            self._news(relay, one)
        return answer

    def _news(self, relay: LogRelay, news: Any) -> None:
        at = relay.key, news.instance, news.epoch
        if isinstance(news, Advance):
            for one in self._listeners.pop(at, []):
                push: Any = frames.Advanced(news.instance, news.certificate)
                self._tell(one.person, one.life, Pushed(one.source, relay.key, push))
        elif isinstance(news, NewEntry):
            for one in self._listeners.get(at, []):
                if one.digest:
                    hashed, size = entry_hash(news.data), len(news.data)
                    named = frames.Digest(news.index, news.minute, news.epoch, hashed, size)
                    push = frames.PushedDigests(news.instance, (named,))
                else:
                    entry = frames.Entry(news.index, news.minute, news.epoch, news.data)
                    push = frames.Pushed(news.instance, (entry,))
                self._tell(one.person, one.life, Pushed(one.source, relay.key, push))

    def stop(self, relay: LogRelay) -> None:
        """A relay stops: all connections to it end."""
        relay.crash()
        for (key, _, _), listeners in self._listeners.items():
            if key == relay.key:
                listeners.clear()
        for at in [at for at in self._channels if at[2] == relay.key]:
            person = next(one for one in self.everybody if one.called == at[0])
            del self._channels[at]
            self._tell(person, person.life, Parted(at[1], relay.key))
