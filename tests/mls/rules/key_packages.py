"""Rows 41 to 46: key packages. RFC 9420, section 10."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from heliogram import mls
from heliogram.mls.extensions import Extension
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage
from heliogram.mls.proposals import Add
from heliogram.mls.ratchet_tree import LeafNodeSource
from heliogram.mls.registries import GREASE
from tests.mls import forge
from tests.mls.forge import NOW, World, changed, fields, flipped
from tests.mls.rules import BOTH, Attempt, broken, does, joins, receives, right

OURS = 0xF123


def added(world: World, own: OwnKeyPackage, *, row: int | None = None) -> Iterator[Attempt]:
    """A key package in a proposal, and in a commit."""
    alice, bob, _ = world.group()
    add = Add(own.key_package)
    yield receives(bob, forge.proposal(alice, add), row=row)
    yield receives(bob, forge.commit(alice, [add]).message, row=row)


def ours(world: World, **more: object) -> OwnKeyPackage:
    """A key package that the engine makes."""
    client = world.client("dave")
    how: dict[str, object] = {"now": NOW, "entropy": world.entropy, **more}
    return mls.new_key_package(
        world.suite.id,
        client.credential,
        client.signature_key,
        **how,  # type: ignore[arg-type]
    )


# -- 41 to 44: what is in it -----------------------------------------------------------------------


@right(41, suites=BOTH)
def version_and_suite_of_the_group(world: World) -> Iterator[Attempt]:
    yield from added(world, world.package("dave"))
    yield from added(world, ours(world))


@broken(41, suites=BOTH)
def another_version_or_suite(world: World) -> Iterator[Attempt]:
    client = world.client("dave")
    for suite in (3, 0xF001, 0xF00F, 0):
        yield from added(world, client.key_package(package=fields(cipher_suite=suite)))
    for version in (0, 2):
        yield from added(world, client.key_package(package=fields(version=version)))


@broken(41)
def another_version_than_the_message_around_it(world: World) -> Iterator[Attempt]:
    own = world.client("dave").key_package(package=fields(version=2))
    _, bob, _ = world.group()
    yield Attempt(lambda: KeyPackage.from_message(own.message))
    yield receives(bob, own.message)


@right(42)
def a_leaf_made_for_a_key_package(world: World) -> Iterator[Attempt]:
    yield from added(world, world.package("dave"))


@broken(42)
def a_leaf_made_for_something_else(world: World) -> Iterator[Attempt]:
    client = world.client("dave")
    for source in (LeafNodeSource.UPDATE, LeafNodeSource.COMMIT):
        own = client.key_package(leaf=fields(source=source, lifetime=None, parent_hash=b""))
        yield from added(world, own)


@broken(42)
def a_leaf_that_is_wrong(world: World) -> Iterator[Attempt]:
    # Each of its rules has its own row; `leaves` and `capabilities` break all of them.
    client = world.client("dave")
    own = client.key_package(signed_leaf=lambda leaf: changed(leaf, signature=b"wrong"))
    yield from added(world, own, row=22)
    yield from added(world, client.key_package(leaf=fields(signature_key=bytes(32))), row=26)


@right(43, suites=BOTH)
def signed_by_the_leafs_key(world: World) -> Iterator[Attempt]:
    yield from added(world, world.package("dave"))


@broken(43, suites=BOTH)
def signed_by_another_key(world: World) -> Iterator[Attempt]:
    client, other = world.client("dave"), world.client("dave")

    def by_other(package: KeyPackage) -> KeyPackage:
        label, tbs = b"KeyPackageTBS", changed(package).to_be_signed()
        signature = world.suite.sign_with_label(other.signature_key, label, tbs)
        return changed(package, signature=signature)

    def by_another_label(package: KeyPackage) -> KeyPackage:
        tbs = changed(package).to_be_signed()
        signature = world.suite.sign_with_label(client.signature_key, b"LeafNodeTBS", tbs)
        return changed(package, signature=signature)

    def flip(package: KeyPackage) -> KeyPackage:
        return changed(package, signature=flipped(package.signature))

    def swap(package: KeyPackage) -> KeyPackage:
        return changed(package, init_key=world.suite.new_hpke_key(world.entropy).public)

    for hook in (by_other, by_another_label, flip, swap, fields(signature=b"")):
        yield from added(world, client.key_package(signed_package=hook))


@right(44, suites=BOTH)
def each_key_package_has_its_own_keys(world: World) -> None:
    packages = [ours(world).key_package for _ in range(3)]
    keys = [key for one in packages for key in (one.init_key, one.leaf_node.encryption_key)]
    assert len(set(keys)) == 6


@right(44)
def two_keys_for_two_purposes(world: World) -> Iterator[Attempt]:
    yield from added(world, world.package("dave"))


@broken(44, suites=BOTH)
def one_key_for_two_purposes(world: World) -> Iterator[Attempt]:
    key = world.suite.new_hpke_key(world.entropy)
    own = world.client("dave").key_package(leaf_key=key, init_key=key)
    yield from added(world, own)


# -- 45 and 46 -------------------------------------------------------------------------------------


@right(45)
def extensions_that_others_do_not_list_are_tolerated(world: World) -> Iterator[Attempt]:
    extensions = (Extension(OURS, b"data"), Extension(GREASE[3], b""))
    own = world.client("dave").key_package(package=fields(extensions=extensions))
    yield from added(world, own)


@right(45)
def extensions_that_we_list(world: World) -> Iterator[Attempt]:
    capabilities = world.client("").capabilities(extensions=(OURS,))
    own = ours(world, capabilities=capabilities, extensions=(Extension(OURS, b"data"),))
    yield from added(world, own)


@broken(45)
def extensions_that_we_would_not_list(world: World) -> Iterator[Attempt]:
    for number in (OURS, GREASE[3]):
        capabilities = world.client("").capabilities(extensions=(OURS + 1,))
        extensions = (Extension(number, b"data"),)

        def make(listed: object = capabilities, extensions: object = extensions) -> OwnKeyPackage:
            return ours(world, capabilities=listed, extensions=extensions)

        yield does(make)


def _welcome_for(world: World, own: OwnKeyPackage) -> bytes:
    founder = world.founder("alice")
    staged = founder.commit([Add(own.key_package)], now=NOW, entropy=world.entropy)
    assert staged.welcome is not None
    return staged.welcome


@right(46, suites=BOTH)
def a_last_resort_is_used_again(world: World) -> Iterator[Attempt]:
    own = ours(world, last_resort=True)
    assert own.key_package.last_resort
    assert OwnKeyPackage.from_bytes(own.to_bytes()).key_package.last_resort
    for _ in range(2):
        yield joins(_welcome_for(world, own), own)


@right(46, suites=BOTH)
def the_init_key_is_not_part_of_the_group(world: World) -> None:
    own = ours(world)
    group = world.join(_welcome_for(world, own), own)
    state = bytes(group.to_bytes())
    assert bytes(own.leaf_key.secret) in state
    assert bytes(own.init_key.secret) not in state
    assert group.own_leaf == own.key_package.leaf_node  # so the caller knows which one to delete


@broken(46)
def a_key_package_that_was_used_and_deleted(world: World) -> Iterator[Attempt]:
    one, other = ours(world), ours(world)
    assert not one.key_package.last_resort
    first, second = _welcome_for(world, one), _welcome_for(world, one)
    kept = {own.key_package.leaf_node: own for own in (one, other)}
    group = mls.Group.join(first, list(kept.values()), config=world.config(), now=NOW)
    kept.pop(group.own_leaf)
    left = list(kept.values())
    yield Attempt(
        lambda: mls.Group.join(second, left, config=world.config(), now=NOW), (group,), row=85
    )
    with pytest.raises(mls.InvalidMessage):
        mls.Group.join(first, left, config=world.config(), now=NOW)
