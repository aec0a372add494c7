"""Answers in JSON, and what goes wrong with the status of HTTP that says so."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from heliogram.node.control.faults import (
    Interrupted,
    InvalidCommand,
    NotRunning,
    TooMuch,
    describe,
)
from heliogram.node.errors import (
    NodeError,
    NotNow,
    PassphraseNeeded,
    ProfileBusy,
    ProfileExists,
    StoreError,
    StoreFull,
    WrongPassphrase,
)
from heliogram.web.errors import Unreadable, WebError

T = TypeVar("T")

#: What every answer says: keep nothing, guess nothing, tell nobody where you come from.
COMMON: Final = {
    "Server": "heliogram",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_NOTHING_RUNS: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"

_STATUS: Final[tuple[tuple[type[NodeError], HTTPStatus], ...]] = (
    (InvalidCommand, HTTPStatus.BAD_REQUEST),
    (WrongPassphrase, HTTPStatus.FORBIDDEN),
    (PassphraseNeeded, HTTPStatus.FORBIDDEN),
    (ProfileBusy, HTTPStatus.CONFLICT),
    (ProfileExists, HTTPStatus.CONFLICT),
    (NotNow, HTTPStatus.CONFLICT),
    (StoreFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (StoreError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (TooMuch, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (Interrupted, HTTPStatus.SERVICE_UNAVAILABLE),
    (NotRunning, HTTPStatus.SERVICE_UNAVAILABLE),
)

_encode: Final = msgspec.json.Encoder().encode


def answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """`value` as JSON."""
    return web.Response(
        body=_encode(value),
        status=status,
        content_type="application/json",
        headers={**COMMON, "Content-Security-Policy": _NOTHING_RUNS},
    )


def failure(error: NodeError) -> web.Response:
    """What went wrong: its code, and what its sentence needs."""
    return answer({"error": describe(error)}, status_of(error))


def status_of(error: NodeError) -> HTTPStatus:
    """The status of HTTP for an error; its code says more."""
    if isinstance(error, WebError):
        return error.status
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    if error.code.startswith("no such "):
        return HTTPStatus.NOT_FOUND
    if error.code == "not here":
        return HTTPStatus.CONFLICT
    return HTTPStatus.INTERNAL_SERVER_ERROR if error.code == "internal" else _UNPROCESSABLE


#: `HTTPStatus` calls it by another name since Python 3.13.
_UNPROCESSABLE: Final = HTTPStatus(422)


def decoded(body: bytes, kind: type[T] | Any) -> T:
    """A body of JSON as what it should be. Raises `Unreadable`."""
    try:
        made: T = msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Unreadable from None
    return made
