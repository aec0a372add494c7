"""`group`: conversations of several people, who is in them, and which relays hold them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from heliogram.cli import completing, showing
from heliogram.cli.commands import command, group
from heliogram.cli.face import Face
from heliogram.node import api

groups = group("group", "Groups: make, change, look at.")


class Role(StrEnum):
    """What a member may do."""

    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"


Chat = Annotated[
    str, typer.Argument(metavar="GROUP", help="A group.", autocompletion=completing.chats)
]
Members = Annotated[
    list[str],
    typer.Argument(metavar="NAME…", help="Contacts.", autocompletion=completing.contacts),
]
Relays = Annotated[
    list[str],
    typer.Option(
        "--relay", metavar="RELAY", help="A relay for it, by name or address. Repeatable."
    ),
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(groups)


@command(groups, "create", "group create Friends Anna Cleo", "group create Notes")
def create(
    face: Face,
    name: Annotated[str, typer.Argument(metavar="GROUP", help="What it is called.")],
    members: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME…]", help="Contacts.", autocompletion=completing.contacts),
    ] = None,
    description: Annotated[str, typer.Option("--description", help="What it is about.")] = "",
    relay: Relays = [],  # noqa: B006
    quorum: Annotated[
        int | None, typer.Option("--quorum", help="How many relays decide.", min=1)
    ] = None,
) -> None:
    """Make a group."""
    chat: api.Chat = face.ask(
        api.CreateGroup(name, tuple(members or ()), description, tuple(relay), quorum)
    )
    face.done(f"{chat.name} is there. Write: heliogram chat '{chat.name}'", chat)


@command(groups, "add", "group add Friends Dora", "group add Friends Dora --role admin")
def add_members(
    face: Face,
    chat: Chat,
    members: Members,
    role: Annotated[Role, typer.Option("--role", help="What they may do.")] = Role.MEMBER,
) -> None:
    """Add contacts. They read what is said from then on."""
    face.ask(api.AddMembers(chat, tuple(members), role.value))
    face.done("They are being added.")


@command(groups, "remove", "group remove Friends Dora")
def remove(face: Face, chat: Chat, members: Members) -> None:
    """Remove people. They read nothing that is said afterwards."""
    face.ask(api.RemoveMembers(chat, tuple(members)))
    face.done("They are being removed.")


@command(groups, "leave", "group leave Friends")
def leave(face: Face, chat: Chat) -> None:
    """Leave a group. What was said stays here."""
    face.ask(api.LeaveChat(chat))
    face.done("You are leaving.")


@command(groups, "rename", "group rename Friends 'Old friends'")
def rename(
    face: Face,
    chat: Chat,
    name: Annotated[str, typer.Argument(metavar="NEW", help="What it is called from now on.")],
    description: Annotated[
        str | None, typer.Option("--description", help="What it is about.")
    ] = None,
    expiry: Annotated[
        int | None,
        typer.Option("--expiry", metavar="SECONDS", min=0, help="Messages go then; 0: never."),
    ] = None,
) -> None:
    """Give a group another name, for all."""
    face.ask(api.SetProfile(chat, name, description, None, expiry))
    face.done("It is being renamed.")


@command(
    groups,
    "picture",
    "group picture Friends tea.jpg",
    "group picture Friends --none",
    "group picture Friends --save friends.webp",
)
def picture(
    face: Face,
    chat: Chat,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The new picture.", dir_okay=False)
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="No picture any more.")] = False,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write it into a new file: a WebP."),
    ] = None,
) -> None:
    """Give a group a picture, for all, or save the one that it has."""
    if sum((file is not None, none, save is not None)) != 1:
        raise typer.BadParameter("one of FILE, --none and --save")
    if save is not None:
        found: api.Thumbnail = face.ask(api.GetPicture(chat))
        try:
            with save.open("xb") as out:
                out.write(found.data)
        except OSError as error:
            raise typer.BadParameter(f"cannot write {save}: {error.strerror}") from None
        face.done(f"Saved as {save}.")
        return
    face.ask(api.SetProfile(chat, picture="" if file is None else str(file.absolute())))
    face.done("The picture is being changed.")


@command(groups, "role", "group role Friends Anna admin")
def role(
    face: Face,
    chat: Chat,
    member: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A member.", autocompletion=completing.contacts),
    ],
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="member, admin or owner.")],
) -> None:
    """Give a member another role."""
    face.ask(api.SetRole(chat, member, role.value))
    face.done("The role is being changed.")


@command(
    groups,
    "relays",
    "group relays Friends",
    "group relays Friends --add relay4.example:443 --remove relay1.example:443",
)
def relays(
    face: Face,
    chat: Chat,
    add: Annotated[
        list[str],
        typer.Option("--add", metavar="RELAY", help="One more.", autocompletion=completing.relays),
    ] = [],  # noqa: B006
    remove: Annotated[
        list[str],
        typer.Option(
            "--remove", metavar="RELAY", help="One less.", autocompletion=completing.relays
        ),
    ] = [],  # noqa: B006
    quorum: Annotated[int | None, typer.Option("--quorum", help="How many decide.", min=1)] = None,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="More are lost than may go at once.")
    ] = False,
) -> None:
    """Show which relays hold a conversation, or let others do it."""
    if add or remove or quorum is not None or emergency:
        face.ask(api.ChangeRelays(chat, tuple(add), tuple(remove), quorum, emergency))
        face.done("The relays are being changed.")
        return
    info: api.ChatInfo = face.ask(api.GetChat(chat))
    if face.as_json:
        face.screen.json(info.relays)
    else:
        face.screen.table(showing.relays(info.relays))


@command(groups, "info", "group info Friends", "group info Anna --json")
def info(face: Face, chat: Chat) -> None:
    """Show all about a conversation: members, relays, what they guarantee."""
    found: api.ChatInfo = face.ask(api.GetChat(chat))
    if face.as_json:
        face.screen.json(found)
    else:
        face.screen.pairs(showing.chat_info(found))


@command(
    groups, "successor", "group successor Friends", "group successor Friends --without Mallory"
)
def successor(
    face: Face,
    chat: Chat,
    without: Annotated[
        list[str], typer.Option("--without", metavar="NAME", help="Who is left behind.")
    ] = [],  # noqa: B006
) -> None:
    """Go on in a new conversation after one has been broken. Its history stays here."""
    new: api.Chat = face.ask(api.StartSuccessor(chat, tuple(without)))
    face.done(f"{new.name} goes on.", new)
