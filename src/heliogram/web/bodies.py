"""Bodies of requests: what they hold, and how they are read, within bounds of size and time."""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import parse_qs

from aiohttp import web
from msgspec import Meta, Struct

from heliogram.node import api
from heliogram.web.errors import TooLarge, Unreadable

_Phrase = Annotated[str, Meta(max_length=1024)]
_Relays = Annotated[tuple[Annotated[str, Meta(max_length=8192)], ...], Meta(max_length=16)]


class _Body(Struct, frozen=True):
    """What somebody sent. Nothing of it is shown."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Redeem(_Body, frozen=True):
    """A start token."""

    token: Annotated[str, Meta(max_length=128)]


class Create(_Body, frozen=True):
    """A new account."""

    name: api.Name
    passphrase: _Phrase
    relays: _Relays = ()


class Restore(_Body, frozen=True):
    """An account that there is."""

    name: api.Name
    words: Annotated[str, Meta(max_length=4096)]
    passphrase: _Phrase
    relays: _Relays = ()


class Unlock(_Body, frozen=True):
    """What opens the profile."""

    passphrase: _Phrase


class Code(_Body, frozen=True):
    """What is to be a QR code."""

    text: Annotated[str, Meta(min_length=1, max_length=2048)]


async def read(request: web.BaseRequest, most: int, slowest: float) -> bytes:
    """The body, of at most `most` bytes, within `slowest` seconds.

    Raises `TooLarge`, and `Unreadable` if it does not come.
    """
    if (request.content_length or 0) > most:
        raise TooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(slowest):
            while data := await request.content.readany():
                body += data
                if len(body) > most:
                    raise TooLarge
    except TimeoutError:
        raise Unreadable from None
    return bytes(body)


def parameter(query: str, name: str) -> str:
    """One parameter of a query. Raises `Unreadable`."""
    try:
        found = parse_qs(query, strict_parsing=True, max_num_fields=4, errors="strict")
    except ValueError:
        raise Unreadable from None
    values = found.get(name, [])
    if len(values) != 1:
        raise Unreadable
    return values[0]
