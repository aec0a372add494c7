"""What we tell others of their messages, and they us: delivered, read.

Reports are collected. They go with the next thing that we say in a conversation, or by themselves after a
time that is drawn anew each time, within the bounds of `delay`: so a relay that sees one entry follow another
cannot tell well which was answered, and a flood of messages is answered by few entries. Reactions, edits and
deletions are never reported, nor is what blocked people say.
"""

from __future__ import annotations

from collections.abc import Sequence

from heliogram.content.errors import ContentError
from heliogram.content.status import Report, Status, later
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.views import Views
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.marks import ReportRow
from heliogram.node.store.messages import MessageRow

#: Seconds until a report goes by itself, at least and at most: between two people, and among more.
DIRECT_DELAY = (2.0, 8.0)
GROUP_DELAY = (30.0, 120.0)

#: Messages in one report: it has the size of other messages then.
MAX_REPORTED = 400

_FINE = 1 << 16

_KNOWN = frozenset(Status)


def delay(members: int, entropy: bytes) -> float:
    """Seconds until what is owed goes by itself. `entropy`: two random bytes."""
    least, most = DIRECT_DELAY if members <= 2 else GROUP_DELAY
    return least + (most - least) * int.from_bytes(entropy, "big") / _FINE


class Reports:
    """Collects what is to be reported, and keeps what others report."""

    def __init__(self, desk: Desk, views: Views) -> None:
        self._desk = desk
        self._views = views
        #: By conversation: when its report goes by itself (monotonic seconds).
        self._due: dict[int, float] = {}

    # --- Ours -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """After a start: what is owed from before goes after a new delay."""
        for number in self._desk.marks.owing():
            self._schedule(number)

    def delivered(self, conversation: ConversationRow, sender: bytes, id: bytes) -> None:
        """A message came."""
        self._owe(conversation, sender, id, Status.DELIVERED)

    def read(self, conversation: ConversationRow, rows: Sequence[MessageRow]) -> None:
        """Messages were shown."""
        for row in rows:
            if row.sender is not None and row.id is not None and not row.mine:
                self._owe(conversation, row.sender, row.id, Status.READ)

    def forget(self, conversation: int) -> None:
        """Nothing is reported there any more."""
        self._desk.marks.drop_owed(conversation)
        self._due.pop(conversation, None)

    def due(self) -> list[int]:
        """Conversations whose report goes now."""
        now = self._desk.context.now
        return [number for number, at in self._due.items() if at <= now]

    def deadline(self) -> float | None:
        """When the next one goes."""
        return min(self._due.values(), default=None)

    def take(self, conversation: int) -> bytes | None:
        """The report that goes now, if there is something to report. It is owed no longer."""
        self._due.pop(conversation, None)
        owed = self._desk.marks.take_owed(conversation, MAX_REPORTED)
        if not owed:
            return None
        if len(owed) == MAX_REPORTED:
            self._schedule(conversation)
        # They may have been blocked since.
        owed = [one for one in owed if not self._is_blocked(conversation, one[0])]
        return Report(tuple(owed)).encode() if owed else None

    def _is_blocked(self, conversation: int, id: bytes) -> bool:
        row = self._desk.messages.by_id(conversation, id)
        return (
            row is not None and row.sender is not None and self._desk.people.is_blocked(row.sender)
        )

    def _owe(self, conversation: ConversationRow, sender: bytes, id: bytes, status: Status) -> None:
        if sender == self._desk.account or not self._views.reports(conversation):
            return
        if self._desk.people.is_blocked(sender):
            return
        self._desk.marks.add_owed(conversation.number, id, status)
        if conversation.number not in self._due:
            self._schedule(conversation.number)

    def _schedule(self, conversation: int) -> None:
        members = self._desk.logs.member_count(conversation)
        wait = delay(members, self._desk.context.entropy(2))
        self._due[conversation] = self._desk.context.now + wait

    # --- Others' ----------------------------------------------------------------------------------

    def receive(self, conversation: ConversationRow, sender: bytes, content: bytes) -> None:
        """Somebody reports. What is not about a message of ours in this conversation is nothing."""
        if sender == self._desk.account:
            return
        try:
            report = Report.from_bytes(content)
        except ContentError:
            return
        others = {one.account for one in self._desk.logs.members(conversation.number)}
        others.discard(self._desk.account)
        for id, status in report.statuses:
            # What a later version reports says nothing here yet.
            if status in _KNOWN:
                row = self._desk.messages.by_id(conversation.number, id)
                if row is not None and row.mine:
                    self._reported(row, sender, status, others)

    def _reported(self, row: MessageRow, sender: bytes, status: int, others: set[bytes]) -> None:
        marks = self._desk.marks
        before = marks.report(row.number, sender)
        counts = status if before is None else later(before, status)
        if not marks.set_report(ReportRow(row.number, sender, counts, self._desk.time)):
            return
        state = self._state(row, others)
        if state != row.state:
            self._desk.messages.set_state(row.number, state)
        self._desk.is_changed(row.number)

    def _state(self, row: MessageRow, others: set[bytes]) -> str:
        """Where a message stands: a thing is delivered, or read, when it is so at all others."""
        marks = self._desk.marks
        # Anybody can report often, of many messages: all reports are looked at when all are there.
        if row.state == "failed" or not others or marks.count_reports(row.number) < len(others):
            return row.state
        known = {one.account: one.status for one in marks.reports([row.number])[row.number]}
        statuses = [known.get(one) for one in others]
        if all(one in (Status.READ, Status.EXPIRED, Status.DELETED) for one in statuses):
            return "read"
        if all(one is not None and one != Status.UNREAD for one in statuses):
            return "delivered"
        return row.state
