"""What a relay refuses. Raising is answering: each class has its code of `wire.errors`.

Nothing has changed when one of these is raised. No text holds anything that came from a client.
"""

from __future__ import annotations

from typing import ClassVar

from heliogram.wire.errors import ERRORS, ErrorCode


class RelayError(Exception):
    """The root of what `heliogram.relay` raises. `code` and `detail` are what the client is told."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(self, detail: int = 0) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code.name}: {ERRORS[self.code].meaning}"


class StoreError(Exception):
    """The relay cannot keep anything here: the operator has to look. The text says why."""


class NotAuthorised(RelayError):
    """Unknown, or not theirs: the two look alike."""

    code = ErrorCode.NOT_AUTHORISED


class OverBudget(RelayError):
    """The lane's budget is used up."""

    code = ErrorCode.OVER_BUDGET


class TooLarge(RelayError):
    """Larger than a limit of the protocol."""

    code = ErrorCode.TOO_LARGE


class Fenced(RelayError):
    """This relay fell back in this log; it signs nothing there until the fence is lifted."""

    code = ErrorCode.FENCED


class NotFenced(RelayError):
    """There is no fence to lift."""

    code = ErrorCode.NOT_FENCED


class BadStatus(RelayError):
    """These statements do not lift the fence."""

    code = ErrorCode.BAD_STATUS


class BadCertificate(RelayError):
    """The certificate does not count here."""

    code = ErrorCode.BAD_CERTIFICATE


class Behind(RelayError):
    """An earlier slot is open here; `detail` is its epoch."""

    code = ErrorCode.BEHIND


class Gone(RelayError):
    """It was here and has expired."""

    code = ErrorCode.GONE


class RateLimited(RelayError):
    """Too fast."""

    code = ErrorCode.RATE_LIMITED


class Unavailable(RelayError):
    """It cannot be done now; nothing has changed."""

    code = ErrorCode.UNAVAILABLE


class DiskFull(RelayError):
    """There is no room to store it; nothing has changed."""

    code = ErrorCode.DISK_FULL


class Internal(RelayError):
    """The relay has a bug; nothing has changed."""

    code = ErrorCode.INTERNAL


class Malformed(RelayError):
    """What the frame carries cannot be read."""

    code = ErrorCode.MALFORMED


class BadWork(RelayError):
    """The work is missing, stale or too easy; `detail` is the difficulty."""

    code = ErrorCode.BAD_WORK


class Full(RelayError):
    """No room is left in this place."""

    code = ErrorCode.FULL


class NothingLeft(RelayError):
    """There is no key package to give."""

    code = ErrorCode.NOTHING_LEFT
