"""Blobs over HTTP: `PUT`, `HEAD` and `GET` of `/blob/{id}`, as docs/protocol.md has it.

Headers are read strictly: what could be understood in two ways is refused. Answers have no body but the
blob's bytes, and say nothing that the law does not ask for. No exception leaves a handler: the library
would log it together with the client's address.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import hdrs, web

from heliogram.relay.blobs.service import BlobService, Download, Misplaced, Part, Range
from heliogram.relay.errors import Malformed, NotAuthorised, RelayError
from heliogram.wire.errors import ErrorCode
from heliogram.wire.limits import MAX_BLOB

#: The path that the handlers serve, and what they serve there.
PATH, METHODS = "/blob/{id}", "GET, HEAD, PUT"

#: What is refused, as HTTP says it. What is not here is the relay's fault: 500.
STATUSES: Mapping[ErrorCode, int] = MappingProxyType(
    {
        ErrorCode.MALFORMED: 400,
        ErrorCode.NOT_AUTHORISED: 404,
        ErrorCode.SLOW: 408,
        ErrorCode.CONFLICT: 409,
        ErrorCode.TOO_LARGE: 413,
        ErrorCode.BAD_HASH: 422,
        ErrorCode.RATE_LIMITED: 429,
        ErrorCode.UNAVAILABLE: 503,
        ErrorCode.DISK_FULL: 507,
    }
)

_NUMBER = "(0|[1-9][0-9]{0,15})"
_ID = re.compile("[0-9a-f]{64}")
_TICKET = re.compile("Heliogram ([0-9a-f]{64})")
_CONTENT_RANGE = re.compile(f"bytes {_NUMBER}-{_NUMBER}/{_NUMBER}")
_RANGE = re.compile(f"bytes={_NUMBER}-{_NUMBER}?")
_LAST_BYTES = re.compile(f"bytes=-{_NUMBER}")

_STATUS = {Part.STORED: 204, Part.LAST: 201, Part.NEEDLESS: 200}

#: What is still read of a body after the answer that did not want it: seconds and bytes.
LINGER_SECONDS, LINGER_BYTES = 5.0, 4 << 20

_log = logging.getLogger(__name__)


def routes(blobs: BlobService) -> list[web.RouteDef]:
    """The routes of blobs."""
    handlers = {"PUT": _put, "HEAD": _head, "GET": _get}

    async def handle(request: web.Request) -> web.StreamResponse:
        handler = handlers.get(request.method)
        id = request.match_info["id"]
        if handler is None:
            return await _refuse(request, _answer(405, {hdrs.ALLOW: METHODS}))
        if not _ID.fullmatch(id):
            return await _refuse(request, _answer(404))
        try:
            return await handler(blobs, bytes.fromhex(id), request)
        except Misplaced as error:
            return await _refuse(request, _answer(409, _offset(error.detail)))
        except RelayError as error:
            return await _refuse(request, _answer(STATUSES.get(error.code, 500)))
        except ConnectionError:
            return _answer(400)  # nobody is there to read it
        except Exception as error:
            # A bug. Its text may hold anything, so only its kind and place are logged.
            _log.error("a request for a blob failed: %s at %s", type(error).__name__, _where(error))
            return await _refuse(request, _answer(500))

    return [web.route("*", PATH, handle, expect_handler=_expected)]


# --- Headers --------------------------------------------------------------------------------------


def content_range(header: str) -> Range | None:
    """What `Content-Range` says of a part: `bytes 0-65535/200000`. None if it is anything else."""
    found = _CONTENT_RANGE.fullmatch(header)
    if found is None:
        return None
    first, last, total = map(int, found.groups())
    return Range(first, last, total) if first <= last < total <= MAX_BLOB else None


def requested_range(header: str, size: int) -> Range | None:
    """What `Range` asks for of `size` bytes: one range, cut to what there is.

    None if there is nothing of it, and if it is anything but one range of bytes.
    """
    if (found := _RANGE.fullmatch(header)) is not None:
        first = int(found[1])
        last = size - 1 if found[2] is None else int(found[2])
        if first <= last and first < size:
            return Range(first, min(last, size - 1), size)
    elif (found := _LAST_BYTES.fullmatch(header)) is not None:
        count = int(found[1])
        if count and size:
            return Range(max(0, size - count), size - 1, size)
    return None


def _one(request: web.Request, name: str) -> str | None:
    """The header `name`; None if it is missing. Raises `Malformed` if it is there twice."""
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise Malformed
    return values[0] if values else None


def _ticket(request: web.Request) -> bytes | None:
    """The ticket; None if there is no authorisation at all. Raises `NotAuthorised`."""
    header = _one(request, hdrs.AUTHORIZATION)
    if header is None:
        return None
    found = _TICKET.fullmatch(header)
    if found is None:
        raise NotAuthorised
    return bytes.fromhex(found[1])


# --- Upload ---------------------------------------------------------------------------------------


async def _put(blobs: BlobService, blob: bytes, request: web.Request) -> web.Response:
    ticket = _ticket(request)
    if ticket is None:
        raise NotAuthorised
    header = _one(request, hdrs.CONTENT_RANGE)
    part = None if header is None else content_range(header)
    if part is None or request.content_length != part.last + 1 - part.first:
        raise Malformed
    if hdrs.CONTENT_ENCODING in request.headers or hdrs.TRANSFER_ENCODING in request.headers:
        raise Malformed  # the bytes would not be those that are counted
    body = _Body(request)
    what, offset = await blobs.put(blob, ticket, part, body.receive)
    answer = _answer(_STATUS[what], _offset(offset) if what is Part.STORED else {})
    return await _refuse(request, answer) if what is Part.NEEDLESS else answer


class _Body:
    """The body of a request. It is asked for only when it is wanted."""

    __slots__ = ("_request", "_wanted")

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._wanted = request.headers.get(hdrs.EXPECT) is None

    async def receive(self) -> bytes:
        """The next bytes; none at the end and when the client is gone."""
        request = self._request
        try:
            if not self._wanted:
                self._wanted = True
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                # The library counts what it sent: this was no part of the answer.
                request.writer.output_size = 0
            return await request.content.readany()
        except Exception:
            return b""  # cut off in one of the library's many ways


async def _expected(request: web.Request) -> web.Response | None:
    """Answer an `Expect` that is not about the body; the others wait until `_Body` wants it."""
    values = request.headers.getall(hdrs.EXPECT)
    return None if [one.lower() for one in values] == ["100-continue"] else _answer(417)


# --- Download -------------------------------------------------------------------------------------


async def _head(blobs: BlobService, blob: bytes, request: web.Request) -> web.StreamResponse:
    ticket = _ticket(request)
    if ticket is not None:
        return _answer(204, _offset(await blobs.uploaded(blob, ticket)))
    async with blobs.download(blob) as download:
        return _content(200, download.size)


async def _get(blobs: BlobService, blob: bytes, request: web.Request) -> web.StreamResponse:
    header = _one(request, hdrs.RANGE)
    async with blobs.download(blob) as download:
        size = download.size
        if header is None or not header.startswith("bytes="):
            # RFC 9110, 14.2: units that are not understood are ignored.
            return await _stream(blobs, request, _content(200, size), download, 0, size)
        part = requested_range(header, size)
        if part is None:
            return _answer(416, {hdrs.CONTENT_RANGE: f"bytes */{size}"})
        count = part.last + 1 - part.first
        response = _content(206, count)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {part.first}-{part.last}/{size}"
        return await _stream(blobs, request, response, download, part.first, count)


async def _stream(
    blobs: BlobService,
    request: web.Request,
    response: web.StreamResponse,
    download: Download,
    offset: int,
    count: int,
) -> web.StreamResponse:
    """Send `count` bytes from `offset` on. Once begun, what fails can only end the connection."""
    # The first bytes are read before anything is promised.
    data = await download.read(offset, count)
    await response.prepare(request)
    try:
        while True:
            async with asyncio.timeout(blobs.pace.wait):
                await response.write(data)
            offset += len(data)
            count -= len(data)
            if not count:
                return response
            data = await download.read(offset, count)
    except (ConnectionError, TimeoutError, RelayError):
        if request.transport is not None:
            request.transport.abort()
        return response


# --- Answers --------------------------------------------------------------------------------------


def _answer(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status, headers={hdrs.CACHE_CONTROL: "no-store", **(headers or {})})


async def _refuse(request: web.Request, answer: web.Response) -> web.Response:
    """Send an answer although its request has not ended, and read on for a while.

    A connection that is closed over unread bytes is reset, and the answer is lost on its way.
    """
    body = request.content
    if body.is_eof():
        return answer
    try:
        await answer.prepare(request)
        await answer.write_eof()
        left = LINGER_BYTES
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and not body.is_eof():
                left -= len(await body.readany())
    except Exception:
        return answer  # the client is gone, or takes too long: nothing is lost with it
    return answer


def _content(status: int, size: int) -> web.StreamResponse:
    """The head of an answer with `size` bytes of a blob. Browsers must not take them for a page."""
    response = web.StreamResponse(
        status=status,
        headers={
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.ACCEPT_RANGES: "bytes",
            "X-Content-Type-Options": "nosniff",
        },
    )
    response.content_length = size
    return response


def _offset(offset: int) -> dict[str, str]:
    return {"Upload-Offset": str(offset)}


def _where(error: BaseException) -> str:
    """The place in the code: a file's name and a line. Never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
