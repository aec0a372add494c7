"""What we receive from the group. RFC 9420, sections 6, 12.1, 12.4.2 and 14.

Nothing changes before everything was checked: a message that is refused leaves the member as it
was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heliogram.mls import tree_math
from heliogram.mls.commits import Commit
from heliogram.mls.committing import check_room
from heliogram.mls.crypto import HPKEKey, Secret, SignatureKey
from heliogram.mls.errors import InvalidMessage, UnknownEpoch
from heliogram.mls.founding import EXTERNAL_INIT
from heliogram.mls.framing import (
    AuthenticatedContent,
    ContentType,
    Message,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    SentProposal,
)
from heliogram.mls.key_schedule import epoch_secret
from heliogram.mls.member import Advanced, Member
from heliogram.mls.outcomes import ApplicationMessage, OwnMessage, ProposalReceived, Removed
from heliogram.mls.proposal_list import (
    Applied,
    apply_proposals,
    check_credential,
    check_proposal,
    check_resync,
    check_successor,
)
from heliogram.mls.proposals import ExternalInit, Proposal, Remove, SelfRemove
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, check_leaf
from heliogram.mls.registries import WireFormat
from heliogram.mls.transition import (
    derive_member_secret,
    final_context,
    find_psks,
    provisional_context,
    start_epoch,
)
from heliogram.mls.tree_math import NodeIndex
from heliogram.mls.treekem import check_path, decrypt_path, put_path

Received = ApplicationMessage | ProposalReceived | Advanced | Removed | OwnMessage


def process(member: Member, message: Message, *, now: int) -> Received:
    """What a message of this group turns out to be.

    Raises `InvalidMessage`, `DecodeError` or `UnknownEpoch`; then nothing has changed.
    """
    if isinstance(message, PrivateMessage):
        _check_group(member, message.group_id, message.epoch)
        return _process_private(member, message, now)
    if isinstance(message, PublicMessage):
        framed = message.content.content
        _check_group(member, framed.group_id, framed.epoch)
        if framed.epoch != member.current.context.epoch:  # RFC 9420, 12.1 and 12.4.2
            raise UnknownEpoch(framed.epoch)
        content = member.current.epoch.verify_public(
            message, member.current.secrets.membership_key, member.view
        )
        return _process_handshake(member, content, now)
    raise InvalidMessage(7, "6", "a message is not one that is sent inside a group")


def _check_group(member: Member, group_id: bytes, epoch: int) -> None:
    context = member.current.context
    if group_id != context.group_id:  # RFC 9420, 12.4.2
        raise InvalidMessage(7, "12.4.2", "a message is for another group")
    if member.reinit is not None and epoch == context.epoch:  # RFC 9420, 12.4.2
        raise InvalidMessage(81, "12.4.2", "a message comes after the group was closed")


def _process_private(member: Member, message: PrivateMessage, now: int) -> Received:
    epoch = member.current.epoch
    if message.epoch != epoch.context.epoch:  # RFC 9420, 12.4.2 and 15.3
        past = next((e for e in member.past if e.context.epoch == message.epoch), None)
        if past is None or message.content_type is not ContentType.APPLICATION:
            raise UnknownEpoch(message.epoch)
        epoch = past
    sender_data = epoch.sender_of(message)
    if sender_data.leaf_index == member.own_leaf_index:  # our leaf is the same in all epochs
        if message.content_type is ContentType.COMMIT:  # RFC 9420, 14
            raise _not_staged()
        return OwnMessage(message.content_type, message.epoch)
    content, found = epoch.open(message, sender_data)
    data = content.content.content
    received: Received
    if isinstance(data, bytes):
        received = ApplicationMessage(
            data,
            sender_data.leaf_index,
            epoch.member(sender_data.leaf_index),
            message.authenticated_data,
            message.epoch,
            sender_data.generation,
        )
    else:
        received = _process_handshake(member, content, now)
    epoch.secret_tree.consume(found)
    return received


def said_elsewhere(
    member: Member, message: Message, known: Callable[[bytes], bool]
) -> ApplicationMessage | None:
    """What our own leaf says by a key that we have not used. See `Group.said_elsewhere`."""
    if (
        not isinstance(message, PrivateMessage)
        or message.group_id != member.current.context.group_id
    ):
        return None
    every = (member.current.epoch, *member.past)
    epoch = next((e for e in every if e.context.epoch == message.epoch), None)
    if epoch is None or message.content_type is not ContentType.APPLICATION:
        return None
    try:
        sender_data = epoch.sender_of(message)
        if sender_data.leaf_index != member.own_leaf_index:
            return None
        content, found = epoch.open(message, sender_data)
    except InvalidMessage:
        return None
    data = content.content.content
    if not isinstance(data, bytes) or known(data):
        return None
    epoch.secret_tree.consume(found)
    return ApplicationMessage(
        data,
        sender_data.leaf_index,
        epoch.member(sender_data.leaf_index),
        message.authenticated_data,
        message.epoch,
        sender_data.generation,
    )


def _not_staged() -> InvalidMessage:
    return InvalidMessage(83, "14", "a commit of our own is not the one that we staged")


def _process_handshake(member: Member, content: AuthenticatedContent, now: int) -> Received:
    body = content.content.content
    if isinstance(body, Commit):
        return _process_commit(member, content, body, now)
    if isinstance(body, bytes):
        raise InvalidMessage(8, "6", "application data comes in a public message")
    return _process_proposal(member, content, body, now)


def _process_proposal(
    member: Member, content: AuthenticatedContent, proposal: Proposal, now: int
) -> ProposalReceived | OwnMessage:
    sender = content.content.sender
    if isinstance(proposal, SelfRemove) and content.wire_format != WireFormat.PUBLIC_MESSAGE:
        # draft-ietf-mls-extensions-10, 6.3
        raise InvalidMessage(54, "12.2", "a self-remove comes in a private message")
    reference = content.proposal_ref(member.current.suite)
    if sender == Sender(SenderType.MEMBER, member.own_leaf_index):
        if reference in member.proposals:
            return OwnMessage(ContentType.PROPOSAL, content.content.epoch)
    sent = SentProposal(proposal, sender, reference)
    check_proposal(member.view, member.config, sent, now=now)
    check_room(member, proposal)
    member.proposals[reference] = sent
    return ProposalReceived(proposal, sender, reference)


def _process_commit(
    member: Member, content: AuthenticatedContent, commit: Commit, now: int
) -> Advanced | Removed:
    """Section 12.4.2, step by step."""
    config, current = member.config, member.current
    suite, sender = current.suite, content.content.sender
    authenticated_data = content.content.authenticated_data
    committer = sender.index if sender.is_member else None
    if committer == member.own_leaf_index:  # RFC 9420, 14
        raise _not_staged()
    proposals = [_resolve(member, item, sender) for item in commit.proposals]
    applied = apply_proposals(
        member.view, config, proposals, committer, checked=frozenset(member.proposals), now=now
    )
    if commit.path is None and applied.path_required:  # RFC 9420, 12.4
        raise InvalidMessage(73, "12.4", "a commit has no path but needs one")
    tree = applied.tree
    leaf_index = tree.free_leaf() if committer is None else committer
    if commit.path is not None:
        leaf = commit.path.leaf_node
        _check_path_leaf(member, leaf, proposals, committer, leaf_index, now)
        check_path(tree, leaf_index, commit.path, applied.added_leaves)
        public_keys = [node.encryption_key for node in commit.path.nodes]
        if leaf.parent_hash != put_path(tree, leaf_index, public_keys):  # RFC 9420, 7.9.2
            raise InvalidMessage(77, "7.9.2", "a committer's leaf has the wrong parent hash")
        tree.set_leaf(leaf_index, leaf)
        tree.check_members(applied.extensions)
    # Not before: what the others refuse must not talk us out of the group (row 82).
    if member.own_leaf_index in applied.removed:  # RFC 9420, 12.4.2
        return Removed(committer, tuple(proposals), authenticated_data)
    provisional = provisional_context(current.context, tree, applied.extensions)
    private_keys, signature_key = _keys_after(member, applied, proposals)
    commit_secret = Secret(bytes(suite.hash_length))
    if commit.path is not None:
        derived, commit_secret = decrypt_path(
            tree,
            leaf_index,
            member.own_leaf_index,
            private_keys,
            commit.path,
            provisional.encode(),
            applied.added_leaves,
        )
        private_keys.update(derived)
    psks = find_psks(config, member.resumption, applied.psks, 79, "12.4.2")
    context = final_context(suite, provisional, current.interim_transcript_hash, content)
    init = _init_secret(member, applied.external_init)
    _, secret = derive_member_secret(suite, init, commit_secret, context, psks)
    keys = start_epoch(
        suite,
        config,
        context,
        tree,
        epoch_secret(suite, secret, context),
        content.confirmation_tag or b"",
    )
    after = Member(
        config, keys, member.own_leaf_index, signature_key, private_keys, applied.reinit
    ).follow(member)
    return Advanced.by(after, leaf_index, proposals, applied, authenticated_data)


def _resolve(member: Member, item: Proposal | bytes, sender: Sender) -> SentProposal:
    if not isinstance(item, bytes):
        return SentProposal(item, sender)
    sent = member.proposals.get(item)
    if sent is None:  # RFC 9420, 12.4
        raise InvalidMessage(54, "12.4", "a commit refers to a proposal that nobody sent here")
    return sent


def _check_path_leaf(
    member: Member,
    leaf: LeafNode,
    proposals: Sequence[SentProposal],
    committer: int | None,
    leaf_index: int,
    now: int,
) -> None:
    """The committer's new leaf (section 12.4.2; rows 68, 70 and 74, and 22 to 40)."""
    suite, config = member.current.suite, member.config
    if leaf.source != LeafNodeSource.COMMIT:  # RFC 9420, 12.4.2
        raise InvalidMessage(74, "12.4.2", "a committer's leaf was made for another use")
    check_leaf(leaf, suite, LeafNodeSource.COMMIT)
    if committer is None:
        check_credential(config, leaf, now=now)
        for sent in proposals:
            if isinstance(sent.proposal, Remove):
                check_resync(member.view, config, sent.proposal.removed, leaf)
    else:
        old = member.view.leaf(committer)
        if old is not None:
            if leaf.encryption_key == old.encryption_key:  # RFC 9420, 12.4.2
                raise InvalidMessage(74, "12.4.2", "a committer keeps its encryption key")
            check_successor(config, old, leaf, now=now)
    group_id = member.current.context.group_id
    if not leaf.signature_valid(suite, group_id, leaf_index):
        if committer is None:  # RFC 9420, 12.4.3.2
            raise InvalidMessage(70, "12.4.3.2", "a joiner's leaf is not signed for the free leaf")
        raise InvalidMessage(22, "7.3", "a leaf node's signature is wrong")  # RFC 9420, 7.3


def _keys_after(
    member: Member, applied: Applied, proposals: Sequence[SentProposal]
) -> tuple[dict[NodeIndex, HPKEKey], SignatureKey]:
    """Our private keys that still count, with those of our own update if it was committed."""
    keys, signature_key = member.keys_in(applied.tree), member.signature_key
    if member.own_leaf_index in applied.updated:
        for sent in proposals:
            update = member.own_updates.get(sent.reference or b"")
            if update is not None:
                keys[tree_math.leaf_node(member.own_leaf_index)] = update.leaf_key
                signature_key = update.signature_key
    return keys, signature_key


def _init_secret(member: Member, external_init: ExternalInit | None) -> Secret:
    """The secret that the new epoch starts from (sections 8 and 8.3; row 70)."""
    current = member.current
    if external_init is None:
        return current.secrets.init
    return current.suite.export_from(
        current.secrets.external_key(current.suite),
        external_init.kem_output,
        EXTERNAL_INIT,
        current.suite.hash_length,
    )
