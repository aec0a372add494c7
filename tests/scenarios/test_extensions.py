"""Extensions: what a group requires, what nobody knows, and what is there to be ignored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliogram import mls
from tests.scenarios.cast import (
    OPEN,
    Person,
    agree,
    all_follow,
    everyone_commits,
    gathering,
    people,
)

UNKNOWN = 0xF0F0


def able(*extensions: int, proposals: tuple[int, ...] = ()) -> mls.Capabilities:
    """Capabilities of a client that knows these extensions and no others."""
    return mls.Capabilities((1,), (1,), extensions, proposals, (1,))


def requires(**what: tuple[int, ...]) -> mls.Extension:
    return mls.RequiredCapabilities(**what).extension()


# -- required capabilities (section 11.1) ----------------------------------------------------------


def test_required_capabilities_from_the_start() -> None:
    alice, bob, carol = people("Alice", "Bob", "Carol")
    rules = requires(extensions=(UNKNOWN,), proposals=(mls.ProposalType.SELF_REMOVE,))
    both = able(UNKNOWN, proposals=(mls.ProposalType.SELF_REMOVE,))
    with pytest.raises(mls.UsageError):
        alice.creates(extensions=(rules,))
    alice.creates(extensions=(rules,), capabilities=both)
    for lacking in (able(UNKNOWN), able(proposals=(mls.ProposalType.SELF_REMOVE,))):
        with pytest.raises(mls.UsageError):
            alice.stages(mls.Add(bob.key_package(capabilities=lacking)))
    bob.joins(alice.commits(mls.Add(bob.key_package(capabilities=both))).welcome)
    agree([alice, bob])
    # Members keep to it when they change, too.
    with pytest.raises(mls.UsageError):
        bob.stages(new_leaf=mls.NewLeaf(capabilities=able(UNKNOWN)))
    staged = bob.commits(mls.Add(carol.key_package(capabilities=both)))
    alice.follows(staged.message)
    carol.joins(staged.welcome)
    agree([alice, bob, carol])


def test_required_capabilities_later() -> None:
    """What all can do may become a requirement; what one cannot do, may not until that one is out."""
    alice, bob, carol = people("Alice", "Bob", "Carol")
    alice.creates(capabilities=able(UNKNOWN))
    staged = alice.commits(
        mls.Add(bob.key_package(capabilities=able(UNKNOWN))),
        mls.Add(carol.key_package(capabilities=able())),
    )
    bob.joins(staged.welcome)
    carol.joins(staged.welcome)
    change = mls.GroupContextExtensions((requires(extensions=(UNKNOWN,)),))
    with pytest.raises(mls.UsageError):
        bob.stages(change)
    staged = bob.commits(change, mls.Remove(carol.leaf))
    alice.follows(staged.message)
    carol.gets(mls.Removed, staged.message)
    agree([alice, bob])
    # In one commit it may be required and somebody added who has it.
    dave, erin = people("Dave", "Erin")
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(dave.key_package(capabilities=able())))
    staged = alice.commits(
        mls.GroupContextExtensions(()), mls.Add(erin.key_package(capabilities=able()))
    )
    bob.follows(staged.message)
    erin.joins(staged.welcome)
    agree([alice, bob, erin])


def test_required_default_types_are_always_met() -> None:
    """Types that everybody has are never listed in capabilities, and may be required (7.2)."""
    alice, bob = people("Alice", "Bob")
    rules = requires(extensions=(1, 5), proposals=(1, 3), credentials=(1,))
    alice.creates(extensions=(rules,))
    bob.joins(alice.adds(bob).welcome)
    agree([alice, bob])


def test_required_capabilities_of_an_external_joiner() -> None:
    everybody = people("Alice", "Bob", config=OPEN)
    alice, bob = everybody
    alice.creates(extensions=(requires(extensions=(UNKNOWN,)),), capabilities=able(UNKNOWN))
    info = alice.group.group_info(external_pub=True)
    with pytest.raises(mls.UsageError):
        bob.joins_from_outside(info)
    staged = bob.joins_from_outside(info, capabilities=able(UNKNOWN))
    alice.follows(staged.message)
    agree(everybody)


# -- unknown extensions (section 13.4) -------------------------------------------------------------


def test_unknown_extension_of_the_group() -> None:
    """All members must know it; what it means is the application's business."""
    alice, bob, carol = people("Alice", "Bob", "Carol")
    extension = mls.Extension(UNKNOWN, b"whatever this is")
    with pytest.raises(mls.UsageError):
        alice.creates(extensions=(extension,))
    alice.creates(extensions=(extension,), capabilities=able(UNKNOWN))
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(bob.key_package()))
    bob.joins(alice.commits(mls.Add(bob.key_package(capabilities=able(UNKNOWN)))).welcome)
    assert bob.group.context.extensions == (extension,)
    changed = mls.Extension(UNKNOWN, b"something else")
    bob.follows(alice.commits(mls.GroupContextExtensions((changed,))).message)
    assert bob.group.context.extensions == (changed,)
    agree([alice, bob])
    alice.follows(bob.commits(mls.GroupContextExtensions(())).message)
    staged = bob.adds(carol)
    alice.follows(staged.message)
    carol.joins(staged.welcome)
    agree([alice, bob, carol])


def test_unknown_extension_of_a_leaf_and_of_a_key_package() -> None:
    extension = mls.Extension(UNKNOWN, b"mine alone")
    alice, bob = people("Alice", "Bob")
    alice.creates()
    with pytest.raises(mls.UsageError):
        bob.key_package(leaf_extensions=(extension,))
    with pytest.raises(mls.UsageError):
        bob.key_package(extensions=(extension,))
    package = bob.key_package(
        extensions=(extension,), leaf_extensions=(extension,), capabilities=able(UNKNOWN)
    )
    bob.joins(alice.commits(mls.Add(package)).welcome)
    leaf = alice.group.tree.leaf(bob.leaf)
    assert leaf is not None and leaf.extensions == (extension,)
    agree([alice, bob])


def test_unknown_extension_of_a_group_info_is_ignored() -> None:
    alice, bob = gathering("Alice", "Bob", config=OPEN)
    extension = mls.Extension(UNKNOWN, b"for whom it may concern")
    carol, dave = people("Carol", "Dave", config=OPEN)
    info = alice.group.group_info(external_pub=True, extensions=(extension,))
    decoded = mls.decode_message(info)
    assert isinstance(decoded, mls.GroupInfo) and extension in decoded.extensions
    staged = carol.joins_from_outside(info)
    all_follow(staged.message, [alice, bob])
    staged = carol.adds(dave, group_info_extensions=(extension,))
    all_follow(staged.message, [alice, bob])
    dave.joins(staged.welcome)
    agree([alice, bob, carol, dave])


def test_application_id_stands_in_leaves_only() -> None:
    name = mls.Extension(mls.ExtensionType.APPLICATION_ID, b"\x08device 7")
    alice, bob = people("Alice", "Bob")
    with pytest.raises(mls.UsageError):
        alice.creates(extensions=(name,))
    alice.creates(leaf_extensions=(name,))
    bob.joins(alice.adds(bob).welcome)
    leaf = bob.group.tree.leaf(0)
    assert leaf is not None and leaf.extensions == (name,)
    with pytest.raises(mls.UsageError):
        alice.stages(mls.GroupContextExtensions((name,)))
    with pytest.raises(mls.UsageError):
        alice.group.group_info(extensions=(name,))
    alice.follows(bob.commits(new_leaf=mls.NewLeaf(extensions=(name,))).message)
    agree([alice, bob])


def test_one_type_twice() -> None:
    extension = mls.Extension(UNKNOWN, b"")
    alice = Person("Alice")
    with pytest.raises(mls.UsageError):
        alice.creates(extensions=(extension, extension), capabilities=able(UNKNOWN))
    with pytest.raises(mls.UsageError):
        alice.key_package(leaf_extensions=(extension, extension), capabilities=able(UNKNOWN))


# -- GREASE (section 13.5) -------------------------------------------------------------------------


def grease(values: tuple[int, ...]) -> list[int]:
    return [value for value in values if value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF]


def test_our_capabilities_have_grease() -> None:
    capabilities = Person("Alice").key_package().leaf_node.capabilities
    for values in (
        capabilities.cipher_suites,
        capabilities.extensions,
        capabilities.proposals,
        capabilities.credentials,
    ):
        assert len(grease(values)) == 1
    assert capabilities.versions == (1,)


def test_grease_of_others_is_ignored() -> None:
    """Values that nobody knows, wherever they may stand."""
    greasy = mls.Capabilities((1, 0x0A0A), (1, 0x1A1A, 0xEAEA), (0x2A2A,), (0x3A3A,), (1, 0x4A4A))
    extension = mls.Extension(0x2A2A, b"\x00\x01grease")
    alice, bob, carol = people("Alice", "Bob", "Carol", config=OPEN)
    alice.creates(capabilities=greasy, leaf_extensions=(extension,))
    package = bob.key_package(
        capabilities=greasy, extensions=(extension,), leaf_extensions=(extension,)
    )
    staged = alice.commits(
        mls.Add(package), mls.Add(carol.key_package()), group_info_extensions=(extension,)
    )
    bob.joins(staged.welcome)
    carol.joins(staged.welcome)
    everybody = [alice, bob, carol]
    everyone_commits(everybody)
    dave = Person("Dave", config=OPEN)
    info = bob.group.group_info(external_pub=True, extensions=(extension,))
    staged = dave.joins_from_outside(info, capabilities=greasy, leaf_extensions=(extension,))
    all_follow(staged.message, everybody)
    agree([*everybody, dave])


def test_default_types_are_not_listed() -> None:
    """We never send them (section 7.2)."""
    alice = Person("Alice")
    for wrong in (able(1), able(5), able(proposals=(1,)), able(proposals=(7,))):
        with pytest.raises(mls.UsageError):
            alice.creates(capabilities=wrong)
        with pytest.raises(mls.UsageError):
            alice.key_package(capabilities=wrong)


# -- suites ----------------------------------------------------------------------------------------


def test_a_creator_that_passes_over_a_better_suite() -> None:
    """Who joins a new group sees what all of them could have done instead (section 11)."""
    better = mls.CipherSuite.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519
    picky = replace(OPEN, suites=(better, 1))
    alice, bob = Person("Alice"), Person("Bob", config=picky)
    alice.creates()
    staged = alice.adds(bob)
    with pytest.raises(mls.InvalidMessage) as caught:
        bob.joins(staged.welcome)
    assert caught.value.rule == 101
    # When one of them cannot, it is fine.
    carol = Person("Carol")
    carol.creates(b"another", capabilities=able())
    bob.joins(carol.adds(bob).welcome)
    agree([carol, bob])


def test_a_key_package_of_another_suite() -> None:
    alice, _ = gathering("Alice", "Bob")
    other = Person("Carol", suite=mls.CipherSuite.MLS_128_DHKEMP256_AES128GCM_SHA256_P256)
    with pytest.raises(mls.UsageError):
        alice.stages(mls.Add(other.key_package()))


def test_changing_one_s_capabilities_by_a_copy() -> None:
    """`dataclasses.replace` of what a leaf has gives what it says."""
    alice, bob = gathering("Alice", "Bob")
    changed = replace(alice.group.own_leaf.capabilities, extensions=(UNKNOWN,))
    staged = alice.commits(new_leaf=mls.NewLeaf(capabilities=changed))
    bob.follows(staged.message)
    leaf = bob.group.tree.leaf(0)
    assert leaf is not None and leaf.capabilities.extensions == (UNKNOWN,)
