"""TLS that the relay ends itself: who comes in is counted before the handshake, and it has a deadline.

A server of asyncio's counts nobody before that: whoever only begins handshakes could take every file that
the relay may open.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from heliogram.relay.serving.door import Door, Gate

_log = logging.getLogger(__name__)

#: Seconds for the end of TLS, and before the next attempt when the system gives no connection.
_SHUTDOWN, _PAUSE = 2.0, 0.1


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.3 with this certificate. Raises `OSError`, `ssl.SSLError`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.load_cert_chain(certificate, key)
    return made


class TlsListener:
    """A listening socket and all handshakes that are under way behind it."""

    def __init__(
        self, where: tuple[str, int], using: ssl.SSLContext, gate: Gate, door: Callable[[str], Door]
    ) -> None:
        """Listen. `door` makes aiohttp's side of a connection from an address. Raises `OSError`."""
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self._socket = socket.create_server(where, family=family, backlog=1024)
        self._socket.setblocking(False)
        self._context = using
        self._gate = gate
        self._door = door
        self._shake = _connecting(gate.loop)
        self._tasks = {gate.loop.create_task(self._accept())}

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Take nobody in any more. Connections go on."""
        for task in self._tasks:
            task.cancel()
        self._gate.loop.call_soon(self._socket.close)

    async def _accept(self) -> None:
        while True:
            try:
                client, peer = await self._gate.loop.sock_accept(self._socket)
            except OSError as error:
                # Too many files, or the client has gone already.
                _log.warning("a connection was not accepted: %s", type(error).__name__)
                await asyncio.sleep(_PAUSE)
                continue
            address = self._gate.enter(peer)
            if address is None:
                client.close()
                continue
            task = self._gate.loop.create_task(self._welcome(client, address))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _welcome(self, client: socket.socket, address: str) -> None:
        door = self._door(address)
        try:
            await self._shake(
                lambda: door, client,
                ssl=self._context,
                ssl_handshake_timeout=self._gate.patience, ssl_shutdown_timeout=_SHUTDOWN,
            )  # fmt: skip
        except BaseException as error:
            client.close()
            if not door.open:
                self._gate.leave(address)
            if not isinstance(error, OSError):  # what failures of TLS and of sockets are
                raise


def _connecting(loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """aiofastnet's TLS, at half the cost, where it is installed."""
    try:
        import aiofastnet
    except ImportError:
        return loop.connect_accepted_socket
    return partial(aiofastnet.connect_accepted_socket, loop)
