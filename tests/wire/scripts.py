"""Sequences of messages played to the cores of a connection, with what must hold whatever they are.

- Only `RemoteError` comes out, and after it the connection has failed.
- No more requests wait than the greeting allows, and no channel opens without a good signature.
- What the relay's core says by itself, a client can read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from heliogram.wire import connection as c
from heliogram.wire import frames as f
from heliogram.wire.connection import NEED_DATA, State
from heliogram.wire.errors import ErrorCode, RemoteError
from tests.wire import samples as s

#: Who is played to, and from where on.
STARTS = ("relay", "relay open", "relay leaving", "client", "client greeting", "client open")


def script(parts: Iterable[bytes]) -> bytes:
    """Messages as one string of bytes: each with its length in two bytes."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def messages(data: bytes) -> Iterator[bytes]:
    """The messages of a script; a cut one is taken as it is."""
    at = 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


def play(start: str, script: Iterable[bytes]) -> str:
    """The state at the end, and the codes on the way."""
    side, _, state = start.partition(" ")
    return _to_relay(state, script) if side == "relay" else _to_client(state, script)


def _relay() -> c.RelayConnection:
    return c.RelayConnection(s.RELAYS[0], s.LIMITS, now=s.NOW, entropy=lambda _: s.RELAY_NONCE)


def _client() -> c.ClientConnection:
    return c.ClientConnection(s.RELAYS[0].public, entropy=lambda _: s.CLIENT_NONCE)


def _check(holds: bool) -> None:
    if not holds:
        raise AssertionError("the connection broke its word")


def _to_relay(state: str, script: Iterable[bytes]) -> str:
    core = _relay()
    if state:
        core.receive_data(f.encode(f.Hello(1, (1,), s.CLIENT_NONCE)))
    if state == "leaving":
        core.send(f.Goodbye(ErrorCode.GOING_AWAY))
    said = []
    for message in script:
        core.receive_data(message)
        try:
            while (event := core.next_event()) is not NEED_DATA:
                if isinstance(event, c.Requested):
                    said.append(_serve(core, event.frame))
        except RemoteError as error:
            _check(core.state is State.FAILED)
            said.append(error.code.name)
        _check(core.pending <= s.LIMITS.max_pending)
        for out in core.data_to_send():
            f.decode_answer(out)
        if core.state in c.OVER:
            break
    return " ".join([core.state.name, *said[-4:]])


def _serve(core: c.RelayConnection, frame: f.Request) -> str:
    """A relay that knows the keys of the story and answers everything."""
    if isinstance(frame, f.Authorise):
        known = frame.instance == s.INSTANCE and frame.epoch == s.EPOCH
        if frame.id & 7 == 7:
            return _decline(core, frame)
        if not core.authorise(s.member_key(s.EPOCH, 0).public if known else None):
            return "refused"
        _check(known and core.leads_to(s.INSTANCE))
        if frame.id & 7 == 5:
            return _decline(core, frame)
    elif isinstance(frame, f.InboxAuthorise):
        known = frame.inbox == s.INBOX
        if not core.authorise(s.OWNER.public if known else None):
            return "refused"
        _check(known)
    core.send(f.Failure(frame.id, ErrorCode.UNAVAILABLE))
    return type(frame).__name__


def _decline(core: c.RelayConnection, frame: f.Authorise) -> str:
    before = core.scopes()
    core.decline(frame, ErrorCode.RATE_LIMITED)
    _check(core.scopes() <= before)
    return "declined"


def _to_client(state: str, script: Iterable[bytes]) -> str:
    core = _client()
    if state:
        relay = _relay()
        relay.receive_data(core.hello())
        if state == "open":
            core.receive_data(relay.data_to_send()[0])
            core.next_event()
            for id in (s.ID + 1, s.ID + 2):
                core.send(f.Post(id, 0, s.ENTRY))
    said = []
    for message in script:
        before = core.pending
        core.receive_data(message)
        try:
            while (event := core.next_event()) is not NEED_DATA:
                said.append(type(event).__name__)
        except RemoteError as error:
            _check(core.state is State.FAILED)
            said.append(error.code.name)
        _check(core.pending <= before)
    return " ".join([core.state.name, *said[-4:]])
