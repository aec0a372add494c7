"""A member's view of a group, epoch by epoch: RFC 9420, sections 8 to 12, as one class.

`Group` is one member's view of one epoch. Changing the group never changes a `Group`: `commit`
returns a `StagedCommit` with the message, the Welcome and the *next* `Group`, and this one stays
good until the message was accepted; `process` of somebody's commit returns the next one too. A
commit that lost its race costs nothing: it is discarded. What does change in place is what must not
exist twice or must not stay: ratchets move and used keys go, proposals are collected, and the
staged commit is remembered so that it is recognised when it comes back.

The caller's duty, whenever a call returned: write `changes()` to its store *before* it sends what
the call gave, or shows what it opened. Then no key is ever used twice, whatever crashes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from heliogram.codec import DecodeError
from heliogram.mls import committing, founding, processing, state
from heliogram.mls.committing import SAME_LEAF, NewLeaf
from heliogram.mls.config import Config
from heliogram.mls.credentials import Credential
from heliogram.mls.crypto import Secret, SignatureKey, Suite
from heliogram.mls.errors import UsageError, refused
from heliogram.mls.extensions import Capabilities, Extensions
from heliogram.mls.framing import SentProposal, decode_message, encode_message
from heliogram.mls.key_packages import KeyPackage, OwnKeyPackage
from heliogram.mls.key_schedule import GroupContext, export
from heliogram.mls.member import Advanced, Member, Staged
from heliogram.mls.outcomes import ApplicationMessage, OwnMessage, ProposalReceived, Removed
from heliogram.mls.proposals import PreSharedKey, Proposal, ReInit, Update
from heliogram.mls.ratchet_tree import LeafNode, RatchetTree
from heliogram.mls.registries import WireFormat

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class StagedCommit:
    """A commit of ours that nobody has accepted yet.

    `message` is what to send. `welcome` is for the new members and must not reach them before the
    commit was accepted (RFC 9420, 14). `group` is the epoch that it starts: go on with it once the
    commit counts.
    """

    message: bytes = field(repr=False)
    welcome: bytes | None = field(repr=False)
    group: Group

    def merge(self) -> Group:
        """The group in its new epoch. Call it when the commit was accepted, and forget the old
        group.
        """
        return self.group


@dataclass(frozen=True, slots=True)
class EpochAdvanced:
    """A commit took effect: go on with `group`, and forget the old one.

    `committer` is the leaf of the committer in the new epoch; `own` tells that the commit was our
    own staged one. `proposals` are what it changed, in order. When one of them is a `ReInit`, the
    group is closed: `group.reinit` holds it.
    """

    group: Group
    committer: int
    proposals: tuple[SentProposal, ...] = field(repr=False)
    added: tuple[int, ...]
    removed: tuple[int, ...]
    authenticated_data: bytes = field(repr=False)
    own: bool = False


#: What a received message can turn out to be: `Group.process` returns one of these, nothing else.
Outcome: TypeAlias = ApplicationMessage | ProposalReceived | EpochAdvanced | Removed | OwnMessage


class Group:
    """One member's view of one epoch; the module's docstring tells how it is used.

    Made by `create`, `join`, `join_external`, `from_bytes` and `from_records`, never directly.
    """

    __slots__ = ("_member",)

    def __init__(self, member: Member) -> None:
        self._member = member

    def __repr__(self) -> str:
        return f"<Group at epoch {self.epoch}, leaf {self.own_leaf_index}>"

    # -- coming in ---------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        group_id: bytes,
        cipher_suite: int,
        credential: Credential,
        signature_key: SignatureKey,
        *,
        config: Config,
        extensions: Extensions = (),
        capabilities: Capabilities | None = None,
        leaf_extensions: Extensions = (),
        now: int,
        entropy: Entropy,
    ) -> Group:
        """A new group with us as its only member, at epoch 0 (section 11).

        `group_id` should be Nh random bytes. `extensions` go into the group context. Raises
        `UsageError` when others would refuse such a group.
        """
        return cls(
            founding.create(
                group_id,
                cipher_suite,
                credential,
                signature_key,
                config=config,
                extensions=extensions,
                capabilities=capabilities,
                leaf_extensions=leaf_extensions,
                now=now,
                entropy=entropy,
            )
        )

    @classmethod
    def join(
        cls,
        welcome: bytes,
        own: Sequence[OwnKeyPackage],
        *,
        config: Config,
        ratchet_tree: bytes | None = None,
        in_use: Container[bytes] = (),
        previous: Group | None = None,
        now: int,
    ) -> Group:
        """The group that a Welcome brings us into (section 12.4.3.1).

        `own` are the key packages that it may be for. Delete the one whose leaf node is the group's
        `own_leaf` afterwards, unless it is a last resort. `ratchet_tree` is needed when the Welcome
        does not hold the tree. `in_use` are the ids of groups that we are in already. `previous` is
        the group that this one follows from, by `branch` or `reinitialize`.

        Raises `InvalidMessage` when anything about the Welcome or the group is wrong.
        """
        return cls(
            founding.join(
                welcome,
                own,
                config=config,
                ratchet_tree=ratchet_tree,
                in_use=in_use,
                previous=None if previous is None else previous._member,
                now=now,
            )
        )

    @classmethod
    def join_external(
        cls,
        group_info: bytes,
        credential: Credential,
        signature_key: SignatureKey,
        *,
        config: Config,
        resync: int | None = None,
        psks: Iterable[PreSharedKey] = (),
        self_removes: Iterable[bytes] = (),
        capabilities: Capabilities | None = None,
        leaf_extensions: Extensions = (),
        ratchet_tree: bytes | None = None,
        authenticated_data: bytes = b"",
        now: int,
        entropy: Entropy,
    ) -> StagedCommit:
        """A commit by which we join without a Welcome (section 12.4.3.2).

        `group_info` holds an external_pub extension and should be fresh. `resync` is our own old
        leaf, to be replaced. `self_removes` are messages of this epoch by which members leave; the
        commit takes them along. Members accept it only if their policy does. Raises
        `InvalidMessage` when the group info or such a message is wrong, `UsageError` when others
        would refuse the commit.
        """
        staged = founding.join_external(
            group_info,
            credential,
            signature_key,
            config=config,
            resync=resync,
            psks=psks,
            self_removes=self_removes,
            capabilities=capabilities,
            leaf_extensions=leaf_extensions,
            ratchet_tree=ratchet_tree,
            authenticated_data=authenticated_data,
            now=now,
            entropy=entropy,
        )
        return _staged_commit(staged)

    def branch(
        self,
        group_id: bytes,
        key_packages: Iterable[KeyPackage],
        signature_key: SignatureKey | None = None,
        *,
        extensions: Extensions = (),
        now: int,
        entropy: Entropy,
    ) -> StagedCommit:
        """A new group of some of our members, tied to this one (section 11.3).

        The staged commit is the first of the new group: its Welcome is for the others, and nobody
        needs its message. They join with `previous` set to their view of this epoch.
        """
        return _staged_commit(
            founding.branch(
                self._member,
                group_id,
                key_packages,
                signature_key,
                extensions=extensions,
                now=now,
                entropy=entropy,
            )
        )

    def reinitialize(
        self,
        key_packages: Iterable[KeyPackage],
        signature_key: SignatureKey | None = None,
        *,
        now: int,
        entropy: Entropy,
    ) -> StagedCommit:
        """The group that takes the place of this one, which a committed `ReInit` closed (section
        11.2).

        `key_packages` are new ones of all other members, in the new cipher suite. `signature_key`
        must be given when the new suite signs differently. They join with `previous` set to the
        closed group.
        """
        return _staged_commit(
            founding.reinitialize(
                self._member, key_packages, signature_key, now=now, entropy=entropy
            )
        )

    # -- what everybody may know -------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """What the application decided for this group."""
        return self._member.config

    @property
    def suite(self) -> Suite:
        """The group's cipher suite."""
        return self._member.current.suite

    @property
    def context(self) -> GroupContext:
        """What all members of this epoch agree on (section 8.1)."""
        return self._member.current.context

    @property
    def group_id(self) -> bytes:
        """The group's id, chosen by its creator."""
        return self.context.group_id

    @property
    def epoch(self) -> int:
        """The number of this epoch, from 0."""
        return self.context.epoch

    @property
    def tree(self) -> RatchetTree:
        """The group's ratchet tree. Not to be changed."""
        return self._member.tree

    @property
    def own_leaf_index(self) -> int:
        """Our place in the tree."""
        return self._member.own_leaf_index

    @property
    def own_leaf(self) -> LeafNode:
        """Our own leaf node."""
        return self._member.own_leaf

    @property
    def reinit(self) -> ReInit | None:
        """The committed ReInit that closed this group, or None."""
        return self._member.reinit

    @property
    def pending_proposals(self) -> tuple[SentProposal, ...]:
        """The proposals of this epoch that wait for a commit, in the order they came."""
        return tuple(self._member.proposals.values())

    @property
    def staged(self) -> StagedCommit | None:
        """Our own commit that was made and neither merged nor discarded."""
        staged = self._member.staged
        return None if staged is None else _staged_commit(staged)

    def members(self) -> list[tuple[int, LeafNode]]:
        """All members: (leaf index, leaf node), from left to right."""
        return list(self.tree.leaves())

    def ratchet_tree(self) -> bytes:
        """The tree as `join` takes it, for a Welcome that does not hold it (section 12.4.3.3)."""
        return self.tree.encode()

    def group_info(
        self,
        *,
        external_pub: bool = False,
        ratchet_tree: bool = True,
        extensions: Extensions = (),
    ) -> bytes:
        """This epoch for outsiders, signed by us, as an `MLSMessage` (section 12.4.3).

        With `external_pub` its holder may join by an external commit, if the members' policies
        allow it.
        """
        return encode_message(
            committing.group_info(self._member, ratchet_tree, external_pub, extensions)
        )

    # -- secrets of the epoch ----------------------------------------------------------------------

    @property
    def epoch_authenticator(self) -> Secret:
        """Equal for all members of one epoch, and only for them (section 8.7). Nh bytes."""
        return self._member.current.secrets.epoch_authenticator

    @property
    def resumption_psk(self) -> Secret:
        """The secret that proves membership in this epoch later (section 8.6). Nh bytes."""
        return self._member.current.secrets.resumption_psk

    def export(self, label: bytes, context: bytes, size: int) -> Secret:
        """MLS-Exporter: `size` bytes for the application (section 8.5).

        The same all through the epoch; use `safe_export` for what should be forgotten.
        """
        return export(self.suite, self._member.current.secrets.exporter, label, context, size)

    def safe_export(self, component_id: int) -> Secret:
        """A component's secret of this epoch, Nh bytes, given out once.

        draft-ietf-mls-extensions-10, section 4.4. Raises `UsageError` the second time.
        """
        return self._member.current.exporter.export(component_id)

    # -- sending -----------------------------------------------------------------------------------

    def protect(self, data: bytes, *, authenticated_data: bytes = b"", entropy: Entropy) -> bytes:
        """`data` for all members, as an `MLSMessage` (section 15).

        Save `changes()` before sending it. Raises `UsageError` while proposals wait for a commit
        (12.4), and in a group that a ReInit closed.
        """
        member = self._member
        member.check_open()
        if member.proposals:  # RFC 9420, 12.4
            raise UsageError("row 21: proposals are waiting; commit before sending messages")
        epoch, own = member.current.epoch, member.own_leaf_index
        content = epoch.sign(
            WireFormat.PRIVATE_MESSAGE, own, data, authenticated_data, member.signature_key
        )
        sealed = epoch.protect(content, own, padding=member.config.padding, entropy=entropy)
        return encode_message(sealed)

    def propose(
        self, proposal: Proposal, *, authenticated_data: bytes = b"", now: int, entropy: Entropy
    ) -> bytes:
        """Propose a change, as an `MLSMessage`; anybody may commit it (section 12.1).

        For an update of our own leaf use `propose_update`. Raises `UsageError` when others would
        refuse it.
        """
        if isinstance(proposal, Update):
            raise UsageError("use propose_update: an update needs its private keys kept")
        return committing.propose(
            self._member, proposal, None, authenticated_data, now=now, entropy=entropy
        )

    def propose_update(
        self,
        new_leaf: NewLeaf = SAME_LEAF,
        *,
        authenticated_data: bytes = b"",
        now: int,
        entropy: Entropy,
    ) -> bytes:
        """Propose fresh keys for our leaf, as an `MLSMessage` (section 12.1.2)."""
        return committing.propose_update(
            self._member, new_leaf, authenticated_data, now=now, entropy=entropy
        )

    def commit(
        self,
        proposals: Iterable[Proposal] = (),
        *,
        include_pending: bool = True,
        path: bool = False,
        new_leaf: NewLeaf = SAME_LEAF,
        welcome_tree: bool = True,
        group_info_extensions: Extensions = (),
        authenticated_data: bytes = b"",
        now: int,
        entropy: Entropy,
    ) -> StagedCommit:
        """Stage a commit of these proposals and of those that wait (section 12.4.1).

        Without any proposals it gives our path fresh keys, an *update*; `path` asks for that in any
        case. `new_leaf` changes our own leaf, which needs a path as well. With `welcome_tree` False
        new members get the tree by other means (`ratchet_tree()` of the next group). Waiting
        proposals that contradict each other or the given ones are left out (section 12.2).

        Nothing changes here until the staged commit is merged; one can be staged at a time. Save
        `changes()` before sending anything. Raises `UsageError` when the commit would be refused.
        """
        return _staged_commit(
            committing.commit(
                self._member,
                tuple(proposals),
                include_pending=include_pending,
                path=path,
                new=new_leaf,
                welcome_tree=welcome_tree,
                group_info_extensions=group_info_extensions,
                authenticated_data=authenticated_data,
                now=now,
                entropy=entropy,
            )
        )

    def discard_staged(self) -> None:
        """Forget our staged commit: it was not accepted. Nothing else has changed (section 14)."""
        self._member.staged = None

    # -- receiving ---------------------------------------------------------------------------------

    def process(self, message: bytes, *, now: int) -> Outcome:
        """What an `MLSMessage` for this group turns out to be; it is verified when this returns.

        Raises `InvalidMessage` when it breaks a rule, and `UnknownEpoch` when it belongs to an
        epoch that we do not hold: in both cases nothing has changed. Nothing else is raised,
        whatever the bytes.
        """
        staged = self._member.staged
        if staged is not None and message == staged.message:  # RFC 9420, 14
            return _advanced(staged.step, own=True)
        try:
            received = processing.process(self._member, decode_message(message), now=now)
        except DecodeError as error:
            raise refused(error) from error
        return _advanced(received, own=False) if isinstance(received, Advanced) else received

    def said_elsewhere(
        self, message: bytes, known: Callable[[bytes], bool]
    ) -> ApplicationMessage | None:
        """What our own leaf says under a key that we have not used, for an `OwnMessage` from `process`.

        Then there is another copy of this group, or ours is an old one. The key is not used again. None
        for what we sent ourselves, what does not verify, and what `known` says that we have said: any
        member could seal that again.
        """
        try:
            return processing.said_elsewhere(self._member, decode_message(message), known)
        except DecodeError:
            return None

    # -- saved state -------------------------------------------------------------------------------

    def changes(self) -> dict[bytes, bytes | None]:
        """The records to write so that the caller's store holds this group as it is now.

        Names and values, None for a record to delete; only what changed since the last call, for
        this group or one that it followed from. After one message that is a few hundred bytes, in
        any size of group. The values are secret. `from_records` reads them back.

        Write all of them in one transaction. What was given out counts as written: if writing
        fails, go on from what the store holds. A group that was just created or joined gives
        everything, for a store in which nothing is left of an earlier membership.
        """
        return state.changes(self._member)

    def to_bytes(self) -> Secret:
        """All records as one value, for small groups and for moving house."""
        return state.to_bytes(self._member)

    @classmethod
    def from_bytes(cls, data: bytes, *, config: Config) -> Group:
        """What `to_bytes` wrote. Raises `UsageError` when it is damaged or too new."""
        return cls(state.from_bytes(data, config))

    @classmethod
    def from_records(cls, records: Mapping[bytes, bytes], *, config: Config) -> Group:
        """What `changes` gave out, all together. Raises `UsageError` when it is damaged."""
        return cls(state.from_records(records, config))


def _staged_commit(staged: Staged) -> StagedCommit:
    return StagedCommit(staged.message, staged.welcome, Group(staged.step.member))


def _advanced(step: Advanced, *, own: bool) -> EpochAdvanced:
    return EpochAdvanced(
        Group(step.member),
        step.committer,
        step.proposals,
        step.added,
        step.removed,
        step.authenticated_data,
        own,
    )
