"""What a received message can turn out to be. `Group.process` returns one of these and nothing
else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from heliogram.mls.framing import ContentType, Sender
from heliogram.mls.proposal_list import SentProposal
from heliogram.mls.proposals import Proposal
from heliogram.mls.ratchet_tree import LeafNode

if TYPE_CHECKING:
    from heliogram.mls.group import Group


@dataclass(frozen=True, slots=True)
class ApplicationMessage:
    """Somebody said something. `leaf` is the sender as of the message's own epoch.

    Save the group before acting on it: the key that opened it is gone from memory.
    """

    data: bytes = field(repr=False)
    sender: int
    leaf: LeafNode = field(repr=False)
    authenticated_data: bytes = field(repr=False)
    epoch: int
    generation: int


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """Somebody proposed a change. The group keeps it for the next commit of this epoch."""

    proposal: Proposal = field(repr=False)
    sender: Sender
    reference: bytes = field(repr=False)


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


@dataclass(frozen=True, slots=True)
class Removed:
    """A commit took us out of the group. Stop sending there and delete the group's state (row 82).

    The new epoch cannot be checked by somebody who is not in it: what is known is that a member, or
    an external joiner whom the policy lets in, signed this, and that the others can follow it as
    far as it is public.
    """

    committer: int | None
    proposals: tuple[SentProposal, ...] = field(repr=False)
    authenticated_data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnMessage:
    """A message that we sent ourselves came back. There is nothing to do."""

    content_type: ContentType
    epoch: int


Outcome = ApplicationMessage | ProposalReceived | EpochAdvanced | Removed | OwnMessage
