"""Links that lead to us: to be given around, and one for each contact.

An inbox has room for `MAX_LINKS` links. Of these, `MAX_PUBLIC` are for giving around. Each contact gets one
of the others for themselves as long as there are any, so blocking somebody takes nothing from anybody else.
After that, a new contact shares the link that the fewest others have. When a shared link is taken away
because one of them was blocked, the others are given another one.
"""

from __future__ import annotations

from functools import lru_cache

from heliogram.node.engine.account import Me
from heliogram.node.engine.context import Context
from heliogram.node.errors import NoRelays, NotAllowed
from heliogram.node.identity.links import MAX_RELAYS, SECRET_SIZE, ContactLink, InboxRelay
from heliogram.node.identity.names import clean
from heliogram.node.signing import Label, labelled_hash
from heliogram.node.store.people import ContactRow, LinkRow, PeopleTables
from heliogram.wire.limits import MAX_LINKS
from heliogram.wire.objects import RelayDescription, inbox_id
from heliogram.wire.signing import SigningKey

#: Links to be given around, and links for contacts.
MAX_PUBLIC = 16
MAX_PERSONAL = MAX_LINKS - MAX_PUBLIC

#: Bytes of a name in a link.
_NAME = 128


class ContactLinks:
    """Our links, as they shall be. What relays know of them, `OwnInbox` sees to."""

    def __init__(self, context: Context, tables: PeopleTables, me: Me) -> None:
        self._context = context
        self._tables = tables
        self._me = me
        self.inbox = inbox_id(me.inbox.public)
        #: See `store.logs`: it is asked for in each turn.
        self._relays = context.store.memo("relays")

    def relays(self) -> list[InboxRelay]:
        """The relays that our inbox is on: those of our list, at most `MAX_RELAYS`."""
        known: list[InboxRelay] | None = self._relays.get("inbox")
        if known is None:
            rows = self._context.store.query(
                "SELECT description FROM relays ORDER BY added, key LIMIT ?", (MAX_RELAYS,)
            )
            known = self._relays.keep("inbox", [_inbox_relay(row[0]) for row in rows])
        return known

    def wanted(self) -> dict[bytes, int]:
        """The links that relays shall know, and how often each may be used; 0 for any number."""
        return {one.public: int(one.one_time) for one in self._tables.links()}

    def link(self, row: LinkRow) -> ContactLink:
        """A link of ours as it is given away. Raises `NoRelays`."""
        relays = self.relays()
        if not relays:
            raise NoRelays
        name = row.name or self._me.name
        return ContactLink(
            self._me.id, self.inbox, row.secret, tuple(relays), row.one_time, _cut(name)
        )

    def new(self, *, one_time: bool, name: str) -> LinkRow:
        """A link to be given around. Raises `NoRelays`, and `NotAllowed` if there are too many."""
        if not self.relays():
            raise NoRelays
        if sum(not one.personal for one in self._tables.links()) >= MAX_PUBLIC:
            raise NotAllowed("there are too many links: revoke one")
        return self._add(one_time=one_time, name=clean(name))

    def for_contact(self, contact: ContactRow) -> ContactLink | None:
        """The link for this contact; made or chosen if they have none, and then written in `contact`.

        None if there is no relay.
        """
        if contact.blocked or not self.relays():
            return None
        row = None if contact.given is None else self._tables.link(contact.given)
        if row is None or row.state == "gone":
            row = self._choose(contact.account)
            contact.given = row.number
        return self.link(row)

    def _choose(self, account: bytes) -> LinkRow:
        personal = [one for one in self._tables.links() if one.personal]
        if len(personal) < MAX_PERSONAL:
            return self._add(personal=True, account=account)
        return min(personal, key=lambda one: (len(self._tables.given_to(one.number)), one.number))

    def _add(
        self,
        *,
        one_time: bool = False,
        personal: bool = False,
        name: str = "",
        account: bytes | None = None,
    ) -> LinkRow:
        secret = self._context.entropy(SECRET_SIZE)
        public = SigningKey(labelled_hash(Label.LINK_KEY, secret)).public
        return self._tables.add_link(
            secret,
            public,
            one_time=one_time,
            personal=personal,
            name=name,
            account=account,
            created=int(self._context.time),
        )

    def revoke(self, row: LinkRow) -> list[bytes]:
        """Let a link lead nowhere. Gives the contacts who had it: they need another one."""
        self._tables.set_link_state(row.number, "gone")
        left = self._tables.given_to(row.number)
        for account in left:
            contact = self._tables.contact(account)
            if contact is not None:
                contact.given = None
                self._tables.save_contact(contact)
        return left


@lru_cache(maxsize=64)
def _inbox_relay(encoded: bytes) -> InboxRelay:
    one = RelayDescription.from_bytes(encoded)
    # One address each: a link shall fit into a code to scan.
    return InboxRelay(one.key, one.endpoints[:1])


def _cut(name: str) -> str:
    return name.encode()[:_NAME].decode("utf-8", "ignore")
