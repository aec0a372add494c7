"""A card: what somebody says of themselves to one other, in an invitation and in a conversation.

    struct {
        uint8 version = 1;
        uint8 kind;                     // 0: nothing, 1: direct, 2: group. Of an invitation: what it is to
        opaque name<V>;                 // UTF-8: what they call themselves
        opaque title<V>;                // UTF-8: what the group is called
        uint16 members;                 // of the group, with whom this is for
        opaque certificate<V>;          // the DeviceCertificate of who says it
        optional<opaque list<V>>;       // their DeviceList
        optional<opaque link<V>>;       // a ContactLink, by which this one may reach them later
        uint64 named;                   // Unix seconds: since when they call themselves so
        uint64 said;                    // Unix seconds: when they made this card
    } Card;

An invitation's signature is over its card. So the certificate in the card, whose key that signature is by,
says who invites before the conversation was entered. In a conversation a card is a part of the media type
`application/vnd.heliogram.card` with the disposition PROFILE; there who says it is known, and the certificate
is empty.

A card may come late, and more than once: what is older than what is known says nothing. `named` orders names,
`said` orders links; a list of devices has a number of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from heliogram.codec import DecodeError, Reader, decode_all, opaque, optional, u8, u16, u64
from heliogram.node.errors import IdentityFault, InvalidIdentity, InvalidLink
from heliogram.node.identity.devices import DeviceCertificate, DeviceList
from heliogram.node.identity.links import ContactLink
from heliogram.node.invitation import MAX_PROFILE

VERSION = 1

#: The media type of a card.
CARD = "application/vnd.heliogram.card"

#: Bytes of a name and of a title.
MAX_NAME = 256

#: Bytes of a card in a conversation.
MAX_CARD = 16 << 10

KINDS = ("", "direct", "group")

#: Seconds that a card may be ahead of the clock here. What is further ahead was made by a clock that was
#: wrong: it comes before all else that has a time, so that whoever puts their clock right is heard.
AHEAD = 86_400

#: No time of a card is larger: it fits everywhere.
MAX_TIME = (1 << 48) - 1

#: When something of a card was said (0 if nobody knows), and what: the order of all of its kind.
Stamp = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Card:
    """What somebody says of themselves. Lists and certificates in it have good signatures."""

    name: str = field(repr=False)
    kind: str = ""
    title: str = field(default="", repr=False)
    members: int = 0
    certificate: DeviceCertificate | None = field(default=None, repr=False)
    devices: DeviceList | None = field(default=None, repr=False)
    link: ContactLink | None = field(default=None, repr=False)
    named: int = field(default=0, repr=False)
    said: int = field(default=0, repr=False)

    def encode(self) -> bytes:
        """The bytes of this structure."""
        return b"".join(
            (
                u8(VERSION),
                u8(KINDS.index(self.kind)),
                opaque(_cut(self.name)),
                opaque(_cut(self.title)),
                u16(min(self.members, 0xFFFF)),
                opaque(b"" if self.certificate is None else self.certificate.encode()),
                optional(None if self.devices is None else opaque(self.devices.encode())),
                optional(None if self.link is None else opaque(self.link.encode())),
                u64(self.named),
                u64(self.said),
            )
        )

    def for_invitation(self) -> bytes:
        """The bytes for an invitation: without the list of devices if there is no room for it."""
        whole = self.encode()
        if len(whole) <= MAX_PROFILE:
            return whole
        return replace(self, devices=None).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The structure that is the whole of `data`. Raises `InvalidIdentity`."""
        try:
            return decode_all(cls._decode, data)
        except (DecodeError, InvalidLink, UnicodeDecodeError):
            raise InvalidIdentity(IdentityFault.MALFORMED, "a card cannot be read") from None

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        if reader.u8() != VERSION:
            raise DecodeError("card", "a card of another version")
        kind = reader.u8()
        if kind >= len(KINDS):
            raise DecodeError("card", "a card for an unknown kind of conversation")
        name, title = reader.opaque(MAX_NAME).decode(), reader.opaque(MAX_NAME).decode()
        members, certificate = reader.u16(), reader.opaque(MAX_CARD)
        devices = reader.opaque(MAX_CARD) if reader.optional() else None
        link = reader.opaque(MAX_CARD) if reader.optional() else None
        named, said = reader.u64(), reader.u64()
        if max(named, said) > MAX_TIME:
            raise DecodeError("card", "a card of no time")
        return cls(
            name,
            KINDS[kind],
            title,
            members,
            DeviceCertificate.from_bytes(certificate) if certificate else None,
            None if devices is None else DeviceList.from_bytes(devices),
            None if link is None else ContactLink.from_bytes(link),
            named,
            said,
        )


def next_time(last: int, now: int) -> int:
    """The time of what is said now: later than `last`, unless the clock was wrong then. Unix seconds."""
    return now if last > now + AHEAD else max(now, last + 1)


def is_newer(offered: Stamp, known: Stamp, now: int) -> bool:
    """Whether `offered` takes the place of `known`. All who ask agree, in any order. `now`: Unix seconds."""
    return _rank(offered, now) > _rank(known, now)


def _rank(stamp: Stamp, now: int) -> tuple[int, int, bytes]:
    time, what = stamp
    return (2 if time <= now + AHEAD else 1) if time else 0, time, what


def _cut(name: str) -> bytes:
    """A name that fits."""
    return name.encode("utf-8", "replace")[:MAX_NAME].decode("utf-8", "ignore").encode()
