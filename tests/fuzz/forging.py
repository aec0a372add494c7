"""Signs, tags and seals broken content with the right keys.

What a peer can do who holds the keys of a member: nothing is stopped by a signature or a tag, so
what stands behind those checks is reached.
"""

from __future__ import annotations

from heliogram import mls
from heliogram.codec import DecodeError, decode_all, opaque, u32
from heliogram.mls.commits import Commit
from heliogram.mls.crypto import Secret, Suite
from heliogram.mls.extensions import external_senders
from heliogram.mls.framing import FramedContent, SenderType
from heliogram.mls.key_schedule import (
    EpochSecrets,
    GroupContext,
    epoch_secret,
)
from heliogram.mls.ratchet_tree import RatchetTree
from tests.fuzz.world import World, build
from tests.mls import grammar as g


class Worlds:
    """The worlds that are needed, each built once."""

    def __init__(self) -> None:
        self.known: dict[int, World] = {}
        self._forges: dict[int, Forge] = {}

    def world(self, suite: int) -> World:
        """The world of this suite."""
        if suite not in self.known:
            self.known[suite] = build(suite)
        return self.known[suite]

    def forge(self, suite: int) -> Forge:
        """The keys of the world of this suite."""
        if suite not in self._forges:
            self._forges[suite] = Forge(self.world(suite))
        return self._forges[suite]


class Forge:
    """Signs, tags and seals whatever bytes it is given, with the keys of the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys = world.keys()

    def sign_leaf(self, suite: Suite, leaf: g.Tree, group_id: bytes, leaf_index: int) -> None:
        """Sign a LEAF_NODE again, if its key is one of ours."""
        content = b"".join(map(g.write, leaf.parts[:-1]))
        source = leaf.parts[4].parts[0].data if leaf.parts[4].parts else b""
        if source != b"\x01":
            content += opaque(group_id) + u32(leaf_index)
        self._sign(suite, leaf, leaf.parts[1].data, b"LeafNodeTBS", content)

    def _sign(self, suite: Suite, tree: g.Tree, public: bytes, label: bytes, tbs: bytes) -> None:
        key = self.keys.get(public)
        if key is not None:
            tree.parts[-1].data = suite.sign_with_label(key, label, tbs)
            tree.parts[-1].parts = []

    def sign_again(self, suite: Suite, tree: g.Tree, group_id: bytes, leaf_index: int) -> None:
        """Sign all leaf nodes and key packages in a tree again."""
        for part in tree.parts:
            self.sign_again(suite, part, group_id, leaf_index)
        if tree.kind is g.LEAF_NODE and len(tree.parts) == 7:
            self.sign_leaf(suite, tree, group_id, leaf_index)
        elif tree.kind is g.KEY_PACKAGE and len(tree.parts) == 6:
            content = b"".join(map(g.write, tree.parts[:-1]))
            leaf = tree.parts[3]
            if len(leaf.parts) == 7:
                self._sign(suite, tree, leaf.parts[1].data, b"KeyPackageTBS", content)


def repair_group_info(forge: Forge, suite: Suite, tree: g.Tree, member: Secret | None) -> None:
    """Sign the leaves of a changed GroupInfo again, hash its tree, tag it and sign it."""
    context, extensions = tree.parts[0], tree.parts[1]
    group_id = context.parts[2].data if context.parts else b""
    ratchet_tree = None
    for node in g.nodes(extensions):
        if node.kind is g.RATCHET_TREE:
            for position, entry in enumerate(node.parts):
                forge.sign_again(suite, entry, group_id, position // 2)
            try:
                ratchet_tree = decode_all(lambda r: RatchetTree.decode(suite, r), g.write(node))
            except (DecodeError, mls.InvalidMessage):
                continue
    if ratchet_tree is None or len(context.parts) != 7:
        return
    context.parts[4].data = ratchet_tree.tree_hash()
    if member is not None:
        try:
            decoded = decode_all(GroupContext.decode, g.write(context))
        except DecodeError:
            return
        secrets = EpochSecrets.derive(suite, epoch_secret(suite, member, decoded))
        confirm = secrets.confirmation_key
        tree.parts[2].data = suite.mac(confirm, decoded.confirmed_transcript_hash)
    signer = ratchet_tree.leaf(int.from_bytes(tree.parts[3].data, "big"))
    key = None if signer is None else forge.keys.get(signer.signature_key)
    if key is not None:
        content = b"".join(map(g.write, tree.parts[:-1]))
        tree.parts[4].data = suite.sign_with_label(key, b"GroupInfoTBS", content)


def signer_of(group: mls.Group, framed: FramedContent) -> bytes:
    """The public signature key that a message's sender signs with."""
    content = framed.content
    if framed.sender.is_member:
        leaf = group.tree.leaf(framed.sender.index)
        return b"" if leaf is None else leaf.signature_key
    if isinstance(content, mls.Add):
        if framed.sender.sender_type is SenderType.NEW_MEMBER_PROPOSAL:
            return content.key_package.leaf_node.signature_key
    if isinstance(content, Commit) and content.path is not None:
        return content.path.leaf_node.signature_key
    return external_senders(group.context.extensions)[0].signature_key
