"""What somebody wants of this node: the setting `preferences`."""

from __future__ import annotations

import msgspec

from heliogram.node.api.things import Preferences
from heliogram.node.errors import DamagedState
from heliogram.node.store.database import Store

SETTING = "preferences"


def load(store: Store) -> Preferences:
    """What is wanted; where nobody said anything, what all begin with. Raises `DamagedState`."""
    memo = store.memo(SETTING)
    known: Preferences | None = memo.get(SETTING)
    if known is None:
        value = store.setting(SETTING)
        try:
            # A field of a later version is passed over, one of an earlier version begins as for all.
            found = (
                Preferences() if value is None else msgspec.msgpack.decode(value, type=Preferences)
            )
        except msgspec.MsgspecError:
            raise DamagedState from None
        known = memo.keep(SETTING, found)
    return known


def save(store: Store, preferences: Preferences) -> None:
    """Want this from now on."""
    store.memo(SETTING).clear()
    store.set_setting(SETTING, msgspec.msgpack.encode(preferences))
