"""Conversations that go on in another log: begun here, or offered by others. See `node/successor.py`.

    we begin one        found it, wait a little for members who say that they cannot follow, add them, leave
                        the invitation in the old log; who says it later is added later
    one is offered      go in, tie both together, say there what is not said yet
    there are several   all end in the one that counts: the other is abandoned

Who goes on is one of the two: the old conversation is stopped for good. What was said there stays there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from heliogram import mls
from heliogram.node import api
from heliogram.node.changes import CarryOver, Wish
from heliogram.node.components import Role, device_of
from heliogram.node.conversation import Conversation
from heliogram.node.engine import happened, naming
from heliogram.node.engine.choosing import Choosing
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.facts import Facts
from heliogram.node.engine.founding import Founding
from heliogram.node.engine.moving import Moving
from heliogram.node.engine.views import Views
from heliogram.node.errors import (
    ChatEnded,
    DamagedState,
    InvalidInvitation,
    NodeError,
    NotFound,
    NotNow,
    NotOpened,
)
from heliogram.node.events import (
    EpochStarted,
    Event,
    InvitationDue,
    MemberWounded,
    SuccessorOffered,
    WentOn,
)
from heliogram.node.invitation import Invitation
from heliogram.node.log.log import Log
from heliogram.node.records import Phase
from heliogram.node.store.logs import ConversationRow, Keeping
from heliogram.node.successor import ELSEWHERE, Ground, heirs
from heliogram.node.value import WelcomeBlob
from heliogram.wire.errors import RemoteError
from heliogram.wire.objects import Configuration, RelayDescription

#: Seconds to wait for others who say that they cannot follow, so that one commit adds them all.
GATHER = 5.0

#: The tag of the command, for wishes that come of it.
COMMAND = str(api.StartSuccessor.__struct_config__.tag)

#: Where an offer is kept in the old log's state while its Welcome is fetched.
_OFFER = b"z"

#: Kept there once it has ended for us alone, since we go on elsewhere.
_STOPPED = b"a"


class Home(Protocol):
    """What successors want of talks."""

    def found(
        self,
        kind: str,
        *,
        peer: bytes | None = None,
        relays: Sequence[RelayDescription] | None = None,
        after: Ground | None = None,
    ) -> int:
        """A new conversation."""

    def join(
        self,
        invitation: Invitation,
        *,
        kind: str,
        peer: bytes | None,
        name: str = "",
        welcome: bytes | None = None,
        package: mls.OwnKeyPackage | None = None,
    ) -> int:
        """Go in: calls `Successors.went_on` if it goes on from one of ours."""

    def log(self, number: int) -> Log:
        """The log of a conversation."""

    def wish(self, conversation: int, wish: Wish, command: str) -> None:
        """Want a change."""

    def entered(self, number: int) -> None:
        """Another epoch is open: say what waited for it."""


class Successors:
    """Does the command, and all that follows."""

    def __init__(
        self,
        desk: Desk,
        views: Views,
        talks: Home,
        moving: Moving,
        choosing: Choosing,
        founding: Founding,
    ) -> None:
        """Nothing is looked at yet."""
        self._choosing = choosing
        self._founding = founding
        founding.moved = self._forget
        self._desk = desk
        self._views = views
        self._talks = talks
        self._moving = moving
        #: Offers whose Welcome is being fetched: by old conversation and blob.
        self._fetching: dict[tuple[int, bytes], Invitation] = {}
        #: What we founded: reports that were looked at, and when the next ones are.
        self._seen: dict[int, frozenset[bytes]] = {}
        self._due: dict[int, float] = {}
        self._ours: dict[int, frozenset[bytes]] | None = None

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {api.StartSuccessor: self._start}

    # --- Beginning one ----------------------------------------------------------------------------

    def _start(self, command: api.StartSuccessor, extra: object) -> api.Chat:
        desk, old = self._desk, naming.chat(self._desk, command.chat)
        if old.phase == "opening" and old.predecessor is not None:
            return self._chat(self._founding.elsewhere(old.number))
        if old.phase in ("opening", "out"):
            raise ChatEnded
        if old.successor is not None:
            return self._chat(self._founding.elsewhere(old.successor))
        members = {one.account for one in desk.logs.members(old.number)}
        left_out = {desk.people.resolve(one) for one in command.leave_out} & members
        log = self._talks.log(old.number)
        ground = log.conversation.ground()
        # Where too many relays are lost nobody can say there that they come. Where it has ended for us alone,
        # for a successor that was given up, nobody there knows that they should.
        ours = self._keeping(old.number).get(_STOPPED) is not None
        lost = old.phase == "open" or ours or log.out_of_reach
        relays = self._choosing.successor(Configuration.from_bytes(old.relays), log.states())
        number = self._talks.found(old.kind, peer=old.peer, relays=relays, after=ground)
        self._founding.begun(number, named=False)
        desk.logs.add_succession(number, sorted(left_out))
        self._ours = None
        self._tie(old, number, desk.account)
        happened.line(desk, number, "went on", Facts(by=desk.account))
        if lost:
            self._reach(number, members - left_out - {desk.account})
        return self._chat(number)

    def _reach(self, number: int, accounts: set[bytes]) -> None:
        """The old log cannot be reached, so nobody can say there that they want to come along."""
        for account in sorted(accounts):
            try:
                self._desk.people.want_members(number, [account], Role.MEMBER, COMMAND)
            except NodeError:
                continue  # no contact of ours: others may know them

    def added(self, number: int, packages: Sequence[mls.KeyPackage]) -> Wish | None:
        """How to add devices to a successor that we founded, so that their people accept it."""
        ground = self._ground_before(number) if number in self._founded() else None
        if ground is None:
            return None
        return CarryOver(tuple(packages), ground.charter.roles, by_grace=False)

    # --- Who comes along --------------------------------------------------------------------------

    def settle(self) -> None:
        """Add to what we founded who says in the old log that they cannot follow."""
        for number, left_out in list(self._founded().items()):
            try:
                self._gather(number, left_out)
            except NotNow:
                continue

    def deadline(self) -> float | None:
        """When `settle` has something to do at the latest."""
        return min(self._due.values(), default=None)

    def _gather(self, number: int, left_out: frozenset[bytes]) -> None:
        desk, now = self._desk, self._desk.context.now
        row = desk.logs.get(number)
        if row is None or row.predecessor is None or row.phase not in ("opening", "open"):
            self._end(number)
            return
        reports = self._talks.log(row.predecessor).reports()
        waiting = frozenset(one.secret for one in reports)
        if waiting <= self._seen.get(number, frozenset()):
            self._due.pop(number, None)
            return
        if now < self._due.setdefault(number, now + GATHER):
            return
        if any(one.command == COMMAND for one in desk.logs.wishes(number)):
            self._due[number] = now + GATHER
            return
        self._due.pop(number)
        self._seen[number] = waiting
        wish = self._heirs(number, reports, left_out)
        if wish is not None:
            self._talks.wish(number, wish, COMMAND)

    def _heirs(
        self, number: int, reports: list[MemberWounded], left_out: frozenset[bytes]
    ) -> CarryOver | None:
        ground = self._ground_before(number)
        if ground is None:
            return None
        revoked = {
            device for account in ground.accounts for device in self._desk.people.revoked(account)
        }
        there = self._talks.log(number).conversation.people()
        return heirs(ground, there, reports, leave_out=left_out, revoked=revoked)

    def refused(self, number: int, wish: CarryOver) -> None:
        """Devices could not be added together: one of the packages is worth nothing. One by one, then."""
        if len(wish.packages) > 1:
            for one in wish.packages:
                self._talks.wish(number, replace(wish, packages=(one,)), COMMAND)

    def due(self, number: int, due: InvitationDue) -> InvitationDue:
        """Leave invitations in the old log for who said there that they come; who else is to be invited."""
        row = self._desk.logs.get(number)
        if not due.own or row is None or row.predecessor is None:
            return due
        try:
            old, new = self._talks.log(row.predecessor), self._talks.log(number)
            # Only who was added with the key package of their report can open what lies there. A device that
            # was added with one from its inbox is invited there, also if it has reported since.
            there = new.conversation.ground().leaves.values()
            reports = [
                one
                for one in old.reports()
                if one.who.account in due.accounts and one.package.leaf_node in there
            ]
            if not reports:
                return due
            old.offer(new.conversation, due.draft, reports)
        except NodeError:
            return due
        said = [one.package.leaf_node for one in reports]
        by_inbox = {device_of(leaf).account for leaf in there if leaf not in said}
        return replace(due, accounts=tuple(one for one in due.accounts if one in by_inbox))

    # --- Coming along -----------------------------------------------------------------------------

    def happened(self, number: int, log: Log, event: Event) -> None:
        """What was said in a log that has ended."""
        if isinstance(event, SuccessorOffered):
            self._offered(number, event.invitation)
        elif isinstance(event, EpochStarted):
            self._talks.entered(number)

    def loaded(self, number: int) -> None:
        """Go on with offers of a conversation that was loaded."""
        keeping = self._keeping(number)
        for name, data in keeping.states(_OFFER).items():
            try:
                self._offered(number, Invitation.from_bytes(data))
            except InvalidInvitation:
                keeping.put(name, None)

    def fetched(self, number: int, blob: bytes) -> None:
        """A Welcome is here."""
        for (at, id), invitation in list(self._fetching.items()):
            welcome = invitation.welcome
            if at != number or not isinstance(welcome, WelcomeBlob):
                continue
            try:
                opened = welcome.unseal(blob)
            except NotOpened:
                continue
            del self._fetching[at, id]
            self._keeping(number).put(_OFFER + id, None)
            self._go_in(number, invitation, opened)

    def _offered(self, number: int, invitation: Invitation) -> None:
        welcome = invitation.welcome
        if not isinstance(welcome, WelcomeBlob):
            self._go_in(number, invitation, None)
            return
        self._fetching[number, welcome.id] = invitation
        self._keeping(number).put(_OFFER + welcome.id, invitation.encode())
        self._desk.files.fetch_welcome(number, welcome, invitation.seat.configuration.relays)

    def _go_in(self, number: int, invitation: Invitation, welcome: bytes | None) -> None:
        row = self._desk.logs.get(number)
        if row is None:
            return
        try:
            self._talks.join(
                invitation,
                kind=row.kind,
                peer=row.peer,
                name=row.name,
                welcome=welcome,
                # The one that we reported with: several may have added us by it, and all but one go again.
                package=self._talks.log(number).own_package,
            )
        except NodeError:
            return  # not for us, none at all, or we are in

    def ground(self, log: bytes) -> Ground | None:
        """The ground of a conversation of ours by its log: what a joined group may go on from."""
        for row in self._desk.logs.every():
            try:
                if row.relays and Configuration.from_bytes(row.relays).log == log:
                    return self._talks.log(row.number).conversation.ground()
            except (NotNow, DamagedState, RemoteError):
                continue
        return None

    def is_stuck(self, log: bytes) -> bool:
        """Whether a conversation of ours has ended, or too many of its relays are lost."""
        row = self._row_of(log)
        if row is None or row.phase == "out":
            return False
        if row.phase in ("dead", "wounded"):
            return True
        try:
            return self._talks.log(row.number).out_of_reach
        except NotNow:
            return False

    def went_on(self, number: int, conversation: Conversation, event: WentOn) -> None:
        """We are in a successor of a conversation of ours."""
        predecessor = conversation.charter.predecessor
        old = None if predecessor is None else self._row_of(predecessor.log)
        if old is None or predecessor is None:
            return
        rival = None if old.successor is None else self._desk.logs.get(old.successor)
        if rival is None or rival.phase in ("out", "dead"):
            self._tie(old, number, event.by.account)
            return
        if rival.phase == "opening" and self._talks.log(rival.number).stranded:
            # Nobody has ever been in there, and nobody may ever be.
            self._tie(old, number, event.by.account)
            self._abandon(rival.number, number)
            return
        ground = self._talks.log(old.number).conversation.ground()
        other = self._talks.log(rival.number)
        theirs = other.conversation.charter.predecessor
        ours = ground.order(predecessor, conversation.group_id)
        if theirs is None or ours < ground.order(theirs, other.conversation.group_id):
            self._tie(old, number, event.by.account)
            self._abandon(rival.number, number)
        else:
            self._abandon(number, rival.number)

    def _abandon(self, number: int, better: int) -> None:
        """Another successor counts: what is not said yet is said there."""
        self._end(number)
        self._moving.move(number, better)
        self._desk.logs.change(number, successor=better)
        self._talks.log(number).abandon()

    # --- Old and new ------------------------------------------------------------------------------

    def _tie(self, old: ConversationRow, number: int, by: bytes) -> None:
        """From now on people go on in `number`, which `by` has founded."""
        logs = self._desk.logs
        logs.change(old.number, successor=number)
        logs.change(
            number,
            predecessor=old.number,
            pinned=old.pinned,
            muted=old.muted,
            reports=old.reports,
            draft=old.draft,
        )
        logs.change(old.number, draft="")
        self._desk.folders.go_along(old.number, number)
        log = self._talks.log(old.number)
        if log.conversation.phase is Phase.OPEN:
            log.stop(ELSEWHERE)
            self._keeping(old.number).put(_STOPPED, b"\x01")
        happened.line(self._desk, old.number, "goes on", Facts(by=by))
        self._moving.move(old.number, number)
        self._desk.people.went_on(old.number, number)
        for one in (old.number, number):
            self._desk.chat_changed(one)

    def _founded(self) -> dict[int, frozenset[bytes]]:
        if self._ours is None:
            self._ours = self._desk.logs.successions()
        return self._ours

    def _forget(self) -> None:
        self._ours = None

    def _end(self, number: int) -> None:
        self._desk.logs.end_succession(number)
        self._founded().pop(number, None)
        self._due.pop(number, None)
        self._seen.pop(number, None)

    def _ground_before(self, number: int) -> Ground | None:
        row = self._desk.logs.get(number)
        if row is None or row.predecessor is None:
            return None
        return self._talks.log(row.predecessor).conversation.ground()

    def _row_of(self, log: bytes) -> ConversationRow | None:
        for row in self._desk.logs.every():
            if row.relays and Configuration.from_bytes(row.relays).log == log:
                return row
        return None

    def _keeping(self, number: int) -> Keeping:
        return Keeping(self._desk.context.store, number, lambda: self._desk.context.time)

    def _chat(self, number: int) -> api.Chat:
        row = self._desk.logs.get(number)
        if row is None:
            raise NotFound("chat")
        return self._views.chat(row)
