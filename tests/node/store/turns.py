"""A small store whose content says how many turns were committed, and programs that work on it.

    python -m tests.node.store.turns PROGRAM BROKEN FOLDER ...      # below `powerloss`

Prints `position turn` whenever a turn is promised: where the journal ends then. With several folders it does
the same in each, and prints `position -1` before each. `BROKEN` names a precaution that is left out, so that
tests can show that they notice.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from heliogram.mls import Secret
from heliogram.node.store import database
from heliogram.node.store.connection import Connection
from heliogram.node.store.database import Store
from heliogram.node.store.schema import Schema
from tests.node.store.kit import KEY

_WHOLE = "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT"
FIRST = Schema(_WHOLE, {})
SECOND = Schema(
    f"{_WHOLE}; CREATE TABLE more (a) STRICT",
    {2: "CREATE TABLE more (a BLOB) STRICT; INSERT INTO more SELECT value FROM settings"},
)

#: Rows, and bytes of the largest one.
ROWS, LARGEST = 9, 2500


def content(turn: int) -> dict[str, bytes]:
    """What is in the store after so many turns."""
    rows: dict[str, bytes] = {}
    for number in range(1, turn + 1):
        rows["turn"] = b"%d" % number
        for row in (number % ROWS, number * 5 % ROWS):
            rows[f"row {row}"] = bytes((number,)) * (number * 977 % LARGEST + 1)
        rows.pop(f"row {number * 7 % ROWS}", None)
    return rows


def play(store: Store, turn: int) -> None:
    """Commit a turn."""
    before, after = content(turn - 1), content(turn)
    with store.transaction():
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                store.set_setting(name, after.get(name))


def turn_of(store: Store) -> int:
    """How many turns were committed. Raises `AssertionError` unless it is all of them and nothing else."""
    rows: dict[str, bytes] = dict(store.query("SELECT name, value FROM settings"))
    turn = int(rows.get("turn", b"0"))
    assert rows == content(turn), f"not what was there after turn {turn}"
    assert store.query("PRAGMA integrity_check") == [("ok",)]
    assert store.query("PRAGMA cipher_integrity_check") == []
    return turn


class Player:
    """Plays turns in one folder."""

    def __init__(self, folder: Path, journal: int) -> None:
        self.path = folder / "profile.db"
        self._journal = journal
        self.turn = 0

    def say(self, turn: int) -> None:
        print(os.fstat(self._journal).st_size, turn, flush=True)

    def play(self, store: Store, turns: int) -> None:
        """So many turns; each is promised."""
        for _ in range(turns):
            self.turn += 1
            play(store, self.turn)
            self.say(self.turn)

    def open(self) -> Store:
        """Open it; what can be read is promised."""
        store = Store.open(self.path, KEY, schema=FIRST)
        self.turn = turn_of(store)
        self.say(self.turn)
        return store


def create(player: Player) -> None:
    """A new store."""
    store = Store.create(player.path, KEY, schema=FIRST)
    player.say(0)
    player.play(store, 2)


def cut_the_wal(player: Player) -> None:
    """Turns, and now and then the WAL is cut; with somebody who reads at times."""
    store = player.open()
    for turns in (1, 9, 2):
        player.play(store, turns)
        store.checkpoint()
    with store.reader() as reader, reader.snapshot():
        player.play(store, 1)
        store.checkpoint()
    player.play(store, 2)
    store.checkpoint()


def run_over(player: Player) -> None:
    """SQLite itself moves pages into the file and begins its WAL anew, and cuts what is too long."""
    store = player.open()
    store.execute("PRAGMA wal_autocheckpoint=8")
    store.execute("PRAGMA journal_size_limit=20000")
    player.play(store, 9)


def rewrite(player: Player) -> None:
    """Opened, written to and closed, and each time the file is written anew."""
    for turns in (3, 1, 0):
        store = player.open()
        player.play(store, turns)
        store.close(rewrite=True)
    player.play(player.open(), 1)


def close(player: Player) -> None:
    """Closed as it is."""
    for turns in (2, 1):
        store = player.open()
        player.play(store, turns)
        store.close(rewrite=False)
    player.play(player.open(), 1)


def upgrade(player: Player) -> None:
    """A newer program opens it, twice."""
    for _ in range(2):
        store = Store.open(player.path, KEY, schema=SECOND)
        player.turn = turn_of(store)
        player.say(player.turn)
        player.play(store, 1)
        store.close()


def recover(player: Player) -> None:
    """Opened after something happened, and life goes on."""
    store = player.open()
    player.play(store, 1)
    store.checkpoint()
    store.close(rewrite=True)


PROGRAMS: dict[str, Callable[[Player], None]] = {
    one.__name__: one for one in (create, cut_the_wal, run_over, rewrite, close, upgrade, recover)
}


def _at_once(store: Store) -> bool:
    row = store.one("PRAGMA wal_checkpoint(TRUNCATE)")
    return row is not None and row[0] == 0


def _set_up(store: Connection, key: Secret) -> None:
    _careful(store, key)
    store.execute("PRAGMA synchronous=NORMAL")


_careful = Connection._set_up


def leave_out(precaution: str) -> None:
    """Work without one of the precautions from here on."""
    if precaution == "wait for the disk":
        patch.object(Connection, "_set_up", _set_up).start()
    elif precaution == "begin the wal anew":
        patch.object(Store, "checkpoint", _at_once).start()
    elif precaution == "sync directories":
        patch.object(database, "sync_directory").start()
    elif precaution != "nothing":
        raise ValueError(precaution)


def main() -> None:
    """Do what the arguments say, and end as a killed program does."""
    program, broken, *folders = sys.argv[1:]
    leave_out(broken)
    journal = os.open(f"{os.environ['POWERLOSS_JOURNAL']}/journal", os.O_RDONLY)
    for folder in folders:
        player = Player(Path(folder), journal)
        player.say(-1)
        PROGRAMS[program](player)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
