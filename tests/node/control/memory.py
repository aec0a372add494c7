"""A small honest node that keeps everything in memory: people, chats, messages, one simulated world.

It has the manners of a real one (names, prefixes of ids, errors, notices) and no relays behind it. Ids are
hashes of a counter, times come from a counter, so that what is printed is the same in each run.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

from msgspec.structs import replace

from heliogram.node import api
from heliogram.node.errors import InvalidLink, LinkFault, NodeError, NotAllowed, NotFound

T = TypeVar("T")

#: When the world begins: 2026-01-02 03:04:05 UTC.
BEGIN = 1767323045


class Missing(NodeError):
    """Nothing is called so."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    @property
    def code(self) -> str:
        return f"no such {self.kind}"


def _id(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


RELAYS = tuple(
    api.RelayInfo(
        _id(f"relay {n}"), f"relay{n}.example:443", (f"wss://relay{n}.example/ws",), f"op{n}"
    )
    for n in (1, 2, 3)
)


class MemoryNode:
    """An `api.Node`. `somebody_says` and its like are what the world does to it."""

    def __init__(self, name: str = "Ben") -> None:
        self.me = api.Person(_id(name), name, "amber lion tide", me=True)
        self._numbers = itertools.count(1)
        self.time = BEGIN
        self.chats: dict[str, api.Chat] = {}
        self.members: dict[str, tuple[api.Member, ...]] = {}
        self.relays: dict[str, tuple[api.RelayInfo, ...]] = {}
        self.messages: list[api.Message] = []
        self.contacts: dict[str, api.Contact] = {}
        self.links: dict[str, api.ContactLink] = {}
        self.requests: dict[str, api.Request] = {}
        self.own_relays: list[api.RelayInfo] = list(RELAYS)
        self.listeners: set[asyncio.Queue[api.AnyNotice | None]] = set()
        self.preferences = api.Preferences()
        self.stopped = False
        #: What was called, for tests that look.
        self.called: list[api.Command] = []
        self._new_chat(self.me.name, "self", (self.me,))

    # --- The seam ---------------------------------------------------------------------------------

    async def call(self, command: api.Command) -> Any:
        self.called.append(command)
        name = "do_" + type(command).__name__
        does: Callable[[Any], Any] = getattr(self, name)
        return does(command)

    async def notices(self) -> AsyncIterator[api.AnyNotice]:
        heard: asyncio.Queue[api.AnyNotice | None] = asyncio.Queue()
        self.listeners.add(heard)
        try:
            while (notice := await heard.get()) is not None:
                yield notice
        finally:
            self.listeners.discard(heard)

    def tell(self, notice: api.AnyNotice | None) -> None:
        for one in self.listeners:
            one.put_nowait(notice)

    # --- What the world does ----------------------------------------------------------------------

    def tick(self) -> int:
        self.time += 60
        return self.time

    def meet(self, name: str, *, warnings: tuple[str, ...] = ()) -> api.Person:
        """Somebody becomes a contact, and a direct chat is there."""
        who = api.Person(_id(name), name, f"{name.lower()[:3]} green door", warnings=warnings)
        chat = self._new_chat(name, "direct", (self.me, who))
        self.contacts[who.account] = api.Contact(who=who, chat=chat.id)
        return who

    def ask_to_meet(self, name: str, group: str = "") -> api.Request:
        """A stranger wants to get in touch."""
        who = api.Person(_id(name), name, f"{name.lower()[:3]} blue kite")
        request = api.Request(
            id=_id(f"request {name}"),
            who=who,
            kind="group" if group else "direct",
            name=group,
            members=5 if group else 2,
            time=self.tick(),
            safety="12345 67890",
        )
        self.requests[request.id] = request
        self.tell(api.RequestAdded(request))
        return request

    def somebody_says(self, name: str, text: str, chat: str = "", **more: Any) -> api.Message:
        """A contact writes, in their direct chat or in a group."""
        who = self._contact(name).who
        where = self._chat(chat or name)
        return self._add(where, text, sender=who, **more)

    def deliver(self, message: api.Message) -> None:
        """Relays have a message of ours."""
        self._change(
            replace(message, state="stored", stored_by=tuple(r.name for r in RELAYS), relays=3)
        )

    def stop(self) -> None:
        self.stopped = True
        self.tell(api.Locked())
        self.tell(None)

    # --- Commands ---------------------------------------------------------------------------------

    def do_GetStatus(self, _: api.GetStatus) -> api.Status:
        return api.Status(
            version="0.1.0.dev0",
            profile="default",
            me=self.me,
            device="d00dfeed",
            suite="MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
            relays=self._health(self.own_relays),
            proxy="",
            chats=len(self.chats),
            contacts=len(self.contacts),
            requests=len(self.requests),
            unread=sum(one.unread for one in self.chats.values()),
            queued=sum(one.state == "queued" for one in self.messages),
            packages=20,
            online=True,
        )

    def do_GetPreferences(self, _: api.GetPreferences) -> api.Preferences:
        return self.preferences

    def do_GetChats(self, command: api.GetChats) -> list[api.Chat]:
        shown = [one for one in self.chats.values() if one.archived == command.archived]
        return sorted(shown, key=lambda one: (not one.pinned, -(one.last.time if one.last else 0)))

    def do_GetChat(self, command: api.GetChat) -> api.ChatInfo:
        chat = self._chat(command.chat)
        return api.ChatInfo(
            chat=chat,
            description="What we talk about",
            suite="MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
            epoch=7,
            members=self.members[chat.id],
            relays=self._health(self.relays[chat.id]),
            quorum=2,
            lying=0,
            silent=1,
            authenticator=_id(chat.id)[:30],
        )

    def do_GetHistory(self, command: api.GetHistory) -> list[api.Message]:
        chat = self._chat(command.chat)
        found = [one for one in self.messages if one.chat == chat.id]
        if command.after is not None:
            return [one for one in found if one.number > command.after][: command.limit]
        if command.before is not None:
            found = [one for one in found if one.number < command.before]
        return found[-command.limit :]

    def do_GetMessage(self, command: api.GetMessage) -> api.Message:
        if command.number is None:
            return self._message(command.message)
        found = [one for one in self.messages if one.number == command.number]
        if not found:
            raise NotFound("message")
        return found[0]

    def do_SendMessage(self, command: api.SendMessage) -> api.Message:
        chat = self._chat(command.chat)
        reply = self._message(command.reply_to).id if command.reply_to else None
        files = tuple(
            api.FileInfo(n, path.rpartition("/")[2], "text/plain", 5, state="sending")
            for n, path in enumerate(command.files)
        )
        said = self._add(
            chat,
            command.text,
            sender=self.me,
            mine=True,
            state="queued",
            relays=3,
            reply_to=reply,
            files=files,
            markdown=True,
            kind="file" if files else "text",
            expires=command.expires,
        )
        asyncio.get_running_loop().call_soon(self.deliver, said)
        return said

    def do_EditMessage(self, command: api.EditMessage) -> api.Message:
        return self._change(replace(self._own(command.message), text=command.text, edited=True))

    def do_DeleteMessage(self, command: api.DeleteMessage) -> api.Done:
        if command.only_here:
            gone = self._message(command.message)
            self.messages.remove(gone)
            self.tell(api.MessageGone(gone.chat, gone.number))
        else:
            self._change(replace(self._own(command.message), text="", kind="deleted", files=()))
        return api.Done()

    def do_React(self, command: api.React) -> api.Done:
        message = self._message(command.message)
        others = tuple(one for one in message.reactions if not one.who.me)
        own = (api.Reaction(command.emoji, self.me),) if command.emoji else ()
        self._change(replace(message, reactions=others + own))
        return api.Done()

    def do_MarkRead(self, command: api.MarkRead) -> api.Done:
        self._set(replace(self._chat(command.chat), unread=0))
        return api.Done()

    def do_SetDraft(self, command: api.SetDraft) -> api.Done:
        self._set(replace(self._chat(command.chat), draft=command.text))
        return api.Done()

    def do_Search(self, command: api.Search) -> list[api.Found]:
        words = command.query.casefold().split()
        found = [
            one
            for one in reversed(self.messages)
            if all(word in one.text.casefold() for word in words)
        ]
        if command.chat:
            found = [one for one in found if one.chat == self._chat(command.chat).id]
        return [
            api.Found(one, self.chats[one.chat].name, _marked(one.text, words))
            for one in found[: command.limit]
        ]

    def do_NewLink(self, command: api.NewLink) -> api.ContactLink:
        number = next(self._numbers)
        link = api.ContactLink(
            id=_id(f"link {number}"),
            uri=f"heliogram:contact/{_id(f'uri {number}')}",
            scan=f"HELIOGRAM:{_id(f'uri {number}').upper()}",
            one_time=command.one_time,
            name=command.name or self.me.name,
            created=self.tick(),
        )
        self.links[link.id] = link
        return link

    def do_GetLinks(self, _: api.GetLinks) -> list[api.ContactLink]:
        return list(self.links.values())

    def do_RevokeLink(self, command: api.RevokeLink) -> api.Done:
        del self.links[_pick(self.links.values(), command.link, "link").id]
        return api.Done()

    def do_AddContact(self, command: api.AddContact) -> api.Contact:
        if not command.link.startswith("heliogram:contact/"):
            raise InvalidLink(LinkFault.NOT_A_LINK)
        name = command.name or "Stranger"
        who = api.Person(_id(command.link), name, "sta red barn")
        contact = api.Contact(who=who, state="adding")
        self.contacts[who.account] = contact
        self.tell(api.ContactChanged(contact))
        return contact

    def do_GetContacts(self, _: api.GetContacts) -> list[api.Contact]:
        return sorted(self.contacts.values(), key=lambda one: one.who.name)

    def do_GetSafetyCode(self, command: api.GetSafetyCode) -> api.SafetyCode:
        who = self._contact(command.contact).who
        return api.SafetyCode(who, "11111 22222 33333", "one two three", "HELIOGRAM:SAFE")

    def do_VerifyContact(self, command: api.VerifyContact) -> api.Contact:
        contact = self._contact(command.contact)
        if command.code and command.code.split() != ["11111", "22222", "33333"]:
            raise NotAllowed("the codes are not the same")
        return self._know(replace(contact, who=replace(contact.who, verified=command.verified)))

    def do_RenameContact(self, command: api.RenameContact) -> api.Contact:
        contact = self._contact(command.contact)
        if contact.chat:
            self._set(replace(self.chats[contact.chat], name=command.name))
        return self._know(replace(contact, who=replace(contact.who, name=command.name)))

    def do_BlockContact(self, command: api.BlockContact) -> api.Contact:
        return self._know(replace(self._contact(command.contact), blocked=command.blocked))

    def do_GetRequests(self, _: api.GetRequests) -> list[api.Request]:
        return list(self.requests.values())

    def do_AcceptRequest(self, command: api.AcceptRequest) -> api.Chat:
        request = self._request(command.request)
        del self.requests[request.id]
        self.tell(api.RequestGone(request.id))
        name = request.name or request.who.name
        kind = "group" if request.kind == "group" else "direct"
        return self._new_chat(name, kind, (self.me, request.who))

    def do_DeclineRequest(self, command: api.DeclineRequest) -> api.Done:
        request = self._request(command.request)
        del self.requests[request.id]
        self.tell(api.RequestGone(request.id))
        return api.Done()

    def do_CreateGroup(self, command: api.CreateGroup) -> api.Chat:
        people = (self.me, *(self._contact(one).who for one in command.members))
        return self._new_chat(command.name, "group", people)

    def do_AddMembers(self, command: api.AddMembers) -> api.Done:
        chat = self._chat(command.chat)
        for one in command.members:
            who = self._contact(one).who
            self.members[chat.id] += (api.Member(who, command.role, 1),)
            self._line(chat, api.Line(code="member added", who=who))
        return api.Done()

    def do_RemoveMembers(self, command: api.RemoveMembers) -> api.Done:
        chat = self._chat(command.chat)
        for one in command.members:
            who = self._member(chat, one).who
            self.members[chat.id] = tuple(
                each for each in self.members[chat.id] if each.who.account != who.account
            )
            self._line(chat, api.Line(code="member removed", who=who))
        return api.Done()

    def do_LeaveChat(self, command: api.LeaveChat) -> api.Done:
        self._set(replace(self._chat(command.chat), phase="out"))
        return api.Done()

    def do_SetProfile(self, command: api.SetProfile) -> api.Done:
        chat = self._chat(command.chat)
        if command.name is not None:
            self._set(replace(chat, name=command.name))
        if command.picture is not None:
            self._set(replace(self.chats[chat.id], picture=bool(command.picture)))
        if command.expiry is not None:
            self._set(replace(self.chats[chat.id], expiry=command.expiry))
        return api.Done()

    def do_GetPicture(self, command: api.GetPicture) -> api.Thumbnail:
        if not self._chat(command.chat).picture:
            raise NotFound("picture")
        return api.Thumbnail("image/webp", b"RIFF\x00\x00\x00\x00WEBP")

    def do_SetRole(self, command: api.SetRole) -> api.Done:
        chat = self._chat(command.chat)
        member = self._member(chat, command.member)
        if member.who.me:
            raise NotAllowed("the last owner stays one")
        self.members[chat.id] = tuple(
            api.Member(one.who, command.role, one.devices) if one is member else one
            for one in self.members[chat.id]
        )
        return api.Done()

    def do_ChangeRelays(self, command: api.ChangeRelays) -> api.Done:
        chat = self._chat(command.chat)
        gone = {_pick(RELAYS, one, "relay").key for one in command.remove}
        new = tuple(_pick(RELAYS, one, "relay") for one in command.add)
        self.relays[chat.id] = (
            *(one for one in self.relays[chat.id] if one.key not in gone),
            *new,
        )
        return api.Done()

    def do_StartSuccessor(self, command: api.StartSuccessor) -> api.Chat:
        old = self._chat(command.chat)
        if old.phase != "dead":
            raise NotAllowed("the conversation is not dead")
        people = tuple(one.who for one in self.members[old.id])
        new = self._new_chat(old.name, "group", people)
        self._set(replace(old, successor=new.id))
        self._set(replace(new, predecessor=old.id))
        return self.chats[new.id]

    def do_SetChat(self, command: api.SetChat) -> api.Chat:
        chat = self._chat(command.chat)
        wanted = {
            name: value
            for name in ("reports", "pinned", "muted", "archived")
            if (value := getattr(command, name)) is not None
        }
        return self._set(replace(chat, **wanted))

    def do_GetFile(self, command: api.GetFile) -> api.Transfer:
        message = self._message(command.message)
        if command.index >= len(message.files):
            raise Missing("file")
        file = message.files[command.index]
        path = f"{command.directory or '/downloads'}/{file.name}"
        here = replace(file, state="here", done=file.size, path=path)
        files = tuple(here if one is file else one for one in message.files)
        self._change(replace(message, files=files))
        transfer = api.Transfer(
            message=message.id,
            index=file.index,
            name=file.name,
            direction="down",
            done=file.size,
            size=file.size,
            state="done",
        )
        self.tell(api.TransferChanged(transfer))
        return transfer

    def do_GetTransfers(self, _: api.GetTransfers) -> list[api.Transfer]:
        return []

    def do_GetRelays(self, command: api.GetRelays) -> list[api.RelayHealth]:
        return list(self._health(self.own_relays, 12.5 if command.check else None))

    def do_AddRelay(self, command: api.AddRelay) -> api.RelayInfo:
        address, _, key = command.address.partition("#")
        info = api.RelayInfo(key or _id(address), address[6:].split("/")[0], (address,), "new")
        self.own_relays.append(info)
        return info

    def do_RemoveRelay(self, command: api.RemoveRelay) -> api.Done:
        self.own_relays.remove(_pick(self.own_relays, command.relay, "relay"))
        return api.Done()

    def do_Explain(self, command: api.Explain) -> api.Explanation:
        message = self._own(command.message)
        traces = tuple(
            api.Trace(relay=one, what="post", size=1200, minute=BEGIN // 60, epoch=7, stored=True)
            for one in RELAYS
        )
        return api.Explanation(
            message=message,
            traces=traces,
            text_size=len(message.text.encode()),
            entry_size=1024,
            bucket=700,
            network=(api.Passed(to="relay1.example:443", size=1200, times=1, tls=True),),
            proxy="",
        )

    def do_Export(self, command: api.Export) -> api.Done:
        return api.Done()

    def do_Backup(self, command: api.Backup) -> api.Done:
        return api.Done()

    def do_Lock(self, _: api.Lock) -> api.Done:
        asyncio.get_running_loop().call_soon(self.stop)
        return api.Done()

    # --- Keeping ----------------------------------------------------------------------------------

    def _new_chat(self, name: str, kind: Any, people: tuple[api.Person, ...]) -> api.Chat:
        chat = api.Chat(id=_id(f"chat {next(self._numbers)}"), name=name, kind=kind, phase="open")
        self.members[chat.id] = tuple(
            api.Member(one, "owner" if one.me else "member", 1) for one in people
        )
        self.relays[chat.id] = RELAYS
        return self._set(chat)

    def _set(self, chat: api.Chat) -> api.Chat:
        chat = replace(chat, members=len(self.members[chat.id]))
        self.chats[chat.id] = chat
        self.tell(api.ChatChanged(chat))
        return chat

    def _know(self, contact: api.Contact) -> api.Contact:
        self.contacts[contact.who.account] = contact
        self.tell(api.ContactChanged(contact))
        return contact

    def _line(self, chat: api.Chat, line: api.Line) -> None:
        self._add(chat, "", kind="line", sender=self.me, line=line)

    def _add(self, chat: api.Chat, text: str, **more: Any) -> api.Message:
        number = next(self._numbers)
        at = self.tick()
        values: dict[str, Any] = {"kind": "text", "received": at, **more}
        name = "" if values["kind"] == "line" else _id(f"message {number}")
        message = api.Message(number=number, id=name, chat=chat.id, text=text, time=at, **values)
        self.messages.append(message)
        seen = message.mine or message.kind == "line"
        self.tell(api.MessageAdded(message))
        self._set(replace(self.chats[chat.id], last=message, unread=chat.unread + (not seen)))
        return message

    def _change(self, message: api.Message) -> api.Message:
        at = next(n for n, one in enumerate(self.messages) if one.number == message.number)
        self.messages[at] = message
        self.tell(api.MessageChanged(message))
        return message

    def _health(
        self, relays: Iterable[api.RelayInfo], took: float | None = None
    ) -> tuple[api.RelayHealth, ...]:
        return tuple(api.RelayHealth(relay=one, state="up", round_trip_ms=took) for one in relays)

    # --- Who is meant -----------------------------------------------------------------------------

    def _chat(self, name: str) -> api.Chat:
        return _pick(self.chats.values(), name, "chat")

    def _contact(self, name: str) -> api.Contact:
        return _pick(self.contacts.values(), name, "person")

    def _request(self, name: str) -> api.Request:
        return _pick(self.requests.values(), name, "request")

    def _member(self, chat: api.Chat, name: str) -> api.Member:
        return _pick(self.members[chat.id], name, "person")

    def _message(self, name: str) -> api.Message:
        return _pick(self.messages, name, "message")

    def _own(self, name: str) -> api.Message:
        message = self._message(name)
        if not message.mine:
            raise NotAllowed("only its author may change a message")
        return message


def _names(thing: Any) -> tuple[str, str]:
    if isinstance(thing, api.Contact | api.Member):
        return thing.who.account, thing.who.name
    if isinstance(thing, api.Request):
        return thing.id, thing.who.name
    if isinstance(thing, api.RelayInfo):
        return thing.key, thing.name
    return thing.id, getattr(thing, "name", "")


def _pick(things: Iterable[T], name: str, kind: str) -> T:
    things = list(things)
    called = [one for one in things if _names(one)[1].casefold() == name.casefold()]
    found = called or [one for one in things if name and _names(one)[0].startswith(name)]
    if len(found) != 1:
        raise Missing(kind)
    return found[0]


def _marked(text: str, words: list[str]) -> str:
    shown = text
    for word in words:
        at = shown.casefold().find(word)
        shown = f"{shown[:at]}\x02{shown[at : at + len(word)]}\x03{shown[at + len(word) :]}"
    return shown
