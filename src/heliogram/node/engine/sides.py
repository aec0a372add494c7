"""What talks and people are to each other: two parts of one engine that meet here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from heliogram import mls
from heliogram.node import api
from heliogram.node.components import Role
from heliogram.node.events import InvitationDue
from heliogram.node.invitation import Invitation
from heliogram.node.membership import Device
from heliogram.node.successor import Ground
from heliogram.wire.objects import RelayDescription


class Talks(Protocol):
    """What people want of conversations. Conversations are named by their number in the store."""

    def found(
        self,
        kind: str,
        *,
        name: str = "",
        peer: bytes | None = None,
        relays: Sequence[RelayDescription] | None = None,
        quorum: int | None = None,
    ) -> int:
        """A new conversation of ours, whose log is being opened. Raises `NodeError`."""

    def add(
        self,
        conversation: int,
        packages: Sequence[mls.KeyPackage],
        accounts: frozenset[bytes],
        role: Role,
    ) -> None:
        """Want these devices in. What comes of it: `invitation_due` or `not_added`."""

    def invitation(
        self, conversation: int, draft: Invitation, profile: bytes, secret: bytes, inbox: bytes
    ) -> bytes:
        """`Conversation.invitation`: the item for an inbox. Raises `NodeError`."""

    def join(
        self,
        invitation: Invitation,
        *,
        kind: str,
        peer: bytes | None,
        name: str = "",
        welcome: bytes | None = None,
    ) -> int:
        """Go in; `welcome` is what was fetched, if it lies in a blob. Raises `InvalidInvitation`.

        Tells `PeopleSide.used` which key package it took.
        """

    def say_profile(self, conversation: int, content: bytes) -> None:
        """Say who we are. `content` is an encoded `Card`: it goes as a part of the media type `CARD` with the
        disposition PROFILE, and is not shown.
        """

    def abandon(self, conversation: int) -> None:
        """Nobody came into a conversation of ours: delete its keys without a word, and list it no more."""

    def devices_changed(self, account: bytes) -> None:
        """A newer list of an account's devices is here."""

    def ground(self, log: bytes) -> Ground | None:
        """Where the conversation of ours with this log stands, for a successor; None if there is none."""

    def is_stuck(self, log: bytes) -> bool:
        """Whether the conversation of ours with this log has ended, or too many of its relays are lost."""

    def chat(self, conversation: int) -> api.Chat:
        """A conversation, as faces see it."""


class PeopleSide(Protocol):
    """What talks want of people."""

    def invitation_due(self, conversation: int, due: InvitationDue) -> None:
        """A decision that adds people is stable. Called once for each, also for those of others."""

    def not_added(self, conversation: int, accounts: frozenset[bytes], code: str) -> None:
        """A wish to add these has failed for good; `code` is the error's."""

    def went_on(self, old: int, new: int) -> None:
        """A conversation goes on in another one: contacts with whom it was have that one now."""

    def begun_elsewhere(self, old: int, new: int) -> None:
        """A conversation that was never open was begun anew: who is being reached for it comes into that."""

    def packages_for(self, welcome: bytes | None) -> Sequence[mls.OwnKeyPackage]:
        """Those of our key packages that a Welcome names, and that were not used.

        Raises `InvalidInvitation` if there is none, or no Welcome. There may be thousands: nobody loads all.
        """

    def package(self, reference: bytes) -> mls.OwnKeyPackage | None:
        """The one with this reference, if it was not used."""

    def used(self, reference: bytes) -> None:
        """A key package was used: its private part goes, unless it is a last resort."""

    def fresh_package(self) -> mls.OwnKeyPackage:
        """A new one that no relay has. It is kept until it is used."""

    def device(self) -> Device:
        """Who we are. Raises `NotNow` before there is an account."""

    def person(self, account: bytes) -> api.Person:
        """An account, as shown. Any 32 bytes will do."""

    def resolve(self, text: str) -> bytes:
        """The account that a person means by a name or the first digits of an id.

        Raises `NotFound`, `Ambiguous`.
        """

    def revoked(self, account: bytes) -> Collection[bytes]:
        """Ids of devices that this account has revoked: for `Conversation.receive`."""

    def card_received(self, account: bytes, content: bytes) -> None:
        """Somebody said who they are: the content of a part as in `Talks.say_profile`. Never raises."""

    def said(self, conversation: int) -> None:
        """Something is said in a conversation. What goes along, people say by `Talks.say_profile`."""

    def is_blocked(self, account: bytes) -> bool:
        """Whether nothing of theirs is shown in direct conversations."""

    def want_members(
        self, conversation: int, accounts: Sequence[bytes], role: Role, command: str
    ) -> None:
        """Reach each of these contacts, and then `Talks.add` them.

        Who cannot be reached is told by `CommandFailed`, with `command` as its tag, each alone. Raises
        `NotFound` if one of them is no contact with a link.
        """
