"""Labels of the node: what its own signatures and hashes are for.

The form is that of the wire (`docs/protocol.md`, Conventions), the labels are others, so nothing that an
account signs is ever valid as something said to a relay, nor the other way round. MLS signs under labels of
another form.
"""

from __future__ import annotations

import hashlib
from enum import Enum

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from heliogram.wire.limits import KEY_SIZE, SIGNATURE_SIZE


class Label(Enum):
    """What a signature or a hash of the node is for."""

    # Signed by an account.
    DEVICE_CERTIFICATE = b"device certificate"
    DEVICE_LIST = b"device list"
    # Hashed.
    ACCOUNT_KEY = b"account key"
    ACCOUNT = b"account"
    LINK_KEY = b"link key"
    CHECKSUM = b"checksum"
    SAFETY = b"safety"
    FILE_KEY = b"file key"
    FILE_COMMITMENT = b"file commitment"


def labelled(label: Label, content: bytes) -> bytes:
    """`content` under its label: what is signed or hashed."""
    return b"Heliogram 1 " + label.value + b"\x00" + content


def labelled_hash(label: Label, content: bytes) -> bytes:
    """SHA-256 of `content` under its label."""
    return hashlib.sha256(labelled(label, content)).digest()


class NodeKey:
    """An Ed25519 key pair from its 32-byte seed, for the node's labels. Its text shows nothing."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        self.public: bytes
        self.public, self._secret = crypto_sign_seed_keypair(seed)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def sign(self, label: Label, content: bytes) -> bytes:
        """The signature of `content` under `label`."""
        return bytes(crypto_sign(labelled(label, content), self._secret)[:SIGNATURE_SIZE])


def verify(public: bytes, label: Label, content: bytes, signature: bytes) -> bool:
    """Whether the holder of `public` signed `content` under `label`. Never raises."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + labelled(label, content), public)
    except CryptoError:
        return False
    return True
