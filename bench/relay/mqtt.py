"""Mosquitto: MQTT 3.1.1, QoS 1, a topic for each log, and one offline session that keeps everything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence

from bench.relay.loop import Connection, LoadError, Loop, connect
from bench.relay.peer import NotHere, Peer
from bench.relay.server import Server, free_port

_CONFIGURATION = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {data}/
max_inflight_messages 0
max_queued_messages 0
log_dest stdout
log_type error
{user}
"""
_CONNACK, _PUBLISH, _PUBACK, _SUBACK = 0x20, 0x32, 0x40, 0x90


def _packet(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length, left = b"", len(body)
    while True:
        length += bytes([left & 0x7F | (0x80 if left > 0x7F else 0)])
        left >>= 7
        if not left:
            return bytes([kind]) + length + body


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _topic(log: int) -> str:
    return f"log/{log:06}"


class Mqtt(Connection):
    """A client. `keep`: with a session that the server keeps and fills while the client is away."""

    _count = 0

    def __init__(self, loop: Loop, port: int, topics: Sequence[str], keep: bool = False) -> None:
        self._topics = topics
        self._keep = keep
        self._next = 0
        super().__init__(loop, port)

    def login(self) -> Iterator[None]:
        Mqtt._count += 1
        flags = 0 if self._keep else 2
        head = _text("MQTT") + bytes([4, flags]) + (0).to_bytes(2, "big")
        self.write(_packet(0x10, head, _text(f"c{Mqtt._count}")))
        while len(self.tail) < 4:
            yield
        if self.tail[0] != _CONNACK or self.tail[3]:
            raise LoadError("mosquitto refuses a connection")
        self.tail = self.tail[4:]
        # One by one: their SUBACKs are five bytes each then.
        for start in range(0, len(self._topics), 100):
            some = self._topics[start : start + 100]
            self.write(b"".join(_packet(0x82, b"\0\1", _text(t), b"\1") for t in some))
            while len(self.tail) < 5 * len(some):
                yield
            if self.tail[0] != _SUBACK or self.tail[4] != 1:
                raise LoadError("mosquitto refuses a subscription")
            self.tail = self.tail[5 * len(some) :]

    def encode(self, log: int, payload: bytes) -> bytes:
        self._next = self._next % 0xFFFF + 1
        number = self._next.to_bytes(2, "big")
        return _packet(_PUBLISH, _text(_topic(log)), number, payload)

    def parse(self, data: bytes) -> bytes:
        at, end, answers = 0, len(data), []
        while end - at >= 4:
            if data[at] == _PUBACK:
                self.acked += 1
                at += 4
                continue
            if data[at] & 0xF0 != 0x30:
                raise LoadError("mosquitto sends what was not asked for")
            # All that is measured is longer than 127 and shorter than 16,384 bytes.
            start = at + 3
            size = data[at + 1] & 0x7F | data[at + 2] << 7
            if start + size > end:
                break
            number = start + 2 + int.from_bytes(data[start : start + 2], "big")
            answers.append(b"\x40\x02" + data[number : number + 2])
            self.received += 1
            at = start + size
        if answers:
            self.write(b"".join(answers))
        return data[at:]


class Mosquitto(Peer):
    name = "Mosquitto"
    durability = (
        "persistence true, autosave every 30 minutes (default): acknowledged before anything is on "
        "disk. An offline session with QoS 1 keeps all posts; otherwise nothing would be kept"
    )

    def start(self) -> None:
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if found is None:
            raise NotHere("mosquitto is not installed")
        port = free_port()
        settings = self.folder / "mosquitto.conf"
        # Started by root it would change to a user of its own, to whom the folder is closed.
        user = "user root" if os.geteuid() == 0 else ""
        settings.write_text(_CONFIGURATION.format(port=port, data=self.data, user=user))
        self.server = Server([found, "-c", settings], port, self.folder / "log")
        self.server.wait()
        loop = Loop()
        connect(loop, [lambda: Mqtt(loop, port, ["log/#"], keep=True)], 10)
        loop.close()

    def connect(self, loop: Loop, *, posts: Sequence[int], follows: Sequence[int]) -> Mqtt:
        return Mqtt(loop, self.server.port, [_topic(log) for log in follows])
