"""Several who talk in one conversation, and what they must all see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from heliogram.node import api
from tests.node.chaos.between import Between, relays
from tests.node.chaos.nodes import PATIENCE, Node, acquaint, group, people


class Talker(Protocol):
    """A node that can be asked."""

    name: str

    async def call(self, command: api.Command) -> Any:
        """Do it there."""


class Talking:
    """A conversation; all are in from the beginning."""

    def __init__(self, chat: str, members: Sequence[Talker]) -> None:
        self.chat = chat
        self.members = list(members)
        self.said: dict[str, str] = {}

    async def say(self, who: Talker, text: str) -> api.Message:
        """Say something: everybody must see it."""
        message: api.Message = await who.call(api.SendMessage(self.chat, text))
        self.said[message.id] = text
        return message

    async def chatter(self, word: str, times: int) -> None:
        """All talk at once."""

        async def speak(who: Talker) -> None:
            for number in range(times):
                await self.say(who, f"{who.name}: {word} {number}")

        await asyncio.gather(*map(speak, self.members))

    async def texts(self, who: Talker) -> list[str]:
        """What somebody sees, in order; nothing that could not be read."""
        found: list[api.Message] = []
        before: int | None = None
        while page := await who.call(api.GetHistory(self.chat, before=before, limit=1000)):
            found, before = [*page, *found], page[0].number
        bad = [one.text for one in found if one.kind == "unreadable"]
        assert not bad, f"{who.name}: {bad}"
        return [one.text for one in found if one.kind == "text"]

    async def info(self, who: Talker) -> api.ChatInfo:
        """All about it."""
        found: api.ChatInfo = await who.call(api.GetChat(self.chat))
        return found

    async def agreed(self, *, stored: int = 0) -> None:
        """Wait until all see all that was said, once, in one order, and are in one epoch.

        `stored`: all of it by so many relays at least.
        """
        seen: list[list[str]] = []
        infos: list[api.ChatInfo] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    seen = [await self.texts(one) for one in self.members]
                    infos = [await self.info(one) for one in self.members]
                    seals = {(one.authenticator, one.chat.name) for one in infos}
                    if len(seals) == 1 and all(one == seen[0] for one in seen):
                        if {*self.said.values()} <= {*seen[0]}:
                            break
                    await asyncio.sleep(0.05)
        except TimeoutError:
            lacking = [sorted({*self.said.values()} - {*one}) for one in seen]
            states = [[one.state for one in info.relays] for info in infos]
            epochs = [(one.epoch, one.authenticator[:8], one.chat.phase) for one in infos]
            raise AssertionError(f"lacking {lacking}; {epochs}; {states}") from None
        assert len(seen[0]) == len({*seen[0]}), "something is shown twice"
        for id in self.said if stored else ():
            await self._stored(id, stored)

    async def _stored(self, id: str, least: int) -> None:
        async with asyncio.timeout(PATIENCE):
            for one in self.members:
                while True:
                    message: api.Message = await one.call(api.GetMessage(id))
                    if not message.mine or len(message.stored_by) >= least:
                        break
                    await asyncio.sleep(0.05)

    async def renamed(self, who: Talker, name: str) -> None:
        """Somebody gives it a name, and all see it."""
        await who.call(api.SetProfile(self.chat, name=name))
        infos: list[api.ChatInfo] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while not infos or any(one.chat.name != name for one in infos):
                    await asyncio.sleep(0.05)
                    infos = [await self.info(one) for one in self.members]
        except TimeoutError:
            seen = [(it.epoch, it.chat.name, [one.state for one in it.relays]) for it in infos]
            raise AssertionError(f"not all call it {name}: {seen}") from None


@asynccontextmanager
async def tea(
    path: Path, names: Sequence[str] = ("Alice", "Bob"), *, count: int = 4, spare: int = 0
) -> AsyncIterator[tuple[list[Between], list[Node], Talking]]:
    """A group of these people on four relays, as processes; `spare` relays run besides."""
    async with relays(path, count + spare) as betweens:
        addresses = [one.address for one in betweens[:count]]
        async with people(path, names, addresses) as everybody:
            first, *others = everybody
            for one in others:
                await acquaint(first, one)
            chat = await group("Tea", first, *others)
            yield betweens, everybody, Talking(chat, everybody)
