"""What a received message can turn out to be. `Group.process` returns one of these and nothing
else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from heliogram.mls.framing import ContentType, Sender, SentProposal
from heliogram.mls.proposals import Proposal
from heliogram.mls.ratchet_tree import LeafNode


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
