"""Leaving an item in somebody's inbox: at all of its relays, done with the first that has it.

The others are tried for a while: who reads there finds the same item, and knows it as the same.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from heliogram.node.asking import Address, Ask, Work
from heliogram.node.identity.links import ContactLink
from heliogram.node.pace import Pace
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import inbox_post_content, work_target
from heliogram.wire.signing import Label, SigningKey

#: Seconds until a relay is asked again whose budget for the link is used up.
LATER = 3600.0

#: How often a relay must say that it knows no such link before it is left alone.
DENIALS = 3


@dataclass(slots=True)
class _At:
    relay: Address
    pace: Pace
    asked: bool = False
    denials: int = 0


class Drop:
    """One item on its way into an inbox. An `asking.Source`."""

    def __init__(self, link: ContactLink, item: bytes, *, there: Collection[bytes] = ()) -> None:
        """`there` are keys of relays that have it already."""
        self._link = link
        self._key = link.key()
        self._item = item
        #: Keys of the relays that have it.
        self.there: set[bytes] = set(there)
        self._at = {
            one.key: _At(Address(one.key, one.endpoints), Pace())
            for one in link.relays
            if one.key not in self.there
        }

    def __repr__(self) -> str:
        return f"<Drop at {len(self._at) + len(self.there)} relays>"

    @property
    def arrived(self) -> bool:
        """Whether a relay has it."""
        return bool(self.there)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to try: all have it, or know no such link."""
        return not self._at

    def asks(self, now: float) -> list[Ask]:
        """What is to be sent now."""
        asks = []
        for at in self._at.values():
            if at.asked or not at.pace.due(now):
                continue
            at.asked = True
            content = inbox_post_content(
                at.relay.key, self._link.inbox, self._key.public, self._item
            )
            finish = partial(_frame, self._link.inbox, self._key, content, self._item)
            asks.append(Ask(self, at.relay, Work(work_target(content), False, finish)))
        return asks

    def deadline(self, now: float) -> float | None:
        """When `asks` will have something new at the latest, if nothing happens until then."""
        times = (at.pace.again for at in self._at.values() if not at.asked)
        return min(times, default=None)

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """A relay's answer."""
        at = self._at[ask.relay.key]
        at.asked = False
        if isinstance(answer, frames.Done):
            self.there.add(at.relay.key)
            del self._at[at.relay.key]
            return
        at.pace.asked(now)
        if isinstance(answer, frames.Failure):
            if answer.code == ErrorCode.NOT_AUTHORISED:
                at.denials += 1
                if at.denials >= DENIALS:
                    del self._at[at.relay.key]
            elif answer.code == ErrorCode.OVER_BUDGET:
                at.pace.again = now + LATER

    def lost(self, ask: Ask, now: float) -> None:
        """There is no answer."""
        at = self._at[ask.relay.key]
        at.asked = False
        at.pace.failed(now)
        at.pace.tries += 1


def _frame(
    inbox: bytes, key: SigningKey, content: bytes, item: bytes, proof: bytes
) -> frames.Request:
    signature = key.sign(Label.INBOX_POST, content)
    return frames.InboxPost(0, inbox, key.public, signature, proof, item)
