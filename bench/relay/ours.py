"""Our relay: `python -m heliogram.relay serve`, over its WebSocket, as docs/protocol.md has it.

Logs are opened as everybody opens them, by a member who signs and works; only the work is none here
(difficulty 0). Posts are encoded and masked before they are timed, of answers only the type is read. Receipts
are verified once before anything is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.relay.loop import LoadError, Loop, connect
from bench.relay.peer import Peer
from bench.relay.server import SERVER_CPU, Server, free_port
from bench.relay.websocket import WebSocket, masked
from heliogram.wire import frames, work
from heliogram.wire.objects import (
    Configuration,
    Greeting,
    Open,
    RelayDescription,
    Seat,
    authorise_content,
)
from heliogram.wire.receipts import Receipt, entry_hash
from heliogram.wire.signing import Label, SigningKey
from heliogram.wire.work import Proof

#: Every member of every log has this key: how keys differ is no matter of speed.
MEMBER = SigningKey(bytes(range(32)))
EPOCH = 1
FIRST_ID = 0x10000
_STORED, _PUSHED = frames.FrameType.STORED, frames.FrameType.PUSHED
#: What a single visitor would never need, and a benchmark from one address does.
_SETTINGS = {
    "difficulty_open": 0,
    "max_connections_per_address": 100_000,
    "max_connections": 100_000,
    "connections_per_minute": 1_000_000,
    "requests_per_second": 100_000,
    "signatures_per_second": 100_000,
    "posts_per_day": 1 << 40,
    "post_bytes_per_day": 1 << 50,
    "log_bytes": 1 << 50,
    "values_per_day": 1 << 40,
    "votes_per_hour": 1 << 40,
    "log_level": "warning",
}


def serve(folder: Path, cpus: Sequence[int] = (SERVER_CPU,)) -> Server:
    """A new relay with its data in `folder`/data, listening."""
    port = free_port()
    program = [sys.executable, "-m", "heliogram.relay"]
    data = ["--data", str(folder / "data")]
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in _SETTINGS.items()]
    made = subprocess.run(
        [*program, "init", *data, f"--listen=127.0.0.1:{port}", *settings],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise LoadError(f"no relay was made: {made.stderr}")
    server = Server([*program, "serve", *data], port, folder / "log", cpus=cpus)
    server.wait()
    return server


class Client(WebSocket):
    """One connection: greeted, authorised for some logs, and following them if it is to."""

    def __init__(self, loop: Loop, port: int, logs: Sequence[bytes] = (), follow: bool = False):
        #: The instances, each on the channel of its position.
        self.logs = logs
        self._follow = follow
        self._ids = FIRST_ID
        self.others: list[bytes] = []
        super().__init__(loop, port)

    def login(self) -> Iterator[None]:
        yield from self.upgrade("/ws")
        self.send(frames.Hello(self.new_id(), (1,), os.urandom(32)))
        yield from self._expect(frames.Greeting)
        self.greeting = Greeting.from_bytes(self.answer.greeting)
        for first in range(0, len(self.logs), 32):
            some = range(first, min(first + 32, len(self.logs)))
            for channel in some:
                self.send(self.authorisation(channel, self.logs[channel], EPOCH, MEMBER))
                if self._follow:
                    self.send(frames.Subscribe(self.new_id(), channel, 0))
            for _ in some:
                yield from self._expect(frames.Authorised)
                if self._follow:
                    yield from self._expect(frames.Subscribed)

    def authorisation(
        self, channel: int, instance: bytes, epoch: int, key: SigningKey
    ) -> frames.Authorise:
        """The request that opens a channel."""
        greeting = self.greeting
        content = authorise_content(greeting.relay, instance, epoch, greeting.relay_nonce)
        signature = key.sign(Label.AUTHORISE, content)
        return frames.Authorise(self.new_id(), channel, instance, epoch, signature)

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def send(self, *requests: frames.Request) -> None:
        self.write(b"".join(masked(frames.encode(request)) for request in requests))

    def ask(self, *requests: frames.Request) -> list[Any]:
        """The answers to some requests, in the order in which they came."""
        self.ready = False
        self._script = self._ask(requests)
        self._go_on()
        self.loop.run(lambda: self.ready, 30, "requests")
        return self.answers

    def _ask(self, requests: Sequence[frames.Request]) -> Iterator[None]:
        self.answers: list[Any] = []
        self.send(*requests)
        for _ in requests:
            yield from self._expect(object)
            self.answers.append(self.answer)

    def _expect(self, kind: type) -> Iterator[None]:
        yield from self.next_message()
        self.answer: Any = frames.decode_answer(self.last or b"")
        if isinstance(self.answer, frames.Failure) or not isinstance(self.answer, kind):
            raise LoadError(f"the relay answers {self.answer} {getattr(self.answer, 'code', '')}")

    def encode(self, log: int, payload: bytes) -> bytes:
        """A post on the channel `log`."""
        return masked(frames.encode(frames.Post(self.new_id(), log, payload)))

    def message(self, data: bytes, start: int, end: int) -> None:
        kind = data[start + 1]
        if kind == _STORED:
            self.acked += 1
        elif kind == _PUSHED:
            # The array of entries comes after the instance's 34 bytes.
            size = data[start + 36]
            self.received += (
                size & 15 if size < 0xA0 else int.from_bytes(data[start + 37 : start + 39], "big")
            )
        else:
            answer = frames.decode_answer(data[start:end])
            raise LoadError(f"the relay says {answer} {getattr(answer, 'code', '')}")


class _Member(Client):
    """A client that names logs by their numbers, as the scenarios do."""

    def __init__(self, loop: Loop, port: int, logs: dict[int, bytes], follow: bool) -> None:
        self._channels = {log: channel for channel, log in enumerate(logs)}
        super().__init__(loop, port, list(logs.values()), follow)

    def encode(self, log: int, payload: bytes) -> bytes:
        return super().encode(self._channels[log], payload)


class Ours(Peer):
    name = "ours"
    durability = "SQLite in WAL mode, synchronous full: fsync before each receipt"
    per_receiver = 100

    def start(self) -> None:
        self.data.rmdir()
        self.server = serve(self.folder)
        self._instances: dict[int, bytes] = {}

    def open(self, loop: Loop, logs: Sequence[int]) -> None:
        (client,) = connect(loop, [partial(Client, loop, self.server.port)], 10)
        assert isinstance(client, Client)
        relay = RelayDescription(client.greeting.relay, client.greeting.relay, (b"ws://r/ws",))
        for start in range(0, len(logs), 32):
            requests = []
            for log in logs[start : start + 32]:
                configuration = Configuration(os.urandom(32), 1, (relay,))
                record = opening(Seat(configuration, EPOCH, (MEMBER.public,)))
                self._instances[log] = record.instance
                requests.append(frames.Open(client.new_id(), record.encode()))
            client.ask(*requests)
        client.close()

    def connect(self, loop: Loop, *, posts: Sequence[int], follows: Sequence[int]) -> Client:
        logs = {log: self._instances[log] for log in (posts or follows)}
        return _Member(loop, self.server.port, logs, bool(follows))

    def check(self, loop: Loop) -> None:
        """Receipts are signed over what was sent, and a follower gets it."""
        self.open(loop, [-1])
        instance = self._instances.pop(-1)
        maker = partial(Client, loop, self.server.port, [instance])
        connected = connect(loop, [maker, partial(maker, follow=True)], 10)
        author, reader = connected
        assert isinstance(author, Client)
        entries = [os.urandom(1024) for _ in range(20)]
        requests = [frames.Post(author.new_id(), 0, entry) for entry in entries]
        answers = {answer.id: answer for answer in author.ask(*requests)}
        for request, entry in zip(requests, entries, strict=True):
            receipt = Receipt.from_bytes(answers[request.id].receipt)
            if not receipt.proves(author.greeting.relay, instance, EPOCH, entry_hash(entry)):
                raise LoadError("a receipt proves nothing")
        loop.run(lambda: reader.received == len(entries), 10, "pushes")
        author.close()
        reader.close()


def opening(seat: Seat) -> Open:
    """What opens a log, with work that is good where none is asked for."""
    return Open(seat, Proof(work.window_at(now=int(time.time())), 0))
