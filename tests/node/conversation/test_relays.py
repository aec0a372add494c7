"""Conversations over relays that follow their own real rules, with elections as nodes hold them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from heliogram.node.changes import AddPeople, ChangeRelays, RemovePeople, RenewKeys, Restore
from heliogram.node.events import (
    InvitationDue,
    MemberRestored,
    MemberWounded,
    Out,
    RescueArrived,
    Wounded,
)
from heliogram.node.records import Outgoing, Phase
from heliogram.node.slots import Election
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.frames import Lane
from heliogram.wire.objects import Open, Seat
from heliogram.wire.work import Proof, window_at
from tests.mls import forge
from tests.node.conversation.forging import broken
from tests.node.conversation.world import Member, configuration, one
from tests.node.conversation.world import texts as said
from tests.sim.relays import LIES, NOW, Relay


class Net:
    """Relays by their keys, and members who speak to them with the keys of their epochs."""

    def __init__(self, count: int = 8) -> None:
        relays = [Relay(f"relay {number}") for number in range(count)]
        self.relays = {relay.key: relay for relay in relays}

    def open(self, seat: Seat) -> None:
        """Open a log at a seat, where it is not open yet."""
        record = Open(seat, Proof(window_at(now=NOW), 0)).encode()
        for relay in seat.configuration.relays:
            self.relays[relay.key].serve(frames.Open(0, record), b"", 0, b"", now=0.0)

    def ask(
        self, member: Member, index: int, frame: Any, *, seat: Seat, instances: Sequence[bytes]
    ) -> Any:
        """One request of a member to a relay of a seat, with the member's key for it."""
        keys = member.conversation.keys(seat.epoch)
        relay = seat.configuration.relays[index].key
        public = keys.relay_key(seat.configuration.log, relay).public if keys else b""
        answer, _ = self.relays[relay].serve(frame, instances[index], seat.epoch, public, now=0.0)
        return answer

    def elect(self, *members: Member) -> Seat:
        """All who have staged a value drive the slot at once; all follow what was decided."""
        seat = members[0].conversation.seat
        instances = members[0].conversation.instances
        elections: list[tuple[Member, Election]] = []
        for member in members:
            if member.conversation.staged is None:
                continue
            random = Random(member.called)
            made = Election(
                seat, instances, rank=member.conversation.rank, entropy=random.randbytes
            )
            made.propose(member.conversation.staged)
            made.saved()
            elections.append((member, made))
        now = 0.0
        while not all(made.complete for _, made in elections):
            now += 0.5
            assert now < 500, "no decision"
            for member, made in elections:
                for index, frame in made.requests(now):
                    answer = self.ask(member, index, frame, seat=seat, instances=instances)
                    made.receive(index, frame, answer, now)
        decisions = [made.decision for _, made in elections if made.decision is not None]
        for member in members:
            member.apply(decisions[0])
        return seat

    def post(self, member: Member, seat: Seat, instances: Sequence[bytes]) -> list[Any]:
        """Post what a member has saved to be sent; the answers."""
        answers = []
        for entry in member.outbox:
            lane = Lane.GRACE if entry.grace else Lane.POSTS
            for index in range(seat.configuration.n):
                frame = frames.Post(0, 0, entry.data, lane)
                answers.append(self.ask(member, index, frame, seat=seat, instances=instances))
        member.outbox = []
        return answers

    def read(self, member: Member, seat: Seat, instances: Sequence[bytes]) -> list[Any]:
        """The union of what the relays of an epoch give a member, as events."""
        entries: dict[bytes, None] = {}
        for index in range(seat.configuration.n):
            frame = frames.Read(0, 0, 0, 1000)
            answer = self.ask(member, index, frame, seat=seat, instances=instances)
            if isinstance(answer, frames.Entries):
                entries.update(dict.fromkeys(entry.data for entry in answer.entries))
        return [event for data in entries for event in member.receive(Outgoing(seat.epoch, data))]


def founded(*names: str) -> tuple[Net, list[Member]]:
    """A conversation on four relays, the first has founded it."""
    net, members = Net(), [Member(called) for called in names]
    founder, *others = members
    founder.found(configuration())
    net.open(founder.conversation.seat)
    packages = tuple(other.package() for other in others)
    founder.stage(AddPeople(packages, frozenset(other.id for other in others)))
    net.elect(founder)
    due = one(founder.events, InvitationDue)
    for other in others:
        other.join(founder.invite(due))
    return net, members


def together(members: Sequence[Member]) -> bool:
    return len({bytes(member.conversation.epoch_authenticator) for member in members}) == 1


@pytest.mark.parametrize("lie", [None, "says_yes", "forges", "wrong_values", "high_rounds"])
def test_06_all_change_something_at_once_and_one_relay_lies(lie: str | None) -> None:
    net, members = founded("Alice", "Bob", "Carol", "Dave")
    if lie is not None:
        net.relays[configuration().relays[2].key].lie = LIES[lie]
    for _ in range(4):
        for member in members:
            member.stage(RenewKeys())
        seat = net.elect(*members)
        assert members[0].conversation.epoch == seat.epoch + 1
        assert together(members)
        assert all(member.conversation.staged is None for member in members)


def test_16_a_removed_member_gets_nothing_from_relays_any_more() -> None:
    net, members = founded("Alice", "Bob", "Mallory")
    alice, bob, mallory = members
    seat, instances = alice.conversation.seat, alice.conversation.instances
    mallory.say(b"while I can")
    assert all(isinstance(each, frames.Stored) for each in net.post(mallory, seat, instances))
    saved = dict(mallory.records)
    alice.stage(RemovePeople(frozenset({mallory.id})))
    net.elect(alice, bob, mallory)
    assert one(mallory.events, Out)
    # His program keeps the old keys. They let him read what there was, and nothing else.
    mallory.records = saved
    mallory.crash()
    mallory.say(b"too late")
    assert all(isinstance(each, frames.Decided) for each in net.post(mallory, seat, instances))
    alice.say(b"he is gone")
    after = alice.conversation.seat
    assert all(isinstance(each, frames.Stored) for each in net.post(alice, after, instances))
    assert said(net.read(bob, after, instances)) == [b"he is gone"]
    old = mallory.conversation.keys(1)
    assert old is not None
    for index, relay in enumerate(after.configuration.relays):
        public = old.relay_key(after.configuration.log, relay.key).public
        for frame in (
            frames.Read(0, 0, 0, 1000),
            frames.Post(0, 0, b"x"),
            frames.Lock(0, 0, 0, b"", b""),
        ):
            answer: Any = net.relays[relay.key].serve(
                frame, instances[index], after.epoch, public, now=0.0
            )[0]
            assert answer.code == ErrorCode.NOT_AUTHORISED


def test_25_the_wounded_comes_back_over_the_relays() -> None:
    net, members = founded("Alice", "Bob", "Carol", "Mallory")
    alice, bob, carol, mallory = members
    seat, instances = alice.conversation.seat, alice.conversation.instances

    def hook(path: Any) -> Any:
        return forge.changed(path, nodes=(forge.corrupt_ciphertext(path.nodes[0]), *path.nodes[1:]))

    # Mallory's program proposes something that Carol cannot follow.
    evil = Election(seat, instances, entropy=Random(1).randbytes)
    evil.propose(broken(mallory, update_path=hook))
    evil.saved()
    now = 0.0
    while not evil.complete:
        now += 0.5
        for index, frame in evil.requests(now):
            evil.receive(
                index, frame, net.ask(mallory, index, frame, seat=seat, instances=instances), now
            )
    assert evil.decision is not None
    for member in (alice, bob, carol):
        member.apply(evil.decision)
    assert one(carol.events, Wounded).culprit is not None
    carol.write(carol.conversation.report(carol.package(), entropy=carol.entropy))
    assert all(isinstance(each, frames.Stored) for each in net.post(carol, seat, instances))
    cry = one(net.read(bob, seat, instances), MemberWounded)
    one(net.read(alice, seat, instances), MemberWounded)
    bob.stage(Restore(cry.package))
    net.elect(alice, bob)
    assert one(alice.events, MemberRestored).who.account == carol.id
    bob.write(
        bob.conversation.rescue(one(bob.events, InvitationDue).draft, cry, entropy=bob.entropy)
    )
    assert all(isinstance(each, frames.Stored) for each in net.post(bob, seat, instances))
    rescue = one(net.read(carol, seat, instances), RescueArrived)
    assert net.read(alice, seat, instances) == []
    carol.accept(rescue.invitation, replaces=carol.conversation)
    assert together([alice, bob, carol])
    for member in (alice, bob, carol):
        member.stage(RenewKeys())
    net.elect(alice, bob, carol)
    assert together([alice, bob, carol])
    assert carol.conversation.phase is Phase.OPEN


def test_18_relays_change_and_the_new_ones_take_over() -> None:
    net, members = founded("Alice", "Bob")
    alice, bob = members
    for relays in ((0, 1, 2, 4), (0, 1, 5, 4), (0, 6, 5, 4), (7, 6, 5, 4)):
        alice.stage(ChangeRelays(configuration(relays)))
        net.elect(alice, bob)
        net.open(alice.conversation.seat)
        bob.stage(RenewKeys())
        net.elect(alice, bob)
        assert together(members)
        alice.say(bytes(relays))
        seat, instances = alice.conversation.seat, alice.conversation.instances
        assert instances == bob.conversation.instances
        assert all(isinstance(each, frames.Stored) for each in net.post(alice, seat, instances))
        assert said(net.read(bob, seat, instances)) == [bytes(relays)]
