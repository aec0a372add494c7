"""Cipher suites against the published vectors, and against keys and signatures that mislead."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign

from heliogram import codec
from heliogram.mls.crypto import (
    DEFAULT_SUITE,
    SUITES,
    CipherSuite,
    Secret,
    SignatureKey,
    SignatureScheme,
    Suite,
    suite_of,
)
from heliogram.mls.errors import (
    DecryptionFailed,
    InvalidMessage,
    MLSError,
    UnknownEpoch,
    UsageError,
)
from tests.vectors import load_vectors

unhex = bytes.fromhex

all_suites = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)

#: One suite for each signature scheme.
BY_SCHEME = {suite.signature_scheme: suite for suite in SUITES.values()}
all_schemes = pytest.mark.parametrize(
    "suite", BY_SCHEME.values(), ids=lambda s: s.signature_scheme.name
)

SUITE_1 = suite_of(1)
SUITE_2 = suite_of(2)
SUITE_4 = suite_of(4)


# --- Published vectors ----------------------------------------------------------------------------


def test_crypto_basics() -> None:
    cases = load_vectors("crypto-basics.json")
    assert sorted(case["cipher_suite"] for case in cases) == [1, 2, 3, 4, 5, 6, 7]
    for case in cases:
        suite = suite_of(case["cipher_suite"])

        given = case["ref_hash"]
        assert suite.ref_hash(given["label"].encode(), unhex(given["value"])) == unhex(given["out"])

        given = case["expand_with_label"]
        label, context = given["label"].encode(), unhex(given["context"])
        expanded = suite.expand_with_label(unhex(given["secret"]), label, context, given["length"])
        assert expanded == unhex(given["out"])

        given = case["derive_secret"]
        derived = suite.derive_secret(unhex(given["secret"]), given["label"].encode())
        assert derived == unhex(given["out"])

        given = case["derive_tree_secret"]
        derived = suite.derive_tree_secret(
            unhex(given["secret"]), given["label"].encode(), given["generation"], given["length"]
        )
        assert derived == unhex(given["out"])

        given = case["sign_with_label"]
        label, content = given["label"].encode(), unhex(given["content"])
        signer = suite.signature_key(unhex(given["priv"]))
        assert signer.public == unhex(given["pub"])
        assert suite.verify_with_label(signer.public, label, content, unhex(given["signature"]))
        own = suite.sign_with_label(signer, label, content)
        assert suite.verify_with_label(signer.public, label, content, own)

        given = case["encrypt_with_label"]
        label, context = given["label"].encode(), unhex(given["context"])
        key = suite.hpke_key(unhex(given["priv"]))
        assert key.public == unhex(given["pub"])
        kem_output, ciphertext = unhex(given["kem_output"]), unhex(given["ciphertext"])
        plaintext = suite.decrypt_with_label(key, label, context, kem_output, ciphertext)
        assert plaintext == unhex(given["plaintext"])
        kem_output, ciphertext = suite.encrypt_with_label(key.public, label, context, plaintext)
        assert suite.decrypt_with_label(key, label, context, kem_output, ciphertext) == plaintext


# --- Suites ---------------------------------------------------------------------------------------


def test_every_suite_is_there() -> None:
    assert set(SUITES) == set(CipherSuite)
    assert {int(number) for number in CipherSuite if number < 0xF000} == set(range(1, 8))
    assert {int(number) for number in CipherSuite if number >= 0xF000} == set(range(0xF001, 0xF00C))
    assert suite_of(DEFAULT_SUITE).name == "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519"
    for number, suite in SUITES.items():
        assert suite.id == number
        assert suite_of(number) is suite
        assert suite.name in repr(suite)


def test_unknown_suites() -> None:
    for number in (0, 8, 0x0A0A, 0xF000, 0xFFFF):
        with pytest.raises(UsageError):
            suite_of(number)


@all_suites
def test_names_say_what_is_inside(suite: Suite) -> None:
    """The table of suites, held against the names that the documents print."""
    _, _, kem, aead, hash_name, scheme = suite.name.split("_")
    sizes = {"AES128GCM": 16, "AES256GCM": 32, "CHACHA20POLY1305": 32}
    assert suite.key_length == sizes[aead]
    assert suite.nonce_length == 12
    assert suite.hash_length == int(hash_name[3:]) // 8
    assert suite.hash(b"x") == hashlib.new(hash_name.lower(), b"x").digest()
    schemes = {
        "P256": SignatureScheme.ECDSA_SECP256R1_SHA256,
        "P384": SignatureScheme.ECDSA_SECP384R1_SHA384,
        "P521": SignatureScheme.ECDSA_SECP521R1_SHA512,
    }
    assert (
        suite.signature_scheme == schemes.get(scheme)
        or suite.signature_scheme.name == scheme.upper()
    )
    sizes = {
        "DHKEMX25519": 32,
        "DHKEMX448": 56,
        "DHKEMP256": 65,
        "DHKEMP384": 97,
        "DHKEMP521": 133,
        "MLKEM768X25519": 1216,
        "MLKEM768P256": 1249,
        "MLKEM1024P384": 1665,
        "MLKEM768": 1184,
        "MLKEM1024": 1568,
    }
    assert len(suite.new_hpke_key(os.urandom).public) == sizes[kem]
    # The name says DHKEMP256 where repr says DHKEM_P256.
    assert kem in repr(suite.new_hpke_key(os.urandom)).replace("_", "")


@all_suites
def test_every_operation_fits_its_counterpart(suite: Suite) -> None:
    secret = Secret(os.urandom(suite.hash_length))
    assert (
        suite.expand(secret, b"info", suite.hash_length)
        == suite.expand(secret, b"info", 200)[: suite.hash_length]
    )
    # DeriveSecret and DeriveTreeSecret are ExpandWithLabel; a long output is not a longer short
    # one, since KDFLabel holds the length.
    size = suite.hash_length
    assert suite.derive_secret(secret, b"a") == suite.expand_with_label(secret, b"a", b"", size)
    assert suite.derive_tree_secret(secret, b"a", 258, 9) == suite.expand_with_label(
        secret, b"a", unhex("00000102"), 9
    )
    assert suite.expand_with_label(secret, b"a", b"c", 200)[:size] != suite.expand_with_label(
        secret, b"a", b"c", size
    )
    info = unhex("00c8") + b"\x09MLS 1.0 a" + b"\x01c"
    assert suite.expand_with_label(secret, b"a", b"c", 200) == suite.expand(secret, info, 200)
    assert len(suite.extract(b"", secret)) == suite.hash_length

    key, nonce = os.urandom(suite.key_length), os.urandom(suite.nonce_length)
    assert suite.open(key, nonce, b"aad", suite.seal(key, nonce, b"aad", b"text")) == b"text"
    assert suite.open(key, nonce, b"", suite.seal(key, nonce, b"", b"")) == b""

    signer = suite.new_signature_key(os.urandom)
    signature = suite.sign_with_label(signer, b"label", b"content")
    assert suite.signature_key_valid(signer.public)
    assert suite.verify_with_label(signer.public, b"label", b"content", signature)
    assert suite.signature_key(bytes(signer.secret)).public == signer.public

    pair = suite.new_hpke_key(os.urandom)
    assert suite.hpke_public_valid(pair.public)
    assert suite.hpke_key(bytes(pair.secret)).public == pair.public
    kem_output, ciphertext = suite.encrypt_with_label(pair.public, b"label", b"context", b"text")
    stored = suite.hpke_key(bytes(pair.secret))
    assert suite.decrypt_with_label(stored, b"label", b"context", kem_output, ciphertext) == b"text"
    kem_output, exported = suite.export_to(pair.public, b"context", 32, entropy=os.urandom)
    assert suite.export_from(stored, kem_output, b"context", 32) == exported


@all_suites
def test_keys_come_from_the_callers_entropy(suite: Suite) -> None:
    def entropy(size: int) -> bytes:
        return bytes(range(size))

    assert suite.new_hpke_key(entropy).public == suite.new_hpke_key(entropy).public
    assert suite.new_signature_key(entropy).public == suite.new_signature_key(entropy).public
    assert suite.derive_key_pair(b"seed").secret == suite.derive_key_pair(b"seed").secret
    assert suite.derive_key_pair(b"seed").secret != suite.derive_key_pair(b"other").secret


def test_too_much_from_the_kdf() -> None:
    for suite in SUITES.values():
        longest = 255 * suite.hash_length
        assert len(suite.expand(b"prk", b"", longest)) == longest
        assert len(suite.expand_with_label(b"prk", b"a", b"", longest)) == longest
        for length in (longest + 1, 1 << 16, 1 << 40):
            with pytest.raises(UsageError):
                suite.expand(b"prk", b"", length)
            with pytest.raises(UsageError):
                suite.expand_with_label(b"prk", b"a", b"", length)


# --- MACs and ciphertexts -------------------------------------------------------------------------


@all_suites
def test_a_part_of_a_mac_is_no_mac(suite: Suite) -> None:
    key, data = b"key", b"data"
    tag = suite.mac(key, data)
    assert suite.mac_matches(key, data, tag)
    for size in range(65):
        assert suite.mac_matches(key, data, tag[:size]) == (size >= len(tag))
        padded = tag[:size] + bytes(64 - size)
        assert suite.mac_matches(key, data, padded) == (padded == tag)
    assert not suite.mac_matches(key, data, tag + b"\0")
    assert not suite.mac_matches(b"other", data, tag)
    for bit in range(8 * len(tag)):
        changed = (int.from_bytes(tag, "big") ^ 1 << bit).to_bytes(len(tag), "big")
        assert not suite.mac_matches(key, data, changed)


@all_suites
def test_ciphertexts_that_do_not_open(suite: Suite) -> None:
    key, nonce = bytes(suite.key_length), bytes(12)
    sealed = suite.seal(key, nonce, b"aad", b"text")
    for aad, ciphertext in (
        (b"other", sealed),
        (b"aad", sealed[:-1]),
        (b"aad", sealed + b"\0"),
        (b"aad", sealed[:15]),
        (b"aad", b""),
        (b"aad", bytes(len(sealed))),
    ):
        with pytest.raises(DecryptionFailed) as caught:
            suite.open(key, nonce, aad, ciphertext)
        assert (caught.value.rule, caught.value.section) == (17, "6.3.1")


@all_suites
def test_what_the_hpke_side_refuses(suite: Suite) -> None:
    pair = suite.new_hpke_key(os.urandom)
    kem_output, ciphertext = suite.encrypt_with_label(pair.public, b"label", b"context", b"text")
    other = suite.new_hpke_key(os.urandom)
    for key, label, context, enc, body in (
        (pair, b"other", b"context", kem_output, ciphertext),
        (pair, b"label", b"other", kem_output, ciphertext),
        (other, b"label", b"context", kem_output, ciphertext),
        (pair, b"label", b"context", b"", ciphertext),
        (pair, b"label", b"context", bytes(len(kem_output)), ciphertext),
        (pair, b"label", b"context", kem_output, b""),
        (pair, b"label", b"context", kem_output + ciphertext[:1], ciphertext[1:]),
    ):
        with pytest.raises(DecryptionFailed):
            suite.decrypt_with_label(key, label, context, enc, body)
    for enc in (b"", kem_output[:-1], kem_output + b"\0"):
        with pytest.raises(InvalidMessage) as caught:
            suite.export_from(pair, enc, b"", 32)
        assert caught.value.rule == 105
    for public in (b"", pair.public[:-1], pair.public + b"\0"):
        assert not suite.hpke_public_valid(public)
        with pytest.raises(InvalidMessage) as caught:
            suite.encrypt_with_label(public, b"", b"", b"")
        assert caught.value.rule == 26
        with pytest.raises(InvalidMessage) as caught:
            suite.export_to(public, b"", 32, entropy=os.urandom)
        assert caught.value.rule == 26


@all_suites
def test_sealing_to_many(suite: Suite) -> None:
    pairs = [suite.new_hpke_key(os.urandom) for _ in range(3)]
    messages = [(pair.public, bytes((number,))) for number, pair in enumerate(pairs)]
    sealed = list(suite.encrypt_each_with_label(b"label", b"context", messages))
    assert len({enc for enc, _ in sealed}) == 3
    for number, (pair, (enc, ciphertext)) in enumerate(zip(pairs, sealed, strict=True)):
        opened = suite.decrypt_with_label(pair, b"label", b"context", enc, ciphertext)
        assert opened == bytes((number,))
    for bad in (b"", pairs[0].public[:-1], bytes(len(pairs[0].public) + 1)):
        with pytest.raises(InvalidMessage) as caught:
            list(suite.encrypt_each_with_label(b"", b"", [*messages, (bad, b"")]))
        assert caught.value.rule == 26


@all_suites
def test_private_keys_that_are_none(suite: Suite) -> None:
    """Private keys are ours; a bad one is our own mistake."""
    hpke, signature = (
        suite.new_hpke_key(os.urandom).secret,
        suite.new_signature_key(os.urandom).secret,
    )
    for wrong in (b"", bytes(hpke)[:-1], bytes(hpke) + b"\0"):
        with pytest.raises(UsageError):
            suite.hpke_key(wrong)
    for wrong in (b"", bytes(signature)[:-1], bytes(signature) + b"\0"):
        with pytest.raises(UsageError):
            suite.signature_key(wrong)


# --- Signatures -----------------------------------------------------------------------------------


@all_schemes
def test_signatures_bind_everything(suite: Suite) -> None:
    signer = suite.new_signature_key(os.urandom)
    signature = suite.sign_with_label(signer, b"label", b"content")
    public = signer.public
    assert suite.verify_with_label(public, b"label", b"content", signature)
    other = suite.new_signature_key(os.urandom).public
    for key, label, content, sig in (
        (other, b"label", b"content", signature),
        (public, b"other", b"content", signature),
        (public, b"label", b"other", signature),
        (public, b"label", b"content", signature[:-1]),
        (public, b"label", b"content", signature + b"\0"),
        (public, b"label", b"content", b""),
        (public, b"label", b"content", bytes(len(signature))),
        (public, b"label", b"content", b"\xff" * len(signature)),
        (b"", b"label", b"content", signature),
        (public[:-1], b"label", b"content", signature),
        (public + b"\0", b"label", b"content", signature),
        (bytes(len(public)), b"label", b"content", signature),
        (b"\xff" * len(public), b"label", b"content", signature),
    ):
        assert not suite.verify_with_label(key, label, content, sig)


@all_schemes
@given(public=st.binary(max_size=140), signature=st.binary(max_size=140))
def test_verification_never_raises(suite: Suite, public: bytes, signature: bytes) -> None:
    assert not suite.verify_with_label(public, b"label", b"content", signature)
    suite.signature_key_valid(public)


def test_what_is_signed() -> None:
    """SignContent, written out (RFC 9420, section 5.1.2)."""
    signer = SUITE_1.new_signature_key(os.urandom)
    signature = SUITE_1.sign_with_label(signer, b"LeafNodeTBS", bytes(100))
    content = b"\x13MLS 1.0 LeafNodeTBS" + b"\x40\x64" + bytes(100)
    ed25519.Ed25519PublicKey.from_public_bytes(signer.public).verify(signature, content)


@pytest.mark.parametrize("size", [0, 1 << 15, (1 << 15) + 1, 1 << 20])
def test_long_messages_are_signed_alike(size: int) -> None:
    """Long ones by another library. Ed25519 leaves no choice: each has one signature."""
    suite, seed, content = SUITES[1], bytes(range(32)), bytes(size)
    signer = suite.signature_key(seed)
    signature = suite.sign_with_label(signer, b"x", content)
    signed = codec.opaque(b"MLS 1.0 x") + codec.opaque(content)
    assert signature == crypto_sign(signed, seed + signer.public)[:64]
    assert suite.verify_with_label(signer.public, b"x", content, signature)


def test_signature_and_message_do_not_run_together() -> None:
    """libsodium takes both as one string; moving the border between them must not help."""
    signer = SUITE_1.new_signature_key(os.urandom)
    content = b"\x09MLS 1.0 a" + b"\x01b"
    signature = SUITE_1.sign_with_label(signer, b"a", b"b")
    assert SUITE_1.verify_with_label(signer.public, b"a", b"b", signature)
    scheme = SUITE_1._scheme
    assert scheme.verify(signer.public, content, signature)
    assert not scheme.verify(signer.public, content[1:], signature + content[:1])
    assert not scheme.verify(signer.public, signature[-1:] + content, signature[:-1])


# The curve edwards25519 in the plainest way, to make signatures that nobody should accept.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + k, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P)
    return x % P, y % P


def multiply(n: int, a: Point) -> Point:
    total = (0, 1)
    while n:
        if n & 1:
            total = add(total, a)
        a, n = add(a, a), n >> 1
    return total


def point_at(y: int) -> Point:
    """A point with this y; which of the two does not matter here."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return x, y


def packed(a: Point) -> bytes:
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


BASE = point_at(4 * pow(5, -1, P) % P)
if BASE[0] & 1:
    BASE = (P - BASE[0], BASE[1])
TORSION = point_at(2707385501144840649318225287225658788936804267575313519463743609750303402022)
SMALL = [multiply(n, TORSION) for n in range(8)]


def challenge(r: bytes, public: bytes, content: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + public + content).digest(), "little") % L


def verify_ed25519(public: bytes, content: bytes, r: bytes, s: int) -> bool:
    return SUITE_1._scheme.verify(public, content, r + s.to_bytes(32, "little"))


def test_the_plain_curve_is_right() -> None:
    assert len(set(SMALL)) == 8
    assert multiply(8, TORSION) == (0, 1) == multiply(L, BASE)
    public, r = packed(multiply(5, BASE)), packed(multiply(7, BASE))
    s = (7 + 5 * challenge(r, public, b"m")) % L
    assert verify_ed25519(public, b"m", r, s)


def test_ed25519_refuses_s_plus_l() -> None:
    """RFC 8032, 5.1.7: else anybody could make a second signature from a first."""
    public, r = packed(multiply(5, BASE)), packed(multiply(7, BASE))
    s = (7 + 5 * challenge(r, public, b"m")) % L
    assert verify_ed25519(public, b"m", r, s)
    for times in range(1, 8):
        assert not verify_ed25519(public, b"m", r, s + times * L)


def small_spellings() -> set[bytes]:
    """Every string that some decoder could read as one of the eight points of small order."""
    spellings = set()
    for _, y in SMALL:
        for value in (y, y + P):
            if value < 1 << 255:
                spellings |= {(value | sign << 255).to_bytes(32, "little") for sign in (0, 1)}
    return spellings


def test_ed25519_refuses_keys_of_small_order() -> None:
    """With such a key the equation can hold for messages that nobody signed."""
    spellings = small_spellings()
    assert len(spellings) == 14
    for public in spellings:
        assert not SUITE_1.signature_key_valid(public)
        for count in range(32):
            # S = 0 and R = -kA for a guessed k, as a forger would try: one in eight is right.
            for _, y in SMALL:
                for sign in (0, 1):
                    r = (y | sign << 255).to_bytes(32, "little")
                    assert not verify_ed25519(public, bytes((count,)), r, 0)


def test_ed25519_refuses_r_of_small_order() -> None:
    public = packed(multiply(5, BASE))
    for r in small_spellings():
        s = 5 * challenge(r, public, b"m") % L
        assert not verify_ed25519(public, b"m", r, s)


def test_ed25519_has_no_cofactor_to_spare() -> None:
    """A key or an R with a small-order part verifies for some implementations and not for others.

    Ours compares R byte for byte, as RFC 8032 allows and most do, so that members agree.
    """
    for part in SMALL[1:]:
        public, r = packed(multiply(5, BASE)), packed(add(multiply(7, BASE), part))
        assert not verify_ed25519(public, b"m", r, (7 + 5 * challenge(r, public, b"m")) % L)
    public, r = packed(add(multiply(5, BASE), TORSION)), packed(multiply(7, BASE))
    for count in range(64):
        k = challenge(r, public, bytes((count,)))
        agreed = verify_ed25519(public, bytes((count,)), r, (7 + 5 * k) % L)
        assert agreed == (k % 8 == 0)


def test_ed25519_keys_have_one_spelling() -> None:
    for y in range(P, 2**255):
        for sign in (0, 1):
            public = (y | sign << 255).to_bytes(32, "little")
            assert not SUITE_1.signature_key_valid(public)
            # libsodium, asked with what would verify if it reduced y, refuses as well.
            assert not verify_ed25519(public, b"m", packed(BASE), 1)
    for y in (P - 2, P - 256, 2):
        assert SUITE_1.signature_key_valid(y.to_bytes(32, "little"))
        assert SUITE_1.signature_key_valid((y | 1 << 255).to_bytes(32, "little"))


P448 = 2**448 - 2**224 - 1
L448 = 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885


def test_ed448_refuses_s_plus_l() -> None:
    signer = SUITE_4.new_signature_key(os.urandom)
    content = b"\x09MLS 1.0 a" + b"\x01b"
    signature = SUITE_4.sign_with_label(signer, b"a", b"b")
    assert SUITE_4._scheme.verify(signer.public, content, signature)
    s = int.from_bytes(signature[57:], "little")
    for times in (1, 2, 3):
        changed = signature[:57] + (s + times * L448).to_bytes(57, "little")
        assert not SUITE_4._scheme.verify(signer.public, content, changed)


def test_ed448_refuses_small_order_and_second_spellings() -> None:
    for y in (0, 1, P448 - 1, P448, P448 + 1, 2**448 - 1, 1 << 448, 1 << 454, P448 - 1 | 1 << 449):
        for sign in (0, 1):
            public = (y | sign << 455).to_bytes(57, "little")
            assert not SUITE_4.signature_key_valid(public)
            for r in (0, 1, P448 - 1):
                forged = r.to_bytes(57, "little") + bytes(57)
                assert not SUITE_4._scheme.verify(public, b"m", forged)
    signer = SUITE_4.new_signature_key(os.urandom)
    for r in (0, 1, P448 - 1):
        assert not SUITE_4._scheme.verify(signer.public, b"m", r.to_bytes(57, "little") + bytes(57))


ECDSA = [
    (suite_of(2), ec.SECP256R1(), hashes.SHA256()),
    (suite_of(7), ec.SECP384R1(), hashes.SHA384()),
    (suite_of(5), ec.SECP521R1(), hashes.SHA512()),
]
all_ecdsa = pytest.mark.parametrize(("suite", "curve", "digest"), ECDSA)
CONTENT = b"\x09MLS 1.0 a" + b"\x01b"


def integer(value: int, zeroes: int = 0) -> bytes:
    body = bytes(zeroes) + value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes((len(body),)) + body


def sequence(body: bytes) -> bytes:
    size = len(body)
    return b"\x30" + (bytes((size,)) if size < 128 else bytes((0x81, size))) + body


@all_ecdsa
def test_ecdsa_takes_the_suites_hash_only(
    suite: Suite, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm
) -> None:
    signer = suite.new_signature_key(os.urandom)
    for other in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512(), hashes.SHA3_256()):
        signature = signer.loaded.sign(CONTENT, ec.ECDSA(other))
        assert suite.verify_with_label(signer.public, b"a", b"b", signature) == (
            other.name == digest.name
        )


def test_the_hash_belongs_to_the_scheme() -> None:
    """In 0xF004 and 0xF007 the suite's hash is SHA-384 and the signature's SHA-256."""
    for number in (0xF004, 0xF007):
        suite = suite_of(number)
        assert suite.hash_length == 48
        signer = suite.new_signature_key(os.urandom)
        signature = suite.sign_with_label(signer, b"a", b"b")
        signer.loaded.public_key().verify(signature, CONTENT, ec.ECDSA(hashes.SHA256()))


@all_ecdsa
def test_ecdsa_signatures_are_der(
    suite: Suite, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm
) -> None:
    signer = suite.new_signature_key(os.urandom)
    signature = suite.sign_with_label(signer, b"a", b"b")
    r, s = decode_dss_signature(signature)
    assert sequence(integer(r) + integer(s)) == signature
    order = suite._scheme._curve.order  # type: ignore[attr-defined]
    body = integer(r) + integer(s)
    size = bytes((len(body),))
    raw = r.to_bytes(suite._scheme.private_size, "big") + s.to_bytes(
        suite._scheme.private_size, "big"
    )
    for bad in (
        sequence(integer(r, zeroes=1) + integer(s)),
        sequence(integer(r) + integer(s, zeroes=1)),
        sequence(body + b"\x05\x00"),
        sequence(body) + b"\0",
        b"\x30\x82\x00" + size + body,
        b"\x30\x80" + body + b"\0\0",
        sequence(b"\x02\x01\xff" + integer(s)),
        sequence(integer(0) + integer(0)),
        sequence(integer(r) + integer(0)),
        sequence(integer(r + order) + integer(s)),
        sequence(integer(r) + integer(s + order)),
        raw,
        b"\x30\x00",
    ):
        assert not suite.verify_with_label(signer.public, b"a", b"b", bad)


@all_ecdsa
def test_ecdsa_needs_no_randomness(
    suite: Suite, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm
) -> None:
    signer = suite.new_signature_key(os.urandom)
    assert suite.sign_with_label(signer, b"a", b"b") == suite.sign_with_label(signer, b"a", b"b")


@all_ecdsa
def test_ecdsa_keys_are_uncompressed_points(
    suite: Suite, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm
) -> None:
    signer = suite.new_signature_key(os.urandom)
    public = signer.public
    signature = suite.sign_with_label(signer, b"a", b"b")
    half = len(public) // 2
    compressed = bytes((2 | public[-1] & 1,)) + public[1 : half + 1]
    assert ec.EllipticCurvePublicKey.from_encoded_point(curve, compressed)  # the library would
    hybrid = bytes((6 | public[-1] & 1,)) + public[1:]
    off_curve = public[:-1] + bytes((public[-1] ^ 1,))
    for bad in (compressed, hybrid, off_curve, b"\0", public[:-1], public + b"\0"):
        assert not suite.signature_key_valid(bad)
        assert not suite.verify_with_label(bad, b"a", b"b", signature)


def test_ecdsa_private_keys_are_in_range() -> None:
    def zeroes(size: int) -> bytes:
        return bytes(size)

    def ones(size: int) -> bytes:
        return b"\xff" * size

    for suite, _, _ in ECDSA:
        size = suite._scheme.private_size
        with pytest.raises(UsageError):
            suite.signature_key(bytes(size))
        with pytest.raises(UsageError):
            suite.signature_key(b"\xff" * size)
        for entropy in (zeroes, ones):
            assert len(suite.new_signature_key(entropy).secret) == size


@all_schemes
def test_signature_keys_tell_nothing(suite: Suite) -> None:
    signer = suite.new_signature_key(os.urandom)
    assert repr(signer) == f"<SignatureKey for {suite.signature_scheme.name}>"
    assert isinstance(signer, SignatureKey)


# --- Secrets --------------------------------------------------------------------------------------


def test_secrets_are_not_shown() -> None:
    secret = Secret(b"\x73\x65\x63\x72\x65\x74 of mine")
    anything: Any = secret
    shown = [repr(secret), str(secret), f"{anything}", f"{secret!r}", f"{anything:>20}"]
    shown += [format(secret), "%s" % anything, repr([secret]), repr({"key": secret})]  # noqa: UP031
    for text in shown:
        assert "secret of" not in text
        assert "14 bytes" in text


def test_secrets_do_not_travel() -> None:
    secret = Secret(b"secret")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(secret, protocol)
    with pytest.raises(TypeError):
        secret.hex()
    with pytest.raises(TypeError):
        secret.decode()
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_secrets_compare_like_bytes() -> None:
    secret = Secret(b"secret")
    assert secret == Secret(b"secret") == b"secret"
    assert not secret != b"secret"
    assert b"secret" == secret
    assert secret != b"secreT"
    assert secret != b"secre"
    assert secret != "secret"
    assert secret.__eq__("secret") is NotImplemented
    assert secret.__ne__("secret") is NotImplemented
    assert hash(secret) == hash(b"secret")
    assert {b"secret": 1}[secret] == 1
    assert type(bytes(secret)) is bytes


@all_suites
def test_what_is_secret_has_the_type(suite: Suite) -> None:
    secret = suite.extract(b"salt", b"ikm")
    pair, signer = suite.new_hpke_key(os.urandom), suite.new_signature_key(os.urandom)
    kem_output, exported = suite.export_to(pair.public, b"", 16, entropy=os.urandom)
    for value in (
        secret,
        suite.expand(secret, b"", 16),
        suite.expand_with_label(secret, b"a", b"", 16),
        suite.expand_with_label(secret, b"a", b"", 160),
        suite.derive_secret(secret, b"a"),
        suite.derive_tree_secret(secret, b"a", 0, 16),
        pair.secret,
        signer.secret,
        exported,
        suite.export_from(pair, kem_output, b"", 16),
    ):
        assert type(value) is Secret


# --- Errors ---------------------------------------------------------------------------------------


def test_errors_say_whose_fault() -> None:
    invalid = InvalidMessage(27, "7.3", "a capability is missing")
    assert str(invalid) == "RFC 9420, 7.3: a capability is missing"
    assert (invalid.rule, invalid.section, invalid.what) == (27, "7.3", "a capability is missing")
    assert isinstance(DecryptionFailed(17, "6.3.1", "x"), InvalidMessage)
    assert UnknownEpoch(7).epoch == 7
    assert str(UnknownEpoch(7)) == "no keys for epoch 7"
    for kind in (UsageError, InvalidMessage, UnknownEpoch):
        assert issubclass(kind, MLSError)
    assert not issubclass(UsageError, InvalidMessage)
    assert pickle.loads(pickle.dumps(invalid)).rule == 27
