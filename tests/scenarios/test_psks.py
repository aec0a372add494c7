"""Pre-shared keys: from outside MLS, and from earlier epochs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    PLAIN,
    Person,
    agree,
    all_follow,
    all_note,
    gathering,
)

KEYS = {b"first": mls.Secret(b"1" * 32), b"second": mls.Secret(b"2" * 16)}


def known(psk: mls.PreSharedKeyID) -> mls.Secret | None:
    return KEYS.get(psk.psk_id) if isinstance(psk, mls.ExternalPSKID) else None


def external(name: bytes, nonce: int = 0) -> mls.PreSharedKey:
    return mls.PreSharedKey(mls.ExternalPSKID(name, bytes([nonce]) * 32))


def resumption(epoch: int, group_id: bytes = b"a group") -> mls.PreSharedKey:
    usage = mls.ResumptionPSKUsage.APPLICATION
    return mls.PreSharedKey(mls.ResumptionPSKID(usage, group_id, epoch, bytes(32)))


KNOWING = replace(PLAIN, psk=known)


def test_external_psk() -> None:
    everybody = gathering("Alice", "Bob", "Carol", config=KNOWING)
    alice, bob, carol = everybody
    staged = alice.commits(external(b"first"), external(b"second"))
    all_follow(staged.message, everybody, alice)
    agree(everybody)
    # By reference, and without a path.
    all_note(bob.proposes(external(b"first", 1)), everybody, bob)
    all_follow(carol.commits().message, everybody, carol)
    agree(everybody)


def test_order_of_psks_counts() -> None:
    """The list is folded in its order; both sides use the committer's."""
    alice, bob = gathering("Alice", "Bob", config=KNOWING)
    alice.commits(external(b"first"), external(b"second"))
    other = bob.commits(external(b"second"), external(b"first"))
    assert alice.group.epoch == bob.group.epoch
    assert alice.group.epoch_authenticator != bob.group.epoch_authenticator
    assert other.welcome is None


def test_external_psk_that_somebody_lacks() -> None:
    alice, bob = gathering("Alice", "Bob", config=KNOWING)
    bob.kept = mls.Group.from_bytes(bytes(bob.group.to_bytes()), config=PLAIN)
    staged = alice.commits(external(b"first"))
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.receives(staged.message)
    assert caught.value.rule == 79
    # Told the key, Bob can follow after all.
    bob.kept = mls.Group.from_bytes(bytes(bob.group.to_bytes()), config=KNOWING)
    bob.follows(staged.message)
    agree([alice, bob])


def test_external_psk_that_is_wrong() -> None:
    alice, bob = gathering("Alice", "Bob", config=KNOWING)
    wrong = replace(PLAIN, psk=lambda _: mls.Secret(b"wrong"))
    bob.kept = mls.Group.from_bytes(bytes(bob.group.to_bytes()), config=wrong)
    staged = alice.commits(external(b"first"))
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.receives(staged.message)
    assert caught.value.rule == 80


def test_joining_with_an_external_psk() -> None:
    """A Welcome names the keys of its commit, and only who knows them comes in."""
    alice, bob = Person("Alice", config=KNOWING), Person("Bob", config=KNOWING)
    carol = Person("Carol")
    alice.creates()
    staged = alice.commits(
        mls.Add(bob.key_package()), mls.Add(carol.key_package()), external(b"first")
    )
    bob.joins(staged.welcome)
    agree_on = [alice, bob]
    assert alice.group.epoch_authenticator == bob.group.epoch_authenticator
    with pytest.raises(mls.InvalidMessage) as caught:
        carol.joins(staged.welcome)
    assert caught.value.rule == 86
    carol.config = KNOWING
    carol.joins(staged.welcome)
    agree([*agree_on, carol])


@pytest.mark.parametrize("proposals", [(external(b"first"), external(b"first"))])
def test_one_key_twice(proposals: tuple[mls.Proposal, ...]) -> None:
    alice, _ = gathering("Alice", "Bob", config=KNOWING)
    with pytest.raises(mls.UsageError):
        alice.stages(*proposals)
    with pytest.raises(mls.UsageError):
        alice.stages(external(b"first", 1), external(b"first", 2))


def test_nonce_of_the_wrong_length() -> None:
    alice, _ = gathering("Alice", "Bob", config=KNOWING)
    with pytest.raises(mls.UsageError):
        alice.stages(mls.PreSharedKey(mls.ExternalPSKID(b"first", bytes(31))))


def test_resumption_of_a_past_epoch() -> None:
    """It ties the new epoch to one that the members shared before."""
    everybody = gathering("Alice", "Bob", "Carol")
    alice, bob, carol = everybody
    for _ in range(3):
        all_follow(bob.commits().message, [alice, carol])
    carol.restarts()
    staged = alice.commits(resumption(2), resumption(4))
    all_follow(staged.message, everybody, alice)
    agree(everybody)


def test_resumption_of_an_epoch_before_one_came() -> None:
    alice, bob = gathering("Alice", "Bob")
    carol = Person("Carol")
    staged = alice.adds(carol)
    bob.follows(staged.message)
    carol.joins(staged.welcome)
    staged = alice.commits(resumption(1))
    bob.follows(staged.message)
    with pytest.raises(mls.InvalidMessage) as caught:
        carol.receives(staged.message)
    assert caught.value.rule == 79


def test_resumption_of_too_old_an_epoch() -> None:
    """Old secrets are not kept for ever (section 8.6)."""
    alice, bob = gathering("Alice", "Bob", config=replace(PLAIN, past_epochs=2))
    for _ in range(5):
        bob.follows(alice.commits().message)
    assert alice.group.epoch == 6
    for epoch in (1, 2, 3):
        with pytest.raises(mls.UsageError):
            alice.stages(resumption(epoch))
    for epoch in (4, 5, 6):
        alice.stages(resumption(epoch))
        alice.group.discard_staged()
    bob.follows(alice.commits(resumption(4)).message)
    agree([alice, bob])


def test_resumption_from_another_group() -> None:
    """A secret of one group used in another: the application finds it (section 8.6)."""
    alice, bob = gathering("Alice", "Bob", group_id=b"old")
    secrets = {("old", 1): alice.group.resumption_psk}
    assert bob.group.resumption_psk == secrets["old", 1]

    def find(psk: mls.PreSharedKeyID) -> mls.Secret | None:
        if isinstance(psk, mls.ResumptionPSKID):
            return secrets.get((psk.psk_group_id.decode(), psk.psk_epoch))
        return None

    carol, dave = gathering("Carol", "Dave", config=replace(PLAIN, psk=find))
    dave.follows(carol.commits(resumption(1, b"old")).message)
    agree([carol, dave])


@pytest.mark.parametrize("usage", [mls.ResumptionPSKUsage.REINIT, mls.ResumptionPSKUsage.BRANCH])
def test_resumption_for_what_it_is_not(usage: mls.ResumptionPSKUsage) -> None:
    """These usages start a group, and only a group's first commit has them (section 12.1.4)."""
    alice, _ = gathering("Alice", "Bob")
    psk = mls.PreSharedKey(mls.ResumptionPSKID(usage, b"a group", 1, bytes(32)))
    with pytest.raises(mls.UsageError):
        alice.stages(psk)
    with pytest.raises(mls.UsageError):
        alice.proposes(psk)
