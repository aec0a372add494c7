"""A WebSocket without a library, for who does not keep the rules: any bytes, any frames, or none.

raw = await Raw.connect("127.0.0.1:4433")
await raw.upgrade()
await raw.send(frame(BINARY, b"..."))
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from heliogram.wire import Label, SigningKey, frames, objects

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n"
)

HELLO = frames.encode(frames.Hello(0x10000, (1,), bytes(32)))


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, first: int = 0) -> bytes:
    """A client's frame, masked with zeros. `first` is added to its first byte: reserved bits."""
    return head(opcode, len(payload), fin=fin, first=first) + payload


def head(opcode: int, size: int, *, fin: bool = True, first: int = 0) -> bytes:
    """What stands before a payload of `size` bytes."""
    start = bytes([opcode | first | (0x80 if fin else 0)])
    if size < 126:
        return start + bytes([0x80 | size]) + bytes(4)
    if size < 1 << 16:
        return start + b"\xfe" + size.to_bytes(2, "big") + bytes(4)
    return start + b"\xff" + size.to_bytes(8, "big") + bytes(4)


class Raw:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Use `connect`."""
        self.reader = reader
        self.writer = writer
        #: Of the relay's greeting, once it has been heard.
        self.relay = self.nonce = b""

    @classmethod
    async def connect(cls, where: str, **options: object) -> Self:
        """Connect to `HOST:PORT`."""
        host, _, port = where.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port), **options))  # type: ignore[arg-type]

    @classmethod
    async def greeted(cls, where: str) -> Self:
        """Connect, upgrade and say hello."""
        raw = await cls.connect(where)
        await raw.upgrade()
        await raw.send(frame(BINARY, HELLO))
        opcode, answer = await raw.receive()
        greeting = frames.decode_answer(answer)
        assert opcode == BINARY and isinstance(greeting, frames.Greeting)
        told = objects.Greeting.from_bytes(greeting.greeting)
        raw.relay, raw.nonce = told.relay, told.relay_nonce
        return raw

    async def ask(self, *requests: frames.Request) -> None:
        """Send requests in one write, with the ids that they have."""
        await self.send(b"".join(frame(BINARY, frames.encode(one)) for one in requests))

    def authorise(
        self, channel: int, instance: bytes, epoch: int, key: SigningKey, id: int = 0x10000
    ) -> frames.Authorise:
        """A request for a channel."""
        content = objects.authorise_content(self.relay, instance, epoch, self.nonce)
        return frames.Authorise(id, channel, instance, epoch, key.sign(Label.AUTHORISE, content))

    async def upgrade(self, path: str = "/ws", more: str = "") -> str:
        """Ask for a WebSocket; the head of the answer. `more` is more headers."""
        self.writer.write(_UPGRADE.format(path=path, more=more).encode())
        return (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")

    async def send(self, data: bytes) -> None:
        """Write, and wait until there is room. Raises `ConnectionError`."""
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """The relay's next frame: its opcode and payload. Raises `asyncio.IncompleteReadError`."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 15, await self.reader.readexactly(size)

    async def frame(self) -> frames.Frame | int:
        """The next protocol frame, or the close code."""
        while True:
            opcode, payload = await self.receive()
            if opcode == BINARY:
                return frames.decode_answer(payload)
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")

    async def rest(self) -> bytes:
        """All that comes until the relay ends the connection."""
        parts = []
        with suppress(ConnectionError):
            while data := await self.reader.read(1 << 16):
                parts.append(data)
        return b"".join(parts)

    async def close(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
