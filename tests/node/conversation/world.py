"""People with devices and stores, relays with keys, and the decisions that those sign.

A `Member` writes what a call wants written before it posts, as a node does, and can crash at each point. The
`Log` decides a value by real votes of real relay keys and keeps all entries: everybody reads the union.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from heliogram import mls
from heliogram.node.chain import Decision
from heliogram.node.changes import AddPeople, Wish
from heliogram.node.components import Metadata, Role
from heliogram.node.conversation import Conversation, Staged
from heliogram.node.events import Event, InvitationDue, MessageReceived
from heliogram.node.identity.accounts import Account
from heliogram.node.identity.authentication import credential_of
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.node.invitation import Invitation
from heliogram.node.membership import Device
from heliogram.node.records import Effects, Outgoing
from heliogram.node.value import WelcomeBlob
from heliogram.wire.objects import (
    Certificate,
    Configuration,
    RelayDescription,
    RelaySignature,
    Seat,
    Value,
    vote_content,
)
from heliogram.wire.signing import Label, SigningKey
from tests.node.identity.samples import NOW, name
from tests.scenarios.cast import entropy_of

CLASSIC = mls.CipherSuite.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519

E = TypeVar("E")

LINK, INBOX = name("a link's secret"), name("an inbox")


def relay(index: int) -> SigningKey:
    """The key of a relay."""
    return SigningKey(name(f"relay {index}"))


def configuration(
    indices: Iterable[int] = range(4), quorum: int = 3, log: str = "log"
) -> Configuration:
    """Relays by their numbers, each of an operator of its own."""
    relays = tuple(
        RelayDescription(
            relay(index).public, name(f"operator {index}"), (b"wss://%d.example/ws" % index,)
        )
        for index in indices
    )
    return Configuration(name(log), quorum, relays)


RELAYS = {relay(index).public: relay(index) for index in range(12)}


def certify(
    seat: Seat, value: Value, signers: Sequence[int] = (0, 1, 2), round: int = 0
) -> Certificate:
    """The decision certificate of `seat` for `value` by these relays of it."""
    content = vote_content(seat.id, round, value.hash)
    relays = seat.configuration.relays
    votes = (
        RelaySignature(index, RELAYS[relays[index].key].sign(Label.VOTE2, content))
        for index in signers
    )
    return Certificate(seat.epoch, round, value.hash, tuple(votes))


def decide(seat: Seat, value: Value, **how: Any) -> Decision:
    """What the relays of `seat` decide."""
    return Decision(certify(seat, value, **how), value)


def one(events: Iterable[object], kind: type[E]) -> E:
    """The only event of this kind."""
    (found,) = (event for event in events if isinstance(event, kind))
    return found


def texts(events: Iterable[Event]) -> list[bytes]:
    """What was said."""
    return [event.content for event in events if isinstance(event, MessageReceived)]


@dataclass
class Member:
    """One device of somebody, with its store and outbox."""

    called: str
    device_number: int = 1
    suite: int = CLASSIC
    records: dict[bytes, bytes] = field(default_factory=dict)
    #: Entries that were saved to be sent, and all that happened.
    outbox: list[Outgoing] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    packages: list[mls.OwnKeyPackage] = field(default_factory=list)
    live: Conversation | None = None

    def __post_init__(self) -> None:
        full = f"{self.called}/{self.device_number}"
        self.entropy: Callable[[int], bytes] = entropy_of(full)
        self.account = Account(name(f"{self.called}'s seed"))
        self.device_id = name(full)[:16]
        key = mls.new_signature_key(self.suite, entropy=self.entropy)
        certificate = DeviceCertificate.issue(self.account, key.public, self.device_id, now=NOW)
        self.device = Device(self.suite, credential_of(certificate), key)

    def __repr__(self) -> str:
        return self.called

    @property
    def id(self) -> bytes:
        return self.account.id

    @property
    def conversation(self) -> Conversation:
        assert self.live is not None
        return self.live

    def write(self, effects: Effects) -> tuple[Event, ...]:
        """One transaction: records, entries and events."""
        for record, value in effects.records.items():
            if value is None:
                self.records.pop(record, None)
            else:
                self.records[record] = value
        self.outbox += effects.entries
        self.events += effects.events
        return effects.events

    def crash(self) -> None:
        """Lose what is in memory, and go on from the store."""
        self.live = Conversation.load(self.records) if self.records else None

    def found(self, relays: Configuration, **how: Any) -> tuple[Event, ...]:
        self.live, effects = Conversation.found(
            relays, self.device, Metadata("Tea"), now=NOW, entropy=self.entropy, **how
        )
        return self.write(effects)

    def package(self, **how: Any) -> mls.KeyPackage:
        """A key package of this device, for whoever adds it."""
        own = self.device.package(now=NOW, entropy=self.entropy, **how)
        self.packages.append(own)
        return own.key_package

    def stage(self, wish: Wish) -> Staged:
        staged = self.conversation.stage(wish, now=NOW, entropy=self.entropy)
        self.write(staged.effects)
        return staged

    def apply(self, decision: Decision) -> tuple[Event, ...]:
        return self.write(self.conversation.apply(decision, now=NOW, entropy=self.entropy))

    def say(self, text: bytes) -> tuple[Event, ...]:
        return self.write(self.conversation.send(text, entropy=self.entropy))

    def receive(self, entry: Outgoing, **how: Any) -> tuple[Event, ...]:
        return self.write(self.conversation.receive(entry.data, entry.epoch, now=NOW, **how))

    def invite(self, due: InvitationDue) -> bytes:
        return self.conversation.invitation(
            due.draft, b"profile", LINK, INBOX, entropy=self.entropy
        )

    def join(self, item: bytes, blobs: Sequence[bytes] = (), **how: Any) -> tuple[Event, ...]:
        return self.accept(Invitation.unseal(LINK, INBOX, item), blobs, **how)

    def accept(
        self, invitation: Invitation, blobs: Sequence[bytes] = (), **how: Any
    ) -> tuple[Event, ...]:
        welcome = None
        if isinstance(invitation.welcome, WelcomeBlob):
            (welcome,) = (invitation.welcome.unseal(blob) for blob in blobs)
        self.live, effects = Conversation.join(
            invitation, self.packages, welcome=welcome, now=NOW, **how
        )
        return self.write(effects)


@dataclass
class Log:
    """One log: its decisions and entries."""

    decisions: list[Decision] = field(default_factory=list)
    entries: list[Outgoing] = field(default_factory=list)

    def post(self, *members: Member) -> None:
        """What they have saved to be sent."""
        for member in members:
            self.entries += member.outbox
            member.outbox = []


@dataclass
class Group:
    """A conversation of some members, all of whom follow every decision."""

    members: list[Member]
    log: Log = field(default_factory=Log)

    def decide(self, by: Member, wish: Wish, **how: Any) -> dict[str, tuple[Event, ...]]:
        """`by` stages a wish, wins, and all follow; whoever was added joins."""
        staged = by.stage(wish)
        return self.follow(by.conversation.seat, staged, by, **how)

    def follow(
        self, seat: Seat, staged: Staged, by: Member, newcomers: Sequence[Member] = (), **how: Any
    ) -> dict[str, tuple[Event, ...]]:
        decision = decide(seat, staged.value, **how)
        self.log.decisions.append(decision)
        events = {member.called: member.apply(decision) for member in self.members}
        for newcomer in newcomers:
            due = one(events[by.called], InvitationDue)
            events[newcomer.called] = newcomer.join(by.invite(due), staged.blobs)
            self.members.append(newcomer)
        return events

    def read(self, *readers: Member) -> dict[str, list[bytes]]:
        """Everybody posts, the readers read all of it; what was said to each."""
        self.log.post(*self.members)
        return {
            reader.called: texts(
                event for entry in self.log.entries for event in reader.receive(entry)
            )
            for reader in readers or self.members
        }

    def together(self) -> bool:
        """Whether all are in one epoch of one branch, and show the same seat."""
        authenticators = {bytes(one.conversation.epoch_authenticator) for one in self.members}
        return len(authenticators) == len({one.conversation.seat.id for one in self.members}) == 1


def group_of(*names: str, role: Role = Role.MEMBER, suite: int = CLASSIC) -> Group:
    """A conversation that the first has founded and added the others to, in epoch 1."""
    founder, *others = (Member(called, suite=suite) for called in names)
    founder.found(configuration())
    group = Group([founder])
    if others:
        wish = AddPeople(
            tuple(other.package() for other in others),
            frozenset(other.id for other in others),
            role,
        )
        group.decide(founder, wish, newcomers=others)
    return group
