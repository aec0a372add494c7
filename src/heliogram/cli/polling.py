"""`poll`: ask all, vote, see how it stands."""

from __future__ import annotations

from typing import Annotated

import typer

from heliogram.cli import showing
from heliogram.cli.arguments import Chat
from heliogram.cli.cleaning import block
from heliogram.cli.commands import command, group
from heliogram.cli.face import Face, Stop
from heliogram.cli.sentences import USAGE
from heliogram.cli.waiting import say
from heliogram.node import api

polls = group("poll", "Polls: ask, vote, see how they stand.")

#: Options that a poll may have.
LEAST, MOST = 2, 32

Poll = Annotated[str, typer.Argument(metavar="POLL", help="The first digits of its id.")]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(polls)


@command(
    polls,
    "new",
    "poll new Friends 'Which evening?' Tuesday Thursday",
    "poll new Friends 'What do you bring?' Bread Cheese Wine --most 2",
)
def new(
    face: Face,
    chat: Chat,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you ask.")],
    options: Annotated[list[str], typer.Argument(metavar="OPTION…", help="What they may choose.")],
    most: Annotated[
        int, typer.Option("--most", min=1, max=MOST, help="How many one person may choose.")
    ] = 1,
) -> None:
    """Ask all. Everybody sees who chose what."""
    checked(question, options, most)
    say(face, face.ask(api.SendPoll(chat, question, tuple(options), most)))


@command(
    polls,
    "vote",
    "poll vote 3fa2c1d0 Thursday",
    "poll vote 3fa2c1d0 1 3",
    "poll vote 3fa2c1d0 --none",
)
def vote(
    face: Face,
    message: Poll,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[OPTION…]", help="As they are written, or their numbers."),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Take your vote back.")] = False,
) -> None:
    """Choose. Your last vote counts, and all see it."""
    if bool(options) == none:
        raise Stop("Give what you choose, or --none.", exit=USAGE)
    asked = _asked(face, message)
    chosen = places(asked, options or [])
    now: api.Message = face.ask(api.Vote(message, chosen))
    face.done("Your vote is taken back." if none else "You voted.", now)


@command(polls, "show", "poll show 3fa2c1d0", "poll show 3fa2c1d0 --json")
def show(face: Face, message: Poll) -> None:
    """Show how a poll stands, and who chose what."""
    now: api.Message = face.ask(api.GetMessage(message))
    if now.poll is None:
        raise _no_poll()
    if face.as_json:
        face.screen.json(now)
    elif face.screen.tty:
        face.screen.write(block(showing.poll(now.poll)))
    else:
        face.screen.table(showing.poll_rows(now.poll))


def checked(question: str, options: list[str], most: int) -> None:
    """Raises `Stop` if nobody can choose in such a poll."""
    if not question.strip() or not all(one.strip() for one in options):
        raise Stop("A question and its options need words.", exit=USAGE)
    if not LEAST <= len(options) <= MOST:
        raise Stop(f"A poll has {LEAST} to {MOST} options.", exit=USAGE)
    if len({one.strip() for one in options}) < len(options):
        raise Stop("Two options are the same.", exit=USAGE)
    if most > len(options):
        raise Stop("Nobody can choose more options than there are.", exit=USAGE)


def places(asked: api.PollInfo, options: list[str]) -> tuple[int, ...]:
    """The places of what somebody chooses, by its text or its number from 1. Raises `Stop`."""
    found = tuple(dict.fromkeys(_place(asked, one) for one in options))
    if len(found) > asked.most:
        what = "one option" if asked.most == 1 else f"{asked.most} options"
        raise Stop(f"At most {what} can be chosen in this poll.", exit=USAGE)
    return found


def _place(asked: api.PollInfo, option: str) -> int:
    wanted = option.strip().casefold()
    texts = [one.text.strip().casefold() for one in asked.options]
    if texts.count(wanted) == 1:
        return texts.index(wanted)
    if wanted.isascii() and wanted.isdecimal() and 1 <= int(wanted[:9]) <= len(texts):
        return int(wanted[:9]) - 1
    raise Stop(
        f"{option!r} is no option of this poll.", "heliogram poll show POLL lists them.", USAGE
    )


def _asked(face: Face, message: str) -> api.PollInfo:
    now: api.Message = face.ask(api.GetMessage(message))
    if now.poll is None:
        raise _no_poll()
    return now.poll


def _no_poll() -> Stop:
    return Stop("This message is no poll.", "heliogram poll new asks something.", code="no poll")
