"""What others say, and what it does to history: posts, edits, deletions, reactions.

Only who said something may change it. What names a message that is not here waits for it, so the order in
which things come does not matter: of edits the one that was sent last counts. It waits for two months at
most. Nothing else is dropped silently: content that is none becomes a line, what we do not know is shown as
unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from heliogram.content import bodies, revisions
from heliogram.content.bodies import Kind
from heliogram.content.errors import ContentError
from heliogram.content.forms import Pin, Vote
from heliogram.content.forwarded import FORWARDED
from heliogram.content.limits import MAX_EMOJI
from heliogram.content.mimi import Message, SinglePart, message_id
from heliogram.node import api
from heliogram.node.decisions import DECISIONS, WANTED
from heliogram.node.engine import clock, happened, reading
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.facts import Facts
from heliogram.node.engine.making import room_uri
from heliogram.node.engine.reports import Reports
from heliogram.node.engine.views import SEVERAL
from heliogram.node.identity.accounts import account_uri
from heliogram.node.inbox.card import CARD
from heliogram.node.store.logs import ConversationRow
from heliogram.node.store.marks import EarlyRow, ReactionRow
from heliogram.node.store.messages import MEDIA, MessageRow
from heliogram.node.store.pins import PinRow
from heliogram.node.store.votes import VoteRow
from heliogram.node.transfer import sniffing
from heliogram.node.transfer.prepare import duration_of

#: Media types of what nodes say to each other, and nobody sees.
ASIDE = frozenset((DECISIONS, WANTED))

#: Seconds for which a change waits for its message. Relays keep what is said for 30 days; who was away may
#: say it later.
EARLY_KEPT = 60 * 86_400

#: Seconds between two looks whether something has waited for too long.
LOOK = 3600

_LINK = re.compile(r"https?://[^\s)>]|\bwww\.\w", re.IGNORECASE)

#: Characters of one emoji, as it is shown.
MAX_SHOWN_EMOJI = 16


@dataclass(frozen=True, slots=True)
class Said:
    """A message with what is known of it from elsewhere."""

    message: Message
    content: bytes = field(repr=False)
    id: bytes = field(repr=False)
    sender: bytes = field(repr=False)
    sent: int
    device: bytes | None = field(default=None, repr=False)
    epoch: int = 0
    #: Whether it has waited here, and its sender might say it.
    judged: bool = False


class Messages:
    """Takes messages into history."""

    def __init__(self, desk: Desk, reports: Reports) -> None:
        self._desk = desk
        self._reports = reports
        #: When it is looked again whether something has waited for too long (Unix seconds).
        self._look_again = 0
        #: Takes what is said from node to node: the conversation, who said it, the part.
        self.aside: Callable[[ConversationRow, bytes, SinglePart], None] = lambda *_: None

    def receive(
        self,
        conversation: ConversationRow,
        sender: bytes,
        device: bytes,
        content: bytes,
        *,
        epoch: int,
        minute: int | None = None,
    ) -> None:
        """Somebody said `content`; a relay had it in `minute`. Never raises for what they said."""
        desk = self._desk
        if conversation.kind == "direct" and desk.people.is_blocked(sender):
            return
        uri, room = account_uri(sender), room_uri(conversation.id)
        try:
            message = Message.from_bytes(content)
            message.check(sender=uri, room=room, now=desk.time)
            id = message_id(content, sender=uri, room=room)
        except ContentError:
            happened.unreadable(desk, conversation.number, epoch, "no message", sender)
            return
        arrived = desk.context.time if minute is None else float(minute * 60)
        sent = clock.time_of(message, arrived)
        after = clock.raised(conversation.clock, sent, desk.context.time, minute)
        if after != conversation.clock:
            desk.logs.change(conversation.number, clock=after)
        self.take(conversation, Said(message, content, id, sender, sent, device, epoch))

    def take(self, conversation: ConversationRow, said: Said) -> int | None:
        """Do what a message does; the number of what is new in history."""
        match bodies.kind(said.message):
            case Kind.POST:
                return self._post(conversation, said)
            case Kind.REACT:
                self._react(conversation, said)
            case Kind.UNREACT:
                self._unreact(conversation, said)
            case Kind.EDIT | Kind.DELETE:
                self._revise(conversation, said)
        return None

    # --- Posts ------------------------------------------------------------------------------------

    def _post(self, conversation: ConversationRow, said: Said) -> int | None:
        desk, message, mine = self._desk, said.message, said.sender == self._desk.account
        if reading.is_profile(message) and isinstance(message.part, SinglePart):
            if message.part.content_type == CARD:
                desk.people.card_received(said.sender, message.part.content)
                return None
        if isinstance(message.part, SinglePart) and message.part.content_type in ASIDE:
            self.aside(conversation, said.sender, message.part)
            return None
        vote = reading.vote(message)
        if vote is not None:
            self._vote(conversation, said, vote)
            return None
        pin = reading.pin(message)
        if pin is not None:
            self._pin(conversation, said, pin)
            return None
        ends = None if message.expires is None else message.expires.ends(None)
        if ends is not None and ends <= desk.time:
            desk.marks.take_early(conversation.number, said.id)  # nothing of it is shown any more
            return None
        if mine and message.expires is not None:
            ends = message.expires.ends(desk.time)
        # What we said ourselves and hear from relays, another device or copy of ours has brought there.
        state = "queued" if said.device is None else "stored"
        seen = reading.shown(message)
        if desk.messages.by_id(conversation.number, said.id) is not None:
            return None
        # Who said it may have met a closed epoch, and says it again however long after.
        if desk.messages.is_gone(conversation.number, said.id):
            return None
        number = desk.messages.add(
            conversation=conversation.number,
            sent=said.sent,
            id=said.id,
            sender=said.sender,
            device=said.device,
            mine=mine,
            kind=seen.kind,
            text=seen.text,
            content=said.content,
            received=desk.time,
            epoch=said.epoch,
            reply_to=message.in_reply_to,
            state=state if mine else "received",
            files=len(seen.files),
            expires=ends,
            also=_file_names(seen),
            origin=message.extension(FORWARDED),
            media=_media(seen),
        )
        # Faces hear of it in this turn: its content is not decoded for that again.
        desk.markdown.keep((number, 0, None), seen.markdown)
        if seen.files and not mine:
            desk.files.received(number, seen.files)
        desk.is_added(number, conversation.number)
        if not mine:
            self._reports.delivered(conversation, said.sender, said.id)
        self._take_early(conversation, said.id)
        return number

    def _take_early(self, conversation: ConversationRow, target: bytes) -> None:
        """Do what has waited for this message."""
        for early in self._desk.marks.take_early(conversation.number, target):
            message = reading.of_bytes(early.content)
            if message is not None:
                said = Said(
                    *(message, early.content, early.id, early.sender, early.sent), judged=True
                )
                self.take(conversation, said)

    def _wait(self, conversation: ConversationRow, target: bytes, said: Said) -> None:
        if self._desk.messages.is_gone(conversation.number, target):
            return  # it will not come
        early = EarlyRow(said.id, said.sender, said.content, said.sent, self._desk.time)
        self._desk.marks.add_early(conversation.number, target, early)

    # --- Reactions --------------------------------------------------------------------------------

    def _react(self, conversation: ConversationRow, said: Said) -> None:
        target = said.message.in_reply_to or b""
        row = self._desk.by_version(conversation.number, target)
        if row is None:
            self._wait(conversation, target, said)
            return
        emoji = _emoji(said.message)
        if row.kind == "deleted" or not emoji:
            return
        made = ReactionRow(row.number, said.sender, said.id, emoji, said.content, said.sent)
        if self._desk.marks.add_reaction(made):
            self._desk.is_changed(row.number)
            self._take_early(conversation, said.id)

    def _unreact(self, conversation: ConversationRow, said: Said) -> None:
        desk, target = self._desk, said.message.replaces or b""
        reaction = self._reaction(conversation, said)
        if reaction is not None:
            desk.marks.remove_reaction(reaction.message, said.sender, target)
            desk.is_changed(reaction.message)
        elif desk.messages.by_id(conversation.number, target) is None:
            self._wait(conversation, target, said)

    def _reaction(self, conversation: ConversationRow, said: Said) -> ReactionRow | None:
        """The sender's reaction that is meant."""
        target = said.message.replaces or b""
        return self._desk.marks.reaction(
            target, conversation=conversation.number, sender=said.sender
        )

    # --- Votes ------------------------------------------------------------------------------------

    def _vote(self, conversation: ConversationRow, said: Said, vote: Vote) -> None:
        """Somebody chose something in a poll. What cannot be chosen there says nothing."""
        target = said.message.in_reply_to or b""
        row = self._desk.by_version(conversation.number, target)
        if row is None:
            self._wait(conversation, target, said)
            return
        asked = reading.poll(row.content)
        seen = (row.version or row.id) == target
        # What answers an earlier version counts for nothing any more, and is not held against this one.
        if asked is None or (seen and not vote.counts(asked)):
            return
        made = VoteRow(row.number, said.sender, target, vote.options, said.sent, said.id)
        if self._desk.votes.put(made):
            self._desk.is_changed(row.number)

    # --- Pins -------------------------------------------------------------------------------------

    def _pin(self, conversation: ConversationRow, said: Said, pin: Pin) -> None:
        """Somebody wants a message pinned, or no longer. Who may not say so says nothing."""
        desk, target = self._desk, said.message.in_reply_to or b""
        if not said.judged and not self.may_pin(conversation, said.sender, said.epoch):
            return
        row = desk.by_version(conversation.number, target)
        if row is None:
            self._wait(conversation, target, said)
            return
        if row.kind == "deleted":
            return
        made = PinRow(row.number, conversation.number, pin.pinned, said.sent, said.id)
        before = desk.pins.is_pinned(row.number)
        if desk.pins.put(made) and before != pin.pinned:
            code: api.LineCode = "pinned" if pin.pinned else "unpinned"
            happened.line(desk, conversation.number, code, Facts(by=said.sender), about=row.id)
            desk.is_changed(row.number)

    def may_pin(self, conversation: ConversationRow, account: bytes, epoch: int = 0) -> bool:
        """Whether somebody may pin, by the roles of `epoch`, or by those of today if it is 0."""
        if conversation.kind != "group":
            return True
        return account in self._desk.pins.admins(conversation.number, epoch)

    # --- Edits and deletions ----------------------------------------------------------------------

    def _revise(self, conversation: ConversationRow, said: Said) -> None:
        target = said.message.replaces or b""
        row = self._desk.messages.by_id(conversation.number, target)
        if row is None:
            reaction = self._reaction(conversation, said)
            if reaction is None:
                self._wait(conversation, target, said)
            elif said.sent > reaction.sent and (emoji := _emoji(said.message)):
                newer = replace(reaction, emoji=emoji, content=said.content, sent=said.sent)
                self._desk.marks.add_reaction(newer)
                self._desk.is_changed(reaction.message)
            return
        first = reading.of_bytes(row.content)
        if first is None or row.sender is None:
            return  # deleted: that is final
        verdict = revisions.judge(account_uri(said.sender), account_uri(row.sender), first)
        if verdict is not revisions.Judgement.APPLY:
            return
        if bodies.kind(said.message) is Kind.DELETE:
            self.delete(row)
        else:
            self._edit(row, first, said)

    def _edit(self, row: MessageRow, first: Message, said: Said) -> None:
        desk = self._desk
        desk.marks.add_version(row.conversation, row.number, said.id)
        self._revised(row, first, said)
        # Who answers an edit names it: what came before it has waited.
        conversation = desk.logs.get(row.conversation)
        if conversation is not None:
            self._take_early(conversation, said.id)

    def _revised(self, row: MessageRow, first: Message, said: Said) -> None:
        desk = self._desk
        if (said.sent, said.id) <= (row.edited, row.version or b""):
            return  # a later edit is here already
        newest = revisions.revised(first, said.message)
        seen, before = reading.shown(newest), reading.shown(first)
        try:
            content = newest.encode()
        except ContentError:
            return  # the body fits, but not with what stays of the first version
        desk.messages.revise(
            row.number,
            kind=seen.kind,
            text=seen.text,
            content=content,
            edited=said.sent,
            version=said.id,
            reply_to=row.reply_to,
            files=len(seen.files),
            also=_file_names(seen),
            media=_media(seen),
        )
        if [one.part for one in seen.files] != [one.part for one in before.files]:
            desk.files.gone(row.number)
            if seen.files:
                desk.files.received(row.number, seen.files)
        desk.is_changed(row.number)

    def delete(self, row: MessageRow) -> None:
        """A message was taken back: what it said goes, that it was there stays."""
        desk = self._desk
        if row.mine:
            desk.files.take_back(row.number)
        desk.files.gone(row.number)
        desk.marks.remove_reactions(row.number)
        desk.votes.remove(row.number)
        desk.pins.remove(row.number)
        desk.messages.revise(row.number, kind="deleted", text="", content=None, edited=0)
        desk.messages.set_expiry(row.number, None)
        if row.state == "received":
            desk.messages.set_state(row.number, "read")
        desk.is_changed(row.number)
        desk.recount(row.conversation)

    def expire(self) -> None:
        """Messages whose time is over go from here."""
        for row in self._desk.messages.due(self._desk.time):
            self.remove(row)

    def give_up(self) -> None:
        """Now and then: forget what waits for messages that will not come any more."""
        time = self._desk.time
        # Also where the clock was put back since.
        if not self._look_again - LOOK <= time < self._look_again:
            self._look_again = time + LOOK
            self._desk.marks.drop_early(time - EARLY_KEPT)

    def remove(self, row: MessageRow) -> None:
        """A message goes from this node: it is over, or is not wanted here."""
        desk = self._desk
        conversation = desk.logs.get(row.conversation)
        desk.files.gone(row.number)
        desk.messages.remove(row.number)
        if conversation is not None:
            desk.is_gone(row.number, conversation.id, conversation.number)
            desk.recount(conversation.number)


def _emoji(message: Message) -> str:
    """What a reaction shows: short texts, one or several."""
    found = []
    for one in bodies.reactions(message)[:MAX_EMOJI]:
        short = reading.bounded(one[:MAX_SHOWN_EMOJI]).replace(SEVERAL, "").strip()
        if short:
            found.append(short)
    return SEVERAL.join(found)


def _media(seen: reading.Shown) -> int:
    """What of `MEDIA` it has, as its sender says."""
    found = MEDIA["links"] if _LINK.search(seen.text) else 0
    for one in seen.files:
        kind = sniffing.essence(one.part.content_type)
        if kind in sniffing.PICTURES or kind.startswith("video/"):
            what = "pictures"
        else:
            what = "files" if duration_of(one.part.content_type) is None else "voice"
        found |= MEDIA[what]
    return found


def _file_names(seen: reading.Shown) -> str:
    """What is searched besides the text."""
    return "\n".join(one.part.filename for one in seen.files if one.part.filename)
