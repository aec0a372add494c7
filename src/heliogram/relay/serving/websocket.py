"""The WebSocket frames that a relay sends, unmasked: messages, ping, pong, close (RFC 6455, section 5.2).

The same bytes are good for every receiver, so a push to thousands is made once. It is written past
aiohttp's own writer, which is safe for complete, uncompressed, unfragmented messages only.
"""

from __future__ import annotations

_BINARY = 0x82  # FIN, opcode 2
_PONG = 0x8A

#: "Are you there?"
PING = b"\x89\x00"

#: The end, with code 1000. What the reason is, a GOODBYE has said.
CLOSE = b"\x88\x02\x03\xe8"


def framed(message: bytes) -> bytes:
    """`message` with its header."""
    size = len(message)
    if size < 126:
        return bytes((_BINARY, size)) + message
    if size < 1 << 16:
        return bytes((_BINARY, 126)) + size.to_bytes(2, "big") + message
    return bytes((_BINARY, 127)) + size.to_bytes(8, "big") + message


def pong(data: bytes) -> bytes:
    """The answer to a ping, whose data has at most 125 bytes."""
    return bytes((_PONG, len(data))) + data
