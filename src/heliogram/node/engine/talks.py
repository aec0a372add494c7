"""Talks: all conversations, and what is said in them. A part of the engine.

What lists show comes from the store alone. A `Log` is loaded when something happens in its conversation, and
the others bit by bit after the start: each listens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain

from heliogram import mls
from heliogram.content.framing import MESSAGE_STATUS
from heliogram.content.mimi import Disposition, SinglePart
from heliogram.node import api
from heliogram.node.asking import Ask, LogScope
from heliogram.node.changes import AddPeople, Wish
from heliogram.node.components import Metadata, Role
from heliogram.node.conversation import Conversation
from heliogram.node.engine import happened, naming, telling, wishes
from heliogram.node.engine.catching import Catching
from heliogram.node.engine.choosing import USUAL, Choosing, configured
from heliogram.node.engine.context import Context, Handler
from heliogram.node.engine.desk import Desk, FilesSide
from heliogram.node.engine.facts import Facts
from heliogram.node.engine.folders import Folders
from heliogram.node.engine.forwarding import Forwarding
from heliogram.node.engine.founding import Founding
from heliogram.node.engine.groups import Groups
from heliogram.node.engine.happenings import Happenings
from heliogram.node.engine.listing import Listing
from heliogram.node.engine.messages import Messages
from heliogram.node.engine.moving import Moving
from heliogram.node.engine.open_logs import OpenLogs, is_alone
from heliogram.node.engine.pictures import Pictures
from heliogram.node.engine.pins import Pins
from heliogram.node.engine.polls import Polls
from heliogram.node.engine.preferences import Preferences
from heliogram.node.engine.relay_list import RelayList
from heliogram.node.engine.repeating import Repeating
from heliogram.node.engine.reports import Reports
from heliogram.node.engine.revocations import Revocations
from heliogram.node.engine.scheduling import Scheduling
from heliogram.node.engine.sending import Sending
from heliogram.node.engine.sides import PeopleSide
from heliogram.node.engine.speaking import Speaking
from heliogram.node.engine.successors import Successors
from heliogram.node.engine.tracing import Tracing
from heliogram.node.engine.typing import Typing
from heliogram.node.engine.views import Views
from heliogram.node.errors import NotFound, NotNow
from heliogram.node.events import WentOn
from heliogram.node.inbox.card import CARD
from heliogram.node.invitation import Invitation
from heliogram.node.log.happenings import RelayTrouble
from heliogram.node.log.log import Log
from heliogram.node.records import Phase
from heliogram.node.store.logs import ConversationRow
from heliogram.node.successor import Ground
from heliogram.node.transfer.moves import Outcome
from heliogram.wire.objects import Configuration, RelayDescription

#: Seconds after which no more relays are added to those that the conversation with ourselves begins with.
ADDED_TOGETHER = 10.0

_NAMES = {suite.value: suite.name for suite in mls.CipherSuite}


class Talks:
    """All conversations. A `Part`, and what `sides.Talks` says."""

    def __init__(
        self, context: Context, people: PeopleSide, files: FilesSide | None = None
    ) -> None:
        """Nothing is loaded yet but the list of conversations."""
        self.context = context
        self.desk = desk = Desk(context, people, files)
        self.views = Views(desk)
        self._reports = Reports(desk, self.views)
        self._begun = False
        #: When the next message goes (Unix seconds).
        self._ends = desk.messages.next_expiry()
        self._has_self = desk.logs.has_self()
        #: Whether another part wanted something after this one had settled: then there is another turn.
        self._stirred = False
        self._messages = Messages(desk, self._reports)
        self.happenings = Happenings(desk, self._messages, self._reports, self.wish)
        self._speaking = speaking = Speaking(desk, self.views, self._messages, self._say)
        moving = Moving(desk, speaking, self._messages, self.log)
        self._logs = OpenLogs(desk, lambda number: self._successors.loaded(number))
        self._pictures = Pictures(desk, self)
        self._choosing = choosing = Choosing(desk, self._logs)
        self._founding = Founding(desk, self, self._logs, choosing, moving, self._pictures)
        self._successors = Successors(desk, self.views, self, moving, choosing, self._founding)
        self.happenings.mirrored.append(self._pictures.mirrored)
        self.happenings.watchers.append(self._pictures.happened)
        self.happenings.watchers.append(self._founding.happened)
        self._scheduling = Scheduling(desk, speaking)
        forwarding = Forwarding(desk, self.views, speaking, self.circuit)
        self._typing = Typing(desk, self._put, self._unsay)
        self.happenings.typing = self._typing.heard
        self._handlers: dict[type[api.Command], Handler] = {
            **Sending(desk, speaking, self._messages, self._reports).handlers,
            **forwarding.handlers,
            **Repeating(desk, speaking, self._messages, forwarding.originals).handlers,
            **self._scheduling.handlers,
            **self._typing.handlers,
            **Polls(desk, speaking).handlers,
            **Pins(desk, self.views, speaking, self._messages).handlers,
            **Listing(desk, self.views, self._inside, self._logs.health).handlers,
            **Folders(desk).handlers,
            **Preferences(desk, self.views, self._reports).handlers,
            **Groups(desk, self.views, self, self._pictures).handlers,
            **self._pictures.handlers,
            **RelayList(desk, self._logs.relay_health).handlers,
            **Tracing(desk, self.views).handlers,
        }
        self._handlers.update(self._successors.handlers)
        self.happenings.successors = self._successors
        self._catching = Catching(desk, self, self._logs)
        self._messages.aside = self._catching.heard
        self.happenings.watchers.append(self._catching.happened)
        self._revocations = Revocations(desk, self)
        self.happenings.watchers.append(self._revocations.happened)

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """What is done here for which command."""
        return self._handlers

    # --- For people -------------------------------------------------------------------------------

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
        """A new conversation of ours, whose log is being opened. Raises `NoRelays`, `NotAllowed`.

        It goes on from `after`, if given: `Conversation.ground` of another one.
        """
        context = self.context
        self._stirred = True
        chosen = self._choosing.usual() if relays is None else list(relays)
        configuration = configured(chosen, quorum, log=context.entropy(32))
        conversation, effects = Conversation.found(
            configuration,
            self.desk.people.device(),
            Metadata(name, description),
            after=after,
            now=self.desk.time,
            entropy=context.entropy,
        )
        number = self.desk.logs.add(conversation.group_id, kind, peer=peer, created=self.desk.time)
        self._logs.found(number, conversation, effects)
        self._founding.begun(number, named=not (relays is None and quorum is None))
        self.happenings.mirror(number, conversation)
        if kind == "group" and after is None:
            happened.line(self.desk, number, "founded", Facts(by=self.desk.account))
        return number

    def add(
        self,
        conversation: int,
        packages: Sequence[mls.KeyPackage],
        accounts: frozenset[bytes],
        role: Role,
    ) -> None:
        """Want these devices in. What comes of it: `invitation_due` or `not_added`."""
        carried = self._successors.added(conversation, packages)
        wish = carried or AddPeople(tuple(packages), accounts, role)
        self.wish(conversation, wish, "add members")

    def invitation(
        self, conversation: int, draft: Invitation, profile: bytes, secret: bytes, inbox: bytes
    ) -> bytes:
        """`Conversation.invitation`: the item for an inbox. Raises `NodeError`."""
        inside = self.log(conversation).conversation
        return inside.invitation(draft, profile, secret, inbox, entropy=self.context.entropy)

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
        """Go in; `welcome` is what was fetched, if it lies in a blob. Raises `InvalidInvitation`.

        `package` is the key package that it must be for, if that is known.
        """
        logs = self.desk.logs
        self._stirred = True
        inline = invitation.welcome if isinstance(invitation.welcome, bytes) else welcome
        packages = [package] if package else self.desk.people.packages_for(inline)
        conversation, effects = Conversation.join(
            invitation,
            packages,
            welcome=welcome,
            in_use=_InUse(self.desk),
            grounds=self._successors.ground,
            now=self.desk.time,
        )
        number = logs.number_of(conversation.group_id)
        if number is None:
            number = logs.add(
                conversation.group_id, kind, peer=peer, phase="open", created=self.desk.time
            )
        else:
            logs.come_back(number)
        self._logs.joined(number, conversation, effects)
        self.happenings.mirror(number, conversation)
        for event in effects.events:
            if isinstance(event, WentOn):
                self._successors.went_on(number, conversation, event)
        return number

    def say_profile(self, conversation: int, content: bytes) -> None:
        """Say who we are: a part with the disposition PROFILE and the media type `card.CARD`."""
        row = self._row(conversation)
        self._speaking.aside(row, SinglePart(CARD, content, Disposition.PROFILE))

    def say_aside(self, conversation: int, part: SinglePart) -> None:
        """Say something that nobody sees."""
        self._speaking.aside(self._row(conversation), part)
        self._stirred = True

    def abandon(self, conversation: int) -> None:
        """Nobody came into a conversation of ours: delete its keys without a word, and list it no more."""
        with suppress(NotNow):
            self.log(conversation).abandon()
        self.desk.logs.change(conversation, archived=True)
        self.desk.chat_changed(conversation)

    def devices_changed(self, account: bytes) -> None:
        """A newer list of an account's devices is here: those revoked are removed where they are."""
        self._revocations.devices_changed(account)

    def ground(self, log: bytes) -> Ground | None:
        """Where the conversation of ours with this log stands, for a successor."""
        return self._successors.ground(log)

    def is_stuck(self, log: bytes) -> bool:
        """Whether the conversation of ours with this log goes on in a successor alone."""
        return self._successors.is_stuck(log)

    def chat(self, conversation: int) -> api.Chat:
        """A conversation, as faces see it."""
        return self.views.chat(self._row(conversation))

    # --- For commands and files -------------------------------------------------------------------

    def log(self, number: int) -> Log:
        """The log of a conversation, loaded if need be. Raises `NotNow` if it cannot be."""
        self._stirred = True
        found = self._logs.get(number)
        found.stir(self.context.now, self.desk.time)
        return found

    def wish(self, conversation: int, wish: Wish, command: str) -> None:
        """Want a change. Raises `NotNow` where nothing can be changed."""
        log = self.log(conversation)
        number = self.desk.logs.want(
            conversation, command, wishes.encode(wish), created=self.desk.time
        )
        log.wish(number, wish)
        self.desk.chat_changed(conversation)

    def entered(self, number: int) -> None:
        """Another epoch is open: whoever was on the way in is there, and hears what waited for them."""
        log = self.log(number)
        if log.conversation.epoch == 1 and log.conversation.phase is Phase.OPEN:
            for item in self.desk.logs.outbox(number):
                if not item.held and not item.stored:
                    log.say(
                        item.number, item.kind, item.content, epoch=item.epoch, entry=item.entry
                    )

    def release(self, message: int) -> None:
        """The files of a message lie on their relays: it goes out now."""
        row = self.desk.logs.outgoing_of(message)
        if row is not None and row.held:
            self.desk.logs.release(row.number)
            log = self.log(row.conversation)
            if not is_alone(self._row(row.conversation), log):
                log.say(row.number, row.kind, row.content)

    def not_sent(self, message: int, code: str) -> None:
        """The files of a message can never be on a quorum of relays: it has failed."""
        row, shown = self.desk.logs.outgoing_of(message), self.desk.messages.get(message)
        if row is not None and row.held:
            self.desk.logs.said(row.number)
        if shown is not None and shown.state == "queued":
            self.desk.messages.set_state(message, "failed")
            self.desk.is_changed(message)
            chat = self._row(shown.conversation)
            self.context.tell(api.CommandFailed(chat.id.hex(), "send", code))

    def file_changed(self, message: int) -> None:
        """A file of a message is further: faces hear of it."""
        self.desk.is_changed(message)
        self._stirred = True

    def find_message(self, text: str) -> int:
        """The message that a person means. Raises `NotFound`, `Ambiguous`."""
        return naming.message(self.desk, text).number

    def configuration(self, conversation: int) -> Configuration | None:
        """The relays of a conversation now."""
        row = self.desk.logs.get(conversation)
        return None if row is None else self.views.configuration(row)

    def circuit(self, conversation: int) -> bytes:
        """The circuit that a conversation's connections belong to."""
        return b"log" + conversation.to_bytes(8, "big")

    def blob_stored(self, conversation: int, blob: bytes, relay: bytes) -> None:
        """A Welcome lies on a relay."""
        self.log(conversation).blob_stored(blob, relay)

    def blob_fetched(self, conversation: int, blob: bytes) -> None:
        """A Welcome is here."""
        self.log(conversation).blob_fetched(blob)
        self._successors.fetched(conversation, blob)

    def picture_stored(self, conversation: int, blob: bytes) -> None:
        """A quorum of relays has a picture."""
        self._stirred = True
        self._pictures.stored(conversation, blob)

    def picture_refused(self, conversation: int, blob: bytes) -> None:
        """A picture can never be on a quorum of relays."""
        self._pictures.refused(conversation, blob)

    def picture_came(self, conversation: int, blob: bytes, outcome: Outcome, data: bytes) -> None:
        """How it went to fetch a picture."""
        self._stirred = True
        self._pictures.came(conversation, blob, outcome, data)

    def blob_scope(self, conversation: int, relay: bytes) -> LogScope:
        """The channel for blobs of a conversation at a relay. Raises `NotNow`."""
        return self.log(conversation).blob_scope(relay)

    # --- A part of the engine ---------------------------------------------------------------------

    def settle(self) -> None:
        """Do what follows from all that came in this turn."""
        if not self._begun:
            self._begun = True
            self._reports.begin()
        self._logs.begin_turn()
        self._found_own()
        if self._ends is not None and self._ends <= self.context.time:
            self._messages.expire()
        self._messages.give_up()
        self._scheduling.settle()
        self._typing.settle()
        for number in self._reports.due():
            self._report(number)
        self._founding.settle()
        self._successors.settle()
        self._catching.settle()
        self._revocations.settle()
        self._stirred = False
        now = self.context.now
        for number, log in self._logs.awake():
            for one in log.settle(now=now, time=self.desk.time):
                self.happenings.take(number, log, one)
                if isinstance(one, RelayTrouble):
                    self._catching.troubled(number, log)
        self._pictures.settle()
        if telling.tell(self.desk, self.views):
            self._ends = self.desk.messages.next_expiry()

    def asks(self) -> list[tuple[bytes, Ask]]:
        """What is to be sent, each on the circuit of its conversation."""
        return self._logs.asks(self.circuit)

    def deadline(self) -> float | None:
        """When the next turn must be."""
        now = self.context.now
        if self._logs.to_load or self._stirred:
            return now
        ends = self._ends
        own = self._own_due()
        times = chain(
            (self._logs.deadline(),),
            (self._reports.deadline(), self._successors.deadline(), self._founding.deadline()),
            (self._revocations.deadline(), self._catching.deadline()),
            (self._pictures.deadline(), self._scheduling.deadline()),
            (self._typing.deadline(),),
            (None if ends is None else now + max(0.0, ends - self.context.time),),
            (None if own is None else now + max(0.0, own - self.context.time),),
        )
        return min((one for one in times if one is not None), default=None)

    # --- Inside -----------------------------------------------------------------------------------

    def _say(
        self, row: ConversationRow, kind: str, content: bytes, message: int | None, held: bool
    ) -> None:
        """Put something into the outbox, and with it what is to be reported."""
        self._put(row, kind, content, message, held)
        if not held and kind != MESSAGE_STATUS:
            self._report(row.number)
            self.desk.people.said(row.number)

    def _put(
        self,
        row: ConversationRow,
        kind: str,
        content: bytes,
        message: int | None = None,
        held: bool = False,
    ) -> int:
        """Put something into the outbox; its number there."""
        number = self.desk.logs.queue(
            row.number, kind, content, message=message, created=self.desk.time, held=held
        )
        if not held:
            log = self.log(row.number)
            if not is_alone(row, log):
                log.say(number, kind, content)
        return number

    def _unsay(self, conversation: int, number: int) -> None:
        """Something in the outbox is not to be said any more."""
        with suppress(NotNow):
            self.log(conversation).unsay(number)
        self.desk.logs.said(number)

    def _report(self, number: int) -> None:
        row = self._row(number)
        content = self._reports.take(number)
        if content is not None and row.phase == "open":
            self._say(row, MESSAGE_STATUS, content, None, False)

    def _found_own(self) -> None:
        """The conversation with ourselves, as soon as there are relays for it, and no more are added."""
        due = self._own_due()
        if due is not None and due <= self.context.time:
            self.found("self")
            self._has_self = True

    def _own_due(self) -> float | None:
        """When it is founded (Unix seconds); None if that is done, or cannot be."""
        if self._has_self:
            return None
        many, last = self.desk.logs.count_relays()
        if not many or not self.desk.account:
            return None
        return 0.0 if many >= USUAL else last + ADDED_TOGETHER

    def _row(self, number: int) -> ConversationRow:
        row = self.desk.logs.get(number)
        if row is None:
            raise NotFound("chat")
        return row

    def _inside(self, row: ConversationRow) -> tuple[str, int, str]:
        """Suite, epoch and authenticator; nothing where we are out."""
        try:
            inside = self.log(row.number).conversation
            suite = _NAMES.get(self.desk.people.device().suite, "")
            return suite, inside.epoch, bytes(inside.epoch_authenticator).hex()
        except NotNow:
            return "", 0, ""


class _InUse:
    """Ids of groups that we are in, without loading them all."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, bytes):
            return False
        number = self._desk.logs.number_of(id)
        row = None if number is None else self._desk.logs.get(number)
        return row is not None and row.phase != "out"
