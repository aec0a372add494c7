"""The application says no: the same way when a commit is made and when one arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    NOW,
    OPEN,
    PLAIN,
    Open,
    Person,
    agree,
    all_follow,
    all_note,
    gathering,
)


class OnlyTheFirst(Open):
    """Whoever sits at leaf 0 commits, and nobody else."""

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        return committer == 0


class NobodyLeavesAgainstTheirWill(Open):
    """Only the member at leaf 0 may propose a removal, alone or in a commit."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return not isinstance(sent.proposal, mls.Remove) or sent.sender.index == 0


class NotTooMany(Open):
    """Three members, no more: a rule about the whole list."""

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        coming = sum(isinstance(sent.proposal, mls.Add) for sent in proposals)
        coming += committer is None
        going = sum(isinstance(sent.proposal, mls.Remove | mls.SelfRemove) for sent in proposals)
        return len(list(view.members())) + coming - going <= 3


class NoReInit(Open):
    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return not isinstance(sent.proposal, mls.ReInit)


def without_policy(one: Person) -> mls.Group:
    """The same member in a program that keeps no rules."""
    return mls.Group.from_bytes(bytes(one.group.to_bytes()), config=OPEN)


Act = Callable[[mls.Group, list[Person]], bytes]


def commit(*proposals: mls.Proposal) -> Act:
    def act(group: mls.Group, everybody: list[Person]) -> bytes:
        return group.commit(proposals, now=NOW, entropy=everybody[0].entropy).message

    return act


def propose(proposal: mls.Proposal) -> Act:
    def act(group: mls.Group, everybody: list[Person]) -> bytes:
        return group.propose(proposal, now=NOW, entropy=everybody[0].entropy)

    return act


REMOVE = mls.Remove(2)
REINIT = mls.ReInit(b"new", 1, 1, ())


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize(
    ("policy", "act"),
    [
        (OnlyTheFirst(), commit()),
        (OnlyTheFirst(), commit(REMOVE)),
        (NobodyLeavesAgainstTheirWill(), commit(REMOVE)),
        (NobodyLeavesAgainstTheirWill(), propose(REMOVE)),
        (NoReInit(), commit(REINIT)),
        (NoReInit(), propose(REINIT)),
    ],
    ids=[
        "commit of nothing",
        "commit of a removal",
        "removal by value",
        "removal proposed",
        "reinit by value",
        "reinit proposed",
    ],
)
def test_refused_on_both_sides(policy: mls.Policy, act: Act, private: bool) -> None:
    config = replace(PLAIN, policy=policy, private_handshakes=private)
    everybody = gathering("Alice", "Bob", "Carol", config=config)
    alice, bob, carol = everybody
    # Bob's own program does not send it,
    before = bytes(bob.group.to_bytes())
    with pytest.raises(mls.UsageError):
        act(bob.group, everybody)
    assert bytes(bob.group.to_bytes()) == before
    # and if it did, nobody would take it, whether it concerns them or not.
    message = act(without_policy(bob), everybody)
    for one in (alice, carol):
        before = bytes(one.group.to_bytes())
        with pytest.raises(mls.InvalidMessage) as caught:
            one.receives(message)
        assert caught.value.rule == 65
        assert bytes(one.group.to_bytes()) == before
    agree(everybody)


def test_what_is_allowed_goes_through() -> None:
    config = replace(PLAIN, policy=OnlyTheFirst())
    everybody = gathering("Alice", "Bob", "Carol", config=config)
    alice, bob, carol = everybody
    all_note(bob.proposes(mls.Remove(carol.leaf)), everybody, bob)
    staged = alice.commits()
    bob.follows(staged.message)
    carol.gets(mls.Removed, staged.message)
    agree([alice, bob])


def test_a_rule_about_the_whole_list() -> None:
    config = replace(PLAIN, policy=NotTooMany())
    everybody = gathering("Alice", "Bob", "Carol", config=config)
    alice, bob, carol = everybody
    dave, erin = (Person(name, config=config) for name in ("Dave", "Erin"))
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(dave.key_package()))
    staged = alice.commits(mls.Add(dave.key_package()), mls.Remove(carol.leaf))
    bob.follows(staged.message)
    dave.joins(staged.welcome)
    agree([alice, bob, dave])
    # Of what waits, as much is committed as there is room for.
    everybody = [alice, bob, dave]
    all_note(alice.proposes(mls.Add(erin.key_package())), everybody, alice)
    assert bob.stages().group.epoch == 3
    bob.group.discard_staged()
    all_note(dave.proposes(mls.SelfRemove()), everybody, dave)
    staged = bob.commits()
    step = alice.follows(staged.message)
    assert [type(sent.proposal) for sent in step.proposals] == [mls.Add, mls.SelfRemove]
    erin.joins(staged.welcome)
    agree([alice, bob, erin])


def test_room_for_external_joiners() -> None:
    config = replace(PLAIN, policy=NotTooMany())
    alice, bob = gathering("Alice", "Bob", config=config)
    carol, dave = (Person(name, config=config) for name in ("Carol", "Dave"))
    staged = carol.joins_from_outside(alice.group.group_info(external_pub=True))
    all_follow(staged.message, [alice, bob])
    agree([alice, bob, carol])
    info = alice.group.group_info(external_pub=True)
    with pytest.raises(mls.UsageError):
        dave.joins_from_outside(info)
    dave.config = OPEN
    staged = dave.joins_from_outside(info)
    for one in (alice, bob, carol):
        with pytest.raises(mls.InvalidMessage) as caught:
            one.receives(staged.message)
        assert caught.value.rule == 72


def test_the_policy_sees_the_epoch_as_it_is() -> None:
    """What it is shown is the epoch before the commit, alike for maker and receiver."""
    seen: list[tuple[int, int, int | None, int]] = []

    class Watching(Open):
        def allows_commit(
            self,
            view: mls.EpochView,
            committer: int | None,
            proposals: Sequence[mls.SentProposal],
        ) -> bool:
            seen.append((view.context.epoch, len(list(view.members())), committer, len(proposals)))
            return True

    config = replace(PLAIN, policy=Watching())
    alice, bob, carol = gathering("Alice", "Bob", "Carol", config=config)
    seen.clear()
    staged = alice.commits(mls.Remove(carol.leaf))
    all_follow(staged.message, [bob])
    carol.gets(mls.Removed, staged.message)
    assert seen == [(1, 3, 0, 1)] * 3
