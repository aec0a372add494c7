"""Commits as the engine makes them, without its checks and with hooks on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from heliogram import mls
from heliogram.mls import tree_math
from heliogram.mls.commits import Commit
from heliogram.mls.crypto import HPKEKey, Secret, SignatureKey
from heliogram.mls.extensions import Extensions
from heliogram.mls.founding import EXTERNAL_INIT
from heliogram.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    SentProposal,
)
from heliogram.mls.key_packages import KeyPackage
from heliogram.mls.key_schedule import GroupContext, epoch_secret, interim_transcript_hash
from heliogram.mls.member import Member
from heliogram.mls.proposal_list import path_required
from heliogram.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    ResumptionPSKID,
    SelfRemove,
    Update,
)
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, RatchetTree
from heliogram.mls.registries import WireFormat
from heliogram.mls.transition import (
    EpochKeys,
    derive_member_secret,
    final_context,
    provisional_context,
    start_epoch,
)
from heliogram.mls.treekem import (
    NewPath,
    UpdatePath,
    UpdatePathNode,
    derive_path,
    encrypt_path,
    put_path,
)
from tests.mls.forge.framing import content, member_sender, private, public
from tests.mls.forge.hooks import changed, flipped, same
from tests.mls.forge.world import Client, Stream


@dataclass(frozen=True)
class Made:
    """A forged commit, and all that is needed to forge what follows from it."""

    message: bytes = field(repr=False)
    content: AuthenticatedContent = field(repr=False)
    #: The committer's view of the new epoch.
    group: mls.Group
    keys: EpochKeys = field(repr=False)
    joiner: Secret
    member_secret: Secret
    path: NewPath | None = field(repr=False)
    added: list[tuple[int, KeyPackage]] = field(repr=False)
    psks: tuple[PreSharedKeyID, ...]


def apply(
    group: mls.Group, proposals: Iterable[SentProposal]
) -> tuple[RatchetTree, Extensions, list[tuple[int, KeyPackage]]]:
    """What a list does to tree and extensions, by the order of section 12.3 and without a check."""
    tree, extensions = group.tree.copy(), group.context.extensions
    listed = list(proposals)
    for one in listed:
        if isinstance(one.proposal, GroupContextExtensions):
            extensions = one.proposal.extensions
        elif isinstance(one.proposal, Update) and tree.leaf(one.sender.index) is not None:
            tree.update_leaf(one.sender.index, one.proposal.leaf_node)
    for one in listed:
        if isinstance(one.proposal, Remove | SelfRemove):
            removed = one.proposal.removed if isinstance(one.proposal, Remove) else one.sender.index
            if tree.leaf(removed) is not None:
                tree.remove_leaf(removed)
    added = [
        (tree.add_leaf(one.proposal.key_package.leaf_node), one.proposal.key_package)
        for one in listed
        if isinstance(one.proposal, Add)
    ]
    return tree, extensions, added


def commit(
    group: mls.Group,
    proposals: Sequence[Proposal | SentProposal | bytes] = (),
    *,
    joiner: Client | None = None,
    wire_format: WireFormat = WireFormat.PUBLIC_MESSAGE,
    path: bool | None = None,
    leaf: Callable[[LeafNode], LeafNode] = same,
    signed_leaf: Callable[[LeafNode], LeafNode] = same,
    leaf_key: HPKEKey | None = None,
    leaf_signature_key: SignatureKey | None = None,
    path_secret: Secret | None = None,
    path_keys: Callable[[list[bytes]], list[bytes]] = same,
    update_path: Callable[[UpdatePath], UpdatePath] = same,
    tree: Callable[[RatchetTree], RatchetTree] = same,
    context: Callable[[GroupContext], GroupContext] = same,
    init_secret: Callable[[Secret], Secret] = same,
    psks: Callable[[list[PreSharedKeyID]], list[PreSharedKeyID]] = same,
    own_index: int | None = None,
    sender: Sender | None = None,
    key: SignatureKey | None = None,
    framed: Callable[[FramedContent], FramedContent] = same,
    signed: Callable[[AuthenticatedContent], AuthenticatedContent] = same,
    confirmation_tag: Callable[[bytes], bytes] = same,
    authenticated_data: bytes = b"",
    frame: Callable[[mls.Group, AuthenticatedContent], bytes] | None = None,
) -> Made:
    """A commit with any list and any path; whatever is not changed by a hook is right.

    `proposals` are given by value, as a `SentProposal` with a reference, or as a bare reference.
    `path` None: as section 12.4 asks. With `joiner` it is an external commit of that client into
    the epoch of `group`, and an ExternalInit is put in front unless the list has one.

    In order: `tree` runs on the tree with all proposals applied; `leaf` on the committer's leaf
    before it is signed (its parent hash is right), `signed_leaf` after; `path_keys` on the public
    keys of the path, before parent hashes; `update_path` on the whole, before the commit is signed
    (the tree that the commit commits to is not changed by it); `context` on the new epoch's
    context, provisional and final; `framed` on the content to be signed, `signed` on the signed
    commit, `confirmation_tag` last.
    """
    member, suite, entropy = group._member, group.suite, Stream(group.group_id + b"commit")
    current = member.current
    init = current.secrets.init
    listed: list[Proposal | SentProposal | bytes] = list(proposals)
    if joiner is not None:
        entropy = joiner.entropy
        external = current.secrets.external_key(suite).public
        output, init = suite.export_to(external, EXTERNAL_INIT, suite.hash_length, entropy=entropy)
        if not any(isinstance(one, ExternalInit) for one in listed):
            listed.insert(0, ExternalInit(output))
        sender = sender or Sender(SenderType.NEW_MEMBER_COMMIT)
    sender = sender or member_sender(group)
    key = key or (joiner.signature_key if joiner else member.signature_key)
    sents = [
        one if isinstance(one, SentProposal) else SentProposal(one, sender)
        for one in listed
        if not isinstance(one, bytes)
    ]
    new_tree, extensions, added = apply(group, sents)
    new_tree = tree(new_tree)
    if own_index is None:
        own_index = new_tree.free_leaf() if joiner else group.own_leaf_index
    if path is None:
        path = path_required([one.proposal for one in sents])

    made: NewPath | None = None
    if path:
        leaf_key = leaf_key or suite.new_hpke_key(entropy)
        nodes = [node for node, _ in new_tree.filtered_direct_path(own_index)]
        first = path_secret or Secret(entropy(suite.hash_length))
        keys_by_node, secrets, commit_secret = derive_path(suite, first, nodes)
        publics = path_keys([keys_by_node[node].public for node in nodes])
        parent_hash = put_path(new_tree, own_index, publics)
        if joiner is None:
            old = group.own_leaf
        else:
            old = joiner.leaf()
        leaf_signer = leaf_signature_key or key
        node = leaf(
            LeafNode(
                leaf_key.public,
                leaf_signer.public,
                old.credential,
                old.capabilities,
                LeafNodeSource.COMMIT,
                None,
                parent_hash,
                old.extensions,
                b"",
            )
        )
        node = signed_leaf(node.signed(suite, leaf_signer, group.group_id, own_index))
        new_tree.set_leaf(own_index, node)
        keys_by_node[tree_math.leaf_node(own_index)] = leaf_key
        made = NewPath(node, keys_by_node, secrets, commit_secret)
    commit_secret = Secret(bytes(suite.hash_length)) if made is None else made.commit_secret
    provisional = context(provisional_context(current.context, new_tree, extensions))
    sealed: UpdatePath | None = None
    if made is not None:
        new_leaves = frozenset(index for index, _ in added)
        sealed = encrypt_path(new_tree, own_index, made, provisional.encode(), new_leaves)
        renamed = (
            UpdatePathNode(public, one.encrypted_path_secret)
            for public, one in zip(publics, sealed.nodes, strict=True)
        )
        sealed = update_path(UpdatePath(made.leaf_node, tuple(renamed)))
    items = tuple(
        (one.reference or one.proposal) if isinstance(one, SentProposal) else one for one in listed
    )
    told = signed(
        content(
            group,
            Commit(items, sealed),
            wire_format=wire_format,
            sender=sender,
            authenticated_data=authenticated_data,
            key=key,
            framed=framed,
        )
    )
    interim = interim_transcript_hash(
        suite, current.context.confirmed_transcript_hash, current.confirmation_tag
    )
    new_context = final_context(suite, provisional, interim, told)
    ids = psks([one.proposal.psk for one in sents if isinstance(one.proposal, PreSharedKey)])
    found = [(psk_id, find_psk(member, psk_id)) for psk_id in ids]
    joined, below = derive_member_secret(
        suite, init_secret(init), commit_secret, new_context, found
    )
    secret = epoch_secret(suite, below, new_context)
    keys = start_epoch(suite, member.config, new_context, new_tree, secret, None)
    told = told.with_tag(confirmation_tag(keys.confirmation_tag))
    if frame is None:
        frame = private if wire_format is WireFormat.PRIVATE_MESSAGE else public
    message = frame(group, told)
    private_keys = {} if joiner else member.keys_in(new_tree)
    private_keys.update({} if made is None else made.keys)
    after = Member(
        member.config,
        keys,
        own_index,
        leaf_signature_key or key,
        private_keys,
        next((one.proposal for one in sents if isinstance(one.proposal, ReInit)), None),
    )
    after.past = [] if joiner else [current.epoch]
    after.resumption = {} if joiner else dict(member.resumption)
    after.remember_resumption()
    return Made(message, told, mls.Group(after), keys, joined, below, made, added, tuple(ids))


def find_psk(member: Member, psk_id: PreSharedKeyID) -> Secret:
    """The secret behind an id as the member has it; zeros where it has none."""
    if isinstance(psk_id, ResumptionPSKID):
        known = member.resumption.get((psk_id.psk_group_id, psk_id.psk_epoch))
        if known is not None:
            return known
    return member.config.psk(psk_id) or Secret(bytes(member.current.suite.hash_length))


def corrupt_ciphertext(node: UpdatePathNode, position: int = 0) -> UpdatePathNode:
    """A path node one of whose path secrets does not open."""
    pairs = [(one.kem_output, one.ciphertext) for one in node.encrypted_path_secret]
    kem, sealed = pairs[position]
    pairs[position] = (kem, flipped(sealed))
    return changed(node, encrypted_path_secret=type(node.encrypted_path_secret).of(pairs))
