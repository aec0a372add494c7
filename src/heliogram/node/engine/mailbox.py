"""Our own inbox: where it shall be, what relays have of it, what lies in it."""

from __future__ import annotations

from hashlib import sha256

from heliogram.codec import decode_all
from heliogram.node.asking import Address, Ask
from heliogram.node.engine.account import Me
from heliogram.node.engine.contact_links import ContactLinks
from heliogram.node.engine.context import Context
from heliogram.node.engine.pool import Pool
from heliogram.node.engine.requests import Requests
from heliogram.node.identity.links import InboxRelay
from heliogram.node.inbox.own import (
    Filled,
    InboxLost,
    InboxOpened,
    ItemCame,
    LinkAdded,
    LinkRevoked,
    OwnInbox,
    Place,
)
from heliogram.node.store.people import PeopleTables

#: The circuit of our own inbox.
CIRCUIT = sha256(b"inbox").digest()


class Mailbox:
    """Our inbox in the store and at relays."""

    def __init__(
        self,
        context: Context,
        tables: PeopleTables,
        me: Me,
        links: ContactLinks,
        pool: Pool,
        requests: Requests,
    ) -> None:
        self._context = context
        self._tables = tables
        self._links = links
        self._pool = pool
        self._requests = requests
        self._places: dict[bytes, InboxRelay] = {}
        self._more = False
        places = []
        for relay, encoded, opened, filled, known in tables.places():
            found = self._places[relay] = decode_all(InboxRelay.decode, encoded)
            if filled is not None:
                pool.filled[relay] = filled
            address = Address(found.key, found.endpoints)
            places.append(Place(address, opened, filled is not None, known))
        self._inbox = OwnInbox(me.inbox, places)

    def settle(self) -> None:
        """Write what relays said, in the order in which they said it; then see to what they shall have."""
        tables = self._tables
        for event in self._inbox.events():
            match event:
                case InboxOpened():
                    tables.set_opened(event.relay)
                case InboxLost():
                    tables.set_lost(event.relay)
                    self._pool.filled.pop(event.relay, None)
                case LinkAdded():
                    tables.add_link_place(event.relay, event.link)
                case LinkRevoked():
                    tables.remove_link_place(event.relay, event.link)
                case Filled():
                    self._pool.done(event.relay)
                    self._end_used_links()
                case ItemCame():
                    self._requests.came(self._inbox.id, event.link, event.data)
        for relay in self._links.relays():
            if self._places.get(relay.key) != relay:
                self._places[relay.key] = relay
                tables.save_place(relay.key, relay.encode())
                self._inbox.add(Place(Address(relay.key, relay.endpoints)))
        self._inbox.links = self._links.wanted()
        self._more = self._pool.settle(self._inbox, list(self._places))

    def _end_used_links(self) -> None:
        """One-time links that somebody came by end when relays hear of us anyway."""
        for row in self._tables.links():
            if row.state == "used":
                self._tables.set_link_state(row.number, "gone")
        self._tables.forget_gone_links()
        self._requests.forget_old()

    def asks(self) -> list[tuple[bytes, Ask]]:
        """What is to be sent, with its circuit."""
        return [(CIRCUIT, ask) for ask in self._inbox.asks(self._context.now)]

    def deadline(self) -> float:
        """When the next turn must be at the latest."""
        now = self._context.now
        if self._more:
            return now
        times = [self._pool.due_in() + now]
        if (at := self._inbox.deadline(now)) is not None:
            times.append(at)
        return min(times)
