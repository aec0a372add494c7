"""One epoch's keys at work: messages in and out, verified and sealed. RFC 9420, sections 6 and 9.

An `Epoch` is what is needed to read messages of an epoch, also after the group moved on: its
context, its members, and the keys that nobody used yet. Nothing is trusted before its signature was
verified with the key of the sender *in that epoch*, and no key is used up before that either.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest

from heliogram.mls.commits import Commit
from heliogram.mls.config import EpochView
from heliogram.mls.crypto import Secret, SignatureKey, Suite
from heliogram.mls.errors import InvalidMessage, UsageError
from heliogram.mls.extensions import external_senders
from heliogram.mls.framing import (
    AAD_CEILING,
    CONTENT_CEILING,
    AuthenticatedContent,
    Content,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderData,
    SenderType,
    membership_tag,
    padded,
    seal_private,
)
from heliogram.mls.key_schedule import GroupContext
from heliogram.mls.proposals import Add
from heliogram.mls.ratchet_tree import LeafNode, Node
from heliogram.mls.registries import WireFormat
from heliogram.mls.secret_tree import FoundKey, RatchetKind, SecretTree


class Epoch:
    """The keys and members of one epoch, current or past. Its secret tree is the only part that
    changes.
    """

    __slots__ = ("context", "leaves", "saved", "secret_tree", "sender_data_secret", "suite")

    def __init__(
        self,
        suite: Suite,
        context: GroupContext,
        leaves: list[Node],
        sender_data_secret: Secret,
        secret_tree: SecretTree,
    ) -> None:
        self.suite = suite
        self.context = context
        self.leaves = leaves
        self.sender_data_secret = sender_data_secret
        self.secret_tree = secret_tree
        #: Our record as a past epoch, and the next epoch that it was written against.
        self.saved: tuple[Epoch, bytes] | None = None

    def member(self, leaf_index: int) -> LeafNode:
        """The member who sent a message; raises `InvalidMessage` (row 16) if nobody is there."""
        leaf = self.leaves[leaf_index] if leaf_index < len(self.leaves) else None
        if not isinstance(leaf, LeafNode):  # RFC 9420, 6.3.2
            raise InvalidMessage(16, "6.3.2", "a message comes from a leaf where nobody is")
        return leaf

    # -- private messages --------------------------------------------------------------------------

    def sender_of(self, message: PrivateMessage) -> SenderData:
        """Who sent a private message; the member exists, the message is not verified yet."""
        sender_data = message.sender_data(self.suite, self.sender_data_secret)
        self.member(sender_data.leaf_index)
        return sender_data

    def open(
        self, message: PrivateMessage, sender_data: SenderData
    ) -> tuple[AuthenticatedContent, FoundKey]:
        """A private message, opened and verified. `secret_tree.consume` is the caller's last step.

        Raises `InvalidMessage` (rows 11, 17 and 18).
        """
        kind = (
            RatchetKind.APPLICATION
            if message.content_type is ContentType.APPLICATION
            else RatchetKind.HANDSHAKE
        )
        leaf = self.member(sender_data.leaf_index)
        found = self.secret_tree.find(sender_data.leaf_index, kind, sender_data.generation)
        content = message.open(self.suite, sender_data, found.key, found.nonce)
        self._verify(content, leaf.signature_key)
        return content, found

    def protect(
        self,
        content: AuthenticatedContent,
        leaf_index: int,
        *,
        padding: Callable[[int], int],
        entropy: Callable[[int], bytes],
    ) -> PrivateMessage:
        """A signed message of ours, sealed with the next key of our ratchet (row 20)."""
        kind = (
            RatchetKind.APPLICATION
            if content.content.content_type is ContentType.APPLICATION
            else RatchetKind.HANDSHAKE
        )
        plain = padded(content, padding)
        generation, key, nonce = self.secret_tree.next_key(leaf_index, kind)
        sender_data = SenderData(leaf_index, generation, entropy(4))
        return seal_private(
            self.suite, content, plain, sender_data, key, nonce, self.sender_data_secret
        )

    # -- both framings -----------------------------------------------------------------------------

    def sign(
        self,
        wire_format: WireFormat,
        leaf_index: int,
        content: Content,
        authenticated_data: bytes,
        key: SignatureKey,
    ) -> AuthenticatedContent:
        """A message of ours with its signature (section 6.1).

        Raises `UsageError` when it is longer than others accept.
        """
        sender = Sender(SenderType.MEMBER, leaf_index)
        context = self.context
        framed = FramedContent.of(
            context.group_id, context.epoch, sender, authenticated_data, content
        )
        if len(authenticated_data) > AAD_CEILING or len(framed.body) > CONTENT_CEILING:
            raise UsageError("row 6: a message is longer than others accept")
        return AuthenticatedContent(wire_format, framed, b"").signed(
            self.suite, key, context.encode()
        )

    def _verify(self, content: AuthenticatedContent, signature_key: bytes) -> None:
        if not content.signature_valid(self.suite, signature_key, self.context.encode()):
            raise InvalidMessage(11, "6.1", "a message's signature is wrong")  # RFC 9420, 6.1

    def verify_public(
        self, message: PublicMessage, membership_key: Secret, view: EpochView
    ) -> AuthenticatedContent:
        """A public message, verified with the key that its type of sender has (section 6.1).

        Raises `InvalidMessage` (rows 8 to 16).
        """
        content = message.content
        framed = content.content
        sender = framed.sender
        if framed.content_type is ContentType.APPLICATION:  # RFC 9420, 6
            raise InvalidMessage(8, "6", "application data comes in a public message")
        if sender.is_member:
            key = self.member(sender.index).signature_key
            tag = membership_tag(self.suite, membership_key, content, self.context.encode())
            if not compare_digest(tag, message.membership_tag or b""):  # RFC 9420, 6.2
                raise InvalidMessage(10, "6.2", "a public message's membership tag is wrong")
        else:
            key = _outside_key(view, framed)
        self._verify(content, key)
        return content


def _outside_key(view: EpochView, framed: FramedContent) -> bytes:
    """The signature key of a sender that is no member (section 6.1; rows 12 to 14)."""
    sender, content = framed.sender, framed.content
    if sender.sender_type is SenderType.EXTERNAL:
        senders = external_senders(view.context.extensions)
        if sender.index >= len(senders):  # RFC 9420, 12.1.8
            raise InvalidMessage(12, "12.1.8", "an external sender is not in the group's list")
        if framed.content_type is not ContentType.PROPOSAL:  # RFC 9420, 6.1
            raise InvalidMessage(12, "6.1", "an external sender sends anything but a proposal")
        return senders[sender.index].signature_key
    if sender.sender_type is SenderType.NEW_MEMBER_PROPOSAL:
        if not isinstance(content, Add):  # RFC 9420, 6.1
            raise InvalidMessage(13, "6.1", "a new member proposes anything but its own add")
        return content.key_package.leaf_node.signature_key
    if not isinstance(content, Commit):  # RFC 9420, 6.1
        raise InvalidMessage(14, "6.1", "an external joiner sends anything but a commit")
    if content.path is None:  # RFC 9420, 12.4.3.2
        raise InvalidMessage(69, "12.4.3.2", "an external commit has no path")
    return content.path.leaf_node.signature_key
