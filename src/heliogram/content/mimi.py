"""Messages and their parts: draft-ietf-mimi-content-08, sections 3, 4 and 6.

    mimiContent = [ salt bstr .size 16, replaces null / bstr .size 32, topicId bstr,
                    expires null / [relative bool, time uint .size 4],
                    inReplyTo null / bstr .size 32, extensions { int / tstr => any }, NestedPart ]

    NestedPart = [ disposition, language, 0 ]                                    NullPart
               / [ disposition, language, 1, contentType tstr, content bstr ]    SinglePart
               / [ disposition, language, 2, contentType, url tstr, expires, size, encAlg, key, nonce,
                   aad, hashAlg, contentHash, description, filename ]            ExternalPart
               / [ disposition, language, 3, partSemantics, [2* NestedPart] ]    MultiPart

What may not be is refused where a structure is made, so what we send passes what we check. What is only
unknown, is kept: extensions as the bytes that they are, parts of any media type, dispositions without
a meaning yet. Whatever decodes, encodes to the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self, TypeAlias

from heliogram.codec import u16
from heliogram.content import cbor
from heliogram.content.errors import ContentError
from heliogram.content.limits import (
    ID_SIZE,
    MAX_EXPIRY,
    MAX_EXTENSION_DEPTH,
    MAX_EXTENSION_KEY,
    MAX_EXTENSION_NUMBER,
    MAX_EXTENSIONS,
    MAX_MESSAGE,
    MAX_PART_DEPTH,
    MAX_PARTS,
    MAX_TOPIC,
    MAX_URI,
    SALT_SIZE,
)


class Disposition(IntEnum):
    """How a part wants to be shown (section 8.2.2). Others up to 255 count as RENDER."""

    UNSPECIFIED = 0
    RENDER = 1
    REACTION = 2
    PROFILE = 3
    INLINE = 4
    ICON = 5
    ATTACHMENT = 6
    SESSION = 7
    PREVIEW = 8


class Cardinality(IntEnum):
    """What kind of part this is (section 4.4)."""

    NULL = 0
    SINGLE = 1
    EXTERNAL = 2
    MULTI = 3


class PartSemantics(IntEnum):
    """How the parts of a `MultiPart` belong together. There are no others (section 9.1)."""

    CHOOSE_ONE = 0
    SINGLE_UNIT = 1
    PROCESS_ALL = 2


class ExtensionKey(IntEnum):
    """Keys of extensions that we know (section 8.2.1). Others are kept."""

    SENDER_URI = 1
    ROOM_URI = 2


# --- Parts ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NullPart:
    """Nothing: what a deleted message or a withdrawn reaction says."""

    disposition: int = Disposition.RENDER
    language: str = ""

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        _check_disposition(self.disposition)

    def encode(self) -> bytes:
        """The bytes of this part."""
        return cbor.array(_start(self, Cardinality.NULL))


@dataclass(frozen=True, slots=True)
class SinglePart:
    """Something of one media type, right here."""

    content_type: str
    content: bytes = field(repr=False)
    disposition: int = Disposition.RENDER
    language: str = ""

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        _check_disposition(self.disposition)

    def encode(self) -> bytes:
        """The bytes of this part."""
        rest = (cbor.text(self.content_type), cbor.octets(self.content))
        return cbor.array((*_start(self, Cardinality.SINGLE), *rest))


@dataclass(frozen=True, slots=True)
class ExternalPart:
    """Something that lies elsewhere: a file, a link, a call (section 4.5).

    `expires` is Unix time, `size` bytes; 0 is never, and unknown. `enc_alg` is an AEAD's number at IANA
    or one of our own, 0 for what is not encrypted. `content_hash` is over the bytes that lie at `url`.
    """

    content_type: str
    url: str = field(repr=False)
    expires: int = 0
    size: int = field(default=0, repr=False)
    enc_alg: int = 0
    key: bytes = field(default=b"", repr=False)
    nonce: bytes = field(default=b"", repr=False)
    aad: bytes = field(default=b"", repr=False)
    hash_alg: int = 0
    content_hash: bytes = field(default=b"", repr=False)
    description: str = field(default="", repr=False)
    filename: str = field(default="", repr=False)
    disposition: int = Disposition.ATTACHMENT
    language: str = ""

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        _check_disposition(self.disposition)
        for value, bits in (
            *((self.expires, 32), (self.size, 64)),
            *((self.enc_alg, 16), (self.hash_alg, 8)),
        ):
            if not 0 <= value < 1 << bits:
                raise ContentError("4.5", "a number of an external part is out of range")
        if len(self.url.encode("utf-8", "replace")) > MAX_URI:
            raise ContentError("4.5", "an address is too long")
        if self.enc_alg == 0 and (self.key or self.nonce or self.aad):
            raise ContentError("4.5", "a part is not encrypted and has a key")

    def encode(self) -> bytes:
        """The bytes of this part."""
        return cbor.array(
            (
                *_start(self, Cardinality.EXTERNAL),
                cbor.text(self.content_type),
                cbor.text(self.url),
                cbor.integer(self.expires),
                cbor.integer(self.size),
                cbor.integer(self.enc_alg),
                cbor.octets(self.key),
                cbor.octets(self.nonce),
                cbor.octets(self.aad),
                cbor.integer(self.hash_alg),
                cbor.octets(self.content_hash),
                cbor.text(self.description),
                cbor.text(self.filename),
            )
        )


@dataclass(frozen=True, slots=True)
class MultiPart:
    """Several parts, and how they belong together."""

    semantics: PartSemantics
    parts: tuple[Part, ...]
    disposition: int = Disposition.RENDER
    language: str = ""

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        _check_disposition(self.disposition)
        if len(self.parts) < 2:
            raise ContentError("6.1", "a multipart has fewer than two parts")

    def encode(self) -> bytes:
        """The bytes of this part and those in it."""
        parts = cbor.array(part.encode() for part in self.parts)
        head = _start(self, Cardinality.MULTI)
        return cbor.array((*head, cbor.integer(self.semantics), parts))


Part: TypeAlias = NullPart | SinglePart | ExternalPart | MultiPart

#: Items of the array of each kind of part (section 6.1).
_ITEMS: dict[int, int] = {
    Cardinality.NULL: 3,
    Cardinality.SINGLE: 5,
    Cardinality.EXTERNAL: 15,
    Cardinality.MULTI: 5,
}


def _check_disposition(disposition: int) -> None:
    if not 0 <= disposition <= 255:
        raise ContentError("8.2.2", "a disposition is out of range")


def _start(part: Part, cardinality: Cardinality) -> tuple[bytes, bytes, bytes]:
    head = cbor.integer(part.disposition), cbor.text(part.language)
    return *head, cbor.integer(cardinality)


def _decode_part(reader: cbor.Reader, depth: int) -> Part:
    count = reader.array()
    disposition, language = reader.unsigned(255), reader.text()
    kind = reader.unsigned()
    if _ITEMS.get(kind) != count:
        raise ContentError("6.1", "a part is of no known kind, or not as long as its kind")
    if kind == Cardinality.NULL:
        return NullPart(disposition, language)
    if kind == Cardinality.SINGLE:
        return SinglePart(reader.text(), reader.octets(), disposition, language)
    if kind == Cardinality.EXTERNAL:
        return ExternalPart(
            reader.text(),
            url=reader.text(),
            expires=reader.unsigned((1 << 32) - 1),
            size=reader.unsigned(),
            enc_alg=reader.unsigned((1 << 16) - 1),
            key=reader.octets(),
            nonce=reader.octets(),
            aad=reader.octets(),
            hash_alg=reader.unsigned(255),
            content_hash=reader.octets(),
            description=reader.text(),
            filename=reader.text(),
            disposition=disposition,
            language=language,
        )
    number = reader.unsigned()
    if number > PartSemantics.PROCESS_ALL:  # draft-ietf-mimi-content-08, 9.1
        raise ContentError("9.1", "parts belong together in an unknown way")
    if depth == 1:  # draft-ietf-mimi-content-08, 9.1
        raise ContentError("9.1", "parts are nested too deeply")
    parts = reader.array()
    if parts > MAX_PARTS:
        raise ContentError("9.1", "too many parts")
    inner = tuple(_decode_part(reader, depth - 1) for _ in range(parts))
    return MultiPart(PartSemantics(number), inner, disposition, language)


def walk(part: Part) -> Iterator[Part]:
    """A part and all in it, depth-first: the n-th has the part index n (section 4.4)."""
    yield part
    if isinstance(part, MultiPart):
        for inner in part.parts:
            yield from walk(inner)


def referred_part(part: Part, uri: str) -> SinglePart | ExternalPart | None:
    """The part that `cid:N@local.invalid` means in a message with this body; None if there is none.

    Such an address may point only at a `SinglePart` or an `ExternalPart` (section 4.4).
    """
    number, _, host = uri.removeprefix("cid:").partition("@")
    if not uri.startswith("cid:") or host != "local.invalid" or len(number) > 4:
        return None
    if not (number.isascii() and number.isdecimal()) or number != str(int(number)):
        return None
    for index, found in enumerate(walk(part)):
        if index == int(number):
            return found if isinstance(found, SinglePart | ExternalPart) else None
    return None


# --- Messages -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a message ends: `time` seconds after it was read, or at the Unix time `time`."""

    relative: bool
    time: int

    def __post_init__(self) -> None:
        """Raises `ContentError` for more than a year after reading (section 9.1)."""
        if not 0 <= self.time < 1 << 32:
            raise ContentError("4.1", "an end is out of range")
        if self.relative and self.time > MAX_EXPIRY:
            raise ContentError("9.1", "a message ends too late")

    def encode(self) -> bytes:
        """The bytes of this end."""
        return cbor.array((cbor.boolean(self.relative), cbor.integer(self.time)))

    def ends(self, read: int | None) -> int | None:
        """The Unix time at which the message goes. `read`: when it was read; None for not yet.

        None: not yet known. A sender has read their own message when they sent it.
        """
        if not self.relative:
            return self.time
        return None if read is None else read + self.time


@dataclass(frozen=True, slots=True)
class Extension:
    """One entry of a message's extensions. `value` is one encoded CBOR item of whatever type."""

    key: int | str
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        if isinstance(self.key, str):
            if not 1 <= len(self.key.encode("utf-8", "replace")) <= MAX_EXTENSION_KEY:
                raise ContentError("6.2", "the key of an extension is too long, or empty")
        elif abs(self.key) > MAX_EXTENSION_NUMBER:
            raise ContentError("6.2", "the key of an extension is too large")
        reader = cbor.Reader(self.value)
        # The map of extensions is the first level.
        reader.item(MAX_EXTENSION_DEPTH - 1)
        reader.finish()

    @property
    def encoded_key(self) -> bytes:
        """The key's bytes: their order is the order of extensions."""
        return cbor.text(self.key) if isinstance(self.key, str) else cbor.integer(self.key)


def extensions(values: Mapping[int | str, bytes]) -> tuple[Extension, ...]:
    """Extensions in their order, from encoded values by key. Raises `ContentError`."""
    every = (Extension(key, value) for key, value in values.items())
    return tuple(sorted(every, key=lambda one: one.encoded_key))


@dataclass(frozen=True, slots=True)
class Message:
    """One message: the whole of what is said, and what it refers to (section 4.1).

    `replaces` is the id of the *first* instance of what this message edits or deletes. `in_reply_to` is
    the id of one version. `topic_id` names a thread, empty for none. `salt` is random.
    """

    salt: bytes = field(repr=False)
    part: Part
    replaces: bytes | None = field(default=None, repr=False)
    topic_id: bytes = field(default=b"", repr=False)
    expires: Expiry | None = None
    in_reply_to: bytes | None = field(default=None, repr=False)
    extensions: tuple[Extension, ...] = ()

    def __post_init__(self) -> None:
        """Raises `ContentError`."""
        if len(self.salt) != SALT_SIZE:
            raise ContentError("4.1", "a salt has another size than 16")
        for message_id in (self.replaces, self.in_reply_to):
            if message_id is not None:
                check_id(message_id)
        if len(self.topic_id) > MAX_TOPIC:  # draft-ietf-mimi-content-08, 9.1
            raise ContentError("9.1", "the id of a topic is too long")
        if len(self.extensions) > MAX_EXTENSIONS:
            raise ContentError("6.2", "too many extensions")
        before = b""
        for extension in self.extensions:
            before = cbor.ascending(before, extension.encoded_key)
        _check_depth(self.part, MAX_PART_DEPTH)
        if sum(1 for _ in walk(self.part)) > MAX_PARTS:  # draft-ietf-mimi-content-08, 9.1
            raise ContentError("9.1", "too many parts")

    def encode(self) -> bytes:
        """The bytes of this message. Raises `ContentError` if they are too many."""
        extensions = ((one.encoded_key, one.value) for one in self.extensions)
        data = cbor.array(
            (
                cbor.octets(self.salt),
                _optional(self.replaces),
                cbor.octets(self.topic_id),
                cbor.NULL if self.expires is None else self.expires.encode(),
                _optional(self.in_reply_to),
                cbor.mapping(extensions),
                self.part.encode(),
            )
        )
        if len(data) > MAX_MESSAGE:
            raise ContentError("9.1", "a message is too long")
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The message that is the whole of `data`. Raises only `ContentError`."""
        if len(data) > MAX_MESSAGE:
            raise ContentError("9.1", "a message is too long")
        reader = cbor.Reader(data)
        if reader.array() != 7:
            raise ContentError("6.1", "a message has another number of fields than seven")
        salt = reader.octets()
        replaces = None if reader.null() else reader.octets()
        topic_id = reader.octets()
        expires = None if reader.null() else _decode_expiry(reader)
        in_reply_to = None if reader.null() else reader.octets()
        extensions = _decode_extensions(reader)
        part = _decode_part(reader, MAX_PART_DEPTH)
        reader.finish()
        return cls(salt, part, replaces, topic_id, expires, in_reply_to, extensions)

    def extension(self, key: int | str) -> bytes | None:
        """The encoded value of an extension; None without it."""
        return next((one.value for one in self.extensions if one.key == key), None)

    def check(self, *, sender: str, room: str, now: int) -> None:
        """Raise `ContentError` for what a receiver throws away because of where and when it came.

        `sender` and `room` are the URIs of who really sent this, and where to (section 3.3).
        """
        # draft-ietf-mimi-content-08, 9.1: more than a year away, either way.
        if self.expires and not self.expires.relative:
            if abs(self.expires.time - now) > MAX_EXPIRY:
                raise ContentError("9.1", "a message ends too late, or ended too long ago")
        for key, true in ((ExtensionKey.SENDER_URI, sender), (ExtensionKey.ROOM_URI, room)):
            claimed = self.extension(key)
            if claimed is not None and claimed != cbor.text(true):
                raise ContentError("4.3", "a message is said to be from or for somebody else")


def _optional(message_id: bytes | None) -> bytes:
    return cbor.NULL if message_id is None else cbor.octets(message_id)


def _check_depth(part: Part, depth: int) -> None:
    if depth == 0:  # draft-ietf-mimi-content-08, 9.1
        raise ContentError("9.1", "parts are nested too deeply")
    if isinstance(part, MultiPart):
        for inner in part.parts:
            _check_depth(inner, depth - 1)


def _decode_expiry(reader: cbor.Reader) -> Expiry:
    if reader.array() != 2:
        raise ContentError("6.1", "an end is no pair")
    return Expiry(reader.boolean(), reader.unsigned((1 << 32) - 1))


def _decode_extensions(reader: cbor.Reader) -> tuple[Extension, ...]:
    count = reader.mapping()
    if count > MAX_EXTENSIONS:
        raise ContentError("6.2", "too many extensions")
    found = []
    for _ in range(count):
        key = reader.text() if reader.is_text() else reader.integer()
        found.append(Extension(key, reader.item(MAX_EXTENSION_DEPTH - 1)))
    return tuple(found)


# --- Ids ------------------------------------------------------------------------------------------

#: The first octet of a message id: SHA-256, cut to 31 octets (section 3.3).
_SHA_256 = b"\x01"


def check_id(message_id: bytes) -> None:
    """Raise `ContentError` unless this is a message id made in the one way that there is (3.3)."""
    if len(message_id) != ID_SIZE or message_id[:1] != _SHA_256:
        raise ContentError("3.3", "a message id is made in an unknown way")


def message_id(data: bytes, *, sender: str, room: str) -> bytes:
    """The id of a message, from its bytes as they came and who really sent it where to (3.3).

    `sender` and `room` are URIs that the receiver knows from elsewhere: the message's own claims count
    for nothing. Raises `ContentError` if `data` does not begin like a message, or an URI is too long.
    """
    reader = cbor.Reader(data)
    if reader.array() != 7:
        raise ContentError("6.1", "a message has another number of fields than seven")
    salt = reader.octets()
    if len(salt) != SALT_SIZE:
        raise ContentError("4.1", "a salt has another size than 16")
    # Lengths are of the bytes, not of the characters.
    uris = sender.encode(), room.encode()
    if max(map(len, uris)) > MAX_URI:
        raise ContentError("3.3", "an URI is too long")
    framed = b"".join(u16(len(uri)) + uri for uri in uris)
    return _SHA_256 + hashlib.sha256(framed + data + salt).digest()[:31]
