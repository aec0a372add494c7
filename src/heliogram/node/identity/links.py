"""Contact links: where somebody can be reached, and how to know that it is them.

    struct {
        opaque key[32];                 // Ed25519, the relay's identity
        opaque endpoints<V>;            // of opaque endpoint<V>
    } InboxRelay;

    struct {
        uint8 version = 1;
        uint8 flags;                    // 1: one-time
        opaque account[32];             // the account's id
        opaque inbox[32];
        opaque secret[32];
        InboxRelay relays<V>;
        opaque name<V>;                 // UTF-8, may be empty
    } ContactLink;

Who has the link may leave something in the inbox, by the key pair that follows from the secret, until the
owner takes this key away. The account id says whose key packages to accept: an inbox that gives others is
caught.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from heliogram.codec import DecodeError, Reader, decode_all, opaque, u8, vector
from heliogram.node.errors import InvalidLink, LinkFault
from heliogram.node.identity import armour
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.node.identity.names import clean
from heliogram.node.signing import Label, labelled_hash
from heliogram.wire.limits import HASH_SIZE, KEY_SIZE, MAX_ENDPOINT, MAX_ENDPOINTS
from heliogram.wire.signing import SigningKey

VERSION = 1

SECRET_SIZE = 32

#: Relays of one inbox, and bytes of the name.
MAX_RELAYS = 8
MAX_NAME = 256

_KIND = "contact"
_ONE_TIME = 1

_ENDPOINT = re.compile(rb"wss?://[\x21-\x7e]+")


def _damaged() -> InvalidLink:
    return InvalidLink(LinkFault.DAMAGED)


@dataclass(frozen=True, slots=True)
class InboxRelay:
    """A relay that holds an inbox: its key, and where it is reached (WebSocket URLs)."""

    key: bytes = field(repr=False)
    endpoints: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Raises `InvalidLink`."""
        if len(self.key) != KEY_SIZE or not 1 <= len(self.endpoints) <= MAX_ENDPOINTS:
            raise _damaged()
        for endpoint in self.endpoints:
            if len(endpoint) > MAX_ENDPOINT or not _ENDPOINT.fullmatch(endpoint):
                raise _damaged()

    def encode(self) -> bytes:
        """The bytes of this relay."""
        return self.key + vector(map(opaque, self.endpoints))

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """The next relay. Raises `InvalidLink` or `codec.DecodeError`."""
        key = reader.fixed(KEY_SIZE)
        return cls(key, reader.vector(partial(Reader.opaque, ceiling=MAX_ENDPOINT)))


@dataclass(frozen=True, slots=True)
class ContactLink:
    """An invitation to get in touch. Secret: who has it can write to its owner."""

    account: bytes = field(repr=False)
    inbox: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    relays: tuple[InboxRelay, ...] = field(repr=False)
    one_time: bool = False
    name: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Raises `InvalidLink`."""
        sizes = len(self.account), len(self.inbox), len(self.secret)
        if sizes != (HASH_SIZE, HASH_SIZE, SECRET_SIZE):
            raise _damaged()
        keys = {relay.key for relay in self.relays}
        if not 1 <= len(self.relays) <= MAX_RELAYS or len(keys) != len(self.relays):
            raise _damaged()
        try:
            name = self.name.encode("utf-8")
        except UnicodeEncodeError:
            raise _damaged() from None
        if len(name) > MAX_NAME or len(self.to_text()) > armour.MAX_TEXT:
            raise _damaged()

    def encode(self) -> bytes:
        """The bytes of this link."""
        return (
            u8(VERSION)
            + u8(_ONE_TIME if self.one_time else 0)
            + self.account
            + self.inbox
            + self.secret
            + vector(relay.encode() for relay in self.relays)
            + opaque(self.name.encode("utf-8"))
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The link that is the whole of `data`. Raises `InvalidLink`."""
        if data and data[0] > VERSION:
            raise InvalidLink(LinkFault.NEWER)
        try:
            return decode_all(cls._decode, data)
        except (DecodeError, UnicodeDecodeError):
            raise _damaged() from None

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        version, flags = reader.u8(), reader.u8()
        if version != VERSION or flags not in (0, _ONE_TIME):
            raise _damaged()
        account, inbox = reader.fixed(HASH_SIZE), reader.fixed(HASH_SIZE)
        secret = reader.fixed(SECRET_SIZE)
        relays = reader.vector(InboxRelay.decode, most=MAX_RELAYS)
        name = reader.opaque(MAX_NAME).decode("utf-8")
        return cls(account, inbox, secret, relays, flags == _ONE_TIME, name)

    def to_text(self) -> str:
        """The link as an URI."""
        return armour.to_text(_KIND, self.encode())

    def to_scan(self) -> str:
        """The link as the text of a QR code."""
        return armour.to_scan(self.to_text())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The link in an URI, or in what was scanned. Raises `InvalidLink`."""
        return cls.from_bytes(armour.from_text(_KIND, text))

    def key(self) -> SigningKey:
        """The key pair that speaks to the inbox; its public half is what the owner adds there."""
        return SigningKey(labelled_hash(Label.LINK_KEY, self.secret))

    def is_from(self, certificate: DeviceCertificate) -> bool:
        """Whether a device is of the account that this link leads to."""
        return certificate.account == self.account

    @property
    def shown_name(self) -> str:
        """The name that its owner put into the link, fit to be shown. It proves nothing."""
        return clean(self.name)
