"""Commands that begin and change conversations. What becomes of a change is told by notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from heliogram.codec import DecodeError
from heliogram.content.limits import MAX_EXPIRY
from heliogram.node import api
from heliogram.node.changes import ChangeRelays, RemovePeople, Rename, SetRole, Wish
from heliogram.node.components import Metadata, Role
from heliogram.node.engine import naming
from heliogram.node.engine.choosing import configured
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.pictures import Pictures
from heliogram.node.engine.relay_list import meant, named, own_relays
from heliogram.node.engine.views import Views
from heliogram.node.errors import ChatEnded, NotAllowed, NotFound, OnlyOwner
from heliogram.node.log.log import Log
from heliogram.node.store.logs import ConversationRow
from heliogram.wire.objects import RelayDescription

_ROLES = {"member": Role.MEMBER, "admin": Role.ADMIN, "owner": Role.OWNER}


class Founder(Protocol):
    """What groups want of talks."""

    def found(
        self,
        kind: str,
        *,
        name: str = "",
        description: str = "",
        peer: bytes | None = None,
        relays: Sequence[RelayDescription] | None = None,
        quorum: int | None = None,
    ) -> int:
        """A new conversation."""

    def log(self, number: int) -> Log:
        """The log of a conversation."""

    def wish(self, conversation: int, wish: Wish, command: str) -> None:
        """Want a change."""


class Groups:
    """Does the commands."""

    def __init__(self, desk: Desk, views: Views, talks: Founder, pictures: Pictures) -> None:
        self._desk = desk
        self._views = views
        self._talks = talks
        self._pictures = pictures

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.CreateGroup: self._create,
            api.AddMembers: self._add,
            api.RemoveMembers: self._remove,
            api.LeaveChat: self._leave,
            api.SetProfile: self._profile,
            api.SetRole: self._role,
            api.ChangeRelays: self._relays,
        }

    def _create(self, command: api.CreateGroup, extra: object) -> api.Chat:
        desk = self._desk
        if not command.name.strip():
            raise NotAllowed("a group needs a name")
        _checked(Metadata(command.name, command.description))
        members = self._people(command.members)
        relays = None
        if command.relays:
            own = own_relays(desk)
            relays = list(
                {one.key: one for one in (meant(own, text) for text in command.relays)}.values()
            )
        number = self._talks.found(
            "group",
            name=command.name,
            description=command.description,
            relays=relays,
            quorum=command.quorum,
        )
        if members:
            desk.people.want_members(number, members, Role.MEMBER, "create group")
        row = desk.logs.get(number)
        if row is None:
            raise NotFound("chat")
        return self._views.chat(row)

    def _add(self, command: api.AddMembers, extra: object) -> api.Done:
        chat = self._group(command.chat)
        accounts = self._people(command.members)
        there = {one.account for one in self._desk.logs.members(chat.number)}
        wanted = [one for one in accounts if one not in there]
        if wanted:
            role = _ROLES[command.role]
            self._desk.people.want_members(chat.number, wanted, role, "add members")
        return api.Done()

    def _remove(self, command: api.RemoveMembers, extra: object) -> api.Done:
        chat = self._group(command.chat)
        accounts = frozenset(self._member(chat, one) for one in command.members)
        if self._desk.account in accounts:
            raise NotAllowed("who wants to go leaves")
        self._talks.wish(chat.number, RemovePeople(accounts), "remove members")
        return api.Done()

    def _leave(self, command: api.LeaveChat, extra: object) -> api.Done:
        chat = self._open(command.chat)
        if chat.kind == "self":
            raise NotAllowed("nobody leaves the conversation with themselves")
        if chat.kind == "group":
            self._check_owners(chat)
        self._talks.log(chat.number).leave()
        return api.Done()

    def _profile(self, command: api.SetProfile, extra: object) -> api.Done:
        """`extra` is a picture that was made ready. It is wished for once relays have it."""
        chat = self._open(command.chat)
        if chat.kind != "group" and (command.name or command.description or command.picture):
            raise NotAllowed("only groups have a name and a picture")
        if command.picture and not isinstance(extra, bytes):
            raise NotAllowed("a picture must be made ready before it is set")
        before = metadata = self._pictures.newest(chat)
        if command.name is not None:
            metadata = replace(metadata, name=command.name)
        if command.description is not None:
            metadata = replace(metadata, description=command.description)
        if command.picture == "":
            metadata = replace(metadata, picture=b"")
        if command.expiry is not None:
            if not 0 <= command.expiry <= MAX_EXPIRY:
                raise NotAllowed("messages go within a year, or never")
            metadata = replace(metadata, expiry=command.expiry)
        _checked(metadata)
        if command.picture == "":
            self._pictures.cancel(chat.number)
        elif command.picture and isinstance(extra, bytes):
            self._pictures.set(chat, extra)
        if metadata != before or command.picture is None:
            self._talks.wish(chat.number, Rename(metadata), "set profile")
        return api.Done()

    def _role(self, command: api.SetRole, extra: object) -> api.Done:
        chat = self._group(command.chat)
        account = self._member(chat, command.member)
        if account == self._desk.account and command.role != "owner":
            self._check_owners(chat)
        self._talks.wish(chat.number, SetRole(account, _ROLES[command.role]), "set role")
        return api.Done()

    def _relays(self, command: api.ChangeRelays, extra: object) -> api.Done:
        chat = self._open(command.chat)
        before = self._views.configuration(chat)
        if before is None:
            raise NotFound("chat")
        gone = {named(before.relays, one).key for one in command.remove}
        own = own_relays(self._desk)
        relays = [one for one in before.relays if one.key not in gone]
        relays += [
            one
            for one in {one.key: one for one in (meant(own, text) for text in command.add)}.values()
            if before.index_of(one.key) is None
        ]
        quorum = command.quorum
        if quorum is None and len(relays) == before.n:
            quorum = before.q
        after = configured(relays, quorum, log=before.log)
        wish = ChangeRelays(after, command.emergency)
        self._talks.wish(chat.number, wish, "change relays")
        return api.Done()

    # --- Inside -----------------------------------------------------------------------------------

    def _open(self, text: str) -> ConversationRow:
        chat = naming.chat(self._desk, text)
        if chat.phase in ("dead", "out"):
            raise ChatEnded
        return chat

    def _group(self, text: str) -> ConversationRow:
        chat = self._open(text)
        if chat.kind != "group":
            raise NotAllowed("only groups have members to choose")
        return chat

    def _check_owners(self, chat: ConversationRow) -> None:
        """Raise `OnlyOwner` if nobody is left who may do all: people choose the next one, not the law."""
        members = self._desk.logs.members(chat.number)
        owners = {one.account for one in members if one.role == Role.OWNER}
        if owners == {self._desk.account} and len(members) > 1:
            raise OnlyOwner

    def _people(self, names: Sequence[str]) -> list[bytes]:
        found = dict.fromkeys(self._desk.people.resolve(one) for one in names)
        return [one for one in found if one != self._desk.account]

    def _member(self, chat: ConversationRow, name: str) -> bytes:
        account = self._desk.people.resolve(name)
        if all(one.account != account for one in self._desk.logs.members(chat.number)):
            raise NotFound("person")
        return account


def _checked(metadata: Metadata) -> Metadata:
    try:
        return Metadata.from_bytes(metadata.encode())
    except (DecodeError, UnicodeEncodeError):
        raise NotAllowed("a name or a description is too long") from None
