"""Files of messages for a browser: on an origin of their own, by links that nobody can guess.

What others sent is never served where the app runs: if a browser took one for a page, it would be a page
that may do nothing, of another origin. Only what browsers show without running anything is shown in its
place; everything else is for saving.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from aiohttp import hdrs, web
from msgspec import Struct

from heliogram.node import api
from heliogram.node.errors import NodeError, NotFound
from heliogram.node.transfer.naming import safe_name
from heliogram.web.answers import COMMON
from heliogram.web.errors import Unreadable

#: What browsers show or play without running anything.
INLINE: Final = frozenset(
    (
        *("image/png", "image/jpeg", "image/webp", "image/gif"),
        *("audio/ogg", "audio/webm", "audio/mpeg", "audio/flac", "audio/wav", "audio/x-wav"),
        *("audio/mp4", "audio/aac", "video/mp4", "video/webm"),
    )
)

#: Links at once: the oldest goes.
MAX_LINKS: Final = 4096

#: Bytes that are read at once.
PIECE: Final = 1 << 18

_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class Wanted(Struct, frozen=True):
    """What a page wants a link to: a file of a message, or the picture of a group."""

    message: str = ""
    index: int = 0
    thumbnail: bool = False
    download: bool = False
    picture: str = ""


class Link(Struct, frozen=True):
    """A link to it, good until the profile is locked."""

    url: str
    content_type: str
    size: int

    def __repr__(self) -> str:
        return "Link()"


@dataclass(frozen=True, slots=True)
class _Linked:
    wanted: Wanted = field(repr=False)
    content_type: str
    size: int
    name: str = field(repr=False)
    #: Whether it is for saving.
    download: bool


class Attachments:
    """All links."""

    def __init__(self, prefix: str, unguessable: Any) -> None:
        """`prefix` begins each link's URL, `unguessable` gives what ends it."""
        self._prefix = prefix
        self._unguessable = unguessable
        self._links: dict[str, _Linked] = {}

    async def link(self, node: api.Node, wanted: Wanted) -> Link:
        """A link. Raises `Unreadable`, and what the node raises: "not here" until a file is kept."""
        if bool(wanted.message) == bool(wanted.picture):
            raise Unreadable
        if wanted.picture or wanted.thumbnail:
            small = await _small(node, wanted)
            kind, size, name = small.content_type, len(small.data), "picture"
        else:
            read = api.ReadFile(wanted.message, wanted.index, 0, 1)
            first: api.FileBytes = await node.call(read)
            kind, size = first.content_type, first.size
            name = await _name(node, wanted)
        kind = kind.partition(";")[0].strip().lower()
        download = wanted.download or kind not in INLINE
        key = self._unguessable()
        self._links[key] = _Linked(wanted, kind, size, name, download)
        if len(self._links) > MAX_LINKS:
            del self._links[next(iter(self._links))]
        return Link(self._prefix + key, kind, size)

    def clear(self) -> None:
        """Let all lead nowhere."""
        self._links.clear()

    def is_download(self, key: str) -> bool | None:
        """Whether a link is for saving; None if there is none."""
        found = self._links.get(key)
        return None if found is None else found.download

    async def serve(
        self, node: api.Node, key: str, request: web.BaseRequest
    ) -> web.StreamResponse | None:
        """What a link leads to; None if it leads nowhere, or no more."""
        linked = self._links.get(key)
        if linked is None:
            return None
        size = linked.size
        asked = request.headers.get(hdrs.RANGE, "")
        part = _range(asked, size)
        headers = _headers(linked)
        if part is None:
            headers["Content-Range"] = f"bytes */{size}"
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return web.Response(status=status, headers=headers)
        first, end = part
        if asked and _RANGE.fullmatch(asked):
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
            status = HTTPStatus.PARTIAL_CONTENT
        else:
            status = HTTPStatus.OK
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_length = end - first
        pieces = _pieces(node, linked, first, end)
        try:
            # The first piece before the head: what is not there any more gets no answer that seems whole.
            piece = await anext(pieces, b"")
        except NodeError:
            return None
        await answer.prepare(request)
        try:
            while piece:
                await answer.write(piece)
                piece = await anext(pieces, b"")
        except NodeError:
            # Too few bytes have gone: the browser sees that it is not whole.
            raise ConnectionError from None
        await answer.write_eof()
        return answer


async def _small(node: api.Node, wanted: Wanted) -> api.Thumbnail:
    command: api.Command
    if wanted.picture:
        command = api.GetPicture(wanted.picture)
    else:
        command = api.GetThumbnail(wanted.message, wanted.index)
    found: api.Thumbnail = await node.call(command)
    return found


async def _name(node: api.Node, wanted: Wanted) -> str:
    message: api.Message = await node.call(api.GetMessage(wanted.message))
    for one in message.files:
        if one.index == wanted.index:
            return one.name
    raise NotFound("file")


async def _pieces(node: api.Node, linked: _Linked, first: int, end: int) -> AsyncIterator[bytes]:
    wanted = linked.wanted
    if wanted.picture or wanted.thumbnail:
        found = await _small(node, wanted)
        yield found.data[first:end]
        return
    while first < end:
        length = min(PIECE, end - first)
        piece: api.FileBytes = await node.call(
            api.ReadFile(wanted.message, wanted.index, first, length)
        )
        data = piece.data[:length]
        if not data:
            return
        first += len(data)
        yield data


def _headers(linked: _Linked) -> dict[str, str]:
    kind = "application/octet-stream" if linked.content_type not in INLINE else linked.content_type
    how = "attachment" if linked.download else "inline"
    return {
        **COMMON,
        "Content-Type": kind,
        "Content-Disposition": disposition(how, linked.name),
        "Accept-Ranges": "bytes",
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        # "same-site" never fits an address without a name in Chromium. Other sites, the gate refuses.
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Frame-Options": "DENY",
    }


def disposition(how: str, name: str) -> str:
    """The header that says under which name a file is saved: in ASCII, and whole (RFC 6266, RFC 5987)."""
    name = safe_name(name)
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", name)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _range(asked: str, size: int) -> tuple[int, int] | None:
    """The bytes that are asked for, from the first to behind the last; None if there are no such.

    Several ranges, and what is no range of bytes, are taken for none: RFC 9110 allows that.
    """
    found = _RANGE.fullmatch(asked)
    if found is None:
        return 0, size
    begin, last = found.groups()
    if not begin:
        if not last or int(last) == 0 or size == 0:
            return None
        return max(0, size - int(last)), size
    first = int(begin)
    end = min(size, int(last) + 1) if last else size
    return (first, end) if first < end else None
