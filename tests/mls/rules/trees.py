"""Rows 89 to 93: what a newcomer checks in the tree that it is given. RFC 9420, sections 7.1, 7.9.2
and 12.4.3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from heliogram import mls
from heliogram.codec import vector
from heliogram.mls import Add, Credential, Proposal, Remove
from heliogram.mls.extensions import Extension
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, Node, ParentNode, RatchetTree
from heliogram.mls.registries import ExtensionType
from heliogram.mls.tree_math import NodeIndex
from tests.mls import forge
from tests.mls.forge import Made, World, changed, flipped, with_node
from tests.mls.rules import BOTH, Attempt, broken, joining, joins, right
from tests.mls.rules.joining import Hook, invited
from tests.mls.rules.lists import told, update_of


def at(tree: RatchetTree, position: int) -> ParentNode:
    """The parent at this place, which is not blank."""
    parent = tree.parent(NodeIndex(position))
    assert parent is not None
    return parent


def parent(position: int, **changes: object) -> Hook:
    """Changes a parent of the tree."""
    return lambda tree: with_node(tree, position, changed(at(tree, position), **changes))


# -- 89: the tree ----------------------------------------------------------------------------------


def _optional(node: Node) -> bytes:
    if node is None:
        return b"\0"
    return (b"\1\1" if isinstance(node, LeafNode) else b"\1\2") + node.encode()


def encoded(*nodes: Node) -> Callable[[Extension], Extension]:
    """Puts these nodes, blank ones at the end and all, into the tree's extension."""
    data = vector(map(_optional, nodes))
    return lambda extension: Extension(extension.extension_type, data)


@right(89, suites=BOTH)
def a_tree_inside_or_apart(world: World) -> Iterator[Attempt]:
    for names in (("alice",), ("alice", "bob"), ("alice", "bob", "carol", "dave", "erin")):
        made, package = invited(world, *names)
        yield joins(forge.welcome(made), package)
        apart = forge.welcome(made, tree_extension=lambda _: None)
        yield joins(apart, package, ratchet_tree=made.group.ratchet_tree())


@broken(89, suites=BOTH)
def a_tree_that_is_not_there(world: World) -> Attempt:
    made, package = invited(world)
    return joins(forge.welcome(made, tree_extension=lambda _: None), package)


@broken(89)
def a_tree_with_blank_nodes_at_its_end(world: World) -> Iterator[Attempt]:
    made, package = invited(world, "alice", "bob")
    nodes = made.keys.tree.nodes
    assert len(nodes) == 7 and nodes[4] is not None and nodes[5] is nodes[6] is None
    for end in (6, 7):
        yield joins(forge.welcome(made, tree_extension=encoded(*nodes[:end])), package)
    yield joins(forge.welcome(made, tree_extension=encoded()), package)


@broken(89)
def a_node_where_its_kind_cannot_be(world: World) -> Iterator[Attempt]:
    made, package = invited(world, "alice", "bob", "carol", path=True)
    nodes = made.keys.tree.nodes
    for position, other in ((1, 0), (0, 1)):
        moved = list(nodes)
        moved[position] = nodes[other]
        yield joins(forge.welcome(made, tree_extension=encoded(*moved)), package)


@broken(89, suites=BOTH)
def a_tree_with_another_hash(world: World) -> Iterator[Attempt]:
    made, package = invited(world)
    welcome = forge.welcome(
        made, context=lambda context: changed(context, tree_hash=flipped(context.tree_hash))
    )
    yield joins(welcome, package)
    # Bob has an update that the group knows nothing of.
    bob = world.client("bob").leaf(LeafNodeSource.UPDATE, group=made.group, index=1)
    nodes = with_node(made.keys.tree, 2, bob).nodes
    yield joins(forge.welcome(made, tree_extension=encoded(*nodes[:-1], nodes[-1])), package)


# -- 90: parent hashes -----------------------------------------------------------------------------


def planted(
    group: mls.Group,
    *,
    unmerged: Mapping[int, Sequence[int]] = {},
) -> Hook:
    """Puts the last path of this member in again, over other unmerged leaves.

    Keys stay, parent hashes and the leaf's signature are right: so it is as if the member had
    really made this path.
    """

    def hook(tree: RatchetTree) -> RatchetTree:
        twin, index = tree.copy(), group.own_leaf_index
        path = [(node, side) for node, side in twin.filtered_direct_path(index) if twin.nodes[node]]
        above = b""
        for node, beside in reversed(path):
            old = at(twin, node)
            new = ParentNode(
                old.encryption_key, above, tuple(unmerged.get(node, old.unmerged_leaves))
            )
            twin.set_parent(node, new)
            above = twin.parent_hash(new, beside)
        leaf = twin.leaf(index)
        assert leaf is not None and leaf.source is LeafNodeSource.COMMIT
        leaf = changed(leaf, parent_hash=above, signature=b"").signed(
            group.suite, group._member.signature_key, group.group_id, index
        )
        twin.set_leaf(index, leaf)
        return RatchetTree(twin.suite, twin.nodes)

    return hook


def comes_in(world: World, groups: Sequence[mls.Group], hook: Hook | None = None) -> Attempt:
    """Somebody is added without a path, and told a tree that the hook has changed."""
    package = world.package("newcomer")
    made = forge.commit(groups[0], [Add(package.key_package)], path=False)
    return joins(forge.welcome(made, tree=hook or forge.same), package)


@right(90)
def trees_of_many_shapes(world: World) -> None:
    joining.trees_of_many_shapes(world)


@right(90, suites=BOTH)
def a_path_planted_again(world: World) -> Iterator[Attempt]:
    """The tool of the broken cases changes nothing by itself."""
    groups = world.group("alice", "bob", "carol", "dave", "erin", "frank", full=True)
    for group in groups[1:]:
        now = world.advance(groups, group.own_leaf_index)
        yield comes_in(world, now, planted(now[group.own_leaf_index]))
        group.discard_staged()


@broken(90, suites=BOTH)
def a_parent_with_another_key(world: World) -> Iterator[Attempt]:
    """A member who makes the group info lets the newcomer encrypt to a key of its own."""
    groups = world.group("alice", "bob", "carol", "dave", full=True)
    for position in (1, 5, 3):
        key = world.suite.new_hpke_key(world.entropy).public
        yield comes_in(world, groups, parent(position, encryption_key=key))


@broken(90)
def a_parent_that_an_update_should_have_blanked(world: World) -> Iterator[Attempt]:
    """Nobody below it vouches for it any more: the one who did has a new leaf without a hash."""
    groups = world.group("alice", "bob", "carol", "dave", full=True)
    bob = world.owner(groups[1]).leaf(LeafNodeSource.UPDATE, group=groups[1])
    yield comes_in(world, groups, lambda tree: with_node(tree, 2, bob))
    # The same of a key package in the place of somebody who was removed.
    frank = world.package("frank").key_package.leaf_node
    yield comes_in(world, groups, lambda tree: with_node(tree, 2, frank))


@broken(90)
def a_parent_that_counts_in_an_unmerged_leaf(world: World) -> Iterator[Attempt]:
    """Dave, added without a path, does not know the root's key; the tree says that he does."""
    groups = world.group(full=True)
    dave = world.package("dave")
    groups = world.advance(groups, 0, [Add(dave.key_package)], path=False)
    assert at(groups[0].tree, 3).unmerged_leaves == (3,)
    yield comes_in(world, groups, parent(3, unmerged_leaves=()))


@broken(90)
def a_parent_that_counts_out_a_leaf_that_knows_it(world: World) -> Iterator[Attempt]:
    """Alice knows the key of node 1, for which bob vouches; the tree says that she does not."""
    groups = world.group("alice", "bob", "carol", "dave", full=True)
    yield comes_in(world, groups, parent(1, unmerged_leaves=(0,)))


def both_list_leaf_three(world: World) -> list[mls.Group]:
    """Nodes 3 and 7, one above the other, list grace at leaf 3 as unmerged."""
    names = ("alice", "bob", "carol", "dave", "erin", "frank")
    groups = world.group(*names, full=True)
    groups = world.advance(groups, 0, [Remove(3)])
    groups = world.advance(groups, 0, [Add(world.package("grace").key_package)], path=False)
    assert at(groups[0].tree, 3).unmerged_leaves == at(groups[0].tree, 7).unmerged_leaves == (3,)
    return groups


@broken(90)
def a_lower_parent_that_lists_more_than_the_one_above(world: World) -> Attempt:
    """Both list grace, at leaf 3, as unmerged; then only the lower one does."""
    groups = both_list_leaf_three(world)

    def hook(tree: RatchetTree) -> RatchetTree:
        unmerged = at(tree, 7).unmerged_leaves
        return parent(7, unmerged_leaves=tuple(leaf for leaf in unmerged if leaf != 3))(tree)

    return comes_in(world, groups, hook)


@broken(90)
def a_parent_above_nobody(world: World) -> Attempt:
    groups = world.group("alice", "bob", "carol", "dave", "erin", full=True)
    assert [leaf for leaf, _ in groups[0].members()] == [0, 1, 2, 3, 4]
    stray = ParentNode(world.suite.new_hpke_key(world.entropy).public, b"", ())
    return comes_in(world, groups, lambda tree: with_node(tree, 13, stray))


@broken(90)
def a_parent_hash_that_is_empty_or_of_another_node(world: World) -> Iterator[Attempt]:
    """The chain from dave to node 5 to the root is broken in the middle, by dave himself."""
    groups = world.group("alice", "bob", "carol", "dave", full=True)
    dave = groups[3]
    for value in (b"", at(dave.tree, 1).parent_hash, bytes(world.suite.hash_length)):

        def hook(tree: RatchetTree, value: bytes = value) -> RatchetTree:
            middle = changed(at(tree, 5), parent_hash=value)
            tree = with_node(tree, 5, middle)
            leaf = tree.leaf(3)
            assert leaf is not None
            leaf = changed(leaf, parent_hash=tree.parent_hash(middle, NodeIndex(4)))
            leaf = world.owner(dave).signed_leaf(leaf, dave.group_id, 3)
            return with_node(tree, 6, leaf)

        yield comes_in(world, groups, hook)


# -- 91: every leaf --------------------------------------------------------------------------------


class NoMallory(mls.AcceptAnyCredential):
    """Believes everybody but mallory."""

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        return credential != mls.BasicCredential(b"mallory")


@right(91, suites=BOTH)
def leaves_of_all_sources(world: World) -> Attempt:
    alice, bob, carol = world.group()
    told(bob, update_of(world, bob), alice, carol)
    groups = world.advance([alice, carol], 1)
    assert {leaf.source for _, leaf in groups[0].members()} == set(LeafNodeSource)
    return comes_in(world, groups)


@broken(91, suites=BOTH)
def a_leaf_that_is_not_valid(world: World) -> Iterator[Attempt]:
    groups = world.group()
    client = world.client("bob")
    other = world.group("another")[0]

    def bob(**changes: Any) -> LeafNode:
        return client.leaf(LeafNodeSource.UPDATE, group=groups[1], **changes)

    unknown = Extension(0xF0F0, b"")
    leaves: list[tuple[LeafNode, int]] = [
        (client.leaf(LeafNodeSource.UPDATE, group=other, index=1), 22),
        (client.leaf(LeafNodeSource.UPDATE, group=groups[1], index=0), 22),
        (changed(bob(), signature=flipped(bob().signature)), 22),
        (bob(encryption_key=bytes(len(bob().encryption_key))), 26),
        (bob(capabilities=client.capabilities(versions=())), 28),
        (bob(capabilities=client.capabilities(credentials=(2,))), 29),
        (bob(extensions=(unknown,)), 30),
        (bob(extensions=(Extension(ExtensionType.EXTERNAL_PUB, b""),)), 34),
        (bob(encryption_key=groups[0].own_leaf.encryption_key), 37),
    ]
    for leaf, row in leaves:
        attempt = comes_in(world, groups, lambda tree, leaf=leaf: with_node(tree, 2, leaf))  # type: ignore[misc]
        yield dataclasses.replace(attempt, row=row)


@broken(91)
def two_leaves_of_one_owner(world: World) -> Attempt:
    groups = world.group()
    alice = world.owner(groups[0])
    again = alice.leaf(LeafNodeSource.UPDATE, group=groups[1])
    attempt = comes_in(world, groups, lambda tree: with_node(tree, 2, again))
    return dataclasses.replace(attempt, row=37)


@broken(91)
def a_member_whom_the_newcomer_does_not_believe(world: World) -> Attempt:
    made, package = invited(world, "alice", "mallory")
    config = world.config(authentication=NoMallory())
    return joins(forge.welcome(made), package, config=config, row=23)


# -- 92: unmerged leaves ---------------------------------------------------------------------------


def half_empty(world: World) -> list[mls.Group]:
    """Leaves 0 to 4 know the root's key, made by alice; frank and grace at 5 and 6 do not."""
    groups = world.group("alice", "bob", "carol", "dave", "erin", full=True)
    groups = world.advance(groups, 0, path=True)
    added: list[Proposal] = [Add(world.package(name).key_package) for name in ("frank", "grace")]
    groups = world.advance(groups, 0, added, path=False)
    assert at(groups[0].tree, 7).unmerged_leaves == (5, 6)
    return groups


@right(92)
def unmerged_leaves_in_order(world: World) -> Attempt:
    return comes_in(world, half_empty(world))


@right(92)
def unmerged_leaves_of_nodes_above_one_another(world: World) -> Attempt:
    return comes_in(world, both_list_leaf_three(world))


@broken(92)
def unmerged_leaves_in_another_order_or_twice(world: World) -> Iterator[Attempt]:
    groups = half_empty(world)
    for unmerged in ((6, 5, 7), (5, 7, 6), (5, 5, 6, 7), (5, 6, 7, 7)):
        yield comes_in(world, groups, parent(7, unmerged_leaves=unmerged))


@broken(92)
def an_unmerged_leaf_that_is_not_below(world: World) -> Iterator[Attempt]:
    groups = half_empty(world)
    for beyond in (8, 99, (1 << 32) - 1):
        yield comes_in(world, groups, parent(7, unmerged_leaves=(5, 6, 7, beyond)))
    # One that is in the tree, but elsewhere.
    yield comes_in(world, groups, parent(1, unmerged_leaves=(5,)))


@broken(92)
def an_unmerged_leaf_that_is_blank(world: World) -> Attempt:
    # The root's voucher, alice, is on the other side: a blank leaf more or less makes no
    # difference to the hash that she has.
    groups = world.group("alice", "bob", "carol", "dave", "erin", full=True)
    groups = world.advance(groups, 0, path=True)
    return comes_in(world, groups, parent(7, unmerged_leaves=(5, 6, 7)))


@broken(92)
def a_node_between_does_not_list_an_unmerged_leaf(world: World) -> Attempt:
    """The root says that frank does not know its key, and node 9 below it that he knows its own.

    Alice's path over such a tree is right in all other ways.
    """
    groups = world.group("alice", "bob", "carol", "dave", "erin", "frank", full=True)
    groups = world.advance(groups, 0, path=True)
    assert at(groups[0].tree, 9).unmerged_leaves == ()
    return comes_in(world, groups, planted(groups[0], unmerged={7: (5, 6)}))


# -- 93: parents' keys -----------------------------------------------------------------------------


@right(93, suites=BOTH)
def keys_that_stand_once(world: World) -> Attempt:
    return comes_in(world, world.group("alice", "bob", "carol", "dave", full=True))


@broken(93, suites=BOTH)
def a_key_stands_twice(world: World) -> Iterator[Attempt]:
    groups = world.group("alice", "bob", "carol", "dave", full=True)
    leaf = groups[2].own_leaf.encryption_key
    # Bob's path, right in all other ways, has one key at two nodes, or a key of carol's leaf.
    for first in (None, leaf):
        package = world.package("newcomer")
        made = forge.commit(groups[1], [Add(package.key_package)], path=True)

        def path_keys(keys: list[bytes], first: bytes | None = first) -> list[bytes]:
            return [first or keys[1], *keys[1:]]

        def hook(tree: RatchetTree, made: Made = made) -> RatchetTree:
            return forge.replant(tree, made.group, path_keys=path_keys)

        yield joins(forge.welcome(made, tree=hook), package)
