"""Invitations that come into our inbox, until somebody here says what shall become of them.

An item is opened and tried: would we be in, and who invites? All of that happens in memory and is thrown
away. Nothing is saved but the item, nothing sent, nothing fetched. What does not count, comes from somebody
blocked, or by a link that was given to somebody else, goes without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from heliogram import mls
from heliogram.codec import DecodeError
from heliogram.mls.commits import Welcome
from heliogram.mls.crypto import suite_of
from heliogram.node import api
from heliogram.node.chain import Chain
from heliogram.node.conversation import Conversation
from heliogram.node.engine.account import Me
from heliogram.node.engine.context import Context
from heliogram.node.engine.names import Names
from heliogram.node.engine.pool import Pool
from heliogram.node.entering import Grounds, nowhere
from heliogram.node.errors import (
    Ambiguous,
    InvalidInvitation,
    InvitationFault,
    NodeError,
    NotFound,
)
from heliogram.node.events import Joined
from heliogram.node.identity.devices import DeviceCertificate, DeviceList
from heliogram.node.identity.names import clean
from heliogram.node.identity.safety import safety_code
from heliogram.node.inbox.card import Card
from heliogram.node.invitation import SIGNED, Invitation
from heliogram.node.records import Effects
from heliogram.node.store.people import LinkRow, PeopleTables, RequestRow

WAITING, ACCEPTED, DECLINED = "waiting", "accepted", "declined"

#: Why a successor of a conversation of ours may count later, or by a person's word.
_LATER = (InvitationFault.AHEAD, InvitationFault.BEHIND, InvitationFault.ANOTHER_BRANCH)

#: Invitations that wait by one link. More of them are dropped.
MAX_WAITING = 20

#: Seconds for which it is remembered that an invitation was answered: longer than relays keep items.
REMEMBERED = 120 * 86_400


@dataclass(frozen=True, slots=True)
class _Tried:
    """What an invitation turned out to be."""

    account: bytes = field(repr=False)
    kind: str
    name: str = field(repr=False)
    members: int
    #: The log that it goes on from.
    follows: bytes | None = field(default=None, repr=False)


class Requests:
    """Invitations that wait, and those that were answered."""

    def __init__(
        self, context: Context, tables: PeopleTables, me: Me, pool: Pool, names: Names
    ) -> None:
        self._context = context
        self._tables = tables
        self._me = me
        self._pool = pool
        self._names = names
        #: Set by `People`. The ground of a conversation of ours by its log; and called with an invitation
        #: and the log that it goes on from: whether it was followed without asking anybody.
        self.grounds: Grounds = nowhere
        self.follow: Callable[[RequestRow, bytes], bool] = lambda row, log: False
        #: Invitations that wait and go on from another log: which.
        self._heirs: dict[bytes, bytes] | None = None

    def _revoked(self, account: bytes) -> tuple[bytes, ...]:
        encoded = self._tables.devices(account)
        return () if encoded is None else DeviceList.from_bytes(encoded).revoked

    # --- Coming in --------------------------------------------------------------------------------

    def came(self, inbox: bytes, public: bytes, item: bytes) -> None:
        """An item lay in our inbox, left by a link with this public key. Never raises for what it holds."""
        link = self._tables.link_of_key(public)
        if link is None or link.state == "gone" or (link.one_time and link.state == "used"):
            return
        try:
            invitation = Invitation.unseal(link.secret, inbox, item)
            id = sha256(invitation.encode()).digest()
            if self._tables.request(id) is not None:
                return
            if self._tables.waiting_by(link.number) >= MAX_WAITING:
                return
            tried = self._try(invitation, link)
        except (NodeError, DecodeError, mls.MLSError):
            return
        if link.one_time:
            # Relays are told when everything is due: nobody shall see that it was read.
            self._tables.set_link_state(link.number, "used")
        now = int(self._context.time)
        row = RequestRow(
            id,
            invitation.encode(),
            tried.account,
            tried.kind,
            tried.name,
            tried.members,
            link.number,
            now,
            WAITING,
        )
        self._tables.add_request(row)
        if not self._tables.name(tried.account):
            card = Card.from_bytes(invitation.profile)
            self._tables.save_name(tried.account, clean(card.name), card.named)
        if tried.follows is not None:
            self._known_heirs()[id] = tried.follows
            if self.follow(row, tried.follows):
                return
        self._context.tell(api.RequestAdded(self.shown(row)))

    @property
    def heirs(self) -> bool:
        """Whether an invitation waits that goes on from another log."""
        return bool(self._known_heirs())

    def follow_heirs(self) -> None:
        """Look again whether what they go on from can go on elsewhere alone."""
        for id, log in list(self._known_heirs().items()):
            row = self._tables.request(id)
            if row is not None and row.state == WAITING:
                self.follow(row, log)

    def _known_heirs(self) -> dict[bytes, bytes]:
        if self._heirs is None:
            self._heirs = {}
            for row in self.waiting():
                try:
                    invitation = Invitation.from_bytes(row.item)
                    certificate = Card.from_bytes(invitation.profile).certificate
                    if certificate is None or not isinstance(invitation.welcome, bytes):
                        continue
                    follows = _follows(self._enter(invitation, row.kind, certificate, None))
                except (NodeError, DecodeError, mls.MLSError):
                    continue
                if follows is not None:
                    self._heirs[row.id] = follows
        return self._heirs

    def _try(self, invitation: Invitation, link: LinkRow) -> _Tried:
        """Whether an invitation leads somewhere, and who signed it. Raises `NodeError` and others."""
        card = Card.from_bytes(invitation.profile)
        certificate = card.certificate
        suite = suite_of(self._me.device.suite)
        if certificate is None or not card.kind:
            raise InvalidInvitation(InvitationFault.MALFORMED)
        if not suite.verify_with_label(
            certificate.device_key, SIGNED, invitation.content(), invitation.signature
        ):
            raise InvalidInvitation(InvitationFault.BAD_SIGNATURE)
        account = certificate.account
        if certificate.device_id in self._revoked(account):
            raise InvalidInvitation(InvitationFault.NOT_FOR_US)
        contact = self._tables.contact(account)
        blocked = contact is not None and contact.blocked
        given = not link.personal or account in self._tables.given_to(link.number)
        if account == self._me.id or blocked or not given:
            raise InvalidInvitation(InvitationFault.NOT_FOR_US)
        if not isinstance(invitation.welcome, bytes):
            # The rest lies in a blob. To fetch it would tell that we are here.
            Chain(invitation.seat, invitation.links)
            return _Tried(account, card.kind, clean(card.title), max(card.members, 2))
        conversation = self._enter(invitation, card.kind, certificate, None)
        accounts = {one.account for one in conversation.people()}
        name = "" if card.kind == "direct" else clean(conversation.charter.metadata.name)
        return _Tried(account, card.kind, name, len(accounts), _follows(conversation))

    def check(self, row: RequestRow, invitation: Invitation, welcome: bytes) -> None:
        """Whether what was fetched leads where the invitation says. Raises `InvalidInvitation`.

        Until now there was only its word for it.
        """
        certificate = Card.from_bytes(invitation.profile).certificate
        if certificate is None:
            raise InvalidInvitation(InvitationFault.MALFORMED)
        self._enter(invitation, row.kind, certificate, welcome)

    def _enter(
        self,
        invitation: Invitation,
        kind: str,
        certificate: DeviceCertificate,
        welcome: bytes | None,
    ) -> Conversation:
        """The conversation as it would be if we went in: of whom it should be, with nobody besides."""
        inline = invitation.welcome if isinstance(invitation.welcome, bytes) else welcome

        def enter(grounds: Grounds) -> tuple[Conversation, Effects]:
            return Conversation.join(
                invitation,
                self.packages(inline),
                welcome=welcome,
                in_use=self._tables.groups_in_use(),
                grounds=grounds,
                now=int(self._context.time),
            )

        try:
            conversation, effects = enter(self.grounds)
        except InvalidInvitation as error:
            if error.fault not in _LATER:
                raise
            conversation, effects = enter(nowhere)
        joined = next(one for one in effects.events if isinstance(one, Joined))
        inviter = joined.invited_by
        if (inviter.account, inviter.device) != (certificate.account, certificate.device_id):
            raise InvalidInvitation(InvitationFault.BAD_SIGNATURE)
        accounts = {one.account for one in conversation.people()}
        if kind == "direct" and accounts != {certificate.account, self._me.id}:
            raise InvalidInvitation(InvitationFault.BAD_GROUP)
        return conversation

    def packages(self, welcome: bytes | None) -> list[mls.OwnKeyPackage]:
        """Those of our key packages that a Welcome is for. Raises `InvalidInvitation` if it is for none."""
        if welcome is None:
            raise InvalidInvitation(InvitationFault.MALFORMED)
        try:
            message = mls.decode_message(welcome)
        except mls.InvalidMessage:
            raise InvalidInvitation(InvitationFault.MALFORMED) from None
        if not isinstance(message, Welcome):
            raise InvalidInvitation(InvitationFault.MALFORMED)
        found = (self._pool.package(one.new_member) for one in message.secrets)
        packages = [one for one in found if one is not None]
        if not packages:
            raise InvalidInvitation(InvitationFault.NOT_FOR_US)
        return packages

    # --- What waits -------------------------------------------------------------------------------

    def shown(self, row: RequestRow) -> api.Request:
        """An invitation, as faces see it."""
        return api.Request(
            id=row.id.hex(),
            who=self._names.person(row.account),
            kind=row.kind,
            name=row.name,
            members=row.members,
            time=row.received,
            safety=safety_code(self._me.id, row.account).digits(),
        )

    def waiting(self) -> list[RequestRow]:
        """Invitations that wait, oldest first."""
        return self._tables.waiting()

    def find(self, text: str) -> RequestRow:
        """The invitation with an id that begins so, or from whoever is called so.

        Raises `NotFound`, `Ambiguous`.
        """
        rows, digits = self.waiting(), text.strip().lower()
        found = [row for row in rows if len(digits) >= 4 and row.id.hex().startswith(digits)]
        if not found:
            try:
                account = self._names.resolve(text)
            except NotFound:
                raise NotFound("request") from None
            found = [row for row in rows if row.account == account]
        if len(found) > 1:
            raise Ambiguous("request")
        if not found:
            raise NotFound("request")
        return found[0]

    def direct_from(self, account: bytes) -> str | None:
        """The id of the first invitation that waits from somebody into a direct conversation."""
        for row in self.waiting():
            if (row.account, row.kind) == (account, "direct"):
                return row.id.hex()
        return None

    def forget_old(self) -> None:
        """Forget invitations that were answered and can lie at no relay any more."""
        self._tables.expire_requests(int(self._context.time) - REMEMBERED)

    def end(self, row: RequestRow, state: str) -> None:
        """An invitation was answered."""
        self._tables.end_request(row.id, state)
        if self._heirs is not None:
            self._heirs.pop(row.id, None)
        self._context.tell(api.RequestGone(row.id.hex()))

    def drop_all(self, account: bytes) -> None:
        """Throw away whatever waits from somebody."""
        for row in self.waiting():
            if row.account == account:
                self.end(row, DECLINED)


def _follows(conversation: Conversation) -> bytes | None:
    """The log that a conversation goes on from."""
    predecessor = conversation.charter.predecessor
    return None if predecessor is None else predecessor.log
