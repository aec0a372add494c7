"""`chat`: one conversation, read above and written below."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, suppress

from heliogram.cli import cleaning, showing, slashes
from heliogram.cli.editing import Prompt
from heliogram.cli.face import Face, Stop
from heliogram.cli.following import listen
from heliogram.cli.following import stay as run
from heliogram.cli.sentences import USAGE, failure, sentence, warning
from heliogram.node import api
from heliogram.node.control import protocol
from heliogram.node.errors import NodeError


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
        self.screen = face.screen
        self.node = node
        self.chat = chat
        self.last_own = ""
        self._prompt = Prompt(face.screen, _prompt(chat))
        self._draft = chat.draft
        #: What was shown of a message, by its number: where it stood, and all else.
        self._shown: dict[int, tuple[str, str]] = {}
        #: Where "/more" goes on.
        self._oldest: int | None = None

    async def run(self, notices: AsyncIterator[api.AnyNotice]) -> None:
        """Until the input or the node ends."""
        await self.history()
        await self.node.call(api.MarkRead(self.chat.id))
        if self._prompt.smart:
            self._prompt.text = self._draft
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
            await self._keep_draft()

    async def _keep_draft(self) -> None:
        """What was begun is there again next time, here and in the app."""
        if self._prompt.smart and self._prompt.text != self._draft:
            # The node may be gone already.
            with suppress(NodeError, OSError):
                await self.node.call(api.SetDraft(self.chat.id, self._prompt.text))

    # --- What is heard ----------------------------------------------------------------------------

    async def _hear(self, notices: AsyncIterator[api.AnyNotice]) -> None:
        async for notice in notices:
            match notice:
                case api.MessageAdded() if notice.message.chat == self.chat.id:
                    await self._added(notice.message)
                case api.MessageChanged() if notice.message.chat == self.chat.id:
                    self._changed(notice.message)
                case api.ChatChanged() if notice.chat.id == self.chat.id:
                    await self._go_on(notice.chat)
                case api.CommandFailed() if notice.chat == self.chat.id:
                    failed = failure(notice.code, (one.name for one in notice.who))
                    self.say(f"{notice.command}: {failed.what}")
                case api.Warned() if notice.chat in (None, self.chat.id):
                    self.say(warning(notice.code, notice.who.name if notice.who else ""))
                case api.Locked():
                    self.say("The node has stopped.")
                    return
                case _:
                    pass

    async def _go_on(self, chat: api.Chat) -> None:
        """Follow a conversation to the one that it goes on in, and to its new name."""
        if chat.successor is not None:
            info: api.ChatInfo = await self.node.call(api.GetChat(chat.successor))
            chat = info.chat
            self.say("The conversation goes on in a new log: you write there from now on.")
        self.chat, self._prompt.prompt = chat, _prompt(chat)

    async def _added(self, message: api.Message) -> None:
        own = message.mine and message.line is None
        self.last_own = message.id if own else self.last_own
        # What waits comes anew where a conversation goes on.
        if message.number in self._shown:
            return
        self._shown[message.number] = _seen(message)
        with self.above():
            showing.message(self.screen, message)
        if not message.mine:
            await self.node.call(api.MarkRead(self.chat.id, message.number))

    def _changed(self, message: api.Message) -> None:
        before, now = self._shown.get(message.number), _seen(message)
        self._shown[message.number] = now
        if before is not None and before[1] == now[1]:
            if message.mine and before[0] != now[0]:
                self.say(f"{showing.short(message.id)} {now[0]}")
            return
        if message.poll is not None:
            rows = cleaning.block(showing.poll(message.poll)).split("\n")
            with self.above():
                for row in (showing.short(message.id), *rows):
                    self.screen.write(f"    {row}")
            return
        notes = "  ".join(showing.notes(message))
        says = message.edited or message.kind == "deleted"
        self.say(f"changed: {notes}{f': {showing.summary(message)}' if says else ''}")

    # --- What is written --------------------------------------------------------------------------

    def above(self) -> AbstractContextManager[None]:
        """What is printed inside appears above the prompt."""
        return self._prompt.above()

    def say(self, text: str) -> None:
        """Show a note."""
        with self.above():
            self.screen.write(self.screen.style(f"    {cleaning.line(text)}", "2"))

    async def _write(self) -> None:
        if self._prompt.smart:
            self.say("/help lists what else there is. Ctrl-D ends.")
        async for line in self._prompt.lines():
            if not line.strip():
                continue
            try:
                if line.startswith("/") and not line.startswith("//"):
                    if not await slashes.do(self, line[1:]):
                        return
                else:
                    await self.send(line[1:] if line.startswith("//") else line)
            except NodeError as error:
                found = sentence(error)
                self.say(f"{found.what} {found.hint}".strip())
            except Stop as stop:
                self.say(f"{stop.what} {stop.hint}".strip())

    async def send(self, text: str, reply: str | None = None, files: tuple[str, ...] = ()) -> None:
        """Say something here."""
        command = api.SendMessage(self.chat.id, text, reply, files)
        protocol.check(command)
        await self.node.call(command)

    async def history(self) -> None:
        """Show what was said before."""
        found: list[api.Message] = await self.node.call(
            api.GetHistory(self.chat.id, before=self._oldest, limit=20)
        )
        with self.above():
            for one in found:
                showing.message(self.screen, one)
            if not found and self._oldest is not None:
                self.screen.write(self.screen.style("    That was the beginning.", "2"))
        self._shown |= {one.number: _seen(one) for one in found}
        own = [one.id for one in found if one.mine and one.line is None]
        if own and self._oldest is None:
            self.last_own = own[-1]
        if found:
            # Messages are in the order of their times, which is not that of their numbers.
            self._oldest = found[0].number


def _prompt(chat: api.Chat) -> str:
    return f"{cleaning.line(chat.name)}> "


def _seen(message: api.Message) -> tuple[str, str]:
    """Where a message stands, and all else that is shown of it."""
    standing = showing.standing(message)
    notes = [one for one in showing.notes(message) if one != standing]
    return standing, "\n".join((*notes[1:], showing.content(message)))
