"""The key schedule: from epoch to epoch, and from an epoch's secret to everything else. RFC 9420,
section 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from heliogram.codec import Reader, opaque, u16, u64
from heliogram.mls.app_data import SafeExporter
from heliogram.mls.crypto import HPKEKey, Secret, Suite
from heliogram.mls.extensions import Extensions, decode_extensions, encode_extensions
from heliogram.mls.proposals import ID_CEILING, PreSharedKeyID
from heliogram.mls.ratchet_tree import KEY_CEILING


@dataclass(frozen=True, slots=True)
class GroupContext:
    """What all members of an epoch agree on (section 8.1).

    struct {
        ProtocolVersion version;  CipherSuite cipher_suite;  opaque group_id<V>;  uint64 epoch;
        opaque tree_hash<V>;      opaque confirmed_transcript_hash<V>;            Extension
        extensions<V>;
    } GroupContext;
    """

    version: int
    cipher_suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: Extensions
    _encoded: bytes = field(default=b"", compare=False, repr=False)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        if not self._encoded:
            encoded = b"".join(
                (
                    u16(self.version),
                    u16(self.cipher_suite),
                    opaque(self.group_id),
                    u64(self.epoch),
                    opaque(self.tree_hash),
                    opaque(self.confirmed_transcript_hash),
                    encode_extensions(self.extensions),
                )
            )
            object.__setattr__(self, "_encoded", encoded)
        return self._encoded

    @classmethod
    def decode(cls, reader: Reader) -> GroupContext:
        """The next one from `reader`; raises `DecodeError` when it is none."""
        start = reader.pos
        return cls(
            reader.u16(),
            reader.u16(),
            reader.opaque(ID_CEILING),
            reader.u64(),
            reader.opaque(KEY_CEILING),
            reader.opaque(KEY_CEILING),
            decode_extensions(reader),
            reader.data[start : reader.pos],
        )


def confirmed_transcript_hash(
    suite: Suite, interim: bytes, wire_format: int, content: bytes, signature: bytes
) -> bytes:
    """confirmed_transcript_hash of the epoch that a commit starts (section 8.2).

    `content` is the encoded FramedContent of the commit, `interim` the hash of the epoch before.
    """
    return suite.hash(interim + u16(wire_format) + content + opaque(signature))


def interim_transcript_hash(suite: Suite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """interim_transcript_hash of the same epoch (section 8.2)."""
    return suite.hash(confirmed + opaque(confirmation_tag))


@dataclass(frozen=True, slots=True)
class EpochSecrets:
    """What an epoch's secret gives (section 8, table 4); Nh bytes each. The epoch secret itself is
    gone.
    """

    sender_data: Secret
    encryption: Secret
    exporter: Secret
    external: Secret
    confirmation_key: Secret
    membership_key: Secret
    resumption_psk: Secret
    epoch_authenticator: Secret
    init: Secret

    @classmethod
    def derive(cls, suite: Suite, epoch_secret: Secret) -> EpochSecrets:
        """All secrets of an epoch."""
        return cls(*(suite.derive_secret(epoch_secret, label) for label in _LABELS))

    def external_key(self, suite: Suite) -> HPKEKey:
        """The key pair that external joiners encapsulate to (section 8)."""
        return suite.derive_key_pair(self.external)


_LABELS = (
    b"sender data",
    b"encryption",
    b"exporter",
    b"external",
    b"confirm",
    b"membership",
    b"resumption",
    b"authentication",
    b"init",
)


def joiner_secret(
    suite: Suite, init_secret: bytes, commit_secret: bytes, context: GroupContext
) -> Secret:
    """joiner_secret of the new epoch, from the old epoch's init secret (section 8). Nh bytes."""
    extracted = suite.extract(init_secret, commit_secret)
    return suite.expand_with_label(extracted, b"joiner", context.encode(), suite.hash_length)


def member_secret(suite: Suite, joiner: bytes, psk_secret: bytes) -> Secret:
    """The secret below the pre-shared keys, from which welcome and epoch secrets come.

    Section 8.
    """
    return suite.extract(joiner, psk_secret)


def welcome_key_and_nonce(suite: Suite, member: Secret) -> tuple[Secret, Secret]:
    """The AEAD key and nonce of a Welcome's group info (section 12.4.3.1)."""
    secret = suite.derive_secret(member, b"welcome")
    return (
        suite.expand_with_label(secret, b"key", b"", suite.key_length),
        suite.expand_with_label(secret, b"nonce", b"", suite.nonce_length),
    )


def epoch_secret(suite: Suite, member: Secret, context: GroupContext) -> Secret:
    """epoch_secret of the new epoch (section 8). Nh bytes."""
    return suite.expand_with_label(member, b"epoch", context.encode(), suite.hash_length)


def open_epoch(suite: Suite, secret: Secret) -> tuple[EpochSecrets, SafeExporter]:
    """Everything that hangs on an epoch's secret, which the caller then forgets."""
    return EpochSecrets.derive(suite, secret), SafeExporter.of_epoch(suite, secret)


def psk_secret(suite: Suite, psks: Sequence[tuple[PreSharedKeyID, bytes]]) -> Secret:
    """All pre-shared keys of a commit folded into one secret of Nh bytes; zeros if none (8.4)."""
    secret = Secret(bytes(suite.hash_length))
    zero = bytes(suite.hash_length)
    for index, (psk_id, psk) in enumerate(psks):
        label = psk_id.encode() + u16(index) + u16(len(psks))
        extracted = suite.extract(zero, psk)
        value = suite.expand_with_label(extracted, b"derived psk", label, suite.hash_length)
        secret = suite.extract(value, secret)
    return secret


def export(
    suite: Suite, exporter_secret: Secret, label: bytes, context: bytes, size: int
) -> Secret:
    """MLS-Exporter(label, context, size) of section 8.5: `size` bytes."""
    derived = suite.derive_secret(exporter_secret, label)
    return suite.expand_with_label(derived, b"exported", suite.hash(context), size)
