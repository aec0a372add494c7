"""`group`: conversations of several people, who is in them, and which relays hold them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from heliogram.cli import completing, showing
from heliogram.cli.commands import command, group
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import USAGE
from heliogram.cli.waiting import changed
from heliogram.cli.whens import span
from heliogram.node import api

#: What a line says of a group that is called otherwise.
_RENAMED = ("named", "renamed", "unnamed", "description changed", "expiry set", "expiry off")

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
    face.done(
        f"{chat.name} is there. Write: heliogram chat {showing.named(chat.name, chat.id)}", chat
    )


@command(groups, "add", "group add Friends Dora", "group add Friends Dora --role admin")
def add_members(
    face: Face,
    chat: Chat,
    members: Members,
    role: Annotated[Role, typer.Option("--role", help="What they may do.")] = Role.MEMBER,
) -> None:
    """Add contacts. They read what is said from then on."""
    wanted = _accounts(face, chat, members)
    _change(
        face,
        api.AddMembers(chat, tuple(members), role.value),
        *(chat, (), lambda info: wanted is not None and wanted <= _inside(info)),
        "They are added, and come in when they accept.",
        "They are being added.",
        wanted,
    )


@command(groups, "remove", "group remove Friends Dora")
def remove(face: Face, chat: Chat, members: Members) -> None:
    """Remove people. They read nothing that is said afterwards."""
    gone = _accounts(face, chat, members)
    _change(
        face,
        api.RemoveMembers(chat, tuple(members)),
        *(
            chat,
            _told("member removed", gone),
            lambda info: gone is not None and not gone & _inside(info),
        ),
        "They are out.",
        "They are being removed.",
        gone,
    )


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
    _change(
        face,
        api.SetProfile(chat, name, description, None, expiry),
        *(chat, _RENAMED, lambda info: _is_called(info, name, description, expiry)),
        "It is renamed.",
        "It is being renamed.",
    )


@command(groups, "expiry", "group expiry Friends 7d", "group expiry Anna off")
def expiry(
    face: Face,
    chat: Chat,
    after: Annotated[
        str, typer.Argument(metavar="SPAN", help="How long after it is read: 30m, 7d; or off.")
    ],
) -> None:
    """Let messages of a conversation go some time after they are read, for all."""
    seconds = span(after)
    _change(
        face,
        api.SetProfile(chat, expiry=seconds),
        *(chat, ("expiry set", "expiry off"), lambda info: info.chat.expiry == seconds),
        "Messages go then." if seconds else "Messages stay.",
        "It is being changed.",
    )


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
    _change(
        face,
        api.SetProfile(chat, picture="" if file is None else str(file.absolute())),
        *(chat, ("picture changed",), lambda info: none and not info.chat.picture),
        "The picture is another one.",
        "The picture is being changed.",
    )


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
    who = _accounts(face, chat, [member])
    _change(
        face,
        api.SetRole(chat, member, role.value),
        *(
            chat,
            _told("role changed", who),
            lambda info: who is not None and who <= _inside(info, role),
        ),
        "The role is another one.",
        "The role is being changed.",
        who,
    )


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
        _change(
            face,
            api.ChangeRelays(chat, tuple(add), tuple(remove), quorum, emergency),
            *(chat, ("relays changed",), lambda info: False),
            "The relays are others now.",
            "The relays are being changed.",
        )
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
    yes: Annotated[
        bool, typer.Option("--yes", help="Also if it is not broken: what was said stays behind.")
    ] = False,
) -> None:
    """Go on in a new conversation after one has been broken. Its history stays here."""
    if not yes:
        _ask_first(face, face.ask(api.GetChat(chat)))
    new: api.Chat = face.ask(api.StartSuccessor(chat, tuple(without)))
    face.done(f"{new.name} goes on.", new)


# --- Inside ---------------------------------------------------------------------------------------


def _change(
    face: Face,
    command: api.Command,
    chat: str,
    codes: Collection[str],
    is_so: Callable[[api.ChatInfo], bool],
    done: str,
    begun: str,
    about: frozenset[str] | None = None,
) -> None:
    """Have a group changed: `done` says that it is, `begun` what is said if nobody waits for that."""
    if face.wait:
        changed(face, command, chat, codes, is_so, about)
        face.done(done)
    else:
        face.ask(command)
        face.done(begun)


def _accounts(face: Face, chat: str, names: Iterable[str]) -> frozenset[str] | None:
    """Who is meant; None if that cannot be told here: the node may know."""
    if not face.wait:
        return None
    info: api.ChatInfo = face.ask(api.GetChat(chat))
    contacts: list[api.Contact] = face.ask(api.GetContacts())
    people = [*(one.who for one in info.members), *(one.who for one in contacts)]
    found: set[str] = set()
    for name in names:
        wanted = name.strip().casefold()
        meant = {one.account for one in people if one.name.casefold() == wanted}
        meant = meant or {one.account for one in people if one.account.startswith(wanted)}
        if len(meant) != 1:
            return None
        found |= meant
    return frozenset(found)


def _told(code: str, about: frozenset[str] | None) -> tuple[str, ...]:
    """The line that says that it is done. It is waited for only if nobody here knows whom it is about."""
    return (code,) if about is None else ()


def _inside(info: api.ChatInfo, role: Role | None = None) -> frozenset[str]:
    """Who is in; with a role: who has it."""
    return frozenset(
        one.who.account for one in info.members if role is None or one.role == role.value
    )


def _is_called(info: api.ChatInfo, name: str, description: str | None, expiry: int | None) -> bool:
    return (
        info.chat.name == name
        and description in (None, info.description)
        and expiry in (None, info.chat.expiry)
    )


def _ask_first(face: Face, info: api.ChatInfo) -> None:
    """Have somebody say it twice, if what they want to leave behind is well. Raises `Stop`."""
    lost = [one for one in info.relays if one.state not in ("up", "unknown", "behind")]
    if info.chat.phase != "open" or len(lost) > info.silent:
        return
    what = f"{info.chat.name} is not broken: all can go on in it as it is."
    if face.as_json or not sys.stdin.isatty():
        raise Stop(what, "If it should go on in a new log all the same: --yes", USAGE, "not broken")
    face.note(what)
    answer = input("Should it go on in a new log all the same? yes/no: ")
    if answer.strip().lower() not in ("y", "yes"):
        raise Stop("Nothing was done.", code="not broken")
