"""HPKE against the published vectors, against the library's own HPKE, and against bad keys."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from heliogram.mls.crypto import HPKEKey, Secret
from heliogram.mls.hpke import (
    AEAD_KEYS,
    HPKE,
    KDF_HASHES,
    KEM,
    KEMS,
    AEADId,
    KDFId,
    KEMId,
    KeySchedule,
    expand,
)
from tests.vectors import load_vectors

unhex = bytes.fromhex

all_kems = pytest.mark.parametrize("kem", KEMS.values(), ids=lambda kem: kem.id.name)


def hpke_for(kem: KEM) -> HPKE:
    """A suite with this KEM. Which KDF and AEAD does not matter to the caller."""
    return HPKE(kem.id, KDFId.HKDF_SHA384, AEADId.AES_256_GCM)


def new_key(kem: KEM) -> HPKEKey:
    return HPKEKey(kem, Secret(kem.derive(os.urandom(kem.private_size))))


# --- Published vectors ----------------------------------------------------------------------------


def open_all(case: dict[str, Any], key: bytes, base_nonce: bytes) -> None:
    """Open the case's messages, whose nonces count up from the base nonce (RFC 9180, 5.2)."""
    aead = (ChaCha20Poly1305 if case["aead_id"] == AEADId.CHACHA20_POLY1305 else AESGCM)(key)
    for message in case["encryptions"]:
        sequence = int.from_bytes(base_nonce, "big") ^ int.from_bytes(
            unhex(message["nonce"]), "big"
        )
        assert sequence < 1 << 16
        opened = aead.decrypt(unhex(message["nonce"]), unhex(message["ct"]), unhex(message["aad"]))
        assert opened == unhex(message["pt"])


def test_rfc9180() -> None:
    cases = load_vectors("rfc9180-base-mode.json")
    assert {case["kem_id"] for case in cases} == {0x10, 0x12, 0x20, 0x21}
    for case in cases:
        hpke = HPKE(KEMId(case["kem_id"]), KDFId(case["kdf_id"]), AEADId(case["aead_id"]))
        kem = hpke.kem
        key = HPKEKey(kem, Secret(kem.derive(unhex(case["ikmR"]))))
        assert key.secret == unhex(case["skRm"])
        assert key.public == unhex(case["pkRm"])
        ephemeral = unhex(case["ikmE"])
        shared, enc = kem.encap(key.public, lambda size, seed=ephemeral: seed)  # type: ignore[misc]
        assert (shared, enc) == (unhex(case["shared_secret"]), unhex(case["enc"]))
        assert kem.decap(key.loaded, key.public, enc) == shared
        context = hpke.schedule.context(unhex(case["info"]))
        aead_key, nonce = hpke.schedule.keys(shared, context)
        exporter = hpke.schedule.exporter(shared, context)
        assert aead_key == unhex(case["key"])
        assert nonce == unhex(case["base_nonce"])
        assert exporter == unhex(case["exporter_secret"])
        open_all(case, aead_key, nonce)
        for export in case["exports"]:
            context, length = unhex(export["exporter_context"]), export["L"]
            assert hpke.schedule.export(exporter, context, length) == unhex(
                export["exported_value"]
            )
            assert hpke.export_from(key, unhex(case["info"]), enc, context, length) == unhex(
                export["exported_value"]
            )


def turbo_shake(rate: int, message: bytes, size: int) -> bytes:
    """TurboSHAKE (RFC 9861) with domain 0x1F: the sponge over Keccak-p with 12 rounds."""
    padded = message + b"\x1f"
    padded += bytes(-len(padded) % rate)
    padded = padded[:-1] + bytes((padded[-1] ^ 0x80,))
    state = [0] * 25
    for start in range(0, len(padded), rate):
        for lane in range(rate // 8):
            at = start + 8 * lane
            state[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        keccak_p12(state)
    out = b""
    while len(out) < size:
        out += b"".join(lane.to_bytes(8, "little") for lane in state[: rate // 8])
        keccak_p12(state)
    return out[:size]


def rotate(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) & (1 << 64) - 1 if by else lane


def keccak_p12(state: list[int]) -> None:
    """The last 12 of Keccak-f[1600]'s 24 rounds (FIPS 202, section 3.3)."""
    lfsr, constants = 1, []
    for _ in range(24):
        constant = 0
        for j in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << j) - 1)
            lfsr = lfsr << 1 ^ (0x171 if lfsr & 0x80 else 0)
        constants.append(constant)
    for constant in constants[12:]:
        columns = [
            state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]
            for x in range(5)
        ]
        for i in range(25):
            state[i] ^= columns[(i + 4) % 5] ^ rotate(columns[(i + 1) % 5], 1)
        x, y, lane = 1, 0, state[1]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            i = x + 5 * y
            lane, state[i] = state[i], rotate(lane, (t + 1) * (t + 2) // 2 % 64)
        for row in range(0, 25, 5):
            lanes = state[row : row + 5]
            for x in range(5):
                state[row + x] = lanes[x] ^ (~lanes[(x + 1) % 5] & lanes[(x + 2) % 5])
        state[0] ^= constant


#: The one-stage KDFs of draft-ietf-hpke-pq, by number: function and size of an exporter secret.
ONE_STAGE: dict[int, tuple[Callable[[bytes, int], bytes], int]] = {
    0x10: (lambda data, size: hashlib.shake_128(data).digest(size), 32),
    0x11: (lambda data, size: hashlib.shake_256(data).digest(size), 64),
    0x12: (lambda data, size: turbo_shake(168, data, size), 32),
    0x13: (lambda data, size: turbo_shake(136, data, size), 64),
}


class OneStage:
    """The key schedule over a one-stage KDF (draft-ietf-hpke-hpke, 5.1). MLS has none."""

    def __init__(self, case: dict[str, Any]) -> None:
        self._kdf, self._hash_size = ONE_STAGE[case["kdf_id"]]
        numbers = (case["kem_id"], case["kdf_id"], case["aead_id"])
        self._suite_id = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in numbers)
        self._key_size = AEAD_KEYS[case["aead_id"]]

    def derive(self, ikm: bytes, label: bytes, context: bytes, size: int) -> bytes:
        head = b"HPKE-v1" + self._suite_id + len(label).to_bytes(2, "big") + label
        return self._kdf(ikm + head + size.to_bytes(2, "big") + context, size)

    def keys(self, shared: bytes, info: bytes) -> tuple[bytes, bytes, bytes]:
        secrets = (
            bytes(2) + len(shared).to_bytes(2, "big") + shared
        )  # no PSK, then the shared secret
        context = b"\x00" + bytes(2) + len(info).to_bytes(2, "big") + info
        size = self._key_size
        out = self.derive(secrets, b"secret", context, size + 12 + self._hash_size)
        return out[:size], out[size : size + 12], out[size + 12 :]

    def export(self, exporter_secret: bytes, context: bytes, size: int) -> bytes:
        return self.derive(exporter_secret, b"sec", context, size)


def test_hpke_pq() -> None:
    cases = load_vectors("hpke-pq-test-vectors.json")
    assert len(cases) == 13
    kems = 0
    for case in cases:
        schedule: KeySchedule | OneStage
        if case["kdf_id"] in ONE_STAGE:
            schedule = OneStage(case)
        else:
            suite_id = unhex(case["suite_id"])
            schedule = KeySchedule(suite_id, KDFId(case["kdf_id"]), AEADId(case["aead_id"]))
        shared = unhex(case["shared_secret"])
        # ML-KEM-512 (0x40) is in no MLS suite and not in the library: its case is checked from the
        # shared secret on.
        if case["kem_id"] != 0x40:
            kem = KEMS[KEMId(case["kem_id"])]
            key = HPKEKey(kem, Secret(unhex(case["skRm"])))
            derived = HPKEKey(kem, Secret(kem.derive(unhex(case["ikmR"]))))
            assert derived.public == key.public == unhex(case["pkRm"])
            # The file writes X448 keys clamped (RFC 7748, section 5), which makes no other key.
            assert case["kem_id"] == KEMId.DHKEM_X448 or derived.secret == key.secret
            assert kem.public_valid(key.public)
            assert kem.decap(key.loaded, key.public, unhex(case["enc"])) == shared
            kems += 1
        if isinstance(schedule, OneStage):
            aead_key, nonce, exporter = schedule.keys(shared, unhex(case["info"]))
        else:
            context = schedule.context(unhex(case["info"]))
            aead_key, nonce = schedule.keys(shared, context)
            exporter = schedule.exporter(shared, context)
        assert aead_key == unhex(case["key"])
        assert nonce == unhex(case["base_nonce"])
        assert exporter == unhex(case["exporter_secret"])
        open_all(case, aead_key, nonce)
        for export in case["exports"]:
            context = unhex(export["exporter_context"])
            exported = schedule.export(exporter, context, export["L"])
            assert exported == unhex(export["exported_value"])
    assert kems == 12


def test_xwing() -> None:
    """X-Wing as drafted derives key pairs otherwise, but expands seeds and combines as we do."""
    cases = load_vectors("xwing-test-vectors.json")
    assert len(cases) == 3
    kem = KEMS[KEMId.MLKEM768_X25519]
    for case in cases:
        key = HPKEKey(kem, Secret(unhex(case["seed"])))
        assert key.secret == unhex(case["sk"])
        assert key.public == unhex(case["pk"])
        assert kem.decap(key.loaded, key.public, unhex(case["ct"])) == unhex(case["ss"])


# --- By hand and by the library -------------------------------------------------------------------


@all_kems
def test_ours_and_the_librarys_open_each_other(kem: KEM) -> None:
    for kdf, aead in (
        (KDFId.HKDF_SHA256, AEADId.AES_128_GCM),
        (KDFId.HKDF_SHA384, AEADId.AES_256_GCM),
        (KDFId.HKDF_SHA512, AEADId.CHACHA20_POLY1305),
    ):
        hpke = HPKE(kem.id, kdf, aead)
        key = new_key(kem)
        by_library = hpke.seal(key.public, b"info", b"text")
        by_hand = hpke.seal_by_hand(key.public, b"info", b"text", os.urandom)
        for enc, ciphertext in (by_library, by_hand):
            assert len(enc) == kem.enc_size
            assert hpke.open(key, b"info", enc, ciphertext) == b"text"
            assert hpke.open_by_hand(key, b"info", enc, ciphertext) == b"text"


def test_which_kems_the_library_has() -> None:
    """A KEM that the library learns may be left to it; this says when."""
    ours = {kem.id for kem in KEMS.values() if kem.library is None}
    assert ours == {KEMId.DHKEM_X448, KEMId.MLKEM768_P256}


@all_kems
def test_export_agrees(kem: KEM) -> None:
    hpke = hpke_for(kem)
    key = new_key(kem)
    enc, secret = hpke.export_to(key.public, b"info", b"context", 48, os.urandom)
    assert hpke.export_from(key, b"info", enc, b"context", 48) == secret
    assert hpke.export_from(key, b"info", enc, b"other", 48) != secret
    assert hpke.export_from(new_key(kem), b"info", enc, b"context", 48) != secret


@all_kems
def test_sizes_and_both_ways_to_the_public_key(kem: KEM) -> None:
    key = new_key(kem)
    assert len(key.secret) == kem.private_size
    assert len(key.public) == kem.public_size
    assert kem.public(key.secret) == kem.public_of(key.loaded) == key.public
    assert HPKEKey(kem, key.secret).public == key.public
    assert kem.private_valid(key.secret)
    assert kem.public_valid(key.public)


# --- What must not work ---------------------------------------------------------------------------


@all_kems
def test_nothing_opens_but_what_was_sealed(kem: KEM) -> None:
    hpke = hpke_for(kem)
    key = new_key(kem)
    enc, ciphertext = hpke.seal(key.public, b"info", b"text")
    changed = bytes((ciphertext[0] ^ 1,)) + ciphertext[1:]
    attempts = [
        (key, b"other", enc, ciphertext),
        (new_key(kem), b"info", enc, ciphertext),
        (key, b"info", enc, changed),
        (key, b"info", enc, ciphertext[:-1]),
        (key, b"info", enc, ciphertext[:15]),
        (key, b"info", enc, b""),
        (key, b"info", enc[:-1], ciphertext),
        (key, b"info", enc + b"\0", ciphertext),
        (key, b"info", b"", ciphertext),
        (key, b"info", bytes(len(enc)), ciphertext),
        (key, b"info", b"\xff" * len(enc), ciphertext),
        # One byte moved from the ciphertext to the encapsulated key: the library sees the same
        # string.
        (key, b"info", enc + ciphertext[:1], ciphertext[1:]),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidTag):
            hpke.open(*attempt)
        with pytest.raises(InvalidTag):
            hpke.open_by_hand(*attempt)


@all_kems
def test_malformed_encapsulated_keys_export_nothing(kem: KEM) -> None:
    hpke = hpke_for(kem)
    key = new_key(kem)
    enc, _ = hpke.export_to(key.public, b"", b"", 32, os.urandom)
    for bad in (b"", enc[:-1], enc + b"\0"):
        with pytest.raises(ValueError):
            hpke.export_from(key, b"", bad, b"", 32)
    if kem.id not in (KEMId.MLKEM768, KEMId.MLKEM1024):  # those reject implicitly (FIPS 203, 6.3)
        with pytest.raises(ValueError):
            hpke.export_from(key, b"", bytes(len(enc)), b"", 32)


@all_kems
def test_bad_public_keys_are_refused_everywhere(kem: KEM) -> None:
    hpke = hpke_for(kem)
    good = new_key(kem).public
    bad = [b"", good[:-1], good + b"\0"]
    if kem.id not in (KEMId.DHKEM_X25519, KEMId.DHKEM_X448):  # which reduce whatever they get
        bad.append(b"\xff" * len(good))
    if kem.id not in (KEMId.MLKEM768, KEMId.MLKEM1024):  # for which all zeroes are a key
        bad.append(bytes(len(good)))
    for public in bad:
        assert not kem.public_valid(public)
        with pytest.raises(ValueError):
            hpke.seal(public, b"", b"text")
        with pytest.raises(ValueError):
            hpke.seal_by_hand(public, b"", b"text", os.urandom)
        with pytest.raises(ValueError):
            hpke.export_to(public, b"", b"", 32, os.urandom)


P25519 = 2**255 - 19
P448 = 2**448 - 2**224 - 1

SMALL_ORDER_X25519 = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P25519 - 1,
    P25519,
    P25519 + 1,
]


def test_x25519_small_order() -> None:
    """RFC 9180, 7.1.4: all 14 spellings are refused as keys, and the all-zero result in between."""
    kem = KEMS[KEMId.DHKEM_X25519]
    key = new_key(kem)
    for u in SMALL_ORDER_X25519:
        for spelling in (u, u | 1 << 255):
            public = spelling.to_bytes(32, "little")
            assert not kem.public_valid(public)
            with pytest.raises(ValueError):
                kem.encap(public, os.urandom)
            with pytest.raises(ValueError):
                kem.decap(key.loaded, key.public, public)
            with pytest.raises(InvalidTag):
                hpke_for(kem).open(key, b"", public, bytes(32))


def test_x448_small_order() -> None:
    kem = KEMS[KEMId.DHKEM_X448]
    key = new_key(kem)
    for u in (0, 1, P448 - 1, P448, P448 + 1):
        public = u.to_bytes(56, "little")
        assert not kem.public_valid(public)
        with pytest.raises(ValueError):
            kem.encap(public, os.urandom)
        with pytest.raises(ValueError):
            kem.decap(key.loaded, key.public, public)


def test_montgomery_keys_of_several_spellings() -> None:
    """RFC 7748, section 5: values are reduced, and X25519's top bit is dropped, by us as by everybody."""
    for kem_id, prime, spare in ((KEMId.DHKEM_X25519, P25519, 255), (KEMId.DHKEM_X448, P448, 448)):
        kem = KEMS[kem_id]
        size = kem.public_size
        key = new_key(kem)
        for u in (4, 9):
            spellings = {u, u + prime} | ({u | 1 << spare} if spare < 8 * size else set())
            secrets: set[bytes] = set()
            for spelling in spellings:
                public = spelling.to_bytes(size, "little")
                assert kem.public_valid(public)
                group: Any = kem
                secrets.add(group.dh(key.loaded, public))
                hpke_for(kem).seal(public, b"", b"text")
            assert len(secrets) == 1


def test_hybrids_refuse_a_bad_half() -> None:
    for kem_id, small in ((KEMId.MLKEM768_X25519, bytes(32)), (KEMId.MLKEM768_P256, bytes(65))):
        kem = KEMS[kem_id]
        key = new_key(kem)
        bad_group = key.public[:1184] + small
        bad_lattice = b"\xff" * 1152 + key.public[1152:]
        for public in (bad_group, bad_lattice):
            assert not kem.public_valid(public)
            with pytest.raises(ValueError):
                hpke_for(kem).seal(public, b"", b"text")
        enc, ciphertext = hpke_for(kem).seal(key.public, b"", b"text")
        with pytest.raises(InvalidTag):
            hpke_for(kem).open(key, b"", enc[:1088] + small, ciphertext)
        with pytest.raises(ValueError):
            hpke_for(kem).export_from(key, b"", enc[:1088] + small, b"", 32)


@pytest.mark.parametrize("kem_id", [KEMId.DHKEM_P256, KEMId.DHKEM_P384, KEMId.DHKEM_P521])
def test_points_are_uncompressed_and_on_the_curve(kem_id: KEMId) -> None:
    kem = KEMS[kem_id]
    key = new_key(kem)
    loaded: ec.EllipticCurvePublicKey = key.loaded.public_key()
    compressed = loaded.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    hybrid = bytes((6 | key.public[-1] & 1,)) + key.public[1:]
    off_curve = key.public[:-1] + bytes((key.public[-1] ^ 1,))
    infinity = b"\0"
    for public in (compressed, hybrid, off_curve, infinity, b"\4" + bytes(kem.public_size - 1)):
        assert not kem.public_valid(public)
        with pytest.raises(ValueError):
            kem.encap(public, os.urandom)
        with pytest.raises(ValueError):
            kem.decap(key.loaded, key.public, public)


def test_mlkem_modulus_check_agrees_with_the_library() -> None:
    """FIPS 203, 7.2: every coefficient is below q. Ours is quicker and must say the same."""
    random.seed(203)
    for kem_id, fields in ((KEMId.MLKEM768, 768), (KEMId.MLKEM1024, 1024)):
        kem = KEMS[kem_id]
        good = new_key(kem).public
        size = fields * 12 // 8
        number = int.from_bytes(good[:size], "little")
        for field in (0, 1, fields // 2, fields - 2, fields - 1, random.randrange(fields)):
            for value in (0, 3328, 3329, 3330, 4094, 4095):
                changed = number & ~(0xFFF << 12 * field) | value << 12 * field
                public = changed.to_bytes(size, "little") + good[size:]
                assert kem.public_valid(public) == (value < 3329)
                if value < 3329:
                    kem.load_public(public)
                else:
                    with pytest.raises(ValueError):
                        kem.load_public(public)
        # Neighbours that a carry would have to run through.
        full = sum(3328 << 12 * field for field in range(fields)).to_bytes(size, "little")
        assert kem.public_valid(full + bytes(32))
        one_more = (int.from_bytes(full, "little") + 1).to_bytes(size, "little")
        assert not kem.public_valid(one_more + bytes(32))


def test_private_keys_of_other_sizes_or_out_of_range() -> None:
    for kem in KEMS.values():
        assert not kem.private_valid(b"")
        assert not kem.private_valid(bytes(kem.private_size + 1))
    for kem_id, order in (
        (KEMId.DHKEM_P256, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    ):
        kem = KEMS[kem_id]
        for scalar, valid in ((0, False), (1, True), (order - 1, True), (order, False)):
            assert kem.private_valid(scalar.to_bytes(kem.private_size, "big")) == valid


def test_candidates_out_of_range_are_passed_over() -> None:
    """RFC 9180, 7.1.3, and the seed of MLKEM768-P256: the next candidate is taken."""
    kem: Any = KEMS[KEMId.MLKEM768_P256]
    taken = (7).to_bytes(32, "big")
    assert kem._scalar(b"\xff" * 32 + bytes(32) + taken + b"\x01" * 32) == taken
    with pytest.raises(ValueError):
        kem._scalar(b"\xff" * 128)


def test_candidates_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kem: Any = KEMS[KEMId.DHKEM_P521]
    monkeypatch.setattr(type(kem.curve), "scalar_valid", lambda *_: False)
    with pytest.raises(ValueError):
        kem.derive(bytes(66))


def test_expand_is_hkdf() -> None:
    """RFC 5869, appendix A.1 and A.2."""
    prk = unhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    info = unhex("f0f1f2f3f4f5f6f7f8f9")
    okm = unhex(
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    assert expand("sha256", 32, prk, info, 42) == okm
    assert expand("sha256", 32, prk, info, 20) == okm[:20]
    prk = unhex("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244")
    okm = unhex(
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
    )
    assert expand("sha256", 32, prk, bytes(range(0xB0, 0x100)), 82) == okm
    assert len(expand("sha256", 32, prk, b"", 255 * 32)) == 255 * 32
    with pytest.raises(ValueError):
        expand("sha256", 32, prk, b"", 255 * 32 + 1)


def test_hash_sizes() -> None:
    for name, size in KDF_HASHES.values():
        assert hashlib.new(name).digest_size == size
