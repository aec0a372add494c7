"""CBOR: the RFC's examples in both directions, then everything that has a second encoding is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.content import cbor
from heliogram.content.cbor import Reader
from heliogram.content.errors import ContentError
from tests.content import strategies as s


def whole(read: Callable[[Reader], Any], data: bytes) -> Any:
    reader = Reader(data)
    value = read(reader)
    reader.finish()
    return value


def item(data: bytes, depth: int = 4) -> bytes:
    taken = whole(lambda reader: reader.item(depth), data)
    assert isinstance(taken, bytes)
    return taken


# --- The examples of RFC 8949, appendix A ---------------------------------------------------------

INTEGERS = [
    ("00", 0),
    ("01", 1),
    ("0a", 10),
    ("17", 23),
    ("1818", 24),
    ("1819", 25),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1_000_000),
    ("1b000000e8d4a51000", 1_000_000_000_000),
    ("1bffffffffffffffff", 18_446_744_073_709_551_615),
    ("3bffffffffffffffff", -18_446_744_073_709_551_616),
    ("20", -1),
    ("29", -10),
    ("3863", -100),
    ("3903e7", -1000),
]


@pytest.mark.parametrize(("wire", "value"), INTEGERS)
def test_integers(wire: str, value: int) -> None:
    data = bytes.fromhex(wire)
    assert cbor.integer(value) == data
    assert whole(Reader.integer, data) == value
    if value >= 0:
        assert whole(Reader.unsigned, data) == value
    else:
        with pytest.raises(ContentError):
            whole(Reader.unsigned, data)


STRINGS = [
    (cbor.octets, Reader.octets, "40", b""),
    (cbor.octets, Reader.octets, "4401020304", bytes.fromhex("01020304")),
    (cbor.text, Reader.text, "60", ""),
    (cbor.text, Reader.text, "6449455446", "IETF"),
    (cbor.text, Reader.text, "62225c", '"\\'),
    (cbor.text, Reader.text, "62c3bc", "\u00fc"),
    (cbor.text, Reader.text, "64f0908591", "\U00010151"),
]


@pytest.mark.parametrize(("write", "read", "wire", "value"), STRINGS)
def test_strings(write: Any, read: Any, wire: str, value: Any) -> None:
    data = bytes.fromhex(wire)
    assert write(value) == data
    assert whole(read, data) == value


#: Whole items that are deterministic.
WHOLE = [
    *("f90000", "f98000", "f93c00", "fb3ff199999999999a", "f93e00", "f97bff", "fa47c35000"),
    *("fa7f7fffff", "fb7e37e43c8800759c", "f90001", "f90400", "f9c400", "fbc010666666666666"),
    *("f97c00", "f97e00", "f9fc00", "f4", "f5", "f6", "f7", "f0", "f8ff", "c11a514b67b0"),
    *("d818456449455446", "80", "83010203", "8301820203820405", "a0", "a201020304"),
    *("a26161016162820203", "826161a161626163", "c249010000000000000000"),
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
]


@pytest.mark.parametrize("wire", WHOLE)
def test_items(wire: str) -> None:
    assert item(bytes.fromhex(wire)).hex() == wire


# --- One encoding ---------------------------------------------------------------------------------

REFUSED = {
    "nothing": "",
    "24 in two bytes that fit one": "1817",
    "255 in three": "1900ff",
    "65535 in five": "1a0000ffff",
    "2**32 - 1 in nine": "1b00000000ffffffff",
    "a length of a text, too": "580161",
    "an indefinite text": "7f6161ff",
    "indefinite bytes": "5f4161ff",
    "an indefinite array": "9f01ff",
    "an indefinite map": "bf0101ff",
    "a break alone": "ff",
    "reserved 28": "1c",
    "reserved 28 of simple values": "fc",
    "simple value 24 in two bytes": "f818",
    "false in two bytes": "f814",
    "1.5 in five bytes": "fa3fc00000",
    "1.5 in nine": "fb3ff8000000000000",
    "100000.0 in nine": "fb40f86a0000000000",
    "infinity in five": "fa7f800000",
    "minus zero in five": "fa80000000",
    "NaN in five": "fa7fc00000",
    "NaN in nine": "fb7ff8000000000000",
    "NaN with a payload": "f97e01",
    "NaN with a sign": "f9fe00",
    "a signalling NaN": "f97c01",
    "text that is not UTF-8": "61ff",
    "half of a surrogate pair": "63eda080",
    "NUL in two bytes": "62c080",
    "a key twice": "a201000101",
    "keys out of order": "a202000100",
    "keys of a nested map out of order": "81a202000100",
    "bytes after it": "0000",
    "a cut array": "8201",
    "a cut map": "a101",
    "a cut tag": "c1",
    "more items than bytes": "9bffffffffffffffff00",
    "more bytes than there are": "5bffffffffffffffff00",
    "too deep": "818181818100",
    "tags too deep": "c1c1c1c1c100",
}


@pytest.mark.parametrize("wire", REFUSED.values(), ids=REFUSED)
def test_second_encodings_are_refused(wire: str) -> None:
    with pytest.raises(ContentError):
        item(bytes.fromhex(wire))


def test_order_of_keys() -> None:
    """By encoded bytes, not by length first: 1, 256, -1, "a"."""
    keys = [cbor.integer(1), cbor.integer(256), cbor.integer(-1), cbor.text("a")]
    written = cbor.mapping((key, cbor.NULL) for key in reversed(keys))
    assert written == b"\xa4" + b"".join(key + cbor.NULL for key in keys)
    assert item(written) == written
    by_length = sorted(keys, key=lambda key: (len(key), key))
    assert by_length != keys
    with pytest.raises(ContentError):
        item(b"\xa4" + b"".join(key + cbor.NULL for key in by_length))


def test_what_cannot_be_written() -> None:
    with pytest.raises(ContentError):
        cbor.text("\ud800")
    with pytest.raises(ContentError):
        cbor.mapping([(b"\x01", b"\x01"), (b"\x01", b"\x02")])
    for value in (2**64, -(2**64) - 1):
        with pytest.raises(OverflowError):
            cbor.integer(value)


def test_other_types_are_not_taken() -> None:
    reads = (Reader.integer, Reader.octets, Reader.text, Reader.array, Reader.mapping)
    for read in (*reads, Reader.boolean, Reader.unsigned):
        with pytest.raises(ContentError):
            read(Reader(cbor.NULL))
    assert not Reader(b"").null() and not Reader(b"").is_text()
    with pytest.raises(ContentError):
        Reader(b"\x05").unsigned(4)


@given(s.items(4))
def test_any_item(data: bytes) -> None:
    assert item(data) == data


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """Bytes raise the one error, or are an item."""
    try:
        assert item(data) == data
    except ContentError as error:
        assert str(error)
