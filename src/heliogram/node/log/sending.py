"""Our own words on their way: encrypt, write, is the epoch open, post to all.

What is said is encrypted and written at once, and leaves when a `Tip` that began after it was said finds the
epoch open. One serves all items that were there before it, so bursts share it. Its answers are younger than
whatever a person was shown before sending: nothing said after somebody was shown as removed can be read by
them. An epoch that closed over an item has it encrypted again in the next one, whether it had left or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, islice
from typing import Any

from heliogram.node.errors import NodeError, NotNow
from heliogram.node.log.ground import Ground, Track
from heliogram.node.log.happenings import (
    Encrypted,
    Finished,
    Refused,
    SignedFor,
    StoredByAll,
    StoredByQuorum,
)
from heliogram.node.log.keeping import Place
from heliogram.node.posting import Posting, Tip
from heliogram.node.records import Outgoing, Phase
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode

#: Items that wait for a quorum at once, and those that are encrypted and wait to leave; the others wait for
#: their turn.
MAX_POSTINGS = 48

#: Items of one epoch that were taken back after they were encrypted: from so many on nothing is encrypted
#: before it may leave. Each has used up a key, and others pass over a bounded number of those.
MAX_WASTED = 64

#: Stored items whose last relays are still asked; what is older is left to refilling.
MAX_TAILS = 32

#: Seconds for which the last relays are asked, once a quorum has signed.
TAIL = 120.0

#: Failures after which this relay will never take this entry.
_NEVER = frozenset({ErrorCode.TOO_LARGE, ErrorCode.MALFORMED, ErrorCode.UNKNOWN_FRAME})


@dataclass(eq=False, slots=True)
class Item:
    """Something to be said. Entries of the conversation's own have a name instead of a number."""

    number: int | None
    kind: str = ""
    content: bytes = field(default=b"", repr=False)
    grace: bool = False
    name: bytes = b""
    #: Once encrypted.
    entry: Outgoing | None = None
    #: An epoch whose decision must be stable before this leaves.
    after: int | None = None
    track: Track | None = None
    stored: bool = False
    #: Its place among all that was said since the start.
    order: int = 0
    until: float = float("inf")
    never: set[int] = field(default_factory=set)


class Sending:
    """All items that are not stored everywhere yet."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        #: In their order: what is to be encrypted, what is and has not left yet, what is being posted.
        self.waiting: dict[object, Item] = {}
        self.sealed: dict[object, Item] = {}
        self.posting: dict[object, Item] = {}
        self._tip: Track | None = None
        #: The last item that the tip covers: whatever came later needs another one.
        self._covered = 0
        self._order = 0
        #: Written down, too: a start does not give keys back.
        self._wasted = ground.notes.wasted()
        #: Items that a relay has answered to since the last turn.
        self._touched: dict[object, Item] = {}
        #: Stored items whose last relays are still asked, oldest first.
        self._stored: dict[object, Item] = {}
        #: Relays lack what was given up here.
        self.left = False

    def load(self) -> None:
        """Go on with the conversation's own entries."""
        for name, entry in self._ground.notes.entries():
            self.sealed[name] = Item(None, name=name, entry=entry, grace=entry.grace)

    # --- What comes in ----------------------------------------------------------------------------

    def say(self, item: Item) -> None:
        """Say something. The same number twice is once."""
        at = item.number
        if at in self.waiting or at in self.sealed or at in self.posting:
            return
        self._order += 1
        item.order = self._order
        (self.waiting if item.entry is None else self.sealed)[at] = item

    def post(self, entry: Outgoing, *, after: int | None = None) -> None:
        """Post an entry of the conversation's own, as soon as the decision of the epoch `after` is stable."""
        name = sha256(entry.data).digest()
        self._ground.notes.put_entry(name, entry)
        self.sealed[name] = Item(None, name=name, entry=entry, grace=entry.grace, after=after)

    def entered(self) -> None:
        """Another epoch is open: what was not stored in the last one is said anew."""
        self._drop_tip()
        self._waste(0)
        anew: dict[object, Item] = {}
        for at, item in list(self.posting.items()):
            if item.grace:
                continue
            if item.stored:
                self._finish(at, item)
            elif item.number is None:
                # A departure of an epoch that is over says nothing any more.
                self._forget(at, item)
            else:
                self._withdraw(at, item)
                anew[at] = item
        for at, item in list(self.sealed.items()):
            if item.number is None and not item.grace:
                self._forget(at, item)
        self.waiting = {**anew, **self._unsealed(), **self.waiting}

    def stop(self) -> None:
        """Nothing is said here any more, but in the grace lane."""
        self._drop_tip()
        again: dict[object, Item] = {}
        for at, item in list(self.posting.items()):
            if not item.grace and not item.stored:
                self._withdraw(at, item)
                again[at] = item
        self.waiting = {**again, **self._unsealed(), **self.waiting}

    def drop(self, number: int) -> None:
        """It is said elsewhere."""
        if number in self.sealed:
            self._waste(self._wasted + 1)
        for items in (self.waiting, self.sealed, self.posting):
            if number in items:
                self._forget(number, items[number])

    def clear(self) -> None:
        """We are out, or somewhere else: what was under way is not."""
        self.stop()
        self._waste(0)
        for item in self.posting.values():
            self._ground.end(item.track)
        for kept in (self.posting, self._touched, self._stored):
            kept.clear()
        again = {at: one for at, one in self.sealed.items() if one.number is not None}
        for one in again.values():
            one.entry = None
        self.sealed.clear()
        self.waiting = {**again, **self.waiting}

    def _waste(self, many: int) -> None:
        if many != self._wasted:
            self._wasted = many
            self._ground.notes.put_wasted(many)

    def _unsealed(self, *, stale: bool = False) -> dict[object, Item]:
        """Take out what is encrypted and has not left: it is encrypted again when something may be said.

        With `stale` only what is of another epoch. The rest may have left before a restart.
        """
        ground = self._ground
        usable = ground.epoch if stale and ground.conversation.phase is Phase.OPEN else None
        found = {
            at: one
            for at, one in self.sealed.items()
            if one.number is not None and not one.grace
            if one.entry is None or one.entry.epoch != usable
        }
        for at, item in found.items():
            del self.sealed[at]
            item.entry = None
        return found

    def _withdraw(self, at: object, item: Item) -> None:
        self._ground.end(item.track)
        del self.posting[at]
        item.entry = item.track = None
        item.never.clear()

    # --- What follows -----------------------------------------------------------------------------

    def settle(self, *, opened: bool, unstable: set[int], sure: bool, current: bool) -> None:
        """Do what is due. `unstable` are epochs whose decision too few relays are known to hold.

        Unless we are `sure` of all that we have said in this epoch, nothing is encrypted. Unless it was found
        open since we are in it, it may be over for long: then it is not `current`, and nothing is encrypted
        before a tip finds it open.
        """
        self._tails()
        if not opened:
            return
        if self.sealed:
            self._ready(unstable)
        is_open = self._tip is not None and isinstance(self._tip.core, Tip) and self._tip.core.open
        if self.waiting and sure and (is_open or (current and self._wasted < MAX_WASTED)):
            self._encrypt()
        if is_open:
            self._leave()
        if self._tip is None and self._wants_tip():
            self._ask_tip()

    def deadline(self) -> float | None:
        """When `settle` has something to do at the latest."""
        return next((one.until for one in self._stored.values()), None)

    def _ready(self, unstable: set[int]) -> None:
        """Post the conversation's own entries; what is of another epoch is encrypted again."""
        ground, stale = self._ground, False
        for at, item in list(self.sealed.items()):
            entry = item.entry
            if entry is None or (item.after is not None and item.after in unstable):
                continue
            place = ground.places.get(entry.epoch)
            if entry.grace:
                if place is None or ground.conversation.keys(entry.epoch) is None:
                    self._refuse(at, item, "too old")
                    continue
            elif entry.epoch != ground.epoch or ground.conversation.phase is not Phase.OPEN:
                if item.number is None:
                    self._forget(at, item)
                else:
                    stale = True
                continue
            elif item.number is not None:
                continue  # somebody's words: they leave once a tip is open
            if place is not None:
                self._begin(at, item, place, entry)
        if stale:
            self.waiting = {**self._unsealed(stale=True), **self.waiting}

    def _may_say(self) -> bool:
        talk = self._ground.conversation
        return talk.phase is Phase.OPEN and not talk.must_renew and not talk.commit_due

    def _wants_tip(self) -> bool:
        return self._may_say() and next(self._words(), None) is not None

    def _words(self) -> Iterator[Item]:
        """What people said that has not left yet."""
        for one in chain(self.sealed.values(), self.waiting.values()):
            if one.number is not None and not one.grace:
                yield one

    def _ask_tip(self) -> None:
        place = self._ground.place
        self._covered = self._order
        self._tip = self._ground.begin(Tip(place.seat, place.instances), place)

    def _encrypt(self) -> None:
        """What is said, in its order, as far as there is room. It does not leave yet."""
        if not self._may_say():
            return
        room = MAX_POSTINGS - sum(one.number is not None for one in self.sealed.values())
        for at, item in list(islice(self.waiting.items(), max(room, 0) + MAX_POSTINGS)):
            if room <= 0:
                return
            if not item.grace and self._seal(at, item):
                room -= 1

    def _leave(self) -> None:
        """All items that the open tip covers, in their order, as far as there is room."""
        if not self._may_say():
            return  # a departure waits: what is encrypted already is encrypted again after it
        place = self._ground.place
        room = MAX_POSTINGS - (len(self.posting) - len(self._stored))
        for at, item in list(self.sealed.items()):
            if item.number is None or item.grace or item.order > self._covered:
                continue
            if room <= 0:
                return  # the tip's answers stay good for these
            if item.entry is not None:
                self._begin(at, item, place, item.entry)
                room -= 1
        if all(one.order > self._covered for one in self._words()):
            self._drop_tip()

    def _seal(self, at: object, item: Item) -> bool:
        ground, number = self._ground, item.number
        if number is None:
            return False
        try:
            effects = ground.conversation.send(
                item.content, item.kind, grace=item.grace, entropy=ground.entropy
            )
        except NotNow:
            return False
        except NodeError as error:
            self._refuse(at, item, error.code)
            return False
        ground.write(effects)
        item.entry = effects.entries[0]
        del self.waiting[at]
        ground.tell(Encrypted(number, item.entry.epoch, item.entry.data))
        self.sealed[at] = item
        return True

    def last_words(self) -> None:
        """Encrypt what is for the grace lane of a conversation that nobody can go on with."""
        if self._ground.conversation.phase in (Phase.DEAD, Phase.WOUNDED):
            for at, item in list(self.waiting.items()):
                if item.grace and self._seal(at, item) and item.entry is not None:
                    place = self._ground.places.get(item.entry.epoch)
                    if place is not None:
                        self._begin(at, item, place, item.entry)

    def _begin(self, at: object, item: Item, place: Place, entry: Outgoing) -> None:
        lane = frames.Lane.GRACE if entry.grace else frames.Lane.POSTS
        core = Posting(place.seat, place.instances, entry.data, lane=lane)

        def then(index: int, request: Any, answer: frames.Answer, given: Any) -> None:
            self._touched[at] = item
            self._answered(item, core, index, request, answer)

        item.track = self._ground.begin(core, place, then)
        self.sealed.pop(at, None)
        self.posting[at] = item

    # --- What comes of it -------------------------------------------------------------------------

    def _answered(
        self, item: Item, core: Posting, index: int, request: Any, answer: frames.Answer
    ) -> None:
        ground, seat = self._ground, core.seat
        relay = seat.configuration.relays[index].key
        stored = index in core.receipts and isinstance(answer, frames.Stored)
        if stored:
            evidence = core.evidence(index)
            if evidence is not None:
                ground.vouch(relay, evidence)
        if isinstance(answer, frames.Failure) and answer.code in _NEVER:
            item.never.add(index)
        if item.number is not None and (stored or isinstance(answer, frames.Decided)):
            size = len(frames.encode(request))
            minute = ground.time // 60
            ground.tell(SignedFor(item.number, relay, minute, size, seat.epoch, stored))

    def heard(self) -> None:
        """Look at what relays have answered to. Before an epoch is left: perhaps a quorum has it."""
        while self._touched:
            at, item = self._touched.popitem()
            if self.posting.get(at) is item:
                self._watch(at, item)

    def _watch(self, at: object, item: Item) -> None:
        core = None if item.track is None else item.track.core
        if not isinstance(core, Posting):
            return
        configuration = core.seat.configuration
        if core.stored and not item.stored:
            item.stored, item.until = True, self._ground.now + TAIL
            self._stored[at] = item
            if item.number is None:
                self._ground.notes.put_entry(item.name, None)
            else:
                self._ground.tell(StoredByQuorum(item.number))
        if core.complete:
            if item.number is not None:
                self._ground.tell(StoredByAll(item.number))
            self._finish(at, item)
        elif not item.stored and len(item.never) > configuration.n - configuration.q:
            self._refuse(at, item, "too long")

    def _tails(self) -> None:
        """Give up asking the last relays for what is older."""
        while self._stored:
            at, item = next(iter(self._stored.items()))
            if len(self._stored) <= MAX_TAILS and self._ground.now < item.until:
                return
            self._finish(at, item)

    def _finish(self, at: object, item: Item) -> None:
        core = None if item.track is None else item.track.core
        if isinstance(core, Posting) and not core.complete:
            self.left = True
        self._ground.end(item.track)
        self._drop(at)
        if item.number is not None:
            self._ground.tell(Finished(item.number))

    def _refuse(self, at: object, item: Item, code: str) -> None:
        self._forget(at, item)
        if item.number is not None:
            self._ground.tell(Refused(item.number, code))

    def _forget(self, at: object, item: Item) -> None:
        self._ground.end(item.track)
        self._drop(at)
        if item.number is None:
            self._ground.notes.put_entry(item.name, None)

    def _drop(self, at: object) -> None:
        for kept in (self.waiting, self.sealed, self.posting, self._stored):
            kept.pop(at, None)

    def _drop_tip(self) -> None:
        self._ground.end(self._tip)
        self._tip = None
