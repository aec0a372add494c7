"""Rows 27 to 33: what members can do, and say that they can. RFC 9420, sections 7.2, 11.1 and 13."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls.app_data import encode_dictionary
from heliogram.mls.committing import NewLeaf
from heliogram.mls.extensions import (
    Extension,
    RequiredCapabilities,
    external_senders_extension,
)
from heliogram.mls.proposals import Add, GroupContextExtensions, ReInit
from heliogram.mls.ratchet_tree import LeafNode
from heliogram.mls.registries import GREASE, ComponentID, ExtensionType
from tests.mls import forge
from tests.mls.forge import NOW, AllowAll, World, changed, fields, same
from tests.mls.rules import (
    Attempt,
    broken,
    does,
    joins,
    joins_externally,
    receives,
    right,
)
from tests.mls.rules.leaves import OURS, Change, by_all_commits, capable, everywhere


def we_would_list(world: World, **listed: Sequence[int]) -> Iterator[Attempt]:
    """Capabilities with these lists, wherever we make a leaf."""
    client = world.client("dave")
    alice, *_ = world.group()
    info = forge.group_info_message(alice)
    capabilities = client.capabilities(**{name: tuple(v) for name, v in listed.items()})
    yield does(
        partial(
            mls.new_key_package,
            world.suite.id,
            client.credential,
            client.signature_key,
            capabilities=capabilities,
            now=NOW,
            entropy=world.entropy,
        )
    )
    yield does(partial(world.founder, capabilities=capabilities))
    new = NewLeaf(capabilities=capabilities)
    yield does(partial(alice.propose_update, new, now=NOW, entropy=world.entropy), alice)
    yield does(partial(alice.commit, new_leaf=new, now=NOW, entropy=world.entropy), alice)
    attempt = joins_externally(info, world, capabilities=capabilities)
    yield changed(attempt, refusal=mls.UsageError)


# -- 27 to 31: capabilities ------------------------------------------------------------------------

REQUIRED = RequiredCapabilities((OURS,), (0xF00D,), (1,))


def _demanding_group(world: World) -> list[mls.Group]:
    """A group that requires an extension, a proposal and a credential type."""
    capabilities = world.client("").capabilities(extensions=(OURS,), proposals=(0xF00D,))
    return world.group(
        config=world.config(policy=AllowAll()),
        extensions=(REQUIRED.extension(),),
        capabilities=capabilities,
    )


@right(27)
def what_the_group_requires(world: World) -> Iterator[Attempt]:
    yield from by_all_commits(world, _demanding_group(world), same)


@broken(27)
def less_than_the_group_requires(world: World) -> Iterator[Attempt]:
    for change in (
        capable(world, extensions=()),
        capable(world, proposals=(0xF00E,)),
    ):
        yield from by_all_commits(world, _demanding_group(world), change)


@broken(27)
def a_credential_type_that_the_group_requires(world: World) -> Iterator[Attempt]:
    required = RequiredCapabilities((), (), (1, 2)).extension()
    groups = world.group(extensions=(required,), config=world.config(policy=AllowAll()))
    yield from by_all_commits(world, groups, capable(world, credentials=(1,)))


@right(28)
def other_versions_and_suites_beside_ours(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, capable(world, versions=(2, 1), cipher_suites=(7, world.suite.id)))


@right(28)
def a_suite_that_others_do_not_list_is_tolerated(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, capable(world, cipher_suites=(7, 0xF001)))


@broken(28)
def our_version_is_missing(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, capable(world, versions=(2,)))
    yield from everywhere(world, capable(world, versions=()))


@broken(28)
def we_would_not_list_our_own_suite(world: World) -> Iterator[Attempt]:
    for listed in ({"cipher_suites": (7, 0xF001)}, {"cipher_suites": ()}, {"versions": (2,)}):
        yield from we_would_list(world, **listed)


@right(29)
def credential_types_that_all_know(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, capable(world, credentials=(1,)))
    alice, bob, _ = world.group()
    dave = world.client("", credential=mls.X509Credential((b"certificate",)))
    yield receives(bob, forge.commit(alice, [Add(dave.key_package().key_package)]).message)


@broken(29)
def the_own_credential_type_is_not_listed(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, capable(world, credentials=(2,)))
    yield from everywhere(world, capable(world, credentials=()))


@broken(29)
def a_credential_type_that_others_do_not_know(world: World) -> Iterator[Attempt]:
    config = world.config(policy=AllowAll())
    basic_only = world.client("").capabilities(credentials=(1,))
    alice, bob, _ = world.group(capabilities=basic_only, config=config)
    dave = world.client("", credential=mls.X509Credential((b"certificate",)))
    yield receives(bob, forge.commit(alice, [Add(dave.key_package().key_package)]).message)
    yield receives(bob, forge.commit(alice, joiner=dave).message)


@broken(29)
def a_credential_type_in_use_that_is_not_known(world: World) -> Iterator[Attempt]:
    config = world.config(policy=AllowAll())
    dave = world.client("", credential=mls.X509Credential((b"certificate",))).key_package()
    groups = world.group(config=config)
    after = world.advance(groups, 0, [Add(dave.key_package)])
    yield from by_all_commits(world, after, capable(world, credentials=(1,)))


@right(30)
def extensions_that_a_leaf_lists(world: World) -> Iterator[Attempt]:
    def change(leaf: LeafNode) -> LeafNode:
        extensions = (
            Extension(OURS, b"data"),
            Extension(ExtensionType.APPLICATION_ID, opaque(b"an id")),  # a default type
            encode_dictionary({ComponentID.APP_COMPONENTS: b""}),
        )
        listed = (OURS, ExtensionType.APP_DATA_DICTIONARY)
        return capable(world, extensions=listed)(changed(leaf, extensions=extensions))

    yield from everywhere(world, change)


@broken(30)
def an_extension_that_its_leaf_does_not_list(world: World) -> Iterator[Attempt]:
    def change(leaf: LeafNode) -> LeafNode:
        return changed(leaf, extensions=(Extension(OURS, b"data"),))

    yield from everywhere(world, change)


@right(31)
def default_types_that_others_list_are_tolerated(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, capable(world, extensions=(1, 2, 3, 4, 5)))
    yield from everywhere(world, capable(world, proposals=(1, 2, 3, 4, 5, 6, 7)))


@right(31)
def we_list_no_default_types(world: World) -> None:
    made = world.client("dave").capabilities()
    assert not set(made.extensions) & set(range(1, 6))
    assert not set(made.proposals) & set(range(1, 8))


@broken(31)
def default_types_that_we_would_list(world: World) -> Iterator[Attempt]:
    for number in range(1, 6):
        yield from we_would_list(world, extensions=(number,))
    for number in range(1, 8):
        yield from we_would_list(world, proposals=(number,))


# -- 32 and 33: lists -----------------------------------------------------------------------------


def _twice(world: World) -> Change:
    twice = (Extension(OURS, b"data"), Extension(OURS, b"other"))
    return lambda leaf: capable(world, extensions=(OURS,))(changed(leaf, extensions=twice))


@right(32)
def extensions_of_two_types(world: World) -> Iterator[Attempt]:
    both = (Extension(OURS, b"data"), Extension(OURS + 1, b"data"))

    def change(leaf: LeafNode) -> LeafNode:
        return capable(world, extensions=(OURS, OURS + 1))(changed(leaf, extensions=both))

    yield from everywhere(world, change)


@broken(32)
def an_extension_type_twice_in_a_leaf(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, _twice(world))


@broken(32)
def an_extension_type_twice_elsewhere(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(capabilities=world.client("").capabilities(extensions=(OURS,)))
    twice = (Extension(OURS, b"data"), Extension(OURS, b"data"))
    sender = mls.ExternalSender(world.owner(alice).signature_key.public, mls.BasicCredential(b"s"))
    senders = external_senders_extension([sender])
    for extensions in (twice, (senders, senders), (REQUIRED.extension(), REQUIRED.extension())):
        for proposal in (
            GroupContextExtensions(extensions),
            ReInit(b"new", 1, world.suite.id, extensions),
        ):
            yield receives(bob, forge.proposal(alice, proposal))
            yield receives(bob, forge.commit(alice, [proposal]).message)
            yield does(partial(alice.propose, proposal, now=NOW, entropy=world.entropy), alice)
    own = world.client("dave").key_package(package=fields(extensions=twice))
    yield receives(bob, forge.proposal(alice, Add(own.key_package)))
    info = forge.group_info_message(alice, extensions=lambda listed: (*listed, *twice))
    yield joins_externally(info, world)
    capabilities = alice.own_leaf.capabilities
    dave = world.client("dave").key_package(leaf=fields(capabilities=capabilities))
    made = forge.commit(alice, [Add(dave.key_package)])
    yield joins(forge.welcome(made, extensions=lambda listed: (*listed, *listed)), dave)
    yield joins(forge.welcome(made, context=fields(extensions=twice)), dave)


@right(33)
def unknown_values_are_no_error(world: World) -> Iterator[Attempt]:
    suite = world.suite.id
    yield from everywhere(
        world,
        capable(
            world,
            versions=(0, 1, 0xABCD, *GREASE),
            cipher_suites=(0, suite, 0xABCD, *GREASE),
            extensions=(0, 0xABCD, *GREASE, 0xABCD),
            proposals=(0, 0xABCD, *GREASE),
            credentials=(0, 1, 0xABCD, *GREASE),
        ),
    )


@broken(33)
def unknown_values_promise_nothing(world: World) -> Iterator[Attempt]:
    yield from everywhere(world, capable(world, versions=(0, *GREASE)), row=28)
    yield from everywhere(world, capable(world, credentials=(0xABCD, *GREASE)), row=29)
    change = capable(world, extensions=(0xABCD, *GREASE))
    yield from by_all_commits(world, _demanding_group(world), change, row=27)
