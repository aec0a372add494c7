"""Devices that their accounts have revoked are removed from the conversations where they still are.

Everybody who may do it waits for a while, by rank: usually the first does it, and the others find nothing
left to do. Who may: everybody their own account's devices, admins those of members, owners all.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from heliogram.node.changes import RemoveDevices, Wish
from heliogram.node.components import Roles
from heliogram.node.engine.desk import Desk
from heliogram.node.errors import NodeError
from heliogram.node.events import Event, Joined, MemberAdded, MemberRestored, Person, RoleChanged
from heliogram.node.log.log import Log
from heliogram.node.records import Phase
from heliogram.node.rights import may_remove

#: Seconds until the first of those who may looks, between two of them, and at most until the last does.
FIRST, BETWEEN, LONGEST = 5.0, 20.0, 600.0

#: The setting that holds the numbers of conversations to look at.
PENDING: Final = "revocations"


class Home(Protocol):
    """What revocations want of talks."""

    def log(self, number: int) -> Log:
        """The log of a conversation. Raises `NotNow`."""

    def wish(self, conversation: int, wish: Wish, command: str) -> None:
        """Want a change. Raises `NotNow`."""


class Revocations:
    """Which conversations are to be looked at, and when."""

    def __init__(self, desk: Desk, talks: Home) -> None:
        self._desk = desk
        self._talks = talks
        kept = desk.context.store.setting(PENDING) or b"\x90"
        #: When each is looked at (monotonic seconds); None: not drawn yet.
        self._due: dict[int, float | None] = dict.fromkeys(
            msgspec.msgpack.decode(kept, type=list[int])
        )

    # --- What is heard ----------------------------------------------------------------------------

    def devices_changed(self, account: bytes) -> None:
        """A newer list of an account's devices is here."""
        if self._desk.people.revoked(account):
            self._want(*self._desk.logs.conversations_of(account))

    def happened(self, number: int, _: Log, event: Event) -> None:
        """Something happened in a conversation after which a revoked device may be in, or ours to remove."""
        match event:
            case MemberAdded(who=who) | MemberRestored(who=who):
                if who.device in self._desk.people.revoked(who.account):
                    self._want(number)
            case RoleChanged(account=account) if account == self._desk.account:
                self._want(number)
            case Joined():
                self._want(number)

    # --- What follows -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Look at the conversations whose time has come."""
        now = self._desk.context.now
        for number, due in list(self._due.items()):
            if due is None:
                self._due[number] = now + self._delay(number)
            elif due <= now and not self._remove(number):
                del self._due[number]
                self._keep()

    def deadline(self) -> float | None:
        """When there is something to look at (monotonic seconds)."""
        now = self._desk.context.now
        return min((now if due is None else due for due in self._due.values()), default=None)

    def _remove(self, number: int) -> bool:
        """Whether it is to be looked at again."""
        try:
            log = self._talks.log(number)
            inside = log.conversation
            if inside.phase is not Phase.OPEN:
                return inside.phase is Phase.WOUNDED and self._again(number)
            roles, own = inside.charter.roles, inside.own_leaf
            found = [
                one for one in inside.people() if one.leaf != own and self._is_ours(one, roles)
            ]
            if not found:
                return False
            devices = frozenset((one.account, one.device) for one in found)
            self._talks.wish(number, RemoveDevices(devices), "")
        except NodeError:
            return False
        return self._again(number)

    def _is_ours(self, one: Person, roles: Roles) -> bool:
        """Whether it is revoked, and ours to remove."""
        if one.device not in self._desk.people.revoked(one.account):
            return False
        return may_remove(self._desk.account, one.account, roles)

    def _again(self, number: int) -> bool:
        self._due[number] = self._desk.context.now + LONGEST
        return True

    def _delay(self, number: int) -> float:
        try:
            rank = self._talks.log(number).conversation.rank
        except NodeError:
            rank = 0
        chance = int.from_bytes(self._desk.context.entropy(2), "big") / 0x10000
        return FIRST + min(rank * BETWEEN, LONGEST) + chance * BETWEEN

    def _want(self, *numbers: int) -> None:
        fresh = [one for one in numbers if one not in self._due]
        if fresh:
            self._due.update(dict.fromkeys(fresh))
            self._keep()

    def _keep(self) -> None:
        packed = msgspec.msgpack.encode(sorted(self._due)) if self._due else None
        self._desk.context.store.set_setting(PENDING, packed)
