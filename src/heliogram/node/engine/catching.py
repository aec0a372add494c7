"""Decisions from contacts: for who was away so long that no relay which they know is left.

    we are behind       too few relays of our epoch answer, for a while: ask contacts who are members
    somebody else is    a contact asks for the decisions of a conversation that both are in: give them

Both are parts of messages in another conversation that nobody sees: no line, no notice, no report. That is a
direct one; where none is there or nobody answers, a group of which all are members. Only who is a member, as
far as we know, is asked, answered or listened to; whatever is served, its certificates are checked. Questions
are few, and so are answers: nobody can make us send more than a few pieces a day. Nobody is asked while the
relays of that conversation do not answer either: then it is we who are away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from heliogram.content.mimi import Disposition, SinglePart
from heliogram.node.chain import Decision
from heliogram.node.decisions import (
    DECISIONS,
    MAX_PART,
    WANTED,
    DecisionsWanted,
    pack_decisions,
    unpack_decisions,
)
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.open_logs import OpenLogs
from heliogram.node.errors import InvalidDecisions, NodeError, TooLong
from heliogram.node.events import EpochStarted, Event
from heliogram.node.log.log import Log
from heliogram.node.records import Phase
from heliogram.node.store.logs import ConversationRow, Keeping
from heliogram.wire.objects import Configuration

#: Seconds for which too few relays answer before contacts are asked.
PATIENCE = 10.0

#: Seconds until others are asked, while there are some that were not; until all are asked again, doubled each
#: time up to a day. A question waits for whoever is away.
OTHERS = 60.0
BETWEEN = 900.0
LONGEST = 86_400.0

#: Seconds after which it is tried again where nobody can be asked.
LOOK = 20.0

#: Seconds to wait after somebody can be asked again: it was we who were away, and by then each relay that is
#: there has answered.
BACK = 40.0

#: Contacts who are asked at once.
ASKED = 3

#: Members who answer where a group is asked.
ANSWERING = 3

#: Pieces in one answer, and that one account gets in a day.
PIECES = 8
PIECES_A_DAY = 64

#: Questions of one account that are answered in a day.
ANSWERS_A_DAY = 32

_DAY = 86_400.0


class Home(Protocol):
    """What catching up wants of talks."""

    def log(self, number: int) -> Log:
        """The log of a conversation, loaded if need be. Raises `NotNow` if it cannot be."""

    def say_aside(self, conversation: int, part: SinglePart) -> None:
        """Say something that nobody sees."""


@dataclass(slots=True)
class _Behind:
    """A conversation whose relays do not answer."""

    due: float
    epoch: int
    tries: int = 0
    #: Which contact is the next to be asked; all are asked before one is asked again.
    turn: int = 0
    #: Whether nobody could be asked when it was last tried.
    alone: bool = False


@dataclass(slots=True)
class _Given:
    """What an account got since when."""

    since: float
    answers: int = 0
    pieces: int = 0


class Catching:
    """Asks for decisions, and gives them."""

    def __init__(self, desk: Desk, home: Home, logs: OpenLogs) -> None:
        self._desk = desk
        self._home = home
        self._logs = logs
        self._behind: dict[int, _Behind] = {}
        self._given: dict[bytes, _Given] = {}

    # --- We are behind ----------------------------------------------------------------------------

    def troubled(self, number: int, log: Log) -> None:
        """Something is wrong with a relay of a conversation."""
        behind = log.conversation.phase is Phase.OPEN and log.out_of_reach
        if behind and number not in self._behind:
            due = self._desk.context.now + PATIENCE
            self._behind[number] = _Behind(due, log.conversation.epoch)

    def settle(self) -> None:
        """Ask for what is due."""
        now = self._desk.context.now
        for number, one in list(self._behind.items()):
            if now >= one.due:
                self._ask(number, one)

    def happened(self, number: int, log: Log, event: Event) -> None:
        """What was served led on. If that is not all, there may be more where it came from."""
        one = self._behind.get(number)
        if one is not None and isinstance(event, EpochStarted):
            one.due = min(one.due, self._desk.context.now + PATIENCE)

    def deadline(self) -> float | None:
        """When `settle` has something to do at the latest."""
        return min((one.due for one in self._behind.values()), default=None)

    def _ask(self, number: int, one: _Behind) -> None:
        now = self._desk.context.now
        try:
            log = self._logs.get(number)
        except NodeError:
            del self._behind[number]
            return
        if log.conversation.phase is not Phase.OPEN or not log.out_of_reach:
            del self._behind[number]
            return
        where = self._contacts(number)
        if not where or one.tries:
            where += self._groups(number)
        if not where or one.alone:
            one.due, one.alone = now + (BACK if where else LOOK), not where
            return
        if log.conversation.epoch > one.epoch:
            # What came led on: perhaps there is more.
            one.epoch, one.tries, one.turn = log.conversation.epoch, 0, 0
        wanted = DecisionsWanted(log.conversation.seat.configuration.log, log.conversation.epoch)
        for row in where[one.turn : one.turn + ASKED]:
            self._home.say_aside(row.number, SinglePart(WANTED, wanted.encode(), _ASIDE))
        one.turn += ASKED
        one.due = now + OTHERS
        if one.turn >= len(where):
            one.due = now + min(LONGEST, BETWEEN * 2.0 ** min(one.tries, 16))
            one.tries, one.turn = one.tries + 1, 0

    def _contacts(self, number: int) -> list[ConversationRow]:
        """Direct conversations with members of a conversation, as far as their relays are there."""
        logs, people = self._desk.logs, self._desk.people
        found = []
        for member in logs.members(number):
            if member.account == self._desk.account or people.is_blocked(member.account):
                continue
            direct = logs.direct_with(member.account)
            row = None if direct is None or direct == number else logs.get(direct)
            if row is not None and row.phase == "open" and self._is_in_reach(row.number):
                found.append(row)
        return found

    def _groups(self, number: int) -> list[ConversationRow]:
        """Groups in which nobody hears of it but members, as far as their relays are there."""
        return [
            row
            for row in self._desk.logs.every()
            if row.kind == "group"
            and row.phase == "open"
            and row.number != number
            and self._is_within(row.number, number)
            and self._is_in_reach(row.number)
        ]

    def _is_within(self, number: int, other: int) -> bool:
        """Whether all who are in a conversation are in the other one, too; somebody besides us is."""
        logs = self._desk.logs
        here = {one.account for one in logs.members(number)}
        return len(here) > 1 and here <= {one.account for one in logs.members(other)}

    def _is_in_reach(self, number: int) -> bool:
        try:
            return self._logs.get(number).in_reach
        except NodeError:
            return False

    # --- What contacts say ------------------------------------------------------------------------

    def heard(self, conversation: ConversationRow, sender: bytes, part: SinglePart) -> None:
        """A contact asks, or answers. Never raises for what they say."""
        if conversation.kind == "self" or sender == self._desk.account:
            return
        try:
            if part.content_type == WANTED:
                self._answer(conversation, sender, DecisionsWanted.from_bytes(part.content))
            elif part.content_type == DECISIONS:
                self._take(sender, part.content)
        except NodeError:
            return

    def _answer(self, where: ConversationRow, account: bytes, wanted: DecisionsWanted) -> None:
        row = self._shared(wanted.log, account)
        if row is None or (
            where.kind == "group" and not self._is_ours(where, row, account, wanted)
        ):
            return
        given = self._allowance(account)
        if given.answers >= ANSWERS_A_DAY:
            return
        given.answers += 1
        room = min(PIECES, PIECES_A_DAY - given.pieces)
        pieces = _pieces(wanted.log, self._since(row.number, wanted.epoch), room)
        given.pieces += len(pieces)
        for piece in pieces:
            self._home.say_aside(where.number, SinglePart(DECISIONS, piece, _ASIDE))

    def _is_ours(
        self, where: ConversationRow, row: ConversationRow, account: bytes, wanted: DecisionsWanted
    ) -> bool:
        """Whether to answer in a group: nobody else may hear it, and a few answers are enough."""
        if where.number == row.number or not self._is_within(where.number, row.number):
            return False

        def place(one: bytes) -> bytes:
            return sha256(wanted.encode() + one).digest()

        others = {one.account for one in self._desk.logs.members(where.number)} - {account}
        return self._desk.account in sorted(others, key=place)[:ANSWERING]

    def _take(self, account: bytes, content: bytes) -> None:
        if len(content) > MAX_PART:
            raise InvalidDecisions
        served = unpack_decisions(content)
        row = self._shared(served.log, account)
        if row is not None:
            self._home.log(row.number).serve(served.decisions)

    def _shared(self, log: bytes, account: bytes) -> ConversationRow | None:
        """The conversation with this log, if that account is in it as far as we know."""
        for row in self._desk.logs.every():
            if row.relays and Configuration.from_bytes(row.relays).log == log:
                members = self._desk.logs.members(row.number)
                inside = row.phase != "out" and any(one.account == account for one in members)
                return row if inside else None
        return None

    def _allowance(self, account: bytes) -> _Given:
        now = self._desk.context.now
        for one, given in list(self._given.items()):
            if now >= given.since + _DAY:
                del self._given[one]
        return self._given.setdefault(account, _Given(now))

    def _since(self, number: int, epoch: int) -> Iterator[Decision]:
        keeping = Keeping(self._desk.context.store, number, lambda: self._desk.context.time)
        while (decision := keeping.decision(epoch)) is not None:
            yield decision
            epoch += 1


#: Nothing that a person is shown.
_ASIDE = Disposition.SESSION


def _pieces(log: bytes, decisions: Iterator[Decision], most: int) -> list[bytes]:
    """The first `most` pieces. One decision that is too long for a part ends them: it goes no other way."""
    taken: list[Decision] = []
    made: list[bytes] = []
    for decision in decisions:
        try:
            pieces = pack_decisions(log, [*taken, decision], MAX_PART)
        except TooLong:
            break
        if len(pieces) > 1:
            made.append(pieces[0])
            taken = []
            if len(made) == most:
                return made
        taken.append(decision)
    if taken and len(made) < most:
        made += pack_decisions(log, taken, MAX_PART)
    return made
