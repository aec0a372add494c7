"""Commands for folders of conversations. They are ours alone: nobody else hears of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heliogram.node import api
from heliogram.node.engine import naming
from heliogram.node.engine.context import Handler
from heliogram.node.engine.desk import Desk
from heliogram.node.errors import NotAllowed
from heliogram.node.identity.names import clean
from heliogram.node.store.folders import FolderRow


class Folders:
    """Does the commands."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def handlers(self) -> Mapping[type[api.Command], Handler]:
        """Which command is done by what."""
        return {
            api.GetFolders: lambda command, extra: self._shown(self._desk.folders.every()),
            api.SetFolders: self._set,
        }

    def _set(self, command: api.SetFolders, extra: object) -> list[api.Folder]:
        desk = self._desk
        before, after = desk.folders.every(), [self._row(one) for one in command.folders]
        if len({row.name.casefold() for row in after}) < len(after):
            raise NotAllowed("two folders have one name")
        shown = self._shown(after)
        if after == before:
            return shown
        touched = {number for row in (*before, *after) for number in row.conversations}
        names = {number: desk.folders.of(number) for number in touched}
        desk.folders.replace(after)
        for number in sorted(touched):
            if desk.folders.of(number) != names[number]:
                desk.chat_changed(number)
        desk.context.tell(api.FoldersChanged(tuple(shown)))
        return shown

    def _row(self, folder: api.Folder) -> FolderRow:
        name = clean(folder.name)
        if not name:
            raise NotAllowed("a folder needs a name")
        numbers = [naming.chat(self._desk, one).number for one in folder.chats]
        return FolderRow(name, tuple(dict.fromkeys(numbers)))

    def _shown(self, rows: Sequence[FolderRow]) -> list[api.Folder]:
        return [api.Folder(row.name, tuple(map(self._id, row.conversations))) for row in rows]

    def _id(self, number: int) -> str:
        row = self._desk.logs.get(number)
        return "" if row is None else row.id.hex()
