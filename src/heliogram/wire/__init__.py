"""Frames between nodes and relays, what of it is signed, and the connection that carries them.

`docs/protocol.md` is the law. `frames` has the messages, `objects` and `receipts` what is signed or hashed
inside of them, `connection` the core of both sides, `errors` the codes, `limits` every bound, `work` proof
of work.
No sockets, no clock, no randomness of its own.
"""

from __future__ import annotations

from heliogram.wire.connection import (
    NEED_DATA,
    Answered,
    ClientConnection,
    Ended,
    Greeted,
    PushReceived,
    RelayConnection,
    Requested,
    Scope,
    ScopeKind,
    State,
)
from heliogram.wire.errors import ERRORS, ErrorCode, LocalError, RemoteError, WireError
from heliogram.wire.frames import FrameType, Lane, Refusal
from heliogram.wire.signing import Label, SigningKey, verify

__all__ = [
    "ERRORS",
    "NEED_DATA",
    "Answered",
    "ClientConnection",
    "Ended",
    "ErrorCode",
    "FrameType",
    "Greeted",
    "Label",
    "Lane",
    "LocalError",
    "PushReceived",
    "Refusal",
    "RelayConnection",
    "RemoteError",
    "Requested",
    "Scope",
    "ScopeKind",
    "SigningKey",
    "State",
    "WireError",
    "verify",
]
