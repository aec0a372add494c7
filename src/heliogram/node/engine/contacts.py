"""Contacts: how we get in touch, what we call people, what we think of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.engine.account import Me
from heliogram.node.engine.cards import Cards
from heliogram.node.engine.contact_links import ContactLinks
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.first_contact import FirstContact
from heliogram.node.engine.names import Names
from heliogram.node.engine.requests import DECLINED, Requests
from heliogram.node.engine.sides import Talks
from heliogram.node.errors import CodesDiffer, InvalidInvitation, NotAllowed, NotFound
from heliogram.node.identity.links import ContactLink
from heliogram.node.identity.names import clean
from heliogram.node.identity.safety import SafetyCode, safety_code
from heliogram.node.store.people import ContactRow, PeopleTables

#: Goes in where a request leads, if that can be done now; else nothing. Raises `InvalidInvitation`.
Enter = Callable[[str], None]


class Contacts:
    """Does the commands, and writes contacts for all others. `talks` and the like are set by `People`."""

    talks: Talks
    contacting: FirstContact
    enter: Enter

    def __init__(
        self,
        context: Context,
        tables: PeopleTables,
        me: Me,
        names: Names,
        links: ContactLinks,
        requests: Requests,
        cards: Cards,
    ) -> None:
        self._context = context
        self._tables = tables
        self._me = me
        self._names = names
        self._links = links
        self._requests = requests
        self._cards = cards

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.AddContact: self._add,
            api.GetContacts: self._get,
            api.GetSafetyCode: self._get_safety_code,
            api.VerifyContact: self._verify,
            api.RenameContact: self._rename,
            api.BlockContact: self._block,
        }

    # --- Commands ---------------------------------------------------------------------------------

    def _add(self, command: api.AddContact, _: object) -> api.Contact:
        link = ContactLink.from_text(command.link)
        account = link.account
        if account == self._me.id:
            raise NotAllowed("this link leads to you")
        if self.is_blocked(account):
            raise NotAllowed("they are blocked")
        request = self._requests.direct_from(account)
        if request is not None:
            # They were first: going in is what is wanted, if it still leads somewhere.
            try:
                self.enter(request)
            except InvalidInvitation:
                self._requests.end(self._requests.find(request), DECLINED)
        contact = self._tables.contact(account)
        begun = contact is not None and self._is_begun(contact)
        if begun and contact is not None and contact.state == "known" and _elsewhere(contact, link):
            raise NotAllowed(
                "you are in touch with them at another place. If they are here by their words anew, give"
                " them a link of yours: nobody else can tell"
            )
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
        self.save(contact)
        if not begun:
            self.contacting.begin(link, conversation=again, role=Role.OWNER)
        return self.shown(contact)

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

    def _get(self, _: api.GetContacts, __: object) -> list[api.Contact]:
        shown = [self.shown(row) for row in self._tables.contacts()]
        return sorted(shown, key=lambda one: (one.who.name.casefold(), one.who.account))

    def _get_safety_code(self, command: api.GetSafetyCode, _: object) -> api.SafetyCode:
        account = self._names.resolve(command.contact)
        code = safety_code(self._me.id, account)
        person = self._names.person(account)
        return api.SafetyCode(person, code.digits(), code.words(), code.to_scan())

    def _verify(self, command: api.VerifyContact, _: object) -> api.Contact:
        contact = self.known(self._names.resolve(command.contact))
        if command.code and not _is_code(safety_code(self._me.id, contact.account), command.code):
            raise CodesDiffer
        contact.verified = command.verified
        self.save(contact)
        return self.shown(contact)

    def _rename(self, command: api.RenameContact, _: object) -> api.Contact:
        contact = self.known(self._names.resolve(command.contact))
        contact.name = clean(command.name)
        self.save(contact)
        return self.shown(contact)

    def _block(self, command: api.BlockContact, _: object) -> api.Contact:
        return self.shown(self.block(self._names.resolve(command.contact), command.blocked))

    # --- For the rest of people -------------------------------------------------------------------

    def contact(self, account: bytes) -> api.Contact:
        """A contact, as shown. Raises `NotFound`."""
        contact = self._tables.contact(account)
        if contact is None:
            raise NotFound("contact")
        return self.shown(contact)

    def known(self, account: bytes) -> ContactRow:
        """A contact. Whoever we know otherwise, from a group, becomes one. Raises `NotAllowed` for us."""
        if account == self._me.id:
            raise NotAllowed("this is you")
        contact = self._tables.contact(account)
        return contact or ContactRow(account, "", int(self._context.time), "known")

    def save(self, contact: ContactRow) -> None:
        """Write a contact and tell faces."""
        self._tables.save_contact(contact)
        self._names.changed()
        self._context.tell(api.ContactChanged(self.shown(contact)))

    def shown(self, contact: ContactRow) -> api.Contact:
        """A contact as faces see it."""
        number = contact.conversation
        chat = None if number is None else self._tables.conversation_id(number)
        return api.Contact(
            who=self._names.person(contact.account),
            blocked=contact.blocked,
            chat=None if chat is None else chat.hex(),
            state=contact.state,
            trouble=contact.trouble,
        )

    def is_blocked(self, account: bytes) -> bool:
        """Whether nothing of theirs is shown in direct conversations."""
        contact = self._tables.contact(account)
        return contact is not None and contact.blocked

    def block(self, account: bytes, blocked: bool) -> ContactRow:
        """Block somebody, or let them be. Raises `NotAllowed` for us."""
        contact = self.known(account)
        changed, contact.blocked = contact.blocked != blocked, blocked
        given = contact.given
        if blocked:
            contact.given = None
            if contact.state == "adding":
                contact.state, contact.trouble = "failed", "blocked"
        self.save(contact)
        if blocked and changed:
            row = None if given is None else self._tables.link(given)
            if row is not None and row.state != "gone":
                self.give_anew(self._links.revoke(row))
            self._requests.drop_all(account)
            self.contacting.cancel(account)
        elif changed:
            self.introduce(contact)
        return contact

    def give_anew(self, accounts: Sequence[bytes]) -> None:
        """Give contacts another link in the place of one that is gone."""
        for account in accounts:
            contact = self._tables.contact(account)
            if contact is not None and not contact.blocked:
                self.introduce(contact)

    def introduce(self, contact: ContactRow) -> None:
        """Say who we are to a contact, with a link for them alone."""
        if contact.conversation is not None and not contact.blocked:
            card = self._cards.direct(contact)
            self.save(contact)
            self.talks.say_profile(contact.conversation, card)

    # --- What comes of things ---------------------------------------------------------------------

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
            self.save(contact)

    def moved(self, account: bytes, state: str, trouble: str, conversation: int | None) -> None:
        """Getting in touch with a contact has come further, or to an end."""
        contact = self._tables.contact(account)
        if contact is None or contact.state == "known" or not self._is_direct(conversation):
            return
        if contact.conversation is not None and contact.conversation != conversation:
            return  # they were faster
        contact.state, contact.trouble, contact.conversation = state, trouble, conversation
        self.save(contact)

    def went_on(self, old: int, new: int) -> None:
        """A conversation goes on in another one."""
        for contact in self._tables.contacts():
            if contact.conversation == old:
                contact.conversation = new
                self.save(contact)

    def _is_direct(self, conversation: int | None) -> bool:
        if conversation is None:
            return True
        row = self._context.store.one(
            "SELECT kind FROM conversations WHERE number = ?", (conversation,)
        )
        return row is not None and row[0] == "direct"


def _elsewhere(contact: ContactRow, link: ContactLink) -> bool:
    """Whether a link leads to another inbox than the one where we know this contact.

    An account that was brought back by its words has another one. But whoever knows the account can write
    such a link: nothing that works is given up for it.
    """
    return contact.link is not None and ContactLink.from_bytes(contact.link).inbox != link.inbox


def _is_code(code: SafetyCode, text: str) -> bool:
    """Whether what was typed or scanned is this code. Raises `InvalidLink` for a scan that is none."""
    if text.strip().lower().startswith("heliogram:"):
        return code.matches(text)
    given = text.lower().split()
    if "".join(given).isdigit():
        return "".join(given) == code.digits().replace(" ", "")
    return given == code.words().split()
