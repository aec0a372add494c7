"""What logs tell, taken into the store and to faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from heliogram.codec import DecodeError
from heliogram.content.framing import MESSAGE_STATUS
from heliogram.content.typing import TYPING
from heliogram.node import api
from heliogram.node.changes import AddPeople, CarryOver, Wish, halves
from heliogram.node.components import device_of
from heliogram.node.conversation import Conversation
from heliogram.node.engine import happened, wishes
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.messages import Messages
from heliogram.node.engine.reports import Reports
from heliogram.node.engine.views import relay_info
from heliogram.node.errors import NodeError, NotNow, TooLong
from heliogram.node.events import (
    Change,
    EpochStarted,
    Event,
    InvitationDue,
    Joined,
    MessageReceived,
)
from heliogram.node.log.happenings import (
    BlobToFetch,
    BlobToStore,
    DecisionStable,
    Encrypted,
    Finished,
    Happened,
    Happening,
    Opened,
    Refused,
    RelayTrouble,
    SignedFor,
    StoredByQuorum,
    WishDone,
    WishRefused,
)
from heliogram.node.log.log import Log
from heliogram.node.records import Phase
from heliogram.node.store.logs import ConversationRow, MemberRow, TraceRow

_PHASES = {
    Phase.OPEN: "open",
    Phase.WOUNDED: "wounded",
    Phase.DEAD: "dead",
    Phase.OUT: "out",
}


class SuccessorSide(Protocol):
    """What happenings tell about conversations that go on in another log."""

    def happened(self, number: int, log: Log, event: Event) -> None:
        """An event besides messages."""

    def due(self, number: int, due: InvitationDue) -> InvitationDue:
        """An invitation is due: what is left of it for people to do."""

    def refused(self, number: int, wish: CarryOver) -> None:
        """Who should come along could not be added."""


class Happenings:
    """Takes what logs tell. `successors` is set right after it is made."""

    successors: SuccessorSide

    def __init__(
        self,
        desk: Desk,
        messages: Messages,
        reports: Reports,
        wish: Callable[[int, Wish, str], None],
    ) -> None:
        """`wish` is `Talks.wish`."""
        self._desk = desk
        self._wish = wish
        self._messages = messages
        self._reports = reports
        #: Somebody types: the conversation, who, and what they said.
        self.typing: Callable[[ConversationRow, bytes, bytes], None] = lambda *_: None
        #: Called with each event besides messages once it was taken: the conversation's number, log, event.
        self.watchers: list[Callable[[int, Log, Event], None]] = []
        #: Called with a conversation's number when what lists show of it was written anew.
        self.mirrored: list[Callable[[int], None]] = []

    def take(self, number: int, log: Log, one: Happening) -> None:
        """Take one thing that the log of a conversation told."""
        desk = self._desk
        match one:
            case Happened(event, minute):
                row = desk.logs.get(number)
                if row is not None:
                    self._event(row, log, event, minute)
                if not isinstance(event, MessageReceived):
                    self.successors.happened(number, log, event)
                    for watch in self.watchers:
                        watch(number, log, event)
            case Encrypted(item, epoch, entry):
                self._encrypted(item, epoch, entry)
            case SignedFor():
                self._signed_for(one)
            case StoredByQuorum(item):
                desk.logs.quorum(item)
                self._move(item, "stored")
            case Finished(item):
                desk.logs.said(item)
            case Refused(item, _):
                self._move(item, "failed")
                desk.logs.said(item)
            case Opened():
                desk.logs.change(number, phase=_PHASES[log.conversation.phase])
                desk.chat_changed(number)
            case WishDone(wish):
                desk.logs.granted(wish)
            case WishRefused(wish, error):
                self._refused(number, wish, error)
            case DecisionStable(epoch):
                happened.stable(desk, number, epoch)
                self.mirror(number, log.conversation)
            case BlobToStore(id, blob, relays):
                desk.files.carry(number, id, blob, relays)
            case BlobToFetch(welcome):
                configuration = log.conversation.seat.configuration
                desk.files.fetch_welcome(number, welcome, configuration.relays)
            case RelayTrouble():
                self._trouble(log, one)

    def mirror(self, number: int, conversation: Conversation) -> None:
        """Write what lists show of a conversation, as its group has it."""
        desk = self._desk
        try:
            charter, people = conversation.charter, conversation.people()
        except (NotNow, DecodeError):
            return
        devices: dict[bytes, int] = {}
        for one in people:
            devices[one.account] = devices.get(one.account, 0) + 1
        members = [MemberRow(one, charter.roles.of(one), many) for one, many in devices.items()]
        desk.logs.set_members(number, members)
        metadata = charter.metadata
        desk.logs.change(
            number,
            name=metadata.name,
            description=metadata.description,
            picture=metadata.picture,
            expiry=metadata.expiry,
            relays=charter.configuration.encode(),
        )
        desk.chat_changed(number)
        for told in self.mirrored:
            told(number)

    # --- Events -----------------------------------------------------------------------------------

    def _event(self, row: ConversationRow, log: Log, event: Event, minute: int | None) -> None:
        desk = self._desk
        match event:
            case MessageReceived(sender, _, kind, content) if kind == MESSAGE_STATUS:
                self._reports.receive(row, sender.account, content)
            case MessageReceived(sender, _, kind, content) if kind == TYPING:
                self.typing(row, sender.account, content)
            case MessageReceived(sender, epoch, _, content):
                self._messages.receive(
                    *(row, sender.account, sender.device, content), epoch=epoch, minute=minute
                )
            case InvitationDue():
                due = self.successors.due(row.number, event)
                if due.accounts:
                    desk.people.invitation_due(row.number, due)
            case EpochStarted(epoch, _, admins):
                desk.pins.set_admins(row.number, epoch, admins)
                self._phase(row, log)
            case Change():
                happened.changed(desk, row, event)
            case _:
                if isinstance(event, Joined):
                    desk.people.used(event.package)
                happened.told(desk, row, event)
                self._phase(row, log)

    def _phase(self, row: ConversationRow, log: Log) -> None:
        phase = _PHASES[log.conversation.phase]
        if phase == "open" and not log.ready:
            phase = "opening"
        if phase != row.phase:
            self._desk.logs.change(row.number, phase=phase)
            self._desk.chat_changed(row.number)
        if phase in ("dead", "out") and phase != row.phase:
            # What was decided is shown, whether a quorum holds it or not: nobody will ask again.
            happened.stable(self._desk, row.number, log.conversation.epoch)
            self._reports.forget(row.number)
            self._fail_all(row.number)
        if phase == "out":
            others = [
                one
                for one in self._desk.logs.members(row.number)
                if one.account != self._desk.account
            ]
            self._desk.logs.set_members(row.number, others)

    def _fail_all(self, number: int) -> None:
        """What waits here will not be said: people may say it elsewhere."""
        for item in self._desk.logs.outbox(number):
            if not item.stored:
                self._move(item.number, "failed")
                self._desk.logs.said(item.number)

    # --- Our own words ----------------------------------------------------------------------------

    def _encrypted(self, item: int, epoch: int, entry: bytes) -> None:
        logs = self._desk.logs
        logs.encrypted(item, epoch, entry)
        message = logs.message_of(item)
        if message is not None:
            minute = self._desk.time // 60
            logs.trace(message, TraceRow(b"", "entry", len(entry), minute, epoch, False))
            self._desk.messages.set_epoch(message, epoch)

    def _signed_for(self, one: SignedFor) -> None:
        logs = self._desk.logs
        message = logs.message_of(one.number)
        if message is None:
            return
        what = "post" if one.stored else "refused: epoch closed"
        logs.trace(
            message,
            TraceRow(one.relay, what, one.size, one.minute, one.epoch, one.stored),
        )
        self._desk.is_changed(message)

    def _move(self, item: int, state: str) -> None:
        """A message of ours stands somewhere else; what was delivered is not moved back."""
        message = self._desk.logs.message_of(item)
        found = None if message is None else self._desk.messages.get(message)
        if found is not None and found.state == "queued":
            self._desk.messages.set_state(found.number, state)
            self._desk.is_changed(found.number)

    # --- Wishes and relays ------------------------------------------------------------------------

    def _refused(self, number: int, wish: int, error: NodeError) -> None:
        desk = self._desk
        row, chat = desk.logs.wish(wish), desk.logs.get(number)
        desk.logs.granted(wish)
        if row is None or chat is None:
            return
        wanted = wishes.decode(row.wish)
        parts = halves(wanted) if isinstance(error, TooLong) else None
        if parts is not None:
            # So many do not fit one commit: they come in several.
            for part in parts:
                self._wish(number, part, row.command)
        elif isinstance(wanted, CarryOver):
            accounts = {device_of(one.leaf_node).account for one in wanted.packages}
            desk.people.not_added(number, frozenset(accounts), error.code)
            self.successors.refused(number, wanted)
        elif isinstance(wanted, AddPeople):
            desk.people.not_added(number, wanted.accounts, error.code)
        elif row.command:  # else nobody here has asked for it
            who = tuple(desk.people.person(one) for one in wishes.about(wanted))
            desk.context.tell(api.CommandFailed(chat.id.hex(), row.command, error.code, who))

    def _trouble(self, log: Log, one: RelayTrouble) -> None:
        desk = self._desk
        if one.fault is not None:
            name = one.fault.fault.name.lower().replace("_", " ")
            proof = None if one.fault.proof is None else one.fault.proof.encode()
            desk.logs.fault(one.relay, name, proof, time=desk.time)
        index = log.conversation.seat.configuration.index_of(one.relay)
        if index is not None:
            relay = log.conversation.seat.configuration.relays[index]
            faults = tuple(desk.logs.faults(one.relay))
            health = api.RelayHealth(relay=relay_info(relay), state=one.state, faults=faults)
            desk.context.tell(api.RelayChanged(health))
