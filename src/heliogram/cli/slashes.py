"""What can be done in `chat` besides writing: lines that begin with a slash."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from heliogram.cli import showing
from heliogram.cli.face import Stop
from heliogram.cli.polling import checked, places
from heliogram.cli.printing import Screen, moment
from heliogram.cli.whens import when
from heliogram.node import api

HELP = """\
/file PATH [TEXT]      send a file
/reply ID TEXT         answer a message; an id's first digits are enough
/edit [ID] TEXT        give your message, or your last one, another text
/delete [ID]           take your message, or your last one, back
/react ID EMOJI        react; without an emoji, take it back
/poll ASK | ONE | TWO  ask all: a question and options
/vote ID NUMBER…       choose options of a poll; without a number, take it back
/pin ID, /unpin ID     pin a message for all, or no longer
/pins                  what is pinned
/forward ID CHAT       say it again in another conversation
/resend ID             say again what failed
/later WHEN TEXT       send it later: 18:30, +2h, 'tomorrow 8:00'
/waiting               what waits for its time
/cancel NUMBER         do not send it
/get ID [FILE]         save a file of a message
/search WORDS          search here
/more                  show what was said before
/info                  members, relays, guarantees
/quit                  the end, like Ctrl-D
//TEXT                 a text that begins with a slash"""


class Talk(Protocol):
    """What these lines are written in."""

    screen: Screen
    node: api.Node
    chat: api.Chat
    #: The id of our last message here.
    last_own: str

    def above(self) -> AbstractContextManager[None]:
        """What is printed inside appears above the prompt."""

    def say(self, text: str) -> None:
        """Show a note."""

    async def send(self, text: str, reply: str | None = None, files: tuple[str, ...] = ()) -> None:
        """Say something here."""

    async def history(self) -> None:
        """Show what was said before."""


async def do(talk: Talk, written: str) -> bool:
    """Do what stands behind the slash. False at the end. Raises `NodeError`, and `Stop`."""
    name, _, rest = written.strip().partition(" ")
    rest = rest.strip()
    node, chat = talk.node, talk.chat.id
    first, _, more = rest.partition(" ")
    more = more.strip()
    match name:
        case "quit" | "q" | "exit":
            return False
        case "help":
            with talk.above():
                talk.screen.write(HELP)
        case "file" if rest:
            await _file(talk, rest)
        case "reply" if more:
            await talk.send(more, first)
        case "edit" if rest:
            target, text = _target(talk, rest)
            await node.call(api.EditMessage(target, text))
        case "delete" if rest or talk.last_own:
            await node.call(api.DeleteMessage(rest or talk.last_own))
        case "react" if rest:
            await node.call(api.React(first, more))
        case "poll" if "|" in rest:
            await _poll(talk, rest)
        case "vote" if rest:
            await _vote(talk, first, more.split())
        case "pin" | "unpin" if rest:
            await node.call(api.PinMessage(first, name == "pin"))
        case "pins":
            found: list[api.Message] = await node.call(api.GetPins(chat))
            _messages(talk, found, "Nothing is pinned.")
        case "forward" if more:
            await node.call(api.ForwardMessages((first,), more))
            talk.say(f"forwarded to {more}")
        case "resend" if rest:
            await node.call(api.SendAgain(first))
        case "later" if rest:
            await _later(talk, rest)
        case "waiting":
            waiting: list[api.Scheduled] = await node.call(api.GetScheduled(chat))
            with talk.above():
                talk.screen.table(showing.scheduled(waiting, {chat: talk.chat.name}))
        case "cancel" if rest.isascii() and rest.isdecimal() and len(rest) < 16:
            await node.call(api.Unschedule(int(rest)))
            talk.say("It is not sent.")
        case "get" if rest:
            index = int(more) if more.isascii() and more.isdecimal() and len(more) < 10 else 0
            moving: api.Transfer = await node.call(api.GetFile(first, index))
            talk.say(f"{moving.name}: {moving.state}")
        case "search" if rest:
            results = await node.call(api.Search(rest, chat))
            with talk.above():
                showing.found(talk.screen, results)
        case "more":
            await talk.history()
        case "info":
            info = await node.call(api.GetChat(chat))
            with talk.above():
                talk.screen.pairs(showing.chat_info(info))
        case _:
            talk.say(f"There is no /{name} like this. /help lists what there is.")
    return True


def _target(talk: Talk, rest: str) -> tuple[str, str]:
    """The message that is meant, and the text for it."""
    first, _, text = rest.partition(" ")
    digits = len(first) >= 6 and all(char in "0123456789abcdef" for char in first)
    if digits and text.strip():
        return first, text.strip()
    if not talk.last_own:
        raise Stop("There is no message of yours here.")
    return talk.last_own, rest


def _messages(talk: Talk, found: Iterable[api.Message], empty: str) -> None:
    with talk.above():
        none = True
        for one in found:
            none = False
            showing.message(talk.screen, one)
        if none:
            talk.screen.write(talk.screen.style(f"    {empty}", "2"))


async def _file(talk: Talk, rest: str) -> None:
    try:
        path, *words = shlex.split(rest)
    except ValueError:
        path, words = rest, []
    file = Path(path).expanduser().absolute()
    if not file.is_file():
        raise Stop(f"There is no file {file}.")
    await talk.send(" ".join(words), None, (str(file),))


async def _poll(talk: Talk, rest: str) -> None:
    question, *options = (part.strip() for part in rest.split("|"))
    checked(question, options, 1)
    await talk.node.call(api.SendPoll(talk.chat.id, question, tuple(options)))


async def _vote(talk: Talk, message: str, options: list[str]) -> None:
    now: api.Message = await talk.node.call(api.GetMessage(message))
    if now.poll is None:
        raise Stop("This message is no poll.")
    texts = [one.text.casefold() for one in now.poll.options]
    # An option of several words is meant as a whole.
    chosen = [" ".join(options)] if " ".join(options).casefold() in texts else options
    await talk.node.call(api.Vote(message, places(now.poll, chosen)))


async def _later(talk: Talk, rest: str) -> None:
    try:
        parts = shlex.split(rest)
    except ValueError:
        parts = rest.split()
    at, text = _timed(parts, rest)
    if not text:
        raise Stop("There is nothing to send.", "/later WHEN TEXT")
    made: api.Scheduled = await talk.node.call(api.Schedule(talk.chat.id, at, text))
    talk.say(f"{made.number} goes {moment(made.at)}. /cancel {made.number} stops it.")


def _timed(parts: list[str], rest: str) -> tuple[int, str]:
    """A time of one word or two, and what is to be said then."""
    now = datetime.now().astimezone()
    words = rest.split()
    if parts and " " in parts[0]:
        # In quotes.
        return when(parts[0], now), " ".join(parts[1:])
    for many in (2, 1):
        try:
            at = when(" ".join(words[:many]), now)
        except Stop:
            if many == 1:
                raise
        else:
            return at, rest.split(None, many)[many] if len(words) > many else ""
    raise Stop("There is nothing to send.", "/later WHEN TEXT")
