"""Cards: what we say of ourselves to others, and what they say of themselves to us.

Each contact is given a link of their own, so each can reach us later, and be shut out alone. Lists of devices
only move forward: an older one, or one that contradicts what we know, is refused and told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from heliogram.node import api
from heliogram.node.engine.account import Me
from heliogram.node.engine.contact_links import ContactLinks
from heliogram.node.engine.context import Context
from heliogram.node.engine.names import Names
from heliogram.node.errors import InvalidIdentity
from heliogram.node.identity.devices import DeviceList, newer_list
from heliogram.node.identity.names import clean
from heliogram.node.inbox.card import MAX_CARD, Card
from heliogram.node.store.people import ContactRow, PeopleTables


class Cards:
    """Our cards, and those of others."""

    def __init__(
        self, context: Context, tables: PeopleTables, me: Me, links: ContactLinks, names: Names
    ) -> None:
        self._context = context
        self._tables = tables
        self._me = me
        self._links = links
        self._names = names
        #: Called with an account whose list of devices is newer than the one we knew.
        self.devices_changed: Callable[[bytes], None] = lambda account: None

    # --- Ours -------------------------------------------------------------------------------------

    def group(self) -> bytes:
        """The card for a group: no link, for it would be everybody's."""
        return self._card("group").encode()

    def direct(self, contact: ContactRow) -> bytes:
        """The card for a contact; the link in it is written in `contact`, which is to be saved."""
        return replace(self._card("direct"), link=self._links.for_contact(contact)).encode()

    def invitation(self, account: bytes, conversation: int) -> bytes:
        """The card of an invitation into a conversation."""
        row = self._context.store.one(
            "SELECT kind, name FROM conversations WHERE number = ?", (conversation,)
        )
        counted = self._context.store.one(
            "SELECT count(*) FROM members WHERE conversation = ?", (conversation,)
        )
        group = row is not None and row[0] == "group"
        card = replace(
            self._card("group" if group else "direct"),
            title=row[1] if row is not None and group else "",
            members=0 if counted is None else int(counted[0]),
            certificate=self._me.certificate,
        )
        contact = self._tables.contact(account)
        if contact is not None and not group:
            card = replace(card, link=self._links.for_contact(contact))
            self._tables.save_contact(contact)
        return card.for_invitation()

    def _card(self, kind: str) -> Card:
        return Card(self._me.name, kind, devices=self._me.devices)

    # --- Those of others --------------------------------------------------------------------------

    def take(self, account: bytes, content: bytes) -> Card | None:
        """Keep what somebody says: name, devices, the link that leads to them. None if it is no card."""
        if account == self._me.id or len(content) > MAX_CARD:
            return None
        try:
            card = Card.from_bytes(content)
        except InvalidIdentity:
            return None
        if (name := clean(card.name)) and name != self._tables.name(account):
            self._tables.save_name(account, name)
            self._names.changed()
        if card.devices is not None:
            self._keep_list(account, card.devices)
        contact = self._tables.contact(account)
        link = card.link
        if contact is not None and link is not None and link.account == account:
            contact.link = link.encode()
            self._tables.save_contact(contact)
        return card

    def _keep_list(self, account: bytes, offered: DeviceList) -> None:
        known = self.devices(account)
        try:
            kept = newer_list(account, known, offered)
        except InvalidIdentity as error:
            self._context.tell(api.Warned(error.code, who=self._names.person(account)))
            return
        if kept is not known:
            self._tables.save_devices(account, kept.encode())
            self.devices_changed(account)

    def devices(self, account: bytes) -> DeviceList | None:
        """The newest list of devices of somebody; None if none came."""
        encoded = self._tables.devices(account)
        return None if encoded is None else DeviceList.from_bytes(encoded)

    def revoked(self, account: bytes) -> frozenset[bytes]:
        """Ids of devices that an account, perhaps our own, has revoked."""
        if account == self._me.id:
            return frozenset(self._me.devices.revoked)
        found: frozenset[bytes] | None = self._tables.revoked.get(account)
        if found is None:
            known = self.devices(account)
            revoked = frozenset() if known is None else frozenset(known.revoked)
            found = self._tables.revoked.keep(account, revoked)
        return found
