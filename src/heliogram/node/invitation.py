"""An invitation: what lies in somebody's inbox and leads them into a conversation.

    struct {
        uint8 version = 1;
        Seat seat;                      // of the slot where the chain below begins
        Link links<V>;                  // decisions, the last is the one that adds whom this is for
        opaque instances<V>;            // of opaque instance[32], for each relay of the next seat
        WelcomeForm welcome;
        uint32 inviter;                 // the leaf of who invites, in the epoch that the Welcome leads to
        opaque profile<V>;              // what the inviter says of themselves
        opaque signature<V>;            // by the inviter's leaf key, over all before it
    } Invitation;

It is sealed under a key that follows from the secret of the contact link and padded, so the relay that holds
the inbox does not see the KeyPackageRef in the Welcome: it gave that key package away, and could tell who was
added to which log.

A member who was wounded gets one too: in the grace lane of the epoch that it cannot leave, sealed under a
secret that it sent along with its key package. So do all whose log is dead, from who went on in another one:
one invitation, sealed for several.

Nothing in it is believed. `Conversation.join` checks the certificates against the seats, the last header
against the group, the signature against the inviter's leaf. That makes a Welcome worthless for a commit that
was not decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from heliogram.codec import DecodeError, Reader, decode_all, opaque, u8, u32, vector
from heliogram.node.chain import Link
from heliogram.node.epoch_keys import TAG_SIZE
from heliogram.node.errors import InvalidInvitation, InvitationFault, NotOpened
from heliogram.node.sealing import seal, seal_for, unseal, unseal_for
from heliogram.node.value import WelcomeForm, decode_welcome, encode_welcome
from heliogram.wire.errors import RemoteError
from heliogram.wire.limits import HASH_SIZE, MAX_GRACE_ENTRY, MAX_INBOX_ITEM, MAX_RELAYS
from heliogram.wire.objects import Seat

VERSION = 1

#: Bytes that a sealed invitation can have.
INVITATION_SIZES = (8 << 10, 16 << 10, 32 << 10, MAX_INBOX_ITEM)

#: The same in the grace lane of a log, in front of which a tag stands.
GRACE_SIZES = (8 << 10, MAX_GRACE_ENTRY - TAG_SIZE)

#: How many an invitation in a grace lane is sealed for; for more there are several.
OFFERED_AT_ONCE = 32

#: Bytes of a profile, of a signature; decisions that one invitation shows.
MAX_PROFILE = 4 << 10
MAX_SIGNATURE = 8 << 10
MAX_LINKS = 16

#: Under what an inviter signs; MLS puts its own prefix before it.
SIGNED = b"Heliogram invitation"

_INVITATION = b"invitation"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation, opened. Nothing of it has been checked."""

    seat: Seat
    links: tuple[Link, ...]
    instances: tuple[bytes, ...] = field(repr=False)
    welcome: WelcomeForm = field(repr=False)
    inviter: int
    profile: bytes = field(default=b"", repr=False)
    signature: bytes = field(default=b"", repr=False)

    def content(self) -> bytes:
        """What is signed."""
        return b"".join(
            (
                u8(VERSION),
                self.seat.encode(),
                vector(link.encode() for link in self.links),
                vector(self.instances),
                encode_welcome(self.welcome),
                u32(self.inviter),
                opaque(self.profile),
            )
        )

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return self.content() + opaque(self.signature)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The structure that is the whole of `data`. Raises `InvalidInvitation`."""
        try:
            return decode_all(cls._decode, data)
        except (DecodeError, RemoteError):
            raise InvalidInvitation(InvitationFault.MALFORMED) from None

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        if reader.u8() != VERSION:
            raise DecodeError("invitation", "an invitation of another version")
        seat = Seat.decode(reader)
        links = reader.vector(Link.decode, MAX_INBOX_ITEM, MAX_LINKS)
        instance = partial(Reader.fixed, size=HASH_SIZE)
        instances = reader.vector(instance, MAX_RELAYS * HASH_SIZE)
        welcome, inviter = decode_welcome(reader), reader.u32()
        profile, signature = reader.opaque(MAX_PROFILE), reader.opaque(MAX_SIGNATURE)
        if not links or welcome is None:
            raise DecodeError("invitation", "an invitation to nothing")
        return cls(seat, links, instances, welcome, inviter, profile, signature)

    def seal(
        self,
        secret: bytes,
        place: bytes,
        *,
        sizes: Sequence[int] = INVITATION_SIZES,
        entropy: Callable[[int], bytes],
    ) -> bytes:
        """The item for the inbox with the id `place`; `secret` is the contact link's. Raises `TooLong`."""
        return seal(secret, _INVITATION, self.encode(), aad=place, sizes=sizes, entropy=entropy)

    @classmethod
    def unseal(cls, secret: bytes, place: bytes, item: bytes) -> Self:
        """What an item of our inbox holds. Raises `InvalidInvitation`."""
        try:
            content = unseal(secret, _INVITATION, item, aad=place, most=MAX_INBOX_ITEM)
        except NotOpened:
            raise InvalidInvitation(InvitationFault.MALFORMED) from None
        return cls.from_bytes(content)

    def offers(
        self, secrets: Sequence[bytes], place: bytes, *, entropy: Callable[[int], bytes]
    ) -> Iterator[bytes]:
        """The same for a grace lane, for all who sent one of `secrets`; `place` is their group's id.

        Raises `TooLong` for what does not fit there.
        """
        for at in range(0, len(secrets), OFFERED_AT_ONCE):
            yield seal_for(
                secrets[at : at + OFFERED_AT_ONCE],
                _INVITATION,
                self.encode(),
                aad=place,
                sizes=GRACE_SIZES,
                entropy=entropy,
            )

    @classmethod
    def accept(cls, secret: bytes, place: bytes, item: bytes) -> Self:
        """What `offers` sealed. Raises `InvalidInvitation`."""
        try:
            content = unseal_for(secret, _INVITATION, item, aad=place, most=MAX_INBOX_ITEM)
        except NotOpened:
            raise InvalidInvitation(InvitationFault.MALFORMED) from None
        return cls.from_bytes(content)
