"""A node that runs in another process, for a program that asks it a few things and waits: without asyncio."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

from heliogram.node import api
from heliogram.node.control import protocol
from heliogram.node.control.faults import Interrupted
from heliogram.node.control.place import Place
from heliogram.node.control.protocol import MAX_ANSWER, Line, NotALine


class PlainClient:
    """A connection to the node at `place`. One question at a time.

    Raises `NotRunning`, `UnsafePlace` at once if there is none.
    """

    def __init__(self, place: Place) -> None:
        self._connection: socket.socket = place.connect()
        self._reader = self._connection.makefile("rb")
        self._number = 0

    def call(self, command: api.Command, timeout: float | None = None) -> Any:
        """Do it there. Raises the `NodeError` that it raised; `Interrupted`, `InvalidCommand`.

        Raises `TimeoutError` if the answer is not there after `timeout` seconds; then close.
        """
        self._number += 1
        self._send(protocol.encode_command(self._number, command), timeout)
        return self._answer(command)

    def subscribe(self, timeout: float | None = None) -> Iterator[api.AnyNotice]:
        """What happens from now on, until the node stops. No calls after that.

        Raises `TimeoutError` when `timeout` seconds are over; then close.
        """
        until = None if timeout is None else time.monotonic() + timeout
        self._number += 1
        self._send(protocol.encode_subscription(self._number), timeout)
        self._answer(None)
        return self._notices(until)

    def _notices(self, until: float | None) -> Iterator[api.AnyNotice]:
        while True:
            if until is not None:
                self._connection.settimeout(max(until - time.monotonic(), 0.001))
            try:
                notice = protocol.notice_of(self._line())
            except Interrupted:
                return
            if notice is not None:
                yield notice

    def close(self) -> None:
        """Go."""
        self._reader.close()
        self._connection.close()

    def __enter__(self) -> PlainClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, line: bytes, timeout: float | None) -> None:
        self._connection.settimeout(timeout)
        try:
            self._connection.sendall(line)
        except TimeoutError:
            raise
        except OSError:
            raise Interrupted from None

    def _answer(self, command: api.Command | None) -> Any:
        while (line := self._line()).id != self._number:
            pass
        try:
            return protocol.result_of(line, command)
        except NotALine:
            raise Interrupted from None

    def _line(self) -> Line:
        try:
            line = self._reader.readline(MAX_ANSWER)
            return protocol.decode_line(line)
        except TimeoutError:
            raise
        except (OSError, NotALine):
            raise Interrupted from None
