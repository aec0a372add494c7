"""Labels, signatures and hashes: no value of one kind is ever valid as another.

    labelled(label, content) = "Heliogram 1 " || label || 0x00 || content
    signature = Ed25519 over labelled(label, content)
    hash      = SHA-256 of labelled(label, content)

No label is used twice and none holds a zero byte, so two different (label, content) are never the same
bytes.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from enum import Enum
from typing import Self

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from heliogram.codec import DecodeError, Reader, decode_all
from heliogram.wire.errors import ErrorCode, RemoteError
from heliogram.wire.limits import KEY_SIZE, SIGNATURE_SIZE


class Purpose(Enum):
    """What a signature or a hash is for. Each room that signs has its own, and no text is used twice."""

    _value_: bytes


class Label(Purpose):
    """What nodes and relays sign and hash between each other."""

    # Signed by a relay.
    HELLO = b"hello"
    VOTE1 = b"vote 1"
    VOTE2 = b"vote 2"
    PROMISE = b"promise"
    RECEIPTS = b"receipts"
    STATUS = b"status"
    # Signed by members, owners, strangers.
    AUTHORISE = b"authorise"
    INBOX_AUTHORISE = b"inbox authorise"
    INBOX_POST = b"inbox post"
    PACKAGE_TAKE = b"package take"
    CELL = b"cell"
    # Hashed.
    SEAT = b"seat"
    VALUE = b"value"
    CERTIFICATE = b"certificate"
    ENTRY = b"entry"
    CHAIN = b"chain"
    INBOX = b"inbox"
    CELL_ID = b"cell id"
    BLOB_DELETE = b"blob delete"
    WORK = b"work"


def labelled(label: Purpose, content: bytes) -> bytes:
    """`content` under its label: what is signed or hashed."""
    return b"Heliogram 1 " + label.value + b"\x00" + content


def labelled_hash(label: Purpose, content: bytes) -> bytes:
    """SHA-256 of `content` under its label."""
    return hashlib.sha256(labelled(label, content)).digest()


class SigningKey:
    """An Ed25519 key pair from its 32-byte seed. Its text shows nothing."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        self.public: bytes
        self.public, self._secret = crypto_sign_seed_keypair(seed)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def sign(self, label: Purpose, content: bytes) -> bytes:
        """The signature of `content` under `label`."""
        return bytes(crypto_sign(labelled(label, content), self._secret)[:SIGNATURE_SIZE])


def verify(public: bytes, label: Purpose, content: bytes, signature: bytes) -> bool:
    """Whether the holder of `public` signed `content` under `label`. Never raises."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + labelled(label, content), public)
    except CryptoError:
        return False
    return True


class Object(ABC):
    """A structure in TLS presentation language: `encode` and `decode`, and the way in for strangers."""

    __slots__ = ()

    @abstractmethod
    def encode(self) -> bytes:
        """The bytes of this structure."""
        ...

    @classmethod
    @abstractmethod
    def decode(cls, reader: Reader) -> Self:
        """The next structure. Raises `codec.DecodeError` or `RemoteError`."""
        ...

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The structure that is the whole of `data`. Raises only `RemoteError`."""
        try:
            return decode_all(cls.decode, data)
        except DecodeError:
            raise RemoteError(ErrorCode.MALFORMED) from None
