"""The ratchet tree: who is in the group and which public keys reach whom. RFC 9420, sections 4 and
7.

A tree is a flat list of nodes (`tree_math` draws it): leaves are members, parents hold keys that
exactly the members below them know, except those in `unmerged_leaves`, who joined after the key was
made. A blank node (None) stands for its children: its *resolution* is the shortest list of keys
that reaches everybody below.

`RatchetTree` is treated as immutable once a group owns it: a commit works on `copy()`, which shares
all nodes and all caches, and becomes the next epoch's tree only when everything was checked. Three
things are cached and follow each change up the direct path: tree hashes, resolutions, and the sets
by which duplicate keys and missing capabilities are found. So a commit costs the depth of the tree,
not its size.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from heliogram.codec import DecodeError, Reader, opaque, u8, u32, u64, vector
from heliogram.mls import tree_math
from heliogram.mls.credentials import Credential, decode_credential
from heliogram.mls.crypto import SignatureKey, Suite
from heliogram.mls.errors import InvalidMessage
from heliogram.mls.extensions import (
    TREE_CEILING,
    Capabilities,
    Extensions,
    Place,
    check_extensions,
    decode_extensions,
    encode_extensions,
    required_capabilities,
)
from heliogram.mls.registries import DEFAULT_EXTENSIONS, MLS10
from heliogram.mls.tree_math import NodeIndex

#: Leaves that a tree may have, blank ones included.
MAX_LEAVES = 1 << 17
#: Bytes of one public key, signature or hash.
KEY_CEILING = 1 << 14


class LeafNodeSource(IntEnum):
    """What a leaf node was made for (section 7.2)."""

    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


class NodeType(IntEnum):
    """Kinds of node in an encoded tree (section 7.8)."""

    LEAF = 1
    PARENT = 2


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a key package may be used, in Unix seconds, both ends included (section 7.2).

    struct { uint64 not_before; uint64 not_after; } Lifetime;
    """

    not_before: int
    not_after: int

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return u64(self.not_before) + u64(self.not_after)

    @classmethod
    def decode(cls, reader: Reader) -> Lifetime:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.u64(), reader.u64())


@dataclass(frozen=True, slots=True)
class LeafNode:
    """One member (section 7.2).

    struct {
        HPKEPublicKey encryption_key;  SignaturePublicKey signature_key;
        Credential credential;         Capabilities capabilities;
        LeafNodeSource leaf_node_source;
        select (source) { case key_package: Lifetime lifetime; case update: struct{};
                          case commit: opaque parent_hash<V>; };
        Extension extensions<V>;
        /* SignWithLabel(., "LeafNodeTBS", LeafNodeTBS) */ opaque signature<V>;
    } LeafNode;
    """

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: LeafNodeSource
    lifetime: Lifetime | None
    parent_hash: bytes | None
    extensions: Extensions
    signature: bytes
    _encoded: bytes = field(default=b"", compare=False, repr=False)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        if not self._encoded:
            object.__setattr__(self, "_encoded", self._content() + opaque(self.signature))
        return self._encoded

    @classmethod
    def decode(cls, reader: Reader) -> LeafNode:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        start = reader.pos
        encryption_key = reader.opaque(KEY_CEILING)
        signature_key = reader.opaque(KEY_CEILING)
        credential = decode_credential(reader)
        capabilities = Capabilities.decode(reader)
        source = reader.u8()
        lifetime = parent_hash = None
        if source == 1:
            lifetime = Lifetime(reader.u64(), reader.u64())
        elif source == 3:
            parent_hash = reader.opaque(KEY_CEILING)
        elif source != 2:
            raise DecodeError("7.2", "a leaf node has an unknown source")
        extensions = decode_extensions(reader)
        signature = reader.opaque(KEY_CEILING)
        return cls(
            encryption_key,
            signature_key,
            credential,
            capabilities,
            _SOURCES[source],
            lifetime,
            parent_hash,
            extensions,
            signature,
            reader.data[start : reader.pos],
        )

    def _content(self) -> bytes:
        if self.source == LeafNodeSource.KEY_PACKAGE:
            tail = (self.lifetime or Lifetime(0, 0)).encode()
        elif self.source == LeafNodeSource.COMMIT:
            tail = opaque(self.parent_hash or b"")
        else:
            tail = b""
        return b"".join(
            (
                opaque(self.encryption_key),
                opaque(self.signature_key),
                self.credential.encode(),
                self.capabilities.encode(),
                u8(self.source),
                tail,
                encode_extensions(self.extensions),
            )
        )

    def to_be_signed(self, group_id: bytes, leaf_index: int) -> bytes:
        """LeafNodeTBS (section 7.2): for sources update and commit it names group and leaf."""
        signature = self.signature
        if self._encoded:
            content = self._encoded[: len(self._encoded) - len(opaque(signature))]
        else:
            content = self._content()
        if self.source == LeafNodeSource.KEY_PACKAGE:
            return content
        return content + opaque(group_id) + u32(leaf_index)

    def signed(self, suite: Suite, key: SignatureKey, group_id: bytes, leaf_index: int) -> LeafNode:
        """This leaf node with its signature (section 7.2)."""
        content = self.to_be_signed(group_id, leaf_index)
        return LeafNode(
            self.encryption_key,
            self.signature_key,
            self.credential,
            self.capabilities,
            self.source,
            self.lifetime,
            self.parent_hash,
            self.extensions,
            suite.sign_with_label(key, b"LeafNodeTBS", content),
        )

    def signature_valid(self, suite: Suite, group_id: bytes, leaf_index: int) -> bool:
        """Whether the owner of `signature_key` signed this leaf node for this place."""
        content = self.to_be_signed(group_id, leaf_index)
        return suite.verify_with_label(self.signature_key, b"LeafNodeTBS", content, self.signature)


_SOURCES = {int(source): source for source in LeafNodeSource}


@dataclass(frozen=True, slots=True)
class ParentNode:
    """A key that the members below share (section 7.1).

    struct { HPKEPublicKey encryption_key; opaque parent_hash<V>; uint32 unmerged_leaves<V>; }
    ParentNode;
    """

    encryption_key: bytes
    parent_hash: bytes
    unmerged_leaves: tuple[int, ...]
    _encoded: bytes = field(default=b"", compare=False, repr=False)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        if not self._encoded:
            encoded = (
                opaque(self.encryption_key)
                + opaque(self.parent_hash)
                + vector(map(u32, self.unmerged_leaves))
            )
            object.__setattr__(self, "_encoded", encoded)
        return self._encoded

    @classmethod
    def decode(cls, reader: Reader) -> ParentNode:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        start = reader.pos
        encryption_key = reader.opaque(KEY_CEILING)
        parent_hash = reader.opaque(KEY_CEILING)
        unmerged = reader.vector(Reader.u32, 4 * MAX_LEAVES, MAX_LEAVES)
        return cls(encryption_key, parent_hash, unmerged, reader.data[start : reader.pos])

    def with_unmerged(self, leaf_index: int) -> ParentNode:
        """This node with one more leaf that does not know its key, sorted in (section 7.1)."""
        return ParentNode(
            self.encryption_key,
            self.parent_hash,
            tuple(sorted((*self.unmerged_leaves, leaf_index))),
        )


Node = LeafNode | ParentNode | None


def check_leaf(leaf: LeafNode, suite: Suite, source: LeafNodeSource) -> None:
    """Refuse a leaf node that would be wrong in any group of this suite (section 7.3).

    Raises `InvalidMessage` (rows 26, 28 to 30, 32, 34 and 35). Signature, credential, lifetime and
    what the other members can do are checked where they are known.
    """
    if leaf.source != source:  # RFC 9420, 7.3
        raise InvalidMessage(35, "7.3", "a leaf node has the source of another use")
    _check_leaf_alone(leaf, suite)


def _check_leaf_alone(leaf: LeafNode, suite: Suite) -> None:
    if not suite.signature_key_valid(leaf.signature_key):  # RFC 9420, 5.1.2
        raise InvalidMessage(26, "5.1.2", "a leaf's signature key is none of this cipher suite")
    if not suite.hpke_public_valid(leaf.encryption_key):  # RFC 9420, 10; RFC 9180, 7.1.4
        raise InvalidMessage(26, "7.3", "a leaf's encryption key is none of this cipher suite")
    capabilities = leaf.capabilities
    # That the suite is listed too is not asked of others: deployed clients leave out the newest one, and
    # who has keys of a suite speaks it. We ourselves always list it (`check_own_capabilities`).
    if MLS10 not in capabilities.versions:  # RFC 9420, 7.2
        raise InvalidMessage(28, "7.2", "a leaf does not list mls10")
    if leaf.credential.credential_type not in capabilities.credentials:  # RFC 9420, 7.2
        raise InvalidMessage(29, "7.2", "a leaf does not list the type of its own credential")
    if leaf.extensions:
        check_extensions(leaf.extensions, Place.LEAF_NODE)
        kinds = {extension.extension_type for extension in leaf.extensions}
        if not capabilities.has_extensions(kinds):  # RFC 9420, 7.2
            raise InvalidMessage(30, "7.2", "a leaf holds an extension that it does not list")


def check_lifetime(leaf: LeafNode, now: int, max_lifetime: int) -> None:
    """Refuse a key package's leaf out of its time, or meant to live too long (section 7.2).

    `now` and `max_lifetime` are seconds. Raises `InvalidMessage` (row 38).
    """
    lifetime = leaf.lifetime
    if lifetime is None:
        raise InvalidMessage(35, "7.3", "a leaf node has the source of another use")
    if not lifetime.not_before <= now <= lifetime.not_after:  # RFC 9420, 7.3
        raise InvalidMessage(38, "7.3", "a key package is used before or after its lifetime")
    if lifetime.not_after - lifetime.not_before > max_lifetime:  # RFC 9420, 7.2
        raise InvalidMessage(38, "7.2", "a key package's lifetime is longer than we allow")


class RatchetTree:
    """Public state of all members: nodes, and caches that follow them.

    `leaf_count` is a power of two and counts blank leaves too. Methods that change the tree keep
    every cache true; they are called on a `copy()` only.
    """

    __slots__ = (
        "_blank_from",
        "_client_of",
        "_clients",
        "_duplicates",
        "_encryption_keys",
        "_filtered",
        "_hashes",
        "_profiles",
        "_resolutions",
        "_signature_keys",
        "nodes",
        "suite",
    )

    def __init__(self, suite: Suite, nodes: list[Node] | None = None) -> None:
        self.suite = suite
        self.nodes: list[Node] = [None] if nodes is None else nodes
        count = len(self.nodes)
        self._hashes: list[bytes | None] = [None] * count
        self._resolutions: list[tuple[NodeIndex, ...] | None] = [None] * count
        #: Filtered direct paths by leaf: they follow from which leaves are blank, and nothing else.
        self._filtered: dict[int, list[tuple[NodeIndex, NodeIndex]]] = {}
        #: How often each key stands in the tree, and how many stand more often than once.
        self._encryption_keys: dict[bytes, int] = {}
        self._signature_keys: dict[bytes, int] = {}
        self._duplicates = 0
        #: How many members have each (capabilities, credential type): few distinct ones in
        #: practice.
        self._profiles: dict[tuple[bytes, int], tuple[int, Capabilities]] = {}
        #: How often each client is a member, by the name that `_client_of` gives; see `clients`.
        self._client_of: Callable[[Credential], bytes] | None = None
        self._clients: dict[bytes, int] = {}
        #: No leaf below this index is blank.
        self._blank_from = next(
            (i for i, node in enumerate(self.nodes[::2]) if node is None), self.leaf_count
        )
        for node in self.nodes:
            if node is not None:
                self._enter(node)

    @property
    def leaf_count(self) -> int:
        """Leaves, blank ones included: a power of two."""
        return (len(self.nodes) + 1) // 2

    @property
    def root(self) -> NodeIndex:
        """Array position of the root."""
        return NodeIndex(len(self.nodes) // 2)

    def copy(self) -> RatchetTree:
        """A tree to be changed while this one stays as it is; nodes and caches are shared."""
        twin = RatchetTree.__new__(RatchetTree)
        twin.suite = self.suite
        twin.nodes = self.nodes.copy()
        twin._hashes = self._hashes.copy()
        twin._resolutions = self._resolutions.copy()
        twin._encryption_keys = self._encryption_keys.copy()
        twin._signature_keys = self._signature_keys.copy()
        twin._filtered = self._filtered
        twin._duplicates = self._duplicates
        twin._profiles = self._profiles.copy()
        twin._client_of = self._client_of
        twin._clients = self._clients.copy()
        twin._blank_from = self._blank_from
        return twin

    # -- reading -----------------------------------------------------------------------------------

    def leaf(self, leaf_index: int) -> LeafNode | None:
        """The member at this leaf; None if it is blank or outside of the tree."""
        position = 2 * leaf_index
        if not 0 <= position < len(self.nodes):
            return None
        node = self.nodes[position]
        return node if isinstance(node, LeafNode) else None

    def parent(self, node: NodeIndex) -> ParentNode | None:
        """The parent node at this array position, or None if it is blank."""
        value = self.nodes[node]
        return value if isinstance(value, ParentNode) else None

    def leaves(self) -> Iterator[tuple[int, LeafNode]]:
        """All members: (leaf index, leaf node), from left to right."""
        for index, node in enumerate(self.nodes[::2]):
            if isinstance(node, LeafNode):
                yield index, node

    def clients(self, client_of: Callable[[Credential], bytes]) -> Mapping[bytes, int]:
        """How often each client is a member, by the application's name for it (section 12.2).

        Counted once, then kept up to date leaf by leaf like the other caches.
        """
        if self._client_of != client_of:
            self._clients = {}
            self._client_of = client_of
            for _, leaf in self.leaves():
                self._count_client(leaf, 1)
        return self._clients

    def _count_client(self, leaf: LeafNode, by: int) -> None:
        if self._client_of is not None:
            name = self._client_of(leaf.credential)
            self._clients[name] = self._clients.get(name, 0) + by

    def resolution(self, node: NodeIndex) -> tuple[NodeIndex, ...]:
        """The non-blank nodes that together reach everybody below `node` (section 4.1.1)."""
        cached = self._resolutions[node]
        if cached is not None:
            return cached
        value = self.nodes[node]
        result: tuple[NodeIndex, ...]
        if value is None:
            if node & 1:
                half = ((node + 1) & -(node + 1)) >> 1  # to a child: 2**(level - 1)
                result = ()
                for child in (NodeIndex(node - half), NodeIndex(node + half)):
                    below = self._resolutions[child]
                    if below is None and half == 1:  # a leaf: no call for each of them
                        below = () if self.nodes[child] is None else (child,)
                        self._resolutions[child] = below
                    result += self.resolution(child) if below is None else below
            else:
                result = ()
        elif isinstance(value, LeafNode) or not value.unmerged_leaves:
            result = (node,)
        else:
            result = (node, *map(tree_math.leaf_node, value.unmerged_leaves))
        self._resolutions[node] = result
        return result

    def filtered_direct_path(self, leaf_index: int) -> list[tuple[NodeIndex, NodeIndex]]:
        """(node, its child on the copath) up to the root, less those that reach nobody (4.1.2)."""
        cached = self._filtered.get(leaf_index)
        if cached is None:
            count = self.leaf_count
            path = tree_math.direct_path(leaf_index, count)
            copath = tree_math.copath(leaf_index, count)
            cached = self._filtered[leaf_index] = [
                (node, beside)
                for node, beside in zip(path, copath, strict=True)
                if self.resolution(beside)
            ]
        return cached

    # -- hashes ------------------------------------------------------------------------------------

    def tree_hash(self, node: NodeIndex | None = None) -> bytes:
        """The hash of a subtree, by default of the whole tree (section 7.8)."""
        return self._hash(self.root if node is None else node)

    def _hash(self, node: NodeIndex) -> bytes:
        cached = self._hashes[node]
        if cached is not None:
            return cached
        value = self.nodes[node]
        if node & 1:
            half = ((node + 1) & -(node + 1)) >> 1  # to a child: 2**(level - 1)
            left = self._hash(NodeIndex(node - half))
            right = self._hash(NodeIndex(node + half))
            own = b"\x02\x00" if value is None else b"\x02\x01" + value.encode()
            result = self.suite.hash(own + opaque(left) + opaque(right))
        else:
            own = b"\x00" if value is None else b"\x01" + value.encode()
            result = self.suite.hash(b"\x01" + u32(node >> 1) + own)
        self._hashes[node] = result
        return result

    def _hash_without(
        self, node: NodeIndex, leaves: tuple[int, ...], excluded: frozenset[int]
    ) -> bytes:
        """The tree hash of a subtree as if `leaves` had never joined (section 7.9).

        They are sorted; `excluded` is the same as a set.
        """
        below = tree_math.leaves_below(node)
        if not _any_in(leaves, below.start, below.stop):
            return self._hash(node)
        if not node & 1:
            return self.suite.hash(b"\x01" + u32(node >> 1) + b"\x00")
        value = self.parent(node)
        if value is None:
            own = b"\x02\x00"
        else:
            unmerged = tuple(leaf for leaf in value.unmerged_leaves if leaf not in excluded)
            own = (
                b"\x02\x01" + ParentNode(value.encryption_key, value.parent_hash, unmerged).encode()
            )
        left = self._hash_without(tree_math.left(node), leaves, excluded)
        right = self._hash_without(tree_math.right(node), leaves, excluded)
        return self.suite.hash(own + opaque(left) + opaque(right))

    def parent_hash(self, parent: ParentNode, sibling: NodeIndex) -> bytes:
        """What a node below `parent` must carry, when `sibling` is the other child.

        Section 7.9.
        """
        leaves = parent.unmerged_leaves
        if leaves:
            sibling_hash = self._hash_without(sibling, leaves, frozenset(leaves))
        else:
            sibling_hash = self._hash(sibling)
        return self.suite.hash(
            opaque(parent.encryption_key) + opaque(parent.parent_hash) + opaque(sibling_hash)
        )

    # -- changing a copy ---------------------------------------------------------------------------

    def set_leaf(self, leaf_index: int, leaf: LeafNode | None) -> None:
        """Put a leaf in its place or blank it; the nodes above stay."""
        self._set(tree_math.leaf_node(leaf_index), leaf)
        if leaf is None:
            self._blank_from = min(self._blank_from, leaf_index)

    def set_parent(self, node: NodeIndex, parent: ParentNode | None) -> None:
        """Put a parent node in its place or blank it."""
        self._set(node, parent)

    def blank_path(self, leaf_index: int) -> None:
        """Blank every parent above a leaf (sections 7.5 and 7.7)."""
        for node in tree_math.direct_path(leaf_index, self.leaf_count):
            self._set(node, None)

    def update_leaf(self, leaf_index: int, leaf: LeafNode) -> None:
        """Replace a member's leaf and blank the path above it (section 12.1.2)."""
        self.set_leaf(leaf_index, leaf)
        self.blank_path(leaf_index)

    def free_leaf(self) -> int:
        """The leftmost blank leaf; the tree grows when there is none (section 7.7)."""
        nodes = self.nodes
        index = self._blank_from
        while 2 * index < len(nodes) and nodes[2 * index] is not None:
            index += 1
        if 2 * index >= len(nodes):
            if index >= MAX_LEAVES:
                raise InvalidMessage(6, "16.1", "the group has as many members as we allow")
            self._extend()
        self._blank_from = index
        return index

    def add_leaf(self, leaf: LeafNode) -> int:
        """Seat a new member in the leftmost blank leaf and return its index (section 7.7)."""
        index = self.free_leaf()
        self._set(tree_math.leaf_node(index), leaf)
        for node in tree_math.direct_path(index, self.leaf_count):
            parent = self.nodes[node]
            if isinstance(parent, ParentNode):
                self._set(node, parent.with_unmerged(index))
        return index

    def remove_leaf(self, leaf_index: int) -> None:
        """Blank a member's leaf and path, and cut off a right half that is empty (section 7.7)."""
        self.set_leaf(leaf_index, None)
        self.blank_path(leaf_index)
        while len(self.nodes) > 1 and not any(self.nodes[len(self.nodes) // 2 :]):
            keep = len(self.nodes) // 2
            for values in (self.nodes, self._hashes, self._resolutions):
                del values[keep:]
        self._blank_from = min(self._blank_from, self.leaf_count)

    def _extend(self) -> None:
        self._filtered = {}
        more = len(self.nodes) + 1
        self.nodes.extend([None] * more)
        self._hashes.extend([None] * more)
        self._resolutions.extend([None] * more)

    def _set(self, node: NodeIndex, value: Node) -> None:
        old = self.nodes[node]
        if old is value and old is None:
            return
        if old is not None:
            self._leave(old)
        if value is not None:
            self._enter(value)
        self.nodes[node] = value
        if not node & 1 and (old is None or value is None):
            self._filtered = {}
        # A stale hash has only stale hashes above it, so the walk can stop at the first one; the
        # resolution above may have been asked for without the hash, so both must be stale.
        hashes, resolutions, top = self._hashes, self._resolutions, len(self.nodes) // 2
        bit = 1 << tree_math.level(node)
        position = int(node)
        while hashes[position] is not None or resolutions[position] is not None:
            hashes[position] = None
            resolutions[position] = None
            if position == top:
                break
            position = (position | bit) & ~(bit << 1)
            bit <<= 1

    def _enter(self, node: LeafNode | ParentNode) -> None:
        self._count(self._encryption_keys, node.encryption_key)
        if isinstance(node, LeafNode):
            self._count(self._signature_keys, node.signature_key)
            self._count_client(node, 1)
            profile = (node.capabilities.encode(), node.credential.credential_type)
            count = self._profiles[profile][0] if profile in self._profiles else 0
            self._profiles[profile] = (count + 1, node.capabilities)

    def _leave(self, node: LeafNode | ParentNode) -> None:
        self._uncount(self._encryption_keys, node.encryption_key)
        if isinstance(node, LeafNode):
            self._uncount(self._signature_keys, node.signature_key)
            self._count_client(node, -1)
            profile = (node.capabilities.encode(), node.credential.credential_type)
            count = self._profiles[profile][0] - 1
            if count:
                self._profiles[profile] = (count, node.capabilities)
            else:
                del self._profiles[profile]

    def _count(self, counts: dict[bytes, int], key: bytes) -> None:
        count = counts.get(key, 0) + 1
        counts[key] = count
        if count == 2:
            self._duplicates += 1

    def _uncount(self, counts: dict[bytes, int], key: bytes) -> None:
        count = counts[key] - 1
        if count:
            counts[key] = count
            if count == 1:
                self._duplicates -= 1
        else:
            del counts[key]

    # -- checks ------------------------------------------------------------------------------------

    def has_encryption_key(self, key: bytes) -> bool:
        """Whether some leaf or parent has this public key."""
        return key in self._encryption_keys

    def check_members(self, extensions: Extensions) -> None:
        """Refuse a tree whose members do not fit together under these group context extensions.

        Raises `InvalidMessage` (rows 27, 29, 37 and 39). Cheap: it looks at distinct capabilities
        only.
        """
        if self._duplicates:  # RFC 9420, 7.3 and 16.7
            raise InvalidMessage(37, "7.3", "two nodes of the tree have the same key")
        required = required_capabilities(extensions)
        in_use = {credential_type for _, credential_type in self._profiles}
        kinds = {extension.extension_type for extension in extensions} - DEFAULT_EXTENSIONS
        for _, capabilities in self._profiles.values():
            if required is not None and not capabilities.meets(required):  # RFC 9420, 11.1
                raise InvalidMessage(27, "11.1", "a member lacks a capability the group requires")
            if not in_use.issubset(capabilities.credentials):  # RFC 9420, 7.3
                raise InvalidMessage(29, "7.3", "a credential type in use is unknown to a member")
            if kinds and not capabilities.has_extensions(kinds):  # RFC 9420, 13.4
                raise InvalidMessage(39, "13.4", "a member does not know a group extension")

    def supports_proposal(self, proposal_type: int) -> bool:
        """Whether all members understand this proposal type (section 13.2)."""
        return all(
            capabilities.has_proposal(proposal_type) for _, capabilities in self._profiles.values()
        )

    def check_shape(self) -> None:
        """Refuse a received tree that no honest group can have reached.

        Raises `InvalidMessage` (rows 26, 90, 92 and 93). Looks at every node: once, on joining.
        """
        for position, node in enumerate(self.nodes):
            if isinstance(node, ParentNode):
                index = NodeIndex(position)
                if not self.suite.hpke_public_valid(node.encryption_key):
                    raise InvalidMessage(26, "7.1", "a parent's key is none of this cipher suite")
                if self._encryption_keys[node.encryption_key] > 1:  # RFC 9420, 12.4.3.1
                    raise InvalidMessage(93, "12.4.3.1", "a parent's key stands twice in the tree")
                self._check_unmerged(index, node)
                self._check_parent_hash(index, node)

    def _check_unmerged(self, index: NodeIndex, parent: ParentNode) -> None:
        unmerged = parent.unmerged_leaves
        if any(a >= b for a, b in itertools.pairwise(unmerged)):  # RFC 9420, 7.1
            raise InvalidMessage(92, "7.1", "unmerged leaves are not sorted or not unique")
        below = tree_math.leaves_below(index)
        for leaf_index in unmerged:
            if leaf_index not in below or self.leaf(leaf_index) is None:  # RFC 9420, 12.4.3.1
                raise InvalidMessage(92, "12.4.3.1", "an unmerged leaf is no member below its node")
            between = self._next_parent(index, leaf_index)  # who has checked those below itself
            if between is not None and not _any_in(between.unmerged_leaves, leaf_index):
                raise InvalidMessage(92, "12.4.3.1", "a node below does not list an unmerged leaf")

    def _next_parent(self, node: NodeIndex, leaf_index: int) -> ParentNode | None:
        """The first parent that is not blank on the way from a node down to a leaf."""
        leaf = tree_math.leaf_node(leaf_index)
        while True:
            node = tree_math.left(node) if leaf < node else tree_math.right(node)
            value = self.nodes[node]
            if value is not None or node == leaf:
                return value if isinstance(value, ParentNode) else None

    def _check_parent_hash(self, index: NodeIndex, parent: ParentNode) -> None:
        """Exactly one node below must vouch for this parent (section 7.9.2)."""
        unmerged = frozenset(map(tree_math.leaf_node, parent.unmerged_leaves))
        left, right = tree_math.left(index), tree_math.right(index)
        vouchers = 0
        for child, sibling in ((left, right), (right, left)):
            resolution = self.resolution(child)
            others = [node for node in resolution if node not in unmerged]
            below = tree_math.leaves_below(child)
            missing = sum(1 for leaf in parent.unmerged_leaves if leaf in below)
            if len(others) != 1 or len(resolution) - 1 != missing:
                continue
            descendant = self.nodes[others[0]]
            if descendant is None or descendant.parent_hash is None:
                continue
            if descendant.parent_hash == self.parent_hash(parent, sibling):
                vouchers += 1
        if vouchers != 1:  # RFC 9420, 7.9.2
            raise InvalidMessage(90, "7.9.2", "a parent node's hash does not fit what is below it")

    # -- encoding ----------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """`optional<Node> ratchet_tree<V>` without the blank nodes at its end.

        Section 12.4.3.3.
        """
        end = len(self.nodes)
        while end and self.nodes[end - 1] is None:
            end -= 1
        # NodeType leaf is 1, parent 2; after the byte of optional<Node> (section 7.8).
        return vector(
            b"\x00"
            if node is None
            else (b"\x01\x01" if type(node) is LeafNode else b"\x01\x02") + node.encode()
            for node in self.nodes[:end]
        )

    @classmethod
    def decode(cls, suite: Suite, reader: Reader) -> RatchetTree:
        """A tree as a Welcome or GroupInfo carries it. Only its form is checked (rows 6 and 89)."""
        inner = reader.rest(TREE_CEILING)
        nodes: list[Node] = []
        while inner.pos < inner.end:
            nodes.append(_decode_node(inner, len(nodes)))
            if len(nodes) >= 2 * MAX_LEAVES:
                raise DecodeError("16.1", "a ratchet tree has more leaves than we accept")
        if not nodes or nodes[-1] is None:  # RFC 9420, 12.4.3.3
            raise InvalidMessage(89, "12.4.3.3", "a ratchet tree ends with a blank node")
        size = 1
        while size < len(nodes):
            size = 2 * size + 1
        nodes.extend([None] * (size - len(nodes)))
        return cls(suite, nodes)


def _any_in(leaves: tuple[int, ...], start: int, stop: int | None = None) -> bool:
    """Whether one of these leaves, which are sorted, is `start` or between it and `stop`."""
    at = bisect_left(leaves, start)
    return at < len(leaves) and leaves[at] < (start + 1 if stop is None else stop)


def _decode_node(reader: Reader, position: int) -> Node:
    if not reader.optional():
        return None
    kind = reader.u8()
    if kind not in (1, 2):
        raise DecodeError("7.8", "a tree node is neither leaf nor parent")
    if (kind == NodeType.LEAF) != (position % 2 == 0):  # RFC 9420, 12.4.3.3
        raise InvalidMessage(89, "12.4.3.3", "a tree node stands where its kind cannot")
    return LeafNode.decode(reader) if kind == NodeType.LEAF else ParentNode.decode(reader)
