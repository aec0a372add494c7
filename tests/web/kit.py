"""A web server over a real profile, a browser's requests to it, and bytes that no browser sends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from heliogram.node.profile.directory import Directory
from heliogram.web.host import Host
from heliogram.web.server import WebServer
from tests.cli.town import CHEAP, PHRASE

#: Seconds until what should happen must have happened: only a broken program needs them.
PATIENCE = 60.0

PAGE = "<!doctype html><title>Heliogram</title><script type=module src=app/js/main.js></script>"


def write_app(folder: Path) -> Path:
    """A small app."""
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "js/main.js").write_text("export const it = 'runs';")
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "notes.unknown").write_text("not served")
    return folder


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        code: str = self.json["error"]["code"]
        return code


class Browser:
    """Somebody's browser, in which the app is open. It sends what browsers send."""

    def __init__(self, web: WebServer, session: aiohttp.ClientSession) -> None:
        self.web = web
        self.session = session
        self.secret = ""

    @property
    def origin(self) -> str:
        parts = urlsplit(self.web.url)
        return f"{parts.scheme}://{parts.netloc}"

    def headers(self, **more: str) -> dict[str, str]:
        return {
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            **({"Heliogram-Secret": self.secret} if self.secret else {}),
            **{name.replace("_", "-"): value for name, value in more.items()},
        }

    async def ask(
        self, method: str, path: str, body: object = None, *, data: Any = None, **headers: str
    ) -> Answer:
        if body is not None:
            data = msgspec.json.encode(body)
        more = {"Origin": self.origin} if method != "GET" else {}
        async with self.session.request(
            method, self.web.url + path, data=data, headers=self.headers(**more, **headers)
        ) as found:
            return Answer(found.status, found.headers, await found.read())

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def post(self, path: str, body: object = None, **more: Any) -> Answer:
        return await self.ask("POST", path, {} if body is None else body, **more)

    async def good(self, path: str, body: object = None) -> Any:
        """What a call gives that goes well."""
        found = await self.post(path, body)
        assert found.status == 200, found.body
        return found.json

    async def start(self) -> None:
        """Use a start link."""
        token = self.web.link().partition("#")[2]
        self.secret = (await self.good("api/session", {"token": token}))["secret"]

    async def state(self) -> Any:
        return (await self.get("api/state")).json

    @asynccontextmanager
    async def events(self, secret: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket of notices."""
        async with self.session.ws_connect(
            self.web.url + "api/events",
            protocols=("heliogram", f"secret.{secret or self.secret}"),
            headers={
                "Origin": self.origin,
                "Sec-Fetch-Site": "same-origin",
                "Sec-Fetch-Mode": "websocket",
                "Sec-Fetch-Dest": "empty",
            },
        ) as socket:
            yield socket


async def heard(socket: aiohttp.ClientWebSocketResponse, event: str, **values: object) -> Any:
    """The next notice of this kind."""
    async with asyncio.timeout(PATIENCE):
        async for message in socket:
            said = msgspec.json.decode(message.data)
            fits = all(said.get(name) == value for name, value in values.items())
            if said["event"] == event and fits:
                return said
    raise AssertionError("the socket ended")


async def raw(port: int, data: bytes, *, more: bytes = b"") -> bytes:
    """All that comes back for these bytes, until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            try:
                writer.write(data)
                await writer.drain()
                writer.write(more)
                await writer.drain()
            except ConnectionError:
                pass
            found = b""
            while True:
                try:
                    piece = await reader.read(1 << 16)
                except ConnectionError:
                    return found
                if not piece:
                    return found
                found += piece
    finally:
        writer.transport.abort()


def request(
    target: str,
    *,
    method: str = "GET",
    version: str = "HTTP/1.1",
    headers: Mapping[str, str | list[str]] = MappingProxyType({}),
    body: bytes = b"",
) -> bytes:
    """The bytes of a request, without anything that is not said here."""
    lines = [f"{method} {target} {version}"]
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value)]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(home: Path, **options: Any) -> AsyncIterator[WebServer]:
    """A web server for the profile in `home`, there or not."""
    host = Host(Directory(home), costs=CHEAP, pause=options.pop("pause", 0.0))
    app = options.pop("app", None) or write_app(home.parent / f"{home.name}-app")
    async with WebServer(host, app=app, **options) as web:
        try:
            yield web
        finally:
            await host.close()


@asynccontextmanager
async def browsing(web: WebServer) -> AsyncIterator[Browser]:
    """A browser with the app open."""
    async with aiohttp.ClientSession() as session:
        browser = Browser(web, session)
        await browser.start()
        yield browser


async def create(browser: Browser, name: str = "Ben", relays: tuple[str, ...] = ()) -> str:
    """A new profile; its words."""
    made = await browser.good(
        "api/create", {"name": name, "passphrase": PHRASE, "relays": list(relays)}
    )
    words: str = made["words"]
    return words


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return os.stat(path).st_mode & 0o777
