"""One story in every cipher suite: create, add three, update, remove, talk, come in from outside."""

from __future__ import annotations

import pytest

from heliogram import mls
from tests.scenarios.cast import OPEN, Person, agree, all_follow, all_note, people


@pytest.mark.parametrize("suite", mls.CipherSuite, ids=lambda suite: suite.name)
def test_a_group_s_life(suite: mls.CipherSuite) -> None:
    alice, bob, carol, dave = everybody = people(
        "Alice", "Bob", "Carol", "Dave", suite=suite, config=OPEN
    )
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    staged = bob.adds(carol, dave)
    alice.follows(staged.message)
    for one in (carol, dave):
        one.joins(staged.welcome)
    agree(everybody)
    # An update by proposal, with a new signature key, and one by an empty commit.
    key = mls.new_signature_key(suite, entropy=carol.entropy)
    all_note(carol.proposes_update(mls.NewLeaf(signature_key=key)), everybody, carol)
    all_follow(dave.commits().message, everybody, dave)
    all_follow(alice.commits().message, everybody, alice)
    agree(everybody)
    staged = carol.commits(mls.Remove(bob.leaf))
    all_follow(staged.message, [alice, dave])
    bob.gets(mls.Removed, staged.message)
    remaining = [alice, carol, dave]
    agree(remaining)
    for one in remaining:
        one.restarts()
    erin = Person("Erin", suite=suite, config=OPEN)
    staged = erin.joins_from_outside(carol.group.group_info(external_pub=True))
    assert erin.leaf == bob.leaf
    all_follow(staged.message, remaining)
    remaining.append(erin)
    agree(remaining)
    all_follow(erin.commits().message, remaining, erin)
    agree(remaining)
    assert len(alice.group.epoch_authenticator) == alice.group.suite.hash_length


def test_the_default_is_post_quantum() -> None:
    assert mls.DEFAULT_SUITE == 0xF002
    assert "MLKEM768X25519" in mls.CipherSuite(mls.DEFAULT_SUITE).name
