"""What an application decides: whom to trust, what members may do, and how much is kept.

RFC 9750, section 7, lists the parameters that every deployment must fix. They are all here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from heliogram.mls.credentials import AuthenticationService
from heliogram.mls.crypto import Parallel, Secret
from heliogram.mls.framing import SentProposal
from heliogram.mls.key_schedule import GroupContext
from heliogram.mls.proposals import PreSharedKeyID
from heliogram.mls.ratchet_tree import LeafNode, RatchetTree


@dataclass(frozen=True, slots=True)
class EpochView:
    """What everybody in an epoch sees alike: the basis of every decision of a `Policy`."""

    context: GroupContext
    tree: RatchetTree

    def leaf(self, leaf_index: int) -> LeafNode | None:
        """The member at this leaf, or None."""
        return self.tree.leaf(leaf_index)

    def members(self) -> Iterator[tuple[int, LeafNode]]:
        """All members: (leaf index, leaf node)."""
        return self.tree.leaves()


class Policy:
    """What the application allows, asked in the same way by who makes a commit and who receives it.

    Answers must follow from the arguments alone, or members will disagree and part. This default
    lets members do everything and nobody from outside do anything; override what should be
    different.
    """

    def allows_proposal(self, view: EpochView, sent: SentProposal) -> bool:
        """Whether this sender may propose this (RFC 9420, 12.1.8 and 12.2). Rows 15 and 65."""
        return sent.sender.is_member

    def allows_commit(
        self, view: EpochView, committer: int | None, proposals: Sequence[SentProposal]
    ) -> bool:
        """Whether this member may commit this list; `committer` None is an external joiner.

        Rows 65 and 72 (RFC 9420, 12.2 and 12.4.3.2).
        """
        return committer is not None

    def update_component(
        self, component_id: int, current: bytes | None, updates: Sequence[bytes]
    ) -> bytes | None:
        """A component's data after these updates, or None if they are not valid.

        draft-ietf-mls-extensions-10, section 4.7. `current` None: the component is new.
        """
        return None


def _no_psk(psk_id: PreSharedKeyID) -> Secret | None:
    return None


def _no_padding(size: int) -> int:
    return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How groups behave here. One value serves any number of groups; it is never saved."""

    #: Checks credentials (RFC 9420, 5.3.1). There is no default: it is what end-to-end security
    #: hangs on.
    authentication: AuthenticationService
    #: What members may do.
    policy: Policy = field(default_factory=Policy)
    #: Finds pre-shared keys that are not resumption secrets of the group itself; None: not known.
    psk: Callable[[PreSharedKeyID], Secret | None] = _no_psk
    #: Size in bytes that content of a given size is padded to with zeros (RFC 9420, 6.3.1).
    padding: Callable[[int], int] = _no_padding
    #: Send proposals and commits as PrivateMessage. Received ones may be either.
    private_handshakes: bool = False
    #: Past epochs whose late messages can still be read, and the resumption secrets that are kept.
    past_epochs: int = 5
    #: Generations that one message may skip (RFC 9420, 15.3).
    max_forward: int = 1000
    #: Skipped message keys that are kept in one epoch, all senders together; the oldest go first.
    max_skipped: int = 2000
    #: Proposals of one epoch that are kept until a commit refers to them.
    max_proposals: int = 1000
    #: Seconds that a key package may live from its first to its last moment (RFC 9420, 7.2).
    max_lifetime: int = 90 * 24 * 3600
    #: Cipher suites from the best down. When set, a new group whose creator passed over a better
    #: one that all its members have is refused (RFC 9420, 11).
    suites: Sequence[int] = ()
    #: Like `map`; give a thread pool's `map` to check the signatures of large trees on several
    #: cores.
    parallel: Parallel = map
