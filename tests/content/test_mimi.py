"""Messages: one encoding, each rule of the draft broken once, and the traps that others fell into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.content import cbor, mimi
from heliogram.content.errors import ContentError
from heliogram.content.limits import MAX_EXPIRY, MAX_EXTENSION_NUMBER, MAX_MESSAGE, MAX_PARTS
from heliogram.content.mimi import (
    Expiry,
    Extension,
    ExternalPart,
    Message,
    MultiPart,
    NullPart,
    PartSemantics,
    SinglePart,
)
from tests.content import strategies as s

SALT = bytes(range(16))
ID = b"\x01" + bytes(31)
LEAF = SinglePart("text/plain;charset=utf-8", b"hi")
NOW = 1_900_000_000
WHERE: Any = {"sender": "mimi://example.com/u/alice", "room": "mimi://example.com/r/one"}


def multi(*parts: mimi.Part) -> MultiPart:
    return MultiPart(PartSemantics.PROCESS_ALL, parts)


# --- Encodings ------------------------------------------------------------------------------------


@given(s.messages)
def test_messages(message: Message) -> None:
    data = message.encode()
    assert Message.from_bytes(data) == message
    assert Message.from_bytes(data).encode() == data
    shown = repr(message)
    assert SALT.hex() not in shown and "content=" not in shown


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(ContentError):
        Message.from_bytes(data)


@given(s.messages, st.data())
def test_changed_bytes(message: Message, data: st.DataObject) -> None:
    """A changed byte is refused, or makes another message with one encoding."""
    encoded = bytearray(message.encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        other = Message.from_bytes(bytes(encoded))
    except ContentError:
        return
    assert other != message
    assert other.encode() == encoded


def test_unknown_is_kept() -> None:
    """Extensions, dispositions and media types that nobody knows come out as they came in."""
    extensions = mimi.extensions(
        {2570: cbor.text("grease"), -70000: bytes.fromhex("a1f97e00c11864"), "x-later": cbor.NULL}
    )
    part = SinglePart("application/vnd.example.later", b"\x00\xff", disposition=0xDA)
    message = Message(SALT, part, extensions=extensions)
    again = Message.from_bytes(message.encode())
    assert again == message
    assert again.extension(2570) == cbor.text("grease")
    assert again.extension("x-later") == cbor.NULL
    assert again.extension(7) is None


# --- Rules ----------------------------------------------------------------------------------------

FOUR = multi(LEAF, multi(LEAF, multi(LEAF, LEAF)))

#: What may not be made, and so not be read either.
IMPOSSIBLE: dict[str, Callable[[], object]] = {
    "a salt of 15": lambda: Message(SALT[1:], LEAF),
    "an id of 31": lambda: Message(SALT, LEAF, replaces=ID[:-1]),
    "an id of an unknown hash": lambda: Message(SALT, LEAF, in_reply_to=bytes(32)),
    "a topic of 4097": lambda: Message(SALT, LEAF, topic_id=bytes(4097)),
    "five levels": lambda: Message(SALT, multi(LEAF, FOUR)),
    "1025 parts": lambda: Message(SALT, multi(*[NullPart()] * MAX_PARTS)),
    "one part in a multipart": lambda: multi(LEAF),
    "disposition 256": lambda: NullPart(256),
    "disposition -1": lambda: NullPart(-1),
    "more than a year after reading": lambda: Expiry(True, MAX_EXPIRY + 1),
    "an end beyond 32 bits": lambda: Expiry(False, 1 << 32),
    "a size beyond 64 bits": lambda: ExternalPart("", "", size=1 << 64),
    "a key, and not encrypted": lambda: ExternalPart("", "", key=b"k"),
    "an endless address": lambda: ExternalPart("", "https:" + "a" * 5000),
    "an empty key": lambda: Extension("", cbor.NULL),
    "a key of 256": lambda: Extension("\u00fc" * 128, cbor.NULL),
    "a key beyond 53 bits": lambda: Extension(-MAX_EXTENSION_NUMBER - 1, cbor.NULL),
    "two values": lambda: Extension(1, cbor.NULL * 2),
    "a value of five levels": lambda: Extension(1, bytes.fromhex("8181818100")),
    "an extension twice": lambda: Message(SALT, LEAF, extensions=(Extension(1, cbor.NULL),) * 2),
    "65 extensions": lambda: Message(
        SALT, LEAF, extensions=mimi.extensions({one: cbor.NULL for one in range(65)})
    ),
    "too long": lambda: Message(SALT, SinglePart("", bytes(MAX_MESSAGE))).encode(),
    "text without UTF-8": lambda: Message(SALT, SinglePart("\ud800", b"")).encode(),
}


@pytest.mark.parametrize("make", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_messages(make: Callable[[], object]) -> None:
    with pytest.raises(ContentError) as caught:
        make()
    assert caught.value.section in str(caught.value)


def test_the_borders_are_possible() -> None:
    for message in (
        Message(SALT, FOUR),
        Message(SALT, multi(*[NullPart()] * (MAX_PARTS - 1)), topic_id=bytes(4096)),
        Message(SALT, LEAF, extensions=mimi.extensions({1: bytes.fromhex("81818100")})),
        Message(SALT, LEAF, extensions=mimi.extensions({"x" * 255: cbor.NULL})),
        Message(SALT, LEAF, expires=Expiry(True, MAX_EXPIRY)),
    ):
        assert Message.from_bytes(message.encode()) == message


HEAD = "8750" + SALT.hex()
REFUSED = {
    "eight fields": "88" + HEAD[2:] + "f640f6f6a08301600000",
    "six fields": "86" + HEAD[2:] + "f640f6f6a0",
    "an id of 31 octets": HEAD + "581f" + "01" * 31 + "40f6f6a083016000",
    "an end of three": HEAD + "f64083f50000f6a083016000",
    "an end that says 1 for true": HEAD + "f640820100f6a083016000",
    "an extension out of order": HEAD + "f640f6f6a202f601f683016000",
    "65 extensions": HEAD + "f640f6f6b841",
    "an extension with a key of bytes": HEAD + "f640f6f6a14101f683016000",
    "a part of kind 4": HEAD + "f640f6f6a083016004",
    "a part of kind 2 with 3 fields": HEAD + "f640f6f6a083016002",
    "a null part that says it has 5 fields": HEAD + "f640f6f6a085016000",
    "a single part that says it has 3 fields": HEAD + "f640f6f6a0830160016040",
    "a null part with 5 fields": HEAD + "f640f6f6a08501600060" + "40",
    "unknown semantics": HEAD + "f640f6f6a0850160030382830160008301600" + "0",
    "one part": HEAD + "f640f6f6a08501600300" + "8183016000",
    "parts too deep": HEAD + "f640f6f6a0" + ("85016003008283016000" * 4) + "83016000",
    "a million parts": HEAD + "f640f6f6a085016003009a000fffff" + "83016000" * 9,
    "something after it": HEAD + "f640f6f6a08301600000",
    "too long": HEAD + "f640f6f6a0850160016059dfff" + "00" * 0xDFFF,
}


@pytest.mark.parametrize("wire", REFUSED.values(), ids=REFUSED)
def test_refused(wire: str) -> None:
    assert Message.from_bytes(bytes.fromhex(HEAD + "f640f6f6a083016000"))
    with pytest.raises(ContentError):
        Message.from_bytes(bytes.fromhex(wire))


def test_where_and_when() -> None:
    """Claims about sender and room must be true; an absolute end is near (sections 3.3 and 9.1)."""
    claims: dict[int | str, bytes] = {
        mimi.ExtensionKey.SENDER_URI: cbor.text(WHERE["sender"]),
        mimi.ExtensionKey.ROOM_URI: cbor.text(WHERE["room"]),
    }
    claiming = Message(SALT, LEAF, extensions=mimi.extensions(claims))
    claiming.check(**WHERE, now=NOW)
    Message(SALT, LEAF).check(**WHERE, now=NOW)
    for key in claims:
        lie = mimi.extensions({**claims, key: cbor.text("mimi://example.com/u/eve")})
        with pytest.raises(ContentError):
            replace(claiming, extensions=lie).check(**WHERE, now=NOW)
    for away in (MAX_EXPIRY, -MAX_EXPIRY):
        ending = Message(SALT, LEAF, expires=Expiry(False, NOW + away))
        ending.check(**WHERE, now=NOW)
        with pytest.raises(ContentError):
            ending.check(**WHERE, now=NOW - (1 if away > 0 else -1))


def test_ends() -> None:
    assert Expiry(False, 70).ends(None) == 70
    assert Expiry(True, 70).ends(None) is None
    assert Expiry(True, 70).ends(30) == 100


# --- Part indices ---------------------------------------------------------------------------------


def test_part_indices() -> None:
    """Depth-first from 0, counting multiparts as well; only leaves with content can be meant."""
    one, two = SinglePart("a", b""), ExternalPart("b", "https://example.com/")
    part = multi(multi(one, NullPart()), two)
    assert [type(found).__name__[:2] for found in mimi.walk(part)] == ["Mu", "Mu", "Si", "Nu", "Ex"]
    found = [mimi.referred_part(part, f"cid:{index}@local.invalid") for index in range(6)]
    assert found == [None, None, one, None, two, None]
    for uri in (
        *("cid:2@example.com", "cid:02@local.invalid", "cid:+2@local.invalid", "2@local.invalid"),
        *("cid:@local.invalid", "cid:\u0662@local.invalid", "cid:2", "cid:99999@local.invalid"),
    ):
        assert mimi.referred_part(part, uri) is None


# --- Ids ------------------------------------------------------------------------------------------


def test_id_counts_bytes_and_has_lengths() -> None:
    """Lengths are of UTF-8 bytes. Without them, as older drafts had it, borders could be moved."""
    data = Message(SALT, LEAF).encode()
    sender, room = "mimi://b\u00fccher.example/u/a", "mimi://example/r/1"
    raw = sender.encode()
    assert len(raw) == len(sender) + 1
    framed = len(raw).to_bytes(2, "big") + raw + len(room).to_bytes(2, "big") + room.encode()
    expected = b"\x01" + sha256(framed + data + SALT).digest()[:31]
    assert mimi.message_id(data, sender=sender, room=room) == expected
    assert mimi.message_id(data, sender=sender + "m", room=room[1:]) != expected
    old = b"\x01" + sha256(raw + room.encode() + data + SALT).digest()[:31]
    assert old != expected


def test_id_is_of_the_bytes_alone() -> None:
    """The same signed bytes under another generation are the same message: it can be shown once."""
    data = Message(SALT, LEAF).encode()
    ids = {mimi.message_id(data, **WHERE) for _ in range(2)}
    ids.add(mimi.message_id(Message.from_bytes(data).encode(), **WHERE))
    assert len(ids) == 1
    mimi.check_id(ids.pop())


def test_ids_differ_by_sender_room_and_salt() -> None:
    data = Message(SALT, LEAF).encode()
    other = Message(bytes(16), LEAF).encode()
    ids = {
        mimi.message_id(data, **WHERE),
        mimi.message_id(other, **WHERE),
        mimi.message_id(data, **{**WHERE, "sender": "x"}),
        mimi.message_id(data, **{**WHERE, "room": "x"}),
    }
    assert len(ids) == 4


@pytest.mark.parametrize("wire", ["", "80", "86", "874f" + "00" * 15, "87f6"])
def test_no_id_for_what_is_no_message(wire: str) -> None:
    with pytest.raises(ContentError):
        mimi.message_id(bytes.fromhex(wire), **WHERE)


def test_no_id_for_an_endless_uri() -> None:
    with pytest.raises(ContentError):
        mimi.message_id(Message(SALT, LEAF).encode(), sender="x" * 5000, room="")
