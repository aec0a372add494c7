"""Who is not of ours gets no byte: bytes on real sockets, as pages and programs of others would send them."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliogram.node import api
from heliogram.web import gate
from heliogram.web.gate import MAX_CONNECTIONS
from heliogram.web.server import WebServer
from tests.web.kit import PATIENCE, Browser, browsing, create, heard, mode, raw, request, serving


class Target:
    """The app's listener, and a request that is answered, to be made wrong."""

    def __init__(self, web: WebServer, secret: str) -> None:
        parts = urlsplit(web.url)
        assert parts.port is not None
        self.port = parts.port
        self.base = parts.path
        self.secret = secret

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def headers(self, **wrong: str | None) -> dict[str, str | list[str]]:
        """Those of a call from our page, but for what is wrong."""
        right: dict[str, str | None] = {
            "Host": self.host,
            "Origin": self.origin,
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Heliogram-Secret": self.secret,
            "Content-Type": "application/json",
            "Connection": "close",
        }
        right |= {name.replace("_", "-"): value for name, value in wrong.items()}
        return {name: value for name, value in right.items() if value is not None}

    async def call(self, **wrong: str | None) -> bytes:
        body = b"{}"
        headers = self.headers(Content_Length=str(len(body)), **wrong)
        return await raw(
            self.port,
            request(f"{self.base}api/call/chats", method="POST", headers=headers, body=body),
        )

    async def page(self, **wrong: str | None) -> bytes:
        mine = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document", "Origin": None}
        return await raw(self.port, request(self.base, headers=self.headers(**(mine | wrong))))

    async def socket(self, **wrong: str | None) -> bytes:
        mine: dict[str, str | None] = {
            "Sec_Fetch_Mode": "websocket",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec_WebSocket_Version": "13",
            "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec_WebSocket_Protocol": f"heliogram, secret.{self.secret}",
        }
        headers = self.headers(**(mine | wrong))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request(f"{self.base}api/events", headers=headers))
            async with asyncio.timeout(PATIENCE):
                try:
                    return await reader.read(1 << 16)
                except ConnectionError:
                    return b""
        finally:
            writer.transport.abort()


@pytest.fixture
async def target(browser: Browser, web: WebServer) -> Target:
    await create(browser)
    return Target(web, browser.secret)


EVIL = "http://evil.example"

WRONG_HOSTS = (
    None,
    "evil.example",
    "evil.example:{port}",
    "localhost:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1:{port}.evil.example",
    "127.1:{port}",
    "[::1]:{port}",
    "0.0.0.0:{port}",
    "2130706433:{port}",
    "127.0.0.1:0{port}",
    "user@127.0.0.1:{port}",
    "127.0.0.1:{port},evil.example",
    "",
)


async def test_what_is_right_is_answered(target: Target) -> None:
    assert (await target.call()).startswith(b"HTTP/1.1 200 ")
    assert (await target.page()).startswith(b"HTTP/1.1 200 ")
    assert (await target.page(Sec_Fetch_Site="none")).startswith(b"HTTP/1.1 200 ")
    assert (await target.socket()).startswith(b"HTTP/1.1 101 ")
    # A program of the owner says nothing of where it comes from.
    plain = {"Origin": None, "Sec_Fetch_Site": None, "Sec_Fetch_Mode": None, "Sec_Fetch_Dest": None}
    assert (await target.call(**plain)).startswith(b"HTTP/1.1 200 ")


async def test_59_another_name_for_this_place_gets_nothing(target: Target) -> None:
    """DNS rebinding: the right port, the path, even the secret; but somebody else's name."""
    for wrong in WRONG_HOSTS:
        host = None if wrong is None else wrong.format(port=target.port)
        assert await target.call(Host=host) == b"", wrong
        assert await target.page(Host=host) == b"", wrong
        assert await target.socket(Host=host) == b"", wrong
    both = target.headers()
    both["Host"] = [target.host, "evil.example"]
    assert await raw(target.port, request(target.base, headers=both)) == b""


@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Origin": "file://"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": ""},
        {"Sec_Fetch_Site": "unheard-of"},
        {"Sec_Fetch_Site": None},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Mode": "navigate"},
        {"Sec_Fetch_Mode": None},
        {"Sec_Fetch_Dest": "iframe"},
        {"Sec_Fetch_Dest": "document"},
        {"Sec_Fetch_Dest": "image"},
        {"Sec_Fetch_Dest": None},
    ],
    ids=str,
)
async def test_58_a_page_of_somebody_else_gets_nothing(
    target: Target, wrong: dict[str, str | None]
) -> None:
    """Even with the path and the secret, which it cannot know."""
    filled = {
        name: value if value is None else value.format(port=target.port)
        for name, value in wrong.items()
    }
    assert await target.call(**filled) == b""
    if filled != {"Sec_Fetch_Mode": "navigate"}:
        assert await target.socket(**filled) == b""


#: What a page elsewhere can make a browser send: fetch, form, picture, script, EventSource, frame, popup.
AS_BROWSERS_DO: dict[str, dict[str, str | None]] = {
    "fetch": {"mode": "cors", "dest": "empty", "origin": EVIL},
    "fetch without cors": {"mode": "no-cors", "dest": "empty", "origin": None},
    "form": {"method": "POST", "mode": "navigate", "dest": "document", "origin": EVIL},
    "form in a frame": {"method": "POST", "mode": "navigate", "dest": "iframe", "origin": EVIL},
    "img": {"mode": "no-cors", "dest": "image", "origin": None},
    "script": {"mode": "no-cors", "dest": "script", "origin": None},
    "module": {"mode": "cors", "dest": "script", "origin": EVIL},
    "style": {"mode": "no-cors", "dest": "style", "origin": None},
    "EventSource": {"mode": "cors", "dest": "empty", "origin": EVIL},
    "frame": {"mode": "navigate", "dest": "iframe", "origin": None},
    "object": {"mode": "no-cors", "dest": "object", "origin": None},
    "popup": {"mode": "navigate", "dest": "document", "origin": None},
    "video": {"mode": "no-cors", "dest": "video", "origin": None},
    "preflight": {"method": "OPTIONS", "mode": "cors", "dest": "empty", "origin": EVIL},
    "beacon": {"method": "POST", "mode": "no-cors", "dest": "empty", "origin": EVIL},
}


@pytest.mark.parametrize("way", AS_BROWSERS_DO)
@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
async def test_58_evil_example_gets_nothing(target: Target, way: str, site: str | None) -> None:
    """Whether it knows the path or not; without `Sec-Fetch-Site` as from an old browser."""
    does = AS_BROWSERS_DO[way]
    old = site is None
    for path in ("/", "/favicon.ico", "/api/state", target.base, f"{target.base}api/state"):
        if old and does["origin"] is None and path == target.base:
            continue  # not to be told from a person who opens the page, and no page may read it
        headers: dict[str, Any] = {"Host": target.host}
        if not old:
            headers |= {
                "Sec-Fetch-Site": site,
                "Sec-Fetch-Mode": does["mode"],
                "Sec-Fetch-Dest": does["dest"],
            }
        if does["origin"] is not None:
            headers["Origin"] = does["origin"]
        method = does.get("method") or "GET"
        if method == "OPTIONS":
            headers["Access-Control-Request-Method"] = "POST"
            headers["Access-Control-Request-Headers"] = "heliogram-secret"
        if old and does["origin"] is None and path.endswith("/api/state") and path != "/api/state":
            headers["Connection"] = "close"
            answer = await raw(target.port, request(path, method=method, headers=headers))
            assert answer.startswith(b"HTTP/1.1 401 ")
            assert b"access-control" not in answer.lower()
            assert b"resource-policy: same-origin" in answer.lower()
            continue
        assert await raw(target.port, request(path, method=method, headers=headers)) == b"", path


async def test_58_what_is_not_below_the_path_gets_nothing(target: Target) -> None:
    other = target.base[:-2] + ("A" if target.base[-2] != "A" else "B") + "/"
    for path in (
        *("/", "/favicon.ico", "/robots.txt", "/index.html", "/app/js/main.js", "/api/state"),
        *(other, target.base[:-1], target.base.upper(), "/" + target.base, "*"),
        *(f"{target.base[:-1]}%2f", f"http://{target.host}{target.base}"),
        *(f"/x/..{target.base}", f"/.{target.base}", f"//{target.host}{target.base}"),
    ):
        assert await raw(target.port, request(path, headers=target.headers())) == b"", path


async def test_58_other_methods_get_nothing(target: Target) -> None:
    for method in ("HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"):
        for path in (target.base, f"{target.base}api/state", f"{target.base}app/js/main.js"):
            sent = request(path, method=method, headers=target.headers())
            assert await raw(target.port, sent) == b"", method
    for version in ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2"):
        sent = request(target.base, version=version, headers=target.headers())
        assert await raw(target.port, sent) == b"", version


async def test_58_another_language_gets_nothing(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Empty lines are no request yet: they end as who says nothing does.
    monkeypatch.setattr(gate, "KEEPALIVE", 0.5)
    for sent in (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"GET /\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET " + target.base.encode() + b" HTTP/1.1\nHost: x\n\n",
        b"\0" * 4096,
    ):
        assert await raw(target.port, sent + b"\r\n\r\n") == b"", sent[:20]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(max_size=400))
def test_58_no_bytes_get_an_answer(silent: int, data: bytes) -> None:
    """Whatever they are, as long as the path is not in them."""
    with socket.create_connection(("127.0.0.1", silent), PATIENCE) as made:
        try:
            made.sendall(data)
            made.shutdown(socket.SHUT_WR)
            assert made.recv(1) == b""
        except ConnectionError:
            pass


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[int]:
    """The port of a server that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready, port = threading.Event(), 0
    stop = asyncio.Event()

    async def run() -> None:
        nonlocal port
        async with serving(tmp_path / "silent") as web:
            port = urlsplit(web.url).port or 0
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(PATIENCE)
    yield port
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


async def test_60_who_does_not_know_the_secret_is_refused(target: Target) -> None:
    """Another user of the machine can connect; even one who has found the path gets no further."""
    wrong: tuple[str | None, ...] = (None, "", "x", target.secret[:-1], target.secret + "x", "é")
    for secret in wrong:
        answer = await target.call(Heliogram_Secret=secret)
        assert answer.startswith(b"HTTP/1.1 401 ") and b"no session" in answer
        offered = f"heliogram, secret.{secret or ''}"
        assert b" 101 " not in await target.socket(Sec_WebSocket_Protocol=offered)
    missing: tuple[str | None, ...] = (None, "heliogram", "", target.secret)
    for protocols in (*missing, f"secret.{target.secret}"):
        assert b" 101 " not in await target.socket(Sec_WebSocket_Protocol=protocols)
    doubled = f"heliogram, secret.{target.secret}, secret.x"
    assert b" 101 " not in await target.socket(Sec_WebSocket_Protocol=doubled)


async def test_60_only_loopback_listens(target: Target, web: WebServer) -> None:
    for listener in web._listeners:
        for one in listener.sockets:
            assert one.getsockname()[0] == "127.0.0.1"


async def test_60_files_are_their_owners_from_creation(
    browser: Browser, web: WebServer, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        await create(browser)
        sent = await browser.ask("POST", "api/uploads?name=note.txt", data=b"hello")
        assert sent.status == 200
        home = tmp_path / "home"
        for path in (home, *home.rglob("*")):
            kind = path.lstat().st_mode
            wanted = 0o700 if stat.S_ISDIR(kind) else 0o600
            assert mode(path) == wanted, path
    finally:
        os.umask(before)


async def test_61_cookies_are_neither_read_nor_set(target: Target, browser: Browser) -> None:
    """A program on another port shares our cookies: what it plants changes nothing."""
    planted = f"session={target.secret}; Heliogram-Secret={target.secret}; a=b"
    assert (await target.call(Cookie=planted, Heliogram_Secret=None)).startswith(b"HTTP/1.1 401 ")
    answered = await target.call(Cookie=planted)
    assert answered.startswith(b"HTTP/1.1 200 ")
    for one in (answered, await target.page(Cookie=planted), await target.socket(Cookie=planted)):
        assert one and b"set-cookie" not in one.lower()
    # As many as browsers keep for one address.
    many = "; ".join(f"{n}={'x' * 1000}" for n in range(180))
    assert (await target.page(Cookie=many)).startswith(b"HTTP/1.1 200 ")
    assert (await target.call(Cookie=many)).startswith(b"HTTP/1.1 200 ")


async def test_63_nobody_frames_opens_or_leads_the_app(target: Target) -> None:
    page = (await target.page()).partition(b"\r\n\r\n")[0].decode().lower()
    headers = dict(line.split(": ", 1) for line in page.split("\r\n")[1:])
    policy = dict(
        (name, rest)
        for name, _, rest in (
            one.strip().partition(" ") for one in headers["content-security-policy"].split(";")
        )
    )
    assert policy["frame-ancestors"] == policy["frame-src"] == "'none'"
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert policy["script-src"].startswith(f"{target.origin}{target.base}".lower())
    for one in ("unsafe", "data:", "*", "nonce", "http://localhost"):
        assert one not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "deny"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "microphone=(self)" in headers["permissions-policy"]
    assert headers["permissions-policy"].count("(self)") == 1
    for dest in ("iframe", "frame", "embed", "object", "fencedframe"):
        assert await target.page(Sec_Fetch_Dest=dest) == b""
        assert await target.page(Sec_Fetch_Dest=dest, Sec_Fetch_Mode="nested-navigate") == b""
    for site in ("cross-site", "same-site"):
        assert await target.page(Sec_Fetch_Site=site) == b""


# --- Much, slow, senseless ------------------------------------------------------------------------


async def test_66_a_huge_body_is_refused_at_its_beginning(target: Target, browser: Browser) -> None:
    gib = 1 << 30
    sent = request(
        f"{target.base}api/call/chats",
        method="POST",
        headers=target.headers(Content_Length=str(gib)),
    )
    tracemalloc.start()
    try:
        answer = await raw(target.port, sent, more=bytes(1 << 20))
        assert answer.startswith(b"HTTP/1.1 413 ") or answer == b""
        # The same without saying how much: it ends when it is too much.
        chunked = request(
            f"{target.base}api/call/chats",
            method="POST",
            headers=target.headers(Transfer_Encoding="chunked"),
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(chunked)
        piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        count = 0
        try:
            async with asyncio.timeout(PATIENCE):
                while count < 1024 and not reader.at_eof():
                    writer.write(piece)
                    await writer.drain()
                    count += 1
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
        assert count < 64
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()
    assert (await browser.post("api/call/status")).status == 200


async def test_66_ten_thousand_headers(target: Target, browser: Browser) -> None:
    many = target.headers() | {f"X-{n}": "x" for n in range(10_000)}
    assert await raw(target.port, request(target.base, headers=many)) == b""
    long = target.headers(X_Long="x" * (1 << 20))
    assert await raw(target.port, request(target.base, headers=long)) == b""
    line = request(target.base + "x" * (1 << 20), headers=target.headers())
    assert await raw(target.port, line) == b""
    assert (await browser.post("api/call/status")).status == 200


async def test_66_a_slow_body_ends(tmp_path: Path) -> None:
    async with serving(tmp_path / "slow", slowest=0.2) as web, browsing(web) as browser:
        await create(browser)
        target = Target(web, browser.secret)
        for path in ("api/call/chats", "api/uploads?name=x"):
            headers = target.headers(Content_Length="100")
            sent = request(f"{target.base}{path}", method="POST", headers=headers, body=b"{")
            answer = await raw(target.port, sent)
            assert answer.startswith(b"HTTP/1.1 400 ") and b"unreadable" in answer
        assert not any((tmp_path / "slow/uploads").iterdir())


async def test_66_a_slow_head_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "KEEPALIVE", 0.2)
    async with serving(tmp_path / "slow") as web:
        target = Target(web, "")
        for begun in (b"", b"GET ", request(target.base, headers=target.headers())[:-2]):
            assert await raw(target.port, begun) == b""


async def test_66_pipelined_garbage(target: Target, browser: Browser) -> None:
    right = request(f"{target.base}api/state", headers=target.headers(Connection=None))
    answer = await raw(target.port, right + b"\0garbage\r\n\r\n" * 100_000)
    assert answer.count(b"HTTP/1.1 ") <= 1
    wrong = request("/", headers={"Host": "evil.example"})
    assert await raw(target.port, wrong * 10_000) == b""
    answer = await raw(target.port, right + wrong + right * 100)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert (await browser.post("api/call/status")).status == 200


async def test_66_who_only_connects_gives_way(target: Target, browser: Browser) -> None:
    """All places are taken by somebody who says nothing; the app goes on, and a new tab finds room."""
    async with browser.events() as events:
        await heard(events, "state")
        held = []
        for _ in range(MAX_CONNECTIONS * 2):
            held.append(await asyncio.open_connection("127.0.0.1", target.port))
        assert (await target.page()).startswith(b"HTTP/1.1 200 ")
        assert (await browser.post("api/call/status")).status == 200
        await browser.good("api/lock")
        await heard(events, "state", state="locked")
        for _, writer in held:
            writer.transport.abort()


async def test_66_who_does_not_read_notices_is_dropped(
    target: Target, browser: Browser, web: WebServer
) -> None:
    """Another tab hears all of them."""
    _, writer = await asyncio.open_connection("127.0.0.1", target.port, limit=1024)
    async with browser.events() as events:
        await heard(events, "state")
        writer.write(
            request(
                f"{target.base}api/events",
                headers=target.headers(
                    Sec_Fetch_Mode="websocket",
                    Connection="Upgrade",
                    Upgrade="websocket",
                    Sec_WebSocket_Version="13",
                    Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
                    Sec_WebSocket_Protocol=f"heliogram, secret.{target.secret}",
                ),
            )
        )
        async with asyncio.timeout(PATIENCE):
            while web.events.listeners < 2:
                await asyncio.sleep(0.01)
        total = 0
        async with asyncio.timeout(PATIENCE):
            while web.events.listeners > 1:
                for _ in range(50):
                    web.events.tell(api.CommandFailed("x" * 60_000, "send", str(total)))
                    total += 1
                    await heard(events, "command failed", code=str(total - 1))
        assert web.events.listeners == 1
    writer.transport.abort()
    assert total * 60_000 < 32 << 20


async def test_a_connection_that_ends_does_no_harm(target: Target, browser: Browser) -> None:
    right = request(
        f"{target.base}api/call/chats", method="POST", headers=target.headers(Content_Length="9")
    )
    for at in range(0, len(right), 37):
        _, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(right[:at])
        await writer.drain()
        writer.transport.abort()
    assert (await browser.post("api/call/status")).status == 200


async def test_several_tabs(browser: Browser, web: WebServer) -> None:
    async with aiohttp.ClientSession() as session:
        other = Browser(web, session)
        await other.start()
        assert other.secret != browser.secret
        async with browser.events() as one, other.events() as two:
            await create(other)
            for socket in (one, two):
                await heard(socket, "state", state="open")
            await browser.good("api/call/me", {"name": "Benjamin"})
            assert (await other.good("api/call/status"))["me"]["name"] == "Benjamin"
