"""People: who we are, whom we know, who wants to know us. A part of the engine, beside `talks`.

What waits at relays is in `node/inbox`, what is written in `store/people.py`. Here both meet commands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from heliogram import mls
from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.components import Role
from heliogram.node.engine.account import Me, load_account
from heliogram.node.engine.cards import Cards
from heliogram.node.engine.contact_links import ContactLinks
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.first_contact import FirstContact, Hooks
from heliogram.node.engine.introducing import Introductions
from heliogram.node.engine.mailbox import Mailbox
from heliogram.node.engine.names import Names
from heliogram.node.engine.pool import Pool
from heliogram.node.engine.requests import ACCEPTED, DECLINED, Requests
from heliogram.node.engine.sides import Talks
from heliogram.node.errors import (
    Ambiguous,
    CodesDiffer,
    InvalidInvitation,
    NodeError,
    NotAllowed,
    NotFound,
    NotNow,
)
from heliogram.node.events import InvitationDue
from heliogram.node.identity.links import ContactLink
from heliogram.node.identity.names import clean
from heliogram.node.identity.safety import SafetyCode, safety_code
from heliogram.node.invitation import Invitation
from heliogram.node.membership import Device
from heliogram.node.store.people import ContactRow, LinkRow, PeopleTables, RequestRow
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
            self._moved,
            self._foreign,
        )
        self._contacting = FirstContact(self._context, self._tables, talks, hooks)
        self._cards.devices_changed = talks.devices_changed
        self._requests.grounds = talks.ground
        self._requests.follow = self._follow

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
            api.NewLink: self._new_link,
            api.GetLinks: self._get_links,
            api.RevokeLink: self._revoke_link,
            api.AddContact: self._add_contact,
            api.GetContacts: self._get_contacts,
            api.GetSafetyCode: self._get_safety_code,
            api.VerifyContact: self._verify,
            api.RenameContact: self._rename,
            api.BlockContact: self._block,
            api.GetRequests: self._get_requests,
            api.AcceptRequest: self._accept,
            api.DeclineRequest: self._decline,
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

    # --- Links ------------------------------------------------------------------------------------

    def _new_link(self, command: api.NewLink, _: object) -> api.ContactLink:
        row = self._links.new(one_time=command.one_time, name=command.name)
        return self._shown_link(row)

    def _get_links(self, _: api.GetLinks, __: object) -> list[api.ContactLink]:
        # Without relays no link leads anywhere.
        rows = self._tables.links() if self._links.relays() else []
        return [self._shown_link(row) for row in rows]

    def _revoke_link(self, command: api.RevokeLink, _: object) -> api.Done:
        self._give_anew(self._links.revoke(self._find_link(command.link)))
        return api.Done()

    def _find_link(self, text: str) -> LinkRow:
        digits, rows = text.strip().lower(), self._tables.links()
        found = [row for row in rows if digits and row.public.hex().startswith(digits)]
        found = found or [row for row in rows if row.name and row.name == clean(text)]
        if len(found) > 1:
            raise Ambiguous("link")
        if not found:
            raise NotFound("link")
        return found[0]

    def _shown_link(self, row: LinkRow) -> api.ContactLink:
        link = self._links.link(row)
        return api.ContactLink(
            id=row.public.hex(),
            uri=link.to_text(),
            scan=link.to_scan(),
            one_time=row.one_time,
            name=row.name,
            created=row.created,
            person=None if row.account is None else self.person(row.account),
        )

    def _give_anew(self, accounts: Sequence[bytes]) -> None:
        """Give contacts another link in the place of one that is gone."""
        for account in accounts:
            contact = self._tables.contact(account)
            if contact is not None and not contact.blocked:
                self._introduce(contact)

    # --- Contacts ---------------------------------------------------------------------------------

    def _add_contact(self, command: api.AddContact, _: object) -> api.Contact:
        link = ContactLink.from_text(command.link)
        account = link.account
        if account == self._me.id:
            raise NotAllowed("this link leads to you")
        if self.is_blocked(account):
            raise NotAllowed("they are blocked")
        request = self._requests.direct_from(account)
        if request is not None and self.welcome_of(request) is None:
            # They were first: going in is what is wanted, if it still leads somewhere.
            try:
                self._accept(api.AcceptRequest(request), None)
            except InvalidInvitation:
                self._requests.end(self._requests.find(request), DECLINED)
        contact = self._tables.contact(account)
        begun = contact is not None and self._is_begun(contact)
        if contact is None:
            contact = ContactRow(account, "", int(self._context.time), "adding")
        if name := clean(command.name):
            contact.name = name
        if not self._tables.name(account):
            self._tables.save_name(account, link.shown_name)
        again = None
        if not begun:
            again = self._left_over(contact)
            contact.state, contact.trouble = "adding", ""
            contact.conversation, contact.link = again, link.encode()
        elif contact.link is None:
            contact.link = link.encode()
        self._save(contact)
        if not begun:
            self.contacting.begin(link, conversation=again, role=Role.OWNER)
        return self._shown(contact)

    def _left_over(self, contact: ContactRow) -> int | None:
        """The conversation of a first contact that failed, if somebody can still be added to it.

        If they were added and their invitation never lay anywhere, nobody will ever come: it is given up.
        """
        number = contact.conversation
        if contact.state != "failed" or number is None:
            return None
        if self._tables.phase(number) not in ("opening", "open"):
            return None
        row = self._context.store.one(
            "SELECT count(*) FROM members WHERE conversation = ?", (number,)
        )
        if row is not None and row[0] <= 1:
            return number
        self.talks.abandon(number)
        return None

    def _is_begun(self, contact: ContactRow) -> bool:
        """Whether we are in touch, or about to be. A conversation that has ended is none."""
        if contact.state == "failed":
            return False
        phase = None if contact.conversation is None else self._tables.phase(contact.conversation)
        return contact.state == "adding" or phase not in (None, "out", "dead")

    def contact(self, account: bytes) -> api.Contact:
        """A contact, as shown. Raises `NotFound`."""
        contact = self._tables.contact(account)
        if contact is None:
            raise NotFound("contact")
        return self._shown(contact)

    def _get_contacts(self, _: api.GetContacts, __: object) -> list[api.Contact]:
        shown = [self._shown(row) for row in self._tables.contacts()]
        return sorted(shown, key=lambda one: (one.who.name.casefold(), one.who.account))

    def _get_safety_code(self, command: api.GetSafetyCode, _: object) -> api.SafetyCode:
        account = self.resolve(command.contact)
        code = safety_code(self._me.id, account)
        return api.SafetyCode(self.person(account), code.digits(), code.words(), code.to_scan())

    def _verify(self, command: api.VerifyContact, _: object) -> api.Contact:
        contact = self._known(self.resolve(command.contact))
        if command.code and not _is_code(safety_code(self._me.id, contact.account), command.code):
            raise CodesDiffer
        contact.verified = command.verified
        self._save(contact)
        return self._shown(contact)

    def _rename(self, command: api.RenameContact, _: object) -> api.Contact:
        contact = self._known(self.resolve(command.contact))
        contact.name = clean(command.name)
        self._save(contact)
        return self._shown(contact)

    def _block(self, command: api.BlockContact, _: object) -> api.Contact:
        contact = self._set_blocked(self.resolve(command.contact), command.blocked)
        return self._shown(contact)

    def _set_blocked(self, account: bytes, blocked: bool) -> ContactRow:
        contact = self._known(account)
        changed, contact.blocked = contact.blocked != blocked, blocked
        given = contact.given
        if blocked:
            contact.given = None
            if contact.state == "adding":
                contact.state, contact.trouble = "failed", "blocked"
        self._save(contact)
        if blocked and changed:
            row = None if given is None else self._tables.link(given)
            if row is not None and row.state != "gone":
                self._give_anew(self._links.revoke(row))
            self._requests.drop_all(account)
            self.contacting.cancel(account)
        elif changed:
            self._introduce(contact)
        return contact

    def _known(self, account: bytes) -> ContactRow:
        """A contact. Whoever we know otherwise, from a group, becomes one. Raises `NotAllowed` for us."""
        if account == self._me.id:
            raise NotAllowed("this is you")
        contact = self._tables.contact(account)
        return contact or ContactRow(account, "", int(self._context.time), "known")

    def _save(self, contact: ContactRow) -> None:
        """Write a contact and tell faces."""
        self._tables.save_contact(contact)
        self._names.changed()
        self._context.tell(api.ContactChanged(self._shown(contact)))

    def _shown(self, contact: ContactRow) -> api.Contact:
        number = contact.conversation
        chat = None if number is None else self._tables.conversation_id(number)
        return api.Contact(
            who=self.person(contact.account),
            blocked=contact.blocked,
            chat=None if chat is None else chat.hex(),
            state=contact.state,
            trouble=contact.trouble,
        )

    # --- Requests ---------------------------------------------------------------------------------

    def _get_requests(self, _: api.GetRequests, __: object) -> list[api.Request]:
        return [self._requests.shown(row) for row in self._requests.waiting()]

    def welcome_of(self, request: str) -> tuple[WelcomeBlob, tuple[RelayDescription, ...]] | None:
        """The blob to fetch before a request is accepted, and where it lies; None if there is none.

        Raises as `AcceptRequest` does. What it holds is the `extra` of that command.
        """
        invitation = Invitation.from_bytes(self._requests.find(request).item)
        if isinstance(invitation.welcome, WelcomeBlob):
            return invitation.welcome, invitation.seat.configuration.relays
        return None

    def _accept(self, command: api.AcceptRequest, extra: object) -> api.Chat:
        """`extra` is the Welcome, if it lay in a blob."""
        row = self._requests.find(command.request)
        invitation = Invitation.from_bytes(row.item)
        direct = row.kind == "direct"
        inline, fetched = invitation.welcome, extra if isinstance(extra, bytes) else None
        packages = self.packages_for(inline if isinstance(inline, bytes) else fetched)
        if fetched is not None and not isinstance(inline, bytes):
            self._requests.check(row, invitation, fetched)
        conversation = self.talks.join(
            invitation,
            kind=row.kind,
            peer=row.account if direct else None,
            name=row.name,
            welcome=fetched,
        )
        # At once: another request in this turn may be for the same one.
        for package in packages:
            self.used(package.reference)
        self._requests.end(row, ACCEPTED)
        contact = self._known(row.account)
        if direct:
            contact.state, contact.trouble, contact.conversation = "known", "", conversation
        self._tables.save_contact(contact)
        self._cards.take(row.account, invitation.profile)
        contact = self._known(row.account)
        if direct:
            self._introduce(contact)
        else:
            self._save(contact)
            self.talks.say_profile(conversation, self._cards.group())
        return self.talks.chat(conversation)

    def _follow(self, row: RequestRow, log: bytes) -> bool:
        """Go in where a conversation of ours goes on that has ended, or whose relays are lost."""
        if not self.talks.is_stuck(log):
            return False
        try:
            self._accept(api.AcceptRequest(row.id.hex()), None)
        except NodeError:
            return False
        return True

    def _decline(self, command: api.DeclineRequest, _: object) -> api.Done:
        row = self._requests.find(command.request)
        self._requests.end(row, DECLINED)
        if command.block:
            self._set_blocked(row.account, True)
        return api.Done()

    # --- Cards ------------------------------------------------------------------------------------

    def _introduce(self, contact: ContactRow) -> None:
        """Say who we are to a contact, with a link for them alone."""
        if contact.conversation is not None and not contact.blocked:
            card = self._cards.direct(contact)
            self._save(contact)
            self.talks.say_profile(contact.conversation, card)

    def card_received(self, account: bytes, content: bytes) -> None:
        """Somebody said who they are."""
        before = self._tables.contact(account)
        card = self._cards.take(account, content)
        contact = self._tables.contact(account)
        if card is None or contact is None:
            return
        if card.kind == "direct" and contact.conversation is not None and contact.state != "known":
            contact.state, contact.trouble = "known", ""
            # What they sent at the same time leads to a second conversation with them.
            if (request := self._requests.direct_from(account)) is not None:
                self._requests.end(self._requests.find(request), DECLINED)
        if contact != before or card.name:
            self._save(contact)

    # --- For jobs ---------------------------------------------------------------------------------

    def _moved(self, account: bytes, state: str, trouble: str, conversation: int | None) -> None:
        """Getting in touch with a contact has come further, or to an end."""
        contact = self._tables.contact(account)
        if contact is None or contact.state == "known" or not self._is_direct(conversation):
            return
        if contact.conversation is not None and contact.conversation != conversation:
            return  # they were faster
        contact.state, contact.trouble, contact.conversation = state, trouble, conversation
        self._save(contact)

    def _is_direct(self, conversation: int | None) -> bool:
        if conversation is None:
            return True
        row = self._context.store.one(
            "SELECT kind FROM conversations WHERE number = ?", (conversation,)
        )
        return row is not None and row[0] == "direct"

    def _foreign(self, relay: bytes, account: bytes) -> None:
        """A relay gave key packages that are not of the account of the link."""
        self._context.store.execute(
            "INSERT OR IGNORE INTO faults (relay, fault, proof, time) VALUES (?, ?, NULL, ?)",
            (relay, "FOREIGN_PACKAGES", int(self._context.time)),
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
        for contact in self._tables.contacts():
            if contact.conversation == old:
                contact.conversation = new
                self._save(contact)

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
        contact = self._tables.contact(account)
        return contact is not None and contact.blocked

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


def _is_code(code: SafetyCode, text: str) -> bool:
    """Whether what was typed or scanned is this code. Raises `InvalidLink` for a scan that is none."""
    if text.strip().lower().startswith("heliogram:"):
        return code.matches(text)
    given = text.lower().split()
    if "".join(given).isdigit():
        return "".join(given) == code.digits().replace(" ", "")
    return given == code.words().split()
