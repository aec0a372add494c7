"""The TLS presentation language as RFC 9420, section 2.1, uses it.

Integers are big-endian. `opaque<V>` and `T<V>` carry their length in bytes in front, as a
variable-size integer: the two top bits of the first byte tell the width (`00` one byte, `01` two,
`10` four; `11` is refused) and the shortest width is the only legal one (section 2.1.2).
`optional<T>` is one byte, 0 or 1, then the value if there is one (section 2.1.1).

A value has exactly one encoding here: what decodes, encodes to the same bytes. So decoded
structures may keep the bytes they came from instead of encoding again, and hashes over an encoding
mean one value.

`Reader` walks over received bytes. It never copies more than what it hands out, knows where the
value ends that it is inside of, and refuses whatever is longer than the caller's ceiling *before*
it touches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

#: Bytes that one vector may have unless its reader says otherwise. The format itself allows 2**30 -
#: 1 (section 2.1.2); nobody needs that, and a peer must not be able to make us hold it.
DEFAULT_CEILING = 1 << 24

#: Items that one vector may have unless its reader says otherwise. An item of two bytes makes objects
#: of a hundred, so bytes alone are no bound.
DEFAULT_ITEMS = (1 << 16) - 1

#: The largest length the format can express (30 bits).
MAX_LENGTH = (1 << 30) - 1


class DecodeError(ValueError):
    """These bytes are not that value. The sender's fault; drop the message.

    `section` names the section of RFC 9420 that the bytes break. The text never holds received
    bytes.
    """

    def __init__(self, section: str, what: str) -> None:
        super().__init__(section, what)
        self.section = section
        self.what = what

    def __str__(self) -> str:
        return f"RFC 9420, {self.section}: {self.what}"


class Reader:
    """A cursor over received bytes, from `pos` up to `end`.

    Each method takes the next value and moves on, or raises `DecodeError`. `finish()` must be the
    last call: bytes that nobody asked for are an error.
    """

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data) if end is None else end

    def u8(self) -> int:
        """One byte as an integer."""
        pos = self.pos
        if pos >= self.end:
            raise _short()
        self.pos = pos + 1
        return self.data[pos]

    def u16(self) -> int:
        """Two bytes as an integer."""
        return int.from_bytes(self.fixed(2), "big")

    def u32(self) -> int:
        """Four bytes as an integer."""
        return int.from_bytes(self.fixed(4), "big")

    def u64(self) -> int:
        """Eight bytes as an integer."""
        return int.from_bytes(self.fixed(8), "big")

    def fixed(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        pos = self.pos
        stop = pos + size
        if stop > self.end:
            raise _short()
        self.pos = stop
        return self.data[pos:stop]

    def varint(self) -> int:
        """A variable-size length: minimal, at most 30 bits (section 2.1.2)."""
        pos = self.pos
        if pos >= self.end:
            raise _short()
        first = self.data[pos]
        if first < 0x40:
            self.pos = pos + 1
            return first
        if first < 0x80:
            value = int.from_bytes(self.fixed(2), "big") & 0x3FFF
            if value < 0x40:
                raise DecodeError("2.1.2", "a length is written wider than it needs to be")
            return value
        if first < 0xC0:
            value = int.from_bytes(self.fixed(4), "big") & 0x3FFFFFFF
            if value < 0x4000:
                raise DecodeError("2.1.2", "a length is written wider than it needs to be")
            return value
        raise DecodeError("2.1.2", "a length starts with the reserved prefix 11")

    def opaque(self, ceiling: int = DEFAULT_CEILING) -> bytes:
        """`opaque x<V>`: the bytes after their length."""
        pos = self.pos
        data = self.data
        # The common case, a length below 64, without a further call: this is the hottest line here.
        if pos < self.end and (size := data[pos]) < 0x40 and size <= ceiling:
            pos += 1
            stop = pos + size
            if stop > self.end:
                raise _short()
            self.pos = stop
            return data[pos:stop]
        return self.fixed(self._length(ceiling))

    def rest(self, ceiling: int = DEFAULT_CEILING) -> Reader:
        """A reader over the content of a `<V>` vector; this one moves past it."""
        size = self._length(ceiling)
        pos = self.pos
        stop = pos + size
        if stop > self.end:
            raise _short()
        self.pos = stop
        return Reader(self.data, pos, stop)

    def vector(
        self,
        item: Callable[[Reader], T],
        ceiling: int = DEFAULT_CEILING,
        most: int = DEFAULT_ITEMS,
    ) -> tuple[T, ...]:
        """`T items<V>`: items read by `item` until the vector's bytes are used up exactly."""
        inner = self.rest(ceiling)
        items: list[T] = []
        while inner.pos < inner.end:
            if len(items) == most:
                raise DecodeError("16.1", "a vector has more items than this reader accepts")
            items.append(item(inner))
        return tuple(items)

    def optional(self) -> bool:
        """The byte in front of an `optional<T>`: whether a value follows (section 2.1.1)."""
        flag = self.u8()
        if flag > 1:
            raise DecodeError("2.1.1", "the byte before an optional value is neither 0 nor 1")
        return flag == 1

    def done(self) -> bool:
        """Whether everything has been read."""
        return self.pos == self.end

    def finish(self) -> None:
        """Refuse bytes that are left over."""
        if self.pos != self.end:
            raise DecodeError("2.1", "bytes are left over after the value")

    def _length(self, ceiling: int) -> int:
        size = self.varint()
        if size > ceiling:
            raise DecodeError("16.1", "a vector is longer than this reader accepts")
        return size


def _short() -> DecodeError:
    return DecodeError("2.1", "the bytes end in the middle of a value")


#: Every length of one byte, encoded: most vectors are short, and looking one up is cheaper.
_SHORT = tuple(size.to_bytes(1, "big") for size in range(0x40))


def u8(value: int) -> bytes:
    """`value` in one byte. Like its siblings, raises `OverflowError` when it does not fit."""
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """`value` in two bytes."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """`value` in four bytes."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """`value` in eight bytes."""
    return value.to_bytes(8, "big")


def varint(value: int) -> bytes:
    """A length in its shortest form (section 2.1.2). Raises `OverflowError` above 30 bits."""
    if value < 0x40:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if value <= MAX_LENGTH:
        return (value | 0x80000000).to_bytes(4, "big")
    raise OverflowError("a vector can have at most 2**30 - 1 bytes")


def opaque(value: bytes) -> bytes:
    """`opaque x<V>`: length, then the bytes."""
    size = len(value)
    if size < 0x40:
        return _SHORT[size] + value
    return varint(size) + value


def vector(items: Iterable[bytes]) -> bytes:
    """`T items<V>` from encoded items. The length counts bytes, not items."""
    return opaque(b"".join(items))


def optional(value: bytes | None) -> bytes:
    """`optional<T>` from an encoded value or None (section 2.1.1)."""
    return b"\x00" if value is None else b"\x01" + value


def decode_all(decode: Callable[[Reader], T], data: bytes) -> T:
    """The value that is the whole of `data`."""
    reader = Reader(data)
    value = decode(reader)
    reader.finish()
    return value
