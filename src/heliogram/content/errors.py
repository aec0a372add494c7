"""What `heliogram.content` raises: these bytes, or these wishes, are no message.

The text names the rule and never holds anything of the message.
"""

from __future__ import annotations


class ContentError(ValueError):
    """This is no message that we would send, or accept. Received: drop it.

    `section` is the rule's place: in draft-ietf-mimi-content-08 unless it says otherwise.
    """

    def __init__(self, section: str, what: str) -> None:
        super().__init__(section, what)
        self.section = section
        self.what = what

    def __str__(self) -> str:
        return f"{self.section}: {self.what}"
