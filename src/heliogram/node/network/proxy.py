"""SOCKS5 (RFC 1928, RFC 1929): the proxy resolves names, and keeps circuits apart.

Every circuit has a user name and a password of its own, drawn anew in each run. They prove nothing: Tor keeps
streams with different ones on different paths (IsolateSOCKSAuth). The connector here can do nothing but ask
the proxy: it neither resolves a name nor connects to anything else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import aiohttp

from heliogram.node.errors import InvalidProxy

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

_PROXY = re.compile(
    r"socks5h?://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/:?#@\[\]]+):(?P<port>[1-9][0-9]{0,4})/?"
)

_VERSION, _AUTHENTICATION = 5, 1
_NO_CREDENTIALS, _PASSWORD = 0x00, 0x02
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS5 proxy."""

    #: An address: its own name would have to be asked of somebody.
    host: str = field(repr=False)
    port: int = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`socks5://ADDRESS:PORT`, ADDRESS an IP address or `localhost`. Raises `InvalidProxy`."""
        found = _PROXY.fullmatch(text.strip())
        if found is None or int(found["port"]) > 0xFFFF:
            raise InvalidProxy
        host = found["host"].strip("[]")
        if host == "localhost":
            host = "127.0.0.1"
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise InvalidProxy from None
        return cls(host, int(found["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"socks5://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What keeps a circuit apart from others."""

    user: bytes = field(repr=False)
    password: bytes = field(repr=False)


class ProxyError(OSError):
    """The proxy is none, or did not connect. The text is ours."""


async def tunnel(proxy: Proxy, credentials: Credentials, host: str, port: int) -> socket.socket:
    """A socket that leads to `host` through the proxy. Raises `OSError`; `ProxyError` is one."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in proxy.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await loop.sock_connect(made, (proxy.host, proxy.port))
        await _authenticate(made, credentials)
        await _connect(made, host, port)
    except BaseException:
        made.close()
        raise
    return made


async def _authenticate(made: socket.socket, credentials: Credentials) -> None:
    loop = asyncio.get_running_loop()
    # Only this method is offered: a proxy that ignores credentials would mix circuits.
    await loop.sock_sendall(made, bytes([_VERSION, 1, _PASSWORD]))
    if await _exactly(made, 2) != bytes([_VERSION, _PASSWORD]):
        raise ProxyError("the proxy takes no credentials, so it would not keep circuits apart")
    user, password = credentials.user, credentials.password
    message = bytes([_AUTHENTICATION, len(user)]) + user + bytes([len(password)]) + password
    await loop.sock_sendall(made, message)
    if await _exactly(made, 2) != bytes([_AUTHENTICATION, 0]):
        raise ProxyError("the proxy refuses credentials")


async def _connect(made: socket.socket, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    request = bytes([_VERSION, _CONNECT, 0]) + _address(host) + port.to_bytes(2, "big")
    await loop.sock_sendall(made, request)
    version, reply, _, kind = await _exactly(made, 4)
    if version != _VERSION or reply != 0:
        raise ProxyError("the proxy did not connect")
    if kind == _NAME:
        rest = (await _exactly(made, 1))[0]
    elif kind in (_IPV4, _IPV6):
        rest = 4 if kind == _IPV4 else 16
    else:
        raise ProxyError("the proxy speaks something else")
    await _exactly(made, rest + 2)


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        if not 1 <= len(name) <= 0xFF:
            raise ProxyError("this name is too long") from None
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed


async def _exactly(made: socket.socket, count: int) -> bytes:
    """So many bytes and none more: what follows belongs to the stream."""
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < count:
        more = await loop.sock_recv(made, count - len(data))
        if not more:
            raise ProxyError("the proxy hung up")
        data += more
    return data


class SocksConnector(aiohttp.BaseConnector):
    """Connections of one circuit, all of them through the proxy."""

    def __init__(self, proxy: Proxy, credentials: Credentials, context: ssl.SSLContext) -> None:
        super().__init__(limit=0)
        self._proxy = proxy
        self._credentials = credentials
        self._context = context

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        host = req.url.raw_host
        port = req.url.port
        if host is None or port is None:
            raise ProxyError("this address has no host")
        made = await tunnel(self._proxy, self._credentials, host, port)
        secure = req.is_ssl()
        try:
            _, protocol = await self._loop.create_connection(
                self._factory,
                sock=made,
                ssl=self._context if secure else None,
                server_hostname=host if secure else None,
            )
        except BaseException:
            made.close()
            raise
        return protocol
