"""Commits and what welcomes new members: the structures of RFC 9420, sections 12.4 and 12.4.3."""

from __future__ import annotations

from dataclasses import dataclass, field

from heliogram.codec import Reader, opaque, optional, u16, u32, vector
from heliogram.mls.crypto import Secret, SignatureKey, Suite
from heliogram.mls.extensions import (
    TREE_CEILING,
    Extensions,
    decode_extensions,
    encode_extensions,
)
from heliogram.mls.key_schedule import GroupContext
from heliogram.mls.proposals import (
    PreSharedKeyID,
    ProposalOrRef,
    decode_proposal_or_ref,
    decode_psk_id,
    encode_proposal_or_ref,
)
from heliogram.mls.ratchet_tree import KEY_CEILING, MAX_LEAVES
from heliogram.mls.treekem import HPKECiphertext, UpdatePath

#: Bytes that the list of proposals of one commit may have: 10,000 post-quantum key packages.
PROPOSALS_CEILING = 1 << 26
#: Bytes that the encrypted group secrets of one Welcome may have.
SECRETS_CEILING = 1 << 26


@dataclass(frozen=True, slots=True)
class Commit:
    """struct { ProposalOrRef proposals<V>; optional<UpdatePath> path; } Commit; (section 12.4)"""

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None

    def encode(self) -> bytes:
        """The bytes of this structure."""
        path = None if self.path is None else self.path.encode()
        return vector(map(encode_proposal_or_ref, self.proposals)) + optional(path)

    @classmethod
    def decode(cls, reader: Reader) -> Commit:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        proposals = reader.vector(decode_proposal_or_ref, PROPOSALS_CEILING)
        return cls(proposals, UpdatePath.decode(reader) if reader.optional() else None)


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """An epoch as a joiner sees it, signed by a member (section 12.4.3).

    struct {
        GroupContext group_context;  Extension extensions<V>;  MAC confirmation_tag;  uint32 signer;
        /* SignWithLabel(., "GroupInfoTBS", GroupInfoTBS) */ opaque signature<V>;
    } GroupInfo;
    """

    group_context: GroupContext
    extensions: Extensions
    confirmation_tag: bytes
    signer: int
    signature: bytes = b""

    def to_be_signed(self) -> bytes:
        """GroupInfoTBS."""
        return (
            self.group_context.encode()
            + encode_extensions(self.extensions)
            + opaque(self.confirmation_tag)
            + u32(self.signer)
        )

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return self.to_be_signed() + opaque(self.signature)

    @classmethod
    def decode(cls, reader: Reader) -> GroupInfo:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(
            GroupContext.decode(reader),
            decode_extensions(reader, TREE_CEILING),
            reader.opaque(KEY_CEILING),
            reader.u32(),
            reader.opaque(KEY_CEILING),
        )

    def signed(self, suite: Suite, key: SignatureKey) -> GroupInfo:
        """This group info with the signature of its signer."""
        signature = suite.sign_with_label(key, b"GroupInfoTBS", self.to_be_signed())
        return GroupInfo(
            self.group_context, self.extensions, self.confirmation_tag, self.signer, signature
        )

    def signature_valid(self, suite: Suite, signature_key: bytes) -> bool:
        """Whether the member with this key signed it."""
        return suite.verify_with_label(
            signature_key, b"GroupInfoTBS", self.to_be_signed(), self.signature
        )


@dataclass(frozen=True, slots=True)
class GroupSecrets:
    """What one joiner needs to compute the epoch (section 12.4.3.1).

    struct { opaque joiner_secret<V>; optional<PathSecret> path_secret; PreSharedKeyID psks<V>; }
    GroupSecrets;
    """

    joiner_secret: Secret = field(repr=False)
    path_secret: Secret | None = field(repr=False)
    psks: tuple[PreSharedKeyID, ...]

    def encode(self) -> bytes:
        """The bytes of this structure."""
        path = None if self.path_secret is None else opaque(self.path_secret)
        return (
            opaque(self.joiner_secret) + optional(path) + vector(psk.encode() for psk in self.psks)
        )

    @classmethod
    def decode(cls, reader: Reader) -> GroupSecrets:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(
            Secret(reader.opaque(KEY_CEILING)),
            Secret(reader.opaque(KEY_CEILING)) if reader.optional() else None,
            reader.vector(decode_psk_id),
        )


@dataclass(frozen=True, slots=True)
class EncryptedGroupSecrets:
    """struct { KeyPackageRef new_member; HPKECiphertext encrypted_group_secrets; } (section
    12.4.3.1)
    """

    new_member: bytes
    encrypted_group_secrets: HPKECiphertext

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return opaque(self.new_member) + self.encrypted_group_secrets.encode()

    @classmethod
    def decode(cls, reader: Reader) -> EncryptedGroupSecrets:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.opaque(KEY_CEILING), HPKECiphertext.decode(reader))


@dataclass(frozen=True, slots=True)
class Welcome:
    """One message for all members that a commit added (section 12.4.3.1).

    struct { CipherSuite cipher_suite; EncryptedGroupSecrets secrets<V>; opaque
    encrypted_group_info<V>; } Welcome;
    """

    cipher_suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return (
            u16(self.cipher_suite)
            + vector(secret.encode() for secret in self.secrets)
            + opaque(self.encrypted_group_info)
        )

    @classmethod
    def decode(cls, reader: Reader) -> Welcome:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(
            reader.u16(),
            reader.vector(EncryptedGroupSecrets.decode, SECRETS_CEILING, MAX_LEAVES),
            reader.opaque(TREE_CEILING),
        )
