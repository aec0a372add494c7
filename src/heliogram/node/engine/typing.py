"""That somebody types: told where the owner wants it and few are, heard where the owner tells it too.

It goes as an entry of the log like any other (ADR 27), and is gone here as soon as it left: it stands in the
outbox for seconds only, and who hears it keeps nothing. What could not leave at once is not said later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heliogram.content import typing
from heliogram.content.errors import ContentError
from heliogram.node import api
from heliogram.node.engine import naming
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.views import LARGE
from heliogram.node.store.logs import ConversationRow

#: Seconds between two signs of ours in one conversation, and for which one waits to leave.
EVERY, WAITS = 5.0, 5.0

#: Seconds for which a sign counts, as faces are told.
LASTS = 6

#: Milliseconds that a sign may be off our clock, either way: what was fetched later is over.
OFF = 30_000

#: Seconds between two notices of one person's signs.
HEARD = 2.0

#: Puts something into the outbox: the conversation, the media type, the content. Its number there.
Put = Callable[[ConversationRow, str, bytes], int]


class Typing:
    """Does the command, and hears others."""

    def __init__(self, desk: Desk, put: Put, unsay: Callable[[int, int], None]) -> None:
        """`unsay` takes a conversation and a number in the outbox."""
        self._desk = desk
        self._put = put
        self._unsay = unsay
        #: By conversation: when we said it last, and what of it waits since when (monotonic seconds).
        self._said: dict[int, float] = {}
        self._waiting: dict[int, tuple[int, float]] = {}
        self._heard: dict[tuple[int, bytes], float] = {}

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.SetTyping: self._set}

    def settle(self) -> None:
        """Take back what could not leave."""
        now = self._desk.context.now
        for conversation, (number, until) in list(self._waiting.items()):
            if until <= now:
                del self._waiting[conversation]
                self._unsay(conversation, number)

    def deadline(self) -> float | None:
        """When something is taken back."""
        return min((until for _, until in self._waiting.values()), default=None)

    def heard(self, chat: ConversationRow, account: bytes, content: bytes) -> None:
        """Somebody types. Never raises for what they said."""
        desk, now = self._desk, self._desk.context.now
        if account == desk.account or not self._shows(chat) or desk.people.is_blocked(account):
            return
        try:
            sign = typing.Typing.from_bytes(content)
        except ContentError:
            return
        key = chat.number, account
        if abs(sign.time - int(desk.context.time * 1000)) > OFF:
            return
        if now - self._heard.get(key, -HEARD) < HEARD:
            return
        self._heard = {one: at for one, at in self._heard.items() if now - at < HEARD}
        self._heard[key] = now
        desk.context.tell(api.Typing(chat.id.hex(), desk.people.person(account), LASTS))

    def _set(self, command: api.SetTyping, extra: object) -> api.Done:
        desk, now = self._desk, self._desk.context.now
        chat = naming.chat(desk, command.chat)
        recent = now - self._said.get(chat.number, -EVERY) < EVERY
        if recent or chat.kind == "self" or chat.phase != "open" or not self._shows(chat):
            return api.Done()
        self._said[chat.number] = now
        sign = typing.Typing(int(desk.context.time * 1000))
        number = self._put(chat, typing.TYPING, sign.encode())
        self._waiting[chat.number] = number, now + WAITS
        return api.Done()

    def _shows(self, chat: ConversationRow) -> bool:
        """Whether typing is told and heard there."""
        return self._desk.preferences.typing and self._desk.logs.member_count(chat.number) <= LARGE
