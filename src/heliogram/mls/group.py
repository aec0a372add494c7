"""A member's view of a group, epoch by epoch: RFC 9420, sections 8.3, 11 and 12.

`Group` is one member's view of one epoch. Changing the group never changes a `Group`: `commit` returns a
`StagedCommit` with the message, the Welcome and the *next* `Group`, and this one stays good until the message
was accepted; `process` of somebody's commit returns the next one too. A commit that lost its race costs
nothing: it is discarded. What does change in place is what must not exist twice or must not stay: ratchets
move and used keys go, proposals are collected, and the staged commit is remembered so that it is recognised
when it comes back.

The caller's duty, whenever a call returned: write `changes()` to its store *before* it sends what the call
gave, or shows what it opened. Then no key is ever used twice, whatever crashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from heliogram.codec import DecodeError, Reader, decode_all, opaque
from heliogram.mls import joining, tree_math
from heliogram.mls.commits import Commit, EncryptedGroupSecrets, GroupInfo, GroupSecrets, Welcome
from heliogram.mls.config import Config, EpochView
from heliogram.mls.credentials import Credential
from heliogram.mls.crypto import HPKEKey, Secret, SignatureKey, Suite, suite_of
from heliogram.mls.epoch import Epoch
from heliogram.mls.errors import InvalidMessage, UnknownEpoch, UsageError
from heliogram.mls.extensions import (
    Capabilities,
    Extension,
    Extensions,
    Place,
    check_extensions,
    find_extension,
)
from heliogram.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    Message,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    decode_message,
    encode_message,
    membership_tag,
    refused,
)
from heliogram.mls.key_packages import (
    CLOCK_SKEW,
    DEFAULT_LIFETIME,
    KeyPackage,
    OwnKeyPackage,
    check_own_capabilities,
    default_capabilities,
)
from heliogram.mls.key_schedule import EpochSecrets, GroupContext, epoch_secret, export
from heliogram.mls.key_schedule import member_secret as derive_member
from heliogram.mls.key_schedule import psk_secret as fold_psks
from heliogram.mls.outcomes import (
    ApplicationMessage,
    EpochAdvanced,
    Outcome,
    OwnMessage,
    ProposalReceived,
    Removed,
)
from heliogram.mls.proposal_list import (
    Applied,
    SentProposal,
    apply_proposals,
    check_proposal,
    check_successor,
    path_required,
)
from heliogram.mls.proposals import (
    Add,
    ExternalInit,
    ExternalPSKID,
    GroupContextExtensions,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    ResumptionPSKID,
    ResumptionPSKUsage,
    SelfRemove,
    Update,
)
from heliogram.mls.ratchet_tree import (
    LeafNode,
    LeafNodeSource,
    Lifetime,
    RatchetTree,
    check_leaf,
    check_lifetime,
)
from heliogram.mls.registries import MLS10, ExtensionType, WireFormat
from heliogram.mls.secret_tree import FoundKey
from heliogram.mls.transition import (
    EpochKeys,
    derive_member_secret,
    final_context,
    find_psks,
    provisional_context,
    start_epoch,
)
from heliogram.mls.tree_math import NodeIndex
from heliogram.mls.treekem import (
    NewPath,
    UpdatePath,
    check_derived,
    check_path,
    decrypt_path,
    derive_path,
    encrypt_path,
    new_path,
    put_path,
)

Entropy = Callable[[int], bytes]

#: Label of the secret that an external joiner shares with the group (section 8.3).
_EXTERNAL_INIT = b"MLS 1.0 external init secret"


@dataclass(frozen=True, slots=True)
class OwnUpdate:
    """An update that we proposed: the private keys that become ours if somebody commits it."""

    leaf_key: HPKEKey = field(repr=False)
    signature_key: SignatureKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewLeaf:
    """What our leaf shall be from the next epoch on; None keeps what it is."""

    credential: Credential | None = None
    signature_key: SignatureKey | None = None
    capabilities: Capabilities | None = None
    extensions: Extensions | None = None


@dataclass(frozen=True, slots=True)
class StagedCommit:
    """A commit of ours that nobody has accepted yet.

    `message` is what to send. `welcome` is for the new members and must not reach them before the commit was
    accepted (section 14). `group` is the epoch that it starts: `merge()` gives it once the commit counts.
    """

    message: bytes
    welcome: bytes | None
    group: Group
    outcome: EpochAdvanced = field(repr=False)

    def merge(self) -> Group:
        """The group in its new epoch. Call it when the commit was accepted, then forget the old group."""
        return self.group


class Group:
    """One member's view of one epoch; the module's docstring tells how it is used.

    Made by `create`, `join`, `join_external` and `from_bytes`, never directly.
    """

    __slots__ = (
        "_journal",
        "_keys",
        "_own_updates",
        "_past",
        "_proposals",
        "_resumption",
        "_signature_key",
        "_staged",
        "_state",
        "config",
        "own_leaf_index",
        "reinit",
    )

    def __init__(
        self,
        config: Config,
        state: EpochKeys,
        own_leaf_index: int,
        signature_key: SignatureKey,
        keys: dict[NodeIndex, HPKEKey],
        *,
        before: Group | None = None,
        reinit: ReInit | None = None,
    ) -> None:
        self.config = config
        self._state = state
        self.own_leaf_index = own_leaf_index
        self._signature_key = signature_key
        self._keys = keys
        #: The committed ReInit that closed this group, or None.
        self.reinit = reinit
        self._proposals: dict[bytes, SentProposal] = {}
        self._own_updates: dict[bytes, OwnUpdate] = {}
        self._staged: StagedCommit | None = None
        self._past: list[Epoch] = []
        self._resumption: dict[tuple[bytes, int], Secret] = {}
        self._journal = Journal()
        if before is not None:
            self._inherit(before)
        self._remember(state.context.group_id, state.context.epoch, state.secrets.resumption_psk)

    def _inherit(self, before: Group) -> None:
        """Keep what outlives an epoch: late messages' keys and resumption secrets, bounded (row 104)."""
        keep = self.config.past_epochs
        self._past = [before._state.epoch, *before._past][:keep] if keep else []
        self._resumption = dict(before._resumption)
        self._journal = before._journal

    def _remember(self, group_id: bytes, epoch: int, secret: Secret) -> None:
        self._resumption[group_id, epoch] = secret
        while len(self._resumption) > self.config.past_epochs + 1:
            del self._resumption[next(iter(self._resumption))]

    def __repr__(self) -> str:
        return f"<Group epoch {self.epoch}, leaf {self.own_leaf_index}>"

    # -- what everybody may know -----------------------------------------------------------------------

    @property
    def suite(self) -> Suite:
        """The group's cipher suite."""
        return self._state.suite

    @property
    def context(self) -> GroupContext:
        """What all members of this epoch agree on (section 8.1)."""
        return self._state.context

    @property
    def group_id(self) -> bytes:
        """The group's id, chosen by its creator."""
        return self._state.context.group_id

    @property
    def epoch(self) -> int:
        """The number of this epoch, from 0."""
        return self._state.context.epoch

    @property
    def tree(self) -> RatchetTree:
        """The group's ratchet tree. Not to be changed."""
        return self._state.tree

    @property
    def extensions(self) -> Extensions:
        """The extensions of the group context."""
        return self._state.context.extensions

    @property
    def own_leaf(self) -> LeafNode:
        """Our own leaf node."""
        leaf = self.tree.leaf(self.own_leaf_index)
        if leaf is None:
            raise UsageError("we are no member of this group")
        return leaf

    def members(self) -> list[tuple[int, LeafNode]]:
        """All members: (leaf index, leaf node), from left to right."""
        return list(self.tree.leaves())

    def ratchet_tree(self) -> bytes:
        """The tree as `join` takes it, for a Welcome that does not hold it (section 12.4.3.3)."""
        return self.tree.encode()

    @property
    def pending_proposals(self) -> tuple[SentProposal, ...]:
        """The proposals of this epoch that wait for a commit, in the order they came."""
        return tuple(self._proposals.values())

    @property
    def staged(self) -> StagedCommit | None:
        """Our own commit that was made and neither merged nor discarded."""
        return self._staged

    # -- secrets of the epoch --------------------------------------------------------------------------

    @property
    def epoch_authenticator(self) -> Secret:
        """Equal for all members of one epoch, and only for them (section 8.7). Nh bytes."""
        return self._state.secrets.epoch_authenticator

    @property
    def resumption_psk(self) -> Secret:
        """The secret that proves membership in this epoch later (section 8.6). Nh bytes."""
        return self._state.secrets.resumption_psk

    def export(self, label: bytes, context: bytes, size: int) -> Secret:
        """MLS-Exporter: `size` bytes for the application (section 8.5).

        The same all through the epoch; use `safe_export` for what should be forgotten.
        """
        return export(self.suite, self._state.secrets.exporter, label, context, size)

    def safe_export(self, component_id: int) -> Secret:
        """A component's secret of this epoch, Nh bytes, given out once.

        draft-ietf-mls-extensions-10, section 4.4. Raises `UsageError` the second time.
        """
        return self._state.exporter.export(component_id)

    # -- sending ---------------------------------------------------------------------------------------

    def protect(
        self, data: bytes, *, authenticated_data: bytes = b"", entropy: Entropy
    ) -> bytes:
        """`data` for all members, as an `MLSMessage` (section 15).

        Save `changes()` before sending it. Raises `UsageError` while proposals wait for a commit (12.4), and
        in a group that a ReInit closed.
        """
        self._check_open()
        if self._proposals:  # RFC 9420, 12.4
            raise UsageError("row 21: proposals are waiting; commit before sending messages")
        epoch = self._state.epoch
        content = epoch.sign(
            WireFormat.PRIVATE_MESSAGE,
            self.own_leaf_index,
            bytes(data),
            authenticated_data,
            self._signature_key,
        )
        message = epoch.protect(
            content, self.own_leaf_index, padding=self.config.padding, entropy=entropy
        )
        return encode_message(message)

    def propose(
        self,
        proposal: Proposal,
        *,
        authenticated_data: bytes = b"",
        now: int,
        entropy: Entropy,
    ) -> bytes:
        """Propose a change, as an `MLSMessage`; anybody may commit it (section 12.1).

        For an update of our own leaf use `propose_update`. Raises `UsageError` when others would refuse it.
        """
        self._check_open()
        if isinstance(proposal, Update):
            raise UsageError("use propose_update: an update needs its private keys kept")
        return self._propose(proposal, None, authenticated_data, now, entropy)

    def propose_update(
        self,
        new_leaf: NewLeaf = NewLeaf(),
        *,
        authenticated_data: bytes = b"",
        now: int,
        entropy: Entropy,
    ) -> bytes:
        """Propose fresh keys for our leaf, as an `MLSMessage` (section 12.1.2)."""
        self._check_open()
        leaf_key = self.suite.new_hpke_key(entropy)
        signature_key = new_leaf.signature_key or self._signature_key
        leaf = self._new_leaf(new_leaf, leaf_key, LeafNodeSource.UPDATE, None)
        update = OwnUpdate(leaf_key, signature_key)
        return self._propose(Update(leaf), update, authenticated_data, now, entropy)

    def _propose(
        self,
        proposal: Proposal,
        update: OwnUpdate | None,
        authenticated_data: bytes,
        now: int,
        entropy: Entropy,
    ) -> bytes:
        if isinstance(proposal, Add):
            self._check_running(proposal.key_package, now)
        # draft-ietf-mls-extensions-10, 6.3: a self-remove is always public.
        public = isinstance(proposal, SelfRemove) or not self.config.private_handshakes
        wire_format = WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE
        content = self._state.epoch.sign(
            wire_format, self.own_leaf_index, proposal, authenticated_data, self._signature_key
        )
        reference = content.proposal_ref(self.suite)
        sent = SentProposal(proposal, content.content.sender, reference)
        self._as_usage(lambda: check_proposal(self._view, self.config, sent, now=now))
        message = self._frame(content, entropy)
        self._keep_proposal(sent)
        if update is not None:
            self._own_updates[reference] = update
        return message

    def commit(
        self,
        proposals: Iterable[Proposal] = (),
        *,
        include_pending: bool = True,
        path: bool = False,
        new_leaf: NewLeaf = NewLeaf(),
        welcome_tree: bool = True,
        group_info_extensions: Extensions = (),
        authenticated_data: bytes = b"",
        now: int,
        entropy: Entropy,
    ) -> StagedCommit:
        """Stage a commit of these proposals and of those that wait (section 12.4.1).

        Without any proposals it gives our path fresh keys, an *update*; `path` asks for that in any case.
        `new_leaf` changes our own leaf, which needs a path as well. With `welcome_tree` False new members get
        the tree by other means (`ratchet_tree()` of the next group). Waiting proposals that contradict each
        other or the given ones are left out (section 12.2).

        Nothing changes here until the staged commit is merged; one can be staged at a time. Save `changes()`
        before sending anything. Raises `UsageError` when the commit would be refused.
        """
        self._check_open()
        if self._staged is not None:
            raise UsageError("a commit is staged already: merge it or discard it first")
        own = Sender(SenderType.MEMBER, self.own_leaf_index)
        given = [SentProposal(proposal, own) for proposal in proposals]
        for sent in given:
            if isinstance(sent.proposal, Add):
                self._check_running(sent.proposal.key_package, now)
        waiting = self._choose(given) if include_pending else []
        chosen = waiting + given
        applied: Applied = self._as_usage(
            lambda: apply_proposals(
                self._view,
                self.config,
                chosen,
                self.own_leaf_index,
                checked=frozenset(self._proposals),
                now=now,
            )
        )
        psks = self._as_usage(
            lambda: find_psks(self.config, self._resumption, applied.psks, 79, "12.4.2")
        )
        with_path = path or applied.path_required or new_leaf != NewLeaf()
        tree, suite = applied.tree, self.suite
        leaf_key: HPKEKey | None = None
        made: NewPath | None = None
        if with_path:
            leaf_key = suite.new_hpke_key(entropy)

            def make_leaf(parent_hash: bytes) -> LeafNode:
                return self._new_leaf(new_leaf, leaf_key, LeafNodeSource.COMMIT, parent_hash)

            made = new_path(tree, self.own_leaf_index, make_leaf, leaf_key, entropy)
            self._as_usage(lambda: tree.check_members(applied.extensions))
        provisional = provisional_context(self.context, tree, applied.extensions)
        update_path: UpdatePath | None = None
        commit_secret = Secret(bytes(suite.hash_length))
        if made is not None:
            update_path = encrypt_path(
                tree, self.own_leaf_index, made, provisional.encode(), applied.added_leaves
            )
            commit_secret = made.commit_secret
        wire_format = (
            WireFormat.PRIVATE_MESSAGE
            if self.config.private_handshakes
            else WireFormat.PUBLIC_MESSAGE
        )
        content = self._state.epoch.sign(
            wire_format,
            self.own_leaf_index,
            Commit(tuple(sent.reference or sent.proposal for sent in chosen), update_path),
            authenticated_data,
            self._signature_key,
        )
        context = final_context(suite, provisional, self._state.interim_transcript_hash, content)
        joiner, member = derive_member_secret(
            suite, self._state.secrets.init, commit_secret, context, psks
        )
        state = start_epoch(
            suite, self.config, context, tree, epoch_secret(suite, member, context), None
        )
        keys = _still_valid(self._keys, tree)
        signature_key = new_leaf.signature_key or self._signature_key
        if made is not None:
            keys.update(made.keys)
        group = Group(
            self.config,
            state,
            self.own_leaf_index,
            signature_key,
            keys,
            before=self,
            reinit=applied.reinit,
        )
        welcome = None
        if applied.added:
            secrets = GroupSecretsFor(joiner, member, tuple(applied.psks), made)
            welcome = group._welcome(applied, secrets, welcome_tree, group_info_extensions)
        message = self._frame(content.with_tag(state.confirmation_tag), entropy)
        return self._stage(message, welcome, group, applied, chosen, authenticated_data)

    def _stage(
        self,
        message: bytes,
        welcome: bytes | None,
        group: Group,
        applied: Applied,
        chosen: Sequence[SentProposal],
        authenticated_data: bytes,
    ) -> StagedCommit:
        outcome = EpochAdvanced(
            group,
            group.own_leaf_index,
            tuple(chosen),
            tuple(sorted(applied.added_leaves)),
            tuple(sorted(applied.removed)),
            authenticated_data,
            own=True,
        )
        self._staged = StagedCommit(message, welcome, group, outcome)
        return self._staged

    def discard_staged(self) -> None:
        """Forget our staged commit: it was not accepted. Nothing else has changed (section 14)."""
        self._staged = None

    def _choose(self, given: Sequence[SentProposal]) -> list[SentProposal]:
        """The waiting proposals that can go together, and with the given ones (section 12.2; row 66)."""
        leaving = {sent.proposal.removed for sent in given if isinstance(sent.proposal, Remove)}
        adding: set[bytes] = set()
        client = self.config.authentication.client
        waiting = list(self._proposals.values())
        if any(isinstance(sent.proposal, ReInit) for sent in given):
            return []
        # Self-removes first, so that a remove or update of the same leaf gives way to them; then removes
        # before updates, and of several updates the latest.
        chosen: dict[int, SentProposal] = {}
        for kind in (SelfRemove, Remove, Update):
            for sent in reversed(waiting):
                proposal = sent.proposal
                if not isinstance(proposal, kind):
                    continue
                leaf_index = proposal.removed if isinstance(proposal, Remove) else sent.sender.index
                if leaf_index in leaving or leaf_index == self.own_leaf_index:
                    continue
                leaving.add(leaf_index)
                chosen[id(sent)] = sent
        adding.update(
            client(sent.proposal.key_package.leaf_node.credential)
            for sent in given
            if isinstance(sent.proposal, Add)
        )
        psks = {_psk_name(sent.proposal) for sent in given}
        contexts = any(isinstance(sent.proposal, GroupContextExtensions) for sent in given)
        reinit: SentProposal | None = None
        for sent in waiting:
            proposal = sent.proposal
            if isinstance(proposal, (SelfRemove, Remove, Update)):
                continue
            if isinstance(proposal, ReInit):
                reinit = sent
                continue
            if isinstance(proposal, Add):
                name = client(proposal.key_package.leaf_node.credential)
                if name in adding:
                    continue
                adding.add(name)
            elif isinstance(proposal, PreSharedKey):
                if _psk_name(proposal) in psks:
                    continue
                psks.add(_psk_name(proposal))
            elif isinstance(proposal, GroupContextExtensions):
                if contexts:
                    continue
                contexts = True
            chosen[id(sent)] = sent
        if not chosen and not given and reinit is not None:
            return [reinit]
        return [sent for sent in waiting if id(sent) in chosen]

    def _welcome(
        self,
        applied: Applied,
        secrets: GroupSecretsFor,
        with_tree: bool,
        extensions: Extensions,
    ) -> bytes:
        """The Welcome for the members that a commit of ours adds; `self` is the new epoch."""
        suite = self.suite
        info = self._group_info(with_tree, False, extensions)
        key, nonce = joining.welcome_key_and_nonce(suite, secrets.member)
        sealed_info = suite.seal(key, nonce, b"", info.encode())
        entries = []
        for leaf_index, key_package in applied.added:
            path_secret = None
            if secrets.path is not None:
                path_secret = secrets.path.secret_for(
                    self.own_leaf_index, leaf_index, self.tree.leaf_count
                )
            plain = GroupSecrets(secrets.joiner, path_secret, secrets.psks).encode()
            kem_output, ciphertext = suite.encrypt_with_label(
                key_package.init_key, b"Welcome", sealed_info, plain
            )
            entries.append(
                EncryptedGroupSecrets(
                    key_package.reference(),
                    joining.HPKECiphertext(kem_output, ciphertext),
                )
            )
        return encode_message(Welcome(suite.id, tuple(entries), sealed_info))

    def group_info(
        self,
        *,
        external_pub: bool = False,
        ratchet_tree: bool = True,
        extensions: Extensions = (),
    ) -> bytes:
        """This epoch for outsiders, signed by us, as an `MLSMessage` (section 12.4.3).

        With `external_pub` its holder may join by an external commit, if the members' policies allow it.
        """
        return encode_message(self._group_info(ratchet_tree, external_pub, extensions))

    def _group_info(
        self, ratchet_tree: bool, external_pub: bool, extensions: Extensions
    ) -> GroupInfo:
        if ratchet_tree:
            tree = Extension(ExtensionType.RATCHET_TREE, self.tree.encode())
            extensions = (*extensions, tree)
        if external_pub:
            public = self._state.secrets.external_key(self.suite).public
            extensions = (*extensions, Extension(ExtensionType.EXTERNAL_PUB, opaque(public)))
        self._as_usage(lambda: check_extensions(extensions, Place.GROUP_INFO))
        info = GroupInfo(
            self.context, extensions, self._state.confirmation_tag, self.own_leaf_index
        )
        return info.signed(self.suite, self._signature_key)

    # -- receiving -------------------------------------------------------------------------------------

    def process(self, message: bytes, *, now: int) -> Outcome:
        """What an `MLSMessage` for this group turns out to be; it is verified when this returns.

        Raises `InvalidMessage` when it breaks a rule, and `UnknownEpoch` when it belongs to an epoch that we
        do not hold: in both cases nothing has changed. Nothing else is raised, whatever the bytes.
        """
        staged = self._staged
        if staged is not None and message == staged.message:  # RFC 9420, 14
            return staged.outcome
        try:
            return self._process(decode_message(message), now)
        except DecodeError as error:
            raise refused(error) from error

    def _process(self, message: Message, now: int) -> Outcome:
        if isinstance(message, PrivateMessage):
            self._check_group(message.group_id)
            return self._process_private(message, now)
        if isinstance(message, PublicMessage):
            framed = message.content.content
            self._check_group(framed.group_id)
            if framed.epoch != self.epoch:  # RFC 9420, 12.1 and 12.4.2
                raise UnknownEpoch(framed.epoch)
            content = self._state.epoch.verify_public(
                message, self._state.secrets.membership_key, self._view
            )
            return self._process_handshake(content, None, now)
        raise InvalidMessage(7, "6", "a message is not one that is sent inside a group")

    def _check_group(self, group_id: bytes) -> None:
        if group_id != self.group_id:  # RFC 9420, 12.4.2
            raise InvalidMessage(7, "12.4.2", "a message is for another group")

    def _process_private(self, message: PrivateMessage, now: int) -> Outcome:
        epoch = self._state.epoch
        if message.epoch != self.epoch:
            past = next((e for e in self._past if e.context.epoch == message.epoch), None)
            if past is None or message.content_type is not ContentType.APPLICATION:
                raise UnknownEpoch(message.epoch)
            epoch = past
        sender_data = epoch.sender_of(message)
        if sender_data.leaf_index == self.own_leaf_index and epoch is self._state.epoch:
            return OwnMessage(message.content_type, message.epoch)
        content, found = epoch.open(message, sender_data)
        data = content.content.content
        if not isinstance(data, bytes):
            return self._process_handshake(content, found, now)
        epoch.secret_tree.consume(found)
        return ApplicationMessage(
            data,
            sender_data.leaf_index,
            epoch.member(sender_data.leaf_index),
            message.authenticated_data,
            message.epoch,
            sender_data.generation,
        )

    def _process_handshake(
        self, content: AuthenticatedContent, found: FoundKey | None, now: int
    ) -> Outcome:
        framed = content.content
        outcome: Outcome
        if isinstance(framed.content, Commit):
            outcome = self._process_commit(content, framed.content, now)
        else:
            outcome = self._process_proposal(content, now)
        if found is not None:
            self._state.epoch.secret_tree.consume(found)
        return outcome

    def _process_proposal(self, content: AuthenticatedContent, now: int) -> Outcome:
        framed = content.content
        proposal = framed.content
        if isinstance(proposal, (bytes, Commit)):
            raise InvalidMessage(8, "6", "application data comes in a public message")
        if isinstance(proposal, SelfRemove) and content.wire_format != WireFormat.PUBLIC_MESSAGE:
            raise InvalidMessage(54, "12.2", "a self-remove comes in a private message")
        reference = content.proposal_ref(self.suite)
        if reference in self._proposals and framed.sender == Sender(
            SenderType.MEMBER, self.own_leaf_index
        ):
            return OwnMessage(ContentType.PROPOSAL, framed.epoch)
        sent = SentProposal(proposal, framed.sender, reference)
        check_proposal(self._view, self.config, sent, now=now)
        self._keep_proposal(sent)
        return ProposalReceived(proposal, framed.sender, reference)

    def _keep_proposal(self, sent: SentProposal) -> None:
        if len(self._proposals) >= self.config.max_proposals:
            raise InvalidMessage(104, "14", "more proposals are waiting than we keep")
        if sent.reference is not None:
            self._proposals[sent.reference] = sent

    def _process_commit(
        self, content: AuthenticatedContent, commit: Commit, now: int
    ) -> EpochAdvanced | Removed:
        """Section 12.4.2, step by step."""
        sender = content.content.sender
        committer = sender.index if sender.is_member else None
        if committer == self.own_leaf_index:  # RFC 9420, 14
            raise InvalidMessage(83, "14", "a commit of our own is not the one that we staged")
        proposals = [self._resolve(item, sender) for item in commit.proposals]
        applied = apply_proposals(
            self._view,
            self.config,
            proposals,
            committer,
            checked=frozenset(self._proposals),
            now=now,
        )
        if commit.path is None and applied.path_required:  # RFC 9420, 12.4
            raise InvalidMessage(73, "12.4", "a commit has no path but needs one")
        authenticated_data = content.content.authenticated_data
        if self.own_leaf_index in applied.removed:  # RFC 9420, 12.4.2
            return Removed(committer, tuple(proposals), authenticated_data)
        tree = applied.tree
        leaf_index = tree.free_leaf() if committer is None else committer
        if commit.path is not None:
            self._check_path_leaf(commit.path.leaf_node, applied, committer, leaf_index, now)
            check_path(tree, leaf_index, commit.path, applied.added_leaves)
            public_keys = [node.encryption_key for node in commit.path.nodes]
            parent_hash = put_path(tree, leaf_index, public_keys)
            if commit.path.leaf_node.parent_hash != parent_hash:  # RFC 9420, 7.9.2
                raise InvalidMessage(77, "7.9.2", "a committer's leaf has the wrong parent hash")
            tree.set_leaf(leaf_index, commit.path.leaf_node)
            tree.check_members(applied.extensions)
        provisional = provisional_context(self.context, tree, applied.extensions)
        keys, signature_key = self._keys_after(applied, proposals)
        commit_secret = Secret(bytes(self.suite.hash_length))
        if commit.path is not None:
            derived, commit_secret = decrypt_path(
                tree,
                leaf_index,
                self.own_leaf_index,
                keys,
                commit.path,
                provisional.encode(),
                applied.added_leaves,
            )
            keys.update(derived)
        psks = find_psks(self.config, self._resumption, applied.psks, 79, "12.4.2")
        suite, secrets = self.suite, self._state.secrets
        context = final_context(suite, provisional, self._state.interim_transcript_hash, content)
        init = self._init_secret(secrets, applied.external_init)
        _, member = derive_member_secret(suite, init, commit_secret, context, psks)
        state = start_epoch(
            suite,
            self.config,
            context,
            tree,
            epoch_secret(suite, member, context),
            content.confirmation_tag or b"",
        )
        group = Group(
            self.config,
            state,
            self.own_leaf_index,
            signature_key,
            keys,
            before=self,
            reinit=applied.reinit,
        )
        return EpochAdvanced(
            group,
            leaf_index,
            tuple(proposals),
            tuple(sorted(applied.added_leaves)),
            tuple(sorted(applied.removed)),
            authenticated_data,
        )

    def _resolve(self, item: Proposal | bytes, sender: Sender) -> SentProposal:
        if not isinstance(item, bytes):
            return SentProposal(item, sender)
        sent = self._proposals.get(item)
        if sent is None:  # RFC 9420, 12.4
            raise InvalidMessage(54, "12.4", "a commit refers to a proposal that nobody sent here")
        return sent

    def _check_path_leaf(
        self, leaf: LeafNode, applied: Applied, committer: int | None, leaf_index: int, now: int
    ) -> None:
        """The committer's new leaf (section 12.4.2; rows 68 and 74, and 22 to 40)."""
        suite, view = self.suite, self._view
        if leaf.source != LeafNodeSource.COMMIT:  # RFC 9420, 12.4.2
            raise InvalidMessage(74, "12.4.2", "a committer's leaf was made for another use")
        check_leaf(leaf, suite, LeafNodeSource.COMMIT)
        old = None if committer is None else view.leaf(committer)
        if committer is None:
            joining.check_credential(self.config, leaf, now=now)
            for removed in applied.removed:
                # A resync: the joiner replaces its own old leaf. Leaves that remove themselves in the same
                # commit are not its own, and not in question here.
                before = view.leaf(removed)
                if before is not None and removed in applied.removed_by_value:
                    self._check_resync(before, leaf, now)
        if old is not None:
            if leaf.encryption_key == old.encryption_key:  # RFC 9420, 12.4.2
                raise InvalidMessage(74, "12.4.2", "a committer keeps its encryption key")
            check_successor(self.config, old, leaf, now=now)
        if not leaf.signature_valid(suite, self.group_id, leaf_index):  # RFC 9420, 7.3
            raise InvalidMessage(22, "7.3", "a leaf node's signature is wrong")

    def _check_resync(self, old: LeafNode, new: LeafNode, now: int) -> None:
        """An external joiner may only remove itself (section 12.2; row 68)."""
        authentication = self.config.authentication
        same = authentication.client(old.credential) == authentication.client(new.credential)
        if not same and not authentication.is_successor(old.credential, new.credential):
            raise InvalidMessage(68, "12.2", "an external joiner removes somebody else")
        if old.encryption_key == new.encryption_key:
            raise InvalidMessage(68, "12.2", "an external joiner keeps its old encryption key")

    def _keys_after(
        self, applied: Applied, proposals: Sequence[SentProposal]
    ) -> tuple[dict[NodeIndex, HPKEKey], SignatureKey]:
        """Our private keys that still count, with those of our own update if it was committed."""
        keys, signature_key = _still_valid(self._keys, applied.tree), self._signature_key
        if self.own_leaf_index in applied.updated:
            for sent in proposals:
                update = self._own_updates.get(sent.reference or b"")
                if update is not None:
                    keys[tree_math.leaf_node(self.own_leaf_index)] = update.leaf_key
                    signature_key = update.signature_key
        return keys, signature_key

    def _init_secret(self, secrets: EpochSecrets, external_init: ExternalInit | None) -> Secret:
        if external_init is None:
            return secrets.init
        return self.suite.export_from(
            secrets.external_key(self.suite),
            external_init.kem_output,
            _EXTERNAL_INIT,
            self.suite.hash_length,
        )
