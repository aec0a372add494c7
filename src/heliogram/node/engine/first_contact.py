"""Getting somebody into a conversation who is away: what has been begun, step by step, until it ends.

    reach    take a key package of each of their devices, by the link that leads to them
    adding   the conversation wants them in; the decision has to become stable
    drop     the invitation lies in their inbox, or is on its way there

Each step is written as a row of `jobs` with all that the next start needs. A step that was done twice because
its end was not written is harmless: the same taking gives the same packages, the same item is there once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from msgspec import Struct

from heliogram import mls
from heliogram.node import api
from heliogram.node.asking import Ask
from heliogram.node.components import Role
from heliogram.node.engine.context import Context
from heliogram.node.engine.sides import Talks
from heliogram.node.errors import DamagedState, NodeError
from heliogram.node.events import InvitationDue
from heliogram.node.identity.links import ContactLink
from heliogram.node.inbox.drop import Drop
from heliogram.node.inbox.offers import OfferFault, Wanted
from heliogram.node.inbox.reach import Reach
from heliogram.node.store.people import JobRow, PeopleTables

REACH, ADDING, DROP = "reach", "adding", "drop"

#: Seconds to wait for others who are being reached, so that one commit adds them all.
GATHER = 5.0

#: Seconds after which somebody who could not be reached is given up.
GIVEN_UP = 14 * 86_400

#: Seconds for which the other relays of an inbox are tried once one of them has the item.
RETRIED = 3 * 86_400


class State(Struct, array_like=True):
    """What `jobs.state` holds, as msgpack."""

    link: bytes
    seed: bytes = b""
    role: int = Role.MEMBER
    #: The tag of the command that it came from.
    command: str = ""
    item: bytes = b""
    #: Keys of the relays that have the item, and when the first of them had it.
    there: list[bytes] = []
    arrived: int = 0


@dataclass(slots=True)
class _Job:
    row: JobRow
    state: State = field(repr=False)
    source: Reach | Drop | None = None
    #: When its packages were there.
    found: float | None = None
    warned: set[bytes] = field(default_factory=set, repr=False)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What this part needs of the rest of people."""

    suite: int
    revoked: Callable[[bytes], frozenset[bytes]]
    #: The card for an invitation: for whom, into which conversation.
    card: Callable[[bytes, int], bytes]
    #: A contact's state has moved on: account, state, trouble, conversation.
    moved: Callable[[bytes, str, str, int | None], None]
    #: A relay gave key packages of somebody else.
    foreign: Callable[[bytes, bytes], None]
    #: An account, as shown.
    person: Callable[[bytes], api.Person]


class FirstContact:
    """All jobs."""

    def __init__(self, context: Context, tables: PeopleTables, talks: Talks, hooks: Hooks) -> None:
        self._context = context
        self._tables = tables
        self._talks = talks
        self._hooks = hooks
        self._jobs: dict[int, _Job] = {}
        self._loaded = False

    def _load(self) -> None:
        """Go on with what was begun. Times are those of the first turn."""
        if not self._loaded:
            self._loaded = True
            for row in self._tables.jobs():
                try:
                    state = msgspec.msgpack.decode(row.state, type=State)
                except msgspec.MsgspecError:
                    raise DamagedState from None
                self._start(_Job(row, state))

    def _start(self, job: _Job) -> None:
        self._jobs[job.row.number] = job
        state, context = job.state, self._context
        link = ContactLink.from_bytes(state.link)
        if job.row.kind == REACH:
            wanted = Wanted(link.account, self._hooks.suite, self._hooks.revoked(link.account))
            job.source = Reach(link, wanted, seed=state.seed, now=context.now, time=context.time)
        elif job.row.kind == DROP:
            job.source = Drop(link, state.item, there=state.there)

    # --- Beginning --------------------------------------------------------------------------------

    def begin(
        self,
        link: ContactLink,
        *,
        conversation: int | None = None,
        role: Role = Role.MEMBER,
        command: str = "",
    ) -> None:
        """Reach the owner of a link; for a conversation that is there, or a direct one that will be."""
        self._load()
        for job in self._jobs.values():
            same = job.row.account == link.account and job.row.conversation == conversation
            if same and job.row.kind == REACH:
                return
        state = State(link.encode(), self._context.entropy(32), role, command)
        row = self._tables.add_job(
            REACH,
            link.account,
            conversation,
            msgspec.msgpack.encode(state),
            created=int(self._context.time),
        )
        self._start(_Job(row, state))

    def cancel(self, account: bytes) -> None:
        """Give up all that has been begun for somebody."""
        self._load()
        for job in list(self._jobs.values()):
            if job.row.account == account:
                self._end(job)

    def begun_elsewhere(self, old: int, new: int) -> None:
        """A conversation that was never open was begun anew: who is on the way into it comes into that."""
        self._load()
        for job in self._jobs.values():
            if job.row.conversation == old:
                job.row.conversation = new
                self._save(job)

    # --- What talks say ---------------------------------------------------------------------------

    def due(self, conversation: int, due: InvitationDue, links: dict[bytes, ContactLink]) -> None:
        """A decision of ours that adds people is stable. `links` lead to those who have no job."""
        self._load()
        for account in due.accounts:
            job = self._adding(conversation, account)
            link = links.get(account)
            if job is not None:
                link = ContactLink.from_bytes(job.state.link)
            if link is None:
                continue
            try:
                item = self._talks.invitation(
                    conversation,
                    due.draft,
                    self._hooks.card(account, conversation),
                    link.secret,
                    link.inbox,
                )
            except NodeError as error:
                self._failed(job, account, conversation, error.code)
                continue
            if job is not None:
                self._end(job)
            state = State(
                link.encode(), command="" if job is None else job.state.command, item=item
            )
            row = self._tables.add_job(
                DROP,
                account,
                conversation,
                msgspec.msgpack.encode(state),
                created=int(self._context.time),
            )
            self._start(_Job(row, state))

    def not_added(self, conversation: int, accounts: frozenset[bytes], code: str) -> None:
        """A wish to add these has failed for good."""
        self._load()
        for account in accounts:
            job = self._adding(conversation, account)
            if job is not None:
                self._failed(job, account, conversation, code)

    def _adding(self, conversation: int, account: bytes) -> _Job | None:
        for job in self._jobs.values():
            if (job.row.kind, job.row.conversation) == (ADDING, conversation):
                if job.row.account == account:
                    return job
        return None

    # --- Turns ------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Do what follows from relays' answers."""
        self._load()
        for job in list(self._jobs.values()):
            if isinstance(job.source, Reach):
                self._reached(job, job.source)
            elif isinstance(job.source, Drop):
                self._dropped(job, job.source)
        self._add_gathered()

    def _reached(self, job: _Job, reach: Reach) -> None:
        for relay, faults in reach.faults.items():
            if OfferFault.FOREIGN in faults and relay not in job.warned:
                job.warned.add(relay)
                self._hooks.foreign(relay, job.row.account)
        late = self._context.time - job.row.created > GIVEN_UP
        if reach.failure or (late and not reach.found):
            code = reach.failure or "not reached"
            self._failed(job, job.row.account, job.row.conversation, code)
        elif reach.found and job.found is None:
            job.found = self._context.now
            if job.row.conversation is None:
                self._open(job, reach.found)

    def _open(self, job: _Job, packages: tuple[mls.KeyPackage, ...]) -> None:
        """A direct conversation with somebody who was reached."""
        account = job.row.account
        try:
            conversation = self._talks.found("direct", peer=account)
        except NodeError as error:
            self._failed(job, account, None, error.code)
            return
        job.row.conversation = conversation
        self._hooks.moved(account, "adding", "", conversation)
        # Both are owners: either can go on without the other.
        self._add([job], conversation, packages, Role.OWNER)

    def _add_gathered(self) -> None:
        """Add those who were reached, once nobody else is about to be or they have waited."""
        groups: dict[tuple[int, int], list[_Job]] = {}
        for job in self._jobs.values():
            if job.row.kind == REACH and job.row.conversation is not None:
                groups.setdefault((job.row.conversation, job.state.role), []).append(job)
        for (conversation, role), jobs in groups.items():
            found = [one for one in jobs if one.found is not None]
            first = min((one.found for one in found if one.found is not None), default=None)
            if first is None:
                continue
            if len(found) < len(jobs) and self._context.now < first + GATHER:
                continue
            packages = [
                package
                for one in found
                if isinstance(one.source, Reach)
                for package in one.source.found
            ]
            self._add(found, conversation, packages, Role(role))

    def _add(
        self,
        jobs: list[_Job],
        conversation: int,
        packages: Sequence[mls.KeyPackage],
        role: Role,
    ) -> None:
        """Want these in. What talks say of it may come before they return."""
        for job in jobs:
            job.row.kind, job.source = ADDING, None
            self._save(job)
        accounts = frozenset(job.row.account for job in jobs)
        try:
            self._talks.add(conversation, packages, accounts, role)
        except NodeError as error:
            self.not_added(conversation, accounts, error.code)

    def _dropped(self, job: _Job, drop: Drop) -> None:
        state, now = job.state, int(self._context.time)
        if len(drop.there) > len(state.there):
            if not state.there:
                state.arrived = now
                self._hooks.moved(job.row.account, "waiting", "", job.row.conversation)
            state.there = sorted(drop.there)
            self._save(job)
        if drop.done and not drop.arrived:
            self._failed(job, job.row.account, job.row.conversation, "link gone")
        elif drop.done or (drop.arrived and now - state.arrived > RETRIED):
            self._end(job)

    def _failed(
        self, job: _Job | None, account: bytes, conversation: int | None, code: str
    ) -> None:
        command = "" if job is None else job.state.command
        if job is not None:
            self._end(job)
        chat = None if conversation is None else self._tables.conversation_id(conversation)
        if command:
            shown = "" if chat is None else chat.hex()
            who = (self._hooks.person(account),)
            self._context.tell(api.CommandFailed(shown, command, code, who))
        else:
            self._hooks.moved(account, "failed", code, conversation)

    def _save(self, job: _Job) -> None:
        job.row.state = msgspec.msgpack.encode(job.state)
        self._tables.save_job(job.row)

    def _end(self, job: _Job) -> None:
        self._jobs.pop(job.row.number, None)
        self._tables.remove_job(job.row.number)

    def asks(self) -> list[tuple[bytes, Ask]]:
        """What is to be sent. Each inbox has a circuit of its own: nothing ties it to ours."""
        now = self._context.now
        return [
            (sha256(b"contact " + job.row.account).digest(), ask)
            for job in self._jobs.values()
            if job.source is not None
            for ask in job.source.asks(now)
        ]

    def deadline(self) -> float | None:
        """When the next turn must be at the latest."""
        now = self._context.now
        sources = [one.source for one in self._jobs.values() if one.source is not None]
        times = [at for one in sources if (at := one.deadline(now)) is not None]
        times += [
            one.found + GATHER
            for one in self._jobs.values()
            if one.row.kind == REACH and one.found is not None
        ]
        return min(times, default=None)
