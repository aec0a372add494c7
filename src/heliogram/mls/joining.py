"""What a newcomer checks before it believes a Welcome or a group info. RFC 9420, sections 12.4.3
and 12.4.3.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from heliogram.codec import Reader, decode_all
from heliogram.mls.commits import GroupInfo, GroupSecrets, Welcome
from heliogram.mls.config import Config
from heliogram.mls.crypto import SUITES, Secret, Suite
from heliogram.mls.errors import DecryptionFailed, InvalidMessage
from heliogram.mls.extensions import (
    Place,
    check_extensions,
    find_extension,
)
from heliogram.mls.key_packages import OwnKeyPackage
from heliogram.mls.key_schedule import welcome_key_and_nonce
from heliogram.mls.proposal_list import check_credential, check_group_extensions
from heliogram.mls.ratchet_tree import LeafNode, RatchetTree, _check_leaf_alone
from heliogram.mls.registries import MLS10, ExtensionType

#: Leaves that one task of a parallel check verifies.
_CHUNK = 64


def suite_of_peer(number: int, row: int, section: str) -> Suite:
    """The cipher suite that a peer names; raises `InvalidMessage` if it is none of ours."""
    suite = SUITES.get(number)
    if suite is None:
        raise InvalidMessage(row, section, "a group has a cipher suite that this client lacks")
    return suite


def open_group_secrets(
    welcome: Welcome, own: Sequence[OwnKeyPackage]
) -> tuple[OwnKeyPackage, Suite, GroupSecrets]:
    """Our entry in a Welcome (section 12.4.3.1; row 85)."""
    suite = suite_of_peer(welcome.cipher_suite, 85, "12.4.3.1")
    by_reference = {
        package.reference: package for package in own if package.key_package.cipher_suite in SUITES
    }
    for entry in welcome.secrets:
        package = by_reference.get(entry.new_member)
        if package is None:
            continue
        if package.key_package.cipher_suite != suite.id:  # RFC 9420, 12.4.3.1
            raise InvalidMessage(85, "12.4.3.1", "a welcome is of another cipher suite than ours")
        sealed = entry.encrypted_group_secrets
        try:
            plain = suite.decrypt_with_label(
                package.init_key,
                b"Welcome",
                welcome.encrypted_group_info,
                sealed.kem_output,
                sealed.ciphertext,
            )
        except DecryptionFailed as error:  # RFC 9420, 12.4.3.1
            raise DecryptionFailed(85, "12.4.3.1", error.what) from error
        return package, suite, decode_all(GroupSecrets.decode, plain)
    raise InvalidMessage(85, "12.4.3.1", "a welcome is for none of our key packages")


def open_group_info(welcome: Welcome, suite: Suite, member: Secret) -> GroupInfo:
    """The group info inside a Welcome (section 12.4.3.1; row 87)."""
    key, nonce = welcome_key_and_nonce(suite, member)
    try:
        plain = suite.open(key, nonce, b"", welcome.encrypted_group_info)
    except DecryptionFailed as error:  # RFC 9420, 12.4.3.1
        raise DecryptionFailed(87, "12.4.3.1", error.what) from error
    info = decode_all(GroupInfo.decode, plain)
    context = info.group_context
    if context.cipher_suite != suite.id or context.version != MLS10:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(87, "12.4.3.1", "a group is of another version or cipher suite")
    return info


def check_group_info(
    info: GroupInfo, suite: Suite, config: Config, ratchet_tree: bytes | None, *, now: int
) -> RatchetTree:
    """The group's tree, when everything a newcomer can see of the group is right (rows 87 to 93,
    97).

    `ratchet_tree` is the tree that came by other means; one in the group info goes first. Signature
    checks of many leaves are shared out over `config.parallel`.
    """
    check_extensions(info.extensions, Place.GROUP_INFO)
    tree = _tree(info, suite, ratchet_tree)
    signer = tree.leaf(info.signer)
    if signer is None:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(88, "12.4.3.1", "a group info is signed by a leaf where nobody is")
    if not info.signature_valid(suite, signer.signature_key):  # RFC 9420, 12.4.3.1
        raise InvalidMessage(88, "12.4.3.1", "a group info's signature is wrong")
    context = info.group_context
    if tree.tree_hash() != context.tree_hash:  # RFC 9420, 12.4.3.1
        raise InvalidMessage(89, "12.4.3.1", "a group's tree does not have the hash it should")
    tree.check_shape()
    _check_leaves(tree, config, context.group_id, now=now)
    check_group_extensions(config, context.extensions, now=now)
    tree.check_members(context.extensions)
    return tree


def _tree(info: GroupInfo, suite: Suite, ratchet_tree: bytes | None) -> RatchetTree:
    data = find_extension(info.extensions, ExtensionType.RATCHET_TREE)
    if data is None:
        data = ratchet_tree
    if data is None:  # RFC 9420, 12.4.3.3
        raise InvalidMessage(89, "12.4.3.3", "a group info comes without the group's tree")
    reader = Reader(data)
    tree = RatchetTree.decode(suite, reader)
    reader.finish()
    return tree


def _check_leaves(tree: RatchetTree, config: Config, group_id: bytes, *, now: int) -> None:
    """Every member's leaf is right on its own (row 91, by the rows of each rule)."""
    leaves = list(tree.leaves())
    suite = tree.suite

    def check_signatures(chunk: Iterable[tuple[int, LeafNode]]) -> None:
        for leaf_index, leaf in chunk:
            if not leaf.signature_valid(suite, group_id, leaf_index):  # RFC 9420, 7.3
                raise InvalidMessage(22, "7.3", "a leaf node's signature is wrong")

    for _, leaf in leaves:
        _check_leaf_alone(leaf, suite)
        check_credential(config, leaf, now=now)
    chunks = [leaves[i : i + _CHUNK] for i in range(0, len(leaves), _CHUNK)]
    for _ in config.parallel(check_signatures, chunks):
        pass


def check_understood(info: GroupInfo, own_leaf: LeafNode) -> None:
    """Refuse a group with extensions that our own leaf does not list (section 13.4; row 97)."""
    kinds = {extension.extension_type for extension in info.group_context.extensions}
    if not own_leaf.capabilities.has_extensions(kinds):
        raise InvalidMessage(97, "13.4", "the group uses an extension that we do not know")


def check_best_suite(tree: RatchetTree, suite: Suite, preferred: Sequence[int]) -> None:
    """Refuse a new group whose creator passed over a better suite that all have (section 11; row
    101).
    """
    if suite.id not in preferred:
        return
    for better in preferred[: preferred.index(suite.id)]:
        if all(leaf.capabilities.speaks(better) for _, leaf in tree.leaves()):
            raise InvalidMessage(101, "11", "a group's creator chose a weaker suite than all have")
