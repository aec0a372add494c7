"""A node in memory, served where the profile's own would be: with files, as no relay is needed for."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from heliogram.node import api
from heliogram.node.errors import NodeError, NotFound
from tests.node.control.memory import MemoryNode


class NotHere(NodeError):
    """A file is not kept."""

    @property
    def code(self) -> str:
        return "not here"


class FilesNode(MemoryNode):
    """It has bytes of files, and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, int], tuple[str, bytes]] = {}
        self.pictures: dict[str, tuple[str, bytes]] = {}
        self.waiting: list[api.Scheduled] = []
        #: What was in the files that came with a command, by their names.
        self.read: list[tuple[str, bytes]] = []

    def somebody_sends(self, name: str, file: str, kind: str, data: bytes) -> api.Message:
        """A contact sends a file, whose bytes are of this kind."""
        info = api.FileInfo(0, file, kind, len(data), thumbnail=kind.startswith("image/"))
        message = self.somebody_says(name, "", kind="file", files=(info,))
        self.kept[message.id, 0] = (kind, data)
        return message

    def _look(self, paths: tuple[str, ...]) -> None:
        for path in paths:
            with open(path, "rb") as file:
                self.read.append((path, file.read()))

    def do_SendMessage(self, command: api.SendMessage) -> api.Message:
        self._look(command.files)
        return super().do_SendMessage(command)

    def do_SetProfile(self, command: api.SetProfile) -> api.Done:
        if command.picture:
            self._look((command.picture,))
        return super().do_SetProfile(command)

    def do_SetNetwork(self, command: api.SetNetwork) -> api.Network:
        if command.authority:
            self._look((command.authority,))
        return api.Network(command.proxy or "", command.authority or "")

    def do_Schedule(self, command: api.Schedule) -> api.Scheduled:
        self._look(command.files)
        made = api.Scheduled(
            number=len(self.waiting) + 1,
            chat=self._chat(command.chat).id,
            text=command.text,
            files=command.files,
            at=command.at,
        )
        self.waiting.append(made)
        self.tell(api.ScheduledChanged(made.chat))
        return made

    def do_Unschedule(self, command: api.Unschedule) -> api.Done:
        gone = next(one for one in self.waiting if one.number == command.number)
        self.waiting.remove(gone)
        self.tell(api.ScheduledChanged(gone.chat))
        return api.Done()

    def do_GetScheduled(self, _: api.GetScheduled) -> list[api.Scheduled]:
        return self.waiting

    def do_ReadFile(self, command: api.ReadFile) -> api.FileBytes:
        message = self._message(command.message)
        found = self.kept.get((message.id, command.index))
        if found is None:
            raise NotHere
        kind, data = found
        piece = data[command.offset : command.offset + command.length]
        return api.FileBytes(kind, len(data), command.offset, piece)

    def do_GetThumbnail(self, command: api.GetThumbnail) -> api.Thumbnail:
        if command.index >= len(self._message(command.message).files):
            raise NotFound("file")
        return api.Thumbnail("image/webp", b"RIFF a small one WEBP")

    def do_GetPicture(self, command: api.GetPicture) -> api.Thumbnail:
        found = self.pictures.get(self._chat(command.chat).id)
        if found is None:
            raise NotFound("picture")
        return api.Thumbnail(*found)

    def do_Export(self, command: api.Export) -> api.Done:
        return api.Done()

    def says_here(self, message: api.Message, path: str) -> api.Message:
        """A file was saved."""
        files = tuple(replace(one, state="here", path=path) for one in message.files)
        return self._change(replace(message, files=files))


def called(node: MemoryNode, kind: type[Any]) -> list[Any]:
    """The commands of this kind that came, in order."""
    return [one for one in node.called if isinstance(one, kind)]
