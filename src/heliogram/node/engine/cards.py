"""Cards: what we say of ourselves to others, and what they say of themselves to us.

Each contact is given a link of their own, so each can reach us later, and be shut out alone. Names, links
and lists of devices only move forward: a card that comes late, or once more, puts nothing old back. A new
card with an older list of devices, or a list that contradicts what we know, is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from heliogram.node import api
from heliogram.node.engine.account import Me, set_name, set_said
from heliogram.node.engine.contact_links import ContactLinks
from heliogram.node.engine.context import Context
from heliogram.node.engine.names import Names
from heliogram.node.errors import IdentityFault, InvalidIdentity
from heliogram.node.identity.devices import DeviceList, newer_list
from heliogram.node.identity.names import clean
from heliogram.node.inbox.card import MAX_CARD, Card, is_newer, next_time
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
        me = self._me
        me.said = next_time(me.said, self._now)
        set_said(self._context.store, me.said)
        return Card(me.name, kind, devices=me.devices, named=me.named, said=me.said)

    @property
    def _now(self) -> int:
        return int(self._context.time)

    # --- Those of others --------------------------------------------------------------------------

    def take(self, account: bytes, content: bytes) -> Card | None:
        """Keep what somebody says, if it is newer: name, devices, the link that leads to them.

        Of another device of ours it is the name alone. None if it is no card of somebody else.
        """
        if len(content) > MAX_CARD:
            return None
        try:
            card = Card.from_bytes(content)
        except InvalidIdentity:
            return None
        if account == self._me.id:
            self._go_on(card)
            return None
        self._keep_name(account, card)
        if card.devices is not None:
            self._keep_list(account, card.devices, card.said)
        self._keep_link(account, card)
        return card

    def _keep_name(self, account: bytes, card: Card) -> None:
        """Keep how somebody calls themselves. A card without a name says nothing of it."""
        name = clean(card.name)
        known = self._tables.named(account), self._tables.name(account).encode()
        if name and is_newer((card.named, name.encode()), known, self._now):
            self._tables.save_name(account, name, card.named)
            self._names.changed()

    def _keep_link(self, account: bytes, card: Card) -> None:
        contact, link = self._tables.contact(account), card.link
        if contact is None or link is None or link.account != account:
            return
        encoded, known = link.encode(), (contact.linked, contact.link or b"")
        if is_newer((card.said, encoded), known, self._now):
            contact.link, contact.linked = encoded, card.said
            self._tables.save_contact(contact)

    def _keep_list(self, account: bytes, offered: DeviceList, said: int) -> None:
        known, listed = self.devices(account), self._tables.listed(account)
        late = is_newer((listed, b""), (said, b""), self._now)
        try:
            kept = newer_list(account, known, offered)
        except InvalidIdentity as error:
            # An old card has an old list: nobody wants to bring anything back by it.
            if not (late and error.fault is IdentityFault.ROLLED_BACK):
                self._context.tell(api.Warned(error.code, who=self._names.person(account)))
            return
        if kept is not known or not late:
            self._tables.save_devices(account, kept.encode(), said)
        if kept is not known:
            self.devices_changed(account)

    def _go_on(self, card: Card) -> None:
        """Another device of ours said who we are: its name is ours if it is newer. What we say, is later."""
        me, name = self._me, clean(card.name)
        offered, known = (card.named, name.encode()), (me.named, me.name.encode())
        if name and is_newer(offered, known, self._now):
            set_name(self._context.store, name, card.named)
            me.rename(name, card.named)
            self._names.changed()
        if is_newer((card.said, b""), (me.said, b""), self._now):
            me.said = card.said
            set_said(self._context.store, me.said)

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
