"""People: who we are, whom we know, who wants to know us. A part of the engine, beside `talks`.

What waits at relays is in `node/inbox`, what is written in `store/people.py`. Here both meet commands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from heliogram import mls
from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.components import Role
from heliogram.node.engine.accepting import Accepting
from heliogram.node.engine.account import Me, load_account
from heliogram.node.engine.cards import Cards
from heliogram.node.engine.contact_links import ContactLinks
from heliogram.node.engine.contacts import Contacts
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.first_contact import FirstContact, Hooks
from heliogram.node.engine.introducing import Introductions
from heliogram.node.engine.link_list import LinkList
from heliogram.node.engine.mailbox import Mailbox
from heliogram.node.engine.names import Names
from heliogram.node.engine.pool import Pool
from heliogram.node.engine.requests import Requests
from heliogram.node.engine.sides import Talks
from heliogram.node.errors import (
    NotFound,
    NotNow,
)
from heliogram.node.events import InvitationDue
from heliogram.node.identity.links import ContactLink
from heliogram.node.membership import Device
from heliogram.node.store.people import PeopleTables
from heliogram.node.value import WelcomeBlob
from heliogram.wire.objects import RelayDescription

#: Seconds between looks whether a conversation has ended that an invitation goes on from.
LOOK = 15.0


class People:
    """Everybody. Made once there is an account: `account.create_account`. A `Part`, and a `PeopleSide`."""

    def __init__(self, context: Context) -> None:
        """Raises `NotNow` before there is an account. Give it `talks` before the first turn."""
        me = load_account(context.store)
        if me is None:
            raise NotNow
        self._context = context
        context.account = me.id
        self._me: Me = me
        self._tables = PeopleTables(context.store)
        self._names = Names(context.store, self._tables, me)
        self._links = ContactLinks(context, self._tables, me)
        self._pool = Pool(context, self._tables, me)
        self._requests = Requests(context, self._tables, me, self._pool, self._names)
        self._cards = Cards(context, self._tables, me, self._links, self._names)
        self._introductions = Introductions(context, self._tables, me, self._names, self._cards)
        self._mailbox = Mailbox(context, self._tables, me, self._links, self._pool, self._requests)
        self._contacts = Contacts(
            *(context, self._tables, me, self._names, self._links, self._requests, self._cards)
        )
        self._accepting = Accepting(self._tables, self._requests, self._cards, self._contacts)
        self._contacts.enter = self._accepting.enter
        self._look_again = float("-inf")
        self._talks: Talks | None = None
        self._contacting: FirstContact | None = None

    def connect(self, talks: Talks) -> None:
        """Meet the other part of the engine."""
        self._talks = talks
        hooks = Hooks(
            self._me.device.suite,
            self._cards.revoked,
            self._cards.invitation,
            self._contacts.moved,
            self._foreign,
            self._names.person,
        )
        self._contacting = FirstContact(self._context, self._tables, talks, hooks)
        self._contacts.talks = self._accepting.talks = talks
        self._contacts.contacting = self._contacting
        self._cards.devices_changed = talks.devices_changed
        self._requests.grounds = talks.ground
        self._requests.follow = self._accepting.follow

    @property
    def talks(self) -> Talks:
        """The other part of the engine. Raises `NotNow` before `connect`."""
        if self._talks is None:
            raise NotNow
        return self._talks

    @property
    def contacting(self) -> FirstContact:
        """What has been begun to reach others. Raises `NotNow` before `connect`."""
        if self._contacting is None:
            raise NotNow
        return self._contacting

    @property
    def me(self) -> Me:
        """Who we are."""
        return self._me

    @property
    def ready_packages(self) -> int:
        """One-time key packages that lie ready for strangers, as far as we know."""
        return self._tables.ready_packages()

    # --- A part of the engine ---------------------------------------------------------------------

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """What is done here for which command."""
        return {
            **self._contacts.handlers,
            **LinkList(self._tables, self._names, self._links, self._contacts).handlers,
            **self._accepting.handlers,
            **self._introductions.handlers,
        }

    def settle(self) -> None:
        """Do what follows from all that came in this turn."""
        self.contacting.settle()
        self._mailbox.settle()
        if self._context.now >= self._look_again:
            self._look_again = self._context.now + LOOK
            self._requests.follow_heirs()

    def asks(self) -> list[tuple[bytes, Ask]]:
        """What is to be sent, each with its circuit."""
        return self._mailbox.asks() + self.contacting.asks()

    def deadline(self) -> float | None:
        """When the next turn must be at the latest."""
        heirs = self._look_again if self._requests.heirs else None
        times = (self._mailbox.deadline(), self.contacting.deadline(), heirs)
        return min((at for at in times if at is not None), default=None)

    # --- For the rest of the node -----------------------------------------------------------------

    def contact(self, account: bytes) -> api.Contact:
        """A contact, as shown. Raises `NotFound`."""
        return self._contacts.contact(account)

    def welcome_of(self, request: str) -> tuple[WelcomeBlob, tuple[RelayDescription, ...]] | None:
        """The blob to fetch before a request is accepted, and where it lies; None if there is none.

        Raises as `AcceptRequest` does. What it holds is the `extra` of that command.
        """
        return self._accepting.welcome_of(request)

    def _foreign(self, relay: bytes, account: bytes) -> None:
        """A relay gave key packages that are not of the account of the link."""
        self._context.store.execute(
            "INSERT OR IGNORE INTO faults (relay, fault, proof, time) VALUES (?, ?, NULL, ?)",
            (relay, "foreign packages", int(self._context.time)),
        )
        self._context.tell(api.Warned("foreign packages", who=self.person(account)))

    # --- What talks call --------------------------------------------------------------------------

    def invitation_due(self, conversation: int, due: InvitationDue) -> None:
        """A decision that adds people is stable."""
        if not due.own:
            return
        links = {}
        for account in due.accounts:
            contact = self._tables.contact(account)
            if contact is not None and contact.link is not None and not contact.blocked:
                links[account] = ContactLink.from_bytes(contact.link)
        self.contacting.due(conversation, due, links)

    def not_added(self, conversation: int, accounts: frozenset[bytes], code: str) -> None:
        """A wish to add these has failed for good."""
        self.contacting.not_added(conversation, accounts, code)

    def went_on(self, old: int, new: int) -> None:
        """A conversation goes on in another one."""
        self._contacts.went_on(old, new)

    def begun_elsewhere(self, old: int, new: int) -> None:
        """A conversation that was never open was begun anew."""
        self.contacting.begun_elsewhere(old, new)

    def card_received(self, account: bytes, content: bytes) -> None:
        """Somebody said who they are."""
        self._contacts.card_received(account, content)

    def packages_for(self, welcome: bytes | None) -> Sequence[mls.OwnKeyPackage]:
        """Those of our key packages that a Welcome names."""
        return self._requests.packages(welcome)

    def package(self, reference: bytes) -> mls.OwnKeyPackage | None:
        """The one with this reference."""
        return self._pool.package(reference)

    def used(self, reference: bytes) -> None:
        """A key package was used."""
        self._tables.remove_package(reference)

    def fresh_package(self) -> mls.OwnKeyPackage:
        """A new one that no relay has."""
        return self._pool.fresh()

    def device(self) -> Device:
        """Who we are in MLS."""
        return self._me.device

    def person(self, account: bytes) -> api.Person:
        """An account, as shown."""
        return self._names.person(account)

    def resolve(self, text: str) -> bytes:
        """The account that is meant."""
        return self._names.resolve(text)

    def revoked(self, account: bytes) -> Collection[bytes]:
        """Ids of devices that an account has revoked."""
        return self._cards.revoked(account)

    def said(self, conversation: int) -> None:
        """Something is said in a conversation: a new name of ours goes along."""
        self._introductions.due(conversation, self.talks.say_profile)

    def is_blocked(self, account: bytes) -> bool:
        """Whether nothing of theirs is shown in direct conversations."""
        return self._contacts.is_blocked(account)

    def want_members(
        self, conversation: int, accounts: Sequence[bytes], role: Role, command: str
    ) -> None:
        """Reach each of these contacts, and then have them added."""
        links = []
        for account in accounts:
            contact = self._tables.contact(account)
            if contact is None or contact.link is None or contact.blocked:
                raise NotFound("contact")
            links.append(ContactLink.from_bytes(contact.link))
        for link in links:
            self.contacting.begin(link, conversation=conversation, role=role, command=command)
