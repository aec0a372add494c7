"""Rows 67 to 72: who comes in by a commit of its own. RFC 9420, sections 12.2 and 12.4.3.2."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from heliogram import mls
from heliogram.mls import (
    Add,
    Credential,
    GroupContextExtensions,
    Proposal,
    Remove,
    SelfRemove,
    Sender,
    SenderType,
    SentProposal,
)
from heliogram.mls.crypto import Secret
from heliogram.mls.extensions import Extension
from heliogram.mls.founding import EXTERNAL_INIT
from heliogram.mls.framing import encode_message
from heliogram.mls.proposals import ExternalInit
from heliogram.mls.tree_math import leaf_node
from tests.mls import forge
from tests.mls.forge import NOW, Client, World, changed, flipped
from tests.mls.rules import BOTH, Attempt, broken, joins_externally, receives, right
from tests.mls.rules.lists import Open, psk, reinit, told, update_of, with_psks

T = TypeVar("T")


def open_group(world: World, *names: str) -> list[mls.Group]:
    """A group that lets everybody join, and knows every pre-shared key."""
    return world.group(*names, config=with_psks(world, policy=Open()))


def external_init(world: World, group: mls.Group) -> ExternalInit:
    """A right one for the epoch of `group`."""
    external = group._member.current.secrets.external_key(world.suite).public
    size = world.suite.hash_length
    output, _ = world.suite.export_to(external, EXTERNAL_INIT, size, entropy=world.entropy)
    return ExternalInit(output)


def instead(value: T) -> Callable[[T], T]:
    """The hook that puts this in the place of whatever comes."""
    return lambda _: value


def by_us(attempt: Attempt, row: int) -> Attempt:
    """The same attempt, when it is we who would break the rule."""
    return dataclasses.replace(attempt, refusal=mls.UsageError, row=row)


@dataclass(frozen=True)
class Names(mls.AcceptAnyCredential):
    """Believes everybody but mallory. A name follows another that begins with the same word."""

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        return credential != mls.BasicCredential(b"mallory")

    def is_successor(self, old: Credential, new: Credential) -> bool:
        return _first_word(old) == _first_word(new)


def _first_word(credential: Credential) -> bytes:
    assert isinstance(credential, mls.BasicCredential)
    return credential.identity.split()[0]


# -- 67: what a joiner may list --------------------------------------------------------------------


@right(67, suites=BOTH)
def a_joiner_lists_what_it_may(world: World) -> Attempt:
    alice, bob, carol, dave = open_group(world, "alice", "bob", "carol", "dave")
    leave = told(dave, SelfRemove(), bob)
    made = forge.commit(
        alice,
        [Remove(2), psk(world, b"one"), leave, psk(world, b"two")],
        joiner=world.owner(carol),
    )
    return receives(bob, made.message)


@broken(67, suites=BOTH)
def a_joiner_lists_what_it_may_not(world: World) -> Iterator[Attempt]:
    alice, bob, carol = open_group(world)
    joiner = world.owner(carol)
    lists: list[list[Proposal]] = [
        [external_init(world, alice), external_init(world, alice)],
        [Remove(1), Remove(2)],
        [Add(world.package("erin").key_package)],
        [reinit(world)],
        [GroupContextExtensions(())],
        [Remove(2), update_of(world, carol)],
    ]
    for listed in lists:
        yield receives(bob, forge.commit(alice, listed, joiner=joiner).message)


@broken(67)
def a_joiner_has_no_external_init(world: World) -> Attempt:
    # Somebody who knows the init secret of the epoch needs none to get everything else right.
    alice, bob, _ = open_group(world)
    dave = world.client("dave")
    made = forge.commit(
        alice,
        path=True,
        sender=Sender(SenderType.NEW_MEMBER_COMMIT),
        key=dave.signature_key,
        own_index=3,
        leaf=lambda leaf: changed(leaf, credential=dave.credential),
    )
    return receives(bob, made.message)


# -- 68: whom a joiner may remove ------------------------------------------------------------------


@right(68)
def a_member_comes_back(world: World) -> Attempt:
    alice, bob, carol = open_group(world)
    return receives(bob, forge.commit(alice, [Remove(2)], joiner=world.owner(carol)).message)


@right(68)
def a_member_comes_back_with_other_keys_and_name(world: World) -> Attempt:
    config = world.config(policy=Open(), authentication=Names())
    alice, bob, _ = world.group("alice", "bob", "carol", config=config)
    joiner = world.client("carol on another telephone")
    return receives(bob, forge.commit(alice, [Remove(2)], joiner=joiner).message)


class Nobody(mls.AcceptAnyCredential):
    """Lets no credential or key follow another."""

    def is_successor(self, old: Credential, new: Credential) -> bool:
        return False


@right(68)
def a_member_comes_back_as_it_was(world: World) -> Attempt:
    config = world.config(policy=Open(), authentication=Nobody())
    alice, bob, carol = world.group(config=config)
    return receives(bob, forge.commit(alice, [Remove(2)], joiner=world.owner(carol)).message)


@broken(68, suites=BOTH)
def a_joiner_removes_somebody_else(world: World) -> Iterator[Attempt]:
    alice, bob, carol = open_group(world)
    message = forge.commit(alice, [Remove(2)], joiner=world.client("dave")).message
    yield receives(bob, message)
    # Nor does the one who is named believe it.
    yield receives(carol, message)
    info = forge.group_info_message(alice)
    yield by_us(joins_externally(info, world, "dave", config=alice.config, resync=2), 68)


@broken(68)
def a_joiner_is_no_successor_of_whom_it_removes(world: World) -> Attempt:
    config = world.config(policy=Open(), authentication=Nobody())
    alice, bob, _ = world.group(config=config)
    return receives(bob, forge.commit(alice, [Remove(2)], joiner=world.client("carol")).message)


@broken(68)
def a_joiner_keeps_its_old_encryption_key(world: World) -> Attempt:
    alice, bob, carol = open_group(world)
    key = carol._member.private_keys[leaf_node(2)]
    made = forge.commit(alice, [Remove(2)], joiner=world.owner(carol), leaf_key=key)
    return receives(bob, made.message)


# -- 69: no references, and a path -----------------------------------------------------------------


@right(69)
def a_joiner_refers_to_a_self_remove_only(world: World) -> Attempt:
    alice, bob, carol = open_group(world)
    leave = told(carol, SelfRemove(), bob)
    return receives(bob, forge.commit(alice, [leave], joiner=world.client("dave")).message)


@broken(69, suites=BOTH)
def a_joiner_refers_to_a_proposal(world: World) -> Iterator[Attempt]:
    alice, bob, carol = open_group(world)
    for proposal in (psk(world, b"one"), Remove(2)):
        sent = told(carol, proposal, bob)
        made = forge.commit(alice, [sent], joiner=world.owner(carol))
        yield receives(bob, made.message)


@broken(69)
def a_joiner_is_given_another_message_than_a_self_remove(world: World) -> Iterator[Attempt]:
    alice, _, carol = open_group(world)
    info = forge.group_info_message(alice)
    private = forge.private_message(carol, SelfRemove())
    for message in (forge.proposal(carol, Remove(1)), forge.commit(carol).message, private):
        yield joins_externally(info, world, config=alice.config, self_removes=[message])


@broken(69)
def a_joiner_takes_along_anything_but_a_self_remove(world: World) -> Iterator[Attempt]:
    alice, bob, _ = open_group(world)
    info = forge.group_info_message(alice)
    for message in (
        forge.proposal(bob, Remove(2)),
        forge.commit(bob).message,
        forge.private_message(bob, SelfRemove()),
        world.package("dave").message,
    ):
        yield joins_externally(info, world, self_removes=[message])


@broken(69)
def a_joiner_has_no_path(world: World) -> Attempt:
    alice, bob, _ = open_group(world)
    return receives(bob, forge.commit(alice, path=False, joiner=world.client("dave")).message)


# -- 70: its place, its keys, its secret -----------------------------------------------------------


def gap(world: World) -> list[mls.Group]:
    """A full tree of five with a blank leaf 1 and blank leaves on the right."""
    groups = open_group(world, "alice", "bob", "carol", "dave", "erin")
    for committer in range(5):
        groups = world.advance(groups, committer, path=True)
    return world.advance(groups, 3, [Remove(1)])


@right(70, suites=BOTH)
def a_joiner_takes_the_leftmost_free_leaf(world: World) -> None:
    alice, carol, dave, erin = gap(world)
    # What it takes along leaves first: now leaf 0 is free, and was not before.
    leave = told(alice, SelfRemove(), carol, dave, erin)
    for listed, place in (([], 1), ([leave], 0)):
        made = forge.commit(carol, listed, joiner=world.client("frank"))
        assert made.group.own_leaf_index == place
        for member in (carol, dave, erin):
            outcome = member.process(made.message, now=NOW)
            assert isinstance(outcome, mls.EpochAdvanced) and outcome.committer == place
            assert outcome.group.epoch_authenticator == made.group.epoch_authenticator


@broken(70)
def a_joiners_leaf_is_signed_for_another_place(world: World) -> Iterator[Attempt]:
    carol = gap(world)[1]
    joiner = world.client("frank")
    # Everything else is right for the leftmost free leaf, or for the other place.
    made = forge.commit(
        carol, joiner=joiner, signed_leaf=lambda leaf: joiner.signed_leaf(leaf, carol.group_id, 5)
    )
    yield receives(carol, made.message)
    yield receives(carol, forge.commit(carol, joiner=joiner, own_index=5).message)


@broken(70)
def a_joiner_signs_with_another_key_than_its_leafs(world: World) -> Iterator[Attempt]:
    alice, bob, _ = open_group(world)
    dave, other = world.client("dave"), world.client("other").signature_key
    # Not even a member's key will do.
    for key in (other, alice._member.signature_key):
        made = forge.commit(alice, joiner=dave, key=key, leaf_signature_key=dave.signature_key)
        yield receives(bob, made.message, row=11)


@broken(70)
def a_joiner_starts_from_another_init_secret(world: World) -> Iterator[Attempt]:
    alice, bob, _ = open_group(world)
    joiner, current = world.client("dave"), alice._member.current
    for secret in (current.secrets.init, Secret(bytes(world.suite.hash_length))):
        made = forge.commit(alice, joiner=joiner, init_secret=instead(secret))
        yield receives(bob, made.message, row=80)


# -- 71: what the joiner checks --------------------------------------------------------------------


@right(71, suites=BOTH)
def a_group_info_is_right(world: World) -> Iterator[Attempt]:
    alice = open_group(world)[0]
    config = alice.config
    yield joins_externally(forge.group_info_message(alice), world, config=config)
    yield joins_externally(alice.group_info(external_pub=True), world, config=config)
    apart = alice.group_info(external_pub=True, ratchet_tree=False)
    tree = alice.ratchet_tree()
    yield joins_externally(apart, world, config=config, ratchet_tree=tree)
    # What nobody knows in a group info is passed over.
    unknown = Extension(0xF0F0, b"?")
    info = forge.group_info_message(alice, extensions=lambda listed: (unknown, *listed))
    yield joins_externally(info, world, config=config)


@broken(71)
def a_group_info_has_no_key_for_joiners(world: World) -> Attempt:
    alice = open_group(world)[0]
    info = encode_message(forge.group_info(alice))
    return joins_externally(info, world, config=alice.config)


@broken(71)
def a_group_info_is_of_another_version_or_suite(world: World) -> Iterator[Attempt]:
    alice = open_group(world)[0]
    for change in ({"version": 2}, {"cipher_suite": 0x0A0A}):
        info = forge.group_info_message(
            alice, context=lambda context, change=change: changed(context, **change)
        )
        yield joins_externally(info, world, config=alice.config)
    info = forge.group_info_message(
        alice, context=lambda context: changed(context, cipher_suite=0x0A0A)
    )
    package = world.package("dave")
    yield Attempt(lambda: mls.propose_own_add(info, package))


@broken(71)
def a_message_is_no_group_info(world: World) -> Iterator[Attempt]:
    alice = open_group(world)[0]
    message = forge.proposal(alice, Remove(1))
    yield joins_externally(message, world, config=alice.config)
    package = world.package("dave")
    key = package.signature_key
    yield Attempt(lambda: mls.propose_own_add(message, package))
    yield Attempt(lambda: mls.external_proposal(message, Remove(1), 0, key))


@broken(71)
def an_outsider_proposes_without_a_group_info(world: World) -> Iterator[Attempt]:
    alice, *_ = open_group(world)
    own = world.package("dave")
    other = forge.group_info_message(alice, context=forge.fields(cipher_suite=0xF00F))
    for message in (own.message, forge.proposal(alice, Remove(2)), other):
        yield Attempt(partial(mls.propose_own_add, message, own))


@broken(71)
def a_group_info_is_forged(world: World) -> Iterator[Attempt]:
    alice = open_group(world)[0]
    config = alice.config
    # By whom it should not be, over a tree that is not the group's, without one.
    key = world.client("mallory").signature_key
    yield joins_externally(forge.group_info_message(alice, key=key), world, config=config, row=88)
    info = forge.group_info_message(alice, signer=3)
    yield joins_externally(info, world, config=config, row=88)
    info = forge.group_info_message(
        alice, context=lambda context: changed(context, tree_hash=flipped(context.tree_hash))
    )
    yield joins_externally(info, world, config=config, row=89)
    info = forge.group_info_message(alice, tree_extension=lambda _: None)
    yield joins_externally(info, world, config=config, row=89)
    info = forge.group_info_message(alice, external_pub=lambda public: public[:-1])
    yield joins_externally(info, world, config=config, row=26)


@broken(71)
def a_joiner_does_not_know_an_extension_of_the_group(world: World) -> Attempt:
    kind = 0xF0F0
    able = world.client("alice").capabilities(
        extensions=(kind,), proposals=(mls.ProposalType.SELF_REMOVE,)
    )
    (alice,) = world.group(
        "alice",
        config=world.config(policy=Open()),
        extensions=(Extension(kind, b""),),
        capabilities=able,
    )
    info = forge.group_info_message(alice)
    return by_us(joins_externally(info, world, config=alice.config), 39)


# -- 72: whom the application lets in --------------------------------------------------------------


class Joinable(mls.Policy):
    """Outsiders may list things in a commit, but not commit."""

    def allows_proposal(self, view: mls.EpochView, sent: SentProposal) -> bool:
        return True


class NoResync(Open):
    """Anybody may come in, but nobody come back."""

    def allows_commit(self, *asked: object) -> bool:
        _, _, proposals = asked
        assert isinstance(proposals, Sequence)
        return not any(isinstance(sent.proposal, Remove) for sent in proposals)


@right(72, suites=BOTH)
def a_joiner_is_let_in(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=NoResync(), authentication=Names()))
    yield receives(bob, forge.commit(alice, joiner=world.client("dave")).message)
    info = forge.group_info_message(alice)
    yield joins_externally(info, world, config=alice.config)


@broken(72)
def the_application_lets_nobody_join(world: World) -> Iterator[Attempt]:
    for policy in (mls.Policy(), Joinable()):
        alice, bob, _ = world.group(config=world.config(policy=policy))
        yield receives(bob, forge.commit(alice, joiner=world.client("dave")).message)
        info = forge.group_info_message(alice)
        yield by_us(joins_externally(info, world, config=alice.config), 72)


@broken(72)
def the_application_lets_nobody_come_back(world: World) -> Attempt:
    alice, bob, carol = world.group(config=world.config(policy=NoResync()))
    return receives(bob, forge.commit(alice, [Remove(2)], joiner=world.owner(carol)).message)


@broken(72)
def nobody_knows_the_joiner(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(policy=Open(), authentication=Names()))
    mallory: Client = world.client("mallory")
    yield receives(bob, forge.commit(alice, joiner=mallory).message, row=23)
    info = forge.group_info_message(alice)
    yield by_us(joins_externally(info, world, "mallory", config=alice.config), 23)
