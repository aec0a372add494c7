"""Rows 85 to 88 and 94 to 102: what a newcomer checks before it believes a Welcome. RFC 9420,
sections 11 and 12.4.3. The tree that comes with it is in `trees`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls import Add, PreSharedKey, Proposal, Remove, ResumptionPSKID, ResumptionPSKUsage
from heliogram.mls.commits import EncryptedGroupSecrets, GroupSecrets
from heliogram.mls.crypto import Secret
from heliogram.mls.extensions import Extension
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage
from heliogram.mls.ratchet_tree import RatchetTree
from heliogram.mls.registries import ExtensionType
from heliogram.mls.tree_math import NodeIndex
from tests.mls import forge
from tests.mls.forge import CLASSIC, DEFAULT, NOW, Made, World, changed, flipped, with_node
from tests.mls.rules import BOTH, Attempt, broken, does, joins, right
from tests.mls.rules.lists import psk, reinit, with_psks
from tests.mls.rules.paths import agreed

Hook = Callable[[RatchetTree], RatchetTree]


def invited(
    world: World, *names: str, path: bool = False, full: bool = False
) -> tuple[Made, OwnKeyPackage]:
    """A commit of the first of these people that adds one more, not checked by anybody yet.

    Without a path and without `full` all parents are blank.
    """
    group = world.group(*names, full=full)[0]
    package = world.package("newcomer")
    return forge.commit(group, [Add(package.key_package)], path=path), package


# -- 85: our entry ---------------------------------------------------------------------------------


@right(85, suites=BOTH)
def a_welcome_for_us_among_others(world: World) -> None:
    alice = world.group("alice")[0]
    packages = [world.package(name) for name in ("bob", "carol", "dave")]
    others = [world.package("dave") for _ in range(3)]
    adds = [Add(package.key_package) for package in packages]
    made = forge.commit(alice, adds)
    welcome = forge.welcome(made)
    own = [*others, packages[2]]
    joined = mls.Group.join(welcome, own, config=world.config(), now=NOW)
    agreed(joined, made.group, world.join(welcome, packages[0]))


@broken(85, suites=BOTH)
def a_welcome_for_somebody_else(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    yield joins(forge.welcome(made), world.package("newcomer"))
    welcome = forge.welcome(
        made, entry=lambda entry: changed(entry, new_member=flipped(entry.new_member))
    )
    yield joins(welcome, package)
    yield joins(made.message, package)


@broken(85)
def a_welcome_of_another_suite_than_the_key_package(world: World) -> Attempt:
    # Both suites have the same keys and the same hash, so all the rest fits.
    other = World(mls.CipherSuite.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519)
    package = other.client("newcomer").key_package(
        package=lambda package: changed(package, cipher_suite=CLASSIC)
    )
    made = forge.commit(other.group()[0], [Add(package.key_package)])
    return joins(forge.welcome(made), package)


@broken(85, suites=BOTH)
def an_entry_does_not_open(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    for name in ("kem_output", "ciphertext"):

        def spoil(entry: EncryptedGroupSecrets, name: str = name) -> EncryptedGroupSecrets:
            sealed = entry.encrypted_group_secrets
            sealed = changed(sealed, **{name: flipped(getattr(sealed, name), 0)})
            return changed(entry, encrypted_group_secrets=sealed)

        yield joins(forge.welcome(made, entry=spoil), package)


# -- 86: pre-shared keys ---------------------------------------------------------------------------


def resumption(
    world: World, group: mls.Group, usage: ResumptionPSKUsage, epoch: int | None = None
) -> PreSharedKey:
    """The resumption secret of this group's epoch."""
    nonce = world.entropy(world.suite.hash_length)
    epoch = group.epoch if epoch is None else epoch
    return PreSharedKey(ResumptionPSKID(usage, group.group_id, epoch, nonce))


def invited_with(world: World, *psks: PreSharedKey) -> tuple[bytes, OwnKeyPackage]:
    """A Welcome with these pre-shared keys, all of them known to the committer."""
    alice = world.group(config=with_psks(world))[0]
    package = world.package("newcomer")
    return forge.welcome(forge.commit(alice, [Add(package.key_package), *psks])), package


@right(86, suites=BOTH)
def pre_shared_keys_that_the_newcomer_has(world: World) -> Attempt:
    old = world.group()[0]
    application = resumption(world, old, ResumptionPSKUsage.APPLICATION)
    welcome = invited_with(world, psk(world, b"one"), application, psk(world, b"two"))
    return joins(*welcome, config=with_psks(world))


@broken(86)
def pre_shared_keys_that_the_newcomer_lacks(world: World) -> Iterator[Attempt]:
    old = world.group()[0]
    yield joins(*invited_with(world, psk(world, b"one")))
    yield joins(*invited_with(world, resumption(world, old, ResumptionPSKUsage.APPLICATION)))


@broken(86)
def a_nonce_of_another_length(world: World) -> Iterator[Attempt]:
    for size in (0, world.suite.hash_length - 1, world.suite.hash_length + 1):
        one = psk(world, b"one")
        one = PreSharedKey(changed(one.psk, psk_nonce=bytes(size)))
        yield joins(*invited_with(world, one), config=with_psks(world))


@broken(86)
def a_group_that_follows_from_two(world: World) -> Iterator[Attempt]:
    old, older = world.group()[1], world.group()[1]
    usage = ResumptionPSKUsage
    for first, second in ((usage.BRANCH, usage.REINIT), (usage.BRANCH, usage.BRANCH)):
        both = (resumption(world, old, first), resumption(world, older, second))
        yield joins(*invited_with(world, *both), config=with_psks(world), previous=old)


@broken(86)
def a_group_that_follows_from_one_that_is_not_given(world: World) -> Iterator[Attempt]:
    old, other = world.group()[1], world.group()[1]
    welcome = invited_with(world, resumption(world, old, ResumptionPSKUsage.BRANCH))
    yield joins(*welcome, config=with_psks(world))
    yield joins(*welcome, config=with_psks(world), previous=other)


# -- 87: the group info ----------------------------------------------------------------------------


@right(87, suites=BOTH)
def a_group_info_that_opens(world: World) -> Attempt:
    made, package = invited(world)
    return joins(forge.welcome(made), package, in_use=[b"another group"])


@broken(87, suites=BOTH)
def a_group_info_that_does_not_open(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    yield joins(forge.welcome(made, sealed_info=flipped), package)
    # As if another joiner secret had been meant.
    other = Secret(bytes(world.suite.hash_length))
    welcome = forge.welcome(made, secrets=lambda one: changed(one, joiner_secret=other))
    yield joins(welcome, package)


@broken(87)
def a_group_of_another_version_or_suite(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    yield joins(forge.welcome(made, context=lambda one: changed(one, version=2)), package)
    yield joins(forge.welcome(made, context=lambda one: changed(one, cipher_suite=3)), package)


@broken(87)
def a_group_that_we_are_in_already(world: World) -> Attempt:
    made, package = invited(world)
    return joins(forge.welcome(made), package, in_use=[made.group.group_id])


# -- 88: who signed it -----------------------------------------------------------------------------


@right(88, suites=BOTH)
def a_group_info_of_another_member(world: World) -> Attempt:
    # Not the committer's: whoever signs is a member.
    alice, bob, _ = world.group()
    package = world.package("newcomer")
    made = forge.commit(alice, [Add(package.key_package)])
    return joins(forge.welcome(made, signer=1, key=bob._member.signature_key), package)


@broken(88, suites=BOTH)
def a_group_info_by_nobody(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    alice = made.group._member.signature_key
    for signer in (4, 1 << 20, (1 << 32) - 1):
        yield joins(forge.welcome(made, signer=signer), package)
    yield joins(forge.welcome(made, signer=1, key=alice), package)
    yield joins(forge.welcome(made, key=world.client("mallory").signature_key), package)
    welcome = forge.welcome(made, signed_info=lambda info: changed(info, signer=1))
    yield joins(welcome, package)


# -- 94: our own leaf ------------------------------------------------------------------------------


@right(94, suites=BOTH)
def our_leaf_is_in_the_tree(world: World) -> None:
    made, package = invited(world)
    joined = world.join(forge.welcome(made), package)
    assert joined.own_leaf == package.key_package.leaf_node
    assert joined.own_leaf_index == 3


@broken(94, suites=BOTH)
def our_leaf_is_not_in_the_tree(world: World) -> Iterator[Attempt]:
    alice = world.group()[0]
    client = world.client("newcomer")
    package, other = client.key_package(), client.key_package()
    made = forge.commit(alice, [Add(other.key_package)])
    made = dataclasses.replace(made, added=[(3, package.key_package)])
    yield joins(forge.welcome(made), package)
    # With our keys, signed by us, but not what our key package says.
    leaf = package.key_package.leaf_node
    made = forge.commit(alice, [Add(package.key_package)])
    variants: list[dict[str, object]] = [
        {"lifetime": changed(leaf.lifetime, not_after=NOW + 7)},
        {"capabilities": client.capabilities(extensions=())},
        {"extensions": (Extension(ExtensionType.APPLICATION_ID, opaque(b"x")),)},
    ]
    for variant in variants:
        twin = client.signed_leaf(changed(leaf, **variant), b"", 0)
        tree: Hook = lambda tree, twin=twin: with_node(tree, 6, twin)  # type: ignore[misc]  # noqa: E731
        yield joins(forge.welcome(made, tree=tree), package)


# -- 95: the path secret ---------------------------------------------------------------------------


@right(95)
def trees_of_many_shapes(world: World) -> None:
    names = ("alice", "bob", "carol", "dave", "erin")
    groups = world.group(*names, full=True)

    def newcomers() -> None:
        """Each member adds somebody, with a path and without one."""
        for committer, group in enumerate(groups):
            for path in (True, False):
                package = world.package("newcomer")
                add = Add(package.key_package)
                staged = group.commit([add], path=path, now=NOW, entropy=world.entropy)
                group.discard_staged()
                joined = world.join(staged.welcome, package)
                agreed(joined, staged.group)
                follower = groups[committer - 1].process(staged.message, now=NOW)
                assert isinstance(follower, mls.EpochAdvanced)
                # The newcomer's keys are those that it needs to go on.
                then = follower.group.commit(now=NOW, entropy=world.entropy)
                outcome = joined.process(then.message, now=NOW)
                assert isinstance(outcome, mls.EpochAdvanced)
                agreed(outcome.group, then.group)

    newcomers()
    for name in ("frank", "grace"):  # unmerged leaves
        groups = world.advance(groups, 1, [Add(world.package(name).key_package)], path=False)
    newcomers()
    groups = world.advance(groups, 0, [Remove(2), Remove(3)])  # a blank subtree
    newcomers()
    groups = world.advance(groups, 2, [Remove(1)])  # and one more beside the first leaf
    newcomers()


def with_path_secret(secret: bytes | None) -> Callable[[GroupSecrets], GroupSecrets]:
    """Tells each newcomer this path secret."""
    told = None if secret is None else Secret(secret)
    return lambda secrets: changed(secrets, path_secret=told)


@right(95, suites=BOTH)
def the_path_secret_of_the_node_where_two_paths_meet(world: World) -> Iterator[Attempt]:
    for path in (True, False):
        made, package = invited(world, "alice", "bob", path=path)
        yield joins(forge.welcome(made), package)


@broken(95, suites=BOTH)
def a_path_secret_that_is_not_the_nodes(world: World) -> Iterator[Attempt]:
    made, package = invited(world, "alice", "bob", path=True)
    assert made.path is not None
    secrets = made.path.path_secrets
    size = world.suite.hash_length
    # The secret of the node below, or of the one above: alice's path has nodes 1 and 3.
    wrong = [secrets[NodeIndex(1)], made.path.commit_secret, bytes(size)]
    wrong += [b"", secrets[NodeIndex(3)][:-1], secrets[NodeIndex(3)] + b"\0"]
    for secret in wrong:
        yield joins(forge.welcome(made, secrets=with_path_secret(secret)), package)


@broken(95, suites=BOTH)
def a_path_secret_that_is_missing(world: World) -> Attempt:
    """The newcomer would count as knowing keys that it does not have."""
    made, package = invited(world, "alice", "bob", path=True)
    return joins(forge.welcome(made, secrets=with_path_secret(None)), package)


@broken(95)
def a_path_secret_of_a_blank_node(world: World) -> Attempt:
    made, package = invited(world)
    secret = with_path_secret(bytes(world.suite.hash_length))
    return joins(forge.welcome(made, secrets=secret), package)


@broken(95)
def a_path_secret_of_our_own(world: World) -> Attempt:
    # The group info is signed by the newcomer: there is no node where two paths meet.
    made, package = invited(world, "alice", "bob", path=True)
    return joins(forge.welcome(made, signer=2, key=package.signature_key), package)


@broken(95)
def a_path_secret_leads_to_another_key_above(world: World) -> Attempt:
    """Of a tree with a longer path: the first key fits, the root's does not."""
    groups = world.group("alice", "bob", "carol", "dave", "erin", "frank", full=True)
    package = world.package("newcomer")
    made = forge.commit(groups[4], [Add(package.key_package)], path=True)
    other = world.suite.new_hpke_key(world.entropy).public

    def hook(tree: RatchetTree) -> RatchetTree:
        return forge.replant(tree, made.group, path_keys=lambda keys: [*keys[:-1], other])

    return joins(forge.welcome(made, tree=hook), package)


# -- 96: the confirmation tag ----------------------------------------------------------------------


@right(96, suites=BOTH)
def a_tag_that_is_right(world: World) -> Attempt:
    made, package = invited(world)
    return joins(forge.welcome(made), package)


@broken(96, suites=BOTH)
def a_tag_that_is_not_right(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    for spoil in (flipped, lambda tag: tag[:-1], lambda _: b"", lambda tag: tag + b"\0"):
        yield joins(forge.welcome(made, confirmation_tag=spoil), package)
    # The tag of the epoch before.
    before = made.group._member.past[0].context
    assert before.epoch == made.group.epoch - 1
    tag = world.group()[0]._member.current.confirmation_tag
    yield joins(forge.welcome(made, confirmation_tag=lambda _: tag), package)


# -- 97: extensions --------------------------------------------------------------------------------


def special(world: World, package: OwnKeyPackage) -> Made:
    """Adds somebody to a group with an extension of a private type."""
    kind = Extension(0xF0F0, b"special")
    able = world.client("able").capabilities(extensions=(kind.extension_type,))
    alice = world.group("alice", "bob", extensions=(kind,), capabilities=able)[0]
    return forge.commit(alice, [Add(package.key_package)])


@right(97, suites=BOTH)
def extensions_that_the_newcomer_knows(world: World) -> Iterator[Attempt]:
    able = world.client("able").capabilities(extensions=(0xF0F0,))
    package = world.package("newcomer", capabilities=able)
    yield joins(forge.welcome(special(world, package)), package)
    # Those of a group info need not be known.
    made, package = invited(world)
    unknown = (Extension(0xF0F0, b""), Extension(0x0A0A, b"grease"))
    yield joins(forge.welcome(made, extensions=lambda listed: (*unknown, *listed)), package)


@broken(97, suites=BOTH)
def an_extension_that_the_newcomer_does_not_know(world: World) -> Attempt:
    package = world.package("newcomer")
    return joins(forge.welcome(special(world, package)), package)


@broken(97)
def an_extension_of_the_group_info_twice_or_misplaced(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    twice = (Extension(0xF0F0, b""),) * 2
    welcome = forge.welcome(made, extensions=lambda listed: (*twice, *listed))
    yield joins(welcome, package, row=32)
    stray = Extension(ExtensionType.APPLICATION_ID, b"")
    welcome = forge.welcome(made, extensions=lambda listed: (stray, *listed))
    yield joins(welcome, package, row=34)


# -- 98 to 100: groups that follow from others -----------------------------------------------------

REINIT, BRANCH = ResumptionPSKUsage.REINIT, ResumptionPSKUsage.BRANCH


def closed_group(world: World) -> list[mls.Group]:
    """Alice, bob and carol in a group that a ReInit closed."""
    return world.advance(world.group(), 0, [reinit(world)])


def following(
    world: World,
    old: mls.Group,
    usage: ResumptionPSKUsage | None,
    names: Sequence[str] = ("bob", "carol"),
    *,
    group_id: bytes = b"the next one",
    extensions: tuple[Extension, ...] = (),
    epoch: int | None = None,
) -> tuple[Made, OwnKeyPackage]:
    """The first commit of a group of alice and these people, and the key package of the first.

    With `usage` None nothing ties it to the old one.
    """
    founder = world.founder("alice", group_id=group_id, extensions=extensions)
    packages = [world.package(name) for name in names]
    listed: list[Proposal] = [Add(package.key_package) for package in packages]
    if usage is not None:
        psk = resumption(world, old, usage, epoch)
        assert isinstance(psk.psk, ResumptionPSKID)
        name = (old.group_id, psk.psk.psk_epoch)
        founder._member.resumption[name] = old._member.resumption[name]
        listed.append(psk)
    return forge.commit(founder, listed, path=False), packages[0]


@right(98, suites=BOTH)
@right(99)
@right(100)
def groups_that_follow(world: World) -> Iterator[Attempt]:
    open_ = world.group()
    made, package = following(world, open_[0], BRANCH)
    yield joins(forge.welcome(made), package, previous=open_[1])
    made, package = following(world, open_[0], BRANCH, ("bob",), group_id=b"fewer")
    yield joins(forge.welcome(made), package, previous=open_[1])
    closed = closed_group(world)
    made, package = following(world, closed[0], REINIT)
    yield joins(forge.welcome(made), package, previous=closed[1])
    # The same by the public calls.
    packages = [world.package(name) for name in ("bob", "carol")]
    public = [package.key_package for package in packages]
    staged = open_[0].branch(b"branch", public, now=NOW, entropy=world.entropy)
    yield joins(staged.welcome, packages[1], previous=open_[2])
    staged = closed[0].reinitialize(public, now=NOW, entropy=world.entropy)
    yield joins(staged.welcome, packages[1], previous=closed[2])


@broken(98)
def a_group_that_follows_starts_late(world: World) -> Iterator[Attempt]:
    open_, closed = world.group(), closed_group(world)
    for old, usage in ((open_, BRANCH), (closed, REINIT)):
        made, package = following(world, old[0], usage)
        for epoch in (0, 2):
            welcome = forge.welcome(made, context=lambda one, n=epoch: changed(one, epoch=n))  # type: ignore[misc]
            yield joins(welcome, package, previous=old[1])


@broken(99)
def a_group_is_not_what_the_reinit_said(world: World) -> Iterator[Attempt]:
    closed = closed_group(world)
    alice, bob = closed[:2]
    required = mls.RequiredCapabilities().extension()
    variants = [
        following(world, alice, REINIT, group_id=b"another"),
        following(world, alice, REINIT, extensions=(required,)),
        following(world, alice, REINIT, ("bob",)),
        following(world, alice, REINIT, ("bob", "dave")),
        following(world, alice, REINIT, ("bob", "carol", "dave")),
        # The secret of the epoch before the one that the ReInit closed.
        following(world, alice, REINIT, epoch=alice.epoch - 1),
        # Nothing ties it to the old group.
        following(world, alice, None),
    ]
    for made, package in variants:
        yield joins(forge.welcome(made), package, previous=bob)
    other = World(mls.CipherSuite.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519)
    made, package = following(other, alice, REINIT)
    yield joins(forge.welcome(made), package, previous=bob)


@broken(99)
def a_group_takes_the_place_of_one_that_is_not_closed(world: World) -> Attempt:
    open_ = world.group()
    made, package = following(world, open_[0], REINIT)
    return joins(forge.welcome(made), package, previous=open_[1])


@broken(99)
def we_leave_a_member_behind(world: World) -> Iterator[Attempt]:
    alice = closed_group(world)[0]

    def reinitialize(*names: str) -> Callable[[], object]:
        packages = [world.package(name).key_package for name in names]
        return lambda: alice.reinitialize(packages, now=NOW, entropy=world.entropy)

    yield does(reinitialize("bob"), alice)
    yield does(reinitialize("bob", "carol", "dave"), alice)


@broken(100)
def a_branch_is_no_part_of_its_group(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    variants = [
        following(world, alice, BRANCH, ("bob", "dave")),
        following(world, alice, None),
    ]
    for made, package in variants:
        yield joins(forge.welcome(made), package, previous=bob)
    other = World(mls.CipherSuite.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519)
    made, package = following(other, alice, BRANCH)
    yield joins(forge.welcome(made), package, previous=bob)


@broken(100)
def we_branch_with_a_stranger(world: World) -> Attempt:
    alice = world.group()[0]
    dave: KeyPackage = world.package("dave").key_package
    return does(lambda: alice.branch(b"x", [dave], now=NOW, entropy=world.entropy), alice)


# -- 101: the best suite ---------------------------------------------------------------------------


@right(101)
def the_best_suite_that_all_have(world: World) -> Iterator[Attempt]:
    made, package = following(world, world.founder(), None)
    welcome = forge.welcome(made)
    for suites in ((), (CLASSIC, DEFAULT), (DEFAULT,), (CLASSIC, 7)):
        yield joins(welcome, package, config=world.config(suites=suites))
    # The first one is better, but one of the members does not have it.
    founder = world.founder()
    old = world.package("old", capabilities=world.client("old").capabilities(cipher_suites=(1,)))
    bob = world.package("bob")
    made = forge.commit(founder, [Add(bob.key_package), Add(old.key_package)])
    yield joins(forge.welcome(made), bob, config=world.config(suites=(DEFAULT, CLASSIC)))
    # Who joins later does not see who chose, and a branch has to keep the suite.
    made, package = invited(world)
    yield joins(forge.welcome(made), package, config=world.config(suites=(DEFAULT, CLASSIC)))
    alice, bob_, _ = world.group()
    made, package = following(world, alice, BRANCH)
    config = world.config(suites=(DEFAULT, CLASSIC))
    yield joins(forge.welcome(made), package, config=config, previous=bob_)


@broken(101)
def a_weaker_suite_than_all_have(world: World) -> Iterator[Attempt]:
    made, package = following(world, world.founder(), None)
    for suites in ((DEFAULT, CLASSIC), (0xF00B, 7, CLASSIC, 2)):
        yield joins(forge.welcome(made), package, config=world.config(suites=suites))


# -- 102: the private init key ---------------------------------------------------------------------


@right(102, suites=BOTH)
def the_init_key_is_not_kept(world: World) -> None:
    made, package = invited(world, path=True)
    joined = world.join(forge.welcome(made), package)
    records = [value for value in joined.changes().values() if value is not None]
    saved = b"".join(records) + joined.to_bytes()
    assert bytes(package.init_key.secret) not in saved
    # Such a search does find what is kept: the leaf's private key.
    assert bytes(package.leaf_key.secret) in saved


@broken(102, suites=BOTH)
def a_welcome_does_not_open_once_the_init_key_is_gone(world: World) -> Attempt:
    made, package = invited(world, path=True)
    welcome = forge.welcome(made)
    joined = world.join(welcome, package)
    # What the saved group has is not enough: its leaf's key is another one.
    rest = dataclasses.replace(package, init_key=joined._member.private_keys[NodeIndex(6)])
    return joins(welcome, rest, row=85)
