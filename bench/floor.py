"""The floor: what the primitives alone cost.

For every operation this file counts the signatures, HPKE seals, key derivations, AEADs and hashes
that it cannot do without, with the reason beside each count. `Floor` runs exactly these calls of
the libraries the engine stands on, one after the other in one thread. No encoding, no copying, no
other checks: on these libraries nobody is quicker by working less. (One can be a little quicker
by working otherwise: HPKE put together from its parts may beat the library's one-shot call.)

What can be known from before counts as known: tree hashes of nodes that did not change,
signatures seen, loaded keys of tree nodes. What can be done later counts as done later: the
ratchets of the secret tree, the external key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl import bindings

from bench.shape import Shape

#: Bytes of an encoded GroupContext whose group id has Nh bytes. It is part of what members sign.
GROUP_CONTEXT = 150
#: Bytes of a GroupSecrets without a path secret.
GROUP_SECRETS = 40
_TAG = 16
_SIGNATURE = 64
_LONG = 1 << 15
_BLOCK = bytes(range(256))


@dataclass(frozen=True, slots=True)
class Kind:
    """What a cipher suite is made of, as far as costs go. Signatures are Ed25519 in both."""

    name: str
    post_quantum: bool
    hash_name: str = "sha256"
    key_length: int = 16

    @property
    def hash_length(self) -> int:
        return hashlib.new(self.hash_name).digest_size

    @property
    def public_key(self) -> int:
        return 1216 if self.post_quantum else 32

    @property
    def kem_output(self) -> int:
        return 1120 if self.post_quantum else 32

    @property
    def leaf(self) -> int:
        """Bytes of a leaf node with a short basic credential."""
        return self.public_key + 200

    @property
    def key_package(self) -> int:
        return self.leaf + self.public_key + 72

    @property
    def sealed_secret(self) -> int:
        """Bytes of one path secret, sealed to one node."""
        return self.kem_output + self.hash_length + _TAG + 3


CLASSICAL = Kind("suite 1", post_quantum=False)
POST_QUANTUM = Kind("post-quantum", post_quantum=True, hash_name="sha384", key_length=32)


class Step(NamedTuple):
    """So many calls of one primitive over so many bytes, and why they must be."""

    times: int
    primitive: str
    size: int
    why: str


Steps = Sequence[Step]


class Floor:
    """Runs steps with real keys and bytes of the right length."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._calls: dict[tuple[str, int], Callable[[], object]] = {}
        self._public, self._secret = bindings.crypto_sign_seed_keypair(_BLOCK[:32])
        x_private = X25519PrivateKey.from_private_bytes(_BLOCK[:32])
        algorithm = {"sha256": hpke.KDF.HKDF_SHA256, "sha384": hpke.KDF.HKDF_SHA384}[kind.hash_name]
        aead = hpke.AEAD.AES_128_GCM if kind.key_length == 16 else hpke.AEAD.AES_256_GCM
        kem = hpke.KEM.MLKEM768_X25519 if kind.post_quantum else hpke.KEM.X25519
        self._hpke = hpke.Suite(kem, algorithm, aead)
        self._x_bytes = x_private.public_key().public_bytes_raw()
        self._m_bytes = b""
        self._private: X25519PrivateKey | hpke.MLKEM768X25519PrivateKey = x_private
        if kind.post_quantum:
            m_private = MLKEM768PrivateKey.from_seed_bytes(_BLOCK[:64])
            self._m_bytes = m_private.public_key().public_bytes_raw()
            self._private = hpke.MLKEM768X25519PrivateKey(m_private, x_private)
        self._loaded = self._private.public_key()

    def prepare(self, steps: Steps) -> Callable[[], None]:
        """All of these calls as one function. Inputs are made now: only the calls are timed."""
        calls = [(step.times, self._call(step.primitive, step.size)) for step in steps]

        def run() -> None:
            for count, call in calls:
                for _ in range(count):
                    call()

        return run

    def _call(self, primitive: str, size: int) -> Callable[[], object]:
        key = primitive, size
        if key not in self._calls:
            made = getattr(self, f"_{primitive}")(bytes(size))
            made()
            self._calls[key] = made
        return self._calls[key]

    # Each of these takes the input and gives back the call.

    def _sign(self, data: bytes) -> Callable[[], object]:
        if len(data) > _LONG:  # the other library hashes faster
            return lambda: Ed25519PrivateKey.from_private_bytes(_BLOCK[:32]).sign(data)
        return lambda: bindings.crypto_sign(data, self._secret)

    def _verify(self, data: bytes) -> Callable[[], object]:
        signed = bindings.crypto_sign(data, self._secret)
        return lambda: bindings.crypto_sign_open(signed, self._public)

    def _hash(self, data: bytes) -> Callable[[], object]:
        constructor = getattr(hashlib, self._kind.hash_name)
        return lambda: constructor(data).digest()

    def _mac(self, data: bytes) -> Callable[[], object]:
        key, name = bytes(self._kind.hash_length), self._kind.hash_name
        return lambda: hmac.digest(key, data, name)

    def _kdf(self, data: bytes) -> Callable[[], object]:
        """HKDF-Extract, or HKDF-Expand to at most Nh bytes: one HMAC each."""
        return self._mac(data or bytes(50))

    def _aead(self, data: bytes) -> Callable[[], object]:
        """Once under a fresh key, as every message has: the key is set up each time."""
        key, nonce = bytes(self._kind.key_length), bytes(12)
        return lambda: AESGCM(key).encrypt(nonce, data, None)

    def _open(self, data: bytes) -> Callable[[], object]:
        key, nonce = bytes(self._kind.key_length), bytes(12)
        sealed = AESGCM(key).encrypt(nonce, data, None)
        return lambda: AESGCM(key).decrypt(nonce, sealed, None)

    def _load_public(self, _: bytes) -> Callable[[], object]:
        if not self._kind.post_quantum:
            return lambda: X25519PublicKey.from_public_bytes(self._x_bytes)
        return lambda: hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self._m_bytes),
            X25519PublicKey.from_public_bytes(self._x_bytes),
        )

    def _new_key(self, _: bytes) -> Callable[[], object]:
        """A public key from fresh random bytes."""
        if not self._kind.post_quantum:
            return lambda: bindings.crypto_scalarmult_base(_BLOCK[:32])

        def make() -> bytes:
            expanded = hashlib.shake_256(_BLOCK[:32]).digest(96)
            lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key()
            return lattice.public_bytes_raw() + bindings.crypto_scalarmult_base(expanded[64:])

        return make

    def _derive_key(self, data: bytes) -> Callable[[], object]:
        """DeriveKeyPair (RFC 9180, 7.1.3), to the public key."""
        make = self._new_key(data)
        if self._kind.post_quantum:
            return lambda: (hashlib.shake_256(_BLOCK[:64]).digest(32), make())
        extract = expand = self._kdf(data)
        return lambda: (extract(), expand(), make())

    def _hpke_seal(self, data: bytes) -> Callable[[], object]:
        return lambda: self._hpke.encrypt(data, self._loaded, _BLOCK)

    def _hpke_open(self, data: bytes) -> Callable[[], object]:
        sealed = self._hpke.encrypt(data, self._loaded, _BLOCK)
        return lambda: self._hpke.decrypt(sealed, self._private, _BLOCK)


# --- the counts -----------------------------------------------------------------------------------
#
# n: members after the operation, as in `Shape.members`. Sizes in bytes only need to be near: of
# short inputs they hardly matter, of long ones (a commit of 1,000 Adds) they are nearly right.


def key_package(kind: Kind) -> Steps:
    return [
        Step(2, "new_key", 0, "init key and leaf key (10)"),
        Step(1, "sign", kind.leaf, "the leaf node (7.2)"),
        Step(1, "sign", kind.key_package, "the key package (10)"),
    ]


def group_created(kind: Kind, n: int) -> Steps:
    """Group creation and one commit without a path that adds n - 1 members."""
    commit, info = (n - 1) * kind.key_package, n * kind.leaf
    return [
        Step(1, "new_key", 0, "the creator's leaf key"),
        Step(1, "sign", kind.leaf, "the creator's leaf node (7.2)"),
        Step(3, "kdf", 0, "epoch 0: confirmation, membership and init secret (11)"),
        Step(2, "mac", kind.hash_length, "epoch 0: confirmation tag and transcript (11)"),
        Step(n - 1, "verify", kind.key_package, "each key package (10.1)"),
        Step(n - 1, "verify", kind.leaf, "each leaf node (7.3)"),
        Step(n - 1, "hash", kind.key_package, "its reference, for the Welcome (12.4.3.1)"),
        *_key_checks(kind, n - 1, "each leaf's HPKE key is one (7.3)"),
        *_tree_hashes(kind, n),
        *_commit_sent(kind, commit),
        *_welcome_made(kind, n - 1, info),
    ]


def welcome_processed(kind: Kind, shape: Shape) -> Steps:
    n, info = shape.members, shape.members * kind.leaf
    return [
        Step(1, "hpke_open", GROUP_SECRETS, "our group secrets (12.4.3.1)"),
        Step(1, "hash", info, "the encrypted GroupInfo is the context of that seal"),
        Step(4, "kdf", 0, "member secret, welcome secret, its key and nonce (8)"),
        Step(1, "open", info, "GroupInfo with the tree"),
        *_tree_checked(kind, shape, n - 1),
        Step(1, "verify", info, "GroupInfo (12.4.3.1)"),
        Step(2, "kdf", 0, "epoch secret, confirmation key (8)"),
        Step(1, "mac", kind.hash_length, "confirmation tag"),
        Step(1, "hash", kind.hash_length, "interim transcript hash (8.2)"),
    ]


def update_made(kind: Kind, shape: Shape, sender: int) -> Steps:
    """An empty commit: nothing but a path."""
    return [
        *_path_made(kind, shape, sender, shape.seals(sender)),
        *_commit_sent(kind, _path_bytes(kind, shape, sender)),
    ]


def remove_made(kind: Kind, shape: Shape, sender: int) -> Steps:
    """`shape` is the tree without the removed member: nobody seals to it any more."""
    return [
        *_path_made(kind, shape, sender, shape.seals(sender)),
        Step(shape.height + 1, "hash", 200, "tree hashes above the removed leaf (7.8)"),
        *_commit_sent(kind, _path_bytes(kind, shape, sender)),
    ]


def add_made(kind: Kind, shape: Shape) -> Steps:
    """Without a path. `shape` is the tree with the new member."""
    return [
        *_added(kind, shape),
        *_commit_sent(kind, kind.key_package),
        *_welcome_made(kind, 1, shape.members * kind.leaf),
    ]


def add_with_path_made(kind: Kind, shape: Shape, sender: int, leaf: int) -> Steps:
    """`shape` is the tree with the new member at `leaf`; its secret travels in the Welcome."""
    return [
        *_added(kind, shape),
        *_path_made(kind, shape, sender, shape.seals(sender, frozenset((leaf,)))),
        *_commit_sent(kind, kind.key_package + _path_bytes(kind, shape, sender)),
        *_welcome_made(kind, 1, shape.members * kind.leaf),
    ]


def update_processed(kind: Kind, shape: Shape, sender: int, receiver: int) -> Steps:
    return [
        *_commit_received(kind, _path_bytes(kind, shape, sender)),
        *_path_processed(kind, shape, sender, receiver),
    ]


def remove_processed(kind: Kind, shape: Shape, sender: int, receiver: int) -> Steps:
    return [
        *update_processed(kind, shape, sender, receiver),
        Step(shape.height + 1, "hash", 200, "tree hashes above the removed leaf (7.8)"),
    ]


def add_processed(kind: Kind, shape: Shape) -> Steps:
    return [*_added(kind, shape), *_commit_received(kind, kind.key_package)]


def add_with_path_processed(kind: Kind, shape: Shape, sender: int, receiver: int) -> Steps:
    return [
        *_added(kind, shape),
        *_commit_received(kind, kind.key_package + _path_bytes(kind, shape, sender)),
        *_path_processed(kind, shape, sender, receiver),
    ]


def joined_externally(kind: Kind, before: Shape, after: Shape, leaf: int) -> Steps:
    """`before` is the tree of the GroupInfo, `after` has the new member at `leaf`."""
    return [
        *_tree_checked(kind, before, before.members),
        Step(1, "verify", before.members * kind.leaf, "GroupInfo (12.4.3)"),
        Step(1, "hpke_seal", 0, "the external init secret is exported from a seal (8.3)"),
        *_path_made(kind, after, leaf, after.seals(leaf)),
        *_commit_sent(kind, _path_bytes(kind, after, leaf), member=False),
    ]


def protected(kind: Kind, length: int) -> Steps:
    return [
        Step(3, "kdf", 0, "key, nonce and the next secret of the ratchet (9.1)"),
        Step(1, "sign", length + GROUP_CONTEXT + 90, "content and group context (6.1)"),
        Step(1, "aead", length + _SIGNATURE + 6, "content (6.3.1)"),
        Step(2, "kdf", 0, "sender data key and nonce (6.3.2)"),
        Step(1, "aead", 12, "sender data"),
    ]


def unprotected(kind: Kind, length: int) -> Steps:
    return [
        Step(2, "kdf", 0, "sender data key and nonce (6.3.2)"),
        Step(1, "open", 12, "sender data"),
        Step(3, "kdf", 0, "key, nonce and the next secret of the ratchet (9.1)"),
        Step(1, "open", length + _SIGNATURE + 6, "content (6.3.1)"),
        Step(1, "verify", length + GROUP_CONTEXT + 90, "content and group context (6.1)"),
    ]


# --- parts of several -----------------------------------------------------------------------------


def _key_checks(kind: Kind, count: int, why: str) -> Steps:
    """An ML-KEM key must be loaded to know that it is one. For X25519 its length says it."""
    return [Step(count, "load_public", 0, why)] if kind.post_quantum else []


def _tree_hashes(kind: Kind, n: int) -> Steps:
    width = 1 << (n - 1).bit_length()
    return [
        Step(n, "hash", kind.leaf, "tree hash of each leaf (7.8)"),
        Step(2 * width - 1 - n, "hash", 2 * kind.hash_length + 3, "tree hash of the others (7.8)"),
    ]


def _tree_checked(kind: Kind, shape: Shape, signatures: int) -> Steps:
    """What a new member does with a tree (12.4.3.1). Its own leaf it knows."""
    return [
        Step(signatures, "verify", kind.leaf, "each other leaf's signature (7.3)"),
        *_key_checks(kind, shape.members + shape.filled_parents, "each HPKE key is one (7.3)"),
        *_tree_hashes(kind, shape.members),
        Step(shape.filled_parents, "hash", kind.public_key + 70, "each parent hash (7.9.2)"),
    ]


def _path_bytes(kind: Kind, shape: Shape, sender: int) -> int:
    return (
        kind.leaf
        + shape.path_nodes(sender) * (kind.public_key + 4)
        + shape.seals(sender) * kind.sealed_secret
    )


def _path_made(kind: Kind, shape: Shape, sender: int, seals: int) -> Steps:
    nodes = shape.path_nodes(sender)
    return [
        Step(1, "new_key", 0, "the leaf's new key (7.5)"),
        Step(nodes, "kdf", 0, "each path secret after the first, and the commit secret (7.4)"),
        Step(nodes, "kdf", 0, "each node secret (7.4)"),
        Step(nodes, "derive_key", 0, "each node's key pair (7.4)"),
        Step(nodes, "hash", kind.public_key + 70, "each parent hash (7.9)"),
        Step(1, "sign", kind.leaf + 40, "the leaf node (7.2)"),
        Step(shape.height + 1, "hash", kind.public_key + 120, "tree hashes to the root (7.8)"),
        Step(seals, "hpke_seal", kind.hash_length, "path secrets to the copath (7.5)"),
    ]


def _path_processed(kind: Kind, shape: Shape, sender: int, receiver: int) -> Steps:
    nodes, derived = shape.path_nodes(sender), shape.derived_by(sender, receiver)
    return [
        Step(1, "verify", kind.leaf + 40, "the new leaf node (7.3)"),
        *_key_checks(kind, nodes + 1, "each new HPKE key is one (7.3)"),
        Step(nodes, "hash", kind.public_key + 70, "each parent hash (7.9.2)"),
        Step(shape.height + 1, "hash", kind.public_key + 120, "tree hashes to the root (7.8)"),
        Step(1, "hpke_open", kind.hash_length, "the path secret sealed to us (7.5)"),
        Step(2 * derived, "kdf", 0, "path, node and commit secrets from there (7.4)"),
        Step(derived, "derive_key", 0, "their keys, which must be those of the path (7.5)"),
    ]


def _added(kind: Kind, shape: Shape) -> Steps:
    return [
        Step(1, "verify", kind.key_package, "the key package (10.1)"),
        Step(1, "verify", kind.leaf, "its leaf node (7.3)"),
        *_key_checks(kind, 1, "the leaf's HPKE key is one (7.3)"),
        Step(shape.height + 1, "hash", 200, "tree hashes above the new leaf (7.8)"),
    ]


def _schedule(kind: Kind, size: int) -> Steps:
    return [
        Step(1, "hash", size + _SIGNATURE + 60, "confirmed transcript hash (8.2)"),
        Step(1, "hash", 2 * kind.hash_length, "interim transcript hash (8.2)"),
        Step(5, "kdf", GROUP_CONTEXT, "joiner, member, epoch secret; two extractions (8)"),
        Step(3, "kdf", 0, "confirmation, membership and init secret (8)"),
        Step(1, "mac", kind.hash_length, "confirmation tag (6.1)"),
    ]


def _commit_sent(kind: Kind, size: int, member: bool = True) -> Steps:
    tag = [Step(1, "mac", size + GROUP_CONTEXT + 200, "membership tag (6.2)")] if member else []
    return [
        Step(1, "sign", size + GROUP_CONTEXT + 60, "the commit (6.1)"),
        *tag,
        *_schedule(kind, size),
    ]


def _commit_received(kind: Kind, size: int) -> Steps:
    return [
        Step(1, "verify", size + GROUP_CONTEXT + 60, "the commit (6.1)"),
        Step(1, "mac", size + GROUP_CONTEXT + 200, "membership tag (6.2)"),
        *_schedule(kind, size),
    ]


def _welcome_made(kind: Kind, joiners: int, info: int) -> Steps:
    return [
        Step(1, "sign", info, "GroupInfo with the tree (12.4.3)"),
        Step(3, "kdf", 0, "welcome secret, its key and nonce (8)"),
        Step(1, "aead", info, "GroupInfo"),
        Step(1, "hash", info, "the encrypted GroupInfo, which every seal's context is"),
        Step(joiners, "load_public", 0, "each init key"),
        Step(joiners, "hpke_seal", GROUP_SECRETS, "group secrets for each joiner (12.4.3.1)"),
    ]


#: Every formula with the arguments to show it at, for `python -m bench --counts`.
def counted(kind: Kind, n: int) -> dict[str, Steps]:
    """All formulas for a group of `n` in a cold tree, from its first member to its last."""
    shape, last, middle = Shape(n), n - 1, n // 2
    smaller, larger = Shape(n), Shape(n)
    smaller.remove(middle)
    joined = larger.add()
    return {
        "key package": key_package(kind),
        "group created in one commit": group_created(kind, n),
        "Welcome processed": welcome_processed(kind, shape),
        "update made": update_made(kind, shape, 0),
        "update processed": update_processed(kind, shape, 0, last),
        "remove made": remove_made(kind, smaller, 0),
        "remove processed": remove_processed(kind, smaller, 0, last),
        "add made": add_made(kind, shape),
        "add processed": add_processed(kind, shape),
        "add with a path made": add_with_path_made(kind, shape, 0, middle),
        "add with a path processed": add_with_path_processed(kind, shape, 0, last),
        "external join": joined_externally(kind, shape, larger, joined),
        "message protected": protected(kind, 200),
        "message unprotected": unprotected(kind, 200),
    }
