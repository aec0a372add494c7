"""The only way out: an HTTP session for each circuit, through the proxy if there is one.

A session knows no cookies, follows no redirect, asks for no encoding and does not say what program it is.
Circuits share no connection. With a proxy set nothing here can connect directly or ask a name server.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from heliogram.node.network import tls
from heliogram.node.network.endpoints import Endpoint
from heliogram.node.network.proxy import Credentials, Proxy, SocksConnector

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest

#: Seconds for a connection to a relay, with everything until its greeting: directly, and through a proxy.
PATIENCE, PATIENCE_BY_PROXY = 10.0, 40.0

#: Seconds that a connection for blobs is kept for the next one.
_KEEP = 15.0

#: Headers that aiohttp would add by itself.
_SILENT = ("User-Agent", "Accept", "Accept-Encoding")


class Dialler:
    """Sessions of circuits. Used within one event loop."""

    def __init__(
        self,
        *,
        proxy: Proxy | None = None,
        authority: Path | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`authority` is a file with certificates that are trusted beside the system's.

        Raises `OSError` and `ssl.SSLError` if it cannot be read.
        """
        self.proxy = proxy
        self._context = tls.context(authority)
        self._entropy = entropy
        self._sessions: dict[bytes, aiohttp.ClientSession] = {}
        self._users: Counter[bytes] = Counter()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def patience(self) -> float:
        """Seconds that a connection may take until the relay's greeting."""
        return PATIENCE if self.proxy is None else PATIENCE_BY_PROXY

    def reaches(self, endpoint: Endpoint) -> bool:
        """Whether there is a way to this endpoint at all."""
        return self.proxy is not None or not endpoint.hidden

    def take(self, circuit: bytes) -> aiohttp.ClientSession:
        """The session of a circuit, for one more user: `release` it. Raises `OSError` after `close`."""
        if self._closed:
            raise OSError("the network is closed")
        session = self._sessions.get(circuit)
        if session is None:
            session = self._sessions[circuit] = self._make()
        self._users[circuit] += 1
        return session

    def release(self, circuit: bytes) -> None:
        """One user less. Without users the session is closed: the next one goes another way."""
        self._users[circuit] -= 1
        if self._users[circuit] <= 0:
            del self._users[circuit]
            task = asyncio.get_running_loop().create_task(self._sessions.pop(circuit).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    @contextmanager
    def using(self, circuit: bytes) -> Iterator[aiohttp.ClientSession]:
        """The session of a circuit, for a while. Raises `OSError` after `close`, also within."""
        session = self.take(circuit)
        try:
            yield session
        except RuntimeError:  # aiohttp's word for a session that was closed meanwhile
            if not session.closed:
                raise
            raise OSError("the network is closed") from None
        finally:
            self.release(circuit)

    async def close(self) -> None:
        """Close everything, for good."""
        self._closed = True
        for session in list(self._sessions.values()):
            await session.close()
        await asyncio.gather(*self._closing)

    def _make(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._connector(self._context),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SILENT,
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            middlewares=(_no_redirect,),
        )

    def _connector(self, context: ssl.SSLContext) -> aiohttp.BaseConnector:
        if self.proxy is not None:
            credentials = Credentials(
                self._entropy(16).hex().encode(), self._entropy(16).hex().encode()
            )
            return SocksConnector(self.proxy, credentials, context)
        return aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=_KEEP)


async def _no_redirect(
    request: ClientRequest,
    handler: Callable[[ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Refuse to be sent elsewhere: where to connect is the configuration's to say, not a server's."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.ClientPayloadError("a redirect")
    return response
