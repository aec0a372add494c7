"""Conversations of ours whose log was never open: begun anew where their relays do not come.

    too few relays open the log         after a while it is begun on others, if there are any
    somebody wants other relays         it is begun on those, at once
    somebody leaves                     it is given up: `Log.leave`

Before a quorum has the log, nothing is decided there: nobody was invited, and no key of it has left. So it
may be given up for another one, in one turn, and there are never two. What was wanted and said there, and who
is being reached for it, goes along. Until then all its relays are asked: if they come back, it opens.

Where somebody has named the relays, it is not begun on others that they have not named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from heliogram.node.changes import ChangeRelays, Wish
from heliogram.node.engine import happened, wishes
from heliogram.node.engine.choosing import Choosing, usual_quorum
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.facts import Facts
from heliogram.node.engine.moving import Moving
from heliogram.node.engine.open_logs import OpenLogs
from heliogram.node.engine.pictures import Pictures
from heliogram.node.errors import NodeError, NotNow
from heliogram.node.events import Event, Out
from heliogram.node.log.log import Log
from heliogram.node.store.logs import ConversationRow, Keeping
from heliogram.node.successor import Ground
from heliogram.wire.objects import Configuration, RelayDescription

#: Seconds for which too few relays open a log before it is begun on others, doubled each time up to the most.
PATIENCE = 30.0
MOST = 3600.0

#: Seconds between looks whether there are others.
LOOK = 10.0

#: Seconds before it was begun, since when a relay must have answered: if none has, it is we who are away.
RECENT = 60.0

#: Kept in the log's state where somebody has named the relays.
_NAMED = b"f"


class Home(Protocol):
    """What founding wants of talks."""

    def found(
        self,
        kind: str,
        *,
        name: str = "",
        description: str = "",
        peer: bytes | None = None,
        relays: Sequence[RelayDescription] | None = None,
        quorum: int | None = None,
        after: Ground | None = None,
    ) -> int:
        """A new conversation."""

    def log(self, number: int) -> Log:
        """The log of a conversation."""

    def wish(self, conversation: int, wish: Wish, command: str) -> None:
        """Want a change."""


@dataclass(slots=True)
class _Begun:
    """A log that is being opened."""

    since: float
    due: float
    tries: int = 0
    #: Whether it could not be begun anew where somebody wanted it to be.
    refused: bool = False


class Founding:
    """Looks after what was begun until it is open."""

    def __init__(
        self,
        desk: Desk,
        home: Home,
        logs: OpenLogs,
        choosing: Choosing,
        moving: Moving,
        pictures: Pictures,
    ) -> None:
        """Goes on with what was begun before the start."""
        self._desk = desk
        self._home = home
        self._logs = logs
        self._choosing = choosing
        self._moving = moving
        self._pictures = pictures
        #: Called when another conversation goes on from one of ours than before.
        self.moved: Callable[[], None] = lambda: None
        self._begun: dict[int, _Begun] = {}
        for row in desk.logs.every():
            if row.phase == "opening":
                self._watch(row.number)

    def begun(self, number: int, *, named: bool) -> None:
        """A conversation was founded; `named` if somebody has said on which relays."""
        self._keeping(number).put(_NAMED, b"\x01" if named else None)
        self._watch(number)

    def _watch(self, number: int, tries: int = 0) -> None:
        now = self._desk.context.now
        patience = min(MOST, PATIENCE * 2.0 ** min(tries, 16))
        self._begun[number] = _Begun(now, now + patience, tries)

    # --- In turns ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """Begin anew what does not open."""
        now = self._desk.context.now
        for number, one in list(self._begun.items()):
            log = self._opening(number)
            if log is None:
                self._end(number)
            elif log.stranded and not one.refused and (wanted := self._wanted(number)) is not None:
                self._tried(number, wanted.relays, wanted.q, named=True)
            elif now >= one.due:
                one.due = now + LOOK
                self._look(number, one, log)

    def happened(self, number: int, log: Log, event: Event) -> None:
        """One was given up: what it went on from is free again, in this very turn."""
        if isinstance(event, Out) and number in self._begun:
            self._end(number)

    def deadline(self) -> float | None:
        """When `settle` has something to do at the latest."""
        return min((one.due for one in self._begun.values()), default=None)

    def _look(self, number: int, one: _Begun, log: Log) -> None:
        """Begin elsewhere, if its relays do not come and others may."""
        if log.stranded and self._choosing.has_answered(
            min(one.since, self._desk.context.now - RECENT)
        ):
            self.elsewhere(number)

    def elsewhere(self, number: int) -> int:
        """Begin a conversation on other relays, if its log was never open and its relays are gone.

        The number of what is begun; the same one, if it may open yet, if somebody has named its relays or if
        there is no better choice.
        """
        log, row = self._opening(number), self._desk.logs.get(number)
        gone = frozenset() if log is None else log.stranded
        if log is None or row is None or not gone or self._keeping(number).get(_NAMED) is not None:
            return number
        here = log.conversation.seat.configuration
        try:
            relays = self._choose(row, gone)
        except NodeError:
            return number
        if {one.key for one in relays} == {one.key for one in here.relays}:
            return number
        if self._choosing.hoped(relays, gone) < usual_quorum(len(relays)):
            return number
        return self._tried(number, relays, None, named=False)

    def _choose(self, row: ConversationRow, gone: frozenset[bytes]) -> list[RelayDescription]:
        old = None if row.predecessor is None else self._desk.logs.get(row.predecessor)
        if old is None:
            return self._choosing.usual(gone)
        states = self._home.log(old.number).states()
        return self._choosing.successor(Configuration.from_bytes(old.relays), states, gone)

    # --- Beginning anew ---------------------------------------------------------------------------

    def _tried(
        self, number: int, relays: Sequence[RelayDescription], quorum: int | None, *, named: bool
    ) -> int:
        """The same conversation on other relays, or the one that is there if that cannot be."""
        try:
            with self._desk.context.store.transaction():
                return self._anew(number, relays, quorum, named=named)
        except NodeError:
            if number in self._begun:
                self._begun[number].refused = True
            return number

    def _anew(
        self, number: int, relays: Sequence[RelayDescription], quorum: int | None, *, named: bool
    ) -> int:
        """The same conversation on other relays: what was never open is given up in this very turn."""
        desk, row, log = self._desk, self._desk.logs.get(number), self._home.log(number)
        tries = self._begun[number].tries + 1 if number in self._begun else 1
        if row is None:
            return number
        metadata = log.conversation.charter.metadata
        new = self._home.found(
            row.kind,
            name=metadata.name,
            description=metadata.description,
            peer=row.peer,
            relays=relays,
            quorum=quorum,
            after=self._ground(row),
        )
        self._keeping(new).put(_NAMED, b"\x01" if named else None)
        self._watch(new, tries)
        self._follow(row, new)
        self._take_along(row, new)
        happened.line(desk, number, "goes on", Facts(by=desk.account))
        desk.logs.change(number, successor=new, archived=True, draft="")
        log.abandon()
        self._end(number)
        for one in (number, new):
            desk.chat_changed(one)
        return new

    def _ground(self, row: ConversationRow) -> Ground | None:
        if row.predecessor is None:
            return None
        return self._home.log(row.predecessor).conversation.ground()

    def _follow(self, row: ConversationRow, new: int) -> None:
        """What it goes on from goes on in the new one."""
        logs = self._desk.logs
        if row.predecessor is None:
            return
        logs.change(row.predecessor, successor=new)
        logs.change(new, predecessor=row.predecessor)
        logs.move_succession(row.number, new)
        self.moved()
        happened.line(self._desk, new, "went on", Facts(by=self._desk.account))
        self._desk.chat_changed(row.predecessor)

    def _take_along(self, row: ConversationRow, new: int) -> None:
        """What is wanted, said and begun for it."""
        desk, number = self._desk, row.number
        kept = {"pinned": row.pinned, "muted": row.muted, "reports": row.reports}
        desk.logs.change(new, **kept, draft=row.draft)
        desk.folders.go_along(number, new)
        for wanted in desk.logs.wishes(number):
            desk.logs.granted(wanted.number)
            wish = wishes.decode(wanted.wish)
            if not isinstance(wish, ChangeRelays):
                self._home.wish(new, wish, wanted.command)
        self._pictures.move(number, new)
        self._moving.move(number, new)
        desk.people.went_on(number, new)
        desk.people.begun_elsewhere(number, new)

    # --- Inside -----------------------------------------------------------------------------------

    def _opening(self, number: int) -> Log | None:
        """The log of a conversation that was founded and is not open; None if it is, or is none any more."""
        row = self._desk.logs.get(number)
        if row is None or row.phase != "opening":
            return None
        try:
            log = self._logs.get(number)
        except NotNow:
            return None
        return None if log.ready else log

    def _wanted(self, number: int) -> Configuration | None:
        """The relays that somebody wants it to be on."""
        for one in reversed(self._desk.logs.wishes(number)):
            wish = wishes.decode(one.wish)
            if isinstance(wish, ChangeRelays):
                return wish.configuration
        return None

    def _end(self, number: int) -> None:
        self._begun.pop(number, None)
        row = self._desk.logs.get(number)
        old = (
            None if row is None or row.predecessor is None else self._desk.logs.get(row.predecessor)
        )
        if row is None or old is None or old.successor != number or row.phase != "out":
            return
        # Somebody gave it up before it was open: another one may be begun.
        self._desk.logs.end_succession(number)
        self.moved()
        self._desk.logs.change(old.number, successor=None)
        self._desk.chat_changed(old.number)

    def _keeping(self, number: int) -> Keeping:
        return Keeping(self._desk.context.store, number, lambda: self._desk.context.time)
