"""What members of a conversation agree on: components of the group context, and who has which role.

The group context of every conversation has an app data dictionary (draft-ietf-mls-extensions-10, section 4)
with these components of ours, and two of the draft's: which components are required, and which content.

    struct { uint16 component_ids<V>; } ComponentsList;
    struct { MediaType media_types<V>; } MediaTypeList;

    struct { opaque account[32]; uint8 role; } Appointment;
    struct { Appointment appointments<V>; } Roles;          // in the order of appointment

    struct {
        uint8 version = 1;
        opaque name<V>;                 // UTF-8
        opaque description<V>;          // UTF-8
        opaque picture<V>;              // a reference; may be empty
        uint32 expiry;                  // seconds after which messages go by default; 0: never
    } Metadata;

    struct {
        opaque log[32];                 // of the conversation before this one
        uint64 epoch;                   // in which that one ended
        optional<opaque[32]> previous;  // h of the decision before that epoch; none in the first
        uint32 founder;                 // the founder's leaf in that epoch
        opaque signature<V>;            // by that leaf
        opaque proof[32];               // under the successor secret of that epoch
    } Predecessor;

The configuration component is a whole `Configuration` of the wire. Components change by AppDataUpdate alone,
each update holding the whole new component. Which ones are allowed, `rights` says. The predecessor is there
in a conversation that goes on from another one, and never changes: see `successor`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from heliogram import mls
from heliogram.codec import (
    DecodeError,
    Reader,
    decode_all,
    opaque,
    optional,
    u8,
    u16,
    u32,
    u64,
    vector,
)
from heliogram.content.framing import MESSAGE_STATUS, MIMI_CONTENT, MediaType
from heliogram.node.errors import InvalidIdentity
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE
from heliogram.wire.objects import Configuration

METADATA_VERSION = 1

#: Appointments of one conversation, bytes of its name, description and picture reference.
MAX_APPOINTMENTS = 256
MAX_NAME = 256
MAX_DESCRIPTION = 2048
MAX_PICTURE = 1024

#: Bytes of a founder's signature.
MAX_SIGNATURE = 8 << 10


class Component(IntEnum):
    """Components of a conversation's group, from the range for private use."""

    CONFIGURATION = 0x8001
    ROLES = 0x8002
    METADATA = 0x8003
    #: Holds no data: its secret of the safe exporter is what an epoch's keys come from.
    EPOCH_KEYS = 0x8004
    #: Only where a conversation goes on from another one.
    PREDECESSOR = 0x8005


class Role(IntEnum):
    """What an account may do. Members who were never appointed are `MEMBER`."""

    MEMBER = 0
    ADMIN = 1
    OWNER = 2


# --- Roles ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Roles:
    """Who was appointed, the longest appointed first."""

    appointments: tuple[tuple[bytes, Role], ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """The bytes of this component."""
        return vector(account + u8(role) for account, role in self.appointments)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The component that is the whole of `data`. Raises `codec.DecodeError`."""

        def appointment(reader: Reader) -> tuple[bytes, Role]:
            account, role = reader.fixed(HASH_SIZE), reader.u8()
            if role not in (Role.ADMIN, Role.OWNER):
                raise DecodeError("roles", "an appointment to nothing")
            return account, Role(role)

        found = decode_all(lambda reader: reader.vector(appointment, most=MAX_APPOINTMENTS), data)
        if len({account for account, _ in found}) < len(found):
            raise DecodeError("roles", "an account is appointed twice")
        return cls(found)

    def of(self, account: bytes) -> Role:
        """The role of an account."""
        return next((role for one, role in self.appointments if one == account), Role.MEMBER)

    @property
    def admins(self) -> frozenset[bytes]:
        """Accounts that are admins or owners."""
        return frozenset(account for account, _ in self.appointments)

    def appoint(self, account: bytes, role: Role) -> Roles:
        """These roles with one changed. A new appointment comes last; a changed one stays in its place."""
        if self.of(account) is Role.MEMBER:
            new = () if role is Role.MEMBER else ((account, role),)
            return Roles((*self.appointments, *new))
        changed = ((one, role if one == account else was) for one, was in self.appointments)
        return Roles(tuple((one, was) for one, was in changed if was is not Role.MEMBER))

    def settled(self, accounts: Iterable[bytes]) -> Roles:
        """These roles once only `accounts` are there, in the order of their first leaves.

        Who is gone loses the role. If no owner is left, the longest appointed admin is one, else the account
        with the first leaf: a conversation is never without an owner.
        """
        there = list(dict.fromkeys(accounts))
        present = set(there)
        left = Roles(tuple(one for one in self.appointments if one[0] in present))
        if not there or any(role is Role.OWNER for _, role in left.appointments):
            return left
        heir = left.appointments[0][0] if left.appointments else there[0]
        return left.appoint(heir, Role.OWNER)


# --- Metadata -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a conversation is called and looks like."""

    name: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    picture: bytes = field(default=b"", repr=False)
    expiry: int = 0

    def encode(self) -> bytes:
        """The bytes of this component."""
        texts = opaque(self.name.encode()) + opaque(self.description.encode())
        return u8(METADATA_VERSION) + texts + opaque(self.picture) + u32(self.expiry)

    @classmethod
    def from_bytes(cls, data: bytes) -> Metadata:
        """The component that is the whole of `data`. Raises `codec.DecodeError`."""

        def decode(reader: Reader) -> Metadata:
            if reader.u8() != METADATA_VERSION:
                raise DecodeError("metadata", "metadata of another version")
            name, description = _text(reader, MAX_NAME), _text(reader, MAX_DESCRIPTION)
            return cls(name, description, reader.opaque(MAX_PICTURE), reader.u32())

        return decode_all(decode, data)


def _text(reader: Reader, most: int) -> str:
    try:
        return reader.opaque(most).decode()
    except UnicodeDecodeError:
        raise DecodeError("metadata", "a text is not UTF-8") from None


# --- Where a conversation comes from --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Predecessor:
    """Which conversation another one goes on from, and who says so. Nothing of it has been checked."""

    log: bytes = field(repr=False)
    epoch: int
    previous: bytes | None = field(repr=False)
    founder: int
    signature: bytes = field(default=b"", repr=False)
    proof: bytes = field(default=bytes(HASH_SIZE), repr=False)

    def content(self) -> bytes:
        """What it says, without signature and proof."""
        return self.log + u64(self.epoch) + optional(self.previous) + u32(self.founder)

    def encode(self) -> bytes:
        """The bytes of this component."""
        return self.content() + opaque(self.signature) + self.proof

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The component that is the whole of `data`. Raises `codec.DecodeError`."""
        return decode_all(cls._decode, data)

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        log, epoch = reader.fixed(HASH_SIZE), reader.u64()
        previous = reader.fixed(HASH_SIZE) if reader.optional() else None
        founder, signature = reader.u32(), reader.opaque(MAX_SIGNATURE)
        return cls(log, epoch, previous, founder, signature, reader.fixed(HASH_SIZE))


# --- All of them ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charter:
    """The components of one epoch."""

    configuration: Configuration
    roles: Roles
    metadata: Metadata
    predecessor: Predecessor | None = None

    @classmethod
    def of(cls, context: mls.GroupContext) -> Self:
        """Those of a group. Raises `codec.DecodeError` if it is not a conversation's."""
        components = mls.decode_dictionary(context.extensions)
        before = components.get(Component.PREDECESSOR)
        try:
            return cls(
                Configuration.from_bytes(components[Component.CONFIGURATION]),
                Roles.from_bytes(components[Component.ROLES]),
                Metadata.from_bytes(components[Component.METADATA]),
                None if before is None else Predecessor.from_bytes(before),
            )
        except (KeyError, RemoteError):
            raise DecodeError("components", "a group is not a conversation's") from None

    def extensions(self) -> tuple[mls.Extension, ...]:
        """The extensions of a group context with this charter."""
        components: dict[int, bytes] = {
            **_DRAFT,
            Component.CONFIGURATION: self.configuration.encode(),
            Component.ROLES: self.roles.encode(),
            Component.METADATA: self.metadata.encode(),
        }
        if self.predecessor is not None:
            components[Component.PREDECESSOR] = self.predecessor.encode()
        return REQUIRED.extension(), mls.encode_dictionary(components)


#: What every member's client must have: the dictionary, its updates, leaving, device certificates.
REQUIRED = mls.RequiredCapabilities(
    (mls.ExtensionType.APP_DATA_DICTIONARY,),
    (mls.ProposalType.APP_DATA_UPDATE, mls.ProposalType.SELF_REMOVE),
    (mls.CredentialType.BASIC,),
)

_COMPONENTS = vector(map(u16, (mls.ComponentID.CONTENT_MEDIA_TYPES, *Component)))
_DRAFT: dict[int, bytes] = {
    mls.ComponentID.APP_COMPONENTS: _COMPONENTS,
    mls.ComponentID.CONTENT_MEDIA_TYPES: vector(
        MediaType(kind).encode() for kind in (MIMI_CONTENT, MESSAGE_STATUS)
    ),
}

#: The extensions of each member's leaf: the components and content that it can do.
LEAF_EXTENSIONS = (mls.encode_dictionary(_DRAFT),)


def is_conversation(context: mls.GroupContext) -> bool:
    """Whether a group is made like a conversation, to the byte, but for what a charter may hold."""
    try:
        charter = Charter.of(context)
    except DecodeError:
        return False
    # Their order is nobody's business: an update of the dictionary puts it last.
    return sorted(one.encode() for one in context.extensions) == sorted(
        one.encode() for one in charter.extensions()
    )


def fits(leaf: mls.LeafNode) -> bool:
    """Whether a new member's client knows all components that a conversation requires."""
    try:
        listed = mls.decode_dictionary(leaf.extensions).get(mls.ComponentID.APP_COMPONENTS, b"")
        known = decode_all(lambda reader: reader.vector(Reader.u16), listed)
    except DecodeError:
        return False
    return {mls.ComponentID.CONTENT_MEDIA_TYPES, *Component} <= set(known)


def conversation_id(configuration: Configuration) -> bytes:
    """The MLS group id of a conversation that was founded under `configuration`.

    Leaves are signed for a group id. So nobody can show a group with the members' leaves as one that other
    relays hold, to somebody who sees the first seat.
    """
    return hashlib.sha256(b"Heliogram 1 conversation\x00" + configuration.encode()).digest()


def device_of(leaf: mls.LeafNode) -> DeviceCertificate:
    """The certificate of a device. Raises `codec.DecodeError` if it has none.

    Its signature is not looked at again: leaves of a group, and of what is added to it, were judged by the
    authentication service.
    """
    try:
        if isinstance(leaf.credential, mls.BasicCredential):
            return DeviceCertificate.unverified(leaf.credential.identity)
    except InvalidIdentity:
        pass
    raise DecodeError("components", "a member without a certificate")
