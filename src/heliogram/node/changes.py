"""What a member may want to change, and the proposals that do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from heliogram import mls
from heliogram.codec import DecodeError
from heliogram.node.chain import objections
from heliogram.node.components import Charter, Component, Metadata, Role, Roles, device_of
from heliogram.node.errors import NotAllowed
from heliogram.node.identity.devices import DeviceCertificate
from heliogram.node.rights import accounts_after, judge
from heliogram.wire.objects import Configuration


@dataclass(frozen=True, slots=True)
class AddPeople:
    """Add devices by their key packages. Each must be of one of `accounts`, who get `role`."""

    packages: tuple[mls.KeyPackage, ...] = field(repr=False)
    accounts: frozenset[bytes] = field(repr=False)
    role: Role = Role.MEMBER


@dataclass(frozen=True, slots=True)
class CarryOver:
    """Add those who come along from a predecessor: `roles` are all that were held there. See `successor`.

    With `by_grace` they said so there, and the invitation must fit into a grace lane.
    """

    packages: tuple[mls.KeyPackage, ...] = field(repr=False)
    roles: Roles = field(repr=False)
    by_grace: bool = True


@dataclass(frozen=True, slots=True)
class RemovePeople:
    """Remove all devices of these accounts."""

    accounts: frozenset[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoveDevices:
    """Remove single devices, each by its account and its id. Those that are not there count as removed."""

    devices: frozenset[tuple[bytes, bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Restore:
    """Put a wounded device back, with the key package that it sent."""

    package: mls.KeyPackage = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetRole:
    """Give an account another role."""

    account: bytes = field(repr=False)
    role: Role


@dataclass(frozen=True, slots=True)
class Rename:
    """Change what the conversation is called and looks like."""

    metadata: Metadata


@dataclass(frozen=True, slots=True)
class ChangeRelays:
    """Let other relays hold the conversation. `emergency`: more are lost than may be replaced at once."""

    configuration: Configuration
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class RenewKeys:
    """Fresh keys for us, and what others have announced."""


Wish = (
    AddPeople
    | CarryOver
    | RemovePeople
    | RemoveDevices
    | Restore
    | SetRole
    | Rename
    | ChangeRelays
    | RenewKeys
)


def halves(wish: Wish) -> tuple[AddPeople, AddPeople] | tuple[CarryOver, CarryOver] | None:
    """Two wishes that do what one does whose commit fits no value; None for what cannot be divided.

    The devices of an account stay together, so that one invitation leads all of them in.
    """
    if not isinstance(wish, AddPeople | CarryOver):
        return None
    owners = [device_of(one.leaf_node).account for one in wish.packages]
    accounts = list(dict.fromkeys(owners))
    first = frozenset(accounts[: len(accounts) // 2])
    if not first:
        return None
    here = tuple(one for one, owner in zip(wish.packages, owners, strict=True) if owner in first)
    there = tuple(
        one for one, owner in zip(wish.packages, owners, strict=True) if owner not in first
    )
    if isinstance(wish, CarryOver):
        return CarryOver(here, wish.roles), CarryOver(there, wish.roles)
    return (
        AddPeople(here, wish.accounts & first, wish.role),
        AddPeople(there, wish.accounts - first, wish.role),
    )


def proposals_for(
    wish: Wish, view: mls.EpochView, own: int, leaving: Sequence[mls.SentProposal]
) -> list[mls.Proposal]:
    """What a commit must list by value to fulfil a wish.

    `leaving` are others' SelfRemoves that it takes along. Raises `NotAllowed` if members would refuse it.
    """
    charter = Charter.of(view.context)
    made = list(_by_value(wish, view, charter))
    removed = {one.removed for one in made if isinstance(one, mls.Remove)}
    taken = [one for one in leaving if one.sender.index not in removed]
    gone = frozenset(removed | {one.sender.index for one in taken})
    added = [device_of(one.key_package.leaf_node) for one in made if isinstance(one, mls.Add)]
    roles = charter.roles
    if isinstance(wish, AddPeople) and wish.role is not Role.MEMBER:
        for account in sorted(wish.accounts):
            roles = roles.appoint(account, wish.role)
    elif isinstance(wish, CarryOver):
        roles = _carried(wish, view, own, added)
    elif isinstance(wish, SetRole):
        roles = roles.appoint(wish.account, wish.role)
    roles = roles.settled(accounts_after(view, gone, added))
    if roles != charter.roles:
        made.append(mls.AppDataUpdate(Component.ROLES, roles.encode()))
    sender = mls.Sender(mls.SenderType.MEMBER, own)
    refusal = judge(view, own, [*taken, *(mls.SentProposal(one, sender) for one in made)])
    if refusal is not None:
        raise NotAllowed(refusal.value)
    return made


def _by_value(wish: Wish, view: mls.EpochView, charter: Charter) -> Iterator[mls.Proposal]:
    match wish:
        case AddPeople():
            for package in wish.packages:
                if _account(package) not in wish.accounts:
                    raise NotAllowed("a key package is of another account than expected")
                yield mls.Add(package)
        case CarryOver():
            yield from map(mls.Add, wish.packages)
        case RemovePeople():
            for index, leaf in view.members():
                if device_of(leaf).account in wish.accounts:
                    yield mls.Remove(index)
        case RemoveDevices():
            found = [index for index, leaf in view.members() if _name_of(leaf) in wish.devices]
            if not found:
                raise NotAllowed("there is no such device")
            yield from map(mls.Remove, found)
        case Restore():
            yield from (mls.Remove(index) for index in _leaves_of(wish.package, view))
            yield mls.Add(wish.package)
        case Rename():
            yield mls.AppDataUpdate(Component.METADATA, wish.metadata.encode())
        case ChangeRelays():
            before, after = charter.configuration, wish.configuration
            for objection in objections(before, after, emergency=wish.emergency):
                raise NotAllowed(objection.value)
            yield mls.AppDataUpdate(Component.CONFIGURATION, after.encode())


def _carried(
    wish: CarryOver, view: mls.EpochView, own: int, added: Sequence[DeviceCertificate]
) -> Roles:
    """The roles once who comes along is there: those of before, for an owner may give them."""
    charter = Charter.of(view.context)
    if view.context.epoch == 0:
        return wish.roles
    there = {device_of(leaf).account for _, leaf in view.members()}
    roles = charter.roles
    leaf = view.leaf(own)
    if leaf is None or roles.of(device_of(leaf).account) is not Role.OWNER:
        return roles
    for account in dict.fromkeys(one.account for one in added if one.account not in there):
        roles = roles.appoint(account, wish.roles.of(account))
    return roles


def _leaves_of(package: mls.KeyPackage, view: mls.EpochView) -> list[int]:
    """Where the device of a key package sits now. Raises `NotAllowed` if it is not there."""
    try:
        device = device_of(package.leaf_node)
    except DecodeError:
        raise NotAllowed("a device without a certificate") from None
    wanted = device.account_key, device.device_id
    found = []
    for index, leaf in view.members():
        one = device_of(leaf)
        if (one.account_key, one.device_id) == wanted:
            found.append(index)
    if not found:
        raise NotAllowed("a device is to be put back that is not there")
    return found


def _name_of(leaf: mls.LeafNode) -> tuple[bytes, bytes]:
    device = device_of(leaf)
    return device.account, device.device_id


def _account(package: mls.KeyPackage) -> bytes | None:
    try:
        return device_of(package.leaf_node).account
    except DecodeError:
        return None
