"""Saved state: it equals the live one, is small, forgets what was used, and survives damage and time."""

from __future__ import annotations

import hmac
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heliogram import mls
from tests.mls.devices import Device
from tests.scenarios.cast import NOW, OPEN, PLAIN, SUITE, Person, agree, all_follow

STATES = Path(__file__).parent.parent / "vectors" / "heliogram" / "states"

# -- the saved state is the live one ---------------------------------------------------------------

#: What is done after each step of a story to each device in it.
After = Callable[[Device], None]

SECRET = mls.Secret(b"shared by other means")
CONFIG = replace(
    OPEN,
    past_epochs=3,
    max_forward=50,
    psk=lambda psk: SECRET if isinstance(psk, mls.ExternalPSKID) else None,
)
PRIVATE = replace(CONFIG, private_handshakes=True)


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


def two_devices(config: mls.Config = PLAIN) -> tuple[Device, Device]:
    alice, bob = Device("Alice", config=config), Device("Bob", config=config)
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    for one in (alice, bob):
        for _ in range(7):  # more epochs than are kept
            other = bob if one is alice else alice
            other.follows(one.commits().message)
        one.saves()
    alice.saves()
    return alice, bob


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


# -- what was used is gone -------------------------------------------------------------------------


class Spy:
    """Sees every derivation: the values that were derived, by label (RFC 9420, 5.1.2 and 8)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.derived: dict[bytes, list[bytes]] = {}
        real = hmac.digest

        def digest(key: Any, message: Any, name: Any) -> bytes:
            result = real(key, message, name)
            found = re.search(rb"MLS 1\.0 ([a-z ]+)", bytes(message[3:32]))
            label = found[1] if found else b"HPKE" if b"HPKE-v1" in message else b"(extracted)"
            self.derived.setdefault(label, []).append(bytes(result))
            return result

        monkeypatch.setattr(hmac, "digest", digest)

    def found(self, saved: bytes) -> Counter[bytes]:
        """How many of the derived values stand in a saved state, by label. Keys may be cut short."""
        return Counter(
            label
            for label, values in self.derived.items()
            for value in set(values)
            if value[: 12 if label == b"nonce" else 16] in saved
        )


#: What lasts for an epoch, by the label that it is derived under.
LASTING = {
    b"exporter",
    b"external",
    b"confirm",
    b"membership",
    b"authentication",
    b"init",
    b"application",  # application_export: the safe exporter before anything was exported
}


def test_nothing_used_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that was ever derived, a saved state holds what is still to be used and nothing else."""
    config = replace(OPEN, past_epochs=2)
    spy = Spy(monkeypatch)
    alice, bob, carol = (Device(name, config=config) for name in ("Alice", "Bob", "Carol"))
    alice.creates()
    staged = alice.commits(mls.Add(bob.key_package()), mls.Add(carol.key_package()), path=True)
    for one in (bob, carol):
        one.joins(staged.welcome)
    everybody = [alice, bob, carol]
    for number in range(5):
        for speaker in everybody:
            for _ in range(3):
                message = speaker.says("words")
                for listener in everybody:
                    if listener is not speaker:
                        listener.hears(message)
        committer = everybody[number % 3]
        all_follow(committer.commits().message, everybody, committer)
    for name in (b"joiner", b"epoch", b"path", b"node", b"key", b"nonce", b"secret", b"tree"):
        assert spy.derived[name], f"the spy sees no {name!r}"

    for one in everybody:
        for saved in (bytes(one.group.to_bytes()), one.saves() and b"".join(one.store.values())):
            assert isinstance(saved, bytes)
            found = spy.found(saved)
            past = 2
            assert found.pop(b"sender data") == 1 + past
            assert found.pop(b"resumption") == 1 + past
            for label in LASTING:
                assert found.pop(label, 0) == 1, label
            # One unused secret for each sender and kind in the epochs where they have spoken, before
            # anybody spoke the root, and nothing of what was used: no key, no nonce.
            assert found.pop(b"secret") == 3 * past  # application ratchets, moved on
            assert found.pop(b"handshake") == 3 * past
            assert found.pop(b"tree", 0) == past  # the leaf where nobody sits
            assert found.pop(b"encryption") == 1  # nobody has spoken yet: the root
            assert found.pop(b"HPKE") <= len(one.group._member.private_keys)
            assert found.pop(b"(extracted)") == 1  # the confirmation tag, which is public
            assert not found, f"saved although used: {found}"


def test_skipped_keys_are_saved_until_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy(monkeypatch)
    alice, bob = Device("Alice"), Device("Bob")
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    messages = [alice.says(str(number)) for number in range(4)]
    bob.hears(messages[3])
    for left, number in ((2, 1), (1, 2), (0, 0)):
        bob.hears(messages[number])
        found = spy.found(bytes(bob.group.to_bytes()))
        assert (found[b"key"], found[b"nonce"]) == (left, left)


def test_used_entropy_is_not_saved() -> None:
    """Epoch secrets, path secrets and what leaf keys grow from are drawn, used and forgotten."""
    alice, bob = Device("Alice"), Device("Bob")
    drawn: list[bytes] = []
    for one in (alice, bob):
        draw = one.entropy

        def spying(size: int, draw: Callable[[int], bytes] = draw) -> bytes:
            drawn.append(draw(size))
            return drawn[-1]

        one.entropy = spying
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    for _ in range(3):
        alice.follows(bob.commits().message)
        bob.follows(alice.commits().message)
        bob.hears(alice.says("words"))
    long_enough = {value for value in drawn if len(value) >= 16}
    assert len(long_enough) > 10
    for one in (alice, bob):
        saved = bytes(one.group.to_bytes())
        assert not [value for value in long_enough if value in saved]


def test_old_private_keys_are_not_saved() -> None:
    """A key goes when its node gets another one, or none (section 9.2)."""
    alice, bob, carol = (Device(name) for name in ("Alice", "Bob", "Carol"))
    alice.creates()
    staged = alice.adds(bob, carol)
    for one in (bob, carol):
        one.joins(staged.welcome)
    everybody = [alice, bob, carol]
    old: dict[str, set[bytes]] = {one.name: set() for one in everybody}

    def keys(one: Device) -> set[bytes]:
        return {bytes(key.secret) for key in one.group._member.private_keys.values()}

    def check() -> None:
        for one in everybody:
            now = keys(one)
            gone, saved = old[one.name] - now, bytes(one.group.to_bytes())
            assert not [key for key in gone if key in saved]
            assert all(key in saved for key in now)
            old[one.name] |= now

    check()
    for committer in (alice, bob, carol, alice):
        all_follow(committer.commits().message, everybody, committer)
        check()
    message = carol.proposes_update()
    for one in (alice, bob):
        one.notes(message)
    waiting = bytes(carol.group.to_bytes())
    all_follow(bob.commits().message, everybody, bob)
    check()
    fresh = keys(carol) - old["Carol"]
    assert all(key in waiting for key in fresh)  # the update's key waited in the saved state
    staged = alice.stages(mls.Remove(carol.leaf))
    everybody = [alice, bob]
    all_follow(staged.message, everybody)
    check()
    # The keys of an update that nobody committed are gone with its epoch.
    alice.notes(bob.proposes_update())
    lost = {bytes(u.leaf_key.secret) for u in bob.group._member.own_updates.values()}
    assert lost
    alice.kept, before = (
        alice.group.commit(include_pending=False, now=NOW, entropy=alice.entropy).merge(),
        alice.group,
    )
    assert before.staged is not None
    bob.follows(before.staged.message)
    assert not [key for key in lost if key in bytes(bob.group.to_bytes())]


def test_exported_secrets_cannot_be_derived_again() -> None:
    """After `safe_export` nothing saved leads to the secret (draft-ietf-mls-extensions-10, 4.4)."""
    alice, bob = Device("Alice"), Device("Bob")
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    exporter = bob.group._member.current.exporter
    before = {number: bytes(secret) for number, secret in exporter._nodes.items()}
    numbers = (0, 5, 0x8000, 0xFFFF)
    secrets = [bytes(alice.group.safe_export(number)) for number in numbers]
    alice.saves()
    for saved in (bytes(alice.group.to_bytes()), b"".join(alice.store.values())):
        assert not [secret for secret in secrets if secret in saved]
        assert not [secret for secret in before.values() if secret in saved]
    # What is left are exactly the siblings of the paths: from them every other secret can be had,
    # and none above or on the way to an exported one.
    left = set(alice.group._member.current.exporter._nodes)
    for number in numbers:
        path = {(1 << 16 | number) >> level for level in range(17)}
        assert left.isdisjoint(path)
    for number in (1, 4, 6, 0x8001, 0xFFFE, 0x1234):
        assert alice.group.safe_export(number) == bob.group.safe_export(number)


# -- persisted before use --------------------------------------------------------------------------

# What the caller must do: after a call that made something, write `changes()`, and only then send
# what the call gave; after `process`, write `changes()`, and only then show what it opened. What is
# lost in a crash before writing was never sent, or will come again; what was written before a crash
# is never made again.


def test_a_generation_that_was_saved_is_not_used_again() -> None:
    alice, bob = two_devices()
    sent = alice.says("one")
    alice.saves()  # then sent
    alice.says("written, but the crash comes before it is sent")
    alice.saves()
    alice.crashes()
    after = alice.says("two")
    alice.saves()
    first = bob.gets(mls.ApplicationMessage, sent)
    second = bob.gets(mls.ApplicationMessage, after)
    assert (first.generation, second.generation) == (0, 2)


def test_a_generation_that_was_not_saved_was_not_sent() -> None:
    """The crash comes before saving: the message is lost, and its key is used for another one."""
    alice, bob = two_devices()
    lost = alice.says("lost in the crash")
    alice.crashes()
    sent = alice.says("said instead")
    alice.saves()
    assert bob.hears(sent) == b"said instead"
    # Had the first been sent all the same, one key would have been used for two messages, and the
    # receivers would have refused the second one they get.
    with pytest.raises(mls.DecryptionFailed):
        bob.receives(lost)


@pytest.mark.parametrize("config", [PLAIN, PRIVATE], ids=["public", "private"])
def test_nothing_is_used_twice_whatever_crashes(config: mls.Config) -> None:
    """At random: say, propose, commit, with crashes between each two steps. Each key once."""
    for seed in range(5):
        chance = random.Random(seed)
        alice, bob = two_devices(config)
        seen: set[tuple[int, int]] = set()
        for _ in range(40):
            act = chance.choice(["say", "say", "say", "update", "commit"])
            waiting = bool(alice.group.pending_proposals)
            if act == "say" and not waiting:
                message = alice.says("words")
            elif act == "update":
                message = alice.proposes_update()
            else:
                alice.group.discard_staged()
                message = alice.stages().message
            if chance.random() < 0.3:
                alice.crashes()  # before saving: not sent
                continue
            alice.saves()
            if chance.random() < 0.3:
                alice.crashes()  # after saving, before sending
                alice.group.discard_staged()
                continue
            outcome = bob.receives(message)
            if isinstance(outcome, mls.ApplicationMessage):
                assert (outcome.epoch, outcome.generation) not in seen
                seen.add((outcome.epoch, outcome.generation))
            elif isinstance(outcome, mls.EpochAdvanced):
                alice.follows(message)
                alice.saves()
            if chance.random() < 0.2:
                bob.saves()
                bob.crashes()
        alice.group.discard_staged()
        bob.follows(alice.commits().message)
        agree([alice, bob])


def test_a_message_is_shown_once_whatever_crashes() -> None:
    """Read, saved, then shown. Not saved: it comes again, and is shown then."""
    alice, bob = two_devices()
    message = alice.says("words")
    bob.hears(message)
    bob.crashes()  # neither saved nor shown
    assert bob.hears(message) == b"words"
    bob.saves()
    bob.crashes()  # saved: what was opened is in the same transaction as the state
    with pytest.raises(mls.DecryptionFailed):
        bob.receives(message)


# -- damage ----------------------------------------------------------------------------------------


def a_device_with_everything() -> Device:
    """Past epochs, skipped keys, waiting proposals, an own update and a staged commit with a Welcome."""
    alice, bob = two_devices(replace(PLAIN, past_epochs=2))
    messages = [alice.says(str(number)) for number in range(5)]
    bob.hears(messages[3])
    alice.follows(bob.commits().message)
    bob.hears(messages[1])
    bob.hears(alice.says("now"))
    bob.notes(alice.proposes(mls.Add(Person("Carol").key_package())))
    bob.proposes_update()
    bob.stages()
    bob.saves()
    return bob


def use(group: mls.Group, messages: list[bytes]) -> None:
    """What a group may be asked, damaged or not: it answers, or says what is wrong in our words."""
    bob = Person("Bob")
    bob.kept = group
    acts: list[Callable[[], object]] = [
        lambda: bob.group.to_bytes(),
        lambda: bob.group.changes(),
        lambda: bob.group.members(),
        lambda: bob.group.safe_export(3),
        lambda: bob.group.group_info(external_pub=True),
        lambda: bob.group.discard_staged(),
        lambda: bob.stages(),
        lambda: bob.stages(mls.Remove(0)),
        *(lambda message=message: bob.group.process(message, now=NOW) for message in messages),
    ]
    for act in acts:
        try:
            act()
        except mls.MLSError:
            pass


def test_damaged_bytes() -> None:
    """Every byte counts: a saved value that was changed, cut or lengthened anywhere is refused."""
    bob = a_device_with_everything()
    saved = bytes(bob.group.to_bytes())
    wrong = [saved[:size] for size in range(0, len(saved), 37)] + [saved + b"\x00", b"", b"hgmls"]
    for position in range(0, len(saved), 11):
        damaged = bytearray(saved)
        damaged[position] ^= 1 << position % 8
        wrong.append(bytes(damaged))
    for data in wrong:
        with pytest.raises(mls.UsageError):
            mls.Group.from_bytes(data, config=bob.config)
    assert bytes(mls.Group.from_bytes(saved, config=bob.config).to_bytes()) == saved


def test_a_newer_version() -> None:
    bob = a_device_with_everything()
    saved = bytearray(bob.group.to_bytes())
    saved[6] += 1
    with pytest.raises(mls.UsageError):
        mls.Group.from_bytes(bytes(saved), config=bob.config)
    bob.store[b"G"] = b"\x00\x02" + bob.store[b"G"][2:]
    with pytest.raises(mls.UsageError):
        bob.stored()


def test_damaged_records() -> None:
    """No checksum is over them: they load or they do not, and nothing but our own errors comes out."""
    bob = a_device_with_everything()
    alice = Person("Alice")
    alice.creates(b"another")
    messages = [alice.says("hello"), bob.group.staged.message if bob.group.staged else b""]
    chance = random.Random(1)
    store = dict(bob.store)
    refused = loaded = 0

    def attempt(records: dict[bytes, bytes]) -> None:
        nonlocal refused, loaded
        try:
            group = mls.Group.from_records(records, config=bob.config)
        except mls.UsageError:
            refused += 1
            return
        loaded += 1
        use(group, messages)

    for name, value in store.items():
        attempt({other: data for other, data in store.items() if other != name})
        attempt({**store, name: b""})
        attempt({**store, name: value[:-1]})
        attempt({**store, name: value + b"\x00"})
        attempt({**store, name: chance.choice(list(store.values()))})
        for _ in range(12):
            damaged = bytearray(value)
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 0x3F, 0x7F, 0xBF, 0xFF))
            attempt({**store, name: bytes(damaged)})
        for kind in (b"N", b"S", b"E", b"P", b"U"):
            attempt({**store, kind + chance.randbytes(chance.randrange(14)): value})
    for size in (0, 2, 5, 1 << 31, (1 << 32) - 1):
        attempt({**store, b"W": size.to_bytes(4, "big")})
    assert refused > 100 and loaded > 100
    attempt({})


# -- states of former versions ---------------------------------------------------------------------


FIXTURES = sorted(STATES.glob("*.json"))


def test_there_are_fixtures() -> None:
    assert {path.stem.split("-", 1)[1] for path in FIXTURES} >= {
        "alone",
        "talking",
        "waiting",
        "staged",
        "closed",
        "components",
        "post-quantum",
    }


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("how", ["bytes", "records"])
def test_a_frozen_state_still_talks(path: Path, how: str) -> None:
    """It loads, knows what it knew, reads what a peer sent it long ago, and goes on."""
    known = json.loads(path.read_text())
    config = replace(OPEN, past_epochs=3, psk=lambda _: mls.Secret(b"frozen"))
    group = mls.Group.from_bytes(path.with_suffix(".bin").read_bytes(), config=config)
    if how == "records":
        records = {
            bytes.fromhex(name): bytes.fromhex(value) for name, value in known["records"].items()
        }
        stored = mls.Group.from_records(records, config=config)
        assert bytes(stored.to_bytes()) == bytes(group.to_bytes())
        group = stored
    one = Person(known["name"], config=config)
    one.kept = group
    assert group.epoch == known["epoch"]
    assert bytes(group.epoch_authenticator) == bytes.fromhex(known["epoch_authenticator"])
    assert [leaf_index for leaf_index, _ in group.members()] == known["members"]
    assert len(group.pending_proposals) == known["pending"]
    assert (group.staged is not None) == known["staged"]
    assert (group.reinit is not None) == known["closed"]
    for component, secret in known["exports"].items():
        if secret is None:
            with pytest.raises(mls.UsageError):
                group.safe_export(int(component))
        else:
            assert bytes(group.safe_export(int(component))) == bytes.fromhex(secret)
    for message in known["messages"]:
        heard = one.gets(mls.ApplicationMessage, bytes.fromhex(message["message"]))
        assert (heard.data.decode(), heard.sender, heard.epoch) == (
            message["text"],
            message["sender"],
            message["epoch"],
        )
    for commit in known["commits"]:
        step = one.follows(bytes.fromhex(commit["message"]))
        assert step.own == commit["own"]
        authenticator = bytes.fromhex(commit["epoch_authenticator"])
        assert bytes(one.group.epoch_authenticator) == authenticator
    if one.group.reinit is None:
        other = Person("a newcomer", suite=one.group.context.cipher_suite, config=config)
        staged = one.commits(mls.Add(other.key_package()))
        other.joins(staged.welcome)
        assert other.hears(one.says("welcome")) == b"welcome"
        assert one.hears(other.says("thank you")) == b"thank you"
