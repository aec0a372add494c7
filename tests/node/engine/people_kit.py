"""People with stores on disk and inboxes on real relays, and conversations between them.

`Talking` is the other side of `People`: real `Conversation`s whose decisions are signed by relay keys in
this process and whose entries go from hand to hand. It has no sockets: all that goes over sockets is of
inboxes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from heliogram import mls
from heliogram.content.making import post
from heliogram.content.mimi import Disposition, Message, SinglePart
from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.changes import AddPeople, RenewKeys, Wish
from heliogram.node.components import Metadata, Role
from heliogram.node.conversation import Conversation
from heliogram.node.engine.account import create_account
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.engine import Called, Engine, Input, Turned
from heliogram.node.engine.people import People
from heliogram.node.errors import NodeError
from heliogram.node.events import Event, InvitationDue, Joined, MessageReceived
from heliogram.node.inbox.card import CARD
from heliogram.node.invitation import Invitation
from heliogram.node.records import Effects, Outgoing
from heliogram.node.store.database import Store
from heliogram.node.store.people import PeopleTables
from heliogram.wire.objects import RelayDescription
from tests.node.conversation.world import CLASSIC, configuration, decide
from tests.node.identity.samples import NOW, name
from tests.node.inbox.carrier import Carrier
from tests.relay.process import RelayProcess
from tests.scenarios.cast import entropy_of

T = TypeVar("T")

#: Turns after which a story that should have ended has not.
PATIENCE = 400


class Net:
    """Where conversations lie: their entries, by group id."""

    def __init__(self) -> None:
        self.entries: dict[bytes, list[Outgoing]] = {}
        self.logs = 0
        #: Welcomes that were too long for their invitations.
        self.blobs: list[bytes] = []

    def log(self) -> str:
        self.logs += 1
        return f"log {self.logs}"


@dataclass
class Talk:
    """One conversation of one person."""

    live: Conversation
    read: int = 0


class Talking:
    """`Talks`, without relays."""

    def __init__(self, context: Context, people: People, net: Net) -> None:
        self._context = context
        self._people = people
        self._net = net
        self._due: list[tuple[int, InvitationDue]] = []
        self._failed: list[tuple[int, frozenset[bytes]]] = []
        self.talks: dict[int, Talk] = {}
        #: What was said but for cards.
        self.said: list[bytes] = []
        #: The error's code with which a wish to add people fails next.
        self.fails: str = ""
        #: Whether invitations get one wrong byte inside of what is sealed.
        self.spoils = False
        for number, _ in context.store.query("SELECT number, id FROM conversations"):
            rows = context.store.query(
                "SELECT name, value FROM records WHERE conversation = ?", (number,)
            )
            self.talks[number] = Talk(Conversation.load(dict(rows)))

    # --- Talks ---

    def found(
        self,
        kind: str,
        *,
        name: str = "",
        peer: bytes | None = None,
        relays: Sequence[RelayDescription] | None = None,
        quorum: int | None = None,
    ) -> int:
        live, effects = Conversation.found(
            configuration(log=self._net.log()),
            self._people.device(),
            Metadata(name),
            now=int(self._context.time),
            entropy=self._context.entropy,
        )
        return self._keep(live, effects, kind, peer, name)

    def add(
        self,
        conversation: int,
        packages: Sequence[mls.KeyPackage],
        accounts: frozenset[bytes],
        role: Role,
    ) -> None:
        if self.fails:
            self._failed.append((conversation, accounts))
            return
        self.change(conversation, AddPeople(tuple(packages), accounts, role))

    def change(self, number: int, wish: Wish) -> None:
        live = self.talks[number].live
        how: dict[str, Any] = {
            "now": int(self._context.time),
            "entropy": self._context.entropy,
        }
        staged = live.stage(wish, **how)
        self._net.blobs += staged.blobs
        self._write(number, staged.effects)
        self._write(number, live.apply(decide(live.seat, staged.value), **how))

    def invitation(
        self, conversation: int, draft: Invitation, profile: bytes, secret: bytes, inbox: bytes
    ) -> bytes:
        live = self.talks[conversation].live
        item = live.invitation(draft, profile, secret, inbox, entropy=self._context.entropy)
        return item[:-1] + bytes((item[-1] ^ self.spoils,))

    def join(
        self,
        invitation: Invitation,
        *,
        kind: str,
        peer: bytes | None,
        name: str = "",
        welcome: bytes | None = None,
    ) -> int:
        live, effects = Conversation.join(
            invitation,
            self._people.packages_for(
                invitation.welcome if isinstance(invitation.welcome, bytes) else welcome
            ),
            welcome=welcome,
            in_use={one.live.group_id for one in self.talks.values()},
            now=int(self._context.time),
        )
        (joined,) = (one for one in effects.events if isinstance(one, Joined))
        self._people.used(joined.package)
        number = self._keep(live, effects, kind, peer, name)
        if live.must_renew:
            self.change(number, RenewKeys())
        return number

    def say_profile(self, conversation: int, content: bytes) -> None:
        part = SinglePart(CARD, content, Disposition.PROFILE)
        self.say(conversation, post(part, entropy=self._context.entropy).encode())

    def say(self, conversation: int, content: bytes) -> None:
        live = self.talks[conversation].live
        effects = live.send(content, entropy=self._context.entropy)
        self._net.entries.setdefault(live.group_id, []).extend(effects.entries)
        self._write(conversation, effects)

    def abandon(self, conversation: int) -> None:
        self._context.store.execute(
            "UPDATE conversations SET phase = 'out', archived = 1 WHERE number = ?", (conversation,)
        )

    def devices_changed(self, account: bytes) -> None:
        assert self._people.revoked(account) is not None

    def ground(self, log: bytes) -> None:
        return None

    def is_stuck(self, log: bytes) -> bool:
        return False

    def chat(self, conversation: int) -> api.Chat:
        row = self._context.store.one(
            "SELECT id, kind, name, phase FROM conversations WHERE number = ?", (conversation,)
        )
        assert row is not None
        return api.Chat(id=row[0].hex(), kind=row[1], name=row[2], phase=row[3])

    # --- Inside ---

    def _keep(
        self, live: Conversation, effects: Effects, kind: str, peer: bytes | None, name: str
    ) -> int:
        cursor = self._context.store.execute(
            "INSERT INTO conversations (id, kind, peer, name, phase, created)"
            " VALUES (?, ?, ?, ?, 'open', ?)",
            (live.group_id, kind, peer, name, int(self._context.time)),
        )
        number = int(cursor.lastrowid or 0)
        self.talks[number] = Talk(live, len(self._net.entries.get(live.group_id, [])))
        self._write(number, effects)
        return number

    def _write(self, number: int, effects: Effects) -> None:
        store = self._context.store
        for record, value in effects.records.items():
            store.execute(
                "DELETE FROM records WHERE conversation = ? AND name = ?", (number, record)
            )
            if value is not None:
                store.execute("INSERT INTO records VALUES (?, ?, ?)", (number, record, value))
        for event in effects.events:
            self._happened(number, event)
        live = self.talks[number].live
        store.execute("DELETE FROM members WHERE conversation = ?", (number,))
        roles = live.charter.roles
        for account in {one.account for one in live.people()}:
            store.execute(
                "INSERT INTO members VALUES (?, ?, ?, 1)", (number, account, roles.of(account))
            )

    def _happened(self, number: int, event: Event) -> None:
        if isinstance(event, InvitationDue):
            self._due.append((number, event))
        elif isinstance(event, MessageReceived):
            part = Message.from_bytes(event.content).part
            if isinstance(part, SinglePart) and part.disposition == Disposition.PROFILE:
                assert part.content_type == CARD
                self._people.card_received(event.sender.account, part.content)
            else:
                self.said.append(event.content)

    # --- A part of the engine ---

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        return {}

    def settle(self) -> None:
        due, self._due = self._due, []
        for number, event in due:
            self._people.invitation_due(number, event)
        failed, self._failed = self._failed, []
        for number, accounts in failed:
            self._people.not_added(number, accounts, self.fails)
        for number, talk in self.talks.items():
            entries = self._net.entries.get(talk.live.group_id, [])
            for entry in entries[talk.read :]:
                if entry.epoch <= talk.live.epoch:
                    effects = talk.live.receive(
                        entry.data, entry.epoch, now=int(self._context.time)
                    )
                    self._write(number, effects)
            talk.read = len(entries)

    def asks(self) -> list[tuple[bytes, Ask]]:
        return []

    def deadline(self) -> float | None:
        return None


@dataclass
class Somebody:
    """One person: a profile on disk, an engine, sockets."""

    called: str
    path: Path
    net: Net
    relays: Sequence[RelayProcess]
    suite: int = CLASSIC
    time: float = NOW
    notices: list[api.AnyNotice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = mls.Secret(name(f"{self.called}'s store"))
        # Relays outlive a test, so nobody in it is somebody of another one.
        self.entropy = entropy_of(f"{self.path} {self.called}")
        self.carrier = Carrier({one.key: one.where for one in self.relays})
        self.store = Store.create(self.path / f"{self.called}.db", self.key)
        create_account(
            self.store, name=self.called, suite=self.suite, now=NOW, entropy=self.entropy
        )
        for index, one in enumerate(self.relays):
            url = b"ws://%s/ws" % one.where.encode()
            description = RelayDescription(one.key, name(f"operator {index}"), (url,))
            self.store.execute(
                "INSERT INTO relays VALUES (?, ?, ?)", (one.key, description.encode(), index)
            )
        self.start()

    def start(self) -> None:
        """Make the engine of what the store holds."""
        self.context = Context(self.store, self.entropy, 0.0, self.time)
        self.people = People(self.context)
        self.talking = Talking(self.context, self.people, self.net)
        self.people.connect(self.talking)
        self.engine = Engine(self.context, (self.people, self.talking))
        self.now = 0.0
        self._inputs: list[Input] = []
        self._turned: Turned | None = None

    def crash(self) -> None:
        """Lose what is in memory and all that is under way, and go on from the store."""
        self.store.close()
        self.store = Store.open(self.path / f"{self.called}.db", self.key)
        self.start()

    @property
    def id(self) -> bytes:
        return self.people.me.id

    @property
    def packages(self) -> int:
        """How many key packages are kept here."""
        return PeopleTables(self.store).package_count()

    async def turn(self, *inputs: Input) -> Turned:
        """One turn; the answers to what it asks are the inputs of the next one."""
        took, self._inputs = self._inputs, []
        turned = self.engine.turn([*took, *inputs], now=self.now, time=self.time)
        self.notices += turned.notices
        self._inputs = await self.carrier.carry(turned.asks)
        self._turned = turned
        return turned

    async def call(self, command: api.Command) -> Any:
        """What a command gives. Raises its error."""
        turned = await self.turn(Called(command))
        ((_, result),) = turned.results
        if isinstance(result, NodeError):
            raise result
        return result

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.time += seconds

    async def settled(self) -> None:
        """Turn until there is nothing more to do now. The clock moves a little: nobody waits for luck."""
        for _ in range(PATIENCE):
            turned = await self.turn()
            if not self._inputs and (turned.deadline is None or turned.deadline > self.now + 1):
                return
            self.wait(0.05)
        raise AssertionError("it does not come to an end")

    async def close(self) -> None:
        await self.carrier.part()
        with suppress(NodeError):
            self.store.close()


async def until(done: Callable[[], bool], *people: Somebody) -> None:
    """Let these people turn until something is so."""
    for _ in range(PATIENCE):
        if done():
            return
        await asyncio.gather(*(one.turn() for one in people))
        for one in people:
            one.wait(0.25)
    raise AssertionError("it does not come to be")


class World:
    """Relays, and whoever is there."""

    def __init__(self, path: Path, relays: list[RelayProcess]) -> None:
        self.path = path
        self.relays = relays
        self.net = Net()
        self.people: list[Somebody] = []

    async def person(self, called: str, *, suite: int = CLASSIC) -> Somebody:
        """Somebody whose inbox is ready."""
        one = Somebody(called, self.path, self.net, self.relays, suite)
        self.people.append(one)
        await one.settled()
        return one

    async def link(self, owner: Somebody, *, one_time: bool = False) -> str:
        """A link of somebody, known to all relays."""
        link = await owner.call(api.NewLink(one_time=one_time))
        await owner.settled()
        return str(link.uri)

    async def invite(self, inviter: Somebody, link: str) -> None:
        """Somebody follows a link; the invitation lies in the inbox."""
        await inviter.call(api.AddContact(link))
        await inviter.settled()

    async def acquaint(self, one: Somebody, other: Somebody) -> None:
        """Two people who have each other as contacts."""
        await self.invite(one, await self.link(other))
        other.wait(400)
        await other.settled()
        await other.call(api.AcceptRequest(one.called))
        for _ in range(2):
            await other.settled()
            await one.settled()
        assert one.people.contact(other.id).state == "known"
        assert other.people.contact(one.id).state == "known"
