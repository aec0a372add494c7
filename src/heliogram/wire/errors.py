"""What can go wrong between a node and a relay, told apart by whose fault it is.

    WireError
      LocalError      ours: this connection cannot do that now       fix the caller; nothing was sent
      RemoteError     theirs: `.code` says what, and is what the peer is told

Whatever bytes a peer sends, reading them raises only `RemoteError`. The codes stand in one table: the
enum for the numbers, `ERRORS` for whose fault each is and what to do. A relay that raises an error with
a code has thereby answered. No text here ever holds an id, a key or bytes that came from a peer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType


class ErrorCode(IntEnum):
    """Why a request was not done, or a connection ended. `docs/protocol.md` explains each."""

    # The connection.
    MALFORMED = 0x01
    UNEXPECTED = 0x02
    UNKNOWN_FRAME = 0x03
    TOO_LARGE = 0x04
    TOO_MANY_PENDING = 0x05
    DUPLICATE_ID = 0x06
    UNSUPPORTED_VERSION = 0x07
    WRONG_RELAY = 0x08
    TOO_MANY_FAULTS = 0x09
    GOING_AWAY = 0x0A
    IDLE = 0x0B
    SLOW = 0x0C

    # Any request.
    NOT_AUTHORISED = 0x10
    OVER_BUDGET = 0x11
    RATE_LIMITED = 0x12
    UNAVAILABLE = 0x13
    DISK_FULL = 0x14
    INTERNAL = 0x15

    # Logs and slots.
    FENCED = 0x20
    NOT_FENCED = 0x21
    BAD_STATUS = 0x22
    BAD_CERTIFICATE = 0x23
    BEHIND = 0x24
    GONE = 0x25

    # Proof of work, inboxes, blobs, cells.
    BAD_WORK = 0x30
    FULL = 0x31
    NOTHING_LEFT = 0x32
    CONFLICT = 0x33
    BAD_HASH = 0x34


class Fault(Enum):
    """Who has to change something."""

    SENDER = "sender"
    RELAY = "relay"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """A row of the table of errors."""

    fault: Fault
    meaning: str
    remedy: str


def _table() -> dict[ErrorCode, ErrorInfo]:
    code, sender, relay, nobody = ErrorCode, Fault.SENDER, Fault.RELAY, Fault.NOBODY
    rows = {
        code.MALFORMED: (sender, "the bytes are not what the frame should hold", "fix the sender"),
        code.UNEXPECTED: (sender, "this frame has no place in this state", "fix the sender"),
        code.UNKNOWN_FRAME: (sender, "the relay has no such frame", "use frames of the agreed version"),
        code.TOO_LARGE: (sender, "larger than a limit of the greeting", "send less"),
        code.TOO_MANY_PENDING: (sender, "too many requests wait for an answer", "wait for an answer"),
        code.DUPLICATE_ID: (sender, "a request with this id is waiting", "fix the sender"),
        code.UNSUPPORTED_VERSION: (nobody, "no version in common", "update the older side"),
        code.WRONG_RELAY: (relay, "the greeting is not signed by the expected key", "do not use this relay"),
        code.TOO_MANY_FAULTS: (sender, "one broken frame too many", "fix the sender"),
        code.GOING_AWAY: (nobody, "the relay stops", "connect again later"),
        code.IDLE: (nobody, "nothing came for too long", "connect again when needed"),
        code.SLOW: (sender, "answers are not being read", "connect again and read faster"),
        code.NOT_AUTHORISED: (sender, "unknown, or not yours: the two look alike", "use the right key"),
        code.OVER_BUDGET: (sender, "this lane's budget is used up", "wait a day or send less"),
        code.RATE_LIMITED: (sender, "too fast", "wait a minute"),
        code.UNAVAILABLE: (relay, "cannot be done now; most likely nothing has changed", "repeat later"),
        code.DISK_FULL: (relay, "no room to store it; nothing has changed", "use the others, repeat later"),
        code.INTERNAL: (relay, "the relay has a bug", "repeat later; the operator should look"),
        code.FENCED: (relay, "the relay fell back and signs nothing", "bring statuses of the others"),
        code.NOT_FENCED: (nobody, "there is no fence to lift", "carry on"),
        code.BAD_STATUS: (sender, "the statuses do not lift the fence", "ask more, with the fence's nonce"),
        code.BAD_CERTIFICATE: (sender, "the certificate does not count here", "read the slot again"),
        code.BEHIND: (relay, "an earlier slot is open here; detail: its epoch", "send DECIDE from there on"),
        code.GONE: (nobody, "expired or deleted", "ask another relay or another member"),
        code.BAD_WORK: (sender, "work is missing, stale or too easy; detail: the difficulty", "work again"),
        code.FULL: (nobody, "no room left in this place", "wait, or let its owner make room"),
        code.NOTHING_LEFT: (nobody, "no key package to give", "try another relay or later"),
        code.CONFLICT: (nobody, "somebody else was faster", "read the present value and decide anew"),
        code.BAD_HASH: (sender, "the bytes do not hash to their name", "send them again from the start"),
    }  # fmt: skip
    return {name: ErrorInfo(*row) for name, row in rows.items()}


#: Each code: whose fault, what it means, what to do.
ERRORS = MappingProxyType(_table())


class WireError(Exception):
    """The root of what `heliogram.wire` raises."""


class LocalError(WireError):
    """Our caller asked for what cannot be done now. Fix the caller; nothing was sent."""


class RemoteError(WireError):
    """The peer broke a rule. `code` is what it is told; `what` is a sentence of ours."""

    def __init__(self, code: ErrorCode, what: str = "") -> None:
        super().__init__(code, what)
        self.code = code
        self.what = what or ERRORS[code].meaning

    def __str__(self) -> str:
        return f"{self.code.name}: {self.what}"
