"""Labels of the node: what its own signatures and hashes are for.

The form is that of the wire (`docs/protocol.md`, Conventions), the labels are others, so nothing that an
account signs is ever valid as something said to a relay, nor the other way round. MLS signs under labels of
another form.
"""

from __future__ import annotations

from heliogram.wire.signing import Purpose, SigningKey, labelled, labelled_hash, verify

__all__ = ["Label", "NodeKey", "labelled", "labelled_hash", "verify"]


class Label(Purpose):
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
    BACKUP_KEY = b"backup key"


class NodeKey(SigningKey):
    """An Ed25519 key pair from its 32-byte seed, for the node's labels. Its text shows nothing."""

    __slots__ = ()
