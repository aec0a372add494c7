"""Lines of history: what happened in a conversation besides messages.

What a decision changed is kept until a quorum holds the decision, and shown then: whoever sends after that
finds out about it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from heliogram.node import api
from heliogram.node.components import Metadata
from heliogram.node.engine import clock
from heliogram.node.engine.desk import Desk
from heliogram.node.engine.facts import Facts, decode
from heliogram.node.events import (
    Change,
    CouldNotRead,
    Dead,
    Event,
    ForkSuspected,
    Joined,
    KeysUsedElsewhere,
    MemberAdded,
    MemberLeft,
    MemberRemoved,
    MemberRestored,
    MetadataChanged,
    Out,
    Person,
    RelaysChanged,
    RoleChanged,
    Unread,
    WentOn,
    Wounded,
)
from heliogram.node.store.logs import ConversationRow
from heliogram.node.successor import ELSEWHERE

#: Lines in a row that say that something could not be read: more say no more.
MAX_UNREADABLE = 16

_UNREAD: Mapping[Unread, api.LineCode] = {
    Unread.TOO_OLD: "too late",
    Unread.BROKEN: "broken",
    Unread.UNKNOWN_FORM: "later version",
    Unread.REVOKED: "revoked device",
}


def changed(desk: Desk, conversation: ConversationRow, event: Change) -> None:
    """A decision changed something: shown by `stable`."""
    if conversation.kind == "direct" and event.epoch == 0:
        return
    for code, facts in _change(event):
        desk.logs.hold(conversation.number, event.epoch, code, facts.encode())


def stable(desk: Desk, conversation: int, epoch: int) -> None:
    """A quorum holds the decision of `epoch`, and so those before: show what they changed."""
    for at, code, data in desk.logs.take_held(conversation, epoch):
        _add(desk, conversation, code, decode(data), at)


def line(
    desk: Desk,
    conversation: int,
    code: api.LineCode,
    facts: Facts,
    epoch: int = 0,
    *,
    about: bytes | None = None,
) -> None:
    """Show at once that something happened; `about` is the id of a message that it happened to."""
    _add(desk, conversation, code, facts, epoch, about=about)


def told(desk: Desk, conversation: ConversationRow, event: Event) -> None:
    """Show what happened that is neither message nor change, and warn of what is dangerous."""
    number = conversation.number
    match event:
        case WentOn(epoch, by, missing, risen):
            facts = Facts(by=by.account, missing=missing, risen=risen)
            line(desk, number, "went on", facts, epoch)
        case Joined(invited_by, epoch):
            line(desk, number, "invited", Facts(by=invited_by.account), epoch)
        case CouldNotRead(epoch, why):
            unreadable(desk, number, epoch, _UNREAD[why])
        case ForkSuspected(epoch):
            if not _said_last(desk, number, "fork suspected"):
                line(desk, number, "fork suspected", Facts(), epoch)
                _warn(desk, conversation, "fork suspected")
        case KeysUsedElsewhere(epoch):
            if not _said_last(desk, number, "keys used elsewhere"):
                line(desk, number, "keys used elsewhere", Facts(), epoch)
                _warn(desk, conversation, "keys used elsewhere")
        case Dead(_, _, why) if why == ELSEWHERE:
            pass  # the line says who goes on
        case Dead(epoch, culprit):
            line(desk, number, "conversation dead", Facts(who=_account(culprit)), epoch)
            _warn(desk, conversation, "conversation dead", culprit)
        case Wounded(epoch, culprit):
            line(desk, number, "wounded", Facts(who=_account(culprit)), epoch)
            _warn(desk, conversation, "wounded", culprit)
        case Out(left=True) if conversation.successor is not None:
            pass  # given up for another one: nobody has left
        case Out(epoch, by, left):
            code: api.LineCode = "member left" if left else "member removed"
            line(desk, number, code, Facts(by=_account(by), who=desk.account), epoch)


def unreadable(
    desk: Desk, conversation: int, epoch: int, code: api.LineCode, sender: bytes | None = None
) -> None:
    """Show that something is missing. Many in a row are shown as `MAX_UNREADABLE`."""
    rows = desk.messages.page(conversation, limit=MAX_UNREADABLE)
    if len(rows) < MAX_UNREADABLE or any(row.kind != "unreadable" for row in rows):
        _add(desk, conversation, code, Facts(by=sender), epoch, "unreadable")


def _add(
    desk: Desk,
    conversation: int,
    code: str,
    facts: Facts,
    epoch: int,
    kind: str = "line",
    about: bytes | None = None,
) -> None:
    row = desk.logs.get(conversation)
    if row is None:
        return
    # A line is no message of anybody: it stands where we heard of it, and moves no clock.
    number = desk.messages.add(
        conversation=conversation,
        sent=clock.next_time(row.clock, desk.context.time),
        sender=facts.by,
        kind=kind,
        text="",
        received=desk.time,
        epoch=epoch,
        state="read",
        event=code,
        data=facts.encode(),
        reply_to=about,
    )
    desk.is_added(number, conversation)


def _said_last(desk: Desk, conversation: int, code: api.LineCode) -> bool:
    """Whether the last line says this."""
    last = desk.messages.last(conversation)
    return last is not None and last.event == code


def _change(event: Change) -> Iterator[tuple[api.LineCode, Facts]]:
    by = event.by.account
    match event:
        case MemberAdded(_, _, who, first):
            yield "member added" if first else "device added", Facts(by=by, who=who.account)
        case MemberRemoved(_, _, who, last):
            yield "member removed" if last else "device removed", Facts(by=by, who=who.account)
        case MemberLeft(_, _, who, last):
            yield "member left" if last else "device left", Facts(by=by, who=who.account)
        case MemberRestored(_, _, who):
            yield "member restored", Facts(by=by, who=who.account)
        case RoleChanged(_, _, account, role):
            yield "role changed", Facts(by=by, who=account, role=int(role))
        case MetadataChanged(_, _, old, new):
            yield from _renewed(by, old, new)
        case RelaysChanged(_, _, configuration, objections):
            against = tuple(one.name.lower().replace("_", " ") for one in objections)
            yield (
                "relays changed",
                Facts(by=by, relays=configuration.n, quorum=configuration.q, objections=against),
            )


def _renewed(by: bytes, old: Metadata, new: Metadata) -> Iterator[tuple[api.LineCode, Facts]]:
    """A line for each thing that is other than it was."""
    if new.name != old.name:
        code: api.LineCode = "unnamed" if not new.name else "renamed" if old.name else "named"
        yield code, Facts(by=by, name=new.name, before=old.name)
    if new.description != old.description:
        yield "description changed", Facts(by=by)
    if new.picture != old.picture:
        yield "picture changed", Facts(by=by)
    if new.expiry != old.expiry:
        yield "expiry set" if new.expiry else "expiry off", Facts(by=by, seconds=new.expiry)


def _account(person: Person | None) -> bytes | None:
    return None if person is None else person.account


def _warn(
    desk: Desk, conversation: ConversationRow, code: str, culprit: Person | None = None
) -> None:
    who = None if culprit is None else desk.people.person(culprit.account)
    desk.context.tell(api.Warned(code, conversation.id.hex(), who))
