"""What a conversation asks of its MLS group: who we are, how the engine is set, what a newcomer checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from heliogram import mls
from heliogram.content.padding import bucket
from heliogram.mls.framing import PublicMessage
from heliogram.node.chain import Chain
from heliogram.node.components import (
    LEAF_EXTENSIONS,
    Charter,
    conversation_id,
    device_of,
    is_conversation,
)
from heliogram.node.epoch_keys import EpochKeys
from heliogram.node.errors import InvalidInvitation, InvitationFault, NotAllowed
from heliogram.node.identity.authentication import certificate_of
from heliogram.node.invitation import SIGNED, Invitation
from heliogram.node.rights import Rights

Entropy = Callable[[int], bytes]

#: Epochs that ended whose late messages can still be read.
PAST_EPOCHS = 5

#: What the engine says when a valid commit is wrong for us alone: row 78 a path secret, 79 a pre-shared key,
#: 80 the confirmation tag, 83 a commit of our own that is not the one that we staged.
PRIVATE = frozenset({78, 79, 80, 83})

#: The one of them that is about bytes which nobody signed.
CONFIRMATION_TAG = 80


@dataclass(frozen=True, slots=True)
class Device:
    """Who we are in MLS: a suite, our credential, and the key that it is for."""

    suite: int
    credential: mls.Credential = field(repr=False)
    key: mls.SignatureKey = field(repr=False)

    def package(
        self, *, last_resort: bool = False, now: int, entropy: Entropy
    ) -> mls.OwnKeyPackage:
        """A key package by which others can add this device."""
        return mls.new_key_package(
            self.suite,
            self.credential,
            self.key,
            leaf_extensions=LEAF_EXTENSIONS,
            last_resort=last_resort,
            now=now,
            entropy=entropy,
        )


class Witness(Rights):
    """The rules, and what the last commit was that they were asked about.

    The engine asks once the commit's signature was verified. So this is who made it, also when it fails
    later.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Before the next commit."""
        self.committer: int | None = None
        self.proposals: Sequence[mls.SentProposal] = ()

    def allows_commit(
        self, view: mls.EpochView, committer: int | None, proposals: Sequence[mls.SentProposal]
    ) -> bool:
        self.committer, self.proposals = committer, proposals
        return super().allows_commit(view, committer, proposals)


class Padding:
    """Buckets for what people say. A commit is padded with the whole body of its value, not by itself."""

    def __init__(self) -> None:
        self.on = True

    def __call__(self, size: int) -> int:
        return bucket(size) if self.on else size


def certificate_account(credential: mls.Credential) -> bytes:
    """The account of a credential of ours. Raises `NotAllowed` if it is no device certificate."""
    certificate = certificate_of(credential)
    if certificate is None:
        raise NotAllowed("a device without a certificate")
    return certificate.account


def conversation_config(authentication: mls.AuthenticationService) -> mls.Config:
    return mls.Config(
        authentication=authentication,
        policy=Witness(),
        padding=Padding(),
        private_handshakes=True,
        past_epochs=PAST_EPOCHS,
        # Departures alone, one a member: nobody can fill this room for some and not for others.
        max_proposals=1 << 18,
    )


def departure_of(message: bytes) -> int | None:
    """The leaf that a SelfRemove is of; None for any other message."""
    try:
        decoded = mls.decode_message(message)
    except mls.InvalidMessage:
        return None
    if not isinstance(decoded, PublicMessage):
        return None
    framed_content = decoded.content.content
    if (
        not isinstance(framed_content.content, mls.SelfRemove)
        or not framed_content.sender.is_member
    ):
        return None
    return framed_content.sender.index


def check_joined(group: mls.Group, keys: EpochKeys, chain: Chain, invitation: Invitation) -> None:
    """Whether a Welcome leads to exactly what the relays decided, and that is a conversation."""
    seat, first = chain.seat, invitation.seat
    if not is_conversation(group.context):
        raise InvalidInvitation(InvitationFault.BAD_GROUP)
    charter = Charter.of(group.context)
    accounts = [device_of(leaf).account for _, leaf in group.members()]
    if charter.roles != charter.roles.settled(accounts):
        raise InvalidInvitation(InvitationFault.BAD_GROUP)
    same = (
        group.epoch == seat.epoch
        and charter.configuration == seat.configuration
        and keys.public_keys(seat.configuration) == seat.keys
        and (first.epoch > 0 or group.group_id == conversation_id(first.configuration))
    )
    if not same:
        raise InvalidInvitation(InvitationFault.ANOTHER_GROUP)
    inviter = group.tree.leaf(invitation.inviter)
    if inviter is None or not group.suite.verify_with_label(
        inviter.signature_key, SIGNED, invitation.content(), invitation.signature
    ):
        raise InvalidInvitation(InvitationFault.BAD_SIGNATURE)
