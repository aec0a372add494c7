"""The schema as a document: each table and column with its sentence; whether a database is of this schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

import apsw

from heliogram.relay.operating.disclosure.source import Source

_TABLE = re.compile(r"((?:^--[^\n]*\n)*)^CREATE TABLE (\w+) \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
_COLUMN = re.compile(r"^    ([a-z_]+) (INTEGER|BLOB)\b[^\n]*?(?:--\s*(.*))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it holds, in the words of the schema; empty if it has none."""

    table: str
    name: str
    kind: str
    what: str


def text() -> str:
    """The schema."""
    package = resources.files("heliogram.relay.store")
    return package.joinpath("schema.sql").read_text("utf-8")


def tables() -> dict[str, str]:
    """Each table with the sentences in front of it."""
    return {
        name: " ".join(line.removeprefix("--").strip() for line in before.splitlines())
        for before, name, _ in _TABLE.findall(text())
    }


def columns() -> list[Column]:
    """Each column of each table, in order."""
    return [
        Column(table, name, kind, what)
        for _, table, body in _TABLE.findall(text())
        for name, kind, what in _COLUMN.findall(body)
    ]


def differences(source: Source) -> list[str]:
    """The names of what is in the database and not in the schema, or differs, or is missing."""
    fresh = apsw.Connection(":memory:")
    try:
        fresh.execute(text())
        stated = {name: (kind, _plain(sql)) for kind, name, sql in fresh.execute(_ALL)}
    finally:
        fresh.close()
    found = {name: (kind, _plain(sql)) for kind, name, sql in source.rows(_ALL)}
    return sorted(
        name for name in stated.keys() | found.keys() if stated.get(name) != found.get(name)
    )


_ALL = "SELECT type, name, sql FROM sqlite_schema"


def _plain(sql: str | None) -> str:
    """A definition without comments and spacing: what SQLite understands of it."""
    return " ".join(re.sub(r"--[^\n]*", " ", sql or "").split())
