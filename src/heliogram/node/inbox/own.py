"""Our own inbox on its relays: opened, with our links and key packages, read and emptied.

    inbox = OwnInbox(owner, places)         # what each relay has, as it was written
    inbox.links = {public key: uses}        # what each relay shall have
    inbox.fill(relay, packages)             # when it is time, at a relay that `is_up`
    for event in inbox.events(): …          # write, in the same turn

Each relay is asked one thing at a time, in the order in which they build on each other. What has been done
there is said as an event and given back at the next start, so nothing is done twice and nothing is forgotten.
An item is deleted at its relay in the turn in which its event was written, not before.

Reading does not depend on anybody: a relay tells of new items, and is asked now and then besides. No ask here
follows from what an item says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from heliogram.node.asking import Address, Ask, InboxScope, Scope, Work
from heliogram.node.pace import Pace
from heliogram.wire import frames
from heliogram.wire.errors import ErrorCode
from heliogram.wire.limits import MAX_INBOX_ITEMS, MAX_PACKAGES_PUT
from heliogram.wire.objects import inbox_id
from heliogram.wire.signing import SigningKey

#: Seconds between two readings where no relay told of anything.
READ_AGAIN = 300.0

#: Seconds between two readings in any case, and how many places of items are kept in mind.
READ_PACE, MAX_TAKEN = 1.0, 10_000

#: Seconds until a relay is asked again that has no room for us; or that has lost our inbox, at first and at
#: most.
NO_ROOM = 3600.0
LOST_FIRST, LOST_MOST = 60.0, 86_400.0

#: Seconds in which a filling may be repeated: a relay knows for half an hour what it gave out.
FILL_TIME = 1200.0


@dataclass(slots=True)
class Place:
    """What a relay has of our inbox, as far as it has said so."""

    relay: Address
    opened: bool = False
    #: Whether it has ever been given key packages.
    filled: bool = False
    #: Public keys of the links that it knows.
    links: set[bytes] = field(default_factory=set, repr=False)


# --- What happened --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InboxOpened:
    """A relay has our inbox."""

    relay: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InboxLost:
    """A relay that had our inbox has none any more: all of it is made anew there."""

    relay: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkAdded:
    """A relay knows a link."""

    relay: bytes = field(repr=False)
    link: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkRevoked:
    """A relay has forgotten a link."""

    relay: bytes = field(repr=False)
    link: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """A relay has the key packages of the last `fill`, and none from before."""

    relay: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ItemCame:
    """Somebody left something. The same may come from other relays, too."""

    relay: bytes = field(repr=False)
    link: bytes = field(repr=False)
    data: bytes = field(repr=False)


InboxEvent: TypeAlias = InboxOpened | InboxLost | LinkAdded | LinkRevoked | Filled | ItemCame


@dataclass(slots=True)
class _Filling:
    """Packages on their way to one relay."""

    puts: list[frames.PackagesPut] = field(repr=False)
    begun: float


@dataclass(slots=True)
class _At:
    """One relay: what it has, what is to be done there."""

    place: Place
    pace: Pace = field(default_factory=Pace)
    asked: Ask | None = None
    up: bool = False
    subscribed: bool = False
    unread: bool = True
    read_at: float | None = None
    #: Indices that were taken and are to be deleted, and all that were taken since we connected.
    delete: list[int] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    filling: _Filling | None = None
    losses: int = 0


class OwnInbox:
    """Our inbox, on all relays that have it or shall have it. An `asking.LogSource`."""

    def __init__(self, owner: SigningKey, places: Sequence[Place] = ()) -> None:
        self._owner = owner
        self.id = inbox_id(owner.public)
        self._links: Mapping[bytes, int] = {}
        #: Until when there is nothing to do if nothing happens (monotonic seconds).
        self._quiet = float("-inf")
        self._at: dict[bytes, _At] = {}
        self._events: list[InboxEvent] = []
        for place in places:
            self.add(place)

    def __repr__(self) -> str:
        return f"<OwnInbox at {len(self._at)} relays>"

    @property
    def links(self) -> Mapping[bytes, int]:
        """The links that every relay shall know: public key and uses, 0 for any number."""
        return self._links

    @links.setter
    def links(self, links: Mapping[bytes, int]) -> None:
        if links != self._links:
            self._links = links
            self._stir()

    def _stir(self) -> None:
        """Something has happened: there may be something to do."""
        self._quiet = float("-inf")

    def add(self, place: Place) -> None:
        """Be at this relay too; if we are there already only its address is taken."""
        self._stir()
        known = self._at.get(place.relay.key)
        if known is None:
            self._at[place.relay.key] = _At(place)
        else:
            known.place.relay = place.relay

    def is_up(self, relay: bytes) -> bool:
        """Whether this relay has our inbox and answers."""
        at = self._at.get(relay)
        return at is not None and at.up and at.place.opened

    def is_filling(self, relay: bytes, now: float) -> bool:
        """Whether packages are on their way to this relay. One that took too long is given up here."""
        at = self._at.get(relay)
        if at is None or at.filling is None:
            return False
        if now - at.filling.begun > FILL_TIME and at.asked is None:
            at.filling = None
            self._stir()
        return at.filling is not None

    def fill(self, relay: bytes, packages: Sequence[frames.Package], now: float) -> None:
        """Give a relay these key packages in the place of all that it has of their devices."""
        at = self._at[relay]
        devices = tuple(dict.fromkeys(one.device for one in packages))
        puts = [
            frames.PackagesPut(0, 0, tuple(packages[start : start + MAX_PACKAGES_PUT]))
            for start in range(0, len(packages), MAX_PACKAGES_PUT)
        ]
        puts[0] = frames.PackagesPut(0, 0, puts[0].packages, devices)
        self._stir()
        at.filling = _Filling(puts, now)
        at.pace.anew()

    def renew_links(self, relay: bytes) -> None:
        """Tell this relay again of all links that may be used more than once: it may have lost some."""
        self._stir()
        at = self._at[relay]
        at.place.links -= {link for link, uses in self.links.items() if uses == 0}

    def events(self) -> list[InboxEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # --- Asking -----------------------------------------------------------------------------------

    def asks(self, now: float) -> list[Ask]:
        """What is to be sent now."""
        if now < self._quiet:
            return []
        asks = []
        for at in self._at.values():
            if at.asked is None and at.pace.due(now) and (ask := self._next(at, now)) is not None:
                at.asked = ask
                asks.append(ask)
        self._stir()
        return asks

    def deadline(self, now: float) -> float | None:
        """When `asks` will have something new at the latest, if nothing happens until then."""
        if now < self._quiet:
            return None if self._quiet == float("inf") else self._quiet
        times = [
            max(at.pace.again, now if self._next(at, now) is not None else self._read_again(at))
            for at in self._at.values()
            if at.asked is None
        ]
        self._quiet = min(times, default=float("inf"))
        return min(times, default=None)

    def _next(self, at: _At, now: float) -> Ask | None:
        place = at.place
        if not place.opened:
            return Ask(
                self, place.relay, Work(self.id, True, partial(_open_frame, self._owner.public))
            )
        request = self._request(at, now)
        if request is None:
            return None
        return Ask(self, place.relay, request, InboxScope(self.id, self._owner))

    def _request(self, at: _At, now: float) -> frames.Request | None:
        place = at.place
        if at.filling is not None:
            return at.filling.puts[0]
        # A link that leads to no package yet would only disappoint.
        if place.filled:
            for link, uses in self.links.items():
                if link not in place.links:
                    return frames.LinkAdd(0, 0, link, uses)
        for link in place.links:
            if link not in self.links:
                return frames.LinkRevoke(0, 0, link)
        if not at.subscribed:
            return frames.Subscribe(0, 0, 0, True)
        if at.delete:
            return frames.InboxDelete(0, 0, tuple(at.delete))
        if now >= self._read_again(at):
            return frames.InboxRead(0, 0, 0, MAX_INBOX_ITEMS)
        return None

    @staticmethod
    def _read_again(at: _At) -> float:
        if at.read_at is None:
            return 0.0
        return at.read_at + (READ_PACE if at.unread else READ_AGAIN)

    # --- Answers ----------------------------------------------------------------------------------

    def answered(
        self, ask: Ask, request: frames.Request, answer: frames.Answer, now: float
    ) -> None:
        """The relay's answer."""
        self._stir()
        at = self._at[ask.relay.key]
        at.asked, at.up = None, True
        if isinstance(answer, frames.Failure):
            self._failed(at, answer, now)
            return
        at.pace.anew()
        place, relay = at.place, ask.relay.key
        match request, answer:
            case frames.InboxOpen(), frames.Done():
                place.opened = True
                self._events.append(InboxOpened(relay))
            case frames.PackagesPut(), frames.Done():
                self._put(at, request)
            case frames.LinkAdd(), frames.Done():
                place.links.add(request.link)
                self._events.append(LinkAdded(relay, request.link))
            case frames.LinkRevoke(), frames.Done():
                place.links.discard(request.link)
                self._events.append(LinkRevoked(relay, request.link))
            case frames.Subscribe(), frames.Subscribed():
                at.subscribed = at.unread = True
            case frames.InboxDelete(), frames.Done():
                gone = set(request.indices)
                at.delete = [one for one in at.delete if one not in gone]
            case frames.InboxRead(), frames.InboxItems():
                self._read(at, answer, now)
            case _:
                # It answers another question: as good as no answer.
                at.pace.failed(now)

    def _put(self, at: _At, request: frames.PackagesPut) -> None:
        if at.filling is None or (at.filling.puts[0] is not request and not _same(at, request)):
            return
        del at.filling.puts[0]
        if not at.filling.puts:
            at.filling = None
            at.place.filled = True
            self._events.append(Filled(at.place.relay.key))

    def _read(self, at: _At, answer: frames.InboxItems, now: float) -> None:
        at.read_at = now
        if len(at.taken) > MAX_TAKEN:
            at.taken.clear()
        new = [item for item in answer.items if item.index not in at.taken]
        for item in new:
            at.taken.add(item.index)
            at.delete.append(item.index)
            self._events.append(ItemCame(at.place.relay.key, item.link, item.data))
        # There may be more behind a full page; what is deleted by then does not come again.
        at.unread = bool(new) and answer.next < answer.end

    def _failed(self, at: _At, answer: frames.Failure, now: float) -> None:
        at.pace.asked(now)
        if answer.code == ErrorCode.NOT_AUTHORISED and at.place.opened:
            relay = at.place.relay
            at.place = Place(relay)
            at.pace.again = now + min(LOST_MOST, LOST_FIRST * 2.0 ** min(at.losses, 16))
            at.losses += 1
            at.filling, at.subscribed, at.unread = None, False, True
            at.delete, at.taken = [], set()
            self._events.append(InboxLost(relay.key))
        elif answer.code == ErrorCode.FULL:
            at.pace.again = now + NO_ROOM

    def lost(self, ask: Ask, now: float) -> None:
        """There is no answer."""
        self._stir()
        at = self._at[ask.relay.key]
        at.asked, at.up = None, False
        at.pace.failed(now)
        at.pace.tries += 1

    # --- Listening --------------------------------------------------------------------------------

    def opened(self, relay: bytes, scope: Scope, answer: frames.Authorised, now: float) -> None:
        """Our channel at a relay is open: what was subscribed on another one is over."""
        self._stir()
        if (at := self._at.get(relay)) is not None:
            at.subscribed = False

    def pushed(self, relay: bytes, push: frames.Push, now: float) -> None:
        """A relay says that there is something new."""
        self._stir()
        at = self._at.get(relay)
        if at is not None and isinstance(push, frames.CatchUp) and push.instance == self.id:
            at.unread = True
            if at.pace.tries == 0:
                at.pace.anew()

    def parted(self, relay: bytes, now: float) -> None:
        """The connection is over."""
        self._stir()
        if (at := self._at.get(relay)) is not None:
            at.subscribed = at.up = False
            at.taken.clear()


def _same(at: _At, request: frames.PackagesPut) -> bool:
    """Whether a request is the put that is under way; it got its id since."""
    if at.filling is None:
        return False
    first = at.filling.puts[0]
    return (first.packages, first.clear) == (request.packages, request.clear)


def _open_frame(owner: bytes, proof: bytes) -> frames.Request:
    return frames.InboxOpen(0, owner, proof)
