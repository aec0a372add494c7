"""The working group's test vectors: every file below `HELIOGRAM_VECTORS` whose name is known, whole.

How each kind is verified: github.com/mlswg/mls-implementations, test-vectors.md. A further file is
taken as soon as it lies there, when its name starts like one of `KINDS`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import shake_256
from pathlib import Path
from typing import Any

import pytest

from heliogram import mls
from heliogram.codec import DecodeError, Reader, decode_all
from heliogram.mls import tree_math
from heliogram.mls.commits import Commit, GroupInfo, GroupSecrets, Welcome
from heliogram.mls.config import EpochView
from heliogram.mls.crypto import HPKEKey, Secret, Suite, suite_of
from heliogram.mls.epoch import Epoch
from heliogram.mls.extensions import Capabilities
from heliogram.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    _decode_auth,
    _sender_data_key,
    decode_message,
    encode_message,
    membership_tag,
)
from heliogram.mls.joining import open_group_info
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage
from heliogram.mls.key_schedule import (
    EpochSecrets,
    GroupContext,
    confirmed_transcript_hash,
    epoch_secret,
    export,
    interim_transcript_hash,
    joiner_secret,
    member_secret,
    psk_secret,
)
from heliogram.mls.proposals import (
    Add,
    ExternalInit,
    ExternalPSKID,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
    decode_proposal,
)
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, RatchetTree
from heliogram.mls.registries import WireFormat
from heliogram.mls.secret_tree import RatchetKind, SecretTree
from heliogram.mls.treekem import (
    UpdatePath,
    check_path,
    decrypt_path,
    encrypt_path,
    new_path,
    put_path,
)
from tests.vectors import PUBLISHED

Case = dict[str, Any]
h = bytes.fromhex
NOBODY: frozenset[int] = frozenset()

#: Inside or outside of any lifetime in the files: nothing here depends on it.
NOW = 1_700_000_000


#: Bytes of a private key on each suite's NIST curve. Some files leave out its leading zeros.
_SCALARS = {2: 32, 5: 66, 7: 48}


def _private(suite: Suite, key: str) -> bytes:
    return h(key).rjust(_SCALARS.get(suite.id, 0), b"\0")


def deserialization(case: Case) -> None:
    reader = Reader(h(case["vlbytes_header"]))
    assert reader.varint() == case["length"]
    reader.finish()


def tree_math_(case: Case) -> None:
    count = case["n_leaves"]
    assert tree_math.width(count) == case["n_nodes"]
    assert tree_math.root(count) == case["root"]
    for index in range(case["n_nodes"]):
        node = tree_math.NodeIndex(index)
        if case["left"][index] is None:
            assert tree_math.level(node) == 0
        else:
            assert tree_math.left(node) == case["left"][index]
            assert tree_math.right(node) == case["right"][index]
        if case["parent"][index] is None:
            assert index == case["root"]
        else:
            assert tree_math.parent(node) == case["parent"][index]
            assert tree_math.sibling(node) == case["sibling"][index]


def crypto_basics(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    v = case["ref_hash"]
    assert suite.ref_hash(v["label"].encode(), h(v["value"])) == h(v["out"])
    v = case["expand_with_label"]
    label = v["label"].encode()
    out = suite.expand_with_label(h(v["secret"]), label, h(v["context"]), v["length"])
    assert out == h(v["out"])
    v = case["derive_secret"]
    assert suite.derive_secret(h(v["secret"]), v["label"].encode()) == h(v["out"])
    v = case["derive_tree_secret"]
    label = v["label"].encode()
    out = suite.derive_tree_secret(h(v["secret"]), label, v["generation"], v["length"])
    assert out == h(v["out"])
    v = case["sign_with_label"]
    label, content = v["label"].encode(), h(v["content"])
    assert suite.verify_with_label(h(v["pub"]), label, content, h(v["signature"]))
    signature = suite.sign_with_label(
        suite.signature_key(_private(suite, v["priv"])), label, content
    )
    assert suite.verify_with_label(h(v["pub"]), label, content, signature)
    v = case["encrypt_with_label"]
    key, label, context = (
        suite.hpke_key(_private(suite, v["priv"])),
        v["label"].encode(),
        h(v["context"]),
    )
    assert key.public == h(v["pub"])
    opened = suite.decrypt_with_label(key, label, context, h(v["kem_output"]), h(v["ciphertext"]))
    assert opened == h(v["plaintext"])
    sealed = suite.encrypt_with_label(h(v["pub"]), label, context, opened)
    assert suite.decrypt_with_label(key, label, context, *sealed) == opened


def key_schedule(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    init: bytes = h(case["initial_init_secret"])
    for number, v in enumerate(case["epochs"]):
        group_id, confirmed = h(case["group_id"]), h(v["confirmed_transcript_hash"])
        context = GroupContext(1, suite.id, group_id, number, h(v["tree_hash"]), confirmed, ())
        assert context.encode() == h(v["group_context"])
        joiner = joiner_secret(suite, init, h(v["commit_secret"]), context)
        assert joiner == h(v["joiner_secret"])
        member = member_secret(suite, joiner, h(v["psk_secret"]))
        assert suite.derive_secret(member, b"welcome") == h(v["welcome_secret"])
        secrets = EpochSecrets.derive(suite, epoch_secret(suite, member, context))
        assert secrets.init == h(v["init_secret"])
        assert secrets.sender_data == h(v["sender_data_secret"])
        assert secrets.encryption == h(v["encryption_secret"])
        assert secrets.exporter == h(v["exporter_secret"])
        assert secrets.epoch_authenticator == h(v["epoch_authenticator"])
        assert secrets.external == h(v["external_secret"])
        assert secrets.confirmation_key == h(v["confirmation_key"])
        assert secrets.membership_key == h(v["membership_key"])
        assert secrets.resumption_psk == h(v["resumption_psk"])
        assert secrets.external_key(suite).public == h(v["external_pub"])
        e = v["exporter"]
        label = e["label"].encode()
        out = export(suite, secrets.exporter, label, h(e["context"]), e["length"])
        assert out == h(e["secret"])
        init = secrets.init


def psk_secret_(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    psks = [(ExternalPSKID(h(v["psk_id"]), h(v["psk_nonce"])), h(v["psk"])) for v in case["psks"]]
    assert psk_secret(suite, psks) == h(case["psk_secret"])


def secret_tree(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    v = case["sender_data"]
    key, nonce = _sender_data_key(suite, Secret(h(v["sender_data_secret"])), h(v["ciphertext"]))
    assert (key, nonce) == (h(v["key"]), h(v["nonce"]))
    root = Secret(h(case["encryption_secret"]))
    tree = SecretTree(suite, len(case["leaves"]), root, max_forward=1000, max_skipped=2000)
    kinds = ((RatchetKind.APPLICATION, "application"), (RatchetKind.HANDSHAKE, "handshake"))
    for leaf_index, generations in enumerate(case["leaves"]):
        for v in generations:
            for kind, name in kinds:
                found = tree.find(leaf_index, kind, v["generation"])
                assert found.key == h(v[f"{name}_key"])
                assert found.nonce == h(v[f"{name}_nonce"])
                tree.consume(found)


def _leaf_with_key(suite: Suite, signature_key: bytes) -> LeafNode:
    capabilities = Capabilities((1,), (suite.id,), (), (), (1,))
    credential = mls.BasicCredential(b"")
    source = LeafNodeSource.UPDATE
    return LeafNode(b"", signature_key, credential, capabilities, source, None, None, (), b"")


def message_protection(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    key = suite.signature_key(_private(suite, case["signature_priv"]))
    group_id, confirmed = h(case["group_id"]), h(case["confirmed_transcript_hash"])
    tree_hash = h(case["tree_hash"])
    context = GroupContext(1, suite.id, group_id, case["epoch"], tree_hash, confirmed, ())
    membership_key = Secret(h(case["membership_key"]))
    leaves = [None, _leaf_with_key(suite, h(case["signature_pub"]))]
    view = EpochView(context, RatchetTree(suite))

    def fresh() -> Epoch:
        root = Secret(h(case["encryption_secret"]))
        tree = SecretTree(suite, 2, root, max_forward=9, max_skipped=9)
        return Epoch(suite, context, list(leaves), Secret(h(case["sender_data_secret"])), tree)

    def opened(message: bytes) -> object:
        epoch, private = fresh(), decode_message(message)
        assert isinstance(private, PrivateMessage)
        content, found = epoch.open(private, epoch.sender_of(private))
        epoch.secret_tree.consume(found)
        return content.content.content

    def verified(message: bytes) -> object:
        public = decode_message(message)
        assert isinstance(public, PublicMessage)
        return fresh().verify_public(public, membership_key, view).content.content

    def public(content: AuthenticatedContent) -> bytes:
        tag = membership_tag(suite, membership_key, content, context.encode())
        return encode_message(PublicMessage(content, tag))

    def private(epoch: Epoch, content: AuthenticatedContent) -> bytes:
        sealed = epoch.protect(content, 1, padding=lambda size: size + 7, entropy=bytes)
        return encode_message(sealed)

    proposal = decode_all(decode_proposal, h(case["proposal"]))
    commit = decode_all(Commit.decode, h(case["commit"]))
    for name, value in (("proposal", proposal), ("commit", commit)):
        assert verified(h(case[f"{name}_pub"])) == value
        assert opened(h(case[f"{name}_priv"])) == value
        epoch = fresh()
        for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
            content = epoch.sign(wire_format, 1, value, b"", key)
            if name == "commit":
                content = content.with_tag(suite.mac(b"key", b"value"))
            if wire_format is WireFormat.PUBLIC_MESSAGE:
                assert verified(public(content)) == value
            else:
                assert opened(private(epoch, content)) == value

    application = h(case["application"])
    assert opened(h(case["application_priv"])) == application
    epoch = fresh()
    content = epoch.sign(WireFormat.PRIVATE_MESSAGE, 1, application, b"", key)
    assert opened(private(epoch, content)) == application
    # Application data is never public.
    content = epoch.sign(WireFormat.PUBLIC_MESSAGE, 1, application, b"", key)
    with pytest.raises(mls.InvalidMessage) as refused:
        verified(public(content))
    assert refused.value.rule == 8


def transcript_hashes(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    reader = Reader(h(case["authenticated_content"]))
    wire_format = WireFormat(reader.u16())
    framed = FramedContent.decode(reader)
    signature, tag = _decode_auth(reader, ContentType.COMMIT)
    reader.finish()
    assert tag is not None
    content = AuthenticatedContent(wire_format, framed, signature, tag)
    assert content.encode() == h(case["authenticated_content"])
    before = h(case["interim_transcript_hash_before"])
    encoded = framed.encode()
    confirmed = confirmed_transcript_hash(suite, before, wire_format, encoded, signature)
    assert confirmed == h(case["confirmed_transcript_hash_after"])
    after = interim_transcript_hash(suite, confirmed, tag)
    assert after == h(case["interim_transcript_hash_after"])
    assert suite.mac_matches(h(case["confirmation_key"]), confirmed, tag)


def welcome(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    key_package = KeyPackage.from_message(h(case["key_package"]))
    message = decode_message(h(case["welcome"]))
    assert isinstance(message, Welcome)
    entry = next(s for s in message.secrets if s.new_member == key_package.reference())
    sealed = entry.encrypted_group_secrets
    plain = suite.decrypt_with_label(
        suite.hpke_key(_private(suite, case["init_priv"])),
        b"Welcome",
        message.encrypted_group_info,
        sealed.kem_output,
        sealed.ciphertext,
    )
    secrets = decode_all(GroupSecrets.decode, plain)
    assert not secrets.psks
    member = member_secret(suite, secrets.joiner_secret, psk_secret(suite, []))
    info = open_group_info(message, suite, member)
    assert info.signature_valid(suite, h(case["signer_pub"]))
    derived = EpochSecrets.derive(suite, epoch_secret(suite, member, info.group_context))
    confirmed = info.group_context.confirmed_transcript_hash
    assert suite.mac_matches(derived.confirmation_key, confirmed, info.confirmation_tag)


def _tree(suite: Suite, encoded: str) -> RatchetTree:
    tree = decode_all(lambda reader: RatchetTree.decode(suite, reader), h(encoded))
    assert tree.encode() == h(encoded)
    return tree


def tree_operations(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    tree = _tree(suite, case["tree_before"])
    assert tree.tree_hash() == h(case["tree_hash_before"])
    proposal = decode_all(decode_proposal, h(case["proposal"]))
    if isinstance(proposal, Add):
        tree.add_leaf(proposal.key_package.leaf_node)
    elif isinstance(proposal, Update):
        tree.update_leaf(case["proposal_sender"], proposal.leaf_node)
    else:
        assert isinstance(proposal, Remove)
        tree.remove_leaf(proposal.removed)
    assert tree.encode() == h(case["tree_after"])
    assert tree.tree_hash() == h(case["tree_hash_after"])


def tree_validation(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    tree = _tree(suite, case["tree"])
    for index, resolution in enumerate(case["resolutions"]):
        node = tree_math.NodeIndex(index)
        assert list(tree.resolution(node)) == resolution
        assert tree.tree_hash(node) == h(case["tree_hashes"][index])
    tree.check_shape()
    for leaf_index, leaf in tree.leaves():
        assert leaf.signature_valid(suite, h(case["group_id"]), leaf_index)


def treekem(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    group_id, confirmed = h(case["group_id"]), h(case["confirmed_transcript_hash"])
    base = _tree(suite, case["ratchet_tree"])
    private: dict[int, dict[tree_math.NodeIndex, HPKEKey]] = {}
    signers = {}
    for leaf in case["leaves_private"]:
        keys = {
            tree_math.leaf_node(leaf["index"]): suite.hpke_key(
                _private(suite, leaf["encryption_priv"])
            )
        }
        for item in leaf["path_secrets"]:
            node_secret = suite.derive_secret(h(item["path_secret"]), b"node")
            keys[tree_math.NodeIndex(item["node"])] = suite.derive_key_pair(node_secret)
        for node, key in keys.items():
            value = base.nodes[node]
            assert value is not None and value.encryption_key == key.public
        private[leaf["index"]] = keys
        signers[leaf["index"]] = suite.signature_key(_private(suite, leaf["signature_priv"]))

    def context(tree: RatchetTree) -> bytes:
        version, epoch, tree_hash = 1, case["epoch"], tree.tree_hash()
        return GroupContext(version, suite.id, group_id, epoch, tree_hash, confirmed, ()).encode()

    def received(sender: int, path: UpdatePath) -> RatchetTree:
        tree = base.copy()
        check_path(tree, sender, path, NOBODY)
        parent_hash = put_path(tree, sender, [node.encryption_key for node in path.nodes])
        assert path.leaf_node.parent_hash == parent_hash
        assert path.leaf_node.signature_valid(suite, group_id, sender)
        tree.set_leaf(sender, path.leaf_node)
        tree.check_shape()
        return tree

    for v in case["update_paths"]:
        sender = v["sender"]
        path = decode_all(UpdatePath.decode, h(v["update_path"]))
        assert path.encode() == h(v["update_path"])
        tree = received(sender, path)
        assert tree.tree_hash() == h(v["tree_hash_after"])
        others = {index: keys for index, keys in private.items() if index != sender}
        for index, keys in others.items():
            derived, commit_secret = decrypt_path(
                tree, sender, index, dict(keys), path, context(tree), NOBODY
            )
            assert commit_secret == h(v["commit_secret"])
            node_secret = suite.derive_secret(h(v["path_secrets"][index]), b"node")
            meeting = tree_math.common_ancestor(sender, index)
            assert derived[meeting].public == suite.derive_key_pair(node_secret).public

        # And a path of our own from the same place, which all the others can open.
        own, entropy = base.copy(), _entropy(sender)
        leaf_key = suite.new_hpke_key(entropy)
        leaf = base.leaf(sender)
        assert leaf is not None
        make_leaf = _leaf_maker(suite, leaf, leaf_key, signers[sender], group_id, sender)
        made = new_path(own, sender, make_leaf, leaf_key, entropy)
        sent = encrypt_path(own, sender, made, context(own), NOBODY)
        tree = received(sender, decode_all(UpdatePath.decode, sent.encode()))
        for index, keys in others.items():
            _, commit_secret = decrypt_path(
                tree, sender, index, dict(keys), sent, context(tree), NOBODY
            )
            assert commit_secret == made.commit_secret


def _leaf_maker(
    suite: Suite,
    old: LeafNode,
    leaf_key: HPKEKey,
    signer: mls.SignatureKey,
    group_id: bytes,
    leaf_index: int,
) -> Callable[[bytes], LeafNode]:
    def make(parent_hash: bytes) -> LeafNode:
        return LeafNode(
            leaf_key.public,
            old.signature_key,
            old.credential,
            old.capabilities,
            LeafNodeSource.COMMIT,
            None,
            parent_hash,
            (),
            b"",
        ).signed(suite, signer, group_id, leaf_index)

    return make


def _entropy(seed: int) -> Callable[[int], bytes]:
    calls = iter(range(1 << 30))
    return lambda size: shake_256(b"%d/%d" % (seed, next(calls))).digest(size)


def _round_trip(kind: type[Any]) -> Callable[[bytes], bytes]:
    def again(data: bytes) -> bytes:
        message = decode_message(data)
        assert isinstance(message, kind)
        return encode_message(message)

    return again


def _tree_again(data: bytes) -> bytes:
    return decode_all(lambda reader: RatchetTree.decode(suite_of(1), reader), data).encode()


_MESSAGES: dict[str, Callable[[bytes], bytes]] = {
    "mls_welcome": _round_trip(Welcome),
    "mls_group_info": _round_trip(GroupInfo),
    "mls_key_package": _round_trip(KeyPackage),
    "ratchet_tree": _tree_again,
    "group_secrets": lambda data: decode_all(GroupSecrets.decode, data).encode(),
    "add_proposal": lambda data: decode_all(Add.decode, data).body(),
    "update_proposal": lambda data: decode_all(Update.decode, data).body(),
    "remove_proposal": lambda data: decode_all(Remove.decode, data).body(),
    "pre_shared_key_proposal": lambda data: decode_all(PreSharedKey.decode, data).body(),
    "re_init_proposal": lambda data: decode_all(ReInit.decode, data).body(),
    "external_init_proposal": lambda data: decode_all(ExternalInit.decode, data).body(),
    "group_context_extensions_proposal": lambda data: decode_all(
        GroupContextExtensions.decode, data
    ).body(),
    "commit": lambda data: decode_all(Commit.decode, data).encode(),
    "public_message_application": _round_trip(PublicMessage),
    "public_message_proposal": _round_trip(PublicMessage),
    "public_message_commit": _round_trip(PublicMessage),
    "private_message": _round_trip(PrivateMessage),
}


def messages(case: Case) -> None:
    assert case.keys() == _MESSAGES.keys()
    for name, again in _MESSAGES.items():
        assert again(h(case[name])) == h(case[name]), name


class AllowEverything(mls.Policy):
    """The recordings have external senders and external joiners."""

    def allows_proposal(self, view: mls.EpochView, sent: mls.SentProposal) -> bool:
        return True

    def allows_commit(self, view: mls.EpochView, committer: int | None, proposals: Any) -> bool:
        return True


def passive_client(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    key_package = KeyPackage.from_message(h(case["key_package"]))
    own = OwnKeyPackage(
        key_package,
        suite.hpke_key(_private(suite, case["init_priv"])),
        suite.hpke_key(_private(suite, case["encryption_priv"])),
        suite.signature_key(_private(suite, case["signature_priv"])),
    )
    assert own.init_key.public == key_package.init_key
    assert own.leaf_key.public == key_package.leaf_node.encryption_key
    assert own.signature_key.public == key_package.leaf_node.signature_key
    psks = {h(v["psk_id"]): Secret(h(v["psk"])) for v in case["external_psks"]}

    def psk(psk_id: mls.PreSharedKeyID) -> Secret | None:
        return psks.get(psk_id.psk_id) if isinstance(psk_id, ExternalPSKID) else None

    config = mls.Config(
        authentication=mls.AcceptAnyCredential(),
        policy=AllowEverything(),
        psk=psk,
        max_lifetime=1 << 64,
    )
    tree = None if case["ratchet_tree"] is None else h(case["ratchet_tree"])
    group = mls.Group.join(h(case["welcome"]), [own], config=config, ratchet_tree=tree, now=NOW)
    assert group.epoch_authenticator == h(case["initial_epoch_authenticator"])
    for epoch in case["epochs"]:
        for proposal in epoch["proposals"]:
            assert isinstance(group.process(h(proposal), now=NOW), mls.ProposalReceived)
        outcome = group.process(h(epoch["commit"]), now=NOW)
        assert isinstance(outcome, mls.EpochAdvanced)
        group = outcome.group
        assert group.epoch_authenticator == h(epoch["epoch_authenticator"])


#: What the name of a file starts with, and how each of its cases is verified.
KINDS: dict[str, Callable[[Case], None]] = {
    "crypto-basics": crypto_basics,
    "deserialization": deserialization,
    "key-schedule": key_schedule,
    "message-protection": message_protection,
    "messages": messages,
    "passive-client": passive_client,
    "psk_secret": psk_secret_,
    "secret-tree": secret_tree,
    "transcript-hashes": transcript_hashes,
    "tree-math": tree_math_,
    "tree-operations": tree_operations,
    "tree-validation": tree_validation,
    "treekem": treekem,
    "welcome": welcome,
    # Passive clients again, recorded from other stacks.
    "application": passive_client,
    "branch": passive_client,
    "external_join": passive_client,
    "external_proposals": passive_client,
    "reinit": passive_client,
    "welcome_join": passive_client,
}


def _kind(name: str) -> str | None:
    """The longest known beginning of a file's name."""
    return max((kind for kind in KINDS if name.startswith(kind)), key=len, default=None)


def _files() -> list[Path]:
    root = os.environ.get("HELIOGRAM_VECTORS")
    if not root:
        return []
    return sorted(path for path in Path(root).rglob("*.json") if _kind(path.name))


@pytest.mark.skipif("HELIOGRAM_VECTORS" not in os.environ, reason=PUBLISHED)
def test_every_kind_is_there() -> None:
    assert {_kind(path.name) for path in _files()} == set(KINDS)


@pytest.mark.parametrize("path", _files() or [None], ids=lambda path: path.name if path else "-")
def test_file(path: Path | None) -> None:
    if path is None:
        pytest.skip(PUBLISHED)
    verify = KINDS[_kind(path.name) or ""]
    cases = json.loads(path.read_bytes())
    assert cases
    for number, case in enumerate(cases):
        try:
            verify(case)
        except (AssertionError, mls.MLSError, DecodeError) as error:
            raise AssertionError(f"{path.name}, case {number}") from error
