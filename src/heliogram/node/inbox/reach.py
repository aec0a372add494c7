"""Reaching somebody by a contact link: one key package of each of their devices, from any relay.

One relay is asked at a time, for what it gives is gone there. If it has nothing, gives what cannot be used,
or does not answer soon, the next one is asked. `found` has the key packages; `failure` is set when there is
no point in going on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

from heliogram import mls
from heliogram.node.asking import Address, Ask, Work
from heliogram.node.identity.links import ContactLink
from heliogram.node.inbox.offers import OfferFault, Wanted
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.objects import package_take_content, work_target
from heliogram.wire.signing import Label, SigningKey

#: Seconds until the next relay is asked while one does not answer.
PATIENCE = 8.0

#: Seconds until a relay is asked again: one that could not be reached, at first and at most; one that had
#: nothing, or nothing that can be used.
SOON, LATEST, LATER = 1.0, 60.0, 600.0

#: Seconds for which a taking is repeated as the same. A relay knows it for half an hour.
SAME = 1200.0

#: How often all relays must say that they know no such link, before we believe it.
DENIALS = 2


@dataclass(slots=True)
class _At:
    """One relay of the link."""

    relay: Address
    again: float = 0.0
    tries: int = 0
    asked: float | None = None
    #: Which taking this is, and when it was first asked for.
    number: int = 0
    begun: float | None = None
    denials: int = 0


class Reach:
    """One attempt to reach the owner of a link. An `asking.Source`."""

    def __init__(
        self, link: ContactLink, wanted: Wanted, *, seed: bytes, now: float, time: float
    ) -> None:
        """`seed` is 32 random bytes that are kept: with the same ones a taking is the same.

        `now` and `time` are the same moment, in monotonic and in Unix seconds.
        """
        self._link = link
        self._key = link.key()
        self._wanted = wanted
        self._seed = seed
        self._offset = time - now
        first = int.from_bytes(seed[:4], "big") % len(link.relays)
        order = link.relays[first:] + link.relays[:first]
        self._at = {one.key: _At(Address(one.key, one.endpoints)) for one in order}
        #: The key packages, one of each device, once they are there.
        self.found: tuple[mls.KeyPackage, ...] = ()
        #: Why there is no point in going on; empty as long as there is.
        self.failure = ""
        #: What is wrong with what relays gave, by their keys.
        self.faults: dict[bytes, frozenset[OfferFault]] = {}

    def __repr__(self) -> str:
        return f"<Reach by {len(self._at)} relays>"

    @property
    def done(self) -> bool:
        """Whether there is nothing more to ask."""
        return bool(self.found) or bool(self.failure)

    def asks(self, now: float) -> list[Ask]:
        """What is to be sent now."""
        at = self._next(now)
        if at is None:
            return []
        if at.begun is None or now - at.begun > SAME:
            at.number, at.begun = at.number + 1, now
        at.asked = now
        number = at.number.to_bytes(4, "big")
        nonce = hashlib.sha256(self._seed + at.relay.key + number).digest()
        content = package_take_content(at.relay.key, self._link.inbox, self._key.public, nonce)
        finish = partial(_frame, self._link.inbox, self._key, content, nonce)
        return [Ask(self, at.relay, Work(work_target(content), False, finish))]

    def _next(self, now: float) -> _At | None:
        """The relay to ask now: none while one that was asked may still answer."""
        if self.done or any(
            at.asked is not None and now - at.asked < PATIENCE for at in self._at.values()
        ):
            return None
        ready = (at for at in self._at.values() if at.asked is None and now >= at.again)
        return min(ready, key=lambda at: at.tries, default=None)

    def deadline(self, now: float) -> float | None:
        """When `asks` will have something new at the latest, if nothing happens until then."""
        if self.done:
            return None
        again = min((at.again for at in self._at.values() if at.asked is None), default=None)
        if again is None:
            return None
        patient = (at.asked + PATIENCE for at in self._at.values() if at.asked is not None)
        return max(again, *patient, now)

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """A relay's answer."""
        at = self._at[ask.relay.key]
        at.asked = None
        if self.done:
            return
        at.tries += 1
        if isinstance(answer, frames.Packages):
            at.begun = None
            messages = [one.data for one in answer.packages]
            offer = self._wanted.judge(messages, now=int(now + self._offset))
            if offer.faults:
                self.faults[at.relay.key] = offer.faults
            self.found = offer.packages
            at.again = now + LATER
            if not self.found and self.faults.keys() == self._at.keys():
                seen = frozenset[OfferFault]().union(*self.faults.values())
                self.failure = next(one.value for one in OfferFault if one in seen)
        elif isinstance(answer, frames.Failure):
            self._failed(at, answer.code, now)
        else:
            at.again = now + LATER

    def _failed(self, at: _At, code: int, now: float) -> None:
        match code:
            case ErrorCode.NOT_AUTHORISED:
                at.denials += 1
                at.again = now + SOON * 2.0 ** min(at.tries, 6)
                if all(one.denials >= DENIALS for one in self._at.values()):
                    self.failure = "link gone"
            case ErrorCode.NOTHING_LEFT | ErrorCode.OVER_BUDGET:
                at.again = now + LATER
            case _:
                at.again = now + min(LATEST, SOON * 2.0 ** min(at.tries, 6))

    def lost(self, ask: Ask, now: float) -> None:
        """There is no answer."""
        at = self._at[ask.relay.key]
        at.asked = None
        at.tries += 1
        at.again = now + min(LATEST, SOON * 2.0 ** min(at.tries, 6))


def _frame(
    inbox: bytes, key: SigningKey, content: bytes, nonce: bytes, proof: bytes
) -> frames.Request:
    signature = key.sign(Label.PACKAGE_TAKE, content)
    return frames.PackageTake(0, inbox, key.public, nonce, signature, proof)
