"""The web server: two listeners on loopback, each at a port of its own that no other page knows.

    async with WebServer(host) as web:
        print(web.link())

One listener has the app and its calls, the other one what others sent. Both speak only to who knows the path
of this run; then a call needs a secret, and the secret a scope.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import segno
from aiohttp import hdrs, web
from aiohttp.http_exceptions import PayloadEncodingError

import heliogram
from heliogram.node import api
from heliogram.node.control.faults import InternalError
from heliogram.node.errors import NodeError
from heliogram.web import bodies, calls, openapi, pages
from heliogram.web.answers import answer, decoded, failure
from heliogram.web.attachments import Attachments, Wanted
from heliogram.web.autolock import AutoLock
from heliogram.web.bodies import Code, Create, Redeem, Restore, Unlock
from heliogram.web.calls import MAX_COMMAND, Calls
from heliogram.web.errors import Busy, NoSession, NoSuchPath, NotPermitted, TooLarge
from heliogram.web.events import PROTOCOL, SECRET, Events
from heliogram.web.gate import Door, Doors, Gate, Kind, refuse
from heliogram.web.host import Beginning, Host, State
from heliogram.web.scopes import Scope, covers
from heliogram.web.sessions import Sessions, unguessable
from heliogram.web.uploads import Uploads

#: The header with the secret.
SECRET_HEADER: Final = "Heliogram-Secret"

#: Seconds that the body of a call may take.
SLOWEST: Final = 30.0

#: Calls that are under way at once.
MAX_CALLS: Final = 64

_log = logging.getLogger(__name__)


class WebServer:
    """Serves one host. `start` listens, `close` ends; or use it as a context manager."""

    def __init__(
        self,
        host: Host,
        *,
        port: int = 0,
        relays: Sequence[str] = (),
        app: Path = pages.APP,
        entropy: Callable[[int], bytes] = os.urandom,
        now: Callable[[], float] = time.monotonic,
        slowest: float = SLOWEST,
    ) -> None:
        """`port` is the app's, 0 for any; `relays` are suggested to who begins; `app` has the app's files.

        `slowest`: seconds that the body of a call may take, and one write to a WebSocket.
        """
        self.host = host
        self.autolock = AutoLock(host)
        self.sessions = Sessions(entropy, now)
        self.events = Events(slowest=slowest)
        self.uploads = Uploads(host.directory.root, entropy, slowest=slowest)
        self._port = port
        self._relays = tuple(relays)
        self._app = app
        self._entropy = entropy
        self._slowest = slowest
        root = host.directory.root
        self._calls = Calls(self.uploads, lambda: host.downloads, lambda: root / "authority.pem")
        self._under_way = 0
        self._listeners: list[asyncio.Server] = []
        self._servers: list[web.Server] = []
        self._doors = (Doors(), Doors())
        self._tidying: set[asyncio.Task[None]] = set()
        self._posts = {
            "create": self._create,
            "restore": self._restore,
            "unlock": self._unlock,
            "lock": self._lock,
            "awake": self._awake,
            "token": self._token,
            "attachments": self._link,
            "qr": self._qr,
        }

    # --- As long as it runs -----------------------------------------------------------------------

    async def start(self) -> None:
        """Listen. Raises `OSError` if the port is taken, or a file of the app cannot be read."""
        self.uploads.clear()
        sockets = [_loopback(self._port), _loopback(0)]
        ports = [one.getsockname()[1] for one in sockets]
        bases = [f"/{unguessable(self._entropy)}/" for _ in sockets]
        self._gate = Gate(ports[0], bases[0])
        self._media = Gate(ports[1], bases[1], page_origin=self._gate.origin)
        self.url = f"{self._gate.origin}{bases[0]}"
        self.attachments = Attachments(
            f"{self._media.origin}{bases[1]}", lambda: unguessable(self._entropy)
        )
        policy = pages.policy(self._gate.origin, bases[0], self._media.origin)
        try:
            self._pages = pages.Pages(policy, self._app)
            for one, doors, handler in zip(
                sockets, self._doors, (self._app_request, self._media_request), strict=True
            ):
                await self._listen(one, doors, handler)
        except BaseException:
            for one in sockets:
                one.close()
            raise
        self.host.changed.append(self._changed)
        self.host.heard.append(self._heard)
        self.autolock.start()

    async def _listen(
        self,
        listening: socket.socket,
        doors: Doors,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> None:
        server = web.Server(handler)
        listener = await asyncio.get_running_loop().create_server(
            lambda: Door(server, doors), sock=listening
        )
        self._servers.append(server)
        self._listeners.append(listener)

    async def close(self) -> None:
        """Listen no more, and end all connections. The host stays as it is."""
        await self.autolock.close()
        for told, mine in ((self.host.changed, self._changed), (self.host.heard, self._heard)):
            if mine in told:
                told.remove(mine)  # type: ignore[arg-type]
        self.events.end()
        for one in self._listeners:
            one.close()
        for server in self._servers:
            await server.shutdown(timeout=2.0)
        self._listeners.clear()
        self._servers.clear()
        for task in tuple(self._tidying):
            task.cancel()
        await asyncio.gather(*self._tidying, return_exceptions=True)
        self.uploads.clear()

    async def __aenter__(self) -> WebServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def link(self) -> str:
        """A link that opens the app, once, within two minutes."""
        return f"{self.url}#{self.sessions.new_token()}"

    def _changed(self, state: State) -> None:
        if state == "open":
            self._tidy()
        else:
            self.attachments.clear()
            self.uploads.clear()
        self.events.tell_state(state)

    def _heard(self, notice: api.AnyNotice) -> None:
        self.events.tell(notice)
        if isinstance(notice, api.ScheduledChanged):
            self._tidy()

    def _tidy(self) -> None:
        async def tidy() -> None:
            try:
                await self.uploads.tidy(self.host.node)
            except NodeError:
                pass  # the next time will do

        task = asyncio.create_task(tidy())
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    # --- Requests ---------------------------------------------------------------------------------

    async def _app_request(self, request: web.BaseRequest) -> web.StreamResponse:
        path = self._gate.path(request)
        if path is None:
            return refuse(request)
        if not path.startswith("api/"):
            kind = {"": Kind.PAGE, "start": Kind.START}.get(path, Kind.FILE)
            if not self._gate.fits(request, kind):
                return refuse(request)
            if kind is Kind.START and not self.sessions.starting:
                return refuse(request)
            _let_in(request)
            return self._pages.get(path) or failure(NoSuchPath())
        path, _, query = path.removeprefix("api/").partition("?")
        kind = Kind.SOCKET if path == "events" else Kind.CALL
        if not self._gate.fits(request, kind):
            return refuse(request)
        _let_in(request)
        return await self._explained(request, path, query)

    async def _explained(
        self, request: web.BaseRequest, path: str, query: str
    ) -> web.StreamResponse:
        """What goes wrong is told in JSON, by its code."""
        try:
            if path == "session" and request.method == "POST":
                redeem: Redeem = decoded(await self._body(request, 4096), Redeem)
                return answer({"secret": self.sessions.redeem(redeem.token)})
            if path == "events" and request.method == "GET":
                return await self._events(request)
            scope = self.sessions.scope_of(request.headers.get(SECRET_HEADER, ""))
            if self._under_way >= MAX_CALLS:
                raise Busy
            self._under_way += 1
            try:
                return await self._route(request, path, query, scope)
            finally:
                self._under_way -= 1
        except NodeError as error:
            return _closing(request, failure(error))
        except (ConnectionError, web.RequestPayloadError, PayloadEncodingError):
            return refuse(request)  # its body broke off, or cannot be read
        except Exception as error:
            # The text of an error that nobody foresaw may hold anything.
            _log.error("a call failed: %s", type(error).__name__)
            return _closing(request, failure(InternalError()))

    async def _route(
        self, request: web.BaseRequest, path: str, query: str, scope: Scope
    ) -> web.StreamResponse:
        method = request.method
        first, _, rest = path.partition("/")
        if method == "GET" and path == "state":
            return answer(await self._state())
        if method == "GET" and path == "openapi.json":
            return answer(openapi.document())
        if method == "POST" and first == "call" and rest:
            return await self._call(request, rest, scope)
        if method == "POST" and path == "uploads":
            _need(scope, Scope.SEND)
            return await self._upload(request, query)
        if method == "DELETE" and first == "uploads" and rest:
            _need(scope, Scope.SEND)
            self.uploads.delete(rest)
            return answer({})
        if method == "POST" and path in self._posts:
            _need(scope, Scope.READ if path in ("attachments", "qr") else Scope.APP)
            return answer(await self._posts[path](await self._body(request, MAX_COMMAND)))
        raise NoSuchPath

    # --- Calls ------------------------------------------------------------------------------------

    async def _call(self, request: web.BaseRequest, name: str, scope: Scope) -> web.Response:
        command = calls.decode(name, await self._body(request, MAX_COMMAND), scope)
        if isinstance(command, api.Lock):
            await self.host.lock()
            return answer(api.Done())
        return answer(await self._calls.call(self.host.node, command))

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
        protocols = [one.strip() for one in offered.split(",")]
        secrets = [one.removeprefix(SECRET) for one in protocols if one.startswith(SECRET)]
        if PROTOCOL not in protocols or len(secrets) != 1:
            raise NoSession
        self.sessions.scope_of(secrets[0])
        if self.events.full:
            raise Busy
        await self.autolock.look()
        return await self.events.serve(request, await self.host.look())

    async def _upload(self, request: web.BaseRequest, query: str) -> web.Response:
        self.host.node  # noqa: B018  # nothing is taken for a profile that is not open
        name = bodies.parameter(query, "name")
        length = request.content_length
        return answer(await self.uploads.receive(name, request.content, length))

    async def _state(self) -> dict[str, Any]:
        await self.autolock.look()
        state = await self.host.look()
        name = ""
        if state == "open":
            status: api.Status = await self.host.node.call(api.GetStatus())
            name = status.me.name
        return {
            "state": state,
            "profile": self.host.directory.root.name,
            "version": heliogram.__version__,
            "attachments": self._media.origin,
            "relays": self._relays,
            "name": name,
        }

    async def _create(self, body: bytes) -> dict[str, Any]:
        wanted: Create = decoded(body, Create)
        beginning = Beginning(wanted.name, wanted.passphrase, wanted.relays)
        return {"words": await self.host.begin(beginning)}

    async def _restore(self, body: bytes) -> dict[str, Any]:
        wanted: Restore = decoded(body, Restore)
        await self.host.begin(
            Beginning(wanted.name, wanted.passphrase, wanted.relays, words=wanted.words)
        )
        return {}

    async def _unlock(self, body: bytes) -> dict[str, Any]:
        await self.host.unlock(decoded(body, Unlock).passphrase)
        return {}

    async def _lock(self, body: bytes) -> dict[str, Any]:
        await self.host.lock()
        return {}

    async def _awake(self, body: bytes) -> dict[str, Any]:
        await self.autolock.sign()
        return {}

    async def _token(self, body: bytes) -> dict[str, Any]:
        return {"token": self.sessions.new_token()}

    async def _link(self, body: bytes) -> Any:
        return await self.attachments.link(self.host.node, decoded(body, Wanted))

    async def _qr(self, body: bytes) -> dict[str, Any]:
        try:
            made = segno.make_qr(decoded(body, Code).text, error="m")
        except ValueError:
            raise TooLarge from None
        rows = ["".join("1" if cell else "0" for cell in row) for row in made.matrix]
        return {"size": len(rows), "rows": rows}

    async def _body(self, request: web.BaseRequest, most: int) -> bytes:
        return await bodies.read(request, most, self._slowest)

    # --- What others sent -------------------------------------------------------------------------

    async def _media_request(self, request: web.BaseRequest) -> web.StreamResponse:
        key = self._media.path(request)
        download = None if key is None else self.attachments.is_download(key)
        if key is None or download is None:
            return refuse(request)
        if not self._media.fits(request, Kind.DOWNLOAD if download else Kind.MEDIA):
            return refuse(request)
        _let_in(request)
        try:
            served = await self.attachments.serve(self.host.node, key, request)
        except NodeError:
            served = None
        return served or refuse(request)


def _loopback(port: int) -> socket.socket:
    """A socket that listens on this machine only."""
    made = socket.socket(socket.AF_INET)
    try:
        if os.name == "posix":
            # Only for what is left of connections that have ended; nobody can listen beside us.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
    except BaseException:
        made.close()
        raise
    return made


def _let_in(request: web.BaseRequest) -> None:
    door: Any = request.protocol
    door.let_in()


def _closing(request: web.BaseRequest, made: web.Response) -> web.Response:
    """An answer that ends the connection if its request's body was not read: nobody wants the rest."""
    if not request.content.is_eof():
        made.force_close()
    return made


def _need(scope: Scope, wanted: Scope) -> None:
    if not covers(scope, wanted):
        raise NotPermitted
