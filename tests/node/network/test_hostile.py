"""What answers at an endpoint is no relay, or a bad one: asks still come to their end, and soon."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from heliogram.node.network import dialling, link, routes
from heliogram.node.network.circuits import Circuits
from heliogram.node.network.dialling import Dialler
from heliogram.wire import NEED_DATA, ErrorCode, RelayConnection, Requested, SigningKey, frames
from tests.node.network.kit import Handler, Notes, Talk, serving
from tests.relay.serving import Serving
from tests.relay.test_transport import certified
from tests.wire import samples

RELAY = SigningKey(bytes(range(32)))
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    monkeypatch.setattr(dialling, "PATIENCE", 0.5)
    monkeypatch.setattr(link, "_LOOK", 0.05)


@asynccontextmanager
async def asking(handler: Handler) -> AsyncIterator[tuple[Circuits, Notes, Talk]]:
    """Circuits, and a relay that is `handler`."""
    notes = Notes()
    async with serving(handler) as where:
        circuits = Circuits(Dialler(), notes)
        try:
            yield circuits, notes, Talk(RELAY.public, where)
        finally:
            await circuits.stop()


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the WebSocket's handshake."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    # Nothing says what program this is, or comes from anywhere else.
    assert set(lines) == {
        "Host", "Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key",
    }  # fmt: skip
    key = lines["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
    )
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> bytes:
    """The client's next frame, of any kind."""
    head = await reader.readexactly(2)
    size = head[1] & 0x7F
    if size > 125:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    mask = await reader.readexactly(4)
    data = await reader.readexactly(size)
    if head[0] & 0x0F != 2:
        return b""
    return bytes(one ^ mask[n % 4] for n, one in enumerate(data))


def framed(data: bytes, opcode: int = 2) -> bytes:
    """A frame of a server."""
    size = len(data)
    if size < 126:
        return bytes([0x80 | opcode, size]) + data
    if size < 1 << 16:
        return bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big") + data
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + data


async def greet(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, **limits: Any
) -> RelayConnection:
    """Be the relay, until it has greeted."""
    core = RelayConnection(
        RELAY,
        replace(samples.LIMITS, difficulty_open=0, **limits),
        now=samples.NOW,
        entropy=os.urandom,
    )
    core.receive_data(await receive(reader))
    for message in core.data_to_send():
        writer.write(framed(message))
    await writer.drain()
    return core


# --- No relay -------------------------------------------------------------------------------------


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(os.urandom(4096))
        await writer.drain()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-Header: x\r\n" * 1000:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        writer.write(b"X-Header: " + b"x" * 4000 + b"\r\n")
        await writer.drain()


async def website(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    await writer.drain()


async def silent_websocket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    await asyncio.sleep(3600)


async def garbage_websocket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    writer.write(framed(os.urandom(100)))
    await writer.drain()
    await asyncio.sleep(3600)


async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    writer.write(framed(b"hello", 1))
    await writer.drain()
    await asyncio.sleep(3600)


async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    writer.write(bytes([0x82, 127]) + (1 << 40).to_bytes(8, "big"))
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def half_a_message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    writer.write(bytes([0x82, 100]))
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "handler",
    [
        silent, hanging_up, garbage, dripping, endless_headers, website, silent_websocket,
        garbage_websocket, talkative, huge, half_a_message,
    ],
)  # fmt: skip
async def test_no_relay(handler: Handler) -> None:
    async with asking(handler) as (circuits, notes, talk):
        asks = [talk.open(), talk.peek(), talk.post(b"x")]
        for ask in asks:
            circuits.send(b"a circuit", ask)
        await notes.end_of(*asks)
        assert notes.losses == set(asks) and not notes.heard("parted")
        assert circuits.health(RELAY.public).state == "unreachable"


async def test_nobody_is_sent_elsewhere() -> None:
    """A redirect leads nowhere, neither for the WebSocket nor for blobs."""
    reached = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(1))

    async with serving(elsewhere) as there:

        async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            for status in (301, 302, 307, 308)[len(seen) % 4 :][:1]:
                seen.append(status)
                writer.write(
                    f"HTTP/1.1 {status} Moved\r\nLocation: http://{there}/\r\n"
                    "Content-Length: 0\r\nSet-Cookie: a=b\r\n\r\n".encode()
                )
            await writer.drain()

        seen: list[int] = []
        async with asking(redirecting) as (circuits, _, talk):
            for _ in range(4):
                assert (await circuits.check(talk.relay)).state == "unreachable"
        assert seen == [301, 302, 307, 308] and not reached


# --- A bad relay ----------------------------------------------------------------------------------


def answering(then: Callable[[RelayConnection, frames.Request], list[bytes]]) -> Handler:
    """A relay that greets well, and answers requests by `then`."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        core = await greet(reader, writer)
        while True:
            core.receive_data(await receive(reader))
            while (event := core.next_event()) is not NEED_DATA:
                assert isinstance(event, Requested)
                if isinstance(event.frame, frames.Authorise):
                    core.decline(event.frame, 0x10)  # type: ignore[arg-type]
                for message in then(core, event.frame):
                    writer.write(framed(message))
            await writer.drain()

    return handler


BAD: dict[str, Callable[[RelayConnection, frames.Request], list[bytes]]] = {
    "another kind": lambda core, frame: [frames.encode(frames.Nack(frame.id, 1))],
    "another id": lambda core, frame: [frames.encode(frames.Done(frame.id + 7))],
    "garbage": lambda core, frame: [b"\xc1" * 50],
    "nothing but half of it": lambda core, frame: [frames.encode(frames.Done(frame.id))[:-1]],
    "goodbye at once": lambda core, frame: [frames.encode(frames.Goodbye(0x0A))] * 2,
}


@pytest.mark.parametrize("how", BAD)
async def test_a_relay_that_breaks_the_rules(how: str) -> None:
    async with asking(answering(BAD[how])) as (circuits, notes, talk):
        asks = [talk.ask(frames.CellGet(0, bytes(32))) for _ in range(5)]
        for ask in asks:
            circuits.send(b"a circuit", ask)
        await notes.end_of(*asks)
        assert notes.losses == set(asks)


async def test_a_relay_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives every sign of life, and no answer: it is left."""
    monkeypatch.setattr(link, "PATIENCE", 0.3)
    async with asking(answering(lambda core, frame: [])) as (circuits, notes, talk):
        asks = [talk.ask(frames.CellGet(0, bytes(32))) for _ in range(200)]
        for ask in asks:
            circuits.send(b"a circuit", ask)
        await notes.end_of(*asks)
        assert notes.losses == set(asks)


async def test_a_relay_that_says_goodbye_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_FAREWELL", 0.2)
    bye = frames.encode(frames.Goodbye(0x0A))
    async with asking(answering(lambda core, frame: [bye])) as (circuits, notes, talk):
        ask = talk.ask(frames.CellGet(0, bytes(32)))
        circuits.send(b"a circuit", ask)
        await notes.end_of(ask)
        assert ask in notes.losses


async def test_pushes_of_what_nobody_has_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They reach no core."""
    push = frames.encode(frames.CatchUp(bytes(32), 0))

    def then(core: RelayConnection, frame: frames.Request) -> list[bytes]:
        failure = core.send(frames.Failure(frame.id, 0x25))
        return [push] * 100 + ([] if failure is None else [failure])

    async with asking(answering(then)) as (circuits, notes, talk):
        ask = talk.ask(frames.CellGet(0, bytes(32)))
        circuits.send(b"a circuit", ask)
        await notes.end_of(ask)
        assert ask in notes.answers and not notes.heard("pushed")


async def test_who_cannot_keep_up_is_not_read_to(tmp_path: Path) -> None:
    """While the gate is closed nothing is taken from the socket; then all of it comes."""
    notes, gate = Notes(), asyncio.Event()
    gate.set()
    async with Serving(tmp_path / "data") as relay:
        circuits = Circuits(Dialler(), notes, gate=gate)
        talk = Talk(relay.key, relay.where)
        first = talk.open()
        circuits.send(b"a circuit", first)
        await notes.end_of(first)
        gate.clear()
        asks = [talk.peek() for _ in range(100)]
        for ask in asks:
            circuits.send(b"a circuit", ask)
        # What was being waited for when the gate closed may still come: the answer to the authorisation.
        await asyncio.sleep(0.2)
        assert not any(map(notes.over, asks))
        gate.set()
        await notes.end_of(*asks)
        assert not notes.losses
        await circuits.stop()


# --- TLS ------------------------------------------------------------------------------------------


async def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a certificate of an authority that we know, for this host; and no TLS below 1.3."""
    monkeypatch.setattr(dialling, "PATIENCE", 10.0)
    known, unknown = trustme.CA(), trustme.CA()
    trusted = tmp_path / "authorities.pem"
    known.cert_pem.write_to_path(trusted)
    for n, (authority, good) in enumerate(((known, True), (unknown, False))):
        folder = tmp_path / str(n)
        folder.mkdir()
        async with Serving(folder / "data", **certified(authority, folder)) as relay:
            for trust, expected in ((trusted, good), (None, False)):
                circuits = Circuits(Dialler(authority=trust), Notes())
                address = Talk(relay.key, relay.where).relay
                secure = replace(address, endpoints=(f"wss://{relay.where}/ws".encode(),))
                state = (await circuits.check(secure)).state
                assert state == ("up" if expected else "untrusted")
                # Another name for the same place is no other relay, but its certificate is not for it.
                other = f"wss://localhost:{relay.where.rpartition(':')[2]}/ws".encode()
                elsewhere = await circuits.check(replace(address, endpoints=(other,)))
                assert elsewhere.state == "untrusted"
                await circuits.stop()
    with pytest.raises(OSError):
        Dialler(authority=tmp_path / "nothing")


async def test_a_relay_that_wants_work_for_nothing_gets_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it costs us is a small share of our time, whatever it says of each proof."""
    seen: list[frames.Request] = []

    def refused(core: RelayConnection, frame: frames.Request) -> list[bytes]:
        seen.append(frame)
        return [frames.encode(frames.Failure(frame.id, ErrorCode.BAD_WORK, 1))]

    monkeypatch.setattr(routes, "IDLER", 1e9)
    async with asking(answering(refused)) as (circuits, notes, talk):
        for at in range(3):
            ask = talk.open()
            circuits.send(b"circuit %d" % at, ask)
            await notes.end_of(ask)
            answer = notes.answer(ask)
            assert isinstance(answer, frames.Failure) and answer.code == ErrorCode.BAD_WORK
    assert len(seen) == 1


def test_how_long_no_work_is_done() -> None:
    known = routes.Known()
    for tries in range(3):
        known.worked(60.0, 1000.0, well=False)
        assert known.idle == 1000.0 + 60.0 * routes.IDLER * 2**tries
    for _ in range(20):
        known.worked(60.0, 0.0, well=False)
    assert known.idle == routes.LONGEST_IDLE
    known.worked(60.0, 1000.0, well=True)
    assert known == routes.Known()
