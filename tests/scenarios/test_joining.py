"""Coming in by a Welcome."""

from __future__ import annotations

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    NOW,
    PLAIN,
    Person,
    agree,
    all_follow,
    commit_of,
    everyone_commits,
    gathering,
    people,
)


def test_three_join_one_after_the_other() -> None:
    alice, bob, carol = people("Alice", "Bob", "Carol")
    alice.creates()
    assert alice.group.epoch == 0
    bob.joins(alice.adds(bob).welcome)
    agree([alice, bob])
    staged = bob.adds(carol)
    step = alice.follows(staged.message)
    assert (step.committer, step.added, step.removed, step.own) == (1, (2,), (), False)
    carol.joins(staged.welcome)
    agree([alice, bob, carol])
    assert [leaf for leaf, _ in carol.group.members()] == [0, 1, 2]
    everyone_commits([alice, bob, carol])
    agree([alice, bob, carol])


def test_three_join_at_once() -> None:
    everybody = gathering("Alice", "Bob", "Carol", "Dave")
    assert {one.group.epoch for one in everybody} == {1}
    agree(everybody)
    everyone_commits(everybody)
    agree(everybody)


def test_join_without_a_path() -> None:
    """A commit of nothing but Adds needs no path, and joiners get no path secret."""
    everybody = gathering("Alice", "Bob", "Carol")
    dave = Person("Dave")
    staged = everybody[1].adds(dave)
    assert commit_of(staged.message).path is None
    all_follow(staged.message, everybody, everybody[1])
    dave.joins(staged.welcome)
    everybody.append(dave)
    everyone_commits(everybody)
    agree(everybody)


@pytest.mark.parametrize("size", range(1, 10))
def test_join_with_a_path(size: int) -> None:
    """With a path, a joiner starts from the path secret in its Welcome, wherever it sits."""
    everybody = gathering(*(f"member {number}" for number in range(size)))
    newcomers = people("Yvonne", "Zoe")
    adds = [mls.Add(one.key_package()) for one in newcomers]
    committer = everybody[size // 2]
    staged = committer.commits(*adds, path=True)
    all_follow(staged.message, everybody, committer)
    for one in newcomers:
        one.joins(staged.welcome)
    everybody += newcomers
    agree(everybody)
    everyone_commits(everybody)
    agree(everybody)


def test_one_welcome_serves_all_who_join() -> None:
    alice, bob, carol = people("Alice", "Bob", "Carol")
    alice.creates()
    welcome = alice.adds(bob, carol).welcome
    assert welcome is not None
    for one in (bob, carol):
        one.joins(welcome)
    stranger = Person("Mallory")
    stranger.key_package()
    with pytest.raises(mls.InvalidMessage) as caught:
        stranger.joins(welcome)
    assert caught.value.rule == 85
    agree([alice, bob, carol])


def test_the_right_key_package_is_found_among_many() -> None:
    alice, bob = people("Alice", "Bob")
    alice.creates()
    packages = [bob.key_package() for _ in range(5)]
    bob.joins(alice.commits(mls.Add(packages[3])).welcome)
    assert len(bob.packages) == 4
    assert packages[3] not in [own.key_package for own in bob.packages]
    agree([alice, bob])


def test_welcome_without_tree() -> None:
    alice, bob, carol = people("Alice", "Bob", "Carol")
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    staged = alice.adds(carol, welcome_tree=False)
    bob.follows(staged.message)
    with pytest.raises(mls.InvalidMessage) as caught:
        carol.joins(staged.welcome)
    assert caught.value.rule == 89
    # Any member's tree will do: it is the same.
    tree = bob.group.ratchet_tree()
    assert tree == alice.group.ratchet_tree()
    carol.joins(staged.welcome, ratchet_tree=tree)
    agree([alice, bob, carol])
    everyone_commits([alice, bob, carol])


def test_welcome_with_the_tree_of_another_epoch() -> None:
    alice, bob, carol = people("Alice", "Bob", "Carol")
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    old_tree = alice.group.ratchet_tree()
    staged = alice.adds(carol, welcome_tree=False)
    with pytest.raises(mls.InvalidMessage) as caught:
        carol.joins(staged.welcome, ratchet_tree=old_tree)
    assert caught.value.rule == 89
    carol.joins(staged.welcome, ratchet_tree=alice.group.ratchet_tree())


def test_into_a_group_that_we_are_in_already() -> None:
    alice, bob = gathering("Alice", "Bob")
    staged = alice.commits(mls.Remove(bob.leaf), mls.Add(bob.key_package()))
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.joins(staged.welcome, in_use={b"a group"})
    assert caught.value.rule == 87


def test_removed_and_added_in_one_commit() -> None:
    """A client may be added again in the commit that removes it (section 12.2)."""
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    staged = alice.commits(mls.Remove(bob.leaf), mls.Add(bob.key_package()))
    step = carol.follows(staged.message)
    assert step.removed == step.added == (1,)
    assert isinstance(bob.receives(staged.message), mls.Removed)
    bob.joins(staged.welcome)
    agree([alice, bob, carol])
    everyone_commits([alice, bob, carol])


def test_last_resort_key_package_is_used_twice() -> None:
    alice, bob, carol = people("Alice", "Bob", "Carol")
    package = bob.key_package(last_resort=True)
    assert package.last_resort
    alice.creates(b"first")
    carol.creates(b"second")
    bob.joins(alice.commits(mls.Add(package)).welcome)
    first = bob.kept
    agree([alice, bob])
    bob.joins(carol.commits(mls.Add(package)).welcome)
    agree([carol, bob])
    bob.kept = first
    agree([alice, bob])
    assert [own.key_package for own in bob.packages] == [package]


def test_other_key_packages_are_for_one_use() -> None:
    alice, bob, carol = people("Alice", "Bob", "Carol")
    package = bob.key_package()
    assert not package.last_resort
    alice.creates(b"first")
    carol.creates(b"second")
    bob.joins(alice.commits(mls.Add(package)).welcome)
    assert bob.packages == []
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.joins(carol.commits(mls.Add(package)).welcome)
    assert caught.value.rule == 85


def test_own_key_packages_survive_a_restart() -> None:
    alice, bob = people("Alice", "Bob")
    alice.creates()
    staged = alice.adds(bob)
    bob.packages = [mls.OwnKeyPackage.from_bytes(bytes(own.to_bytes())) for own in bob.packages]
    bob.joins(staged.welcome)
    agree([alice, bob])


def test_key_package_out_of_its_time() -> None:
    """Whoever adds looks at the clock (section 7.3); whoever receives does not, or they would part."""
    alice, bob, carol = people("Alice", "Bob", "Carol")
    alice.creates()
    for then in (NOW - 2 * 24 * 3600, NOW + 3 * 24 * 3600):
        package = bob.key_package(now=then, lifetime=24 * 3600)
        with pytest.raises(mls.UsageError):
            alice.stages(mls.Add(package))
        with pytest.raises(mls.UsageError):
            alice.proposes(mls.Add(package))
    package = bob.key_package(lifetime=3600)
    staged = alice.commits(mls.Add(package), mls.Add(carol.key_package()))
    carol.joins(staged.welcome)
    bob.kept = mls.Group.join(
        staged.welcome or b"", bob.packages, config=PLAIN, now=NOW + 30 * 24 * 3600
    )
    agree([alice, bob, carol])
    # Members who hear of it long after the key package ran out still follow.
    dave = Person("Dave")
    staged = alice.commits(mls.Add(dave.key_package(lifetime=3600)))
    outcome = carol.group.process(staged.message, now=NOW + 30 * 24 * 3600)
    assert isinstance(outcome, mls.EpochAdvanced)


def test_group_of_one() -> None:
    (alice,) = gathering("Alice")
    before = alice.group.epoch_authenticator
    alice.commits()
    assert alice.group.epoch == 1
    assert alice.group.epoch_authenticator != before
    bob = Person("Bob")
    bob.joins(alice.adds(bob).welcome)
    agree([alice, bob])
