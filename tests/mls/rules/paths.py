"""Rows 73 to 84: a commit's path, and what becomes of the commit. RFC 9420, sections 7.4 to 7.6,
12.4 and 14.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from heliogram import mls
from heliogram.mls import (
    Add,
    AppDataUpdate,
    Credential,
    GroupContextExtensions,
    NewLeaf,
    PreSharedKey,
    Proposal,
    Remove,
    ResumptionPSKID,
    ResumptionPSKUsage,
    SelfRemove,
    SentProposal,
)
from heliogram.mls.crypto import HPKEKey, Secret
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, Lifetime
from heliogram.mls.registries import WireFormat
from heliogram.mls.tree_math import NodeIndex, leaf_node
from heliogram.mls.treekem import HPKECiphertexts, UpdatePath, UpdatePathNode, derive_path
from tests.mls import forge
from tests.mls.forge import NOW, World, changed, corrupt_ciphertext, flipped
from tests.mls.rules import BOTH, Attempt, broken, does, receives, right
from tests.mls.rules.lists import (
    COMPONENT,
    Components,
    Open,
    psk,
    reinit,
    told,
    update_of,
    with_psks,
)


def agreed(*groups: mls.Group) -> None:
    """All these are in one epoch."""
    assert len({bytes(group.epoch_authenticator) for group in groups}) == 1


# -- 73: when there must be a path -----------------------------------------------------------------


@right(73, suites=BOTH)
def no_path_where_none_is_asked_for(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=with_psks(world, policy=Components()))
    lists: list[list[Proposal]] = [
        [Add(world.package("dave").key_package)],
        [psk(world, b"one")],
        [reinit(world)],
        [Add(world.package("erin").key_package), psk(world, b"one")],
    ]
    for listed in lists:
        yield receives(bob, forge.commit(alice, listed, path=False).message)
        yield receives(bob, forge.commit(alice, listed, path=True).message)
    staged = alice.commit([AppDataUpdate(COMPONENT, b"data")], now=NOW, entropy=world.entropy)
    yield receives(bob, staged.message)


@broken(73, suites=BOTH)
def no_path_where_one_is_asked_for(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    lists: list[list[Proposal | SentProposal]] = [
        [],
        [Remove(2)],
        [GroupContextExtensions(())],
        [told(carol, update_of(world, carol), bob)],
        [told(carol, SelfRemove(), bob)],
        [Add(world.package("dave").key_package), Remove(2)],
    ]
    for listed in lists:
        yield receives(bob, forge.commit(alice, listed, path=False).message)


# -- 74: the path's leaf ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Names(mls.AcceptAnyCredential):
    """Believes everybody but mallory, and lets nobody have another name."""

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        return credential != mls.BasicCredential(b"mallory")


@right(74, suites=BOTH)
def a_path_with_a_good_leaf(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    yield receives(bob, forge.commit(alice).message)
    other = world.client("alice").signature_key
    yield receives(bob, forge.commit(alice, leaf_signature_key=other).message)


@broken(74)
def a_path_with_a_leaf_made_for_another_use(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()

    def for_an_update(leaf: LeafNode) -> LeafNode:
        return changed(leaf, source=LeafNodeSource.UPDATE, parent_hash=None)

    def for_a_key_package(leaf: LeafNode) -> LeafNode:
        lifetime = Lifetime(NOW - 1, NOW + 1)
        source = LeafNodeSource.KEY_PACKAGE
        return changed(leaf, source=source, parent_hash=None, lifetime=lifetime)

    for hook in (for_an_update, for_a_key_package):
        yield receives(bob, forge.commit(alice, leaf=hook).message)


@broken(74, suites=BOTH)
def a_path_with_the_old_encryption_key(world: World) -> Attempt:
    alice, bob, _ = world.group()
    key = alice._member.private_keys[leaf_node(0)]
    return receives(bob, forge.commit(alice, leaf_key=key).message)


@broken(74)
def a_path_with_a_bad_leaf(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=world.config(authentication=Names()))
    owner = world.owner(alice)

    for group_id, index in ((b"another", 0), (alice.group_id, 1)):
        made = forge.commit(
            alice,
            signed_leaf=lambda leaf, at=(group_id, index): owner.signed_leaf(leaf, *at),  # type: ignore[misc]
        )
        yield receives(bob, made.message, row=22)
    for name, row in ((b"mallory", 23), (b"somebody else", 24)):
        credential = mls.BasicCredential(name)
        made = forge.commit(
            alice,
            leaf=lambda leaf, credential=credential: changed(leaf, credential=credential),  # type: ignore[misc]
        )
        yield receives(bob, made.message, row=row)
        new = NewLeaf(credential=credential)
        yield does(
            lambda new=new: alice.commit(new_leaf=new, now=NOW, entropy=world.entropy),  # type: ignore[misc]
            alice,
            row=row,
        )


# -- 75: the path's keys are new -------------------------------------------------------------------


def derived(world: World, secret: Secret, *nodes: int) -> list[HPKEKey]:
    """The keys that a path secret gives these nodes, from the lowest up."""
    keys, _, _ = derive_path(world.suite, secret, map(NodeIndex, nodes))
    return list(keys.values())


@right(75, suites=BOTH)
def a_path_of_new_keys(world: World) -> Attempt:
    alice, bob, _ = world.group(full=True)
    secret = Secret(world.entropy(world.suite.hash_length))
    return receives(bob, forge.commit(alice, path_secret=secret).message)


@broken(75, suites=BOTH)
def a_path_has_a_key_twice(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    secret = Secret(world.entropy(world.suite.hash_length))
    for key in derived(world, secret, 1, 3):
        made = forge.commit(alice, path_secret=secret, leaf_key=key)
        yield receives(bob, made.message)


@broken(75)
def a_path_has_a_key_of_the_tree(world: World) -> Iterator[Attempt]:
    # Carol's key is one that a path secret gives, which alice then uses.
    secret = Secret(world.entropy(world.suite.hash_length))
    for key in derived(world, secret, 1, 3):
        alice, bob, carol = world.group()
        package = world.client("dave").key_package(leaf_key=key).key_package
        alice, bob, carol = world.advance([alice, bob, carol], 0, [Add(package)])
        yield receives(bob, forge.commit(alice, path_secret=secret).message)
    # The leaf's key is another member's, a parent's, or a newcomer's.
    alice, bob, carol = world.group(full=True)
    erin = world.package("erin")
    for theirs in (carol._member.private_keys[leaf_node(2)], erin.leaf_key):
        made = forge.commit(alice, [Add(erin.key_package)], path=True, leaf_key=theirs)
        yield receives(bob, made.message)
    for node, theirs in carol._member.private_keys.items():
        if node != leaf_node(2):
            yield receives(bob, forge.commit(alice, leaf_key=theirs).message)


@broken(75)
def a_path_has_the_keys_of_the_one_before(world: World) -> Attempt:
    groups = world.group()
    secret = Secret(world.entropy(world.suite.hash_length))
    made = forge.commit(groups[0], path_secret=secret)
    outcome = groups[1].process(made.message, now=NOW)
    assert isinstance(outcome, mls.EpochAdvanced)
    fresh = world.suite.new_hpke_key(world.entropy)
    made = forge.commit(made.group, path_secret=secret, leaf_key=fresh)
    return receives(outcome.group, made.message)


# -- 76: one node for each, one ciphertext for each ------------------------------------------------


@right(76)
def paths_through_trees_of_many_shapes(world: World) -> None:
    groups = world.group("alice", "bob", "carol", "dave", "erin", full=True)

    def all_commit(members: list[mls.Group], proposals: list[Proposal]) -> None:
        for committer in range(len(members)):
            agreed(*world.advance(members, committer, proposals, path=True))
            members[committer].discard_staged()

    all_commit(groups, [])
    # Unmerged leaves, below one another too.
    for name in ("frank", "grace"):
        groups = world.advance(groups, 2, [Add(world.package(name).key_package)], path=False)
        all_commit(groups, [Add(world.package("heidi").key_package)])
    # Blank nodes, then a blank subtree beside somebody.
    groups = world.advance(groups, 0, [Remove(2)])
    all_commit(groups, [])
    all_commit(groups, [Add(world.package("ivan").key_package)])
    groups = world.advance(groups, 0, [Remove(3)])
    all_commit(groups, [Add(world.package("judy").key_package)])
    # Leaves 0 and 1, and far on the right 4, 5 and 6: half of the paths are filtered.
    assert [index for index, _ in groups[0].members()] == [0, 1, 4, 5, 6]


@right(76, suites=BOTH)
def a_path_beside_a_blank_leaf(world: World) -> None:
    for committer in range(3):
        agreed(*world.advance(world.group(), committer))


@broken(76, suites=BOTH)
def a_path_has_too_many_nodes_or_too_few(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    another = UpdatePathNode(world.suite.new_hpke_key(world.entropy).public, HPKECiphertexts.of(()))

    def longer(path: UpdatePath) -> UpdatePath:
        return changed(path, nodes=(*path.nodes, another))

    def unfiltered(path: UpdatePath) -> UpdatePath:
        return changed(path, nodes=(another, *path.nodes))

    def shorter(path: UpdatePath) -> UpdatePath:
        return changed(path, nodes=path.nodes[:-1])

    def empty(path: UpdatePath) -> UpdatePath:
        return changed(path, nodes=())

    # Of carol's path, the node that is above her alone is left out.
    assert len(carol.tree.filtered_direct_path(2)) == 1
    yield receives(bob, forge.commit(carol, update_path=unfiltered).message)
    for hook in (longer, shorter, empty):
        yield receives(bob, forge.commit(alice, update_path=hook).message)


@broken(76, suites=BOTH)
def a_path_secret_has_too_many_readers_or_too_few(world: World) -> Iterator[Attempt]:
    alice, bob, _, _ = world.group("alice", "bob", "carol", "dave")

    def recut(path: UpdatePath, at: int, first: int, last: int) -> UpdatePath:
        """The path with some ciphertexts of one node twice, or not at all."""
        nodes = list(path.nodes)
        pairs = [(one.kem_output, one.ciphertext) for one in nodes[at].encrypted_path_secret]
        pairs = [*pairs, *pairs][first:last]
        nodes[at] = changed(nodes[at], encrypted_path_secret=HPKECiphertexts.of(pairs))
        return changed(path, nodes=tuple(nodes))

    # Bob reads the one ciphertext of node 0, carol and dave the two of node 1.
    for at, first, last in ((0, 0, 2), (0, 0, 0), (1, 0, 1), (1, 1, 2), (1, 0, 3), (1, 0, 0)):
        made = forge.commit(
            alice,
            update_path=lambda path, cut=(at, first, last): recut(path, *cut),  # type: ignore[misc]
        )
        yield receives(bob, made.message)


@broken(76)
def a_path_secret_is_told_to_a_newcomer(world: World) -> Iterator[Attempt]:
    # Dave comes in at leaf 3, beside carol. He is told by his Welcome, not by the path.
    alice, bob, carol = world.group()
    dave = world.package("dave")

    def one_more(path: UpdatePath) -> UpdatePath:
        *others, top = path.nodes
        pairs = [(one.kem_output, one.ciphertext) for one in top.encrypted_path_secret]
        pairs.append(world.suite.encrypt_with_label(dave.leaf_key.public, b"x", b"", b"secret"))
        top = changed(top, encrypted_path_secret=HPKECiphertexts.of(pairs))
        return changed(path, nodes=(*others, top))

    made = forge.commit(alice, [Add(dave.key_package)], path=True, update_path=one_more)
    yield receives(bob, made.message)
    yield receives(carol, made.message)


# -- 77: the leaf's parent hash --------------------------------------------------------------------


@right(77, suites=BOTH)
def a_leaf_with_the_right_parent_hash(world: World) -> Iterator[Attempt]:
    groups = world.group("alice", "bob", "carol", "dave", "erin")
    yield receives(groups[1], forge.commit(groups[0]).message)
    groups = world.advance(groups, 0, [Remove(3)])
    yield receives(groups[1], forge.commit(groups[2]).message)


@broken(77, suites=BOTH)
def a_leaf_with_another_parent_hash(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    for parent_hash in (b"", bytes(world.suite.hash_length)):
        made = forge.commit(
            alice,
            leaf=lambda leaf, value=parent_hash: changed(leaf, parent_hash=value),  # type: ignore[misc]
        )
        yield receives(bob, made.message)
    # The hash that would be right if the path were not filtered.
    above = carol.tree.suite.hash(b"above")
    made = forge.commit(carol, leaf=lambda leaf: changed(leaf, parent_hash=above))
    yield receives(bob, made.message)


# -- 78: our path secret ---------------------------------------------------------------------------


@right(78, suites=BOTH)
def every_reader_gets_its_path_secret(world: World) -> None:
    alice, *others = world.group("alice", "bob", "carol", "dave", "erin")
    made = forge.commit(alice)
    for member in others:
        outcome = member.process(made.message, now=NOW)
        assert isinstance(outcome, mls.EpochAdvanced)
        agreed(outcome.group, made.group)


@broken(78, suites=BOTH)
def a_path_secret_does_not_open(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()

    def spoiled(path: UpdatePath, at: int) -> UpdatePath:
        nodes = list(path.nodes)
        nodes[at] = corrupt_ciphertext(nodes[at])
        return changed(path, nodes=tuple(nodes))

    for at, reader in ((0, bob), (1, carol)):
        made = forge.commit(alice, update_path=lambda path, at=at: spoiled(path, at))  # type: ignore[misc]
        yield receives(reader, made.message)


@broken(78, suites=BOTH)
def a_path_secret_gives_other_keys(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    other = world.suite.new_hpke_key(world.entropy).public
    # Bob learns the secret of node 1, and from it that of the root; carol only that of the root.
    made = forge.commit(alice, path_keys=lambda keys: [other, keys[1]])
    yield receives(bob, made.message)
    made = forge.commit(alice, path_keys=lambda keys: [keys[0], other])
    yield receives(bob, made.message)
    yield receives(carol, made.message)


@broken(78)
def a_path_has_no_secret_for_us(world: World) -> Attempt:
    alice, bob, _ = world.group()
    bob._member.private_keys.clear()
    return receives(bob, forge.commit(alice).message)


@broken(78)
def a_path_secret_has_another_length(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for size in (1, world.suite.hash_length - 1, world.suite.hash_length + 1):
        secret = Secret(world.entropy(size))
        yield receives(bob, forge.commit(alice, path_secret=secret).message)


# -- 79: pre-shared keys ---------------------------------------------------------------------------


def resumption(world: World, group: mls.Group, epoch: int) -> PreSharedKey:
    """The resumption secret of an epoch of this group."""
    nonce = world.entropy(world.suite.hash_length)
    usage = ResumptionPSKUsage.APPLICATION
    return PreSharedKey(ResumptionPSKID(usage, group.group_id, epoch, nonce))


@right(79, suites=BOTH)
def pre_shared_keys_that_are_known(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.advance(world.group(config=with_psks(world)), 0)
    for listed in ([psk(world, b"one")], [resumption(world, alice, 1), psk(world, b"two")]):
        yield receives(bob, forge.commit(alice, listed).message)


@broken(79, suites=BOTH)
def pre_shared_keys_that_are_not_known(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=with_psks(world))
    ignorant = mls.Group.from_bytes(bob.to_bytes(), config=world.config())
    # Of the epoch before they joined, alice knows the secret and the others do not.
    for one in (psk(world, b"one"), resumption(world, alice, 0)):
        yield receives(ignorant, forge.commit(alice, [one]).message)
        yield does(
            lambda one=one: ignorant.commit([one], now=NOW, entropy=world.entropy),  # type: ignore[misc]
            ignorant,
        )


# -- 80: the confirmation tag ----------------------------------------------------------------------


@right(80, suites=BOTH)
def a_commit_with_the_right_tag(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group()
    for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        yield receives(bob, forge.commit(alice, wire_format=wire_format).message)


@broken(80, suites=BOTH)
def a_commit_with_another_tag(world: World) -> Iterator[Attempt]:
    alice, bob, _ = world.group(config=with_psks(world))
    for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        for spoil in (flipped, lambda tag: tag[:-1], lambda _: b"", lambda tag: tag + b"\0"):
            made = forge.commit(alice, wire_format=wire_format, confirmation_tag=spoil)
            yield receives(bob, made.message)


@broken(80)
def a_commit_confirms_another_epoch(world: World) -> Iterator[Attempt]:
    """Each input of the key schedule is confirmed: context, init secret, pre-shared keys."""
    alice, bob, _ = world.group(config=with_psks(world))
    add = Add(world.package("dave").key_package)
    made = forge.commit(
        alice, [add], context=lambda context: changed(context, tree_hash=alice.context.tree_hash)
    )
    yield receives(bob, made.message)
    made = forge.commit(
        alice, [add], context=lambda context: changed(context, epoch=context.epoch + 1)
    )
    yield receives(bob, made.message)
    made = forge.commit(alice, [add], init_secret=lambda init: Secret(bytes(len(init))))
    yield receives(bob, made.message)
    made = forge.commit(alice, [psk(world, b"one")], psks=lambda _: [])
    yield receives(bob, made.message)
    both: list[Proposal] = [psk(world, b"one"), psk(world, b"two")]
    made = forge.commit(alice, both, psks=lambda ids: ids[::-1])
    yield receives(bob, made.message)


# -- 81: after a reinit ----------------------------------------------------------------------------


@right(81)
def a_closed_group_still_reads_what_was_said_before(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    late = carol.protect(b"before the end", entropy=world.entropy)
    staged = alice.commit([reinit(world)], now=NOW, entropy=world.entropy)
    closed = bob.process(staged.message, now=NOW)
    assert isinstance(closed, mls.EpochAdvanced) and closed.group.reinit == reinit(world)
    yield receives(closed.group, late)


@broken(81)
def a_closed_group_sends_nothing(world: World) -> Iterator[Attempt]:
    closed = world.advance(world.group(), 0, [reinit(world)])
    again = mls.Group.from_bytes(closed[1].to_bytes(), config=closed[1].config)
    entropy = world.entropy
    for group in (closed[0], closed[1], again):
        yield does(lambda g=group: g.protect(b"x", entropy=entropy), group)  # type: ignore[misc]
        yield does(lambda g=group: g.propose(Remove(2), now=NOW, entropy=entropy), group)  # type: ignore[misc]
        yield does(lambda g=group: g.propose_update(now=NOW, entropy=entropy), group)  # type: ignore[misc]
        yield does(lambda g=group: g.commit(now=NOW, entropy=entropy), group)  # type: ignore[misc]


@broken(81, suites=BOTH)
def a_closed_group_takes_nothing(world: World) -> Iterator[Attempt]:
    config = world.config(policy=Open())
    alice, bob, _ = world.advance(world.group(config=config), 0, [reinit(world)])
    yield receives(bob, forge.private_message(alice, b"one more thing"))
    yield receives(bob, forge.proposal(alice, Remove(2)))
    yield receives(bob, forge.commit(alice).message)
    yield receives(bob, forge.commit(alice, wire_format=WireFormat.PRIVATE_MESSAGE).message)
    yield receives(bob, forge.commit(alice, joiner=world.client("dave")).message)


# -- 82: being removed -----------------------------------------------------------------------------


@right(82, suites=BOTH)
def a_member_is_told_that_it_is_out(world: World) -> None:
    alice, bob, carol = world.group()
    for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        removal = forge.commit(alice, [Remove(2)], wire_format=wire_format).message
        outcome = carol.process(removal, now=NOW)
        assert isinstance(outcome, mls.Removed) and outcome.committer == 0
    # It may leave by itself, too.
    leave = told(carol, SelfRemove(), bob, carol)
    outcome = carol.process(forge.commit(alice, [leave]).message, now=NOW)
    assert isinstance(outcome, mls.Removed)
    outcome = bob.process(forge.commit(alice, [leave]).message, now=NOW)
    assert isinstance(outcome, mls.EpochAdvanced) and outcome.removed == (2,)


@broken(82, suites=BOTH)
def a_member_who_is_out_cannot_go_on(world: World) -> Iterator[Attempt]:
    alice, bob, carol = world.group()
    staged = alice.commit([Remove(2)], now=NOW, entropy=world.entropy)
    assert isinstance(carol.process(staged.message, now=NOW), mls.Removed)
    outcome = bob.process(staged.message, now=NOW)
    assert isinstance(outcome, mls.EpochAdvanced)
    after = staged.merge()
    for message in (
        after.protect(b"without carol", entropy=world.entropy),
        after.commit(now=NOW, entropy=world.entropy).message,
    ):
        attempt = receives(carol, message)
        yield dataclasses.replace(attempt, refusal=mls.UnknownEpoch)
    # Nor do the others hear her: her proposals and commits are of an epoch that is over.
    for message in (forge.proposal(carol, Remove(0)), forge.commit(carol).message):
        attempt = receives(outcome.group, message)
        yield dataclasses.replace(attempt, refusal=mls.UnknownEpoch)
    # What she signs as of the new epoch lacks its keys.
    forged = forge.content(
        carol,
        Remove(0),
        epoch=after.epoch,
        sender=forge.member_sender(carol),
        context=after.context,
    )
    yield receives(outcome.group, forge.public(carol, forged), row=16)


@broken(82)
def a_member_is_not_talked_out_of_the_group(world: World) -> Iterator[Attempt]:
    """A removal that the others refuse, the removed one refuses as well."""
    config = world.config(policy=Open())
    alice, _, carol = world.group(config=config)
    stranger = world.client("stranger")
    yield receives(carol, forge.commit(alice, [Remove(2)], joiner=stranger).message, row=68)
    yield receives(carol, forge.commit(alice, [Remove(2)], path=False).message, row=73)
    made = forge.commit(alice, [Remove(2)], leaf=lambda leaf: changed(leaf, parent_hash=b""))
    yield receives(carol, made.message, row=77)
    made = forge.commit(alice, [Remove(2)], update_path=lambda path: changed(path, nodes=()))
    yield receives(carol, made.message, row=76)


# -- 83: our own commit comes back -----------------------------------------------------------------


@right(83, suites=BOTH)
def our_own_commit_comes_back(world: World) -> None:
    for private in (False, True):
        alice, bob, _ = world.group(config=world.config(private_handshakes=private))
        staged = alice.commit(now=NOW, entropy=world.entropy)
        again = mls.Group.from_bytes(alice.to_bytes(), config=alice.config)
        for group in (alice, again):
            outcome = group.process(staged.message, now=NOW)
            assert isinstance(outcome, mls.EpochAdvanced) and outcome.own
            agreed(outcome.group, staged.group)
            assert outcome.group.to_bytes() == staged.group.to_bytes()
        outcome = bob.process(staged.message, now=NOW)
        assert isinstance(outcome, mls.EpochAdvanced) and not outcome.own
        agreed(outcome.group, staged.group)


@broken(83, suites=BOTH)
def a_commit_of_our_own_that_we_did_not_stage(world: World) -> Iterator[Attempt]:
    for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        alice = world.group()[0]
        strange = forge.commit(alice, wire_format=wire_format).message
        yield receives(alice, strange)
        staged = alice.commit(now=NOW, entropy=world.entropy)
        yield receives(alice, strange)
        alice.discard_staged()
        yield receives(alice, staged.message)


# -- 84: staging changes nothing -------------------------------------------------------------------


@right(84, suites=BOTH)
def a_staged_commit_is_dropped_without_a_trace(world: World) -> None:
    alice, bob, carol = world.group()
    before = bytes(alice.to_bytes())
    tree, context = alice.ratchet_tree(), alice.context
    dave = world.package("dave")
    staged = alice.commit([Add(dave.key_package), Remove(1)], now=NOW, entropy=world.entropy)
    assert (alice.ratchet_tree(), alice.context) == (tree, context)
    alice.protect(b"still in the old epoch", entropy=world.entropy)
    alice = mls.Group.from_bytes(before, config=alice.config)
    # Lost: somebody else's commit counts, and alice follows it.
    winner = carol.commit(now=NOW, entropy=world.entropy)
    for member in (alice, bob):
        outcome = member.process(winner.message, now=NOW)
        assert isinstance(outcome, mls.EpochAdvanced)
        agreed(outcome.group, winner.group)
    # Whoever got the Welcome too early is alone with it.
    lonely = world.join(staged.welcome, dave)
    assert lonely.epoch_authenticator != winner.group.epoch_authenticator


@right(84)
def a_discarded_commit_leaves_the_state_as_it_was(world: World) -> None:
    alice = world.group()[0]
    before = bytes(alice.to_bytes())
    alice.commit([Remove(1)], now=NOW, entropy=world.entropy)
    assert bytes(alice.to_bytes()) != before  # it is remembered, so that it is recognised
    alice.discard_staged()
    assert bytes(alice.to_bytes()) == before


@broken(84)
def a_second_commit_is_staged(world: World) -> Attempt:
    alice = world.group()[0]
    alice.commit(now=NOW, entropy=world.entropy)
    return does(lambda: alice.commit([Remove(1)], now=NOW, entropy=world.entropy), alice)


@broken(84)
def a_commit_that_cannot_be_made_leaves_the_state_as_it_was(world: World) -> Iterator[Attempt]:
    for private in (False, True):
        alice = world.group(config=world.config(private_handshakes=private))[0]
        bad: list[tuple[list[Proposal], int]] = [
            ([Remove(7)], 49),
            ([psk(world, b"unknown")], 79),
            ([Add(world.package("bob").key_package)], 59),
        ]
        for listed, row in bad:
            yield does(
                lambda g=alice, p=listed: g.commit(p, now=NOW, entropy=world.entropy),  # type: ignore[misc]
                alice,
                row=row,
            )
