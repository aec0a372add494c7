"""A client's half of WebSocket (RFC 6455) as far as the load generator needs it: unfragmented messages."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench.relay.loop import Connection, LoadError

_BINARY, _CLOSE, _PING, _PONG = 0x82, 0x88, 0x89, 0x8A


def masked(message: bytes, opcode: int = _BINARY) -> bytes:
    """One frame of a client: `message` under a mask of its own (sections 5.2 and 5.3)."""
    size, mask = len(message), os.urandom(4)
    if size < 126:
        head = bytes((opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    stream = (mask * (size // 4 + 1))[:size]
    hidden = int.from_bytes(message, "big") ^ int.from_bytes(stream, "big")
    return head + mask + hidden.to_bytes(size, "big")


class WebSocket(Connection):
    """A connection on which binary messages come in, each given to `message` as (bytes, start, end)."""

    def upgrade(self, path: str) -> Iterator[None]:
        """For `login`: the way from HTTP to WebSocket."""
        self.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.tail:
            yield
        head, _, self.tail = self.tail.partition(b"\r\n\r\n")
        if (
            b" 101 " not in head.partition(b"\r\n")[0]
            or b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" not in head
        ):
            raise LoadError(f"no WebSocket: {head[:200].decode(errors='replace')}")

    def next_message(self) -> Iterator[None]:
        """For `login`: until a binary message is whole; it is in `last` then."""
        self.last: bytes | None = None
        while True:
            self.tail = self.parse(self.tail, 1)
            if self.last is not None:
                return
            yield

    def message(self, data: bytes, start: int, end: int) -> None:
        """A message that is no part of the login."""
        raise NotImplementedError

    def parse(self, data: bytes, at_most: int = 1 << 30) -> bytes:
        at, end = 0, len(data)
        while end - at >= 2 and at_most:
            size, start = data[at + 1], at + 2
            if size == 126:
                if end - at < 4:
                    break
                size, start = data[at + 2] << 8 | data[at + 3], at + 4
            elif size == 127:
                if end - at < 10:
                    break
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            stop = start + size
            if stop > end:
                break
            opcode = data[at]
            if opcode == _BINARY:
                if self.ready:
                    self.message(data, start, stop)
                else:
                    self.last = data[start:stop]
                    at_most -= 1
            elif opcode == _PING:
                self.write(masked(data[start:stop], _PONG))
            else:
                raise LoadError(f"an unexpected frame: {opcode:#x}")
            at = stop
        return data[at:]
