"""What can go wrong in a group, told apart by whose fault it is and what to do next.

    MLSError
      UsageError           ours: this group cannot do that now          fix the caller
      InvalidMessage       theirs: a rule of RFC 9420 is broken         drop the message; our state
      is as it was
        DecryptionFailed   theirs or nobody's: key gone or bad tag      drop the message; our state
        is as it was
      UnknownEpoch         neither's: too old or too new                keep the message, or fetch
      what is missing

Whatever bytes a peer sends, reading them raises only `InvalidMessage`, its child, or
`UnknownEpoch`. No text here ever holds a key, a name or bytes that came from a peer.
"""

from __future__ import annotations

from heliogram.codec import DecodeError


class MLSError(Exception):
    """The root of what `heliogram.mls` raises."""


class UsageError(MLSError):
    """Our caller asked for what cannot be done. Fix the caller; nothing has changed."""


class InvalidMessage(MLSError):
    """A peer broke a rule. Its fault; drop the message. Our state is as it was before the call.

    `rule` is the row in the list of checks that `docs/` and the tests number alike, `section` the
    section of RFC 9420 that asks for the check.
    """

    def __init__(self, rule: int, section: str, what: str) -> None:
        super().__init__(rule, section, what)
        self.rule = rule
        self.section = section
        self.what = what

    def __str__(self) -> str:
        return f"RFC 9420, {self.section}: {self.what}"


class DecryptionFailed(InvalidMessage):
    """A ciphertext does not open: changed, for somebody else, or its key is gone. Drop it."""


class UnknownEpoch(MLSError):
    """The message belongs to an epoch that we do not hold: too old, or not reached yet.

    Nobody's fault. Keep it or fetch the commits in between; `epoch` is the epoch that it names.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(epoch)
        self.epoch = epoch

    def __str__(self) -> str:
        return f"no keys for epoch {self.epoch}"


def refused(error: DecodeError) -> InvalidMessage:
    """A decoding error as the refusal of the message that it came from."""
    rows = {
        "2.1.1": 1,  # row 1: the octet before an optional value
        "2.1.2": 2,  # row 2: the width of a length
        "2.1": 3,  # row 3: bytes left over, or not enough of them
        "13.4": 3,  # … inside of an extension
        "16.1": 6,  # row 6: our ceilings
    }
    # row 4: all other sections close a list of values, and the value is none of them.
    return InvalidMessage(rows.get(error.section, 4), error.section, error.what)
