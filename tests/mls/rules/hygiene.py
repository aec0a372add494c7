"""Rows 103 to 105: what is forgotten, what is bounded, and keys that are none. RFC 9420, sections
9.2, 14 and 15.3; RFC 9180, section 7.1.4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from types import FunctionType, MethodType
from unittest import mock

import pytest

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls import (
    Add,
    PreSharedKey,
    Remove,
    ResumptionPSKID,
    ResumptionPSKUsage,
)
from heliogram.mls.commits import EncryptedGroupSecrets
from heliogram.mls.crypto import HPKEKey, Secret, Suite
from heliogram.mls.founding import EXTERNAL_INIT
from heliogram.mls.hpke import _X448, _X25519
from heliogram.mls.key_schedule import GroupContext, epoch_secret, psk_secret
from heliogram.mls.proposals import ExternalInit
from heliogram.mls.secret_tree import RatchetKind, SecretTree
from heliogram.mls.tree_math import NodeIndex, leaf_node
from heliogram.mls.treekem import HPKECiphertext, HPKECiphertexts, UpdatePath, derive_path
from tests.mls import forge
from tests.mls.forge import DEFAULT, NOW, Made, World, changed
from tests.mls.rules import BOTH, Attempt, broken, does, joins, receives, right
from tests.mls.rules.external import instead, open_group
from tests.mls.rules.joining import invited
from tests.mls.rules.lists import told
from tests.mls.rules.paths import agreed

APPLICATION = RatchetKind.APPLICATION

#: Both X25519 and X448, alone and in a hybrid.
CURVES = (1, 4, DEFAULT)


# -- 103: what is used is gone ---------------------------------------------------------------------


def held(*roots: object) -> set[bytes]:
    """All byte strings that can be reached in memory from these objects."""
    found: set[bytes] = set()
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, bytes):
            found.add(bytes(thing))
            continue
        skip = (type, FunctionType, MethodType, Enum, str, int, Suite)
        if id(thing) in seen or isinstance(thing, skip):
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            waiting += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset):
            waiting += thing
        else:
            names = [
                name
                for kind in type(thing).__mro__
                for name in getattr(kind, "__slots__", ())
                if isinstance(name, str)
            ]
            names += getattr(thing, "__dict__", {})
            waiting += [getattr(thing, name) for name in names if hasattr(thing, name)]
    return found


def gone(group: mls.Group, secrets: Iterable[bytes]) -> None:
    """None of these is in memory, in the saved whole, or in what a store is given."""
    saved = bytes(group.to_bytes()) + b"".join(filter(None, group.changes().values()))
    reached = held(group)
    for number, secret in enumerate(secrets):
        assert len(secret) >= 12
        assert bytes(secret) not in saved, f"secret {number} is saved"
        assert bytes(secret) not in reached, f"secret {number} is in memory"


def kept(group: mls.Group, secrets: Iterable[bytes]) -> None:
    """Each of these is in memory and in the saved whole: `gone` would see it."""
    saved, reached = bytes(group.to_bytes()), held(group)
    for number, secret in enumerate(secrets):
        assert bytes(secret) in saved and bytes(secret) in reached, f"secret {number}"


def secret_tree(group: mls.Group) -> SecretTree:
    return group._member.current.epoch.secret_tree


def leaf_secrets(tree: SecretTree, leaf: int) -> list[bytes]:
    """What the tree has above a leaf, and the starts of the leaf's ratchets."""
    ratchets, path, _ = tree._leaf_secrets(leaf)
    return [*ratchets, *(tree._nodes[node] for node in path if node in tree._nodes)]


@right(103, suites=BOTH)
def keys_of_messages(world: World) -> None:
    alice, bob, _ = world.group()
    tree = secret_tree(bob)
    used = leaf_secrets(tree, 0)
    found = [tree.find(0, APPLICATION, generation) for generation in range(3)]
    messages = [alice.protect(b"hello", entropy=world.entropy) for _ in range(3)]

    def keys(*generations: int) -> list[bytes]:
        return [s for n in generations for s in (found[n].key, found[n].nonce)]

    def ratchet(generation: int) -> Secret:
        secret = found[generation].ratchet
        assert secret is not None
        return secret

    # The sender keeps nothing but the next step.
    gone(alice, [*used[1:], *keys(0, 1, 2), ratchet(0), ratchet(1)])
    kept(alice, [ratchet(2)])
    # The reader keeps what it skipped, until that comes too.
    assert isinstance(bob.process(messages[2], now=NOW), mls.ApplicationMessage)
    gone(bob, [*used[1:], *keys(2), ratchet(0), ratchet(1)])
    kept(bob, [*keys(0, 1), ratchet(2)])
    assert isinstance(bob.process(messages[0], now=NOW), mls.ApplicationMessage)
    gone(bob, keys(0, 2))
    kept(bob, keys(1))


@right(103, suites=BOTH)
def secrets_of_a_commit(world: World) -> None:
    alice, bob, carol = world.group("alice", "bob", "carol", full=True)
    for reader in (bob, carol):
        kept(reader, [key.secret for key in reader._member.private_keys.values()])
    before = [member._member.current.secrets for member in (alice, bob)]
    old = [
        secret
        for one in before
        for secret in (
            one.init,
            one.exporter,
            one.external,
            one.confirmation_key,
            one.membership_key,
            one.epoch_authenticator,
        )
    ]
    made = forge.commit(alice)
    assert made.path is not None
    fresh = [
        *made.path.path_secrets.values(),
        made.path.commit_secret,
        made.joiner,
        made.member_secret,
        epoch_secret(world.suite, made.member_secret, made.group.context),
    ]
    for reader in (bob, carol):
        above = [key.secret for node, key in reader._member.private_keys.items() if node & 1]
        assert above
        outcome = reader.process(made.message, now=NOW)
        assert isinstance(outcome, mls.EpochAdvanced)
        gone(outcome.group, [*old, *fresh, *above])
        kept(outcome.group, [outcome.group._member.current.secrets.init])
        # For late messages and for later groups: kept, within bounds (row 104).
        kept(outcome.group, [before[0].sender_data, before[0].resumption_psk])


@right(103, suites=BOTH)
def secrets_of_a_commit_of_our_own(world: World) -> None:
    alice = world.group("alice", "bob", "carol", full=True)[0]
    old = [key.secret for key in alice._member.private_keys.values()]
    drawn: list[bytes] = []

    def entropy(size: int) -> bytes:
        drawn.append(world.entropy(size))
        return drawn[-1]

    init = alice._member.current.secrets.init
    package = world.package("dave")
    staged = alice.commit([Add(package.key_package)], path=True, now=NOW, entropy=entropy)
    nodes = [node for node, _ in staged.group.tree.filtered_direct_path(0)]
    first = next(
        secret
        for secret in drawn
        if derive_path(world.suite, Secret(secret), nodes)[0][nodes[0]].public
        == staged.group.tree.nodes[nodes[0]].encryption_key  # type: ignore[union-attr]
    )
    _, path_secrets, commit_secret = derive_path(world.suite, Secret(first), nodes)
    group = staged.merge()
    gone(group, [*old, *path_secrets.values(), commit_secret, init])
    gone(group, [secret for secret in drawn if len(secret) > 4])
    # The same for who is added: of its Welcome only the keys above it stay.
    joined = world.join(staged.welcome, package)
    gone(joined, [*path_secrets.values(), commit_secret, package.init_key.secret])
    agreed(joined, group)


@right(103, suites=BOTH)
def secrets_of_a_welcome(world: World) -> None:
    made, package = invited(world, "alice", "bob", path=True)
    joined = world.join(forge.welcome(made), package)
    suite = world.suite
    welcome = suite.derive_secret(made.member_secret, b"welcome")
    epoch = epoch_secret(suite, made.member_secret, made.group.context)
    no_psk = psk_secret(suite, [])
    assert suite.extract(made.joiner, no_psk) == made.member_secret
    gone(joined, [made.joiner, made.member_secret, welcome, epoch, package.init_key.secret])


@right(103, suites=BOTH)
def private_keys_that_are_replaced_or_blanked(world: World) -> None:
    alice, bob, carol = world.group("alice", "bob", "carol", full=True)
    old = dict(bob._member.private_keys)
    assert set(old) == {1, 2, 3}
    # An update of our own, committed by somebody else.
    message = bob.propose_update(now=NOW, entropy=world.entropy)
    alice.process(message, now=NOW)
    (update,) = bob._member.own_updates.values()
    kept(bob, [old[leaf_node(1)].secret, update.leaf_key.secret])
    staged = alice.commit(now=NOW, entropy=world.entropy)
    outcome = bob.process(staged.message, now=NOW)
    assert isinstance(outcome, mls.EpochAdvanced)
    gone(outcome.group, [key.secret for key in old.values()])
    kept(outcome.group, [update.leaf_key.secret])
    # Nodes above somebody who is removed; the one below bob's part of the path stays.
    staged = carol.commit([Remove(0)], now=NOW, entropy=world.entropy)
    outcome = mls.Group.from_bytes(bob.to_bytes(), config=bob.config).process(
        staged.message, now=NOW
    )
    assert isinstance(outcome, mls.EpochAdvanced)
    gone(outcome.group, [old[NodeIndex(1)].secret, old[NodeIndex(3)].secret])
    kept(outcome.group, [old[leaf_node(1)].secret])


@right(103)
def secrets_of_components(world: World) -> None:
    alice = world.group()[0]
    roots = list(alice._member.current.exporter._nodes.values())
    secret = alice.safe_export(0x8001)
    gone(alice, [secret, *roots])
    again = mls.Group.from_bytes(alice.to_bytes(), config=alice.config)
    for group in (alice, again):
        with pytest.raises(mls.UsageError):
            group.safe_export(0x8001)
        assert group.safe_export(0x8002) != secret


@broken(103, suites=BOTH)
def a_key_is_used_again(world: World) -> Iterator[Attempt]:
    """Not by the reader, and not by whoever gets hold of what it has saved."""
    alice, bob, _ = world.group(config=world.config(private_handshakes=True))
    messages = [alice.protect(b"hello", entropy=world.entropy) for _ in range(3)]
    handshake = alice.propose(Remove(2), now=NOW, entropy=world.entropy)
    for message in (messages[2], messages[0], handshake):
        bob.process(message, now=NOW)
        yield receives(bob, message, row=18)
        stolen = mls.Group.from_bytes(bob.to_bytes(), config=bob.config)
        yield receives(stolen, message, row=18)
    for group in (bob, stolen):
        outcome = group.process(messages[1], now=NOW)
        assert isinstance(outcome, mls.ApplicationMessage)
        yield receives(group, messages[1], row=18)


@broken(103)
def an_old_state_is_of_no_use(world: World) -> None:
    """Who has all of what bob had before his update cannot follow the group after it."""
    alice, bob, _ = world.group("alice", "bob", "carol", full=True)
    stolen = mls.Group.from_bytes(bob.to_bytes(), config=bob.config)
    healed = bob.commit(now=NOW, entropy=world.entropy)
    outcome = alice.process(healed.message, now=NOW)
    assert isinstance(outcome, mls.EpochAdvanced)
    after = outcome.group.commit(now=NOW, entropy=world.entropy)
    bob = healed.merge()
    outcome = bob.process(after.message, now=NOW)
    assert isinstance(outcome, mls.EpochAdvanced)
    agreed(outcome.group, after.group)
    # The thief knows the new epoch's public state, too; the path is for keys that it lacks.
    bob._member.private_keys = stolen._member.private_keys
    with pytest.raises(mls.InvalidMessage) as refused:
        bob.process(after.message, now=NOW)
    assert refused.value.rule == 78


# -- 104: what is kept is bounded ------------------------------------------------------------------


def small(world: World) -> mls.Config:
    """A configuration with low bounds."""
    return world.config(past_epochs=2, max_forward=8, max_skipped=5, max_proposals=3)


@right(104)
def what_is_kept_stays_small(world: World) -> None:
    groups = world.group(config=small(world))
    sizes = []
    for turn in range(8):
        late = [group.protect(b"late", entropy=world.entropy) for group in groups]
        groups = world.advance(groups, turn % 3, path=True)
        for group in groups:
            member = group._member
            assert len(member.past) <= 2
            assert len(member.resumption) <= 3
            assert not member.proposals and not member.own_updates
        assert isinstance(groups[0].process(late[1], now=NOW), mls.ApplicationMessage)
        sizes.append(len(groups[0].to_bytes()))
    assert max(sizes[4:]) <= max(sizes[:4]) + 100


@right(104)
def skipped_keys_stay_few(world: World) -> None:
    alice, bob, carol = world.group(config=small(world))
    first = [alice.protect(b"x", entropy=world.entropy) for _ in range(4)]
    second = [carol.protect(b"y", entropy=world.entropy) for _ in range(5)]
    for message in (first[3], second[4]):
        assert isinstance(bob.process(message, now=NOW), mls.ApplicationMessage)
    # Seven were skipped, five are kept: the last of the first sender, and all of the second.
    for message in (first[2], *second[:4]):
        assert isinstance(bob.process(message, now=NOW), mls.ApplicationMessage)


@broken(104)
def more_than_is_kept(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group(config=small(world))
    first = [alice.protect(b"x", entropy=world.entropy) for _ in range(4)]
    second = [carol.protect(b"y", entropy=world.entropy) for _ in range(5)]
    for message in (first[3], second[4]):
        assert isinstance(bob.process(message, now=NOW), mls.ApplicationMessage)
    for message in first[:2]:
        yield receives(bob, message, row=18)
    # More is skipped than one message may skip.
    yield receives(bob, forge.private_message(alice, b"x", generation=4 + 9), row=18)


@broken(104)
def more_proposals_than_are_kept(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=small(world))
    for number in range(3):
        told(alice, Add(world.package(f"newcomer {number}").key_package), bob)
    more = Add(world.package("newcomer").key_package)
    yield receives(bob, forge.proposal(alice, more))
    yield receives(bob, forge.private_message(alice, more))
    yield does(lambda: bob.propose(more, now=NOW, entropy=world.entropy), bob)
    yield does(lambda: bob.propose_update(now=NOW, entropy=world.entropy), bob)


@broken(104)
def an_epoch_that_is_not_kept(world: World) -> Iterator[Attempt]:
    groups = world.group(config=small(world))
    late = groups[0].protect(b"late", entropy=world.entropy)
    resumed = groups[0].epoch
    for _ in range(3):
        groups = world.advance(groups, 1)
    yield dataclasses.replace(receives(groups[2], late), refusal=mls.UnknownEpoch)
    nonce = bytes(world.suite.hash_length)
    usage = ResumptionPSKUsage.APPLICATION
    old = PreSharedKey(ResumptionPSKID(usage, groups[0].group_id, resumed, nonce))
    yield receives(groups[2], forge.commit(groups[0], [old]).message, row=79)


# -- 105: keys that are none -----------------------------------------------------------------------


@contextmanager
def careless() -> Iterator[None]:
    """Diffie-Hellman with the point zero gives zeros, as it does for who does not check."""

    def lenient(strict: Callable[..., bytes]) -> Callable[..., bytes]:
        def dh(self: object, loaded: object, public: bytes) -> bytes:
            return strict(self, loaded, public) if any(public) else bytes(len(public))

        return dh

    with (
        mock.patch.object(_X25519, "dh", lenient(_X25519.dh)),
        mock.patch.object(_X448, "dh", lenient(_X448.dh)),
    ):
        yield


def weakened(suite: Suite, kem_output: bytes) -> bytes:
    """An encapsulated key with a point in it that gives zeros, whoever's key it meets."""
    size = {1: 32, 4: 56, DEFAULT: 32}[suite.id]
    return kem_output[:-size] + bytes(size)


def seal_weakly(
    suite: Suite, key: HPKEKey, label: bytes, context: bytes, sealed: HPKECiphertext
) -> HPKECiphertext:
    """The same plaintext for the same key, sealed by a Diffie-Hellman value of zeros.

    Who does not check for zeros would open it.
    """
    plain = suite.decrypt_with_label(key, label, context, sealed.kem_output, sealed.ciphertext)
    output = weakened(suite, sealed.kem_output)
    info = opaque(b"MLS 1.0 " + label) + opaque(context)
    hpke = suite._hpke
    with careless():
        shared = hpke.kem.decap(key.loaded, key.public, output)
        aead_key, nonce = hpke.schedule.keys(shared, hpke.schedule.context(info))
        weak = HPKECiphertext(output, suite.seal(aead_key, nonce, b"", plain))
        assert hpke.open_by_hand(key, info, output, weak.ciphertext) == plain
    return weak


def joins_weakly(world: World, group: mls.Group, output: bytes, secret: Secret) -> Made:
    """An external commit with this encapsulated key, right for this init secret."""
    init = ExternalInit(output)
    return forge.commit(group, [init], joiner=world.client("dave"), init_secret=instead(secret))


@right(105, suites=CURVES)
def an_encapsulated_key_that_is_good(world: World) -> Iterator[Attempt]:
    alice, bob, _ = open_group(world)
    yield receives(bob, forge.commit(alice, joiner=world.client("dave")).message)
    yield receives(bob, forge.commit(alice).message)


@broken(105, suites=CURVES)
def an_encapsulated_key_that_gives_zeros(world: World) -> Attempt:
    alice, bob, _ = open_group(world)
    suite, size = world.suite, world.suite.hash_length
    external = alice._member.current.secrets.external_key(suite)
    output, _ = suite.export_to(external.public, EXTERNAL_INIT, size, entropy=world.entropy)
    output = weakened(suite, output)
    with careless():
        secret = suite.export_from(external, output, EXTERNAL_INIT, size)
        # Who does not check comes to the joiner's epoch.
        made = joins_weakly(world, alice, output, secret)
        outcome = bob.process(made.message, now=NOW)
        assert isinstance(outcome, mls.EpochAdvanced)
        agreed(outcome.group, made.group)
    return receives(bob, made.message)


@broken(105, suites=CURVES)
def an_encapsulated_key_of_another_length(world: World) -> Iterator[Attempt]:
    alice, bob, _ = open_group(world)
    suite, size = world.suite, world.suite.hash_length
    external = alice._member.current.secrets.external_key(suite)
    output, secret = suite.export_to(external.public, EXTERNAL_INIT, size, entropy=world.entropy)
    for other in (b"", output[:-1], output + b"\0"):
        yield receives(bob, joins_weakly(world, alice, other, secret).message)


@broken(105, suites=CURVES)
def a_path_secret_sealed_by_zeros(world: World) -> Attempt:
    alice, bob, _ = world.group()
    seen: list[GroupContext] = []

    def context(value: GroupContext) -> GroupContext:
        seen.append(value)
        return value

    def weaken(path: UpdatePath) -> UpdatePath:
        key = bob._member.private_keys[leaf_node(1)]
        lowest, *others = path.nodes
        (sealed,) = lowest.encrypted_path_secret
        label = b"UpdatePathNode"
        weak = seal_weakly(world.suite, key, label, seen[0].encode(), sealed)
        ciphertexts = HPKECiphertexts.of([(weak.kem_output, weak.ciphertext)])
        lowest = changed(lowest, encrypted_path_secret=ciphertexts)
        return changed(path, nodes=(lowest, *others))

    made = forge.commit(alice, context=context, update_path=weaken)
    return receives(bob, made.message, row=78)


@broken(105, suites=CURVES)
def a_welcome_sealed_by_zeros(world: World) -> Attempt:
    made, package = invited(world)
    seen: list[bytes] = []

    def sealed_info(value: bytes) -> bytes:
        seen.append(value)
        return value

    def entry(value: EncryptedGroupSecrets) -> EncryptedGroupSecrets:
        sealed = value.encrypted_group_secrets
        weak = seal_weakly(world.suite, package.init_key, b"Welcome", seen[0], sealed)
        return changed(value, encrypted_group_secrets=weak)

    return joins(forge.welcome(made, sealed_info=sealed_info, entry=entry), package, row=85)
