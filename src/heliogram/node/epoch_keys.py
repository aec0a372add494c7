"""Everything that a conversation derives from one epoch, once, at its start.

    root  = SafeExportSecret(EPOCH_KEYS)   draft-ietf-mls-extensions-10, section 4.4
    relay = derive(root, "relays")         K[e,r] = Ed25519(derive(relay, "relay", log || r.key || epoch))
    tag   = derive(root, "branch")[:8]     in front of every entry: another tag is another branch
    reply = derive(root, "reply")[:8]      the same, in front of what puts a wounded member back
    rank  = derive(root, "rank")           who goes first in an election
    value = derive(root, "value")          seals the bodies of values
    successor = derive(root, "successor")  what members of a successor conversation have in common

`derive` is that of `sealing`. The safe exporter gives the root once and forgets it, and this module forgets
it too: who breaks in later finds what is still used, and cannot compute the rest again.

A relay gets the public half of its own key. It holds nothing that it could use at another relay.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from heliogram import mls
from heliogram.codec import Reader, decode_all, opaque, u32, u64
from heliogram.node.components import Component
from heliogram.node.sealing import derive
from heliogram.wire.objects import Configuration
from heliogram.wire.signing import SigningKey

#: Bytes of a branch tag.
TAG_SIZE = 8

_SECRET = 64
_NOTHING = mls.Secret(b"")


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """One epoch's keys. None of them has a text."""

    epoch: int
    tag: bytes = field(repr=False)
    reply: bytes = field(repr=False)
    relay: mls.Secret = field(repr=False)
    rank: mls.Secret = field(repr=False)
    value: mls.Secret = field(repr=False)
    successor: mls.Secret = field(repr=False)

    @classmethod
    def of(cls, group: mls.Group) -> Self:
        """Those of a group's epoch. Raises `mls.UsageError` the second time: keep them."""
        root = group.safe_export(Component.EPOCH_KEYS)
        return cls(
            group.epoch,
            bytes(derive(root, b"branch"))[:TAG_SIZE],
            bytes(derive(root, b"reply"))[:TAG_SIZE],
            derive(root, b"relays"),
            derive(root, b"rank"),
            derive(root, b"value"),
            derive(root, b"successor"),
        )

    def relay_key(self, log: bytes, relay: bytes) -> SigningKey:
        """K[e,r]: what members sign with at the relay with the key `relay`."""
        return SigningKey(derive(self.relay, b"relay", log + relay + u64(self.epoch)))

    def public_keys(self, configuration: Configuration) -> tuple[bytes, ...]:
        """The public halves for all relays, in their order: what a seat shows."""
        return tuple(
            self.relay_key(configuration.log, relay.key).public for relay in configuration.relays
        )

    def rank_of(self, leaf: int, leaves: Iterable[int]) -> int:
        """Which place a member has among all in an election of this epoch, from 0.

        The same for all members, and nobody can choose theirs: the order is that of a keyed hash.
        """

        def key(one: int) -> bytes:
            return hmac.digest(self.rank, u32(one), "sha256")

        return sum(key(one) < key(leaf) for one in leaves)

    def closed(self) -> Self:
        """What is kept when the epoch has ended: for reading on, and to know its branch."""
        return replace(self, rank=_NOTHING, value=_NOTHING, successor=_NOTHING)

    def to_bytes(self) -> mls.Secret:
        """All of them, for a store."""
        secrets = self.relay, self.rank, self.value, self.successor
        return mls.Secret(u64(self.epoch) + self.tag + self.reply + b"".join(map(opaque, secrets)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote. Raises `codec.DecodeError`."""
        return decode_all(cls.decode, data)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next ones. Raises `codec.DecodeError`."""
        epoch, tag, reply = reader.u64(), reader.fixed(TAG_SIZE), reader.fixed(TAG_SIZE)
        relay, rank, value, successor = (mls.Secret(reader.opaque(_SECRET)) for _ in range(4))
        return cls(epoch, tag, reply, relay, rank, value, successor)
