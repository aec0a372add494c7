"""An upgrade that is killed at every step: `python -m tests.node.store.upgrading DIRECTORY`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from heliogram.mls import Secret
from heliogram.node.store.database import Store
from heliogram.node.store.schema import Schema
from tests.node.store.killing import kill_everywhere

KEY = Secret(b"k" * 32)
ROWS = 300

WHOLE = "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
STEPS = {
    2: "CREATE TABLE parents (number INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "INSERT INTO parents (name) SELECT name FROM settings ORDER BY name;"
    "CREATE TABLE children (number INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents,"
    " value BLOB);"
    "INSERT INTO children (parent, value) SELECT p.number, s.value FROM parents p"
    " JOIN settings s USING (name);",
    3: "CREATE TABLE new (number INTEGER PRIMARY KEY, name TEXT NOT NULL, length INTEGER NOT NULL);"
    "INSERT INTO new SELECT number, name, length(name) FROM parents;"
    "DROP TABLE parents; ALTER TABLE new RENAME TO parents; DELETE FROM settings;",
}


def old(path: Path) -> None:
    """A file of version 1."""
    store = Store.create(path, KEY, schema=Schema(WHOLE, {}))
    with store.transaction():
        for number in range(ROWS):
            store.set_setting(f"name {number:04}", bytes([number % 251]) * 40)
    store.close()


def check(path: Path) -> None:
    """The file can be opened by the new version, and holds what the old one held, once."""
    store = Store.open(path, KEY, schema=Schema(WHOLE, STEPS))
    rows = store.query(
        "SELECT p.name, c.value, p.length FROM children c JOIN parents p ON p.number = c.parent ORDER BY 1"
    )
    assert rows == [(f"name {n:04}", bytes([n % 251]) * 40, 9) for n in range(ROWS)]
    assert store.one("SELECT count(*) FROM settings") == (0,)
    assert store.pragma("user_version") == 3
    assert store.pragma("foreign_keys") == 1
    store.close()
    # Opened once more, the copy is gone, and whatever a kill left with it.
    Store.open(path, KEY, schema=Schema(WHOLE, STEPS)).close()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def main(folder: Path) -> None:
    """Prints how many kills there were."""
    template = folder / "old"
    old(template / "profile.db")
    work = folder / "work"
    path = work / "profile.db"

    def prepare() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(template, work)

    kills = kill_everywhere(
        prepare,
        lambda: Store.open(path, KEY, schema=Schema(WHOLE, STEPS)).close(),
        lambda: check(path),
    )
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
