"""What a line on the control socket holds.

A client sends requests, one JSON object a line:

    {"id": 1, "command": {"do": "chats"}}
    {"id": 2, "subscribe": true}

and gets, in any order, one answer for each, and notices once it has subscribed:

    {"id": 1, "result": [...]}
    {"id": 1, "error": {"code": "not found", ...}}
    {"notice": {"event": "message added", ...}}

A line that is no request ends the connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from heliogram.node import api
from heliogram.node.control.faults import Fault, InvalidCommand, restore

#: Bytes of a request, with its line end: the longest text, every character escaped, and more.
MAX_REQUEST: Final = 1 << 20
#: Bytes of an answer or a notice.
MAX_ANSWER: Final = 64 << 20

_NOTHING: Final = Raw()


class Request(Struct, frozen=True):
    """What a client wants: a command done, or notices from now on."""

    id: Annotated[int, Meta(ge=0, le=2**53)]
    command: Raw = _NOTHING
    subscribe: bool = False


class Line(Struct, frozen=True, omit_defaults=True):
    """What a server says."""

    id: int | None = None
    result: Raw = _NOTHING
    error: Fault | None = None
    notice: Raw = _NOTHING


class NotALine(Exception):
    """Bytes that are no line of this protocol: the connection is of no use any more."""


_FAULTY: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
_WHERE: Final = re.compile(r"\$(?:\.\w+|\[\d+\]|\[\.\.\.\])*\Z")


@cache
def _decoder(wanted: Any) -> Callable[[bytes | Raw], Any]:
    return msgspec.json.Decoder(wanted).decode


_encode: Final = msgspec.json.Encoder().encode


# --- The server's side ----------------------------------------------------------------------------


def decode_request(line: bytes) -> Request:
    """The request in a line. Raises `NotALine`."""
    try:
        request: Request = _decoder(Request)(line)
    except _FAULTY:
        raise NotALine from None
    if bool(len(bytes(request.command))) == request.subscribe:
        raise NotALine
    return request


def decode_command(raw: Raw) -> api.Command:
    """The command of a request, all its bounds kept. Raises `InvalidCommand`."""
    try:
        command: api.Command = _decoder(api.AnyCommand)(raw)
    except msgspec.ValidationError as error:
        where = _WHERE.search(str(error).rstrip("`"))
        raise InvalidCommand(where[0].lstrip("$.") if where else "") from None
    except _FAULTY:
        raise InvalidCommand() from None
    return command


def encode_result(number: int, result: object) -> bytes:
    """The line that answers request `number`."""
    return _encode({"id": number, "result": result}) + b"\n"


def encode_error(number: int | None, fault: Fault) -> bytes:
    """The line that says why request `number` was not done."""
    return _encode({"id": number, "error": fault}) + b"\n"


def encode_notice(notice: api.AnyNotice) -> bytes:
    """The line that tells a notice."""
    return _encode({"notice": notice}) + b"\n"


# --- The client's side ----------------------------------------------------------------------------


def encode_command(number: int, command: api.Command) -> bytes:
    """The line that asks for `command`. Raises `InvalidCommand` if it would be refused as it is."""
    try:
        raw = _encode(command)
        decode_command(Raw(raw))
        line = _encode(Request(number, Raw(raw))) + b"\n"
    except (UnicodeError, TypeError):
        raise InvalidCommand() from None
    if len(line) > MAX_REQUEST:
        raise InvalidCommand()
    return line


def encode_subscription(number: int) -> bytes:
    """The line that asks for notices."""
    return _encode({"id": number, "subscribe": True}) + b"\n"


def decode_line(line: bytes) -> Line:
    """What the server says in a line. Raises `NotALine`."""
    try:
        said: Line = _decoder(Line)(line)
    except _FAULTY:
        raise NotALine from None
    return said


def result_of(line: Line, command: api.Command | None) -> Any:
    """What an answer gives for `command`; None for a subscription.

    Raises the `NodeError` that the node raised, `NotALine` if this is no answer for it.
    """
    if line.error is not None:
        raise restore(line.error)
    if command is None:
        return None
    try:
        return _decoder(type(command).Result)(line.result)
    except _FAULTY:
        raise NotALine from None


def notice_of(line: Line) -> api.AnyNotice | None:
    """The notice in a line; None if it holds none, or one that only a later version knows."""
    try:
        notice: api.AnyNotice = _decoder(api.AnyNotice)(line.notice)
    except _FAULTY:
        return None
    return notice


def check(command: api.Command) -> None:
    """What a socket refuses is refused without one too. Raises `InvalidCommand`."""
    encode_command(0, command)
