"""What happened in a conversation, for history and for faces.

Who did something is taken from what was signed, in the epoch in which it was signed. Nothing here has a text
that shows who or what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from heliogram import mls
from heliogram.node.chain import Objection
from heliogram.node.components import Metadata, Role
from heliogram.node.invitation import Invitation
from heliogram.wire.objects import Configuration


@dataclass(frozen=True, slots=True)
class Person:
    """A member: the account, its device, and the leaf where it sat in that epoch."""

    account: bytes = field(repr=False)
    device: bytes = field(repr=False)
    leaf: int


# --- Messages -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Somebody said something. `kind` is a media type, `content` what the content room reads."""

    sender: Person
    epoch: int
    kind: str
    content: bytes = field(repr=False)


class Unread(Enum):
    """Why an entry could not be read."""

    TOO_OLD = "its epoch's keys are gone"
    BROKEN = "it does not open, or its key was used"
    UNKNOWN_FORM = "a later version wrote it"
    #: Of a device that its account has revoked.
    REVOKED = "a revoked device sent it"


@dataclass(frozen=True, slots=True)
class CouldNotRead:
    """There was an entry that cannot be read. People should see that something is missing."""

    epoch: int
    why: Unread


@dataclass(frozen=True, slots=True)
class ForkSuspected:
    """An entry of an epoch that we know bears the tag of another branch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class KeysUsedElsewhere:
    """This very device said something that it does not know of: our state is a copy, or an old one.

    What was said comes as a message of our own. We take fresh keys before we send again.
    """

    epoch: int


@dataclass(frozen=True, slots=True)
class MemberWounded:
    """A member could not follow the decision of `epoch`, and sends a key package to be put back with.

    The invitation for it is sealed under `secret`: `Conversation.rescue`. Where nobody could follow, it is
    what a successor is begun with: `successor.heirs`, `Conversation.offer`.
    """

    who: Person
    epoch: int
    package: mls.KeyPackage = field(repr=False)
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RescueArrived:
    """We are wounded, and somebody has put us back: `Conversation.join` with this, replacing what we have."""

    invitation: Invitation = field(repr=False)


@dataclass(frozen=True, slots=True)
class SuccessorOffered:
    """Somebody went on in another log, and has added us: `Conversation.join` with this, beside what we have.

    Several may come: `Ground.order` tells which one counts.
    """

    invitation: Invitation = field(repr=False)


@dataclass(frozen=True, slots=True)
class LeavingAnnounced:
    """A member wants to leave: somebody must commit it, and nobody may send before."""

    who: Person


# --- Changes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """A line of history: `by` changed something by the decision of `epoch`."""

    by: Person
    epoch: int


@dataclass(frozen=True, slots=True)
class MemberAdded(Change):
    """A device was added; `first` if its account was not there before."""

    who: Person
    first: bool


@dataclass(frozen=True, slots=True)
class MemberRemoved(Change):
    """A device was removed; `last` if its account is gone with it."""

    who: Person
    last: bool


@dataclass(frozen=True, slots=True)
class MemberLeft(Change):
    """A device left by itself; `by` committed it."""

    who: Person
    last: bool


@dataclass(frozen=True, slots=True)
class MemberRestored(Change):
    """A device was put back: what was said in between it cannot read."""

    who: Person


@dataclass(frozen=True, slots=True)
class RoleChanged(Change):
    """An account has another role."""

    account: bytes = field(repr=False)
    role: Role


@dataclass(frozen=True, slots=True)
class MetadataChanged(Change):
    """The conversation is called or looks different."""

    before: Metadata
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class RelaysChanged(Change):
    """Other relays hold the conversation from now on. `objections`: what speaks against it."""

    configuration: Configuration
    objections: Sequence[Objection]


@dataclass(frozen=True, slots=True)
class KeysRenewed(Change):
    """Nothing but fresh keys."""


# --- What becomes of the conversation -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EpochStarted:
    """The next epoch is open; `own` if the change was ours."""

    epoch: int
    own: bool
    #: Accounts of its admins and owners.
    admins: frozenset[bytes] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class InvitationDue:
    """The decision of `epoch` added these accounts: who invited them leaves the invitation now."""

    epoch: int
    accounts: tuple[bytes, ...] = field(repr=False)
    #: For `Conversation.invitation`, now or later.
    draft: Invitation = field(repr=False)
    own: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """We are in. `invited_by` signed the invitation. `package` names the key package that was used: delete
    its private part, unless it is a last resort.
    """

    invited_by: Person
    epoch: int
    package: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WentOn:
    """What we joined goes on from `epoch` of a conversation of ours. `by` founded it; where they sat there.

    `missing` are accounts that were there and are not here yet, `risen` those that may do more than before.
    """

    epoch: int
    by: Person
    missing: tuple[bytes, ...] = field(repr=False)
    risen: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dead:
    """What was decided in `epoch` is valid for nobody: the log ends here. A successor is needed.

    `culprit` signed it; None if nobody did. Also said when `Conversation.stop` was called.
    """

    epoch: int
    culprit: Person | None
    why: str


@dataclass(frozen=True, slots=True)
class Wounded:
    """We cannot follow what was decided in `epoch`; others may. `culprit` signed it; None if nobody did.

    If all are wounded a successor is needed.
    """

    epoch: int
    culprit: Person | None


@dataclass(frozen=True, slots=True)
class Out:
    """We are no member any more: our keys are gone, history stays. `left`: we wanted it."""

    epoch: int
    by: Person | None
    left: bool


Event = (
    MessageReceived
    | CouldNotRead
    | ForkSuspected
    | KeysUsedElsewhere
    | MemberWounded
    | RescueArrived
    | SuccessorOffered
    | LeavingAnnounced
    | Change
    | EpochStarted
    | InvitationDue
    | Joined
    | WentOn
    | Dead
    | Wounded
    | Out
)
