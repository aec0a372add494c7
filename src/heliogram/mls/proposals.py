"""Proposals: what may change in a group, one struct each. RFC 9420, sections 8.4, 12.1 and 12.4.

Whether a list of them may be committed, and what it does, stands in `proposal_list`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from heliogram.codec import DecodeError, Reader, opaque, u8, u16, u64
from heliogram.mls.extensions import (
    COMPONENT_CEILING,
    Extensions,
    decode_extensions,
    encode_extensions,
)
from heliogram.mls.key_packages import KeyPackage
from heliogram.mls.ratchet_tree import KEY_CEILING, LeafNode
from heliogram.mls.registries import ProposalType

#: Bytes that a group id or a pre-shared key's id may have.
ID_CEILING = 1 << 12


class ResumptionPSKUsage(IntEnum):
    """What a resumption secret is used for (section 8.4)."""

    APPLICATION = 1
    REINIT = 2
    BRANCH = 3


@dataclass(frozen=True, slots=True)
class ExternalPSKID:
    """A secret that the application shares by other means, by its name (section 8.4)."""

    psk_id: bytes
    psk_nonce: bytes

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return b"\x01" + opaque(self.psk_id) + opaque(self.psk_nonce)


@dataclass(frozen=True, slots=True)
class ResumptionPSKID:
    """The resumption secret of some group's epoch (section 8.4)."""

    usage: ResumptionPSKUsage
    psk_group_id: bytes
    psk_epoch: int
    psk_nonce: bytes

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return (
            b"\x02"
            + u8(self.usage)
            + opaque(self.psk_group_id)
            + u64(self.psk_epoch)
            + opaque(self.psk_nonce)
        )


PreSharedKeyID = ExternalPSKID | ResumptionPSKID


def decode_psk_id(reader: Reader) -> PreSharedKeyID:
    """struct PreSharedKeyID of section 8.4."""
    kind = reader.u8()
    if kind == 1:
        return ExternalPSKID(reader.opaque(ID_CEILING), reader.opaque(KEY_CEILING))
    if kind != 2:
        raise DecodeError("8.4", "a pre-shared key is of an unknown type")
    usage = reader.u8()
    if usage not in (1, 2, 3):
        raise DecodeError("8.4", "a resumption secret has an unknown usage")
    return ResumptionPSKID(
        ResumptionPSKUsage(usage),
        reader.opaque(ID_CEILING),
        reader.u64(),
        reader.opaque(KEY_CEILING),
    )


@dataclass(frozen=True, slots=True)
class Add:
    """Seat a new member (section 12.1.1)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.ADD
    key_package: KeyPackage

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return self.key_package.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Add:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(KeyPackage.decode(reader))


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the sender's own leaf (section 12.1.2)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.UPDATE
    leaf_node: LeafNode

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return self.leaf_node.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Update:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(LeafNode.decode(reader))


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the member at a leaf (section 12.1.3)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.REMOVE
    removed: int

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return self.removed.to_bytes(4, "big")

    @classmethod
    def decode(cls, reader: Reader) -> Remove:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.u32())


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """Mix a pre-shared key into the next epoch (section 12.1.4)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.PSK
    psk: PreSharedKeyID

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return self.psk.encode()

    @classmethod
    def decode(cls, reader: Reader) -> PreSharedKey:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(decode_psk_id(reader))


@dataclass(frozen=True, slots=True)
class ReInit:
    """Close this group; a new one with these parameters takes its place (section 12.1.5)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.REINIT
    group_id: bytes
    version: int
    cipher_suite: int
    extensions: Extensions

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return (
            opaque(self.group_id)
            + u16(self.version)
            + u16(self.cipher_suite)
            + encode_extensions(self.extensions)
        )

    @classmethod
    def decode(cls, reader: Reader) -> ReInit:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.opaque(ID_CEILING), reader.u16(), reader.u16(), decode_extensions(reader))


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """Start the next epoch from a secret encapsulated by a joiner (section 12.1.6)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.EXTERNAL_INIT
    kem_output: bytes

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return opaque(self.kem_output)

    @classmethod
    def decode(cls, reader: Reader) -> ExternalInit:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.opaque(KEY_CEILING))


@dataclass(frozen=True, slots=True)
class GroupContextExtensions:
    """Replace all extensions of the group context (section 12.1.7)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.GROUP_CONTEXT_EXTENSIONS
    extensions: Extensions

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return encode_extensions(self.extensions)

    @classmethod
    def decode(cls, reader: Reader) -> GroupContextExtensions:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(decode_extensions(reader))


@dataclass(frozen=True, slots=True)
class AppDataUpdate:
    """Change one component of the group's app data dictionary; `update` None removes it.

    draft-ietf-mls-extensions-10, section 4.7.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.APP_DATA_UPDATE
    component_id: int
    update: bytes | None

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        change = b"\x02" if self.update is None else b"\x01" + opaque(self.update)
        return u16(self.component_id) + change

    @classmethod
    def decode(cls, reader: Reader) -> AppDataUpdate:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        component_id, operation = reader.u16(), reader.u8()
        if operation == 1:
            return cls(component_id, reader.opaque(COMPONENT_CEILING))
        if operation != 2:
            raise DecodeError("12.1", "an app data update has an unknown operation")
        return cls(component_id, None)


@dataclass(frozen=True, slots=True)
class AppEphemeral:
    """Data for the application, bound into the transcript and kept nowhere.

    draft-ietf-mls-extensions-10, section 4.8.
    """

    proposal_type: ClassVar[ProposalType] = ProposalType.APP_EPHEMERAL
    component_id: int
    data: bytes

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return u16(self.component_id) + opaque(self.data)

    @classmethod
    def decode(cls, reader: Reader) -> AppEphemeral:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.u16(), reader.opaque(COMPONENT_CEILING))


@dataclass(frozen=True, slots=True)
class SelfRemove:
    """The sender leaves; another member commits it (draft-ietf-mls-extensions-10, section 6.3)."""

    proposal_type: ClassVar[ProposalType] = ProposalType.SELF_REMOVE

    def body(self) -> bytes:
        """The bytes of this proposal without its type."""
        return b""

    @classmethod
    def decode(cls, reader: Reader) -> SelfRemove:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls()


Proposal = (
    Add
    | Update
    | Remove
    | PreSharedKey
    | ReInit
    | ExternalInit
    | GroupContextExtensions
    | AppDataUpdate
    | AppEphemeral
    | SelfRemove
)

_DECODERS: dict[int, Callable[[Reader], Proposal]] = {
    ProposalType.ADD: Add.decode,
    ProposalType.UPDATE: Update.decode,
    ProposalType.REMOVE: Remove.decode,
    ProposalType.PSK: PreSharedKey.decode,
    ProposalType.REINIT: ReInit.decode,
    ProposalType.EXTERNAL_INIT: ExternalInit.decode,
    ProposalType.GROUP_CONTEXT_EXTENSIONS: GroupContextExtensions.decode,
    ProposalType.APP_DATA_UPDATE: AppDataUpdate.decode,
    ProposalType.APP_EPHEMERAL: AppEphemeral.decode,
    ProposalType.SELF_REMOVE: SelfRemove.decode,
}


def encode_proposal(proposal: Proposal) -> bytes:
    """struct Proposal of section 12.1: type, then body."""
    return u16(proposal.proposal_type) + proposal.body()


def decode_proposal(reader: Reader) -> Proposal:
    """struct Proposal of section 12.1.

    A type that we do not know has no length in front, so nothing behind it can be read:
    `DecodeError`. It cannot come up in a group that checks capabilities, since we never list it.
    """
    decode = _DECODERS.get(reader.u16())
    if decode is None:
        raise DecodeError("12.1", "a proposal is of a type that this client does not list")
    return decode(reader)


ProposalOrRef = (
    Add
    | Update
    | Remove
    | PreSharedKey
    | ReInit
    | ExternalInit
    | GroupContextExtensions
    | AppDataUpdate
    | AppEphemeral
    | SelfRemove
    | bytes
)
"""What a commit lists: a proposal by value, or the ProposalRef (bytes) of one sent before."""


def encode_proposal_or_ref(item: ProposalOrRef) -> bytes:
    """struct ProposalOrRef of section 12.4."""
    if isinstance(item, bytes):
        return b"\x02" + opaque(item)
    return b"\x01" + encode_proposal(item)


def decode_proposal_or_ref(reader: Reader) -> ProposalOrRef:
    """struct ProposalOrRef of section 12.4."""
    kind = reader.u8()
    if kind == 1:
        return decode_proposal(reader)
    if kind != 2:
        raise DecodeError("12.4", "a commit lists something that is neither proposal nor reference")
    return reader.opaque(KEY_CEILING)
