"""Saved state: it equals the live one, and what is written of it is small.

That it forgets is in `test_state_secrets`, that it survives damage and time in `test_state_damage`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from heliogram import mls
from tests.mls.devices import CONFIG, PRIVATE, Device, two_devices
from tests.scenarios.cast import PLAIN, SUITE, Person, agree, all_follow

# -- the saved state is the live one ---------------------------------------------------------------

#: What is done after each step of a story to each device in it.
After = Callable[[Device], None]


def long_story(config: mls.Config) -> Iterator[list[Device]]:
    """Everything that changes a group's state, step by step. Yields who is in it after each step."""
    alice, bob, carol, dave, erin = (
        Device(name, config=config) for name in ("Alice", "Bob", "Carol", "Dave", "Erin")
    )
    alice.creates()
    yield [alice]
    staged = alice.adds(bob, carol)
    yield [alice]
    for one in (bob, carol):
        one.joins(staged.welcome)
    yield [alice, bob, carol]

    # Messages: in order, skipped, late.
    messages = [alice.says(f"message {number}") for number in range(12)]
    yield [alice, bob, carol]
    for number in (0, 1, 5, 3, 11):
        bob.hears(messages[number])
        yield [alice, bob, carol]
    carol.hears(messages[11])
    alice.hears(bob.says("yes"))
    yield [alice, bob, carol]

    # Proposals wait, in an order that is kept.
    for message in (
        carol.proposes_update(
            mls.NewLeaf(signature_key=mls.new_signature_key(SUITE, entropy=carol.entropy))
        ),
        carol.proposes_update(),
    ):
        alice.notes(message)
        bob.notes(message)
        yield [alice, bob, carol]
    add = alice.proposes(mls.Add(dave.key_package()))
    bob.notes(add)
    carol.notes(add)
    yield [alice, bob, carol]

    # A commit is staged and comes back; the old epoch goes on until then.
    staged = bob.stages(mls.PreSharedKey(mls.ExternalPSKID(b"psk", bytes(32))))
    yield [alice, bob, carol]
    bob.hears(messages[2])
    yield [alice, bob, carol]
    for one in (bob, alice, carol):
        one.follows(staged.message)
    yield [alice, bob, carol]
    dave.joins(staged.welcome)
    everybody = [alice, bob, carol, dave]
    yield everybody
    bob.hears(messages[4])  # from the past epoch
    yield everybody

    # A race is lost; one is discarded; the winner's goes on.
    winner = alice.stages()
    dave.stages(mls.Remove(bob.leaf))
    carol.stages()
    yield everybody
    carol.group.discard_staged()
    yield everybody
    for one in everybody:
        one.follows(winner.message)
    yield everybody

    # Secrets that are given out once.
    for one in everybody:
        one.group.safe_export(7)
        one.group.safe_export(0x8000)
    yield everybody

    # The tree grows, past epochs fall out of the window, and it shrinks again.
    newcomers = [Device(f"newcomer {number}", config=config) for number in range(5)]
    staged = dave.stages(*(mls.Add(one.key_package()) for one in newcomers), path=True)
    yield everybody
    for one in everybody:
        one.follows(staged.message)
    for one in newcomers:
        one.joins(staged.welcome)
    everybody += newcomers
    yield everybody
    late = newcomers[3].says("I was here")
    for committer in (bob, newcomers[4]):
        staged = committer.commits()
        all_follow(staged.message, everybody, committer)
        yield everybody
    staged = alice.commits(*(mls.Remove(one.leaf) for one in newcomers), mls.Remove(dave.leaf))
    everybody = [alice, bob, carol]
    all_follow(staged.message, everybody, alice)
    yield everybody
    carol.hears(late)
    yield everybody

    # From outside, and out at one's own wish.
    staged = erin.joins_from_outside(bob.group.group_info(external_pub=True))
    all_follow(staged.message, everybody)
    everybody.append(erin)
    yield everybody
    message = alice.proposes(mls.SelfRemove())
    for one in (bob, carol, erin):
        one.notes(message)
    yield everybody
    staged = erin.commits()
    all_follow(staged.message, [bob, carol])
    yield [bob, carol, erin]

    # Extensions, and the end.
    sender = mls.ExternalSender(bob.key.public, mls.BasicCredential(b"server"))
    change = mls.GroupContextExtensions((mls.external_senders_extension([sender]),))
    all_follow(carol.commits(change).message, [bob, erin])
    yield [bob, carol, erin]
    all_follow(bob.commits(mls.ReInit(b"next", 1, SUITE, ())).message, [carol, erin])
    yield [bob, carol, erin]


def saved_is_live(device: Device) -> None:
    """Applying the changes gives what the live group is, and saving twice changes nothing."""
    device.saves()
    live = bytes(device.group.to_bytes())
    assert bytes(device.stored().to_bytes()) == live
    assert bytes(mls.Group.from_bytes(live, config=device.config).to_bytes()) == live
    assert device.group.changes() == {}
    assert device.stored().changes() == {}


def restarted_from_records(device: Device) -> None:
    device.saves()
    device.crashes()


def restarted_from_bytes(device: Device) -> None:
    """Loaded from one value, everything is new to the store."""
    device.restarts()
    device.store.clear()
    device.saves()
    assert bytes(device.stored().to_bytes()) == bytes(device.group.to_bytes())


@pytest.mark.parametrize("config", [CONFIG, PRIVATE], ids=["public", "private"])
@pytest.mark.parametrize("after", [saved_is_live, restarted_from_records, restarted_from_bytes])
def test_saved_is_live_after_every_step(after: After, config: mls.Config) -> None:
    steps = 0
    for everybody in long_story(config):
        for device in everybody:
            after(device)
        if len(everybody[0].group.members()) == len(everybody):  # nobody is on the way
            agree(everybody, talking=False)
        steps += 1
    assert steps == 33


@pytest.mark.parametrize("seed", range(6))
def test_restarts_at_random(seed: int) -> None:
    """Who saves when, and who restarts how, makes no difference; not saving at all for a while neither."""
    chance = random.Random(seed)
    for everybody in long_story(PRIVATE if seed % 2 else CONFIG):
        for device in everybody:
            if chance.random() < 0.5:
                chance.choice([saved_is_live, restarted_from_records, restarted_from_bytes])(device)


def test_loaded_groups_talk() -> None:
    everybody: list[Device] = []
    for number, those in enumerate(long_story(CONFIG)):
        everybody = those
        if number in (2, 20, 25):
            for device in everybody:
                restarted_from_records(device)
            agree(everybody)
    assert len(everybody) == 3


# -- one store for the live group and for what is staged -------------------------------------------


def in_step(device: Device) -> None:
    """The store holds exactly the group as it is."""
    device.saves()
    assert bytes(device.stored().to_bytes()) == bytes(device.group.to_bytes())


def test_saving_between_commit_and_merge() -> None:
    alice, bob = two_devices()
    staged = alice.stages()
    in_step(alice)
    assert alice.stored().staged is not None
    bob_says = bob.says("meanwhile")
    alice.hears(bob_says)
    in_step(alice)
    alice.kept = staged.merge()
    in_step(alice)
    assert b"C" not in alice.store
    bob.follows(staged.message)
    agree([alice, bob])


def test_saving_the_next_group_before_the_commit_counts() -> None:
    """Nobody needs to, but who does it and then discards the commit has lost nothing."""
    alice, bob = two_devices()
    late = bob.says("from an epoch that is about to fall out of the window")
    for _ in range(alice.config.past_epochs):
        alice.follows(bob.commits().message)
    in_step(alice)
    old = alice.group
    staged = alice.stages()
    in_step(alice)
    alice.saves(staged.group)
    assert bytes(alice.stored().to_bytes()) == bytes(staged.group.to_bytes())
    old.discard_staged()
    in_step(alice)
    alice.crashes()
    assert alice.hears(late).startswith(b"from an epoch")
    in_step(alice)
    alice.follows(bob.commits().message)
    in_step(alice)
    agree([alice, bob])


def test_a_staged_group_loses_to_another() -> None:
    alice, bob = two_devices()
    staged = alice.stages()
    in_step(alice)
    alice.saves(staged.group)
    winner = bob.commits()
    alice.follows(winner.message)
    in_step(alice)
    agree([alice, bob])
    in_step(alice)


def test_a_merged_commit_after_a_restart_rewrites_no_tree() -> None:
    """The group that was staged shares its nodes with the one that it follows, saved or not."""
    config = replace(PLAIN, past_epochs=1)
    everybody = [Device(f"device {number}", config=config) for number in range(32)]
    alice, *others = everybody
    alice.creates()
    staged = alice.adds(*others)
    others[0].joins(staged.welcome)
    for restart in (False, True):
        staged = alice.stages()
        alice.saves()
        size = len(alice.store[b"C"])
        if restart:
            alice.crashes()
        alice.follows(staged.message)
        changed = alice.saves()
        nodes = [name for name in changed if name[:1] == b"N"]
        assert len(nodes) <= 6  # our leaf and the path above it
        assert size < 3 * len(staged.message) + 5000
        (past,) = (value for name, value in changed.items() if name[:1] == b"E" and value)
        assert len(past) < 1000
        others[0].follows(staged.message)
    agree_on = {bytes(one.group.epoch_authenticator) for one in (alice, others[0])}
    assert len(agree_on) == 1


def test_a_store_with_records_of_nobody() -> None:
    """What is left over from before a crash goes with the next saving."""
    alice, _ = two_devices()
    alice.store[b"S" + bytes(8) + b"r" + bytes(5)] = b"old"
    alice.store[b"X"] = b"what is this"
    alice.crashes()
    changes = alice.saves()
    assert changes == {b"S" + bytes(8) + b"r" + bytes(5): None, b"X": None}
    in_step(alice)


# -- in a group of a thousand ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def thousand() -> tuple[Device, Device, bytes]:
    """Two of a thousand members, and the Welcome for all others."""
    alice, bob = Device("Alice"), Device("Bob")
    alice.creates()
    packages = [bob.key_package()]
    packages += [Person(f"member {number}").key_package() for number in range(998)]
    staged = alice.commits(*map(mls.Add, packages))
    bob.joins(staged.welcome)
    assert len(bob.group.members()) == 1000
    for one in (alice, bob):
        one.saves()
    return alice, bob, staged.welcome or b""


def test_saving_after_a_message_in_a_large_group(thousand: tuple[Device, Device, bytes]) -> None:
    """A few small records, whatever the size of the group; never one of the tree."""
    alice, bob, _ = thousand
    for first in (True, False):
        message = alice.says("hello, all")
        for one in (alice, bob):
            if one is bob:
                bob.hears(message)
            changes = one.saves()
            kinds = Counter(name[:1] for name in changes)
            assert set(kinds) == {b"S"}
            size = sum(len(name) + len(value or b"") for name, value in changes.items())
            if first:  # the unused secrets beside the sender's path, in pieces; both its ratchets
                assert len(changes) <= 10 and size < 2000
            else:
                assert len(changes) == 1 and size < 100
    # A message that comes late, or leaves a gap, costs its sender's ratchet: with the keys skipped.
    messages = [alice.says("gap") for _ in range(3)]
    bob.hears(messages[2])
    changes = bob.saves()
    assert len(changes) == 1 and sum(len(value or b"") for value in changes.values()) < 200


def test_saving_when_many_have_spoken(thousand: tuple[Device, Device, bytes]) -> None:
    """It stays so when every second member has used its ratchet."""
    alice, bob, _ = thousand
    tree = bob.group._member.current.epoch.secret_tree
    from heliogram.mls.secret_tree import RatchetKind

    for leaf_index in range(2, 1000, 2):
        tree.consume(tree.find(leaf_index, RatchetKind.APPLICATION, 0))
    bob.saves()
    tree.consume(tree.find(501, RatchetKind.APPLICATION, 0))
    changes = bob.saves()
    assert len(changes) <= 3
    assert sum(len(value or b"") for value in changes.values()) < 2000
    bob.hears(alice.says("still small"))
    assert len(bob.saves()) == 1
    assert bytes(bob.stored().to_bytes()) == bytes(bob.group.to_bytes())


def test_saving_a_commit_in_a_large_group(thousand: tuple[Device, Device, bytes]) -> None:
    """A commit changes a path; only the path is written, and the leaf of who is gone."""
    alice, bob, _ = thousand
    staged = alice.stages(mls.Remove(700))
    changes = alice.saves()
    assert not any(name[:1] == b"N" for name in changes)
    for one in (alice, bob):
        one.follows(staged.message)
        changes = one.saves()
        nodes = [name for name in changes if name[:1] == b"N"]
        assert len(nodes) <= 22
        assert len(changes) <= 22 + 12
        assert bytes(one.stored().to_bytes()) == bytes(one.group.to_bytes())
