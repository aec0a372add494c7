"""`mute`, `archive`, `top`, `folder`, `preferences`: what is only ours of conversations, and of the node."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from heliogram.cli import completing, showing
from heliogram.cli.arguments import Chat
from heliogram.cli.commands import command, group
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import USAGE
from heliogram.cli.whens import span
from heliogram.node import api

folders = group("folder", "Folders of conversations. They are yours alone.")

Chats = Annotated[
    list[str],
    typer.Argument(metavar="CHAT…", help="Conversations.", autocompletion=completing.chats),
]
Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="A folder.", autocompletion=completing.folders)
]
Undo = Annotated[bool, typer.Option("--undo", help="No longer.")]


class Choice(StrEnum):
    """Whether something is wanted."""

    YES = "yes"
    NO = "no"


def add(app: typer.Typer) -> None:
    """Add these commands."""
    command(app, "mute", "mute Friends", "mute Friends --undo")(mute)
    command(app, "archive", "archive Friends", "archive Friends --undo")(archive)
    command(app, "top", "top Friends", "top Friends --undo")(top)
    app.add_typer(folders)
    command(
        app,
        "preferences",
        "preferences",
        "preferences --typing yes --lock-after 10m",
        "preferences --reports no --chat Friends",
    )(preferences)


def mute(face: Face, chat: Chat, undo: Undo = False) -> None:
    """Let a conversation make no noise. Nobody else gets to know."""
    now: api.Chat = face.ask(api.SetChat(chat, muted=not undo))
    face.done(f"{now.name} is {'not ' if undo else ''}muted.", now)


def archive(face: Face, chat: Chat, undo: Undo = False) -> None:
    """Put a conversation away: `chats --archived` lists it. Nothing is deleted."""
    now: api.Chat = face.ask(api.SetChat(chat, archived=not undo))
    face.done(f"{now.name} is {'not ' if undo else ''}in the archive.", now)


def top(face: Face, chat: Chat, undo: Undo = False) -> None:
    """Keep a conversation on top of the list."""
    now: api.Chat = face.ask(api.SetChat(chat, pinned=not undo))
    face.done(f"{now.name} is {'not ' if undo else ''}on top.", now)


# --- Folders --------------------------------------------------------------------------------------


@command(folders, "list", "folder list")
def folder_list(face: Face) -> None:
    """List your folders, and what lies in them."""
    found: list[api.Folder] = face.ask(api.GetFolders())
    if face.as_json:
        face.screen.json(found)
        return
    chats = [*face.ask(api.GetChats()), *face.ask(api.GetChats(archived=True))] if found else []
    face.screen.table(showing.folders(found, {one.id: one.name for one in chats}))


@command(folders, "add", "folder add Work Anna Friends")
def folder_add(face: Face, folder: Folder, chats: Chats) -> None:
    """Put conversations into a folder. It is made if there is none of this name."""
    found: list[api.Folder] = face.ask(api.GetFolders())
    ids = _ids(face, chats)
    at = _at(found, folder)
    if at is None:
        now = [*found, api.Folder(folder, ids)]
    else:
        one = found[at]
        now = [*found[:at], api.Folder(one.name, (*one.chats, *ids)), *found[at + 1 :]]
    _set(face, now, f"{folder} holds them now.")


@command(folders, "remove", "folder remove Work Anna", "folder remove Work")
def folder_remove(
    face: Face,
    folder: Folder,
    chats: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHAT…]",
            help="What is taken out. Else the folder itself goes.",
            autocompletion=completing.chats,
        ),
    ] = None,
) -> None:
    """Take conversations out of a folder, or the folder away. The conversations stay."""
    found: list[api.Folder] = face.ask(api.GetFolders())
    at = _known(found, folder)
    rest = [*found[:at], *found[at + 1 :]]
    if not chats:
        _set(face, rest, f"There is no {found[at].name} any more.")
        return
    gone = _ids(face, chats)
    kept = tuple(one for one in found[at].chats if one not in gone)
    now = [*found[:at], api.Folder(found[at].name, kept), *found[at + 1 :]]
    _set(face, now, f"{found[at].name} holds them no longer.")


@command(folders, "rename", "folder rename Work Office")
def folder_rename(
    face: Face,
    folder: Folder,
    new: Annotated[str, typer.Argument(metavar="NEW", help="What it is called from now on.")],
) -> None:
    """Give a folder another name."""
    found: list[api.Folder] = face.ask(api.GetFolders())
    at = _known(found, folder)
    now = [*found[:at], api.Folder(new, found[at].chats), *found[at + 1 :]]
    _set(face, now, f"This is {new} now.")


def _ids(face: Face, chats: list[str]) -> tuple[str, ...]:
    return tuple(face.ask(api.GetChat(one)).chat.id for one in chats)


def _at(found: list[api.Folder], name: str) -> int | None:
    wanted = name.strip().casefold()
    return next((n for n, one in enumerate(found) if one.name.casefold() == wanted), None)


def _known(found: list[api.Folder], name: str) -> int:
    at = _at(found, name)
    if at is None:
        hint = "Look: heliogram folder list"
        raise Stop("There is no folder of this name.", hint, code="no such folder")
    return at


def _set(face: Face, wanted: list[api.Folder], done: str) -> None:
    face.done(done, face.ask(api.SetFolders(tuple(wanted))))


# --- Preferences ----------------------------------------------------------------------------------


def preferences(
    face: Face,
    typing: Annotated[
        Choice | None,
        typer.Option("--typing", metavar="yes|no", help="Show when you type; see when others do."),
    ] = None,
    reports: Annotated[
        Choice | None,
        typer.Option("--reports", metavar="yes|no", help="Tell others what arrived and was read."),
    ] = None,
    lock_after: Annotated[
        str | None,
        typer.Option("--lock-after", metavar="SPAN", help="Lock the app when idle: 10m, or off."),
    ] = None,
    chat: Annotated[
        str | None,
        typer.Option(
            "--chat", help="--reports is for this one only.", autocompletion=completing.chats
        ),
    ] = None,
) -> None:
    """Show or change what you want of this node."""
    if chat is not None:
        if reports is None or typing is not None or lock_after is not None:
            raise Stop(
                "Of one conversation there are only reports.",
                "heliogram preferences --reports no --chat CHAT",
                USAGE,
            )
        there: api.Chat = face.ask(api.SetChat(chat, reports=reports is Choice.YES))
        say = "is" if there.reports else "is not"
        face.done(f"{there.name} {say} told what arrived and was read.", there)
        return
    wanted = api.SetPreferences(
        typing=None if typing is None else typing is Choice.YES,
        reports=None if reports is None else reports is Choice.YES,
        lock_after=None if lock_after is None else span(lock_after),
    )
    asks = wanted == api.SetPreferences()
    now: api.Preferences = face.ask(api.GetPreferences() if asks else wanted)
    if face.as_json:
        # What the app keeps for itself is not ours to show.
        face.screen.json(
            {"typing": now.typing, "reports": now.reports, "lock_after": now.lock_after}
        )
    else:
        face.screen.pairs(showing.preferences(now))
