"""Conversations that ended, and who goes on from them: each `Member` of a successor is another object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from heliogram.node.events import InvitationDue, MemberWounded, SuccessorOffered
from heliogram.node.invitation import Invitation
from heliogram.node.records import Outgoing
from heliogram.node.successor import Ground, heirs
from heliogram.wire.objects import Value
from tests.node.conversation.world import Group, Member, configuration, decide, one


def ended(group: Group, make: Callable[[Member], Value], by: Member, *survivors: Member) -> None:
    """What `by` makes is decided, and nobody of the others can follow."""
    group.members = list(survivors)
    seat = group.members[0].conversation.seat
    decision = decide(seat, make(by))
    for member in survivors:
        member.apply(decision)


def report(*members: Member) -> list[MemberWounded]:
    """All say that they cannot follow, and hear each other: what they heard, each of some other."""
    entries: list[Outgoing] = []
    for member in members:
        package = member.package()
        member.write(member.conversation.report(package, entropy=member.entropy))
        entries.append(member.outbox.pop())
    assert all(entry.grace for entry in entries)
    heard = [event for member in members for entry in entries for event in member.receive(entry)]
    unique = {
        (event.who.account, event.who.device): event
        for event in heard
        if isinstance(event, MemberWounded)
    }
    return list(unique.values())


def beside(member: Member) -> Member:
    """The same device, in another conversation."""
    other = Member(member.called, member.device_number, member.suite)
    other.entropy = member.entropy
    other.device = member.device
    other.packages = member.packages
    return other


def found(old: Member, log: str = "second", ground: Ground | None = None, **how: Any) -> Member:
    """A successor with nobody in it yet."""
    new = beside(old)
    new.found(configuration(range(4, 8), log=log, **how), after=ground or old.conversation.ground())
    return new


def add(
    old: Member, new: Member, reports: Sequence[MemberWounded], **how: Any
) -> tuple[InvitationDue, tuple[bytes, ...]]:
    """The founder adds who said so; what is due, and blobs."""
    wish = heirs(old.conversation.ground(), new.conversation.people(), reports, **how)
    assert wish is not None
    staged = new.stage(wish)
    decision = decide(new.conversation.seat, staged.value)
    return one(new.apply(decision), InvitationDue), staged.blobs


def offer(
    old: Member, new: Member, due: InvitationDue, reports: Sequence[MemberWounded]
) -> list[Outgoing]:
    """What the founder leaves in the old log."""
    effects = old.conversation.offer(new.conversation, due.draft, reports, entropy=old.entropy)
    assert all(entry.grace for entry in effects.entries)
    return list(effects.entries)


def offered(old: Member, entries: Sequence[Outgoing]) -> list[Invitation]:
    """What a member finds in the old log."""
    events = [event for entry in entries for event in old.receive(entry)]
    return [event.invitation for event in events if isinstance(event, SuccessorOffered)]


def come(
    old: Member, invitation: Invitation, blobs: Sequence[bytes] = (), ground: Ground | None = None
) -> Member:
    """A member joins; raises what `Conversation.join` raises."""
    new = beside(old)
    known = ground or old.conversation.ground()
    new.accept(invitation, blobs, grounds=lambda log: known if log == known.log else None)
    return new


def forged(new: Member, draft: Invitation, **changes: Any) -> Invitation:
    """A draft, signed by who is in the successor."""
    return new.conversation._signed(replace(draft, **changes), b"")


def go_on(
    founder: Member, others: Sequence[Member], **how: Any
) -> tuple[Group, list[MemberWounded]]:
    """All of it: reports, the new log, offers; who is in it afterwards."""
    reports = report(founder, *others)
    new = found(founder, **how)
    due, blobs = add(founder, new, reports)
    entries = offer(founder, new, due, reports)
    group = Group([new])
    for other in others:
        for invitation in offered(other, entries):
            group.members.append(come(other, invitation, blobs))
    return group, reports
