"""The codec: literal bytes in both directions first, then what must be refused, then properties."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram import codec
from heliogram.codec import DecodeError, Reader

# --- Literal bytes, both directions ---------------------------------------------------------------

#: What a length looks like. The first three rows are those of RFC 9420, section 2.1.2 (and of RFC
#: 9000, appendix A.1); the rest stand at the borders between the widths.
LENGTHS = [
    ("9d7f3e7d", 494_878_333),
    ("7bbd", 15_293),
    ("25", 37),
    ("00", 0),
    ("01", 1),
    ("3e", 0x3E),
    ("3f", 0x3F),
    ("4040", 0x40),
    ("4041", 0x41),
    ("7ffe", 0x3FFE),
    ("7fff", 0x3FFF),
    ("80004000", 0x4000),
    ("80004001", 0x4001),
    ("bffffffe", 0x3FFFFFFE),
    ("bfffffff", 0x3FFFFFFF),
]


@pytest.mark.parametrize(("wire", "value"), LENGTHS)
def test_lengths(wire: str, value: int) -> None:
    data = bytes.fromhex(wire)
    assert codec.varint(value) == data
    assert codec.decode_all(Reader.varint, data) == value


INTEGERS: list[tuple[Callable[[int], bytes], Callable[[Reader], int], str, int]] = [
    (codec.u8, Reader.u8, "00", 0),
    (codec.u8, Reader.u8, "ff", 255),
    (codec.u16, Reader.u16, "0001", 1),
    (codec.u16, Reader.u16, "f002", 0xF002),
    (codec.u32, Reader.u32, "00000100", 256),
    (codec.u32, Reader.u32, "ffffffff", 2**32 - 1),
    (codec.u64, Reader.u64, "0000000000010000", 65_536),
    (codec.u64, Reader.u64, "ffffffffffffffff", 2**64 - 1),
]


@pytest.mark.parametrize(("write", "read", "wire", "value"), INTEGERS)
def test_integers(
    write: Callable[[int], bytes], read: Callable[[Reader], int], wire: str, value: int
) -> None:
    data = bytes.fromhex(wire)
    assert write(value) == data
    assert codec.decode_all(read, data) == value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("00", b""),
        ("0161", b"a"),
        ("3f" + "61" * 63, b"a" * 63),
        ("4040" + "61" * 64, b"a" * 64),
        ("7fff" + "61" * 16_383, b"a" * 16_383),
        ("80004000" + "61" * 16_384, b"a" * 16_384),
    ],
    ids=lambda value: str(len(value)),
)
def test_opaque(wire: str, value: bytes) -> None:
    data = bytes.fromhex(wire)
    assert codec.opaque(value) == data
    assert codec.decode_all(Reader.opaque, data) == value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("00", ()),
        ("020007", (7,)),
        ("0400070008", (7, 8)),
        ("4040" + "0102" * 32, (0x0102,) * 32),
    ],
)
def test_vectors_count_bytes(wire: str, value: tuple[int, ...]) -> None:
    data = bytes.fromhex(wire)
    assert codec.vector(map(codec.u16, value)) == data
    assert codec.decode_all(lambda reader: reader.vector(Reader.u16), data) == value


@pytest.mark.parametrize(("wire", "value"), [("00", None), ("0107", b"\x07")])
def test_optional(wire: str, value: bytes | None) -> None:
    data = bytes.fromhex(wire)
    assert codec.optional(value) == data
    reader = Reader(data)
    assert (reader.fixed(1) if reader.optional() else None) == value
    reader.finish()


def test_nested_vectors() -> None:
    """`opaque items<V><V>`: a length of lengths."""
    data = bytes.fromhex("05" + "0161" + "026263")
    assert codec.vector(map(codec.opaque, (b"a", b"bc"))) == data
    assert codec.decode_all(lambda reader: reader.vector(Reader.opaque), data) == (b"a", b"bc")


def test_rest_reads_inside_of_a_vector() -> None:
    reader = Reader(bytes.fromhex("03" + "010203" + "ff"))
    inner = reader.rest()
    assert (inner.u16(), inner.done(), inner.u8(), inner.done()) == (0x0102, False, 3, True)
    inner.finish()
    assert (reader.u8(), reader.done()) == (0xFF, True)


def test_a_reader_of_a_part() -> None:
    reader = Reader(b"\x00\x01\x02\x03", 1, 3)
    assert reader.u16() == 0x0102
    reader.finish()


# --- What is refused ------------------------------------------------------------------------------

READERS: dict[str, Callable[[Reader], object]] = {
    "varint": Reader.varint,
    "opaque": Reader.opaque,
    "rest": Reader.rest,
    "vector": lambda reader: reader.vector(Reader.u8),
}


def refused(read: Callable[[Reader], object], data: bytes) -> str:
    """The section that `data` breaks."""
    with pytest.raises(DecodeError) as caught:
        codec.decode_all(read, data)
    return caught.value.section


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "length", ["4000", "403f", "4001", "80000000", "8000003f", "80000040", "80003fff"]
)
def test_a_length_wider_than_needed_is_refused(
    read: Callable[[Reader], object], length: str
) -> None:
    data = bytes.fromhex(length)
    size = int.from_bytes(data, "big") & (0x3FFF if len(data) == 2 else 0x3FFFFFFF)
    assert refused(read, data + bytes(size)) == "2.1.2"


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("first", [0xC0, 0xC1, 0xFE, 0xFF])
def test_prefix_11_is_refused(read: Callable[[Reader], object], first: int) -> None:
    # Eight bytes would follow in QUIC; MLS has no such width.
    assert refused(read, bytes((first,)) + bytes(7)) == "2.1.2"
    assert refused(read, bytes((first,)) + bytes(100)) == "2.1.2"


@pytest.mark.parametrize("flag", range(2, 256))
def test_the_octet_of_an_optional_is_0_or_1(flag: int) -> None:
    assert refused(Reader.optional, bytes((flag,))) == "2.1.1"


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("wire", ["", "40", "80", "8000", "800040"])
def test_a_length_that_ends_early_is_refused(read: Callable[[Reader], object], wire: str) -> None:
    assert refused(read, bytes.fromhex(wire)) == "2.1"


@pytest.mark.parametrize("read", [READERS[name] for name in ("opaque", "rest", "vector")])
@pytest.mark.parametrize(
    ("length", "size"),
    [("01", 0), ("3f", 62), ("4040", 63), ("7fff", 16_382), ("80004000", 16_383), ("80ffffff", 9)],
)
def test_content_that_ends_early_is_refused(
    read: Callable[[Reader], object], length: str, size: int
) -> None:
    assert refused(read, bytes.fromhex(length) + bytes(size)) == "2.1"


@pytest.mark.parametrize(
    ("read", "size"), [(Reader.u8, 1), (Reader.u16, 2), (Reader.u32, 4), (Reader.u64, 8)]
)
def test_integers_that_end_early_are_refused(read: Callable[[Reader], int], size: int) -> None:
    for short in range(size):
        assert refused(read, bytes(short)) == "2.1"


def test_leftover_bytes_are_refused() -> None:
    assert refused(Reader.u8, b"\x01\x02") == "2.1"
    assert refused(Reader.opaque, b"\x01\x02\x03") == "2.1"
    inner = Reader(b"\x02\x00\x00").rest()
    inner.u8()
    with pytest.raises(DecodeError, match=r"2\.1: bytes are left over"):
        inner.finish()


def test_an_item_may_not_cross_the_end_of_its_vector() -> None:
    """The bytes are there, but they belong to whatever comes after the vector."""
    data = bytes.fromhex("03" + "0001" + "00" + "02")
    assert refused(lambda reader: reader.vector(Reader.u16), data) == "2.1"
    assert refused(lambda reader: reader.vector(Reader.opaque), b"\x02\x05a" + b"b" * 9) == "2.1"


# --- Ceilings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ceiling", [0, 1, 0x3F, 0x40, 0x3FFF, 0x4000])
def test_the_ceiling_itself_is_accepted_and_one_more_is_not(ceiling: int) -> None:
    fits, too_long = codec.opaque(bytes(ceiling)), codec.opaque(bytes(ceiling + 1))
    limited: list[Callable[[Reader], object]] = [
        lambda reader: reader.opaque(ceiling),
        lambda reader: reader.rest(ceiling),
        lambda reader: reader.vector(Reader.u8, ceiling),
    ]
    for read in limited:
        codec.decode_all(read, fits)
        assert refused(read, too_long) == "16.1"


def test_a_ceiling_is_checked_before_the_content() -> None:
    """A length above the ceiling is refused as such, also when so many bytes are not there."""
    assert refused(lambda reader: reader.opaque(4), b"\x05") == "16.1"
    assert refused(lambda reader: reader.opaque(0x40), bytes.fromhex("bfffffff")) == "16.1"


def test_the_default_ceiling() -> None:
    head = codec.varint(codec.DEFAULT_CEILING + 1)
    assert refused(Reader.opaque, head) == "16.1"
    assert refused(Reader.opaque, codec.varint(codec.DEFAULT_CEILING)) == "2.1"


# --- What we refuse to write ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "bits"), [(codec.u8, 8), (codec.u16, 16), (codec.u32, 32), (codec.u64, 64)]
)
def test_numbers_that_do_not_fit_are_not_written(write: Callable[[int], bytes], bits: int) -> None:
    for value in (-1, 1 << bits):
        with pytest.raises(OverflowError):
            write(value)


@pytest.mark.parametrize("size", [-1, 1 << 30, 1 << 62])
def test_lengths_above_30_bits_are_not_written(size: int) -> None:
    with pytest.raises(OverflowError):
        codec.varint(size)


# --- Errors ---------------------------------------------------------------------------------------


def test_an_error_names_the_section_and_no_received_bytes() -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode_all(Reader.opaque, b"\x05abc")
    error = caught.value
    assert isinstance(error, ValueError)
    assert str(error) == "RFC 9420, 2.1: the bytes end in the middle of a value"
    assert (error.section, error.what) == ("2.1", "the bytes end in the middle of a value")
    assert "abc" not in repr(error)


# --- Properties -----------------------------------------------------------------------------------


@given(st.integers(0, codec.MAX_LENGTH))
def test_a_length_comes_back_and_no_other_width_means_it(value: int) -> None:
    written = codec.varint(value)
    assert codec.decode_all(Reader.varint, written) == value
    for width, prefix in ((1, 0), (2, 0x4000), (4, 0x80000000)):
        if value < 1 << (8 * width - 2) and width != len(written):
            with pytest.raises(DecodeError):
                codec.decode_all(Reader.varint, (value | prefix).to_bytes(width, "big"))


@given(st.binary(max_size=5))
def test_whatever_is_a_length_is_the_encoding_of_that_length(data: bytes) -> None:
    reader = Reader(data)
    try:
        value = reader.varint()
    except DecodeError:
        return
    assert codec.varint(value) == data[: reader.pos]


@given(st.lists(st.binary(max_size=80)), st.binary(max_size=3))
def test_vectors_come_back(items: list[bytes], after: bytes) -> None:
    data = codec.vector(map(codec.opaque, items))
    reader = Reader(data + after)
    assert reader.vector(Reader.opaque) == tuple(items)
    assert reader.fixed(len(after)) == after
    reader.finish()
    for cut in range(len(data)):
        with pytest.raises(DecodeError):
            codec.decode_all(lambda reader: reader.vector(Reader.opaque), data[:cut])


@given(st.binary(max_size=200))
def test_whatever_decodes_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        items = codec.decode_all(lambda reader: reader.vector(Reader.opaque), data)
    except DecodeError:
        return
    assert codec.vector(map(codec.opaque, items)) == data
