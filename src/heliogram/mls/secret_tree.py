"""The secret tree and the ratchets of all senders. RFC 9420, section 9.

From an epoch's encryption secret grows a tree of secrets, one leaf for each member; a leaf's secret
starts two ratchets, one for handshake messages and one for application messages. Each step gives a
key and a nonce for one message and the secret of the next step. Whatever has been used to make
something else is deleted at once (section 9.2), so that a later break-in finds only what has not
been used yet.

Receiving happens in two steps. `find` computes a key without changing anything: the message may be
forged. `consume` is called when it proved to be genuine, and only then moves the ratchet and
deletes the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from heliogram.codec import DecodeError, Reader, opaque, u8, u32, vector
from heliogram.mls import tree_math
from heliogram.mls.crypto import Secret, Suite
from heliogram.mls.errors import DecryptionFailed, UsageError
from heliogram.mls.tree_math import NodeIndex

#: Messages that one sender may protect in one epoch. All senders of an epoch share the key that
#: hides who sent what, under random nonces: this keeps it within the limits of the AEADs (section
#: 15.2).
MAX_GENERATION = 1 << 24


class RatchetKind(IntEnum):
    """The two ratchets of a member (section 9.1)."""

    HANDSHAKE = 0
    APPLICATION = 1


_RATCHET_LABELS = (b"handshake", b"application")


class _Ratchet:
    """One sender's chain: the secret of `generation`, and keys that were skipped but not used."""

    __slots__ = ("generation", "secret", "skipped")

    def __init__(self, secret: Secret, generation: int = 0) -> None:
        self.secret = secret
        self.generation = generation
        self.skipped: dict[int, tuple[Secret, Secret]] = {}

    def encode(self) -> bytes:
        skipped = vector(
            u32(generation) + opaque(key) + opaque(nonce)
            for generation, (key, nonce) in self.skipped.items()
        )
        return opaque(self.secret) + u32(self.generation) + skipped

    @classmethod
    def decode(cls, reader: Reader) -> _Ratchet:
        ratchet = cls(Secret(reader.opaque()), reader.u32())
        inner = reader.rest()
        while not inner.done():
            generation = inner.u32()
            ratchet.skipped[generation] = (Secret(inner.opaque()), Secret(inner.opaque()))
        return ratchet


class FoundKey:
    """Key and nonce for one received message, and what `consume` needs to make it unusable
    afterwards.
    """

    __slots__ = ("generation", "key", "kind", "leaf_index", "nonce", "ratchet", "skipped")

    def __init__(
        self,
        leaf_index: int,
        kind: RatchetKind,
        generation: int,
        key: Secret,
        nonce: Secret,
        ratchet: Secret | None,
        skipped: dict[int, tuple[Secret, Secret]],
    ) -> None:
        self.leaf_index = leaf_index
        self.kind = kind
        self.generation = generation
        self.key = key
        self.nonce = nonce
        #: The ratchet's secret after this generation; None if the key had been skipped before.
        self.ratchet = ratchet
        self.skipped = skipped


class SecretTree:
    """All message keys of one epoch that have not been used yet. Mutable.

    `leaf_count` is a power of two. `max_forward` bounds how many generations one message may skip,
    `max_skipped` how many skipped keys are kept in all; the oldest go first.
    """

    __slots__ = (
        "_changed",
        "_nodes",
        "_ratchets",
        "_saved",
        "_skipped",
        "leaf_count",
        "max_forward",
        "max_skipped",
        "suite",
    )

    def __init__(
        self,
        suite: Suite,
        leaf_count: int,
        encryption_secret: Secret | None,
        *,
        max_forward: int,
        max_skipped: int,
    ) -> None:
        self.suite = suite
        self.leaf_count = leaf_count
        self.max_forward = max_forward
        self.max_skipped = max_skipped
        self._nodes: dict[NodeIndex, Secret] = {}
        if encryption_secret is not None:
            self._nodes[tree_math.root(leaf_count)] = encryption_secret
        self._ratchets: dict[tuple[int, int], _Ratchet] = {}
        #: Skipped keys in the order in which they were skipped: (leaf, kind, generation).
        self._skipped: dict[tuple[int, int, int], None] = {}
        #: Records that a store has, and those in which it is behind.
        self._saved: set[bytes] = set()
        self._changed: set[bytes] = {_nodes_name(node) for node in self._nodes}

    def next_key(self, leaf_index: int, kind: RatchetKind) -> tuple[int, Secret, Secret]:
        """(generation, key, nonce) for our own next message; they are never given out again.

        Raises `UsageError` when so much was sent in this epoch that a commit is due (section 15.2).
        """
        ratchet = self._own_ratchet(leaf_index, kind)
        generation = ratchet.generation
        if generation >= MAX_GENERATION:  # RFC 9420, 15.2
            raise UsageError("row 20: too many messages in this epoch; commit before sending more")
        key, nonce, ratchet.secret = self._step(ratchet.secret, generation)
        ratchet.generation = generation + 1
        self._changed.add(_ratchet_name(leaf_index, kind))
        return generation, key, nonce

    def generation(self, leaf_index: int, kind: RatchetKind) -> int:
        """The generation that `next_key` would use."""
        ratchet = self._ratchets.get((leaf_index, kind))
        return 0 if ratchet is None else ratchet.generation

    def find(self, leaf_index: int, kind: RatchetKind, generation: int) -> FoundKey:
        """The key of a received message. Changes nothing.

        Raises `DecryptionFailed` (row 18) when it was used before, is too far ahead, or was
        dropped.
        """
        ratchet = self._ratchets.get((leaf_index, kind))
        if ratchet is None:
            secret, start = self._leaf_secrets(leaf_index)[0][kind], 0
        else:
            secret, start = ratchet.secret, ratchet.generation
            if generation < start:
                found = ratchet.skipped.get(generation)
                if found is None:  # RFC 9420, 9.2
                    raise DecryptionFailed(18, "9.2", "this message's key was used or dropped")
                return FoundKey(leaf_index, kind, generation, *found, None, {})
        if generation - start > self.max_forward:  # RFC 9420, 15.3
            raise DecryptionFailed(18, "15.3", "a message skips more generations than we allow")
        skipped: dict[int, tuple[Secret, Secret]] = {}
        for step in range(start, generation):
            key, nonce, secret = self._step(secret, step)
            skipped[step] = (key, nonce)
        key, nonce, secret = self._step(secret, generation)
        return FoundKey(leaf_index, kind, generation, key, nonce, secret, skipped)

    def consume(self, found: FoundKey) -> None:
        """Delete the key that `find` gave; the message was genuine (section 9.2; row 103)."""
        leaf_index, kind = found.leaf_index, found.kind
        ratchet = self._own_ratchet(leaf_index, kind)
        if found.ratchet is None:
            ratchet.skipped.pop(found.generation, None)
            self._skipped.pop((leaf_index, kind, found.generation), None)
        else:
            ratchet.secret = found.ratchet
            ratchet.generation = found.generation + 1
            if found.skipped:
                ratchet.skipped.update(found.skipped)
                self._skipped.update(
                    ((leaf_index, kind, generation), None) for generation in found.skipped
                )
                self._drop_oldest()
        self._changed.add(_ratchet_name(leaf_index, kind))

    def _drop_oldest(self) -> None:
        """Keep the number of skipped keys within its bound (section 15.3; row 104)."""
        while len(self._skipped) > self.max_skipped:
            leaf_index, kind, generation = next(iter(self._skipped))
            del self._skipped[leaf_index, kind, generation]
            del self._ratchets[leaf_index, kind].skipped[generation]
            self._changed.add(_ratchet_name(leaf_index, kind))

    def _own_ratchet(self, leaf_index: int, kind: int) -> _Ratchet:
        """The live ratchet of a leaf; the leaf's secrets are taken out of the tree at its first
        use.
        """
        ratchet = self._ratchets.get((leaf_index, kind))
        if ratchet is None:
            secrets, path, siblings = self._leaf_secrets(leaf_index)
            for node in path:
                if self._nodes.pop(node, None) is not None:
                    self._changed.add(_nodes_name(node))
            self._nodes.update(siblings)
            self._changed.update(map(_nodes_name, siblings))
            for number, secret in enumerate(secrets):
                self._ratchets[leaf_index, number] = _Ratchet(secret)
                self._changed.add(_ratchet_name(leaf_index, number))
            ratchet = self._ratchets[leaf_index, kind]
        return ratchet

    def _leaf_secrets(
        self, leaf_index: int
    ) -> tuple[tuple[Secret, Secret], list[NodeIndex], dict[NodeIndex, Secret]]:
        """A leaf's two ratchet secrets, the nodes used up on the way, and those made beside it."""
        suite, size = self.suite, self.suite.hash_length
        if not 0 <= leaf_index < self.leaf_count:
            raise DecryptionFailed(18, "9.2", "a leaf's secrets are not in this epoch's tree")
        path = [tree_math.leaf_node(leaf_index)]
        path += tree_math.direct_path(leaf_index, self.leaf_count)
        start = next((i for i, node in enumerate(path) if node in self._nodes), None)
        if start is None:
            raise DecryptionFailed(18, "9.2", "a leaf's secrets are not in this epoch's tree")
        secret = self._nodes[path[start]]
        siblings: dict[NodeIndex, Secret] = {}
        for node in reversed(path[:start]):
            left = suite.expand_with_label(secret, b"tree", b"left", size)
            right = suite.expand_with_label(secret, b"tree", b"right", size)
            beside = tree_math.sibling(node)
            secret, siblings[beside] = (left, right) if node < beside else (right, left)
        handshake, application = (
            suite.expand_with_label(secret, label, b"", size) for label in _RATCHET_LABELS
        )
        return (handshake, application), path[: start + 1], siblings

    def _step(self, secret: Secret, generation: int) -> tuple[Secret, Secret, Secret]:
        """(key, nonce, next secret) of section 9.1."""
        suite = self.suite
        derive = suite.derive_tree_secret
        return (
            derive(secret, b"key", generation, suite.key_length),
            derive(secret, b"nonce", generation, suite.nonce_length),
            derive(secret, b"secret", generation, suite.hash_length),
        )

    # -- saved state -------------------------------------------------------------------------------

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole tree as named records."""
        for name in self._names():
            value = self._record(name)
            if value is not None:
                yield name, value

    def changed_records(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The records that differ from those given out before; from now on they count as saved.

        None for one that is to be deleted.
        """
        changed, self._changed = self._changed, set()
        for name in sorted(changed):
            value = self._record(name)
            if value is not None:
                self._saved.add(name)
                yield name, value
            elif name in self._saved:
                self._saved.remove(name)
                yield name, None

    def saved_names(self) -> set[bytes]:
        """The names of the records that the store has."""
        return self._saved

    def mark_unsaved(self) -> None:
        """The store has no record of this tree, or not any more."""
        self._saved = set()
        self._changed = self._names()

    def load(self, records: dict[bytes, bytes]) -> None:
        """Take over saved records; raises `DecodeError` when they are damaged."""
        for name, value in sorted(records.items()):
            reader = Reader(value)
            if name[:1] == b"n":
                inner = reader.rest()
                while not inner.done():
                    node = NodeIndex(inner.u32())
                    self._nodes[node] = Secret(inner.opaque())
                    if name != _nodes_name(node):
                        raise DecodeError("9", "a saved secret is in another's record")
            else:
                key = (int.from_bytes(name[1:5], "big"), int.from_bytes(name[5:], "big"))
                if key[0] >= self.leaf_count or key[1] > 1 or name != _ratchet_name(*key):
                    raise DecodeError("9.1", "a saved ratchet is nobody's")
                ratchet = _Ratchet.decode(reader)
                self._ratchets[key] = ratchet
                self._skipped.update(((*key, generation), None) for generation in ratchet.skipped)
            reader.finish()
        self._saved = set(records)
        self._changed = set()

    def _names(self) -> set[bytes]:
        names = set(map(_nodes_name, self._nodes))
        names.update(_ratchet_name(leaf_index, kind) for leaf_index, kind in self._ratchets)
        return names

    def _record(self, name: bytes) -> bytes | None:
        """The record of this name as it is now; None when it is empty."""
        number = int.from_bytes(name[1:5], "big")
        if name[:1] == b"r":
            return self._ratchets[number, name[5]].encode()
        nodes = map(NodeIndex, range(number << _BLOCK, (number + 1) << _BLOCK))
        secrets = [u32(node) + opaque(self._nodes[node]) for node in nodes if node in self._nodes]
        return vector(secrets) if secrets else None


#: Two to this power array positions share a record: so a record is small in any size of group, and
#: a message by somebody who had not sent before touches few of them.
_BLOCK = 6


def _nodes_name(node: NodeIndex) -> bytes:
    return b"n" + u32(node >> _BLOCK)


def _ratchet_name(leaf_index: int, kind: int) -> bytes:
    return b"r" + u32(leaf_index) + u8(kind)
