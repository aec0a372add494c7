"""Going out: removed by others, or by one's own wish; and what those outside can no longer read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    OPEN,
    PLAIN,
    Person,
    agree,
    all_follow,
    all_note,
    everyone_commits,
    gathering,
)


def reads_nothing(outsider: mls.Group, messages: list[bytes]) -> None:
    """None of these messages tells this view of the group anything."""
    before = bytes(outsider.to_bytes())
    for message in messages:
        with pytest.raises(mls.UnknownEpoch):
            outsider.process(message, now=0)
    assert bytes(outsider.to_bytes()) == before


def test_the_removed_one_reads_nothing() -> None:
    everybody = gathering("Alice", "Bob", "Carol", "Dave")
    alice, bob, carol, dave = everybody
    before = alice.says("before")
    staged = alice.commits(mls.Remove(carol.leaf))
    last = carol.group
    outcome = carol.gets(mls.Removed, staged.message)
    assert outcome.committer == alice.leaf
    all_follow(staged.message, [bob, dave])
    remaining = [alice, bob, dave]
    agree(remaining)
    # Every message and every commit from now on, also after she tried all that she has.
    later = [alice.says("after"), bob.says("after")]
    later.append(staged.message)
    update = bob.commits()
    all_follow(update.message, [alice, dave])
    later += [update.message, dave.says("much later")]
    reads_nothing(last, [later[0], later[1], later[3], later[4]])
    # What was sent before she left she may still read; she got it then.
    heard = last.process(before, now=0)
    assert isinstance(heard, mls.ApplicationMessage) and heard.data == b"before"
    # Not even under the epoch's number that she knows: the keys are others.
    assert carol.group.epoch_authenticator != alice.group.epoch_authenticator
    agree(remaining)


def test_removed_is_the_end_of_that_group() -> None:
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    staged = alice.commits(mls.Remove(bob.leaf), authenticated_data=b"out")
    outcome = bob.gets(mls.Removed, staged.message)
    assert outcome.authenticated_data == b"out"
    assert [sent.proposal for sent in outcome.proposals] == [mls.Remove(1)]
    step = carol.follows(staged.message)
    assert (step.removed, step.authenticated_data) == ((1,), b"out")


def test_all_others_are_removed_at_once() -> None:
    everybody = gathering(*(f"member {number}" for number in range(7)))
    alice = everybody[0]
    staged = alice.commits(*(mls.Remove(one.leaf) for one in everybody[1:]))
    for one in everybody[1:]:
        one.gets(mls.Removed, staged.message)
    agree([alice])
    assert alice.group.tree.leaf_count == 1
    bob = Person("Bob")
    bob.joins(alice.adds(bob).welcome)
    agree([alice, bob])


def test_the_removed_one_comes_back() -> None:
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    staged = alice.commits(mls.Remove(bob.leaf))
    carol.follows(staged.message)
    missed = alice.says("while he was away")
    carol.hears(missed)
    staged = carol.adds(bob)
    alice.follows(staged.message)
    bob.joins(staged.welcome)
    agree([alice, bob, carol])
    reads_nothing(bob.group, [missed])


def test_removal_by_reference() -> None:
    everybody = gathering("Alice", "Bob", "Carol", "Dave")
    alice, bob, carol, dave = everybody
    all_note(bob.proposes(mls.Remove(dave.leaf)), everybody, bob)
    staged = carol.commits()
    assert isinstance(dave.receives(staged.message), mls.Removed)
    all_follow(staged.message, [alice, bob])
    agree([alice, bob, carol])


def test_nobody_removes_themselves() -> None:
    alice, _ = gathering("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Remove(alice.leaf))
    # Proposing one's own removal is fine, for somebody else to commit.
    alice, bob = gathering("Alice", "Bob")
    bob.notes(alice.proposes(mls.Remove(alice.leaf)))
    staged = bob.commits()
    alice.gets(mls.Removed, staged.message)
    agree([bob])


# -- SelfRemove ------------------------------------------------------------------------------------


@pytest.mark.parametrize("private", [False, True])
def test_self_remove(private: bool) -> None:
    """Always public, also where handshakes are private (draft-ietf-mls-extensions-10, 6.3)."""
    everybody = gathering(
        "Alice", "Bob", "Carol", config=replace(PLAIN, private_handshakes=private)
    )
    alice, bob, carol = everybody
    message = carol.proposes(mls.SelfRemove())
    assert message[2:4] == bytes([0, mls.WireFormat.PUBLIC_MESSAGE])
    all_note(message, [alice, bob])
    staged = bob.commits()
    assert staged.group.members()[-1][0] == 1
    step = alice.follows(staged.message)
    assert (step.committer, step.removed) == (1, (2,))
    carol.gets(mls.Removed, staged.message)
    agree([alice, bob])


def test_self_remove_is_not_committed_by_value() -> None:
    alice, _ = gathering("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        alice.stages(mls.SelfRemove())


def test_the_leaver_does_not_commit_it() -> None:
    """Its own commit leaves it out; the wish is forgotten with the epoch."""
    alice, bob = gathering("Alice", "Bob")
    bob.notes(alice.proposes(mls.SelfRemove()))
    staged = alice.commits()
    assert bob.follows(staged.message).removed == ()
    agree([alice, bob])


def test_self_remove_and_update_of_one_member() -> None:
    """Leaving goes before updating, in whatever order they come (section 12.2)."""
    for order in (0, 1):
        everybody = gathering("Alice", "Bob", "Carol")
        alice, bob, carol = everybody
        messages = [carol.proposes(mls.SelfRemove()), carol.proposes_update()]
        for message in reversed(messages) if order else messages:
            all_note(message, [alice, bob])
        staged = bob.commits()
        kinds = [type(sent.proposal) for sent in alice.follows(staged.message).proposals]
        assert kinds == [mls.SelfRemove]
        carol.gets(mls.Removed, staged.message)
        agree([alice, bob])


def test_self_remove_and_remove_of_one_member() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    all_note(alice.proposes(mls.Remove(carol.leaf)), [bob, carol])
    all_note(carol.proposes(mls.SelfRemove()), [alice, bob])
    staged = bob.commits()
    assert alice.follows(staged.message).removed == (2,)
    carol.gets(mls.Removed, staged.message)
    agree([alice, bob])
    # With a Remove of the committer's own, the self-remove is left out.
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    all_note(carol.proposes(mls.SelfRemove()), [alice, bob])
    staged = bob.commits(mls.Remove(carol.leaf))
    (sent,) = alice.follows(staged.message).proposals
    assert sent.proposal == mls.Remove(2)
    agree([alice, bob])


def test_two_self_removes_of_one_member() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    for words in (b"I go", b"I said I go"):
        all_note(carol.proposes(mls.SelfRemove(), authenticated_data=words), [alice, bob])
    assert len(alice.group.pending_proposals) == 2
    staged = bob.commits()
    assert len(alice.follows(staged.message).proposals) == 1
    agree([alice, bob])


def test_many_leave_at_once_and_one_is_added() -> None:
    everybody = gathering(*(f"member {number}" for number in range(8)))
    leaving = everybody[2:]
    for one in leaving:
        all_note(one.proposes(mls.SelfRemove()), everybody, one)
    zoe = Person("Zoe")
    staged = everybody[1].adds(zoe)
    for one in leaving:
        one.gets(mls.Removed, staged.message)
    everybody[0].follows(staged.message)
    zoe.joins(staged.welcome)
    remaining = [*everybody[:2], zoe]
    agree(remaining)
    assert zoe.leaf == 2
    everyone_commits(remaining)


def test_self_remove_where_somebody_does_not_know_it() -> None:
    """A type that a remaining member lacks cannot be committed (section 12.2)."""
    alice, bob, carol = (Person(name) for name in ("Alice", "Bob", "Carol"))
    alice.creates()
    plain = mls.Capabilities((1,), (alice.suite,), (), (), (1,))
    staged = alice.commits(
        mls.Add(bob.key_package()), mls.Add(carol.key_package(capabilities=plain))
    )
    bob.joins(staged.welcome)
    carol.joins(staged.welcome)
    all_note(bob.proposes(mls.SelfRemove()), [alice, carol])
    # Alice's commit leaves it out, and goes through.
    staged = alice.commits()
    assert staged.group.epoch == 2
    assert carol.follows(staged.message).removed == ()
    bob.follows(staged.message)
    agree([alice, bob, carol])
    # When the one who does not know it is the one who goes, too, it can.
    all_note(bob.proposes(mls.SelfRemove()), [alice, carol])
    staged = alice.commits(mls.Remove(carol.leaf))
    bob.gets(mls.Removed, staged.message)
    agree([alice])


# -- SelfRemove in an external commit --------------------------------------------------------------


def test_self_remove_rides_in_an_external_commit() -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=OPEN)
    alice, bob, carol = everybody
    leaving = carol.proposes(mls.SelfRemove())
    all_note(leaving, [alice, bob])
    dave = Person("Dave", config=OPEN)
    info = alice.group.group_info(external_pub=True)
    staged = dave.joins_from_outside(info, self_removes=[leaving])
    all_follow(staged.message, [alice, bob])
    carol.gets(mls.Removed, staged.message)
    assert dave.leaf == 2  # the joiner sits where the leaver sat
    agree([alice, bob, dave])
    everyone_commits([alice, bob, dave])


def test_resync_beside_a_self_remove() -> None:
    everybody = gathering("Alice", "Bob", "Carol", "Dave", config=OPEN)
    alice, bob, carol, dave = everybody
    leaving = carol.proposes(mls.SelfRemove())
    all_note(leaving, [alice, bob, dave])
    again = Person("Dave", device=2, config=OPEN)
    info = alice.group.group_info(external_pub=True)
    staged = again.joins_from_outside(info, resync=dave.leaf, self_removes=[leaving])
    all_follow(staged.message, [alice, bob])
    for one in (carol, dave):
        one.gets(mls.Removed, staged.message)
    agree([alice, bob, again])


def test_external_joiner_takes_only_genuine_self_removes() -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=OPEN)
    alice, bob, carol = everybody
    info = alice.group.group_info(external_pub=True)
    dave = Person("Dave", config=OPEN)
    leaving = bytearray(carol.proposes(mls.SelfRemove()))
    leaving[-60] ^= 1
    removal = bob.proposes(mls.Remove(carol.leaf))
    for wrong in (bytes(leaving), removal, alice.says("hello"), b""):
        with pytest.raises(mls.MLSError):
            dave.joins_from_outside(info, self_removes=[wrong])


def test_external_joiner_does_not_remove_one_member_twice() -> None:
    """A self-remove of the leaf that a resync removes, or two of one leaf, are refused."""
    everybody = gathering("Alice", "Bob", "Carol", config=OPEN)
    alice, _, carol = everybody
    info = alice.group.group_info(external_pub=True)
    leaving = [
        carol.proposes(mls.SelfRemove(), authenticated_data=words) for words in (b"one", b"two")
    ]
    again = Person("Carol", device=2, config=OPEN)
    with pytest.raises(mls.UsageError):
        again.joins_from_outside(info, resync=carol.leaf, self_removes=leaving[:1])
    with pytest.raises(mls.UsageError):
        again.joins_from_outside(info, self_removes=leaving)
