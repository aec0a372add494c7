"""Lines of history: what happened in a conversation besides messages.

What a decision changed is kept until a quorum holds the decision, and shown then: whoever sends after that
finds out about it first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from heliogram.node import api
from heliogram.node.chain import Objection
from heliogram.node.components import Metadata
from heliogram.node.engine import clock
from heliogram.node.engine.desk import Desk
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
    WentOn,
    Wounded,
)
from heliogram.node.store.logs import ConversationRow
from heliogram.node.successor import ELSEWHERE

#: Lines of one kind that say that something could not be read, one after the other: more say no more.
MAX_UNREADABLE = 16


def changed(desk: Desk, conversation: ConversationRow, event: Change) -> None:
    """A decision changed something: shown by `stable`."""
    data = _change(event, conversation)
    if data is not None and not (conversation.kind == "direct" and event.epoch == 0):
        name = type(event).__name__
        packed = msgspec.msgpack.encode(data)
        desk.logs.hold(conversation.number, event.epoch, name, packed)


def stable(desk: Desk, conversation: int, epoch: int) -> None:
    """A quorum holds the decision of `epoch`, and so those before: show what they changed."""
    for at, event, data in desk.logs.take_held(conversation, epoch):
        _add(desk, conversation, event, msgspec.msgpack.decode(data), at, data)


def line(
    desk: Desk,
    conversation: int,
    event: str,
    data: dict[str, Any],
    epoch: int = 0,
    *,
    about: bytes | None = None,
) -> None:
    """Show at once that something happened; `about` is the id of a message that it happened to."""
    _add(desk, conversation, event, data, epoch, msgspec.msgpack.encode(data), about=about)


def told(desk: Desk, conversation: ConversationRow, event: Event) -> None:
    """Show what happened that is neither message nor change, and warn of what is dangerous."""
    number = conversation.number
    match event:
        case WentOn(epoch, by, missing, risen):
            data = {"by": by.account, "missing": list(missing), "risen": list(risen)}
            line(desk, number, "WentOn", data, epoch)
        case Joined(invited_by, epoch):
            line(desk, number, "Joined", {"by": invited_by.account}, epoch)
        case CouldNotRead(epoch, why):
            unreadable(desk, number, epoch, {"why": why.name})
        case ForkSuspected(epoch):
            if _lately(desk, number, "ForkSuspected") == 0:
                line(desk, number, "ForkSuspected", {}, epoch)
                _warn(desk, conversation, "fork suspected")
        case KeysUsedElsewhere(epoch):
            if _lately(desk, number, "KeysUsedElsewhere") == 0:
                line(desk, number, "KeysUsedElsewhere", {}, epoch)
                _warn(desk, conversation, "keys used elsewhere")
        case Dead(_, _, why) if why == ELSEWHERE:
            pass  # the line says who goes on
        case Dead(epoch, culprit, why):
            line(desk, number, "Dead", {"culprit": _account(culprit), "why": why}, epoch)
            _warn(desk, conversation, "conversation dead", culprit)
        case Wounded(epoch, culprit):
            line(desk, number, "Wounded", {"culprit": _account(culprit)}, epoch)
            _warn(desk, conversation, "wounded", culprit)
        case Out(epoch, by, left):
            line(desk, number, "Out", {"by": _account(by), "left": left}, epoch)


def unreadable(
    desk: Desk, conversation: int, epoch: int, data: dict[str, Any], sender: bytes | None = None
) -> None:
    """Show that something is missing. Many in a row are shown as `MAX_UNREADABLE`."""
    if _lately(desk, conversation, "CouldNotRead") < MAX_UNREADABLE:
        packed = msgspec.msgpack.encode(data)
        _add(desk, conversation, "CouldNotRead", data, epoch, packed, "unreadable", sender)


def _add(
    desk: Desk,
    conversation: int,
    event: str,
    data: dict[str, Any],
    epoch: int,
    packed: bytes,
    kind: str = "line",
    sender: bytes | None = None,
    about: bytes | None = None,
) -> None:
    row = desk.logs.get(conversation)
    if row is None:
        return
    # A line is no message of anybody: it stands where we heard of it, and moves no clock.
    number = desk.messages.add(
        conversation=conversation,
        sent=clock.next_time(row.clock, desk.context.time),
        sender=sender or data.get("by"),
        kind=kind,
        text="",
        received=desk.time,
        epoch=epoch,
        state="read",
        event=event,
        data=packed,
        reply_to=about,
    )
    desk.is_added(number, conversation)


def _lately(desk: Desk, conversation: int, event: str) -> int:
    """How many of the last rows are lines of this event, without another in between."""
    count = 0
    for row in reversed(desk.messages.page(conversation, limit=MAX_UNREADABLE)):
        if row.event != event:
            break
        count += 1
    return count


def _change(event: Change, conversation: ConversationRow) -> dict[str, Any] | None:
    by = {"by": event.by.account}
    match event:
        case MemberAdded(_, _, who, first):
            return {**by, "who": who.account, "first": first}
        case MemberRemoved(_, _, who, last) | MemberLeft(_, _, who, last):
            return {**by, "who": who.account, "last": last}
        case MemberRestored(_, _, who):
            return {**by, "who": who.account}
        case RoleChanged(_, _, account, role):
            return {**by, "who": account, "role": int(role)}
        case MetadataChanged(_, _, metadata):
            return {**by, **_new(metadata, conversation)}
        case RelaysChanged(_, _, configuration, objections):
            against = [one.value for one in objections if isinstance(one, Objection)]
            return {**by, "n": configuration.n, "q": configuration.q, "objections": against}
    return None


def _new(metadata: Metadata, conversation: ConversationRow) -> dict[str, Any]:
    """What is other than it was."""
    new: dict[str, Any] = {}
    if metadata.name != conversation.name:
        new["name"] = metadata.name
    if metadata.description != conversation.description:
        new["description"] = metadata.description
    if metadata.picture != conversation.picture:
        new["picture"] = len(metadata.picture)
    if metadata.expiry != conversation.expiry:
        new["expiry"] = metadata.expiry
    return new


def _account(person: Person | None) -> bytes | None:
    return None if person is None else person.account


def _warn(
    desk: Desk, conversation: ConversationRow, code: str, culprit: Person | None = None
) -> None:
    who = None if culprit is None else desk.people.person(culprit.account)
    desk.context.tell(api.Warned(code, conversation.id.hex(), who))
