"""Saved state forgets what was used, and nothing is used twice whatever crashes."""

from __future__ import annotations

import hmac
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from heliogram import mls
from tests.mls.devices import PRIVATE, Device, two_devices
from tests.scenarios.cast import NOW, OPEN, PLAIN, agree, all_follow

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
