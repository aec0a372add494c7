"""Small things that say they are huge, or have no end: refused before anything is made of them. Number 53."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import msgspec
import pytest

from heliogram import mls
from heliogram.codec import DecodeError
from heliogram.content.errors import ContentError
from heliogram.content.mimi import Message
from heliogram.node.control import protocol
from heliogram.node.errors import NodeError
from heliogram.node.identity.links import ContactLink
from heliogram.node.invitation import Invitation
from heliogram.node.value import Body
from heliogram.wire import RemoteError, frames
from heliogram.wire.objects import Configuration, Value

#: Everything that reads bytes of others, and what it may raise.
READERS: dict[str, Callable[[bytes], object]] = {
    "a request on the control socket": protocol.decode_request,
    "a command": lambda data: protocol.decode_command(msgspec.Raw(data)),
    "a line of the node": protocol.decode_line,
    "a message": Message.from_bytes,
    "a group's message": mls.decode_message,
    "a request to a relay": frames.decode_request,
    "an answer of a relay": frames.decode_answer,
    "relays": Configuration.from_bytes,
    "a value": Value.from_bytes,
    "the body of a value": Body.from_bytes,
    "an invitation": Invitation.from_bytes,
    "a link": ContactLink.from_bytes,
    "a link's text": lambda data: ContactLink.from_text(data.decode("latin-1")),
}

BOMBS = {
    "JSON without end": b"[" * 100_000,
    "deep JSON": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a deep request": b'{"id":1,"command":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep CBOR": b"\x81" * 100_000 + b"\x00",
    "deep tags": b"\xc1" * 100_000 + b"\x00",
    "CBOR of 4 GiB": b"\x85\x5a\xff\xff\xff\xff" + bytes(100),
    "CBOR of many items": b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff" + bytes(100),
    "CBOR of many pairs": b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff" + bytes(100),
    "deep msgpack": b"\x91" * 100_000 + b"\x00",
    "msgpack of 4 GiB": b"\x93\x01\x02\xc6\xff\xff\xff\xff" + bytes(100),
    "msgpack of many items": b"\xdd\xff\xff\xff\xff" + bytes(100),
    "a vector of 1 GiB": b"\x00\x01\x00\x01\xbf\xff\xff\xff" + bytes(100),
    "vectors in vectors": b"\xbf\xff\xff\xff" * 1000,
}


@pytest.mark.parametrize("reader", READERS)
def test_53_small_things_that_say_they_are_huge(reader: str) -> None:
    read = READERS[reader]
    tracemalloc.start()
    try:
        for what, data in BOMBS.items():
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                read(data)
            except (
                NodeError,
                RemoteError,
                ContentError,
                DecodeError,
                mls.MLSError,
                protocol.NotALine,
            ):
                pass
            else:
                raise AssertionError(f"{what} was taken for {reader}")
            grown = tracemalloc.get_traced_memory()[1] - before
            assert grown < 4 * len(data) + (1 << 20), f"{what}: {grown} bytes"
    finally:
        tracemalloc.stop()
