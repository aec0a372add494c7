"""A crash at each boundary between what a call gave and what was done with it (67 of the list of attacks).

A device can die before what a call gave is written, after that but before it is sent, and after it is sent.
Then it goes on from its store and does what it had not done. Whatever the boundary: nothing is lost, nothing
happens twice, and no key seals two things.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import pytest

from heliogram.mls.framing import PrivateMessage, decode_message
from heliogram.node.changes import AddPeople, RemovePeople, RenewKeys
from heliogram.node.events import EpochStarted, InvitationDue
from heliogram.node.records import Outgoing, Phase
from heliogram.node.value import Body
from heliogram.wire.objects import Value
from tests.node.conversation.world import Group, Member, decide, group_of, one, texts


class Boundary(Enum):
    """When the device dies."""

    BEFORE_WRITING = "what the call gave is lost"
    BEFORE_SENDING = "it is written, nothing has left"
    AFTER_SENDING = "it has left"


class Story:
    """Three members, one of whom dies at one boundary of one step."""

    def __init__(self, dies_in: int, boundary: Boundary) -> None:
        self.group: Group = group_of("Alice", "Bob", "Carol")
        self.dies_in, self.boundary = dies_in, boundary
        self.step = 0
        #: The steps that have something to send.
        self.sending: list[int] = []
        #: Who sealed what with which key of the MLS ratchets.
        self.used: dict[tuple[int, int, str, int], bytes] = {}
        self.said: list[bytes] = []

    def act(self, member: Member, call: Callable[[], object]) -> None:
        """One call of a member, with the crash if it is due: then what was lost is done again."""
        self.step += 1
        due = self.step == self.dies_in
        if due and self.boundary is Boundary.BEFORE_WRITING:
            before = dict(member.records), list(member.outbox), list(member.events)
            call()
            member.records, member.outbox, member.events = before
            member.crash()
        call()
        if due and self.boundary is Boundary.BEFORE_SENDING:
            member.crash()
        self.post(member)
        if due and self.boundary is Boundary.AFTER_SENDING:
            member.crash()

    def post(self, member: Member) -> None:
        if member.outbox:
            self.sending.append(self.step)
        for entry in member.outbox:
            self.seal(member, entry.epoch, "application", entry.data[8:])
        self.group.log.post(member)

    def seal(self, member: Member, epoch: int, ratchet: str, message: bytes) -> None:
        """Remember with which key a message was sealed."""
        found = decode_message(message)
        assert isinstance(found, PrivateMessage)
        engine = member.conversation._member()._member
        keys = next(
            each for each in (engine.current.epoch, *engine.past) if each.context.epoch == epoch
        )
        data = found.sender_data(keys.suite, keys.sender_data_secret)
        key = epoch, data.leaf_index, ratchet, data.generation
        assert self.used.setdefault(key, message) == message, "a key was used twice"

    def say(self, member: Member, text: bytes) -> None:
        self.said.append(text)
        self.act(member, lambda: member.say(text))

    def propose(self, member: Member, wish: object) -> Value:
        self.act(member, lambda: member.stage(wish))  # type: ignore[arg-type]
        value = member.conversation.staged
        assert value is not None
        keys = member.conversation.keys(member.conversation.epoch)
        assert keys is not None
        commit = Body.unseal(keys.value, value.header, value.body).commit
        self.seal(member, member.conversation.epoch, "handshake", commit)
        return value

    def decided(self, value: Value) -> None:
        decision = decide(self.group.members[0].conversation.seat, value)
        for member in self.group.members:
            self.act(member, lambda member=member: member.apply(decision))  # type: ignore[misc]

    def tell(self) -> None:
        alice, bob, carol = self.group.members
        self.say(alice, b"one")
        self.say(bob, b"two")
        lost = self.propose(bob, RenewKeys())
        dave = Member("Dave")
        won = self.propose(alice, AddPeople((dave.package(),), frozenset({dave.id})))
        self.say(carol, b"three")
        self.decided(won)
        due = next(event for event in reversed(alice.events) if isinstance(event, InvitationDue))
        item = alice.invite(due)
        self.act(dave, lambda: dave.join(item))
        self.group.members.append(dave)
        assert lost.hash != won.hash
        self.say(dave, b"four")
        self.decided(self.propose(bob, RenewKeys()))
        self.act(carol, lambda: carol.write(carol.conversation.leave(entropy=carol.entropy)))
        for entry in list(self.group.log.entries):
            for reader in self.group.members:
                self.act(reader, lambda r=reader, e=entry: r.receive(e))  # type: ignore[misc]
        self.decided(self.propose(dave, RenewKeys()))
        assert carol.conversation.phase is Phase.OUT
        self.group.members.remove(carol)
        self.say(bob, b"five")
        self.decided(self.propose(alice, RemovePeople(frozenset({bob.id}))))
        self.group.members.remove(bob)
        for entry in list(self.group.log.entries):
            for reader in self.group.members:
                self.act(reader, lambda r=reader, e=entry: r.receive(e))  # type: ignore[misc]
        self.check(alice, bob, carol, dave)

    def check(self, alice: Member, bob: Member, carol: Member, dave: Member) -> None:
        assert self.group.together()
        # What came before he joined, and what is his own, Dave does not read.
        assert sorted(texts(alice.events)) == sorted(set(self.said) - {b"one"})
        assert texts(dave.events) == [b"five"]
        epochs = [event.epoch for event in alice.events if isinstance(event, EpochStarted)]
        assert epochs == list(range(6))
        for member in (alice, dave):
            live = set(member.records)
            member.crash()
            assert member.conversation._held._names == live


def whole() -> Story:
    """The story in which nobody dies."""
    story = Story(0, Boundary.BEFORE_WRITING)
    story.tell()
    return story


@pytest.mark.parametrize("boundary", Boundary)
def test_67_nothing_is_lost_or_doubled_whatever_the_boundary(boundary: Boundary) -> None:
    story = whole()
    every = range(1, story.step + 1)
    for step in story.sending if boundary is Boundary.AFTER_SENDING else every:
        try:
            Story(step, boundary).tell()
        except Exception as error:
            raise AssertionError(f"dying in step {step}") from error


def test_67_a_member_who_dies_after_every_call_keeps_up() -> None:
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    for number in range(8):
        for member in group.members:
            member.say(b"%d by %s" % (number, member.called.encode()))
            member.crash()
            group.log.post(member)
        staged = (alice, bob)[number % 2].stage(RenewKeys())
        decision = decide(alice.conversation.seat, staged.value)
        for member in group.members:
            member.crash()
            member.apply(decision)
            member.crash()
        for entry in group.log.entries:
            for member in group.members:
                if entry.epoch >= member.conversation.epoch - 5:
                    member.receive(entry)
                    member.crash()
        assert group.together()
    assert len(texts(alice.events)) == len(texts(bob.events)) == 8
    assert one(alice.events[:1], EpochStarted).epoch == 0


def test_a_program_that_was_put_back_to_an_older_store_is_wounded_not_split() -> None:
    """Nobody should do that: a value that left is not known any more."""
    group = group_of("Alice", "Bob")
    alice, bob = group.members
    backup = dict(alice.records)
    staged = alice.stage(RenewKeys())
    decision = decide(alice.conversation.seat, staged.value)
    alice.records = backup
    alice.crash()
    alice.apply(decision)
    assert alice.conversation.phase is Phase.WOUNDED
    bob.apply(decision)
    package = alice.package()
    alice.write(alice.conversation.report(package, entropy=alice.entropy))
    assert isinstance(alice.outbox[-1], Outgoing)
    assert bob.receive(alice.outbox[-1])
