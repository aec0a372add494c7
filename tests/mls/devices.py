"""People whose device keeps its group in a store of records, as an application would, and their setup."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from heliogram import mls
from tests.scenarios.cast import OPEN, PLAIN, Person

SECRET = mls.Secret(b"shared by other means")
CONFIG = replace(
    OPEN,
    past_epochs=3,
    max_forward=50,
    psk=lambda psk: SECRET if isinstance(psk, mls.ExternalPSKID) else None,
)
PRIVATE = replace(CONFIG, private_handshakes=True)


class Device(Person):
    """Somebody whose group is also in `store`, as far as it was saved."""

    def __init__(self, name: str, **how: Any) -> None:
        super().__init__(name, **how)
        self.store: dict[bytes, bytes] = {}

    def creates(self, group_id: bytes = b"a group", **how: Any) -> mls.Group:
        self.store.clear()
        return super().creates(group_id, **how)

    def joins(self, welcome: bytes | None, **how: Any) -> mls.Group:
        self.store.clear()
        return super().joins(welcome, **how)

    def joins_from_outside(self, group_info: bytes, **how: Any) -> mls.StagedCommit:
        self.store.clear()
        return super().joins_from_outside(group_info, **how)

    def saves(self, group: mls.Group | None = None) -> dict[bytes, bytes | None]:
        """Write what `changes` gives: in one transaction, as far as a dict has those."""
        changes = (group or self.group).changes()
        for name, value in changes.items():
            if value is None:
                del self.store[name]
            else:
                self.store[name] = value
        return changes

    def stored(self) -> mls.Group:
        """The group that is in the store. Stores give records in whatever order they like."""
        names = list(self.store)
        random.Random(len(names)).shuffle(names)
        return mls.Group.from_records(
            {name: self.store[name] for name in names}, config=self.config
        )

    def crashes(self) -> None:
        """Everything that was not saved is lost."""
        self.kept = self.stored()


def two_devices(config: mls.Config = PLAIN) -> tuple[Device, Device]:
    alice, bob = Device("Alice", config=config), Device("Bob", config=config)
    alice.creates()
    bob.joins(alice.adds(bob).welcome)
    for one in (alice, bob):
        for _ in range(7):  # more epochs than are kept
            other = bob if one is alice else alice
            other.follows(one.commits().message)
        one.saves()
    alice.saves()
    return alice, bob
