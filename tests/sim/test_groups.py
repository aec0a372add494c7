"""Groups at random: up to 32 members who act at the same time over a relay that orders commits.

The relay takes the first commit of each epoch and refuses the others. It passes everything on, but everybody
reads when and in what order they like, may read a thing twice, may crash, lose all they had and come back.

What must hold (the oracle):

- who is in one epoch agrees on its authenticator, context, tree and members;
- a message is opened once by each member of its epoch whose window still reaches it, and by nobody else;
- whom a commit removed reads nothing that is said afterwards;
- what is saved is what is live, and a group goes on from it.

`HELIOGRAM_SIM=500` runs 500 examples instead of a few.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from heliogram import mls
from tests.mls.devices import Device
from tests.scenarios.cast import OPEN, SUITE, Open, roster

EXAMPLES = int(os.environ.get("HELIOGRAM_SIM", "60"))
STEPS = 70

MOST = 32
PAST_EPOCHS = 3
COUNTER = 0x8000

#: What members propose.
KINDS = ("add", "update", "new key", "remove", "leave", "count", "key", "extensions")

#: Picks one of a list whose length is not known yet.
picks = st.integers(min_value=0, max_value=(1 << 16) - 1)


class Counting(Open):
    def update_component(
        self, component_id: int, current: bytes | None, updates: Sequence[bytes]
    ) -> bytes | None:
        return str(int(current or b"0") + sum(map(int, updates))).encode()


CONFIG = replace(
    OPEN, policy=Counting(), past_epochs=PAST_EPOCHS, psk=lambda _: mls.Secret(b"by other means")
)
PRIVATE = replace(CONFIG, private_handshakes=True)


@dataclass(eq=False)
class Post:
    """Something that was handed to the relay."""

    kind: str
    epoch: int
    data: bytes = field(repr=False)
    sender: bytes
    number: int = 0


@dataclass(eq=False)
class Welcome:
    """A Welcome on its way to whom it is for; its own record, for nobody else gets it."""

    data: bytes = field(repr=False)
    epoch: int


class Member(Device):
    """A device, what it has not read yet, and what the oracle knows of it."""

    def __init__(self, number: int, generation: int = 0) -> None:
        name = f"member {number}"
        config = PRIVATE if number % 3 == 1 else CONFIG
        super().__init__(name, device=generation, config=config)
        self.number = number
        self.generation = generation
        self.inbox: list[Post | Welcome] = []
        #: The epoch in which the present membership began.
        self.since = 0
        self.opened: set[int] = set()
        self.sent: set[int] = set()

    @property
    def identity(self) -> bytes:
        return self.name.encode()

    @property
    def inside(self) -> bool:
        """In a group, as far as they know."""
        return self.kept is not None

    @property
    def invited(self) -> bool:
        return any(isinstance(item, Welcome) for item in self.inbox)


class Groups(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.everybody: list[Member] = []
        #: The relay's epoch, and who is in the group in it, by identity.
        self.epoch = 0
        self.roster: set[bytes] = set()
        #: What is known of each epoch, from the first member that reached it.
        self.epochs: dict[int, tuple[Any, ...]] = {}
        #: The last views of the group of those who were removed.
        self.ghosts: list[tuple[int, mls.Group]] = []
        self.posts: list[Post] = []
        self.arrivals = 0

    # -- the world ---------------------------------------------------------------------------------

    def person(self, identity: bytes) -> Member:
        return next(one for one in self.everybody if one.identity == identity)

    def members(self) -> list[Member]:
        """Who is in the group, as far as they know themselves."""
        return [one for one in self.everybody if one.inside]

    def up_to_date(self) -> list[Member]:
        return [one for one in self.members() if one.group.epoch == self.epoch]

    def outsiders(self, count: int) -> list[Member]:
        """People who are not in the group in anybody's eyes, new ones if need be."""
        found = [
            one
            for one in self.everybody
            if not one.inside and not one.invited and one.identity not in self.roster
        ]
        while len(found) < count and len(self.everybody) < MOST + 8:
            one = Member(len(self.everybody))
            self.everybody.append(one)
            found.append(one)
        return found[: max(0, min(count, MOST - len(self.roster)))]

    def pick(self, number: int) -> Member:
        """Some member; rarely one that is behind."""
        members = self.up_to_date() if number % 4 else self.members()
        members = members or self.members()
        return members[number // 4 % len(members)]

    def post(self, post: Post) -> None:
        """Give something to everybody who is or was there; the ghosts try to read it at once."""
        post.number = len(self.posts)
        self.posts.append(post)
        for one in self.everybody:
            if one.inside or one.invited:
                one.inbox.append(post)
        for epoch, ghost in self.ghosts[-3:]:
            if post.epoch > epoch:
                with pytest.raises(mls.UnknownEpoch):
                    ghost.process(post.data, now=0)
                self.haunt(ghost, post)

    def haunt(self, ghost: mls.Group, post: Post) -> None:
        """A removed member passes a later message off as one of the epoch whose keys it has."""
        at = 4 + 1 + len(ghost.group_id)
        forged = post.data[:at] + ghost.epoch.to_bytes(8, "big") + post.data[at + 8 :]
        with pytest.raises(mls.InvalidMessage):
            ghost.process(forged, now=0)

    def arrive(self, one: Member) -> None:
        """A member reached an epoch: it agrees with all others who were ever in it."""
        group = one.group
        known = (
            bytes(group.epoch_authenticator),
            group.context.encode(),
            group.tree.tree_hash(),
            roster(group),
            bytes(group.export(b"sim", b"", 16)),
        )
        assert self.epochs.setdefault(group.epoch, known) == known
        assert group.context.tree_hash == group.tree.tree_hash()
        assert group.tree.leaf(group.own_leaf_index) == group.own_leaf
        one.saves()
        self.arrivals += 1
        if self.arrivals % 5 == 0:
            self.compare(one)

    def compare(self, one: Member) -> None:
        """What is saved is what is live."""
        one.saves()
        assert bytes(one.stored().to_bytes()) == bytes(one.group.to_bytes())

    def accept(self, committer: Member, staged: mls.StagedCommit, merge: bool) -> None:
        """The relay takes a commit: it is the first of its epoch."""
        before = self.roster
        self.epoch += 1
        identities = set()
        for _, leaf in staged.group.members():
            credential = leaf.credential
            assert isinstance(credential, mls.BasicCredential)
            identities.add(credential.identity)
        self.roster = identities
        self.post(Post("commit", self.epoch - 1, staged.message, committer.identity))
        if staged.welcome is not None:
            for identity in self.roster - before:
                self.person(identity).inbox.append(Welcome(staged.welcome, self.epoch))
        if merge:
            committer.kept = staged.merge()
            self.arrive(committer)

    def leave(self, one: Member) -> None:
        """Somebody learned that they are out. What they had, they will try."""
        self.ghosts.append((one.group.epoch, one.group))
        one.kept = None
        one.store.clear()

    # -- how it begins -----------------------------------------------------------------------------

    @initialize(count=st.integers(min_value=0, max_value=12), by_path=st.booleans())
    def found(self, count: int, by_path: bool) -> None:
        (first,) = self.outsiders(1)
        first.creates(b"sim")
        first.saves()
        self.roster = {first.identity}
        self.arrive(first)
        if count:
            self.add(0, count, by_path, True)
            self.heal()

    # -- rules: changing the group -----------------------------------------------------------------

    def commit(
        self, one: Member, merge: bool, make: Callable[[], mls.StagedCommit]
    ) -> mls.StagedCommit | None:
        """Stage a commit, save it, and post it if the relay is still in its epoch."""
        if one.group.staged is not None:
            if one.group.epoch < self.epoch:
                return None  # it may be the one that was accepted, and is on its way back
            one.group.discard_staged()
        try:
            staged = make()
        except mls.UsageError:
            # Who is behind may plan what is not possible any more, in a closed or changed group.
            assert one.group.epoch < self.epoch
            return None
        one.saves()
        if one.group.epoch < self.epoch:
            one.group.discard_staged()
            one.saves()
            return None
        self.accept(one, staged, merge)
        return staged

    @rule(
        who=picks,
        count=st.integers(min_value=1, max_value=6),
        path=st.booleans(),
        merge=st.booleans(),
    )
    def add(self, who: int, count: int, path: bool, merge: bool) -> None:
        one, newcomers = self.pick(who), self.outsiders(count)
        adds = [mls.Add(newcomer.key_package()) for newcomer in newcomers]
        self.commit(one, merge, lambda: one.stages(*adds, path=path, include_pending=bool(who % 3)))

    @rule(who=picks, whom=picks, count=st.integers(min_value=1, max_value=4), merge=st.booleans())
    def remove(self, who: int, whom: int, count: int, merge: bool) -> None:
        one = self.pick(who)
        leaves = [leaf for leaf, _ in one.group.members() if leaf != one.leaf]
        start = whom % len(leaves) if leaves else 0
        chosen = leaves[start : start + count]
        self.commit(one, merge, lambda: one.stages(*map(mls.Remove, chosen)))

    @rule(who=picks, new_key=st.booleans(), merge=st.booleans())
    def update(self, who: int, new_key: bool, merge: bool) -> None:
        """Commit what waits, with fresh keys, and sometimes a new signature key."""
        one = self.pick(who)
        key = mls.new_signature_key(SUITE, entropy=one.entropy) if new_key else None
        new_leaf = mls.NewLeaf(signature_key=key)
        if self.commit(one, merge, lambda: one.stages(new_leaf=new_leaf, path=True)):
            one.key = key or one.key

    @rule(who=picks, resumed=st.booleans(), merge=st.booleans())
    def share_a_key(self, who: int, resumed: bool, merge: bool) -> None:
        one = self.pick(who)
        nonce = one.entropy(32)
        psk: mls.PreSharedKeyID = mls.ExternalPSKID(b"a key", nonce)
        if resumed:
            usage = mls.ResumptionPSKUsage.APPLICATION
            psk = mls.ResumptionPSKID(usage, b"sim", one.group.epoch, nonce)
        change = mls.PreSharedKey(psk)
        self.commit(one, merge, lambda: one.stages(change, include_pending=not resumed))

    @rule(who=picks, senders=st.integers(min_value=0, max_value=2), merge=st.booleans())
    def change_extensions(self, who: int, senders: int, merge: bool) -> None:
        one = self.pick(who)
        server = mls.ExternalSender(bytes(31) + b"\x05", mls.BasicCredential(b"server"))
        change = mls.GroupContextExtensions((mls.external_senders_extension([server] * senders),))
        self.commit(one, merge, lambda: one.stages(change))

    @rule(one=picks, other=picks, first=st.booleans())
    def race(self, one: int, other: int, first: bool) -> None:
        """Two commit at once; one of them loses."""
        pair = [self.pick(one | 1), self.pick(other | 1)]
        if pair[0] is pair[1] or {racer.group.epoch for racer in pair} != {self.epoch}:
            return
        for racer in pair:
            if racer.group.staged is None:
                racer.stages()
                racer.saves()
        winner, loser = pair if first else reversed(pair)
        staged = winner.group.staged
        assert staged is not None
        self.accept(winner, staged, merge=False)
        if one % 2:
            loser.group.discard_staged()
            loser.saves()

    @rule(whos=st.lists(picks, min_size=1, max_size=5), kinds=st.randoms(use_true_random=False))
    def propose_several(self, whos: list[int], kinds: Random) -> None:
        for who in whos:
            self.propose(who, kinds.choice(KINDS), True)

    @rule(who=picks, what=st.sampled_from(KINDS), heard=st.booleans())
    def propose(self, who: int, what: str, heard: bool) -> None:
        """Propose something; with `heard`, all who can read it at once."""
        one = self.pick(who)
        leaves = [leaf for leaf, _ in one.group.members()]
        newcomers = self.outsiders(1) if what == "add" else []
        if what == "add" and not newcomers:
            return
        proposal: mls.Proposal
        if what in ("update", "new key"):
            key = mls.new_signature_key(SUITE, entropy=one.entropy) if what == "new key" else None
            data = one.proposes_update(mls.NewLeaf(signature_key=key))
        else:
            if what == "add":
                proposal = mls.Add(newcomers[0].key_package())
            elif what == "remove":
                proposal = mls.Remove(leaves[who % len(leaves)])
            elif what == "leave":
                proposal = mls.SelfRemove()
            elif what == "extensions":
                proposal = mls.GroupContextExtensions(
                    (mls.external_senders_extension(()),) * (who % 2)
                )
            elif what == "count":
                proposal = mls.AppDataUpdate(COUNTER, b"1" if who % 5 else None)
            else:
                proposal = mls.PreSharedKey(mls.ExternalPSKID(b"a key", one.entropy(32)))
            data = one.proposes(proposal)
        one.saves()
        post = Post("proposal", one.group.epoch, data, one.identity)
        self.post(post)
        if heard:
            for other in self.members():
                if other.group.epoch == post.epoch:
                    other.inbox.remove(post)
                    self.read(other, post)

    @rule(through=picks, who=picks)
    def join_from_outside(self, through: int, who: int) -> None:
        """Somebody new comes in by an external commit."""
        doors, newcomers = self.up_to_date(), self.outsiders(1)
        if not doors or not newcomers:
            return
        one, door = newcomers[0], doors[through % len(doors)]
        waiting = [
            post.data
            for post in self.posts[-20:]
            if post.kind == "proposal" and post.epoch == self.epoch
        ]
        info = door.group.group_info(external_pub=True)
        staged = one.joins_from_outside(info, self_removes=self.leaving(door, waiting))
        one.since = self.epoch + 1
        self.accept(one, staged, merge=True)

    def leaving(self, door: Member, waiting: list[bytes]) -> list[bytes]:
        """Of these proposals the self-removes, one for each leaf."""
        pending = {
            sent.sender.index
            for sent in door.group.pending_proposals
            if isinstance(sent.proposal, mls.SelfRemove)
        }
        chosen = []
        for data in waiting:
            message: Any = mls.decode_message(data)
            content = getattr(message, "content", None)
            if content is None or not isinstance(content.content.content, mls.SelfRemove):
                continue
            if content.content.sender.index in pending:
                pending.remove(content.content.sender.index)
                chosen.append(data)
        return chosen

    @rule(who=picks, through=picks)
    @precondition(lambda self: len(self.roster) > 1)
    def lose_everything_and_come_back(self, who: int, through: int) -> None:
        """A device is lost. A new one of the same client takes its leaf by a resync."""
        lost = self.pick(who)
        doors = [one for one in self.up_to_date() if one is not lost]
        if not doors or lost.identity not in self.roster:
            return
        again = Member(lost.number, lost.generation + 1)
        self.everybody[self.everybody.index(lost)] = again
        self.ghosts.append((self.epoch, lost.group))
        door = doors[through % len(doors)]
        (leaf,) = (
            leaf_index
            for leaf_index, leaf in door.group.members()
            if leaf.credential == again.credential
        )
        info = door.group.group_info(external_pub=True)
        staged = again.joins_from_outside(info, resync=leaf)
        again.since = self.epoch + 1
        self.accept(again, staged, merge=True)

    # -- rules: talking and reading ----------------------------------------------------------------

    @rule(who=picks, count=st.integers(min_value=1, max_value=4))
    def say(self, who: int, count: int) -> None:
        one = self.pick(who)
        if one.group.pending_proposals:
            with pytest.raises(mls.UsageError):
                one.says("too early")
            return
        for _ in range(count):
            number = len(self.posts)
            data = one.says(str(number))
            one.saves()
            one.sent.add(number)
            self.post(Post("message", one.group.epoch, data, one.identity))

    @rule(who=picks, positions=st.lists(picks, min_size=1, max_size=8))
    def read_in_any_order(self, who: int, positions: list[int]) -> None:
        readers = [one for one in self.everybody if one.inbox]
        if not readers:
            return
        one = readers[who % len(readers)]
        for position in positions:
            if one.inbox:
                self.read(one, one.inbox.pop(position % len(one.inbox)))

    @rule(who=picks)
    def read_all_in_order(self, who: int) -> None:
        readers = [one for one in self.everybody if one.inbox]
        if readers:
            self.read_all(readers[who % len(readers)])

    @rule(who=picks, which=picks)
    def read_again(self, who: int, which: int) -> None:
        """The relay, or somebody in between, delivers an old thing once more."""
        members = self.members()
        if self.posts and members:
            one = members[who % len(members)]
            self.read(one, self.posts[-1 - which % min(len(self.posts), 30)])

    def read_all(self, one: Member) -> None:
        """Read until nothing can be read any more: what waited for something comes after it."""
        left = -1
        while one.inbox and len(one.inbox) != left:
            left = len(one.inbox)
            inbox, one.inbox = one.inbox, []
            for item in inbox:
                self.read(one, item)

    def read(self, one: Member, item: Post | Welcome) -> None:
        """One thing is read: what comes out is what must."""
        if isinstance(item, Welcome):
            self.enter(one, item)
        elif not one.inside:
            if one.invited:
                one.inbox.append(item)
        elif item.kind == "message":
            self.read_message(one, item)
        else:
            self.read_handshake(one, item)

    def enter(self, one: Member, welcome: Welcome) -> None:
        assert not one.inside
        one.joins(welcome.data)
        one.since = welcome.epoch
        assert one.group.epoch == welcome.epoch
        self.arrive(one)

    def read_message(self, one: Member, post: Post) -> None:
        epoch = one.group.epoch
        try:
            outcome = one.receives(post.data)
        except mls.UnknownEpoch as error:
            assert error.epoch == post.epoch
            held = max(one.since, epoch - PAST_EPOCHS)
            assert not held <= post.epoch <= epoch
            if post.epoch > epoch:
                one.inbox.append(post)
            return
        except mls.DecryptionFailed:
            assert post.number in one.opened
            return
        one.saves()
        if isinstance(outcome, mls.OwnMessage):
            assert post.number in one.sent
            return
        assert isinstance(outcome, mls.ApplicationMessage)
        assert post.number not in one.opened
        assert outcome.data == str(post.number).encode()
        assert outcome.leaf.credential == mls.BasicCredential(post.sender)
        assert one.since <= post.epoch <= epoch
        one.opened.add(post.number)

    def read_handshake(self, one: Member, post: Post) -> None:
        epoch = one.group.epoch
        try:
            outcome = one.receives(post.data)
        except mls.UnknownEpoch as error:
            assert error.epoch == post.epoch != epoch
            if post.epoch > epoch:
                one.inbox.append(post)
            return
        except mls.DecryptionFailed:
            assert post.number in one.opened  # a private one, delivered again
            return
        except mls.InvalidMessage as error:
            # The commit refers to a proposal that was not read yet.
            assert (post.kind, error.rule) == ("commit", 54)
            one.inbox.append(post)
            return
        one.opened.add(post.number)
        if isinstance(outcome, mls.Removed):
            assert post.kind == "commit"
            self.leave(one)
        elif isinstance(outcome, mls.EpochAdvanced):
            assert post.kind == "commit" and outcome.group.epoch == post.epoch + 1
            assert outcome.own == (post.sender == one.identity)
            self.arrive(one)
        elif isinstance(outcome, mls.OwnMessage):
            assert post.kind == "proposal" and post.sender == one.identity
        else:
            assert isinstance(outcome, mls.ProposalReceived)
            one.saves()

    @rule(who=picks, how=st.sampled_from(["records", "bytes"]))
    def restart(self, who: int, how: str) -> None:
        """The application is closed and opened again, whatever it was in the middle of."""
        one = self.pick(who)
        before = bytes(one.group.to_bytes())
        if how == "records":
            one.crashes()  # everything was saved before it was sent or shown
        else:
            one.restarts()
            one.store.clear()
            one.saves()
        assert bytes(one.group.to_bytes()) == before

    @rule()
    def heal(self) -> None:
        """Everybody reads everything; then all are in one epoch, and it is the relay's."""
        for _ in range(2):
            for one in list(self.everybody):
                self.read_all(one)
        for one in self.everybody:
            assert not one.inbox
            assert one.inside == (one.identity in self.roster)
            if one.inside:
                assert one.group.epoch == self.epoch
        assert len(self.members()) == len(self.roster) <= MOST

    def teardown(self) -> None:
        if not self.roster:
            return
        self.heal()
        for one in self.members():
            self.compare(one)
        speaker = self.members()[0]
        speaker.group.discard_staged()
        self.commit(speaker, True, lambda: speaker.stages(include_pending=False))
        self.heal()
        number = len(self.posts)
        self.post(Post("message", self.epoch, speaker.says(str(number)), speaker.identity))
        speaker.sent.add(number)
        self.heal()
        for one in self.members():
            assert number in one.opened or one is speaker
        super().teardown()


TestGroups = Groups.TestCase
TestGroups.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
