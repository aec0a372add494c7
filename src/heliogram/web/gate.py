"""Who is heard at all. Whoever is not gets no byte back: the connection ends, as if nobody was here.

Loopback is no wall: every page that its owner's browser shows can send requests there, and every user of the
machine can connect. So each request must name this very place (no name that was made to lead here), come
from a page of ours or from no page at all, and know a path that nobody can guess. Cookies prove nothing:
they belong to all ports of this address. They are not read, and none is set.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDictProxy

_log = logging.getLogger(__name__)

#: Connections at once, and seconds that one may wait between requests, or take for the head of one.
MAX_CONNECTIONS: Final = 128
KEEPALIVE: Final = 30.0

#: Headers of a request, and bytes of one. Other programs on this address can plant cookies, which browsers
#: then bring: so one may be large.
MAX_HEADERS: Final = 64
MAX_HEADER: Final = 256 << 10
MAX_LINE: Final = 4 << 10

#: Bytes that are parsed at once: what cannot be parsed is quoted, and costs as much.
SLICE: Final = 16 << 10


class Door(web.RequestHandler):
    """aiohttp's side of one connection. What cannot be read ends it, without a byte."""

    __slots__ = ("_broken", "_doors", "_met")

    def __init__(self, server: web.Server, doors: Doors) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE,
            access_log=None,  # type: ignore[arg-type]  # none at all: a path is a secret
            max_line_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            max_field_size=MAX_HEADER,
            lingering_time=0,
            auto_decompress=False,
        )
        self._doors = doors
        self._met = False
        self._broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio has a connection."""
        super().connection_made(transport)
        if not self._doors.enter(self):
            self.slam()

    def data_received(self, data: bytes) -> None:
        """asyncio has bytes."""
        if self._payload_parser is not None:
            super().data_received(data)
            return
        # Nothing at all means: go on with what was left over.
        for at in range(0, max(1, len(data)), SLICE):
            if self._broken:
                return
            super().data_received(data[at : at + SLICE])
            messages = self._messages
            if messages and not isinstance(messages[-1][0], RawRequestMessage):
                self.slam()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Whatever went wrong is not told."""
        if exc is not None and status >= 500 and not isinstance(exc, ConnectionError):
            # A bug. Its text may hold anything.
            _log.error("a request failed: %s", type(exc).__name__)
        self.slam()
        raise ConnectionError

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """aiohttp would log what was asked for."""
        _log.error("a connection failed")

    def slam(self) -> None:
        """End the connection at once."""
        self._broken = True
        if self.transport is not None:
            self.transport.abort()

    def let_in(self) -> None:
        """It has asked as somebody of ours asks."""
        self._met = True
        self._doors.met(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio has lost it."""
        self._doors.leave(self)
        super().connection_lost(exc)


class Doors:
    """All connections of one listener."""

    def __init__(self, ceiling: int = MAX_CONNECTIONS) -> None:
        self._ceiling = ceiling
        self._inside: set[Door] = set()
        #: Those that have not asked yet as one of ours does, in the order in which they came.
        self._strangers: dict[Door, None] = {}

    @property
    def inside(self) -> int:
        """How many connections there are."""
        return len(self._inside)

    def enter(self, door: Door) -> bool:
        """Let a connection in; if all places are taken, in the place of the oldest stranger's."""
        if len(self._inside) >= self._ceiling:
            if not self._strangers:
                return False
            oldest = next(iter(self._strangers))
            self.leave(oldest)
            oldest.slam()
        self._inside.add(door)
        self._strangers[door] = None
        return True

    def met(self, door: Door) -> None:
        """It is no stranger's."""
        self._strangers.pop(door, None)

    def leave(self, door: Door) -> None:
        """It is gone."""
        self._inside.discard(door)
        self._strangers.pop(door, None)


class Kind(Enum):
    """What a request is for. Each can come from one kind of place in a page."""

    START = "start"
    PAGE = "page"
    FILE = "file"
    CALL = "call"
    SOCKET = "socket"
    MEDIA = "media"
    DOWNLOAD = "download"


@dataclass(frozen=True, slots=True)
class _Rule:
    methods: frozenset[str]
    #: `Sec-Fetch-Site`, `-Mode` and `-Dest` that browsers send with such requests.
    sites: frozenset[str]
    modes: frozenset[str]
    destinations: frozenset[str]


def _rule(methods: str, sites: str, modes: str, destinations: str) -> _Rule:
    return _Rule(*(frozenset(one.split()) for one in (methods, sites, modes, destinations)))


_RULES: Final = {
    # A browser that was started with a file says that it comes from another site.
    Kind.START: _rule("GET", "none same-origin same-site cross-site", "navigate", "document"),
    Kind.PAGE: _rule("GET", "none same-origin", "navigate", "document"),
    Kind.FILE: _rule(
        "GET",
        "same-origin",
        "cors no-cors same-origin",
        "script style image font audio manifest worker sharedworker serviceworker empty",
    ),
    Kind.CALL: _rule("GET POST DELETE", "same-origin", "cors same-origin", "empty"),
    Kind.SOCKET: _rule("GET", "same-origin", "websocket", "websocket empty"),
    Kind.MEDIA: _rule("GET", "same-site", "no-cors", "image audio video"),
    Kind.DOWNLOAD: _rule("GET", "same-site", "navigate no-cors", "document empty"),
}


class Gate:
    """The rules of one listener. `base` begins every path that is answered; it ends with a slash."""

    def __init__(self, port: int, base: str, *, page_origin: str = "") -> None:
        """`page_origin` is where our pages come from, if that is another listener."""
        self.origin = f"http://127.0.0.1:{port}"
        self._host = f"127.0.0.1:{port}"
        self._base = base.encode()
        self._page_origin = page_origin or self.origin

    def path(self, request: web.BaseRequest) -> str | None:
        """The path behind the base, as it was sent; None if this is nobody of ours."""
        raw = request.raw_path if isinstance(request.raw_path, str) else ""
        shown = raw.encode("utf-8", "surrogateescape")
        begins = shown[: len(self._base)]
        if request.version != HttpVersion11 or not hmac.compare_digest(begins, self._base):
            return None
        headers = request.headers
        if _only(headers, hdrs.HOST) != self._host:
            return None
        if hdrs.ORIGIN in headers and _only(headers, hdrs.ORIGIN) != self._page_origin:
            return None
        return raw[len(self._base) :]

    def fits(self, request: web.BaseRequest, kind: Kind) -> bool:
        """Whether a page of ours, or no page, would send such a request."""
        rule = _RULES[kind]
        if request.method not in rule.methods:
            return False
        headers = request.headers
        if "Sec-Fetch-Site" in headers:
            return (
                _only(headers, "Sec-Fetch-Site") in rule.sites
                and _only(headers, "Sec-Fetch-Mode") in rule.modes
                and _only(headers, "Sec-Fetch-Dest") in rule.destinations
            )
        # No browser, or an old one: a secret that no page knows must do.
        return "Sec-Fetch-Mode" not in headers and "Sec-Fetch-Dest" not in headers


def _only(headers: CIMultiDictProxy[str], name: str) -> str:
    """The one value of a header; empty if there is none, or more."""
    found = headers.getall(name, [])
    return found[0] if len(found) == 1 else ""


def refuse(request: web.BaseRequest) -> web.StreamResponse:
    """End the connection without a byte."""
    door: Any = request.protocol
    door.slam()
    raise ConnectionError
