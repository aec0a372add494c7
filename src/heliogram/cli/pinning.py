"""`pin`, `unpin`, `pins`, `forward`, `resend`: what is done with messages that are there."""

from __future__ import annotations

from typing import Annotated

import typer

from heliogram.cli import showing
from heliogram.cli.arguments import Chat, Message
from heliogram.cli.commands import command
from heliogram.cli.face import Face
from heliogram.cli.waiting import said, say
from heliogram.node import api


def add(app: typer.Typer) -> None:
    """Add these commands."""
    command(app, "pin", "pin 3fa2c1d0")(pin)
    command(app, "unpin", "unpin 3fa2c1d0")(unpin)
    command(app, "pins", "pins Friends", "pins Friends --json")(pins)
    command(app, "forward", "forward Cleo 3fa2c1d0", "forward Cleo 3fa2c1d0 b0a7e993")(forward)
    command(app, "resend", "resend 3fa2c1d0")(resend)


def pin(face: Face, message: Message) -> None:
    """Pin a message, for all. In a group this is for admins."""
    face.ask(api.PinMessage(message))
    face.done("It is pinned.")


def unpin(face: Face, message: Message) -> None:
    """Let a message be pinned no longer, for all."""
    face.ask(api.PinMessage(message, pinned=False))
    face.done("It is not pinned any more.")


def pins(face: Face, chat: Chat) -> None:
    """Show what is pinned in a conversation, the newest first."""
    found: list[api.Message] = face.ask(api.GetPins(chat))
    if face.as_json:
        face.screen.json(found)
        return
    for one in found:
        showing.message(face.screen, one)
    if not found and face.screen.tty:
        face.screen.write(face.screen.style("Nothing is pinned.", "2"))


def forward(
    face: Face,
    chat: Chat,
    messages: Annotated[
        list[str], typer.Argument(metavar="MESSAGE…", help="The first digits of their ids.")
    ],
) -> None:
    """Say again in a conversation what messages say, with their files. It shows whose words they are."""
    found = said(face, *face.ask(api.ForwardMessages(tuple(messages), chat)))
    if face.as_json:
        face.screen.json(found)
        return
    for one in found:
        face.done(f"{showing.short(one.id)} {showing.standing(one)}")


def resend(face: Face, message: Message) -> None:
    """Say again what a message of yours that failed says. What failed goes from here."""
    say(face, face.ask(api.SendAgain(message)))
