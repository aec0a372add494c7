"""What is to be said at its time, or as soon as the node runs after it.

It waits in the store and leaves like anything else that is said: made, numbered and timed then, in the
conversation as it is then. Files were sealed when it was scheduled. In a conversation that went on in another
one it is said there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from heliogram.content.mimi import Disposition
from heliogram.node import api
from heliogram.node.engine import naming
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.sending import text_and_files
from heliogram.node.engine.speaking import Speaking, newest
from heliogram.node.errors import NodeError, NotAllowed, NotFound, StoreError
from heliogram.node.files import SealedFile
from heliogram.node.store.scheduled import Scheduled, ScheduledFile, ScheduledRow
from heliogram.node.transfer.prepare import URL
from heliogram.node.transfer.prepared import DAYS, Prepared, PreparedFile

#: How many may wait, and how many are said in one turn.
MOST, AT_ONCE = 1000, 16

#: No time is later (Unix seconds).
LATEST = 1 << 40

_DAY = 86_400


class Scheduling:
    """Does the commands, and what they wait for."""

    def __init__(self, desk: Desk, speaking: Speaking) -> None:
        self._desk = desk
        self._speaking = speaking
        self._table = Scheduled(desk.context.store)
        #: When the next one is to be said (Unix seconds).
        self._next = self._table.next()

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.Schedule: self._schedule,
            api.GetScheduled: self._list,
            api.Unschedule: self._unschedule,
            api.Reschedule: self._reschedule,
        }

    def settle(self) -> None:
        """Say what is due."""
        if self._next is None or self._next > self._desk.time:
            return
        for row in self._table.due(self._desk.time, AT_ONCE):
            try:
                with self._desk.context.store.transaction():
                    self._say(row)
            except StoreError:
                raise
            except NodeError as error:
                self._drop(row)
                chat = self._desk.logs.get(row.conversation)
                if chat is not None:
                    failed = api.CommandFailed(chat.id.hex(), "schedule", error.code)
                    self._desk.context.tell(failed)
            self._changed(row.conversation)

    def deadline(self) -> float | None:
        """When the next one is to be said (monotonic seconds)."""
        context = self._desk.context
        return None if self._next is None else context.now + max(0.0, self._next - context.time)

    # --- Commands ---------------------------------------------------------------------------------

    def _schedule(self, command: api.Schedule, extra: object) -> api.Scheduled:
        chat = self._speaking.open(command.chat)
        files = extra if isinstance(extra, Prepared) else Prepared()
        if command.files and not files.files:
            raise NotAllowed("files must be made ready before they are sent")
        if not command.text and not files.files:
            raise NotAllowed("a message needs a text or a file")
        _check_time(command.at)
        if self._table.count() >= MOST:
            raise NotAllowed("too much waits for its time")
        text_and_files(command.text, files.parts)
        reply = None
        if command.reply_to is not None:
            reply = naming.message(self._desk, command.reply_to)
            if reply.conversation != chat.number or reply.id is None:
                raise NotFound("message")
        number = self._table.add(
            chat.number,
            command.at,
            command.text,
            None if reply is None else reply.id,
            [_kept(one) for one in files.files],
        )
        if chat.draft:
            self._desk.logs.change(chat.number, draft="")
            self._desk.chat_changed(chat.number)
        self._changed(chat.number)
        return self._shown(self._row(number), chat.id)

    def _list(self, command: api.GetScheduled, extra: object) -> list[api.Scheduled]:
        logs = self._desk.logs
        only = None if command.chat is None else naming.chat(self._desk, command.chat).number
        rows = [(row, logs.get(row.conversation)) for row in self._table.every(only)]
        return [self._shown(row, chat.id) for row, chat in rows if chat is not None]

    def _unschedule(self, command: api.Unschedule, extra: object) -> api.Done:
        row = self._row(command.number)
        if command.now:
            self._say(row)
        else:
            self._drop(row)
        self._changed(row.conversation)
        return api.Done()

    def _reschedule(self, command: api.Reschedule, extra: object) -> api.Scheduled:
        row = self._row(command.number)
        chat = self._desk.logs.get(row.conversation)
        if chat is None:
            raise NotFound("chat")
        _check_time(command.at)
        self._table.move(row.number, command.at)
        self._changed(row.conversation)
        return self._shown(self._row(row.number), chat.id)

    # --- Inside -----------------------------------------------------------------------------------

    def _row(self, number: int) -> ScheduledRow:
        row = self._table.get(max(-1, min(number, LATEST)))
        if row is None:
            raise NotFound("scheduled")
        return row

    def _say(self, row: ScheduledRow) -> None:
        desk = self._desk
        chat = desk.logs.get(row.conversation)
        while chat is not None and chat.successor is not None:
            chat = desk.logs.get(chat.successor)
        if chat is None:
            raise NotFound("chat")
        chat = self._speaking.open_number(chat.number)
        until = desk.time + DAYS * _DAY
        files = Prepared(tuple(_ready(one, until) for one in self._table.files(row.number)))
        answered = None if row.reply_to is None else desk.messages.by_id(chat.number, row.reply_to)
        self._speaking.post(
            chat,
            text_and_files(row.text, files.parts),
            reply_to=None if answered is None else newest(answered),
            prepared=files,
        )
        self._table.remove(row.number)

    def _drop(self, row: ScheduledRow) -> None:
        files = self._table.files(row.number)
        self._desk.files.drop_copies([one.spool for one in files])
        self._table.remove(row.number)

    def _changed(self, conversation: int) -> None:
        self._next = self._table.next()
        chat = self._desk.logs.get(conversation)
        if chat is not None:
            self._desk.context.tell(api.ScheduledChanged(chat.id.hex()))

    def _shown(self, row: ScheduledRow, chat: bytes) -> api.Scheduled:
        return api.Scheduled(
            number=row.number,
            chat=chat.hex(),
            text=row.text,
            files=tuple(one.name for one in self._table.files(row.number)),
            reply_to=None if row.reply_to is None else row.reply_to.hex(),
            at=row.at,
        )


def _check_time(at: int) -> None:
    if not 0 <= at <= LATEST:
        raise NotAllowed("there is no such time")


def _kept(one: PreparedFile) -> ScheduledFile:
    file, part = one.file, one.external
    return ScheduledFile(
        key=file.key,
        size=file.size,
        plain=file.plaintext_hash,
        blob=file.ciphertext_hash,
        name=part.filename,
        content_type=part.content_type,
        inline=one.inline,
        duration=one.duration,
        thumbnail=one.thumbnail,
        spool=one.spool.name,
        path=None if one.path is None else str(one.path),
    )


def _ready(one: ScheduledFile, expires: int) -> PreparedFile:
    """The file as it was made ready. Relays are to keep it from now on, not from when it was sealed."""
    file = SealedFile(one.key, one.size, one.plain, one.blob)
    part = file.part(
        url=URL + one.blob.hex(),
        content_type=one.content_type,
        filename=one.name,
        expires=expires,
        disposition=Disposition.RENDER if one.inline else Disposition.ATTACHMENT,
    )
    return PreparedFile(
        *(file, part, Path(one.spool)),
        None if one.path is None else Path(one.path),
        inline=bool(one.inline),
        thumbnail=one.thumbnail,
        duration=one.duration,
    )
