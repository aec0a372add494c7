"""Commands from a browser: by their tag, within their scope, without any path that it could choose.

Where a command has the path of a file, a browser says "upload:ID". Where it has a place to write to, it says
nothing: the place is in the folder for downloads, under a new name, and the answer tells it.
"""

from __future__ import annotations

import asyncio
import re
import time
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from heliogram.node import api
from heliogram.node.control.faults import InvalidCommand
from heliogram.node.store.disk import make_directory, replace_private
from heliogram.web.errors import NoSuchPath, NotPermitted
from heliogram.web.scopes import Scope, may
from heliogram.web.uploads import Uploads

#: Bytes of a command.
MAX_COMMAND: Final = 1 << 20

#: Every command by the name that it has in paths.
COMMANDS: Final[dict[str, type[api.Command]]] = {
    str(one.__struct_config__.tag).replace(" ", "-"): one for one in typing.get_args(api.AnyCommand)
}
#: Bytes of a file with certificates.
MAX_CERTIFICATES: Final = 4 << 20

#: Names of a place that is new, tried in turn.
_TRIES: Final = 1000

_WHERE: Final = re.compile(r"\$(?:\.\w+|\[\d+\]|\[\.\.\.\])*\Z")


class Saved(Struct, frozen=True):
    """Where something was written, on this machine."""

    path: str


def decode(name: str, body: bytes, scope: Scope) -> api.Command:
    """The command called `name`, all its bounds kept.

    Raises `NoSuchPath`, `NotPermitted`, `InvalidCommand`.
    """
    kind = COMMANDS.get(name)
    if kind is None:
        raise NoSuchPath
    if not may(scope, kind):
        raise NotPermitted
    try:
        made: api.Command = msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        where = _WHERE.search(str(error).rstrip("`"))
        raise InvalidCommand(where[0].lstrip("$.") if where else "") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidCommand() from None
    return made


class Calls:
    """Gives commands to a node, with paths in the place of uploads."""

    def __init__(
        self, uploads: Uploads, downloads: Callable[[], Path], authority: Callable[[], Path]
    ) -> None:
        """`downloads` is the folder for what is saved, `authority` the file for certificates."""
        self._uploads = uploads
        self._downloads = downloads
        self._authority = authority

    async def call(self, node: api.Node, command: api.Command) -> Any:
        """What the node gives; for an export and a backup, where it is. Raises `NodeError`."""
        match command:
            case api.SendMessage(files=files) if files:
                with self._uploads.taken(files) as paths:
                    result = await node.call(replace(command, files=tuple(paths)))
                    # What is in the outbox is sealed.
                    self._uploads.sent(files)
                return result
            case api.Schedule(files=files) if files:
                self._uploads.move_to_scheduled(files)
                with self._uploads.taken(files) as paths:
                    result = await node.call(replace(command, files=tuple(paths)))
                    self._uploads.sent(files, keep=True)
                return result
            case api.SetProfile(picture=picture) if picture:
                with self._uploads.taken((picture,)) as paths:
                    result = await node.call(replace(command, picture=paths[0]))
                    self._uploads.sent((picture,))
                return result
            case api.SetNetwork(authority=authority) if authority:
                with self._uploads.taken((authority,)) as paths:
                    kept = await asyncio.to_thread(_keep, Path(paths[0]), self._authority())
                    self._uploads.sent((authority,))
                return await node.call(replace(command, authority=str(kept)))
            case api.GetFile(directory=directory) if directory:
                raise InvalidCommand("directory")
            case api.Export(directory=directory):
                return await self._written(node, "directory", directory, "heliogram-export", "")
            case api.Backup(file=file):
                return await self._written(node, "file", file, "heliogram", ".backup")
        return await node.call(command)

    async def _written(
        self, node: api.Node, field: str, wanted: str, stem: str, ending: str
    ) -> Saved:
        if wanted:
            raise InvalidCommand(field)
        path = await asyncio.to_thread(_new, self._downloads(), stem, ending)
        command = api.Export(str(path)) if field == "directory" else api.Backup(str(path))
        await node.call(command)
        return Saved(str(path))


def _new(folder: Path, stem: str, ending: str) -> Path:
    """A name in `folder` that nothing has. The node refuses it if somebody is faster."""
    make_directory(folder)
    today = time.strftime("%Y-%m-%d")
    for number in range(1, _TRIES):
        more = f"-{number}" if number > 1 else ""
        path = folder / f"{stem}-{today}{more}{ending}"
        if not path.exists():
            return path
    return path


def _keep(source: Path, target: Path) -> Path:
    with open(source, "rb") as file:
        content = file.read(MAX_CERTIFICATES + 1)
    if len(content) > MAX_CERTIFICATES:
        raise InvalidCommand("authority")
    replace_private(target, content)
    return target
