"""Lines of history: what a commit changed, told as events."""

from __future__ import annotations

from collections.abc import Iterator

from heliogram import mls
from heliogram.codec import DecodeError
from heliogram.node.chain import objections
from heliogram.node.components import Charter, device_of
from heliogram.node.events import (
    Change,
    KeysRenewed,
    MemberAdded,
    MemberLeft,
    MemberRemoved,
    MemberRestored,
    MetadataChanged,
    Person,
    RelaysChanged,
    RoleChanged,
)


def person(leaf: mls.LeafNode | None, index: int) -> Person:
    """Who sits at a leaf. Raises `codec.DecodeError` for a leaf that no member of a conversation has."""
    if leaf is None:
        raise DecodeError("conversation", "nobody is there")
    device = device_of(leaf)
    return Person(device.account, device.device_id, index)


def of(before: mls.Group, advanced: mls.EpochAdvanced) -> Iterator[Change]:
    """What changed from one epoch to the next, who did it first."""
    after, epoch = advanced.group, before.epoch
    by = person(before.tree.leaf(advanced.committer), advanced.committer)
    old = {index: person(leaf, index) for index, leaf in before.members()}
    new = {index: person(leaf, index) for index, leaf in after.members()}
    known, there = {one.account for one in old.values()}, {one.account for one in new.values()}
    left = {
        one.sender.index for one in advanced.proposals if isinstance(one.proposal, mls.SelfRemove)
    }
    gone = {(old[index].account, old[index].device): index for index in advanced.removed}
    lines: list[Change] = []
    for index in advanced.added:
        who = new[index]
        if gone.pop((who.account, who.device), None) is not None:
            lines.append(MemberRestored(by, epoch, who))
        else:
            lines.append(MemberAdded(by, epoch, who, who.account not in known))
            known.add(who.account)
    for index in sorted(gone.values()):
        who = old[index]
        kind = MemberLeft if index in left else MemberRemoved
        lines.append(kind(by, epoch, who, who.account not in there))
    lines += _components(by, epoch, Charter.of(before.context), Charter.of(after.context))
    yield from lines or [KeysRenewed(by, epoch)]


def _components(by: Person, epoch: int, old: Charter, new: Charter) -> Iterator[Change]:
    accounts = dict.fromkeys(one for one, _ in (*old.roles.appointments, *new.roles.appointments))
    for account in accounts:
        if old.roles.of(account) is not new.roles.of(account):
            yield RoleChanged(by, epoch, account, new.roles.of(account))
    if old.metadata != new.metadata:
        yield MetadataChanged(by, epoch, old.metadata, new.metadata)
    if old.configuration != new.configuration:
        against = objections(old.configuration, new.configuration)
        yield RelaysChanged(by, epoch, new.configuration, tuple(against))
