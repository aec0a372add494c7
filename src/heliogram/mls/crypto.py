"""Cipher suites: every use that MLS makes of cryptography, under the labels of RFC 9420, chapter 5.

`SUITES` maps each suite's number to its one `Suite`. The rest of `heliogram.mls` calls nothing
below it.

The post-quantum suites are those of draft-ietf-mls-pq-ciphersuites-06. That draft has no numbers
yet, so ours come from the private range: 0xF000 and the draft's TBD number (`CipherSuite` is the
one table). They may be renumbered once; a group moves by ReInit.

What peers send is data: a bad signature is False, a bad ciphertext `DecryptionFailed`, a bad key
`InvalidMessage`. Only our own mistakes, such as a private key of the wrong length, raise
`UsageError`.

Speed matters here: a commit in a large group derives thousands of secrets. Hence one-shot HMACs,
encoded labels kept ready, Ed25519 by libsodium (half the time of OpenSSL's), and keys that stay
loaded.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from heliogram import codec
from heliogram.mls.errors import DecryptionFailed, InvalidMessage, UsageError
from heliogram.mls.hpke import (
    AEAD_KEYS,
    HPKE,
    KDF_HASHES,
    KEM,
    P256,
    P384,
    P521,
    AEADId,
    Curve,
    Entropy,
    KDFId,
    KEMId,
    expand,
)

#: Something like `map`: a function and what to call it with. A thread pool's `map` uses all cores.
Parallel: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

#: Keys that one call under `Parallel` seals to.
_CHUNK = 32


class CipherSuite(IntEnum):
    """The suites we have: RFC 9420, section 17.1, and draft-ietf-mls-pq-ciphersuites-06."""

    MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 = 1
    MLS_128_DHKEMP256_AES128GCM_SHA256_P256 = 2
    MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519 = 3
    MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448 = 4
    MLS_256_DHKEMP521_AES256GCM_SHA512_P521 = 5
    MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448 = 6
    MLS_256_DHKEMP384_AES256GCM_SHA384_P384 = 7
    MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519 = 0xF001
    MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519 = 0xF002
    MLS_128_MLKEM768P256_AES128GCM_SHA256_P256 = 0xF003
    MLS_128_MLKEM768P256_AES256GCM_SHA384_P256 = 0xF004
    MLS_192_MLKEM1024P384_AES256GCM_SHA384_P384 = 0xF005
    MLS_128_MLKEM768_AES256GCM_SHA384_Ed25519 = 0xF006
    MLS_128_MLKEM768_AES256GCM_SHA384_P256 = 0xF007
    MLS_192_MLKEM1024_AES256GCM_SHA384_P384 = 0xF008
    MLS_128_MLKEM768X25519_CHACHA20POLY1305_SHA384_MLDSA44 = 0xF009
    MLS_192_MLKEM768_AES256GCM_SHA384_MLDSA65 = 0xF00A
    MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87 = 0xF00B


#: What new groups use: post-quantum confidentiality with classical signatures.
DEFAULT_SUITE = CipherSuite.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519


class SignatureScheme(IntEnum):
    """TLS's numbers (RFC 8446, section 4.2.3; ML-DSA: draft-ietf-tls-mldsa)."""

    ECDSA_SECP256R1_SHA256 = 0x0403
    ECDSA_SECP384R1_SHA384 = 0x0503
    ECDSA_SECP521R1_SHA512 = 0x0603
    ED25519 = 0x0807
    ED448 = 0x0808
    MLDSA44 = 0x0904
    MLDSA65 = 0x0905
    MLDSA87 = 0x0906


class Secret(bytes):
    """Bytes that nobody but their holder may see.

    Text made from it shows only the length, it cannot be pickled, and `==` takes the same time
    wherever the two differ. `bytes(secret)` and slices are plain bytes: who asks for those means to
    have them. Python cannot wipe memory; what this type prevents is secrets that leak by accident.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Secret of {len(self)} bytes>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, bytes):
            return NotImplemented
        return hmac.compare_digest(self, other)

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, bytes):
            return NotImplemented
        return not hmac.compare_digest(self, other)

    __hash__ = bytes.__hash__

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def hex(self, *args: object, **kwargs: object) -> NoReturn:
        """Refused: this would be the secret as text."""
        raise TypeError("a secret is not made into text")

    def decode(self, *args: object, **kwargs: object) -> NoReturn:
        """Refused: this would be the secret as text."""
        raise TypeError("a secret is not made into text")


# --- Keys -----------------------------------------------------------------------------------------


class HPKEKey:
    """An HPKE key pair. `secret` is the serialised private key; for post-quantum KEMs, the seed.

    The public key and the library's loaded private key are computed when first asked for, then
    kept.
    """

    __slots__ = ("_kem", "_loaded", "_public", "secret")

    def __init__(self, kem: KEM, secret: Secret) -> None:
        self.secret = secret
        self._kem = kem
        self._public: bytes | None = None
        self._loaded: Any = None

    def __repr__(self) -> str:
        return f"<HPKEKey for {self._kem.id.name}>"

    @property
    def public(self) -> bytes:
        """The public key as RFC 9180 serialises it."""
        if self._public is None:
            kem = self._kem
            if kem.quick_public and self._loaded is None:
                self._public = kem.public(self.secret)
            else:
                self._public = kem.public_of(self.loaded)
        return self._public

    @property
    def loaded(self) -> Any:
        """The library's private key. For `Suite`."""
        if self._loaded is None:
            self._loaded = self._kem.load_private(self.secret)
        return self._loaded


class SignatureKey:
    """A signature key pair. `secret` is the serialised private key (EdDSA, ML-DSA: the seed)."""

    __slots__ = ("loaded", "public", "scheme", "secret")

    def __init__(self, scheme: _Scheme, secret: Secret) -> None:
        self.scheme = scheme
        self.secret = secret
        #: The library's private key. For `Suite`.
        self.loaded, self.public = scheme.load(secret)

    def __repr__(self) -> str:
        return f"<SignatureKey for {self.scheme.id.name}>"


# --- Signature schemes ----------------------------------------------------------------------------


class _Scheme(ABC):
    """A signature scheme on serialised keys. `verify` never raises."""

    __slots__ = ("id", "private_size")

    id: SignatureScheme
    private_size: int

    def new(self, entropy: Entropy) -> bytes:
        """A serialised private key."""
        return entropy(self.private_size)

    @abstractmethod
    def load(self, private: bytes) -> tuple[Any, bytes]:
        """The library's private key and the serialised public key. Raises `UsageError`."""

    @abstractmethod
    def valid(self, public: bytes) -> bool:
        """Whether these bytes are a public key."""

    @abstractmethod
    def sign(self, loaded: Any, message: bytes) -> bytes:
        """A signature."""

    @abstractmethod
    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is one of `message` by `public`."""


# Points of small order are no keys: a signature by them says nothing about its message. Edwards
# points are y, little-endian, with x's lowest bit on top. On edwards25519, y is 0 (order 4), 1, -1
# or one of two values of order 8; on edwards448, 0, 1 or -1. Where x is 0 (y is 1 or -1) its sign
# bit must be 0 anyhow (RFC 8032, 5.1.3 and 5.2.3), so all combinations are listed.

_P25519 = 2**255 - 19
_P25519_TAIL = b"\xff" * 30 + b"\x7f"
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER_ED25519 = frozenset(
    (y | sign << 255).to_bytes(32, "little")
    for y in (0, 1, _P25519 - 1, _ORDER_8, _P25519 - _ORDER_8)
    for sign in (0, 1)
)

_P448 = 2**448 - 2**224 - 1
_L448 = 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885
_SMALL_ORDER_ED448 = frozenset(
    (y | sign << 455).to_bytes(57, "little") for y in (0, 1, _P448 - 1) for sign in (0, 1)
)


#: Messages longer than this are signed by OpenSSL: it gives the same signature and hashes faster.
_LONG = 1 << 15


class _Ed25519(_Scheme):
    """Ed25519 by libsodium, which refuses S >= L and small-order or non-canonical keys."""

    __slots__ = ()

    def __init__(self) -> None:
        self.id = SignatureScheme.ED25519
        self.private_size = 32

    def load(self, private: bytes) -> tuple[bytes, bytes]:
        if len(private) != 32:
            raise UsageError("an Ed25519 private key has 32 bytes")
        public, expanded = crypto_sign_seed_keypair(private)
        return Secret(expanded), public

    def valid(self, public: bytes) -> bool:
        if len(public) != 32 or public in _SMALL_ORDER_ED25519:
            return False
        return public[31] & 0x7F != 0x7F or public[0] < 0xED or public[1:31] != _P25519_TAIL[:30]

    def sign(self, loaded: bytes, message: bytes) -> bytes:
        if len(message) > _LONG:
            return ed25519.Ed25519PrivateKey.from_private_bytes(loaded[:32]).sign(message)
        return crypto_sign(message, loaded)[:64]

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        # The lengths must be checked here: libsodium takes signature and message as one string.
        if len(signature) != 64 or len(public) != 32:
            return False
        try:
            crypto_sign_open(signature + message, public)
        except CryptoError:
            return False
        return True


class _Ed448(_Scheme):
    __slots__ = ()

    def __init__(self) -> None:
        self.id = SignatureScheme.ED448
        self.private_size = 57

    def load(self, private: bytes) -> tuple[ed448.Ed448PrivateKey, bytes]:
        if len(private) != 57:
            raise UsageError("an Ed448 private key has 57 bytes")
        loaded = ed448.Ed448PrivateKey.from_private_bytes(private)
        return loaded, loaded.public_key().public_bytes_raw()

    def valid(self, public: bytes) -> bool:
        return (
            len(public) == 57
            and public not in _SMALL_ORDER_ED448
            and int.from_bytes(public, "little") & (1 << 455) - 1 < _P448
        )

    def sign(self, loaded: ed448.Ed448PrivateKey, message: bytes) -> bytes:
        return loaded.sign(message)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        if len(signature) != 114 or not self.valid(public):
            return False
        # RFC 8032, 5.2.7: S is below the order. R is held to what a key is held to.
        if int.from_bytes(signature[57:], "little") >= _L448 or not self.valid(signature[:57]):
            return False
        try:
            ed448.Ed448PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class _ECDSA(_Scheme):
    """ECDSA with DER signatures and uncompressed keys (RFC 9420, section 5.1.2)."""

    __slots__ = ("_curve", "_signing", "_verifying")

    def __init__(self, scheme: SignatureScheme, curve: Curve, digest: hashes.HashAlgorithm) -> None:
        self.id = scheme
        self.private_size = curve.scalar_size
        self._curve = curve
        self._signing = ec.ECDSA(digest, deterministic_signing=True)
        self._verifying = ec.ECDSA(digest)

    def new(self, entropy: Entropy) -> bytes:
        # FIPS 186-5, A.2.1: with 128 bits to spare the remainder is even enough, and one draw does.
        wide = int.from_bytes(entropy(self.private_size + 16), "big")
        return (wide % (self._curve.order - 1) + 1).to_bytes(self.private_size, "big")

    def load(self, private: bytes) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
        if not self._curve.scalar_valid(private):
            raise UsageError("no private key of this curve")
        loaded = self._curve.load_scalar(private)
        return loaded, self._curve.point(loaded.public_key())

    def valid(self, public: bytes) -> bool:
        return self._curve.point_valid(public)

    def sign(self, loaded: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
        return loaded.sign(message, self._signing)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            self._curve.load_point(public).verify(signature, message, self._verifying)
        except (InvalidSignature, ValueError):
            return False
        return True


class _MLDSA(_Scheme):
    """ML-DSA (FIPS 204), pure, with an empty context; private keys are 32-byte seeds."""

    __slots__ = ("_private", "_public", "_public_size")

    def __init__(
        self, scheme: SignatureScheme, public_size: int, private: Any, public: Any
    ) -> None:
        self.id = scheme
        self.private_size = 32
        self._public_size = public_size
        self._private = private
        self._public = public

    def load(self, private: bytes) -> tuple[Any, bytes]:
        if len(private) != 32:
            raise UsageError("an ML-DSA private key is a seed of 32 bytes")
        loaded = self._private.from_seed_bytes(private)
        return loaded, loaded.public_key().public_bytes_raw()

    def valid(self, public: bytes) -> bool:
        # Any bytes of the right length are a key: its numbers fill their ten bits (FIPS 204, 7.2).
        return len(public) == self._public_size

    def sign(self, loaded: Any, message: bytes) -> bytes:
        signature: bytes = loaded.sign(message)
        return signature

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            self._public.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


_SCHEMES: dict[SignatureScheme, _Scheme] = {
    scheme.id: scheme
    for scheme in (
        _Ed25519(),
        _Ed448(),
        _ECDSA(SignatureScheme.ECDSA_SECP256R1_SHA256, P256, hashes.SHA256()),
        _ECDSA(SignatureScheme.ECDSA_SECP384R1_SHA384, P384, hashes.SHA384()),
        _ECDSA(SignatureScheme.ECDSA_SECP521R1_SHA512, P521, hashes.SHA512()),
        _MLDSA(SignatureScheme.MLDSA44, 1312, mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey),
        _MLDSA(SignatureScheme.MLDSA65, 1952, mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey),
        _MLDSA(SignatureScheme.MLDSA87, 2592, mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey),
    )
}


# --- Labels ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _label(label: bytes) -> bytes:
    """`opaque label<V>` with the prefix that RFC 9420, 5.1.2, 5.1.3 and 8 put before it."""
    return codec.opaque(b"MLS 1.0 " + label)


@lru_cache(maxsize=1024)
def _kdf_label(label: bytes, length: int) -> bytes:
    """KDFLabel (section 8) up to its context."""
    return codec.u16(length) + _label(label)


@lru_cache(maxsize=1024)
def _kdf_block(label: bytes, length: int) -> bytes:
    """KDFLabel with an empty context, then HKDF's first counter: what DeriveSecret MACs."""
    return _kdf_label(label, length) + b"\x00\x01"


# --- Suites ---------------------------------------------------------------------------------------


class Suite:
    """One cipher suite. There is one object per suite, in `SUITES`."""

    __slots__ = (
        "_aead",
        "_hash",
        "_hash_name",
        "_hpke",
        "_scheme",
        "hash_length",
        "id",
        "key_length",
        "name",
        "nonce_length",
        "signature_scheme",
    )

    def __init__(
        self, suite: CipherSuite, kem: KEMId, kdf: KDFId, aead: AEADId, scheme: SignatureScheme
    ) -> None:
        self.id = suite
        self.name = suite.name
        self._hash_name, self.hash_length = KDF_HASHES[kdf]
        self._hash: Callable[[bytes], Any] = getattr(hashlib, self._hash_name)
        self.key_length = AEAD_KEYS[aead]
        self.nonce_length = 12
        self._aead: type[AESGCM] | type[ChaCha20Poly1305] = (
            ChaCha20Poly1305 if aead == AEADId.CHACHA20_POLY1305 else AESGCM
        )
        self._hpke = HPKE(kem, kdf, aead)
        self._scheme = _SCHEMES[scheme]
        self.signature_scheme = scheme

    def __repr__(self) -> str:
        return f"<Suite {self.name}>"

    # Hash and MAC

    def hash(self, data: bytes) -> bytes:
        """The suite's hash of `data`."""
        digest: bytes = self._hash(data).digest()
        return digest

    def mac(self, key: bytes, data: bytes) -> bytes:
        """HMAC with the suite's hash (section 5.2)."""
        return hmac.digest(key, data, self._hash_name)

    def mac_matches(self, key: bytes, data: bytes, tag: bytes) -> bool:
        """Whether `tag` is the whole MAC of `data`, in constant time. A part of it is not."""
        return hmac.compare_digest(hmac.digest(key, data, self._hash_name), tag)

    # Key derivation

    def extract(self, salt: bytes, ikm: bytes) -> Secret:
        """KDF.Extract."""
        return Secret(hmac.digest(salt, ikm, self._hash_name))

    def expand(self, prk: bytes, info: bytes, length: int) -> Secret:
        """KDF.Expand. Raises `UsageError` for more than 255 hashes' length."""
        if length > 255 * self.hash_length:
            raise UsageError("HKDF gives at most 255 blocks")
        return Secret(expand(self._hash_name, self.hash_length, prk, info, length))

    def expand_with_label(self, secret: bytes, label: bytes, context: bytes, length: int) -> Secret:
        """ExpandWithLabel (section 8). `label` without its prefix "MLS 1.0 "."""
        if length > self.hash_length:
            if length > 255 * self.hash_length:
                raise UsageError("HKDF gives at most 255 blocks")
            info = _kdf_label(label, length) + codec.opaque(context)
            return Secret(expand(self._hash_name, self.hash_length, secret, info, length))
        block = (
            _kdf_label(label, length) + codec.opaque(context) + b"\x01"
            if context
            else _kdf_block(label, length)
        )
        digest = hmac.digest(secret, block, self._hash_name)
        return Secret(digest if length == self.hash_length else digest[:length])

    def derive_secret(self, secret: bytes, label: bytes) -> Secret:
        """DeriveSecret (section 8)."""
        return Secret(hmac.digest(secret, _kdf_block(label, self.hash_length), self._hash_name))

    def derive_tree_secret(
        self, secret: bytes, label: bytes, generation: int, length: int
    ) -> Secret:
        """DeriveTreeSecret (section 9)."""
        return self.expand_with_label(secret, label, generation.to_bytes(4, "big"), length)

    def ref_hash(self, label: bytes, value: bytes) -> bytes:
        """RefHash (section 5.2). `label` in full: the RFC puts no prefix before this one."""
        digest: bytes = self._hash(codec.opaque(label) + codec.opaque(value)).digest()
        return digest

    # Symmetric encryption

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """AEAD.Seal."""
        return self._aead(key).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """AEAD.Open. Raises `DecryptionFailed`."""
        try:
            return self._aead(key).decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            raise DecryptionFailed(17, "6.3.1", "a ciphertext does not open") from None

    # Signatures

    def new_signature_key(self, entropy: Entropy) -> SignatureKey:
        """A fresh signature key pair."""
        return SignatureKey(self._scheme, Secret(self._scheme.new(entropy)))

    def signature_key(self, secret: bytes) -> SignatureKey:
        """The key pair of a stored private key. Raises `UsageError` if it is no private key."""
        return SignatureKey(self._scheme, Secret(secret))

    def signature_key_valid(self, public: bytes) -> bool:
        """Whether these bytes may stand as a signature key: size, form, no point of small order."""
        return self._scheme.valid(public)

    def sign_with_label(self, key: SignatureKey, label: bytes, content: bytes) -> bytes:
        """SignWithLabel (section 5.1.2). Raises `UsageError` for a key of another scheme."""
        if key.scheme is not self._scheme:
            raise UsageError("a signature key is not of this cipher suite's scheme")
        return self._scheme.sign(key.loaded, _label(label) + codec.opaque(content))

    def verify_with_label(
        self, public: bytes, label: bytes, content: bytes, signature: bytes
    ) -> bool:
        """VerifyWithLabel (section 5.1.2). Whatever is wrong, with key or signature: False."""
        return self._scheme.verify(public, _label(label) + codec.opaque(content), signature)

    # Public key encryption

    def new_hpke_key(self, entropy: Entropy) -> HPKEKey:
        """A fresh HPKE key pair."""
        return self.derive_key_pair(entropy(self._hpke.kem.private_size))

    def derive_key_pair(self, ikm: bytes) -> HPKEKey:
        """KEM.DeriveKeyPair (RFC 9180, section 7.1.3)."""
        return HPKEKey(self._hpke.kem, Secret(self._hpke.kem.derive(ikm)))

    def hpke_key(self, secret: bytes) -> HPKEKey:
        """The key pair of a stored private key. Raises `UsageError` if it is no private key."""
        if not self._hpke.kem.private_valid(secret):
            raise UsageError("no private key of this suite's KEM")
        return HPKEKey(self._hpke.kem, Secret(secret))

    def hpke_public_valid(self, public: bytes) -> bool:
        """Whether these bytes may stand as an HPKE public key (RFC 9180, section 7.1.4)."""
        return self._hpke.kem.public_valid(public)

    def encrypt_with_label(
        self, public: bytes, label: bytes, context: bytes, plaintext: bytes
    ) -> tuple[bytes, bytes]:
        """EncryptWithLabel (section 5.1.3): encapsulated key and ciphertext.

        Raises `InvalidMessage` if `public`, a peer's, is no public key.
        """
        info = _label(label) + codec.opaque(context)
        try:
            return self._hpke.seal(public, info, plaintext)
        except ValueError:
            raise _no_public_key() from None

    def encrypt_each_with_label(
        self,
        label: bytes,
        context: bytes,
        messages: Sequence[tuple[bytes, bytes]],
        parallel: Parallel = map,
    ) -> list[tuple[bytes, bytes]]:
        """EncryptWithLabel for many (public key, plaintext) in one context, which is hashed once.

        The work is shared out over `parallel`. Raises `InvalidMessage` if one of the keys, a peer's,
        is no public key.
        """
        seal = self._hpke.sealer(_label(label) + codec.opaque(context))

        def seal_chunk(chunk: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
            return [seal(public, plaintext) for public, plaintext in chunk]

        chunks = [messages[i : i + _CHUNK] for i in range(0, len(messages), _CHUNK)]
        try:
            return [sealed for chunk in parallel(seal_chunk, chunks) for sealed in chunk]
        except ValueError:
            raise _no_public_key() from None

    def decrypt_with_label(
        self, key: HPKEKey, label: bytes, context: bytes, kem_output: bytes, ciphertext: bytes
    ) -> bytes:
        """DecryptWithLabel (section 5.1.3). Raises `DecryptionFailed`."""
        info = _label(label) + codec.opaque(context)
        try:
            return self._hpke.open(key, info, kem_output, ciphertext)
        except InvalidTag:
            raise DecryptionFailed(78, "5.1.3", "a ciphertext for our key does not open") from None

    def export_to(
        self, public: bytes, exporter_context: bytes, length: int, *, entropy: Entropy
    ) -> tuple[bytes, Secret]:
        """A secret shared with the holder of `public`, and what it needs to get it (section 8.3).

        Raises `InvalidMessage` if `public`, a peer's, is no public key.
        """
        try:
            enc, secret = self._hpke.export_to(public, b"", exporter_context, length, entropy)
        except ValueError:
            raise _no_public_key() from None
        return enc, Secret(secret)

    def export_from(
        self, key: HPKEKey, kem_output: bytes, exporter_context: bytes, length: int
    ) -> Secret:
        """The secret behind `kem_output` (section 8.3). Raises `InvalidMessage`."""
        try:
            secret = self._hpke.export_from(key, b"", kem_output, exporter_context, length)
        except ValueError:
            raise InvalidMessage(105, "8.3", "an encapsulated key is malformed") from None
        return Secret(secret)


def _no_public_key() -> InvalidMessage:
    return InvalidMessage(26, "5.1.1", "no public key of the suite's KEM")


def _suites() -> dict[int, Suite]:
    c, s = CipherSuite, SignatureScheme
    x25519, x448 = KEMId.DHKEM_X25519, KEMId.DHKEM_X448
    xwing, kem768, kem1024 = KEMId.MLKEM768_X25519, KEMId.MLKEM768, KEMId.MLKEM1024
    sha256, sha384, sha512 = KDFId
    aes128, aes256, chacha = AEADId
    p256, p384 = s.ECDSA_SECP256R1_SHA256, s.ECDSA_SECP384R1_SHA384
    table: list[tuple[CipherSuite, KEMId, KDFId, AEADId, SignatureScheme]] = [
        (c.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, x25519, sha256, aes128, s.ED25519),
        (c.MLS_128_DHKEMP256_AES128GCM_SHA256_P256, KEMId.DHKEM_P256, sha256, aes128, p256),
        (c.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519, x25519, sha256, chacha, s.ED25519),
        (c.MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448, x448, sha512, aes256, s.ED448),
        (
            c.MLS_256_DHKEMP521_AES256GCM_SHA512_P521,
            KEMId.DHKEM_P521,
            sha512,
            aes256,
            s.ECDSA_SECP521R1_SHA512,
        ),
        (c.MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448, x448, sha512, chacha, s.ED448),
        (c.MLS_256_DHKEMP384_AES256GCM_SHA384_P384, KEMId.DHKEM_P384, sha384, aes256, p384),
        (c.MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519, xwing, sha256, aes128, s.ED25519),
        (c.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519, xwing, sha384, aes256, s.ED25519),
        (c.MLS_128_MLKEM768P256_AES128GCM_SHA256_P256, KEMId.MLKEM768_P256, sha256, aes128, p256),
        (c.MLS_128_MLKEM768P256_AES256GCM_SHA384_P256, KEMId.MLKEM768_P256, sha384, aes256, p256),
        (c.MLS_192_MLKEM1024P384_AES256GCM_SHA384_P384, KEMId.MLKEM1024_P384, sha384, aes256, p384),
        (c.MLS_128_MLKEM768_AES256GCM_SHA384_Ed25519, kem768, sha384, aes256, s.ED25519),
        (c.MLS_128_MLKEM768_AES256GCM_SHA384_P256, kem768, sha384, aes256, p256),
        (c.MLS_192_MLKEM1024_AES256GCM_SHA384_P384, kem1024, sha384, aes256, p384),
        (
            c.MLS_128_MLKEM768X25519_CHACHA20POLY1305_SHA384_MLDSA44,
            xwing,
            sha384,
            chacha,
            s.MLDSA44,
        ),
        (c.MLS_192_MLKEM768_AES256GCM_SHA384_MLDSA65, kem768, sha384, aes256, s.MLDSA65),
        (c.MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87, kem1024, sha384, aes256, s.MLDSA87),
    ]
    return {int(row[0]): Suite(*row) for row in table}


#: Every suite we have, by its number on the wire.
SUITES: Mapping[int, Suite] = MappingProxyType(_suites())


def suite_of(number: int) -> Suite:
    """The suite with this number. Raises `UsageError` if we do not have it."""
    try:
        return SUITES[number]
    except KeyError:
        raise UsageError("a cipher suite that we do not have") from None
