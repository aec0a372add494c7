"""Derived secrets, and content sealed under them in sizes that tell little.

    derive(secret, label, context) = HMAC-SHA256(secret, "Heliogram 1 " || label || 0x00 || context || 0x01)
    sealed = salt[32] || ChaCha20-Poly1305(derive(secret, label, salt), nonce = 0, aad, padded)
    padded = opaque content<V> || zeros
    sealed for several = count[1] || salt[32] || box[48] for each || sealed under a new key
    box = ChaCha20-Poly1305(derive(secret, label || " box", salt), nonce = 0, aad, the new key)

`derive` is HKDF-Expand (RFC 5869) for one block. Each salt gives its own key, so the nonce never matters.
"""

from __future__ import annotations

import hmac
from bisect import bisect_left
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from heliogram.codec import DecodeError, Reader, opaque, u8
from heliogram.mls import Secret
from heliogram.node.errors import NotOpened, TooLong

SALT = 32
TAG = 16

_NONCE = bytes(12)


def derive(secret: bytes, label: bytes, context: bytes = b"") -> Secret:
    """32 bytes that follow from `secret` and stand for nothing but this label and context."""
    info = b"Heliogram 1 " + label + b"\x00" + context
    return Secret(hmac.digest(secret, info + b"\x01", "sha256"))


def seal(
    secret: bytes,
    label: bytes,
    content: bytes,
    *,
    aad: bytes = b"",
    sizes: Sequence[int],
    entropy: Callable[[int], bytes],
) -> bytes:
    """`content` sealed; what comes out has the first of the ascending `sizes` that it fits into.

    Raises `TooLong` if there is none.
    """
    plain = opaque(content)
    needed = SALT + len(plain) + TAG
    place = bisect_left(sizes, needed)
    if place == len(sizes):
        raise TooLong
    salt = entropy(SALT)
    padded = plain + bytes(sizes[place] - needed)
    return salt + ChaCha20Poly1305(derive(secret, label, salt)).encrypt(_NONCE, padded, aad)


def unseal(secret: bytes, label: bytes, sealed: bytes, *, aad: bytes = b"", most: int) -> bytes:
    """The content. Raises `NotOpened`, also for more than `most` bytes."""
    if not SALT + TAG <= len(sealed) <= most:
        raise NotOpened
    key = derive(secret, label, sealed[:SALT])
    try:
        padded = ChaCha20Poly1305(key).decrypt(_NONCE, sealed[SALT:], aad)
    except InvalidTag:
        raise NotOpened from None
    reader = Reader(padded)
    try:
        content = reader.opaque(most)
    except DecodeError:
        raise NotOpened from None
    if any(padded[reader.pos :]):
        raise NotOpened
    return content


# --- For several at once --------------------------------------------------------------------------

#: How many can open one thing that is sealed for several.
MAX_OPENERS = 64

_KEY = 32
_BOX = _KEY + TAG


def seal_for(
    secrets: Sequence[bytes],
    label: bytes,
    content: bytes,
    *,
    aad: bytes = b"",
    sizes: Sequence[int],
    entropy: Callable[[int], bytes],
) -> bytes:
    """`content` sealed so that whoever has one of `secrets` can open it, and nobody sees for whom it is.

    What comes out has one of `sizes`. Raises `TooLong` if there is none, or for too many secrets.
    """
    if len(secrets) > MAX_OPENERS:
        raise TooLong
    salt, key = entropy(SALT), entropy(_KEY)
    boxes = b"".join(
        ChaCha20Poly1305(derive(one, label + b" box", salt)).encrypt(_NONCE, key, aad)
        for one in secrets
    )
    front = u8(len(secrets)) + salt + boxes
    left = [size - len(front) for size in sizes]
    return front + seal(key, label, content, aad=aad, sizes=left, entropy=entropy)


def unseal_for(secret: bytes, label: bytes, sealed: bytes, *, aad: bytes = b"", most: int) -> bytes:
    """The content, for who has one of the secrets. Raises `NotOpened`."""
    reader = Reader(sealed)
    try:
        count, salt = reader.u8(), reader.fixed(SALT)
        boxes = [reader.fixed(_BOX) for _ in range(min(count, MAX_OPENERS))]
    except DecodeError:
        raise NotOpened from None
    cipher = ChaCha20Poly1305(derive(secret, label + b" box", salt))
    for box in boxes:
        try:
            key = cipher.decrypt(_NONCE, box, aad)
        except InvalidTag:
            continue
        return unseal(key, label, sealed[reader.pos :], aad=aad, most=most)
    raise NotOpened
