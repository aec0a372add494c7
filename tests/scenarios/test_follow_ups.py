"""Groups that follow from groups: branches, and the group that takes a closed one's place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    NOW,
    OPEN,
    Person,
    agree,
    all_follow,
    all_note,
    everyone_commits,
    gathering,
)

CLASSICAL = mls.CipherSuite.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519
HYBRID = mls.CipherSuite.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519
SIGNED_OTHERWISE = mls.CipherSuite.MLS_192_MLKEM768_AES256GCM_SHA384_MLDSA65


def moves(one: Person, suite: int) -> None:
    """From now on their key packages are of this suite; a new signature scheme wants a new key."""
    old = one.key.public
    if suite == SIGNED_OTHERWISE or one.suite == SIGNED_OTHERWISE:
        one.key = mls.new_signature_key(suite, entropy=one.entropy)
        assert one.key.public != old
    one.suite = suite


# -- branch ----------------------------------------------------------------------------------------


def branches(founder: Person, *others: Person, group_id: bytes = b"a branch") -> mls.StagedCommit:
    return founder.group.branch(
        group_id,
        [one.key_package() for one in others],
        now=NOW,
        entropy=founder.entropy,
    )


def test_branch() -> None:
    everybody = gathering("Alice", "Bob", "Carol", "Dave")
    alice, bob, carol, _ = everybody
    old = [one.group for one in (alice, bob, carol)]
    staged = branches(alice, bob, carol)
    alice.kept = staged.merge()
    for one, before in zip((bob, carol), old[1:], strict=True):
        one.joins(staged.welcome, previous=before)
    some = [alice, bob, carol]
    agree(some)
    assert alice.group.group_id == b"a branch"
    assert alice.group.epoch == 1
    assert alice.group.context.cipher_suite == old[0].context.cipher_suite
    everyone_commits(some)
    # The old group goes on, too.
    for one, before in zip(some, old, strict=True):
        one.kept = before
    agree(everybody)


def test_branch_wants_the_group_it_comes_from() -> None:
    alice, bob, _ = gathering("Alice", "Bob", "Carol")
    staged = branches(alice, bob)
    with pytest.raises(mls.InvalidMessage) as caught:
        Person.joins(bob, staged.welcome)
    assert caught.value.rule == 86
    other, _ = gathering("Bob", "Erin", group_id=b"another group")
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.joins(staged.welcome, previous=other.group)
    assert caught.value.rule == 86
    bob.joins(staged.welcome, previous=bob.group)
    alice.kept = staged.merge()
    agree([alice, bob])


def test_branch_of_strangers() -> None:
    alice, bob = gathering("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        branches(alice, bob, Person("Mallory"))


def test_branch_from_an_epoch_that_is_past() -> None:
    """A member that is an epoch further can still join: it keeps the secret for a while."""
    alice, bob = gathering("Alice", "Bob")
    staged = branches(alice, bob)
    old = alice.commits()
    bob.follows(old.message)
    bob.joins(staged.welcome, previous=bob.group)
    alice.kept = staged.merge()
    agree([alice, bob])


def test_two_branches_are_two_groups() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    before = [one.group for one in everybody]
    first = branches(alice, bob, group_id=b"first")
    second = branches(alice, carol, group_id=b"second")
    bob.joins(first.welcome, previous=before[1])
    carol.joins(second.welcome, previous=before[2])
    alice.kept = first.merge()
    agree([alice, bob])
    alice.kept = second.merge()
    agree([alice, carol])


def test_branch_after_a_restart() -> None:
    alice, bob = gathering("Alice", "Bob")
    alice.restarts()
    bob.restarts()
    staged = branches(alice, bob)
    bob.joins(staged.welcome, previous=bob.group)
    alice.kept = staged.merge()
    alice.restarts()
    agree([alice, bob])
    everyone_commits([alice, bob])


# -- reinit ----------------------------------------------------------------------------------------


def reinit(suite: int = CLASSICAL, extensions: mls.Extension | None = None) -> mls.ReInit:
    return mls.ReInit(b"the next group", 1, suite, () if extensions is None else (extensions,))


def starts_anew(everybody: list[Person], founder: Person, suite: int) -> None:
    """All move into the group that a committed reinit announced."""
    closed = [one.group for one in everybody]
    for one in everybody:
        moves(one, suite)
    others = [one for one in everybody if one is not founder]
    staged = founder.group.reinitialize(
        [one.key_package() for one in others],
        founder.key,
        now=NOW,
        entropy=founder.entropy,
    )
    for one in others:
        one.joins(staged.welcome, previous=one.group)
    founder.kept = staged.merge()
    agree(everybody)
    everyone_commits(everybody)
    assert founder.group.group_id == b"the next group"
    assert founder.group.context.cipher_suite == suite
    assert all(group.reinit for group in closed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (CLASSICAL, CLASSICAL),
        (CLASSICAL, HYBRID),
        (HYBRID, CLASSICAL),
        (CLASSICAL, SIGNED_OTHERWISE),
        (SIGNED_OTHERWISE, HYBRID),
    ],
)
@pytest.mark.parametrize("by_reference", [False, True])
def test_reinit(old: int, new: int, by_reference: bool) -> None:
    everybody = gathering("Alice", "Bob", "Carol", suite=old)
    alice, bob, carol = everybody
    late = carol.says("before it closed")
    if by_reference:
        all_note(bob.proposes(reinit(new)), everybody, bob)
        staged = alice.commits()
    else:
        staged = alice.commits(reinit(new))
    all_follow(staged.message, everybody, alice)
    for one in everybody:
        assert one.group.reinit == reinit(new)
    bob.hears(late)
    # Anybody may found the next group, not only who closed the old one.
    starts_anew(everybody, carol, new)


def test_nothing_more_is_said_in_a_closed_group() -> None:
    everybody = gathering("Alice", "Bob", config=OPEN)
    alice, bob = everybody
    bob.follows(alice.commits(reinit()).message)
    for one in everybody:
        for act in (
            lambda: one.says("still here?"),  # noqa: B023
            lambda: one.stages(),  # noqa: B023
            lambda: one.proposes_update(),  # noqa: B023
            lambda: one.proposes(mls.Remove(0)),  # noqa: B023
        ):
            with pytest.raises(mls.UsageError):
                act()
        one.restarts()
        assert one.group.reinit == reinit()
    # Nor is it opened again from outside.
    carol = Person("Carol", config=OPEN)
    staged = carol.joins_from_outside(alice.group.group_info(external_pub=True))
    with pytest.raises(mls.InvalidMessage) as caught:
        alice.receives(staged.message)
    assert caught.value.rule == 81


def test_reinit_comes_alone() -> None:
    alice, bob, carol = gathering("Alice", "Bob", "Carol")
    with pytest.raises(mls.UsageError):
        alice.stages(reinit(), mls.Remove(bob.leaf))
    # Waiting ones are left out beside a given reinit; beside waiting others the reinit waits.
    all_note(bob.proposes_update(), [alice, carol])
    staged = alice.stages(reinit())
    assert [sent.proposal for sent in staged.group.pending_proposals] == []
    alice.group.discard_staged()
    all_note(carol.proposes(reinit()), [alice, bob])
    step = carol.follows(alice.commits().message)
    assert [type(sent.proposal) for sent in step.proposals] == [mls.Update]


def test_new_group_without_all_members() -> None:
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    all_follow(alice.commits(reinit()).message, everybody, alice)
    with pytest.raises(mls.UsageError):
        alice.group.reinitialize([bob.key_package()], now=NOW, entropy=alice.entropy)
    with pytest.raises(mls.UsageError):
        alice.group.reinitialize(
            [one.key_package() for one in (bob, carol, Person("Mallory"))],
            now=NOW,
            entropy=alice.entropy,
        )


def test_new_group_without_a_reinit() -> None:
    alice, bob = gathering("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        alice.group.reinitialize([bob.key_package()], now=NOW, entropy=alice.entropy)


def test_new_group_with_a_key_of_the_old_scheme() -> None:
    alice, bob = gathering("Alice", "Bob")
    bob.follows(alice.commits(reinit(SIGNED_OTHERWISE)).message)
    moves(bob, SIGNED_OTHERWISE)
    with pytest.raises(mls.UsageError):
        alice.group.reinitialize([bob.key_package()], now=NOW, entropy=alice.entropy)


def test_reinit_may_change_extensions() -> None:
    required = mls.RequiredCapabilities(credentials=(1,)).extension()
    everybody = gathering("Alice", "Bob")
    alice, bob = everybody
    bob.follows(alice.commits(reinit(HYBRID, required)).message)
    starts_anew(everybody, alice, HYBRID)
    assert bob.group.context.extensions == (required,)


def test_reinit_to_what_we_cannot_do() -> None:
    """A group could be closed that way and never opened again."""
    able = mls.Capabilities((1,), (CLASSICAL,), (), (), (1,))
    alice = Person("Alice")
    alice.creates(capabilities=able)
    bob = Person("Bob")
    bob.joins(alice.commits(mls.Add(bob.key_package(capabilities=able))).welcome)
    bob.follows(alice.commits(reinit(HYBRID)).message)
    moves(bob, HYBRID)
    with pytest.raises(mls.UsageError):
        alice.group.reinitialize([bob.key_package()], now=NOW, entropy=alice.entropy)


def test_reinit_to_an_older_version() -> None:
    alice, _ = gathering("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        alice.stages(replace(reinit(), version=0))


def test_only_the_announced_group_is_believed() -> None:
    """Somebody else's group under the old group's secret is refused (section 11.2)."""
    everybody = gathering("Alice", "Bob")
    alice, bob = everybody
    twin = mls.Group.from_bytes(bytes(alice.group.to_bytes()), config=alice.config)
    bob.follows(alice.commits(reinit(HYBRID)).message)
    moves(bob, HYBRID)
    moves(alice, HYBRID)
    # Alice's twin closes the group in another way, for a group with another id.
    other = twin.commit(
        [mls.ReInit(b"a trap", 1, HYBRID, ())], now=NOW, entropy=alice.entropy
    ).merge()
    staged = other.reinitialize([bob.key_package()], alice.key, now=NOW, entropy=alice.entropy)
    with pytest.raises(mls.InvalidMessage):
        bob.joins(staged.welcome, previous=bob.group)
