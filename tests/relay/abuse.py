"""What somebody can do to a relay who wants to take its memory or its time, and how it is measured.

Each way is a coroutine that gets the relay's process and ends when it is done, or when the relay has had
enough of it. How much of it there is, `SCALE` says.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from statistics import quantiles
from time import perf_counter
from typing import Any

from heliogram.wire import frames
from heliogram.wire.limits import MAX_CHANNELS
from tests.relay.client import Client
from tests.relay.members import Member, configured, member_key, seat_of
from tests.relay.process import RelayProcess
from tests.relay.raw import BINARY, CONTINUATION, PING, Raw, frame, head

#: 1 for a run of seconds; `HELIOGRAM_ABUSE=10` for ten times as much of everything.
SCALE = float(os.environ.get("HELIOGRAM_ABUSE", "1"))

MIB = 1 << 20

Abuse = Callable[[RelayProcess], Awaitable[None]]


def much(count: int) -> int:
    """`count`, scaled."""
    return int(count * SCALE)


# --- Measuring ------------------------------------------------------------------------------------


def resident(pid: int) -> int:
    """Bytes of memory that a process has for itself."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split()[:2] for line in text.splitlines()[1:])
    return sum(int(fields[name]) << 10 for name in ("Private_Clean:", "Private_Dirty:"))


def forget_peak(pid: int) -> None:
    """Begin to measure the peak anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most bytes that a process has had in memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) << 10


class Honest:
    """Somebody who posts, reads and is pushed to all the time, and must get every answer."""

    def __init__(self, relay: RelayProcess) -> None:
        self._relay = relay
        self._done = asyncio.Event()
        self.seconds: list[float] = []

    async def __aenter__(self) -> Honest:
        member = Member("honest", configured("honest", [self._relay.key]))
        await member.connect({self._relay.key: self._relay.where})
        await member.open()
        await member.subscribe(member.clients[self._relay.key])
        self._member = member
        self._task = asyncio.create_task(self._live())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done.set()
        count = await self._task
        client = self._member.clients[self._relay.key]
        entries = await self._member.read(client)
        assert [one.data for one in entries] == [b"%d" % n for n in range(count)]
        await self._member.close()

    async def _live(self) -> int:
        """Post until it is enough; how often. Receipts are verified."""
        client = self._member.clients[self._relay.key]
        count = 0
        while not self._done.is_set():
            began = perf_counter()
            await self._member.post(b"%d" % count)
            push = await client.pushes.get()
            self.seconds.append(perf_counter() - began)
            assert isinstance(push, frames.Pushed) and push.entries[0].data == b"%d" % count
            count += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), 0.01)
        return count

    def report(self) -> str:
        """Latencies in milliseconds. For information: machines differ."""
        cuts = quantiles(self.seconds, n=100) if len(self.seconds) > 1 else [0.0] * 99
        shown = (cuts[49], cuts[94], max(self.seconds, default=0.0))
        return "p50 {:.0f} p95 {:.0f} max {:.0f} ms of {}".format(
            *(one * 1000 for one in shown), len(self.seconds)
        )


async def flood(raw: Raw, data: bytes, times: int) -> None:
    """Write `data` again and again, without reading, until it was enough or the relay has had enough."""
    with suppress(ConnectionError, TimeoutError):
        for _ in range(times):
            raw.writer.write(data)
            await asyncio.wait_for(raw.writer.drain(), 2)


async def many(
    relay: RelayProcess, count: int, each: Callable[[Raw], Awaitable[None]], *, greet: bool = False
) -> None:
    """`count` connections at once, each doing the same, all open until the last one is done."""
    connect = Raw.greeted if greet else Raw.connect
    connections = [await connect(relay.where) for _ in range(count)]
    await asyncio.gather(*(each(one) for one in connections))
    await asyncio.gather(*(one.close() for one in connections))


# --- HTTP -----------------------------------------------------------------------------------------


async def silent_connections(relay: RelayProcess) -> None:
    async def wait(raw: Raw) -> None:
        assert await raw.rest() == b""  # the relay ends it

    await many(relay, much(200), wait)


async def slow_heads(relay: RelayProcess) -> None:
    async def drip(raw: Raw) -> None:
        end = asyncio.create_task(raw.rest())
        for byte in b"GET / HTTP/1.1\r\nX: " + bytes(1000):
            if end.done() or raw.writer.is_closing():
                break
            raw.writer.write(bytes([byte or 97]))
            await asyncio.wait([end], timeout=0.05)
        assert end.done()
        await end

    await many(relay, much(100), drip)


async def slow_second_heads(relay: RelayProcess) -> None:
    async def drip(raw: Raw) -> None:
        await raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT")
        assert (await raw.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    await many(relay, much(100), drip)


async def headers(relay: RelayProcess) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 50) for n in range(10_000))

    async def send(raw: Raw) -> None:
        await flood(raw, b"GET / HTTP/1.1\r\n" + lines, 1)
        assert (await raw.rest()).startswith((b"HTTP/1.1 400", b""))

    await many(relay, much(20), send)


async def endless_line(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        raw.writer.write(b"GET /")
        await flood(raw, b"a" * 65_536, much(500))

    await many(relay, 4, send)


async def bodies(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        path = b"/blob/" + b"ab" * 32 if id(raw) & 16 else b"/"
        raw.writer.write(b"PUT %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n" % path)
        await flood(raw, bytes(65_536), much(500))

    await many(relay, 8, send)


async def chunked_bodies(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        raw.writer.write(b"POST /ws HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await flood(raw, b"1\r\na\r\n" * 10_000, much(200))

    await many(relay, 8, send)


async def pipelined(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        await flood(raw, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000, much(500))

    await many(relay, 8, send)


async def pipelined_after_upgrade(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        upgrade = (
            b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        await flood(raw, upgrade + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000, much(300))

    await many(relay, 8, send)


async def garbage(relay: RelayProcess) -> None:
    random = Random("garbage")

    async def send(raw: Raw) -> None:
        await flood(raw, random.randbytes(10_000), 10)

    await many(relay, much(100), send)
    await many(relay, much(100), send, greet=True)


async def storm(relay: RelayProcess) -> None:
    for _ in range(much(20)):
        await many(relay, 100, lambda raw: asyncio.sleep(0))


async def handshakes(relay: RelayProcess) -> None:
    """TLS that never begins, never goes on, or is none."""
    for start in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n"):

        async def begin(raw: Raw, start: bytes = start) -> None:
            with suppress(ConnectionError):
                await raw.send(start)
            assert b"HTTP" not in await raw.rest()

        await many(relay, much(200), begin)


# --- WebSocket frames -----------------------------------------------------------------------------


async def slow_frames(relay: RelayProcess) -> None:
    async def drip(raw: Raw) -> None:
        await raw.send(head(BINARY, 300_000))
        for _ in range(300):
            await raw.send(b"a")
            await asyncio.sleep(0.005)

    await many(relay, much(100), drip, greet=True)


async def huge_frames(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        raw.writer.write(head(BINARY, 1 << 30 if id(raw) & 16 else (1 << 63) - 1))
        await flood(raw, bytes(65_536), much(500))

    await many(relay, 20, send, greet=True)


async def waiting_frames(relay: RelayProcess) -> None:
    """Nearly whole frames, that never end."""
    await many(
        relay,
        much(100),
        lambda raw: flood(raw, head(BINARY, 390_000) + bytes(300_000), 1),
        greet=True,
    )


async def fragments(relay: RelayProcess) -> None:
    for size in (0, 1, 1000):

        async def send(raw: Raw, size: int = size) -> None:
            raw.writer.write(frame(BINARY, b"", fin=False))
            part = frame(CONTINUATION, bytes(size), fin=False)
            await flood(raw, part * (1 + 50_000 // len(part)), much(200))

        await many(relay, 4, send, greet=True)


async def pings(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        await flood(raw, frame(PING, bytes(125)) * 400 + frame(PING) * 1000, much(200))

    await many(relay, 8, send, greet=True)


async def empty_messages(relay: RelayProcess) -> None:
    async def send(raw: Raw) -> None:
        await flood(raw, frame(PING) * 10_000, much(50))
        await flood(raw, frame(BINARY) * 10_000, much(50))

    await many(relay, 20, send, greet=True)


async def lengths(relay: RelayProcess) -> None:
    """MessagePack that announces more than there is, in every way."""
    huge = b"\xff\xff\xff\xff"
    start = b"\x95\x1e\xce\x00\x01\x00\x00\x00"
    parts = [start + kind + huge for kind in (b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9")]
    parts += [b"\xdd" + huge, b"\x91" * 100_000, b"\xdf" + huge, start + b"\x91" * 300_000]
    parts += [start + b"\xdd\x00\x05\x00\x00" + bytes(327_680), b"\x92\x1e\xc6" + huge]

    async def send(raw: Raw) -> None:
        for part in parts:
            await flood(raw, frame(BINARY, part), 1)
        await raw.rest()

    await many(relay, much(50), send, greet=True)


# --- The protocol ---------------------------------------------------------------------------------


async def bad_requests(relay: RelayProcess) -> None:
    """A million with `HELIOGRAM_ABUSE=10`."""
    kinds = [
        frames.encode(frames.Peek(0x10000, 0)),
        frames.encode(frames.Read(0x10001, 5, 0, 1000)),
        frames.encode(frames.BlobDelete(0x10002, bytes(32), bytes(32))),
        frames.encode(frames.CellGet(0x10003, bytes(32))),
    ]
    data = b"".join(frame(BINARY, one) for one in kinds) * 125

    async def send(raw: Raw) -> None:
        read = asyncio.create_task(raw.rest())
        await flood(raw, data, much(25))
        await raw.close()
        await read

    await many(relay, 8, send, greet=True)


async def bad_signatures(relay: RelayProcess) -> None:
    wrong = frames.encode(frames.Authorise(0x10000, 0, bytes(32), 1, bytes(64)))

    async def send(raw: Raw) -> None:
        read = asyncio.create_task(raw.rest())
        await flood(raw, frame(BINARY, wrong) * 100, much(20))
        await raw.close()
        await read

    await many(relay, 8, send, greet=True)


async def bad_work(relay: RelayProcess) -> None:
    """Nobody has worked; what comes with it is as large as it may be."""
    requests: list[frames.Request] = [
        frames.Open(0x10000, bytes(20_000)),
        frames.InboxOpen(0x10001, bytes(32), bytes(12)),
        frames.InboxPost(0x10002, bytes(32), bytes(32), bytes(64), bytes(12), bytes(60_000)),
        frames.PackageTake(0x10003, bytes(32), bytes(32), bytes(32), bytes(64), bytes(12)),
        frames.CellPut(0x10004, bytes(32), 1, bytes(60_000), bytes(64), bytes(12)),
        frames.Decide(0x10005, bytes(32), bytes(2_000), bytes(280_000)),
    ]
    data = b"".join(frame(BINARY, frames.encode(one)) for one in requests)

    async def send(raw: Raw) -> None:
        read = asyncio.create_task(raw.rest())
        await flood(raw, data, much(20))
        await raw.close()
        await read

    await many(relay, 16, send, greet=True)


async def insider(relay: RelayProcess) -> Client:
    """A connection of somebody who may use a log of his own, on channel 0, with entries to read."""
    member = Member("insider", configured("insider", [relay.key]))
    await member.connect({relay.key: relay.where})
    client = member.clients[relay.key]
    await member.open_at(client)
    await member.authorise()
    for n in range(8):
        await member.post(bytes([n]) * 60_000)
    return client


def stop_reading(client: Client) -> None:
    """Have a client read nothing any more."""
    response: Any = client._socket._response
    transport = response.connection.transport
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    transport.pause_reading()


async def unread(relay: RelayProcess, request: Callable[[int], frames.Request], count: int) -> None:
    """Members who ask for much and read nothing: `count` on each of 16 connections."""
    first = await insider(relay)
    clients = [first]
    for _ in range(15):
        member = Member("insider", configured("insider", [relay.key]))
        await member.connect({relay.key: relay.where})
        await member.authorise()
        clients.append(member.clients[relay.key])
    for client in clients:
        stop_reading(client)
        for n in range(count):
            client.send_raw(frames.encode(request(0x20000 + n)))
    await asyncio.sleep(3 * min(SCALE, 10))
    for client in clients:
        await client.close()


async def unread_pages(relay: RelayProcess) -> None:
    await unread(relay, lambda id: frames.Read(id, 1, 0, 1000), much(300))


async def unread_posts(relay: RelayProcess) -> None:
    """Each is pushed to all sixteen, who have subscribed; none of them reads."""

    def request(id: int) -> frames.Request:
        if id == 0x20000:
            return frames.Subscribe(id, 1, 0)
        return frames.Post(id, 1, id.to_bytes(4, "big") * 15_000)

    await unread(relay, request, much(60))


async def channels(relay: RelayProcess) -> None:
    """Numbers of channels with one meaning after the other, each subscribed to."""
    first = await insider(relay)
    raw = await Raw.greeted(relay.where)
    read = asyncio.create_task(raw.rest())
    key = member_key("insider", 1, relay.key)
    instance = seat_of("insider", configured("insider", [relay.key]), 1).id
    wrong = member_key("insider", 2, relay.key)
    for n in range(much(500)):
        number = n % MAX_CHANNELS
        ids = range(3 * n, 3 * n + 3)
        await raw.ask(
            raw.authorise(number, instance, 1, key if n % 3 else wrong, ids[0]),
            frames.Subscribe(ids[1], number, 0),
            frames.Read(ids[2], number, 0, 1, True),
        )
        await asyncio.sleep(0)
    await raw.close()
    await read
    await first.close()


async def large_locks(relay: RelayProcess) -> None:
    """Frames of the largest size, as many as may wait, behind a page that is being read."""

    def request(id: int) -> frames.Request:
        if id % 8 == 0:
            return frames.Read(id, 1, 0, 1000)
        return frames.Lock(id, 1, 0, bytes(280_000), bytes(30_000))

    await unread(relay, request, much(60))
