"""Saying again elsewhere what was said: the body alone, with where it comes from.

A forward tells as little as it can. Of others it says the name that they go by, never an account: mentions
become plain names, and neither replies nor reactions nor times go along. Only of what we said ourselves it
tells that it was us, and when. Files are sent anew, under keys of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from heliogram.content import making
from heliogram.content.forwarded import Forwarded, origin
from heliogram.content.limits import MAX_LABEL
from heliogram.content.mimi import Message, Part
from heliogram.node import api
from heliogram.node.asking import Address
from heliogram.node.engine import naming, reading
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.sending import text_and_files
from heliogram.node.engine.speaking import Speaking
from heliogram.node.engine.views import Views, configuration_of
from heliogram.node.errors import FileFault, InvalidFile, NotAllowed
from heliogram.node.identity.names import clean
from heliogram.node.store.files import FileRow, Files
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.messages import MessageRow
from heliogram.node.transfer.again import Original, PlanForward
from heliogram.node.transfer.prepared import Prepared

#: What is said of somebody whose name we do not know.
NAMELESS = "?"

_KINDS = frozenset(("text", "file", "poll", "location"))

#: A mention, as `making.mention` writes it.
_MENTION = re.compile(r"\[(@(?:[^\[\]\\]|\\.)*)\]\(heliogram:[^)\s]*\)")


class Forwarding:
    """Does the command."""

    def __init__(
        self, desk: Desk, views: Views, speaking: Speaking, circuit: Callable[[int], bytes]
    ) -> None:
        """`circuit` is `Talks.circuit`."""
        self._desk = desk
        self._views = views
        self._speaking = speaking
        self._circuit = circuit
        self._files = Files(desk.context.store)

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.ForwardMessages: self._forward, PlanForward: self._plan}

    def _plan(self, command: PlanForward, extra: object) -> tuple[tuple[Original, ...], ...]:
        self._speaking.open(command.chat)
        return tuple(
            self.originals(row.number) if row.files else () for row in self._meant(command.messages)
        )

    def originals(self, message: int) -> tuple[Original, ...]:
        """The files of a message, to be sealed anew. Raises `InvalidFile` if one cannot be had."""
        return tuple(map(self._original, self._files.of(message)))

    def _forward(self, command: api.ForwardMessages, extra: object) -> list[api.Message]:
        chat = self._speaking.open(command.chat)
        rows = self._meant(command.messages)
        prepared = extra if isinstance(extra, tuple) else tuple(Prepared() for _ in rows)
        numbers = []
        for row, files in zip(rows, prepared, strict=True):
            if not isinstance(files, Prepared) or (row.files and not files.files):
                raise NotAllowed("files must be made ready before they are sent")
            fresh = self._desk.logs.get(chat.number) or chat
            numbers.append(self._again(fresh, row, files))
        return [self._speaking.shown(number) for number in numbers]

    def _meant(self, names: tuple[str, ...]) -> list[MessageRow]:
        """The messages, each once, in the order of history."""
        rows = {row.number: row for row in (naming.message(self._desk, one) for one in names)}
        if any(row.kind not in _KINDS for row in rows.values()):
            raise NotAllowed("this cannot be forwarded")
        return sorted(rows.values(), key=lambda row: (row.sent, row.id or b""))

    def _again(self, chat: ConversationRow, row: MessageRow, files: Prepared) -> int:
        message = reading.of_bytes(row.content)
        if message is None:
            raise NotAllowed("this cannot be forwarded")
        extensions = self._origin(row, message).extensions()
        return self._speaking.post(
            chat, self._part(row, message, files), prepared=files, extensions=extensions
        )

    def _part(self, row: MessageRow, message: Message, files: Prepared) -> Part:
        match row.kind:
            case "poll" if (poll := reading.poll(row.content)) is not None:
                return making.poll(poll)
            case "location" if (place := reading.location(message)) is not None:
                return making.location(place)
        return text_and_files(_MENTION.sub(r"\1", row.text), files.parts)

    def _origin(self, row: MessageRow, message: Message) -> Forwarded:
        earlier = origin(message)
        if earlier is not None and earlier.name:
            return Forwarded(earlier.name)
        if row.mine:
            return Forwarded("", row.sent if earlier is None else earlier.time)
        return Forwarded(self._name(row.sender or b""))

    def _name(self, account: bytes) -> str:
        """What somebody calls themselves: what we call them is ours alone."""
        found = self._desk.context.store.one("SELECT name FROM names WHERE account = ?", (account,))
        name = clean("" if found is None else str(found[0])) or NAMELESS
        return name.encode()[:MAX_LABEL].decode("utf-8", "ignore")

    def _original(self, row: FileRow) -> Original:
        if not row.key:
            raise InvalidFile(FileFault.NOT_OURS)
        number = self._files.conversation_of(row.message) or 0
        chat = self._desk.logs.get(number)
        now = None if chat is None else self._views.configuration(chat)
        found: dict[bytes, Address] = {}
        for configuration in (now, configuration_of(row.relays)):
            for one in () if configuration is None else configuration.relays:
                found.setdefault(one.key, Address.of(one))
        return Original(
            row.file,
            row.name,
            row.content_type,
            row.inline,
            row.duration,
            row.thumbnail or b"",
            row.path,
            row.spool if row.state != "downloading" else None,
            tuple(found.values()),
            self._circuit(number),
        )
