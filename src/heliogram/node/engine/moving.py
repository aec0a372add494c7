"""Words that wait while their conversation goes on in another one: they are said there.

The id of a message is made with the conversation that it is for, so each is made anew, under the id that
others will know it by. It is made of its newest version: what was changed or deleted before it left is told
to nobody. Its files are brought to the relays there before it leaves. Reactions, votes and pins of ours that
wait behind it are done anew, too. All else that waits is about what stays behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from heliogram.content import bodies
from heliogram.content.bodies import Kind
from heliogram.content.errors import ContentError
from heliogram.content.framing import MIMI_CONTENT
from heliogram.content.mimi import message_id
from heliogram.node import api
from heliogram.node.engine import clock, reading
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.making import Made, made, room_uri
from heliogram.node.engine.messages import Messages
from heliogram.node.engine.open_logs import is_alone
from heliogram.node.engine.speaking import Speaking
from heliogram.node.errors import NotFound
from heliogram.node.identity.accounts import account_uri
from heliogram.node.log.log import Log
from heliogram.node.store.logs import ConversationRow, OutboxRow
from heliogram.node.store.messages import MessageRow
from heliogram.node.store.scheduled import Scheduled

#: What happens to a message. It is made of its newest version, and not at all if it was deleted.
_REVISING = frozenset((Kind.EDIT, Kind.DELETE))


class Moving:
    """Moves what waits."""

    def __init__(
        self, desk: Desk, speaking: Speaking, messages: Messages, log: Callable[[int], Log]
    ) -> None:
        """`log` gives the log of a conversation."""
        self._desk = desk
        self._speaking = speaking
        self._messages = messages
        self._log = log
        self._scheduled = Scheduled(desk.context.store)

    def move(self, old: int, new: int) -> None:
        """Say in `new` what no quorum has of what was said in `old`."""
        desk, before = self._desk, self._log(old)
        source, target = self._row(old), self._row(new)
        #: What was made anew: its ids there by those that it had here.
        ids: dict[bytes, bytes] = {}
        for item in desk.logs.outbox(old):
            if item.grace or item.stored:
                continue
            before.unsay(item.number)
            if item.message is None:
                desk.logs.said(item.number)
                self._do(item, source, target, ids)
                continue
            row = desk.messages.get(item.message)
            again = None if row is None else self._again(row, target, ids)
            if row is None or again is None:
                desk.logs.said(item.number)
            else:
                self._take(item, row, source, target, again)
        desk.recount(old)

    # --- Messages ---------------------------------------------------------------------------------

    def _again(
        self, row: MessageRow, target: ConversationRow, ids: dict[bytes, bytes]
    ) -> Made | None:
        """A message as it is said there; None if it is not. It is a reply if what it answers moves, too."""
        desk, message = self._desk, reading.of_bytes(row.content)
        if message is None or row.id is None:
            # Taken back before it left.
            desk.messages.set_state(row.number, "failed")
            desk.is_changed(row.number)
            return None
        answered = ids.get(message.in_reply_to or b"")
        again = replace(message, in_reply_to=answered)
        new = made(again, sent=row.sent, account=desk.account, room=target.id)
        for earlier in (row.id, *desk.marks.versions(row.number)):
            ids[earlier] = new.id
        if desk.messages.by_id(target.number, new.id) is not None:
            self._messages.remove(row)  # a copy of us has said it there
            return None
        return new

    def _take(
        self,
        item: OutboxRow,
        row: MessageRow,
        source: ConversationRow,
        target: ConversationRow,
        again: Made,
    ) -> None:
        desk, log = self._desk, self._log(target.number)
        # Nobody would find its files there: it leaves once a quorum of the relays there has them.
        held = item.held or row.files > 0
        desk.logs.said_elsewhere(item.number, target.number, again.content, held=held)
        desk.messages.move(
            *(row.number, target.number),
            id=again.id,
            content=again.content,
            reply_to=again.message.in_reply_to,
        )
        desk.messages.set_state(row.number, "queued")
        if row.files:
            desk.files.move(row.number)
        desk.markdown.keep((row.number, 0, None), reading.shown(again.message).markdown)
        if row.id is not None and self._scheduled.answer(row.id, again.id):
            desk.context.tell(api.ScheduledChanged(source.id.hex()))
        # What is said there next comes after it.
        fresh = self._row(target.number)
        after = clock.raised(fresh.clock, again.sent, desk.context.time)
        desk.logs.change(target.number, clock=after)
        desk.is_gone(row.number, source.id, source.number)
        desk.is_added(row.number, target.number)
        if not held and not is_alone(target, log):
            log.say(item.number, item.kind, again.content)

    # --- What hangs on them -----------------------------------------------------------------------

    def _do(
        self,
        item: OutboxRow,
        source: ConversationRow,
        target: ConversationRow,
        ids: dict[bytes, bytes],
    ) -> None:
        """Do there what was to be done to a message that has moved."""
        message = reading.of_bytes(item.content) if item.kind == MIMI_CONTENT else None
        if message is None or bodies.kind(message) in _REVISING:
            return
        if (message.replaces or message.in_reply_to) not in ids:
            return
        try:
            uri, room = account_uri(self._desk.account), room_uri(source.id)
            earlier = message_id(item.content, sender=uri, room=room)
        except ContentError:
            return
        again = replace(
            message,
            replaces=ids.get(message.replaces or b""),
            in_reply_to=ids.get(message.in_reply_to or b""),
        )
        ids[earlier] = self._speaking.do(target, again)

    def _row(self, number: int) -> ConversationRow:
        row = self._desk.logs.get(number)
        if row is None:
            raise NotFound("chat")
        return row
