"""`schedule`: say something at its time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from heliogram.cli import completing, showing
from heliogram.cli.arguments import AsFile, Chat, Files, Reply, Text
from heliogram.cli.commands import command, group
from heliogram.cli.face import Face
from heliogram.cli.printing import moment
from heliogram.cli.talking import wording
from heliogram.cli.whens import WHEN, when
from heliogram.node import api

schedules = group("schedule", "Messages that wait for their time.")

When = Annotated[str, typer.Argument(metavar="WHEN", help=WHEN)]
Number = Annotated[
    int,
    typer.Argument(
        metavar="NUMBER", help="As `schedule list` shows it.", autocompletion=completing.scheduled
    ),
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(schedules)


@command(
    schedules,
    "add",
    "schedule add Anna 18:30 'Dinner is ready'",
    "schedule add Anna 'tomorrow 8:00' 'Good morning' --file sun.jpg",
    "schedule add Friends +2d < letter.md",
)
def add_one(
    face: Face,
    chat: Chat,
    at: When,
    text: Text = None,
    file: Files = [],  # noqa: B006
    as_file: AsFile = False,
    reply: Reply = None,
) -> None:
    """Say something at its time, if the node runs then; else as soon as it runs."""
    time = when(at, datetime.now().astimezone())
    text, paths = wording(text, file)
    made: api.Scheduled = face.ask(api.Schedule(chat, time, text, reply, paths, as_file))
    face.done(f"{made.number} goes {moment(made.at)}.", made)
    _remind(face)


@command(schedules, "list", "schedule list", "schedule list Anna --json")
def list_all(
    face: Face,
    chat: Annotated[
        str | None,
        typer.Argument(
            metavar="[CHAT]", help="Only what waits there.", autocompletion=completing.chats
        ),
    ] = None,
) -> None:
    """List what waits for its time, the next first."""
    found: list[api.Scheduled] = face.ask(api.GetScheduled(chat))
    if face.as_json:
        face.screen.json(found)
        return
    chats = [*face.ask(api.GetChats()), *face.ask(api.GetChats(archived=True))] if found else []
    face.screen.table(showing.scheduled(found, {one.id: one.name for one in chats}))


@command(schedules, "move", "schedule move 3 20:00")
def move(face: Face, number: Number, at: When) -> None:
    """Let a message go at another time."""
    time = when(at, datetime.now().astimezone())
    made: api.Scheduled = face.ask(api.Reschedule(number, time))
    face.done(f"{made.number} goes {moment(made.at)}.", made)
    _remind(face)


@command(schedules, "now", "schedule now 3")
def now(face: Face, number: Number) -> None:
    """Say at once what waits for its time."""
    face.ask(api.Unschedule(number, now=True))
    face.done("It is on its way.")


@command(schedules, "cancel", "schedule cancel 3")
def cancel(face: Face, number: Number) -> None:
    """Do not say it at all."""
    face.ask(api.Unschedule(number))
    face.done("It is not sent.")


def _remind(face: Face) -> None:
    """A message leaves from a node that runs."""
    if not face.node.runs:
        face.note("It leaves when a node runs at that time: heliogram serve")
