"""`chat`: one conversation, read above and written below."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

from heliogram.cli import cleaning, showing
from heliogram.cli.editing import Prompt
from heliogram.cli.face import Face, Stop
from heliogram.cli.following import listen
from heliogram.cli.following import stay as run
from heliogram.cli.sentences import USAGE, failure, sentence, warning
from heliogram.node import api
from heliogram.node.control import protocol
from heliogram.node.errors import NodeError

HELP = """\
/file PATH [TEXT]      send a file
/reply ID TEXT         answer a message; an id's first digits are enough
/edit [ID] TEXT        give your message, or your last one, another text
/delete [ID]           take your message, or your last one, back
/react ID EMOJI        react; without an emoji, take it back
/get ID [FILE]         save a file of a message
/search WORDS          search here
/more                  show what was said before
/info                  members, relays, guarantees
/quit                  the end, like Ctrl-D
//TEXT                 a text that begins with a slash"""


def stay(face: Face, name: str) -> None:
    """Talk until Ctrl-D."""
    if face.as_json:
        raise Stop("A conversation is no JSON.", "heliogram read CHAT --follow --json", USAGE)

    async def work(node: api.Node) -> None:
        notices = await listen(node)
        info: api.ChatInfo = await node.call(api.GetChat(name))
        await Talk(face, node, info.chat).run(notices)

    run(face, work)


class Talk:
    """One stay in a conversation."""

    def __init__(self, face: Face, node: api.Node, chat: api.Chat) -> None:
        self._screen = face.screen
        self._node = node
        self._chat = chat
        self._prompt = Prompt(face.screen, f"{cleaning.line(chat.name)}> ")
        #: Our messages whose state is still worth a line, and what was shown of it.
        self._states: dict[int, str] = {}
        self._oldest: int | None = None
        self._newest = 0
        self._last_own = ""

    async def run(self, notices: AsyncIterator[api.AnyNotice]) -> None:
        """Until the input or the node ends."""
        await self._history()
        await self._node.call(api.MarkRead(self._chat.id))
        hearing = asyncio.create_task(self._hear(notices))
        writing = asyncio.create_task(self._write())
        try:
            await asyncio.wait((hearing, writing), return_when=asyncio.FIRST_COMPLETED)
            for task in (writing, hearing):
                if task.done():
                    task.result()
        finally:
            for task in (hearing, writing):
                task.cancel()
            await asyncio.gather(hearing, writing, return_exceptions=True)

    # --- What is heard ----------------------------------------------------------------------------

    async def _hear(self, notices: AsyncIterator[api.AnyNotice]) -> None:
        async for notice in notices:
            match notice:
                case api.MessageAdded() if notice.message.chat == self._chat.id:
                    await self._added(notice.message)
                case api.MessageChanged() if notice.message.chat == self._chat.id:
                    self._changed(notice.message)
                case api.CommandFailed() if notice.chat == self._chat.id:
                    failed = failure(notice.code, (one.name for one in notice.who))
                    self._say(f"{notice.command}: {failed.what}")
                case api.Warned() if notice.chat in (None, self._chat.id):
                    self._say(warning(notice.code, notice.who.name if notice.who else ""))
                case api.Locked():
                    self._say("The node has stopped.")
                    return
                case _:
                    pass

    async def _added(self, message: api.Message) -> None:
        if message.number <= self._newest:
            return
        self._newest = message.number
        if message.mine:
            self._states[message.number] = message.state
            self._last_own = message.id
        with self._prompt.above():
            showing.message(self._screen, message)
        if not message.mine:
            await self._node.call(api.MarkRead(self._chat.id, message.number))

    def _changed(self, message: api.Message) -> None:
        known = self._states.get(message.number)
        state = showing.standing(message)
        if message.mine and known is not None:
            if state != known:
                self._states[message.number] = state
                self._say(f"{showing.short(message.id)} {state}")
                if message.state in ("read", "failed"):
                    del self._states[message.number]
                return
        notes = "  ".join(showing.notes(message))
        text = f"{notes}: {showing.summary(message)}" if message.edited else notes
        self._say(f"changed: {text or message.kind}")

    def _say(self, text: str) -> None:
        with self._prompt.above():
            self._screen.write(self._screen.style(f"    {cleaning.line(text)}", "2"))

    # --- What is written --------------------------------------------------------------------------

    async def _write(self) -> None:
        if self._prompt.smart:
            self._say("/help lists what else there is. Ctrl-D ends.")
        async for line in self._prompt.lines():
            if not line.strip():
                continue
            try:
                if line.startswith("/") and not line.startswith("//"):
                    if not await self._command(line[1:]):
                        return
                else:
                    await self._send(line[1:] if line.startswith("//") else line)
            except NodeError as error:
                found = sentence(error)
                self._say(f"{found.what} {found.hint}".strip())

    async def _send(self, text: str, reply: str | None = None, files: tuple[str, ...] = ()) -> None:
        command = api.SendMessage(self._chat.id, text, reply, files)
        protocol.check(command)
        await self._node.call(command)

    async def _command(self, line: str) -> bool:
        """Do it. False at the end."""
        name, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        match name:
            case "quit" | "q" | "exit":
                return False
            case "help":
                with self._prompt.above():
                    self._screen.write(HELP)
            case "file" if rest:
                await self._file(rest)
            case "reply" if " " in rest:
                target, text = rest.split(" ", 1)
                await self._send(text.strip(), target)
            case "edit" if rest:
                target, text = self._target(rest)
                await self._node.call(api.EditMessage(target, text))
            case "delete":
                await self._node.call(api.DeleteMessage(rest or self._last_own))
            case "react" if rest:
                target, _, emoji = rest.partition(" ")
                await self._node.call(api.React(target, emoji.strip()))
            case "get" if rest:
                target, _, number = rest.partition(" ")
                index = int(number) if number.strip().isdecimal() else 0
                moving: api.Transfer = await self._node.call(api.GetFile(target, index))
                self._say(f"{moving.name}: {moving.state}")
            case "search" if rest:
                results = await self._node.call(api.Search(rest, self._chat.id))
                with self._prompt.above():
                    showing.found(self._screen, results)
            case "more":
                await self._history()
            case "info":
                info = await self._node.call(api.GetChat(self._chat.id))
                with self._prompt.above():
                    self._screen.pairs(showing.chat_info(info))
            case _:
                self._say(f"There is no /{name} like this. /help lists what there is.")
        return True

    def _target(self, rest: str) -> tuple[str, str]:
        """The message that is meant, and the text for it."""
        first, _, text = rest.partition(" ")
        digits = len(first) >= 6 and all(char in "0123456789abcdef" for char in first)
        return (first, text.strip()) if digits and text.strip() else (self._last_own, rest)

    async def _file(self, rest: str) -> None:
        try:
            path, *words = shlex.split(rest)
        except ValueError:
            path, words = rest, []
        file = Path(path).expanduser().absolute()
        if not file.is_file():
            self._say(f"There is no file {file}.")
            return
        await self._send(" ".join(words), None, (str(file),))

    async def _history(self) -> None:
        found: list[api.Message] = await self._node.call(
            api.GetHistory(self._chat.id, before=self._oldest, limit=20)
        )
        with self._prompt.above():
            for one in found:
                showing.message(self._screen, one)
            if not found and self._oldest is not None:
                self._screen.write(self._screen.style("    That was the beginning.", "2"))
        for one in found:
            self._newest = max(self._newest, one.number)
            self._oldest = min(one.number, self._oldest or one.number)
            if one.mine and one.id:
                self._states[one.number] = showing.standing(one)
                self._last_own = self._last_own or one.id
        own = [one.id for one in found if one.mine and one.id]
        if own and self._newest == found[-1].number:
            self._last_own = own[-1]
