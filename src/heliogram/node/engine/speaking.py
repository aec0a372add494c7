"""How a message of ours is said: made with its time, done here, and put into the outbox."""

from __future__ import annotations

from collections.abc import Callable

from heliogram.content import making
from heliogram.content.errors import ContentError
from heliogram.content.framing import MIMI_CONTENT
from heliogram.content.limits import MAX_EXPIRY
from heliogram.content.mimi import Expiry, Extension, Message, Part
from heliogram.node import api
from heliogram.node.engine import clock, naming
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.making import Made, made
from heliogram.node.engine.messages import Messages, Said
from heliogram.node.engine.views import Views
from heliogram.node.errors import ChatEnded, NotAllowed, NotFound
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.messages import MessageRow
from heliogram.node.transfer.prepared import Prepared

#: Says something in a conversation: its row, the media type, the content, the message, whether it waits.
Say = Callable[[ConversationRow, str, bytes, int | None, bool], None]

_OVER = frozenset(("dead", "out"))


class Speaking:
    """What commands that say something have in common."""

    def __init__(self, desk: Desk, views: Views, messages: Messages, say: Say) -> None:
        self._desk = desk
        self._views = views
        self._messages = messages
        self._say = say

    # --- What is said -----------------------------------------------------------------------------

    def post(
        self,
        chat: ConversationRow,
        part: Part,
        *,
        reply_to: bytes | None = None,
        expires: int | None = None,
        prepared: Prepared | None = None,
        extensions: tuple[Extension, ...] = (),
    ) -> int:
        """Say something new that stands in history; its number. `expires` overrides the conversation's.

        `prepared` are the files in `part`. Raises `NotAllowed`, `TooLong`.
        """
        desk = self._desk
        message = making.post(
            part,
            in_reply_to=reply_to,
            expires=_expiry(expires, chat),
            extensions=extensions,
            entropy=desk.context.entropy,
        )
        new = self.make(chat, message)
        number = self.take(chat, new)
        if number is None:
            raise NotAllowed("this was said already")
        files = prepared is not None and bool(prepared.files)
        if files:
            desk.files.sent(number, prepared)
        self._say(chat, MIMI_CONTENT, new.content, number, files)
        return number

    def do(self, chat: ConversationRow, message: Message) -> bytes:
        """Do here what a message of ours does everywhere, and send it; its id."""
        fresh = self._desk.logs.get(chat.number) or chat
        new = self.make(fresh, message)
        self.take(fresh, new)
        self._say(fresh, MIMI_CONTENT, new.content, None, False)
        return new.id

    def aside(self, chat: ConversationRow, part: Part) -> None:
        """Say something of which nothing is shown."""
        post = making.post(part, entropy=self._desk.context.entropy)
        self._say(chat, MIMI_CONTENT, self.make(chat, post).content, None, False)

    def make(self, chat: ConversationRow, message: Message) -> Made:
        """`message` with the conversation's next time."""
        desk = self._desk
        sent = clock.next_time(chat.clock, desk.context.time)
        new = made(message, sent=sent, account=desk.account, room=chat.id)
        desk.logs.change(chat.number, clock=sent)
        return new

    def take(self, chat: ConversationRow, new: Made) -> int | None:
        """Do it here; the number of what is new in history."""
        said = Said(new.message, new.content, new.id, self._desk.account, new.sent)
        return self._messages.take(chat, said)

    # --- What is meant ----------------------------------------------------------------------------

    def open(self, text: str) -> ConversationRow:
        """The conversation that is meant, if something can be said there. Raises `ChatEnded`."""
        return self.open_number(naming.chat(self._desk, text).number)

    def open_number(self, number: int) -> ConversationRow:
        """The same by its number."""
        chat = self._desk.logs.get(number)
        if chat is None:
            raise NotFound("chat")
        if chat.phase in _OVER:
            raise ChatEnded
        return chat

    def answered(self, chat: ConversationRow, text: str) -> bytes:
        """What a reply to the message that is meant names: its newest version."""
        row = naming.message(self._desk, text)
        if row.conversation != chat.number:
            raise NotFound("message")
        return newest(row)

    def shown(self, number: int) -> api.Message:
        """A message, as faces see it."""
        row = self._desk.messages.get(number)
        if row is None:
            raise NotFound("message")
        return self._views.message(row)


def newest(row: MessageRow) -> bytes:
    """The id of a message's newest version. Raises `NotFound` for a line of history."""
    found = row.version or row.id
    if found is None:
        raise NotFound("message")
    return found


def checked(make: Callable[[], Part], why: str) -> Part:
    """What `make` gives. Raises `NotAllowed` with `why`, where that would be no content."""
    try:
        return make()
    except ContentError:
        raise NotAllowed(why) from None


def _expiry(wanted: int | None, chat: ConversationRow) -> Expiry | None:
    seconds = chat.expiry if wanted is None else wanted
    if seconds < 0 or seconds > MAX_EXPIRY:
        raise NotAllowed("messages go within a year, or never")
    return Expiry(True, seconds) if seconds else None
