"""Group infos, Welcomes and trees for newcomers, with hooks on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls.commits import EncryptedGroupSecrets, GroupInfo, GroupSecrets, Welcome
from heliogram.mls.crypto import SignatureKey
from heliogram.mls.extensions import Extension, Extensions
from heliogram.mls.framing import encode_message
from heliogram.mls.key_schedule import GroupContext, epoch_secret, psk_secret, welcome_key_and_nonce
from heliogram.mls.proposals import PreSharedKeyID
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, ParentNode, RatchetTree
from heliogram.mls.registries import ExtensionType
from heliogram.mls.transition import EpochKeys, start_epoch
from heliogram.mls.treekem import HPKECiphertext, put_path
from tests.mls.forge.commits import Made, find_psk
from tests.mls.forge.hooks import changed, same


def ratchet_tree_extension(tree: RatchetTree) -> Extension:
    """A tree as a group info carries it."""
    return Extension(ExtensionType.RATCHET_TREE, tree.encode())


def external_pub_extension(public: bytes) -> Extension:
    """The key for external joiners as a group info carries it."""
    return Extension(ExtensionType.EXTERNAL_PUB, opaque(public))


def replant(
    tree: RatchetTree,
    group: mls.Group,
    *,
    leaf: Callable[[LeafNode], LeafNode] = same,
    path_keys: Callable[[list[bytes]], list[bytes]] = same,
) -> RatchetTree:
    """The tree with the path of the group's own member put in again by the keys that stand there.

    For trees that were changed below or beside that path: all parent hashes on it, and its leaf's
    signature, are right afterwards. Unmerged leaves on it are gone.
    """
    index = group.own_leaf_index
    twin = tree.copy()
    old = twin.leaf(index)
    assert old is not None
    keys = []
    for node, _ in twin.filtered_direct_path(index):
        parent = twin.parent(node)
        assert parent is not None, "a node of the filtered path is blank"
        keys.append(parent.encryption_key)
    parent_hash = put_path(twin, index, path_keys(keys))
    renewed = changed(
        old, source=LeafNodeSource.COMMIT, lifetime=None, parent_hash=parent_hash, signature=b""
    )
    key = group._member.signature_key
    twin.set_leaf(index, leaf(renewed).signed(group.suite, key, group.group_id, index))
    return twin


def with_node(tree: RatchetTree, position: int, node: LeafNode | ParentNode | None) -> RatchetTree:
    """A copy of the tree with one node replaced."""
    nodes = list(tree.nodes)
    nodes[position] = node
    return RatchetTree(tree.suite, nodes)


def group_info(
    group: mls.Group,
    *,
    keys: EpochKeys | None = None,
    tree: Callable[[RatchetTree], RatchetTree] = same,
    context: Callable[[GroupContext], GroupContext] = same,
    tree_extension: Callable[[Extension], Extension | None] = same,
    external_pub: Callable[[bytes], bytes] | None = None,
    extensions: Callable[[Extensions], Extensions] = same,
    info: Callable[[GroupInfo], GroupInfo] = same,
    signed_info: Callable[[GroupInfo], GroupInfo] = same,
    signer: int | None = None,
    key: SignatureKey | None = None,
) -> GroupInfo:
    """A group info of the group's epoch, signed by its own member.

    Hooks in order: `tree`; `context`, which holds the hash of that tree already; `tree_extension`,
    None leaves it out; `external_pub`, not in by default; `extensions`; `info` before it is signed,
    `signed_info` after. The confirmation tag is the one of the group's epoch.
    """
    keys = keys or group._member.current
    suite = keys.suite
    new_tree = tree(keys.tree.copy())
    new_context = context(changed(keys.context, tree_hash=new_tree.tree_hash()))
    listed = []
    carried = tree_extension(ratchet_tree_extension(new_tree))
    if carried is not None:
        listed.append(carried)
    if external_pub is not None:
        listed.append(external_pub_extension(external_pub(keys.secrets.external_key(suite).public)))
    made = info(
        GroupInfo(
            new_context,
            extensions(tuple(listed)),
            keys.confirmation_tag,
            group.own_leaf_index if signer is None else signer,
        )
    )
    return signed_info(made.signed(suite, key or group._member.signature_key))


def group_info_message(group: mls.Group, **hooks: Any) -> bytes:
    """The same as an `MLSMessage`, with the key for external joiners unless it is changed."""
    hooks.setdefault("external_pub", same)
    return encode_message(group_info(group, **hooks))


def welcome(
    made: Made,
    *,
    tree: Callable[[RatchetTree], RatchetTree] = same,
    context: Callable[[GroupContext], GroupContext] = same,
    tree_extension: Callable[[Extension], Extension | None] = same,
    extensions: Callable[[Extensions], Extensions] = same,
    confirmation_tag: Callable[[bytes], bytes] = same,
    info: Callable[[GroupInfo], GroupInfo] = same,
    signed_info: Callable[[GroupInfo], GroupInfo] = same,
    encoded_info: Callable[[bytes], bytes] = same,
    sealed_info: Callable[[bytes], bytes] = same,
    signer: int | None = None,
    key: SignatureKey | None = None,
    secrets: Callable[[GroupSecrets], GroupSecrets] = same,
    encoded_secrets: Callable[[bytes], bytes] = same,
    psks: Callable[[list[PreSharedKeyID]], list[PreSharedKeyID]] | None = None,
    entry: Callable[[EncryptedGroupSecrets], EncryptedGroupSecrets] = same,
    message: Callable[[Welcome], Welcome] = same,
) -> bytes:
    """The Welcome of a forged commit, for everybody whom it adds.

    After the hooks `tree` and `context` the epoch starts anew from the joiner secret, so that the
    confirmation tag is right for what they made. `psks` replaces the list of pre-shared keys; the
    secrets are computed with it. The other hooks as in `group_info`; `secrets` runs on each
    joiner's group secrets, `entry` on each encrypted entry.
    """
    group, suite = made.group, made.keys.suite
    member = group._member
    below, ids = made.member_secret, list(made.psks)
    if psks is not None:
        ids = psks(ids)
        found = [(psk_id, find_psk(member, psk_id)) for psk_id in ids]
        below = suite.extract(made.joiner, psk_secret(suite, found))
    new_tree = tree(made.keys.tree.copy())
    new_context = context(changed(made.keys.context, tree_hash=new_tree.tree_hash()))
    secret = epoch_secret(suite, below, new_context)
    keys = start_epoch(suite, member.config, new_context, new_tree, secret, None)
    keys = changed(keys, confirmation_tag=confirmation_tag(keys.confirmation_tag))
    told = group_info(
        group,
        keys=keys,
        context=lambda _: new_context,
        tree_extension=tree_extension,
        extensions=extensions,
        info=info,
        signed_info=signed_info,
        signer=signer,
        key=key,
    )
    info_key, nonce = welcome_key_and_nonce(suite, below)
    sealed = sealed_info(suite.seal(info_key, nonce, b"", encoded_info(told.encode())))
    entries = []
    for leaf_index, package in made.added:
        path_secret = None
        if made.path is not None:
            count = made.keys.tree.leaf_count
            path_secret = made.path.secret_for(group.own_leaf_index, leaf_index, count)
        plain = secrets(GroupSecrets(made.joiner, path_secret, tuple(ids)))
        pair = suite.encrypt_with_label(
            package.init_key, b"Welcome", sealed, encoded_secrets(plain.encode())
        )
        reference = suite.ref_hash(b"MLS 1.0 KeyPackage Reference", package.encode())
        entries.append(entry(EncryptedGroupSecrets(reference, HPKECiphertext(*pair))))
    return encode_message(message(Welcome(suite.id, tuple(entries), sealed)))
