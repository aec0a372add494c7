"""What is pinned for all: in a group by admins and owners, elsewhere by anybody who is in.

Every receiver judges a pin by the roles of the epoch in which it was said, so all come to the same end. Of
several words on one message the newest counts, in the order of the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping

from heliogram.content import making
from heliogram.node import api
from heliogram.node.engine import naming
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.messages import Messages
from heliogram.node.engine.speaking import Speaking, newest
from heliogram.node.engine.views import Views
from heliogram.node.errors import NotAllowed


class Pins:
    """Does the commands."""

    def __init__(self, desk: Desk, views: Views, speaking: Speaking, messages: Messages) -> None:
        self._desk = desk
        self._views = views
        self._speaking = speaking
        self._messages = messages

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.GetPins: self._list, api.PinMessage: self._pin}

    def _list(self, command: api.GetPins, extra: object) -> list[api.Message]:
        numbers = self._desk.pins.of(naming.chat(self._desk, command.chat).number)
        rows = self._desk.messages.many(numbers)
        return self._views.messages([rows[one] for one in numbers if one in rows])

    def _pin(self, command: api.PinMessage, extra: object) -> api.Done:
        row = naming.message(self._desk, command.message)
        if row.kind == "deleted":
            raise NotAllowed("this message was deleted")
        chat = self._speaking.open_number(row.conversation)
        if not self._messages.may_pin(chat, self._desk.account):
            raise NotAllowed("only admins and owners pin in a group")
        if self._desk.pins.is_pinned(row.number) != command.pinned:
            entropy = self._desk.context.entropy
            part = making.pin(command.pinned)
            self._speaking.do(chat, making.post(part, in_reply_to=newest(row), entropy=entropy))
        return api.Done()
