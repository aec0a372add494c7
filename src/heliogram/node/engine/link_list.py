"""Commands for the links that lead to us: made, listed, revoked."""

from __future__ import annotations

from collections.abc import Mapping

from heliogram.node import api
from heliogram.node.engine.contact_links import ContactLinks
from heliogram.node.engine.contacts import Contacts
from heliogram.node.engine.context import Handler
from heliogram.node.engine.names import Names
from heliogram.node.errors import Ambiguous, NotFound
from heliogram.node.identity.names import clean
from heliogram.node.store.people import LinkRow, PeopleTables


class LinkList:
    """Does the commands."""

    def __init__(
        self, tables: PeopleTables, names: Names, links: ContactLinks, contacts: Contacts
    ) -> None:
        self._tables = tables
        self._names = names
        self._links = links
        self._contacts = contacts

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.NewLink: self._new,
            api.GetLinks: self._get,
            api.RevokeLink: self._revoke,
        }

    def _new(self, command: api.NewLink, _: object) -> api.ContactLink:
        return self._shown(self._links.new(one_time=command.one_time, name=command.name))

    def _get(self, _: api.GetLinks, __: object) -> list[api.ContactLink]:
        # Without relays no link leads anywhere.
        rows = self._tables.links() if self._links.relays() else []
        return [self._shown(row) for row in rows]

    def _revoke(self, command: api.RevokeLink, _: object) -> api.Done:
        self._contacts.give_anew(self._links.revoke(self._find(command.link)))
        return api.Done()

    def _find(self, text: str) -> LinkRow:
        digits, rows = text.strip().lower(), self._tables.links()
        found = [row for row in rows if digits and row.public.hex().startswith(digits)]
        found = found or [row for row in rows if row.name and row.name == clean(text)]
        if len(found) > 1:
            raise Ambiguous("link")
        if not found:
            raise NotFound("link")
        return found[0]

    def _shown(self, row: LinkRow) -> api.ContactLink:
        link = self._links.link(row)
        return api.ContactLink(
            id=row.public.hex(),
            uri=link.to_text(),
            scan=link.to_scan(),
            one_time=row.one_time,
            name=row.name,
            created=row.created,
            person=None if row.account is None else self._names.person(row.account),
        )
