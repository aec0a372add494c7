"""Credentials: what members say they are (RFC 9420, section 5.3), and who judges it.

MLS carries credentials but does not judge them. That is the Authentication Service's part (RFC
9750, section 4), and here it is an object that the application hands over: anything with the three
methods of `AuthenticationService`. Two come along: `AcceptAnyCredential` for tests and
demonstrations, and `X509Authentication`, which validates certificate chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Protocol, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

from heliogram import codec
from heliogram.mls.errors import UsageError


class CredentialType(IntEnum):
    """Registered credential types (RFC 9420, section 17.5)."""

    BASIC = 1
    X509 = 2


#: Ceilings in bytes. An identity is a name; a chain has room for eight post-quantum certificates.
_IDENTITY_CEILING = 1 << 16
_CHAIN_CEILING = 1 << 17

#: Certificates in a chain that we still follow.
_LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True)
class BasicCredential:
    """A bare assertion of an identity (RFC 9420, section 5.3).

    struct {
        CredentialType credential_type = basic;
        opaque identity<V>;
    } Credential;
    """

    credential_type: ClassVar[CredentialType] = CredentialType.BASIC

    identity: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Credential`."""
        return b"\x00\x01" + codec.opaque(self.identity)


@dataclass(frozen=True, slots=True)
class X509Credential:
    """A chain of DER certificates, the end-entity's first, each certified by the next.

    struct {
        CredentialType credential_type = x509;
        Certificate certificates<V>;            // struct { opaque cert_data<V>; } Certificate;
    } Credential;
    """

    credential_type: ClassVar[CredentialType] = CredentialType.X509

    certificates: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Credential`."""
        return b"\x00\x02" + codec.vector(map(codec.opaque, self.certificates))


Credential: TypeAlias = BasicCredential | X509Credential


def decode_credential(reader: codec.Reader) -> Credential:
    """The next credential. Raises `codec.DecodeError`, also for a type that we do not have."""
    kind = reader.u16()
    if kind == CredentialType.BASIC:
        return BasicCredential(reader.opaque(_IDENTITY_CEILING))
    if kind == CredentialType.X509:
        return X509Credential(reader.vector(codec.Reader.opaque, _CHAIN_CEILING))
    # An unknown credential has no length in front of it: nothing after it could be read.
    raise codec.DecodeError("5.3", "a credential of a type that we do not have")


class AuthenticationService(Protocol):
    """Who says which credentials are genuine. The application's; called while messages are judged.

    The methods answer; they do not raise. They see credential and key and nothing else of a leaf: an
    application_id proves nothing (RFC 9420, 5.3.3; row 40).
    """

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        """Whether the holder of `signature_key` is what `credential` says (section 5.3.1)."""
        ...

    def is_successor(self, old: Credential, new: Credential) -> bool:
        """Whether a member may replace its credential `old` by `new` (section 5.3.1)."""
        ...

    def client(self, credential: Credential) -> bytes:
        """A name for the client: equal for credentials of one client, which may be in a group once.

        Section 12.2. Only for credentials that were accepted.
        """
        ...


@dataclass(frozen=True, slots=True)
class AcceptAnyCredential:
    """Believes everybody. For tests and demonstrations only."""

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        """True."""
        return True

    def is_successor(self, old: Credential, new: Credential) -> bool:
        """Whether the two are equal."""
        return old == new

    def client(self, credential: Credential) -> bytes:
        """The credential itself."""
        return credential.encode()


#: What the library raises for certificates that are malformed, unsupported, or not signed as claimed;
#: the warning, about those it will refuse one day, only where warnings are errors.
_BAD_CERTIFICATE = (
    CryptographyDeprecationWarning,
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

#: Extensions that may be critical: those looked at below, and names, which an application reads.
_UNDERSTOOD = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.SubjectAlternativeName.oid,
        x509.SubjectKeyIdentifier.oid,
        x509.AuthorityKeyIdentifier.oid,
    }
)


class X509Authentication:
    """Accepts X.509 credentials whose chain leads to one of `trust_anchors` (DER certificates).

    The chain may contain the anchor or stop just before it. Checked are order and signatures,
    validity, the CA flag, path length, key usage, and that there is no critical extension that
    nobody here understands (RFC 5280, section 6.1). Not checked: revocation, name constraints (a
    chain that has them is refused).

    A client is known by the names in its end-entity certificate, subject and subjectAltName: with
    other keys and dates, even from another trusted CA, it is the same client.
    """

    __slots__ = ("_anchors", "_anchors_der")

    def __init__(self, trust_anchors: Sequence[bytes]) -> None:
        """Raises `UsageError` if an anchor is no certificate."""
        try:
            self._anchors = tuple(x509.load_der_x509_certificate(der) for der in trust_anchors)
        except _BAD_CERTIFICATE:
            raise UsageError("a trust anchor is no DER certificate") from None
        self._anchors_der = frozenset(trust_anchors)

    def accepts(self, credential: Credential, signature_key: bytes, *, now: int) -> bool:
        """Whether the chain is good at `now` and certifies `signature_key` (row 25)."""
        if not isinstance(credential, X509Credential):
            return False
        if not 0 < len(credential.certificates) <= _LONGEST_CHAIN:
            return False
        try:
            chain = [x509.load_der_x509_certificate(der) for der in credential.certificates]
            # RFC 9420, 5.3: the end-entity's key is the leaf's signature key, byte for byte.
            if _serialised_key(chain[0]) != signature_key:
                return False
            if credential.certificates[-1] in self._anchors_der:
                return _chain_good(chain, now)
            return any(
                anchor.subject == chain[-1].issuer and _chain_good([*chain, anchor], now)
                for anchor in self._anchors
            )
        except _BAD_CERTIFICATE:
            return False

    def is_successor(self, old: Credential, new: Credential) -> bool:
        """Whether both name the same client."""
        return self.client(old) == self.client(new)

    def client(self, credential: Credential) -> bytes:
        """The names in the end-entity certificate; a credential that names nobody, itself."""
        if isinstance(credential, X509Credential) and credential.certificates:
            try:
                subject, alternative = _names(credential.certificates[0])
            except _BAD_CERTIFICATE:
                return credential.encode()
            return codec.opaque(subject) + codec.optional(alternative)
        return credential.encode()


def _names(der: bytes) -> tuple[bytes, bytes | None]:
    certificate = x509.load_der_x509_certificate(der)
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return certificate.subject.public_bytes(), None
    return certificate.subject.public_bytes(), alternative.value.public_bytes()


def _serialised_key(certificate: x509.Certificate) -> bytes | None:
    """The certified key as RFC 9420, 5.1.1 writes signature keys; None if it cannot be one.

    Each scheme's keys have their own length, so equal bytes mean an equal scheme too.
    """
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            return None
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if isinstance(
        key,
        ed25519.Ed25519PublicKey
        | ed448.Ed448PublicKey
        | mldsa.MLDSA44PublicKey
        | mldsa.MLDSA65PublicKey
        | mldsa.MLDSA87PublicKey,
    ):
        return key.public_bytes_raw()
    return None


def _chain_good(chain: Sequence[x509.Certificate], now: int) -> bool:
    """Whether a whole chain, the trust anchor last, is in order (RFC 5280, section 6.1)."""
    below = 0  # intermediate CAs passed so far that were not issued by themselves
    for index, certificate in enumerate(chain):
        if not _valid_at(certificate, now) or not _extensions_understood(certificate):
            return False
        if index == 0:
            if not _may_sign_messages(certificate):
                return False
            continue
        if not _may_certify(certificate, below) or not _certified_by(chain[index - 1], certificate):
            return False
        if certificate.subject != certificate.issuer:
            below += 1
    return True


def _valid_at(certificate: x509.Certificate, now: int) -> bool:
    start = certificate.not_valid_before_utc.timestamp()
    return start <= now <= certificate.not_valid_after_utc.timestamp()


def _extensions_understood(certificate: x509.Certificate) -> bool:
    return all(
        extension.oid in _UNDERSTOOD
        or not (extension.critical or isinstance(extension.value, x509.NameConstraints))
        for extension in certificate.extensions
    )


def _constraints(
    certificate: x509.Certificate,
) -> tuple[x509.BasicConstraints | None, x509.KeyUsage | None]:
    basic: x509.BasicConstraints | None = None
    usage: x509.KeyUsage | None = None
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            basic = extension.value
        elif isinstance(extension.value, x509.KeyUsage):
            usage = extension.value
    return basic, usage


def _may_sign_messages(certificate: x509.Certificate) -> bool:
    """Whether this is an end-entity's certificate, and for signatures."""
    basic, usage = _constraints(certificate)
    return not (basic and basic.ca) and (usage is None or usage.digital_signature)


def _may_certify(certificate: x509.Certificate, below: int) -> bool:
    """Whether this is a CA's certificate, good for `below` CAs under it."""
    basic, usage = _constraints(certificate)
    return (
        basic is not None
        and basic.ca
        and (basic.path_length is None or below <= basic.path_length)
        and (usage is None or usage.key_cert_sign)
    )


def _certified_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` is named as the issuer and really signed, by means that still count."""
    if isinstance(certificate.signature_hash_algorithm, hashes.SHA1 | hashes.MD5):
        return False
    key = issuer.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except _BAD_CERTIFICATE:
        return False
    return True
