"""Any members change anything at any time, races are lost, some lag behind, some crash: all stay together."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from heliogram.node.chain import Decision
from heliogram.node.changes import (
    AddPeople,
    ChangeRelays,
    RemovePeople,
    Rename,
    RenewKeys,
    SetRole,
    Wish,
)
from heliogram.node.components import Metadata, Role
from heliogram.node.errors import NotAllowed, NotNow
from heliogram.node.events import InvitationDue
from heliogram.node.records import Phase
from tests.node.conversation.world import Member, configuration, decide, group_of

PICK = st.integers(0, 99)


class Conversations(RuleBasedStateMachine):
    """Some people in one conversation, each as far along its decisions as they like."""

    @initialize(count=st.integers(1, 4))
    def found(self, count: int) -> None:
        group = group_of(*(f"founder {number}" for number in range(count)))
        self.members = list(group.members)
        self.log = group.log
        self.decisions: dict[int, Decision] = {}
        self.tip = self.members[0].conversation.seat
        #: The epoch authenticators that anybody was seen with.
        self.known: dict[int, bytes] = {}
        self.newcomers: dict[bytes, Member] = {}
        self.count = 0

    def pick(self, number: int, *, at_tip: bool = False) -> Member:
        """One of the members."""
        fit = [
            member
            for member in self.members
            if not at_tip or member.conversation.epoch == self.tip.epoch
        ]
        return fit[number % len(fit)]

    def wish(self, member: Member, what: int, whom: int) -> Wish:
        people = member.conversation.people()
        account = people[whom % len(people)].account
        match what % 7:
            case 0:
                self.count += 1
                new = Member(f"newcomer {self.count}")
                self.newcomers[new.id] = new
                return AddPeople((new.package(),), frozenset({new.id}))
            case 1:
                return RemovePeople(frozenset({account}))
            case 2:
                return SetRole(account, Role(whom % 3))
            case 3:
                return Rename(Metadata(f"name {whom}"))
            case 4:
                relays = (0, 1, 2, 3 + whom % 3)
                return ChangeRelays(configuration(relays), emergency=True)
            case _:
                return RenewKeys()

    @rule(number=PICK, what=PICK, whom=PICK)
    def stage(self, number: int, what: int, whom: int) -> None:
        """Somebody wants something, perhaps in an epoch that is over."""
        member = self.pick(number)
        try:
            member.stage(self.wish(member, what, whom))
        except (NotAllowed, NotNow):
            pass

    @rule(number=PICK)
    def decide(self, number: int) -> None:
        """The relays decide one of the values for the open slot; its author is the first to know."""
        candidates = [
            member
            for member in self.members
            if member.conversation.epoch == self.tip.epoch and member.conversation.staged
        ]
        if not candidates:
            return
        winner = candidates[number % len(candidates)]
        value = winner.conversation.staged
        assert value is not None
        decision = decide(self.tip, value)
        self.decisions[self.tip.epoch] = decision
        self.tip = decision.link.following(self.tip)
        events = winner.apply(decision)
        for due in events:
            if isinstance(due, InvitationDue):
                (account,) = due.accounts
                newcomer = self.newcomers[account]
                newcomer.join(winner.invite(due))
                self.members.append(newcomer)
        self.sort_out()

    @rule(number=PICK)
    def catch_up(self, number: int) -> None:
        """Somebody learns of one more decision."""
        member = self.pick(number)
        if member.conversation.epoch < self.tip.epoch:
            member.apply(self.decisions[member.conversation.epoch])
            self.sort_out()

    @rule(number=PICK)
    def leave(self, number: int) -> None:
        """Somebody wants to leave."""
        member = self.pick(number)
        try:
            member.write(member.conversation.leave(entropy=member.entropy))
        except NotNow:
            pass
        self.log.post(member)
        self.sort_out()

    @rule(number=PICK)
    def say(self, number: int) -> None:
        """Somebody says something."""
        member = self.pick(number)
        self.count += 1
        try:
            member.say(b"%d" % self.count)
        except NotNow:
            pass
        self.log.post(member)

    @rule(number=PICK, most=st.integers(1, 20))
    def read(self, number: int, most: int) -> None:
        """Somebody reads the newest entries that they can."""
        member = self.pick(number)
        for entry in self.log.entries[-most:]:
            if entry.epoch <= member.conversation.epoch:
                member.receive(entry)

    @rule(number=PICK)
    def crash(self, number: int) -> None:
        """Somebody's program dies."""
        self.pick(number).crash()

    def sort_out(self) -> None:
        """Who is out is not followed any more. Nobody is ever wounded or dead here."""
        for member in self.members:
            assert member.conversation.phase in (Phase.OPEN, Phase.OUT)
        self.members = [
            member for member in self.members if member.conversation.phase is Phase.OPEN
        ] or self.fresh()

    def fresh(self) -> list[Member]:
        """The last one has left: begin again."""
        self.count += 1
        group = group_of(f"founder again {self.count}")
        self.log, self.tip = group.log, group.members[0].conversation.seat
        self.decisions, self.known = {}, {}
        return group.members

    @precondition(lambda self: hasattr(self, "members"))
    @invariant()
    def same_epoch_same_branch(self) -> None:
        """Whoever is or was in an epoch had the same authenticator."""
        for member in self.members:
            conversation = member.conversation
            seen = bytes(conversation.epoch_authenticator)
            assert self.known.setdefault(conversation.epoch, seen) == seen

    def teardown(self) -> None:
        """In the end all know all, and are together."""
        if not hasattr(self, "members"):
            return
        for member in list(self.members):
            while (
                member.conversation.phase is Phase.OPEN
                and member.conversation.epoch < self.tip.epoch
            ):
                member.apply(self.decisions[member.conversation.epoch])
            assert member.conversation.phase in (Phase.OPEN, Phase.OUT)
        here = [member for member in self.members if member.conversation.phase is Phase.OPEN]
        assert len({bytes(member.conversation.epoch_authenticator) for member in here}) <= 1
        assert {member.conversation.seat.id for member in here} <= {self.tip.id}
        rosters = [
            {
                (person.account, person.device, person.leaf)
                for person in member.conversation.people()
            }
            for member in here
        ]
        assert all(roster == rosters[0] for roster in rosters)
        assert {member.device_id for member in here} == {
            person.device for member in here for person in member.conversation.people()
        }


TestConversations: Any = Conversations.TestCase
TestConversations.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
