"""A small SOCKS5 proxy that notes who asked for what, and knows where names lead."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from heliogram.node.network.proxy import Proxy
from tests.node.network.kit import serving


@dataclass
class Socks:
    """What it was asked for. `names` says where names lead; `mood` how it behaves.

    With `straight`, what is no such name leads where it says.
    """

    names: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: "well"; "open" (takes no credentials), "refuses" (none are good), "down" (connects nowhere),
    #: "silent", "hangs up", "garbage".
    mood: str = "well"
    #: Credentials, host and port of each request.
    asked: list[tuple[bytes, bytes, str, int]] = field(default_factory=list)
    where: str = ""
    straight: bool = False

    @property
    def proxy(self) -> Proxy:
        """Where it is."""
        return Proxy.parse(f"socks5://{self.where}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if self.mood == "silent":
            await asyncio.sleep(3600)
        if self.mood == "hangs up":
            return
        if self.mood == "garbage":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            return
        if self.mood == "open":
            writer.write(b"\x05\x00" if 0 in methods else b"\x05\xff")
            await writer.drain()
            return
        assert methods == b"\x02"
        writer.write(b"\x05\x02")
        _, count = await reader.readexactly(2)
        user = await reader.readexactly(count)
        (count,) = await reader.readexactly(1)
        password = await reader.readexactly(count)
        writer.write(b"\x01\x01" if self.mood == "refuses" else b"\x01\x00")
        if self.mood == "refuses":
            await writer.drain()
            return
        version, command, _, kind = await reader.readexactly(4)
        assert (version, command) == (5, 1)
        if kind == 3:
            (count,) = await reader.readexactly(1)
            host = (await reader.readexactly(count)).decode()
        else:
            packed = await reader.readexactly(4 if kind == 1 else 16)
            host = str(ipaddress.ip_address(packed))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((user, password, host, port))
        place = self.names.get(host, (host, port) if self.straight else None)
        if self.mood == "down" or place is None:
            writer.write(b"\x05\x04\x00\x01" + bytes(6))
            await writer.drain()
            return
        out_reader, out_writer = await asyncio.open_connection(*place)
        # Its own address as a name: an answer of any length must be read exactly.
        writer.write(b"\x05\x00\x00\x03\x05proxy\x00\x00")
        try:
            await asyncio.gather(_copy(reader, out_writer), _copy(out_reader, writer))
        finally:
            out_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxying(socks: Socks) -> AsyncIterator[Socks]:
    """Run it."""
    async with serving(socks.serve) as where:
        socks.where = where
        yield socks
