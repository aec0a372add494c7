"""Receipts: a relay's signed word that an entry is stored, and what a client shows of it later.

A relay signs once per batch, over the root of a Merkle tree whose leaves are the appended entries; a
`Receipt` has the path from its leaf to that root. `Evidence` is a receipt with the place that it is for.
The encoding is that of `objects`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from heliogram.codec import Reader, u32, u64, vector
from heliogram.wire.limits import HASH_SIZE, LIFE, MAX_BATCH, MAX_PATH, SIGNATURE_SIZE
from heliogram.wire.objects import _hash, _malformed
from heliogram.wire.signing import Label, Object, labelled_hash, verify

# --- Entries and receipts -------------------------------------------------------------------------


def entry_hash(entry: bytes) -> bytes:
    """The name of a posted entry."""
    return labelled_hash(Label.ENTRY, entry)


def next_chain(chain: bytes, entry: bytes) -> bytes:
    """The chain after an entry with the hash `entry`. Before the first entry it is the instance id."""
    return labelled_hash(Label.CHAIN, chain + entry)


def life(index: int) -> int:
    """Which life of a log an index is of. A relay that is fenced begins another one.

    So who sees a later index of this relay knows that a receipt is of the time before the fence.
    """
    return index // LIFE


def receipt_leaf(instance: bytes, epoch: int, index: int, entry: bytes, chain: bytes) -> bytes:
    """The leaf of one appended entry: SHA-256(0x00 || ...), as RFC 6962 hashes leaves.

    struct {
        opaque instance[32]; uint64 epoch; uint64 index; opaque entry_hash[32]; opaque chain[32];
    } Leaf;

    `chain` is the chain after this entry.
    """
    return hashlib.sha256(b"\x00" + instance + u64(epoch) + u64(index) + entry + chain).digest()


def merkle_tree(leaves: Sequence[bytes]) -> tuple[bytes, list[tuple[bytes, ...]]]:
    """The root over `leaves` and each leaf's path to it, lowest first (RFC 6962, section 2.1).

    `leaves` are leaf hashes, at least one and at most `MAX_BATCH`.
    """
    levels = [list(leaves)]
    while len(level := levels[-1]) > 1:
        above = [
            hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest()
            for i in range(0, len(level) - 1, 2)
        ]
        # A node without a sibling moves up as it is.
        levels.append(above + level[len(level) & ~1 :])
    paths: list[tuple[bytes, ...]] = [()]
    for level in reversed(levels[:-1]):
        # From the root down: a node's path is its sibling, if it has one, and then that of the node above.
        size = len(level)
        paths = [
            (level[i ^ 1], *paths[i >> 1]) if i ^ 1 < size else paths[i >> 1] for i in range(size)
        ]
    return levels[-1][0], paths


def merkle_root(leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to; None if it cannot be a path of that leaf (RFC 9162, 2.1.3.2)."""
    if not 0 <= position < size:
        return None
    last, node, left = size - 1, leaf, len(path)
    for sibling in path:
        if last == 0:
            return None
        left -= 1
        if position & 1 or position == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        position >>= 1
        last >>= 1
    return node if last == 0 and left == 0 else None


def receipts_content(relay: bytes, root: bytes, size: int) -> bytes:
    """What a relay signs once per batch, under `Label.RECEIPTS`.

    struct { opaque relay[32]; opaque root[32]; uint32 size; } Receipts;
    """
    return relay + root + u32(size)


@dataclass(frozen=True, slots=True)
class Receipt(Object):
    """A relay's signed word that an entry is stored at a place of its log.

    struct {
        uint64 index;
        opaque chain[32];               // after this entry
        uint32 position;                // of the leaf in its batch
        uint32 size;                    // of the batch
        opaque path<V>;                 // of opaque hash[32], lowest first
        opaque signature[64];           // over the root and size of the batch
    } Receipt;
    """

    index: int
    chain: bytes = field(repr=False)
    position: int
    size: int
    path: tuple[bytes, ...] = field(repr=False)
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes of this `Receipt`."""
        place = u64(self.index) + self.chain + u32(self.position) + u32(self.size)
        return place + vector(self.path) + self.signature

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Receipt`. Raises `RemoteError` for a batch beyond `MAX_BATCH`."""
        index, chain, position, size = reader.u64(), _hash(reader), reader.u32(), reader.u32()
        path = reader.vector(_hash, MAX_PATH * HASH_SIZE)
        if not position < size <= MAX_BATCH:
            raise _malformed("a receipt outside of its batch")
        return cls(index, chain, position, size, path, reader.fixed(SIGNATURE_SIZE))

    def proves(self, relay: bytes, instance: bytes, epoch: int, entry: bytes) -> bool:
        """Whether `relay` said that the entry with the hash `entry` is stored there."""
        leaf = receipt_leaf(instance, epoch, self.index, entry, self.chain)
        root = merkle_root(leaf, self.position, self.size, self.path)
        if root is None:
            return False
        content = receipts_content(relay, root, self.size)
        return verify(relay, Label.RECEIPTS, content, self.signature)


# --- Evidence -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence(Object):
    """A place in a log that a relay once signed for: how a client shows that a relay fell back.

    struct {
        uint64 epoch;
        opaque entry_hash[32];
        Receipt receipt;
    } Evidence;
    """

    epoch: int
    entry: bytes = field(repr=False)
    receipt: Receipt

    def encode(self) -> bytes:
        """The bytes of this `Evidence`."""
        return u64(self.epoch) + self.entry + self.receipt.encode()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next `Evidence`."""
        return cls(reader.u64(), _hash(reader), Receipt.decode(reader))

    def proves(self, relay: bytes, instance: bytes) -> bool:
        """Whether `relay` signed for this place of this instance."""
        return self.receipt.proves(relay, instance, self.epoch, self.entry)
