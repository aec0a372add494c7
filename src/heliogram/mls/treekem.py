"""TreeKEM: new keys for a path of the tree, and one secret for everybody left. RFC 9420, sections
7.4 to 7.6.

A committer draws one path secret for the lowest node above its leaf, and derives from it the next
one, and so on up to the root and one step beyond: that last one is the commit secret. Each path
secret gives its node a key pair, and is encrypted to the resolution of the node's other child, so
every member learns the first path secret above its own leaf and derives the rest. Nodes whose other
child reaches nobody are left out: the path is the *filtered* direct path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import overload

from heliogram.codec import DecodeError, Reader, opaque, vector
from heliogram.mls import tree_math
from heliogram.mls.crypto import HPKEKey, Parallel, Secret, Suite
from heliogram.mls.errors import InvalidMessage
from heliogram.mls.ratchet_tree import (
    KEY_CEILING,
    MAX_LEAVES,
    LeafNode,
    ParentNode,
    RatchetTree,
)
from heliogram.mls.tree_math import NodeIndex

#: Bytes that all encrypted path secrets of one node may have: 16,000 members with post-quantum
#: keys.
CIPHERTEXTS_CEILING = 1 << 25


@dataclass(frozen=True, slots=True)
class HPKECiphertext:
    """struct { opaque kem_output<V>; opaque ciphertext<V>; } HPKECiphertext; (section 7.6)"""

    kem_output: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return opaque(self.kem_output) + opaque(self.ciphertext)

    @classmethod
    def decode(cls, reader: Reader) -> HPKECiphertext:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.opaque(KEY_CEILING), reader.opaque(KEY_CEILING))


class HPKECiphertexts(Sequence[HPKECiphertext]):
    """`HPKECiphertext encrypted_path_secret<V>`, parsed only where it is looked at.

    A member needs one of them, and in a large group there are hundreds. All entries normally have
    one size; then comparing the length bytes column by column proves the structure of every entry
    without walking over them one by one.
    """

    __slots__ = ("_data", "_offsets")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offsets: Sequence[int] = _offsets(data)

    @classmethod
    def of(cls, ciphertexts: Iterable[tuple[bytes, bytes]]) -> HPKECiphertexts:
        """From pairs (kem_output, ciphertext)."""
        return cls(b"".join(opaque(kem) + opaque(sealed) for kem, sealed in ciphertexts))

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> HPKECiphertext: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[HPKECiphertext]: ...
    def __getitem__(self, index: int | slice) -> HPKECiphertext | Sequence[HPKECiphertext]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return HPKECiphertext.decode(Reader(self._data, self._offsets[index]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HPKECiphertexts) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return opaque(self._data)


def _offsets(data: bytes) -> Sequence[int]:
    """Where each entry starts. Raises `DecodeError` when the bytes are no list of entries."""
    if not data:
        return ()
    reader = Reader(data)
    kem_size = _skip(reader)
    second = reader.pos
    sealed_size = _skip(reader)
    size = reader.pos
    count, rest = divmod(len(data), size)
    columns = (*range(second - kem_size), *range(second, size - sealed_size))
    if not rest and count <= MAX_LEAVES:
        if all(data[at::size] == data[at : at + 1] * count for at in columns):
            return range(0, len(data), size)
    reader = Reader(data)
    offsets: list[int] = []
    while not reader.done():
        if len(offsets) == MAX_LEAVES:
            raise DecodeError("16.1", "a path secret is encrypted to more than we have members")
        offsets.append(reader.pos)
        _skip(reader)
        _skip(reader)
    return offsets


def _skip(reader: Reader) -> int:
    """Move past one opaque value and return its size."""
    inner = reader.rest(KEY_CEILING)
    return inner.end - inner.pos


@dataclass(frozen=True, slots=True)
class UpdatePathNode:
    """A node's new key, and its path secret for those below the other child (section 7.6)."""

    encryption_key: bytes
    encrypted_path_secret: HPKECiphertexts

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return opaque(self.encryption_key) + self.encrypted_path_secret.encode()

    @classmethod
    def decode(cls, reader: Reader) -> UpdatePathNode:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.opaque(KEY_CEILING), HPKECiphertexts(reader.opaque(CIPHERTEXTS_CEILING)))


@dataclass(frozen=True, slots=True)
class UpdatePath:
    """struct { LeafNode leaf_node; UpdatePathNode nodes<V>; } UpdatePath; (section 7.6)"""

    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return self.leaf_node.encode() + vector(node.encode() for node in self.nodes)

    @classmethod
    def decode(cls, reader: Reader) -> UpdatePath:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        leaf_node = LeafNode.decode(reader)
        # As many nodes as there are levels in the highest tree that we accept.
        levels = MAX_LEAVES.bit_length()
        return cls(leaf_node, reader.vector(UpdatePathNode.decode, 2 * CIPHERTEXTS_CEILING, levels))


@dataclass(frozen=True, slots=True)
class NewPath:
    """A path that we made: what to send, the private keys to keep, and the secrets to hand out."""

    leaf_node: LeafNode
    keys: dict[NodeIndex, HPKEKey] = field(repr=False)
    path_secrets: dict[NodeIndex, Secret] = field(repr=False)
    commit_secret: Secret = field(repr=False)

    def secret_for(self, committer: int, member: int, leaf_count: int) -> Secret | None:
        """The path secret that a new member gets in its Welcome: of the lowest node above both.

        Going up from there is deriving, so a filtered node is replaced by the next one above it.
        """
        start = tree_math.common_ancestor(committer, member)
        path = tree_math.direct_path(committer, leaf_count)
        for node in path[path.index(start) :]:
            if node in self.path_secrets:
                return self.path_secrets[node]
        return None


def derive_path(
    suite: Suite, path_secret: Secret, nodes: Iterable[NodeIndex]
) -> tuple[dict[NodeIndex, HPKEKey], dict[NodeIndex, Secret], Secret]:
    """Keys and path secrets of `nodes` from the first one's path secret, and the commit secret
    (7.4).
    """
    keys: dict[NodeIndex, HPKEKey] = {}
    secrets: dict[NodeIndex, Secret] = {}
    for node in nodes:
        secrets[node] = path_secret
        keys[node] = suite.derive_key_pair(suite.derive_secret(path_secret, b"node"))
        path_secret = suite.derive_secret(path_secret, b"path")
    return keys, secrets, path_secret


def put_path(tree: RatchetTree, committer: int, public_keys: Sequence[bytes]) -> bytes:
    """Set the public keys of a committer's path with their parent hashes; returns the leaf's (7.9).

    Parent hashes go from the top down: each depends on the one above. The topmost node of the
    filtered path carries an empty one, even when it stands below the root of the array.

    Raises `InvalidMessage` (row 76) when there are more or fewer keys than nodes.
    """
    path = tree.filtered_direct_path(committer)
    if len(path) != len(public_keys):  # RFC 9420, 7.5
        raise InvalidMessage(76, "7.5", "an update path has not one node for each on the path")
    tree.blank_path(committer)
    above = b""
    for (node, beside), key in zip(reversed(path), reversed(public_keys), strict=True):
        parent = ParentNode(key, above, ())
        tree.set_parent(node, parent)
        above = tree.parent_hash(parent, beside)
    return above


def new_path(
    tree: RatchetTree,
    committer: int,
    make_leaf: Callable[[bytes], LeafNode],
    leaf_key: HPKEKey,
    entropy: Callable[[int], bytes],
) -> NewPath:
    """Give our path new keys. `tree` is a copy with all proposals applied, and is changed.

    `make_leaf` gets the parent hash and returns the signed leaf node; `leaf_key` is that leaf's key
    pair, made independently of the path secrets (section 7.4).
    """
    suite = tree.suite
    nodes = [node for node, _ in tree.filtered_direct_path(committer)]
    first = Secret(entropy(suite.hash_length))
    keys, path_secrets, commit_secret = derive_path(suite, first, nodes)
    parent_hash = put_path(tree, committer, [keys[node].public for node in nodes])
    leaf = make_leaf(parent_hash)
    tree.set_leaf(committer, leaf)
    keys[tree_math.leaf_node(committer)] = leaf_key
    return NewPath(leaf, keys, path_secrets, commit_secret)


def encrypt_path(
    tree: RatchetTree,
    committer: int,
    path: NewPath,
    context: bytes,
    added: AbstractSet[int],
    parallel: Parallel = map,
) -> UpdatePath:
    """The path for the others: each path secret to the resolution beside it, without new members.

    `context` is the encoded provisional GroupContext of the new epoch (section 12.4.1).
    """
    suite = tree.suite
    new_leaves = {tree_math.leaf_node(leaf) for leaf in added}
    nodes = []
    for node, beside in tree.filtered_direct_path(committer):
        secret = path.path_secrets[node]
        targets = [target for target in tree.resolution(beside) if target not in new_leaves]
        ciphertexts = HPKECiphertexts.of(
            suite.encrypt_each_with_label(
                b"UpdatePathNode",
                context,
                [(_public(tree, target), secret) for target in targets],
                parallel,
            )
        )
        nodes.append(UpdatePathNode(path.keys[node].public, ciphertexts))
    return UpdatePath(path.leaf_node, tuple(nodes))


def check_path(
    tree: RatchetTree, committer: int, path: UpdatePath, added: AbstractSet[int]
) -> None:
    """Refuse a path that does not fit the tree before its keys are put in (rows 75 and 76)."""
    suite = tree.suite
    filtered = tree.filtered_direct_path(committer)
    if len(filtered) != len(path.nodes):  # RFC 9420, 7.5
        raise InvalidMessage(76, "7.5", "an update path has not one node for each on the path")
    new_leaves = {tree_math.leaf_node(leaf) for leaf in added}
    seen = {path.leaf_node.encryption_key}
    for (_, beside), node in zip(filtered, path.nodes, strict=True):
        resolution = tree.resolution(beside)
        receivers = len(resolution)
        if new_leaves:
            receivers -= sum(1 for target in resolution if target in new_leaves)
        if len(node.encrypted_path_secret) != receivers:  # RFC 9420, 7.6
            raise InvalidMessage(76, "7.6", "a path secret is not encrypted to each of its readers")
        if not suite.hpke_public_valid(node.encryption_key):  # RFC 9420, 7.1
            raise InvalidMessage(26, "7.1", "a parent's key is none of this cipher suite")
        if node.encryption_key in seen or tree.has_encryption_key(node.encryption_key):
            raise InvalidMessage(75, "12.4.2", "an update path uses a key that is in the tree")
        seen.add(node.encryption_key)
    if tree.has_encryption_key(path.leaf_node.encryption_key):  # RFC 9420, 12.4.2
        raise InvalidMessage(75, "12.4.2", "an update path uses a key that is in the tree")


def decrypt_path(
    tree: RatchetTree,
    committer: int,
    own_leaf: int,
    keys: dict[NodeIndex, HPKEKey],
    path: UpdatePath,
    context: bytes,
    added: AbstractSet[int],
) -> tuple[dict[NodeIndex, HPKEKey], Secret]:
    """Our share of somebody's path: the new private keys above us, and the commit secret (section
    7.5).

    `tree` already holds the path; `keys` are our private keys by node. Raises `InvalidMessage` (row
    78) when nothing there is for us, it does not open, or the derived keys are not the ones in the
    path.
    """
    suite = tree.suite
    filtered = tree.filtered_direct_path(committer)
    nodes = [node for node, _ in filtered]
    meeting = tree_math.common_ancestor(committer, own_leaf)
    if meeting not in nodes:
        raise InvalidMessage(78, "7.5", "the update path has no secret for this member")
    start = nodes.index(meeting)
    new_leaves = {tree_math.leaf_node(leaf) for leaf in added}
    targets = [t for t in tree.resolution(filtered[start][1]) if t not in new_leaves]
    position = next((i for i, target in enumerate(targets) if target in keys), None)
    if position is None:
        raise InvalidMessage(78, "7.5", "the update path has no secret for this member")
    sealed = path.nodes[start].encrypted_path_secret[position]
    secret = Secret(
        suite.decrypt_with_label(
            keys[targets[position]],
            b"UpdatePathNode",
            context,
            sealed.kem_output,
            sealed.ciphertext,
        )
    )
    if len(secret) != suite.hash_length:
        raise InvalidMessage(78, "7.5", "a path secret has the wrong length")
    derived, _, commit_secret = derive_path(suite, secret, nodes[start:])
    check_derived(tree, derived)
    return derived, commit_secret


def check_derived(tree: RatchetTree, derived: dict[NodeIndex, HPKEKey]) -> None:
    """Refuse a path secret whose key pairs are not the ones that the tree shows (row 78, section
    7.5).
    """
    for node, key in derived.items():
        if _public(tree, node) != key.public:
            raise InvalidMessage(78, "7.5", "a path secret does not give the keys of the tree")


def _public(tree: RatchetTree, node: NodeIndex) -> bytes:
    value = tree.nodes[node]
    if value is None:
        raise InvalidMessage(78, "7.5", "a path secret belongs to a blank node")
    return value.encryption_key
