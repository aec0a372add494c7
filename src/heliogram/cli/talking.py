"""`chats`, `read`, `send` and what is done to messages; `search`; `chat`, where one stays."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from heliogram.cli import completing, showing
from heliogram.cli.arguments import AsFile, Chat, Files, Message, Reply, Text
from heliogram.cli.commands import command
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import USAGE
from heliogram.cli.waiting import say
from heliogram.node import api

#: Characters of the longest text.
MAX_TEXT = 65_536

#: The largest number that a command may hold (`api.Whole`).
MAX_NUMBER = (1 << 53) - 1

Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    command(app, "chats", "chats", "chats --json", "chats --folder Work")(chats)
    command(app, "read", "read Anna", "read Anna --follow", "read Friends --limit 200 --json")(read)
    command(
        app,
        "send",
        "send Anna 'See you at eight'",
        "send Anna < letter.md",
        "send Anna 'The pictures' --file one.jpg --file two.jpg",
        "send Anna Yes --reply 3fa2c1d0 --expires 3600",
    )(send)
    command(app, "edit", "edit 3fa2c1d0 'See you at nine'")(edit)
    command(app, "delete", "delete 3fa2c1d0", "delete 3fa2c1d0 --only-here")(delete)
    command(app, "react", "react 3fa2c1d0 👍", "react 3fa2c1d0 --remove")(react)
    command(app, "search", "search lighthouse", "search 'from:Anna has:file trip'")(search)
    command(app, "chat", "chat Anna")(chat)


def chats(
    face: Face,
    archived: Annotated[bool, typer.Option("--archived", help="Those in the archive.")] = False,
    folder: Annotated[
        str | None,
        typer.Option("--folder", help="Those in this folder.", autocompletion=completing.folders),
    ] = None,
) -> None:
    """List your conversations."""
    found: list[api.Chat] = face.ask(api.GetChats(archived))
    if folder is not None:
        wanted = folder.strip().casefold()
        found = [one for one in found if wanted in map(str.casefold, one.folders)]
        folders: list[api.Folder] = [] if found else face.ask(api.GetFolders())
        if not found and wanted not in (one.name.casefold() for one in folders):
            hint = "Look: heliogram folder list"
            raise Stop("There is no folder of this name.", hint, code="no such folder")
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.table(showing.chats(found))


def read(
    face: Face,
    chat: Chat,
    limit: Limit = 50,
    before: Annotated[
        int | None,
        typer.Option(
            "--before",
            metavar="NUMBER",
            min=0,
            max=MAX_NUMBER,
            help="Those before this one: `number` in JSON.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay, and show what comes. Ctrl-C ends.")
    ] = False,
    unread: Annotated[bool, typer.Option("--unread", help="Leave it marked as unread.")] = False,
) -> None:
    """Show what was said, newest last."""
    wanted = api.GetHistory(chat, before=before, limit=limit)
    if follow:
        from heliogram.cli.following import follow as stay

        stay(face, wanted, mark=not unread)
        return
    found: list[api.Message] = face.ask(wanted)
    if not unread and before is None:
        face.ask(api.MarkRead(chat, found[-1].number if found else None))
    if face.as_json:
        face.screen.json(found)
        return
    for one in found:
        showing.message(face.screen, one)


def send(
    face: Face,
    chat: Chat,
    text: Text = None,
    file: Files = [],  # noqa: B006
    as_file: AsFile = False,
    reply: Reply = None,
    expires: Annotated[
        int | None,
        typer.Option("--expires", metavar="SECONDS", min=0, help="When it goes after being read."),
    ] = None,
) -> None:
    """Say something. Ends when a quorum of relays has it.

    With --no-wait, or when the time is over, it goes by itself as soon as relays can be reached.
    """
    text, paths = wording(text, file)
    say(face, face.ask(api.SendMessage(chat, text, reply, paths, as_file, None, expires)))


def wording(text: str | None, files: list[Path]) -> tuple[str, tuple[str, ...]]:
    """What is to be said, and the whole paths of its files. Reads standard input. Raises `Stop`."""
    if text is None and not files:
        text = _stdin()
    for one in files:
        if not one.is_file():
            raise Stop(f"There is no file {one}.", exit=USAGE)
    return text or "", tuple(str(one.absolute()) for one in files)


def _stdin() -> str:
    if sys.stdin.isatty():
        print("Write; Ctrl-D on an empty line sends.", file=sys.stderr)
    try:
        text = sys.stdin.read(MAX_TEXT + 2)
    except UnicodeDecodeError:
        raise Stop("Standard input is no text.", "Send it as a file: --file", USAGE) from None
    text = text.removesuffix("\n")
    if not text.strip():
        raise Stop("There is nothing to send.", exit=USAGE)
    return text


def edit(
    face: Face,
    message: Message,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What it says from now on.")],
) -> None:
    """Give a message of yours another text. Others see that it was edited."""
    changed: api.Message = face.ask(api.EditMessage(message, text))
    face.done("It is edited.", changed)


def delete(
    face: Face,
    message: Message,
    only_here: Annotated[
        bool, typer.Option("--only-here", help="From this device only, whoever wrote it.")
    ] = False,
) -> None:
    """Take a message of yours back from all, as far as their programs obey."""
    face.ask(api.DeleteMessage(message, only_here))
    face.done("It is deleted here." if only_here else "It is taken back.")


def react(
    face: Face,
    message: Message,
    emoji: Annotated[str, typer.Argument(metavar="[EMOJI]", help="One emoji.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take your reactions back.")] = False,
) -> None:
    """React to a message."""
    if bool(emoji) == remove:
        raise Stop("Give an emoji, or --remove.", exit=USAGE)
    face.ask(api.React(message, emoji))
    face.done("Your reactions are taken back." if remove else "You reacted.")


def search(
    face: Face,
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="WORDS…", help="All must be there. from: in: before: after: has:file"
        ),
    ],
    chat: Annotated[
        str | None,
        typer.Option("--chat", help="Only there.", autocompletion=completing.chats),
    ] = None,
    before: Annotated[
        int | None,
        typer.Option(
            "--before", metavar="NUMBER", min=0, max=MAX_NUMBER, help="Those before this one."
        ),
    ] = None,
    limit: Limit = 50,
) -> None:
    """Search in all that was said."""
    found = face.ask(api.Search(" ".join(query), chat, before, limit))
    if face.as_json:
        face.screen.json(found)
    else:
        showing.found(face.screen, found)


def chat(face: Face, chat: Chat) -> None:
    """Stay in a conversation: write below, read above. /help lists what else there is, Ctrl-D ends."""
    from heliogram.cli.chatting import stay

    stay(face, chat)
