"""Versions of the schema: the newest one as a whole, and the steps that lead to it from older ones.

A step is `upgrades/0002.sql`: statements that make version 2 of a version 1, without BEGIN and COMMIT.
All missing steps are one transaction, after a copy of the file is safely on disk beside it. A program that
is killed at any point leaves the old version or the new one, and the next start goes on from there. The copy
goes when the new version has been opened once more: it holds keys and messages that are deleted since.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from heliogram.mls import Secret
from heliogram.node.errors import StoreDamaged, StoreError
from heliogram.node.store.connection import APPLICATION_ID, Connection
from heliogram.node.store.disk import create_private, sync_directory, sync_file


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema and its history."""

    #: The statements of the newest version.
    whole: str
    #: What makes version n of version n - 1.
    steps: Mapping[int, str]

    @property
    def version(self) -> int:
        """The newest version."""
        return max(self.steps, default=1)

    @classmethod
    def load(cls, folder: Traversable) -> Schema:
        """Read `schema.sql` and `upgrades/`. Raises `ValueError` if a step is missing."""
        steps = {}
        upgrades = folder.joinpath("upgrades")
        for file in upgrades.iterdir() if upgrades.is_dir() else ():
            if file.name.endswith(".sql"):
                steps[int(file.name.removesuffix(".sql"))] = file.read_text("utf-8")
        if sorted(steps) != list(range(2, len(steps) + 2)):
            raise ValueError("the steps of the schema have a gap")
        return cls(folder.joinpath("schema.sql").read_text("utf-8"), steps)

    @classmethod
    def of_this_program(cls) -> Schema:
        """The schema that this program works with."""
        return cls.load(resources.files("heliogram.node.store"))


def lay_out(connection: Connection, schema: Schema) -> None:
    """Make all tables in an empty file."""
    connection.script(
        f"BEGIN IMMEDIATE; {schema.whole};"
        f" PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={schema.version}; COMMIT;"
    )


def upgrade(connection: Connection, path: Path, key: Secret, schema: Schema, version: int) -> None:
    """Bring a file of `version` to the newest one. Raises `StoreError`; then it is as it was."""
    try:
        _copy(connection, path.with_name(f"{path.name}.before-{schema.version}"), key)
    except OSError as error:
        raise StoreError(
            f"the profile cannot be copied before its upgrade: {error.strerror}"
        ) from None
    steps = ";\n".join(schema.steps[n] for n in range(version + 1, schema.version + 1))
    # A step may rebuild a table that others point to: what points nowhere is looked for at the end.
    connection.execute("PRAGMA foreign_keys=OFF")
    try:
        connection.script(f"BEGIN IMMEDIATE; {steps}; PRAGMA user_version={schema.version};")
        if connection.query("PRAGMA foreign_key_check"):
            raise StoreDamaged
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys=ON")


def forget_copies(path: Path) -> None:
    """Delete the copies that upgrades left beside a file. Raises `OSError`."""
    copies = [one for one in path.parent.glob(f"{path.name}.before-*") if one.is_file()]
    for copy in copies:
        copy.unlink(missing_ok=True)
    if copies:
        sync_directory(path.parent)


def _copy(connection: Connection, path: Path, key: Secret) -> None:
    new = path.with_name(path.name + ".new")
    remove(new)
    try:
        create_private(new)
        copy = Connection(new, key)
        try:
            connection.back_up(copy)
        finally:
            copy.close()
        sync_file(new)
        os.replace(new, path)
    except BaseException:
        # On a full disk it would be in the way of all else.
        remove(new)
        raise
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """Delete a database with what belongs to it, if it is there. Raises `OSError`."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
