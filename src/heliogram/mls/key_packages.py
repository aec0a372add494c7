"""Key packages: how somebody is added while being offline. RFC 9420, section 10.

A `KeyPackage` is public and goes to whoever wants to add us. An `OwnKeyPackage` is the same with
the private keys, and stays here until a Welcome uses it up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from heliogram.codec import DecodeError, Reader, decode_all, opaque, u16
from heliogram.mls.app_data import LAST_RESORT_EXTENSION, is_last_resort
from heliogram.mls.credentials import Credential
from heliogram.mls.crypto import SUITES, HPKEKey, Secret, SignatureKey, Suite, suite_of
from heliogram.mls.errors import InvalidMessage, UsageError, refused
from heliogram.mls.extensions import (
    Capabilities,
    Extensions,
    Place,
    check_extensions,
    decode_extensions,
    encode_extensions,
)
from heliogram.mls.ratchet_tree import (
    KEY_CEILING,
    LeafNode,
    LeafNodeSource,
    Lifetime,
    check_leaf,
)
from heliogram.mls.registries import GREASE, MLS10, OWN_EXTENSIONS, OWN_PROPOSALS, WireFormat

#: How long a new key package may be used unless the caller says otherwise, in seconds: 84 days.
DEFAULT_LIFETIME = 84 * 24 * 3600
#: How far before `now` a new key package starts, so that clocks may differ: each may be a day wrong.
CLOCK_SKEW = 50 * 3600

_STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeyPackage:
    """A client's offer to be added (section 10).

    struct {
        ProtocolVersion version;  CipherSuite cipher_suite;  HPKEPublicKey init_key;  LeafNode
        leaf_node; Extension extensions<V>;  /* SignWithLabel(., "KeyPackageTBS", KeyPackageTBS) */
        opaque signature<V>;
    } KeyPackage;
    """

    version: int
    cipher_suite: int
    init_key: bytes
    leaf_node: LeafNode
    extensions: Extensions
    signature: bytes
    _encoded: bytes = field(default=b"", compare=False, repr=False)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        if not self._encoded:
            encoded = self.to_be_signed() + opaque(self.signature)
            object.__setattr__(self, "_encoded", encoded)
        return self._encoded

    @classmethod
    def decode(cls, reader: Reader) -> KeyPackage:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        start = reader.pos
        return cls(
            reader.u16(),
            reader.u16(),
            reader.opaque(KEY_CEILING),
            LeafNode.decode(reader),
            decode_extensions(reader),
            reader.opaque(KEY_CEILING),
            reader.data[start : reader.pos],
        )

    def to_be_signed(self) -> bytes:
        """KeyPackageTBS."""
        if self._encoded:
            return self._encoded[: len(self._encoded) - len(opaque(self.signature))]
        return b"".join(
            (
                u16(self.version),
                u16(self.cipher_suite),
                opaque(self.init_key),
                self.leaf_node.encode(),
                encode_extensions(self.extensions),
            )
        )

    def reference(self) -> bytes:
        """KeyPackageRef: how a Welcome names this key package (section 10). Nh bytes.

        Raises `UsageError` when its cipher suite is not one of ours.
        """
        suite = suite_of(self.cipher_suite)
        return suite.ref_hash(b"MLS 1.0 KeyPackage Reference", self.encode())

    @property
    def message(self) -> bytes:
        """This key package as an `MLSMessage`."""
        return u16(MLS10) + u16(WireFormat.KEY_PACKAGE) + self.encode()

    @classmethod
    def from_message(cls, message: bytes) -> KeyPackage:
        """The key package in an `MLSMessage`. Only decoded: a group checks it when it is added.

        Raises `InvalidMessage` when the bytes are anything else.
        """
        try:
            return decode_all(_decode_message, message)
        except DecodeError as error:
            raise refused(error) from error

    @property
    def last_resort(self) -> bool:
        """Whether its owner keeps it after use (draft-ietf-mls-extensions-10, section 6.4)."""
        return is_last_resort(self.extensions)


def _decode_message(reader: Reader) -> KeyPackage:
    if reader.u16() != MLS10 or reader.u16() != WireFormat.KEY_PACKAGE:  # RFC 9420, 6
        raise InvalidMessage(5, "6", "the message is no key package of mls10")
    return decode_in_message(reader)


def decode_in_message(reader: Reader) -> KeyPackage:
    """The key package in an `MLSMessage` of mls10, which must be of the same version."""
    key_package = KeyPackage.decode(reader)
    if key_package.version != MLS10:  # RFC 9420, 10
        raise InvalidMessage(41, "10", "a key package is of another version than its message")
    return key_package


def check_key_package(key_package: KeyPackage, suite: Suite) -> None:
    """Refuse a key package that is wrong in any group of this suite (section 10.1).

    Raises `InvalidMessage` (rows 41 to 45 and those of its leaf). Both signatures are verified
    here. Credential and lifetime are the caller's to check: they need an authentication service and
    a clock.
    """
    if key_package.version != MLS10 or key_package.cipher_suite != suite.id:  # RFC 9420, 10.1
        raise InvalidMessage(41, "10.1", "a key package is of another version or cipher suite")
    leaf = key_package.leaf_node
    if leaf.source != LeafNodeSource.KEY_PACKAGE:  # RFC 9420, 10.1
        raise InvalidMessage(42, "10.1", "a key package's leaf node was made for another use")
    check_leaf(leaf, suite, LeafNodeSource.KEY_PACKAGE)
    if not suite.hpke_public_valid(key_package.init_key):
        raise InvalidMessage(26, "10", "an init key is none of this cipher suite")
    if key_package.init_key == leaf.encryption_key:  # RFC 9420, 10.1
        raise InvalidMessage(44, "10.1", "a key package uses one key for two purposes")
    if key_package.extensions:
        # Types that the leaf does not list are ignored, not refused: section 13.4 binds the sender
        # only, and deployed clients send GREASE there.
        check_extensions(key_package.extensions, Place.KEY_PACKAGE)
    if not suite.verify_with_label(
        leaf.signature_key, b"KeyPackageTBS", key_package.to_be_signed(), key_package.signature
    ):  # RFC 9420, 10.1
        raise InvalidMessage(43, "10.1", "a key package's signature is wrong")
    if not leaf.signature_valid(suite, b"", 0):  # RFC 9420, 7.3
        raise InvalidMessage(22, "7.3", "a leaf node's signature is wrong")


@dataclass(frozen=True, slots=True)
class OwnKeyPackage:
    """A key package of ours with its private keys.

    Keep it, encrypted, until `Group.join` returned a group; then delete it (sections 10 and 16.8),
    unless `key_package.last_resort` is set (row 46).
    """

    key_package: KeyPackage
    init_key: HPKEKey = field(repr=False)
    leaf_key: HPKEKey = field(repr=False)
    signature_key: SignatureKey = field(repr=False)

    @property
    def message(self) -> bytes:
        """The public part as an `MLSMessage`, to be given away."""
        return self.key_package.message

    @property
    def reference(self) -> bytes:
        """KeyPackageRef of the public part, Nh bytes."""
        return self.key_package.reference()

    def to_bytes(self) -> Secret:
        """Everything, private keys included, for a store. `from_bytes` reads it back."""
        return Secret(
            u16(_STATE_VERSION)
            + self.key_package.encode()
            + opaque(self.init_key.secret)
            + opaque(self.leaf_key.secret)
            + opaque(self.signature_key.secret)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> OwnKeyPackage:
        """What `to_bytes` wrote. Raises `UsageError` when it is something else."""
        try:
            return decode_all(cls._decode, data)
        except DecodeError as error:
            raise UsageError("these bytes are no saved key package") from error

    @classmethod
    def _decode(cls, reader: Reader) -> OwnKeyPackage:
        if reader.u16() != _STATE_VERSION:
            raise DecodeError("10", "a saved key package has an unknown version")
        key_package = KeyPackage.decode(reader)
        suite = suite_of(key_package.cipher_suite)
        return cls(
            key_package,
            suite.hpke_key(reader.opaque()),
            suite.hpke_key(reader.opaque()),
            suite.signature_key(reader.opaque()),
        )


def default_capabilities(
    suite: int, credential_type: int, entropy: Callable[[int], bytes]
) -> Capabilities:
    """What this engine can do, with a random GREASE value in each list (section 13.5).

    The suite of the leaf stands first; the other suites of this engine follow. One value serves all
    lists: so a group has few distinct capabilities, and checks each only once.
    """
    grease = GREASE[entropy(1)[0] % len(GREASE)]
    others = sorted(number for number in SUITES if number != suite)
    credentials = [credential_type, *(value for value in (1, 2) if value != credential_type)]
    return Capabilities(
        (MLS10,),
        (suite, *others, grease),
        (*OWN_EXTENSIONS, grease),
        (*OWN_PROPOSALS, grease),
        (*credentials, grease),
    )


def new_key_package(
    cipher_suite: int,
    credential: Credential,
    signature_key: SignatureKey,
    *,
    capabilities: Capabilities | None = None,
    lifetime: int = DEFAULT_LIFETIME,
    extensions: Extensions = (),
    leaf_extensions: Extensions = (),
    last_resort: bool = False,
    now: int,
    entropy: Callable[[int], bytes],
) -> OwnKeyPackage:
    """A fresh key package of ours, to be given away through `message`.

    `lifetime` is in seconds from `now`. With `last_resort` it may be used more often than once
    (draft-ietf-mls-extensions-10, section 6.4). Raises `UsageError` when the parts do not fit
    together.
    """
    suite = suite_of(cipher_suite)
    if capabilities is None:
        capabilities = default_capabilities(suite.id, credential.credential_type, entropy)
    if last_resort:
        extensions = (*extensions, LAST_RESORT_EXTENSION)
    check_own_capabilities(capabilities, suite)
    for extension in extensions:  # RFC 9420, 13.4
        if not capabilities.has_extension(extension.extension_type):
            raise UsageError("row 45: a key package's extensions must be listed in capabilities")
    init_key, leaf_key = suite.new_hpke_key(entropy), suite.new_hpke_key(entropy)
    leaf = LeafNode(
        leaf_key.public,
        signature_key.public,
        credential,
        capabilities,
        LeafNodeSource.KEY_PACKAGE,
        Lifetime(max(0, now - CLOCK_SKEW), now + lifetime),
        None,
        leaf_extensions,
        b"",
    ).signed(suite, signature_key, b"", 0)
    unsigned = KeyPackage(MLS10, suite.id, init_key.public, leaf, extensions, b"")
    signature = suite.sign_with_label(signature_key, b"KeyPackageTBS", unsigned.to_be_signed())
    key_package = KeyPackage(MLS10, suite.id, init_key.public, leaf, extensions, signature)
    try:
        check_leaf(leaf, suite, LeafNodeSource.KEY_PACKAGE)
        check_extensions(extensions, Place.KEY_PACKAGE)
    except InvalidMessage as error:
        raise UsageError(f"the key package would be refused: {error}") from error
    return OwnKeyPackage(key_package, init_key, leaf_key, signature_key)


def check_own_capabilities(capabilities: Capabilities, suite: Suite) -> None:
    """Refuse to send capabilities without our suite (row 28) or with default types (row 31).

    Section 7.2. Others may: deployed clients do both, and the RFC binds the sender only.
    """
    if not capabilities.speaks(suite.id):
        raise UsageError("row 28: capabilities must list mls10 and the group's cipher suite")
    if capabilities.lists_defaults():
        raise UsageError("row 31: default extension and proposal types are never listed")
