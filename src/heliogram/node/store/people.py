"""People in the store: contacts and their names, links, requests, key packages, what has been begun.

Rows as they are; what they mean, `engine` knows. Everything runs in the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from heliogram.node.store.database import Store


@dataclass(slots=True)
class ContactRow:
    """Somebody whom we know."""

    account: bytes = field(repr=False)
    #: What we call them.
    name: str = field(repr=False)
    added: int
    state: str
    verified: bool = False
    blocked: bool = False
    #: The encoded ContactLink that leads to them, and the number of the link of ours that they were given.
    link: bytes | None = field(default=None, repr=False)
    given: int | None = None
    conversation: int | None = None
    trouble: str = ""
    #: `Card.said` of the newest card with a link that leads to them (Unix seconds).
    linked: int = field(default=0, repr=False)


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link that leads to us."""

    number: int
    secret: bytes = field(repr=False)
    public: bytes = field(repr=False)
    one_time: bool
    personal: bool
    name: str = field(repr=False)
    account: bytes | None = field(repr=False)
    state: str
    created: int


@dataclass(slots=True)
class RequestRow:
    """An invitation that came."""

    id: bytes = field(repr=False)
    item: bytes = field(repr=False)
    account: bytes = field(repr=False)
    kind: str
    name: str = field(repr=False)
    members: int
    link: int | None
    received: int
    state: str


@dataclass(slots=True)
class JobRow:
    """Something that has been begun."""

    number: int
    kind: str
    account: bytes = field(repr=False)
    conversation: int | None
    state: bytes = field(repr=False)
    created: int


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A key package of ours, with its private part."""

    reference: bytes = field(repr=False)
    package: bytes = field(repr=False)
    last_resort: bool
    relay: bytes | None = field(repr=False)
    created: int
    ends: int


class PeopleTables:
    """The tables about people."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._contacts = store.memo("contacts")
        self._names = store.memo("names")
        self._links = store.memo("links")
        #: Devices that are revoked: by account, and of all who are in a conversation, by its number. For
        #: whoever works them out: each entry that comes is held against them.
        self.revoked = store.memo("revoked")
        self._revoked_in = store.memo("revoked in")
        #: How accounts are shown: for whoever makes that of both tables.
        self.shown = store.memo("people")

    # --- Contacts and names -----------------------------------------------------------------------

    def contact(self, account: bytes) -> ContactRow | None:
        """Somebody whom we know."""
        try:
            row = self._contacts[account]
        except KeyError:
            row = self._store.one(
                "SELECT account, name, verified, blocked, link, given, conversation, state, trouble,"
                " added, linked FROM contacts WHERE account = ?",
                (account,),
            )
            self._contacts.keep(account, row)
        return None if row is None else _contact(row)

    def contacts(self) -> list[ContactRow]:
        """All of them."""
        return [
            _contact(row)
            for row in self._store.query(
                "SELECT account, name, verified, blocked, link, given, conversation, state, trouble, added,"
                " linked FROM contacts"
            )
        ]

    def save_contact(self, row: ContactRow) -> None:
        """Keep a contact as it is now."""
        self._contacts.pop(row.account, None)
        self.shown.clear()
        self._store.execute(
            "INSERT OR REPLACE INTO contacts"
            " (account, name, verified, blocked, link, given, conversation, state, trouble, added,"
            " linked) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                row.account,
                row.name,
                row.verified,
                row.blocked,
                row.link,
                row.given,
                row.conversation,
                row.state,
                row.trouble,
                row.added,
                row.linked,
            ),
        )

    def name(self, account: bytes) -> str:
        """How an account introduced itself; empty if it did not."""
        name: str | None = self._names.get(account)
        if name is None:
            row = self._store.one("SELECT name FROM names WHERE account = ?", (account,))
            name = self._names.keep(account, "" if row is None else str(row[0]))
        return name or ""

    def names(self) -> list[tuple[bytes, str]]:
        """All names by which accounts introduced themselves."""
        return [(row[0], row[1]) for row in self._store.query("SELECT account, name FROM names")]

    def save_name(self, account: bytes, name: str, named: int = 0) -> None:
        """Keep how an account introduces itself, and since when: `Card.named`, or 0 if nobody knows."""
        self._names.pop(account, None)
        self.shown.clear()
        self._store.execute(
            "INSERT INTO names (account, name, named) VALUES (?, ?, ?)"
            " ON CONFLICT (account) DO UPDATE SET name = excluded.name, named = excluded.named",
            (account, name, named),
        )

    def named(self, account: bytes) -> int:
        """Since when an account introduces itself so; 0 if nobody knows."""
        row = self._store.one("SELECT named FROM names WHERE account = ?", (account,))
        return 0 if row is None else int(row[0])

    def devices(self, account: bytes) -> bytes | None:
        """The newest list of devices of an account, encoded."""
        row = self._store.one("SELECT devices FROM names WHERE account = ?", (account,))
        return None if row is None else row[0]

    def listed(self, account: bytes) -> int:
        """`Card.said` of the newest card that had the newest list of devices of an account; 0 if none had."""
        row = self._store.one("SELECT listed FROM names WHERE account = ?", (account,))
        return 0 if row is None else int(row[0])

    def save_devices(self, account: bytes, devices: bytes, listed: int) -> None:
        """Keep the newest list of devices of an account, and `Card.said` of the card that it is in."""
        self.revoked.pop(account, None)
        self._revoked_in.clear()
        self._store.execute(
            "INSERT INTO names (account, name, devices, listed) VALUES (?, '', ?, ?)"
            " ON CONFLICT (account) DO UPDATE SET devices = excluded.devices, listed = excluded.listed",
            (account, devices, listed),
        )

    def conversation_id(self, number: int) -> bytes | None:
        """The id of a conversation."""
        row = self._store.one("SELECT id FROM conversations WHERE number = ?", (number,))
        return None if row is None else row[0]

    def phase(self, number: int) -> str | None:
        """How a conversation stands."""
        row = self._store.one("SELECT phase FROM conversations WHERE number = ?", (number,))
        return None if row is None else row[0]

    def groups_in_use(self) -> set[bytes]:
        """Ids of the conversations that we are in."""
        rows = self._store.query("SELECT id FROM conversations WHERE phase <> 'out'")
        return {row[0] for row in rows}

    # --- Links ------------------------------------------------------------------------------------

    def links(self) -> list[LinkRow]:
        """Links of ours that lead to us, by age."""
        # Each turn asks for them, and there is one for each contact.
        found: list[LinkRow] | None = self._links.get("here")
        if found is None:
            rows = self._store.query(
                "SELECT number, secret, public, one_time, personal, name, account, state, created"
                " FROM links WHERE state <> 'gone' ORDER BY number"
            )
            found = self._links.keep("here", [_link(row) for row in rows])
        return list(found or ())

    def link(self, number: int) -> LinkRow | None:
        """A link of ours, also one that is gone."""
        row = self._store.one(
            "SELECT number, secret, public, one_time, personal, name, account, state, created"
            " FROM links WHERE number = ?",
            (number,),
        )
        return None if row is None else _link(row)

    def link_of_key(self, public: bytes) -> LinkRow | None:
        """The link of ours with this public key, also one that is gone."""
        row = self._store.one(
            "SELECT number, secret, public, one_time, personal, name, account, state, created"
            " FROM links WHERE public = ?",
            (public,),
        )
        return None if row is None else _link(row)

    def add_link(
        self,
        secret: bytes,
        public: bytes,
        *,
        one_time: bool = False,
        personal: bool = False,
        name: str = "",
        account: bytes | None = None,
        created: int,
    ) -> LinkRow:
        """A new link of ours."""
        self._links.clear()
        cursor = self._store.execute(
            "INSERT INTO links (secret, public, one_time, personal, name, account, state, created)"
            " VALUES (?,?,?,?,?,?,'here',?)",
            (secret, public, one_time, personal, name, account, created),
        )
        number = cursor.lastrowid or 0
        return LinkRow(number, secret, public, one_time, personal, name, account, "here", created)

    def set_link_state(self, number: int, state: str) -> None:
        """Write where a link of ours stands."""
        self._links.clear()
        self._store.execute("UPDATE links SET state = ? WHERE number = ?", (state, number))

    def given_to(self, number: int) -> list[bytes]:
        """Accounts of contacts who were given a link of ours."""
        rows = self._store.query("SELECT account FROM contacts WHERE given = ?", (number,))
        return [row[0] for row in rows]

    def forget_gone_links(self) -> None:
        """Delete links that are gone, that no relay knows any more and nothing here speaks of."""
        self._store.execute(
            "DELETE FROM links WHERE state = 'gone'"
            " AND NOT EXISTS (SELECT 1 FROM link_places WHERE link = links.public)"
            " AND NOT EXISTS (SELECT 1 FROM contacts WHERE given = links.number)"
            " AND NOT EXISTS (SELECT 1 FROM requests WHERE link = links.number)"
        )

    # --- Our inbox --------------------------------------------------------------------------------

    def places(self) -> list[tuple[bytes, bytes, bool, int | None, set[bytes]]]:
        """Each relay of our inbox: key, InboxRelay, whether it has it, the period of its filling, links."""
        found = []
        for relay, description, opened, filled in self._store.query(
            "SELECT relay, description, opened, filled FROM inboxes"
        ):
            rows = self._store.query("SELECT link FROM link_places WHERE relay = ?", (relay,))
            found.append((relay, description, bool(opened), filled, {row[0] for row in rows}))
        return found

    def save_place(self, relay: bytes, description: bytes) -> None:
        """A relay shall have our inbox, or is reached elsewhere now."""
        self._store.execute(
            "INSERT INTO inboxes (relay, description) VALUES (?, ?)"
            " ON CONFLICT (relay) DO UPDATE SET description = excluded.description",
            (relay, description),
        )

    def set_opened(self, relay: bytes) -> None:
        """A relay has our inbox."""
        self._store.execute("UPDATE inboxes SET opened = 1 WHERE relay = ?", (relay,))

    def set_lost(self, relay: bytes) -> None:
        """A relay has nothing of our inbox any more."""
        self._store.execute(
            "UPDATE inboxes SET opened = 0, filled = NULL WHERE relay = ?", (relay,)
        )
        self._store.execute("DELETE FROM link_places WHERE relay = ?", (relay,))

    def set_filled(self, relay: bytes, period: int) -> None:
        """A relay has the key packages of a period."""
        self._store.execute("UPDATE inboxes SET filled = ? WHERE relay = ?", (period, relay))

    def add_link_place(self, relay: bytes, link: bytes) -> None:
        """A relay knows a link."""
        self._store.execute("INSERT OR IGNORE INTO link_places VALUES (?, ?)", (relay, link))

    def remove_link_place(self, relay: bytes, link: bytes) -> None:
        """A relay has forgotten a link."""
        self._store.execute("DELETE FROM link_places WHERE relay = ? AND link = ?", (relay, link))

    # --- Key packages -----------------------------------------------------------------------------

    def add_package(self, row: PackageRow) -> None:
        """Keep a key package of ours."""
        self._store.execute(
            "INSERT INTO packages (reference, package, last_resort, relay, created, ends)"
            " VALUES (?,?,?,?,?,?)",
            (row.reference, row.package, row.last_resort, row.relay, row.created, row.ends),
        )

    def package(self, reference: bytes) -> bytes | None:
        """A key package of ours, if it was not used."""
        row = self._store.one("SELECT package FROM packages WHERE reference = ?", (reference,))
        return None if row is None else row[0]

    def package_count(self) -> int:
        """How many key packages of ours are kept."""
        row = self._store.one("SELECT count(*) FROM packages")
        return 0 if row is None else int(row[0])

    def replace_packages(self, relay: bytes, *, before: int, ends: int) -> None:
        """A relay gives none away any more that were made before `before`.

        Until `ends` somebody may come with one.
        """
        self._store.execute(
            "UPDATE packages SET replaced = 1, ends = min(ends, ?)"
            " WHERE relay = ? AND NOT replaced AND created < ?",
            (ends, relay, before),
        )

    def remove_package(self, reference: bytes) -> None:
        """Delete a one-time key package; one of last resort stays."""
        self._store.execute(
            "DELETE FROM packages WHERE reference = ? AND NOT last_resort", (reference,)
        )

    def expire_packages(self, now: int) -> None:
        """Delete what nobody can use any more."""
        self._store.execute("DELETE FROM packages WHERE ends < ?", (now,))

    def ready_packages(self) -> int:
        """How many one-time key packages lie ready at relays, as far as we know."""
        row = self._store.one(
            "SELECT count(*) FROM packages WHERE relay IS NOT NULL AND NOT replaced AND NOT last_resort"
        )
        return 0 if row is None else int(row[0])

    # --- Requests ---------------------------------------------------------------------------------

    def request(self, id: bytes) -> RequestRow | None:
        """An invitation, whatever became of it."""
        row = self._store.one(
            "SELECT id, item, account, kind, name, members, link, received, state"
            " FROM requests WHERE id = ?",
            (id,),
        )
        return None if row is None else RequestRow(*row)

    def waiting(self) -> list[RequestRow]:
        """Invitations that wait, oldest first."""
        rows = self._store.query(
            "SELECT id, item, account, kind, name, members, link, received, state"
            " FROM requests WHERE state = 'waiting' ORDER BY received, id"
        )
        return [RequestRow(*row) for row in rows]

    def waiting_by(self, link: int) -> int:
        """How many invitations wait that came by a link."""
        row = self._store.one(
            "SELECT count(*) FROM requests WHERE state = 'waiting' AND link = ?", (link,)
        )
        return 0 if row is None else int(row[0])

    def add_request(self, row: RequestRow) -> None:
        """Keep an invitation."""
        self._store.execute(
            "INSERT INTO requests (id, item, account, kind, name, members, link, received, state)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            (
                row.id,
                row.item,
                row.account,
                row.kind,
                row.name,
                row.members,
                row.link,
                row.received,
                row.state,
            ),
        )

    def end_request(self, id: bytes, state: str) -> None:
        """An invitation was answered: only that it came is kept, so that it does not come again."""
        self._store.execute(
            "UPDATE requests SET state = ?, item = x'', name = '' WHERE id = ?", (state, id)
        )

    def expire_requests(self, before: int) -> None:
        """Forget invitations that were answered and came before this."""
        self._store.execute(
            "DELETE FROM requests WHERE state <> 'waiting' AND received < ?", (before,)
        )

    # --- Jobs -------------------------------------------------------------------------------------

    def jobs(self) -> list[JobRow]:
        """Everything that has been begun here."""
        rows = self._store.query(
            "SELECT number, kind, account, conversation, state, created"
            " FROM jobs WHERE kind IN ('reach', 'adding', 'drop') ORDER BY number"
        )
        return [JobRow(*row) for row in rows]

    def add_job(
        self, kind: str, account: bytes, conversation: int | None, state: bytes, *, created: int
    ) -> JobRow:
        """Begin something."""
        cursor = self._store.execute(
            "INSERT INTO jobs (kind, account, conversation, state, created) VALUES (?,?,?,?,?)",
            (kind, account, conversation, state, created),
        )
        number = cursor.lastrowid or 0
        return JobRow(number, kind, account, conversation, state, created)

    def save_job(self, row: JobRow) -> None:
        """Write how far something is."""
        self._store.execute(
            "UPDATE jobs SET kind = ?, conversation = ?, state = ? WHERE number = ?",
            (row.kind, row.conversation, row.state, row.number),
        )

    def remove_job(self, number: int) -> None:
        """It has come to an end."""
        self._store.execute("DELETE FROM jobs WHERE number = ?", (number,))


def _contact(row: tuple[Any, ...]) -> ContactRow:
    account, name, verified, blocked, link, given, conversation, state, trouble, added, linked = row
    return ContactRow(
        account,
        name,
        added,
        state,
        bool(verified),
        bool(blocked),
        link,
        given,
        conversation,
        trouble,
        linked,
    )


def _link(row: tuple[Any, ...]) -> LinkRow:
    number, secret, public, one_time, personal, *rest = row
    return LinkRow(number, secret, public, bool(one_time), bool(personal), *rest)
