"""Frames: both directions, every bound, and how they grow."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliogram.wire import frames as f
from heliogram.wire import limits
from heliogram.wire.connection import ANSWERS, SCOPES, input_of
from heliogram.wire.errors import ERRORS, ErrorCode, LocalError, RemoteError, WireError
from tests.wire import samples as s

REQUESTS, ANSWER_CLASSES, PUSHES = (get_args(one) for one in (f.Request, f.Answer, f.Push))
CLASSES: tuple[type[Any], ...] = (*REQUESTS, *ANSWER_CLASSES, *PUSHES)
every = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def decode(message: bytes) -> Any:
    """By whom it is for."""
    return f.decode_request(message) if message[1] < 0x40 else f.decode_answer(message)


# --- Round trips ----------------------------------------------------------------------------------


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field, within its bounds and small."""
    if isinstance(kind, msgspec.inspect.IntType):
        return st.integers(
            kind.ge if kind.ge is not None else 0,
            kind.le if kind.le is not None else (kind.lt or 1 << 63) - 1,
        )
    if isinstance(kind, msgspec.inspect.BytesType):
        low = kind.min_length or 0
        return st.binary(min_size=low, max_size=min(kind.max_length or 100, low + 100))
    if isinstance(kind, msgspec.inspect.BoolType):
        return st.booleans()
    if isinstance(kind, msgspec.inspect.VarTupleType):
        low = kind.min_length or 0
        return st.lists(values(kind.item_type), min_size=low, max_size=low + 4).map(tuple)
    assert isinstance(kind, msgspec.inspect.StructType), kind
    return built(kind.cls)


def built(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Frames or items of a class."""
    kind = msgspec.inspect.type_info(cls)
    assert isinstance(kind, msgspec.inspect.StructType)
    return st.builds(cls, *(values(field.type) for field in kind.fields))


@every
@settings(max_examples=25)
@given(data=st.data())
def test_round_trip(cls: type[Any], data: st.DataObject) -> None:
    frame = data.draw(built(cls))
    message = f.encode(frame)
    assert decode(message) == frame
    assert repr(frame) == f"<{cls.__name__}>"


def test_every_type_has_a_class_and_an_example() -> None:
    assert [cls.__struct_config__.tag for cls in CLASSES] == [kind.value for kind in f.FrameType]
    assert [type(frame) for frame in s.FRAMES.values()] == list(CLASSES)


def test_each_has_its_direction() -> None:
    for kind, frame in s.FRAMES.items():
        wrong: Any = f.decode_answer if kind < 0x40 else f.decode_request
        with pytest.raises(RemoteError):
            wrong(f.encode(frame))
    assert all(cls.__struct_config__.tag < 0x40 for cls in REQUESTS)
    assert all(0x40 <= cls.__struct_config__.tag < 0x60 for cls in ANSWER_CLASSES)
    assert all(0x60 <= cls.__struct_config__.tag < 0x80 for cls in PUSHES)


# --- Bounds ---------------------------------------------------------------------------------------


def bounds(cls: type[Any]) -> list[tuple[str, Any]]:
    """For every bound of every field: a value just beyond it."""
    kind = msgspec.inspect.type_info(cls)
    assert isinstance(kind, msgspec.inspect.StructType)
    beyond: list[tuple[str, Any]] = []
    for field in kind.fields:
        one = field.type
        name = field.name
        if isinstance(one, msgspec.inspect.IntType):
            assert one.ge is not None, f"{cls.__name__}.{name} has no lower bound"
            top = one.le if one.le is not None else one.lt - 1 if one.lt is not None else None
            assert top is not None, f"{cls.__name__}.{name} has no upper bound"
            beyond += [
                (name, one.ge - 1),
                (name, top + 1),
                (name, "text"),
                (name, 1.5),
                (name, None),
            ]
        elif isinstance(one, msgspec.inspect.BytesType):
            assert one.max_length is not None, f"{cls.__name__}.{name} is not bounded"
            beyond += [(name, bytes(one.max_length + 1)), (name, 7)]
            if one.min_length:
                beyond.append((name, bytes(one.min_length - 1)))
        elif isinstance(one, msgspec.inspect.VarTupleType):
            assert one.max_length is not None, f"{cls.__name__}.{name} is not bounded"
            beyond += [(name, (0,) * (one.max_length + 1)), (name, 7)]
    return beyond


@every
def test_every_field_is_bounded(cls: type[Any]) -> None:
    example = next(frame for frame in s.FRAMES.values() if type(frame) is cls)
    for name, value in bounds(cls):
        with pytest.raises(RemoteError) as caught:
            decode(f.encode(msgspec.structs.replace(example, **{name: value})))
        assert caught.value.code in (ErrorCode.MALFORMED, ErrorCode.TOO_LARGE)


@pytest.mark.parametrize("cls", [f.Entry, f.Digest, f.InboxItem, f.Package])
def test_items_are_bounded(cls: type[Any]) -> None:
    assert bounds(cls)


def test_the_largest_lock_fits() -> None:
    lock = f.Lock(
        *(0xFFFFFFFF, 127, 0xFFFFFFFF),
        *(bytes(limits.MAX_VALUE), bytes(limits.MAX_JUSTIFICATION)),
    )
    message = f.encode(lock)
    assert len(message) <= limits.MIN_FRAME
    assert f.decode_request(message) == lock


def test_the_largest_pages_fit() -> None:
    """A relay that keeps to `MAX_PAGE` and the numbers of items never makes a frame too large."""
    top = (1 << 63) - 1
    size = limits.MAX_PAGE // limits.MAX_PAGE_ITEMS
    entry = f.Entry(top, 0xFFFFFFFF, top, bytes(size))
    assert len(f.encode(f.Entries(0, (entry,) * 1000, top, top))) < limits.MIN_FRAME
    digest = f.Digest(top, 0xFFFFFFFF, top, bytes(32), 0xFFFFFFFF)
    assert len(f.encode(f.Digests(0, (digest,) * 1000, top, top))) < limits.MIN_FRAME
    package = f.Package(bytes(limits.MAX_DEVICE), True, bytes(limits.MAX_PACKAGE))
    assert len(f.encode(f.Packages(0, (package,) * limits.MAX_DEVICES))) < limits.MIN_FRAME
    assert (
        len(f.encode(f.PackagesPut(0, 0, (package,) * limits.MAX_PACKAGES_PUT))) < limits.MIN_FRAME
    )


def test_too_large_is_not_even_read() -> None:
    with pytest.raises(RemoteError) as caught:
        f.decode_request(bytes(limits.MAX_FRAME + 1))
    assert caught.value.code is ErrorCode.TOO_LARGE


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc0",
        b"\x90",
        b"\x91\x09",
        b"\xddxxxx",
        b"\xdd\xff\xff\xff\xff\x09\x05",
        b"\x93\x09\x05\xc6\xff\xff\xff\xff",
        b"\x94\x0e\x05\x00\xdd\xff\xff\xff\xff",
        b"\x93\x03\x05" + b"\x91" * 100_000,
        b"\x83\x00\x03\x01\x05\x02\x00",
        b"\x93\x03\x05\x00\x00",
        b"\x93\xa1\x03\x05\x00",
    ],
)
def test_what_is_no_frame(message: bytes) -> None:
    """Lengths that lie, depth without end, other shapes: refused at once, in no memory."""
    with pytest.raises(RemoteError) as caught:
        f.decode_request(message)
    assert caught.value.code is ErrorCode.MALFORMED
    f.envelope(message)
    f.type_of(message)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes(message: bytes) -> None:
    for read in (f.decode_request, f.decode_answer):
        try:
            read(message)
        except RemoteError:
            pass
    f.envelope(message)
    f.type_of(message)


# --- Growth ---------------------------------------------------------------------------------------


@every
def test_later_fields_are_ignored(cls: type[Any]) -> None:
    """What a newer version adds at the end does not disturb this one."""
    example = next(frame for frame in s.FRAMES.values() if type(frame) is cls)
    fields = msgspec.msgpack.decode(f.encode(example))
    longer = msgspec.msgpack.encode([*fields, {"new": [1, b"x"]}, 7])
    assert decode(longer) == example


def test_defaults_may_be_missing() -> None:
    fields = msgspec.msgpack.decode(f.encode(s.FRAMES[f.FrameType.POST]))
    assert f.decode_request(msgspec.msgpack.encode(fields[:-1])) == s.FRAMES[f.FrameType.POST]
    with pytest.raises(RemoteError):
        f.decode_request(msgspec.msgpack.encode(fields[:-2]))


def test_envelopes() -> None:
    assert f.envelope(b"\x93\x3f\x05\x01") == (0x3F, 5)
    assert f.envelope(b"\x92\x3f\xa1x") is None
    assert f.type_of(b"\x92\x7f\xa1x") == 0x7F
    assert f.type_of(b"\x92\xa1x\x05") is None


def test_sizes_do_not_tell_ids_apart() -> None:
    """The same entry makes frames of one size, whatever id and channel."""
    sizes = {
        len(f.encode(f.Post(id, channel, bytes(1024))))
        for id in (0x10000, 0x12345, 0xFFFFFFFF)
        for channel in (0, 1, 127)
    }
    assert len(sizes) == 1


# --- Tables ---------------------------------------------------------------------------------------


def test_each_request_has_answers_and_a_rule_for_channels() -> None:
    assert list(ANSWERS) == list(REQUESTS)
    for cls in REQUESTS:
        named = {field.name for field in msgspec.structs.fields(cls)}
        opens = cls in (f.Authorise, f.InboxAuthorise)
        assert ("channel" in named) == (cls in SCOPES or opens)
    answered = {answer for answers in ANSWERS.values() for answer in answers}
    assert answered == set(ANSWER_CLASSES) - {f.Failure}
    for frame in s.FRAMES.values():
        assert input_of(frame)


def test_errors() -> None:
    for code in ErrorCode:
        error = RemoteError(code)
        assert str(error) == f"{code.name}: {ERRORS[code].meaning}"
        assert isinstance(error, WireError)
    assert str(RemoteError(ErrorCode.GONE, "said otherwise")) == "GONE: said otherwise"
    assert issubclass(LocalError, WireError)
