"""`files`, `relays`, `export`, `backup`, `explain`: what is kept, where, and what others saw of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heliogram.cli import completing, showing
from heliogram.cli.arguments import Message
from heliogram.cli.commands import command, group
from heliogram.cli.face import Face
from heliogram.cli.waiting import fetched
from heliogram.node import api

files = group("files", "Files of messages.")
relays = group("relays", "The relays for what you begin.")


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(files)
    app.add_typer(relays)
    command(app, "explain", "explain 3fa2c1d0")(explain)
    command(app, "export", "export all-i-said")(export)
    command(app, "backup", "backup heliogram.backup")(backup)


# --- Files ----------------------------------------------------------------------------------------


@command(files, "list", "files list", "files list Anna")
def files_list(
    face: Face,
    chat: Annotated[
        str,
        typer.Argument(
            metavar="[CHAT]",
            help="Files of this conversation. Else those on their way.",
            autocompletion=completing.chats,
        ),
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help="Messages that are looked at.")
    ] = 1000,
) -> None:
    """List files: of a conversation, or those on their way."""
    if not chat:
        moving: list[api.Transfer] = face.ask(api.GetTransfers())
        if face.as_json:
            face.screen.json(moving)
        else:
            face.screen.table(showing.transfers(moving))
        return
    found: list[api.Message] = face.ask(api.GetHistory(chat, limit=limit))
    if face.as_json:
        face.screen.json([{"message": one.id, "file": file} for one in found for file in one.files])
    else:
        face.screen.table(showing.files(found))


@command(files, "get", "files get 3fa2c1d0", "files get 3fa2c1d0 --file 1 --to .")
def files_get(
    face: Face,
    message: Message,
    file: Annotated[int, typer.Option("--file", min=0, help="Which of them, from 0.")] = 0,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where. Else your downloads.")
    ] = None,
) -> None:
    """Fetch a file. It gets a safe name, and is never opened."""
    directory = "" if to is None else str(to.absolute())
    moving: api.Transfer = face.ask(api.GetFile(message, file, directory))
    path = fetched(face, moving) if face.wait else None
    if face.as_json:
        face.screen.json({"transfer": moving, "path": path})
    elif path is None:
        face.done(f"{moving.name} is on its way.")
    else:
        face.screen.pairs([("saved", path)])


@command(files, "storage", "files storage", "files storage --clear")
def files_storage(
    face: Face,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear", help="Forget sealed copies that relays still have, or that were saved."
        ),
    ] = False,
) -> None:
    """Show what the profile takes on this disk."""
    now: api.Storage = face.ask(api.ClearKept() if clear else api.GetStorage())
    if face.as_json:
        face.screen.json(now)
    else:
        face.screen.pairs(showing.storage(now))


# --- Relays ---------------------------------------------------------------------------------------


def _list(face: Face, check: bool) -> None:
    found: list[api.RelayHealth] = face.ask(api.GetRelays(check))
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.table(showing.relays(found))


@command(relays, "list", "relays list")
def relays_list(face: Face) -> None:
    """List your relays."""
    _list(face, False)


@command(relays, "check", "relays check")
def relays_check(face: Face) -> None:
    """Ask each of your relays how it is, now."""
    _list(face, True)


@command(
    relays,
    "add",
    "relays add wss://relay.example/ws#5d9b…",
    "relays add 'wss://relay.example/ws#5d9b…&operator=07aa…'",
)
def relays_add(
    face: Face,
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS",
            help="wss://HOST/PATH#KEY, with &operator=KEY if you know whose it is; "
            "or the description that heliogram-relay init prints.",
        ),
    ],
) -> None:
    """Add a relay for what you begin from now on."""
    info: api.RelayInfo = face.ask(api.AddRelay(address))
    face.done(f"{info.name} is one of your relays.", info)


@command(relays, "remove", "relays remove relay.example:443")
def relays_remove(
    face: Face,
    relay: Annotated[
        str,
        typer.Argument(metavar="RELAY", help="Name or key.", autocompletion=completing.relays),
    ],
) -> None:
    """Begin nothing at a relay any more. Conversations that it holds stay there."""
    face.ask(api.RemoveRelay(relay))
    face.done("Nothing new begins there.")


# --- Copies ---------------------------------------------------------------------------------------


def explain(face: Face, message: Message) -> None:
    """Show what relays and the network saw of a message of yours."""
    seen: api.Explanation = face.ask(api.Explain(message))
    if face.as_json:
        face.screen.json(seen)
    else:
        showing.explanation(face.screen, seen)


def export(
    face: Face,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A directory that is new.")],
) -> None:
    """Write everything readable into a directory: JSON Lines, files, a page. Not encrypted."""
    face.ask(api.Export(str(directory.absolute())))
    face.done(f"Everything is in {directory}. It is not encrypted.")


def backup(
    face: Face,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is new.")],
) -> None:
    """Write an encrypted copy of the profile. Its passphrase opens it."""
    face.ask(api.Backup(str(file.absolute())))
    face.done(f"The copy is {file}. The profile's passphrase opens it.")
