"""Our suites in the words of ts-mls.

It knows 1 to 7 by number. The post-quantum ones of draft-ietf-mls-pq-ciphersuites are put together
from its own pieces, through the interface that it has for other people's suites; its own
post-quantum suites are others (docs/interop.md).
"""

from __future__ import annotations

from tests.interop.ts import TsSuite

AES128, AES256, CHACHA = "AES128GCM", "AES256GCM", "CHACHA20POLY1305"
SHA256, SHA384 = ("HKDF-SHA256", "SHA-256"), ("HKDF-SHA384", "SHA-384")


def _suite(number: int, kem: str, kdf: tuple[str, str], aead: str, signature: str) -> TsSuite:
    return TsSuite(0xF000 + number, kem, kdf[0], aead, kdf[1], signature)


TS_SUITES = {
    suite.id: suite
    for suite in (
        *(TsSuite(number) for number in range(1, 8)),
        _suite(1, "X-Wing", SHA256, AES128, "Ed25519"),
        _suite(2, "X-Wing", SHA384, AES256, "Ed25519"),
        _suite(3, "MLKEM768-P256", SHA256, AES128, "P256"),
        _suite(4, "MLKEM768-P256", SHA384, AES256, "P256"),
        _suite(5, "MLKEM1024-P384", SHA384, AES256, "P384"),
        _suite(6, "ML-KEM-768", SHA384, AES256, "Ed25519"),
        _suite(7, "ML-KEM-768", SHA384, AES256, "P256"),
        _suite(8, "ML-KEM-1024", SHA384, AES256, "P384"),
        _suite(9, "X-Wing", SHA384, CHACHA, "ml_dsa44"),
        _suite(10, "ML-KEM-768", SHA384, AES256, "ml_dsa65"),
        _suite(11, "ML-KEM-1024", SHA384, AES256, "ml_dsa87"),
    )
}
