"""Extensions and capabilities: RFC 9420, sections 7.2, 11.1, 13 and 17.3."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from struct import unpack_from

from heliogram.codec import DecodeError, Reader, decode_all, opaque, u16, vector
from heliogram.mls.credentials import Credential, decode_credential
from heliogram.mls.errors import InvalidMessage, refused
from heliogram.mls.registries import (
    DEFAULT_EXTENSIONS,
    DEFAULT_PROPOSALS,
    MLS10,
    ExtensionType,
)

#: Bytes that one list of extensions may have, unless it can hold a ratchet tree.
EXTENSIONS_CEILING = 1 << 20
#: Bytes that a list of extensions with a ratchet tree may have: 100,000 members with classical
#: keys.
TREE_CEILING = 1 << 26
#: Bytes that one component's data may have.
COMPONENT_CEILING = 1 << 20
#: Extensions that one list may have. Each type may come once, and there are few.
MAX_EXTENSIONS = 1 << 10
#: External senders that one group may have.
MAX_EXTERNAL_SENDERS = 1 << 8
#: Bytes that one list of values in capabilities may have.
VALUES_CEILING = 1 << 12
#: Bytes that may stay in memory, parsed, in case they come again. Honest lists are shorter; a longer
#: one would come from somebody who wants us to keep much.
_KEPT = 1 << 9


@dataclass(frozen=True, slots=True)
class Extension:
    """struct { ExtensionType extension_type; opaque extension_data<V>; } (section 13.4)"""

    extension_type: int
    extension_data: bytes

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return u16(self.extension_type) + opaque(self.extension_data)

    @classmethod
    def decode(cls, reader: Reader) -> Extension:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.u16(), reader.opaque(TREE_CEILING))


Extensions = tuple[Extension, ...]


def encode_extensions(extensions: Extensions) -> bytes:
    """`Extension extensions<V>`."""
    return vector(extension.encode() for extension in extensions) if extensions else b"\x00"


def decode_extensions(reader: Reader, ceiling: int = EXTENSIONS_CEILING) -> Extensions:
    """`Extension extensions<V>`, of any types, in the order they came."""
    return reader.vector(Extension.decode, ceiling, MAX_EXTENSIONS)


def check_readable(extensions: Extensions) -> None:
    """Refuse a list that `decode_extensions` would not read back: nobody could join, nor we load it.

    Raises `InvalidMessage` (row 6).
    """
    size = sum(len(extension.encode()) for extension in extensions)
    if size > EXTENSIONS_CEILING or len(extensions) > MAX_EXTENSIONS:
        raise InvalidMessage(6, "16.1", "the group's extensions are more than we accept")


def find_extension(extensions: Extensions, extension_type: int) -> bytes | None:
    """The data of the extension of this type, or None."""
    for extension in extensions:
        if extension.extension_type == extension_type:
            return extension.extension_data
    return None


class Place(Enum):
    """Where a list of extensions stands (the columns of the table in section 17.3)."""

    KEY_PACKAGE = "key package"
    LEAF_NODE = "leaf node"
    GROUP_CONTEXT = "group context"
    GROUP_INFO = "group info"


#: Where each known extension may stand (section 17.3; draft-ietf-mls-extensions-10, section 8).
PLACES: dict[int, frozenset[Place]] = {
    ExtensionType.APPLICATION_ID: frozenset({Place.LEAF_NODE}),
    ExtensionType.RATCHET_TREE: frozenset({Place.GROUP_INFO}),
    ExtensionType.REQUIRED_CAPABILITIES: frozenset({Place.GROUP_CONTEXT}),
    ExtensionType.EXTERNAL_PUB: frozenset({Place.GROUP_INFO}),
    ExtensionType.EXTERNAL_SENDERS: frozenset({Place.GROUP_CONTEXT}),
    ExtensionType.APP_DATA_DICTIONARY: frozenset(Place),
    ExtensionType.SUPPORTED_WIRE_FORMATS: frozenset({Place.LEAF_NODE}),
    ExtensionType.REQUIRED_WIRE_FORMATS: frozenset({Place.GROUP_CONTEXT}),
}


def check_extensions(extensions: Extensions, place: Place) -> None:
    """Refuse a list that holds a type twice or a known type where it does not belong.

    Raises `InvalidMessage` (rows 32 and 34, and 1 to 6 for what is inside). Unknown types pass: who
    may use them is for capabilities to say.
    """
    seen: set[int] = set()
    for extension in extensions:
        if extension.extension_type in seen:  # RFC 9420, 13.4
            raise InvalidMessage(32, "13.4", f"the {place.value} holds one extension type twice")
        seen.add(extension.extension_type)
        allowed = PLACES.get(extension.extension_type)
        if allowed is not None and place not in allowed:  # RFC 9420, 17.3
            raise InvalidMessage(34, "17.3", f"an extension does not belong into a {place.value}")
        decode = _DATA.get(extension.extension_type)
        if decode is not None:
            try:
                decode_all(decode, extension.extension_data)  # RFC 9420, 13.4: row 3
            except DecodeError as error:
                raise refused(error) from error


def _values(reader: Reader) -> tuple[int, ...]:
    inner = reader.rest(VALUES_CEILING)
    count = (inner.end - inner.pos) // 2
    values = unpack_from(f">{count}H", inner.data, inner.pos)
    inner.pos += 2 * count
    inner.finish()
    # A long list in each leaf of a tree would be many megabytes of equal numbers.
    return values if count < 64 else tuple(map(_numbers().__getitem__, values))


@lru_cache(maxsize=1)
def _numbers() -> tuple[int, ...]:
    """Each value that an entry can have, once."""
    return tuple(range(1 << 16))


class _Encoded:
    """Room for a value's encoding that is no field of it: `dataclasses.replace` leaves it behind."""

    __slots__ = ("_encoded",)

    _encoded: bytes


@dataclass(frozen=True, slots=True)
class Capabilities(_Encoded):
    """What a client can do (section 7.2).

    struct {
        ProtocolVersion versions<V>;   CipherSuite cipher_suites<V>;   ExtensionType extensions<V>;
        ProposalType proposals<V>;     CredentialType credentials<V>;
    } Capabilities;

    Values that nobody here knows are kept and ignored (sections 7.2 and 13.4; row 33).
    """

    versions: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    extensions: tuple[int, ...]
    proposals: tuple[int, ...]
    credentials: tuple[int, ...]

    def encode(self) -> bytes:
        """The bytes of this structure."""
        try:
            return self._encoded
        except AttributeError:
            lists = (
                self.versions,
                self.cipher_suites,
                self.extensions,
                self.proposals,
                self.credentials,
            )
            encoded = b"".join(vector(map(u16, values)) for values in lists)
            object.__setattr__(self, "_encoded", encoded)
            return encoded

    @classmethod
    def decode(cls, reader: Reader) -> Capabilities:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        start = reader.pos
        for _ in range(5):
            reader.rest(VALUES_CEILING)
        # Nearly all members of a group say the same here, so the parsed value is shared.
        encoded = reader.data[start : reader.pos]
        return _capabilities(encoded) if len(encoded) <= _KEPT else _parse_capabilities(encoded)

    def has_extension(self, extension_type: int) -> bool:
        """Whether this client understands the type; the default ones it always does.

        Section 7.2.
        """
        return extension_type in DEFAULT_EXTENSIONS or extension_type in self.extensions

    def has_extensions(self, extension_types: Iterable[int]) -> bool:
        """Whether this client understands all of these types."""
        return DEFAULT_EXTENSIONS.union(self.extensions).issuperset(extension_types)

    def has_proposal(self, proposal_type: int) -> bool:
        """Whether this client understands the type; the default ones it always does.

        Section 7.2.
        """
        return proposal_type in DEFAULT_PROPOSALS or proposal_type in self.proposals

    def meets(self, required: RequiredCapabilities) -> bool:
        """Whether everything that the group requires is here (section 11.1)."""
        return (
            self.has_extensions(required.extensions)
            and DEFAULT_PROPOSALS.union(self.proposals).issuperset(required.proposals)
            and set(self.credentials).issuperset(required.credentials)
        )

    def speaks(self, cipher_suite: int) -> bool:
        """Whether mls10 and this suite are listed (section 7.2)."""
        return MLS10 in self.versions and cipher_suite in self.cipher_suites

    def lists_defaults(self) -> bool:
        """Whether a default type is listed, which a sender must not do (section 7.2)."""
        return not (
            DEFAULT_EXTENSIONS.isdisjoint(self.extensions)
            and DEFAULT_PROPOSALS.isdisjoint(self.proposals)
        )


def _parse_capabilities(encoded: bytes) -> Capabilities:
    reader = Reader(encoded)
    versions, suites, extensions, proposals, credentials = (_values(reader) for _ in range(5))
    capabilities = Capabilities(versions, suites, extensions, proposals, credentials)
    object.__setattr__(capabilities, "_encoded", encoded)
    return capabilities


_capabilities = lru_cache(maxsize=1024)(_parse_capabilities)


@dataclass(frozen=True, slots=True)
class RequiredCapabilities:
    """The required_capabilities extension of a group context (section 11.1).

    struct {
        ExtensionType extension_types<V>;  ProposalType proposal_types<V>;
        CredentialType credential_types<V>;
    } RequiredCapabilities;
    """

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The bytes of this structure."""
        lists = (self.extensions, self.proposals, self.credentials)
        return b"".join(vector(map(u16, values)) for values in lists)

    @classmethod
    def decode(cls, reader: Reader) -> RequiredCapabilities:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(_values(reader), _values(reader), _values(reader))

    def extension(self) -> Extension:
        """This value as an extension of a group context."""
        return Extension(ExtensionType.REQUIRED_CAPABILITIES, self.encode())


@dataclass(frozen=True, slots=True)
class ExternalSender:
    """Somebody outside the group who may send proposals (section 12.1.8.1).

    struct { SignaturePublicKey signature_key; Credential credential; } ExternalSender;
    """

    signature_key: bytes
    credential: Credential

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return opaque(self.signature_key) + self.credential.encode()

    @classmethod
    def decode(cls, reader: Reader) -> ExternalSender:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        return cls(reader.opaque(), decode_credential(reader))


def external_senders_extension(senders: Iterable[ExternalSender]) -> Extension:
    """The external_senders extension of a group context (section 12.1.8.1)."""
    return Extension(ExtensionType.EXTERNAL_SENDERS, vector(sender.encode() for sender in senders))


def required_capabilities(extensions: Extensions) -> RequiredCapabilities | None:
    """What a group context requires of its members, or None (section 11.1).

    Raises `DecodeError` when the extension does not hold what it says.
    """
    data = find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    if data is None:
        return None
    return _required(data) if len(data) <= _KEPT else decode_all(RequiredCapabilities.decode, data)


def external_senders(extensions: Extensions) -> tuple[ExternalSender, ...]:
    """Who may send external proposals, in the order of their indices (section 12.1.8.1)."""
    data = find_extension(extensions, ExtensionType.EXTERNAL_SENDERS)
    if data is None:
        return ()
    return _senders(data) if len(data) <= _KEPT else decode_all(_decode_senders, data)


def _decode_senders(reader: Reader) -> tuple[ExternalSender, ...]:
    return reader.vector(ExternalSender.decode, most=MAX_EXTERNAL_SENDERS)


@lru_cache(maxsize=256)
def _required(data: bytes) -> RequiredCapabilities:
    return decode_all(RequiredCapabilities.decode, data)


@lru_cache(maxsize=256)
def _senders(data: bytes) -> tuple[ExternalSender, ...]:
    return decode_all(_decode_senders, data)


def decode_components(reader: Reader) -> dict[int, bytes]:
    """The components of an app data dictionary: draft-ietf-mls-extensions-10, section 4.6."""
    components: dict[int, bytes] = {}
    inner = reader.rest()
    last = -1
    while not inner.done():
        number = inner.u16()
        if number <= last:
            raise DecodeError("13.4", "the app data dictionary is not sorted by component")
        components[number] = inner.opaque(COMPONENT_CEILING)
        last = number
    return components


#: What the data of known types is. A ratchet tree is not here: it is read once, by who needs it.
_DATA: dict[int, Callable[[Reader], object]] = {
    ExtensionType.APPLICATION_ID: Reader.opaque,
    ExtensionType.REQUIRED_CAPABILITIES: RequiredCapabilities.decode,
    ExtensionType.EXTERNAL_PUB: Reader.opaque,
    ExtensionType.APP_DATA_DICTIONARY: decode_components,
    ExtensionType.EXTERNAL_SENDERS: _decode_senders,
    ExtensionType.SUPPORTED_WIRE_FORMATS: _values,
    ExtensionType.REQUIRED_WIRE_FORMATS: _values,
}
