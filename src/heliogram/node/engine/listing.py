"""Commands that show: chats, history, one message, what was seen of it; and what is only ours of a chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heliogram.content.sent import MAX_SENT
from heliogram.node import api
from heliogram.node.engine import naming, wishes
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.views import Views
from heliogram.node.errors import NotAllowed, NotFound
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.messages import MessageRow
from heliogram.node.store.search import Query, search
from heliogram.wire.objects import RelayDescription

#: No time is later (Unix seconds).
_LATEST = MAX_SENT // 1000

#: What is known of a conversation only from its group: suite, epoch, authenticator.
Inside = Callable[[ConversationRow], tuple[str, int, str]]

#: How a relay of a conversation does.
Health = Callable[[int, RelayDescription], api.RelayHealth]


class Listing:
    """Does the commands."""

    def __init__(self, desk: Desk, views: Views, inside: Inside, health: Health) -> None:
        self._desk = desk
        self._views = views
        self._inside = inside
        self._health = health

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.GetChats: self._chats,
            api.GetChat: self._chat,
            api.GetHistory: self._history,
            api.GetPlace: self._place,
            api.GetMedia: self._media,
            api.GetMessage: self._message,
            api.Search: self._search,
            api.SetChat: self._set,
        }

    def _chats(self, command: api.GetChats, extra: object) -> list[api.Chat]:
        rows = [row for row in self._desk.logs.every() if row.archived == command.archived]
        shown = {row.number: self._views.chat(row) for row in rows}

        def place(row: ConversationRow) -> tuple[bool, int]:
            last = shown[row.number].last
            return row.pinned, row.created if last is None else last.received

        return [shown[row.number] for row in sorted(rows, key=place, reverse=True)]

    def _chat(self, command: api.GetChat, extra: object) -> api.ChatInfo:
        row = naming.chat(self._desk, command.chat)
        suite, epoch, authenticator = self._inside(row)
        configuration = self._views.configuration(row)
        relays = () if configuration is None else configuration.relays
        return api.ChatInfo(
            chat=self._views.chat(row),
            description=row.description,
            suite=suite,
            epoch=epoch,
            members=self._views.members(row),
            relays=tuple(self._health(row.number, one) for one in relays),
            quorum=0 if configuration is None else configuration.q,
            lying=0 if configuration is None else configuration.b,
            silent=0 if configuration is None else configuration.n - configuration.q,
            authenticator=authenticator,
            waiting=self._waiting(row.number),
        )

    def _waiting(self, number: int) -> tuple[api.Wanted, ...]:
        """The changes that people want. What a node does by itself has no command."""
        person = self._desk.people.person
        return tuple(
            api.Wanted(
                row.command,
                row.created,
                tuple(person(one) for one in wishes.about(wishes.decode(row.wish))),
            )
            for row in self._desk.logs.wishes(number)
            if row.command
        )

    def _history(self, command: api.GetHistory, extra: object) -> list[api.Message]:
        chat = naming.chat(self._desk, command.chat)
        if command.position is not None:
            if command.before is not None or command.after is not None:
                raise NotAllowed("a page begins at a position, or at a message")
            found = self._desk.messages.from_position(chat.number, command.position, command.limit)
            return self._views.messages(found)
        rows = self._desk.messages.page(
            chat.number, before=command.before, after=command.after, limit=command.limit
        )
        return self._views.messages(rows)

    def _place(self, command: api.GetPlace, extra: object) -> api.Place:
        messages, chat = self._desk.messages, naming.chat(self._desk, command.chat).number
        row: MessageRow | None = None
        if command.message is not None or command.number is not None:
            if command.message is not None:
                row = naming.message(self._desk, command.message)
            elif command.number is not None:
                row = messages.get(command.number)
            if row is None or row.conversation != chat:
                raise NotFound("message")
        elif command.time is not None:
            row = messages.first_since(chat, max(-1, min(command.time, _LATEST)) * 1000)
        elif command.unread:
            row = messages.first_unread(chat)
        many = messages.count(chat)
        if row is None:
            return api.Place(many, many)
        at = messages.position(chat, row.sent, row.id or b"", row.number)
        return api.Place(at, many, row.number)

    def _media(self, command: api.GetMedia, extra: object) -> list[api.Message]:
        chat = naming.chat(self._desk, command.chat)
        rows = self._desk.messages.with_media(
            chat.number, command.what, before=command.before, limit=command.limit
        )
        return self._views.messages(rows)

    def _message(self, command: api.GetMessage, extra: object) -> api.Message:
        if command.number is None:
            row = naming.message(self._desk, command.message)
        elif (found := self._desk.messages.get(command.number)) is not None:
            row = found
        else:
            raise NotFound("message")
        return self._views.message(row, whole=True)

    def _search(self, command: api.Search, extra: object) -> list[api.Found]:
        desk, query = self._desk, Query.parse(command.query)
        accounts, conversations = None, None
        if query.people:
            accounts = [one for text in query.people for one in naming.people(desk, text)]
        if query.chats:
            conversations = [row.number for text in query.chats for row in naming.chats(desk, text)]
        if command.chat is not None:
            here = naming.chat(desk, command.chat).number
            inside = conversations is None or here in conversations
            conversations = [here] if inside else []
        found = search(
            desk.context.store,
            query,
            accounts=accounts,
            conversations=conversations,
            before=command.before,
            limit=command.limit,
        )
        names: dict[int, str] = {}
        for one in found:
            number = one.message.conversation
            row = None if number in names else desk.logs.get(number)
            if row is not None:
                names[number] = self._views.name(row)
        return [
            api.Found(
                self._views.message(one.message), names[one.message.conversation], one.excerpt
            )
            for one in found
        ]

    def _set(self, command: api.SetChat, extra: object) -> api.Chat:
        row = naming.chat(self._desk, command.chat)
        values = {
            name: int(value)
            for name in ("reports", "pinned", "muted", "archived")
            if (value := getattr(command, name)) is not None
        }
        if values:
            self._desk.logs.change(row.number, **values)
            self._desk.chat_changed(row.number)
        if command.reports is False:
            self._desk.marks.drop_owed(row.number)
        fresh = self._desk.logs.get(row.number)
        return self._views.chat(fresh or row)
