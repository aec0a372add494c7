"""Beneath the frames: WebSocket messages that should not be, TLS, proxies, the end of a relay."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from heliogram.relay.errors import StoreError
from heliogram.wire import ErrorCode, LocalError, SigningKey, frames
from heliogram.wire.limits import MAX_FRAME
from tests.relay.client import Client, Lost
from tests.relay.members import TROUBLE, Member, configured, name
from tests.relay.process import RelayProcess
from tests.relay.raw import BINARY, CONTINUATION, HELLO, PING, PONG, TEXT, Raw, frame, head
from tests.relay.serving import Serving


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Serving]:
    async with Serving(tmp_path / "data") as one:
        yield one


PEEK = frames.encode(frames.Peek(5, 0))


async def told(raw: Raw) -> list[frames.Frame | int]:
    """What comes until the relay closes: frames, and the close code."""
    got: list[frames.Frame | int] = []
    while not isinstance(one := await raw.frame(), int):
        got.append(one)
    await raw.close()
    return [*got, one]


@pytest.mark.parametrize(
    ("bytes_", "what"),
    [
        (frame(TEXT, b"hello"), [frames.Goodbye(ErrorCode.MALFORMED), 1000]),
        (frame(TEXT, b"\xff"), [1007]),
        (head(BINARY, MAX_FRAME + 1), [1009]),
        (head(BINARY, (1 << 63) - 1), [1009]),
        (frame(BINARY, PEEK, first=0x40), [1002]),  # compressed
        (frame(BINARY, PEEK, first=0x20), [1002]),
        (frame(3, b""), [1002]),
        (frame(CONTINUATION, b"x"), [1002]),
        (frame(BINARY, b"x", fin=False) + frame(BINARY, b"y"), [1002]),
        (frame(PING, b"", fin=False), [1002]),
        (head(PING, 126), [1002]),
        (frame(8, b"\x03"), [1002]),
        (frame(8, b""), [1000]),
        (frame(8, b"\x03\xe8bye"), [1000]),
        (frame(BINARY, b""), [frames.Goodbye(ErrorCode.MALFORMED), 1000]),
        (frame(BINARY, HELLO), [frames.Goodbye(ErrorCode.UNEXPECTED), 1000]),
    ],
)
async def test_what_ends_a_connection(
    relay: Serving, bytes_: bytes, what: list[frames.Frame | int]
) -> None:
    raw = await Raw.greeted(relay.where)
    await raw.send(bytes_)
    assert await told(raw) == what


async def test_a_message_in_many_parts(relay: Serving) -> None:
    """With a ping in between, which is answered at once."""
    raw = await Raw.greeted(relay.where)
    parts = [PEEK[:1], *(PEEK[n : n + 1] for n in range(1, len(PEEK)))]
    await raw.send(frame(BINARY, parts[0], fin=False))
    for part in parts[1:-1]:
        await raw.send(frame(CONTINUATION, part, fin=False))
    await raw.send(frame(PING, b"in between"))
    assert await raw.receive() == (PONG, b"in between")
    await raw.send(frame(CONTINUATION, parts[-1]))
    assert await raw.frame() == frames.Failure(5, ErrorCode.NOT_AUTHORISED)
    await raw.close()


async def test_compression_is_not_agreed_to(relay: Serving) -> None:
    raw = await Raw.connect(relay.where)
    answer = await raw.upgrade(more="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    assert answer.startswith("HTTP/1.1 101") and "extensions" not in answer.lower()
    await raw.close()


async def test_the_largest_frame(relay: Serving) -> None:
    raw = await Raw.greeted(relay.where)
    whole = PEEK[:-1] + b"\xc3" + b"\xc0" * (MAX_FRAME - len(PEEK))
    array = b"\xdd" + (4 + MAX_FRAME - len(PEEK) - 4).to_bytes(4, "big") + whole[1 : MAX_FRAME - 4]
    assert len(array) == MAX_FRAME
    await raw.send(frame(BINARY, array))
    assert await raw.frame() == frames.Failure(5, ErrorCode.NOT_AUTHORISED)
    await raw.close()


async def test_connections_of_one_address(tmp_path: Path) -> None:
    async with Serving(tmp_path / "data", max_connections_per_address=3) as relay:
        inside = [await Raw.greeted(relay.where) for _ in range(3)]
        late = await Raw.connect(relay.where)
        assert await late.rest() == b""
        await late.close()
        await inside.pop().close()
        while relay.server.gate.inside == 3:
            await asyncio.sleep(0)
        inside.append(await Raw.greeted(relay.where))
        for one in inside:
            await one.close()
    assert relay.server.gate.inside == 0


METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "BREW")
PATHS = (
    "/ws",
    "/metrics",
    "/health",
    "/debug",
    "/debug/pprof",
    "/heapdump",
    "/status",
    "/admin",
    "*",
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
async def test_there_is_nothing_else(relay: Serving, method: str, path: str) -> None:
    """Number 73: no path and no method tells anything."""
    raw = await Raw.connect(relay.where)
    request = f"{method} {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"
    await raw.send(request.encode())
    answer = (await raw.rest()).decode("latin-1").lower()
    assert re.match(r"http/1\.[01] 40[045] ", answer)
    for word in ("heliogram", "aiohttp", "python", "websocket", "traceback"):
        assert word not in answer
    await raw.close()


async def test_many_requests_at_once(relay: Serving) -> None:
    """All are answered, also when there are more than are taken in at once."""
    raw = await Raw.connect(relay.where)
    await raw.send(b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n" * 3000)
    for _ in range(3000):
        assert (await raw.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        await raw.reader.readuntil(b"</html>\n")
    await raw.close()


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA, folder: Path) -> dict[str, Any]:
    """Settings of a relay with a certificate for 127.0.0.1."""
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    for pem in issued.cert_chain_pems:
        pem.write_to_path(certificate, append=True)
    issued.private_key_pem.write_to_path(key)
    return {"tls_cert": certificate, "tls_key": key}


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("fast", [True, False], ids=["aiofastnet", "asyncio"])
async def test_tls(
    fast: bool, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fast:
        pytest.importorskip("aiofastnet")
    else:
        monkeypatch.setitem(sys.modules, "aiofastnet", None)
    settings = certified(authority, tmp_path)
    async with Serving(tmp_path / "data", hello_seconds=1, **settings) as relay:
        async with await relay.client(ssl=trusting(authority)) as client:
            member = Member("tls", configured("tls", [relay.key]))
            member.clients[relay.key] = client
            await member.open()
            await member.post(bytes(60_000))
            assert [len(one.data) for one in await member.read(client)] == [60_000]
            assert relay.server.gate.inside == 1
            old = trusting(authority)
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(aiohttp.ClientConnectorError):
                await relay.client(ssl=old)
            silent, garbage = await Raw.connect(relay.where), await Raw.connect(relay.where)
            await garbage.send(b"GET / HTTP/1.1\r\n\r\n" * 100)
            # Neither finishes its handshake: both are counted meanwhile, and ended.
            assert b"HTTP" not in await garbage.rest() and await silent.rest() == b""
            while relay.server.gate.inside != 1:
                await asyncio.sleep(0)
            await silent.close()
            await garbage.close()


async def test_a_proxy_that_ends_tls(relay: Serving, authority: trustme.CA, tmp_path: Path) -> None:
    """The greeting binds to the relay's key, whoever ends TLS; another relay behind the proxy is noticed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await relay.raw()
        await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    where = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with await Client.connect(where, relay.key, ssl=trusting(authority)) as client:
        assert client.relay == relay.key
    with pytest.raises(Lost) as caught:
        await Client.connect(where, SigningKey(name("other")).public, ssl=trusting(authority))
    assert caught.value.code is ErrorCode.WRONG_RELAY
    proxy.close()
    await proxy.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        logging.debug("one side is gone")
    finally:
        writer.close()


# --- The end --------------------------------------------------------------------------------------


async def test_a_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM: what was answered is there after the restart, and the exit is a good one. Three times."""
    with RelayProcess(tmp_path) as process:
        acknowledged: set[bytes] = set()
        member = Member("busy", configured("busy", [process.key]))
        for run in range(3):
            await member.connect({process.key: process.where})
            client = member.clients[process.key]
            await (member.authorise() if run else member.open())

            async def post(worker: int, run: int = run, client: Client = client) -> None:
                n = 0
                while True:
                    data = b"%d %d %d" % (run, worker, n)
                    try:
                        answer = await client.request(frames.Post(0, 1, data), failures=True)
                    except (Lost, LocalError, *TROUBLE):
                        return
                    if not isinstance(answer, frames.Stored):
                        assert isinstance(answer, frames.Failure)
                        assert answer.code == ErrorCode.GOING_AWAY
                        return
                    acknowledged.add(data)
                    n += 1

            posting = [asyncio.create_task(post(worker)) for worker in range(32)]
            while len(acknowledged) < 500 * (run + 1):
                await asyncio.sleep(0)
            assert await asyncio.to_thread(process.stop) == 0
            await asyncio.gather(*posting)
            assert client.code is ErrorCode.GOING_AWAY
            process.start()
        await member.connect({process.key: process.where})
        await member.authorise()
        stored = [one.data for one in await member.read(member.clients[process.key])]
        assert acknowledged <= set(stored) and len(stored) == len(set(stored))
        await member.close()
        assert "ERROR" not in process.text()


async def test_a_place_that_is_taken(relay: Serving, tmp_path: Path) -> None:
    """It does not begin, says so, and leaves its data as they were."""
    other = tmp_path / "other"
    with pytest.raises(OSError, match="in use"):
        async with Serving(other, identity="other", listen=relay.where):
            pass
    async with Serving(other, identity="other") as second:
        await (await second.client()).close()


async def test_another_relays_database(tmp_path: Path) -> None:
    async with Serving(tmp_path / "data"):
        pass
    with pytest.raises(StoreError):
        async with Serving(tmp_path / "data", identity="another"):
            pass
