"""What we send to change the group: proposals and commits. RFC 9420, sections 12.1 and 12.4.1.

Everything that others would refuse is refused here first, by the same checks, as our caller's
mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from heliogram.codec import DecodeError, opaque
from heliogram.mls.commits import Commit, EncryptedGroupSecrets, GroupInfo, GroupSecrets, Welcome
from heliogram.mls.credentials import Credential
from heliogram.mls.crypto import HPKEKey, Secret, SignatureKey
from heliogram.mls.errors import InvalidMessage, UsageError
from heliogram.mls.extensions import Capabilities, Extension, Extensions, Place, check_extensions
from heliogram.mls.framing import (
    AuthenticatedContent,
    PublicMessage,
    Sender,
    SenderType,
    SentProposal,
    encode_message,
    membership_tag,
)
from heliogram.mls.key_packages import KeyPackage, check_own_capabilities
from heliogram.mls.key_schedule import epoch_secret, welcome_key_and_nonce
from heliogram.mls.member import Advanced, Member, OwnUpdate, Staged
from heliogram.mls.proposal_list import Applied, apply_proposals, check_proposal, check_successor
from heliogram.mls.proposals import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    SelfRemove,
    Update,
)
from heliogram.mls.ratchet_tree import LeafNode, LeafNodeSource, check_leaf, check_lifetime
from heliogram.mls.registries import ExtensionType, WireFormat
from heliogram.mls.transition import (
    derive_member_secret,
    final_context,
    find_psks,
    provisional_context,
    start_epoch,
)
from heliogram.mls.treekem import HPKECiphertext, NewPath, UpdatePath, encrypt_path, new_path

#: Bytes that the proposals which wait for a commit may have together; small ones are not counted.
WAITING_CEILING = 1 << 24
_SMALL = 1 << 13

T = TypeVar("T")
Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class NewLeaf:
    """What our leaf shall be from the next epoch on; None keeps what it is."""

    credential: Credential | None = None
    signature_key: SignatureKey | None = field(default=None, repr=False)
    capabilities: Capabilities | None = None
    extensions: Extensions | None = None


#: Nothing but fresh keys.
SAME_LEAF = NewLeaf()


def as_usage(check: Callable[[], T]) -> T:
    """What others would refuse, we do not send: the same check, but our caller's mistake."""
    try:
        return check()
    except (InvalidMessage, DecodeError) as error:
        raise UsageError(f"others would refuse this: {error}") from error


def check_running(member: Member, key_package: KeyPackage, now: int) -> None:
    """Whoever adds somebody checks that the key package is in its time (section 7.3; row 38)."""
    leaf = key_package.leaf_node
    as_usage(lambda: check_lifetime(leaf, now, member.config.max_lifetime))


def propose(
    member: Member,
    proposal: Proposal,
    update: OwnUpdate | None,
    authenticated_data: bytes,
    *,
    now: int,
    entropy: Entropy,
) -> bytes:
    """A proposal of ours as an `MLSMessage`; it waits in `member` for whoever commits."""
    member.check_open()
    if isinstance(proposal, Add):
        check_running(member, proposal.key_package, now)
    # draft-ietf-mls-extensions-10, 6.3: a self-remove is always public.
    public = isinstance(proposal, SelfRemove) or not member.config.private_handshakes
    wire_format = WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE
    content = member.current.epoch.sign(
        wire_format, member.own_leaf_index, proposal, authenticated_data, member.signature_key
    )
    reference = content.proposal_ref(member.current.suite)
    sent = SentProposal(proposal, content.content.sender, reference)
    as_usage(lambda: check_proposal(member.view, member.config, sent, now=now))
    as_usage(lambda: check_room(member, proposal))
    message = frame(member, content, entropy)
    member.proposals[reference] = sent
    if update is not None:
        member.own_updates[reference] = update
    return message


def propose_update(
    member: Member, new: NewLeaf, authenticated_data: bytes, *, now: int, entropy: Entropy
) -> bytes:
    """An update of our own leaf; its private keys wait in `member` too (section 12.1.2)."""
    member.check_open()
    leaf_key = member.current.suite.new_hpke_key(entropy)
    leaf = new_leaf_node(member, new, leaf_key, LeafNodeSource.UPDATE, None)
    update = OwnUpdate(leaf_key, new.signature_key or member.signature_key)
    return propose(member, Update(leaf), update, authenticated_data, now=now, entropy=entropy)


def check_room(member: Member, proposal: Proposal) -> None:
    """Refuse a proposal more than we keep, in number or in bytes (row 104)."""
    if len(member.proposals) >= member.config.max_proposals:
        raise InvalidMessage(104, "14", "more proposals are waiting than we keep")
    size = len(proposal.body())
    if size > _SMALL:
        waiting = sum(len(sent.proposal.body()) for sent in member.proposals.values())
        if waiting + size > WAITING_CEILING:
            raise InvalidMessage(104, "14", "larger proposals are waiting than we keep")


def frame(member: Member, content: AuthenticatedContent, entropy: Entropy) -> bytes:
    """A signed handshake message in the framing it was signed for, as an `MLSMessage`."""
    current = member.current
    if content.wire_format == WireFormat.PRIVATE_MESSAGE:
        sealed = current.epoch.protect(
            content, member.own_leaf_index, padding=member.config.padding, entropy=entropy
        )
        return encode_message(sealed)
    context = current.context.encode()
    tag = membership_tag(current.suite, current.secrets.membership_key, content, context)
    return encode_message(PublicMessage(content, tag))


def new_leaf_node(
    member: Member,
    new: NewLeaf,
    leaf_key: HPKEKey,
    source: LeafNodeSource,
    parent_hash: bytes | None,
) -> LeafNode:
    """Our next leaf, signed: what `new` says, and the rest as it was."""
    old = member.own_leaf
    if new.capabilities is not None:
        check_own_capabilities(new.capabilities, member.current.suite)
    suite, signature_key = member.current.suite, new.signature_key or member.signature_key
    leaf = LeafNode(
        leaf_key.public,
        signature_key.public,
        new.credential or old.credential,
        new.capabilities or old.capabilities,
        source,
        None,
        parent_hash,
        old.extensions if new.extensions is None else new.extensions,
        b"",
    ).signed(suite, signature_key, member.current.context.group_id, member.own_leaf_index)
    as_usage(lambda: check_leaf(leaf, suite, source))
    return leaf


def commit(
    member: Member,
    proposals: Sequence[Proposal],
    *,
    include_pending: bool,
    path: bool,
    new: NewLeaf,
    welcome_tree: bool,
    group_info_extensions: Extensions,
    authenticated_data: bytes,
    now: int,
    entropy: Entropy,
) -> Staged:
    """A commit, staged in `member` (section 12.4.1). `Group.commit` explains the arguments."""
    member.check_open()
    if member.staged is not None:
        raise UsageError("row 84: a commit is staged already: merge it or discard it first")
    config, current, own_index = member.config, member.current, member.own_leaf_index
    suite = current.suite
    own = Sender(SenderType.MEMBER, own_index)
    given = [SentProposal(proposal, own) for proposal in proposals]
    for sent in given:
        if isinstance(sent.proposal, Add):
            check_running(member, sent.proposal.key_package, now)
    waiting = _choose(member, given) if include_pending else []
    chosen, applied, psks = _fit(member, waiting, given, now)

    tree = applied.tree
    made: NewPath | None = None
    if path or applied.path_required or new != SAME_LEAF:
        leaf_key = suite.new_hpke_key(entropy)

        def make_leaf(parent_hash: bytes) -> LeafNode:
            return new_leaf_node(member, new, leaf_key, LeafNodeSource.COMMIT, parent_hash)

        made = new_path(tree, own_index, make_leaf, leaf_key, entropy)
        leaf = made.leaf_node
        as_usage(lambda: check_successor(config, member.own_leaf, leaf, now=now))
        as_usage(lambda: tree.check_members(applied.extensions))
    provisional = provisional_context(current.context, tree, applied.extensions)
    update_path: UpdatePath | None = None
    commit_secret = Secret(bytes(suite.hash_length))
    if made is not None:
        commit_secret = made.commit_secret
        added = applied.added_leaves
        update_path = encrypt_path(
            tree, own_index, made, provisional.encode(), added, config.parallel
        )

    private = config.private_handshakes
    content = current.epoch.sign(
        WireFormat.PRIVATE_MESSAGE if private else WireFormat.PUBLIC_MESSAGE,
        own_index,
        Commit(tuple(sent.reference or sent.proposal for sent in chosen), update_path),
        authenticated_data,
        member.signature_key,
    )
    context = final_context(suite, provisional, current.interim_transcript_hash, content)
    joiner, secret = derive_member_secret(suite, current.secrets.init, commit_secret, context, psks)
    keys = start_epoch(suite, config, context, tree, epoch_secret(suite, secret, context), None)
    private_keys = member.keys_in(tree)
    if made is not None:
        private_keys.update(made.keys)
    after = Member(
        config,
        keys,
        own_index,
        new.signature_key or member.signature_key,
        private_keys,
        applied.reinit,
    ).follow(member)
    welcome = None
    if applied.added:
        info = group_info(after, welcome_tree, False, group_info_extensions)
        welcome = _welcome(after, applied, info, joiner, secret, made)
    message = frame(member, content.with_tag(keys.confirmation_tag), entropy)
    step = Advanced.by(after, own_index, chosen, applied, authenticated_data)
    member.staged = Staged(message, welcome, step)
    return member.staged


def _welcome(
    after: Member,
    applied: Applied,
    info: GroupInfo,
    joiner: Secret,
    secret: Secret,
    made: NewPath | None,
) -> bytes:
    """The Welcome for all members that a commit adds (section 12.4.3.1)."""
    suite, tree = after.current.suite, after.tree
    key, nonce = welcome_key_and_nonce(suite, secret)
    sealed_info = suite.seal(key, nonce, b"", info.encode())
    psks = tuple(applied.psks)
    shared = GroupSecrets(joiner, None, psks).encode()
    messages = []
    for leaf_index, key_package in applied.added:
        plain = shared
        if made is not None:
            path_secret = made.secret_for(after.own_leaf_index, leaf_index, tree.leaf_count)
            plain = GroupSecrets(joiner, path_secret, psks).encode()
        messages.append((key_package.init_key, plain))
    entries = [
        EncryptedGroupSecrets(key_package.reference(), HPKECiphertext(*sealed))
        for (_, key_package), sealed in zip(
            applied.added,
            suite.encrypt_each_with_label(b"Welcome", sealed_info, messages, after.config.parallel),
            strict=True,
        )
    ]
    return encode_message(Welcome(suite.id, tuple(entries), sealed_info))


def group_info(
    member: Member, ratchet_tree: bool, external_pub: bool, extensions: Extensions
) -> GroupInfo:
    """This epoch for outsiders, signed by us (section 12.4.3)."""
    current = member.current
    if ratchet_tree:
        tree = Extension(ExtensionType.RATCHET_TREE, current.tree.encode())
        extensions = (*extensions, tree)
    if external_pub:
        # extension_data holds an HPKEPublicKey, which has a length of its own (section 12.4.3.2).
        public = opaque(current.secrets.external_key(current.suite).public)
        extensions = (*extensions, Extension(ExtensionType.EXTERNAL_PUB, public))
    as_usage(lambda: check_extensions(extensions, Place.GROUP_INFO))
    info = GroupInfo(current.context, extensions, current.confirmation_tag, member.own_leaf_index)
    return info.signed(current.suite, member.signature_key)


def _choose(member: Member, given: Sequence[SentProposal]) -> list[SentProposal]:
    """The waiting proposals that can go together, and with the given ones (section 12.2; row 66).

    A removal goes before an update of the same leaf, the latest update before earlier ones,
    everything before a ReInit; what contradicts a given proposal is left out.
    """
    waiting = list(member.proposals.values())
    if any(isinstance(sent.proposal, ReInit) for sent in given):
        return []
    chosen: set[bytes | None] = set()
    touched = {sent.proposal.removed for sent in given if isinstance(sent.proposal, Remove)}
    touched.add(member.own_leaf_index)
    for kind in (SelfRemove, Remove, Update):
        for sent in reversed(waiting):
            if not isinstance(sent.proposal, kind):
                continue
            proposal = sent.proposal
            leaf = proposal.removed if isinstance(proposal, Remove) else sent.sender.index
            if leaf not in touched:
                touched.add(leaf)
                chosen.add(sent.reference)
    names = {_once(member, sent.proposal) for sent in given} - {None}
    for sent in waiting:
        if isinstance(sent.proposal, (SelfRemove, Remove, Update, ReInit)):
            continue
        name = _once(member, sent.proposal)
        if name is None or name not in names:
            names.add(name)
            chosen.add(sent.reference)
    if not chosen and not given:
        return [sent for sent in waiting if isinstance(sent.proposal, ReInit)][:1]
    return [sent for sent in waiting if sent.reference in chosen]


_PSKs = list[tuple[PreSharedKeyID, Secret]]


def _fit(
    member: Member, waiting: list[SentProposal], given: list[SentProposal], now: int
) -> tuple[list[SentProposal], Applied, _PSKs]:
    """The list to commit and what it does: the given proposals and what can go with them.

    Each waiting proposal is valid alone, but together, or in our eyes, they may not be: a removed
    component is updated, a pre-shared key is not known here, the policy objects. Such ones are
    dropped (section 12.2; row 66), or nobody could commit any more. Raises `UsageError` when what was
    given is wrong itself.
    """
    checked = frozenset(member.proposals)

    def attempt(proposals: list[SentProposal]) -> tuple[list[SentProposal], Applied, _PSKs]:
        applied = apply_proposals(
            member.view, member.config, proposals, member.own_leaf_index, checked=checked, now=now
        )
        psks = find_psks(member.config, member.resumption, applied.psks, 79, "12.4.2")
        return proposals, applied, psks

    def keep(kept: list[SentProposal], candidates: list[SentProposal]) -> list[SentProposal]:
        """`kept`, and of the candidates, from the first on, those that go with what is kept."""
        try:
            attempt([*kept, *candidates, *given])
            return [*kept, *candidates]
        except (InvalidMessage, DecodeError):
            half = len(candidates) // 2
            if not half:
                return kept
            return keep(keep(kept, candidates[:half]), candidates[half:])

    try:
        return attempt([*waiting, *given])
    except (InvalidMessage, DecodeError):
        as_usage(lambda: attempt(given))
        return attempt([*keep([], waiting), *given])


def _once(member: Member, proposal: Proposal) -> bytes | None:
    """What a list can hold only once, by name; None for what may come more often (section 12.2)."""
    if isinstance(proposal, Add):
        credential = proposal.key_package.leaf_node.credential
        return b"add" + member.config.authentication.client(credential)
    if isinstance(proposal, PreSharedKey):
        return b"psk" + replace(proposal.psk, psk_nonce=b"").encode()
    return b"context" if isinstance(proposal, GroupContextExtensions) else None
