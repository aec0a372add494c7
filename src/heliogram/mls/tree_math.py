"""Arithmetic on the array that holds a ratchet tree: RFC 9420, section 4.1 and appendix C.

The tree is always perfect: 2**d leaves, blank where nobody is. Leaf i stands at array position 2·i,
parents at the odd positions between; the level of a node is the number of ones at the end of its
index.

              3                 level 2
        1           5           level 1
     0     2     4     6        level 0: leaves 0 1 2 3

A `NodeIndex` is a position in the array. A leaf index is a plain `int` and never passes for one.
"""

from __future__ import annotations

from typing import NewType

NodeIndex = NewType("NodeIndex", int)


def leaf_node(leaf_index: int) -> NodeIndex:
    """Where a leaf stands in the array."""
    return NodeIndex(2 * leaf_index)


def level(node: NodeIndex) -> int:
    """Height above the leaves; 0 for a leaf."""
    return (~node & (node + 1)).bit_length() - 1


def width(leaf_count: int) -> int:
    """Array positions of a tree with so many leaves (a power of two)."""
    return 2 * leaf_count - 1


def root(leaf_count: int) -> NodeIndex:
    """The root of a tree with so many leaves (a power of two)."""
    return NodeIndex(leaf_count - 1)


def left(node: NodeIndex) -> NodeIndex:
    """The left child of a parent."""
    return NodeIndex(node ^ (1 << (level(node) - 1)))


def right(node: NodeIndex) -> NodeIndex:
    """The right child of a parent."""
    return NodeIndex(node ^ (3 << (level(node) - 1)))


def parent(node: NodeIndex) -> NodeIndex:
    """The node above. Of a root it is the root that the tree would have after doubling."""
    bit = 1 << level(node)
    return NodeIndex((node | bit) & ~(bit << 1))


def sibling(node: NodeIndex) -> NodeIndex:
    """The other child of the node above."""
    return NodeIndex(node ^ (2 << level(node)))


def direct_path(leaf_index: int, leaf_count: int) -> list[NodeIndex]:
    """The nodes above a leaf, up to the root; empty in a tree of one leaf."""
    path = []
    node, top = 2 * leaf_index, leaf_count - 1
    bit = 1
    while node != top:
        node = (node | bit) & ~(bit << 1)
        bit <<= 1
        path.append(NodeIndex(node))
    return path


def copath(leaf_index: int, leaf_count: int) -> list[NodeIndex]:
    """The siblings of the leaf and of each node of its direct path but the root."""
    siblings = []
    node, top = 2 * leaf_index, leaf_count - 1
    bit = 1
    while node != top:
        siblings.append(NodeIndex(node ^ (bit << 1)))
        node = (node | bit) & ~(bit << 1)
        bit <<= 1
    return siblings


def leaves_below(node: NodeIndex) -> range:
    """The leaf indices in the subtree of a node."""
    half = (1 << level(node)) - 1
    return range((node - half) // 2, (node + half) // 2 + 1)


def common_ancestor(a: int, b: int) -> NodeIndex:
    """The lowest node that is above (or is) both leaves, given by leaf index."""
    x, y = 2 * a, 2 * b
    if x == y:
        return NodeIndex(x)
    bits = (x ^ y).bit_length()
    return NodeIndex((x >> bits << bits) | ((1 << (bits - 1)) - 1))
