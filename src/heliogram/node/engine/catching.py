"""Decisions from contacts: for who was away so long that no relay which they know is left.

    we are behind       too few relays of our epoch answer, for a while: ask contacts who are members
    somebody else is    a contact asks for the decisions of a conversation that both are in: give them

Both are parts of messages in a direct conversation that nobody sees: no line, no notice, no report. Only who
is a member, as far as we know, is asked, answered or listened to; whatever a contact serves, its
certificates are checked. Questions are few and far between, and so are answers: nobody can make us send
more than a few pieces a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from heliogram.node.errors import InvalidDecisions, NodeError, TooLong
from heliogram.node.log.log import Log
from heliogram.node.records import Phase
from heliogram.node.store.logs import ConversationRow, Keeping
from heliogram.wire.objects import Configuration

#: Seconds for which too few relays answer before contacts are asked; between questions, doubling up to a day.
PATIENCE = 120.0
BETWEEN = 900.0
LONGEST = 86_400.0

#: Contacts who are asked at once.
ASKED = 3

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
    #: Which contact is the next to be asked.
    turn: int = 0


@dataclass(slots=True)
class _Given:
    """What an account got since when."""

    since: float
    answers: int = 0
    pieces: int = 0


class Catching:
    """Asks for decisions, and gives them."""

    def __init__(self, desk: Desk, home: Home) -> None:
        self._desk = desk
        self._home = home
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

    def deadline(self) -> float | None:
        """When `settle` has something to do at the latest."""
        return min((one.due for one in self._behind.values()), default=None)

    def _ask(self, number: int, one: _Behind) -> None:
        now = self._desk.context.now
        try:
            log = self._home.log(number)
        except NodeError:
            del self._behind[number]
            return
        if log.conversation.phase is not Phase.OPEN or not log.out_of_reach:
            del self._behind[number]
            return
        if log.conversation.epoch > one.epoch:
            # What came led on: perhaps there is more.
            one.epoch, one.tries = log.conversation.epoch, 0
        one.due = now + min(LONGEST, BETWEEN * 2.0 ** min(one.tries, 16))
        one.tries += 1
        direct = self._contacts(number)
        wanted = DecisionsWanted(log.conversation.seat.configuration.log, log.conversation.epoch)
        for _ in range(min(ASKED, len(direct))):
            row = direct[one.turn % len(direct)]
            one.turn += 1
            self._home.say_aside(row.number, SinglePart(WANTED, wanted.encode(), _ASIDE))

    def _contacts(self, number: int) -> list[ConversationRow]:
        """Direct conversations with members of a conversation."""
        logs, people = self._desk.logs, self._desk.people
        found = []
        for member in logs.members(number):
            if member.account == self._desk.account or people.is_blocked(member.account):
                continue
            direct = logs.direct_with(member.account)
            row = None if direct is None or direct == number else logs.get(direct)
            if row is not None and row.phase == "open":
                found.append(row)
        return found

    # --- What contacts say ------------------------------------------------------------------------

    def heard(self, conversation: ConversationRow, sender: bytes, part: SinglePart) -> None:
        """A contact asks, or answers. Never raises for what they say."""
        if conversation.kind != "direct" or sender == self._desk.account:
            return
        try:
            if part.content_type == WANTED:
                self._answer(conversation, sender, DecisionsWanted.from_bytes(part.content))
            elif part.content_type == DECISIONS:
                self._take(sender, part.content)
        except NodeError:
            return

    def _answer(self, direct: ConversationRow, account: bytes, wanted: DecisionsWanted) -> None:
        row = self._shared(wanted.log, account)
        if row is None:
            return
        given = self._allowance(account)
        if given.answers >= ANSWERS_A_DAY:
            return
        given.answers += 1
        room = min(PIECES, PIECES_A_DAY - given.pieces)
        pieces = _pieces(wanted.log, self._since(row.number, wanted.epoch), room)
        given.pieces += len(pieces)
        for piece in pieces:
            self._home.say_aside(direct.number, SinglePart(DECISIONS, piece, _ASIDE))

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
