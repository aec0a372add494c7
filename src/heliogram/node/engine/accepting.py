"""Invitations that are answered: going in, or not."""

from __future__ import annotations

from collections.abc import Mapping

from heliogram.node import api
from heliogram.node.engine.cards import Cards
from heliogram.node.engine.contacts import Contacts
from heliogram.node.engine.context import Handler
from heliogram.node.engine.requests import ACCEPTED, DECLINED, Requests
from heliogram.node.engine.sides import Talks
from heliogram.node.errors import NodeError
from heliogram.node.invitation import Invitation
from heliogram.node.store.people import PeopleTables, RequestRow
from heliogram.node.value import WelcomeBlob
from heliogram.wire.objects import RelayDescription


class Accepting:
    """Does the commands. `talks` is set by `People`."""

    talks: Talks

    def __init__(
        self, tables: PeopleTables, requests: Requests, cards: Cards, contacts: Contacts
    ) -> None:
        self._tables = tables
        self._requests = requests
        self._cards = cards
        self._contacts = contacts

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.GetRequests: self._get,
            api.AcceptRequest: self.accept,
            api.DeclineRequest: self._decline,
        }

    def welcome_of(self, request: str) -> tuple[WelcomeBlob, tuple[RelayDescription, ...]] | None:
        """The blob to fetch before a request is accepted, and where it lies; None if there is none.

        Raises as `AcceptRequest` does. What it holds is the `extra` of that command.
        """
        invitation = Invitation.from_bytes(self._requests.find(request).item)
        if isinstance(invitation.welcome, WelcomeBlob):
            return invitation.welcome, invitation.seat.configuration.relays
        return None

    def enter(self, request: str) -> None:
        """Go in at once, if nothing must be fetched first. Raises `InvalidInvitation`."""
        if self.welcome_of(request) is None:
            self.accept(api.AcceptRequest(request), None)

    def follow(self, row: RequestRow, log: bytes) -> bool:
        """Go in where a conversation of ours goes on that has ended, or whose relays are lost."""
        if not self.talks.is_stuck(log):
            return False
        try:
            self.accept(api.AcceptRequest(row.id.hex()), None)
        except NodeError:
            return False
        return True

    def accept(self, command: api.AcceptRequest, extra: object) -> api.Chat:
        """Go in; `extra` is the Welcome, if it lay in a blob. Raises `InvalidInvitation`."""
        row = self._requests.find(command.request)
        invitation = Invitation.from_bytes(row.item)
        direct = row.kind == "direct"
        inline, fetched = invitation.welcome, extra if isinstance(extra, bytes) else None
        packages = self._requests.packages(inline if isinstance(inline, bytes) else fetched)
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
            self._tables.remove_package(package.reference)
        self._requests.end(row, ACCEPTED)
        contact = self._contacts.known(row.account)
        if direct:
            contact.state, contact.trouble, contact.conversation = "known", "", conversation
        self._tables.save_contact(contact)
        self._cards.take(row.account, invitation.profile)
        contact = self._contacts.known(row.account)
        if direct:
            self._contacts.introduce(contact)
        else:
            self._contacts.save(contact)
            self.talks.say_profile(conversation, self._cards.group())
        return self.talks.chat(conversation)

    def _get(self, _: api.GetRequests, __: object) -> list[api.Request]:
        return [self._requests.shown(row) for row in self._requests.waiting()]

    def _decline(self, command: api.DeclineRequest, _: object) -> api.Done:
        row = self._requests.find(command.request)
        self._requests.end(row, DECLINED)
        if command.block:
            self._contacts.block(row.account, True)
        return api.Done()
