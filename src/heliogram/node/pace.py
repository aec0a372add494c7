"""When a relay is asked again: at once, and then later and later, but never not at all."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds until an unanswered request is repeated, after the first time and at most.
FIRST, MOST = 2.0, 32.0

#: Seconds until a relay is asked again whose connection ended, or that cannot do it now.
LATER = 0.5


@dataclass(slots=True)
class Pace:
    """The timer of one question to one relay. Times are monotonic seconds."""

    again: float = 0.0
    tries: int = 0

    def due(self, now: float) -> bool:
        """Whether to ask now."""
        return now >= self.again

    def asked(self, now: float) -> None:
        """The question has been sent."""
        self.again = now + min(MOST, FIRST * 2.0 ** min(self.tries, 16))
        self.tries += 1

    def failed(self, now: float) -> None:
        """There will be no answer to it: the connection ended, or the relay cannot do it now."""
        self.again = now + min(MOST, LATER * 2.0 ** min(self.tries, 16))

    def anew(self) -> None:
        """There is another question, or a reason to ask at once."""
        self.again, self.tries = 0.0, 0
