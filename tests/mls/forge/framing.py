"""Messages framed as anybody: public and private ones, signed and MACed with the right keys."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from heliogram import mls
from heliogram.codec import opaque
from heliogram.mls.crypto import Secret, SignatureKey
from heliogram.mls.framing import (
    AuthenticatedContent,
    Content,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderData,
    SenderType,
    SentProposal,
    _guarded,
    _sender_data_key,
    decode_message,
    encode_message,
    membership_tag,
)
from heliogram.mls.key_schedule import GroupContext
from heliogram.mls.proposals import Proposal
from heliogram.mls.registries import WireFormat
from heliogram.mls.secret_tree import RatchetKind
from tests.mls.forge.hooks import changed, same


def member_sender(group: mls.Group) -> Sender:
    """The group's own member as a sender."""
    return Sender(SenderType.MEMBER, group.own_leaf_index)


def content(
    group: mls.Group,
    body: Content,
    *,
    wire_format: WireFormat = WireFormat.PUBLIC_MESSAGE,
    sender: Sender | None = None,
    epoch: int | None = None,
    group_id: bytes | None = None,
    authenticated_data: bytes = b"",
    key: SignatureKey | None = None,
    context: GroupContext | None = None,
    framed: Callable[[FramedContent], FramedContent] = same,
) -> AuthenticatedContent:
    """Anything, signed as anybody. By default by the group's own member in its own epoch."""
    made = framed(
        FramedContent.of(
            group.group_id if group_id is None else group_id,
            group.epoch if epoch is None else epoch,
            sender or member_sender(group),
            authenticated_data,
            body,
        )
    )
    return AuthenticatedContent(wire_format, made, b"").signed(
        group.suite,
        key or group._member.signature_key,
        (context or group.context).encode(),
    )


def public(
    group: mls.Group,
    signed: AuthenticatedContent,
    *,
    tag: Callable[[bytes], bytes] = same,
    membership_key: Secret | None = None,
) -> bytes:
    """A public message with the right membership tag, if its sender is a member."""
    key = membership_key or group._member.current.secrets.membership_key
    made = None
    if signed.content.sender.is_member:
        made = tag(membership_tag(group.suite, key, signed, group.context.encode()))
    return encode_message(PublicMessage(signed, made))


def private(
    group: mls.Group,
    signed: AuthenticatedContent,
    *,
    leaf_index: int | None = None,
    generation: int | None = None,
    kind: RatchetKind | None = None,
    guard: bytes = b"\x01\x02\x03\x04",
    plain: Callable[[bytes], bytes] = same,
    sender_data: Callable[[bytes], bytes] = same,
    message: Callable[[PrivateMessage], PrivateMessage] = same,
) -> bytes:
    """A private message sealed with the keys of any leaf and generation of the group's epoch.

    By default the next ones of the content's sender. `plain` changes what is sealed (content,
    signature and padding), `sender_data` the encoded sender data.
    """
    suite, epoch, framed = group.suite, group._member.current.epoch, signed.content
    leaf = framed.sender.index if leaf_index is None else leaf_index
    if kind is None:
        said = framed.content_type is mls.ContentType.APPLICATION
        kind = RatchetKind.APPLICATION if said else RatchetKind.HANDSHAKE
    if generation is None:
        generation = epoch.secret_tree.generation(leaf, kind)
    in_tree = leaf if 2 * leaf < len(group.tree.nodes) else 0
    secrets = copy.copy(epoch.secret_tree)
    secrets.max_forward = 1 << 32
    found = secrets.find(in_tree, kind, generation)
    head = PrivateMessage(
        framed.group_id, framed.epoch, framed.content_type, framed.authenticated_data, b"", b""
    )
    aad = head._sender_data_aad() + opaque(framed.authenticated_data)
    sealed = suite.seal(
        found.key, _guarded(found.nonce, guard), aad, plain(framed.body + signed.auth())
    )
    hidden_key, hidden_nonce = _sender_data_key(suite, epoch.sender_data_secret, sealed)
    hidden = sender_data(SenderData(leaf, generation, guard).encode())
    encrypted = suite.seal(hidden_key, hidden_nonce, head._sender_data_aad(), hidden)
    made = changed(head, encrypted_sender_data=encrypted, ciphertext=sealed)
    return encode_message(message(made))


def unsealed(group: mls.Group, message: bytes) -> tuple[SenderData, bytes]:
    """Who sent a private message of the group's epoch, and what was sealed, padding included.

    Works as long as `group` has not opened the message.
    """
    found = decode_message(message)
    assert isinstance(found, PrivateMessage)
    suite, epoch = group.suite, group._member.current.epoch
    data = found.sender_data(suite, epoch.sender_data_secret)
    said = found.content_type is mls.ContentType.APPLICATION
    kind = RatchetKind.APPLICATION if said else RatchetKind.HANDSHAKE
    key = epoch.secret_tree.find(data.leaf_index, kind, data.generation)
    aad = found._sender_data_aad() + opaque(found.authenticated_data)
    nonce = _guarded(key.nonce, data.reuse_guard)
    return data, suite.open(key.key, nonce, aad, found.ciphertext)


def private_message(group: mls.Group, body: Content, **hooks: Any) -> bytes:
    """`private` of a body that the group's own member signs."""
    signed = content(group, body, wire_format=WireFormat.PRIVATE_MESSAGE)
    return private(group, signed, **hooks)


def proposal(group: mls.Group, body: Proposal, **how: Any) -> bytes:
    """A public proposal of the group's own member, unchecked; `how` as in `content`."""
    return public(group, content(group, body, **how))


def sent(group: mls.Group, body: Proposal, **how: Any) -> tuple[bytes, SentProposal]:
    """The same, with what a commit needs to refer to it."""
    signed = content(group, body, **how)
    reference = signed.proposal_ref(group.suite)
    return public(group, signed), SentProposal(body, signed.content.sender, reference)
