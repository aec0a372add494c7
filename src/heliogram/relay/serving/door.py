"""Who may come in: a bound on connections, by address and in all, and a deadline for the first request.

aiohttp waits for ever for a request to begin; a client that only holds the door open must not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage

from heliogram.relay.operating.journal import place
from heliogram.relay.serving import site
from heliogram.relay.serving.limiter import Addresses, address_of

_log = logging.getLogger(__name__)

#: How long a connection may wait for its next plain request, in seconds.
KEEPALIVE = 30.0

#: Bytes of HTTP that are parsed at once.
SLICE = 16 << 10


class Gate:
    """What all doors of a relay share."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        addresses: Addresses | None,
        *,
        ceiling: int,
        patience: float,
        refused: Callable[[str], None],
    ) -> None:
        """`addresses` is None where all clients come by one proxy. `refused` is told why somebody was."""
        self.loop = loop
        self.patience = patience
        self._addresses = addresses
        self._ceiling = ceiling
        self._refused = refused
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many connections are open."""
        return self._inside

    def enter(self, peer: object) -> str | None:
        """Count a connection from what the socket calls its peer; its address, or None if it must go."""
        address = address_of(peer)
        if self._inside >= self._ceiling:
            self._refused("connections")
            return None
        if self._addresses is not None and not self._addresses.enter(address, now=self.loop.time()):
            self._refused("address")
            return None
        self._inside += 1
        return address

    def leave(self, address: str) -> None:
        """Forget a connection that `enter` has counted."""
        self._inside -= 1
        if self._addresses is not None:
            self._addresses.leave(address)

    def hurry(self, transport: asyncio.Transport) -> None:
        """End a connection that was too slow."""
        self._refused("slow")
        transport.abort()


class Door(web.RequestHandler):
    """aiohttp's side of one connection, behind the gate."""

    __slots__ = ("_address", "_broken", "_deadline", "_gate")

    def __init__(
        self, server: web.Server, gate: Gate, address: str | None = None, **options: Any
    ) -> None:
        """`address` is that of a client whom the gate has let in already."""
        super().__init__(server, loop=gate.loop, **options)
        self._gate = gate
        self._address = address
        #: Whether something came that cannot be read: the answer to it is the last one.
        self._broken = False
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        """Whether there is a connection, or was one."""
        return self._task_handler is not None or self._manager is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio has a connection."""
        super().connection_made(transport)
        if self._address is None:
            self._address = self._gate.enter(transport.get_extra_info("peername"))
        if self._address is None:
            cast(asyncio.Transport, transport).abort()
            return
        self._deadline = self._gate.loop.call_later(
            self._gate.patience, self._gate.hurry, cast(asyncio.Transport, transport)
        )

    def data_received(self, data: bytes) -> None:
        """asyncio has bytes. aiohttp quotes what it cannot read several times: so it gets little at once."""
        if self._payload_parser is not None:
            super().data_received(data)
            return
        # Nothing at all means: go on with what was left over.
        for at in range(0, max(1, len(data)), SLICE):
            if self._broken:
                return  # what follows would be quoted as well
            super().data_received(data[at : at + SLICE])
            messages = self._messages
            self._broken = bool(messages) and not isinstance(messages[-1][0], RawRequestMessage)

    def met(self) -> None:
        """The first request's head is there."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What somebody gets whose request cannot be read: the site's page, and not aiohttp's."""
        if exc is not None and status >= 500:
            # A bug. Its text may hold anything.
            _log.error("a request failed: %s at %s", type(exc).__name__, place(exc))
        if request.writer.output_size > 0:
            raise ConnectionError  # an answer has begun, another would be taken for its end
        answer = site.error(status)
        answer.force_close()  # the answer's way, which sends it first
        return answer

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio has lost it."""
        self.met()
        if self._address is not None:
            self._gate.leave(self._address)
            self._address = None
        super().connection_lost(exc)


def watched(server: web.Server) -> web.Server:
    """`server`, telling each door when a request has come.

    Where requests are made and not in a middleware, whose frames would stay in memory as long as a WebSocket.
    """
    make = server.request_factory

    def request(*parts: Any) -> Any:
        door = parts[2]
        if isinstance(door, Door):
            door.met()
        return make(*parts)

    server.request_factory = request
    return server
