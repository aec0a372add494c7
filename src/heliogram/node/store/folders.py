"""Folders: conversations that somebody keeps together, here only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from heliogram.node.store.database import Store

_ALL = "all"


@dataclass(frozen=True, slots=True)
class FolderRow:
    """A folder, with the numbers of its conversations, in order."""

    name: str = field(repr=False)
    conversations: tuple[int, ...]


class Folders:
    """The tables `folders` and `filed`. Every method raises `StoreError`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._memo = store.memo("folders")

    def every(self) -> list[FolderRow]:
        """All folders, in order."""
        known: list[FolderRow] | None = self._memo.get(_ALL)
        if known is None:
            inside: dict[int, list[int]] = {}
            for folder, number in self._store.query(
                "SELECT folder, conversation FROM filed ORDER BY folder, place"
            ):
                inside.setdefault(folder, []).append(number)
            rows = self._store.query("SELECT place, name FROM folders ORDER BY place")
            made = [FolderRow(name, tuple(inside.get(place, ()))) for place, name in rows]
            known = self._memo.keep(_ALL, made)
        return list(known)

    def of(self, conversation: int) -> tuple[str, ...]:
        """Names of the folders that a conversation lies in."""
        return self._names().get(conversation, ())

    def replace(self, rows: Sequence[FolderRow]) -> None:
        """These, and no others. Names differ; no conversation is twice in one folder."""
        self._memo.clear()
        # What lies in them goes with them.
        self._store.execute("DELETE FROM folders")
        for place, row in enumerate(rows):
            self._store.execute(
                "INSERT INTO folders (place, name) VALUES (?, ?)", (place, row.name)
            )
            for at, number in enumerate(row.conversations):
                self._store.execute("INSERT INTO filed VALUES (?, ?, ?)", (place, at, number))

    def go_along(self, old: int, new: int) -> None:
        """A conversation goes on in another one: it lies where the old one does."""
        self._memo.clear()
        self._store.execute(
            "INSERT OR IGNORE INTO filed (folder, place, conversation)"
            " SELECT folder, (SELECT max(place) + 1 FROM filed f WHERE f.folder = filed.folder), ?"
            " FROM filed WHERE conversation = ?",
            (new, old),
        )

    def _names(self) -> Mapping[int, tuple[str, ...]]:
        names: dict[int, tuple[str, ...]] | None = self._memo.get("names")
        if names is None:
            names = {}
            for row in self.every():
                for number in row.conversations:
                    names[number] = (*names.get(number, ()), row.name)
            self._memo.keep("names", names)
        return names
