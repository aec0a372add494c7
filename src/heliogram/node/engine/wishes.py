"""Wishes as stored bytes: a change that somebody wants outlives a restart. Msgpack, the kind first."""

from __future__ import annotations

from typing import Any

import msgspec

from heliogram import mls
from heliogram.node.changes import (
    AddPeople,
    CarryOver,
    ChangeRelays,
    RemoveDevices,
    RemovePeople,
    Rename,
    RenewKeys,
    Restore,
    SetRole,
    Wish,
)
from heliogram.node.components import Metadata, Role, Roles
from heliogram.node.errors import DamagedState
from heliogram.wire.objects import Configuration


def encode(wish: Wish) -> bytes:
    """The bytes of a wish."""
    return msgspec.msgpack.encode(_fields(wish))


def decode(data: bytes) -> Wish:
    """What `encode` wrote. Raises `DamagedState`."""
    try:
        kind, *fields = msgspec.msgpack.decode(data, type=list[Any])
        return _wish(kind, fields)
    except Exception:  # our own bytes, from our own store: whatever is wrong with them
        raise DamagedState from None


def about(wish: Wish) -> list[bytes]:
    """The accounts that a wish is about; none for what is about the conversation."""
    match wish:
        case AddPeople() | RemovePeople():
            return sorted(wish.accounts)
        case RemoveDevices():
            return sorted({account for account, _ in wish.devices})
        case SetRole():
            return [wish.account]
    return []


def _fields(wish: Wish) -> list[Any]:
    match wish:
        case AddPeople():
            packages = [bytes(one.message) for one in wish.packages]
            return ["add", packages, sorted(wish.accounts), int(wish.role)]
        case CarryOver():
            packages = [bytes(one.message) for one in wish.packages]
            return ["carry over", packages, wish.roles.encode(), wish.by_grace]
        case RemovePeople():
            return ["remove", sorted(wish.accounts)]
        case RemoveDevices():
            return ["remove devices", sorted(wish.devices)]
        case Restore():
            return ["restore", bytes(wish.package.message)]
        case SetRole():
            return ["role", wish.account, int(wish.role)]
        case Rename():
            return ["rename", wish.metadata.encode()]
        case ChangeRelays():
            return ["relays", wish.configuration.encode(), wish.emergency]
    return ["renew"]


def _wish(kind: str, fields: list[Any]) -> Wish:
    match kind, fields:
        case "add", [packages, accounts, role]:
            made = tuple(_package(one) for one in packages)
            return AddPeople(made, frozenset(accounts), Role(role))
        case "carry over", [packages, roles, by_grace]:
            made = tuple(map(_package, packages))
            return CarryOver(made, Roles.from_bytes(roles), bool(by_grace))
        case "remove", [accounts]:
            return RemovePeople(frozenset(accounts))
        case "remove devices", [devices]:
            return RemoveDevices(frozenset((account, id) for account, id in devices))
        case "restore", [package]:
            return Restore(_package(package))
        case "role", [account, role]:
            return SetRole(account, Role(role))
        case "rename", [metadata]:
            return Rename(Metadata.from_bytes(metadata))
        case "relays", [configuration, emergency]:
            return ChangeRelays(Configuration.from_bytes(configuration), emergency)
        case "renew", []:
            return RenewKeys()
    raise DamagedState


def _package(data: bytes) -> mls.KeyPackage:
    package = mls.decode_message(data)
    if not isinstance(package, mls.KeyPackage):
        raise DamagedState
    return package
