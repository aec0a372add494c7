"""What a store needs now and then: nothing that was deleted stays in the WAL, nothing grows for ever.

upkeep = Upkeep(store)
upkeep.look(time)                       # every few seconds, while nothing else is to be done
store.close(rewrite=rewrite_is_due(store, time) or None)
"""

from __future__ import annotations

from typing import Final

from heliogram.node.errors import StoreError
from heliogram.node.store.database import LARGEST_REWRITE, Store

DAY: Final = 86_400

#: Seconds for which decisions are kept to bring relays level; the last ones are kept in any case.
DECISIONS_KEPT: Final = 180 * DAY
LAST_KEPT: Final = 64

#: Decisions that go at once in one conversation.
SLICE: Final = 64

#: Seconds between two times that a large file is written anew.
REWRITTEN_EVERY: Final = 7 * DAY

#: Settings: when this was done last (Unix seconds, as text).
_TIDIED, _REWRITTEN = "tidied", "rewritten"


class Upkeep:
    """One store's upkeep, as long as it is open."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = store.changes
        #: Changes that the file had when the WAL was cut last.
        self._cut = store.changes

    def look(self, time: int) -> None:
        """Do what is due, if nothing was written since the last look. Never raises: another time will do."""
        seen, self._seen = self._seen, self._store.changes
        if seen != self._store.changes:
            return
        try:
            if time - _when(self._store, _TIDIED) >= DAY:
                tidy(self._store, time)
            if self._cut != self._store.changes and self._store.checkpoint():
                self._cut = self._store.changes
        except StoreError:
            return
        self._seen = self._store.changes


def tidy(store: Store, time: int) -> None:
    """Forget decisions that no relay will need any more, and look at how queries go. Raises `StoreError`."""
    with store.transaction():
        newest = store.query("SELECT conversation, max(epoch) FROM decisions GROUP BY conversation")
        for conversation, last in newest:
            # The oldest alone are looked at: to read all would take as long as there are many.
            oldest = store.query(
                "SELECT epoch, time FROM decisions WHERE conversation = ? AND epoch <= ?"
                " ORDER BY epoch LIMIT ?",
                (conversation, last - LAST_KEPT, SLICE),
            )
            for epoch, kept in oldest:
                if time - kept <= DECISIONS_KEPT:
                    break
                store.execute(
                    "DELETE FROM decisions WHERE conversation = ? AND epoch = ?",
                    (conversation, epoch),
                )
        store.set_setting(_TIDIED, b"%d" % time)
    store.execute("PRAGMA analysis_limit=400")
    store.execute("PRAGMA optimize")


def rewrite_is_due(store: Store, time: int) -> bool:
    """Whether a large file that is about to be closed should be written anew: about once a week.

    If so, it counts as done. Never raises.
    """
    try:
        if store.size <= LARGEST_REWRITE or store.changes == 0:
            return False
        if time - _when(store, _REWRITTEN) < REWRITTEN_EVERY:
            return False
        with store.transaction():
            store.set_setting(_REWRITTEN, b"%d" % time)
    except (StoreError, OSError):
        return False
    return True


def _when(store: Store, name: str) -> int:
    value = store.setting(name) or b"0"
    return int(value) if value.isdigit() else 0
