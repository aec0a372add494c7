"""What people are called here, and who is meant by a name.

What we call somebody comes first, then what they call themselves. A name proves nothing: so each person is
shown with the mark of the account, and with a warning if the name looks like that of somebody we know.
"""

from __future__ import annotations

from heliogram.node import api
from heliogram.node.engine.account import Me
from heliogram.node.errors import Ambiguous, InvalidIdentity, NotFound
from heliogram.node.identity.accounts import from_account_uri
from heliogram.node.identity.names import clean, is_mixed, skeleton
from heliogram.node.identity.safety import mark
from heliogram.node.store.database import Store
from heliogram.node.store.people import PeopleTables
from heliogram.wire.limits import HASH_SIZE

MIXED, ALIKE = "mixed scripts", "looks like another contact"

#: Digits of an id that are enough to name somebody.
SHORTEST = 4

#: Digits that stand where there is no name.
_SHOWN = 8

_DIGITS = frozenset("0123456789abcdef")


class Names:
    """Names of all accounts that we have heard of."""

    def __init__(self, store: Store, tables: PeopleTables, me: Me) -> None:
        self._store = store
        self._tables = tables
        self._me = me
        #: Accounts of contacts, by what their names look like.
        self._looks: dict[str, set[bytes]] | None = None

    def changed(self) -> None:
        """A contact is new, or called otherwise."""
        self._looks = None
        self._tables.shown.clear()

    def name(self, account: bytes) -> str:
        """What an account is called here, fit to be shown."""
        if account == self._me.id:
            return self._me.name or account.hex()[:_SHOWN]
        contact = self._tables.contact(account)
        ours = "" if contact is None else contact.name
        return clean(ours) or clean(self._tables.name(account)) or account.hex()[:_SHOWN]

    def person(self, account: bytes) -> api.Person:
        """An account, as shown."""
        known: api.Person | None = self._tables.shown.get(account)
        if known is None:
            known = self._tables.shown.keep(account, self._person(account))
        return known

    def _person(self, account: bytes) -> api.Person:
        name, me = self.name(account), account == self._me.id
        contact = self._tables.contact(account)
        warnings = []
        if not me and is_mixed(name):
            warnings.append(MIXED)
        if not me and self._alike(name) - {account}:
            warnings.append(ALIKE)
        return api.Person(
            account.hex(),
            name,
            mark(account),
            me=me,
            verified=contact is not None and contact.verified,
            warnings=tuple(warnings),
        )

    def _alike(self, name: str) -> set[bytes]:
        """Contacts, and we ourselves, whose names look like this one."""
        if self._looks is None:
            self._looks = {}
            known = [one.account for one in self._tables.contacts() if not one.blocked]
            for account in (*known, self._me.id):
                if look := skeleton(self.name(account)):
                    self._looks.setdefault(look, set()).add(account)
        return self._looks.get(skeleton(name), set())

    def resolve(self, text: str) -> bytes:
        """The account that is meant: by our name for it, its own name, its URI, or its id's first digits.

        Raises `NotFound`, and `Ambiguous` if it may be several.
        """
        text = text.strip()
        try:
            text = from_account_uri(text).hex()
        except InvalidIdentity:
            pass
        wanted = clean(text).casefold()
        contacts = self._tables.contacts()
        ours = {one.account for one in contacts if clean(one.name).casefold() == wanted}
        named = self._tables.names()
        theirs = {account for account, name in named if clean(name).casefold() == wanted}
        if wanted and wanted == self._me.name.casefold():
            theirs.add(self._me.id)
        for found in (ours, theirs) if wanted else ():
            if found:
                return _only(found)
        digits = text.lower()
        if len(digits) < SHORTEST or not set(digits) <= _DIGITS or len(digits) > 2 * HASH_SIZE:
            raise NotFound("person")
        known = {one.account for one in contacts} | {account for account, _ in named}
        known |= {row[0] for row in self._store.query("SELECT DISTINCT account FROM members")}
        known.add(self._me.id)
        return _only({one for one in known if one.hex().startswith(digits)})


def _only(found: set[bytes]) -> bytes:
    if len(found) > 1:
        raise Ambiguous("person")
    for account in found:
        return account
    raise NotFound("person")
