"""Commands by which people say something: send, edit, delete, react; and read what others said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heliogram.content import making
from heliogram.content.forwarded import origin
from heliogram.content.limits import MAX_EMOJI_SIZE
from heliogram.content.mimi import ExternalPart, Message, MultiPart, Part
from heliogram.node import api
from heliogram.node.engine import naming, reading
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.making import body
from heliogram.node.engine.messages import Messages
from heliogram.node.engine.reports import Reports
from heliogram.node.engine.speaking import Speaking, checked, newest
from heliogram.node.engine.views import SEVERAL
from heliogram.node.errors import NotAllowed
from heliogram.node.store.messages import MessageRow
from heliogram.node.transfer.prepared import Prepared


class Sending:
    """Does the commands."""

    def __init__(
        self, desk: Desk, speaking: Speaking, messages: Messages, reports: Reports
    ) -> None:
        self._desk = desk
        self._speaking = speaking
        self._messages = messages
        self._reports = reports

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
        chat = self._speaking.open(command.chat)
        prepared = extra if isinstance(extra, Prepared) else Prepared()
        if command.files and not prepared.files:
            raise NotAllowed("files must be made ready before they are sent")
        if not command.text and not prepared.files:
            raise NotAllowed("a message needs a text or a file")
        reply = None
        if command.reply_to is not None:
            reply = self._speaking.answered(chat, command.reply_to)
        number = self._speaking.post(
            chat,
            text_and_files(command.text, prepared.parts),
            reply_to=reply,
            expires=command.expires,
            prepared=prepared,
        )
        if chat.draft:
            self._desk.logs.change(chat.number, draft="")
        return self._speaking.shown(number)

    def _edit(self, command: api.EditMessage, extra: object) -> api.Message:
        row, first = self._own(command.message)
        chat = self._speaking.open_number(row.conversation)
        if row.kind not in ("text", "file"):
            raise NotAllowed("there is no text in this message")
        if origin(first) is not None:
            raise NotAllowed("what was forwarded stays as it was said")
        files = _files(first.part)
        if not command.text and not files:
            raise NotAllowed("a message needs a text or a file")
        part = text_and_files(command.text, files)
        edited = making.edit(first, row.id or b"", part, entropy=self._desk.context.entropy)
        self._speaking.do(chat, edited)
        return self._speaking.shown(row.number)

    def _delete(self, command: api.DeleteMessage, extra: object) -> api.Done:
        if command.only_here:
            self._messages.remove(naming.message(self._desk, command.message))
            return api.Done()
        row, first = self._own(command.message)
        chat = self._speaking.open_number(row.conversation)
        gone = making.take_back(first, row.id or b"", entropy=self._desk.context.entropy)
        self._speaking.do(chat, gone)
        return api.Done()

    def _react(self, command: api.React, extra: object) -> api.Done:
        desk = self._desk
        row = naming.message(desk, command.message)
        if row.id is None or row.kind == "deleted":
            raise NotAllowed("nobody reacts to what was deleted")
        chat = self._speaking.open_number(row.conversation)
        every = desk.marks.reactions([row.number]).get(row.number, ())
        ours = [one for one in every if one.sender == desk.account]
        emoji = reading.bounded(command.emoji).replace(SEVERAL, "").strip()
        if not command.emoji:
            for one in ours:
                earlier = reading.of_bytes(one.content)
                if earlier is not None:
                    gone = making.take_back(earlier, one.id, entropy=desk.context.entropy)
                    self._speaking.do(chat, gone)
            return api.Done()
        if not emoji or len(emoji.encode("utf-8", "replace")) > MAX_EMOJI_SIZE:
            raise NotAllowed("this is no reaction")
        if all(emoji not in one.emoji.split(SEVERAL) for one in ours):
            made = making.react(newest(row), [emoji], entropy=desk.context.entropy)
            self._speaking.do(chat, made)
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

    def _own(self, text: str) -> tuple[MessageRow, Message]:
        row = naming.message(self._desk, text)
        first = reading.of_bytes(row.content)
        if not row.mine:
            raise NotAllowed("only who said something may change it")
        if first is None:
            raise NotAllowed("this message was deleted")
        return row, first


def text_and_files(text: str, files: Sequence[Part] = ()) -> Part:
    """Both as one part. Raises `NotAllowed` for a text that cannot be sent."""
    return checked(lambda: body(text, files), "this text cannot be sent")


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
