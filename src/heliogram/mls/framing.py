"""Messages on the wire: who says what in which epoch, signed, and sealed if private. RFC 9420,
section 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from heliogram.codec import DecodeError, Reader, opaque, u8, u16, u32, u64
from heliogram.mls.commits import Commit, GroupInfo, Welcome
from heliogram.mls.crypto import Secret, SignatureKey, Suite
from heliogram.mls.errors import DecryptionFailed, InvalidMessage, UsageError, refused
from heliogram.mls.key_packages import KeyPackage, decode_in_message
from heliogram.mls.proposals import ID_CEILING, Proposal, decode_proposal, encode_proposal
from heliogram.mls.ratchet_tree import KEY_CEILING
from heliogram.mls.registries import MLS10, WireFormat

#: Bytes that one application message or commit may have.
CONTENT_CEILING = 1 << 27
#: Bytes that the authenticated data of one message may have.
AAD_CEILING = 1 << 20

_MLS10 = u16(MLS10)


class ContentType(IntEnum):
    """What a message says (section 6)."""

    APPLICATION = 1
    PROPOSAL = 2
    COMMIT = 3


class SenderType(IntEnum):
    """Who says it (section 6)."""

    MEMBER = 1
    EXTERNAL = 2
    NEW_MEMBER_PROPOSAL = 3
    NEW_MEMBER_COMMIT = 4


_CONTENT_TYPES = {int(value): value for value in ContentType}
_SENDER_TYPES = {int(value): value for value in SenderType}


@dataclass(frozen=True, slots=True)
class Sender:
    """struct Sender of section 6. `index` is the leaf of a member, or the number of an external
    sender.
    """

    sender_type: SenderType
    index: int = 0

    def encode(self) -> bytes:
        """The bytes of this structure."""
        if self.sender_type in (SenderType.MEMBER, SenderType.EXTERNAL):
            return u8(self.sender_type) + u32(self.index)
        return u8(self.sender_type)

    @classmethod
    def decode(cls, reader: Reader) -> Sender:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        sender_type = _SENDER_TYPES.get(reader.u8())
        if sender_type is None:
            raise DecodeError("6", "a message has an unknown type of sender")
        if sender_type in (SenderType.MEMBER, SenderType.EXTERNAL):
            return cls(sender_type, reader.u32())
        return cls(sender_type)

    @property
    def is_member(self) -> bool:
        """Whether this is somebody in the group."""
        return self.sender_type is SenderType.MEMBER


@dataclass(frozen=True, slots=True)
class SentProposal:
    """A proposal and who made it. `reference` is None when a commit carries it by value."""

    proposal: Proposal
    sender: Sender
    reference: bytes | None = None


Content = bytes | Proposal | Commit


def _encode_content(content: Content) -> bytes:
    if isinstance(content, bytes):
        return opaque(content)
    return content.encode() if isinstance(content, Commit) else encode_proposal(content)


def _decode_content(reader: Reader, content_type: ContentType) -> Content:
    if content_type is ContentType.APPLICATION:
        return reader.opaque(CONTENT_CEILING)
    return (
        decode_proposal(reader) if content_type is ContentType.PROPOSAL else Commit.decode(reader)
    )


def _content_type(content: Content) -> ContentType:
    if isinstance(content, bytes):
        return ContentType.APPLICATION
    return ContentType.COMMIT if isinstance(content, Commit) else ContentType.PROPOSAL


def _decode_content_type(reader: Reader) -> ContentType:
    content_type = _CONTENT_TYPES.get(reader.u8())
    if content_type is None:
        raise DecodeError("6", "a message has an unknown type of content")
    return content_type


@dataclass(frozen=True, slots=True)
class FramedContent:
    """What is signed of every message (section 6). `body` is the encoded `content`.

    struct {
        opaque group_id<V>;  uint64 epoch;  Sender sender;  opaque authenticated_data<V>;
        ContentType content_type;  select (content_type) { opaque | Proposal | Commit };
    } FramedContent;
    """

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    content_type: ContentType
    content: Content
    body: bytes

    @classmethod
    def of(
        cls,
        group_id: bytes,
        epoch: int,
        sender: Sender,
        authenticated_data: bytes,
        content: Content,
    ) -> FramedContent:
        """A message of ours, before it is signed."""
        return cls(
            group_id,
            epoch,
            sender,
            authenticated_data,
            _content_type(content),
            content,
            _encode_content(content),
        )

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return b"".join(
            (
                opaque(self.group_id),
                u64(self.epoch),
                self.sender.encode(),
                opaque(self.authenticated_data),
                u8(self.content_type),
                self.body,
            )
        )

    @classmethod
    def decode(cls, reader: Reader) -> FramedContent:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        group_id, epoch = reader.opaque(ID_CEILING), reader.u64()
        sender, authenticated_data = Sender.decode(reader), reader.opaque(AAD_CEILING)
        content_type = _decode_content_type(reader)
        start = reader.pos
        content = _decode_content(reader, content_type)
        body = reader.data[start : reader.pos]
        return cls(group_id, epoch, sender, authenticated_data, content_type, content, body)


@dataclass(frozen=True, slots=True)
class AuthenticatedContent:
    """A message with its signature, however it travels (section 6.1).

    `confirmation_tag` is None unless the content is a commit. Nothing here has been verified yet.
    """

    wire_format: WireFormat
    content: FramedContent
    signature: bytes
    confirmation_tag: bytes | None = None

    def to_be_signed(self, context: bytes) -> bytes:
        """FramedContentTBS; `context` is the encoded GroupContext of the message's epoch (section
        6.1).
        """
        tbs = _MLS10 + u16(self.wire_format) + self.content.encode()
        kind = self.content.sender.sender_type
        if kind in (SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT):
            return tbs + context
        return tbs

    def signed(self, suite: Suite, key: SignatureKey, context: bytes) -> AuthenticatedContent:
        """This message with the signature of its sender."""
        signature = suite.sign_with_label(key, b"FramedContentTBS", self.to_be_signed(context))
        return AuthenticatedContent(
            self.wire_format, self.content, signature, self.confirmation_tag
        )

    def with_tag(self, confirmation_tag: bytes) -> AuthenticatedContent:
        """This commit with its confirmation tag."""
        return AuthenticatedContent(
            self.wire_format, self.content, self.signature, confirmation_tag
        )

    def signature_valid(self, suite: Suite, signature_key: bytes, context: bytes) -> bool:
        """Whether the owner of the key signed this (section 6.1)."""
        return suite.verify_with_label(
            signature_key, b"FramedContentTBS", self.to_be_signed(context), self.signature
        )

    def auth(self) -> bytes:
        """FramedContentAuthData of section 6.1."""
        if self.confirmation_tag is None:
            return opaque(self.signature)
        return opaque(self.signature) + opaque(self.confirmation_tag)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return u16(self.wire_format) + self.content.encode() + self.auth()

    def proposal_ref(self, suite: Suite) -> bytes:
        """ProposalRef: how a commit names this proposal (section 5.2). Nh bytes."""
        return suite.ref_hash(b"MLS 1.0 Proposal Reference", self.encode())


def _decode_auth(reader: Reader, content_type: ContentType) -> tuple[bytes, bytes | None]:
    signature = reader.opaque(KEY_CEILING)
    if content_type is ContentType.COMMIT:
        return signature, reader.opaque(KEY_CEILING)
    return signature, None


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """A handshake message that everybody may read (section 6.2).

    struct { FramedContent content; FramedContentAuthData auth; [MAC membership_tag;] }
    PublicMessage;
    """

    content: AuthenticatedContent
    membership_tag: bytes | None

    def encode(self) -> bytes:
        """The bytes of this structure."""
        tag = b"" if self.membership_tag is None else opaque(self.membership_tag)
        return self.content.content.encode() + self.content.auth() + tag

    @classmethod
    def decode(cls, reader: Reader) -> PublicMessage:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        content = FramedContent.decode(reader)
        signature, confirmation_tag = _decode_auth(reader, content.content_type)
        tag = reader.opaque(KEY_CEILING) if content.sender.is_member else None
        return cls(
            AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, signature, confirmation_tag),
            tag,
        )


def membership_tag(
    suite: Suite, membership_key: Secret, content: AuthenticatedContent, context: bytes
) -> bytes:
    """What proves that a public message comes from inside (section 6.2). Nh bytes."""
    return suite.mac(membership_key, content.to_be_signed(context) + content.auth())


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A message that only members can read (section 6.3).

    struct {
        opaque group_id<V>;            uint64 epoch;  ContentType content_type;  opaque
        authenticated_data<V>; opaque encrypted_sender_data<V>;  opaque ciphertext<V>;
    } PrivateMessage;
    """

    group_id: bytes
    epoch: int
    content_type: ContentType
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return (
            self._sender_data_aad()
            + opaque(self.authenticated_data)
            + opaque(self.encrypted_sender_data)
            + opaque(self.ciphertext)
        )

    @classmethod
    def decode(cls, reader: Reader) -> PrivateMessage:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(
            reader.opaque(ID_CEILING),
            reader.u64(),
            _decode_content_type(reader),
            reader.opaque(AAD_CEILING),
            reader.opaque(KEY_CEILING),
            reader.opaque(CONTENT_CEILING),
        )

    def _sender_data_aad(self) -> bytes:
        return opaque(self.group_id) + u64(self.epoch) + u8(self.content_type)

    def sender_data(self, suite: Suite, sender_data_secret: Secret) -> SenderData:
        """Who sent this and with which key (section 6.3.2). Raises `DecryptionFailed` (row 17)."""
        key, nonce = _sender_data_key(suite, sender_data_secret, self.ciphertext)
        data = suite.open(key, nonce, self._sender_data_aad(), self.encrypted_sender_data)
        reader = Reader(data)
        sender_data = SenderData(reader.u32(), reader.u32(), reader.fixed(4))
        reader.finish()
        return sender_data

    def open(
        self, suite: Suite, sender_data: SenderData, key: Secret, nonce: Secret
    ) -> AuthenticatedContent:
        """The message inside, signature not yet verified (section 6.3.1).

        Its sender is a member: there is no place for another one (section 6.3.2; row 9). Raises
        `DecryptionFailed` (row 17) when it does not open or its padding is not zero.
        """
        aad = self._sender_data_aad() + opaque(self.authenticated_data)
        plain = suite.open(key, _guarded(nonce, sender_data.reuse_guard), aad, self.ciphertext)
        reader = Reader(plain)
        content = _decode_content(reader, self.content_type)
        body = plain[: reader.pos]
        signature, confirmation_tag = _decode_auth(reader, self.content_type)
        if any(plain[reader.pos :]):  # RFC 9420, 6.3.1
            raise DecryptionFailed(17, "6.3.1", "a message's padding is not zero")
        framed = FramedContent(
            self.group_id,
            self.epoch,
            Sender(SenderType.MEMBER, sender_data.leaf_index),
            self.authenticated_data,
            self.content_type,
            content,
            body,
        )
        return AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, framed, signature, confirmation_tag)


@dataclass(frozen=True, slots=True)
class SenderData:
    """struct { uint32 leaf_index; uint32 generation; opaque reuse_guard[4]; } (section 6.3.2)"""

    leaf_index: int
    generation: int
    reuse_guard: bytes

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return u32(self.leaf_index) + u32(self.generation) + self.reuse_guard


def _sender_data_key(suite: Suite, secret: Secret, ciphertext: bytes) -> tuple[Secret, Secret]:
    sample = ciphertext[: suite.hash_length]  # RFC 9420, 6.3.2: Nh bytes, or all if there are fewer
    return (
        suite.expand_with_label(secret, b"key", sample, suite.key_length),
        suite.expand_with_label(secret, b"nonce", sample, suite.nonce_length),
    )


def _guarded(nonce: Secret, guard: bytes) -> bytes:
    """The nonce with the reuse guard XORed into its first four bytes (section 6.3.1)."""
    first = int.from_bytes(nonce[:4], "big") ^ int.from_bytes(guard, "big")
    return first.to_bytes(4, "big") + nonce[4:]


def padded(content: AuthenticatedContent, padding: Callable[[int], int]) -> bytes:
    """A signed message as it is sealed: PrivateMessageContent of section 6.3.1.

    `padding` gets the size of the content in bytes and gives the size it shall have; the difference
    is filled with zeros. Raises `UsageError` when it asks for less.
    """
    plain = content.content.body + content.auth()
    size = padding(len(plain))
    if size < len(plain):
        raise UsageError("row 20: padding cannot make a message shorter")
    return plain + bytes(size - len(plain))


def seal_private(
    suite: Suite,
    content: AuthenticatedContent,
    plain: bytes,
    sender_data: SenderData,
    key: Secret,
    nonce: Secret,
    sender_data_secret: Secret,
) -> PrivateMessage:
    """A signed message sealed for the members (section 6.3); `plain` is what `padded` gave."""
    framed = content.content
    head = opaque(framed.group_id) + u64(framed.epoch) + u8(framed.content_type)
    aad = head + opaque(framed.authenticated_data)
    ciphertext = suite.seal(key, _guarded(nonce, sender_data.reuse_guard), aad, plain)
    hidden_key, hidden_nonce = _sender_data_key(suite, sender_data_secret, ciphertext)
    return PrivateMessage(
        framed.group_id,
        framed.epoch,
        framed.content_type,
        framed.authenticated_data,
        suite.seal(hidden_key, hidden_nonce, head, sender_data.encode()),
        ciphertext,
    )


Message = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_DECODERS: dict[int, Callable[[Reader], Message]] = {
    WireFormat.PUBLIC_MESSAGE: PublicMessage.decode,
    WireFormat.PRIVATE_MESSAGE: PrivateMessage.decode,
    WireFormat.WELCOME: Welcome.decode,
    WireFormat.GROUP_INFO: GroupInfo.decode,
    WireFormat.KEY_PACKAGE: decode_in_message,
}

_WIRE_FORMATS: dict[type[Message], WireFormat] = {
    PublicMessage: WireFormat.PUBLIC_MESSAGE,
    PrivateMessage: WireFormat.PRIVATE_MESSAGE,
    Welcome: WireFormat.WELCOME,
    GroupInfo: WireFormat.GROUP_INFO,
    KeyPackage: WireFormat.KEY_PACKAGE,
}


def encode_message(message: Message) -> bytes:
    """struct MLSMessage of section 6: version, wire format, body."""
    return _MLS10 + u16(_WIRE_FORMATS[type(message)]) + message.encode()


def decode_message(data: bytes) -> Message:
    """struct MLSMessage of section 6, the whole of `data`.

    Raises `InvalidMessage` (rows 1 to 6): whatever is wrong with the bytes comes out as that.
    """
    try:
        reader = Reader(data)
        if reader.u16() != MLS10:  # RFC 9420, 6
            raise InvalidMessage(5, "6", "a message is of another protocol version")
        decode = _DECODERS.get(reader.u16())
        if decode is None:  # RFC 9420, 6
            raise InvalidMessage(5, "6", "a message has an unknown wire format")
        message = decode(reader)
        reader.finish()
    except DecodeError as error:
        raise refused(error) from error
    return message
