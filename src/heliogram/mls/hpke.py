"""Hybrid public key encryption, RFC 9180, base mode: the part of it that MLS needs.

A suite is a KEM, a KDF and an AEAD. Sealing and opening one message is done by the library
(`cryptography`) where it has the KEM. Three things it does not have and are written out here:
deriving a key pair from a seed (section 7.1.3), exporting a secret instead of sealing a message
(section 5.3), and the KEMs X448 and MLKEM768-P256. So every KEM is here as a whole; the tests hold
ours and the library's against each other.

The post-quantum KEMs follow draft-ietf-hpke-pq. Their private key is a *seed* (32 bytes, 64 for
pure ML-KEM), from which the parts are expanded; the seed is what is stored and what `DeriveKeyPair`
gives back. Note that draft-connolly-cfrg-xwing-kem derives the seed differently; MLS follows
draft-ietf-hpke-pq.

Randomness comes from the caller's `entropy`, with one exception: sealing a message and
encapsulating to an ML-KEM key use what the libraries draw, since they take none from outside.

Nothing here knows MLS. What is no key of its KEM raises `ValueError`; what does not open,
`InvalidTag`.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import Any, ClassVar, Protocol, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke as pyca
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x448, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base, randombytes

Entropy: TypeAlias = Callable[[int], bytes]

_VERSION = b"HPKE-v1"


class KEMId(IntEnum):
    """The KEMs here, by their number in the HPKE registry and in draft-ietf-hpke-pq."""

    DHKEM_P256 = 0x0010
    DHKEM_P384 = 0x0011
    DHKEM_P521 = 0x0012
    DHKEM_X25519 = 0x0020
    DHKEM_X448 = 0x0021
    MLKEM768 = 0x0041
    MLKEM1024 = 0x0042
    MLKEM768_P256 = 0x0050
    MLKEM1024_P384 = 0x0051
    MLKEM768_X25519 = 0x647A


class KDFId(IntEnum):
    """The KDFs here. MLS has no use for the one-stage ones of draft-ietf-hpke-pq."""

    HKDF_SHA256 = 1
    HKDF_SHA384 = 2
    HKDF_SHA512 = 3


class AEADId(IntEnum):
    """The AEADs here."""

    AES_128_GCM = 1
    AES_256_GCM = 2
    CHACHA20_POLY1305 = 3


# --- KDF ------------------------------------------------------------------------------------------


#: Name and output size of the hash of each KDF.
KDF_HASHES = {
    KDFId.HKDF_SHA256: ("sha256", 32),
    KDFId.HKDF_SHA384: ("sha384", 48),
    KDFId.HKDF_SHA512: ("sha512", 64),
}

#: Key size of each AEAD. All three have nonces of 12 bytes and tags of 16.
AEAD_KEYS = {AEADId.AES_128_GCM: 16, AEADId.AES_256_GCM: 32, AEADId.CHACHA20_POLY1305: 32}


def expand(hash_name: str, hash_size: int, prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869, section 2.3). Up to one hash long, that is a single HMAC."""
    if length <= hash_size:
        return hmac.digest(prk, info + b"\x01", hash_name)[:length]
    if length > 255 * hash_size:
        raise ValueError("HKDF gives at most 255 blocks")
    block = b""
    blocks = []
    for counter in range(1, -(-length // hash_size) + 1):
        block = hmac.digest(prk, block + info + counter.to_bytes(1, "big"), hash_name)
        blocks.append(block)
    return b"".join(blocks)[:length]


class _LabeledKDF:
    """LabeledExtract and LabeledExpand for one `suite_id` (RFC 9180, section 4)."""

    __slots__ = ("hash_name", "hash_size", "prefix", "suite_id")

    def __init__(self, kdf: KDFId, suite_id: bytes) -> None:
        self.hash_name, self.hash_size = KDF_HASHES[kdf]
        self.suite_id = suite_id
        self.prefix = _VERSION + suite_id

    def extract(self, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt, self.prefix + label + ikm, self.hash_name)

    def expand(self, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
        labeled = length.to_bytes(2, "big") + self.prefix + label + info
        return expand(self.hash_name, self.hash_size, prk, labeled, length)


# --- KEMs -----------------------------------------------------------------------------------------


class KEM(ABC):
    """A key encapsulation mechanism: serialised keys in, shared secrets out (RFC 9180, section 4).

    `load_private` and `load_public` give what the library works with; loading is dear (a private
    X25519 key costs as much as a Diffie-Hellman), so callers keep what they loaded.
    """

    __slots__ = (
        "enc_size",
        "id",
        "library",
        "private_size",
        "public_size",
        "secret_size",
        "suite_id",
    )

    id: KEMId
    suite_id: bytes
    secret_size: int
    enc_size: int
    public_size: int
    private_size: int
    #: Whether `public` is quicker than `load_private`, so that a key need not be loaded for it.
    quick_public: ClassVar[bool] = False
    #: The library's name of this KEM, or None if it has none.
    library: pyca.KEM | None

    def _set(
        self,
        kem_id: KEMId,
        sizes: tuple[int, int, int, int],
        in_library: pyca.KEM | None,
    ) -> None:
        self.id = kem_id
        self.suite_id = b"KEM" + kem_id.to_bytes(2, "big")
        self.secret_size, self.enc_size, self.public_size, self.private_size = sizes
        self.library = in_library

    @abstractmethod
    def derive(self, ikm: bytes) -> bytes:
        """The serialised private key that `ikm` stands for (DeriveKeyPair, section 7.1.3)."""

    @abstractmethod
    def private_valid(self, private: bytes) -> bool:
        """Whether these bytes are a serialised private key."""

    @abstractmethod
    def public_valid(self, public: bytes) -> bool:
        """Whether these bytes are a public key that is safe to use (section 7.1.4). Quick."""

    @abstractmethod
    def public_of(self, loaded: Any) -> bytes:
        """The serialised public key of a loaded private key."""

    def public(self, private: bytes) -> bytes:
        """The serialised public key."""
        return self.public_of(self.load_private(private))

    @abstractmethod
    def load_private(self, private: bytes) -> Any:
        """The library's private key."""

    @abstractmethod
    def load_public(self, public: bytes) -> Any:
        """The library's public key. Raises `ValueError` where `public_valid` says no."""

    @abstractmethod
    def encap(self, public: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        """A fresh shared secret and its encapsulation to `public`."""

    @abstractmethod
    def decap(self, loaded: Any, public: bytes, enc: bytes) -> bytes:
        """The shared secret in `enc`; `loaded` and `public` are the receiver's pair."""


class _DHKEM(KEM):
    """DHKEM(Group, HKDF) (RFC 9180, section 4.1); its children are the groups."""

    __slots__ = ("kdf",)

    def _set_group(
        self,
        kem_id: KEMId,
        kdf: KDFId,
        public_size: int,
        private_size: int,
        in_library: pyca.KEM | None,
    ) -> None:
        secret_size = KDF_HASHES[kdf][1]
        self._set(kem_id, (secret_size, public_size, public_size, private_size), in_library)
        self.kdf = _LabeledKDF(kdf, self.suite_id)

    @abstractmethod
    def dh(self, loaded: Any, public: bytes) -> bytes:
        """The Diffie-Hellman value. Raises `ValueError` for a bad point or a zero result."""

    def dh_once(self, private: bytes, public: bytes) -> bytes:
        """`dh` for a private key that is used once, so that loading it need not pay."""
        return self.dh(self.load_private(private), public)

    def encap(self, public: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        ephemeral = self.derive(entropy(self.private_size))
        enc = self.public(ephemeral)
        return self._shared_secret(self.dh_once(ephemeral, public), enc, public), enc

    def decap(self, loaded: Any, public: bytes, enc: bytes) -> bytes:
        return self._shared_secret(self.dh(loaded, enc), enc, public)

    def _shared_secret(self, dh: bytes, enc: bytes, public: bytes) -> bytes:
        prk = self.kdf.extract(b"", b"eae_prk", dh)
        return self.kdf.expand(prk, b"shared_secret", enc + public, self.secret_size)


# X25519 and X448 (RFC 7748). A public key is a u-coordinate, little-endian. Receivers reduce it modulo p, and
# X25519 drops the top bit, so some points have several spellings, all of them legal (section 5). Points of
# small order are not: everybody gets the same, all-zero, Diffie-Hellman value from them. To know them by
# sight is a hundred times quicker than to try (RFC 9180, 7.1.4).

_P25519 = 2**255 - 19
_SMALL_ORDER_X25519 = frozenset(
    (u | top << 255).to_bytes(32, "little")
    for u in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _P25519 - 1,
        _P25519,
        _P25519 + 1,
    )
    for top in (0, 1)
)

_P448 = 2**448 - 2**224 - 1
_SMALL_ORDER_X448 = frozenset(u.to_bytes(56, "little") for u in (0, 1, _P448 - 1, _P448, _P448 + 1))


class _X25519(_DHKEM):
    __slots__ = ()

    quick_public = True

    def __init__(self) -> None:
        self._set_group(KEMId.DHKEM_X25519, KDFId.HKDF_SHA256, 32, 32, pyca.KEM.X25519)

    def derive(self, ikm: bytes) -> bytes:
        return self.kdf.expand(self.kdf.extract(b"", b"dkp_prk", ikm), b"sk", b"", 32)

    def private_valid(self, private: bytes) -> bool:
        return len(private) == 32

    def public_valid(self, public: bytes) -> bool:
        return len(public) == 32 and public not in _SMALL_ORDER_X25519

    def public(self, private: bytes) -> bytes:
        return crypto_scalarmult_base(private)

    def public_of(self, loaded: x25519.X25519PrivateKey) -> bytes:
        return loaded.public_key().public_bytes_raw()

    def load_private(self, private: bytes) -> x25519.X25519PrivateKey:
        return x25519.X25519PrivateKey.from_private_bytes(private)

    def load_public(self, public: bytes) -> x25519.X25519PublicKey:
        if not self.public_valid(public):
            raise ValueError("no public key of this KEM")
        return x25519.X25519PublicKey.from_public_bytes(public)

    def dh(self, loaded: x25519.X25519PrivateKey, public: bytes) -> bytes:
        return loaded.exchange(self.load_public(public))

    def dh_once(self, private: bytes, public: bytes) -> bytes:
        if not self.public_valid(public):
            raise ValueError("no public key of this KEM")
        return crypto_scalarmult(private, public)


class _X448(_DHKEM):
    __slots__ = ()

    def __init__(self) -> None:
        self._set_group(KEMId.DHKEM_X448, KDFId.HKDF_SHA512, 56, 56, None)

    def derive(self, ikm: bytes) -> bytes:
        return self.kdf.expand(self.kdf.extract(b"", b"dkp_prk", ikm), b"sk", b"", 56)

    def private_valid(self, private: bytes) -> bool:
        return len(private) == 56

    def public_valid(self, public: bytes) -> bool:
        return len(public) == 56 and public not in _SMALL_ORDER_X448

    def public_of(self, loaded: x448.X448PrivateKey) -> bytes:
        return loaded.public_key().public_bytes_raw()

    def load_private(self, private: bytes) -> x448.X448PrivateKey:
        return x448.X448PrivateKey.from_private_bytes(private)

    def load_public(self, public: bytes) -> x448.X448PublicKey:
        if not self.public_valid(public):
            raise ValueError("no public key of this KEM")
        return x448.X448PublicKey.from_public_bytes(public)

    def dh(self, loaded: x448.X448PrivateKey, public: bytes) -> bytes:
        return loaded.exchange(self.load_public(public))


class Curve:
    """A NIST curve: points uncompressed (0x04, X, Y), scalars big-endian, sizes fixed."""

    __slots__ = ("curve", "mask", "order", "point_size", "scalar_size")

    def __init__(self, curve: ec.EllipticCurve, order: int) -> None:
        self.curve = curve
        self.order = order
        self.scalar_size = (curve.key_size + 7) // 8
        self.point_size = 1 + 2 * self.scalar_size
        #: What of a random first byte may be kept (RFC 9180, section 7.1.3): P-521 has one bit
        #: there.
        self.mask = 0x01 if curve.key_size == 521 else 0xFF

    def scalar_valid(self, scalar: bytes) -> bool:
        """Whether these bytes are a scalar from 1 to the order less one."""
        return len(scalar) == self.scalar_size and 0 < int.from_bytes(scalar, "big") < self.order

    def point_valid(self, point: bytes) -> bool:
        """Whether these bytes are an uncompressed point of the curve."""
        try:
            self.load_point(point)
        except ValueError:
            return False
        return True

    def load_scalar(self, scalar: bytes) -> ec.EllipticCurvePrivateKey:
        """The library's private key."""
        return ec.derive_private_key(int.from_bytes(scalar, "big"), self.curve)

    def load_point(self, point: bytes) -> ec.EllipticCurvePublicKey:
        """The library's public key. Raises `ValueError` unless uncompressed and on the curve."""
        # The library would take compressed points too; RFC 9180, 7.1.1 and RFC 9420, 5.1.1 have one
        # form.
        if len(point) != self.point_size or point[0] != 4:
            raise ValueError("no uncompressed point")
        return ec.EllipticCurvePublicKey.from_encoded_point(self.curve, point)

    def point(self, key: ec.EllipticCurvePublicKey) -> bytes:
        """A public key's point, uncompressed."""
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


P256 = Curve(ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)
P384 = Curve(ec.SECP384R1(), 2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D)
P521 = Curve(
    ec.SECP521R1(), 2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7
)


class _NIST(_DHKEM):
    __slots__ = ("curve",)

    def __init__(self, kem_id: KEMId, kdf: KDFId, curve: Curve, in_library: pyca.KEM) -> None:
        self._set_group(kem_id, kdf, curve.point_size, curve.scalar_size, in_library)
        self.curve = curve

    def derive(self, ikm: bytes) -> bytes:
        prk = self.kdf.extract(b"", b"dkp_prk", ikm)
        for counter in range(256):
            wide = self.kdf.expand(prk, b"candidate", counter.to_bytes(1, "big"), self.private_size)
            candidate = bytes((wide[0] & self.curve.mask,)) + wide[1:]
            if self.curve.scalar_valid(candidate):
                return candidate
        raise ValueError(
            "no key pair in 256 candidates"
        )  # for P-521 once in 2**256 seeds, others rarer

    def private_valid(self, private: bytes) -> bool:
        return self.curve.scalar_valid(private)

    def public_valid(self, public: bytes) -> bool:
        return self.curve.point_valid(public)

    def public_of(self, loaded: ec.EllipticCurvePrivateKey) -> bytes:
        return self.curve.point(loaded.public_key())

    def load_private(self, private: bytes) -> ec.EllipticCurvePrivateKey:
        return self.curve.load_scalar(private)

    def load_public(self, public: bytes) -> ec.EllipticCurvePublicKey:
        return self.curve.load_point(public)

    def dh(self, loaded: ec.EllipticCurvePrivateKey, public: bytes) -> bytes:
        return loaded.exchange(ec.ECDH(), self.curve.load_point(public))


# ML-KEM (FIPS 203). An encapsulation key is 256*k numbers of 12 bits, each below q, and a 32-byte
# seed.

_Q = 3329


class _ModulusCheck:
    """Whether every 12-bit number in an encapsulation key is below q (FIPS 203, section 7.2).

    All numbers at once: adding 2**12 - q to each carries out of a field exactly if it holds q or
    more. (The lowest such field is reached by no carry from below; where there is none, nothing
    carries at all.)
    """

    __slots__ = ("addend", "carries", "size")

    def __init__(self, rank: int) -> None:
        fields = 256 * rank
        self.size = 384 * rank
        ones = sum(1 << (12 * field) for field in range(fields))
        self.addend = (4096 - _Q) * ones
        self.carries = ones << 12

    def passes(self, public: bytes) -> bool:
        fields = int.from_bytes(public[: self.size], "little")
        return not ((fields + self.addend) ^ fields ^ self.addend) & self.carries


class _MLKEM(KEM):
    """ML-KEM alone; the private key is FIPS 203's seed, d and z (draft-ietf-hpke-pq)."""

    __slots__ = ("_modulus", "_private", "_public")

    def __init__(self, kem_id: KEMId, rank: int, in_library: pyca.KEM) -> None:
        enc_size = 1088 if rank == 3 else 1568
        self._set(kem_id, (32, enc_size, 384 * rank + 32, 64), in_library)
        self._modulus = _ModulusCheck(rank)
        self._private: Any = mlkem.MLKEM768PrivateKey if rank == 3 else mlkem.MLKEM1024PrivateKey
        self._public: Any = mlkem.MLKEM768PublicKey if rank == 3 else mlkem.MLKEM1024PublicKey

    def derive(self, ikm: bytes) -> bytes:
        return _derive_seed(self, ikm)

    def private_valid(self, private: bytes) -> bool:
        return len(private) == 64

    def public_valid(self, public: bytes) -> bool:
        return len(public) == self.public_size and self._modulus.passes(public)

    def public_of(self, loaded: Any) -> bytes:
        public: bytes = loaded.public_key().public_bytes_raw()
        return public

    def load_private(self, private: bytes) -> Any:
        return self._private.from_seed_bytes(private)

    def load_public(self, public: bytes) -> Any:
        return self._public.from_public_bytes(public)

    def encap(self, public: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        shared, enc = self.load_public(public).encapsulate()  # the library's own randomness
        return shared, enc

    def decap(self, loaded: Any, public: bytes, enc: bytes) -> bytes:
        shared: bytes = loaded.decapsulate(enc)
        return shared


class _Hybrid(KEM):
    """ML-KEM and a group together; an attacker must break both.

    draft-ietf-hpke-pq and draft-irtf-cfrg-concrete-hybrid-kems. MLKEM768-X25519 is X-Wing but for
    the way a key pair is derived. A private key is loaded as the tuple (ML-KEM key, group key, both
    for the library).
    """

    __slots__ = ("_combine_private", "_combine_public", "_group", "_label", "_pq", "_scalars")

    def __init__(
        self,
        kem_id: KEMId,
        pq: _MLKEM,
        group: _DHKEM,
        label: bytes,
        scalars: int,
        in_library: tuple[pyca.KEM, Any, Any] | None,
    ) -> None:
        sizes = (32, pq.enc_size + group.enc_size, pq.public_size + group.public_size, 32)
        self._set(kem_id, sizes, in_library[0] if in_library else None)
        #: The library's constructors of hybrid keys from their parts.
        self._combine_private: Any = in_library[1] if in_library else None
        self._combine_public: Any = in_library[2] if in_library else None
        self._pq = pq
        self._group = group
        self._label = label
        #: How many scalars a seed has room for; the first that is one is taken (P-256 may need
        #: another).
        self._scalars = scalars

    def derive(self, ikm: bytes) -> bytes:
        return _derive_seed(self, ikm)

    def private_valid(self, private: bytes) -> bool:
        return len(private) == 32

    def public_valid(self, public: bytes) -> bool:
        size = self._pq.public_size
        return (
            len(public) == self.public_size
            and self._group.public_valid(public[size:])
            and self._pq.public_valid(public[:size])
        )

    def public_of(self, loaded: Any) -> bytes:
        return self._pq.public_of(loaded[0]) + self._group.public_of(loaded[1])

    def load_private(self, private: bytes) -> Any:
        pq_seed, scalar = self._parts(private)
        pq = self._pq.load_private(pq_seed)
        group = self._group.load_private(scalar)
        whole = self._combine_private(pq, group) if self._combine_private else None
        return pq, group, whole

    def load_public(self, public: bytes) -> Any:
        pq, group = self._split(public, self._pq.public_size)
        return self._combine_public(self._pq.load_public(pq), self._group.load_public(group))

    def encap(self, public: bytes, entropy: Entropy) -> tuple[bytes, bytes]:
        pq_public, group_public = self._split(public, self._pq.public_size)
        pq_secret, pq_enc = self._pq.encap(pq_public, entropy)
        ephemeral = self._scalar(entropy(self._scalars * self._group.private_size))
        group_enc = self._group.public(ephemeral)
        group_secret = self._group.dh_once(ephemeral, group_public)
        shared = self._combine(pq_secret, group_secret, group_enc, group_public)
        return shared, pq_enc + group_enc

    def decap(self, loaded: Any, public: bytes, enc: bytes) -> bytes:
        pq_enc, group_enc = self._split(enc, self._pq.enc_size)
        group_secret = self._group.dh(loaded[1], group_enc)
        pq_secret = self._pq.decap(loaded[0], b"", pq_enc)
        return self._combine(pq_secret, group_secret, group_enc, public[self._pq.public_size :])

    def _combine(self, pq: bytes, group: bytes, group_enc: bytes, group_public: bytes) -> bytes:
        return hashlib.sha3_256(pq + group + group_enc + group_public + self._label).digest()

    def _split(self, both: bytes, first: int) -> tuple[bytes, bytes]:
        return both[:first], both[first:]

    def _parts(self, seed: bytes) -> tuple[bytes, bytes]:
        size = self._scalars * self._group.private_size
        wide = hashlib.shake_256(seed).digest(64 + size)
        return wide[:64], self._scalar(wide[64:])

    def _scalar(self, wide: bytes) -> bytes:
        size = self._group.private_size
        for start in range(0, len(wide), size):
            scalar = wide[start : start + size]
            if self._group.private_valid(scalar):
                return scalar
        raise ValueError("no scalar in the seed")  # once in 2**128 seeds


def _derive_seed(kem: KEM, ikm: bytes) -> bytes:
    """SHAKE256.LabeledDerive(ikm, "DeriveKeyPair", "", Nsk) (draft-ietf-hpke-pq)."""
    label = b"DeriveKeyPair"
    size = kem.private_size
    head = _VERSION + kem.suite_id + len(label).to_bytes(2, "big") + label + size.to_bytes(2, "big")
    return hashlib.shake_256(ikm + head).digest(size)


def _kems() -> dict[KEMId, KEM]:
    x = _X25519()
    p256 = _NIST(KEMId.DHKEM_P256, KDFId.HKDF_SHA256, P256, pyca.KEM.P256)
    p384 = _NIST(KEMId.DHKEM_P384, KDFId.HKDF_SHA384, P384, pyca.KEM.P384)
    p521 = _NIST(KEMId.DHKEM_P521, KDFId.HKDF_SHA512, P521, pyca.KEM.P521)
    small = _MLKEM(KEMId.MLKEM768, 3, pyca.KEM.MLKEM768)
    large = _MLKEM(KEMId.MLKEM1024, 4, pyca.KEM.MLKEM1024)
    xwing = (
        pyca.KEM.MLKEM768_X25519,
        pyca.MLKEM768X25519PrivateKey,
        pyca.MLKEM768X25519PublicKey,
    )
    with_p384 = (
        pyca.KEM.MLKEM1024_P384,
        pyca.MLKEM1024P384PrivateKey,
        pyca.MLKEM1024P384PublicKey,
    )
    kems: list[KEM] = [
        x,
        _X448(),
        p256,
        p384,
        p521,
        small,
        large,
        _Hybrid(KEMId.MLKEM768_X25519, small, x, b"\\.//^\\", 1, xwing),
        _Hybrid(KEMId.MLKEM768_P256, small, p256, b"MLKEM768-P256", 4, None),
        _Hybrid(KEMId.MLKEM1024_P384, large, p384, b"MLKEM1024-P384", 1, with_p384),
    ]
    return {kem.id: kem for kem in kems}


KEMS: dict[KEMId, KEM] = _kems()


# --- HPKE -----------------------------------------------------------------------------------------


class KeyPair(Protocol):
    """A receiver's keys: the library's private key and the serialised public one."""

    @property
    def loaded(self) -> Any: ...
    @property
    def public(self) -> bytes: ...


class KeySchedule:
    """What comes after the shared secret, in base mode (RFC 9180, sections 5.1 and 5.3)."""

    __slots__ = ("_kdf", "_key_size", "_psk_hash")

    def __init__(self, suite_id: bytes, kdf: KDFId, aead: AEADId) -> None:
        self._kdf = _LabeledKDF(kdf, suite_id)
        self._key_size = AEAD_KEYS[aead]
        self._psk_hash = self._kdf.extract(b"", b"psk_id_hash", b"")

    def context(self, info: bytes) -> bytes:
        """key_schedule_context: what all messages under one `info` share."""
        return b"\x00" + self._psk_hash + self._kdf.extract(b"", b"info_hash", info)

    def keys(self, shared: bytes, context: bytes) -> tuple[bytes, bytes]:
        """Key and base nonce."""
        kdf = self._kdf
        secret = kdf.extract(shared, b"secret", b"")
        return (
            kdf.expand(secret, b"key", context, self._key_size),
            kdf.expand(secret, b"base_nonce", context, 12),
        )

    def exporter(self, shared: bytes, context: bytes) -> bytes:
        """The exporter secret."""
        kdf = self._kdf
        return kdf.expand(kdf.extract(shared, b"secret", b""), b"exp", context, kdf.hash_size)

    def export(self, exporter_secret: bytes, context: bytes, length: int) -> bytes:
        """Context.Export (section 5.3)."""
        return self._kdf.expand(exporter_secret, b"sec", context, length)


class HPKE:
    """One suite in base mode: single messages and single exports (RFC 9180, section 6)."""

    __slots__ = ("_aead", "_library", "kem", "schedule")

    def __init__(self, kem: KEMId, kdf: KDFId, aead: AEADId) -> None:
        self.kem = KEMS[kem]
        suite_id = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (kem, kdf, aead))
        self.schedule = KeySchedule(suite_id, kdf, aead)
        self._aead = ChaCha20Poly1305 if aead == AEADId.CHACHA20_POLY1305 else AESGCM
        self._library: pyca.Suite | None = None
        if self.kem.library is not None:
            self._library = pyca.Suite(
                self.kem.library, getattr(pyca.KDF, kdf.name), getattr(pyca.AEAD, aead.name)
            )

    def seal(self, public: bytes, info: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        """Encapsulated key and ciphertext, no associated data. Bad key: `ValueError`."""
        if self._library is None:
            return self.seal_by_hand(public, info, plaintext, randombytes)
        sealed = self._library.encrypt(plaintext, self.kem.load_public(public), info)
        size = self.kem.enc_size
        return sealed[:size], sealed[size:]

    def open(self, key: KeyPair, info: bytes, enc: bytes, ciphertext: bytes) -> bytes:
        """The plaintext. Raises `InvalidTag` whatever the reason that it does not open."""
        if len(enc) != self.kem.enc_size:
            raise InvalidTag
        if self._library is None:
            return self.open_by_hand(key, info, enc, ciphertext)
        loaded = key.loaded
        if type(loaded) is tuple:  # a hybrid key
            loaded = loaded[2]
        return self._library.decrypt(enc + ciphertext, loaded, info)

    def seal_by_hand(
        self, public: bytes, info: bytes, plaintext: bytes, entropy: Entropy
    ) -> tuple[bytes, bytes]:
        """What `seal` does, without the library's HPKE."""
        return self.sealer(info, entropy)(public, plaintext)

    def sealer(
        self, info: bytes, entropy: Entropy = randombytes
    ) -> Callable[[bytes, bytes], tuple[bytes, bytes]]:
        """`seal` for many keys under one `info`: (public key, plaintext) to what `seal` returns.

        The hash of `info` is the same for all. The library would make it for each; with the
        GroupInfo of a large group as `info`, that is most of the work.
        """
        context = self.schedule.context(info)

        def seal(public: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
            shared, enc = self.kem.encap(public, entropy)
            key, nonce = self.schedule.keys(shared, context)
            return enc, self._aead(key).encrypt(nonce, plaintext, None)

        return seal

    def open_by_hand(self, key: KeyPair, info: bytes, enc: bytes, ciphertext: bytes) -> bytes:
        """What `open` does, without the library's HPKE."""
        try:
            shared = self.kem.decap(key.loaded, key.public, enc)
        except ValueError:
            raise InvalidTag from None
        aead_key, nonce = self.schedule.keys(shared, self.schedule.context(info))
        return self._aead(aead_key).decrypt(nonce, ciphertext, None)

    def export_to(
        self, public: bytes, info: bytes, context: bytes, length: int, entropy: Entropy
    ) -> tuple[bytes, bytes]:
        """Encapsulated key and exported secret (section 5.3). Raises `ValueError` for a bad key."""
        shared, enc = self.kem.encap(public, entropy)
        exporter = self.schedule.exporter(shared, self.schedule.context(info))
        return enc, self.schedule.export(exporter, context, length)

    def export_from(
        self, key: KeyPair, info: bytes, enc: bytes, context: bytes, length: int
    ) -> bytes:
        """The secret that the sender of `enc` exported. Raises `ValueError` if malformed."""
        if len(enc) != self.kem.enc_size:
            raise ValueError("an encapsulated key of another length")
        shared = self.kem.decap(key.loaded, key.public, enc)
        exporter = self.schedule.exporter(shared, self.schedule.context(info))
        return self.schedule.export(exporter, context, length)
