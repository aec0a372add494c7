"""Our own words on their way: is the epoch open, encrypt, write, post to all.

One `Tip` serves all items that were there before it began, so bursts share it. Its answers are younger than
whatever a person was shown before sending: nothing said after somebody was shown as removed can be read by
them. An epoch that closed under an item has it encrypted again in the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
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

#: Items that wait for a quorum at once; the others wait for their turn.
MAX_POSTINGS = 48

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
    told: int = 0
    until: float = float("inf")
    never: set[int] = field(default_factory=set)


class Sending:
    """All items that are not stored everywhere yet."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        #: In their order: those that wait, and those that are being posted.
        self.waiting: dict[object, Item] = {}
        self.posting: dict[object, Item] = {}
        self._tip: Track | None = None
        self._covered: set[object] = set()
        #: Relays lack what was given up here.
        self.left = False

    def load(self) -> None:
        """Go on with the conversation's own entries."""
        for name, entry in self._ground.notes.entries():
            self.waiting[name] = Item(None, name=name, entry=entry, grace=entry.grace)

    # --- What comes in ----------------------------------------------------------------------------

    def say(self, item: Item) -> None:
        """Say something. The same number twice is once."""
        if item.number not in self.waiting and item.number not in self.posting:
            self.waiting[item.number] = item

    def post(self, entry: Outgoing, *, after: int | None = None) -> None:
        """Post an entry of the conversation's own, as soon as the decision of the epoch `after` is stable."""
        name = sha256(entry.data).digest()
        self._ground.notes.put_entry(name, entry)
        self.waiting[name] = Item(None, name=name, entry=entry, grace=entry.grace, after=after)

    def entered(self) -> None:
        """Another epoch is open: what was not stored in the last one is said anew."""
        self._drop_tip()
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
                self._ground.end(item.track)
                del self.posting[at]
                item.entry = item.track = None
                item.never.clear()
                anew[at] = item
        for at, item in list(self.waiting.items()):
            if item.number is None and not item.grace and item.entry is not None:
                if item.entry.epoch < self._ground.epoch:
                    self._forget(at, item)
        self.waiting = {**anew, **self.waiting}

    def stop(self) -> None:
        """Nothing is said here any more, but in the grace lane."""
        self._drop_tip()
        for at, item in list(self.posting.items()):
            if not item.grace:
                self._ground.end(item.track)
                del self.posting[at]
                item.track = item.entry = None
                self.waiting[at] = item

    def drop(self, number: int) -> None:
        """It is said elsewhere."""
        for items in (self.waiting, self.posting):
            if number in items:
                self._forget(number, items[number])

    def clear(self) -> None:
        """We are out, or somewhere else: what was under way is not."""
        self.stop()
        for item in self.posting.values():
            self._ground.end(item.track)
        self.posting.clear()
        self.waiting = {at: one for at, one in self.waiting.items() if one.number is not None}

    # --- What follows -----------------------------------------------------------------------------

    def settle(self, *, opened: bool, unstable: set[int]) -> None:
        """Do what is due. `unstable` are epochs whose decision too few relays are known to hold."""
        for at, item in list(self.posting.items()):
            self._watch(at, item)
        self._tails()
        if not opened or not self.waiting:
            return
        self._ready(unstable)
        if self._tip is not None and self._tip_is_open():
            self._encrypt()
        elif self._tip is None and self._wants_tip():
            self._ask_tip()

    def deadline(self) -> float | None:
        """When `settle` has something to do at the latest."""
        return min((one.until for one in self.posting.values()), default=None)

    def _ready(self, unstable: set[int]) -> None:
        """Post what is encrypted already."""
        ground = self._ground
        for at, item in list(self.waiting.items()):
            entry = item.entry
            if entry is None or (item.after is not None and item.after in unstable):
                continue
            place = ground.places.get(entry.epoch)
            if entry.grace:
                if place is None or ground.conversation.keys(entry.epoch) is None:
                    self._refuse(at, item, "too old")
                    continue
            elif entry.epoch != ground.epoch or ground.conversation.phase is not Phase.OPEN:
                if item.number is not None:
                    item.entry = None
                continue
            if place is not None:
                self._begin(at, item, place, entry)

    def _may_send(self) -> bool:
        talk = self._ground.conversation
        return talk.phase is Phase.OPEN and not talk.must_renew and not talk.commit_due

    def _wants_tip(self) -> bool:
        return self._may_send() and any(
            item.entry is None and not item.grace for item in self.waiting.values()
        )

    def _ask_tip(self) -> None:
        place = self._ground.place
        self._covered = {at for at, item in self.waiting.items() if item.entry is None}
        self._tip = self._ground.begin(Tip(place.seat, place.instances), place)

    def _tip_is_open(self) -> bool:
        return self._tip is not None and isinstance(self._tip.core, Tip) and self._tip.core.open

    def _encrypt(self) -> None:
        """All items that the tip covers, in their order, as far as there is room."""
        under_way = sum(not item.stored for item in self.posting.values())
        for at, item in list(self.waiting.items()):
            if under_way >= MAX_POSTINGS:
                return  # the tip's answers stay good for these
            if at in self._covered and item.entry is None and self._seal(at, item):
                under_way += 1
        self._drop_tip()
        if self._wants_tip():
            self._ask_tip()

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
        ground.tell(Encrypted(number, item.entry.epoch, item.entry.data))
        place = ground.places.get(item.entry.epoch)
        if place is not None:
            self._begin(at, item, place, item.entry)
        return True

    def last_words(self) -> None:
        """Encrypt what is for the grace lane of a conversation that nobody can go on with."""
        if self._ground.conversation.phase in (Phase.DEAD, Phase.WOUNDED):
            for at, item in list(self.waiting.items()):
                if item.grace and item.entry is None:
                    self._seal(at, item)

    def _begin(self, at: object, item: Item, place: Place, entry: Outgoing) -> None:
        lane = frames.Lane.GRACE if entry.grace else frames.Lane.POSTS
        core = Posting(place.seat, place.instances, entry.data, lane=lane)

        def then(index: int, request: Any, answer: frames.Answer, given: Any) -> None:
            self._answered(item, core, index, request, answer)

        item.track = self._ground.begin(core, place, then)
        del self.waiting[at]
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
                ground.vouch(ground.vouchers.noted(relay, evidence))
        if isinstance(answer, frames.Failure) and answer.code in _NEVER:
            item.never.add(index)
        if item.number is not None and (stored or isinstance(answer, frames.Decided)):
            size = len(frames.encode(request))
            minute = ground.time // 60
            ground.tell(SignedFor(item.number, relay, minute, size, seat.epoch, stored))

    def _watch(self, at: object, item: Item) -> None:
        core = None if item.track is None else item.track.core
        if not isinstance(core, Posting):
            return
        if core.stored and not item.stored:
            item.stored, item.until = True, self._ground.now + TAIL
            if item.number is None:
                self._ground.notes.put_entry(item.name, None)
            else:
                self._ground.tell(StoredByQuorum(item.number))
        if core.complete:
            if item.number is not None:
                self._ground.tell(StoredByAll(item.number))
            self._finish(at, item)
        elif item.stored and self._ground.now >= item.until:
            self._finish(at, item)
        elif (
            not item.stored
            and len(item.never) > core.seat.configuration.n - core.seat.configuration.q
        ):
            self._refuse(at, item, "too long")

    def _tails(self) -> None:
        tails = [(at, item) for at, item in self.posting.items() if item.stored]
        for at, item in tails[: max(0, len(tails) - MAX_TAILS)]:
            self._finish(at, item)

    def _finish(self, at: object, item: Item) -> None:
        core = None if item.track is None else item.track.core
        if isinstance(core, Posting) and not core.complete:
            self.left = True
        self._ground.end(item.track)
        self.posting.pop(at, None)
        if item.number is not None:
            self._ground.tell(Finished(item.number))

    def _refuse(self, at: object, item: Item, code: str) -> None:
        self._forget(at, item)
        if item.number is not None:
            self._ground.tell(Refused(item.number, code))

    def _forget(self, at: object, item: Item) -> None:
        self._ground.end(item.track)
        self.waiting.pop(at, None)
        self.posting.pop(at, None)
        if item.number is None:
            self._ground.notes.put_entry(item.name, None)

    def _drop_tip(self) -> None:
        self._ground.end(self._tip)
        self._tip = None
        self._covered = set()
