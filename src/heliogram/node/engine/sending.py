"""Commands by which people say something: send, edit, delete, react; and read what others said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from heliogram.content import making
from heliogram.content.errors import ContentError
from heliogram.content.framing import MIMI_CONTENT
from heliogram.content.limits import MAX_EMOJI_SIZE, MAX_EXPIRY
from heliogram.content.mimi import Expiry, ExternalPart, Message, MultiPart, Part
from heliogram.node import api
from heliogram.node.engine import clock, naming, reading
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.making import Made, body, made
from heliogram.node.engine.messages import Messages, Said
from heliogram.node.engine.reports import Reports
from heliogram.node.engine.views import SEVERAL, Views
from heliogram.node.errors import ChatEnded, NotAllowed, NotFound
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.messages import MessageRow
from heliogram.node.transfer.prepared import Prepared

#: Says something in a conversation: its row, the media type, the content, the message, whether it waits.
Say = Callable[[ConversationRow, str, bytes, int | None, bool], None]

_OVER = frozenset(("dead", "out"))


class Sending:
    """Does the commands."""

    def __init__(
        self, desk: Desk, views: Views, messages: Messages, reports: Reports, say: Say
    ) -> None:
        self._desk = desk
        self._views = views
        self._messages = messages
        self._reports = reports
        self._say = say

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.SendMessage: self._send,
            api.EditMessage: self._edit,
            api.DeleteMessage: self._delete,
            api.React: self._react,
            api.MarkRead: self._read,
            api.SetDraft: self._draft,
        }

    # --- Saying -----------------------------------------------------------------------------------

    def _send(self, command: api.SendMessage, extra: object) -> api.Message:
        desk = self._desk
        chat = self._open(command.chat)
        prepared = extra if isinstance(extra, Prepared) else Prepared()
        if command.files and not prepared.files:
            raise NotAllowed("files must be made ready before they are sent")
        if not command.text and not prepared.files:
            raise NotAllowed("a message needs a text or a file")
        reply = None
        if command.reply_to is not None:
            answered = naming.message(desk, command.reply_to)
            if answered.conversation != chat.number:
                raise NotFound("message")
            reply = answered.version or answered.id
        new = self._make(
            chat,
            making.post(
                _body(command.text, prepared.parts),
                in_reply_to=reply,
                expires=_expiry(command.expires, chat),
                entropy=desk.context.entropy,
            ),
        )
        number = self._take(chat, new)
        if number is None:
            raise NotAllowed("this was said already")
        if prepared.files:
            desk.files.sent(number, prepared)
        self._say(chat, MIMI_CONTENT, new.content, number, bool(prepared.files))
        if chat.draft:
            desk.logs.change(chat.number, draft="")
        return self._shown(number)

    def _edit(self, command: api.EditMessage, extra: object) -> api.Message:
        row, first = self._own(command.message)
        chat = self._open_number(row.conversation)
        if row.kind not in ("text", "file"):
            raise NotAllowed("there is no text in this message")
        files = _files(first.part)
        if not command.text and not files:
            raise NotAllowed("a message needs a text or a file")
        part = _body(command.text, files)
        edited = making.edit(first, row.id or b"", part, entropy=self._desk.context.entropy)
        new = self._make(chat, edited)
        self._take(chat, new)
        self._say(chat, MIMI_CONTENT, new.content, None, False)
        return self._shown(row.number)

    def _delete(self, command: api.DeleteMessage, extra: object) -> api.Done:
        if command.only_here:
            self._messages.remove(naming.message(self._desk, command.message))
            return api.Done()
        row, first = self._own(command.message)
        chat = self._open_number(row.conversation)
        gone = making.take_back(first, row.id or b"", entropy=self._desk.context.entropy)
        new = self._make(chat, gone)
        self._take(chat, new)
        self._say(chat, MIMI_CONTENT, new.content, None, False)
        return api.Done()

    def _react(self, command: api.React, extra: object) -> api.Done:
        desk = self._desk
        row = naming.message(desk, command.message)
        if row.id is None or row.kind == "deleted":
            raise NotAllowed("nobody reacts to what was deleted")
        chat = self._open_number(row.conversation)
        every = desk.marks.reactions([row.number]).get(row.number, ())
        ours = [one for one in every if one.sender == desk.account]
        emoji = reading.bounded(command.emoji).replace(SEVERAL, "").strip()
        if not command.emoji:
            for one in ours:
                earlier = reading.of_bytes(one.content)
                if earlier is not None:
                    gone = making.take_back(earlier, one.id, entropy=desk.context.entropy)
                    self._do(chat, gone)
            return api.Done()
        if not emoji or len(emoji.encode("utf-8", "replace")) > MAX_EMOJI_SIZE:
            raise NotAllowed("this is no reaction")
        if all(emoji not in one.emoji.split(SEVERAL) for one in ours):
            target = row.version or row.id
            self._do(chat, making.react(target, [emoji], entropy=desk.context.entropy))
        return api.Done()

    # --- Reading ----------------------------------------------------------------------------------

    def _read(self, command: api.MarkRead, extra: object) -> api.Done:
        desk = self._desk
        chat = naming.chat(desk, command.chat)
        rows = desk.messages.mark_read(chat.number, command.number)
        for row in rows:
            content = reading.of_bytes(row.content)
            if content is not None and content.expires is not None:
                desk.messages.set_expiry(row.number, content.expires.ends(desk.time))
                desk.is_changed(row.number)
        if rows:
            self._reports.read(chat, rows)
            desk.recount(chat.number)
        return api.Done()

    def _draft(self, command: api.SetDraft, extra: object) -> api.Done:
        chat = naming.chat(self._desk, command.chat)
        if chat.draft != command.text:
            self._desk.logs.change(chat.number, draft=command.text)
            self._desk.chat_changed(chat.number)
        return api.Done()

    # --- Inside -----------------------------------------------------------------------------------

    def profile(self, chat: ConversationRow, part: Part) -> None:
        """Say something about ourselves: nothing of it is shown."""
        post = making.post(part, entropy=self._desk.context.entropy)
        self._say(chat, MIMI_CONTENT, self._make(chat, post).content, None, False)

    def _do(self, chat: ConversationRow, message: Message) -> None:
        """Do here what a message of ours does everywhere, and send it."""
        fresh = self._desk.logs.get(chat.number) or chat
        new = self._make(fresh, message)
        self._take(fresh, new)
        self._say(fresh, MIMI_CONTENT, new.content, None, False)

    def _make(self, chat: ConversationRow, message: Message) -> Made:
        desk = self._desk
        sent = clock.next_time(chat.clock, desk.context.time)
        new = made(message, sent=sent, account=desk.account, room=chat.id)
        desk.logs.change(chat.number, clock=sent)
        return new

    def _take(self, chat: ConversationRow, new: Made) -> int | None:
        said = Said(new.message, new.content, new.id, self._desk.account, new.sent)
        return self._messages.take(chat, said)

    def _own(self, text: str) -> tuple[MessageRow, Message]:
        row = naming.message(self._desk, text)
        first = reading.of_bytes(row.content)
        if not row.mine:
            raise NotAllowed("only who said something may change it")
        if first is None:
            raise NotAllowed("this message was deleted")
        return row, first

    def _open(self, text: str) -> ConversationRow:
        return self._open_number(naming.chat(self._desk, text).number)

    def _open_number(self, number: int) -> ConversationRow:
        chat = self._desk.logs.get(number)
        if chat is None:
            raise NotFound("chat")
        if chat.phase in _OVER:
            raise ChatEnded
        return chat

    def _shown(self, number: int) -> api.Message:
        row = self._desk.messages.get(number)
        if row is None:
            raise NotFound("message")
        return self._views.message(row)


def _body(text: str, files: Sequence[Part]) -> Part:
    try:
        return body(text, files)
    except ContentError:
        raise NotAllowed("this text cannot be sent") from None


def _files(part: Part) -> list[Part]:
    """The files of a message, with what belongs to them."""
    parts = part.parts if isinstance(part, MultiPart) else (part,)
    if isinstance(part, MultiPart) and any(isinstance(one, ExternalPart) for one in parts[:1]):
        previews = [one for one in parts if not isinstance(one, ExternalPart)]
        if len(parts) == 2 and previews and previews[0].disposition != 1:
            return [part]  # one file with its preview
    return [
        one
        for one in parts
        if isinstance(one, ExternalPart)
        or (isinstance(one, MultiPart) and isinstance(one.parts[0], ExternalPart))
    ]


def _expiry(wanted: int | None, chat: ConversationRow) -> Expiry | None:
    seconds = chat.expiry if wanted is None else wanted
    if seconds < 0 or seconds > MAX_EXPIRY:
        raise NotAllowed("messages go within a year, or never")
    return Expiry(True, seconds) if seconds else None
