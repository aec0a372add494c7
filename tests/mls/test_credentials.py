"""Credentials, and certificate chains that are almost right."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    ed448,
    ed25519,
    mldsa,
    padding,
    rsa,
    x25519,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from heliogram.codec import DecodeError, Reader, decode_all
from heliogram.mls.credentials import (
    AcceptAnyCredential,
    AuthenticationService,
    BasicCredential,
    Credential,
    CredentialType,
    X509Authentication,
    X509Credential,
    decode_credential,
)
from heliogram.mls.crypto import SUITES, suite_of
from heliogram.mls.errors import UsageError

NOW = 1_800_000_000
DAY = 86_400

# --- Encoding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "encoded"),
    [
        (BasicCredential(b""), "0001 00"),
        (BasicCredential(b"alice"), "0001 05 616c696365"),
        (X509Credential(()), "0002 00"),
        (X509Credential((b"ab", b"")), "0002 04 02 6162 00"),
    ],
)
def test_encoding(credential: Credential, encoded: str) -> None:
    assert credential.encode() == bytes.fromhex(encoded)
    assert decode_all(decode_credential, bytes.fromhex(encoded)) == credential
    kind = CredentialType.BASIC if isinstance(credential, BasicCredential) else CredentialType.X509
    assert credential.credential_type == kind


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "00",
        "0001",
        "0001 02 61",
        "0002 02 02 61",
        "0002 02 01",
        "0000 00",
        "0003 00",
        "0a0a 00",
    ],
)
def test_what_is_no_credential(encoded: str) -> None:
    with pytest.raises(DecodeError):
        decode_all(decode_credential, bytes.fromhex(encoded))


def test_ceilings() -> None:
    with pytest.raises(DecodeError):
        decode_all(decode_credential, BasicCredential(bytes((1 << 16) + 1)).encode())
    with pytest.raises(DecodeError):
        decode_all(decode_credential, X509Credential((bytes(1 << 17),)).encode())


@given(
    st.builds(BasicCredential, st.binary(max_size=200))
    | st.builds(X509Credential, st.lists(st.binary(max_size=100), max_size=4).map(tuple))
)
def test_round_trip(credential: Credential) -> None:
    reader = Reader(credential.encode() + b"rest")
    assert decode_credential(reader) == credential
    assert reader.fixed(4) == b"rest"


def test_names_are_not_shown() -> None:
    assert "alice" not in repr(BasicCredential(b"alice"))
    assert "alice" not in repr(X509Credential((b"alice",)))


def test_accept_any() -> None:
    service: AuthenticationService = AcceptAnyCredential()
    alice, bob = BasicCredential(b"alice"), BasicCredential(b"bob")
    assert service.accepts(alice, b"any key", now=NOW)
    assert service.is_successor(alice, BasicCredential(b"alice"))
    assert not service.is_successor(alice, bob)
    assert service.client(alice) == service.client(BasicCredential(b"alice"))
    assert service.client(alice) != service.client(bob)
    assert service.client(BasicCredential(b"")) != service.client(X509Credential(()))


# --- A small certificate authority ---------------------------------------------------------------


def at(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def usage(*, sign: bool = False, certify: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=certify,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


class Holder:
    """A name with a key and, once certified, a certificate."""

    certificate: x509.Certificate

    def __init__(self, name: str, key: Any = None) -> None:
        self.name = named(name)
        self.key: Any = key or ed25519.Ed25519PrivateKey.generate()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def certify(
    subject: Holder,
    issuer: Holder,
    *,
    ca: bool | None,
    path_length: int | None = None,
    key_usage: x509.KeyUsage | None = None,
    start: int = NOW - DAY,
    end: int = NOW + DAY,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    digest: Any = None,
    issuer_name: x509.Name | None = None,
) -> Holder:
    """Give `subject` a certificate by `issuer`. `ca=None` leaves basicConstraints out."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject.name)
        .issuer_name(issuer_name or issuer.name)
        .public_key(subject.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at(start))
        .not_valid_after(at(end))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if key_usage is not None:
        builder = builder.add_extension(key_usage, critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    if digest is None and isinstance(issuer.key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        digest = hashes.SHA256()
    subject.certificate = builder.sign(issuer.key, digest)
    return subject


def root(name: str = "root", key: Any = None, **options: Any) -> Holder:
    holder = Holder(name, key)
    return certify(holder, holder, **{"ca": True, "key_usage": usage(certify=True), **options})


def middle(issuer: Holder, name: str = "middle", key: Any = None, **options: Any) -> Holder:
    defaults = {"ca": True, "key_usage": usage(certify=True)}
    return certify(Holder(name, key), issuer, **{**defaults, **options})


def member(issuer: Holder, name: str = "alice", key: Any = None, **options: Any) -> Holder:
    defaults = {"ca": False, "key_usage": usage(sign=True)}
    return certify(Holder(name, key), issuer, **{**defaults, **options})


def accepted(
    chain: Sequence[Holder], anchors: Sequence[Holder], *, now: int = NOW, key: bytes | None = None
) -> bool:
    service = X509Authentication([anchor.der for anchor in anchors])
    if key is None:
        key = chain[0].key.public_key().public_bytes_raw()
    return service.accepts(X509Credential(tuple(link.der for link in chain)), key, now=now)


# --- Chains that are right -----------------------------------------------------------------------


def test_with_and_without_the_anchor() -> None:
    top = root()
    ca = middle(top)
    alice = member(ca)
    assert accepted([alice, ca, top], [top])
    assert accepted([alice, ca], [top])
    assert accepted([alice, ca], [ca])
    assert accepted([alice], [ca])
    assert accepted([member(top)], [top])
    assert accepted([alice, ca], [root("other"), top])


def test_an_anchor_may_be_the_member() -> None:
    """One certificate that was put on the list itself: no CA is asked for."""
    pinned = root("pinned", ca=False, key_usage=usage(sign=True))
    assert accepted([pinned], [pinned])
    assert not accepted([pinned], [root("pinned")])


@pytest.mark.parametrize("number", [1, 2, 4, 5, 7, 0xF009, 0xF00A, 0xF00B])
def test_the_key_is_the_signature_key_of_every_scheme(number: int) -> None:
    """RFC 9420, 5.3: the end-entity's key, serialised as 5.1.1 says, is the leaf's signature key."""
    suite = suite_of(number)
    signer = suite.new_signature_key(os.urandom)
    key = signer.loaded
    if isinstance(key, bytes):  # libsodium's form
        key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(signer.secret))
    top = root()
    alice = member(top, key=key)
    assert accepted([alice], [top], key=signer.public)
    assert not accepted([alice], [top], key=suite.new_signature_key(os.urandom).public)
    assert not accepted([alice], [top], key=signer.public[:-1])
    assert not accepted([alice], [top], key=signer.public + b"\0")


@pytest.mark.parametrize(
    "new_key",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ed448.Ed448PrivateKey.generate(),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "Ed448", "RSA"],
)
def test_what_cas_sign_with(new_key: Callable[[], Any]) -> None:
    top = root(key=new_key())
    assert accepted([member(top)], [top])


def test_extensions_that_change_nothing() -> None:
    top = root()
    names = x509.SubjectAlternativeName([x509.RFC822Name("alice@example.org")])
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    assert accepted([member(top, extensions=[(names, True), (purpose, False)])], [top])


def test_key_usage_may_be_absent() -> None:
    top = root(key_usage=None)
    assert accepted([member(top, key_usage=None, ca=None)], [top])


def test_path_length_counts_cas_between() -> None:
    for length, good in ((0, False), (1, True), (2, True)):
        top = root(path_length=length)
        ca = middle(top)
        alice = member(ca)
        assert accepted([alice, ca, top], [top]) == good
        assert accepted([alice, ca], [top]) == good
    top = root(path_length=0)
    assert accepted([member(top)], [top])


def test_self_issued_cas_do_not_count() -> None:
    """RFC 5280, 6.1.4 (l): a CA that certifies its own next key is no step further down."""
    top = root(path_length=0)
    again = middle(top, name="root")
    assert accepted([member(again), again], [top])


# --- Chains that are not -------------------------------------------------------------------------


def test_only_x509() -> None:
    top = root()
    service: AuthenticationService = X509Authentication([top.der])
    key = member(top).key.public_key().public_bytes_raw()
    assert not service.accepts(BasicCredential(b"alice"), key, now=NOW)
    assert not service.accepts(X509Credential(()), key, now=NOW)
    assert not service.accepts(X509Credential((b"",)), key, now=NOW)
    assert not service.accepts(X509Credential((b"0\x00",)), key, now=NOW)


def test_anchors_must_be_certificates() -> None:
    with pytest.raises(UsageError):
        X509Authentication([b"no certificate"])


def test_no_anchors_no_trust() -> None:
    top = root()
    assert not accepted([member(top), top], [])


def test_trailing_and_changed_bytes() -> None:
    top = root()
    alice = member(top)
    service = X509Authentication([top.der])
    key = alice.key.public_key().public_bytes_raw()
    assert service.accepts(X509Credential((alice.der,)), key, now=NOW)
    assert not service.accepts(X509Credential((alice.der + b"\0",)), key, now=NOW)
    assert not service.accepts(X509Credential((alice.der[:-1],)), key, now=NOW)
    changed = alice.der[:-1] + bytes((alice.der[-1] ^ 1,))
    assert not service.accepts(X509Credential((changed,)), key, now=NOW)


def test_order_matters() -> None:
    top = root()
    ca = middle(top)
    alice = member(ca)
    assert not accepted([alice, top, ca], [top])
    assert not accepted([alice, top], [top])
    assert not accepted([alice, ca, ca], [top])
    assert not accepted([alice, alice, ca], [top])
    assert not accepted([alice, ca, top, top], [root("other")])
    key = alice.key.public_key().public_bytes_raw()
    assert not accepted([ca, alice], [top], key=key)


def test_same_name_other_key() -> None:
    top, impostor = root(), root()
    assert not accepted([member(impostor)], [top])
    assert not accepted([member(impostor), impostor], [top])
    ca = middle(top)
    fake = middle(impostor)
    assert not accepted([member(fake), ca], [top])


def test_other_name_same_key() -> None:
    top = root()
    assert not accepted([member(top, issuer_name=named("somebody"))], [top])
    ca = middle(top)
    assert not accepted([member(ca, issuer_name=named("somebody")), ca], [top])


def test_several_anchors_of_one_name() -> None:
    old, new = root(), root()
    assert accepted([member(new)], [old, new])
    assert accepted([member(old)], [old, new])


@pytest.mark.parametrize(
    "options",
    [
        {"ca": False},
        {"ca": None},
        {"key_usage": usage(sign=True)},
        {"end": NOW - 1},
        {"start": NOW + 1},
        {"extensions": [(x509.PolicyConstraints(0, None), True)]},
        {"extensions": [(x509.NameConstraints([x509.DNSName("example.org")], None), True)]},
        {"extensions": [(x509.NameConstraints([x509.DNSName("example.org")], None), False)]},
        {"extensions": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"x"), True)]},
    ],
    ids=[
        "flag false",
        "no flag",
        "usage",
        "expired",
        "not yet",
        "critical policy",
        "names",
        "names, not critical",
        "critical unknown",
    ],
)
def test_who_may_not_certify(options: dict[str, Any]) -> None:
    """Each CA in the chain, and the anchor itself, is held to the same."""
    top = root()
    ca = middle(top, **options)
    assert not accepted([member(ca), ca], [top])
    assert not accepted([member(ca)], [ca])
    bad_top = root(**options)
    assert not accepted([member(bad_top)], [bad_top])
    assert not accepted([member(bad_top), bad_top], [bad_top])


@pytest.mark.parametrize(
    "options",
    [
        {"ca": True},
        {"key_usage": usage(certify=True)},
        {"end": NOW - 1},
        {"start": NOW + 1},
        {"extensions": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)]},
        {"extensions": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"x"), True)]},
    ],
    ids=["ca", "usage", "expired", "not yet", "critical purpose", "critical unknown"],
)
def test_who_may_not_be_a_member(options: dict[str, Any]) -> None:
    top = root()
    assert not accepted([member(top, **options)], [top])


def test_a_member_cannot_certify() -> None:
    """The classic: a member signs a certificate for somebody else's name."""
    top = root()
    alice = member(top)
    bob = member(alice, name="bob")
    assert not accepted([bob, alice], [top])
    assert not accepted([bob, alice, top], [top])


def test_to_the_second() -> None:
    top = root(start=NOW - 9 * DAY, end=NOW + 9 * DAY)
    alice = member(top, start=NOW - DAY, end=NOW + DAY)
    for now, good in ((-DAY - 1, False), (-DAY, True), (DAY, True), (DAY + 1, False)):
        assert accepted([alice], [top], now=NOW + now) == good


def test_long_chains() -> None:
    links = [root()]
    for number in range(8):
        links.append(middle(links[-1], name=f"ca {number}"))
    assert accepted([member(links[6]), *reversed(links[1:7])], [links[0]])
    assert accepted([member(links[6]), *reversed(links[:7])], [links[0]])
    assert not accepted([member(links[8]), *reversed(links[1:])], [links[0]])


def test_keys_that_sign_no_messages() -> None:
    top = root()
    exchange = x25519.X25519PrivateKey.generate()
    assert not accepted([member(top, key=exchange)], [top])
    foreign = ec.generate_private_key(ec.SECP256K1())
    numbers = foreign.public_key().public_numbers()
    point = b"\4" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    assert not accepted([member(top, key=foreign)], [top], key=point)
    assert not accepted([member(top, key=rsa.generate_private_key(65537, 2048))], [top], key=b"")


def test_weak_means() -> None:
    small = root(key=rsa.generate_private_key(65537, 1024))
    assert not accepted([member(small)], [small])
    # A certificate that is signed over SHA-1: made from one over SHA-256, as nobody sells them any more.
    top = root(key=rsa.generate_private_key(65537, 2048))
    alice = member(top)
    assert accepted([alice], [top])
    pkcs1 = bytes.fromhex("06092a864886f70d0101")
    der = alice.der.replace(pkcs1 + b"\x0b", pkcs1 + b"\x05")
    body = alice.certificate.tbs_certificate_bytes.replace(pkcs1 + b"\x0b", pkcs1 + b"\x05")
    assert body in der
    der = der[:-256] + top.key.sign(body, padding.PKCS1v15(), hashes.SHA1())
    alice.certificate = x509.load_der_x509_certificate(der)
    assert isinstance(alice.certificate.signature_hash_algorithm, hashes.SHA1)
    top.key.public_key().verify(der[-256:], body, padding.PKCS1v15(), hashes.SHA1())
    assert not accepted([alice], [top])


def test_post_quantum_cas() -> None:
    """A chain that is signed with ML-DSA up to its anchor."""
    top = root(key=mldsa.MLDSA65PrivateKey.generate())
    assert accepted([member(top)], [top])


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_never_raises(certificates: list[bytes]) -> None:
    service = X509Authentication([TOP.der])
    credential = X509Credential(tuple(certificates))
    assert not service.accepts(credential, b"", now=NOW)
    assert service.client(credential) == credential.encode()
    assert service.is_successor(credential, credential)


TOP = root()
ALICE = member(TOP)


@given(st.data())
def test_one_bit_is_enough(data: st.DataObject) -> None:
    """Any flipped bit in the signed part or in the signature, of the member's or of the sent anchor."""
    service = X509Authentication([TOP.der])
    key = ALICE.key.public_key().public_bytes_raw()
    for holder, chain in (
        (ALICE, (ALICE.der,)),
        (ALICE, (ALICE.der, TOP.der)),
        (TOP, (ALICE.der, TOP.der)),
    ):
        assert service.accepts(X509Credential(chain), key, now=NOW)
        size = len(holder.der)
        body = holder.certificate.tbs_certificate_bytes
        start = holder.der.index(body)
        at = data.draw(st.integers(start, start + len(body) - 1) | st.integers(size - 64, size - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        flipped = holder.der[:at] + bytes((holder.der[at] ^ bit,)) + holder.der[at + 1 :]
        changed = X509Credential(tuple(flipped if der == holder.der else der for der in chain))
        assert not service.accepts(changed, key, now=NOW)


# --- Who is who ----------------------------------------------------------------------------------


def test_clients_are_known_by_name() -> None:
    top, other = root(), root("other")
    names = x509.SubjectAlternativeName([x509.RFC822Name("alice@example.org")])
    phone = x509.SubjectAlternativeName([x509.RFC822Name("alice+phone@example.org")])
    service = X509Authentication([top.der, other.der])

    def credential(holder: Holder) -> X509Credential:
        return X509Credential((holder.der,))

    alice = credential(member(top))
    renewed = credential(member(other))
    assert alice != renewed
    assert service.client(alice) == service.client(renewed)
    assert service.is_successor(alice, renewed)
    with_address = credential(member(top, extensions=[(names, False)]))
    renewed_address = credential(member(other, extensions=[(names, False)]))
    with_phone = credential(member(top, extensions=[(phone, False)]))
    bob = credential(member(top, name="bob"))
    assert service.is_successor(with_address, renewed_address)
    clients: list[Credential] = [
        alice,
        with_address,
        with_phone,
        bob,
        X509Credential(()),
        BasicCredential(b"alice"),
    ]
    assert len({service.client(client) for client in clients}) == len(clients)
    for other_client in clients[1:]:
        assert not service.is_successor(alice, other_client)


def test_every_suite_has_a_certified_key_of_its_own_length() -> None:
    """What lets equal bytes stand for an equal scheme."""
    lengths = {
        suite.signature_scheme: len(suite.new_signature_key(os.urandom).public)
        for suite in SUITES.values()
    }
    assert len(set(lengths.values())) == len(lengths)
