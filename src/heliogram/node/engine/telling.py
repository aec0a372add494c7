"""What faces are told of a turn: each message and each conversation once."""

from __future__ import annotations

from heliogram.node import api
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.views import Views


def tell(desk: Desk, views: Views) -> bool:
    """Tell faces what has changed in this turn; whether anything has."""
    say = desk.context.tell
    any_of_it = bool(desk.added or desk.changed or desk.chats)
    shown: dict[int, api.Message] = {}
    if desk.added or desk.changed:
        rows = desk.messages.many({**desk.added, **desk.changed})
        for conversation in {row.conversation for at, row in rows.items() if at in desk.added}:
            desk.recount(conversation)
        for message in views.messages(
            [rows[at] for at in {**desk.added, **desk.changed} if at in rows]
        ):
            shown[message.number] = message
            new = message.number in desk.added
            say(api.MessageAdded(message) if new else api.MessageChanged(message))
    for number in desk.chats:
        chat = desk.logs.get(number)
        if chat is not None:
            say(api.ChatChanged(views.chat(chat, shown)))
    desk.added, desk.changed, desk.chats = {}, {}, {}
    return any_of_it
