"""Deterministic CBOR (RFC 8949, section 4.2.1): a reader, and functions that write.

What decodes here has one encoding: shortest heads, definite lengths, map keys in the order of their
encoded bytes and each once, valid UTF-8, floats in their shortest width, and one NaN. So `1, 256, -1,
"a"` is the order of keys; the older "canonical" order by length, which many libraries mean, is refused.

Nothing is turned into a tree of Python objects: a caller takes the values that it expects, and keeps what
it does not know as the bytes that it is, checked by `item`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from heliogram.content.errors import ContentError

#: Major types (RFC 8949, section 3.1).
_UNSIGNED, _NEGATIVE, _OCTETS, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)

_PLACE = "RFC 8949, 4.2.1"

NULL = b"\xf6"
FALSE = b"\xf4"
TRUE = b"\xf5"

#: The one NaN (draft-ietf-mimi-content-08, section 6.3).
_NAN = 0x7E00


class Reader:
    """A cursor over one encoding. Each method takes the next value or raises `ContentError`.

    `finish()` must be the last call: bytes that nobody asked for are an error.
    """

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    def unsigned(self, most: int = (1 << 64) - 1) -> int:
        """An integer from 0 to `most`."""
        value = self._expect(_UNSIGNED, "a number from 0 up")
        if value > most:
            raise ContentError(_PLACE, "a number is larger than may be")
        return value

    def integer(self) -> int:
        """An integer from -2**64 to 2**64 - 1."""
        major, value = self._head()
        if major == _UNSIGNED:
            return value
        if major == _NEGATIVE:
            return -1 - value
        raise ContentError(_PLACE, "something else stands where a number should")

    def octets(self) -> bytes:
        """A byte string."""
        return self._take(self._expect(_OCTETS, "a byte string"))

    def text(self) -> str:
        """A text string: valid UTF-8."""
        return self._utf8(self._expect(_TEXT, "a text"))

    def array(self) -> int:
        """How many items follow as an array."""
        return self._expect(_ARRAY, "an array")

    def mapping(self) -> int:
        """How many pairs follow as a map. Whether keys ascend, whoever reads them checks."""
        return self._expect(_MAP, "a map")

    def boolean(self) -> bool:
        """True or false."""
        byte = self._take(1)
        if byte not in (TRUE, FALSE):
            raise ContentError(_PLACE, "something else stands where true or false should")
        return byte == TRUE

    def null(self) -> bool:
        """Whether a null is next; if so, it is taken."""
        if self.data[self.pos : self.pos + 1] != NULL:
            return False
        self.pos += 1
        return True

    def is_text(self) -> bool:
        """Whether a text string is next. Takes nothing."""
        return self.pos < len(self.data) and self.data[self.pos] >> 5 == _TEXT

    def item(self, depth: int) -> bytes:
        """The bytes of one item of any type, checked, with at most `depth` containers in one another."""
        start = self.pos
        self._skip(depth)
        return self.data[start : self.pos]

    def finish(self) -> None:
        """Refuse bytes that are left over."""
        if self.pos != len(self.data):
            raise ContentError(_PLACE, "bytes are left over after the value")

    # -- heads ---------------------------------------------------------------------------------

    def _head(self) -> tuple[int, int]:
        """The major type and its argument, written as short as can be."""
        first = self._take(1)[0]
        major, short = first >> 5, first & 0x1F
        if short < 24 or major == _SIMPLE:
            return major, short
        if short > 27:  # 31 is an indefinite length
            raise ContentError(_PLACE, "a length is indefinite or reserved")
        size = 1 << (short - 24)
        value = int.from_bytes(self._take(size), "big")
        if value < 24 or (size > 1 and value < 1 << (4 * size)):
            raise ContentError(_PLACE, "a number is written longer than it needs to be")
        return major, value

    def _expect(self, wanted: int, what: str) -> int:
        major, value = self._head()
        if major != wanted:
            raise ContentError(_PLACE, f"something else stands where {what} should")
        return value

    def _take(self, size: int) -> bytes:
        stop = self.pos + size
        if stop > len(self.data):
            raise ContentError(_PLACE, "the bytes end in the middle of a value")
        taken = self.data[self.pos : stop]
        self.pos = stop
        return taken

    def _utf8(self, size: int) -> str:
        try:
            return self._take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise ContentError("RFC 8949, 3.1", "a text is not UTF-8") from None

    # -- anything ------------------------------------------------------------------------------

    def _skip(self, depth: int) -> None:
        major, value = self._head()
        if major == _SIMPLE:
            self._simple(value)
        elif major == _OCTETS:
            self._take(value)
        elif major == _TEXT:
            self._utf8(value)
        elif major >= _ARRAY:
            if depth == 0:
                raise ContentError("6.2", "values are nested too deeply")
            self._container(major, value, depth - 1)

    def _container(self, major: int, count: int, depth: int) -> None:
        if major == _TAG:
            self._skip(depth)
            return
        before = b""
        # An item takes at least a byte, so a count that lies ends with the bytes.
        for _ in range(count):
            if major == _MAP:
                key = self.item(depth)
                before = ascending(before, key)
            self._skip(depth)

    def _simple(self, short: int) -> None:
        if short < 24:
            return
        if short == 24:
            if self._take(1)[0] < 32:
                raise ContentError("RFC 8949, 3.3", "a simple value is written longer than it is")
        elif short == 25:
            bits = int.from_bytes(self._take(2), "big")
            if bits & 0x7C00 == 0x7C00 and bits & 0x3FF and bits != _NAN:
                raise ContentError("6.3", "a NaN is not the one NaN")
        elif short == 26:
            self._wide(">f", ">e")
        elif short == 27:
            self._wide(">d", ">f")
        else:
            raise ContentError(_PLACE, "a length is indefinite or reserved")

    def _wide(self, form: str, narrower: str) -> None:
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        if value != value:
            raise ContentError("6.3", "a NaN is not the one NaN")
        try:
            (again,) = struct.unpack(narrower, struct.pack(narrower, value))
        except OverflowError:
            return
        if again == value:
            raise ContentError(_PLACE, "a number is written longer than it needs to be")


def ascending(before: bytes, key: bytes) -> bytes:
    """`key`, an encoded map key that follows `before` ("" for none). Raises `ContentError` out of order."""
    if key <= before:
        raise ContentError(_PLACE, "keys of a map are out of order or doubled")
    return key


# --- Writing --------------------------------------------------------------------------------------


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes((major << 5 | value,))
    for short, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * size):
            return bytes((major << 5 | short,)) + value.to_bytes(size, "big")
    raise OverflowError("CBOR integers have at most 64 bits")


def integer(value: int) -> bytes:
    """An integer. Raises `OverflowError` beyond 64 bits."""
    return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)


def octets(value: bytes) -> bytes:
    """A byte string."""
    return _head(_OCTETS, len(value)) + value


def text(value: str) -> bytes:
    """A text string. Raises `ContentError` for one that has no UTF-8."""
    try:
        encoded = value.encode("utf-8")
    except UnicodeEncodeError:
        raise ContentError("RFC 8949, 3.1", "a text has no UTF-8") from None
    return _head(_TEXT, len(encoded)) + encoded


def boolean(value: bool) -> bytes:
    """True or false."""
    return TRUE if value else FALSE


def array(items: Iterable[bytes]) -> bytes:
    """An array of encoded items."""
    parts = list(items)
    return _head(_ARRAY, len(parts)) + b"".join(parts)


def mapping(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A map of encoded keys and values, sorted here. Raises `ContentError` for a key that is there twice."""
    ordered = sorted(pairs)
    before = b""
    for key, _ in ordered:
        before = ascending(before, key)
    return _head(_MAP, len(ordered)) + b"".join(key + value for key, value in ordered)
