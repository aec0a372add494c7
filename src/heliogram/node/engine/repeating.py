"""Saying again what failed: the same words, and its files under keys of their own.

It is said where it was, or in the conversation that this one goes on in. What failed was never in a log, and
goes from this node: nobody has to choose between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heliogram.content import making
from heliogram.content.forwarded import origin
from heliogram.content.mimi import Message, Part
from heliogram.node import api
from heliogram.node.engine import naming, reading
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.messages import Messages
from heliogram.node.engine.sending import text_and_files
from heliogram.node.engine.speaking import Speaking
from heliogram.node.errors import NotAllowed
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.messages import MessageRow
from heliogram.node.transfer.again import Original, PlanAgain
from heliogram.node.transfer.prepared import Prepared


class Repeating:
    """Does the command."""

    def __init__(
        self,
        desk: Desk,
        speaking: Speaking,
        messages: Messages,
        originals: Callable[[int], tuple[Original, ...]],
    ) -> None:
        """`originals` is `Forwarding.originals`."""
        self._desk = desk
        self._speaking = speaking
        self._messages = messages
        self._originals = originals

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.SendAgain: self._again, PlanAgain: self._plan}

    def _plan(self, command: PlanAgain, extra: object) -> tuple[tuple[Original, ...], ...]:
        row, _, _ = self._meant(command.message)
        return (self._originals(row.number) if row.files else (),)

    def _again(self, command: api.SendAgain, extra: object) -> api.Message:
        row, message, chat = self._meant(command.message)
        files = extra[0] if isinstance(extra, tuple) else Prepared()
        if not isinstance(files, Prepared) or (row.files and not files.files):
            raise NotAllowed("files must be made ready before they are sent")
        came = origin(message)
        same = chat.number == row.conversation
        ends = message.expires
        number = self._speaking.post(
            chat,
            _part(row, message, files),
            reply_to=message.in_reply_to if same else None,
            expires=ends.time if ends is not None and ends.relative else 0,
            prepared=files,
            extensions=() if came is None else came.extensions(),
        )
        self._messages.remove(row)
        return self._speaking.shown(number)

    def _meant(self, text: str) -> tuple[MessageRow, Message, ConversationRow]:
        """What failed, and where it is said again."""
        row = naming.message(self._desk, text)
        message = reading.of_bytes(row.content)
        if not row.mine or row.state != "failed" or message is None:
            raise NotAllowed("only what failed is said again")
        logs = self._desk.logs
        chat = logs.get(row.conversation)
        while chat is not None and chat.successor is not None:
            chat = logs.get(chat.successor)
        return row, message, self._speaking.open_number(chat.number if chat else row.conversation)


def _part(row: MessageRow, message: Message, files: Prepared) -> Part:
    match row.kind:
        case "poll" if (poll := reading.poll(row.content)) is not None:
            return making.poll(poll)
        case "location" if (place := reading.location(message)) is not None:
            return making.location(place)
    return text_and_files(row.text, files.parts)
