"""The load generator's core: non-blocking sockets on one epoll, in one thread.

No event loop of Python's: a delivery costs one `recv` and a look at the bytes, so that the generator is
not what is measured. Linux only.
"""

from __future__ import annotations

import select
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

#: Bytes taken from a socket at once.
CHUNK = 1 << 18


class LoadError(Exception):
    """The server did not do what it should have done. Says what, for whoever runs the benchmark."""


class Loop:
    """Waits for sockets and hands over what came."""

    def __init__(self) -> None:
        #: Messages that all connections have received.
        self.received = 0
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}

    def add(self, connection: Connection) -> None:
        fd = connection.socket.fileno()
        self._connections[fd] = connection
        self._poll.register(fd, select.EPOLLIN)

    def remove(self, connection: Connection) -> None:
        fd = connection.socket.fileno()
        if self._connections.pop(fd, None):
            self._poll.unregister(fd)

    def want_to_write(self, connection: Connection, wanted: bool) -> None:
        self._poll.modify(
            connection.socket.fileno(), select.EPOLLIN | (select.EPOLLOUT if wanted else 0)
        )

    def turn(self, seconds: float) -> None:
        """Wait up to so long, and serve every socket that has something."""
        for fd, events in self._poll.poll(seconds, 4096):
            connection = self._connections.get(fd)
            if connection is None:
                continue
            if events & select.EPOLLOUT:
                connection.flush()
            if events & ~select.EPOLLOUT:
                connection.take()

    def run(self, until: Callable[[], bool], seconds: float, what: str) -> None:
        """Serve until `until` says so. Raises `LoadError` if that takes longer than `seconds`."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise LoadError(f"{what}: not done after {seconds:.0f} s")
            self.turn(0.05)

    def close(self) -> None:
        for connection in list(self._connections.values()):
            connection.close()
        self._poll.close()


class Connection(ABC):
    """One client of a server.

    `login` is a script that writes, and yields until enough has come into `tail`; then the connection
    is `ready`. From then on `parse` counts acknowledged posts and received messages.
    """

    def __init__(self, loop: Loop, port: int) -> None:
        self.loop = loop
        self.tail = b""
        self.ready = False
        self.acked = self.received = 0
        self.sent = 0
        self._frames: Sequence[bytes] = ()
        self._window = 0
        self._out = b""
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        loop.add(self)
        self._script = self.login()
        self._go_on()

    @abstractmethod
    def login(self) -> Iterator[None]:
        """Everything up to the point where posts can be sent and come in."""

    @abstractmethod
    def parse(self, data: bytes) -> bytes:
        """Count what is whole in `data` and return the rest."""

    @abstractmethod
    def encode(self, log: int, payload: bytes) -> bytes:
        """The bytes that post `payload` to `log`."""

    def until(self, token: bytes, times: int = 1) -> Iterator[None]:
        """For `login`: wait for `token`, so many times, and leave what follows the last one."""
        for _ in range(times):
            while token not in self.tail:
                yield
            self.tail = self.tail[self.tail.index(token) + len(token) :]

    def publish(self, frames: Sequence[bytes], window: int) -> None:
        """Send these, never more than `window` of them unacknowledged."""
        self._frames, self._window = frames, window
        self.sent = self.acked = 0
        self._top_up()

    @property
    def done(self) -> bool:
        """Whether all that was published is acknowledged."""
        return self.acked >= len(self._frames)

    def write(self, data: bytes) -> None:
        if self._out:
            self._out += data
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._out = data[sent:]
            self.loop.want_to_write(self, True)

    def flush(self) -> None:
        out, self._out = self._out, b""
        self.write(out)
        if not self._out:
            self.loop.want_to_write(self, False)

    def take(self) -> None:
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.close()
            raise LoadError(f"{type(self).__name__}: the server ended a connection")
        self.tail = self.tail + data if self.tail else data
        if not self.ready:
            self._go_on()
        if self.ready:
            before = self.received
            self.tail = self.parse(self.tail)
            self.loop.received += self.received - before
            if self.sent < len(self._frames):
                self._top_up()

    def close(self) -> None:
        if self.socket.fileno() >= 0:
            self.loop.remove(self)
            self.socket.close()

    def _go_on(self) -> None:
        try:
            next(self._script)
        except StopIteration:
            self.ready = True

    def _top_up(self) -> None:
        room = self._window - (self.sent - self.acked)
        # Not post by post: half a window at once saves system calls on both sides.
        if room > 0 and (room * 2 >= self._window or self.sent + room >= len(self._frames)):
            batch = self._frames[self.sent : self.sent + room]
            self.sent += len(batch)
            self.write(b"".join(batch))


def connect(
    loop: Loop, makers: Iterable[Callable[[], Connection]], seconds: float, at_once: int = 50
) -> list[Connection]:
    """Connections that are ready, as many as there are in `seconds`, so many under way at once."""
    end = time.monotonic() + seconds
    made: list[Connection] = []
    waiting: list[Connection] = []
    for maker in makers:
        if time.monotonic() > end:
            break
        waiting.append(maker())
        made.append(waiting[-1])
        loop.turn(0)
        if len(waiting) >= at_once:
            waiting = _some_ready(loop, waiting)
    while waiting:
        waiting = _some_ready(loop, waiting)
    return made


def _some_ready(loop: Loop, waiting: list[Connection]) -> list[Connection]:
    """Wait for one of them; those that are not ready then."""
    loop.run(lambda: any(connection.ready for connection in waiting), 30, "login")
    return [connection for connection in waiting if not connection.ready]
