"""What one member of a group holds in one epoch. The data behind `Group`, without its behaviour.

The modules beside this one work on it: `founding` makes the first one, `committing` and
`processing` make the next epoch's, `state` saves it. Of its parts only those change in place that
must: ratchets and the safe exporter lose what was used, proposals are collected, and the staged
commit is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from heliogram.mls.config import Config, EpochView
from heliogram.mls.crypto import HPKEKey, Secret, SignatureKey
from heliogram.mls.epoch import Epoch
from heliogram.mls.errors import UsageError
from heliogram.mls.framing import SentProposal
from heliogram.mls.proposal_list import Applied
from heliogram.mls.proposals import ReInit
from heliogram.mls.ratchet_tree import LeafNode, Node, RatchetTree
from heliogram.mls.secret_tree import SecretTree
from heliogram.mls.transition import EpochKeys
from heliogram.mls.tree_math import NodeIndex


@dataclass(slots=True)
class Journal:
    """What the caller's store holds, as far as `changes()` gave it out: shared by all epochs of a
    group.
    """

    #: The nodes of the saved tree.
    nodes: list[Node] = field(default_factory=list)
    #: The secret trees of saved epochs; each knows what of it is saved.
    trees: dict[int, SecretTree] = field(default_factory=dict)
    #: A hash of each other record, by name.
    digests: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnUpdate:
    """An update that we proposed: the private keys that become ours if somebody commits it."""

    leaf_key: HPKEKey = field(repr=False)
    signature_key: SignatureKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Advanced:
    """A step to the next epoch: what comes out of a valid commit."""

    member: Member
    committer: int
    proposals: tuple[SentProposal, ...]
    added: tuple[int, ...]
    removed: tuple[int, ...]
    authenticated_data: bytes

    @classmethod
    def by(
        cls,
        member: Member,
        committer: int,
        proposals: list[SentProposal],
        applied: Applied,
        authenticated_data: bytes,
    ) -> Advanced:
        """From what the list of proposals did."""
        return cls(
            member,
            committer,
            tuple(proposals),
            tuple(sorted(applied.added_leaves)),
            tuple(sorted(applied.removed)),
            authenticated_data,
        )


@dataclass(frozen=True, slots=True)
class Staged:
    """A commit of ours that nobody has accepted yet, and where it leads."""

    message: bytes
    welcome: bytes | None
    step: Advanced


@dataclass(slots=True)
class Member:
    """One member's view of one epoch."""

    config: Config
    current: EpochKeys
    own_leaf_index: int
    signature_key: SignatureKey
    #: Our private keys by the node they belong to: our leaf and parents above it.
    private_keys: dict[NodeIndex, HPKEKey]
    #: The committed ReInit that closed this group, or None.
    reinit: ReInit | None = None
    #: Proposals of this epoch by reference, in the order they came.
    proposals: dict[bytes, SentProposal] = field(default_factory=dict)
    own_updates: dict[bytes, OwnUpdate] = field(default_factory=dict)
    staged: Staged | None = None
    #: Past epochs whose late messages can still be read, the latest first.
    past: list[Epoch] = field(default_factory=list)
    #: Resumption secrets by (group id, epoch), the oldest first.
    resumption: dict[tuple[bytes, int], Secret] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)

    @property
    def view(self) -> EpochView:
        """What everybody in this epoch sees alike."""
        return EpochView(self.current.context, self.current.tree)

    @property
    def tree(self) -> RatchetTree:
        """The epoch's ratchet tree."""
        return self.current.tree

    @property
    def own_leaf(self) -> LeafNode:
        """Our own leaf node."""
        leaf = self.tree.leaf(self.own_leaf_index)
        if leaf is None:
            raise UsageError("we are no member of this group")
        return leaf

    def remember_resumption(self) -> None:
        """Keep this epoch's resumption secret, and not too many of older ones.

        That is row 104; the older ones are gone, which is row 103.
        """
        context = self.current.context
        name = (context.group_id, context.epoch)
        self.resumption[name] = self.current.secrets.resumption_psk
        while len(self.resumption) > self.config.past_epochs + 1:
            del self.resumption[next(iter(self.resumption))]

    def follow(self, before: Member) -> Member:
        """This member as the one that goes on from `before`: what outlives an epoch comes along.

        Late messages' keys are shared, not copied: a key that `before` uses up is gone here too.
        """
        keep = self.config.past_epochs
        self.past = [before.current.epoch, *before.past][:keep] if keep else []
        self.resumption = dict(before.resumption)
        self.journal = before.journal
        self.remember_resumption()
        return self

    def check_open(self) -> None:
        """Refuse to send in a group that a ReInit closed (RFC 9420, 11.2 and 12.4.2; row 81)."""
        if self.reinit is not None:
            raise UsageError("row 81: this group was closed by a reinit; use the new one")

    def keys_in(self, tree: RatchetTree) -> dict[NodeIndex, HPKEKey]:
        """Our private keys whose public half still stands in this tree; the others go (row 103)."""
        kept = {}
        for node, key in self.private_keys.items():
            value = tree.nodes[node] if node < len(tree.nodes) else None
            if value is not None and value.encryption_key == key.public:
                kept[node] = key
        return kept
